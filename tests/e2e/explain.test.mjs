// "Where did my event go": received, verdicts, batches, and who has got them, from memory and, after a
// restart, from the paths' histories.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Client, Daemon, REGISTRY, Raw, defer, digestOf, handshake, makeConfig, push, trigger, until } from './harness.mjs';
import { MIB, Service, config } from './journal.mjs';

const limits = { timeout: 60000 };
const parse = (text) => JSON.parse(text);
const ids = (message) => message.messages.map((e) => e.event_metadata.event_id);

async function explain(d, id) {
    const got = await d.manage('GET', `/gateway/v1/events/${id}`);
    assert.equal(got.status, 200, got.text);
    return got.json;
}

async function open(t, d, path = '/', options = {}) {
    const c = await Client.open(d.url(path), options);
    defer(t, () => c.terminate());
    return c;
}

const counts = ({ offered, written, pending, dropped, unknown }) =>
    [offered, written, pending, dropped, unknown].map(Number);
const outcomes = (batch) =>
    Object.fromEntries(batch.recipients.map((r) => [r.connectionId, r.reason ? `${r.outcome}: ${r.reason}` : r.outcome]));

test('received, duplicates, verdicts taken and not, and who got it', limits, async (t) => {
    const d = await Daemon.start(
        makeConfig({
            gateway: { paths: ['/', '/other'] },
            triggers: [
                trigger('all'),
                trigger('tagged', { tag: 'v1', path: '/other' }),
                trigger('deletes', { types: ['DELETE_IMAGE'] }),
            ],
        }),
    );
    defer(t, () => d.stop());
    const a = await open(t, d);
    const b = await open(t, d);
    const event = { ...push('team/app', digestOf('explained'), 'v2'), actor: { name: 'ann' } };
    await d.accept([event]);
    const [image, tag] = (await a.first(2)).map(parse).flatMap(ids);
    await b.first(2);
    for (let i = 0; i < 2; i++) assert.equal((await d.post([event])).json.duplicates, 1);

    const got = await explain(d, tag);
    assert.equal(got.eventId, tag);
    assert.equal(got.eventType, 'CreateImageTag');
    assert.deepEqual([got.registryId, got.repository, got.tag, got.actor], [REGISTRY, 'team/app', 'v2', 'ann']);
    assert.equal(got.from, 'memory');
    const { received } = got;
    assert.ok(Math.abs(Date.parse(received.at) - Date.now()) < 60000);
    assert.match(received.peer, /^127\.0\.0\.1/);
    assert.deepEqual(
        [received.registryId, received.kind, received.senderEventId, received.duplicates],
        [REGISTRY, 'distribution', event.id, '2'],
    );
    assert.ok(Date.parse(received.lastDuplicateAt) >= Date.parse(received.at));
    const verdicts = Object.fromEntries(got.verdicts.map((v) => [v.triggerName, v.taken || v.reason]));
    assert.deepEqual(verdicts, {
        all: true,
        tagged: 'its tag is another',
        deletes: 'its event types do not have this one',
    });
    const [batch] = got.batches;
    assert.equal(got.batches.length, 1);
    assert.deepEqual([batch.triggerName, batch.path, batch.connections], ['all', '/', '2']);
    assert.deepEqual(counts(batch), [2, 2, 0, 0, 0]);
    assert.deepEqual(outcomes(batch), { [a.id]: 'written', [b.id]: 'written' });

    // Who comes later was not offered it; who leaves has got it before.
    await b.close();
    const later = await open(t, d);
    const left = await until('known as left', async () => {
        const again = await explain(d, image);
        return outcomes(again.batches[0])[b.id] !== 'written' && again.batches[0];
    });
    assert.deepEqual(counts(left), [2, 2, 0, 0, 0]);
    assert.deepEqual(outcomes(left), { [a.id]: 'written', [b.id]: 'written: before it left' });
    assert.ok(!(later.id in outcomes(left)));

    for (const id of ['crt00000000000000000', 'x', randomUUID()]) {
        const none = await d.manage('GET', `/gateway/v1/events/${id}`);
        assert.deepEqual([none.status, none.json.code], [404, 5], none.text);
    }
});

// Clients that do not read: behind, then closed or skipped, or gone before they had it.
for (const policy of ['close', 'skip'])
    test(`pending, and dropped by ${policy}`, limits, async (t) => {
        const d = await Daemon.start(
            makeConfig({
                gateway: {
                    paths: [{ path: '/', slow_consumer: policy, max_lag_bytes: 4 * MIB, memory_bytes: 16 * MIB, history_count: 100000 }],
                    send_buffer_bytes: 16384,
                    ping_interval: '10m',
                },
                triggers: [trigger('all', { size: 100, cutoff: '1s' })],
            }),
        );
        defer(t, () => d.stop());
        const good = await open(t, d);
        const deaf = await Raw.open(d.port, { read: false });
        const leaves = await Raw.open(d.port, { read: false });
        defer(t, () => (deaf.destroy(), leaves.destroy()));
        const idOf = async (raw, known) => {
            raw.send(handshake('/'));
            return until('its id', async () => {
                const { json } = await d.manage('GET', '/gateway/v1/connections');
                return json.connections.find((c) => !known.includes(c.id))?.id;
            });
        };
        const deafId = await idOf(deaf, [good.id]);
        const leavesId = await idOf(leaves, [good.id, deafId]);
        let n = 0;
        const more = (events) =>
            d.accept(Array.from({ length: events }, () => push(`team/${'x'.repeat(120)}`, digestOf(`${policy} ${n++}`), undefined)));
        const last = async () => {
            const sent = n / 100;
            return ids(parse((await good.first(sent))[sent - 1]))[0];
        };
        await more(100);
        const first = await last();
        for (let i = 0; i < 20; i++) await more(200);
        const middle = await last();

        const behind = await explain(d, middle);
        assert.deepEqual(counts(behind.batches[0]), [3, 1, 2, 0, 0]);
        assert.equal(behind.batches[0].recipients[0].outcome, 'pending');
        assert.deepEqual(outcomes(behind.batches[0]), {
            [good.id]: 'written',
            [deafId]: 'pending: it does not read what it was sent',
            [leavesId]: 'pending: it does not read what it was sent',
        });
        leaves.reset();
        const gone = await until('it has left', async () => {
            const { batches } = await explain(d, middle);
            return batches[0].dropped === '1' && batches[0];
        });
        assert.deepEqual(counts(gone), [3, 1, 1, 1, 0]);
        assert.equal(outcomes(gone)[leavesId], 'dropped: the connection was lost before');

        for (let i = 0; i < 20; i++) await more(200);
        await last();
        const slow = await until('the slow one is dealt with', async () => {
            const { batches } = await explain(d, middle);
            return batches[0].pending === '0' && batches[0];
        });
        assert.deepEqual(counts(slow), [3, 1, 0, 2, 0]);
        assert.equal(
            outcomes(slow)[deafId],
            policy === 'skip' ? 'dropped: slow: skipped over it' : 'dropped: closed before: slow',
        );
        assert.deepEqual(counts((await explain(d, first)).batches[0]), [3, 3, 0, 0, 0], 'that one was in time');
    });

test('after a kill the histories tell', limits, async (t) => {
    const service = await Service.start(t, config({ paths: ['/', '/other'], size: 3, cutoff: '1s' }));
    let d = service.daemon;
    const c = await open(t, d);
    await d.accept([push('team/app', digestOf('kept'), 'v1'), push('team/app', digestOf('kept too'), undefined)]);
    const message = parse((await c.first(1))[0]);
    const [, id] = ids(message);
    const before = await explain(d, id);
    assert.deepEqual(before.batches.map((b) => b.path).sort(), ['/', '/other']);
    d = await service.restart({ signal: 'SIGKILL' });
    const got = await explain(d, id);
    assert.equal(got.from, 'history');
    assert.deepEqual(got.event, message.messages[1], 'as it was sent');
    assert.deepEqual([got.eventType, got.tag, got.repository], [before.eventType, before.tag, 'team/app']);
    assert.equal(got.received.at.slice(0, 19), before.received.at.slice(0, 19));
    assert.deepEqual(got.verdicts.map((v) => v.taken), [true, true]);
    const at = (b) => [b.path, b.position, b.size, b.bytes, b.firstEventId, b.lastEventId];
    assert.deepEqual(got.batches.map(at), before.batches.map(at).sort());
    for (const b of got.batches) assert.ok(!('offered' in b) && !('connections' in b), 'unknown is left out');

    // What is sent again is in memory, and says so.
    const again = await open(t, d);
    const sent = await d.manage('POST', '/gateway/v1/replay', { body: { path: '/', eventId: id } });
    assert.equal(sent.status, 200, sent.text);
    await again.first(1);
    const both = await explain(d, id);
    const replay = both.batches.find((b) => b.replayId);
    assert.equal(replay.replayId, sent.json.replayId);
    assert.equal(replay.flush, 'replay');
    assert.deepEqual(counts(replay), [1, 1, 0, 0, 0]);
    assert.equal(both.batches.length, 3);
    assert.equal(both.from, 'history');
});
