// --dead-letters and --replay-dead-letters: what was set aside is seen while the daemon runs, and goes
// on its way once what kept it back is gone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { command } from './command.mjs';
import { REGISTRY, defer, envelope, makeConfig, newImage, readMessage, trigger, until, writeConfig } from './harness.mjs';
import { Service, resume } from './journal.mjs';

const POISON = { env: { REGCAST_POISON: 'team/poison' } };
const limits = { timeout: 120000 };

const list = (file) => command(['--config', file, '--dead-letters']);
const replay = (file, id = 'all') => command(['--config', file, '--replay-dead-letters', id]);

async function letters(file) {
    const ran = await command(['--config', file, '--dead-letters', '--json']);
    assert.equal(ran.code, 0, ran.err.join('\n'));
    return ran.out.map((line) => JSON.parse(line));
}

// Starts the service until a start is not its end.
async function insist(service, options) {
    for (let ends = 0; ; ends++) {
        try {
            await service.start(options);
            return ends;
        } catch (error) {
            assert.match(error.message, /regcastd ended .*SIGABRT/s);
            assert.ok(ends < 5, 'it ends at every start');
        }
    }
}

const digests = (texts) => texts.flatMap((text) => readMessage(text)).map((e) => e.digest);

test('they are listed while the daemon runs, and stay while nobody understands them', limits, async (t) => {
    const service = new Service(makeConfig());
    defer(t, () => service.end());
    const file = writeConfig(service.config);
    const none = await list(file);
    assert.deepEqual([none.code, none.out], [0, []]);
    await service.start();
    const strange = newImage('team/app');
    delete strange.target.digest;
    const raw = Buffer.concat([Buffer.from('{"events":[\u001b[31m'), Buffer.from([0xff, 0])]);
    for (const body of [envelope([strange]), raw])
        assert.equal((await service.daemon.post(body)).json.set_aside, 1);

    const table = await list(file);
    assert.equal(table.code, 0, table.err.join('\n'));
    assert.equal(table.out.length, 3);
    assert.match(table.out[0], /^ID +TIME +REGISTRY +REASON +KIND +SIZE +BODY$/);
    assert.match(table.out[1], new RegExp(`^1 +20\\d\\d-\\S+Z +${REGISTRY} +digest +unreadable +\\d+ +\\{"id":`));
    assert.ok(table.out[2].includes('\\x1b[31m\\xff\\x00'), 'nothing reaches the terminal as it is');
    const [one, two] = await letters(file);
    assert.deepEqual([one.id, one.registry, one.reason, one.kind, one.event_seq], [1, REGISTRY, 'digest', 'unreadable', 0]);
    assert.deepEqual(JSON.parse(one.body), strange);
    assert.equal(one.size, Buffer.byteLength(one.body));
    assert.deepEqual(Buffer.from(two.body_base64, 'base64'), raw);

    const refused = await replay(file);
    assert.equal(refused.code, 75);
    assert.match(refused.err.join('\n'), new RegExp(`regcastd \\(pid ${service.daemon.pid}\\) runs on this data_dir: stop it first`));
    await service.daemon.stop();
    for (let i = 0; i < 2; i++) {
        const ran = await replay(file);
        assert.equal(ran.code, 65, ran.err.join('\n'));
        assert.equal(ran.err.at(-1), 'regcastd: 0 replayed, 2 left');
        assert.deepEqual((await letters(file)).map((l) => l.id), [1, 2], 'the same two, and no others');
    }
    assert.equal((await replay(file, '3')).code, 65);
    assert.equal((await replay(file, 'x')).code, 64);
});

test('an accepted event that was set aside is sent after its replay', limits, async (t) => {
    const config = makeConfig({ triggers: [trigger('late', { size: 1000, cutoff: '60s' })] });
    const service = new Service(config);
    defer(t, () => service.end());
    const file = writeConfig(config);
    const [one, poison, two] = [newImage('team/app'), newImage('team/poison'), newImage('team/app')];
    await service.start();
    await service.daemon.accept([one, poison, two]);
    await service.kill(); // all three are safe and in no batch
    assert.ok((await insist(service, POISON)) >= 1, 'it ended a start');
    const [letter, ...more] = await letters(file);
    assert.deepEqual(more, []);
    assert.equal(letter.kind, 'event');
    assert.ok(letter.event_seq > 0);
    const set = JSON.parse(letter.body);
    assert.equal(set.details.image_digest, poison.target.digest);
    assert.match((await list(file)).out[1], /CreateImage team\/poison/);
    await service.daemon.stop();

    const ran = await replay(file, String(letter.id));
    assert.equal(ran.code, 0, ran.err.join('\n'));
    assert.equal(ran.err.at(-1), 'regcastd: 1 replayed, 0 left');
    assert.deepEqual(await letters(file), []);

    await service.start();
    const last = newImage('team/app');
    await service.daemon.accept([last]);
    await service.restart(); // flushes the batch
    const client = await resume(service.daemon, { since: 'earliest' });
    defer(t, () => client.close());
    const wanted = [one, two, poison, last].map((event) => event.target.digest);
    await until('all four', () => digests(client.messages).length >= wanted.length);
    assert.deepEqual(digests(client.messages), wanted, 'each once, the replayed one where it came back');
    const events = client.messages.flatMap((text) => readMessage(text));
    const ids = events.map((e) => e.id);
    assert.deepEqual(ids, [...ids].sort());
    assert.ok(!ids.includes(set.event_metadata.event_id), 'a new id, as ids are in the order of batches');
    assert.equal(events[2].at, set.event_metadata.created_at);
    const rest = await resume(service.daemon, { since: ids[1], strict: true });
    defer(t, () => rest.close());
    await until('the rest', () => digests(rest.messages).length >= 2);
    assert.deepEqual(digests(rest.messages), wanted.slice(2), 'resume goes on behind what was there before');
});

test('a webhook that ended the process is taken after its replay, once', limits, async (t) => {
    const service = new Service(makeConfig());
    defer(t, () => service.end());
    const file = writeConfig(service.config);
    const poison = newImage('team/poison');
    const body = envelope([poison]);
    for (let answered = null; answered === null; ) {
        await insist(service, POISON);
        answered = await service.daemon.post(body).catch(() => null);
        if (answered) assert.equal(answered.json.set_aside, 1);
        else await service.daemon.ends('SIGABRT');
    }
    await service.daemon.stop();
    const [letter] = await letters(file);
    assert.equal(letter.kind, 'unreadable');
    assert.equal(letter.body, body);

    const still = await command(['--config', file, '--replay-dead-letters', 'all'], POISON);
    assert.equal(still.signal, 'SIGABRT', 'what made it poison is still there');
    assert.deepEqual((await letters(file)).map((l) => l.id), [letter.id]);
    const ran = await replay(file);
    assert.equal(ran.code, 0, ran.err.join('\n'));
    assert.equal(ran.err.at(-1), 'regcastd: 1 replayed, 0 left');
    assert.deepEqual(await letters(file), []);

    await service.start();
    const marker = newImage('team/app');
    const again = await service.daemon.post([poison, marker]); // its id was seen
    assert.deepEqual(again.json, { accepted: 1, ignored: 0, duplicates: 1 });
    const client = await resume(service.daemon, { since: 'earliest' });
    defer(t, () => client.close());
    await until('the marker', () => digests(client.messages).includes(marker.target.digest));
    assert.deepEqual(digests(client.messages), [poison.target.digest, marker.target.digest]);
});
