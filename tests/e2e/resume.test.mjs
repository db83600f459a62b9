// Coming back: a client that names the last event it has seen gets everything after it, in order,
// and then what happens now; one that cannot be served is told so.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TEXT } from './frames.mjs';
import {
    Client,
    REGCASTD_FAST,
    Raw,
    defer,
    handshake,
    makeConfig,
    newImage,
    pause,
    rawWs,
    trigger,
    until,
} from './harness.mjs';
import {
    Follower,
    MIB,
    NEWEST_ID,
    OLDEST_ID,
    Service,
    Tape,
    allComplete,
    answerTo,
    bulk,
    idAfter,
    idsOf,
    resume,
} from './journal.mjs';

const limits = { timeout: 60000 };
const V1 = 'regcast.v1';

// One path unless told otherwise; `path` are the settings of all of them.
function config({ path = {}, paths = ['/'], gateway = {}, size = 1, cutoff, triggers, ...over } = {}) {
    return makeConfig({
        gateway: { paths, defaults: path, ping_interval: '10m', ...gateway },
        triggers: triggers ?? paths.map((p, i) => trigger(`all-${i}`, { path: p, size, cutoff })),
        ...over,
    });
}

async function setUp(t, over, options) {
    const service = await Service.start(t, config(over), options);
    const witness = await Client.open(service.daemon.url(over?.paths?.[0] ?? '/'));
    defer(t, () => witness.terminate());
    return { service, witness };
}

// Posts `n` images, one after the other and each in a millisecond of its own; returns the witness's
// messages of them.
async function announce({ service, witness }, n) {
    const before = witness.messages.length;
    for (let i = 0; i < n; i++) {
        await service.daemon.accept([newImage('team/app')]);
        await pause(2);
    }
    return (await witness.first(before + n)).slice(before);
}

// Opens clients as `cases` say ([what, options, the messages expected]), lets something happen, and
// checks that each has exactly what was expected and then what happened.
async function checkAll(t, system, cases) {
    const clients = [];
    defer(t, () => clients.forEach((c) => c.terminate()));
    for (const [what, options] of cases)
        clients.push(
            await resume(system.service.daemon, options).catch((error) => {
                throw new Error(`${what}: ${error.message}`);
            }),
        );
    const live = await announce(system, 2);
    for (const [i, [what, , expected]] of cases.entries()) {
        const all = [...expected, ...live];
        await clients[i].first(all.length).catch((error) => {
            throw new Error(`${what}: ${error.message}`);
        });
        assert.deepEqual(clients[i].messages, all, what);
        assert.equal(clients[i].closed, null, what);
    }
}

async function historyOf(daemon, path = '/') {
    return (await daemon.metrics()).get('regcast_history_messages', { path });
}

// Waits until a path keeps so many messages, and no other number.
const untilKept = (daemon, n, path = '/') =>
    until(`${n} messages of ${path} to be kept`, async () => (await historyOf(daemon, path)) === n, 20000);

async function checkGone(daemon, what, options) {
    const client = await resume(daemon, options);
    const { code, reason } = await client.end;
    assert.deepEqual({ code, reason }, { code: 4009, reason: 'history_lost' }, what);
    assert.deepEqual(client.messages, [], `${what}: nothing was sent before`);
    const path = options.path ?? '/';
    const target = options.since ? `${path}?since=${options.since}&strict=1` : `${path}?strict=1`;
    const headers = options.last ? { 'Last-Event-ID': options.last } : {};
    const strict = await answerTo(daemon, target, headers);
    assert.equal(strict.status, 410, what);
    assert.deepEqual(JSON.parse(strict.body), { error: 'gone' }, what);
}

describe('what a client may say', () => {
    test('an event in the query or in a header, or the earliest', limits, async (t) => {
        const system = await setUp(t);
        const texts = await announce(system, 8);
        const ids = texts.flatMap(idsOf);
        assert.deepEqual(ids, [...new Set(ids)].sort());
        await checkAll(t, system, [
            ['the query', { since: ids[4] }, texts.slice(5)],
            ['the first one', { since: ids[0] }, texts.slice(1)],
            ['the newest one', { since: ids[7] }, []],
            ['the earliest', { since: 'earliest' }, texts],
            ['the header', { last: ids[2] }, texts.slice(3)],
            ['both: the query wins', { since: ids[6], last: ids[1] }, texts.slice(7)],
            ['an empty header', { last: '' }, []],
            ['nothing', {}, []],
            ['strict', { since: ids[4], strict: true }, texts.slice(5)],
            ['strict, in the header', { last: ids[4], strict: true }, texts.slice(5)],
            ['among other parameters', { path: '/', since: `${ids[5]}&a=b&c` }, texts.slice(6)],
            ['an event later than all', { since: NEWEST_ID }, []],
            ['between two events', { since: idAfter(ids[3]) }, texts.slice(4)],
        ]);
        const m = await system.service.daemon.metrics();
        assert.equal(m.get('regcast_resumes_total', { outcome: 'found' }), 11);
        assert.equal(m.get('regcast_resumes_total', { outcome: 'gone' }), 0);
        assert.equal(m.get('regcast_resumes_total', { outcome: 'failed' }), 0);
    });

    test('what is no event id is refused before the handshake', limits, async (t) => {
        const { service, witness } = await setUp(t);
        const [text] = await announce({ service, witness }, 1);
        const [id] = idsOf(text);
        const bad = [
            'x',
            'crt',
            'EARLIEST',
            'earliest2',
            id.slice(0, 19),
            `${id}0`,
            id.toUpperCase(),
            `crx${id.slice(3)}`,
            `${id.slice(0, 19)}w`,
            `${id.slice(0, 19)}-`,
            `${id}%00`,
            'a'.repeat(300),
        ];
        for (const value of bad) {
            for (const strict of ['', '&strict=1']) {
                const got = await answerTo(service.daemon, `/?since=${value}${strict}`);
                assert.equal(got.status, 400, value);
                assert.deepEqual(JSON.parse(got.body), { error: 'since' }, value);
            }
            if (value.includes('%')) continue;
            const got = await answerTo(service.daemon, '/', { 'Last-Event-ID': value });
            assert.equal(got.status, 400, `header ${value}`);
        }
        const twice = await answerTo(service.daemon, '/', { 'Last-Event-ID': [id, id] });
        assert.equal(twice.status, 400, 'the header twice');
        // The connection is as good as after any other refusal, and the daemon counts them.
        const m = await service.daemon.metrics();
        const where = { listener: 'gateway', stage: 'handshake', reason: 'since' };
        assert.equal(m.get('regcast_reject_total', where), 3 * bad.length);
        assert.equal(m.get('regcast_handshakes_total'), 1);
        assert.equal(m.get('regcast_resumes_total'), 0);
    });

    test('the 101 of a client that comes back is like any other', limits, async (t) => {
        const system = await setUp(t);
        const ids = (await announce(system, 3)).flatMap(idsOf);
        const { daemon } = system.service;
        const fresh = await answerTo(daemon, '/');
        const back = await answerTo(daemon, `/?since=${ids[0]}`);
        assert.equal(back.status, 101);
        assert.deepEqual(Object.keys(back.headers), Object.keys(fresh.headers));
        assert.equal(back.headers['sec-websocket-accept'], fresh.headers['sec-websocket-accept']);
        assert.equal(back.headers['sec-websocket-protocol'], undefined);
        const asked = { 'Sec-WebSocket-Protocol': `soap, ${V1}, chat` };
        for (const target of ['/', `/?since=${ids[0]}`, `/?since=${OLDEST_ID}`])
            assert.equal((await answerTo(daemon, target, asked)).headers['sec-websocket-protocol'], V1, target);
        // A head in pieces, and what follows the head in the same packet.
        const raw = await Raw.open(daemon.port);
        defer(t, () => raw.destroy());
        const head = Buffer.from(handshake(`/?since=${ids[0]}`));
        await raw.sendPieces([...head].map((byte) => Buffer.from([byte])));
        await raw.wait('two messages', () => raw.ws?.messages.length === 2);
        assert.equal(raw.problem, null);
        for (const [target, headers] of [
            [`/nowhere?since=${ids[0]}`, {}],
            [`/?since=${ids[0]}`, { 'Sec-WebSocket-Version': '12' }],
            [`/?since=${ids[0]}`, { 'Sec-WebSocket-Key': 'short' }],
        ]) {
            const { status } = await answerTo(daemon, target, headers);
            assert.ok([404, 426, 400].includes(status), `${target}: ${status}`);
        }
    });

    test('engine: memory cannot find an event, and says so', limits, async (t) => {
        const system = await setUp(t, { engine: 'memory' });
        const texts = await announce(system, 3);
        const ids = texts.flatMap(idsOf);
        const { daemon } = system.service;
        await checkGone(daemon, 'the first', { since: ids[0] });
        await checkGone(daemon, 'the newest', { last: ids[2] });
        assert.equal((await answerTo(daemon, '/?since=nonsense')).status, 400);
        await checkAll(t, system, [
            ['the earliest in memory', { since: 'earliest' }, texts],
            ['an empty header', { last: '' }, []],
        ]);
        await system.service.restart();
        const later = await resume(system.service.daemon, { since: 'earliest' });
        defer(t, () => later.terminate());
        const live = newImage('team/app');
        await system.service.daemon.accept([live]);
        const [text] = await later.first(1);
        assert.ok(text.includes(live.target.digest), 'nothing is kept over a restart');
    });
});

describe('what is kept and what is gone', () => {
    const short = { history_count: 3, max_lag_age: '400ms' };

    test('events deleted by count', limits, async (t) => {
        const system = await setUp(t, { path: short });
        const { daemon } = system.service;
        const texts = await announce(system, 10);
        const ids = texts.flatMap(idsOf);
        await untilKept(daemon, 3);
        for (const [what, options] of [
            ['deleted long ago', { since: ids[0] }],
            ['deleted, in the header', { last: ids[3] }],
            ['deleted with others after it', { since: ids[5] }],
            ['never here, before all', { since: OLDEST_ID }],
            ['between deleted ones', { since: idAfter(ids[4]) }],
        ])
            await checkGone(daemon, what, options);
        await checkAll(t, system, [
            ['the newest deleted: nothing after it is', { since: ids[6] }, texts.slice(7)],
            ['between it and the oldest kept', { since: idAfter(ids[6]) }, texts.slice(7)],
            ['the oldest kept', { since: ids[7] }, texts.slice(8)],
            ['the newest kept', { since: ids[9], strict: true }, []],
            ['the earliest', { since: 'earliest' }, texts.slice(7)],
        ]);
        const m = await daemon.metrics();
        assert.equal(m.get('regcast_resumes_total', { outcome: 'gone' }), 10);
        assert.equal(m.get('regcast_resumes_total', { outcome: 'found' }), 5);
        assert.equal(m.get('regcast_reject_total', { listener: 'gateway', reason: 'gone' }), 5);
        assert.equal(m.get('regcast_reject_total', { listener: 'gateway', reason: 'history_lost' }), 5);
    });

    test('a quiet path whose history has expired has lost nothing for who saw its last event', limits, async (t) => {
        const system = await setUp(t, {
            paths: ['/', '/never'],
            path: { history_age: '700ms', max_lag_age: '400ms' },
            size: 2,
            cutoff: '1s',
            triggers: [trigger('all-0', { size: 2, cutoff: '1s' })],
        });
        const { service, witness } = system;
        const events = Array.from({ length: 6 }, () => newImage('team/app'));
        await service.daemon.accept(events);
        const texts = await witness.first(3);
        const ids = texts.map(idsOf);
        // Before anything is deleted, an id that is older than the store is no id of ours.
        await untilKept(service.daemon, 0);
        const check = async () => {
            const clients = [];
            for (const since of [...ids[2], 'earliest'])
                for (const strict of [false, true])
                    clients.push(await resume(service.daemon, { since, strict }));
            for (const c of clients) defer(t, () => c.terminate());
            await checkGone(service.daemon, 'an earlier batch', { since: ids[0][0] });
            await checkGone(service.daemon, 'the batch before the last', { since: ids[1][1] });
            // A path that never had anything has lost nothing since the store was made.
            const other = await resume(service.daemon, { since: ids[2][1], path: '/never', strict: true });
            await checkGone(service.daemon, 'before the store', { since: OLDEST_ID, path: '/never' });
            assert.equal(other.closed, null);
            await other.close();
            return clients;
        };
        const clients = await check();
        await service.daemon.accept([newImage('team/app'), newImage('team/app')]);
        const [, , , live] = await witness.first(4);
        for (const c of clients) {
            await c.first(1);
            assert.deepEqual(c.messages, [live]);
            assert.equal(c.closed, null);
        }
        ids.splice(0, 1);
        ids.push(idsOf(live));
        // The same after the daemon has come back, twice.
        await untilKept(service.daemon, 0);
        await service.restart({ signal: 'SIGKILL' });
        await check();
        await service.restart();
        await check();
    });

    test("an id of another path, and of events that nobody's trigger took", limits, async (t) => {
        const system = await setUp(t, {
            paths: ['/', '/b'],
            triggers: [
                trigger('root', { image_name: 'team/app' }),
                trigger('other', { path: '/b', image_name: 'team/b' }),
            ],
        });
        const { service } = system;
        const other = await Client.open(service.daemon.url('/b'));
        defer(t, () => other.terminate());
        const texts = [];
        const theirs = [];
        for (let i = 0; i < 4; i++) {
            texts.push(...(await announce(system, 2)));
            await service.daemon.accept([newImage('team/b')]);
            await service.daemon.accept([newImage('team/nobody')]);
            theirs.push((await other.first(i + 1))[i]);
        }
        const at = theirs.flatMap(idsOf);
        await checkAll(t, system, [
            ['seen on /b before the third', { since: at[0] }, texts.slice(2)],
            ['seen on /b later', { since: at[2], strict: true }, texts.slice(6)],
            ['seen on /b at last', { last: at[3] }, []],
            ['nobody saw', { since: idAfter(at[1]) }, texts.slice(4)],
        ]);
        const [first] = texts.flatMap(idsOf);
        const back = await resume(service.daemon, { since: first, path: '/b' });
        defer(t, () => back.terminate());
        assert.deepEqual(await back.first(4), theirs);
    });

    test('an event inside a batch of several: on from the next batch', limits, async (t) => {
        const { service, witness } = await setUp(t, { size: 4, cutoff: '30s' });
        await service.daemon.accept(Array.from({ length: 16 }, () => newImage('team/app')));
        const texts = await witness.first(4);
        for (const [i, text] of texts.entries())
            for (const since of idsOf(text)) {
                const client = await resume(service.daemon, { since, strict: true });
                assert.deepEqual(await client.first(3 - i), texts.slice(i + 1));
                await client.close();
                assert.equal(client.messages.length, 3 - i);
            }
    });

    test('two triggers on one path: on after the first batch that has the event', limits, async (t) => {
        const { service, witness } = await setUp(t, {
            triggers: [trigger('one', { size: 1 }), trigger('three', { size: 3, cutoff: '30s' })],
        });
        for (let i = 0; i < 6; i++) await service.daemon.accept([newImage('team/app')]);
        const texts = await witness.first(8);
        const events = [...new Set(texts.flatMap(idsOf))];
        assert.equal(events.length, 6);
        for (const round of ['live', 'after a restart']) {
            for (const since of events) {
                const from = texts.findIndex((text) => text.includes(since)) + 1;
                const client = await resume(service.daemon, { since });
                assert.deepEqual(await client.first(8 - from), texts.slice(from), round);
                await client.close();
                assert.equal(client.messages.length, 8 - from, round);
            }
            if (round === 'live') await service.restart({ signal: 'SIGKILL' });
        }
    });
});

test('over restarts, in order and killed, a client gets every message once and in order', limits, async (t) => {
    const service = await Service.start(t, config());
    const texts = [];
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGKILL', 'SIGTERM', null]) {
        // One that saw the last event, one that saw some event long ago, one that saw nothing.
        const seen = texts.flatMap(idsOf);
        const witness = await resume(service.daemon, seen.length ? { since: seen.at(-1) } : {});
        defer(t, () => witness.terminate());
        const others = [];
        for (const n of new Set([0, 1, Math.floor(seen.length / 2)]))
            if (n < seen.length)
                others.push([n + 1, await resume(service.daemon, { since: seen[n], strict: true })]);
        others.push([0, await resume(service.daemon, { since: 'earliest' })]);
        for (const [, c] of others) defer(t, () => c.terminate());
        texts.push(...(await announce({ service, witness }, 4)));
        for (const [from, c] of others) {
            await c.first(texts.length - from);
            assert.deepEqual(c.messages, texts.slice(from), `from ${from} of ${texts.length}`);
        }
        assert.equal(await historyOf(service.daemon), texts.length);
        if (signal) await service.restart({ signal });
    }
    const ids = texts.flatMap(idsOf);
    assert.equal(ids.length, 20);
    assert.deepEqual(ids, [...new Set(ids)].sort(), 'every id once, and rising over all restarts');
});

// ------------------------------------------------------------------------- more than memory holds

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

test('history outlives changes of its path in the configuration', limits, async (t) => {
    const system = await setUp(t, { paths: ['/', '/b'], size: 3, cutoff: '1s' });
    const { service, witness } = system;
    await service.daemon.accept(Array.from({ length: 12 }, () => newImage('team/app')));
    const texts = [...(await witness.first(4))];
    const ids = texts.map(idsOf);
    const check = async (what) => {
        for (const path of ['/', '/b']) {
            if (!service.config.gateway.paths.includes(path)) continue;
            const m = await service.daemon.metrics();
            assert.equal(m.get('regcast_history_messages', { path }), texts.length, what);
            for (const [i, since] of [['earliest', 0], ...ids.map((list, k) => [list[1], k + 1])].map(([x, k]) => [k, x])) {
                const client = await resume(service.daemon, { since, path, strict: true });
                assert.deepEqual(await client.first(texts.length - i), texts.slice(i), `${what}: ${path} from ${i}`);
                await client.close();
            }
        }
    };
    await check('before');
    const original = service.config;
    const changed = (gateway, triggers = original.triggers) => {
        service.config = { ...original, gateway: { ...original.gateway, ...gateway }, triggers };
    };
    // Longer messages mean longer segments: every position on disk becomes another one.
    for (const max_message_bytes of [2 * MIB, 65536, 16 * MIB]) {
        changed({ defaults: { max_message_bytes } });
        await service.restart({ signal: max_message_bytes > MIB ? 'SIGKILL' : 'SIGTERM' });
        await check(`messages up to ${max_message_bytes} bytes`);
    }
    changed({ paths: ['/'] }, original.triggers.slice(0, 1));
    await service.restart();
    await check('without the other path');
    changed({ paths: ['/b', '/'] }, [...original.triggers].reverse());
    await service.restart({ signal: 'SIGKILL' });
    await check('with it again, and in another order');
    // And it goes on from there.
    const client = await resume(service.daemon, { since: ids[3][2], path: '/b' });
    defer(t, () => client.terminate());
    await service.daemon.accept(Array.from({ length: 3 }, () => newImage('team/app')));
    await client.first(1);
    texts.push(client.messages[0]);
    ids.push(idsOf(client.messages[0]));
    await until('the batch on both paths', async () => {
        const m = await service.daemon.metrics();
        return m.get('regcast_history_messages') === 2 * texts.length;
    });
    service.config = original;
    await service.restart();
    await check('as it was');
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
        const events = bulk(200);
        await daemon.accept(events);
        await tape.has(events);
        const order = tape.messages().map((m) => m.text);
        for (const { raw, headers } of stalled) {
            const newest = () => raw.ws?.messages.at(-1)?.payload.toString('utf8') === order.at(-1);
            await raw.wait('the newest message', () => newest() || raw.done, 20000);
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

// --------------------------------------------------------------------------------- control messages

describe(V1, () => {
    const isControl = (text) => {
        const message = JSON.parse(text);
        assert.equal(JSON.stringify(message), text, 'compact');
        assert.ok(!('messages' in message) || !('control' in message));
        return 'control' in message;
    };

    test('tells of a resume before what is replayed, and of the drain before the close', limits, async (t) => {
        const system = await setUp(t, { gateway: { drain_timeout: '500ms' } });
        const { service, witness } = system;
        const texts = await announce(system, 5);
        const ids = texts.flatMap(idsOf);
        const { daemon } = service;
        const open = async (options) => {
            const client = await resume(daemon, { ...options, protocols: [V1] });
            defer(t, () => client.terminate());
            assert.equal(client.socket.protocol, V1);
            return client;
        };
        const fresh = await open({});
        const found = await open({ since: ids[1] });
        const newest = await open({ last: ids[4] });
        const earliest = await open({ since: 'earliest' });
        const plain = await resume(daemon, { since: ids[1] });
        defer(t, () => plain.terminate());
        const live = await announce(system, 1);
        const recovered = (since) => JSON.stringify({ control: 'recovered', since });
        await fresh.first(1);
        assert.deepEqual(fresh.messages, live, 'nothing is recovered where nothing was asked');
        await found.first(5);
        assert.deepEqual(found.messages, [recovered(ids[1]), ...texts.slice(2), ...live]);
        await newest.first(2);
        assert.deepEqual(newest.messages, [recovered(ids[4]), ...live]);
        await earliest.first(7);
        assert.deepEqual(earliest.messages, [recovered('earliest'), ...texts, ...live]);
        await plain.first(4);

        const before = new Map([fresh, found, newest, earliest].map((c) => [c, c.messages.length]));
        await daemon.stop();
        for (const [client, n] of before) {
            assert.equal((await client.end).code, 1012);
            assert.equal(client.messages.length, n + 1);
            const { control, code, close_in_ms: ms, ...rest } = JSON.parse(client.messages[n]);
            assert.deepEqual([control, code, rest], ['draining', 1012, {}]);
            assert.ok(Number.isInteger(ms) && ms >= 0 && ms <= 500, client.messages[n]);
        }
        for (const client of [witness, plain]) {
            assert.equal((await client.end).code, 1012);
            assert.ok(!client.messages.some(isControl), 'without the subprotocol there is no such message');
        }
    });

    test('tells of a gap before 4009', limits, async (t) => {
        const system = await setUp(t, {
            paths: ['/', '/empty'],
            path: { history_count: 2, max_lag_age: '400ms' },
            triggers: [trigger('all')],
        });
        const { daemon } = system.service;
        const texts = await announce(system, 6);
        const ids = texts.flatMap(idsOf);
        await untilKept(daemon, 2);
        for (const [path, since, oldest] of [
            ['/', ids[0], ids[4]],
            ['/', OLDEST_ID, ids[4]],
            ['/empty', OLDEST_ID, null],
        ]) {
            const client = await resume(daemon, { since, path, protocols: [V1] });
            assert.deepEqual(await client.end, { code: 4009, reason: 'history_lost' });
            assert.deepEqual(client.messages.map((text) => JSON.parse(text)), [
                { control: 'gap', reason: 'history_lost', since, oldest },
            ]);
        }
        const strict = await answerTo(daemon, `/?since=${ids[0]}&strict=1`, { 'Sec-WebSocket-Protocol': V1 });
        assert.equal(strict.status, 410);
        // The order on the wire: the 101, the control message, the close frame, and nothing else.
        const raw = await rawWs(daemon.port, `/?since=${ids[0]}`, { 'Sec-WebSocket-Protocol': V1 });
        defer(t, () => raw.destroy());
        await raw.wait('the close', () => raw.ws.close || raw.done);
        assert.deepEqual(raw.ws.frames.map((f) => f.opcode), [TEXT, 8]);
    });
});
