// When the disk is full, a write fails, the file is locked, or an event kills the process: nothing
// acknowledged is lost, and nobody gets anything that was never sent.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
    Client,
    REGCASTD,
    defer,
    envelope,
    newImage,
    pause,
    push,
    readMessage,
    summary,
    trigger,
    until,
} from './harness.mjs';
import { healthOf, watch } from './health.mjs';
import {
    Service,
    TRACED,
    config,
    heartbeat,
    holdLock,
    idsOf,
    resume,
    runToEnd,
    smallDisk,
    strace,
    wrapped,
} from './journal.mjs';

const limits = { timeout: 60000 };

const digestsIn = (texts) => texts.flatMap((text) => readMessage(text).map((e) => e.digest));

// What was sent and what became of it: at the end, what is delivered is what was acknowledged.
class Account {
    acknowledged = []; // events, in order
    refused = 0;

    // Posts one event until the answer is as `wanted` (a status), or for good when none is named.
    async post(daemon, event) {
        const got = await daemon.post([event]);
        if (got.status === 202) {
            assert.equal(got.json.accepted, 1, got.text);
            this.acknowledged.push(event);
            return got;
        }
        assert.equal(got.status, 503, got.text);
        assert.match(got.headers['retry-after'] ?? '', /^[1-9]\d*$/, 'Retry-After');
        this.refused++;
        return got;
    }

    get digests() {
        return this.acknowledged.map((e) => e.target.digest);
    }

    // The witness, who was there all the time, has each acknowledged event once and in order.
    async check(witness, what) {
        const all = () => summary(witness.messages).filter(([, repo]) => repo === 'team/app').map((e) => e[2]);
        await until(`${what}: all acknowledged events`, () => all().length >= this.digests.length, 15000);
        assert.deepEqual(all(), this.digests, what);
        assert.equal(witness.closed, null, what);
    }

    // So has one that comes back with nothing.
    async checkReplay(t, daemon, what) {
        const client = await resume(daemon, { since: 'earliest' });
        defer(t, () => client.terminate());
        await this.check(client, what);
        client.terminate();
    }
}

const journalState = async (daemon) => (await daemon.metrics()).get('regcast_journal_state');

// ---------------------------------------------------------------------------------------- disk full

describe('the disk is full', { concurrency: 2 }, () => {
    async function setUp(t, over) {
        const disk = await smallDisk(t, 8);
        const service = await Service.start(
            t,
            config({ data_dir: join(disk.dir, 'data'), journal: { ballast_bytes: '1MiB' }, ...over }),
            { bin: disk.bin(REGCASTD), errors: ['cannot commit', NOT_SETTLED] },
        );
        const witness = await Client.open(service.daemon.url());
        defer(t, () => witness.terminate());
        return { disk, service, witness, account: new Account() };
    }
    const NOT_SETTLED = 'the journal did not settle in time: what is not safe stays for the next start';
    const ballast = (disk) => disk.files('data').filter((name) => /ballast/.test(name));

    // Fills the disk until webhooks are refused, also after the ballast; returns the event refused.
    async function fillUp({ disk, service, account }) {
        for (let i = 0; i < 200; i++) {
            disk.fill();
            const image = newImage('team/app');
            if ((await account.post(service.daemon, image)).status !== 503) continue;
            disk.fill();
            const again = await account.post(service.daemon, image);
            if (again.status === 503 && ballast(disk).length === 0) return [image, again];
        }
        throw new Error('the disk is full, and webhooks are still taken');
    }

    test('webhooks get 503, clients stay, and it goes on by itself', limits, async (t) => {
        const system = await setUp(t, { management: { listen: [], grpc_listen: ['127.0.0.1:0'] } });
        const { disk, service, witness, account } = system;
        const { daemon } = service;
        const health = watch(healthOf(t, daemon.ready.grpc[0]), '');
        for (let i = 0; i < 20; i++) await account.post(daemon, newImage('team/app'));
        assert.equal(account.refused, 0);
        assert.equal(await journalState(daemon), 1);
        assert.equal(ballast(disk).length, 1);
        const beat = heartbeat(t, witness);
        const [image, refused] = await fillUp(system);
        assert.deepEqual(refused.json, { error: 'disk_full' });
        assert.equal(await journalState(daemon), 2);
        await until('probes to be told', () => health.told.at(-1) === 'NOT_SERVING');
        assert.equal((await daemon.request('GET', '/healthz')).status, 200);
        // Who is there stays, who comes is let in and gets what there is.
        await account.check(witness, 'while the disk is full');
        await account.checkReplay(t, daemon, 'while the disk is full');
        const fresh = await Client.open(daemon.url());
        defer(t, () => fresh.terminate());
        const [first] = witness.messages;
        const back = await resume(daemon, { since: idsOf(first)[0], strict: true });
        defer(t, () => back.terminate());
        assert.deepEqual(await back.first(witness.messages.length - 1), witness.messages.slice(1));
        for (let i = 0; i < 5; i++) {
            disk.fill();
            assert.equal((await account.post(daemon, image)).status, 503);
        }
        const full = await daemon.metrics();
        assert.ok(full.get('regcast_journal_failures_total', { reason: 'full' }) >= 1);
        assert.equal(full.get('regcast_reject_total', { listener: 'webhooks', reason: 'disk_full' }), account.refused);
        assert.equal(full.get('regcast_connections', { path: '/' }), 3);

        // Nothing comes for a while: that does not make room.
        for (let i = 0; i < 25; i++) {
            assert.equal(await journalState(daemon), 2);
            await pause(100);
        }
        disk.clear();
        const start = performance.now();
        await until('the journal to find the space by itself', async () => (await journalState(daemon)) === 1, 5000);
        await until('webhooks to be taken again', async () => (await account.post(daemon, image)).status === 202, 5000);
        const took = performance.now() - start;
        await until('probes to be told that', () => health.told.at(-1) === 'SERVING');
        t.diagnostic(`${account.refused} refused; works again after ${took.toFixed(0)} ms`);
        assert.ok(took < 5000);
        for (let i = 0; i < 20; i++) await account.post(daemon, newImage('team/app'));
        await until('ballast to be there again', () => ballast(disk).length === 1);
        beat.stop();
        assert.ok(beat.count > 5 && beat.worst < 1000, `a ping took ${beat.worst} ms`);
        await account.check(witness, 'after it');
        for (const signal of ['SIGKILL', 'SIGTERM']) {
            await service.restart({ signal });
            await account.checkReplay(t, service.daemon, `after ${signal}`);
        }
    });

    test('a batch that is open waits, and comes once', limits, async (t) => {
        const system = await setUp(t, { triggers: [trigger('slow', { size: 50, cutoff: '2s' })] });
        const { disk, service, witness, account } = system;
        for (let i = 0; i < 5; i++) await account.post(service.daemon, newImage('team/app'));
        const [image] = await fillUp(system);
        // The cutoff passes; what cannot be stored is not sent either.
        const start = performance.now();
        while (performance.now() - start < 3000) {
            disk.fill();
            await account.post(service.daemon, image);
            await pause(100);
        }
        disk.clear();
        await until('webhooks to be taken again', async () => (await account.post(service.daemon, image)).status === 202, 5000);
        await account.check(witness, 'after it');
        const texts = [...witness.messages];
        assert.ok(texts.length < account.acknowledged.length, 'they came in batches');
        await service.restart({ signal: 'SIGKILL' });
        const back = await resume(service.daemon, { since: 'earliest' });
        defer(t, () => back.terminate());
        assert.deepEqual(await back.first(texts.length), texts, 'and are the same batches afterwards');
    });

    test('stopped while it is full: it ends in order, and loses nothing', limits, async (t) => {
        const system = await setUp(t, { triggers: [trigger('slow', { size: 50, cutoff: '2s' })] });
        const { disk, service, account } = system;
        for (let i = 0; i < 5; i++) await account.post(service.daemon, newImage('team/app'));
        const [image] = await fillUp(system);
        const start = performance.now();
        while (performance.now() - start < 2500) {
            disk.fill(); // the cutoff passes
            await pause(100);
        }
        assert.equal(await journalState(service.daemon), 2);
        await service.daemon.stop({ timeout: 15000 });
        assert.equal(service.daemon.logged({ msg: NOT_SETTLED }).length, 1);
        disk.clear();
        await service.start();
        await account.post(service.daemon, image);
        await account.checkReplay(t, service.daemon, 'after the stop');
    });

    test('killed while it is full, everything acknowledged is there when there is space', limits, async (t) => {
        const system = await setUp(t, { triggers: [trigger('slow', { size: 7, cutoff: '60s' })] });
        const { disk, service, account } = system;
        for (let i = 0; i < 10; i++) await account.post(service.daemon, newImage('team/app'));
        const [image] = await fillUp(system);
        await service.kill();
        disk.clear();
        await service.start();
        await account.post(service.daemon, image);
        while (account.acknowledged.length % 7) await account.post(service.daemon, newImage('team/app'));
        await account.checkReplay(t, service.daemon, 'after the kill');
    });
});

// ------------------------------------------------------------------------------- failed writes, syncs

describe('a write or sync fails', { concurrency: 2 }, () => {
    for (const [call, when] of [
        ['fdatasync,fsync', '1'],
        ['fdatasync,fsync', '2'],
        ['fdatasync,fsync', '3'],
        ['fdatasync,fsync', '1+'],
        ['pwrite64', '1'],
        ['pwrite64', '4'],
        ['pwrite64', '9'],
    ])
        test(`${call}, when=${when}: no acknowledgement, exit code 74, a checked start`, limits, async (t) => {
            const service = await Service.start(t, config(), { env: TRACED });
            const { daemon } = service;
            const account = new Account();
            const witness = await Client.open(daemon.url());
            defer(t, () => witness.terminate());
            for (let i = 0; i < 5; i++) await account.post(daemon, newImage('team/app'));
            await account.check(witness, 'before it');
            assert.equal(await journalState(daemon), 1);
            assert.equal((await daemon.request('GET', '/readyz')).status, 200);
            await strace(t, daemon.pid, ['-e', `trace=${call}`, '-e', `inject=${call}:error=EIO:when=${when}`]);

            let ended = null;
            daemon.exited.then(() => (ended = performance.now()));
            let image, refused;
            for (let i = 0; i < 20 && !refused; i++) {
                image = newImage('team/app');
                const got = await account.post(daemon, image).catch((error) => {
                    if (ended === null && !/ECONN|socket hang up/.test(String(error))) throw error;
                    return { status: 503, gone: true }; // the process was faster: no acknowledgement either
                });
                if (got.status === 503) refused = got;
            }
            assert.ok(refused, 'the failure was met');
            if (!refused.gone) assert.deepEqual(refused.json, { error: 'journal' });
            const at = performance.now();
            const ready = await daemon.request('GET', '/readyz').catch(() => ({ status: 0 }));
            assert.notEqual(ready.status, 200, 'not ready');
            const later = await account.post(daemon, newImage('team/app')).catch(() => ({ status: 0 }));
            assert.notEqual(later.status, 202, 'nothing is acknowledged afterwards');
            await daemon.ends(74, 10000);
            assert.ok(ended - at < 2000, `ended ${ended - at} ms later`);
            assert.ok(digestsIn(witness.messages).every((d) => account.digests.includes(d) || d === image.target.digest));

            await service.start({ env: {} });
            const opened = async () =>
                (await until('the line of the start', () => service.daemon.logged({ component: 'journal', msg: 'open' })[0]))
                    .state;
            assert.equal(await opened(), 'checked after a failure');
            assert.deepEqual(readdirSync(service.dataDir).filter((name) => /damaged/.test(name)), []);
            // The registry sends again what was refused: it is there once, whether it was kept or not.
            const again = await service.daemon.post([image]);
            assert.equal(again.status, 202);
            assert.equal(again.json.accepted + again.json.duplicates, 1);
            account.acknowledged.push(image);
            await account.checkReplay(t, service.daemon, 'after it');
            // A start after that has nothing to check.
            await service.restart({ signal: 'SIGKILL', env: {} });
            assert.equal(await opened(), 'as it was left');
            await account.checkReplay(t, service.daemon, 'after a second start');
        });

    test('a sync that fails while the store is made: exit code 74, and the next start makes it', limits, async (t) => {
        const over = config();
        const failing = wrapped(
            REGCASTD,
            'exec strace -D -f -o /dev/null -e trace=fdatasync,fsync -e inject=fdatasync,fsync:error=EIO:when=1',
        );
        const { code, logs } = await runToEnd(over, { bin: failing, env: TRACED });
        assert.equal(code, 74, JSON.stringify(logs));
        assert.ok(logs.some((l) => l.level === 'error'));
        const service = await Service.start(t, over);
        const account = new Account();
        await account.post(service.daemon, newImage('team/app'));
        await account.checkReplay(t, service.daemon, 'afterwards');
    });
});

// -------------------------------------------------------------------------------------------- locked

test('another process holds the lock for ten seconds', limits, async (t) => {
    const service = await Service.start(t, config({ journal: { busy_timeout: '1s' } }), { errors: ['cannot commit'] });
    const { daemon } = service;
    const account = new Account();
    const witness = await Client.open(daemon.url());
    defer(t, () => witness.terminate());
    for (let i = 0; i < 20; i++) await account.post(daemon, newImage('team/app'));
    await account.check(witness, 'before it');
    const lock = await holdLock(t, service.database);
    const beat = heartbeat(t, witness);
    const start = performance.now();
    const image = newImage('team/app');
    const waits = [];
    while (performance.now() - start < 10000) {
        const at = performance.now();
        const got = await account.post(daemon, image);
        waits.push(performance.now() - at);
        assert.equal(got.status, 503);
        assert.deepEqual(got.json, { error: 'journal' });
        // Meanwhile clients come, and come back.
        const back = await resume(daemon, { since: idsOf(witness.messages[9])[0] });
        assert.deepEqual(await back.first(10), witness.messages.slice(10));
        await back.close();
        assert.equal((await daemon.request('GET', '/healthz')).status, 200);
    }
    assert.ok(waits[0] > 900 && waits[0] < 3000, `the first was refused after ${waits[0]} ms`);
    assert.ok(Math.max(...waits) < 3000, `refused after ${waits} ms`);
    beat.stop();
    assert.ok(beat.count > 60, `${beat.count} pings were answered`);
    assert.ok(beat.worst < 250, `a ping took ${beat.worst} ms`);
    const m = await daemon.metrics();
    assert.ok(m.get('regcast_journal_failures_total', { reason: 'busy' }) >= 1);
    assert.equal(m.get('regcast_reject_total', { listener: 'webhooks', reason: 'journal' }), account.refused);
    // What was refused has changed nothing: sent again in another order, other events follow from it.
    const [one, two] = ['one', 'two'].map((tag) => push('team/tagged', newImage('x').target.digest, 'latest'));
    const both = await Promise.all([daemon.post([one]), daemon.post([two])]);
    assert.deepEqual(both.map((got) => got.status), [503, 503]);
    await lock.release();
    await until('webhooks to be taken again', async () => (await account.post(daemon, image)).status === 202, 5000);
    await daemon.accept([two]);
    await daemon.accept([one]);
    const tagged = (type, { target }) => [type, 'team/tagged', target.digest, 'latest'];
    const found = () => summary(witness.messages).filter(([, repo]) => repo === 'team/tagged');
    await until('their events', () => found().length >= 5);
    assert.deepEqual(found(), [
        tagged('CreateImage', two),
        tagged('CreateImageTag', two),
        tagged('CreateImage', one),
        tagged('DeleteImageTag', two),
        tagged('CreateImageTag', one),
    ]);
    for (let i = 0; i < 5; i++) await account.post(daemon, newImage('team/app'));
    await account.check(witness, 'after it');
    await service.restart({ signal: 'SIGKILL' });
    await account.checkReplay(t, service.daemon, 'after a start');
});

// -------------------------------------------------------------------------------------------- poison

describe('an event that kills', () => {
    const POISON = { REGCAST_POISON: 'team/poison' };

    // Posts, as a registry does, until it is taken, over as many starts as it needs.
    async function insist(service, body, starts) {
        for (;;) {
            if (starts.n > 10) throw new Error('ten starts were not enough');
            if (!service.daemon || service.daemon.child.exitCode !== null || service.daemon.child.signalCode) {
                starts.n++;
                try {
                    await service.start();
                } catch (error) {
                    assert.match(error.message, /regcastd ended .*SIGABRT/s);
                    starts.killed++;
                    continue;
                }
            }
            const { daemon } = service;
            const got = await daemon.post(body).catch(() => null);
            if (got) return got;
            await daemon.ends('SIGABRT');
            starts.killed++;
        }
    }

    test('is tried three times at most and then set aside; others flow', limits, async (t) => {
        const service = new Service(config(), { env: POISON, errors: [] });
        defer(t, () => service.end());
        const starts = { n: 0, killed: 0 };
        const before = newImage('team/app');
        assert.equal((await insist(service, envelope([before]), starts)).status, 202);
        assert.deepEqual(starts, { n: 1, killed: 0 });
        const [one, poison, two] = [newImage('team/app'), newImage('team/poison'), newImage('team/app')];
        const got = await insist(service, envelope([one, poison, two]), starts);
        assert.equal(got.status, 202);
        assert.ok(starts.killed >= 1 && starts.killed <= 3, `killed ${starts.killed} times`);
        // It may have been taken and kill later, or have been set aside as it came.
        const after = newImage('team/app');
        assert.equal((await insist(service, envelope([after]), starts)).json.accepted, 1);
        assert.ok(starts.killed <= 3, `killed ${starts.killed} times`);
        t.diagnostic(`killed ${starts.killed} times`);
        const client = await resume(service.daemon, { since: 'earliest' });
        defer(t, () => client.terminate());
        await client.first(2);
        await until('the event after it', () => digestsIn(client.messages).includes(after.target.digest));
        const digests = digestsIn(client.messages);
        assert.ok(!digests.includes(poison.target.digest));
        assert.equal(digests[0], before.target.digest);
        assert.deepEqual(digests, [...new Set(digests)]);
        assert.equal(Number(service.ask('SELECT count(*) FROM dead_letters')), 1);
        // From here on it lives, also over restarts, without anybody's help.
        const killed = starts.killed;
        for (const signal of ['SIGKILL', 'SIGTERM']) {
            await service.restart({ signal });
            const more = newImage('team/app');
            assert.equal((await insist(service, envelope([more]), starts)).status, 202);
        }
        assert.equal(starts.killed, killed);
        assert.equal(Number(service.ask('SELECT count(*) FROM dead_letters')), 1);
    });
});

// -------------------------------------------------------------------------------------- dead letters

test('what nobody understands is answered with 202 and kept as a dead letter', limits, async (t) => {
    const service = await Service.start(t, config());
    const witness = await Client.open(service.daemon.url());
    defer(t, () => witness.terminate());
    const good = newImage('team/app');
    const strange = newImage('team/app');
    delete strange.target.digest;
    const stranger = { ...newImage('team/app'), action: 7 };
    const mixed = await service.daemon.post([strange, good, stranger]);
    assert.equal(mixed.status, 202);
    assert.deepEqual(mixed.json, { accepted: 1, ignored: 0, duplicates: 0, set_aside: 2 });
    const broken = await service.daemon.post('{"events":[{"action":"push"');
    assert.equal(broken.status, 202);
    assert.deepEqual(broken.json, { accepted: 0, ignored: 0, duplicates: 0, set_aside: 1 });
    assert.deepEqual(digestsIn(await witness.first(1)), [good.target.digest]);
    const m = await service.daemon.metrics();
    assert.equal(m.get('regcast_dead_letters_total'), 3);
    assert.equal(m.get('regcast_webhook_events_total', { outcome: 'set_aside' }), 3);
    for (const signal of ['SIGKILL', 'SIGTERM']) {
        assert.equal(Number(service.ask('SELECT count(*) FROM dead_letters')), 3, `before ${signal}`);
        await service.restart({ signal });
    }
    assert.equal(Number(service.ask('SELECT count(*) FROM dead_letters')), 3);
});
