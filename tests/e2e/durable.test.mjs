// What is acknowledged is kept: answers come after the commit, and a start finds everything again,
// whatever the wall clock says.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
    Client,
    REGCASTD,
    REGCASTD_FAST,
    defer,
    digestOf,
    newImage,
    pause,
    push,
    readMessage,
    summary,
    tempDir,
    trigger,
    until,
} from './harness.mjs';
import { WallClock } from './clock.mjs';
import { Service, TRACED, config, heartbeat, idsOf, resume, runToEnd, sqlite, strace, wrapped } from './journal.mjs';

const limits = { timeout: 60000 };

async function setUp(t, over, options) {
    const service = await Service.start(t, config(over), options);
    const witness = await Client.open(service.daemon.url());
    defer(t, () => witness.terminate());
    return { service, witness };
}

// Everything the path keeps, as a client gets it that has nothing yet.
async function replayed(t, daemon, n, path = '/') {
    const client = await resume(daemon, { since: 'earliest', path });
    defer(t, () => client.terminate());
    return client.first(n);
}

// The answer to a webhook and when it came, in ms.
async function timed(daemon, events) {
    const start = performance.now();
    const got = await daemon.post(events);
    return { ...got, ms: performance.now() - start };
}

describe('answers come after the commit', () => {
    const DELAY = 400; // of each sync, in ms

    test('a slow disk makes the 202 late, and nothing else', limits, async (t) => {
        const { service, witness } = await setUp(t, {}, { env: TRACED });
        const { daemon } = service;
        const quick = await timed(daemon, [newImage('team/app')]);
        assert.equal(quick.status, 202);
        await witness.first(1);
        const [kept] = witness.messages;
        const beat = heartbeat(t, witness);
        await strace(t, daemon.pid, ['-e', 'trace=fdatasync,fsync', '-e', `inject=fdatasync,fsync:delay_enter=${DELAY * 1000}`]);
        for (let i = 1; i <= 3; i++) {
            const image = newImage('team/app');
            const seen = witness.first(i + 1).then(() => performance.now());
            const start = performance.now();
            const answer = timed(daemon, [image]);
            // Meanwhile everything else goes on: probes, metrics, clients that come, go or come back.
            const health = await daemon.request('GET', '/healthz');
            assert.equal(health.status, 200);
            const back = await resume(daemon, { since: 'earliest' });
            assert.deepEqual(await back.first(1), [kept]);
            await back.close();
            assert.ok(performance.now() - start < DELAY, `others waited ${performance.now() - start} ms`);
            const got = await answer;
            assert.equal(got.status, 202);
            assert.ok(got.ms >= DELAY - 20, `answered after ${got.ms} ms`);
            assert.ok((await seen) - start >= DELAY - 20, 'no client sees what is not safe');
        }
        // What comes while one commit runs is the next commit, together.
        const before = await daemon.metrics();
        const all = await Promise.all(Array.from({ length: 40 }, () => timed(daemon, [newImage('team/app')])));
        assert.ok(all.every((a) => a.status === 202 && a.ms >= DELAY - 20));
        const slowest = Math.max(...all.map((a) => a.ms));
        assert.ok(slowest < 8 * DELAY, `40 webhooks took ${slowest} ms`);
        const after = await daemon.metrics();
        const grew = (name) => after.get(name) - before.get(name);
        assert.ok(grew('regcast_journal_group_items_count') <= 8);
        assert.ok(grew('regcast_journal_commit_seconds_sum') >= (DELAY - 20) / 1000);
        beat.stop();
        assert.ok(beat.count > 20, `${beat.count} pings were answered`);
        assert.ok(beat.worst < DELAY / 2, `a ping took ${beat.worst} ms`);
    });
});

describe('a start finds everything again', () => {
    for (const signal of ['SIGTERM', 'SIGKILL']) {
        test(`the catalog, after ${signal}`, limits, async (t) => {
            const { service, witness } = await setUp(t);
            const [a, b, c] = ['a', 'b', 'c'].map((name) => digestOf(`durable ${signal} ${name}`));
            await service.daemon.accept([push('team/app', a, 'latest'), push('team/app', a, 'v1')]);
            await service.daemon.accept([push('team/other', b, 'latest')]);
            await witness.first(5);
            await service.restart({ signal });
            const m = await service.daemon.metrics();
            assert.equal(m.get('regcast_catalog_images'), 2);
            assert.equal(m.get('regcast_catalog_tags'), 3);
            const later = await Client.open(service.daemon.url());
            defer(t, () => later.terminate());
            await service.daemon.accept([push('team/app', c, 'latest')]);
            assert.deepEqual(summary(await later.first(3)), [
                ['CreateImage', 'team/app', c, 'latest'],
                ['DeleteImageTag', 'team/app', a, 'latest'],
                ['CreateImageTag', 'team/app', c, 'latest'],
            ]);
            // Once more: what the second process changed is known to the third.
            await service.restart({ signal });
            const last = await Client.open(service.daemon.url());
            defer(t, () => last.terminate());
            const known = { ...push('team/app', a, 'v1') };
            assert.equal((await service.daemon.post([known])).json.ignored, 1, 'a tag that is there already');
            const drop = (repository, digest) => {
                const event = push(repository, digest);
                return { ...event, action: 'delete', target: { digest, repository } };
            };
            await service.daemon.accept([drop('team/app', c), drop('team/app', a), drop('team/other', b)]);
            assert.deepEqual(summary(await last.first(6)), [
                ['DeleteImage', 'team/app', c, ''],
                ['DeleteImageTag', 'team/app', c, 'latest'],
                ['DeleteImage', 'team/app', a, ''],
                ['DeleteImageTag', 'team/app', a, 'v1'],
                ['DeleteImage', 'team/other', b, ''],
                ['DeleteImageTag', 'team/other', b, 'latest'],
            ]);
            await service.restart({ signal });
            const end = await service.daemon.metrics();
            assert.equal(end.get('regcast_catalog_images') + end.get('regcast_catalog_tags'), 0);
        });

        test(`what was sent before, and history, after ${signal}`, limits, async (t) => {
            const { service, witness } = await setUp(t);
            const events = Array.from({ length: 30 }, () => newImage('team/app'));
            for (let i = 0; i < 30; i += 10) await service.daemon.accept(events.slice(i, i + 10));
            const texts = await witness.first(30);
            const again = await service.daemon.post(events.slice(0, 12));
            assert.deepEqual(again.json, { accepted: 0, ignored: 0, duplicates: 12 });
            await service.restart({ signal });
            const { daemon } = service;
            assert.deepEqual(await replayed(t, daemon, 30), texts);
            // All of them again, in another order, with one that is new, and one of another registry's.
            const fresh = newImage('team/app');
            const mixed = await daemon.post([...events.slice(20), fresh, ...events.slice(0, 20)]);
            assert.deepEqual(mixed.json, { accepted: 1, ignored: 0, duplicates: 30 });
            assert.deepEqual((await replayed(t, daemon, 31)).slice(30).flatMap((text) => readMessage(text).map((e) => e.digest)), [
                fresh.target.digest,
            ]);
            assert.equal((await daemon.metrics()).get('regcast_webhook_events_total', { outcome: 'duplicate' }), 30);
        });
    }

    test('events that were in no batch yet come in one, once', limits, async (t) => {
        const paths = ['/', '/tags'];
        const { service } = await setUp(t, {
            gateway: { paths },
            triggers: [
                trigger('big', { size: 50, cutoff: '60s' }),
                trigger('tags', { path: '/tags', size: 3, cutoff: '60s', types: ['CREATE_IMAGE_TAG'] }),
            ],
        });
        const digest = digestOf(`open batch ${process.pid}`);
        const tag = (i) => push('team/app', digest, `t${i}`);
        const expected = [['CreateImage', 'team/app', digest, 't0']];
        let sent = 0;
        const send = async (n) => {
            const events = Array.from({ length: n }, () => tag(sent++));
            for (const { target } of events) expected.push(['CreateImageTag', 'team/app', digest, target.tag]);
            await service.daemon.accept(events);
        };
        await send(10); // 11 events for `big`, three batches and one event for `tags`
        for (let i = 0; i < 4; i++) {
            await service.restart({ signal: 'SIGKILL' });
            await send(5);
        }
        assert.equal(sent, 30);
        assert.equal((await service.daemon.metrics()).get('regcast_history_messages', { path: '/' }), 0);
        await service.restart({ signal: 'SIGKILL' });
        const witness = await Client.open(service.daemon.url());
        defer(t, () => witness.terminate());
        await send(19); // makes fifty
        const [text] = await witness.first(1);
        assert.deepEqual(summary([text]), expected.slice(0, 50));
        const ids = idsOf(text);
        assert.deepEqual(ids, [...new Set(ids)].sort());
        await service.restart({ signal: 'SIGKILL' });
        assert.deepEqual(await replayed(t, service.daemon, 1), [text], 'what was sent is not formed again');
        // 49 tags in batches of three: sixteen, and one event that still waits.
        const tags = await replayed(t, service.daemon, 16, '/tags');
        assert.deepEqual(
            tags.map((one) => summary([one]).map((e) => e[3])),
            Array.from({ length: 16 }, (_, i) => [0, 1, 2].map((j) => `t${3 * i + j}`)),
        );
        assert.equal((await service.daemon.metrics()).get('regcast_history_messages', { path: '/tags' }), 16);
        // A shutdown in order flushes what waits.
        await service.restart();
        assert.deepEqual(summary((await replayed(t, service.daemon, 17, '/tags')).slice(16)), [
            ['CreateImageTag', 'team/app', digest, 't48'],
        ]);
    });

    test('the cutoff of events found at a start counts anew, and holds', limits, async (t) => {
        const { service } = await setUp(t, { triggers: [trigger('slow', { size: 100, cutoff: '2s' })] });
        const images = [newImage('team/app'), newImage('team/app')];
        await service.daemon.accept(images);
        const start = performance.now();
        await service.restart({ signal: 'SIGKILL' });
        const witness = await resume(service.daemon, { since: 'earliest' });
        defer(t, () => witness.terminate());
        const [text] = await witness.first(1);
        assert.ok(performance.now() - start < 8000);
        assert.deepEqual(readMessage(text).map((e) => e.digest), images.map((e) => e.target.digest));
    });
});

describe('the directory', () => {
    test('is ours alone: 0700, files 0600, whatever the umask', limits, async (t) => {
        const service = await Service.start(t, config(), { bin: wrapped(REGCASTD, 'umask 000; exec') });
        await service.daemon.accept([newImage('team/app')]);
        for (const when of ['running', 'killed', 'restarted', 'stopped']) {
            if (when === 'killed') await service.kill();
            if (when === 'restarted') await service.start();
            if (when === 'stopped') await service.daemon.stop();
            assert.equal(statSync(service.dataDir).mode & 0o7777, 0o700, when);
            const names = readdirSync(service.dataDir);
            assert.ok(names.includes('journal.db'), `${when}: ${names}`);
            for (const name of names)
                assert.equal(statSync(join(service.dataDir, name)).mode & 0o7777, 0o600, `${when}: ${name}`);
        }
    });

    test('a second process is refused with 75, and harms nothing', limits, async (t) => {
        const { service, witness } = await setUp(t);
        const before = [newImage('team/app'), newImage('team/app')];
        await service.daemon.accept(before);
        await witness.first(2);
        for (let i = 0; i < 2; i++) {
            const { code, logs } = await runToEnd(service.config);
            assert.equal(code, 75);
            const [line, ...more] = logs.filter((l) => l.level === 'error');
            assert.deepEqual(more, []);
            const said = JSON.stringify(line);
            assert.ok(said.includes(service.dataDir), said);
            assert.ok(said.includes(String(service.daemon.pid)), said);
        }
        await service.daemon.accept([newImage('team/app')]);
        const texts = await witness.first(3);
        // The lock ends with the process that has it, however it ends.
        await service.restart({ signal: 'SIGKILL' });
        assert.deepEqual(await replayed(t, service.daemon, 3), texts);
    });

    test('that cannot be made or written is refused, and said', limits, async () => {
        const file = join(tempDir(), 'file');
        writeFileSync(file, 'not a directory');
        for (const data_dir of [file, join(file, 'below')]) {
            const { code, logs } = await runToEnd(config({ data_dir }));
            assert.ok(code > 0 && code !== 70, `exit code ${code}`);
            const errors = logs.filter((l) => l.level === 'error');
            assert.equal(errors.length, 1, JSON.stringify(logs));
            assert.ok(JSON.stringify(errors[0]).includes(data_dir));
        }
    });

    test('of a newer version is refused with 76 and not changed; going back works', limits, async (t) => {
        const { service, witness } = await setUp(t);
        await service.daemon.accept([newImage('team/app'), newImage('team/app')]);
        const texts = await witness.first(2);
        await service.daemon.stop();
        const version = Number(service.ask('PRAGMA user_version'));
        assert.ok(version >= 1);
        service.ask(`PRAGMA user_version = ${version + 1}`);
        const contents = () =>
            Object.fromEntries(
                readdirSync(service.dataDir)
                    .filter((name) => name !== 'lock' && !/-(wal|shm)$/.test(name))
                    .map((name) => [
                        name,
                        createHash('sha256').update(readFileSync(join(service.dataDir, name))).digest('hex'),
                    ]),
            );
        const before = contents();
        for (let i = 0; i < 2; i++) {
            const { code, logs } = await runToEnd(service.config);
            assert.equal(code, 76);
            const errors = logs.filter((l) => l.level === 'error');
            assert.equal(errors.length, 1, JSON.stringify(logs));
            assert.match(JSON.stringify(errors[0]), /newer/);
            assert.deepEqual(contents(), before);
        }
        service.ask(`PRAGMA user_version = ${version}`);
        await service.start();
        assert.deepEqual(await replayed(t, service.daemon, 2), texts);
    });
});

// ------------------------------------------------------------------------------------------ clocks

describe('the wall clock', () => {
    const STEPS = ['+0', '+1h', '-1h', '1970-01-02 00:00:00', '+10y', '+0'];
    const yearOf = (text) => Number(/"created_at":"(\d{4})/.exec(text)[1]);

    // An event without a time of its own, so that ours is what clients see.
    function untimed() {
        const event = newImage('team/app');
        delete event.timestamp;
        return event;
    }

    test('may step while it runs', limits, async (t) => {
        const clock = new WallClock();
        const { service, witness } = await setUp(
            t,
            { gateway: { idle_timeout: '30s', ping_interval: '300ms', paths: [{ path: '/', history_age: '60s' }] } },
            { bin: REGCASTD_FAST, env: clock.env },
        );
        const { daemon } = service;
        const others = [];
        for (let i = 0; i < 20; i++) others.push(await Client.open(daemon.url()));
        defer(t, () => others.forEach((c) => c.terminate()));
        const first = untimed();
        await daemon.accept([first]);
        let sent = 1;
        for (const when of STEPS) {
            clock.set(when);
            await pause(1200); // timers of a second that look at the clock have run
            await daemon.accept([untimed(), untimed()]);
            sent += 2;
            await witness.first(sent);
            const again = await daemon.post([first]);
            assert.deepEqual(again.json, { accepted: 0, ignored: 0, duplicates: 1 }, when);
        }
        const texts = witness.messages;
        const years = texts.map(yearOf);
        assert.ok(years.includes(1970), 'the clock was what the test said');
        assert.ok(Math.max(...years) >= new Date().getFullYear() + 9);
        const ids = texts.flatMap(idsOf);
        assert.deepEqual(ids, [...new Set(ids)].sort(), 'ids rise');
        for (const c of [witness, ...others]) {
            await c.first(sent);
            assert.equal(c.closed, null, 'nobody is sent away');
            assert.deepEqual(c.messages, texts);
        }
        assert.deepEqual(await replayed(t, daemon, sent), texts, 'nothing is deleted early');
        for (const [i, since] of ids.entries()) {
            const back = await resume(daemon, { since, strict: true });
            assert.deepEqual(await back.first(sent - 1 - i), texts.slice(i + 1));
            back.terminate();
        }
        const m = await daemon.metrics();
        assert.ok(m.get('regcast_clock_step_total') >= 4, `${m.get('regcast_clock_step_total')} steps were seen`);
        assert.equal(m.get('regcast_closes_total', { by: 'idle' }), 0);
        assert.equal(m.get('regcast_closes_total', { by: 'pong' }), 0);
    });

    test('may step between runs', limits, async (t) => {
        const clock = new WallClock();
        const service = await Service.start(t, config(), { bin: REGCASTD_FAST, env: clock.env });
        const first = untimed();
        await service.daemon.accept([first]);
        let texts = await replayed(t, service.daemon, 1);
        for (const [i, when] of STEPS.entries()) {
            clock.set(when);
            await service.restart({ signal: i % 2 ? 'SIGTERM' : 'SIGKILL' });
            const { daemon } = service;
            const again = await daemon.post([first]);
            assert.deepEqual(again.json, { accepted: 0, ignored: 0, duplicates: 1 }, when);
            await daemon.accept([untimed()]);
            const all = await replayed(t, daemon, texts.length + 1);
            assert.deepEqual(all.slice(0, texts.length), texts, `history after a start at ${when}`);
            texts = all;
        }
        const ids = texts.flatMap(idsOf);
        assert.deepEqual(ids, [...new Set(ids)].sort(), 'ids rise over all runs');
        assert.ok(texts.map(yearOf).includes(1970));
        assert.equal(sqlite(service.database, 'PRAGMA integrity_check'), 'ok');
    });

    test('history ages by a clock that does not step', limits, async (t) => {
        const clock = new WallClock();
        const { service } = await setUp(
            t,
            { gateway: { paths: [{ path: '/', history_age: '3s', max_lag_age: '500ms' }] } },
            { bin: REGCASTD_FAST, env: clock.env },
        );
        const { daemon } = service;
        await daemon.accept([untimed()]);
        const start = performance.now();
        clock.set('-1h'); // by the wall clock it would be kept for an hour and more
        await until('it to be deleted', async () =>
            (await daemon.metrics()).get('regcast_history_messages', { path: '/' }) === 0,
        );
        const took = performance.now() - start;
        assert.ok(took > 2900 && took < 9000, `deleted after ${took} ms`);
    });
});
