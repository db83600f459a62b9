// Coming back: a client that names the last event it has seen gets everything after it, in order,
// and then what happens now; one that cannot be served is told so.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TEXT } from './frames.mjs';
import { Client, Raw, defer, handshake, newImage, pause, rawWs, trigger, until } from './harness.mjs';
import {
    MIB,
    NEWEST_ID,
    OLDEST_ID,
    Service,
    V1,
    answerTo,
    checkGone,
    config,
    idAfter,
    idsOf,
    resume,
} from './journal.mjs';

const limits = { timeout: 60000 };

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
