// The console's feed: what goes on, as it goes on, for whoever may see it; and the list of late events
// that a page begins with.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import WebSocket from 'ws';
import {
    Client,
    Daemon,
    REGISTRY,
    Raw,
    defer,
    digestOf,
    handshake,
    makeConfig,
    newImage,
    push,
    trigger,
    until,
    writeConfig,
} from './harness.mjs';
import { Service } from './journal.mjs';

const limits = { timeout: 60000 };
const LIVE = '/console/live';
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

async function start(t, over = {}, options = {}) {
    const d = await Daemon.start(makeConfig(over), options);
    defer(t, () => d.stop());
    return d;
}

// A console: every item it is told, in the order of their numbers.
class Console {
    items = [];

    static async open(t, d, query = '', options = {}) {
        const c = new Console();
        c.socket = new WebSocket(`ws://127.0.0.1:${d.managementPort}${LIVE}${query}`, { perMessageDeflate: false, ...options });
        c.socket.on('message', (data) => c.#take(JSON.parse(data)));
        c.end = new Promise((done) => c.socket.on('close', (code, reason) => done((c.closed = { code, reason: `${reason}` }))));
        await new Promise((done, fail) => {
            c.socket.on('open', done);
            c.socket.on('error', fail);
        });
        defer(t, () => c.socket.terminate());
        await c.has((i) => i.type === 'hello');
        return c;
    }

    #take({ items }) {
        assert.ok(items.length > 0);
        for (const item of items) {
            if (item.type !== 'hello' && item.type !== 'gap') assert.equal(item.seq, this.seq + 1, JSON.stringify(item));
            this.seq = item.seq;
            if (item.type === 'hello') this.boot = item.boot;
            this.items.push(item);
        }
    }

    of(type) {
        return this.items.filter((i) => i.type === type);
    }

    has(condition, what = condition) {
        return until(() => `an item ${what}; there are ${JSON.stringify(this.items)}`, () => this.items.find(condition));
    }

    async close() {
        this.socket.close();
        await this.end;
    }
}

const list = async (d, query = '', token) => {
    const got = await d.manage('GET', `/gateway/v1/events${query}`, { token });
    assert.equal(got.status, 200, got.text);
    return got.json.events;
};
const withoutSeq = ({ type, seq, ...event }) => event;

describe('the feed', () => {
    test('says what comes, what triggers make of it, and what leaves', limits, async (t) => {
        const d = await start(t, {
            triggers: [trigger('tags', { types: ['CREATE_IMAGE_TAG'] }), trigger('other', { image_name: 'team/other' })],
        });
        const client = await Client.open(d.url());
        defer(t, () => client.terminate());
        const c = await Console.open(t, d);
        assert.match(c.boot, /^[0-9a-f]{16}$/);
        const sent = push('team/app', digestOf('feed one'), 'v1');
        sent.actor = { name: 'alice' };
        await d.accept([sent], { headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } });
        await c.has((i) => i.type === 'batch');
        await c.has((i) => i.type === 'webhook');
        const [image, tag] = c.of('event');
        assert.deepEqual([image.eventType, tag.eventType], ['CreateImage', 'CreateImageTag']);
        assert.deepEqual([tag.registryId, tag.repository, tag.digest, tag.tag, tag.actor, tag.traceId],
            [REGISTRY, 'team/app', digestOf('feed one'), 'v1', 'alice', '0af7651916cd43dd8448eb211c80319c']);
        assert.deepEqual(Object.keys(tag.source), ['kind', 'peer']);
        assert.equal(tag.source.kind, 'distribution');
        assert.match(tag.source.peer, /^127\.0\.0\.1:\d+$/);
        assert.deepEqual(tag.verdicts.map((v) => [v.triggerName, v.taken, v.reason, v.changedSince]),
            [['tags', true, '', false], ['other', false, 'its image_name is another', false]]);
        assert.deepEqual(image.verdicts.map((v) => [v.triggerName, v.taken, v.reason]),
            [['tags', false, 'its event types do not have this one'], ['other', false, 'its image_name is another']]);
        assert.deepEqual([tag.moreVerdicts, tag.replayed], [0, false]);
        const [batch] = c.of('batch');
        assert.deepEqual([batch.triggerName, batch.path, batch.size, batch.flush, batch.firstEventId, batch.lastEventId, batch.connections],
            ['tags', '/', 1, 'size', tag.eventId, tag.eventId, 1]);
        const [message] = await client.first(1);
        assert.ok(message.includes(tag.eventId));
        const [webhook] = c.of('webhook');
        assert.deepEqual({ ...webhook, at: '', peer: '', seq: 0 }, { type: 'webhook', seq: 0, at: '', registryId: REGISTRY,
            kind: 'distribution', peer: '', status: 202, accepted: 1, ignored: 0, duplicates: 0, setAside: 0, reason: '' });
        assert.deepEqual(await list(d), [withoutSeq(tag), withoutSeq(image)], 'the list is the same, the newest first');
        assert.deepEqual(await list(d, `?before=${tag.eventId}`), [withoutSeq(image)]);
        assert.deepEqual(await list(d, '?pageSize=1'), [withoutSeq(tag)]);
        assert.deepEqual(await list(d, '?registryId=crtother'), []);
        for (const query of ['?before=x', '?pageSize=1001', '?nothing=1'])
            assert.equal((await d.manage('GET', `/gateway/v1/events${query}`)).status, 400, query);
    });

    test('duplicates, what is not understood and what is refused are said as well', limits, async (t) => {
        const d = await start(t, { registries: [{ id: REGISTRY, kind: 'distribution', token: 'right-right-right-right' }] });
        const headers = { Authorization: 'Bearer right-right-right-right' };
        const c = await Console.open(t, d);
        const sent = newImage('app');
        await d.accept([sent], { headers });
        assert.equal((await d.post([sent], { headers })).json.duplicates, 1);
        assert.equal((await d.post('{}', { headers })).json.set_aside, 1);
        assert.equal((await d.post([sent], { headers: { Authorization: 'Bearer wrong' } })).status, 401);
        assert.equal((await d.post([sent], { headers, registry: 'crtnobodys' })).status, 404);
        assert.equal((await d.post(' '.repeat(5 << 20), { headers }).catch(() => ({ status: 413 }))).status, 413);
        assert.equal((await d.post([newImage('app')], { headers })).status, 202);
        await until('six webhooks', () => c.of('webhook').length === 6);
        assert.deepEqual(c.of('webhook').map((w) => [w.status, w.accepted, w.duplicates, w.setAside, w.reason]),
            [[202, 1, 0, 0, ''], [202, 0, 1, 0, ''], [202, 0, 0, 1, ''], [401, 0, 0, 0, 'auth'], [413, 0, 0, 0, 'body'], [202, 1, 0, 0, '']]);
        assert.ok(c.of('webhook').every((w) => w.registryId === REGISTRY && /^127\.0\.0\.1:\d+$/.test(w.peer)));
        assert.equal(c.of('event').length, 2);
    });

    test('a console that comes back goes on where it was; of another run it begins anew', limits, async (t) => {
        const service = await Service.start(t, makeConfig());
        let d = service.daemon;
        const first = await Console.open(t, d);
        await d.accept([newImage('one')]);
        await first.has((i) => i.type === 'webhook');
        const { boot, seq } = first;
        await first.close();
        await d.accept([newImage('two')]);
        await d.accept([newImage('three')]);
        const again = await Console.open(t, d, `?boot=${boot}&after=${seq}`);
        await until('what was missed', () => again.of('webhook').length === 2);
        assert.deepEqual(again.of('event').map((e) => e.repository), ['two', 'three']);
        assert.equal(again.of('hello')[0].seq, seq);
        assert.equal(again.of('gap').length, 0);
        const fresh = await Console.open(t, d);
        assert.equal(fresh.seq, again.seq);
        const ahead = await Console.open(t, d, `?boot=${boot}&after=${again.seq + 1000}`);
        await ahead.has((i) => i.type === 'gap');
        for (const query of [`?boot=${boot}`, '?after=1', `?boot=${boot}&after=x`, `?boot=${boot}&after=1&after=2`])
            await assert.rejects(Console.open(t, d, query), /400/, query);
        const before = await list(d);
        d = await service.restart({ signal: 'SIGKILL' });
        const other = await Console.open(t, d, `?boot=${boot}&after=${seq}`);
        assert.notEqual(other.boot, boot);
        assert.equal(other.of('gap').length, 0);
        const after = await until('the list is filled from the history', async () => {
            const events = await list(d);
            return events.length === 3 && events;
        });
        assert.deepEqual(after.map((e) => e.eventId), before.map((e) => e.eventId));
        assert.deepEqual(after.map((e) => [e.repository, e.digest, e.createdAt, e.registryId]),
            before.map((e) => [e.repository, e.digest, e.createdAt, e.registryId]));
        assert.deepEqual(after[0].source, { kind: '', peer: '' });
        assert.deepEqual(after[0].verdicts.map((v) => [v.triggerName, v.taken]), [['everything', true]]);
        await d.accept([newImage('four')]);
        await other.has((i) => i.type === 'event' && i.repository === 'four');
        assert.deepEqual((await list(d)).map((e) => e.repository), ['four', 'three', 'two', 'one']);
    });
});

describe('who may listen', () => {
    const secured = (bob = ['functions.viewer']) => ({
        users: [{ id: 'bob', roles: bob }, { id: 'nobody', roles: ['api-gateway.viewer'] }],
        tokens: ['bob', 'nobody'].map((subject) => ({ subject, sha256: sha256(`t1.${subject}`) })),
    });
    const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });

    // What a handshake is answered with.
    async function asked(d, headers = {}, path = LIVE, options = {}) {
        const raw = await Raw.open(d.managementPort);
        await raw.send(handshake(path, { Host: `127.0.0.1:${d.managementPort}`, ...headers }, options));
        await raw.wait('an answer', () => raw.last || raw.done);
        raw.destroy();
        return raw.last?.status;
    }

    test('a token and a role are asked for, and no page of another origin may', limits, async (t) => {
        const d = await start(t, secured());
        const Origin = `http://127.0.0.1:${d.managementPort}`;
        const foreign = 'http://example.com';
        const cases = [
            [401, {}],
            [401, { Authorization: 'Bearer t1.wrong' }],
            [403, { Authorization: 'Bearer t1.nobody' }],
            [403, { Authorization: 'Bearer t1.bob', Origin: foreign }],
            [403, { Authorization: 'Bearer t1.bob', Origin: 'null' }],
            [101, { Authorization: 'Bearer t1.bob', Origin }],
            [101, { Authorization: 'Bearer t1.bob' }],
            [426, { Authorization: 'Bearer t1.bob', Upgrade: null, Connection: null }],
            [426, { Authorization: 'Bearer t1.bob', 'Sec-WebSocket-Version': '8' }],
        ];
        for (const [status, headers] of cases) assert.equal(await asked(d, headers), status, JSON.stringify(headers));
        assert.equal(await asked(d, { Authorization: 'Bearer t1.bob' }, LIVE, { method: 'POST' }), 405);
        assert.equal((await d.manage('GET', '/gateway/v1/events')).status, 401);
        assert.equal((await d.manage('GET', '/gateway/v1/events', { token: 't1.nobody' })).status, 403);
        assert.deepEqual(await list(d, '', 't1.bob'), []);

        const got = await d.manage('POST', '/console/session', { body: { token: 't1.bob' }, headers: { Origin } });
        assert.equal(got.status, 200, got.text);
        const Cookie = got.headers['set-cookie'][0].split(';')[0];
        assert.equal(await asked(d, { Cookie, Origin }), 101);
        assert.equal(await asked(d, { Cookie, Origin: foreign }), 403);
        assert.equal(await asked(d, { Cookie }), 403, 'a browser says whose page it is');
        const c = await Console.open(t, d, '', { headers: { Cookie, Origin } });
        const out = await d.manage('DELETE', '/console/session', { headers: { Cookie, Origin, 'x-csrf-token': got.json.csrfToken } });
        assert.equal(out.status, 200, out.text);
        assert.deepEqual(await c.end, { code: 4003, reason: 'access_lost' });
        assert.equal(await asked(d, { Cookie, Origin }), 401);
    });

    test('without accounts, nobody by another name or from another page', limits, async (t) => {
        const d = await start(t);
        assert.equal(await asked(d, { Origin: 'http://example.com' }), 403);
        assert.equal(await asked(d, { Host: 'example.com' }), 421);
        assert.equal(await asked(d), 101);
    });

    test('a role that a reload takes away ends it, and a flood does', limits, async (t) => {
        const config = makeConfig(secured());
        const file = writeConfig(config);
        const d = await Daemon.start(config, { file });
        defer(t, () => d.stop());
        const c = await Console.open(t, d, '', bearer('t1.bob'));
        const long = await Console.open(t, d, '', bearer('t1.bob'));
        const flood = await Console.open(t, d, '', bearer('t1.bob'));
        c.socket.send('it is not listened to');
        long.socket.send('x'.repeat(5000));
        for (let i = 0; i < 2000; i++) flood.socket.send('again');
        assert.equal((await long.end).code, 1009);
        assert.equal((await flood.end).code, 1008);
        assert.equal(c.closed, undefined);
        writeFileSync(file, JSON.stringify({ ...config, ...secured(['api-gateway.viewer']) }));
        d.child.kill('SIGHUP');
        assert.deepEqual(await c.end, { code: 4003, reason: 'access_lost' });
        await until('all three are logged', () => d.logged({ msg: 'closed', by: 'refused' }).length === 3);
    });

    test('a hundred of them, and all leave when the server does', limits, async (t) => {
        const d = await start(t);
        const all = await Promise.all(Array.from({ length: 100 }, () => Console.open(t, d)));
        await assert.rejects(Console.open(t, d), /503/);
        const metrics = await d.metrics();
        assert.equal(metrics.get('regcast_feed_connections'), 100);
        assert.equal(metrics.get('regcast_handshakes_total'), 0, 'they are no clients of a path');
        const began = performance.now();
        await d.stop();
        assert.ok(performance.now() - began < 4000, 'nobody waits for them');
        for (const c of all) assert.equal((await c.end).code, 1012);
    });
});

describe('much at once', () => {
    const others = Array.from({ length: 15 }, (_, i) => trigger(`no-match-${i}`, { image_name: `team/other-${i}` }));
    const images = (n) => Array.from({ length: n }, () => newImage('team/app'));

    test('a console that does not read is told so, and nobody else notices', limits, async (t) => {
        const d = await start(t, { triggers: [trigger('everything', { size: 100 }), ...others] });
        const client = await Client.open(d.url());
        defer(t, () => client.terminate());
        const c = await Console.open(t, d);
        const stalled = await Raw.open(d.managementPort, { read: false });
        defer(t, () => stalled.destroy());
        await stalled.send(handshake(LIVE, { Host: `127.0.0.1:${d.managementPort}` }));
        await until('two consoles', async () => (await d.metrics()).get('regcast_feed_connections') === 2);
        let sent = 0;
        await until('it is too far behind', async () => {
            await d.accept(images(500));
            sent += 500;
            return (await d.metrics()).get('regcast_slow_consumer_actions_total', { action: 'skip' }) >= 1;
        }, 30000);
        await until('every event', () => client.messages.flatMap((m) => JSON.parse(m).messages).length === sent);
        await until('what the other console was told', () => {
            const skipped = c.of('skipped').reduce((n, i) => n + i.n, 0);
            return c.items.length - 1 - c.of('skipped').length + skipped >= sent + sent / 100 + sent / 500;
        });
        assert.equal(c.of('gap').length, 0);
        stalled.startReading();
        await stalled.wait('the gap', () => stalled.ws?.messages.some((m) => m.payload.includes('"type":"gap"')), 20000);
        await d.accept([newImage('team/last')]);
        await stalled.wait('what comes now', () => stalled.ws.messages.some((m) => m.payload.includes('team/last')));
        assert.equal(stalled.problem, null);
        let seq;
        for (const m of stalled.ws.messages)
            for (const item of JSON.parse(m.payload).items) {
                if (seq !== undefined && item.type !== 'gap') assert.equal(item.seq, seq + 1);
                seq = item.seq;
            }
        assert.equal(stalled.ws.messages.flatMap((m) => JSON.parse(m.payload).items).filter((i) => i.type === 'gap').length, 1);
    });

    test('what is too much for a second is counted', limits, async (t) => {
        const d = await start(t, { triggers: [trigger('everything', { size: 100 })] });
        const c = await Console.open(t, d);
        await d.accept(images(2200));
        const { n } = await c.has((i) => i.type === 'skipped');
        assert.ok(n >= 200, `${n}`);
        await until('all was said or counted', () => c.items.length - 2 + n === 2200 + 22 + 1);
        assert.equal((await d.metrics()).get('regcast_feed_items_total', { outcome: 'skipped' }), n);
    });

    test('strings stay strings, whatever is in them', limits, async (t) => {
        const d = await start(t);
        const c = await Console.open(t, d);
        const names = ['<script>alert(1)</script>', '"}]}\\', '\u2028\u2029\u0007', "' onload=x '", '\u{1f600}\u202e', '${x}{{y}}', 'a\r\nb: c'];
        const events = names.map((name) => ({ ...newImage('team/app'), actor: { name } }));
        await d.accept(events);
        await until('all', () => c.of('event').length === names.length);
        assert.deepEqual(c.of('event').map((e) => e.actor), names);
        assert.deepEqual((await list(d)).map((e) => e.actor).reverse(), names);
    });
});
