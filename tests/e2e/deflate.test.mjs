// permessage-deflate (RFC 7692) as real and as hostile clients meet it: what is agreed, what they may
// send, what it costs. Broadcasts to mixed groups are in deflate-fanout.test.mjs.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { CONTINUATION, PING, PONG, RSV1, TEXT, BINARY, deflate, frame } from './frames.mjs';
import { Client, Daemon, Raw, defer, handshake, makeConfig, newImage, rawWs, until, within } from './harness.mjs';

const limits = { timeout: 60000 };
const ANSWER = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const OFFER = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' };
const HELLO = Buffer.from([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]); // RFC 7692 section 7.2.3.1

async function startDaemon(t, gateway = {}) {
    const paths = ['/', { path: '/echo', inbound: 'echo' }];
    const daemon = await Daemon.start(makeConfig({ gateway: { deflate: true, paths, ...gateway } }));
    defer(t, () => daemon.stop());
    return daemon;
}

async function connect(t, daemon, path, perMessageDeflate) {
    const client = await Client.open(daemon.url(path), { perMessageDeflate });
    defer(t, () => client.terminate());
    return client;
}

async function connectRaw(t, daemon, path = '/', headers = OFFER) {
    const raw = await rawWs(daemon.port, path, headers);
    defer(t, () => raw.destroy());
    return raw;
}

const rejects = async (daemon, reason) =>
    (await daemon.metrics()).get('regcast_reject_total', { reason, stage: 'frames' }) ?? 0;

describe('what is agreed', () => {
    test('with the ws client, by its options', limits, async (t) => {
        const daemon = await startDaemon(t);
        for (const [options, want] of [
            [false, undefined],
            [true, `${ANSWER}; client_max_window_bits=12`],
            [{ clientMaxWindowBits: 10 }, `${ANSWER}; client_max_window_bits=10`],
            [{ clientMaxWindowBits: 15 }, `${ANSWER}; client_max_window_bits=12`],
            [{ serverMaxWindowBits: 10 }, undefined],
            [{ serverMaxWindowBits: 15, clientMaxWindowBits: 9 },
                `${ANSWER}; server_max_window_bits=15; client_max_window_bits=9`],
            [{ serverNoContextTakeover: true, clientNoContextTakeover: true },
                `${ANSWER}; client_max_window_bits=12`],
        ]) {
            const client = await connect(t, daemon, '/', options);
            assert.equal(client.extensions, want, JSON.stringify(options));
            await daemon.accept([newImage('team/app')]);
            await client.first(1); // whatever was agreed, messages can be read
        }
    });

    test('nothing, with odd offers: still 101, and plain frames', limits, async (t) => {
        const daemon = await startDaemon(t);
        for (const offer of [
            'permessage-deflate; client_max_window_bits=7',
            'permessage-deflate; client_max_window_bits=16',
            'permessage-deflate; client_max_window_bits=08',
            'permessage-deflate; server_max_window_bits=14',
            'permessage-deflate; server_max_window_bits',
            'permessage-deflate; client_max_window_bits; client_max_window_bits',
            'permessage-deflate; server_no_context_takeover=1',
            'permessage-deflate; what=ever',
            'permessage-deflate; client_max_window_bits="9',
            'permessage-deflate;',
            'x-webkit-deflate-frame',
            ';;="\\',
            ['permessage-deflate', '"'],
            `permessage-deflate${', a'.repeat(2000)}`,
            `permessage-deflate; a="${'\\"'.repeat(3000)}"`,
        ]) {
            const raw = await connectRaw(t, daemon, '/', { 'Sec-WebSocket-Extensions': offer });
            assert.ok(!('sec-websocket-extensions' in raw.last.headers), String(offer).slice(0, 80));
            await raw.send(frame(PING, 'alive'));
            await raw.wait('a pong', () => raw.ws.frames.some((f) => f.opcode === PONG));
            await raw.send(frame(TEXT, HELLO, { rsv: RSV1 }));
            await raw.wait('the close', () => raw.ws.close);
            assert.deepEqual(raw.ws.close, { code: 1002, reason: 'rsv' });
            raw.destroy();
        }
    });

    test('the first offer that can be met', limits, async (t) => {
        const daemon = await startDaemon(t);
        for (const [offer, want] of [
            [['foo; bar="baz"', 'permessage-deflate; server_max_window_bits=9',
                'permessage-deflate; client_max_window_bits="11"'], `${ANSWER}; client_max_window_bits=11`],
            ['permessage-deflate; server_max_window_bits=8, permessage-deflate', ANSWER],
        ]) {
            const raw = await connectRaw(t, daemon, '/', { 'Sec-WebSocket-Extensions': offer });
            assert.equal(raw.last.headers['sec-websocket-extensions'], want);
        }
    });

    test('nothing, unless it is switched on', limits, async (t) => {
        const daemon = await startDaemon(t, { deflate: false });
        const client = await connect(t, daemon, '/', true);
        assert.equal(client.extensions, undefined);
    });
});

describe('what clients send', () => {
    test('comes back inflated where the path says echo', limits, async (t) => {
        const daemon = await startDaemon(t);
        const sent = [
            'hello',
            '',
            'наïve ☃ 🐢',
            'z'.repeat(131072),
            JSON.stringify(Array.from({ length: 2000 }, (_, i) => ({ i, name: `image ${i % 7}` }))),
            Buffer.alloc(0),
            randomBytes(20000), // does not shrink
            Buffer.alloc(131072, 7),
        ];
        for (const options of [{ clientMaxWindowBits: 9 }, {}, { zlibDeflateOptions: { level: 1 } }]) {
            const client = await connect(t, daemon, '/echo', { threshold: 0, ...options });
            for (const one of sent) client.socket.send(one, { compress: true });
            assert.deepEqual(await client.first(sent.length), sent);
            await client.close();
        }
        const m = await daemon.metrics();
        // `ws` leaves empty messages plain
        assert.ok(m.get('regcast_inflated_messages_total') >= 3 * (sent.length - 2));
        assert.equal(m.get('regcast_inbound_messages_total'), 3 * sent.length);
        assert.equal(m.get('regcast_inbound_bytes_total'), 3 * sent.reduce((n, s) => n + Buffer.byteLength(s), 0));
    });

    test('may be cut anywhere, and mixed with pings and plain messages', limits, async (t) => {
        const daemon = await startDaemon(t);
        const raw = await connectRaw(t, daemon, '/echo');
        const text = 'registry/team/app:latest '.repeat(400);
        const packed = deflate(text);
        const bytes = Buffer.concat([
            frame(TEXT, packed.subarray(0, 10), { rsv: RSV1, fin: false }),
            frame(PING, 'between'),
            frame(CONTINUATION, packed.subarray(10)),
            frame(TEXT, 'plain'),
            frame(BINARY, Buffer.from([0]), { rsv: RSV1 }), // empty: section 7.2.3.6
            frame(TEXT, HELLO, { rsv: RSV1 }),
        ]);
        await raw.sendPieces(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1)));
        await raw.wait('four echoes', () => raw.ws.messages.length === 4);
        assert.deepEqual(raw.ws.messages.map((m) => String(m.payload)), [text, 'plain', '', 'Hello']);
        assert.ok(raw.ws.frames.some((f) => f.opcode === PONG));
    });

    const bomb = (n) => deflate(Buffer.alloc(n));
    const refused = [
        ['a bomb', [frame(TEXT, bomb(30 << 20), { rsv: RSV1 })], 1009, 'message_size'],
        ['one byte too many', [frame(BINARY, bomb(131073), { rsv: RSV1 })], 1009, 'message_size'],
        ['a bomb in fragments', Array.from({ length: 40 }, (_, i) =>
            frame(i ? CONTINUATION : TEXT, bomb(30 << 20).subarray(i * 700, (i + 1) * 700), {
                rsv: i ? 0 : RSV1,
                fin: false,
            })), 1009, 'message_size'],
        ['a bomb in tiny fragments', Array.from({ length: 60 }, (_, i) =>
            frame(i ? CONTINUATION : TEXT, bomb(1 << 20).subarray(i * 20, (i + 1) * 20), {
                rsv: i ? 0 : RSV1,
                fin: false,
            })), 1009, 'message_size'],
        ['no deflate data', [frame(TEXT, 'hello', { rsv: RSV1 })], 1007, 'deflate'],
        ['a truncated stream', [frame(TEXT, HELLO.subarray(0, 3), { rsv: RSV1 })], 1007, 'deflate'],
        ['nothing at all', [frame(TEXT, '', { rsv: RSV1 })], 1007, 'deflate'],
        ['the window of the message before', [frame(TEXT, HELLO, { rsv: RSV1 }),
            frame(TEXT, Buffer.from([0xf2, 0x00, 0x11, 0x00, 0x00]), { rsv: RSV1 })], 1007, 'deflate'],
        ['text that is not UTF-8', [frame(TEXT, deflate(Buffer.from([0x61, 0xff])), { rsv: RSV1 })], 1007, 'utf8'],
        ['RSV1 on a continuation', [frame(TEXT, HELLO.subarray(0, 3), { rsv: RSV1, fin: false }),
            frame(CONTINUATION, HELLO.subarray(3), { rsv: RSV1 })], 1002, 'rsv'],
        ['RSV1 on a ping', [frame(PING, '', { rsv: RSV1 })], 1002, 'rsv'],
        ['RSV2', [frame(TEXT, HELLO, { rsv: 2 })], 1002, 'rsv'],
    ];

    for (const path of ['/', '/echo'])
        test(`is refused on ${path} when it is not right, and counted`, limits, async (t) => {
            const daemon = await startDaemon(t);
            for (const [name, frames, code, reason] of refused) {
                const before = await rejects(daemon, reason);
                const raw = await connectRaw(t, daemon, path);
                await raw.sendPieces(frames, () => raw.ws.close);
                await raw.wait(`${name}: the close`, () => raw.ws.close);
                assert.deepEqual(raw.ws.close, { code, reason }, name);
                assert.equal(await rejects(daemon, reason), before + 1, name);
                raw.destroy();
            }
            assert.ok(daemon.logged({ msg: 'reject', reason: 'deflate', answer: 1007 }).length > 0);
        });

    // FR-17: what is held for a message that never ends is bounded, for each and for all.
    test('half a message borrows, and 256 of a worker may', limits, async (t) => {
        const daemon = await startDaemon(t, { workers: 1 });
        const half = frame(TEXT, deflate('x'.repeat(5000)).subarray(0, 8), { rsv: RSV1, fin: false });
        const held = [];
        for (let i = 0; i < 256; i++) {
            const raw = await connectRaw(t, daemon);
            held.push(raw);
            await raw.send(Buffer.concat([half, frame(PING)]));
            await raw.wait('a pong', () => raw.ws.frames.length === 1); // so the half has been read
        }
        const late = await connectRaw(t, daemon);
        await late.send(half);
        await late.wait('the close', () => late.ws.close);
        assert.deepEqual(late.ws.close, { code: 1013, reason: 'inflaters' });
        assert.equal(await rejects(daemon, 'inflaters'), 1);
        const plain = await connectRaw(t, daemon, '/echo');
        await plain.send(frame(TEXT, 'plain'));
        await plain.wait('the echo', () => plain.ws.messages.length === 1);
        held[0].destroy();
        await until('another one to be let in', async () => {
            const raw = await connectRaw(t, daemon, '/echo');
            await raw.send(frame(TEXT, HELLO, { rsv: RSV1 }));
            await raw.wait('echo or close', () => raw.ws.messages.length === 1 || raw.ws.close);
            return raw.ws.messages.length === 1;
        });
    });
});

describe('what clients get', () => {
    test('after coming back: the same messages, and live ones deflated', limits, async (t) => {
        const daemon = await startDaemon(t);
        const plain = await connect(t, daemon, '/', false);
        for (let i = 0; i < 5; i++) await daemon.accept([newImage('team/app')]);
        const want = await plain.first(5);
        const raw = await connectRaw(t, daemon, '/?since=earliest');
        await raw.wait('history', () => raw.ws.messages.length === 5);
        for (let i = 0; i < 5; i++) await daemon.accept([newImage('team/app')]);
        want.push(...(await plain.first(10)).slice(5));
        await raw.wait('live ones', () => raw.ws.messages.length === 10);
        assert.deepEqual(raw.ws.messages.map((m) => String(m.payload)), want);
        assert.ok(raw.ws.messages.some((m) => m.deflated)); // all, but when a sweep is quicker
    });

    test('short messages plain, by deflate_min_bytes', limits, async (t) => {
        const daemon = await startDaemon(t, { deflate_min_bytes: '64KiB' });
        const raw = await connectRaw(t, daemon);
        await daemon.accept([newImage('team/app')]);
        await raw.wait('a message', () => raw.ws.messages.length === 1);
        assert.equal(raw.ws.messages[0].deflated, false);
    });

    test('a drain, a close and a lost connection give everything back', limits, async (t) => {
        const daemon = await startDaemon(t);
        const raws = [];
        for (let i = 0; i < 6; i++) {
            const raw = await connectRaw(t, daemon);
            await raw.send(frame(TEXT, HELLO.subarray(0, 3), { rsv: RSV1, fin: false }));
            raws.push(raw);
        }
        raws[0].reset();
        raws[1].destroy();
        const early = await Raw.open(daemon.port); // frames with the handshake
        defer(t, () => early.destroy());
        await early.send(Buffer.concat([Buffer.from(handshake('/echo', OFFER)), frame(TEXT, HELLO, { rsv: RSV1 })]));
        await early.wait('the echo', () => early.ws?.messages.length === 1);
        assert.equal(String(early.ws.messages[0].payload), 'Hello');
        await daemon.stop(); // the address sanitizer tells of what was forgotten
        await within(5000, 'the end', Promise.all(raws.slice(2).map((r) => r.wait('it', () => r.done))));
        for (const raw of raws.slice(2)) assert.equal(raw.ws.close?.code, 1012);
    });
});
