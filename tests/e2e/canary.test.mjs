// The canary: an event of the server's own through everything, and nothing else is disturbed by it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import {
    ALL_TYPES,
    BROADCASTER,
    Client,
    Daemon,
    Raw,
    defer,
    makeConfig,
    newImage,
    run,
    trigger,
    until,
    writeConfig,
} from './harness.mjs';
import { takeOver } from './takeover.mjs';

const limits = { timeout: 60000 };
const NAME = 'regcast-canary';
const PATH = '/regcast.canary';

const rounds = (m, outcome) => m.get('regcast_canary_total', outcome ? { outcome } : undefined);

async function afterRounds(daemon, n, outcome = 'ok') {
    let m;
    await until(`${n} rounds of the canary: ${outcome}`, async () => rounds((m = await daemon.metrics()), outcome) >= n);
    return m;
}

test('it goes round by round, over every worker, and leaves nothing behind', limits, async (t) => {
    const daemon = await Daemon.start(makeConfig({ canary: { interval: '50ms' } }));
    defer(t, () => daemon.stop());
    const client = await Client.open(daemon.url('/'));
    defer(t, () => client.terminate());
    await daemon.accept([newImage('team/app')]);
    await client.first(1);
    const m = await afterRounds(daemon, 4);
    assert.equal(rounds(m), rounds(m, 'ok'), 'none went wrong');
    assert.equal(m.get('regcast_canary_seconds_count'), rounds(m, 'ok'));
    const at = m.get('regcast_canary_last_success_timestamp_seconds');
    assert.ok(Math.abs(at - Date.now() / 1000) < 30, `${at}`);
    for (const worker of ['0', '1'])
        assert.ok(m.get('regcast_frames_sent_total', { path: PATH, worker }) >= 1, `worker ${worker}`);
    // Nobody's client, nobody's image, and nothing to be remembered.
    assert.equal(m.get('regcast_handshakes_total'), 1);
    assert.equal(m.get('regcast_closes_total'), 0);
    assert.equal(m.get('regcast_catalog_images'), 1);
    assert.equal(m.get('regcast_catalog_tags'), 0);
    assert.equal(m.get('regcast_sender_ids'), 1);
    assert.equal(m.get('regcast_dead_letters'), 0);
    assert.ok(m.get('regcast_open_sockets', { listener: 'gateway' }) <= 2);
    assert.equal(client.messages.length, 1);
    const told = daemon.logs.filter((line) => JSON.stringify(line).includes('canary'));
    assert.deepEqual(told, [], 'no line for what goes well');
});

test('nobody else posts to it or hears it', limits, async (t) => {
    const daemon = await Daemon.start(makeConfig({ canary: { interval: '1h' } }));
    defer(t, () => daemon.stop());
    assert.equal((await daemon.post([newImage('x')], { registry: NAME })).status, 404);
    const known = (await daemon.manage('GET', '/registries/v1/registries')).json.registries.find((r) => r.id === NAME);
    const statuses = (known?.answers ?? []).map((a) => a.status);
    assert.ok(!statuses.includes(404), `what others were told is no answer of its own: ${statuses}`);
    for (const path of [PATH, '/regcast%2Ecanary', `${PATH}/`]) {
        const headers = {
            Connection: 'Upgrade',
            Upgrade: 'websocket',
            'Sec-WebSocket-Version': '13',
            'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        };
        assert.equal((await daemon.request('GET', path, { port: daemon.port, headers })).status, 404, path);
    }
});

test('listeners with certificates, tokens, proxies and caps are not in its way', limits, async (t) => {
    const config = makeConfig({
        canary: { interval: '50ms' },
        gateway: {
            max_connections: 1,
            max_address_connections: 1,
            max_handshake_rate: 1,
            proxy_protocol_from: ['0.0.0.0/0'],
            trusted_proxies: ['0.0.0.0/0'],
            defaults: { auth: 'token' },
            auth: { tokens: [{ subject: 'a', sha256: '0'.repeat(64) }] },
            allowed_origins: ['https://a.example'],
        },
        webhooks: { allowed_from: ['127.0.0.1/32'], proxy_protocol_from: ['0.0.0.0/0'], max_connections: 10 },
    });
    const daemon = await Daemon.start(config);
    defer(t, () => daemon.stop());
    // /metrics is behind the PROXY header here: its line is what a proxy would send.
    const raw = await Raw.open(daemon.webhookPort);
    defer(t, () => raw.destroy());
    await raw.send('PROXY TCP4 127.0.0.1 127.0.0.1 1000 2000\r\n');
    await until('three rounds', async () => {
        const before = raw.responses.length;
        await raw.send('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n');
        await raw.wait('an answer', () => raw.responses.length > before);
        const ok = /regcast_canary_total\{outcome="ok"\} (\d+)/.exec(String(raw.last.body));
        return ok && Number(ok[1]) >= 3;
    });
    assert.deepEqual(daemon.logged({ component: 'canary' }), []);
});

test('what goes wrong is counted, said once, and over when it is', limits, async (t) => {
    const daemon = await Daemon.start(makeConfig({ canary: { interval: '50ms', timeout: '300ms' } }));
    defer(t, () => daemon.stop());
    await afterRounds(daemon, 1);
    const { triggers } = (await daemon.manage('GET', '/triggers/v1/triggers?folderId=b1gfolder00000000001')).json;
    const { id } = triggers.find((one) => one.name === NAME);
    assert.equal((await daemon.manage('POST', `/triggers/v1/triggers/${id}:pause`)).status, 200);
    const m = await afterRounds(daemon, 2, 'message');
    assert.equal(rounds(m, 'connect') + rounds(m, 'webhook') + rounds(m, 'refused'), 0);
    const [line, ...more] = daemon.logged({ component: 'canary', level: 'warn' });
    assert.equal(line.msg, 'lost');
    assert.equal(line.reason, 'message');
    assert.match(line.trace_id, /^[0-9a-f]{32}$/);
    assert.deepEqual(more, []);
    assert.equal((await daemon.manage('POST', `/triggers/v1/triggers/${id}:resume`)).status, 200);
    const [back] = await until('it to arrive again', () => {
        const lines = daemon.logged({ component: 'canary', level: 'info' });
        return lines.length > 0 && lines;
    });
    assert.equal(back.msg, 'arrives again');
    assert.ok(back.lost >= 2);
});

test('a reload begins and ends it, and it survives a restart', limits, async (t) => {
    const config = makeConfig();
    const daemon = await Daemon.start(config);
    defer(t, () => daemon.stop());
    assert.equal((await daemon.metrics()).samples('regcast_canary_last_success_timestamp_seconds').length, 0);
    const reload = async (canary) => {
        writeFileSync(daemon.file, JSON.stringify({ ...config, canary }), { mode: 0o600 });
        const got = await daemon.manage('POST', '/admin/v1/reload');
        assert.equal(got.status, 200, got.text);
        return got.json;
    };
    const report = JSON.stringify(await reload({ interval: '100ms' }));
    for (const key of ['canary.interval', PATH, NAME]) assert.ok(report.includes(key), `${key} in ${report}`);
    await afterRounds(daemon, 2);
    await reload({ interval: '0s' });
    const m = await until('an end of the rounds', async () => {
        const one = await daemon.metrics();
        await new Promise((done) => setTimeout(done, 300));
        const two = await daemon.metrics();
        return rounds(one) === rounds(two) && two;
    });
    assert.equal(rounds(m), rounds(m, 'ok'));
    assert.equal(m.samples('regcast_canary_last_success_timestamp_seconds').length, 0);
    await daemon.stop();
    const again = await Daemon.start({ ...config, canary: { interval: '50ms' } });
    defer(t, () => again.stop());
    await afterRounds(again, 2);
    await again.stop(); // in the middle of rounds
    assert.deepEqual(again.logged({ component: 'canary' }), []);
});

test('a takeover in the middle of rounds loses none', limits, async (t) => {
    const config = makeConfig({ canary: { interval: '20ms' } });
    const before = await Daemon.start(config);
    defer(t, () => before.child.kill('SIGKILL'));
    await afterRounds(before, 2);
    const gone = before.ends(0);
    const after = await takeOver(config);
    defer(t, () => after.stop());
    await gone;
    const m = await afterRounds(after, 2);
    assert.equal(rounds(m), rounds(m, 'ok'));
    for (const daemon of [before, after]) assert.deepEqual(daemon.logged({ component: 'canary' }), []);
});

test('its names are its own while it is on', { timeout: 20000 }, () => {
    const check = (over) => run(['--config', writeConfig(makeConfig(over)), '--check']);
    const canary = { interval: '10s' };
    const account = { id: NAME, roles: [] };
    assert.equal(check({ canary }).status, 0);
    for (const [what, over] of [
        ['gateway.paths', { gateway: { paths: ['/', PATH] } }],
        ['registries', { registries: [{ id: 'crtregistry000000001' }, { id: NAME }] }],
        ['service_accounts', { service_accounts: [{ id: BROADCASTER, roles: [] }, account] }],
        ['users', { users: [account] }],
        ['triggers', { triggers: [trigger(NAME, { types: ALL_TYPES })] }],
    ]) {
        assert.equal(check(over).status, 0, `${what} without it: ${check(over).stderr}`);
        const got = check({ ...over, canary });
        assert.notEqual(got.status, 0, what);
        assert.match(got.stderr, new RegExp(`canary.interval: expected none of ${what} to be called`), what);
    }
    assert.match(check({ canary: { interval: '10s', timeout: '1ms' } }).stderr, /canary.timeout: expected a duration/);
});
