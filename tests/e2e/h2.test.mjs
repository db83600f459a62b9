// Abuse of HTTP/2 at the gRPC listener, frame by frame: rows AP-07 to AP-10 of the security list. Each is
// ended with a GOAWAY, is in the metrics and in the log, costs no memory, and meanwhile somebody else is
// served.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
    ACK, CHECK, CONTINUATION, DATA, END_STREAM, ENHANCE_YOUR_CALM, GREETING, GOAWAY, H2, HEADERS,
    LIST, NO_ERROR, PADDED, PING, PREFACE, PRIORITY, RST, SETTINGS, WATCH, blockFrames, callFields, field, frame,
    openCall, openWindow, rst, setting, u32, wholeCall,
} from './h2.mjs';
import { Daemon, defer, makeConfig, pause, until } from './harness.mjs';

const limits = { timeout: 120000 };
const ROUNDS = 8;
const GROWTH_KB = 8192; // that a few rounds may leave, freed memory that ASan keeps for a while
const EARLY_BURST = 100;
const EARLY_PER_S = 33;
const IDLE_FRAMES = 200;
const STALL_MS = 30000;

let daemon, good, serving, answers;

before(async () => {
    daemon = await Daemon.start(makeConfig({ management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'] } }));
    good = await H2.open(daemon.grpcPort);
    answers = 0;
    serving = { on: true };
    serving.done = (async () => {
        while (serving.on) {
            assert.ok(await good.check(), 'the other client is not served');
            answers++;
            await pause(5);
        }
    })();
    serving.done.catch(() => {}); // it is awaited at the end
});

after(async () => {
    serving.on = false;
    await serving.done.finally(() => good.destroy());
    await daemon.stop();
});

async function rejects(reason) {
    return (await daemon.metrics()).get('regcast_reject_total', { reason, stage: 'h2' }) ?? 0;
}

// A client that was told that it is too much.
async function expectCalm(h, code = ENHANCE_YOUR_CALM) {
    await h.ended();
    assert.equal(h.goaway()?.code, code);
}

// Runs an abuse some times over: each connection ends, all are counted, and others are served.
async function abuse(t, reason, once) {
    const [counted, served] = [await rejects(reason), answers];
    await once(); // what is allocated once and for all
    const first = daemon.rssKb();
    for (let i = 1; i < ROUNDS; i++) await once();
    assert.equal(await rejects(reason), counted + ROUNDS);
    assert.ok(daemon.logged({ reason, stage: 'h2' }).length > 0, 'no log line');
    const grown = daemon.rssKb() - first;
    assert.ok(grown < GROWTH_KB, `${grown} KB more`);
    await until('the other client to be answered', () => answers > served);
    assert.equal(good.closed, false);
}

async function connect(t, greeting) {
    const h = await H2.open(daemon.grpcPort, greeting);
    defer(t, () => h.destroy());
    return h;
}

// ------------------------------------------------------------------------------- AP-07: heads

const BOMBS = {
    'single bytes that name a field of 4 KB': (id) => {
        const kept = id === 1 ? field('x', 'v'.repeat(4000), true) : Buffer.alloc(0);
        return blockFrames(id, Buffer.concat([callFields(CHECK), kept, Buffer.alloc(12000, 0xbe)]), { end: true });
    },
    'ten thousand crumbs of a cookie': (id) => {
        const crumbs = Array.from({ length: 10000 }, () => field('cookie', 'a=b'));
        return blockFrames(id, Buffer.concat([callFields(CHECK), ...crumbs]), { end: true });
    },
    'one field of 17 KB': (id) => blockFrames(id, Buffer.concat([callFields(CHECK), field('x', 'v'.repeat(17000))]), { end: true }),
};

describe('AP-07 heads that are too large', limits, () => {
    for (const [name, bomb] of Object.entries(BOMBS)) {
        test(`${name}: the first costs its stream, the second the connection`, limits, (t) =>
            abuse(t, 'h2_headers', async () => {
                const h = await connect(t);
                h.send(bomb(1));
                await until('a reset', () => h.of(RST, 1).length === 1);
                assert.deepEqual(h.of(RST, 1)[0].payload, u32(ENHANCE_YOUR_CALM));
                h.send(wholeCall(3, CHECK)); // the connection still works
                await until('an answer', () => h.of(HEADERS, 3).some((f) => f.flags & END_STREAM));
                h.send(bomb(5));
                await expectCalm(h);
            }));
    }

    for (const [name, piece] of [['empty', Buffer.alloc(0)], ['with a field each', field('x', 'y')], ['full', Buffer.alloc(16384, 0x82)]]) {
        test(`CONTINUATION without an end, ${name}`, limits, (t) =>
            abuse(t, 'h2_headers', async () => {
                const h = await connect(t);
                h.send(frame(HEADERS, 0, 1, callFields(CHECK)));
                for (let i = 0; i < 100; i++) h.send(frame(CONTINUATION, 0, 1, piece));
                await expectCalm(h);
            }));
    }
});

// -------------------------------------------------------------------------- AP-08: early ends

const bad = (id, name, value) => blockFrames(id, Buffer.concat([callFields(CHECK), field(name, value)]));
const EARLY = {
    'reset by the client': (id) => [openCall(id, WATCH), rst(id)],
    'reset by the client, without an error': (id) => [openCall(id, WATCH), rst(id, NO_ERROR)],
    'a window that overflows': (id) => [openCall(id, WATCH), openWindow(id, 0x7fffffff)],
    'more body than was said': (id) => [bad(id, 'content-length', '1'), frame(DATA, 0, id, Buffer.from('two'))],
    'less body than was said': (id) => [bad(id, 'content-length', '9'), frame(DATA, END_STREAM, id, Buffer.from('two'))],
    'a field in upper case': (id) => [bad(id, 'Upper', '1')],
    'a field of HTTP/1': (id) => [bad(id, 'connection', 'close')],
};

describe('AP-08 streams that end early', limits, () => {
    for (const [name, end] of Object.entries(EARLY)) {
        test(`${name}: a budget of ${EARLY_BURST} at once`, limits, (t) =>
            abuse(t, 'h2_early', async () => {
                const h = await connect(t);
                const began = performance.now();
                let id = 1;
                for (let i = 0; i < EARLY_BURST; i++, id += 2) h.send(...end(id));
                h.send(wholeCall(id, CHECK));
                await until('an answer', () => h.of(HEADERS, id).some((f) => f.flags & END_STREAM));
                const back = Math.ceil(((performance.now() - began) / 1000) * EARLY_PER_S) + EARLY_PER_S;
                for (let i = 0; i < back; i++) h.send(...end((id += 2)));
                await expectCalm(h);
            }));
    }

    test('all ways in turn have one budget', limits, (t) =>
        abuse(t, 'h2_early', async () => {
            const h = await connect(t);
            const ways = Object.values(EARLY);
            for (let i = 0; i < 3 * EARLY_BURST; i++) h.send(...ways[i % ways.length](1 + 2 * i));
            await expectCalm(h);
        }));
});

// ------------------------------------------------------------------ AP-09: frames for nothing

const EIGHT = Buffer.from('12345678');
const IDLE = {
    SETTINGS: () => setting(4, 65535),
    PING: () => frame(PING, 0, 0, EIGHT),
    'PING ACK': () => frame(PING, ACK, 0, EIGHT),
    PRIORITY: () => frame(PRIORITY, 0, 1, EIGHT.subarray(0, 5)),
    'WINDOW_UPDATE of the connection': () => openWindow(0, 1),
    'WINDOW_UPDATE of a stream': () => openWindow(1, 1),
    'empty DATA': () => frame(DATA, 0, 1),
    'DATA of padding': () => frame(DATA, PADDED, 1, Buffer.from([2, 0, 0])),
    'an unknown type': () => frame(77, 0, 0, EIGHT),
    'GOAWAY again': () => frame(GOAWAY, 0, 0, Buffer.alloc(8)),
};

describe('AP-09 frames that bring nothing', limits, () => {
    for (const [name, idle] of Object.entries(IDLE)) {
        test(`${name}: ${IDLE_FRAMES} in 10 s`, limits, (t) =>
            abuse(t, 'h2_idle', async () => {
                const h = await connect(t);
                h.send(openCall(1, CHECK)); // its message is still to come
                for (let i = 0; i < IDLE_FRAMES - 2; i++) h.send(idle());
                await h.sent(frame(PING, 0, 0, Buffer.from('the last')));
                await until('all of them to be read', () => h.of(PING).some((f) => f.payload.equals(Buffer.from('the last'))));
                for (let i = 0; i < 20; i++) h.send(idle());
                await expectCalm(h);
            }));
    }

    test('a client that never reads what it asks for keeps nothing growing', limits, async (t) => {
        const h = await connect(t);
        h.socket.pause();
        const first = daemon.rssKb();
        for (let i = 0; i < 200 && !h.closed; i++) {
            const calls = Array.from({ length: 50 }, () => wholeCall(h.nextId(), LIST));
            h.send(...calls);
            await pause(5);
        }
        assert.ok(daemon.rssKb() - first < GROWTH_KB);
        assert.equal(good.closed, false);
    });
});

// --------------------------------------------------------------------- AP-10: closed windows

const GREETING_WITHOUT_WINDOW = Buffer.concat([PREFACE, setting(4, 0)]);

describe('AP-10 windows held closed', { ...limits, concurrency: true }, () => {
    for (const [name, bytes] of [['nothing', 0], ['one byte every two seconds', 1]]) {
        test(`an answer for which ${name} is opened ends the connection after 30 s`, limits, async (t) => {
            const held = await connect(t, GREETING_WITHOUT_WINDOW);
            const began = performance.now();
            held.send(wholeCall(1, LIST));
            const opening = setInterval(() => bytes > 0 && held.send(openWindow(1, bytes)), 2000);
            defer(t, () => clearInterval(opening));
            await held.ended(STALL_MS + 15000);
            assert.ok(performance.now() - began > STALL_MS - 1000, 'too early');
            assert.equal(held.goaway()?.code, ENHANCE_YOUR_CALM);
            await until('the reason in the metrics', async () => (await rejects('h2_stall')) > 0);
            assert.ok(daemon.logged({ reason: 'h2_stall', stage: 'h2' }).length > 0);
            assert.equal(good.closed, false);
        });
    }

    test('an answer whose window is opened late is given', limits, async (t) => {
        const h = await connect(t, GREETING_WITHOUT_WINDOW);
        h.send(wholeCall(1, LIST));
        await pause(20000);
        assert.equal(h.of(DATA).length, 0);
        h.send(openWindow(1, 1 << 20));
        await until('the answer', () => h.of(HEADERS, 1).some((f) => f.flags & END_STREAM));
        assert.equal(h.closed, false);
    });
});

// ------------------------------------------------------------------------- what is no HTTP/2

describe('who does not speak HTTP/2', limits, () => {
    for (const [name, words] of [
        ['HTTP/1.1', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
        ['an upgrade to h2c', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n'],
        ['TLS', '\x16\x03\x01\x00\x05'],
    ]) {
        test(name, limits, async (t) => {
            const counted = await rejects('h2_preface');
            const h = await connect(t, Buffer.from(words, 'latin1'));
            await h.ended();
            assert.equal(h.of(GOAWAY).length, 0);
            assert.equal(h.of(HEADERS).length, 0);
            assert.equal(await rejects('h2_preface'), counted + 1);
        });
    }

    test('SETTINGS must come first', limits, async (t) => {
        const counted = await rejects('h2_protocol');
        const h = await connect(t, Buffer.concat([PREFACE, frame(PING, 0, 0, EIGHT)]));
        await expectCalm(h, 1);
        assert.equal(await rejects('h2_protocol'), counted + 1);
    });
});

test('one byte at a time is served like any other', limits, async (t) => {
    const h = await connect(t, Buffer.alloc(0));
    for (const byte of Buffer.concat([GREETING, wholeCall(1, CHECK)])) await h.sent(Buffer.from([byte]));
    await until('the answer', () => h.of(HEADERS, 1).some((f) => f.flags & END_STREAM));
    assert.deepEqual(Buffer.concat(h.of(DATA, 1).map((f) => f.payload)), Buffer.from([0, 0, 0, 0, 2, 8, 1]));
    assert.equal(h.of(SETTINGS).length, 2);
});
