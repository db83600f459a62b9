// Backends that are down, slow or wrong: what the client gets, that nothing stays behind, and that broadcasts go on.
import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, test } from 'node:test';
import { RawBackend, allTo, operation, startSpec as startWith } from './backend.mjs';
import { Client, Raw, defer, freePort, handshake, newImage, start, trigger, until, within } from './harness.mjs';

const limits = { timeout: 120000 };
const OK = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello';
const isMessage = (request) => /websocket-event-type: message/i.test(request);

// With a path beside that asks nobody, and the same broadcasts on it.
const beside = { '/open': { 'x-yc-apigateway-websocket-message': operation({ type: 'dummy', http_code: 204, content: { '*': '' } }) } };
const startSpec = (t, paths, over) => startWith(t, { ...paths, ...beside }, { triggers: [...Object.keys(paths), '/open'].map((path, i) => trigger(`t-${i}`, { path })), ...over });

async function connect(t, daemon, path = '/ws') {
    const client = await Client.open(daemon.url(path));
    defer(t, () => client.terminate());
    return client;
}

// Who is on the path without asking its backend: for what is broadcast meanwhile.
async function open(t, daemon) {
    const client = await Client.open(daemon.url('/open'));
    defer(t, () => client.terminate());
    return client;
}

async function shake(daemon, path = '/ws') {
    const raw = await Raw.open(daemon.port);
    try {
        await raw.send(handshake(path));
        await raw.wait('an answer', () => raw.last || raw.done, 15000);
        return raw.last?.status;
    } finally {
        raw.destroy();
    }
}

// A broadcast arrives on the path.
async function serves(daemon, client) {
    const before = client.messages.length;
    await daemon.accept([newImage('alive')]);
    await client.first(before + 1, 5000);
}

const backends = { connect_timeout: '500ms', read_timeout: '700ms', request_timeout: '3s', breaker_failures: 0 };
const settle = (daemon) => until('no request to be under way', async () => {
    const metrics = await daemon.metrics();
    return (metrics.get('regcast_backend_under_way') ?? 0) === 0 && (metrics.get('regcast_backend_waiting') ?? 0) === 0;
});

// A listener that takes no more connections: the port of a process that never accepts, with its backlog full.
async function full(t) {
    const code = `const s = require('node:net').createServer();
        s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
            require('node:fs').writeSync(1, s.address().port + '\\n');
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        });`;
    let port;
    const { child, exited } = start(process.execPath, ['-e', code], { onLine: (line) => (port = Number(line)) });
    defer(t, async () => {
        child.kill('SIGKILL');
        await exited;
    });
    await until('the port', () => port);
    for (let n = 0; n < 20; n++) {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('error', () => {});
        defer(t, () => socket.destroy());
        const connected = new Promise((done) => socket.on('connect', () => done(true)));
        if (!(await within(500, 'a connection', connected).catch(() => false))) return port;
    }
    throw new Error('it takes more and more connections');
}

// How it answers, and what a handshake gets for that.
const wrong = [
    ['says nothing', () => {}, 504],
    ['closes', (socket) => socket.end(), 502],
    ['resets', (socket) => socket.resetAndDestroy(), 502],
    ['speaks something else', (socket) => socket.write('220 smtp ready\r\n'), 502],
    ['answers 10 MB', (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${10 << 20}\r\n\r\n`);
        socket.write(Buffer.alloc(10 << 20, 'x'));
    }, 502],
    ['answers 10 MB without saying so', (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        for (let i = 0; i < 160; i++) socket.write(`10000\r\n${'x'.repeat(65536)}\r\n`);
    }, 502],
    ['has chunks with a wrong size', (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n'), 502],
    ['has a chunk that never ends', (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel'), 504],
    ['redirects', (socket) => socket.write('HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n'), 302],
    ['drips headers for ever', (socket) => {
        socket.write('HTTP/1.1 200 OK\r\n');
        const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write('X-A: b\r\n')), 50);
    }, [502, 504]],
    ['has 100 KB of headers', (socket) => socket.write(`HTTP/1.1 200 OK\r\n${'X-A: bbbbbbbbbbbbbbbb\r\n'.repeat(5000)}\r\n`), 502],
];

describe('connect', () => {
    for (const [name, serve, status] of wrong)
        test(`a backend that ${name}: ${status}`, limits, async (t) => {
            const backend = await RawBackend.start(t, serve);
            const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends });
            assert.ok([status].flat().includes(await shake(daemon)));
            await settle(daemon);
        });

    test('a backend that is down: 502', limits, async (t) => {
        const daemon = await startSpec(t, { '/ws': allTo(`http://127.0.0.1:${await freePort()}`) }, { backends });
        assert.equal(await shake(daemon), 502);
    });

    test('a backend that has no room for more connections hangs in connect: 504', limits, async (t) => {
        const port = await full(t);
        const daemon = await startSpec(t, { '/ws': allTo(`http://127.0.0.1:${port}`) }, { backends });
        const listener = await open(t, daemon);
        const start = performance.now();
        const asked = Array.from({ length: 20 }, () => shake(daemon));
        for (let i = 0; i < 5; i++) await serves(daemon, listener);
        assert.deepEqual(new Set(await Promise.all(asked)), new Set([504]));
        const took = performance.now() - start;
        assert.ok(took > 450 && took < 4000, `after ${took} ms`);
        await settle(daemon);
    });

    test('a backend that drips its answer is given up when its time is over: 504', limits, async (t) => {
        const backend = await RawBackend.start(t, (socket) => {
            socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
            const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write('x')), 50);
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends: { ...backends, request_timeout: '1s' } });
        const start = performance.now();
        assert.equal(await shake(daemon), 504);
        const took = performance.now() - start;
        assert.ok(took > 900 && took < 4000, `after ${took} ms`);
    });

    test('more handshakes than may be asked about or wait: 503, and the others are answered', limits, async (t) => {
        const held = [];
        const backend = await RawBackend.start(t, (socket) => held.push(socket));
        const over = { gateway: { workers: 1 }, backends: { ...backends, read_timeout: '20s', request_timeout: '20s', max_calls: 4, max_waiting: 8 } };
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, over);
        const asked = Array.from({ length: 40 }, () => shake(daemon));
        let done = 0;
        for (const one of asked) one.then(() => done++);
        await until('the rest to be refused', () => done === 28);
        await until('four to be asked', () => held.length === 4);
        await until('the others to be answered', () => {
            for (const socket of held.splice(0)) socket.write(OK);
            return done === 40;
        });
        const statuses = await Promise.all(asked);
        assert.deepEqual([statuses.filter((s) => s === 503).length, statuses.filter((s) => s === 101).length], [28, 12]);
    });

    test('an address that is not allowed: 502 egress', limits, async (t) => {
        const backend = await RawBackend.start(t, (socket) => socket.write(OK));
        const names = [`127.0.0.1:${backend.port}`, `localhost:${backend.port}`, `0x7f000001:${backend.port}`, `2130706433:${backend.port}`, `[::ffff:127.0.0.1]:${backend.port}`, '169.254.169.254', '10.0.0.1'];
        const paths = Object.fromEntries(names.map((name, i) => [`/ws${i}`, allTo(`http://${name}`)]));
        const daemon = await startSpec(t, paths, { backends: { ...backends, allowed_networks: ['192.0.2.0/24'] } });
        for (let i = 0; i < names.length; i++) assert.equal(await shake(daemon, `/ws${i}`), 502, names[i]);
        assert.equal(backend.requests, 0);
        assert.ok(daemon.logged({ reason: 'egress' }).length > 0);
    });

    test('a breaker spares a backend that is down', limits, async (t) => {
        let down = true;
        const backend = await RawBackend.start(t, (socket) => (down ? socket.destroy() : socket.write(OK)));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { gateway: { workers: 1 }, backends: { ...backends, breaker_failures: 3, breaker_timeout: '1s' } });
        for (let i = 0; i < 3; i++) assert.equal(await shake(daemon), 502);
        const asked = backend.requests;
        for (let i = 0; i < 5; i++) assert.equal(await shake(daemon), 503);
        assert.equal(backend.requests, asked);
        down = false;
        await until('it is asked again', async () => (await shake(daemon)) === 101);
    });
});

describe('message', () => {
    test('nothing comes back from a backend that fails, and the connection lives', limits, async (t) => {
        let how = null;
        let told = 0;
        const backend = await RawBackend.start(t, (socket, request) => {
            if (!isMessage(request) || !how) return socket.write(OK);
            told++;
            return how(socket);
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends });
        const client = await connect(t, daemon);
        let n = 0;
        for (const [name, serve, status] of wrong.filter(([, , code]) => code !== 302)) { // a redirect is an answer
            how = serve;
            told = 0;
            client.socket.send('lost');
            await until(`the backend that ${name} to be told`, () => told > 0);
            await serves(daemon, client);
            how = null;
            client.socket.send('good'); // waits until the one before is given up
            assert.equal((await client.first(n + 2)).at(-1), 'hello', `${name}: ${status}`);
            n += 2;
            assert.equal(client.messages.length, n, name);
        }
        assert.equal(client.closed, null);
        assert.ok(daemon.logged({ component: 'access', level: 'warn', operation: 'MESSAGE', conn: client.id }).length > 3, 'it is in the log');
    });

    test('nothing comes back from a backend that is down, and when it is there again it is asked', limits, async (t) => {
        const port = await freePort();
        const daemon = await startSpec(t, { '/ws': { 'x-yc-apigateway-websocket-message': operation({ type: 'http', url: `http://127.0.0.1:${port}/` }) } }, { backends });
        const client = await connect(t, daemon);
        for (let i = 0; i < 50; i++) client.socket.send('lost');
        await until('all to be given up', async () => (await daemon.metrics()).get('regcast_backend_calls_total', { result: 'failed' }) === 50);
        assert.deepEqual(client.messages, []);
        await RawBackend.start(t, (socket) => socket.write(OK), port);
        client.socket.send('good');
        assert.deepEqual(await client.first(1), ['hello']);
    });

    test('a connection to the backend that has ended meanwhile costs no message', limits, async (t) => {
        // It ends each one when its answer is out, or some time later, without saying so before.
        let wait = 0;
        const backend = await RawBackend.start(t, (socket) => socket.write(OK, () => setTimeout(() => socket.end(), wait)));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends });
        const client = await connect(t, daemon);
        for (let i = 0; i < 60; i++) {
            wait = [0, 1, 5][i % 3]; // what is sent while the end is under way may have arrived, and is not sent again
            client.socket.send(String(i));
            await client.first(i + 1);
            await until('the end of the connection to be said', () => [...backend.sockets].every((socket) => socket.writableFinished));
        }
        assert.deepEqual(new Set(client.messages), new Set(['hello']));
    });

    test('an answer that is cut after each of its bytes', limits, async (t) => {
        let cut = OK.length;
        const backend = await RawBackend.start(t, (socket, request) => {
            if (!isMessage(request) || cut === OK.length) socket.write(OK);
            else if (cut === 0) socket.resetAndDestroy();
            else socket.write(OK.slice(0, cut), () => setTimeout(() => socket.resetAndDestroy(), 2));
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends });
        const client = await connect(t, daemon);
        for (let n = 0; n < OK.length; n++) {
            cut = n;
            const asked = backend.requests;
            client.socket.send('x');
            await until(`byte ${n}`, () => backend.requests > asked);
            await settle(daemon);
        }
        assert.deepEqual(client.messages, []);
        cut = OK.length;
        client.socket.send('x');
        assert.deepEqual(await client.first(1), ['hello']);
    });
});

describe('broadcasts', () => {
    test('go on while every backend hangs, and to those that wait for one', limits, async (t) => {
        const backend = await RawBackend.start(t, (socket, request) => (isMessage(request) ? undefined : socket.write(OK)));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends: { ...backends, read_timeout: '30s', request_timeout: '30s' }, gateway: { workers: 1, max_connections: 500 } });
        const listener = await open(t, daemon);
        const clients = [];
        for (let i = 0; i < 100; i++) clients.push(await connect(t, daemon));
        const time = async () => {
            const took = [];
            for (let i = 0; i < 60; i++) {
                const before = listener.messages.length;
                const start = performance.now();
                await daemon.accept([newImage('news')]);
                await listener.first(before + 1, 5000);
                took.push(performance.now() - start);
            }
            return took.sort((a, b) => a - b);
        };
        const quiet = await time();
        for (const client of clients) for (let i = 0; i < 40; i++) client.socket.send('waits');
        await until('many to be asked', () => backend.requests >= 100 + 60);
        const busy = await time();
        await until(() => `all of them to get all of it, not ${[...new Set(clients.map((client) => client.messages.length))]}`, () => clients.every((client) => client.messages.length === 120));
        // How much of a difference there is, bench/backends.mjs measures; here it is only that nothing waits.
        assert.ok(busy[30] < quiet[30] * 3 + 20, `median ${busy[30]} ms, without it ${quiet[30]}`);
        for (const client of clients) client.terminate();
        for (const socket of backend.sockets) socket.destroy();
    });
});

describe('nothing stays behind', () => {
    test('descriptors and memory after 200 rounds of everything that can go wrong', { timeout: 240000 }, async (t) => {
        let how = null;
        const backend = await RawBackend.start(t, (socket, request) => {
            if (how) how(socket, request);
            else socket.write(OK);
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends: { ...backends, read_timeout: '50ms', request_timeout: '150ms' } });
        const listener = await open(t, daemon);
        const others = wrong.filter(([name]) => name !== 'redirects'); // which keeps its connection, and is no failure
        let rounds = 0;
        const round = async () => {
            const [, serve] = others[rounds++ % others.length];
            how = serve;
            await shake(daemon);
            how = null;
            const clients = await Promise.all(Array.from({ length: 3 }, () => Client.open(daemon.url('/ws'))));
            how = serve;
            for (const client of clients) client.socket.send('x'.repeat(30000));
            const gone = clients.map((client) => client.end);
            for (const client of clients) client.terminate();
            await Promise.all(gone);
            if (rounds % 20 === 0) await serves(daemon, listener);
            await settle(daemon);
        };
        while (rounds < 60) await round();
        await settle(daemon);
        const [files, memory] = [daemon.openFiles(), daemon.rssKb()];
        while (rounds < 260) await round();
        how = null;
        await serves(daemon, listener);
        for (const socket of backend.sockets) socket.destroy();
        await until('the descriptors to be given back', () => daemon.openFiles() <= files + 2);
        assert.ok(daemon.rssKb() - memory < 8192, `${memory} KB, then ${daemon.rssKb()} KB`);
    });
});
