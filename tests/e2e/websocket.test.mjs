// What a WebSocket client meets: the handshake, paths, its own messages, deadlines, limits, the end.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { CLOSE, CONTINUATION, PING, PONG, TEXT, frame } from './frames.mjs';
import {
    Client,
    Daemon,
    KEY,
    Raw,
    defer,
    handshake,
    makeConfig,
    newImage,
    pause,
    rawWs,
    readMessage,
    summary,
    trigger,
    until,
    within,
} from './harness.mjs';

const limits = { timeout: 60000 };

async function startDaemon(t, over) {
    const daemon = await Daemon.start(makeConfig(over));
    defer(t, () => daemon.stop());
    return daemon;
}

async function connect(t, daemon, path, options) {
    const client = await Client.open(daemon.url(path), options);
    defer(t, () => client.terminate());
    return client;
}

async function connectRaw(t, daemon, path, headers, options) {
    const raw = await rawWs(daemon.port, path, headers, options);
    defer(t, () => raw.destroy());
    return raw;
}

// Posts an event for the path's clients and waits until `client` has it: everything broadcast
// before has been delivered then.
async function marker(daemon, client) {
    const event = newImage('marker');
    await daemon.accept([event]);
    await until('the marker', () => client.messages.some((m) => String(m).includes(event.target.digest)));
}

describe('the opening handshake', () => {
    const matrix = [
        ['the usual', {}, 101],
        ['Connection with several tokens', { Connection: 'keep-alive, Upgrade' }, 101],
        ['Connection on two lines', { Connection: ['keep-alive', 'upgrade'] }, 101],
        ['Upgrade in another case', { Upgrade: 'WebSocket' }, 101],
        ['Upgrade with several tokens', { Upgrade: 'websocket, foo' }, 101],
        ['no Upgrade, no Connection', { Upgrade: null, Connection: null }, 426],
        ['no Upgrade', { Upgrade: null }, [400, 426]],
        ['no Connection', { Connection: null }, [400, 426]],
        ['another Upgrade', { Upgrade: 'h2c' }, [400, 426]],
        ['no version', { 'Sec-WebSocket-Version': null }, 426],
        ['version 8', { 'Sec-WebSocket-Version': '8' }, 426],
        ['no key', { 'Sec-WebSocket-Key': null }, 400],
        ['a short key', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZQ==' }, 400],
        ['a body', { 'Content-Length': '2' }, 400],
        ['an Origin that is allowed', { Origin: 'https://ok.example' }, 101],
        ['an Origin that is not', { Origin: 'https://bad.example' }, 403],
    ];

    test('matrix', limits, async (t) => {
        const daemon = await startDaemon(t, {
            gateway: { paths: ['/'], allowed_origins: ['https://ok.example'] },
        });
        for (const [name, headers, expected] of matrix) {
            const raw = await Raw.open(daemon.port);
            defer(t, () => raw.destroy());
            await raw.send(handshake('/', headers));
            const got = await raw.answer();
            assert.ok([expected].flat().includes(got?.status), `${name}: ${JSON.stringify(got)}`);
            if (got.status === 101) {
                const accept = createHash('sha1')
                    .update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
                    .digest('base64');
                assert.equal(got.headers['sec-websocket-accept'], accept, name);
                assert.equal(got.headers.upgrade.toLowerCase(), 'websocket', name);
                assert.equal(got.headers.connection.toLowerCase(), 'upgrade', name);
                assert.ok(!('sec-websocket-protocol' in got.headers), name);
                assert.ok(!('sec-websocket-extensions' in got.headers), name);
            } else {
                assert.match(got.headers.connection, /\bclose$/, name);
                assert.deepEqual(Object.keys(JSON.parse(got.body)), ['error'], name);
                await raw.wait(`${name}: the connection closes`, () => raw.done, 2000);
            }
            if (got.status === 426) {
                assert.equal(got.headers.upgrade.toLowerCase(), 'websocket', name);
                assert.equal(got.headers['sec-websocket-version'], '13', name);
            }
            raw.destroy();
        }
        for (const method of ['POST', 'PUT', 'DELETE', 'HEAD']) {
            const raw = await Raw.open(daemon.port);
            defer(t, () => raw.destroy());
            raw.headOnly = method === 'HEAD';
            await raw.send(handshake('/', {}, { method }));
            const got = await raw.answer();
            assert.equal(got?.status, 405, method);
            assert.match(got.headers.allow, /\bGET\b/, method);
            await raw.wait(`${method}: the connection closes`, () => raw.done, 2000);
        }
        const unknown = await Raw.open(daemon.port);
        defer(t, () => unknown.destroy());
        await unknown.send(handshake('/nowhere'));
        assert.equal((await unknown.answer()).status, 404);

        const m = await daemon.metrics();
        const opened = matrix.filter(([, , expected]) => expected === 101).length;
        assert.equal(m.get('regcast_handshakes_total'), opened);
        assert.equal(m.get('regcast_reject_total', { listener: 'gateway', reason: 'method' }), 4);
        assert.equal(m.get('regcast_reject_total', { listener: 'gateway', reason: 'not_found' }), 1);
    });

    test('every connection has an id of its own, in the answer and in the log', limits, async (t) => {
        const daemon = await startDaemon(t);
        const ids = new Set();
        for (let i = 0; i < 50; i++) {
            const client = await connect(t, daemon, '/');
            assert.match(client.id, /^[a-z0-9]{20}$/);
            ids.add(client.id);
        }
        assert.equal(ids.size, 50);
        for (const id of ids)
            await until(`a log line of ${id}`, () => daemon.logged({ conn: id, msg: 'open' }).length === 1);
    });
});

describe('paths', () => {
    const templates = [
        '/',
        '/builds',
        '/teams/{team}',
        '/teams/core',
        '/teams/{team}/status',
        '/files/{name+}',
        '/files/{name}/meta',
        '/prefix/{p+}/suffix',
        '/{a}/x',
        '/y/{b}',
        '/t/{prm}',
        '/t/{param}',
        '/g/{x+}',
        '/g/{longer+}',
    ];
    const urls = {
        '/': '/',
        '/?from=1': '/',
        '/builds': '/builds',
        '/builds/': '/builds',
        '/builds?x=/teams/core': '/builds',
        '/%62uilds': '/builds',
        '/teams/a': '/teams/{team}',
        '/teams/%d0%b9': '/teams/{team}',
        '/teams/core': '/teams/core',
        '/teams/c%6Fre': '/teams/core',
        '/teams/core/status': '/teams/{team}/status',
        '/files/a': '/files/{name+}',
        '/files/a/b/c': '/files/{name+}',
        '/files/a/meta': '/files/{name}/meta',
        '/files/a/b/meta': '/files/{name+}',
        '/prefix/1/suffix': '/prefix/{p+}/suffix',
        '/prefix/1/2/3/suffix': '/prefix/{p+}/suffix',
        '/z/x': '/{a}/x',
        '/y/x': '/y/{b}',
        '/t/1': '/t/{param}',
        '/g/1/2': '/g/{longer+}',
    };
    const nowhere = [
        '/nope',
        '/Builds',
        '/builds/more',
        '/teams',
        '/teams/a/b',
        '/files',
        '/prefix/suffix',
        '/prefix/1/suffix/2',
    ];
    const wrong = ['//', '/teams/', '//builds', '/teams//x', '/./builds', '/teams/../builds'];

    test('templates match in their order, and each is one group', limits, async (t) => {
        const daemon = await startDaemon(t, {
            gateway: { paths: templates },
            triggers: templates.flatMap((path, i) => [
                trigger(`own-${i}`, { path, image_name: `p${i}` }),
                trigger(`end-${i}`, { path, image_name: 'end' }),
            ]),
        });
        const clients = {};
        for (const url of Object.keys(urls)) clients[url] = await connect(t, daemon, url);
        for (const i of templates.keys()) await daemon.accept([newImage(`p${i}`)]);
        await daemon.accept([newImage('end')]);
        for (const [url, template] of Object.entries(urls)) {
            const repos = summary(await clients[url].first(2)).map((e) => e[1]);
            assert.deepEqual(repos, [`p${templates.indexOf(template)}`, 'end'], url);
            assert.equal(clients[url].messages.length, 2, url);
            await until(`log line of ${url}`, () =>
                daemon.logged({ conn: clients[url].id, path: template }).length > 0,
            );
        }
        for (const [list, status] of [
            [nowhere, [404]],
            [wrong, [400, 404]],
        ])
            for (const url of list) {
                const raw = await Raw.open(daemon.port);
                defer(t, () => raw.destroy());
                await raw.send(handshake(url));
                const got = await raw.answer();
                assert.ok(status.includes(got?.status), `${url}: ${JSON.stringify(got)}`);
            }
    });

    test('a catch-all takes what nothing else does', limits, async (t) => {
        const paths = ['/{any+}', '/builds', '/files/{name+}'];
        const daemon = await startDaemon(t, {
            gateway: { paths },
            triggers: paths.map((path, i) => trigger(`own-${i}`, { path, image_name: `p${i}` })),
        });
        const expected = { '/x': 'p0', '/x/y/z': 'p0', '/builds': 'p1', '/builds/1': 'p0', '/files/1/2': 'p2' };
        const clients = {};
        for (const url of Object.keys(expected)) clients[url] = await connect(t, daemon, url);
        await daemon.accept([newImage('p0'), newImage('p1'), newImage('p2')]);
        for (const [url, repo] of Object.entries(expected))
            assert.deepEqual(summary(await clients[url].first(1)).map((e) => e[1]), [repo], url);
    });
});

describe('what clients send', () => {
    const paths = [
        '/ignore',
        { path: '/reject', inbound: 'reject' },
        { path: '/echo', inbound: 'echo' },
    ];
    const names = ['/ignore', '/reject', '/echo'];
    const over = {
        gateway: { paths },
        triggers: names.map((path, i) => trigger(`path-${i}`, { path })),
    };

    test('is ignored by default, and pings are answered', limits, async (t) => {
        const daemon = await startDaemon(t, over);
        const client = await connect(t, daemon, '/ignore');
        client.socket.send('hello');
        client.socket.send(Buffer.from([0, 255]));
        client.socket.send('frag', { fin: false });
        client.socket.send('ments', { fin: true });
        const pong = new Promise((done) => client.socket.once('pong', done));
        client.socket.ping('are you there');
        assert.equal(String(await within(5000, 'the pong', pong)), 'are you there');
        await marker(daemon, client);
        assert.equal(client.messages.length, 1, 'nothing but the marker');
        const m = await daemon.metrics();
        assert.equal(m.get('regcast_inbound_messages_total'), 3);
        assert.equal(m.get('regcast_inbound_bytes_total'), 5 + 2 + 9);
    });

    test('is refused where the path says reject', limits, async (t) => {
        const daemon = await startDaemon(t, over);
        const bystander = await connect(t, daemon, '/reject');
        for (const [data, code] of [
            ['hello', 1008],
            ['', 1008],
            [Buffer.from([0, 255]), 1003],
        ]) {
            const client = await connect(t, daemon, '/reject');
            client.socket.send(data);
            assert.equal((await within(5000, 'the close', client.end)).code, code);
        }
        await marker(daemon, bystander);
        const m = await daemon.metrics();
        assert.equal(m.get('regcast_reject_total', { reason: 'inbound', stage: 'frames' }), 3);
    });

    test('comes back where the path says echo, to nobody else', limits, async (t) => {
        const daemon = await startDaemon(t, over);
        const client = await connect(t, daemon, '/echo');
        const bystander = await connect(t, daemon, '/echo');
        const texts = ['hello', '', 'наïve ☃ 🐢', 'x'.repeat(125), 'y'.repeat(126), 'z'.repeat(32768)];
        for (const text of texts) client.socket.send(text);
        assert.deepEqual(await client.first(texts.length), texts);
        assert.equal(client.binary.length, 0);
        const bytes = [Buffer.alloc(0), Buffer.from([0, 1, 254, 255]), Buffer.alloc(32768, 7)];
        for (const one of bytes) client.socket.send(one);
        assert.deepEqual((await client.first(texts.length + bytes.length)).slice(texts.length), bytes);
        assert.equal(client.binary.length, bytes.length);
        for (let i = 0; i < 4; i++) client.socket.send('f'.repeat(32768), { fin: i === 3 });
        const whole = (await client.first(10)).at(-1);
        assert.equal(whole, 'f'.repeat(131072));
        await marker(daemon, bystander);
        assert.equal(bystander.messages.length, 1);
    });

    test('echoes keep the frame limit of the path', limits, async (t) => {
        const daemon = await startDaemon(t, over);
        const raw = await connectRaw(t, daemon, '/echo');
        const payload = 'abcdefgh'.repeat(16384);
        for (let i = 0; i < 4; i++)
            await raw.send(
                frame(i === 0 ? TEXT : CONTINUATION, payload.slice(i * 32768, (i + 1) * 32768), {
                    fin: i === 3,
                }),
            );
        await raw.wait('the echo', () => raw.ws.messages.length === 1);
        assert.equal(String(raw.ws.messages[0].payload), payload);
        for (const f of raw.ws.frames) assert.ok(f.payload.length <= 32768);
    });

    test('over the limits of the path is closed with 1009', limits, async (t) => {
        const daemon = await startDaemon(t, {
            gateway: {
                paths: [
                    { path: '/small', inbound: 'echo', max_message_bytes: 4096, max_frame_bytes: 2048 },
                    { path: '/ignore', max_message_bytes: 2048, max_frame_bytes: 1024 },
                    { path: '/usual', inbound: 'echo' },
                ],
            },
            triggers: [trigger('small', { path: '/small' })],
        });
        for (const [path, frameLimit, messageLimit] of [
            ['/small', 2048, 4096],
            ['/ignore', 1024, 2048],
            ['/usual', 32768, 131072],
        ]) {
            const fits = await connect(t, daemon, path);
            const n = messageLimit / frameLimit;
            for (let i = 0; i < n; i++) fits.socket.send('x'.repeat(frameLimit), { fin: i === n - 1 });
            const alive = new Promise((done) => fits.socket.once('pong', done));
            fits.socket.ping();
            await within(5000, `${path}: a pong after the largest message`, alive);
            if (path !== '/ignore') assert.equal((await fits.first(1))[0].length, messageLimit);

            const frames = await connect(t, daemon, path);
            frames.socket.send('x'.repeat(frameLimit + 1));
            assert.equal((await within(5000, `${path}: large frame`, frames.end)).code, 1009);

            const message = await connect(t, daemon, path);
            for (let i = 0; i < n; i++) message.socket.send('x'.repeat(frameLimit), { fin: false });
            message.socket.send('x', { fin: true });
            assert.equal((await within(5000, `${path}: long message`, message.end)).code, 1009);
        }
        const m = await daemon.metrics();
        assert.equal(m.get('regcast_reject_total', { reason: 'frame_size' }), 3);
        assert.equal(m.get('regcast_reject_total', { reason: 'message_size' }), 3);
    });
});

test('a message above the frame limit leaves in fragments', limits, async (t) => {
    const daemon = await startDaemon(t, {
        gateway: { paths: [{ path: '/', max_frame_bytes: 1024 }] },
        triggers: [trigger('ten', { size: 10, cutoff: '5s' })],
    });
    const raw = await connectRaw(t, daemon, '/');
    const client = await connect(t, daemon, '/');
    const events = Array.from({ length: 10 }, () => newImage('team/app'));
    await daemon.accept(events);
    await raw.wait('the message', () => raw.ws.messages.length === 1);
    const { frames, messages, pending } = raw.ws;
    assert.equal(pending, 0);
    assert.ok(frames.length > 3, `${frames.length} frames`);
    assert.deepEqual(
        frames.map((f) => [f.opcode, f.fin]),
        frames.map((f, i) => [i === 0 ? TEXT : CONTINUATION, i === frames.length - 1]),
    );
    for (const [i, f] of frames.entries())
        assert.ok(i === frames.length - 1 ? f.payload.length <= 1024 : f.payload.length === 1024);
    const text = messages[0].payload.toString('utf8');
    assert.deepEqual(await client.first(1), [text], 'the same message for a client with a library');
    assert.deepEqual(
        readMessage(text).map((e) => e.digest),
        events.map((e) => e.target.digest),
    );
    // A ping is answered between messages, never inside one.
    await raw.send(frame(PING, 'between'));
    await raw.wait('the pong', () => raw.ws.frames.at(-1).opcode === PONG);
});

describe('deadlines', () => {
    test('pings come at their interval, and silence after one ends the connection', limits, async (t) => {
        const daemon = await startDaemon(t, {
            gateway: { paths: ['/'], ping_interval: '1s', pong_timeout: '1s' },
        });
        const polite = await connect(t, daemon, '/');
        let pings = 0;
        polite.socket.on('ping', () => pings++);
        const mute = await connectRaw(t, daemon, '/');
        const start = performance.now();
        await mute.wait('a ping', () => mute.ws.frames.some((f) => f.opcode === PING));
        const pingAt = performance.now() - start;
        await mute.wait('the end', () => mute.done);
        const endAt = performance.now() - start;
        assert.ok(pingAt > 500 && pingAt < 4000, `ping after ${pingAt} ms`);
        assert.ok(endAt - pingAt > 500 && endAt < 9000, `end after ${endAt} ms`);
        await until('three pings', () => pings >= 3);
        assert.equal(polite.closed, null);
        await until('the count', async () =>
            (await daemon.metrics()).get('regcast_closes_total', { by: 'pong' }) === 1,
        );
        assert.ok((await daemon.metrics()).get('regcast_pings_sent_total') >= 4);
    });

    test('an idle connection is closed, one that pings or listens is not', limits, async (t) => {
        const daemon = await startDaemon(t, {
            gateway: { paths: ['/', '/busy'], idle_timeout: '2s', ping_interval: '500ms' },
            triggers: [trigger('busy', { path: '/busy' })],
        });
        const idle = await connect(t, daemon, '/');
        const start = performance.now();
        const pinging = await connect(t, daemon, '/');
        const listening = await connect(t, daemon, '/busy');
        let took = null;
        idle.end.then(() => (took = performance.now() - start));
        // Twice the limit and more, so that whoever was not active would be gone as well.
        while (took === null || performance.now() - start < 5000) {
            assert.ok(performance.now() - start < 9000, 'the idle one is still open');
            pinging.socket.ping();
            await daemon.accept([newImage('team/app')]);
            await pause(100);
        }
        assert.equal((await idle.end).code, 1001);
        assert.ok(took > 1500, `closed after ${took} ms, though its pongs are no activity`);
        assert.equal(pinging.closed, null);
        assert.equal(listening.closed, null);
        assert.equal((await daemon.metrics()).get('regcast_closes_total', { by: 'idle' }), 1);
    });

    test('no connection lives longer than its lifetime', limits, async (t) => {
        const daemon = await startDaemon(t, {
            gateway: { paths: ['/'], max_lifetime: '3s', ping_interval: '500ms' },
        });
        const start = performance.now();
        const clients = [];
        for (let i = 0; i < 20; i++) clients.push(await connect(t, daemon, '/'));
        const busy = setInterval(() => clients.forEach((c) => c.closed || c.socket.ping()), 200);
        defer(t, () => clearInterval(busy));
        const codes = await within(10000, 'all ends', Promise.all(clients.map((c) => c.end)));
        const took = performance.now() - start;
        assert.ok(took > 2000, `after ${took} ms`);
        for (const { code } of codes) assert.equal(code, 1001);
        assert.equal((await daemon.metrics()).get('regcast_closes_total', { by: 'lifetime' }), 20);
    });

    test('a handshake that does not come is not waited for', limits, async (t) => {
        const daemon = await startDaemon(t, { gateway: { paths: ['/'], handshake_timeout: '1s' } });
        for (const bytes of ['', 'GET / HTTP/1.1\r\nHost: a\r\n']) {
            const raw = await Raw.open(daemon.port);
            defer(t, () => raw.destroy());
            const start = performance.now();
            if (bytes) await raw.send(bytes);
            await raw.wait(`the end of ${JSON.stringify(bytes)}`, () => raw.done, 8000);
            assert.ok(performance.now() - start > 700);
            if (bytes) assert.equal(raw.last?.status, 408);
        }
        const client = await connect(t, daemon, '/');
        await marker(daemon, client);
    });
});

test('a client gets what is broadcast once it is open, nothing from before', limits, async (t) => {
    const daemon = await startDaemon(t);
    const early = await connect(t, daemon, '/');
    for (let i = 0; i < 100; i++) {
        await marker(daemon, early);
        const late = await connect(t, daemon, '/');
        const event = newImage('team/app');
        await daemon.accept([event]);
        const [text] = await late.first(1);
        assert.equal(readMessage(text)[0].digest, event.target.digest, `client ${i}`);
    }
});

describe('closing', () => {
    test('a close is answered with its code, and the connection ends', limits, async (t) => {
        const daemon = await startDaemon(t);
        for (const code of [1000, 1001, 3000, 4999]) {
            const client = await connect(t, daemon, '/');
            client.socket.close(code, 'bye');
            assert.equal((await within(5000, 'the close', client.end)).code, code);
        }
        const raw = await connectRaw(t, daemon, '/');
        await raw.send(frame(CLOSE));
        await raw.wait('the end', () => raw.done, 5000);
        assert.deepEqual(raw.ws.close, { code: 1005, reason: '' });
        const gone = await connectRaw(t, daemon, '/');
        gone.reset();
        await until('the counts', async () => {
            const m = await daemon.metrics();
            return (
                m.get('regcast_closes_total', { by: 'peer' }) === 5 &&
                m.get('regcast_closes_total', { by: 'lost' }) === 1
            );
        });
    });

    test('a peer that does not answer our close is cut', limits, async (t) => {
        const daemon = await startDaemon(t, { gateway: { paths: ['/'], close_timeout: '1s' } });
        const files = daemon.openFiles();
        const raw = await connectRaw(t, daemon, '/');
        await raw.send(frame(3)); // a reserved opcode
        await raw.wait('the close frame', () => raw.ws.close);
        assert.equal(raw.ws.close.code, 1002);
        // It neither closes nor answers: the daemon gives the socket up by itself.
        await until('the socket to go', () => daemon.openFiles() <= files, 6000);
    });

    test('SIGTERM flushes, then closes everybody over the drain time', limits, async (t) => {
        const daemon = await startDaemon(t, {
            gateway: { paths: ['/'], drain_timeout: '2s' },
            triggers: [trigger('open', { size: 1000, cutoff: '60s' })],
        });
        assert.equal((await daemon.request('GET', '/readyz')).status, 200);
        const clients = [];
        for (let i = 0; i < 40; i++) clients.push(await connect(t, daemon, '/'));
        const ends = [];
        for (const c of clients) c.end.then(() => ends.push(performance.now()));
        const events = Array.from({ length: 3 }, () => newImage('team/app'));
        await daemon.accept(events);
        assert.ok(clients.every((c) => c.messages.length === 0), 'the batch is open');

        const start = performance.now();
        const stopped = daemon.stop();
        let refused = 0;
        let exited = false;
        daemon.exited.then(() => (exited = true));
        while (!exited) {
            const got = await daemon.request('GET', '/readyz').catch(() => null);
            if (got?.status === 503) refused++;
            else assert.equal(refused > 0 && got?.status === 200, false, 'ready again');
            await pause(20);
        }
        await stopped; // exit 0, no sanitizer's word
        const took = performance.now() - start;
        assert.ok(refused > 0, 'no 503 from /readyz while draining');
        assert.ok(took < 8000, `took ${took} ms`);
        for (const c of clients) {
            assert.ok([1001, 1012].includes(c.closed?.code), JSON.stringify(c.closed));
            assert.equal(c.messages.length, 1, 'the open batch came before the close');
            assert.deepEqual(
                readMessage(c.messages[0]).map((e) => e.digest),
                events.map((e) => e.target.digest),
            );
        }
        const spread = Math.max(...ends) - Math.min(...ends);
        assert.ok(spread > 500 && spread < 3500, `closed within ${spread} ms`);
    });

    test('SIGTERM does not cut off what a client has not read yet', limits, async (t) => {
        const daemon = await startDaemon(t, {
            gateway: { paths: ['/'], drain_timeout: '2s', send_buffer_bytes: 16384 },
            triggers: [trigger('bulk', { size: 150, cutoff: '60s' })],
        });
        const clients = [];
        for (let i = 0; i < 10; i++) clients.push(await connect(t, daemon, '/'));
        for (const c of clients) c.socket.pause();
        const events = Array.from({ length: 3100 }, () => newImage('team/app'));
        for (let i = 0; i < events.length; i += 1000) await daemon.accept(events.slice(i, i + 1000));
        const stopped = daemon.stop();
        for (const c of clients) c.socket.resume();
        await stopped;
        for (const c of clients) {
            const digests = c.messages.flatMap((text) => readMessage(text)).map((e) => e.digest);
            assert.equal(digests.length, events.length);
            assert.deepEqual(digests, events.map((e) => e.target.digest));
            assert.ok([1001, 1012].includes(c.closed?.code), JSON.stringify(c.closed));
        }
    });

    test('SIGTERM without clients ends at once, also with a client that does not answer', limits, async (t) => {
        const empty = await startDaemon(t);
        const start = performance.now();
        await empty.stop();
        assert.ok(performance.now() - start < 5000);

        const daemon = await startDaemon(t, {
            gateway: { paths: ['/'], drain_timeout: '1s', close_timeout: '1s' },
        });
        await connectRaw(t, daemon, '/');
        const half = await Raw.open(daemon.port);
        defer(t, () => half.destroy());
        await half.send('GET / HT');
        const keep = await Raw.open(daemon.webhookPort);
        defer(t, () => keep.destroy());
        await keep.send('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
        assert.equal((await keep.answer()).status, 200);
        const before = performance.now();
        await daemon.stop();
        assert.ok(performance.now() - before < 9000);
    });
});
