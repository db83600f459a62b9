// Coming back to more than memory holds: what is read from the store is what was sent, to the byte,
// however many clients read it and however slowly.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TEXT } from './frames.mjs';
import { REGCASTD_FAST, Raw, defer, handshake, pause, until } from './harness.mjs';
import { Follower, MIB, Service, Tape, V1, allComplete, bulk, checkGone, config } from './journal.mjs';

const limits = { timeout: 60000 };
const DEEP = { history_bytes: 64 * MIB, memory_bytes: MIB, history_count: 100000, max_lag_age: '60s' };

// Posts envelopes until the tape has so many bytes; resolves to its messages.
async function fillTape(daemon, tape, bytes) {
    while (tape.length < bytes) {
        const events = bulk(1200);
        await daemon.accept(events);
        await tape.has(events);
    }
    return tape.messages();
}

const lastId = (message) => message.text.match(/"event_id":"(crt[0-9a-v]{17})"/g).at(-1).slice(12, 32);

test('history beyond memory comes from the store, to the byte', limits, async (t) => {
    const service = await Service.start(t, config({ path: DEEP, size: 100 }));
    const tape = await Tape.open(t, service.daemon);
    const messages = await fillTape(service.daemon, tape, 5 * MIB);
    const followAll = async (which) => {
        const before = (await service.daemon.metrics()).get('regcast_replayed_messages_total');
        const followers = [await Follower.open(t, service.daemon, '/?since=earliest', tape, 0)];
        for (const i of which)
            followers.push(
                await Follower.open(t, service.daemon, `/?since=${lastId(messages[i])}`, tape, messages[i].end),
            );
        await allComplete(followers);
        followers.forEach((f) => f.socket.destroy());
        return (await service.daemon.metrics()).get('regcast_replayed_messages_total') - before;
    };
    const which = [0, 1, Math.floor(messages.length / 3), messages.length - 2, messages.length - 1];
    const asked = [-1, ...which].reduce((sum, i) => sum + messages.length - 1 - i, 0);
    const replayed = await followAll(which);
    // Three of them began where memory does not reach; it holds its limit and a segment at most.
    const inMemory = messages.filter((m) => m.start > tape.length - 2.5 * MIB).length;
    assert.ok(
        replayed >= asked - (which.length + 1) * inMemory && replayed <= asked,
        `${replayed} of ${asked} messages came from the store`,
    );
    assert.ok(replayed > messages.length);
    for (const signal of ['SIGKILL', 'SIGTERM']) {
        await service.restart({ signal });
        assert.equal(await followAll(which), asked, 'after a start nothing is in memory');
    }
    const m = await service.daemon.metrics();
    assert.equal(m.get('regcast_history_messages', { path: '/' }), messages.length);
    assert.ok(m.get('regcast_history_bytes', { path: '/' }) >= tape.length);
});

test('a hundred clients catch up while events go on', { timeout: 90000 }, async (t) => {
    const service = await Service.start(t, config({ path: DEEP, size: 50, gateway: { replay_bytes: 4 * MIB } }));
    const tape = await Tape.open(t, service.daemon);
    const messages = await fillTape(service.daemon, tape, 3 * MIB);
    const followers = [];
    let going = true;
    let posted;
    const live = (async () => {
        while (going) {
            posted = bulk(130); // two full batches, and a part of the next
            await service.daemon.accept(posted);
            await pause(5);
        }
        posted = bulk(50 * 13);
        await service.daemon.accept(posted); // fills the last batch
    })();
    const join = async (i) => {
        const after = i % 10 === 0 ? -1 : Math.floor(((i * 7919) % 1000) / 1000 * messages.length);
        const target = after < 0 ? '/?since=earliest' : `/?since=${lastId(messages[after])}`;
        followers.push(await Follower.open(t, service.daemon, target, tape, after < 0 ? 0 : messages[after].end));
    };
    try {
        for (let i = 0; i < 100; i += 10)
            await Promise.all(Array.from({ length: 10 }, (_, j) => join(i + j)));
        const at = tape.length;
        await until('some more events', () => tape.length > at + MIB / 4, 20000);
    } finally {
        going = false;
    }
    await live;
    await until('the tape to be whole', async () => {
        const before = tape.length;
        const m = await service.daemon.metrics();
        return m.get('regcast_history_messages', { path: '/' }) === tape.messages().length && before === tape.length;
    });
    await allComplete(followers, 30000);
    assert.ok(followers.every((f) => !f.closed));
    // What everybody has is what happened: each event once, and their ids in order.
    const ids = tape.messages().flatMap((m) => [...m.text.matchAll(/"event_id":"(crt\w+)"/g)].map((x) => x[1]));
    assert.deepEqual(ids, [...new Set(ids)].sort());
    const m = await service.daemon.metrics();
    assert.ok(m.get('regcast_replayed_messages_total') > messages.length);
    assert.equal(m.get('regcast_resumes_total', { outcome: 'found' }), 100);
    assert.equal(m.get('regcast_slow_consumers_total'), 0);
    t.diagnostic(`${followers.length} clients, ${(tape.length / MIB).toFixed(1)} MiB, ${ids.length} events`);
});

test('a thousand clients at once do not multiply memory', { timeout: 120000 }, async (t) => {
    const CLIENTS = 1000;
    const service = await Service.start(
        t,
        config({ path: DEEP, size: 50, gateway: { replay_bytes: MIB, send_buffer_bytes: 32768 } }),
        { bin: REGCASTD_FAST },
    );
    const tape = await Tape.open(t, service.daemon);
    const messages = await fillTape(service.daemon, tape, 2 * MIB);
    await service.restart({ signal: 'SIGKILL' }); // memory holds nothing of it, the tape no close frame
    const { daemon } = service;
    const first = await Follower.open(t, daemon, '/?since=earliest', tape, 0);
    await allComplete([first]);
    const before = daemon.rssKb();
    let peak = before;
    const followers = [];
    const begun = performance.now();
    for (let i = 0; i < CLIENTS; i += 100)
        followers.push(
            ...(await Promise.all(
                Array.from({ length: 100 }, (_, j) => {
                    const m = messages[(i + j) % 5];
                    return j % 2
                        ? Follower.open(t, daemon, '/?since=earliest', tape, 0)
                        : Follower.open(t, daemon, `/?since=${lastId(m)}`, tape, m.end);
                }),
            )),
        );
    await until(
        () => `all to have everything; ${followers.filter((f) => !f.complete()).length} have not`,
        () => {
            peak = Math.max(peak, daemon.rssKb());
            return followers.every((f) => f.complete());
        },
        60000,
    );
    const took = performance.now() - begun;
    const grown = (peak - before) * 1024;
    const m = await daemon.metrics();
    const replayed = m.get('regcast_replayed_bytes_total');
    t.diagnostic(
        `${CLIENTS} clients, ${(replayed / MIB).toFixed(0)} MiB in ${(took / 1000).toFixed(1)} s; ` +
            `grew by ${(grown / MIB).toFixed(1)} MiB`,
    );
    assert.ok(replayed > 0.9 * CLIENTS * 2 * MIB, `${replayed} bytes came from the store`);
    assert.ok(grown < 40 * MIB, `grew by ${grown} bytes`);
    assert.ok(followers.every((f) => !f.closed));
    assert.equal(m.get('regcast_slow_consumers_total'), 0);
});

test('history over its bytes is deleted, also under a client that is reading it: 4009, and no hole', limits, async (t) => {
    const service = await Service.start(
        t,
        config({
            path: { ...DEEP, history_bytes: 3 * MIB },
            size: 100,
            gateway: { send_buffer_bytes: 32768 },
        }),
    );
    const { daemon } = service;
    const tape = await Tape.open(t, daemon);
    const messages = await fillTape(daemon, tape, 2.5 * MIB);
    const reader = await Raw.open(daemon.port, { read: false });
    defer(t, () => reader.destroy());
    await reader.send(handshake(`/?since=${lastId(messages[0])}`, { 'Sec-WebSocket-Protocol': V1 }));
    await until('its handshake', async () => (await daemon.metrics()).get('regcast_handshakes_total') === 2);
    await fillTape(daemon, tape, 7 * MIB);
    await until('the first messages to be deleted', async () => {
        const m = await daemon.metrics();
        return m.get('regcast_history_bytes', { path: '/' }) <= 3 * MIB;
    });
    reader.startReading();
    await checkGone(daemon, 'deleted by bytes', { since: lastId(messages[3]) });
    await reader.wait('the end', () => reader.done || reader.ws?.close, 20000);
    assert.equal(reader.problem, null);
    const texts = reader.ws.messages.map((m) => m.payload.toString('utf8'));
    assert.deepEqual(JSON.parse(texts[0]), { control: 'recovered', since: lastId(messages[0]) });
    const order = tape.messages().map((m) => m.text);
    const places = texts.filter((text) => !text.startsWith('{"control"')).map((text) => order.indexOf(text));
    assert.deepEqual(places, places.map((_, i) => i + 1), 'no hole');
    assert.ok(places.length < order.length - 1);
    assert.deepEqual(reader.ws.close, { code: 4009, reason: 'history_lost' });
    const { control, reason } = JSON.parse(texts.at(-1));
    assert.deepEqual([control, reason], ['gap', 'history_lost']);
    t.diagnostic(`closed after ${places.length} of ${order.length} messages`);
});

// ---------------------------------------------------------------------------------------- slowness

describe('clients that come back and do not read', () => {
    const sluggish = { ...DEEP, max_lag_age: '1500ms' };
    const gateway = { send_buffer_bytes: 32768, replay_bytes: MIB };
    const STALLED = 4;

    // Raw connections that ask for history and read nothing of it, each from a place of its own.
    async function stall(t, daemon, messages, n, headers = {}) {
        const all = [];
        for (let i = 0; i < n; i++) {
            const raw = await Raw.open(daemon.port, { read: false });
            defer(t, () => raw.destroy());
            const after = messages[Math.floor((i * messages.length) / n / 2)];
            await raw.send(handshake(`/?since=${lastId(after)}`, headers));
            all.push({ raw, after });
        }
        return all;
    }

    test('they are closed with 1013; others, also those that catch up, are not affected', limits, async (t) => {
        const service = await Service.start(t, config({ path: sluggish, size: 100, gateway }));
        const { daemon } = service;
        const tape = await Tape.open(t, daemon);
        const messages = await fillTape(daemon, tape, 5 * MIB);
        const stalled = await stall(t, daemon, messages, STALLED);
        await until('all handshakes', async () => (await daemon.metrics()).get('regcast_handshakes_total') > STALLED);
        // Two of them hold the whole budget; it comes back when they are sent away.
        const healthy = await Promise.all(
            Array.from({ length: 10 }, () => Follower.open(t, daemon, '/?since=earliest', tape, 0)),
        );
        const begun = performance.now();
        const all = allComplete(healthy, 20000).then(() => performance.now() - begun);
        all.catch(() => {}); // is awaited below
        const m = await until('them to be found', async () => {
            const now = await daemon.metrics();
            return now.get('regcast_slow_consumer_actions_total', { action: 'close' }) >= STALLED && now;
        }, 20000);
        assert.equal(m.get('regcast_slow_consumer_actions_total', { action: 'close' }), STALLED);
        for (const { raw } of stalled) raw.startReading(); // before gateway.close_timeout is over
        t.diagnostic(`those that read had everything after ${(await all).toFixed(0)} ms`);
        const events = bulk(200);
        await daemon.accept(events);
        await tape.has(events);
        await allComplete(healthy);
        assert.ok(healthy.every((f) => !f.closed));
        assert.equal(tape.closed, false);
        for (const { raw, after } of stalled) {
            await raw.wait('the end', () => raw.done, 20000);
            assert.equal(raw.problem, null);
            if (raw.ws.close) assert.deepEqual(raw.ws.close, { code: 1013, reason: 'slow' });
            const next = messages.indexOf(after) + 1;
            for (const [i, got] of raw.ws.messages.entries())
                assert.equal(got.payload.toString('utf8'), messages[next + i].text, `message ${i}`);
        }
        assert.ok(stalled.some(({ raw }) => raw.ws.close), 'some of them could be told why');
    });

    test('skip: whoever asked for it is told of the gap, between two messages', limits, async (t) => {
        const service = await Service.start(
            t,
            config({
                path: { ...DEEP, slow_consumer: 'skip', memory_bytes: 4 * MIB, max_lag_bytes: MIB },
                size: 100,
                gateway,
            }),
        );
        const { daemon } = service;
        const tape = await Tape.open(t, daemon);
        const asked = { 'Sec-WebSocket-Protocol': V1 };
        const stalled = [];
        for (const headers of [asked, asked, {}, {}]) {
            const raw = await Raw.open(daemon.port, { read: false });
            defer(t, () => raw.destroy());
            await raw.send(handshake('/', headers));
            stalled.push({ raw, headers });
        }
        await until('all handshakes', async () => (await daemon.metrics()).get('regcast_handshakes_total') === 5);
        await fillTape(daemon, tape, 4 * MIB);
        await until('all to be skipped', async () => {
            const m = await daemon.metrics();
            return m.get('regcast_slow_consumer_actions_total', { action: 'skip' }) >= 4;
        });
        for (const { raw } of stalled) raw.startReading();
        // One that is still behind may be moved once more, over what is new.
        let order;
        const last = (raw) => raw.ws?.messages.at(-1)?.payload.toString('utf8');
        await until(
            'all to have the newest message',
            async () => {
                const events = bulk(100);
                await daemon.accept(events);
                await tape.has(events);
                order = tape.messages().map((m) => m.text);
                await pause(50);
                return stalled.every(({ raw }) => raw.done || raw.problem || last(raw) === order.at(-1));
            },
            20000,
        );
        for (const { raw, headers } of stalled) {
            assert.equal(raw.problem, null);
            assert.equal(raw.done, false);
            assert.ok(raw.ws.messages.every((m) => m.opcode === TEXT));
            let place = -1; // of the last message, on the tape
            let told = true; // of what is missing before the next one
            let gaps = 0;
            for (const { payload } of raw.ws.messages) {
                const text = payload.toString('utf8');
                if (text.startsWith('{"control"')) {
                    const { control, reason, ...rest } = JSON.parse(text);
                    assert.deepEqual([control, reason], ['gap', 'slow']);
                    assert.ok(Object.keys(rest).every((key) => ['since', 'oldest'].includes(key)), text);
                    assert.equal(headers, asked, 'only where it was asked for');
                    told = true;
                    gaps++;
                    continue;
                }
                const at = order.indexOf(text);
                assert.ok(at > place, 'every message is one of the path, whole and in order');
                if (headers === asked && at > place + 1) assert.ok(told, 'no message is missing without a word');
                told = false;
                place = at;
            }
            if (headers === asked) assert.ok(gaps >= 1);
            assert.ok(raw.ws.messages.length < order.length + gaps);
        }
    });

    test('one that reads a little at a time gets everything, in order', limits, async (t) => {
        const service = await Service.start(t, config({ path: DEEP, size: 100, gateway }));
        const tape = await Tape.open(t, service.daemon);
        await fillTape(service.daemon, tape, 3 * MIB);
        const slow = await Follower.open(t, service.daemon, '/?since=earliest', tape, 0);
        slow.socket.on('data', () => {
            slow.socket.pause();
            setTimeout(() => slow.socket.resume(), 8);
        });
        const events = bulk(200);
        await service.daemon.accept(events);
        await tape.has(events);
        await allComplete([slow], 40000);
    });
});
