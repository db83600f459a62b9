// What a backend is told of a connection and what becomes of its answers, case by case: headers, ids, types and lengths, refusals,
// close codes, and how much waits for a backend that is slow.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Backend, RawBackend, allTo, operation, pathParameter, startSpec } from './backend.mjs';
import { BINARY, CLOSE, CONTINUATION, TEXT, closeBody, frame } from './frames.mjs';
import { Client, Raw, defer, freePort, handshake, newImage, rawWs, until, within } from './harness.mjs';

const limits = { timeout: 60000 };
const EVENT = 'x-yc-apigateway-websocket-';
const dummy = (http_code, content, http_headers = {}) => operation({ type: 'dummy', http_code, http_headers, content });
const messageOnly = (op) => ({ 'x-yc-apigateway-websocket-message': op });

async function connect(t, daemon, path = '/ws', options) {
    const client = await Client.open(daemon.url(path), options);
    defer(t, () => client.terminate());
    return client;
}

async function shake(t, daemon, path = '/ws', headers = {}) {
    const raw = await Raw.open(daemon.port);
    defer(t, () => raw.destroy());
    await raw.send(handshake(path, headers));
    await raw.wait('an answer', () => raw.last || raw.done);
    return raw.last;
}

// Where a test holds the backend's answers until it lets them go.
function gate() {
    let open;
    const held = new Promise((done) => (open = done));
    return { held, open };
}

describe('the three events', () => {
    test('each has its headers, in its order, and no others of the client', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const client = await connect(t, daemon, '/ws?a=1', { headers: { 'User-Agent': 'tester/1', Cookie: 'a=b', 'X-Own': 'c' } });
        client.socket.send('text');
        client.socket.send(Buffer.from([0, 255]));
        await client.first(2);
        await client.close(1000);
        await backend.got('DISCONNECT');
        const seen = backend.requests.map(({ headers }) =>
            Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith(EVENT)).map(([name, value]) => [name.slice(EVENT.length), value])),
        );
        const at = seen[0]['connected-at'];
        assert.match(at, /^\d{13}$/);
        const own = (type) => ({ 'connection-id': client.id, 'event-type': type, 'connected-at': at });
        assert.deepEqual(seen[0], own('CONNECT'));
        for (const i of [1, 2]) {
            const { 'message-id': id, ...rest } = seen[i];
            assert.match(id, /^[a-z0-9]{20}$/);
            assert.deepEqual(rest, own('MESSAGE'));
        }
        const { 'disconnect-reason': reason, ...rest } = seen[3];
        assert.equal(reason ?? '', '');
        assert.deepEqual(rest, { ...own('DISCONNECT'), 'disconnect-status-code': '1000' });
        assert.deepEqual(backend.requests.map((r) => [r.method, r.url, r.headers['content-type'] ?? null, r.body.length]), [
            ['GET', '/connect', null, 0],
            ['POST', '/message', 'application/json', 4],
            ['POST', '/message', 'application/octet-stream', 2],
            ['POST', '/disconnect', null, 0],
        ]);
        for (const { headers } of backend.requests) {
            assert.equal(headers['user-agent'], 'tester/1');
            for (const name of ['cookie', 'x-own', 'upgrade', 'sec-websocket-key', 'sec-websocket-version', 'origin']) assert.equal(headers[name], undefined, name);
        }
    });

    test('ids of messages sort by time, on a connection and between connections', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { gateway: { workers: 2 } });
        const client = await connect(t, daemon);
        for (let i = 0; i < 200; i++) client.socket.send(String(i));
        await client.first(200);
        const own = backend.of('MESSAGE').map((r) => r.message);
        assert.deepEqual(own, [...new Set(own)].sort(), 'each is later than the one before');
        const others = await Promise.all(Array.from({ length: 6 }, () => connect(t, daemon)));
        for (let round = 0; round < 5; round++)
            for (const other of others) {
                const start = Date.now();
                await until('the clock to go on', () => Date.now() > start + 1);
                other.socket.send('x');
                await other.first(round + 1);
            }
        const all = backend.of('MESSAGE').map((r) => r.message).slice(200);
        assert.equal(all.length, 30);
        assert.deepEqual(all, [...new Set(all)].sort(), 'of two workers');
    });

    test('two clients on one path are two conversations', limits, async (t) => {
        const { held, open } = gate();
        const backend = await Backend.start(t, async (got) => {
            if (got.event === 'MESSAGE' && String(got.body) === 'slow') await held;
            return Backend.echo(got);
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { gateway: { workers: 1 } });
        const [slow, quick] = [await connect(t, daemon), await connect(t, daemon)];
        slow.socket.send('slow');
        slow.socket.send('behind it');
        await backend.got('MESSAGE', 1, slow.id);
        quick.socket.send('quick');
        assert.deepEqual(await quick.first(1), ['quick']);
        assert.deepEqual(slow.messages, []);
        open();
        assert.deepEqual(await slow.first(2), ['slow', 'behind it']);
    });
});

describe('answers to connect', () => {
    test('2xx lets in, all else is the client\'s answer', limits, async (t) => {
        let now;
        const backend = await Backend.start(t, ({ event }) => (event === 'CONNECT' ? now : { status: 200 }));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        for (const status of [200, 201, 202, 204, 206, 299]) {
            now = { status };
            assert.equal((await shake(t, daemon)).status, 101, String(status));
        }
        await backend.got('DISCONNECT', 0);
        const before = backend.requests.length;
        for (const [status, headers, body] of [
            [300, {}, 'choose'],
            [302, { Location: backend.url('/elsewhere') }, ''],
            [304, {}, ''],
            [400, { 'Content-Type': 'text/plain' }, 'no'],
            [401, { 'WWW-Authenticate': 'Basic realm="x"' }, ''],
            [403, { 'Content-Type': 'application/json' }, '{"a":"ü"}'],
            [404, {}, 'x'.repeat(100000)],
            [429, { 'Retry-After': '7' }, 'later'],
            [500, { 'X-A': ['1', '2'] }, 'broken'],
            [503, { 'Retry-After': '9' }, ''],
            [599, {}, 'odd'],
        ]) {
            now = { status, headers: { ...headers, 'Keep-Alive': 'timeout=5', Connection: 'keep-alive, X-Hop', 'X-Hop': 'mine' }, body: status === 304 ? undefined : body };
            const got = await shake(t, daemon);
            assert.equal(got.status, status);
            assert.equal(got.body, body, String(status));
            for (const [name, value] of Object.entries(headers)) {
                const want = [value].flat().join(', ');
                assert.equal((got.headers[name.toLowerCase()] ?? '').replace(/,\s*/g, ', '), want, `${status} ${name}`);
            }
            assert.equal(got.headers['x-hop'], undefined, 'of the connection to the backend only');
            assert.equal(got.headers['keep-alive'], undefined);
            assert.equal(got.headers['sec-websocket-accept'], undefined);
        }
        const later = backend.requests.slice(before).filter((r) => r.event !== 'DISCONNECT');
        assert.ok(later.every((r) => r.url === '/connect'), 'a redirect is not followed');
        // Those that were not let in have no end.
        const refused = new Set(later.map((r) => r.conn));
        await until('six ends', () => backend.of('DISCONNECT').length >= 0);
        assert.ok(backend.of('DISCONNECT').every((r) => !refused.has(r.conn)));
    });

    test('a subprotocol that the client has not offered is not agreed on', limits, async (t) => {
        let chosen;
        const backend = await Backend.start(t, ({ event }) => ({ status: 200, headers: event === 'CONNECT' && chosen ? { 'Sec-WebSocket-Protocol': chosen } : {} }));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        for (const [choice, offered, agreed] of [
            [undefined, 'chat.v1, chat.v2', undefined],
            ['chat.v2', 'chat.v1, chat.v2', 'chat.v2'],
            ['chat.v2', 'chat.v2', 'chat.v2'],
            ['chat.v3', 'chat.v1, chat.v2', undefined],
            ['chat.v1, chat.v2', 'chat.v1, chat.v2', undefined],
            ['chat', 'chat.v1', undefined],
            ['chat.v1', null, undefined],
        ]) {
            chosen = choice;
            const got = await shake(t, daemon, '/ws', { 'Sec-WebSocket-Protocol': offered });
            assert.equal(got.status, 101);
            assert.equal(got.headers['sec-websocket-protocol'], agreed, `${choice} of ${offered}`);
            const told = backend.of('CONNECT').at(-1).headers['sec-websocket-protocol'];
            assert.equal(told?.replace(/,\s*/g, ', '), offered ?? undefined);
        }
    });

    test('who waits for an answer may say something already, and gets it answered', limits, async (t) => {
        const { held, open } = gate();
        const backend = await Backend.start(t, async (got) => {
            if (got.event === 'CONNECT') await held;
            return Backend.echo(got);
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const raw = await Raw.open(daemon.port);
        defer(t, () => raw.destroy());
        await raw.send(Buffer.concat([Buffer.from(handshake('/ws')), frame(TEXT, 'early')]));
        await backend.got('CONNECT');
        assert.equal(raw.last, undefined);
        open();
        await raw.wait('the echo', () => raw.ws?.messages.length === 1 || raw.done);
        assert.equal(String(raw.ws.messages[0].payload), 'early');
    });

    test('a path of the document without messages is 404, also below one that fits less well', limits, async (t) => {
        const backend = await Backend.start(t);
        const { 'x-yc-apigateway-websocket-message': _, ...rest } = allTo(backend.url());
        const daemon = await startSpec(t, {
            '/ws': allTo(backend.url()),
            '/half': rest,
            '/plain': { get: operation({ type: 'http', url: backend.url() }) },
            '/{any+}': { parameters: [pathParameter('any')], ...allTo(backend.url()) },
        });
        for (const path of ['/half', '/plain']) assert.equal((await shake(t, daemon, path)).status, 404, path);
        assert.equal(backend.requests.length, 0);
        assert.equal((await shake(t, daemon, '/other/one')).status, 101);
    });
});

describe('dummy', () => {
    test('chooses by Accept', limits, async (t) => {
        const shut = (content, headers) => ({ 'x-yc-apigateway-websocket-connect': dummy(403, content, headers), ...messageOnly(dummy(200, { '*': '' })) });
        const daemon = await startSpec(t, {
            '/all': shut({ 'application/json': '{"no":1}', 'text/html': '<p>no', '*': 'no' }, { 'Content-Type': 'text/plain', 'X-Why': ['a', 'b'] }),
            '/some': shut({ 'application/json': '{"no":1}', 'text/html': '<p>no' }),
        });
        for (const [path, accept, status, type, body] of [
            ['/all', 'application/json', 403, 'application/json', '{"no":1}'],
            ['/all', 'text/*', 403, 'text/html', '<p>no'],
            ['/all', 'text/html;q=0.1, application/json', 403, 'application/json', '{"no":1}'],
            ['/all', 'image/png', 403, 'text/plain', 'no'],
            ['/some', 'text/html', 403, 'text/html', '<p>no'],
            ['/some', 'image/png', 415],
        ]) {
            const got = await shake(t, daemon, path, { Accept: accept });
            assert.equal(got.status, status, `${path} ${accept}`);
            if (status === 415) continue;
            assert.equal(got.headers['content-type'].split(';')[0], type, `${path} ${accept}`);
            assert.equal(got.body, body, `${path} ${accept}`);
            if (path === '/all') assert.match(got.headers['x-why'], /^a, ?b$/);
        }
        for (const path of ['/all', '/some']) assert.equal((await shake(t, daemon, path)).status, 403, `${path} without Accept`);
    });

    test('puts parameters into content and headers, and refuses what is no header', limits, async (t) => {
        const parameters = [pathParameter('room'), { name: 'who', in: 'query', schema: { type: 'string', default: 'nobody' } }];
        const daemon = await startSpec(t, {
            '/{room}': {
                parameters,
                'x-yc-apigateway-websocket-connect': dummy(409, { 'text/plain': '{who} in {room}' }, { 'X-Who': '{who}' }),
                ...messageOnly(dummy(200, { 'text/plain': 'x' })),
            },
            '/open/{room}': { parameters, ...messageOnly(dummy(200, { 'text/plain': '{who} in {room}' })) },
        });
        const got = await shake(t, daemon, '/caf%C3%A9?who=ann%20b');
        assert.deepEqual([got.status, got.body, got.headers['x-who']], [409, 'ann b in café', 'ann b']);
        assert.equal((await shake(t, daemon, '/a')).body, 'nobody in a');
        for (const bad of ['a%0d%0aX-Evil:%201', 'a%0ab', 'a%0db', 'a%00b'])
            assert.equal((await shake(t, daemon, `/a?who=${bad}`)).status, 400, bad);
        const client = await connect(t, daemon, '/open/kitchen?who=eve');
        client.socket.send('?');
        client.socket.send('?');
        assert.deepEqual(await client.first(2), ['eve in kitchen', 'eve in kitchen']);
    });
});

describe('answers to messages', () => {
    const long = 131072;
    const table = [
        // [status, Content-Type, body, what comes]
        [200, 'application/json', '{}', 'text'],
        [200, 'APPLICATION/JSON', '{}', 'text'],
        [200, 'Text/Plain', 'a', 'text'],
        [200, 'text/event-stream', 'a', 'text'],
        [200, 'application/jsonlines', 'a', 'binary'],
        [200, 'application/json-patch+json', 'a', 'binary'],
        [200, 'application/vnd.api+json', 'a', 'binary'],
        [200, 'image/png', 'a', 'binary'],
        [200, undefined, 'a', 'binary'],
        [200, 'text/plain', Buffer.from([0x61, 0xff]), 'binary'], // it says text, and is none
        [200, 'text/plain', '', null],
        [204, undefined, '', null],
        [201, 'text/plain', 'made', 'text'],
        [301, 'text/plain', 'moved', 'text'],
        [404, 'application/json', '{"error":1}', 'text'],
        [503, 'text/plain', 'later', 'text'],
        [200, 'text/plain', 'x'.repeat(long), 'text'],
        [200, 'application/octet-stream', Buffer.alloc(long, 7), 'binary'],
        [200, 'text/plain', 'x'.repeat(long + 1), null],
        [200, 'application/octet-stream', Buffer.alloc(10 << 20), null],
    ];
    test('are text, binary or none', limits, async (t) => {
        const backend = await Backend.start(t, ({ event, body }) => {
            if (event !== 'MESSAGE') return {};
            const [status, type, answer] = table[Number(body)];
            return { status, headers: type === undefined ? {} : { 'Content-Type': type }, body: answer.length ? answer : undefined };
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const client = await connect(t, daemon);
        let n = 0;
        for (const [i, [status, type, body, kind]] of table.entries()) {
            const name = `${status} ${type}, ${body.length} bytes`;
            client.socket.send(String(i));
            if (kind !== null) n++;
            else client.socket.send('0'), n++; // answered behind it
            const got = (await client.first(n)).at(-1);
            if (kind === null) assert.equal(got, '{}', `${name}: something came`);
            else {
                assert.equal(typeof got === 'string' ? 'text' : 'binary', kind, name);
                assert.ok(Buffer.from(got).equals(Buffer.from(body)), name);
            }
            assert.equal(client.messages.length, n, name);
        }
        assert.equal(client.closed, null);
    });

    test('the longest message is sent and answered in frames as the path has them', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const raw = await rawWs(daemon.port, '/ws');
        defer(t, () => raw.destroy());
        const payload = Buffer.from('abcdefgh'.repeat(16384));
        for (let i = 0; i < 4; i++) await raw.send(frame(i === 0 ? BINARY : CONTINUATION, payload.subarray(i * 32768, (i + 1) * 32768), { fin: i === 3 }));
        await raw.wait('the echo', () => raw.ws.messages.length === 1 || raw.done);
        assert.ok(raw.ws.messages[0].payload.equals(payload));
        assert.ok(backend.of('MESSAGE')[0].body.equals(payload));
        for (const f of raw.ws.frames) assert.ok(f.payload.length <= 32768);
    });

    test('an empty message is one, too', limits, async (t) => {
        const backend = await Backend.start(t, ({ event, body }) => (event === 'MESSAGE' ? { headers: { 'Content-Type': 'text/plain' }, body: `${body.length}` } : {}));
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const client = await connect(t, daemon);
        client.socket.send('');
        client.socket.send(Buffer.alloc(0));
        assert.deepEqual(await client.first(2), ['0', '0']);
        assert.deepEqual(backend.of('MESSAGE').map((r) => r.headers['content-type']), ['application/json', 'application/octet-stream']);
    });
});

describe('a slow backend', () => {
    test('slows its client down: nothing is lost, and little is kept', { timeout: 120000 }, async (t) => {
        const { held, open } = gate();
        const backend = await Backend.start(t, async (got) => {
            if (got.event === 'MESSAGE') await held;
            return {};
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { gateway: { workers: 1 }, backends: { read_timeout: '60s', max_queue: 8 } });
        const client = await connect(t, daemon);
        const [n, size] = [1500, 32768];
        const message = (i) => Buffer.concat([Buffer.from(String(i).padStart(8, '0')), Buffer.alloc(size - 8, i & 255)]);
        client.socket.send(message(0));
        await backend.got('MESSAGE');
        const before = daemon.rssKb();
        for (let i = 1; i < n; i++) client.socket.send(message(i)); // 48 MB
        // Its kernel and ours have taken what they can, then it stands.
        let last = -1;
        await until('the client to be held up', async () => {
            const now = client.socket.bufferedAmount;
            const stands = now === last && now > 0;
            last = now;
            await new Promise((done) => setTimeout(done, 100));
            return stands;
        });
        const grown = daemon.rssKb() - before;
        assert.ok(grown < 8192, `grew by ${grown} KB`);
        assert.equal(backend.of('MESSAGE').length, 1);
        const m = await daemon.metrics();
        assert.ok(m.get('regcast_inbound_messages_total') <= 8 + 2, 'no more were taken than may wait');
        // A broadcast does not care.
        await daemon.accept([newImage('news')]);
        await client.first(1, 5000);
        open();
        await until('all of them', () => backend.of('MESSAGE').length === n, 60000);
        assert.ok(backend.of('MESSAGE').every((r, i) => r.body.equals(message(i))), 'in their order, whole');
    });

    test('never has two requests of one connection, and many of different ones', limits, async (t) => {
        const under = new Map();
        let most = 0, double = 0;
        const backend = await Backend.start(t, async (got) => {
            if (got.event === 'MESSAGE') {
                if (under.has(got.conn)) double++;
                under.set(got.conn, true);
                most = Math.max(most, under.size);
                await new Promise((done) => setTimeout(done, 3));
                under.delete(got.conn);
            }
            return Backend.echo(got);
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const clients = await Promise.all(Array.from({ length: 20 }, () => connect(t, daemon)));
        for (let i = 0; i < 50; i++) for (const client of clients) client.socket.send(String(i));
        const expected = Array.from({ length: 50 }, (_, i) => String(i));
        for (const client of clients) assert.deepEqual(await client.first(50, 30000), expected);
        assert.equal(double, 0);
        assert.ok(most > 4, `${most} at once`);
    });

    test('gets what a client said that has gone, then its end', limits, async (t) => {
        const { held, open } = gate();
        const backend = await Backend.start(t, async (got) => {
            if (got.event === 'MESSAGE') await held;
            return {};
        });
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { backends: { max_queue: 16 } });
        const client = await connect(t, daemon);
        for (let i = 0; i < 10; i++) client.socket.send(String(i));
        await until('all to be taken', async () => (await daemon.metrics()).get('regcast_inbound_messages_total') === 10);
        client.terminate();
        await until('it to be gone', async () => (await daemon.metrics()).get('regcast_closes_total', { by: 'lost' }) === 1);
        assert.equal(backend.of('MESSAGE').length, 1);
        open();
        const [end] = await backend.got('DISCONNECT');
        assert.equal(end.code, '1006');
        assert.deepEqual(backend.requests.map((r) => (r.event === 'MESSAGE' ? String(r.body) : r.event)), ['CONNECT', ...'0123456789', 'DISCONNECT']);
    });
});

describe('the end of a connection', () => {
    const over = [
        ['close with 1000', '1000', 'bye', (raw) => raw.send(frame(CLOSE, closeBody(1000, 'bye')))],
        ['close with 1001', '1001', '', (raw) => raw.send(frame(CLOSE, closeBody(1001)))],
        ['close with 4999 and much to say', '4999', 'ü'.repeat(61), (raw) => raw.send(frame(CLOSE, closeBody(4999, 'ü'.repeat(61))))],
        ['close without a code', '1005', '', (raw) => raw.send(frame(CLOSE))],
        ['FIN without a close', '1006', '', (raw) => raw.socket.end()],
        ['reset', '1006', '', (raw) => raw.reset()],
        ['a frame that is none', '1002', null, (raw) => raw.send(frame(3))],
        ['text that is none', '1007', null, (raw) => raw.send(frame(TEXT, Buffer.from([0xff])))],
        ['a frame that is too long', '1009', null, (raw) => raw.send(frame(TEXT, '', { declared: 32769, headerOnly: true }))],
    ];
    test('is told with its code and reason, however it comes', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        for (const [name, code, reason, end] of over) {
            const raw = await rawWs(daemon.port, '/ws');
            defer(t, () => raw.destroy());
            const id = raw.last.headers['x-yc-apigateway-websocket-connection-id'];
            await end(raw);
            const [got] = await backend.got('DISCONNECT', 1, id);
            assert.equal(got.code, code, name);
            // Node reads headers as Latin-1.
            if (reason !== null) assert.equal(Buffer.from(got.reason ?? '', 'latin1').toString(), reason, name);
            raw.destroy();
        }
        await until('each once', () => backend.of('DISCONNECT').length === over.length);
        const ids = backend.of('DISCONNECT').map((r) => r.conn);
        assert.equal(new Set(ids).size, over.length);
    });

    test('control characters of a reason make no header', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
        const raw = await rawWs(daemon.port, '/ws');
        defer(t, () => raw.destroy());
        await raw.send(frame(CLOSE, closeBody(1000, 'a\r\nX-Evil: 1\0b\tc')));
        const [got] = await backend.got('DISCONNECT');
        assert.equal(got.headers['x-evil'], undefined);
        assert.equal(got.reason, 'a  X-Evil: 1 b c');
    });

    test('by the API, by being idle and by its lifetime', limits, async (t) => {
        const backend = await Backend.start(t);
        const daemon = await startSpec(t, { '/ws': allTo(backend.url()) }, { gateway: { idle_timeout: '2s', max_lifetime: '4s', ping_interval: '500ms' } });
        const [told, idle, old] = [await connect(t, daemon), await connect(t, daemon), await connect(t, daemon)];
        const busy = setInterval(() => old.closed || old.socket.ping(), 200);
        defer(t, () => clearInterval(busy));
        const answer = await daemon.manage('DELETE', `/apigateways/websocket/v1/connections/${told.id}`);
        assert.equal(answer.status, 200, answer.text);
        const codeOf = async (client) => (await backend.got('DISCONNECT', 1, client.id))[0].code;
        assert.equal(await codeOf(told), '1000');
        assert.equal(await codeOf(idle), '1001');
        assert.equal(await codeOf(old), '1001');
        assert.equal((await told.end).reason, '');
    });

    for (const [signal, code] of [
        ['SIGTERM', '1012'],
        ['SIGINT', '1001'],
    ])
        test(`by ${signal}: what waits goes out, then each end`, limits, async (t) => {
            const { held, open } = gate();
            const backend = await Backend.start(t, async (got) => {
                if (got.event === 'MESSAGE') await held;
                return {};
            });
            const daemon = await startSpec(t, { '/ws': allTo(backend.url()) });
            const clients = await Promise.all(Array.from({ length: 20 }, () => connect(t, daemon)));
            for (const client of clients) for (const text of ['1', '2', '3']) client.socket.send(text);
            await until('all to be taken', async () => (await daemon.metrics()).get('regcast_inbound_messages_total') === 60);
            const stopped = daemon.stop({ signal });
            await Promise.all(clients.map((client) => within(8000, 'its close', client.end)));
            open();
            await stopped;
            for (const client of clients) {
                const mine = backend.requests.filter((r) => r.conn === client.id);
                assert.deepEqual(mine.map((r) => (r.event === 'MESSAGE' ? String(r.body) : r.event)), ['CONNECT', '1', '2', '3', 'DISCONNECT']);
                assert.equal(mine.at(-1).code, code);
            }
        });

    for (const [name, begin] of [
        ['is down', async () => `http://127.0.0.1:${await freePort()}`],
        ['takes connections and says nothing', async (t) => (await RawBackend.start(t, () => {})).url()],
    ])
        test(`a backend that ${name} does not keep regcastd from ending`, limits, async (t) => {
            const url = await begin(t);
            const { 'x-yc-apigateway-websocket-connect': _, ...rest } = allTo(url);
            const daemon = await startSpec(t, { '/ws': rest });
            const clients = await Promise.all(Array.from({ length: 30 }, () => connect(t, daemon)));
            for (const client of clients) client.socket.send('never answered');
            await until('all to be taken', async () => (await daemon.metrics()).get('regcast_inbound_messages_total') === 30);
            const start = performance.now();
            await daemon.stop();
            const took = performance.now() - start;
            assert.ok(took < 1000 + 2000 + 5000 + 4000, `took ${took} ms`); // drain, close, the last ends, and some
            assert.ok(daemon.logged({ component: 'access', level: 'warn' }).length > 0, 'the log says so');
        });
});
