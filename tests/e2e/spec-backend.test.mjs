// Paths of a specification and a real backend behind them: connect, message, disconnect.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Backend, allTo, operation, pathParameter, startSpec } from './backend.mjs';
import { Client, Raw, defer, handshake, newImage, readMessage, until, within } from './harness.mjs';

const limits = { timeout: 60000 };

async function connect(t, daemon, path, options) {
    const client = await Client.open(daemon.url(path), options);
    defer(t, () => client.terminate());
    return client;
}

// The whole answer to a handshake.
async function shake(t, daemon, path, headers = {}) {
    const raw = await Raw.open(daemon.port);
    defer(t, () => raw.destroy());
    await raw.send(handshake(path, headers));
    await raw.wait('an answer', () => raw.last || raw.done);
    return raw.last;
}

describe('connect', () => {
    test('the backend is told of it first, and lets it in', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const before = Date.now();
        const client = await connect(t, daemon, '/ws');
        const [got] = backend.of('CONNECT');
        assert.equal(got.method, 'GET');
        assert.equal(got.url, '/connect');
        assert.equal(got.conn, client.id);
        const at = Number(got.headers['x-yc-apigateway-websocket-connected-at']);
        assert.ok(at >= before - 1000 && at <= Date.now() + 1000, `connected at ${at}`);
        assert.equal(got.body.length, 0);
        assert.equal(got.headers.authorization, undefined);
    });

    test('what it says instead is the client\'s answer', limits, async (t) => {
        const backend = await Backend.start(t, () => ({ status: 403, headers: { 'Content-Type': 'application/json', 'X-Why': 'no seat' }, body: '{"no":1}' }));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const answer = await shake(t, daemon, '/ws');
        assert.equal(answer.status, 403);
        assert.equal(answer.headers['x-why'], 'no seat');
        assert.equal(answer.headers['content-type'], 'application/json');
        assert.equal(String(answer.body), '{"no":1}');
        assert.equal(backend.of('DISCONNECT').length, 0);
    });

    test('a path without it opens at once', limits, async (t) => {
        const backend = await Backend.start(t);
        const { 'x-yc-apigateway-websocket-connect': _, ...rest } = allTo(backend.url());
        const daemon = await startSpec(t, { '/ws': rest });
        const client = await connect(t, daemon, '/ws');
        assert.equal(backend.requests.length, 0);
        await client.close();
        await backend.got('DISCONNECT');
    });

    test('the backend chooses a subprotocol', limits, async (t) => {
        const backend = await Backend.start(t, ({ event, headers }) =>
            event === 'CONNECT' ? { status: 200, headers: { 'Sec-WebSocket-Protocol': headers['sec-websocket-protocol'].split(/, */)[1] } } : { status: 200 },
        );
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const client = await connect(t, daemon, '/ws', { protocols: ['chat', 'superchat'] });
        assert.equal(client.socket.protocol, 'superchat');
    });

    test('one that leaves meanwhile is told of as left', limits, async (t) => {
        let release;
        const held = new Promise((done) => (release = done));
        const backend = await Backend.start(t, async ({ event }) => {
            if (event === 'CONNECT') await held;
            return { status: 200 };
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const raw = await Raw.open(daemon.port);
        await raw.send(handshake('/ws'));
        await backend.got('CONNECT');
        raw.destroy();
        release();
        const [left] = await backend.got('DISCONNECT');
        assert.equal(left.conn, backend.of('CONNECT')[0].conn);
        assert.equal(left.code, '1006');
    });

    test('dummy answers by itself', limits, async (t) => {
        const dummy = (http_code, content) => operation({ type: 'dummy', http_code, http_headers: { 'X-From': 'dummy' }, content });
        const message = { 'x-yc-apigateway-websocket-message': dummy(200, { 'text/plain': 'heard' }) };
        const daemon = await startSpec(t, {
            '/open': { 'x-yc-apigateway-websocket-connect': dummy(200, { '*': '' }), ...message },
            '/shut': { 'x-yc-apigateway-websocket-connect': dummy(403, { 'text/plain': 'shut' }), ...message },
        });
        const client = await connect(t, daemon, '/open');
        client.socket.send('hello');
        assert.deepEqual(await client.first(1), ['heard']);
        const answer = await shake(t, daemon, '/shut');
        assert.equal(answer.status, 403);
        assert.equal(answer.headers['x-from'], 'dummy');
        assert.equal(String(answer.body), 'shut');
    });
});

describe('message', () => {
    test('goes to the backend, and its answer comes back as one message', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const client = await connect(t, daemon, '/ws');
        client.socket.send('{"a":"ü"}');
        client.socket.send(Buffer.from([1, 2, 255]));
        const messages = await client.first(2);
        assert.equal(messages[0], '{"a":"ü"}');
        assert.deepEqual(messages[1], Buffer.from([1, 2, 255]));
        const got = await backend.got('MESSAGE', 2);
        assert.deepEqual(got.slice(0, 2).map((r) => [r.method, r.url, r.headers['content-type'], r.conn]), [
            ['POST', '/message', 'application/json', client.id],
            ['POST', '/message', 'application/octet-stream', client.id],
        ]);
        assert.ok(got[0].message < got[1].message, 'message ids sort by time');
    });

    const types = [
        ['application/json', 'text'],
        ['application/json; charset=utf-8', 'text'],
        ['text/plain', 'text'],
        ['text/html; charset=utf-8', 'text'],
        ['application/octet-stream', 'binary'],
        ['application/xml', 'binary'],
        [null, 'binary'],
    ];
    test('is text or binary as the answer says', limits, async (t) => {
        let type;
        const backend = await Backend.start(t, ({ event }) => (event === 'MESSAGE' ? { status: 200, headers: type === null ? {} : { 'Content-Type': type }, body: 'same' } : {}));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const client = await connect(t, daemon, '/ws');
        for (const [i, [now, kind]] of types.entries()) {
            type = now;
            client.socket.send('say');
            const messages = await client.first(i + 1);
            assert.equal(typeof messages[i] === 'string' ? 'text' : 'binary', kind, String(now));
            assert.equal(String(messages[i]), 'same');
        }
    });

    test('an empty answer is no message, an error\'s body is one', limits, async (t) => {
        const backend = await Backend.start(t, ({ body }) =>
            String(body) === 'nothing' ? { status: 200 } : { status: 500, headers: { 'Content-Type': 'text/plain' }, body: 'broken' },
        );
        const { 'x-yc-apigateway-websocket-connect': _, ...rest } = allTo(backend.url());
        const daemon = await startSpec(t, { '/ws': rest });
        const client = await connect(t, daemon, '/ws');
        client.socket.send('nothing');
        client.socket.send('something');
        assert.deepEqual(await client.first(1), ['broken']);
        await backend.got('MESSAGE', 2);
        assert.equal(client.messages.length, 1);
    });

    test('keeps its order however slow the backend is', limits, async (t) => {
        const backend = await Backend.start(t, async (got) => {
            if (got.event === 'MESSAGE') await new Promise((done) => setTimeout(done, (Number(got.body) * 7) % 13));
            return Backend.echo(got);
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends: { max_queue: 4 } });
        const clients = await Promise.all([1, 2, 3].map(() => connect(t, daemon, '/ws')));
        const numbers = Array.from({ length: 100 }, (_, i) => String(i));
        for (const client of clients) for (const n of numbers) client.socket.send(n);
        for (const client of clients) {
            assert.deepEqual(await client.first(100, 30000), numbers);
            assert.deepEqual(backend.of('MESSAGE', client.id).map((r) => String(r.body)), numbers);
        }
    });

    test('does not hold up a broadcast', limits, async (t) => {
        const backend = await Backend.start(t, ({ event }) => (event === 'MESSAGE' ? new Promise(() => {}) : {}));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends: { read_timeout: '5s' } });
        const client = await connect(t, daemon, '/ws');
        for (let i = 0; i < 50; i++) client.socket.send('waits');
        await backend.got('MESSAGE');
        const event = newImage('news');
        await daemon.accept([event]);
        const [text] = await client.first(1, 3000);
        assert.ok(readMessage(text).length > 0);
        client.terminate();
    });

    test('what was sent before leaving arrives before the end', limits, async (t) => {
        let release;
        const held = new Promise((done) => (release = done));
        const backend = await Backend.start(t, async (got) => {
            if (got.event === 'MESSAGE') await held;
            return {};
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const client = await connect(t, daemon, '/ws');
        for (const n of ['1', '2', '3']) client.socket.send(n);
        await backend.got('MESSAGE');
        await client.close(4321);
        release();
        await backend.got('DISCONNECT');
        assert.deepEqual(backend.requests.map((r) => (r.event === 'MESSAGE' ? String(r.body) : r.event)), ['CONNECT', '1', '2', '3', 'DISCONNECT']);
        assert.equal(backend.of('DISCONNECT')[0].code, '4321');
    });
});

describe('disconnect', () => {
    const ends = [
        ['the client closes', (client) => client.close(4000), '4000', ''],
        ['the client closes with a reason', (client) => client.socket.close(3001, 'done; really'), '3001', 'done; really'],
        ['the client vanishes', (client) => client.terminate(), '1006', ''],
        ['the API closes it', (client, daemon) => daemon.manage('DELETE', `/apigateways/websocket/v1/connections/${client.id}`), '1000', ''],
    ];
    for (const [name, end, code, reason] of ends)
        test(name, limits, async (t) => {
            const backend = await Backend.start(t);
            const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
            const client = await connect(t, daemon, '/ws');
            await end(client, daemon);
            const [got] = await backend.got('DISCONNECT');
            assert.deepEqual([got.conn, got.code, got.reason ?? ''], [client.id, code, reason]);
            assert.equal(got.method, 'POST');
        });

    test('the server goes down', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const clients = [];
        for (let i = 0; i < 50; i++) clients.push(await connect(t, daemon, '/ws'));
        await daemon.stop();
        assert.deepEqual(new Set(backend.of('DISCONNECT').map((r) => r.conn)), new Set(clients.map((c) => c.id)));
        for (const got of backend.of('DISCONNECT')) assert.equal(got.code, '1012');
    });

    test('a backend that is gone keeps nobody from going down', limits, async (t) => {
        const backend = await Backend.start(t, ({ event }) => (event === 'DISCONNECT' ? new Promise(() => {}) : {}));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        for (let i = 0; i < 20; i++) await connect(t, daemon, '/ws');
        await within(15000, 'the end', daemon.stop());
        assert.equal(backend.of('DISCONNECT').length > 0, true);
    });
});

describe('parameters', () => {
    const parameters = [
        pathParameter('room'),
        { name: 'token', in: 'query', schema: { type: 'string', default: 'none' } },
        { name: 'X-User', in: 'header', schema: { type: 'string' } },
        { name: 'session', in: 'cookie', schema: { type: 'string' } },
    ];
    const integration = (backend) => ({
        type: 'http',
        url: `${backend.url()}/rooms/{room}`,
        method: 'PUT',
        query: { t: '{token}' },
        headers: { 'X-From': ['{X-User}', 'b'], 'X-Session': '{session}' },
    });
    const start = async (t) => {
        const backend = await Backend.start(t);
        const op = operation(integration(backend), { parameters });
        const daemon = await startSpec(t, { '/ws/{room}': { 'x-yc-apigateway-websocket-connect': op, 'x-yc-apigateway-websocket-message': op } });
        return { backend, daemon };
    };

    test('of the handshake are put in, for its messages too', limits, async (t) => {
        const { backend, daemon } = await start(t);
        const client = await connect(t, daemon, '/ws/red%20room?token=a%26b', { headers: { 'X-User': 'ann', Cookie: 'a=1; session=s3' } });
        client.socket.send('x');
        await backend.got('MESSAGE');
        for (const got of backend.requests) {
            assert.equal(got.method, 'PUT');
            assert.equal(got.url, '/rooms/red%20room?t=a%26b', got.event);
            assert.equal(got.headers['x-from'], 'ann,b');
            assert.equal(got.headers['x-session'], 's3');
        }
    });

    test('cannot be used to say something else', limits, async (t) => {
        const { backend, daemon } = await start(t);
        const paths = ['/ws/a%0d%0aX-Evil:%201', '/ws/..', '/ws/%2e%2e', '/ws/a%2f..%2fb', '/ws/a%00', '/ws/a?token=%0d%0aX-Evil:%201', '/ws/a?token=%00', '/ws/http:%2f%2fevil', '/ws/@evil', '/ws/a%23b', '/ws/a%3fb'];
        for (const path of paths) {
            const answer = await shake(t, daemon, path, { 'X-User': 'a' });
            assert.ok([101, 400].includes(answer.status), `${path}: ${answer.status}`);
        }
        const header = await shake(t, daemon, '/ws/a', { Cookie: 'session=a\tb' });
        assert.ok([101, 400].includes(header.status));
        for (const got of backend.requests) {
            assert.equal(got.headers['x-evil'], undefined, got.url);
            assert.match(got.url, /^\/rooms\/[^/?#@]+\?t=[^#?]*$/);
            assert.equal(got.headers.host, `127.0.0.1:${backend.port}`);
        }
    });

    test('headers of the gateway cannot be forged, with * everything else goes along', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws': allTo(backend.url(), { headers: { '*': '*' }, query: { '*': '*' } }) });
        const client = await connect(t, daemon, '/ws?a=1&b=2', {
            headers: { 'X-Yc-Apigateway-Websocket-Connection-Id': 'forged', 'X-Yc-Apigateway-Websocket-Message-Id': 'forged', 'X-Other': 'kept', Authorization: 'Bearer x' },
        });
        client.socket.send('x');
        await backend.got('MESSAGE');
        for (const got of backend.requests) {
            assert.equal(got.conn, client.id);
            assert.notEqual(got.message, 'forged');
            assert.equal(got.headers['x-other'], 'kept');
            assert.equal(got.headers.authorization, 'Bearer x');
            assert.match(got.url, /\?a=1&b=2$/);
            for (const own of ['upgrade', 'sec-websocket-key', 'sec-websocket-version']) assert.equal(got.headers[own], undefined, own);
        }
    });
});

describe('a broadcast', () => {
    test('on /ws/{room} reaches every room, beside the backend\'s answers', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws/{room}': { parameters: [pathParameter('room')], ...allTo(backend.url()) } });
        const [red, blue] = [await connect(t, daemon, '/ws/red'), await connect(t, daemon, '/ws/blue')];
        red.socket.send('"own"');
        await red.first(1);
        await daemon.accept([newImage('app')]);
        await until('both', () => red.messages.length >= 2 && blue.messages.length >= 1);
        assert.equal(red.messages[0], '"own"');
        assert.deepEqual(blue.messages, red.messages.slice(1));
    });
});
