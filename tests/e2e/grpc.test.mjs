// The gRPC listener as its clients see it: @grpc/grpc-js for what it can say, Node's HTTP/2 client for
// heads and frames of our own, and bytes on a socket for clients that die anywhere.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http2 from 'node:http2';
import net from 'node:net';
import { describe, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { FOLDER, Raw, defer, makeConfig, run, trigger, until, within, writeConfig } from './harness.mjs';
import { healthOf, watch } from './health.mjs';
import { startGrpc } from './sdk.mjs';

const limits = { timeout: 120000 };
const CODE = grpc.status;
const CHECK = '/grpc.health.v1.Health/Check';
const WATCH = '/grpc.health.v1.Health/Watch';
const TRIGGERS = '/yandex.cloud.serverless.triggers.v1.TriggerService';
const OPERATION = '/yandex.cloud.operation.OperationService/Get';

// {value} or {error} of a unary call.
const ask = (client, method, request = {}, options = {}) =>
    new Promise((done) => client[method](request, new grpc.Metadata(), options, (error, value) => done({ error, value })));

async function check(client, service, status) {
    const { error, value } = await ask(client, 'Check', { service });
    assert.equal(error, null);
    assert.deepEqual(value, { status });
}

async function refused(client, method, request, code, details) {
    const { error } = await ask(client, method, request);
    assert.equal(error?.code, code, error?.message);
    if (details instanceof RegExp) assert.match(error.details, details);
    else assert.equal(error.details, details);
    assert.match(error.metadata.get('x-request-id')[0], /^[0-9a-f-]{36}$/);
    assert.match(error.metadata.get('x-server-trace-id')[0], /^[0-9a-f]{32}$/);
}

// ------------------------------------------------------------------------------- plain HTTP/2

// A message with one text, as field 1.
function message(text) {
    const body = Buffer.from(text);
    const length = []; // a varint
    let left = body.length;
    for (; left >= 128; left >>= 7) length.push((left & 127) | 128);
    const head = Buffer.from([0, 0, 0, 0, 0, 10, ...length, left]);
    head.writeUInt32BE(head.length - 5 + body.length, 1);
    return Buffer.concat([head, body]);
}

async function connect(t, daemon) {
    const session = http2.connect(`http://${daemon.grpc}`);
    session.on('error', () => {}); // the requests tell
    defer(t, () => session.destroy());
    await new Promise((done, fail) => session.once('connect', done).once('error', fail));
    return session;
}

// A call whose body the test writes; `answer` has all that came: {http, status, message, trailers, ...}.
function begin(session, path, headers = {}) {
    const stream = session.request({
        ':method': 'POST', ':path': path, ':authority': 'localhost', te: 'trailers',
        'content-type': 'application/grpc', ...headers,
    });
    const got = { body: [], only: false };
    stream.on('response', (head, flags) => {
        got.http = head[':status'];
        got.head = head;
        got.only = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    });
    stream.on('trailers', (trailers) => (got.trailers = trailers));
    stream.on('data', (data) => got.body.push(data));
    stream.on('error', (error) => (got.error = error));
    stream.answer = within(20000, path, new Promise((done) => stream.on('close', () => {
        const end = got.only ? got.head : got.trailers;
        done({ ...got, body: Buffer.concat(got.body), status: end?.['grpc-status'], message: end?.['grpc-message'] });
    })));
    return stream;
}

// ----------------------------------------------------------------------------------- by hand

function frame(type, flags, id, payload) {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(id, 5);
    return Buffer.concat([head, payload]);
}
const [DATA, HEADERS, SETTINGS, END_STREAM, END_HEADERS] = [0, 1, 4, 1, 4];

// Literal fields without indexing (RFC 7541 section 6.2.2).
const fields = (list) => Buffer.concat(list.flat().map((text, i) =>
    Buffer.concat([Buffer.from(i % 2 === 0 ? [0, text.length] : [text.length]), Buffer.from(text)])));

// All that a client says for one call.
const wholeCall = (path, body) => Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(SETTINGS, 0, 0, Buffer.alloc(0)),
    frame(HEADERS, END_HEADERS, 1, fields([
        [':method', 'POST'], [':scheme', 'http'], [':path', path], [':authority', 'localhost'],
        ['te', 'trailers'], ['content-type', 'application/grpc'],
    ])),
    frame(DATA, END_STREAM, 1, body),
]);

const openSockets = async (daemon) => (await daemon.metrics()).get('regcast_open_sockets', { listener: 'grpc' });

// ------------------------------------------------------------------------------------- tests

describe('health', () => {
    test('Check, List and Watch', limits, async (t) => {
        const daemon = await startGrpc(t);
        const client = healthOf(t, daemon.grpc);
        await check(client, '', 'SERVING');
        await check(client, 'yandex.cloud.serverless.triggers.v1.TriggerService', 'SERVING');
        await refused(client, 'Check', { service: 'no.such.Service' }, CODE.NOT_FOUND, 'Service no.such.Service not found');
        const { value } = await ask(client, 'List');
        assert.deepEqual(value.statuses[''], { status: 'SERVING' });
        for (const service of Object.keys(value.statuses)) await check(client, service, 'SERVING');

        const [known, unknown] = ['', 'no.such.Service'].map((service) => watch(client, service));
        await until('both are told', () => known.told.length === 1 && unknown.told.length === 1);
        await daemon.stop();
        for (const { ended } of [known, unknown]) assert.equal((await ended).code, CODE.UNAVAILABLE);
        assert.deepEqual(known.told, ['SERVING', 'NOT_SERVING']);
        assert.deepEqual(unknown.told, ['SERVICE_UNKNOWN']);
        const [line] = daemon.logged({ msg: 'answered', operation: 'grpc.health.v1.Health/Check', code: 'NOT_FOUND' });
        assert.equal(line.error, 'Service no.such.Service not found');
    });
});

describe('calls', () => {
    test('unknown services and methods', limits, async (t) => {
        const daemon = await startGrpc(t);
        const client = healthOf(t, daemon.grpc);
        for (const [path, text] of [
            ['/grpc.health.v1.Health/Chekc', /^Unknown method /],
            ['/grpc.health.v2.Health/Check', /^Unknown service /],
            ['/', /^Unknown service /],
        ]) {
            const raw = (x) => x;
            const error = await new Promise((done) =>
                client.makeUnaryRequest(path, raw, raw, Buffer.alloc(0), new grpc.Metadata(), {}, done));
            assert.equal(error.code, CODE.UNIMPLEMENTED);
            assert.match(error.details, text);
        }
    });

    test('messages are percent-encoded, whatever is in them', limits, async (t) => {
        const daemon = await startGrpc(t);
        const client = healthOf(t, daemon.grpc);
        for (const service of ['100%', 'ö 漢字 😀', '%41', '"\\', ' x ', '~'])
            await refused(client, 'Check', { service }, CODE.NOT_FOUND, `Service ${service} not found`);
        const session = await connect(t, daemon);
        const call = begin(session, CHECK);
        call.end(message('1% ö'));
        const answer = await call.answer;
        assert.equal(answer.message, 'Service 1%25 %C3%B6 not found');
        assert.equal(answer.only, true);
    });

    test('gzip, and encodings that we do not have', limits, async (t) => {
        const daemon = await startGrpc(t);
        const gzip = healthOf(t, daemon.grpc, { 'grpc.default_compression_algorithm': 2 });
        const service = 'x'.repeat(10000);
        await refused(gzip, 'Check', { service }, CODE.NOT_FOUND, `Service ${'x'.repeat(100)} not found`);
        await check(gzip, 'grpc.health.v1.Health', 'SERVING');
        await refused(gzip, 'Check', { service: 'x'.repeat(2 << 20) }, CODE.RESOURCE_EXHAUSTED, /16 KiB/); // 2 KB compressed
        const deflate = healthOf(t, daemon.grpc, { 'grpc.default_compression_algorithm': 1 });
        await refused(deflate, 'Check', { service: 'x' }, CODE.UNIMPLEMENTED, /gzip/);
        const session = await connect(t, daemon);
        const call = begin(session, CHECK, { 'grpc-encoding': 'br' });
        call.end();
        assert.equal((await call.answer).head['grpc-accept-encoding'], 'identity,gzip');
    });

    test('at most 1 MiB a message, 16 KiB where no token is needed', limits, async (t) => {
        const daemon = await startGrpc(t);
        const client = healthOf(t, daemon.grpc);
        const most = (16 << 10) - 3; // with its tag and length
        const short = 'A request message is at most 16 KiB long where no token is needed';
        await refused(client, 'Check', { service: 'x'.repeat(most) }, CODE.NOT_FOUND, /not found/);
        await refused(client, 'Check', { service: 'x'.repeat(most + 1) }, CODE.RESOURCE_EXHAUSTED, short);
        await refused(client, 'Check', { service: 'x'.repeat(32 << 20) }, CODE.RESOURCE_EXHAUSTED, short);
        await check(client, '', 'SERVING');
        const session = await connect(t, daemon);
        for (const [more, code] of [[0, CODE.INVALID_ARGUMENT], [1, CODE.RESOURCE_EXHAUSTED]]) {
            const get = begin(session, '/yandex.cloud.serverless.triggers.v1.TriggerService/Get');
            get.end(message('x'.repeat((1 << 20) - 4 + more)));
            assert.equal((await get.answer).status, String(code));
        }
    });

    test('deadlines', limits, async (t) => {
        const daemon = await startGrpc(t);
        const session = await connect(t, daemon);
        const unfinished = begin(session, CHECK, { 'grpc-timeout': '50m' });
        const watching = begin(session, WATCH, { 'grpc-timeout': '100000u' });
        watching.end(message(''));
        const [a, b] = [await unfinished.answer, await watching.answer];
        assert.deepEqual([a.status, a.only], ['4', true]);
        assert.deepEqual([b.status, b.only, b.body.length], ['4', false, 7]);
        const client = healthOf(t, daemon.grpc);
        const stream = client.Watch({}, { deadline: Date.now() + 100 });
        stream.on('data', () => {});
        const error = await new Promise((done) => stream.on('error', done));
        assert.equal(error.code, CODE.DEADLINE_EXCEEDED);
        const malformed = begin(session, CHECK, { 'grpc-timeout': '1 s' });
        assert.equal((await malformed.answer).status, String(CODE.INTERNAL));
        assert.ok((await daemon.metrics()).get('regcast_grpc_calls_total', { code: '4' }) >= 2);
    });

    test('messages in one-byte DATA frames', limits, async (t) => {
        const daemon = await startGrpc(t);
        const session = await connect(t, daemon);
        const call = begin(session, CHECK);
        const name = 'yandex.cloud.serverless.triggers.v1.TriggerService';
        for (const byte of message(name)) {
            await new Promise((done) => call.write(Buffer.from([byte]), done));
            await new Promise((done) => setImmediate(done));
        }
        call.end();
        const answer = await call.answer;
        assert.deepEqual([answer.status, [...answer.body]], ['0', [0, 0, 0, 0, 2, 8, 1]]);
    });

    test('none, two and broken messages', limits, async (t) => {
        const daemon = await startGrpc(t);
        const session = await connect(t, daemon);
        for (const [body, code] of [
            ['', CODE.UNIMPLEMENTED],
            ['00000000000000000000', CODE.UNIMPLEMENTED],
            ['00000000', CODE.INTERNAL],
            ['00000000030a01', CODE.INTERNAL],
            ['0700000000', CODE.INTERNAL],
            ['0100000000', CODE.INTERNAL],
            ['00000000010a', CODE.INTERNAL],
            ['0000200000', CODE.RESOURCE_EXHAUSTED],
        ]) {
            const call = begin(session, CHECK);
            call.end(Buffer.from(body, 'hex'));
            const answer = await call.answer;
            assert.deepEqual([answer.status, answer.only, answer.http], [String(code), true, 200], body);
        }
    });

    test('what is no gRPC call is told so by HTTP', limits, async (t) => {
        const daemon = await startGrpc(t);
        const session = await connect(t, daemon);
        for (const [headers, http] of [
            [{ 'content-type': 'application/json' }, 415],
            [{ ':method': 'GET' }, 405],
            [{ ':authority': 'attacker.example' }, 421], // nobody has to say who he is here
            [{ origin: 'https://attacker.example' }, 403],
        ]) {
            const call = begin(session, CHECK, headers);
            call.end();
            assert.equal((await call.answer).http, http);
        }
        const raw = await Raw.open(daemon.grpcPort);
        await raw.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
        await raw.wait('the end', (c) => c.done);
        raw.destroy();
        const metrics = await daemon.metrics();
        assert.equal(metrics.get('regcast_reject_total', { listener: 'grpc', stage: 'h2', reason: 'h2_preface' }), 1);
        assert.equal(metrics.get('regcast_http_answers_total', { listener: 'grpc', code: '415' }), 1);
    });

    test('1,000 at once', limits, async (t) => {
        const daemon = await startGrpc(t);
        const clients = Array.from({ length: 4 }, (_, i) => healthOf(t, daemon.grpc, { 'grpc.channelz': i })); // each its connection
        const calls = Array.from({ length: 1000 }, (_, i) => ask(clients[i % 4], 'Check', { service: i % 2 ? '' : `s${i}` }));
        (await Promise.all(calls)).forEach(({ error, value }, i) => {
            if (i % 2) assert.deepEqual(value, { status: 'SERVING' });
            else assert.deepEqual([error.code, error.details], [CODE.NOT_FOUND, `Service s${i} not found`]);
        });
        const metrics = await daemon.metrics();
        assert.equal(metrics.get('regcast_grpc_calls_total', { code: '0' }), 500);
        assert.equal(metrics.get('regcast_grpc_calls_total', { code: '5' }), 500);
    });
});

describe('who asks', () => {
    const sha256 = (text) => createHash('sha256').update(text).digest('hex');
    const secured = {
        users: [{ id: 'alice', roles: ['viewer'] }],
        tokens: [{ subject: 'alice', sha256: sha256('t1.alice') }],
    };

    test('is settled before the body is read', limits, async (t) => {
        const daemon = await startGrpc(t, secured);
        const session = await connect(t, daemon);
        for (const headers of [{}, { authorization: 'Bearer t1.bob' }, { authorization: 't1.alice' }]) {
            const answer = await begin(session, OPERATION, headers).answer; // no body, no end
            assert.deepEqual([answer.status, answer.only, answer.message], ['16', true, 'Token is invalid or has expired.']);
            assert.ok(answer.head['grpc-status-details-bin']);
        }
        const call = begin(session, OPERATION, { authorization: 'Bearer t1.alice', 'x-request-id': 'my-own' });
        call.end(message('a1s00000000000000000'));
        const answer = await call.answer;
        assert.deepEqual([answer.status, answer.only, answer.head['x-request-id']], ['5', true, 'my-own']);
        await until('the line in the log', () => daemon.logged({ msg: 'answered', request_id: 'my-own' }).length === 1);
        const [line] = daemon.logged({ msg: 'answered', request_id: 'my-own' });
        assert.deepEqual([line.subject, line.operation, line.code], ['alice', 'yandex.cloud.operation.OperationService/Get', 'NOT_FOUND']);
        await check(healthOf(t, daemon.grpc), '', 'SERVING'); // for probes, which have no token
    });

    test('guessing is limited, together with REST', limits, async (t) => {
        const daemon = await startGrpc(t, secured);
        const session = await connect(t, daemon);
        for (let i = 0; i < 10; i++) {
            if (i % 2) {
                const answer = await begin(session, OPERATION, { authorization: `Bearer ${i}` }).answer;
                assert.equal(answer.status, String(CODE.UNAUTHENTICATED));
            } else {
                assert.equal((await daemon.manage('GET', '/gateway/v1/paths', { token: String(i) })).status, 401);
            }
        }
        const answer = await begin(session, OPERATION, { authorization: 'Bearer t1.alice' }).answer;
        assert.equal(answer.status, String(CODE.RESOURCE_EXHAUSTED));
    });
});

describe('the end', () => {
    test('clients that die at any byte leave nothing behind', limits, async (t) => {
        const daemon = await startGrpc(t);
        await check(healthOf(t, daemon.grpc, { 'grpc.use_local_subchannel_pool': 1 }), '', 'SERVING');
        const bytes = wholeCall(WATCH, message('grpc.health.v1.Health'));
        const [sockets, files] = [await openSockets(daemon), daemon.openFiles()];
        let rss;
        for (let round = 0; round < 6; round++) {
            for (let at = 0; at <= bytes.length; at++) {
                const socket = net.connect({ port: daemon.grpcPort, host: '127.0.0.1' });
                await new Promise((done, fail) => socket.once('connect', done).once('error', fail));
                socket.on('error', () => {});
                await new Promise((done) => socket.write(bytes.subarray(0, at), done));
                if (at % 2) socket.resetAndDestroy();
                else socket.destroy();
            }
            await until('all are gone', async () => (await openSockets(daemon)) === sockets);
            if (round === 1) rss = daemon.rssKb();
        }
        assert.equal(daemon.openFiles(), files);
        assert.ok(daemon.rssKb() < rss + 4096, `${rss} KB grew to ${daemon.rssKb()}`);
        // Whole ones were served: what was complete was a call, and it ended when its client did.
        assert.ok(daemon.logged({ msg: 'answered', operation: 'grpc.health.v1.Health/Watch', code: 'CANCELLED' }).length >= 6);
    });

    test('draining says GOAWAY and answers what is under way', limits, async (t) => {
        const daemon = await startGrpc(t, { triggers: [trigger('one')] });
        const session = await connect(t, daemon);
        const goaways = [];
        session.on('goaway', (code) => goaways.push(code));
        const watching = begin(session, WATCH);
        watching.end(message(''));
        await new Promise((done) => watching.once('data', done));
        const half = begin(session, CHECK); // it was begun before
        half.write(message('').subarray(0, 3));
        const list = begin(session, `${TRIGGERS}/List`);
        list.end(message(FOLDER));
        const [id] = String((await list.answer).body).match(/a1s[0-9a-z]{17}/);
        const change = begin(session, `${TRIGGERS}/Pause`); // too late, which is no fault of ours
        change.write(message(id).subarray(0, 3));
        await until('the calls are there', async () =>
            (await daemon.metrics()).get('regcast_management_requests_total') === 4);
        const stopped = daemon.stop();
        const answer = await watching.answer;
        assert.deepEqual([answer.status, [...answer.body.subarray(-7)]], ['14', [0, 0, 0, 0, 2, 8, 2]]);
        half.end(message('').subarray(3));
        assert.equal((await half.answer).status, '0');
        change.end(message(id).subarray(3));
        assert.equal((await change.answer).status, '14');
        await stopped;
        assert.ok(goaways.length > 0 && goaways.every((code) => code === 0), `${goaways}`);
    });

    test('idle connections are closed, and calls that come again find another', limits, async (t) => {
        const daemon = await startGrpc(t, { management: { keepalive_timeout: '300ms' } });
        const client = healthOf(t, daemon.grpc);
        for (let i = 0; i < 3; i++) {
            await check(client, '', 'SERVING');
            await until('it is closed', async () => (await openSockets(daemon)) === 0);
        }
    });
});

describe('the listener', () => {
    test('is loopback only where nobody has to say who he is', limits, () => {
        const open = makeConfig({ management: { listen: [], grpc_listen: ['0.0.0.0:0'] } });
        const refused = run(['--config', writeConfig(open), '--check']);
        assert.equal(refused.status, 78);
        assert.match(refused.stderr, /management\.grpc_listen: expected a loopback address/);
    });

    test('alone, without REST', limits, async (t) => {
        const { grpc: address, ready } = await startGrpc(t, { management: { listen: [], grpc_listen: ['[::1]:0', '127.0.0.1:0'] } });
        assert.deepEqual([ready.management.length, ready.grpc.length], [0, 2]);
        assert.match(address, /^\[::1\]:\d+$/);
        for (const each of ready.grpc) await check(healthOf(t, each), '', 'SERVING');
    });
});
