// Dead letters by REST, while the daemon runs: seen as data whatever they hold, replayed once what kept them back is
// gone, deleted; and none is lost or sent twice by a process that dies in the middle of it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { REGISTRY, Daemon, defer, envelope, makeConfig, newImage, readMessage, trigger, until } from './harness.mjs';
import { Service, resume } from './journal.mjs';

const limits = { timeout: 120000 };
const LETTERS = '/registries/v1/letters';
const OTHER = 'crtother000000000000';
const POISON = { env: { REGCAST_POISON: 'team/poison' } };

async function call(d, method, path, status = 200) {
    const got = await d.manage(method, path);
    assert.equal(got.status, status, `${method} ${path}: ${got.text}`);
    return got.json;
}

const list = async (d, query = '') => (await call(d, 'GET', `${LETTERS}${query}`)).letters;
const replay = (d, id, status) => call(d, 'POST', `${LETTERS}/${id}:replay`, status);
const digests = (texts) => texts.flatMap((text) => readMessage(text)).map((e) => e.digest);

function strange() {
    const event = newImage('team/app');
    delete event.target.digest;
    return event;
}

// All that was ever sent on the path.
async function sent(t, d, n) {
    const client = await resume(d, { since: 'earliest' });
    defer(t, () => client.close());
    await until(`${n} events`, () => digests(client.messages).length >= n);
    return digests(client.messages);
}

test('they are listed, shown and deleted, whatever they hold', limits, async (t) => {
    const service = await Service.start(t, makeConfig({ registries: [{ id: REGISTRY, kind: 'distribution' }, { id: OTHER, kind: 'distribution' }] }));
    const d = service.daemon;
    assert.deepEqual(await call(d, 'GET', LETTERS), { letters: [] });
    const one = strange();
    const text = '{"events":["<script>alert(1)</script>\u202e\u0007\u001b[31m Ж"';
    const raw = Buffer.concat([Buffer.from('{"events":[\u001b[31m'), Buffer.from([0xff, 0])]);
    await d.post([one], { headers: { 'User-Agent': 'r<i>gistry', 'X-Secret': 'not-kept' } });
    await d.post(text);
    await d.post(raw, { registry: OTHER });

    const [third, second, first] = await list(d);
    assert.deepEqual([first.id, second.id, third.id], ['1', '2', '3'], 'the newest first');
    assert.deepEqual([first.registryId, first.reason, first.kind], [REGISTRY, 'digest', 'unreadable']);
    assert.ok(Math.abs(Date.parse(first.at) - Date.now()) < 60000, first.at);
    assert.equal(second.excerpt, text);
    assert.equal(second.size, Buffer.byteLength(text));
    assert.equal(third.excerpt, '{"events":[\u001b[31m');

    const whole = await call(d, 'GET', `${LETTERS}/1`);
    assert.deepEqual(JSON.parse(whole.body), one);
    const headers = Object.fromEntries(whole.headers.map((h) => [h.name.toLowerCase(), h.value]));
    assert.equal(headers['user-agent'], 'r<i>gistry');
    assert.equal(headers['x-secret'], undefined);
    assert.equal((await call(d, 'GET', `${LETTERS}/2`)).body, text);
    const binary = await call(d, 'GET', `${LETTERS}/3`);
    assert.equal(binary.body, undefined);
    assert.deepEqual(Buffer.from(binary.bodyBase64, 'base64'), raw);

    assert.deepEqual((await list(d, `?registryId=${OTHER}`)).map((l) => l.id), ['3']);
    assert.deepEqual(await list(d, '?registryId=nobody'), []);
    const page = await call(d, 'GET', `${LETTERS}?pageSize=2`);
    assert.deepEqual(page.letters.map((l) => l.id), ['3', '2']);
    const rest = await call(d, 'GET', `${LETTERS}?pageSize=2&pageToken=${page.nextPageToken}`);
    assert.deepEqual([rest.letters.map((l) => l.id), rest.nextPageToken], [['1'], undefined]);

    assert.deepEqual(await call(d, 'DELETE', `${LETTERS}/2`), {});
    assert.deepEqual((await list(d)).map((l) => l.id), ['3', '1']);
    for (const [method, path] of [
        ['GET', '/2'],
        ['DELETE', '/2'],
        ['POST', '/2:replay'],
        ['GET', '/x'],
        ['GET', '/0'],
        ['GET', '/99999999999999999999'],
        ['DELETE', '/-1'],
    ])
        assert.match((await call(d, method, `${LETTERS}${path}`, 404)).message, /Dead letter .* not found/);
    for (const query of ['?pageSize=201', '?pageSize=-1', '?pageToken=x', '?pageToken=0', '?what=1'])
        assert.equal((await call(d, 'GET', `${LETTERS}${query}`, 400)).code, 3);
    await service.restart();
    assert.deepEqual((await list(service.daemon)).map((l) => l.id), ['3', '1']);
    assert.equal((await service.daemon.metrics()).get('regcast_dead_letters'), 2);
});

describe('a replay', () => {
    test('leaves what nobody understands where it is, and makes no second letter', limits, async (t) => {
        const service = await Service.start(t, makeConfig());
        const d = service.daemon;
        await d.post([strange()]);
        for (let i = 0; i < 2; i++)
            assert.deepEqual(await replay(d, 1), { accepted: '0', ignored: '0', duplicates: '0', setAside: '1', reason: 'digest' });
        assert.deepEqual((await list(d)).map((l) => l.id), ['1']);
        const counted = await call(d, 'GET', '/registries/v1/registries');
        assert.deepEqual(
            [counted.registries[0].setAside, counted.registries[0].letters, counted.registries[0].answers],
            ['1', '1', [{ status: 202, count: '1' }]],
            'what an operator does is none of the registry\'s webhooks',
        );
    });

    test('takes what is understood by now, once, and the letter goes', limits, async (t) => {
        const config = makeConfig({ registries: [{ id: REGISTRY, kind: 'github' }], triggers: [trigger('all')] });
        const service = await Service.start(t, config);
        const [one, two] = [newImage('team/app'), newImage('team/app')];
        assert.equal((await service.daemon.post([one, two])).json.set_aside, 1, 'taken for another kind');
        await service.daemon.stop();
        service.config = { ...config, registries: [{ id: REGISTRY, kind: 'distribution' }] };
        await service.start();
        const d = service.daemon;
        const answers = await Promise.all([1, 2, 3].map(() => d.manage('POST', `${LETTERS}/1:replay`)));
        const [taken, ...others] = answers.sort((a, b) => a.status - b.status);
        assert.deepEqual([taken.status, taken.json], [200, { accepted: '2', ignored: '0', duplicates: '0', setAside: '0' }]);
        for (const other of others) assert.ok([404, 409].includes(other.status), other.text);
        assert.deepEqual(await list(d), []);
        assert.deepEqual((await d.post([one])).json, { accepted: 0, ignored: 0, duplicates: 1 }, 'its id was seen');
        assert.deepEqual(await sent(t, d, 2), [one.target.digest, two.target.digest]);
    });

    test('sends an accepted event under a new id', limits, async (t) => {
        const config = makeConfig({ triggers: [trigger('late', { size: 1000, cutoff: '1s' })] });
        const service = await Service.start(t, config);
        const [one, poison] = [newImage('team/app'), newImage('team/poison')];
        await service.daemon.accept([one, poison]);
        await service.kill(); // safe, and in no batch
        await until('a start that is not its end', () => service.start(POISON).catch(() => null), 60000);
        const [letter] = await list(service.daemon);
        assert.deepEqual([letter.kind, letter.reason], ['event', 'ended the process too often']);
        const set = JSON.parse((await call(service.daemon, 'GET', `${LETTERS}/${letter.id}`)).body);
        assert.equal(set.details.image_digest, poison.target.digest);
        await service.restart();
        const d = service.daemon;
        assert.equal((await list(d)).length, 1, 'set aside once, though the other one was in an open batch then');
        assert.deepEqual(await replay(d, letter.id), { accepted: '1', ignored: '0', duplicates: '0', setAside: '0' });
        assert.deepEqual(await list(d), []);
        const client = await resume(d, { since: 'earliest' });
        defer(t, () => client.close());
        await until('both', () => digests(client.messages).length >= 2);
        const events = client.messages.flatMap((text) => readMessage(text));
        assert.deepEqual(events.map((e) => e.digest), [one.target.digest, poison.target.digest]);
        assert.ok(events[1].id > events[0].id && events[1].id !== set.event_metadata.event_id, 'ids are in the order of batches');
    });

    test('of which nothing can be read without the end of the process stays after three attempts', limits, async (t) => {
        const config = makeConfig({ registries: [{ id: REGISTRY, kind: 'github' }], triggers: [trigger('all')] });
        const service = await Service.start(t, config);
        await service.daemon.post(envelope([newImage('team/app')]));
        await service.daemon.stop();
        service.config = { ...config, registries: [{ id: REGISTRY, kind: 'distribution' }] };
        for (let i = 0; i < 3; i++) {
            await service.start({ env: { REGCAST_CRASH: 'ingest.read:1' } });
            await assert.rejects(service.daemon.manage('POST', `${LETTERS}/1:replay`));
            await service.daemon.ends('SIGKILL');
        }
        await service.start({ env: { REGCAST_CRASH: 'ingest.read:1' } });
        const d = service.daemon;
        for (let i = 0; i < 2; i++) {
            const { setAside, reason } = await replay(d, 1);
            assert.deepEqual([setAside, reason], ['1', 'ended the process too often']);
        }
        assert.deepEqual((await list(d)).map((l) => l.id), ['1']);
    });

    for (const [point, gone] of [
        ['ingest.submit', false],
        ['store.letter.delete', false],
        ['store.sender_ids', false], // behind the letter, before the commit
        ['ingest.answer', true],
    ])
        test(`that dies at ${point} has ${gone ? 'both' : 'neither'} the events ${gone ? 'and no' : 'but the'} letter`, limits, async (t) => {
            const config = makeConfig({ registries: [{ id: REGISTRY, kind: 'github' }], triggers: [trigger('all')] });
            const service = await Service.start(t, config);
            const image = newImage('team/app');
            await service.daemon.post(envelope([image]));
            await service.daemon.stop();
            service.config = { ...config, registries: [{ id: REGISTRY, kind: 'distribution' }] };
            await service.start({ env: { REGCAST_CRASH: `${point}:1` } });
            await assert.rejects(service.daemon.manage('POST', `${LETTERS}/1:replay`));
            await service.daemon.ends('SIGKILL');
            await service.start();
            const d = service.daemon;
            assert.equal((await list(d)).length, gone ? 0 : 1);
            if (!gone) assert.equal((await replay(d, 1)).accepted, '1');
            const marker = newImage('team/app');
            await d.accept([marker]);
            assert.deepEqual(await sent(t, d, 2), [image.target.digest, marker.target.digest], 'each once');
        });
});

test('an engine that keeps none has none', limits, async (t) => {
    const d = await Daemon.start(makeConfig({ engine: 'memory' }));
    defer(t, () => d.stop());
    await d.post([strange()]);
    assert.deepEqual(await call(d, 'GET', LETTERS), { letters: [] });
    await call(d, 'GET', `${LETTERS}/1`, 404);
    await replay(d, 1, 404);
    await call(d, 'DELETE', `${LETTERS}/1`, 404);
    assert.equal((await call(d, 'GET', '/registries/v1/registries')).registries[0].letters, '0');
});
