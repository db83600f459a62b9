// Crowds at the door, and whom a connection is counted for: caps by address, path and rate, PROXY headers and
// X-Forwarded-For (security list LM-01, LM-02, LM-06, WS-09, WH-11).
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import { CONTINUATION, TEXT, frame } from './frames.mjs';
import { SWEEP } from './ledger.mjs';
import {
    Client, Daemon, ENVELOPE_TYPE, REGCASTD_FAST, REGISTRY, Raw, defer, envelope, handshake, makeConfig, newImage, pause, readMessage,
    until,
} from './harness.mjs';

const limits = { timeout: 60000 };
const A = '127.0.0.2';
const B = '127.0.0.3';

// 2001:db8::1, port 5000, to 2001:db8::2, port 80, with a TLV behind it.
const V2_IPV6 = Buffer.from(
    '0d0a0d0a000d0a515549540a2121002920010db800000000000000000000000120010db800000000000000000000000213880050e000026162', 'hex');

async function start(t, over = {}, options) {
    const d = await Daemon.start(makeConfig(over), options);
    defer(t, () => d.stop());
    return d;
}

// A connection from that address; what it says first, and what it is answered.
async function knock(t, port, bytes, localAddress = '127.0.0.1') {
    const raw = await Raw.open(port, { localAddress });
    defer(t, () => raw.destroy());
    await raw.send(bytes);
    await raw.wait('an answer', () => raw.last || raw.done);
    return raw;
}

const shake = (t, d, { from, before = '', path = '/', headers = {} } = {}) =>
    knock(t, d.port, before + handshake(path, headers), from);

function refused(raw, status, reason) {
    assert.equal(raw.last?.status, status);
    assert.deepEqual(JSON.parse(raw.last.body), { error: reason });
    assert.equal(raw.last.headers.connection, 'close');
    if (status === 429 || status === 503) {
        const after = Number(raw.last.headers['retry-after']);
        assert.ok(after >= 5 && after <= 30, raw.last.headers['retry-after']);
    }
}

const rejected = async (d, reason) => (await d.metrics()).get('regcast_reject_total', { reason }) ?? 0;

// Where management says that an open connection comes from.
async function sourceOf(d, raw) {
    const id = raw.responses[0].headers['x-yc-apigateway-websocket-connection-id'];
    const got = await d.manage('GET', `/apigateways/websocket/v1/connections/${id}`);
    assert.equal(got.status, 200, got.text);
    return got.json.identity.sourceIp;
}

describe('floods', { concurrency: SWEEP ? 1 : 2 }, () => { // 18,000 clients leave room for nobody else
    test('LM-02 an address has so many connections, and others are not in its way', limits, async (t) => {
        const d = await start(t, { gateway: { max_address_connections: 3 } });
        const ours = [];
        for (let i = 0; i < 3; i++) ours.push(await shake(t, d, { from: A }));
        assert.deepEqual(ours.map((raw) => raw.last.status), [101, 101, 101]);
        refused(await shake(t, d, { from: A }), 429, 'address_cap');
        // Neither another spelling of it nor a header of a stranger makes another address of it.
        refused(await shake(t, d, { from: A, headers: { 'X-Forwarded-For': '192.0.2.1' } }), 429, 'address_cap');
        assert.equal((await shake(t, d, { from: B })).last.status, 101);
        assert.equal(await rejected(d, 'address_cap'), 2);
        const [line] = d.logged({ msg: 'reject', reason: 'address_cap' });
        assert.match(line.peer, /^127\.0\.0\.2:\d+$/);
        ours[0].destroy();
        await until('room for one', async () => (await shake(t, d, { from: A })).last?.status === 101);
        await d.accept([newImage('team/app')]);
        for (const raw of ours.slice(1)) await raw.wait('the event', () => raw.ws.messages.length > 0);
    });

    test('LM-01 LM-02 with TLS there is a reset and no handshake', limits, async (t) => {
        const certificate = makeCertificate();
        const d = await start(t, { gateway: { tls: tlsOf(certificate), max_address_connections: 2 } });
        const open = () => Client.open(`wss://127.0.0.1:${d.port}/`, { ca: certificate.text });
        const in_ = [await open(), await open()];
        for (const c of in_) defer(t, () => c.terminate());
        await assert.rejects(open(), /ECONNRESET|socket hang up|disconnected/);
        assert.equal(await rejected(d, 'address_cap'), 1);
        assert.equal((await d.metrics()).get('regcast_tls_handshakes_total'), 2);
        await d.accept([newImage('team/app')]);
        for (const c of in_) assert.equal(readMessage((await c.first(1))[0]).length, 1);
    });

    test('WS-09 a crowd from one address is told to wait, and nobody else', limits, async (t) => {
        const d = await start(t, { gateway: { max_address_handshake_rate: 20 } });
        const start_ = performance.now();
        const all = await Promise.all(Array.from({ length: 300 }, () => shake(t, d, { from: A })));
        const open = all.filter((raw) => raw.last?.status === 101).length;
        const most = 20 + ((performance.now() - start_) / 1000) * 20 + 1;
        assert.ok(open >= 20 && open <= most, `${open} of 300, and ${most} were possible`);
        for (const raw of all.filter((one) => one.last && one.last.status !== 101)) refused(raw, 429, 'address_rate');
        assert.equal(await rejected(d, 'address_rate'), 300 - open);
        assert.equal((await shake(t, d, { from: B })).last.status, 101);
        await until('the address to be let in again', async () => (await shake(t, d, { from: A })).last?.status === 101);
    });

    test('WS-09 a crowd from everywhere gets 503, to come back spread out', limits, async (t) => {
        const d = await start(t, { gateway: { max_handshake_rate: 30 } });
        const all = await Promise.all(Array.from({ length: 300 }, (_, i) => shake(t, d, { from: `127.0.1.${1 + (i % 250)}` })));
        const out = all.filter((raw) => raw.last?.status === 503);
        assert.ok(out.length > 100, `${out.length} were refused`);
        for (const raw of out) refused(raw, 503, 'handshake_rate');
        const waits = new Set(out.map((raw) => raw.last.headers['retry-after']));
        assert.ok(waits.size > 10, [...waits].join());
        const lines = d.logged({ msg: 'reject', reason: 'handshake_rate' });
        assert.ok(lines.length > 0 && lines.length < 100, `${lines.length} lines`);
    });

    test('a path has so many clients', limits, async (t) => {
        const d = await start(t, { gateway: { paths: [{ path: '/few', max_connections: 2 }, '/'] } });
        const first = await shake(t, d, { path: '/few' });
        await shake(t, d, { path: '/few' });
        refused(await shake(t, d, { path: '/few' }), 503, 'path_cap');
        refused(await shake(t, d, { path: '/few?since=earliest' }), 503, 'path_cap');
        assert.equal((await shake(t, d)).last.status, 101);
        first.destroy();
        await until('room for one', async () => (await shake(t, d, { path: '/few' })).last?.status === 101);
    });

    test('LM-02 PROXY headers count, of configured proxies', limits, async (t) => {
        const d = await start(t, {
            gateway: { proxy_protocol_from: [A], max_address_connections: 1 },
            webhooks: { listen: ['127.0.0.1:0'], proxy_protocol_from: [A], allowed_from: ['192.0.2.0/24', '127.0.0.1'] },
        });
        const v1 = (ip) => `PROXY TCP4 ${ip} 127.0.0.1 5000 80\r\n`;
        const one = await shake(t, d, { from: A, before: v1('192.0.2.1') });
        assert.equal(await sourceOf(d, one), '192.0.2.1');
        assert.equal((await shake(t, d, { from: A, before: v1('192.0.2.2') })).last.status, 101);
        refused(await shake(t, d, { from: A, before: v1('192.0.2.1') }), 429, 'address_cap');
        const v2 = Buffer.concat([V2_IPV6, Buffer.from(handshake('/'))]);
        const six = await knock(t, d.port, v2, A);
        assert.equal(await sourceOf(d, six), '2001:db8::1');

        // From anybody else it is a bad request; from a proxy, nothing else is a header.
        assert.equal((await shake(t, d, { from: B, before: v1('192.0.2.9') })).last.status, 400);
        assert.equal((await shake(t, d)).last.status, 101);
        for (const bad of ['', 'PROXY TCP4 192.0.2.1\r\n']) {
            const raw = await shake(t, d, { from: A, before: bad });
            assert.ok(!raw.last && raw.gone);
        }
        assert.equal(await rejected(d, 'proxy_header'), 2);

        // WH-11: webhooks from networks that may.
        const post = (before, from) => knock(t, d.webhookPort, `${before}POST /registries/${REGISTRY}/events HTTP/1.1\r\nHost: a\r\n` +
            `Content-Type: ${ENVELOPE_TYPE}\r\nContent-Length: 1000000\r\n\r\n`, from);
        refused(await post('', B), 403, 'source');
        refused(await post(v1('198.51.100.1'), A), 403, 'source');
        const mine = envelope([newImage('team/app')]);
        const good = await knock(t, d.webhookPort, `${v1('192.0.2.77')}POST /registries/${REGISTRY}/events HTTP/1.1\r\nHost: a\r\n` +
            `Content-Type: ${ENVELOPE_TYPE}\r\nContent-Length: ${mine.length}\r\n\r\n${mine}`, A);
        assert.equal(good.last.status, 202);
    });

    test('LM-02 X-Forwarded-For counts, of configured proxies', limits, async (t) => {
        const d = await start(t, {
            gateway: { trusted_proxies: ['127.0.0.2', '10.0.0.0/8'], max_address_connections: 1 },
        });
        for (const [from, value, want] of [
            [A, '203.0.113.1, 192.0.2.1', '192.0.2.1'],
            [A, '192.0.2.2, 10.1.2.3', '192.0.2.2'],
            [A, '2001:db8:0:1::9', '2001:db8:0:1::9'],
            [A, 'unknown, 10.1.2.4', '10.1.2.4'],
            [A, '', A],
            [B, '192.0.2.9', B],
        ]) {
            const raw = await shake(t, d, { from, headers: { 'X-Forwarded-For': value } });
            assert.equal(raw.last.status, 101, value);
            assert.equal(await sourceOf(d, raw), want);
        }
        refused(await shake(t, d, { from: A, headers: { 'X-Forwarded-For': '192.0.2.1' } }), 429, 'address_cap');
        refused(await shake(t, d, { from: A, headers: { 'X-Forwarded-For': '2001:db8:0:1::ffff' } }), 429, 'address_cap');
    });

    test('LM-04 memory stays within its limit, and who behaves stays connected', { timeout: 120000 }, async (t) => {
        const most = 128 << 20;
        const d = await start(t, { max_memory: '128MiB', gateway: { paths: ['/', { path: '/echo', inbound: 'echo' }] } }, { bin: REGCASTD_FAST });
        const good = await Client.open(d.url('/'));
        defer(t, () => good.terminate());
        const level = async () => (await d.metrics()).get('regcast_memory_level');
        assert.equal(await level(), 0);

        // 190 MB of messages that are never finished. Who could, has connected before.
        const greedy = [];
        defer(t, () => greedy.forEach((raw) => raw.destroy()));
        const part = Buffer.concat([0, 1, 2].map((n) => frame(n ? CONTINUATION : TEXT, 'x'.repeat(32768), { fin: false })));
        for (let i = 0; i < 2000; i += 50)
            greedy.push(...(await Promise.all(Array.from({ length: 50 }, () => knock(t, d.port, handshake('/echo'))))));
        assert.ok(greedy.every((raw) => raw.ws));
        let peak = 0;
        let turnedAway;
        for (let i = 0; i < greedy.length; i += 25) {
            await Promise.all(greedy.slice(i, i + 25).map((raw) => raw.send(part)));
            await pause(30); // 2 s for all of it: a gigabit
            peak = Math.max(peak, (await d.metrics()).get('regcast_memory_bytes'));
            const newcomer = await knock(t, d.port, handshake('/'));
            if (newcomer.last?.status === 503) turnedAway = newcomer;
            newcomer.destroy();
        }
        const shed = () => greedy.filter((raw) => raw.ws.close?.code === 1013).length;
        await until('messages to be given up', shed);
        refused(turnedAway, 503, 'memory');
        assert.ok(peak < most * 1.1, `${peak} bytes`);
        assert.ok((await rejected(d, 'shed')) >= shed());
        await d.accept([newImage('team/app')]);
        assert.equal(readMessage((await good.first(1))[0]).length, 1);
        const closed = shed();
        assert.ok(closed < greedy.length, 'not more than had to be');

        greedy.forEach((raw) => raw.destroy());
        await until('memory to be there again', async () => (await level()) === 0);
        const again = await Client.open(d.url('/'));
        again.terminate();
        assert.ok(d.logged({ component: 'memory', level: 'warn' }).length > 0);
        t.diagnostic(`at most ${Math.round(peak / 1048576)} MiB of 128; ${closed} of ${greedy.length} closed`);
    });

    const [crowd, rate] = SWEEP ? [18000, 800] : [1000, 250]; // more than 20,000 files are not open to everybody
    test(`LM-06 ${crowd} that come back at once all come back, and miss nothing`, { timeout: 240000 }, async (t) => {
        const n = crowd;
        const d = await start(t, {
            gateway: { max_handshake_rate: rate, max_half_open: 2000 },
            webhooks: { listen: ['127.0.0.1:0'], max_connections: 100 },
            management: { listen: ['127.0.0.1:0'], max_connections: 100 },
        }, { bin: REGCASTD_FAST });

        // Full jitter on a doubling wait, as clients of this kind should have.
        const connect = async (path) => {
            for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
                try {
                    return await Client.open(d.url(path));
                } catch {
                    await pause(Math.random() * wait);
                }
            }
        };
        const connectAll = async (path) => {
            const clients = await Promise.all(Array.from({ length: n }, () => connect(path)));
            defer(t, () => clients.forEach((c) => c.terminate()));
            return clients;
        };
        const before = await connectAll('/');
        await d.accept([newImage('team/before')]);
        const ids = await Promise.all(before.map(async (c) => readMessage((await c.first(1))[0])[0].id));
        assert.equal(new Set(ids).size, 1);
        before.forEach((c) => c.terminate());
        const start_ = performance.now();
        const coming = connectAll(`/?since=${ids[0]}`);
        await d.accept([newImage('team/meanwhile')]);
        const after = await coming;
        const took = performance.now() - start_;
        assert.ok(took < 60000, `${took} ms`);
        await d.accept([newImage('team/after')]);
        for (const c of after) {
            const repos = (await c.first(2)).map((text) => readMessage(text)[0].repo);
            assert.deepEqual(repos, ['team/meanwhile', 'team/after']);
        }
        assert.ok((await rejected(d, 'handshake_rate')) > 0);
        t.diagnostic(`${n} clients were back after ${Math.round(took)} ms`);
    });
});
