// Restarts by --takeover: nobody is refused or reset, no webhook fails, every subscriber gets each
// event once; and whatever goes wrong on the way, what was acknowledged is not lost.
// Runs alone: it looks at when 500 clients are sent away.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import {
    Client, Daemon, REGCASTD, REGCASTD_FAST, defer, freePort, makeConfig, newImage, pause, start, trigger, until, writeConfig,
} from './harness.mjs';
import { bulk } from './journal.mjs';
import { SWEEP } from './ledger.mjs';
import { Sender, Subscriber, V1, Visitors, assertWhole, takeOver } from './takeover.mjs';

const limits = { timeout: 60000 };
const NO_TAKEOVER = 69;
const NOT_HANDED_OVER = 'the running regcastd does not hand over';

const doorOf = (config) => join(config.data_dir, 'takeover.sock');

async function served(t, config, options) {
    const daemon = await Daemon.start(config, options);
    defer(t, () => daemon.stop());
    return daemon;
}

// The one before ends by itself, when its last client has gone.
async function replaced(t, before, config, options) {
    const daemon = await takeOver(config, options);
    defer(t, () => daemon.stop());
    before.ends(0);
    return daemon;
}

// A takeover that must be refused with a reason. Not run(): it would hold up the other tests.
async function refused(t, config, pattern, code = NO_TAKEOVER) {
    let said = '';
    const { child, exited } = start(REGCASTD, ['--takeover', '--config', writeConfig(config)], {
        onLine: (line) => (said += `${line}\n`),
    });
    defer(t, () => child.kill('SIGKILL'));
    assert.deepEqual(await exited, { code, signal: null }, said);
    assert.match(said, pattern);
}

// ------------------------------------------------------------------------------------ restarts

const RESTARTS = SWEEP ? 50 : 2;

test(`${RESTARTS} restarts under load`, { timeout: SWEEP ? 600000 : 60000 }, async (t) => {
    const config = makeConfig({ gateway: { drain_timeout: '800ms' } });
    const bin = REGCASTD_FAST;
    let daemon = await Daemon.start(config, { bin });
    defer(t, () => daemon.stop());
    const { port, webhookPort } = daemon;
    const sender = new Sender(webhookPort, { every: 1 });
    defer(t, () => sender.stop());
    const subscribers = await Promise.all([...Array(20)].map((_, i) => Subscriber.open(port, { v1: i % 2 === 0 })));
    for (const s of subscribers) defer(t, () => s.stop());
    const visitors = new Visitors(port, 500);
    defer(t, () => visitors.stop());
    for (let i = 0; i < RESTARTS; i++) {
        await pause(300);
        const before = daemon;
        config.gateway.workers = [3, 1, 2][i % 3];
        daemon = await takeOver(config, { bin });
        assert.equal(daemon.port, port);
        await before.ends(0);
        assert.deepEqual(before.logged({ level: 'error' }), []);
    }
    await visitors.stop();
    await sender.stop();
    assert.deepEqual(sender.failures, []);
    assert.deepEqual(visitors.failures, []);
    await assertWhole(sender, subscribers);
    for (const s of subscribers) assert.deepEqual(new Set(s.closes), new Set([1012]));
    for (const s of subscribers) assert.equal(s.count, RESTARTS + 1);
    assert.ok(visitors.opened > RESTARTS * 300, `${visitors.opened} visitors`);
    t.diagnostic(`${RESTARTS} restarts, ${visitors.opened} connects, ${sender.sent} webhooks`);
});

const CLIENTS = SWEEP ? 10000 : 500;
const WINDOW_S = SWEEP ? 30 : 3;

describe('takeover', { concurrency: !SWEEP }, () => {
    test(`a drain of ${CLIENTS} clients is even over ${WINDOW_S} s`, { timeout: 180000 }, async (t) => {
        const daemon = await Daemon.start(makeConfig({ gateway: { drain_timeout: `${WINDOW_S}s` } }), { bin: REGCASTD_FAST });
        defer(t, () => daemon.stop({ timeout: 60000 }));
        const clients = [];
        defer(t, () => clients.forEach((c) => c.terminate()));
        for (let i = 0; i < CLIENTS; i += 100)
            clients.push(...(await Promise.all([...Array(100)].map(() => Client.open(daemon.url())))));
        const health = net.connect(daemon.webhookPort, '127.0.0.1');
        health.on('error', () => null);
        defer(t, () => health.destroy());
        const began = performance.now();
        const ends = Promise.all(clients.map((c) => c.end.then(({ code }) => [code, performance.now() - began])));
        daemon.child.kill('SIGTERM');
        await until('readiness', async () => (await daemon.request('GET', '/readyz')).status === 503, 1000);
        const closed = await ends;
        assert.deepEqual(await daemon.exited, { code: 0, signal: null });
        const took = performance.now() - began;
        assert.ok(took < WINDOW_S * 1500, `${took} ms`);
        assert.deepEqual([...new Set(closed.map(([code]) => code))], [1012]);
        const bins = Array(WINDOW_S + 3).fill(0);
        for (const [, at] of closed) bins[Math.min(Math.floor(at / 1000), bins.length - 1)]++;
        const share = Math.max(...bins) / CLIENTS;
        assert.ok(share <= Math.max(0.05, 1.35 / WINDOW_S), `closes by second: ${bins}`);
        t.diagnostic(`closes by second: ${bins}`);
    });

    test('gives clients of the one before what comes to the one behind it', limits, async (t) => {
        const config = makeConfig({ gateway: { drain_timeout: '1h' } }); // nobody is sent away meanwhile
        const first = await served(t, config);
        const clients = [await Client.open(first.url()), await Client.open(first.url(), { protocols: [V1] })];
        defer(t, () => clients.forEach((c) => c.terminate()));
        await first.accept([newImage('team/a')]);
        const second = await replaced(t, first, config);
        await second.accept([newImage('team/b')]);
        clients.push(await Client.open(second.url()));
        // A third while the first has clients: it relays to the second, which relays to the first.
        const third = await replaced(t, second, config);
        await third.accept([newImage('team/c')]);
        clients.push(await Client.open(`${third.url()}?since=earliest`));
        const [plain, told, late, all] = await Promise.all([3, 4, 1, 3].map((n, i) => clients[i].first(n)));
        assert.deepEqual(told.filter((m) => !m.startsWith('{"control":"draining"')), plain);
        assert.equal(told.length, plain.length + 1);
        assert.deepEqual(late, plain.slice(2));
        assert.deepEqual(all, plain);
        for (const c of clients) {
            assert.equal(c.closed, null);
            c.terminate();
        }
        await Promise.all([first.stop(), second.stop()]);
        assert.deepEqual(third.logged({ level: 'warn', component: 'takeover' }), []);
    });

    test('lets a client that is behind read on in the store that is not ours any more', limits, async (t) => {
        const path = { history_bytes: '64MiB', memory_bytes: '1MiB', history_count: 100000, max_lag_age: '60s' };
        const config = makeConfig({
            gateway: { drain_timeout: '1h', send_buffer_bytes: 32768, defaults: path },
            triggers: [trigger('everything', { size: 50 })],
        });
        const options = { bin: REGCASTD_FAST };
        const before = await served(t, config, options);
        const fill = async (daemon) => {
            for (let i = 0; i < 4; i++) await daemon.accept(bulk(1200));
        };
        await fill(before);
        const slow = await Client.open(`${before.url()}?since=earliest`);
        defer(t, () => slow.terminate());
        slow.socket.pause();
        const after = await replaced(t, before, config, options);
        await fill(after); // far more than the one before has in memory
        const quick = await Client.open(`${after.url()}?since=earliest`);
        defer(t, () => quick.terminate());
        await quick.first(2 * 4 * 24, 20000);
        assert.ok(slow.messages.length < 100, 'it does not read');
        slow.socket.resume();
        assert.deepEqual(await slow.first(2 * 4 * 24, 20000), quick.messages);
        slow.terminate();
        await before.stop();
        assert.deepEqual(before.logged({ level: 'error' }), []);
    });

    test('that is lost sends the clients of the one before away at once', limits, async (t) => {
        const config = makeConfig({ gateway: { drain_timeout: '1h' } });
        const before = await served(t, config);
        const client = await Client.open(before.url());
        defer(t, () => client.terminate());
        const behind = await takeOver(config);
        behind.child.kill('SIGKILL');
        await behind.exited;
        assert.equal((await client.end).code, 1012);
        await before.ends(0);
        assert.equal(before.logged({ msg: /sending the clients away at once/ }).length, 1);
        await served(t, config);
    });

    test('sends the clients of a path away that a reload has brought with another length', limits, async (t) => {
        const gateway = { drain_timeout: '1h', paths: [{ path: '/' }, { path: '/b', max_message_bytes: '128KiB' }] };
        const config = makeConfig({ gateway, triggers: [trigger('hundred', { path: '/b', size: 100 })] });
        const before = await served(t, config);
        const client = await Client.open(before.url('/b'));
        defer(t, () => client.terminate());
        const changed = { ...config, gateway: { ...gateway, paths: [{ path: '/' }] }, triggers: [] };
        const file = writeConfig(changed);
        const after = await replaced(t, before, changed, { file });
        changed.gateway.paths.push({ path: '/b', max_message_bytes: '4MiB' });
        writeFileSync(file, JSON.stringify(changed));
        assert.equal((await after.manage('POST', '/admin/v1/reload')).status, 200);
        for (let i = 0; i < 5; i++) await after.accept(bulk(100)); // more than a segment of the path as it was
        assert.equal((await client.end).code, 1012);
    });

    test('sends whom the one behind has shut out away from all that are before it', limits, async (t) => {
        const tokens = ['alice', 'bob'].map((subject) => ({ subject, sha256: createHash('sha256').update(subject).digest('hex') }));
        const gateway = { drain_timeout: '1h', paths: [{ path: '/', auth: 'token' }], auth: { tokens } };
        const config = makeConfig({ gateway });
        const first = await served(t, config);
        const open = (daemon, token) => Client.open(daemon.url(), { headers: { Authorization: `Bearer ${token}` } });
        const [alice, bob] = [await open(first, 'alice'), await open(first, 'bob')];
        defer(t, () => [alice, bob].forEach((c) => c.terminate()));
        const second = await replaced(t, first, config);
        const there = await open(second, 'bob'); // else it would end
        defer(t, () => there.terminate());
        const third = await replaced(t, second, config);
        const body = { subject: 'alice', until: '2100-01-01T00:00:00Z' };
        assert.equal((await third.manage('POST', '/admin/v1/revocations', { body })).status, 200);
        assert.equal((await alice.end).code, 4003);
        await third.accept([newImage('team/app')]);
        await Promise.all([bob.first(1), there.first(1)]);
    });

    test('binds addresses that are new and leaves those that are not wanted', limits, async (t) => {
        const [kept, dropped, added] = [await freePort(), await freePort(), await freePort()].map((p) => `127.0.0.1:${p}`);
        const config = makeConfig({ gateway: { listen: [kept, dropped], workers: 3, drain_timeout: '300ms' } });
        const before = await served(t, config);
        const changed = { ...config, gateway: { ...config.gateway, listen: [added, kept], workers: 1 } };
        const after = await replaced(t, before, changed);
        await before.stop();
        assert.deepEqual(after.ready.gateway, [added, kept]);
        for (const address of [added, kept]) await (await Client.open(`ws://${address}/`)).close();
        await assert.rejects(Client.open(`ws://${dropped}/`), /ECONNREFUSED/);
    });

    test('leaves no half request behind', limits, async (t) => {
        const config = makeConfig({ gateway: { drain_timeout: '300ms' } });
        const before = await served(t, config);
        const slow = net.connect(before.webhookPort, '127.0.0.1');
        let got = '';
        slow.on('data', (data) => (got += data));
        slow.on('error', (error) => (got += error.code));
        defer(t, () => slow.destroy());
        const body = '{"events":[]}';
        slow.write(`POST /registries/crtregistry000000001/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.docker.distribution.events.v1+json\r\nContent-Length: ${body.length}\r\n\r\n{`);
        await until('it is there', async () => (await before.metrics()).get('regcast_connections_accepted_total') > 1);
        const taking = replaced(t, before, config);
        await until('it stands still', () => before.logged({ msg: 'another process takes over' }).length === 1);
        const waiting = Client.open(before.url()); // in the backlog meanwhile
        slow.write(body.slice(1));
        await until('its answer', () => got.includes('202'));
        const after = await taking;
        await (await waiting).close();
        slow.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'); // the same connection, another process
        await until('the next answer', () => /HTTP\/1.1 200 OK.*ok\n$/s.test(got));
        await before.stop();
        assert.equal(after.logged({ level: 'error' }).length, 0);
    });

    test('goes by what was reloaded while it came', limits, async (t) => {
        const config = makeConfig({ gateway: { drain_timeout: '300ms' } });
        const file = writeConfig(config);
        const before = await served(t, config, { file });
        const waiting = net.connect(before.webhookPort, '127.0.0.1'); // half a request: 5 s to stand still
        defer(t, () => waiting.destroy());
        waiting.on('error', () => null);
        waiting.write('POST /');
        await until('it is there', async () => (await before.metrics()).get('regcast_connections_accepted_total') > 1);
        const taking = replaced(t, before, config, { file });
        await until('it stands still', () => before.logged({ msg: 'another process takes over' }).length === 1);
        config.gateway.paths = [{ path: '/' }, { path: '/new' }];
        writeFileSync(file, JSON.stringify(config));
        before.child.kill('SIGHUP');
        await until('it reloads', () => before.logged({ msg: 'reloaded' }).length === 1);
        waiting.destroy();
        const after = await taking;
        await until('so does the next', () => after.logged({ msg: 'reloaded', changes: 1 }).length === 1);
        await (await Client.open(after.url('/new'))).close();
    });

    test('keeps what a proxy has introduced, whose header cannot come twice', limits, async (t) => {
        const webhooks = { listen: ['127.0.0.1:0'], proxy_protocol_from: ['127.0.0.1/32'] };
        const config = makeConfig({ webhooks, gateway: { drain_timeout: '300ms' } });
        const before = await served(t, config);
        const proxied = net.connect(before.webhookPort, '127.0.0.1');
        let got = '';
        let end = null;
        proxied.on('data', (data) => (got += data));
        proxied.on('error', (error) => (end = error.code));
        proxied.on('end', () => (end = 'closed'));
        defer(t, () => proxied.destroy());
        proxied.write('PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
        await until('its answer', () => got.endsWith('ok\n'));
        await replaced(t, before, config);
        await until('it is closed, as it has nothing under way', () => end !== null);
        assert.equal(end, 'closed');
    });

    test('moves more connections than can be on their way at once', limits, async (t) => {
        const webhooks = { listen: ['127.0.0.1:0'], max_connections: 4000, max_address_connections: 0 };
        const config = makeConfig({ webhooks });
        const before = await served(t, config);
        const ASK = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n';
        const sockets = [];
        defer(t, () => sockets.forEach((s) => s.destroy()));
        const ask = (which) =>
            Promise.all(which.map((s) => new Promise((done, fail) => {
                s.once('data', done).once('close', () => fail(new Error('it was closed')));
                s.write(ASK);
            })));
        for (let i = 0; i < 1000; i += 50) {
            const some = [...Array(50)].map(() => net.connect(before.webhookPort, '127.0.0.1').on('error', () => null));
            sockets.push(...some);
            await ask(some);
        }
        await replaced(t, before, config); // has no client that it would wait for
        await before.ends(0);
        await ask(sockets);
    });

    test('is refused by what cannot be taken over, which goes on', limits, async (t) => {
        const config = makeConfig();
        await refused(t, config, /there is no regcastd to take over from/);
        await refused(t, { ...config, engine: 'memory' }, /memory cannot be taken over/);
        const daemon = await served(t, config);
        assert.equal(statSync(doorOf(config)).mode & 0o777, 0o600);
        const client = await Client.open(daemon.url());
        defer(t, () => client.terminate());
        const taken = net.createServer().listen(0, '127.0.0.1');
        defer(t, () => taken.close());
        await until('it listens', () => taken.address());
        const at = `127.0.0.1:${taken.address().port}`;
        const wrong = {
            'a port is taken': [{ webhooks: { listen: [at] } }, /cannot listen/],
            'positions would differ': [{ gateway: { ...config.gateway, defaults: { max_message_bytes: '4MiB' } } }, /takes a restart/],
        };
        for (const [over, pattern] of Object.values(wrong))
            await refused(t, { ...config, ...over }, pattern);
        await refused(t, 'no: good', /expected a known key/, 78);
        await daemon.accept([newImage('team/app')]);
        await client.first(1);
        assert.equal(client.closed, null);
    });

    test('keeps out strangers, garbage and who says nothing', limits, async (t) => {
        const config = makeConfig();
        const daemon = await served(t, config);
        const talk = (bytes) =>
            new Promise((done) => {
                const s = net.connect(doorOf(config));
                s.on('error', () => null);
                s.on('close', () => done());
                s.resume();
                s.write(bytes);
            });
        const head = (length, kind) => Buffer.from(Uint32Array.of(length, kind).buffer);
        const hello = Buffer.concat([head(11 + 2, 1), Buffer.from('O\x01\x01\x08\0\0\0\x01\0\0\0\0\0', 'latin1')]);
        const garbage = [
            Buffer.from('GET / HTTP/1.1\r\n\r\n'),
            head(0xffffffff, 1),
            head(0, 1),
            head(2, 77),
            Buffer.concat([head(2, 1 | (1 << 16)), Buffer.from('O\x01')]), // a file that did not come
            Buffer.concat([head(2, 6), Buffer.from('O\x01')]), // GO without HELLO
            Buffer.concat([hello, head(2, 11), Buffer.from('O\x01')]), // a batch
        ];
        for (const bytes of garbage) await talk(bytes);
        const began = performance.now();
        await talk(Buffer.from('')); // nothing
        assert.ok(performance.now() - began < 10000);
        await until('all of it was refused', () => daemon.logged({ msg: 'nobody takes over: going on' }).length === garbage.length + 1);
        if (process.getuid() === 0) {
            for (let dir = config.data_dir; dir !== dirname(dirname(config.data_dir)); dir = dirname(dir)) chmodSync(dir, 0o711);
            chmodSync(doorOf(config), 0o666);
            const script = `import os,socket\nos.setuid(65534)\ns=socket.socket(socket.AF_UNIX)\ns.connect("${doorOf(config)}")\nprint(s.recv(9))`;
            assert.equal(execFileSync('python3', ['-c', script], { encoding: 'utf8' }), "b''\n");
            await until('it says so', () => daemon.logged({ msg: /somebody else/, uid: 65534 }).length === 1);
        }
        const after = await replaced(t, daemon, config);
        await after.accept([newImage('team/app')]);
    });

    test('gives up on one that hangs, which goes on when it can', limits, async (t) => {
        const config = makeConfig();
        const daemon = await served(t, config);
        const client = await Client.open(daemon.url());
        defer(t, () => client.terminate());
        daemon.child.kill('SIGSTOP');
        defer(t, () => daemon.child.kill('SIGCONT'));
        await refused(t, config, /it does not answer/);
        daemon.child.kill('SIGCONT');
        await daemon.accept([newImage('team/app')]);
        await client.first(1);
        const after = await replaced(t, daemon, config);
        assert.equal((await client.end).code, 1012);
        assert.ok(existsSync(doorOf(config)));
        await after.stop();
        assert.ok(!existsSync(doorOf(config)));
    });

    test('is called off by SIGTERM to the one that runs', limits, async (t) => {
        const config = makeConfig();
        const daemon = await served(t, config);
        const waiting = net.connect(daemon.webhookPort, '127.0.0.1'); // half a request: 5 s to stand still
        defer(t, () => waiting.destroy());
        waiting.on('error', () => null);
        waiting.write('POST /');
        await until('it is there', async () => (await daemon.metrics()).get('regcast_connections_accepted_total') > 1);
        const taking = refused(t, config, /it is going down/);
        await until('it stands still', () => daemon.logged({ msg: 'another process takes over' }).length === 1);
        await daemon.stop();
        await taking;
    });
});

// ----------------------------------------------------------------------------- killed on the way

// Point: who is killed there, and whether the one before goes on, the one behind it serves, or
// nobody does until somebody starts it again. A process that is killed may keep its sockets for a
// moment: the one before may have let go until it sees that.
const POINTS = {
    'takeover.met': ['new', 'before'],
    'takeover.go': ['new', 'before or nobody'],
    'takeover.released': ['new', 'nobody'],
    'store.open.ready': ['new', 'nobody'],
    'takeover.serving': ['new', 'nobody'],
    'takeover.batch': ['new', 'nobody'],
    'handover.offer': ['old', 'nobody'],
    'handover.go': ['old', 'behind'],
    'handover.settled': ['old', 'behind'],
    'handover.closed': ['old', 'behind'],
    'handover.released': ['old', 'behind'],
    'handover.serving': ['old', 'behind'],
    'handover.batch': ['old', 'behind'],
};

// Waits for what becomes of a start: the daemon, or null when it has ended.
const orNull = (starting) => starting.catch(() => null);

async function killedAt(t, point) {
    const [who, serves] = POINTS[point];
    const config = makeConfig({ gateway: { listen: [`127.0.0.1:${await freePort()}`], drain_timeout: '1s' } });
    config.webhooks.listen = [`127.0.0.1:${await freePort()}`];
    const crash = { env: { REGCAST_CRASH: `${point}:1` } };
    const old = await Daemon.start(config, who === 'old' ? crash : {});
    const ended = [];
    defer(t, () => {
        for (const d of ended) d.child.kill('SIGKILL');
    });
    ended.push(old);
    const sender = new Sender(old.webhookPort, { every: 2 });
    defer(t, () => sender.stop());
    const subscriber = await Subscriber.open(old.port, { v1: true });
    defer(t, () => subscriber.stop());
    await until('some events', () => subscriber.next > 5);
    let behind = await orNull(takeOver(config, who === 'new' ? crash : {}));
    if (behind) ended.push(behind);
    let now = behind;
    let gone = false;
    old.exited.then(() => (gone = true));
    if (serves.startsWith('before'))
        await until('what becomes of it', () => gone || old.logged({ msg: 'nobody takes over: going on' }).length === 1);
    if (serves === 'before' || (serves === 'before or nobody' && !gone)) {
        assert.equal(behind, null);
        assert.equal(gone, false);
        now = old;
    } else if (serves.endsWith('nobody')) {
        if (behind) assert.deepEqual(await behind.exited, { code: null, signal: 'SIGKILL' });
        const how = await old.exited;
        if (who === 'old') assert.equal(how.signal, 'SIGKILL');
        else assert.deepEqual([how.signal, [0, 1].includes(how.code)], [null, true]);
        now = await Daemon.start(config);
        ended.push(now);
    } else {
        assert.notEqual(behind, null);
        await old.exited;
    }
    const sent = sender.sent;
    await until('it goes on', () => sender.sent > sent + 5);
    await sender.stop();
    subscriber.problems = subscriber.problems.filter((p) => /^expected/.test(p)); // connections may well fail
    await until(() => `all events: ${subscriber.next} of ${sender.sent}; ${subscriber.problems}`, () => subscriber.next === sender.sent);
    assert.deepEqual(subscriber.problems.filter((p) => /^expected/.test(p)), []);
    await subscriber.stop();
    await now.stop();
}

describe('killed', { concurrency: 2 }, () => {
    const SAMPLE = ['takeover.serving', 'handover.closed', 'handover.batch'];
    for (const point of Object.keys(POINTS))
        test(`at ${point}`, { ...limits, skip: !SWEEP && !SAMPLE.includes(point) && 'scripts/test --crash' }, (t) => killedAt(t, point));
});
