// Filters of triggers on the real daemon: by configuration, REST and the command line, over a restart,
// changed while events flow; and a client of the original that knows nothing of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fine, regcast, wrong } from './cli.mjs';
import {
    BROADCASTER, Client, Daemon, FOLDER, GATEWAY, REGISTRY, defer, digestOf, makeConfig, push, readMessage, run, trigger,
    until, writeConfig,
} from './harness.mjs';
import { clientsOf, plainSession, resultOf, rule, startGrpc } from './sdk.mjs';

const limits = { timeout: 60000 };
const PATHS = ['/', '/team', '/stable', '/people', '/digest'];
const CREATED = ['CREATE_IMAGE_TAG'];

function filtered(name, path, filter, options = {}) {
    const made = trigger(name, { path, types: CREATED, ...options });
    made.rule.container_registry.filter = filter;
    return made;
}

let images = 0;
const tagged = (repository, tag, actor) => ({
    ...push(repository, digestOf(`filters ${images++}`), tag), ...(actor === undefined ? {} : { actor: { name: actor } }),
});
const seen = (c) => c.messages.flatMap((text) => readMessage(text)).map(({ repo, tag }) => `${repo}:${tag}`);

// A client on each path, by path.
async function clientsAt(t, d, paths) {
    const all = {};
    for (const path of paths) {
        all[path] = await Client.open(d.url(path));
        defer(t, () => all[path].socket.terminate());
    }
    return all;
}

const DIGEST = digestOf('filters: this one');
const EVENTS = [
    tagged('team/app', 'v1.2.0', 'ci-1'), tagged('team/app', '1.9.9', 'anna'), tagged('team/app', '2.0.0-rc.1', 'robot$ci'),
    tagged('team/sub/app', '1.2', 'ci-2'), tagged('team/app-test', '1.3.0', 'ci-1'), tagged('other', 'latest'),
    push('other', DIGEST, 'this'),
];
const CONFIGURED = {
    '/team': ['team/app:v1.2.0', 'team/app:1.9.9', 'team/app:2.0.0-rc.1', 'team/sub/app:1.2'],
    '/stable': ['team/app:v1.2.0', 'team/app:1.9.9', 'team/app-test:1.3.0', 'other:latest'],
    '/people': ['team/app:1.9.9'],
    '/digest': ['other:this'],
};

test('a configuration has filters, wrong ones are told, and what passes is sent', limits, async (t) => {
    const config = makeConfig({
        gateway: { paths: PATHS },
        triggers: [
            filtered('all', '/', { tags: ['*'] }),
            filtered('team', '/team', { image_names: [`${REGISTRY}/team/**`, '!**/*-test'] }),
            filtered('stable', '/stable', { tags: ['semver:^1.2', 'latest'] }),
            filtered('people', '/people', { actors: ['*', '!ci-*', '!robot$*'] }),
            filtered('digest', '/digest', { digests: [`${DIGEST.slice(0, 20)}*`] }),
        ],
    });
    const bad = structuredClone(config);
    bad.triggers[2].rule.container_registry.filter.tags[0] = '^1.2';
    const checked = run(['--config', writeConfig(bad), '--check']);
    assert.equal(checked.status, 78);
    assert.match(checked.stderr, /triggers\[2\]\.rule\.container_registry\.filter\.tags\[0\]: expected a pattern, got "\^1\.2", which has a character that no tag has/);

    const d = await Daemon.start(config);
    defer(t, () => d.stop());
    const clients = await clientsAt(t, d, PATHS);
    await d.accept(EVENTS);
    await clients['/'].first(EVENTS.length);
    for (const [path, want] of Object.entries(CONFIGURED)) {
        await clients[path].first(want.length);
        assert.deepEqual(seen(clients[path]), want, path);
    }
});

const create = (name, path, ...more) => [
    'serverless', 'trigger', 'create', 'container-registry', '--name', name, '--registry-id', REGISTRY,
    '--events', 'create-image-tag', '--gateway-id', GATEWAY, '--gateway-websocket-broadcast-path', path,
    '--gateway-websocket-broadcast-service-account-id', BROADCASTER, ...more,
];

test('the command line and REST make, show and change them; they survive a restart', limits, async (t) => {
    const config = makeConfig({ gateway: { paths: PATHS }, triggers: [trigger('all', { types: CREATED })] });
    const file = writeConfig(config);
    let d = await Daemon.start(config, { file });
    defer(t, () => d.stop());
    let [endpoint] = d.ready.management;
    fine(await regcast(create('stable', '/stable', '--filter-image', 'team/*,!team/*-test', '--filter-image', 'base/**',
        '--filter-tag', 'semver:>=1.2.0 <2', '--filter-actor', '!robot*'), { endpoint }));
    wrong(await regcast(create('bad', '/stable', '--filter-tag', '^1.2'), { endpoint }), 1, /filter\.tags: the pattern '\^1\.2' has a character/);
    const shown = await regcast(['serverless', 'trigger', 'get', 'stable'], { endpoint });
    fine(shown);
    for (const part of ['filter:', 'image_names:', 'team/*', '!team/*-test', 'base/**', 'semver:>=1.2.0 <2', '!robot*'])
        assert.ok(shown.stdout.includes(part), `${part} in ${shown.stdout}`);
    const get = async () => (await d.manage('GET', `/triggers/v1/triggers?folderId=${FOLDER}&filter=name%3Dstable`)).json.triggers[0];
    const made = await get();
    const FILTER = { imageNames: ['team/*', '!team/*-test', 'base/**'], tags: ['semver:>=1.2.0 <2'], actors: ['!robot*'] };
    assert.deepEqual(made.rule.containerRegistry.filter, FILTER);

    let clients = await clientsAt(t, d, ['/', '/stable']);
    await d.accept(EVENTS);
    await clients['/'].first(EVENTS.length);
    await clients['/stable'].first(2);
    assert.deepEqual(seen(clients['/stable']), ['team/app:v1.2.0', 'team/app:1.9.9']);
    await d.stop();
    d = await Daemon.start(config, { file });
    [endpoint] = d.ready.management;
    assert.deepEqual(await get(), made);
    clients = await clientsAt(t, d, ['/', '/stable']);

    // While events flow: each is judged by what the filter is when it has been made safe.
    let flowing = true;
    let sent = 0;
    const flow = (async () => {
        for (; flowing; sent++) await d.accept([tagged('flow/app', `${1 + (sent % 2)}.2.${sent}`)]);
    })();
    const patch = async (containerRegistry) => {
        const got = await d.manage('PATCH', `/triggers/v1/triggers/${made.id}`, {
            body: { updateMask: 'rule', rule: { containerRegistry: { ...made.rule.containerRegistry, ...containerRegistry } } },
        });
        assert.equal(got.status, 200, got.text);
        return got.json.response.rule.containerRegistry.filter;
    };
    await until('events flow', () => sent > 5);
    assert.deepEqual(await patch({ filter: { imageNames: ['flow/*'], tags: ['semver:1.x'] } }), { imageNames: ['flow/*'], tags: ['semver:1.x'] });
    await until('some pass', () => clients['/stable'].messages.length > 3);
    assert.ok(seen(clients['/stable']).every((one) => one.startsWith('flow/app:1.2.')));
    fine(await regcast(['serverless', 'trigger', 'update', 'container-registry', 'stable', '--new-filter-tag', '2.*'], { endpoint }));
    const before = clients['/stable'].messages.length;
    await until('others pass', () => clients['/stable'].messages.length > before + 3);
    flowing = false;
    await flow;
    const later = seen(clients['/stable']).slice(before + 1); // one may have been on its way
    assert.ok(later.every((one) => one.startsWith('flow/app:2.2.')), later.join());
    await clients['/'].first(sent);
    const stable = (await get()).rule.containerRegistry;
    assert.deepEqual(stable.filter, { imageNames: ['flow/*'], tags: ['2.*'] });

    assert.deepEqual(await patch({ filter: undefined }), stable.filter, 'left out: as it was');
    fine(await regcast(['serverless', 'trigger', 'update', 'container-registry', 'stable', '--new-filter-tag', '', '--new-filter-image', ''], { endpoint }));
    assert.equal((await get()).rule.containerRegistry.filter, undefined);
    const dry = await regcast(['serverless', 'trigger', 'get', 'stable', '--format', 'json'], { endpoint });
    assert.ok(!dry.stdout.includes('filter'), dry.stdout);
});

test('the SDK of the original lists and updates a trigger with a filter, and leaves it', limits, async (t) => {
    const d = await startGrpc(t, { triggers: [filtered('one', '/', { tags: ['semver:1.x'] }, { tag: '1.0.0' })] });
    const { triggers } = clientsOf(plainSession(), d.grpc);
    const { triggers: [one] } = await triggers.list({ folderId: FOLDER });
    const { containerRegistry } = one.rule;
    assert.deepEqual([one.name, containerRegistry.tag, containerRegistry.gatewayWebsocketBroadcast.path], ['one', '1.0.0', '/']);
    const filter = async () => (await d.manage('GET', `/triggers/v1/triggers/${one.id}`)).json.rule.containerRegistry.filter;
    const update = async (fields) => resultOf(await triggers.update({ triggerId: one.id, ...fields }), 'Update').trigger;
    assert.deepEqual(await update({ name: 'one', rule: one.rule }), one, 'without a mask, as terraform does');
    assert.deepEqual(await filter(), { tags: ['semver:1.x'] });
    const other = await update({ updateMask: { paths: ['rule'] }, rule: rule({ types: [3] }) });
    assert.equal(other.rule.containerRegistry.tag, '');
    assert.deepEqual(await filter(), { tags: ['semver:1.x'] });
    await update({ updateMask: { paths: ['description'] }, description: 'd' });
    assert.deepEqual(await filter(), { tags: ['semver:1.x'] });
    const c = await Client.open(d.url());
    defer(t, () => c.socket.terminate());
    await d.accept([tagged('app', '2.0.0'), tagged('app', '1.0.0'), tagged('app', 'latest'), tagged('app', '1.1.0')]);
    await c.first(2);
    assert.deepEqual(seen(c), ['app:1.0.0', 'app:1.1.0']);
});
