// regcast listen and its companions against the real daemon: every event once and in order across
// restarts of either side, what is said when events are lost, handlers, and what goes to whom.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { REGCAST, fine, regcast, wrong } from './cli.mjs';
import { Daemon, REGISTRY, defer, freePort, makeConfig, newImage, pause, push, digestOf, envelope, readMessage, start, tempDir, trigger, until, within } from './harness.mjs';

const limits = { timeout: 120000 };

// A daemon on ports that stay the same over restarts.
async function service(t, over = {}) {
    const { gateway = {}, ...rest } = over;
    const [port, hooks, management] = [await freePort(), await freePort(), await freePort()];
    const config = makeConfig({
        gateway: { listen: [`127.0.0.1:${port}`], ...gateway },
        webhooks: { listen: [`127.0.0.1:${hooks}`] },
        management: { listen: [`127.0.0.1:${management}`] },
        ...rest,
    });
    const s = { url: `ws://127.0.0.1:${port}`, hooks: `127.0.0.1:${hooks}`, endpoint: `127.0.0.1:${management}` };
    s.start = async () => (s.daemon = await Daemon.start(config));
    s.kill = async () => {
        s.daemon.child.kill('SIGKILL');
        await s.daemon.ends('SIGKILL');
    };
    await s.start();
    defer(t, () => s.daemon.stop());
    return s;
}

// A `regcast listen` that runs: its lines of output so far, and how it ended.
function listen(t, args, { env = {} } = {}) {
    const l = { out: [], err: [] };
    const { child, exited } = start(REGCAST, ['listen', ...args], {
        env: { HOME: tempDir(), ...env },
        onLine: (line, stream) => (stream === 'stdout' ? l.out : l.err).push(line),
    });
    l.child = child;
    l.exited = exited;
    l.end = async (signal = 'SIGTERM') => {
        child.kill(signal);
        return within(15000, 'end of regcast', exited);
    };
    defer(t, () => l.end('SIGKILL'));
    return l;
}

const lines = (file) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []);
const idOf = (line) => JSON.parse(line).event_metadata.event_id;
const connected = (s, n = 1) =>
    until('the listener', async () => {
        const got = await s.daemon.request('GET', '/metrics');
        return [...got.text.matchAll(/^regcast_connections\{.*\} (\d+)$/gm)].reduce((sum, m) => sum + Number(m[1]), 0) === n;
    });
// New images r/0, r/1, ... one event each.
const images = (from, n) => Array.from({ length: n }, (_, i) => newImage(`r/${from + i}`));
const names = (from, n) => Array.from({ length: n }, (_, i) => `${REGISTRY}/r/${from + i}`);

describe('every event once and in order', () => {
    test('though regcastd is killed five times under a handler', limits, async (t) => {
        const s = await service(t, { triggers: [trigger('all', { size: 7, cutoff: '1s' })] });
        const dir = tempDir();
        const seen = join(dir, 'seen');
        const resume = join(dir, 'position');
        const l = listen(t, [`${s.url}/`, '--since', 'earliest', '--resume-file', resume, '--exec', `cat >>${seen}; echo >>${seen}; echo $REGCAST_REPOSITORY >>${seen}.names`]);
        for (let round = 0; round < 5; round++) {
            await s.daemon.accept(images(round * 40, 40));
            await until('some of them', () => lines(seen).length >= round * 40 + 15, 20000);
            await s.kill();
            await s.start();
        }
        await until('all of them', () => lines(`${seen}.names`).length >= 200, 60000);
        await pause(300); // for one too many
        assert.deepEqual(lines(`${seen}.names`), names(0, 200));
        const ids = lines(seen).map(idOf);
        assert.equal(new Set(ids).size, 200);
        await until('the position', () => lines(resume)[0] === ids[199]);
        assert.deepEqual(await l.end(), { code: 0, signal: null });
    });

    test('over a shutdown in order, which is told once', limits, async (t) => {
        const s = await service(t);
        const l = listen(t, [`${s.url}/`, '--since', 'earliest']);
        await s.daemon.accept(images(0, 3));
        await until('three', () => l.out.length === 3);
        await s.daemon.stop();
        await until('a word', () => l.err.length > 0);
        assert.match(l.err[0], /the connection was closed, 1012.*; again in/);
        await s.start();
        await s.daemon.accept(images(3, 3));
        await until('six', () => l.out.length === 6, 30000);
        assert.deepEqual(l.out.map((line) => JSON.parse(line).details.repository_name), names(0, 6));
        assert.equal(l.err.length, 1);
        await l.end();
    });

    for (const signal of ['SIGKILL', 'SIGTERM'])
        test(`though the listener is ended by ${signal} in the middle of batches`, limits, async (t) => {
            const s = await service(t, { triggers: [trigger('all', { size: 10, cutoff: '1s' })] });
            const dir = tempDir();
            const seen = join(dir, 'seen');
            const resume = join(dir, 'position');
            // A handler that bears being run again, as a killed listener cannot tell what it did.
            const handler = `grep -qx "$REGCAST_EVENT_ID" ${seen} || echo "$REGCAST_EVENT_ID" >>${seen}; sleep 0.01`;
            writeFileSync(seen, '');
            const args = [`${s.url}/`, '--since', 'earliest', '--resume-file', resume, '--exec', handler];
            await s.daemon.accept(images(0, 60));
            for (const enough of [3, 15, 31, 44]) {
                const l = listen(t, args);
                await until('some', () => lines(seen).length >= enough, 20000);
                const how = await l.end(signal);
                if (signal === 'SIGTERM') {
                    assert.deepEqual(how, { code: 0, signal: null });
                    assert.equal(lines(resume)[0], lines(seen).at(-1), 'nothing is handled again');
                }
                const [position, ...rest] = lines(resume);
                assert.match(position, /^crt[0-9a-v]{17}$/);
                assert.ok(rest.length < 10);
                await pause(100); // an orphaned handler may still be at work
            }
            const all = await regcast(['listen', `${s.url}/`, '--since', 'earliest', '--count', '60']);
            const l = listen(t, args);
            await until('all', () => lines(seen).length >= 60, 20000);
            assert.deepEqual(lines(seen), all.stdout.trim().split('\n').map(idOf));
            await l.end();
            assert.deepEqual(lines(resume), [lines(seen)[59]]);
        });

    test('whole batches, and printing, go on at the same place', limits, async (t) => {
        const s = await service(t, { triggers: [trigger('all', { size: 5, cutoff: '1s' })] });
        const resume = join(tempDir(), 'position');
        await s.daemon.accept(images(0, 15));
        const args = ['listen', `${s.url}/`, '--since', 'earliest', '--resume-file', resume];
        const first = await regcast([...args, '--count', '3']);
        fine(first);
        const printed = first.stdout.trim().split('\n');
        assert.equal(printed.length, 3);
        assert.equal(lines(resume).length, 3, 'two events of the batch are left');
        const second = await regcast([...args, '--count', '2', '--per', 'batch']);
        assert.equal(readMessage(second.stdout.trim()).length, 2);
        const third = await regcast([...args, '--count', '1', '--per', 'batch', '--exec', 'cat; echo; echo $REGCAST_EVENT_ID $REGCAST_TAG.']);
        const [body, id] = third.stdout.split('\n');
        const batch = readMessage(body);
        assert.equal(batch.length, 5);
        assert.equal(id, `${batch[4].id} .`);
        assert.deepEqual(lines(resume), [batch[4].id]);
    });
});

describe('lost events', () => {
    async function forgetful(t) {
        const s = await service(t, { gateway: { paths: [{ path: '/', history_count: 2, max_lag_age: '400ms' }] } });
        await s.daemon.accept(images(0, 1));
        const first = (await regcast(['listen', `${s.url}/`, '--since', 'earliest', '--count', '1'])).stdout;
        await s.daemon.accept(images(1, 5));
        await until('the first to be forgotten', async () => (await s.daemon.metrics()).get('regcast_history_messages', { path: '/' }) === 2);
        return { s, id: idOf(first) };
    }

    test('are told, and what is kept follows', limits, async (t) => {
        const { s, id } = await forgetful(t);
        const got = await regcast(['listen', `${s.url}/`, '--since', id, '--count', '2']);
        assert.equal(got.code, 0, got.stderr);
        const kept = got.stdout.trim().split('\n');
        assert.deepEqual(kept.map((line) => JSON.parse(line).details.repository_name), names(4, 2));
        assert.match(got.stderr, new RegExp(`^ERROR: gap: the events after ${id} are lost; the oldest that is kept is ${idOf(kept[0])}\n`));
        assert.equal(got.stderr.match(/gap/g).length, 1);
    });

    test('end it with --strict', limits, async (t) => {
        const { s, id } = await forgetful(t);
        wrong(await regcast(['listen', `${s.url}/`, '--since', id, '--strict']), 1, /gap: the events after .* are lost/);
    });
});

describe('handlers', () => {
    test('that fail are run again, and then end it with their exit code', limits, async (t) => {
        const s = await service(t);
        const dir = tempDir();
        const resume = join(dir, 'position');
        await s.daemon.accept(images(0, 3));
        const handler = `echo x >>${dir}/runs; [ "$REGCAST_REPOSITORY" != ${REGISTRY}/r/1 ] || exit 7`;
        const got = await regcast(['listen', `${s.url}/`, '--since', 'earliest', '--resume-file', resume, '--exec-retries', '2', '--exec', handler]);
        assert.equal(got.code, 7);
        assert.equal(lines(`${dir}/runs`).length, 4);
        assert.match(got.stderr, /the command failed for event crt\S+, exit code 7; again in .*\n.*again in .*\nERROR: the command failed/);
        const [first] = (await regcast(['listen', `${s.url}/`, '--since', 'earliest', '--count', '1'])).stdout.split('\n');
        assert.deepEqual(lines(resume), [idOf(first)], 'the position did not move');
        const killed = await regcast(['listen', `${s.url}/`, '--since', 'earliest', '--exec-retries', '0', '--exec', 'kill -9 $$']);
        assert.equal(killed.code, 137);
    });

    test('are waited for at a signal, interrupted at the second', limits, async (t) => {
        const s = await service(t);
        const dir = tempDir();
        await s.daemon.accept(images(0, 2));
        const slow = ['--since', 'earliest', '--exec-retries', '5'];
        const one = listen(t, [`${s.url}/`, ...slow, '--exec', `echo >>${dir}/one; sleep 1; echo >>${dir}/done`]);
        await until('the first', () => existsSync(`${dir}/one`));
        assert.deepEqual(await one.end('SIGINT'), { code: 0, signal: null });
        assert.equal(lines(`${dir}/done`).length, 1);
        const two = listen(t, [`${s.url}/`, ...slow, '--exec', `echo >>${dir}/two; sleep 60`]);
        await until('the second', () => existsSync(`${dir}/two`));
        two.child.kill('SIGINT');
        await pause(200);
        assert.deepEqual(await two.end('SIGINT'), { code: 143, signal: null });
    });

    test('may be slower than pings, and need not read', limits, async (t) => {
        const s = await service(t, { gateway: { ping_interval: '1s', pong_timeout: '1s' } });
        const l = listen(t, [`${s.url}/`, '--exec', 'exec <&-; sleep 3; echo $REGCAST_REPOSITORY']);
        await connected(s);
        await s.daemon.accept(images(0, 2));
        await until('both', () => l.out.length === 2, 20000);
        assert.deepEqual(l.out, names(0, 2));
        assert.equal(l.err.join(), '', 'the connection stayed');
        await l.end();
    });
});

describe('output', () => {
    const TTY = spawnSync('script', ['--version']).status === 0;

    // What a command prints on a terminal.
    function onTerminal(args, env = {}) {
        const line = [REGCAST, ...args].map((arg) => `'${arg}'`).join(' ');
        const ran = spawnSync('script', ['-qec', line, join(tempDir(), 'typescript')], {
            encoding: 'utf8',
            timeout: 30000,
            env: { PATH: process.env.PATH, HOME: tempDir(), TERM: 'xterm', ...env },
        });
        return ran.stdout.replaceAll('\r', '');
    }

    test('a pipe gets JSON lines, a terminal aligned ones with colours', limits, async (t) => {
        const s = await service(t);
        await s.daemon.accept([push('team/app', digestOf('a'), 'v1')]);
        const args = ['listen', `${s.url}/`, '--since', 'earliest', '--count', '2'];
        const pipe = await regcast(args);
        fine(pipe);
        assert.deepEqual(pipe.stdout.trim().split('\n').map((line) => JSON.parse(line).details.tag), ['v1', 'v1']);
        const pretty = await regcast([...args, '--format', 'pretty']);
        const short = digestOf('a').slice(0, 19);
        const expected = new RegExp(`^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d  CreateImage     team/app:v1 {31}${short}\n\\S+ \\S+  CreateImageTag  team/app:v1 {31}${short}\n$`);
        assert.match(pretty.stdout, expected);
        if (!TTY) return;
        const colored = onTerminal(args);
        assert.match(colored, /\x1b\[32mCreateImage\x1b\[0m/);
        assert.match(colored, /connected to ws:.* as \S+/);
        assert.doesNotMatch(onTerminal(args, { NO_COLOR: '1' }), /\x1b/);
        assert.match(onTerminal([...args, '--format', 'json']), /^\{"event_metadata"/m);
    });

    test('a reader that has enough ends it quietly', limits, async (t) => {
        const s = await service(t);
        await s.daemon.accept(images(0, 20));
        const ran = spawnSync('sh', ['-c', `'${REGCAST}' listen ${s.url}/ --since earliest | head -n 2`], { encoding: 'utf8', timeout: 20000, killSignal: 'SIGKILL' });
        assert.deepEqual([ran.stderr, ran.signal], ['', null], 'by itself, although no event comes any more');
        assert.equal(ran.stdout.split('\n').length, 3);
    });
});

describe('a server that is none, or not now', () => {
    test('refusals: what may pass is waited for, the rest ends it', limits, async (t) => {
        const answers = [];
        const requests = [];
        const server = http.createServer((req, res) => {
            requests.push({ at: performance.now(), headers: req.headers, url: req.url });
            const [status, headers] = answers.shift() ?? [404, {}];
            res.writeHead(status, headers).end();
        });
        await new Promise((done) => server.listen(0, '127.0.0.1', done));
        defer(t, () => new Promise((done) => server.close(done)));
        const url = `ws://127.0.0.1:${server.address().port}/x?a=1`;
        answers.push([503, { 'Retry-After': '1' }], [401, {}]);
        const got = await regcast(['listen', url, '--since', 'crt06h0417av80000000', '--header', 'Authorization: Bearer t', '--header', 'X-A: b']);
        assert.equal(got.code, 1);
        assert.match(got.stderr, /HTTP status 503; again in 1\.\d s\nERROR: .* refused it: HTTP status 401\n$/);
        assert.equal(requests.length, 2);
        assert.ok(requests[1].at - requests[0].at >= 990);
        const { headers } = requests[0];
        assert.equal(requests[0].url, '/x?a=1&since=crt06h0417av80000000');
        assert.deepEqual([headers.authorization, headers['x-a'], headers['sec-websocket-protocol']], ['Bearer t', 'b', 'regcast.v1']);
    });

    test('nobody there, garbage, a close for nothing: it tries again, and ends at a signal', limits, async (t) => {
        const port = await freePort();
        const l = listen(t, [`ws://127.0.0.1:${port}/`]);
        await until('a word', () => l.err.length > 0);
        assert.match(l.err[0], /connection refused; again in [\d.]+ s/);
        let n = 0;
        const server = net.createServer((socket) => {
            n++;
            socket.on('error', () => {});
            socket.resume();
            socket.end(n === 1 ? 'SSH-2.0-x\r\n\r\n' : '');
        });
        await new Promise((done) => server.listen(port, '127.0.0.1', done));
        defer(t, () => new Promise((done) => server.close(done)));
        await until('three attempts', () => n >= 3, 30000);
        assert.equal(l.err.length, 1, 'said once');
        assert.deepEqual(await l.end('SIGINT'), { code: 0, signal: null });
    });

    test('wrong usage', limits, async () => {
        const url = 'ws://127.0.0.1:1/';
        for (const [args, says] of [
            [[], /expected <URL>/],
            [['http://a/'], /expected ws:/],
            [[`${url}?since=x`], /since and strict are flags/],
            [[url, '--since', 'yesterday'], /--since: expected an event id/],
            [[url, '--count', '0'], /--count/],
            [[url, '--per', 'day'], /--per/],
            [[url, '--format', 'yaml'], /--format/],
            [[url, '--exec-retries', '-1'], /--exec-retries/],
            [[url, '--header', 'x'], /--header: expected/],
            [[url, '--header', 'Host: x'], /--header: Host is made by regcast/],
        ])
            wrong(await regcast(['listen', ...args]), 2, says);
        const file = join(tempDir(), 'position');
        writeFileSync(file, 'something else\n');
        wrong(await regcast(['listen', url, '--resume-file', file]), 1, /no file of --resume-file/);
        assert.equal(readFileSync(file, 'utf8'), 'something else\n');
    });

    test('a position that cannot be kept ends it', { ...limits, skip: process.getuid() === 0 && 'root may write anywhere' }, async (t) => {
        const s = await service(t);
        const dir = tempDir();
        await s.daemon.accept(images(0, 1));
        chmodSync(dir, 0o500);
        const got = await regcast(['listen', `${s.url}/`, '--since', 'earliest', '--resume-file', join(dir, 'position')]);
        assert.equal(got.code, 1);
        assert.match(got.stderr, /permission denied/);
    });
});

describe('the other commands', () => {
    test('tail finds the gateway by the endpoint', limits, async (t) => {
        const s = await service(t, { gateway: { paths: ['/a', '/b'] }, triggers: [trigger('only-b', { path: '/b' })] });
        await s.daemon.accept(images(0, 1));
        const tail = (...args) => regcast(['tail', ...args, '--since', 'earliest', '--count', '1']);
        for (const args of [['/b', '--endpoint', s.endpoint], ['b', '--url', s.url], ['/b', '--url', s.url.slice(5)]]) {
            const got = await tail(...args);
            fine(got);
            assert.match(got.stdout, /  CreateImage     r\/0 /);
        }
        wrong(await tail('--endpoint', s.endpoint), 2, /expected one of the paths: \/a \/b/);
        wrong(await tail('--endpoint', '127.0.0.1:1', '--retry', '0'), 1, /cannot reach/);
    });

    test('events post, explain', limits, async (t) => {
        const s = await service(t);
        const file = join(tempDir(), 'body.json');
        const body = envelope(images(0, 2));
        writeFileSync(file, body);
        const post = (name, options, ...args) => regcast(['events', 'post', name, '--url', s.hooks, ...args], options);
        fine(await post(file), 'accepted: 2\nignored: 0\nduplicates: 0\n');
        const again = await post('-', { input: body }, '--format', 'json');
        assert.deepEqual(JSON.parse(again.stdout), { accepted: 0, ignored: 0, duplicates: 2 });
        wrong(await post(file, {}, '--registry-id', 'crtnobody00000000000'), 1, /refused: HTTP status 404/);
        wrong(await post(`${file}.not`), 1, /no such file/);
        wrong(await regcast(['events', 'post']), 2, /expected <FILE>/);
        wrong(await regcast(['events', 'post', file, '--url', '127.0.0.1:1', '--retry', '0']), 1, /cannot reach/);

        const ids = (await regcast(['listen', `${s.url}/`, '--since', 'earliest', '--count', '2'])).stdout.trim().split('\n').map(idOf);
        const text = await regcast(['explain', ids[0]], { endpoint: s.endpoint });
        fine(text);
        assert.match(text.stdout, /^\| everything \| a1s\S+ \| \/ +\| 1 +\| size +\| \d{4}-\S+ \S+ +(\| 0 +){4}\|$/m);
        assert.match(text.stdout, /^repository +r\/0$/m);
        assert.match(text.stdout, /^from +127\.0\.0\.1:\d+$/m);
        assert.match(text.stdout, /^duplicates +1, the last at \d{4}-/m);
        assert.match(text.stdout, /^triggers\n {4}taken by everything$/m);
        const json = JSON.parse((await regcast(['explain', ids[1], '--format', 'json'], { endpoint: s.endpoint })).stdout);
        assert.equal(json.batches[0].last_event_id, ids[1]);
        wrong(await regcast(['explain', 'crt06h0417av80000000'], { endpoint: s.endpoint }), 1, /code = NotFound/);
        wrong(await regcast(['explain']), 2, /expected <EVENT-ID>/);
    });

    // Commands have run for these events before; who wants them again says so, and the position does not go back.
    test('replay, and who takes it', limits, async (t) => {
        const s = await service(t, { triggers: [trigger('all', { size: 2, cutoff: '1s' })] });
        const dir = tempDir();
        const file = (name) => join(dir, name);
        const follow = (name, ...args) =>
            listen(t, [`${s.url}/`, '--since', 'earliest', '--resume-file', file(`${name}.position`), '--exec', `echo $REGCAST_REPOSITORY $REGCAST_REPLAY >>${file(name)}`, ...args]);
        const both = [follow('plain'), follow('taker', '--replays')];
        const pretty = listen(t, [`${s.url}/`, '--since', 'earliest', '--format', 'pretty']);
        const json = listen(t, [`${s.url}/`, '--since', 'earliest', '--format', 'json']);
        await connected(s, 4);
        await s.daemon.accept(images(0, 4));
        await until('all of them', () => ['plain', 'taker'].every((name) => lines(file(name)).length === 4) && json.out.length === 4);
        const ids = json.out.map(idOf);
        const replay = (...args) => regcast(['replay', '--path', '/', ...args], { endpoint: s.endpoint });
        const sent = await replay('--since', ids[0]);
        assert.match(sent.stdout, /^rpl\S{17}: 1 messages with 2 events to 4 connections\n$/);
        await until('it was taken', () => lines(file('taker')).length === 6 && pretty.out.length === 6);
        const id = sent.stdout.slice(0, 20);
        assert.deepEqual(lines(file('taker')), [...names(0, 4), ...names(2, 2).map((name) => `${name} ${id}`)]);
        assert.match(pretty.out[4], /^\S+ \S+  CreateImage     r\/2 .*  \(replay\)$/);
        const readPosition = () => readFileSync(file('taker.position'), 'utf8').trim();
        await until('nothing of it is left to do', () => !readPosition().includes('\n'));
        const position = readPosition();
        assert.ok(position > ids[3], 'the id of the replay itself');

        // To one connection alone: nothing to go on behind.
        const { json: list } = await s.daemon.manage('GET', '/gateway/v1/connections');
        for (const { id: connection } of list.connections)
            fine(await replay('--event', ids[1], '--connection', connection));
        await until('it was taken again', () => lines(file('taker')).length === 7 && pretty.out.length === 7);
        assert.equal(readFileSync(file('taker.position'), 'utf8').trim(), position);

        for (const l of both) await l.end();
        await s.daemon.accept(images(4, 2));
        both.splice(0, 2, follow('plain'), follow('taker', '--replays'));
        await until('what is new', () => lines(file('plain')).length >= 6 && lines(file('taker')).length >= 9);
        assert.deepEqual(lines(file('plain')), names(0, 6));
        assert.deepEqual(lines(file('taker')).slice(7), names(4, 2));
        await until('the new ones', () => json.out.length >= 6);
        assert.equal(json.out.length, 6, 'what is read by programs has no replays');

        const answer = JSON.parse((await replay('--event', ids[0], '--format', 'json')).stdout);
        assert.deepEqual(Object.keys(answer), ['replay_id', 'messages', 'events', 'connections']);
        const text = (await regcast(['explain', ids[0]], { endpoint: s.endpoint })).stdout;
        assert.match(text, /^\| \(replay\) +\| +\| \/ +\| 1 +\| replay +\|/m);
        wrong(await replay('--event', 'crt06h0417av80000000'), 1, /code = NotFound/);
        wrong(await replay(), 2, /--event or --since/);
        wrong(await regcast(['replay', '--event', ids[0]]), 2, /expected --path/);
    });

    test('events post waits when it is asked to', limits, async (t) => {
        const times = [];
        const server = http.createServer((req, res) => {
            times.push([performance.now(), req.headers]);
            req.resume().on('end', () => {
                if (times.length === 1) res.writeHead(503, { 'Retry-After': '1' }).end();
                else res.writeHead(202).end('{"accepted":1,"ignored":0,"duplicates":0}');
            });
        });
        await new Promise((done) => server.listen(0, '127.0.0.1', done));
        defer(t, () => new Promise((done) => server.close(done)));
        const url = `http://127.0.0.1:${server.address().port}/`;
        fine(await regcast(['events', 'post', '-', '--url', url, '--token', 'secret'], { input: ' {"events":[]}\n', env: { REGCAST_TOKEN: 'of management' } }));
        assert.equal(times.length, 2);
        assert.ok(times[1][0] - times[0][0] >= 990);
        assert.equal(times[0][1].authorization, 'Bearer secret');
        assert.equal(times[0][1]['content-type'], 'application/vnd.docker.distribution.events.v1+json');
        times.length = 1;
        fine(await regcast(['events', 'post', '-', '--url', url], { input: '{}', env: { REGCAST_TOKEN: 'of management' } }));
        assert.equal(times[1][1].authorization, undefined);
        assert.equal(times[1][1]['content-type'], 'application/json');
    });

    test('status', limits, async (t) => {
        const s = await service(t, { gateway: { paths: ['/', '/b'] } });
        listen(t, [`${s.url}/`]);
        await connected(s);
        const at = ['status', '--url', s.hooks, '--endpoint', s.endpoint];
        const running = regcast([...at, '--interval', '2s', '--format', 'json']);
        await pause(500);
        await s.daemon.accept(images(0, 4));
        const got = await running;
        fine(got);
        const report = JSON.parse(got.stdout);
        assert.deepEqual([report.ready, report.connections, report.journal.state, report.dead_letters], [true, 1, 'works', 0]);
        assert.ok(report.per_second.events > 1 && report.per_second.events <= 2, got.stdout);
        assert.ok(report.per_second.frames > 1, got.stdout);
        assert.deepEqual(report.lag, { connections_seen: 1, connections_behind: 0, largest_ms: 0 });
        assert.deepEqual(report.paths.map((p) => [p.path, p.connections, p.sent_frames]), [['/', 1, 4], ['/b', 0, 0]]);
        const text = await regcast([...at, '--interval', '100ms']);
        fine(text);
        assert.match(text.stdout, /^regcastd +\S+ at \S+, ready\nconnections +1\n/);
        const child = spawn(REGCAST, [...at, '--interval', '100ms', '--watch'], { stdio: ['ignore', 'pipe', 'inherit'] });
        let out = '';
        child.stdout.on('data', (data) => (out += data));
        await until('three screens', () => (out.match(/^regcastd/gm) ?? []).length >= 3);
        child.kill('SIGINT');
        wrong(await regcast(['status', '--url', '127.0.0.1:1']), 1, /cannot reach 127.0.0.1:1/);
    });
});
