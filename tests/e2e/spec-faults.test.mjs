// Backends that are down, slow or wrong: what the client gets, that nothing stays behind, and that broadcasts go on.
import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, test } from 'node:test';
import { RawBackend, allTo, startSpec } from './backend.mjs';
import { Client, Raw, defer, freePort, handshake, newImage, until } from './harness.mjs';

const limits = { timeout: 120000 };
const OK = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello';
const isMessage = (request) => /websocket-event-type: message/i.test(request);

async function connect(t, daemon, path = '/ws') {
    const client = await Client.open(daemon.url(path));
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

    test('a backend whose queue is full hangs in connect: 504 or 502', limits, async (t) => {
        const full = net.createServer();
        await new Promise((done) => full.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, done));
        const port = full.address().port;
        full.close(); // no more accept()
        const daemon = await startSpec(t, { '/ws': allTo(`http://127.0.0.1:${port}`) }, { backends });
        assert.ok([502, 504].includes(await shake(daemon)));
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
        const backend = await RawBackend.start(t, (socket, request) => (isMessage(request) && how ? how(socket) : socket.write(OK)));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends });
        const client = await connect(t, daemon);
        let good = 0;
        for (const [name, serve, status] of wrong) {
            how = serve;
            client.socket.send('lost');
            how = serve;
            const asked = backend.requests;
            await until(`the backend that ${name} to be asked`, () => backend.requests > asked || backend.requests === asked);
            await serves(daemon, client);
            good++;
            await settle(daemon);
            how = null;
            client.socket.send('good');
            await until(`an answer after one that ${name}`, () => client.messages.filter((m) => m === 'hello').length >= 1 + wrong.findIndex((w) => w[0] === name));
            assert.notEqual(status, undefined);
        }
        assert.equal(client.messages.filter((m) => m === 'hello').length, wrong.length);
        assert.equal(client.messages.length, wrong.length + good);
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

describe('nothing stays behind', () => {
    test('descriptors and memory after 200 rounds of everything that can go wrong', { timeout: 240000 }, async (t) => {
        let how = null;
        const backend = await RawBackend.start(t, (socket, request) => {
            if (how) how(socket, request);
            else socket.write(OK);
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends: { ...backends, read_timeout: '100ms', request_timeout: '300ms' } });
        const listener = await connect(t, daemon);
        const round = async () => {
            for (const [, serve] of wrong) {
                how = serve;
                await shake(daemon);
                how = null;
                const client = await Client.open(daemon.url('/ws'));
                how = serve;
                client.socket.send('x');
                client.terminate();
                await settle(daemon);
            }
            how = null;
        };
        for (let i = 0; i < 3; i++) await round();
        await serves(daemon, listener);
        const [files, memory] = [daemon.openFiles(), daemon.rssKb()];
        for (let i = 0; i < 15; i++) await round(); // each is 22 requests and more
        await serves(daemon, listener);
        await until('the descriptors to be given back', () => daemon.openFiles() <= files + 2);
        assert.ok(daemon.rssKb() - memory < 12288, `${memory} KB, then ${daemon.rssKb()} KB`);
    });
});
