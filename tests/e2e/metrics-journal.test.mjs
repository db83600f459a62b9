// /metrics tells what the journal does: every number of it moves when what it counts happens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, defer, makeConfig, newImage, trigger, until } from './harness.mjs';
import { MIB, OLDEST_ID, Service, answerTo, bulk, holdLock, idsOf, resume } from './journal.mjs';

const FAMILIES = {
    regcast_journal_state: 'gauge',
    regcast_journal_commit_seconds: 'histogram',
    regcast_journal_group_items: 'histogram',
    regcast_journal_items_total: 'counter',
    regcast_journal_failures_total: 'counter', // by reason
    regcast_history_messages: 'gauge', // by path
    regcast_history_bytes: 'gauge',
    regcast_resumes_total: 'counter', // by outcome
    regcast_replayed_messages_total: 'counter',
    regcast_replayed_bytes_total: 'counter',
    regcast_dead_letters_total: 'counter',
    regcast_clock_step_total: 'counter',
    regcast_reject_total: 'counter',
    regcast_webhook_events_total: 'counter',
};

test('every number of the journal moves', { timeout: 60000 }, async (t) => {
    const service = await Service.start(
        t,
        makeConfig({
            journal: { busy_timeout: '200ms' },
            gateway: { paths: ['/', '/quiet'], defaults: { memory_bytes: MIB, history_count: 100000 } },
            triggers: [trigger('all', { size: 10, cutoff: '1s' })],
        }),
        { errors: ['cannot commit'] },
    );
    let last = new Map();
    // The numbers now; no counter may ever go back while one process runs.
    const look = async () => {
        const m = await service.daemon.metrics();
        for (const [name, family] of m.families)
            if (family.type !== 'gauge')
                for (const s of family.samples) {
                    const key = s.name + JSON.stringify(s.labels);
                    assert.ok(s.value >= (last.get(key) ?? 0), `${key} of ${name} went back`);
                    last.set(key, s.value);
                }
        return m;
    };
    // What a path keeps: {messages, bytes}.
    const kept = (m, path = '/') => ({
        messages: m.get('regcast_history_messages', { path }),
        bytes: m.get('regcast_history_bytes', { path }),
    });

    const first = await look();
    for (const [family, type] of Object.entries(FAMILIES)) {
        assert.equal(first.families.get(family)?.type, type, family);
        if (family !== 'regcast_reject_total') // shows the reasons there were
            assert.ok(first.families.get(family).samples.length > 0, `${family} is there from the start`);
    }
    for (const path of ['/', '/quiet']) assert.deepEqual(kept(first, path), { messages: 0, bytes: 0 });
    assert.equal(first.get('regcast_journal_state'), 1);

    // Commits, groups, history.
    const witness = await Client.open(service.daemon.url());
    defer(t, () => witness.terminate());
    const events = Array.from({ length: 20 }, () => newImage('team/app'));
    await service.daemon.accept(events);
    const texts = [...(await witness.first(2))];
    const second = await look();
    assert.ok(second.get('regcast_journal_items_total') >= first.get('regcast_journal_items_total') + 3, 'a webhook and two batches');
    const commits = second.get('regcast_journal_commit_seconds_count') - first.get('regcast_journal_commit_seconds_count');
    assert.ok(commits >= 1);
    assert.ok(second.get('regcast_journal_commit_seconds_sum') > first.get('regcast_journal_commit_seconds_sum'));
    const groups = second.get('regcast_journal_group_items_count') - first.get('regcast_journal_group_items_count');
    assert.ok(groups >= 1 && groups <= commits);
    assert.equal(
        second.get('regcast_journal_group_items_sum') - first.get('regcast_journal_group_items_sum'),
        second.get('regcast_journal_items_total') - first.get('regcast_journal_items_total'),
        'the sizes of the groups are the items',
    );
    const size = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    const here = kept(second);
    assert.equal(here.messages, 2);
    assert.ok(here.bytes >= size && here.bytes <= size + 2 * 64, `${here.bytes} bytes for messages of ${size}`);
    assert.deepEqual(kept(second, '/quiet'), { messages: 0, bytes: 0 });

    // Duplicates.
    const again = await service.daemon.post(events.slice(0, 7));
    assert.equal(again.json.duplicates, 7);
    const third = await look();
    assert.equal(third.get('regcast_webhook_events_total', { outcome: 'duplicate' }), 7);
    assert.equal(third.get('regcast_webhook_events_total', { outcome: 'accepted' }), 20);

    // 503s, while another process has the lock.
    const lock = await holdLock(t, service.database);
    const refused = await service.daemon.post([newImage('team/app')]);
    assert.equal(refused.status, 503);
    await lock.release();
    const fourth = await look();
    assert.ok(fourth.get('regcast_journal_failures_total', { reason: 'busy' }) >= 1);
    assert.equal(fourth.get('regcast_reject_total', { listener: 'webhooks', reason: 'journal' }), 1);
    assert.equal(fourth.get('regcast_http_answers_total', { listener: 'webhooks', code: '503' }), 1);
    assert.equal(fourth.get('regcast_journal_failures_total', { reason: 'failed' }), 0);

    // Dead letters.
    assert.equal((await service.daemon.post('no envelope')).json.set_aside, 1);
    assert.equal((await look()).get('regcast_dead_letters_total'), 1);

    // Resumes and replays: more than memory holds, so that the store is read.
    for (let bytes = 0; bytes < 3 * MIB; ) {
        const before = witness.messages.length;
        await service.daemon.accept(bulk(1000));
        for (const text of (await witness.first(before + 100)).slice(before)) bytes += Buffer.byteLength(text);
    }
    const total = witness.messages.length;
    const fifth = await look();
    assert.equal(kept(fifth).messages, total);
    const back = await resume(service.daemon, { since: idsOf(texts[0])[0] });
    await back.first(total - 1, 20000);
    await back.close();
    const lost = await resume(service.daemon, { since: OLDEST_ID });
    await lost.end;
    assert.equal((await answerTo(service.daemon, `/?since=${OLDEST_ID}&strict=1`)).status, 410);
    assert.equal((await answerTo(service.daemon, '/?since=nonsense')).status, 400);
    const sixth = await look();
    assert.equal(sixth.get('regcast_resumes_total', { outcome: 'found' }), 1);
    assert.equal(sixth.get('regcast_resumes_total', { outcome: 'gone' }), 2);
    assert.equal(sixth.get('regcast_resumes_total', { outcome: 'failed' }), 0);
    const messages = sixth.get('regcast_replayed_messages_total');
    assert.ok(messages > 0 && messages < total, `${messages} of ${total} from the store`);
    assert.ok(sixth.get('regcast_replayed_bytes_total') > MIB);
    for (const [reason, n] of [['since', 1], ['gone', 1], ['history_lost', 1]])
        assert.equal(sixth.get('regcast_reject_total', { listener: 'gateway', reason }), n, reason);

    // After a start: history is what it was, counters begin anew.
    await service.restart({ signal: 'SIGKILL' });
    last = new Map();
    const seventh = await look();
    assert.deepEqual(kept(seventh), kept(sixth));
    assert.equal(seventh.get('regcast_dead_letters_total'), 0);
    assert.equal(seventh.get('regcast_journal_state'), 1);
    await until('nothing else moves by itself', async () => (await look()).get('regcast_replayed_bytes_total') === 0);
});
