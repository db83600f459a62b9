// The console's feed: what goes on, as it goes on, for whoever may see it; and the list of late events
// that a page begins with.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import WebSocket from 'ws';
import {
    BROADCASTER,
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
        assert.equal((await d.post([newImage('app')], { headers })).status, 202);
        await until('five webhooks', () => c.of('webhook').length === 5);
        assert.deepEqual(c.of('webhook').map((w) => [w.status, w.accepted, w.duplicates, w.setAside, w.reason]),
            [[202, 1, 0, 0, ''], [202, 0, 1, 0, ''], [202, 0, 0, 1, ''], [401, 0, 0, 0, 'auth'], [202, 1, 0, 0, '']]);
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
