// What registries send, as it was captured or documented (tests/samples): posted with its own header fields, and
// shown field by field by `regcast registries test`; the log says what each was taken for. And the handshake of
// CloudEvents, before the first webhook.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fine, regcast, wrong } from './cli.mjs';
import { command } from './command.mjs';
import { Daemon, REGISTRY, ROOT, defer, makeConfig, tempDir, trigger, until, writeConfig } from './harness.mjs';

const limits = { timeout: 60000 };
const ANY = 'crtany00000000000000';
const OTHER = 'crtother000000000000';
const SECRET = 'a-token-nobody-else-knows';
const REGISTRIES = '/registries/v1/registries';

const file = (name) => join(ROOT, 'tests/samples', name);

// A captured request: {headers, body}.
function sample(name) {
    const text = readFileSync(file(name), 'latin1');
    const end = text.indexOf('\r\n\r\n');
    const [, ...lines] = text.slice(0, end).split('\r\n');
    const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
    return { headers, body: Buffer.from(text.slice(end + 4), 'latin1') };
}

const PUSH = 'distribution/01-push-new-image.03-push-manifest-tagged.http';
const BLOB = 'distribution/01-push-new-image.01-push-blob.http';
const DELETE = 'distribution/10-delete-manifest-by-digest-two-tags.01-delete-digest.http';
const DIGEST = 'sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f';

async function start(t, over = {}) {
    const daemon = await Daemon.start(
        makeConfig({
            registries: [{ id: REGISTRY, kind: 'distribution' }, { id: ANY }, { id: OTHER, kind: 'github', token: SECRET }],
            triggers: [trigger('everything'), trigger('other', { tag: 'v9', registry: ANY }), trigger('any', { registry: ANY })],
            ...over,
        }),
    );
    defer(t, () => daemon.stop());
    const [endpoint] = daemon.ready.management;
    const post = (name, registry, headers = {}) => {
        const one = sample(name);
        return daemon.request('POST', `/registries/${registry}/events`, { body: one.body, headers: { ...one.headers, ...headers } });
    };
    const check = (registry, what, ...more) => regcast(['registries', 'test', registry, what, ...more], { endpoint });
    return { daemon, endpoint, post, check };
}

const answered = (daemon, registry) => {
    const { kind, known_by } = daemon.logged({ msg: 'answered', registry }).at(-1);
    return [kind, known_by];
};

describe('what a webhook is taken for', () => {
    test('the log says it of each, and when a configured kind is another', limits, async (t) => {
        const { daemon, post } = await start(t);
        assert.equal((await post(PUSH, REGISTRY)).json.accepted, 1);
        await until('its line', () => daemon.logged({ msg: 'answered' }).length === 1);
        assert.deepEqual(answered(daemon, REGISTRY), ['distribution', 'configured']);
        assert.equal((await post(PUSH, ANY)).json.accepted, 1);
        await until('its line', () => daemon.logged({ msg: 'answered' }).length === 2);
        assert.deepEqual(answered(daemon, ANY), ['distribution', 'content type']);
        const got = await post(PUSH, OTHER, { Authorization: `Bearer ${SECRET}` });
        assert.deepEqual([got.status, got.json.set_aside], [202, 1]);
        await until('its line', () => daemon.logged({ msg: 'answered' }).length === 3);
        assert.deepEqual(answered(daemon, OTHER), ['github', 'configured']);
        const [aside] = daemon.logged({ msg: 'set aside' });
        assert.deepEqual([aside.kind, aside.looks_like, aside.looks_by], ['github', 'distribution', 'content type']);
        assert.deepEqual(daemon.logged({ msg: 'another kind than before' }), []);
        assert.ok(!JSON.stringify(daemon.logs).includes(SECRET));
    });

    test('a letter keeps what it came with, but no secret, and is read by it again', limits, async (t) => {
        const config = makeConfig({ registries: [{ id: OTHER, kind: 'github', token: SECRET }], triggers: [] });
        const daemon = await Daemon.start(config);
        defer(t, () => daemon.stop());
        const { headers, body } = sample(PUSH);
        const got = await daemon.request('POST', `/registries/${OTHER}/events`, {
            body,
            headers: { ...headers, Authorization: `Bearer ${SECRET}`, 'X-Gitea-Signature': SECRET, 'Ce-Id': 'A-1', Cookie: SECRET },
        });
        assert.equal(got.json.set_aside, 1);
        await daemon.stop();
        const offline = (...args) => command(['--config', writeConfig(config), ...args]);
        const list = await offline('--dead-letters', '--json');
        const letter = JSON.parse(list.out[0]);
        assert.match(letter.headers, /^User-Agent: Go-http-client\/1\.1\r\nContent-Type: application\/vnd\.docker\.distribution\.events\.v1\+json\r\nCe-Id: A-1\r\n$/);
        assert.ok(!list.out[0].includes(SECRET));
        const still = await offline('--replay-dead-letters', 'all');
        assert.equal(still.err.at(-1), 'regcastd: 0 replayed, 1 left');
        delete config.registries[0].kind; // the mistake is found
        const ran = await offline('--replay-dead-letters', 'all');
        assert.equal(ran.err.at(-1), 'regcastd: 1 replayed, 0 left');
    });
});

describe('every registry', () => {
    // What is no event of a registry's: an answer, another method, a signature's vector.
    const NONE = /webhook-validation|signature-test-vector/;
    const samples = readdirSync(join(ROOT, 'tests/samples'))
        .flatMap((kind) => readdirSync(file(kind)).filter((name) => name.endsWith('.http') && !NONE.test(name)).map((name) => [kind, join(kind, name)]))
        .filter(([kind], i) => kind !== 'distribution' || i % 10 === 0); // a hundred captures of two forms

    test('is known by what it sends, and says so', limits, async (t) => {
        const { daemon, post } = await start(t, { triggers: [] });
        const kinds = new Set(samples.map(([kind]) => kind));
        assert.ok(kinds.size >= 12, [...kinds].join());
        for (const [kind, name] of samples) {
            const { headers, body } = sample(name);
            const { Authorization: _a, Connection: _c, Host: _h, ...rest } = headers; // of the call
            const got = await daemon.manage('POST', `${REGISTRIES}/${ANY}:dryRun`, {
                body: body.toString('latin1'),
                headers: { ...rest, 'Content-Length': body.length },
            });
            assert.equal(got.status, 200, `${name}: ${got.text}`);
            assert.deepEqual([got.json.kind, got.json.notUnderstood, got.json.setAside], [kind, undefined, 0], name);
            assert.ok(got.json.knownBy.length > 0);
        }
        for (const kind of kinds) {
            const name = samples.find(([of]) => of === kind)[1];
            assert.equal((await post(name, ANY)).status, 202, name);
            const lines = () => daemon.logged({ msg: 'answered', registry: ANY, kind });
            await until(`the line of ${name}`, () => lines().length === 1);
            assert.equal(lines()[0].set_aside, 0);
        }
        const told = daemon.logged({ msg: 'another kind than before', level: 'warn', registry: ANY });
        assert.equal(told.length, 3, 'and no more, however many there are');
        assert.equal(told[0].before, [...kinds][0]);
        assert.equal(told[0].kind, [...kinds][1]);
    });

    test('what comes in header fields is shown, too', limits, async (t) => {
        const { check } = await start(t, { triggers: [] });
        const github = await check(ANY, file('github/package-published-tag.http'));
        fine(github);
        const line = (text, name) => new RegExp(`^    ${name} +(.*)$`, 'm').exec(text)?.[1];
        assert.match(github.stdout, /^kind +github\nknown by +header X-GitHub-Event\n/);
        assert.equal(line(github.stdout, 'repository'), 'octo-org/app');
        assert.equal(line(github.stdout, 'tag'), 'v1');
        assert.equal(line(github.stdout, 'sender id'), '72d3162e-cc78-11e3-81ab-4c9367dc0958');
        const zot = await check(ANY, file('zot/image-deleted-tag.http'));
        fine(zot);
        assert.match(zot.stdout, /^kind +zot\n/);
        assert.equal(line(zot.stdout, 'change'), 'deleteTag');
    });

    test('Event Grid is answered when it asks, and nothing is kept of that', limits, async (t) => {
        const { daemon } = await start(t, { registries: [{ id: ANY }, { id: OTHER, kind: 'acr', token: SECRET }], triggers: [] });
        const code = '512d38b6-c7b8-40c8-89fe-f46f9e9622b6';
        const body = JSON.stringify([
            {
                id: '2d1781af-3a4c-4d7c-bd0c-e34b19da4e66', topic: '/subscriptions/x', subject: '', data: { validationCode: code },
                eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent', eventTime: '2018-01-25T22:12:19.4556811Z',
                metadataVersion: '1', dataVersion: '1',
            },
        ]);
        const headers = { 'Content-Type': 'application/json', 'aeg-event-type': 'SubscriptionValidation' };
        for (const registry of [ANY, OTHER, OTHER]) {
            const got = await daemon.post(body, { registry, headers: { ...headers, Authorization: `Bearer ${SECRET}` } });
            assert.deepEqual([got.status, got.json], [200, { validationResponse: code }]);
        }
        assert.equal((await daemon.post(body, { registry: OTHER, headers })).status, 401);
        const seen = await daemon.manage('POST', `${REGISTRIES}/${OTHER}:dryRun`, { body, headers });
        assert.deepEqual([seen.json.kind, seen.json.handshake, seen.json.entries], ['acr', true, []]);
        await until('the lines', () => daemon.logged({ msg: 'answered', status: 200, kind: 'acr' }).length === 3);
        assert.deepEqual(daemon.logged({ msg: 'set aside' }), []);
    });
});

describe('regcast registries', () => {
    test('lists them, and no secrets', limits, async (t) => {
        const { daemon, endpoint } = await start(t);
        const ran = await regcast(['registries', 'list'], { endpoint });
        fine(ran);
        const url = (id) => `http://127.0.0.1:${daemon.webhookPort}/registries/${id}/events`;
        assert.deepEqual(
            ran.stdout.split('\n').slice(3, 6).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim())),
            [
                [REGISTRY, 'distribution', 'none', 'none', '-', url(REGISTRY)],
                [ANY, '(detected)', 'none', 'none', '-', url(ANY)],
                [OTHER, 'github', 'token', 'none', '-', url(OTHER)],
            ],
        );
        assert.ok(!ran.stdout.includes(SECRET));
        const json = await regcast(['registries', 'list', '--format', 'json'], { endpoint });
        fine(json);
        const nothing = { silent: false, answers: [], accepted: '0', ignored: '0', duplicates: '0', setAside: '0', letters: '0' };
        assert.deepEqual(JSON.parse(json.stdout)[2], { id: OTHER, kind: 'github', proofs: ['token'], eventsUrls: [url(OTHER)], ...nothing });
        assert.deepEqual((await daemon.manage('GET', REGISTRIES)).json.registries, JSON.parse(json.stdout));
    });

    test('test shows a captured request field by field, and changes nothing', limits, async (t) => {
        const { post, check } = await start(t);
        fine(await check(ANY, file(PUSH)));
        const seen = await check(ANY, file(PUSH));
        assert.match(seen.stdout, /^kind +distribution\nknown by +content type\nevent 1\n/);
        assert.match(seen.stdout, /^ +change +push\n +repository +team\/app\n +digest +sha256:31a6\w+\n +tag +v1\n +sender id +4c5d0f8d-72d8-4eb8-aaf9-02a1f182152a\n +request id +1cad718b-09a2-451e-80e9-ff10083f6112\n +created at +2026-11-22T04:50:41\.672663264Z\n +actor +-\n/m);
        assert.match(seen.stdout, /> CreateImage team\/app:v1 sha256:31a6/);
        assert.match(seen.stdout, /> CreateImageTag team\/app:v1 sha256:31a6/);
        assert.match(seen.stdout, /^ +taken by any, path \/$/m);
        assert.match(seen.stdout, /^ +not by other: its tag is another$/m);
        assert.equal((await post(PUSH, ANY)).json.accepted, 1, 'it was only looked at');
        fine(await check(ANY, file(PUSH)));
        assert.match((await check(ANY, file(PUSH))).stdout, /> no event: nothing is new\n$/);
        const blob = await check(ANY, file(BLOB));
        fine(blob, 'kind         distribution\nknown by     content type\nevent 1\n    ignored      blob\n');
        const gone = await check(ANY, file(DELETE), '--format', 'json');
        fine(gone);
        const answer = JSON.parse(gone.stdout);
        assert.deepEqual([answer.kind, answer.knownBy, answer.derived], ['distribution', 'content type', 2]);
        const [{ events, ...entry }] = answer.entries;
        assert.deepEqual(entry, {
            change: 'deleteDigest', repository: 'team/app', digest: DIGEST, senderId: 'bf789e19-74dd-4f79-9c65-e9adc638d8db',
            requestId: '71f2efb0-101e-43c3-8f0b-1cf8484a4b6f', createdAt: '2026-11-22T04:50:51.92637484Z', certain: false,
        });
        assert.deepEqual(events.map((e) => [e.type, e.tag]), [['DeleteImage', undefined], ['DeleteImageTag', 'v1']]);
    });

    test('test fails for what would be set aside, and says whose it looks like', limits, async (t) => {
        const { daemon, check, endpoint } = await start(t);
        const other = await check(OTHER, file(PUSH));
        assert.deepEqual([other.code, other.stderr], [1, '']);
        assert.match(other.stdout, /^kind +github\nknown by +configured\nset aside +\w+\nlooks like +distribution\nby its +content type\n$/);
        const stdin = await regcast(['registries', 'test', ANY, '-'], { endpoint, input: '{"events":[{"action":7,"x":"\u001b[31m"}]}' });
        assert.equal(stdin.code, 1);
        assert.match(stdin.stdout, /^kind +distribution\nknown by +member events\nevent 1\n +set aside +control\n +excerpt +\{"action":7,"x":" \[31m"\}\n$/);
        assert.ok(!stdin.stdout.includes('\u001b'));
        const nobody = await regcast(['registries', 'test', ANY, '-'], { endpoint, input: '{}' });
        assert.match(nobody.stdout, /^kind +-\nknown by +-\nset aside +no registry that is known/);
        wrong(await check('nobody', file(PUSH)), 1, /Registry nobody not found/);
        wrong(await check(ANY, file('cloudevents/webhook-validation-options-request.http')), 1, /no POST/);
        wrong(await check(ANY, '/nowhere/at/all'), 1, /nowhere/);
        wrong(await regcast(['registries', 'test', ANY], { endpoint }), 2, /FILE/);
        assert.deepEqual(daemon.logged({ msg: 'set aside' }), [], 'nothing was posted');
        assert.equal((await daemon.manage('POST', `${REGISTRIES}/nobody:dryRun`, { body: '{}' })).status, 404);
    });
});

describe('OPTIONS, before the first webhook', () => {
    const asks = sample('cloudevents/webhook-validation-options-request-callback.http').headers;
    const options = (d, registry, headers = asks) => d.request('OPTIONS', `/registries/${registry}/events`, { headers });

    test('who asks as the specification says is consented to, without a token', limits, async (t) => {
        const { daemon } = await start(t, {
            registries: [{ id: REGISTRY, kind: 'distribution' }, { id: ANY, token: SECRET }, { id: OTHER, kind: 'cloudevents' }],
            triggers: [],
        });
        for (const registry of [ANY, OTHER]) {
            const got = await options(daemon, registry);
            assert.deepEqual([got.status, got.text], [200, '']);
            assert.equal(got.headers['webhook-allowed-origin'], 'eventemitter.example.com');
            assert.equal(got.headers['webhook-allowed-rate'], '*');
            assert.equal(got.headers.allow, 'POST');
        }
        const unlimited = await options(daemon, ANY, { 'WebHook-Request-Origin': 'eventgrid.azure.net' });
        assert.deepEqual([unlimited.status, unlimited.headers['webhook-allowed-rate']], [200, undefined]);
        for (const [registry, headers] of [[REGISTRY, asks], [ANY, {}], [ANY, { 'WebHook-Request-Origin': 'a b' }]]) {
            const got = await options(daemon, registry, headers);
            assert.deepEqual([got.status, got.headers.allow], [405, 'POST']);
            assert.equal(got.headers['webhook-allowed-origin'], undefined);
        }
        assert.equal((await options(daemon, 'nobody')).status, 404);
    });

    test('only who asks from where the registry may post from', limits, async (t) => {
        const token = 'a-token-of-a-path-nobody-else-knows';
        const path_token_file = join(tempDir(), 'tokens');
        writeFileSync(path_token_file, `${token}\n`, { mode: 0o600 });
        const { daemon } = await start(t, {
            webhooks: { listen: ['127.0.0.1:0'], trusted_proxies: ['127.0.0.1'] },
            registries: [{ id: OTHER, kind: 'cloudevents', allowed_from: ['192.0.2.0/24'], path_token_file }],
            triggers: [],
        });
        for (const path of [`/registries/${OTHER}/events`, `/hook/${token}`]) {
            const ask = (from) => daemon.request('OPTIONS', path, { headers: { ...asks, 'X-Forwarded-For': from } });
            const got = await ask('198.51.100.1');
            assert.deepEqual([got.status, got.json?.error, got.headers['webhook-allowed-origin']], [403, 'source', undefined]);
            assert.equal((await ask('192.0.2.1')).headers['webhook-allowed-origin'], 'eventemitter.example.com');
        }
    });

    test('where the path is the token, too, which is told to nobody', limits, async (t) => {
        const token = 'a-token-of-a-path-nobody-else-knows';
        const secrets = join(tempDir(), 'tokens');
        writeFileSync(secrets, `${token}\n`, { mode: 0o600 });
        const { daemon, endpoint } = await start(t, { registries: [{ id: OTHER, kind: 'acr', path_token_file: secrets }], triggers: [] });
        const got = await daemon.request('OPTIONS', `/hook/${token}`, { headers: asks });
        assert.deepEqual([got.status, got.headers['webhook-allowed-origin']], [200, 'eventemitter.example.com']);
        const none = await daemon.request('OPTIONS', `/hook/${token}x`, { headers: asks });
        assert.deepEqual([none.status, none.json.error], [404, 'not_found']);
        const list = await regcast(['registries', 'list', '--format', 'json'], { endpoint });
        fine(list);
        const [{ proofs, eventsUrls }] = JSON.parse(list.stdout);
        assert.deepEqual([proofs, eventsUrls], [['path_token'], [`http://127.0.0.1:${daemon.webhookPort}/hook/TOKEN`]]);
        assert.ok(!JSON.stringify(daemon.logs).includes(token));
    });
});
