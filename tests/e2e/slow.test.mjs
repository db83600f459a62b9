// Clients that never read: memory follows the window of a path, never the number of clients, and
// whoever does read misses nothing.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FrameReader, TEXT } from './frames.mjs';
import {
    Client,
    Daemon,
    REGCASTD_FAST,
    Raw,
    defer,
    digestOf,
    handshake,
    makeConfig,
    push,
    readMessage,
    trigger,
    until,
} from './harness.mjs';

const MB = 1 << 20;
const STALLED = 500;
const BROADCAST = 32 * MB;
const WINDOW = 2 * MB;
// Buffers, envelopes in work, the allocator's reserve, the journal's page caches, and what each event leaves
// behind whoever listens: its image, its tag, its sender's id.
const SLACK = 36 * MB;
const limits = { timeout: 120000 };
const LONG = 'x'.repeat(120); // makes events larger without more of them

let sent = 0;
function envelopeOf(n) {
    return Array.from({ length: n }, () => push(`team/${LONG}`, digestOf(`slow ${sent++}`)));
}

function config(path, size) {
    return makeConfig({
        gateway: {
            paths: [{ path: '/', ...path }],
            send_buffer_bytes: 32768,
            ping_interval: '10m',
        },
        triggers: [trigger('bulk', { size, cutoff: '1s' })],
    });
}

// Counts the events a client receives, and checks that none is missing, without keeping them.
function follow(client, first) {
    const state = { next: first, bytes: 0, messages: 0 };
    client.socket.on('message', (data) => {
        state.bytes += data.length;
        state.messages++;
        client.messages.length = 0;
        for (const event of JSON.parse(data).messages) {
            const expected = digestOf(`slow ${state.next}`);
            state.problem ??=
                event.details.image_digest === expected ? undefined : `event ${state.next} is missing`;
            state.next++;
        }
    });
    return state;
}

async function stall(t, daemon, n) {
    const all = [];
    defer(t, () => all.forEach((raw) => raw.destroy()));
    for (let i = 0; i < n; i++) {
        const raw = await Raw.open(daemon.port, { read: false });
        all.push(raw);
        raw.send(handshake('/'));
    }
    await until('all handshakes', async () =>
        (await daemon.metrics()).get('regcast_handshakes_total') >= n,
    );
    return all;
}

// Reads a stalled connection to its end or until `enough` says so: {ws, problem, done}.
async function catchUp(raw, enough) {
    raw.startReading();
    await raw.wait('the rest', () => raw.done || raw.problem || enough(raw), 20000);
    assert.equal(raw.problem, null);
    assert.equal(raw.last.status, 101);
    return raw;
}

const numbers = new Map();
function numberOf(digest) {
    for (let i = numbers.size; i < sent; i++) numbers.set(digestOf(`slow ${i}`), i);
    return numbers.get(digest);
}

// The numbers of the events in each message of a raw connection; every message must be whole.
function eventsOf(raw) {
    return raw.ws.messages.map((m) => {
        assert.equal(m.opcode, TEXT);
        return readMessage(m.payload.toString('utf8')).map((e) => numberOf(e.digest));
    });
}

const consecutive = (list) => list.every((n, i) => i === 0 || n === list[i - 1] + 1);

for (const policy of ['close', 'skip'])
    describe(`${STALLED} clients that never read, policy ${policy}`, () => {
        test('memory is bounded by the window, a healthy client gets everything', limits, async (t) => {
            const daemon = await Daemon.start(
                config(
                    {
                        slow_consumer: policy,
                        history_bytes: WINDOW,
                        max_lag_bytes: WINDOW / 2,
                        max_lag_age: '60s',
                    },
                    150,
                ),
                { bin: REGCASTD_FAST },
            );
            defer(t, () => daemon.stop());
            const healthy = await Client.open(daemon.url('/'));
            defer(t, () => healthy.terminate());
            const got = follow(healthy, sent);
            const stalled = await stall(t, daemon, STALLED);
            // Warm up: what the first envelopes need is needed with or without stalled clients.
            await daemon.accept(envelopeOf(600));
            await until('the first events', () => got.next === sent);
            const before = daemon.rssKb() * 1024;
            let peak = before;
            while (got.bytes < BROADCAST) {
                await daemon.accept(envelopeOf(1500));
                await until('the healthy client', () => got.problem || got.next === sent);
                assert.equal(got.problem, undefined);
                peak = Math.max(peak, daemon.rssKb() * 1024);
            }
            assert.equal(healthy.closed, null);
            const grown = peak - before;
            t.diagnostic(
                `${(got.bytes / MB).toFixed(0)} MB in ${got.messages} messages; grew by ${(grown / MB).toFixed(1)} MB`,
            );
            assert.ok(
                grown < WINDOW + SLACK,
                `grew by ${grown} bytes for a window of ${WINDOW}; ${STALLED} clients`,
            );
            const m = await until('every stalled client to be found', async () => {
                const now = await daemon.metrics();
                return now.get('regcast_slow_consumers_total') >= STALLED && now;
            });
            assert.ok(m.get('regcast_path_log_bytes', { path: '/' }) <= WINDOW + 4 * MB);
            const actions = (action) => m.get('regcast_slow_consumer_actions_total', { action });
            if (policy === 'skip') {
                // They stopped in one place, so that what was begun is kept once for all of them.
                assert.ok(actions('skip') >= STALLED);
                assert.equal(actions('close'), 0);
                const open = (await daemon.metrics()).get('regcast_connections', { path: '/' });
                assert.equal(open, STALLED + 1);
                return;
            }
            assert.ok(actions('close') >= STALLED);
            assert.equal(actions('skip'), 0);
            await until('them to be gone', async () =>
                (await daemon.metrics()).get('regcast_connections', { path: '/' }) === 1,
            );
            assert.equal((await daemon.metrics()).get('regcast_closes_total', { by: 'slow' }), STALLED);
            for (const raw of stalled.slice(0, 20)) {
                await catchUp(raw, () => false);
                assert.ok(consecutive(eventsOf(raw).flat()), 'nothing is missing before the cut');
                if (raw.ws.close) assert.equal(raw.ws.close.code, 1013);
            }
        });
    });

test('clients that stop in different places keep no more than a window either', limits, async (t) => {
    const daemon = await Daemon.start(
        config({ slow_consumer: 'skip', history_bytes: WINDOW, max_lag_bytes: WINDOW / 2, max_lag_age: '60s' }, 150),
        { bin: REGCASTD_FAST },
    );
    defer(t, () => daemon.stop());
    const healthy = await Client.open(daemon.url('/'));
    defer(t, () => healthy.terminate());
    const got = follow(healthy, sent);
    await daemon.accept(envelopeOf(600));
    await until('the first events', () => got.next === sent);
    const before = daemon.rssKb() * 1024;
    let peak = before;
    const all = [];
    defer(t, () => all.forEach((raw) => raw.destroy()));
    while (got.bytes < 2 * BROADCAST) {
        const raw = await Raw.open(daemon.port, { read: false });
        all.push(raw);
        await raw.send(handshake('/'));
        await daemon.accept(envelopeOf(600));
        await until('the healthy client', () => got.problem || got.next === sent);
        assert.equal(got.problem, undefined);
        peak = Math.max(peak, daemon.rssKb() * 1024);
    }
    t.diagnostic(`${all.length} clients; grew by ${((peak - before) / MB).toFixed(1)} MB`);
    assert.ok(all.length > 100);
    assert.ok(peak - before < 2 * WINDOW + 1.5 * SLACK, `grew by ${peak - before} bytes`);
    assert.equal(healthy.closed, null);
});

test('skip lands on a message boundary, and later messages are intact', limits, async (t) => {
    const daemon = await Daemon.start(
        config(
            {
                slow_consumer: 'skip',
                history_bytes: 64 * MB,
                max_lag_bytes: MB,
                max_lag_age: '60s',
            },
            150,
        ),
        { bin: REGCASTD_FAST },
    );
    defer(t, () => daemon.stop());
    const healthy = await Client.open(daemon.url('/'));
    defer(t, () => healthy.terminate());
    const got = follow(healthy, sent);
    const stalled = await stall(t, daemon, 20);
    const start = sent;
    for (let i = 0; i < 6; i++) {
        await daemon.accept(envelopeOf(1500));
        await until('the healthy client', () => got.problem || got.next === sent);
        assert.equal(got.problem, undefined);
    }
    await until('all to be skipped', async () => {
        const m = await daemon.metrics();
        return m.get('regcast_slow_consumer_actions_total', { action: 'skip' }) >= stalled.length;
    });
    // They begin to read: whole messages, a gap, and from then on everything there is. "From then on" is when
    // each has caught up: who is still reading what it had may be skipped once more.
    for (const raw of stalled) raw.startReading();
    const current = (raw) => numberOf(readMessage(raw.ws.messages.at(-1).payload.toString('utf8')).at(-1).digest);
    await until('them to have caught up', async () => {
        await daemon.accept(envelopeOf(10));
        await until('the healthy client', () => got.next === sent);
        return stalled.every((raw) => raw.ws?.messages.length > 0 && current(raw) === sent - 1);
    });
    for (let i = 0; i < 5; i++) {
        await daemon.accept(envelopeOf(150));
        await until('the healthy client', () => got.next === sent);
    }
    for (const raw of stalled) {
        await raw.wait('the newest event', () => raw.done || raw.problem || current(raw) === sent - 1, 20000);
        assert.equal(raw.problem, null);
        assert.equal(raw.done, false);
        const all = eventsOf(raw);
        for (const events of all) assert.ok(consecutive(events), 'a message is whole');
        const flat = all.flat();
        assert.equal(flat[0], start);
        const gaps = flat.filter((n, i) => i > 0 && n !== flat[i - 1] + 1);
        assert.ok(gaps.length >= 1, 'something was skipped');
        for (let i = 1; i < flat.length; i++) assert.ok(flat[i] > flat[i - 1], 'in order');
        assert.ok(consecutive(flat.slice(-600)), 'the last batches are all there');
        assert.equal(raw.ws.pending, 0);
        assert.equal(raw.ws.midmessage, false);
    }
    const m = await daemon.metrics();
    assert.equal(m.get('regcast_slow_consumer_actions_total', { action: 'close' }), 0);
    assert.equal(m.get('regcast_connections', { path: '/' }), stalled.length + 1);
    assert.equal(healthy.closed, null);
});

test('a client too far behind in time is found as well', limits, async (t) => {
    const daemon = await Daemon.start(
        config({ slow_consumer: 'close', max_lag_age: '1s', history_bytes: 64 * MB, max_lag_bytes: 64 * MB }, 150),
        { bin: REGCASTD_FAST },
    );
    defer(t, () => daemon.stop());
    const [raw] = await stall(t, daemon, 1);
    for (let i = 0; i < 10; i++) await daemon.accept(envelopeOf(1500)); // more than the sockets hold
    const m = await until('the finding', async () => {
        const now = await daemon.metrics();
        return now.get('regcast_slow_consumers_total', { reason: 'age' }) >= 1 && now;
    });
    assert.equal(m.get('regcast_slow_consumer_actions_total', { action: 'close' }), 1);
    await catchUp(raw, () => false);
    assert.ok(consecutive(eventsOf(raw).flat()));
});

test('a client that reads slowly but steadily stays', limits, async (t) => {
    const daemon = await Daemon.start(
        config({ slow_consumer: 'close', history_bytes: 64 * MB, max_lag_bytes: 32 * MB, max_lag_age: '60s' }, 150),
        { bin: REGCASTD_FAST },
    );
    defer(t, () => daemon.stop());
    const [raw] = await stall(t, daemon, 1);
    const start = sent;
    const reader = new FrameReader();
    let head = Buffer.alloc(0);
    let upgraded = false;
    raw.socket.on('data', (bytes) => {
        if (!upgraded) {
            head = Buffer.concat([head, bytes]);
            const end = head.indexOf('\r\n\r\n');
            if (end < 0) return;
            upgraded = true;
            bytes = head.subarray(end + 4);
        }
        reader.feed(bytes);
        raw.socket.pause(); // a little at a time
        setTimeout(() => raw.socket.resume(), 5);
    });
    raw.socket.resume();
    for (let i = 0; i < 8; i++) await daemon.accept(envelopeOf(900));
    const count = () => reader.messages.reduce((n, m) => n + JSON.parse(m.payload).messages.length, 0);
    await until('everything', () => count() >= sent - start, 30000);
    const seen = reader.messages.flatMap((m) => readMessage(m.payload.toString('utf8'))).map((e) => numberOf(e.digest));
    assert.equal(seen[0], start);
    assert.equal(seen.length, sent - start);
    assert.ok(consecutive(seen));
    const m = await daemon.metrics();
    assert.equal(m.get('regcast_slow_consumers_total'), 0);
    assert.ok(m.get('regcast_partial_sends_total') > 0, 'it was behind at times');
});
