// Messages sent once more by POST /gateway/v1/replay: to all and to one, in order, marked, and without
// leading anybody astray who comes back. (How clients catch up from the history: replay.test.mjs.)
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { Client, Daemon, GATEWAY, Raw, defer, digestOf, handshake, makeConfig, push, trigger, until } from './harness.mjs';
import { MIB, Service, config } from './journal.mjs';

const SWEEP = process.env.REGCAST_SWEEP === '1';
const limits = { timeout: 60000 };
const sha = (text) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const parse = (text) => JSON.parse(text);
const ids = (message) => message.messages.map((e) => e.event_metadata.event_id);

const replay = (d, body, options = {}) => d.manage('POST', '/gateway/v1/replay', { body, ...options });

async function replayed(d, body, options) {
    const got = await replay(d, body, options);
    assert.equal(got.status, 200, got.text);
    return got.json;
}

async function refused(d, body, status, code, text, options) {
    const got = await replay(d, body, options);
    assert.equal(got.status, status, got.text);
    assert.equal(got.json.code, code, got.text);
    assert.match(got.text, text);
    return got;
}

// A new image and its tag: one event each.
async function push2(d, name) {
    await d.accept([push('team/app', digestOf(name), name.replace(' ', '-'))]);
}

async function open(t, d, path = '/', options = {}) {
    const c = await Client.open(d.url(path), options);
    defer(t, () => c.terminate());
    return c;
}

test('one event and a range, to all and to one', limits, async (t) => {
    const { daemon: d } = await Service.start(t, config({ paths: ['/', '/other'], size: 1 }));
    const all = [await open(t, d), await open(t, d)];
    const other = await open(t, d, '/other');
    for (let i = 0; i < 3; i++) await push2(d, `flow ${i}`);
    const first = (await all[0].first(6)).map(parse);
    await all[1].first(6);
    const events = first.flatMap(ids);

    let got = await replayed(d, { path: '/', eventId: events[2] });
    assert.match(got.replayId, /^rpl[0-9a-v]{17}$/);
    assert.deepEqual({ ...got, replayId: 0 }, { replayId: 0, messages: '1', events: '1', connections: '2' });
    for (const c of all) {
        const { replay: mark, messages, ...rest } = parse((await c.first(7))[6]);
        assert.deepEqual(rest, {});
        assert.deepEqual(messages, first[2].messages, 'the event as it was');
        assert.equal(mark.id, got.replayId);
        assert.ok(Math.abs(Date.parse(mark.at) - Date.now()) < 60000);
        assert.match(mark.resume, /^crt[0-9a-v]{17}$/);
        assert.ok(mark.resume > events.at(-1), 'an id of its own');
    }

    // What was replayed before is no part of a range.
    got = await replayed(d, { path: '/', since: events[0], until: events[4] });
    assert.deepEqual({ ...got, replayId: 0 }, { replayId: 0, messages: '4', events: '4', connections: '2' });
    const range = (await all[0].first(11)).slice(7).map(parse);
    assert.deepEqual(range.flatMap(ids), events.slice(1, 5));
    assert.equal(new Set(range.map((m) => m.replay.resume)).size, 4);

    got = await replayed(d, { path: '/', since: new Date(Date.now() - 3600e3).toISOString(), connectionId: all[1].id });
    assert.equal(got.messages, '6');
    assert.equal(got.connections, '1');
    const direct = (await all[1].first(17)).slice(11).map(parse);
    assert.deepEqual(direct.flatMap(ids), events);
    for (const m of direct) assert.deepEqual(Object.keys(m.replay).sort(), ['at', 'id'], 'it is on no log');

    await push2(d, 'flow last');
    assert.equal((await all[1].first(19)).slice(17).map(parse).flatMap(ids).length, 2);
    await all[0].first(13);
    assert.equal(all[0].messages.length, 13, 'not sent to the others');
    assert.equal((await other.first(8)).length, 8);
    assert.equal(other.messages.length, 8);

    const m = await d.metrics();
    assert.equal(m.get('regcast_batches_total', { reason: 'replay' }), 5);
    const [line] = d.logged({ msg: 'replay', replay: got.replayId });
    assert.equal(line.subject, 'anonymous');
    assert.equal(line.conn, all[1].id);
});

// A client that has read up to the end comes back behind any message it had, and misses nothing.
test('coming back: behind an old id, behind a replay, after restarts', limits, async (t) => {
    const service = await Service.start(t, config({ size: 1 }));
    let d = service.daemon;
    const tape = await open(t, d);
    for (let i = 0; i < 3; i++) await push2(d, `back ${i}`);
    const old = (await tape.first(6)).map(parse).flatMap(ids);
    await replayed(d, { path: '/', since: old[0], until: old[2] });
    await push2(d, 'back last');
    const texts = await tape.first(10);
    const marks = texts.slice(6, 8).map((text) => parse(text).replay.resume);
    const fresh = texts.slice(8).map(parse).flatMap(ids);

    const follow = async (since, expected) => {
        const c = await open(t, d, `/?since=${since}`);
        assert.deepEqual(await c.first(expected.length), expected, `behind ${since}`);
        c.terminate();
    };
    for (const signal of [null, 'SIGKILL', 'SIGTERM']) {
        if (signal) d = await service.restart({ signal });
        await follow(old[0], texts.slice(1));
        await follow(old[4], texts.slice(5));
        await follow(marks[0], texts.slice(7));
        await follow(marks[1], texts.slice(8));
        await follow(fresh[0], texts.slice(9));
    }
    // The replay of before the restart is no part of one after it, and ids go on.
    const c = await open(t, d);
    await replayed(d, { path: '/', since: old[4] });
    const again = (await c.first(3)).map(parse);
    assert.deepEqual(again.flatMap(ids), [old[5], ...fresh]);
    assert.ok(again[0].replay.resume > marks[1]);
});

// Once the original is deleted, a replay of it must not pass for it: what lay between would be left out.
test('an id whose message is deleted is gone, whatever was replayed', limits, async (t) => {
    const { daemon: d } = await Service.start(
        t,
        config({ size: 1, path: { history_count: 4, max_lag_age: '1s' } }),
    );
    const tape = await open(t, d);
    await push2(d, 'gone');
    const [first] = parse((await tape.first(2))[0]).messages;
    await replayed(d, { path: '/', eventId: first.event_metadata.event_id });
    for (let i = 0; i < 6; i++) await push2(d, `gone ${i}`);
    await tape.first(15);
    await until('deleted', async () => {
        const c = await open(t, d, `/?since=${first.event_metadata.event_id}`);
        const closed = await Promise.race([c.end, c.first(1).then(() => null, () => c.end)]);
        return closed?.code === 4009;
    });
    await refused(d, { path: '/', since: first.event_metadata.event_id }, 400, 9, /not all kept/);
    await refused(d, { path: '/', eventId: first.event_metadata.event_id }, 404, 5, /not in the history/);
});

test('live events and a replay keep their order', limits, async (t) => {
    const { daemon: d } = await Service.start(t, config({ size: 5, cutoff: '1s' }));
    const clients = [await open(t, d), await open(t, d, '/', { perMessageDeflate: true })];
    for (let i = 0; i < 40; i++)
        await d.accept(Array.from({ length: 10 }, (_, k) => push('team/app', digestOf(`order ${i} ${k}`), undefined)));
    const before = (await clients[0].first(80)).map(parse);
    const start = before.flatMap(ids)[0];
    let going = true;
    let posted = 0;
    const live = (async () => {
        for (; going; posted++)
            await d.accept(Array.from({ length: 5 }, (_, k) => push('team/app', digestOf(`live ${posted} ${k}`), undefined)));
    })();
    const got = await replayed(d, { path: '/', since: start });
    assert.ok(Number(got.messages) >= 79, got.messages);
    going = false;
    await live;
    const n = 80 + Number(got.messages) + posted;
    const texts = await clients[0].first(n);
    assert.deepEqual(await clients[1].first(n), texts, 'the same for all');
    const messages = texts.slice(80).map(parse);
    const marked = messages.filter((m) => m.replay).flatMap(ids);
    assert.deepEqual(marked.slice(0, 395), before.flatMap(ids).slice(5), 'the replay in order');
    const plain = messages.filter((m) => !m.replay).flatMap(ids);
    assert.deepEqual(plain, [...plain].sort(), 'live events in order');
    assert.equal(plain.length, posted * 5);
});

test('a message that is too long with its mark is two', limits, async (t) => {
    const { daemon: d } = await Service.start(
        t,
        config({ size: 1000, cutoff: '1s', path: { max_message_bytes: '4KiB', max_frame_bytes: '1KiB' } }),
    );
    const c = await open(t, d);
    await d.accept(Array.from({ length: 30 }, (_, k) => push('team/app', digestOf(`long ${k}`), undefined)));
    const n = await until('all', () => {
        const events = c.messages.map(parse).flatMap(ids);
        return events.length === 30 && c.messages.length;
    });
    const events = c.messages.map(parse).flatMap(ids);
    const got = await replayed(d, { path: '/', since: new Date(0).toISOString().replace('1970', '1971') });
    assert.equal(got.events, '30');
    const texts = (await c.first(n + Number(got.messages))).slice(n);
    for (const text of texts) assert.ok(text.length <= 4096, `${text.length}`);
    assert.deepEqual(texts.map(parse).flatMap(ids), events);
});

// A connection gets it piece by piece as it reads; meanwhile no other replay begins.
test('to one connection that reads late, and to one that does not', limits, async (t) => {
    const { daemon: d } = await Service.start(
        t,
        config({
            size: 200,
            cutoff: '1s',
            gateway: { send_buffer_bytes: 16384 },
            path: { history_count: 100000, history_bytes: 32 * MIB, memory_bytes: 32 * MIB, max_lag_bytes: 32 * MIB },
        }),
    );
    const tape = await open(t, d);
    const N = 24;
    for (let i = 0; i < N / 6; i++)
        await d.accept(Array.from({ length: 1200 }, (_, k) => push(`team/${'x'.repeat(100)}`, digestOf(`late ${i} ${k}`), undefined)));
    await tape.first(N);
    const deaf = await Raw.open(d.port, { read: false });
    defer(t, () => deaf.destroy());
    deaf.send(handshake('/'));
    const connection = await until('a second connection', async () => {
        const { json } = await d.manage('GET', '/gateway/v1/connections');
        return json.connections.find((one) => one.id !== tape.id)?.id;
    });
    const since = new Date(Date.now() - 3600e3).toISOString();
    let count = N;
    if (SWEEP) {
        const got = await replay(d, { path: '/', since, connectionId: connection });
        assert.equal(got.status, 504, got.text);
        assert.match(got.json.message, /does not read: \d+ messages were sent/);
        count += Number(/(\d+) messages were/.exec(got.json.message)[1]);
    }
    const sent = replayed(d, { path: '/', since, connectionId: connection });
    const busy = await until('it is under way', async () => {
        const got = await replay(d, { path: '/', since });
        return got.status === 429 && got;
    });
    assert.equal(busy.headers['retry-after'], '1');
    deaf.startReading();
    assert.equal((await sent).messages, String(N));
    await deaf.wait('all of it', () => deaf.ws?.messages.length >= count, 20000);
    assert.equal(deaf.ws.messages.length, count);
    assert.equal(tape.messages.length, N);
});

test('what is refused, and to whom', limits, async (t) => {
    const { daemon: d } = await Service.start(t, config({ paths: ['/', '/other'], size: 1 }));
    const c = await open(t, d);
    const away = await open(t, d, '/other');
    await push2(d, 'refused');
    const [first] = (await c.first(2)).map(parse).flatMap(ids);
    const nobody = 'crt00000000000000000';
    const now = new Date().toISOString();
    for (const [body, status, code, text] of [
        [{}, 400, 3, /"path".*is required/],
        [{ path: '/' }, 400, 3, /since.*must be given/],
        [{ path: '/', eventId: first, since: first }, 400, 3, /not both/],
        [{ path: '/', eventId: first, until: first }, 400, 3, /goes with since/],
        [{ path: '/nowhere', eventId: first }, 400, 3, /not one of the gateway's paths/],
        [{ path: '/', eventId: 'x' }, 400, 3, /must be an event id/],
        [{ path: '/', since: 'yesterday' }, 400, 3, /must be an event id, or a time/],
        [{ path: '/', since: first, until: '2026-02-31T00:00:00Z' }, 400, 3, /must be an event id, or a time/],
        [{ path: '/', eventId: first, more: 1 }, 400, 3, /more/],
        [{ path: '/', eventId: first, connectionId: 'a b' }, 400, 3, /connection_id/],
        [{ path: '/', eventId: first, connectionId: away.id }, 400, 3, /not on the path/],
        [{ path: '/', eventId: first, connectionId: 'x' }, 404, 5, /not found; 0 messages/],
        [{ path: '/', eventId: nobody }, 404, 5, /not in the history/],
        [{ path: '/', since: nobody }, 400, 9, /not all kept/],
        [{ path: '/', since: now, until: '2020-01-01T00:00:00.5Z' }, 404, 5, /No message/],
        ['{', 400, 3, /not JSON/],
    ]) {
        const got = await replay(d, body);
        assert.equal(got.status, status, `${JSON.stringify(body)}: ${got.text}`);
        if (code !== undefined) {
            assert.equal(got.json.code, code, got.text);
            assert.match(got.text, text);
        }
    }
    await push2(d, 'refused too');
    assert.deepEqual((await c.first(4)).map(parse).filter((m) => m.replay), [], 'nothing was sent');
});

test('limits name how far it would go; with no history there is nothing', limits, async (t) => {
    const { daemon: d } = await Service.start(t, config({ size: 1, path: { history_count: 10000 } }));
    const c = await open(t, d);
    await d.accept(Array.from({ length: 1001 }, (_, k) => push('team/app', digestOf(`limit ${k}`), undefined)));
    const events = (await c.first(1001)).map(parse).flatMap(ids);
    const since = new Date(Date.now() - 3600e3).toISOString();
    const got = await refused(d, { path: '/', since }, 400, 3, /at most 1000 messages/);
    assert.ok(got.json.message.includes(events[999]), got.text);
    assert.equal(got.json.details[0].fieldViolations[0].field, 'until');
    assert.equal((await replayed(d, { path: '/', since, until: events[999] })).messages, '1000');
    await c.first(2001);

    const memory = await Daemon.start(makeConfig({ engine: 'memory', triggers: [trigger('all')] }));
    defer(t, () => memory.stop());
    await refused(memory, { path: '/', since }, 400, 9, /no history is kept/);
});
