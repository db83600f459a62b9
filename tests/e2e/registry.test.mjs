// The main job with a real registry: what it says becomes exactly these messages, for every client
// on the path and for nobody else.
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { REGCAST } from './cli.mjs';
import { command } from './command.mjs';
import {
    ALL_TYPES,
    BROADCASTER,
    Client,
    Daemon,
    FOLDER,
    GATEWAY,
    OCI_INDEX,
    OCI_MANIFEST,
    REGISTRY,
    defer,
    freePort,
    makeConfig,
    newImage,
    readMessage,
    tempDir,
    trigger,
    until,
} from './harness.mjs';
import { makeArtifact, makeImage, makeIndex, sha256 } from './images.mjs';
import { Registry } from './registry.mjs';

const TOKEN = 'e2e-token-7d1f0c';

describe('a real registry', { timeout: 120000 }, () => {
    let daemon, registry, clients, bystander;
    let read = 0; // messages of `clients` that were checked
    let lastId = '';
    let markers = 0;

    before(async () => {
        daemon = await Daemon.start(
            makeConfig({
                gateway: { paths: ['/builds', '/other'] },
                triggers: [
                    trigger('builds', { path: '/builds' }),
                    trigger('other', { path: '/other', image_name: 'marker/other' }),
                ],
            }),
        );
        registry = await Registry.start({ url: daemon.webhookUrl() });
        clients = [await Client.open(daemon.url('/builds')), await Client.open(daemon.url('/builds'))];
        bystander = await Client.open(daemon.url('/other'));
    });

    after(async () => {
        for (const c of [...(clients ?? []), bystander]) await c?.close();
        await registry?.stop();
        await daemon?.stop();
    });

    // Checks that since the last call the clients received exactly `expected`: [type, repository,
    // digest, tag, cause], where cause finds the registry's event it comes from. Two markers pushed
    // now prove that nothing else is on its way: the registry reports in order.
    async function received(expected) {
        const marker = makeImage(`marker ${++markers}`);
        await registry.putImage('marker/other', marker);
        await registry.putImage('marker/builds', marker);
        const all = [
            ...expected,
            ...['marker/other', 'marker/builds'].map((repository) => [
                'CreateImage',
                repository,
                marker.digest,
                '',
                { action: 'push', repository, digest: marker.digest },
            ]),
        ];
        const last = read + all.length;
        const texts = (await clients[0].first(last)).slice(read);
        const events = texts.map((text) => {
            const of = readMessage(text);
            assert.equal(of.length, 1, 'size 1: every event is a message');
            return of[0];
        });
        const facts = ({ type, repo, digest, tag }) => [type, repo, digest, tag];
        assert.deepEqual(
            events.map(facts),
            all.map((one) => one.slice(0, 4)),
        );
        for (const [i, [, repository, , , cause]] of all.entries()) {
            const said = await registry.recorded({ repository, ...cause });
            assert.equal(events[i].at, said.timestamp, `created_at of ${texts[i]}`);
            assert.deepEqual(events[i].trace, { parent_span_id: '', span_id: '', trace_id: '' });
            assert.ok(events[i].id > lastId, `event_id ${events[i].id} after ${lastId}`);
            lastId = events[i].id;
        }
        // The other client saw the same bytes, the one on another path its marker alone.
        assert.deepEqual((await clients[1].first(last)).slice(read), texts);
        assert.equal(clients[0].messages.length, last);
        assert.equal(clients[1].messages.length, last);
        assert.equal(readMessage((await bystander.first(markers)).at(-1))[0].digest, marker.digest);
        assert.equal(bystander.messages.length, markers);
        for (const c of clients) assert.equal(c.binary.length, 0, 'text messages only');
        read = last;
    }

    const one = makeImage('one');
    const two = makeImage('two');

    test('a new image gives CreateImage and CreateImageTag', async () => {
        await registry.push(one, 'team/app', 'v1');
        const cause = { action: 'push', tag: 'v1' };
        await received([
            ['CreateImage', 'team/app', one.digest, 'v1', cause],
            ['CreateImageTag', 'team/app', one.digest, 'v1', cause],
        ]);
    });

    test('the same image under a second tag gives CreateImageTag alone', async () => {
        await registry.push(one, 'team/app', 'stable');
        const cause = { action: 'push', tag: 'stable' };
        await received([['CreateImageTag', 'team/app', one.digest, 'stable', cause]]);
    });

    test('the same push again gives nothing', async () => {
        const before = await daemon.metrics();
        await registry.push(one, 'team/app', 'stable');
        await received([]);
        const ignored = { outcome: 'ignored' };
        const after = await daemon.metrics();
        assert.ok(
            after.get('regcast_webhook_events_total', ignored) >
                before.get('regcast_webhook_events_total', ignored),
        );
    });

    test('a tag moved to another image names the old one and the new one', async () => {
        await registry.push(two, 'team/app', 'v1');
        const cause = { action: 'push', tag: 'v1', digest: two.digest };
        await received([
            ['CreateImage', 'team/app', two.digest, 'v1', cause],
            ['DeleteImageTag', 'team/app', one.digest, 'v1', cause],
            ['CreateImageTag', 'team/app', two.digest, 'v1', cause],
        ]);
    });

    test('a tag moved back to a known image creates no image', async () => {
        await registry.push(one, 'team/app', 'v1');
        const cause = { action: 'push', tag: 'v1', digest: one.digest };
        await received([
            ['DeleteImageTag', 'team/app', two.digest, 'v1', cause],
            ['CreateImageTag', 'team/app', one.digest, 'v1', cause],
        ]);
    });

    test('a delete by digest takes both tags with it', async () => {
        await registry.deleteManifest('team/app', one.digest);
        const cause = { action: 'delete', digest: one.digest };
        await received([
            ['DeleteImage', 'team/app', one.digest, '', cause],
            ['DeleteImageTag', 'team/app', one.digest, 'stable', cause],
            ['DeleteImageTag', 'team/app', one.digest, 'v1', cause],
        ]);
    });

    test('a deleted image that comes back is new', async () => {
        await registry.push(one, 'team/app', 'v1');
        const cause = { action: 'push', tag: 'v1', digest: one.digest };
        await received([
            ['CreateImage', 'team/app', one.digest, 'v1', cause],
            ['CreateImageTag', 'team/app', one.digest, 'v1', cause],
        ]);
    });

    test('skopeo delete by tag is a delete of the image', async () => {
        await registry.skopeoDelete('team/app', 'v1');
        const cause = { action: 'delete', digest: one.digest };
        await received([
            ['DeleteImage', 'team/app', one.digest, '', cause],
            ['DeleteImageTag', 'team/app', one.digest, 'v1', cause],
        ]);
    });

    test('a multi-arch index: its images without a tag, then the index with one', async () => {
        const amd = makeImage('multi amd64', 'amd64');
        const arm = makeImage('multi arm64', 'arm64');
        const index = makeIndex([amd, arm]);
        await registry.push(index, 'team/multi', 'v1');
        const cause = (digest) => ({ action: 'push', digest });
        await received([
            ['CreateImage', 'team/multi', amd.digest, '', cause(amd.digest)],
            ['CreateImage', 'team/multi', arm.digest, '', cause(arm.digest)],
            ['CreateImage', 'team/multi', index.digest, 'v1', cause(index.digest)],
            ['CreateImageTag', 'team/multi', index.digest, 'v1', cause(index.digest)],
        ]);
    });

    test('an OCI artifact without a tag is an image without one', async () => {
        const sbom = makeArtifact('{"packages":[]}', two);
        await registry.putImage('team/app', sbom);
        const cause = { action: 'push', digest: sbom.digest };
        await received([['CreateImage', 'team/app', sbom.digest, '', cause]]);
    });

    test('blobs mounted from another repository say nothing, the manifest does', async () => {
        for (const blob of two.blobs) await registry.mount('prod/app', 'team/app', sha256(blob));
        await registry.putManifest('prod/app', two, 'v1');
        const cause = { action: 'push', tag: 'v1' };
        await received([
            ['CreateImage', 'prod/app', two.digest, 'v1', cause],
            ['CreateImageTag', 'prod/app', two.digest, 'v1', cause],
        ]);
        await registry.recorded({ action: 'mount', repository: 'prod/app' });
    });

    test('pulls say nothing', async () => {
        await registry.skopeoPull('prod/app', ':v1');
        await registry.skopeoPull('prod/app', `@${two.digest}`);
        await registry.pull('prod/app', 'v1', OCI_MANIFEST, 'HEAD');
        await registry.pull('team/multi', 'v1', OCI_INDEX);
        await received([]);
        await registry.recorded({ action: 'pull', repository: 'prod/app', tag: 'v1' });
    });

    test('a deleted blob is no deleted image', async () => {
        await registry.deleteBlob('prod/app', sha256(two.blobs[1]));
        await received([]);
        await registry.recorded({ action: 'delete', repository: 'prod/app' });
    });

    test('every webhook was answered 202 and logged, the registry had to repeat none', async () => {
        const m = await daemon.metrics();
        const requests = m.get('regcast_webhook_requests_total');
        assert.ok(requests >= registry.recorder.events.length);
        assert.equal(m.get('regcast_http_answers_total', { listener: 'webhooks', code: '202' }), requests);
        assert.equal(m.get('regcast_webhook_events_total', { outcome: 'duplicate' }), 0);
        assert.equal(m.get('regcast_webhook_events_total', { outcome: 'set_aside' }), 0);
        assert.deepEqual(m.rejects(), {});
        const webhooks = daemon.logged({ component: 'webhook' });
        assert.ok(webhooks.length >= requests, `${webhooks.length} log lines, ${requests} requests`);
    });
});

// The command that makes a trigger, as the original documents it, but for the program's name.
const DOCUMENTED = `regcast serverless trigger create container-registry \\
  --name registry-trigger --registry-id ${REGISTRY} \\
  --events 'create-image','delete-image','create-image-tag','delete-image-tag' \\
  --batch-size 3 --batch-cutoff 20s \\
  --gateway-id ${GATEWAY} --gateway-websocket-broadcast-path / \\
  --gateway-websocket-broadcast-service-account-id ${BROADCASTER}
`;

const PRINTED = `folder_id: ${FOLDER}
created_at: "TIME"
name: registry-trigger
rule:
  container_registry:
    event_type:
    - CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE
    - CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE
    - CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE_TAG
    - CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE_TAG
    registry_id: ${REGISTRY}
    batch_settings:
      size: "3"
      cutoff: 20s
    gateway_websocket_broadcast:
      gateway_id: ${GATEWAY}
      path: /
      service_account_id: ${BROADCASTER}
status: ACTIVE
`;

// Its type is in the answer to a creation and not in that to a GET.
const plain = ({ '@type': type, ...rest }) => rest;

describe('a trigger that fires for a real push', { timeout: 60000 }, () => {
    async function scene(t) {
        const daemon = await Daemon.start(makeConfig({ triggers: [] }));
        defer(t, () => daemon.stop());
        const registry = await Registry.start({ url: daemon.webhookUrl() });
        defer(t, () => registry.stop());
        const client = await Client.open(daemon.url());
        defer(t, () => client.close());
        await registry.push(makeImage('before'), 'team/app', 'old'); // nobody asked for it yet
        await registry.recorded({ tag: 'old' });
        await until('the webhook of it', () => daemon.logged({ component: 'webhook' }).length > 0);
        return { daemon, registry, client };
    }

    // Two tags of one new image: three events, one full batch.
    async function fires({ registry, client }) {
        const image = makeImage('pushed');
        await registry.push(image, 'team/app', 'v1');
        await registry.push(image, 'team/app', 'stable');
        const [text] = await client.first(1);
        assert.deepEqual(
            readMessage(text).map(({ type, repo, digest, tag }) => [type, repo, digest, tag]),
            [
                ['CreateImage', 'team/app', image.digest, 'v1'],
                ['CreateImageTag', 'team/app', image.digest, 'v1'],
                ['CreateImageTag', 'team/app', image.digest, 'stable'],
            ],
        );
    }

    test('is made by the documented command, which prints what is documented', async (t) => {
        const stage = await scene(t);
        const env = { REGCAST_ENDPOINT: stage.daemon.ready.management[0], PATH: `${dirname(REGCAST)}:${process.env.PATH}`, HOME: tempDir() };
        const { code, out, err } = await command(['-c', DOCUMENTED], { bin: '/bin/sh', env });
        assert.deepEqual([code, err], [0, []]);
        assert.match(out[0], /^id: a1s[0-9a-v]{17}$/);
        const rest = `${out.slice(1).join('\n')}\n`;
        assert.equal(rest.replace(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"/, '"TIME"'), PRINTED);
        await fires(stage);
    });

    test('is made by REST with curl', async (t) => {
        const stage = await scene(t);
        const url = `http://${stage.daemon.ready.management[0]}/triggers/v1/triggers`;
        const curl = async (...args) => {
            const { code, out, err } = await command(['-sS', '--fail-with-body', ...args], { bin: 'curl' });
            assert.equal(code, 0, [...out, ...err].join('\n'));
            return JSON.parse(out.join('\n'));
        };
        const { name, rule } = trigger('by-curl', { size: 3, cutoff: '20s' });
        rule.container_registry.event_type = ALL_TYPES.map((type) => `CONTAINER_REGISTRY_EVENT_TYPE_${type}`);
        const made = await curl('-d', JSON.stringify({ folder_id: FOLDER, name, rule }), url);
        assert.deepEqual(await curl(`${url}/${made.metadata.triggerId}`), plain(made.response));
        await fires(stage);
    });
});

// A batch that stays open long enough for a client to connect after the daemon has started.
const lateConfig = (port, registries = [{ id: REGISTRY, kind: 'distribution' }]) =>
    makeConfig({
        webhooks: { listen: [`127.0.0.1:${port}`] },
        triggers: [trigger('late', { size: 1000, cutoff: '4s' })],
        registries,
    });

test('what was pushed while regcast was down arrives after it starts', { timeout: 60000 }, async (t) => {
    const port = await freePort();
    const registry = await Registry.start({
        url: `http://127.0.0.1:${port}/registries/${REGISTRY}/events`,
    });
    defer(t, () => registry.stop());
    const [one, two] = [makeImage('down one'), makeImage('down two')];
    await registry.push(one, 'team/app', 'v1');
    await registry.push(two, 'team/app', 'v1');
    await registry.recorded({ tag: 'v1', digest: two.digest });
    await until('a failed attempt', () => registry.log.some((line) => /refused/.test(line)));

    const daemon = await Daemon.start(lateConfig(port));
    defer(t, () => daemon.stop());
    const client = await Client.open(daemon.url());
    defer(t, () => client.close());
    const [text] = await client.first(1, 15000);
    const events = readMessage(text);
    assert.deepEqual(
        events.map(({ type, repo, digest, tag }) => [type, repo, digest, tag]),
        [
            ['CreateImage', 'team/app', one.digest, 'v1'],
            ['CreateImageTag', 'team/app', one.digest, 'v1'],
            ['CreateImage', 'team/app', two.digest, 'v1'],
            ['DeleteImageTag', 'team/app', one.digest, 'v1'],
            ['CreateImageTag', 'team/app', two.digest, 'v1'],
        ],
    );
    const said = await registry.recorded({ tag: 'v1', digest: one.digest });
    assert.equal(events[0].at, said.timestamp, 'the time of the push, not of its arrival');
    assert.deepEqual(
        events.map((e) => e.id),
        events.map((e) => e.id).sort(),
    );
});

test('a registry that shows its token is let in, others are not', { timeout: 60000 }, async (t) => {
    const port = await freePort();
    const open = 'crtregistry000000002';
    const daemon = await Daemon.start(
        lateConfig(port, [
            { id: REGISTRY, kind: 'distribution', token: TOKEN },
            { id: open, kind: 'distribution' },
        ]),
    );
    defer(t, () => daemon.stop());
    const registry = await Registry.start({
        url: daemon.webhookUrl(),
        headers: { Authorization: `Bearer ${TOKEN}` },
    });
    defer(t, () => registry.stop());
    const client = await Client.open(daemon.url());
    defer(t, () => client.close());

    for (const headers of [
        {},
        { Authorization: 'Bearer wrong' },
        { Authorization: `Bearer ${TOKEN}x` },
        { Authorization: `Bearer ${TOKEN.slice(0, -1)}` },
        { Authorization: `Basic ${Buffer.from('user:wrong').toString('base64')}` },
        { Authorization: TOKEN },
    ]) {
        const got = await daemon.post([newImage('intruder')], { headers });
        assert.equal(got.status, 401, JSON.stringify(headers));
        assert.equal(got.headers['www-authenticate'], 'Bearer');
        assert.deepEqual(got.json, { error: 'auth' });
    }
    const basic = { Authorization: `Basic ${Buffer.from(`user:${TOKEN}`).toString('base64')}` };
    const first = newImage('team/app');
    await daemon.accept([first], { headers: basic });
    const image = makeImage('with a token');
    await registry.push(image, 'team/app', 'v1');

    const [text] = await client.first(1);
    assert.deepEqual(
        readMessage(text).map(({ type, repo, digest }) => [type, repo, digest]),
        [
            ['CreateImage', 'team/app', first.target.digest],
            ['CreateImage', 'team/app', image.digest],
            ['CreateImageTag', 'team/app', image.digest],
        ],
    );
    const m = await daemon.metrics();
    assert.equal(m.get('regcast_reject_total', { reason: 'auth', listener: 'webhooks' }), 6);
    assert.ok(!JSON.stringify(daemon.logs).includes(TOKEN), 'the token is in the log');
});

test('an unknown registry is refused with 404 and changes nothing', { timeout: 60000 }, async (t) => {
    const daemon = await Daemon.start(
        makeConfig({ service_accounts: [{ id: BROADCASTER, roles: ['api-gateway.websocketBroadcaster'] }] }),
    );
    defer(t, () => daemon.stop());
    const client = await Client.open(daemon.url());
    defer(t, () => client.close());
    for (const registry of ['crtregistry000000002', 'x', REGISTRY.toUpperCase(), `${REGISTRY}0`]) {
        const got = await daemon.post([newImage('team/app')], { registry });
        assert.equal(got.status, 404, registry);
        assert.deepEqual(got.json, { error: 'registry' });
        assert.equal(got.headers.connection, 'close');
    }
    const marker = newImage('marker');
    await daemon.accept([marker]);
    const [text] = await client.first(1);
    assert.equal(readMessage(text)[0].digest, marker.target.digest);
    assert.equal((await daemon.metrics()).get('regcast_reject_total', { reason: 'registry' }), 4);
    await until('the refusals in the log', () =>
        daemon.logged({ msg: 'reject', reason: 'registry', listener: 'webhooks' }).length >= 1,
    );
});
