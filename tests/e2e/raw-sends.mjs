// Rows of raw-cases.mjs, sent whole, byte by byte and cut at random, and what must come of it.
import assert from 'node:assert/strict';
import { CLOSE, PING, PONG, closeBody, frame } from './frames.mjs';
import { Raw, rawWs } from './harness.mjs';
import { LISTENERS } from './raw-cases.mjs';

const SEED = Number(process.env.REGCAST_SEED ?? 20261122);
export const WAYS = ['whole', 'bytes', 'split'];

// mulberry32, seeded by a name: the same cuts in every run.
export function random(name) {
    let a = SEED;
    for (const c of name) a = (Math.imul(a, 31) + c.codePointAt(0)) | 0;
    return () => {
        a = (a + 0x6d2b79f5) | 0;
        let t = Math.imul(a ^ (a >>> 15), 1 | a);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

// The bytes in pieces. What is long is sent byte by byte at its ends and in gulps between them.
export function cut(bytes, way, name) {
    if (way === 'whole') return [bytes];
    const next = random(name);
    const sizes = [];
    let left = bytes.length;
    const most = way === 'bytes' ? Math.max(97, left / 100) : Math.max(2, left / 3);
    while (left > 0) {
        const done = bytes.length - left;
        const single = way === 'bytes' && (bytes.length <= 1200 || done < 300 || left <= 100);
        sizes.push(Math.min(left, single ? 1 : 1 + Math.floor(next() * most)));
        left -= sizes.at(-1);
    }
    let at = 0;
    return sizes.map((size) => bytes.subarray(at, (at += size)));
}

export const portOf = (daemon, listener) => (listener === 'gateway' ? daemon.port : daemon.webhookPort);
export const where = (c) => (c.listener === 'both' ? ['gateway', 'webhooks'] : [c.listener]);

// What `work` adds to the refusals, as {"reason|listener": n}.
export async function refusalsOf(daemon, work) {
    const before = (await daemon.metrics()).rejects();
    await work();
    const after = (await daemon.metrics()).rejects();
    const added = {};
    for (const [key, n] of Object.entries(after)) {
        const more = n - (before[key] ?? 0);
        if (more > 0) added[key] = more;
    }
    return added;
}

export function checkRefusal(raw, c) {
    const got = raw.last;
    assert.equal(raw.problem, null);
    assert.equal(raw.responses.length, 1, JSON.stringify(raw.responses));
    assert.ok(c.status.includes(got.status), `status ${got.status}, expected ${c.status}`);
    assert.equal(got.headers.connection, got.status === 426 ? 'Upgrade, close' : 'close');
    assert.equal(got.headers['content-type'], 'application/json');
    const body = JSON.parse(got.body);
    assert.deepEqual(Object.keys(body), ['error']);
    assert.ok(c.reason.includes(body.error), `reason ${body.error}, expected ${c.reason}`);
    if (got.status === 405) assert.match(got.headers.allow, /^[A-Z]+(, [A-Z]+)*$/);
    if (got.status === 426) {
        assert.equal(got.headers.upgrade.toLowerCase(), 'websocket');
        assert.equal(got.headers['sec-websocket-version'], '13');
    }
    return body.error;
}

// Sends a row's bytes in each way; it must be refused as the row says, count once each, and end.
export async function refuse(daemon, listener, c) {
    const reasons = {};
    const added = await refusalsOf(daemon, async () => {
        for (const way of WAYS) {
            const raw = await Raw.open(portOf(daemon, listener), { tls: daemon.tls });
            try {
                const bytes = c.make(LISTENERS[listener]);
                await raw.sendPieces(cut(bytes, way, `${c.id} ${c.name}`), () => raw.done || raw.last);
                await raw.wait(`${way}: an answer`, () => raw.last || raw.done, 5000);
                await raw.wait(`${way}: the end`, () => raw.done, 2000);
                const reason = `${checkRefusal(raw, c)}|${listener}`;
                reasons[reason] = (reasons[reason] ?? 0) + 1;
            } catch (error) {
                error.message = `sent ${way}: ${error.message}`;
                throw error;
            } finally {
                raw.destroy();
            }
        }
    });
    assert.deepEqual(added, reasons, 'counted once each, with the reason of the answer');
}

export async function accept(daemon, listener, c) {
    const added = await refusalsOf(daemon, async () => {
        for (const way of WAYS) {
            const raw = await Raw.open(portOf(daemon, listener), { tls: daemon.tls });
            try {
                const bytes = c.make(LISTENERS[listener]);
                await raw.sendPieces(cut(bytes, way, `${c.id} ${c.name}`), () => raw.done);
                await raw.wait(`${way}: an answer`, () => raw.last || raw.done, 5000);
                assert.equal(raw.problem, null);
                assert.equal(raw.last?.status, c.opens ? 101 : c.status, `${way}: ${JSON.stringify(raw.last)}`);
                if (raw.ws) {
                    assert.ok(!('sec-websocket-protocol' in raw.last.headers));
                    assert.ok(!('sec-websocket-extensions' in raw.last.headers));
                    await raw.send(frame(PING, 'alive'));
                    await raw.wait('a pong', () => raw.ws.frames.some((f) => f.opcode === PONG));
                }
            } finally {
                raw.destroy();
            }
        }
    });
    assert.deepEqual(added, {});
}

// Sends a row of frames in each way, after a handshake; what comes back is as the row says.
export async function sendFrames(daemon, c) {
    const added = await refusalsOf(daemon, async () => {
        for (const way of WAYS) {
            const raw = await rawWs(daemon.port, '/echo', {}, { tls: daemon.tls });
            try {
                await raw.sendPieces(cut(c.bytes, way, `${c.id} ${c.name}`), () => raw.done);
                if (c.close) await expectClose(raw, c.close);
                else await expectBack(raw, c.back);
                assert.equal(raw.problem, null);
            } catch (error) {
                error.message = `sent ${way}: ${error.message}`;
                throw error;
            } finally {
                raw.destroy();
            }
        }
    });
    if (!c.close) assert.deepEqual(added, {});
    else {
        assert.equal(Object.values(added).reduce((a, b) => a + b, 0), 3, JSON.stringify(added));
        for (const key of Object.keys(added))
            assert.ok(c.reason.includes(key.split('|')[0]), `${key}, expected ${c.reason}`);
    }
}

async function expectClose(raw, codes) {
    await raw.wait('a close frame', () => raw.ws.close || raw.done, 5000);
    assert.ok(codes.includes(raw.ws.close?.code), `close ${JSON.stringify(raw.ws.close)}, expected ${codes}`);
    // We answer, and the connection ends.
    await raw.send(frame(CLOSE, closeBody(raw.ws.close.code)));
    await raw.wait('the end', () => raw.done, 2000);
    assert.equal(raw.ws.frames.filter((f) => f.opcode === CLOSE).length, 1);
    assert.equal(raw.ws.frames.at(-1).opcode, CLOSE, 'nothing behind the close');
}

async function expectBack(raw, { messages = [], pongs = [], close }) {
    if (close === undefined) await raw.send(frame(PING, 'the last'));
    await raw.wait(
        'what comes back',
        () => raw.done || raw.ws.frames.some((f) => f.opcode === PONG && String(f.payload) === 'the last'),
        5000,
    );
    const opcodes = raw.ws.frames.filter((f) => f.opcode === PONG).map((f) => f.payload);
    if (close === undefined) {
        assert.equal(raw.done, false, 'still open');
        assert.equal(String(opcodes.pop()), 'the last');
    }
    assert.deepEqual(opcodes, pongs);
    assert.deepEqual(
        raw.ws.messages.map((m) => m.payload),
        messages.map((m) => Buffer.from(m)),
    );
    if (close !== undefined) {
        assert.equal(raw.ws.close?.code, close);
        assert.equal(raw.ws.frames.length, 1, 'the close alone');
    }
}
