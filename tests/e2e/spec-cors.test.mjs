// What a specification's CORS rules and rate limits make of requests, and what the access log and /metrics say of them.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Client, Daemon, GATEWAY, ROOT, Raw, defer, handshake, makeConfig, tempDir, until } from './harness.mjs';
import { Sse } from './sse.mjs';

const limits = { timeout: 60000 };
const A = 'https://a.example';
const B = 'https://b.example';
const EVENTS = { Accept: 'text/event-stream', Upgrade: null, Connection: null };
const PREFLIGHT = { Upgrade: null, Connection: null, 'Access-Control-Request-Method': 'GET', 'Access-Control-Request-Headers': 'last-event-id' };

const dummy = { 'x-yc-apigateway-integration': { type: 'dummy', http_code: 200, content: { '*': 'hello' } } };
const speaks = (more = {}) => ({ 'x-yc-apigateway-websocket-message': dummy, ...more });
const cors = (rule) => ({ 'x-yc-apigateway-cors': rule });
const rate = (allRequests) => ({ 'x-yc-apigateway-rate-limit': { allRequests } });

const RULE = {
    origin: [A, B],
    methods: ['GET', 'POST'],
    allowedHeaders: 'Last-Event-ID',
    exposedHeaders: ['X-Yc-Apigateway-Websocket-Connection-Id'],
    credentials: true,
    maxAge: 3600,
    optionsSuccessStatus: 204,
};

function writeSpec(file, paths, more = {}) {
    const text = JSON.stringify({ openapi: '3.0.0', info: { title: 'rules', version: '1' }, ...more, paths });
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
}

async function start(t, paths, more) {
    const spec = join(tempDir(), 'api.json');
    writeSpec(spec, paths, more);
    const config = makeConfig({ gateway: { spec, paths: ['/own'] }, triggers: [] });
    const daemon = await Daemon.start(config, { errors: [] });
    defer(t, () => daemon.stop());
    daemon.spec = spec;
    return daemon;
}

// The first answer to a request of its own connection.
async function ask(daemon, path, headers = {}, method = 'GET') {
    const c = await Raw.open(daemon.port);
    await c.send(handshake(path, headers, { method }));
    await c.wait('an answer', () => c.last || c.done);
    c.destroy();
    return c.last;
}

const corsOf = ({ headers }) =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => name === 'vary' || name.startsWith('access-control-')));

describe('CORS', limits, () => {
    const PATHS = {
        '/list': speaks({ ...cors({ $ref: '#/components/x-yc-apigateway-cors-rules/two' }) }),
        '/echo/{room}': speaks({
            ...cors({ origin: true }),
            parameters: [{ name: 'room', in: 'path', required: true, schema: { type: 'string' } }],
        }),
        '/off': speaks(cors({ origin: false })),
        '/all': speaks(),
        '/page': { get: dummy },
    };
    const MORE = {
        'x-yc-apigateway': { cors: { origin: '*', methods: '*', allowedHeaders: '*' } },
        components: { 'x-yc-apigateway-cors-rules': { two: RULE } },
    };

    test('preflights are answered as the path has it', async (t) => {
        const daemon = await start(t, PATHS, MORE);
        const preflight = (path, Origin) => ask(daemon, path, { ...PREFLIGHT, Origin }, 'OPTIONS');
        const echoed = await preflight('/echo/7?x=1', A);
        assert.equal(echoed.status, 200);
        assert.deepEqual(corsOf(echoed), { vary: 'Origin', 'access-control-allow-origin': A, 'access-control-allow-methods': 'GET' });
        const all = await preflight('/all', B);
        assert.equal(all.status, 200);
        assert.deepEqual(corsOf(all), {
            'access-control-allow-origin': '*',
            'access-control-allow-methods': '*',
            'access-control-allow-headers': '*',
        });
        assert.equal(all.headers.connection, 'close');

        for (const path of ['/off', '/own', '/nowhere']) {
            const refused = await preflight(path, A);
            assert.equal(refused.status, 405, path);
            assert.equal(refused.headers.allow, 'GET', path);
            assert.deepEqual(corsOf(refused), {}, path);
        }
        const none = await ask(daemon, '/all', { Upgrade: null, Connection: null }, 'OPTIONS');
        assert.equal(none.status, 405);
        assert.equal(none.headers.allow, 'GET, OPTIONS');
    });

    test('a browser reads a list of two origins as it should', async (t) => {
        const daemon = await start(t, PATHS, MORE);
        const asked = (Origin) =>
            fetch(`http://127.0.0.1:${daemon.port}/list`, { method: 'OPTIONS', headers: { Origin, 'Access-Control-Request-Method': 'GET' } });
        const allowed = await asked(B);
        assert.equal(allowed.status, 204);
        assert.equal(allowed.headers.get('content-length'), null); // RFC 9110 section 8.6
        const headers = Object.fromEntries([...allowed.headers].filter(([name]) => /^(vary|access-control-)/.test(name)));
        assert.deepEqual(headers, {
            vary: 'Origin',
            'access-control-allow-origin': B,
            'access-control-allow-credentials': 'true',
            'access-control-allow-methods': 'GET, POST',
            'access-control-allow-headers': 'Last-Event-ID',
            'access-control-max-age': '3600',
        });
        const other = await asked('https://evil.example');
        assert.equal(other.status, 204);
        assert.equal(other.headers.get('access-control-allow-origin'), null);
        assert.equal(other.headers.get('vary'), 'Origin');
    });

    test('every other answer has its headers, once', async (t) => {
        const daemon = await start(t, PATHS, MORE);
        const expected = {
            vary: 'Origin',
            'access-control-allow-origin': A,
            'access-control-allow-credentials': 'true',
            'access-control-expose-headers': 'X-Yc-Apigateway-Websocket-Connection-Id',
        };
        const opened = await ask(daemon, '/list', { Origin: A });
        assert.equal(opened.status, 101);
        assert.deepEqual(corsOf(opened), expected);
        const refused = await ask(daemon, '/list', { Origin: A, 'Sec-WebSocket-Version': '8' });
        assert.equal(refused.status, 426);
        assert.deepEqual(corsOf(refused), expected);
        const gone = await ask(daemon, '/list?since=crt0000000000000009g&strict=1', { Origin: A });
        assert.equal(gone.status, 410);
        assert.deepEqual(corsOf(gone), expected);

        const streams = [];
        for (const path of ['/list', '/off', '/own']) streams.push(await Sse.open(daemon.port, path, { headers: { Origin: A } }));
        assert.deepEqual(streams.map((s) => s.status), [200, 200, 200]);
        assert.deepEqual(streams.map(corsOf), [expected, {}, { 'access-control-allow-origin': '*' }]);
        for (const s of streams) s.request.destroy();
    });

    test('it does not decide who may open a WebSocket', async (t) => {
        const spec = join(tempDir(), 'api.json');
        writeSpec(spec, { '/list': speaks(cors({ origin: A })) });
        const config = makeConfig({ gateway: { spec, paths: undefined, allowed_origins: [B] }, triggers: [] });
        const daemon = await Daemon.start(config);
        defer(t, () => daemon.stop());
        assert.equal((await ask(daemon, '/list', { Origin: A })).status, 403);
        const b = await ask(daemon, '/list', { Origin: B });
        assert.equal(b.status, 101);
        assert.equal(b.headers['access-control-allow-origin'], A); // as it is, and B's pages cannot read it
    });
});

describe('rate limits', limits, () => {
    test('a rule is one count, for all workers, and a reload goes on with it', async (t) => {
        const paths = { '/one': speaks(rate({ rpm: 3 })), '/two': speaks(), '/three': speaks() };
        const more = { 'x-yc-apigateway': { rateLimit: { allRequests: { rpm: 4 } } } };
        const daemon = await start(t, paths, more);
        const statuses = async (path, n) => {
            const all = [];
            for (let i = 0; i < n; i++) all.push((await ask(daemon, path)).status);
            return all.sort().join(' ');
        };
        assert.equal(await statuses('/one', 5), '101 101 101 429 429');
        assert.equal(await statuses('/two', 3), '101 101 101');
        assert.equal(await statuses('/three', 3), '101 429 429'); // the gateway's rule is theirs together
        assert.equal(await statuses('/own', 9), Array(9).fill('101').join(' '));

        const refused = await ask(daemon, '/one', { ...EVENTS, Origin: A });
        assert.equal(refused.status, 429);
        assert.deepEqual(JSON.parse(refused.body), { error: 'route_rate' });
        const wait = Number(refused.headers['retry-after']);
        assert.ok(wait >= 1 && wait <= 20 + 26, `${wait}`);

        writeSpec(daemon.spec, { ...paths, '/four': speaks() }, more);
        process.kill(daemon.pid, 'SIGHUP');
        await until('the reload', () => daemon.logged({ msg: 'reloaded' }).length > 0);
        assert.equal(await statuses('/one', 2), '429 429');
        assert.equal(await statuses('/four', 2), '429 429');
        const metrics = await daemon.metrics();
        assert.equal(metrics.get('regcast_reject_total', { listener: 'gateway', stage: 'handshake', reason: 'route_rate' }), 9);

        writeSpec(daemon.spec, { ...paths, '/one': speaks(rate({ rps: 1000 })) }, more);
        process.kill(daemon.pid, 'SIGHUP');
        await until('the reload', () => daemon.logged({ msg: 'reloaded' }).length > 1);
        assert.equal(await statuses('/one', 5), '101 101 101 101 101'); // another rule
    });

    test('what is no handshake does not count', async (t) => {
        const daemon = await start(t, { '/one': speaks({ ...rate({ rpm: 1 }), ...cors({ origin: true }) }) });
        for (let i = 0; i < 5; i++) {
            assert.equal((await ask(daemon, '/one', { ...PREFLIGHT, Origin: A }, 'OPTIONS')).status, 200);
            assert.equal((await ask(daemon, '/one', {}, 'POST')).status, 405);
        }
        assert.equal((await ask(daemon, '/one')).status, 101);
        const refused = await ask(daemon, '/one', { Origin: A });
        assert.equal(refused.status, 429);
        assert.equal(refused.headers['access-control-allow-origin'], A); // so that a page learns why
    });
});

test('the access log and the metrics have the names of the original', limits, async (t) => {
    const daemon = await start(t, { '/ws': speaks(rate({ rpm: 1 })) });
    const client = await Client.open(daemon.url('/ws'));
    assert.equal((await ask(daemon, '/ws')).status, 429);
    assert.equal((await ask(daemon, '/own')).status, 101);
    const lines = await until('two lines', () => {
        const all = daemon.logged({ component: 'access' });
        return all.length >= 2 && all;
    });
    assert.deepEqual(
        lines.map(({ level, resource_type, resource_id, release, path, operation, status, error }) => [
            level, resource_type, resource_id, release, path, operation, status, error,
        ]),
        [
            ['info', 'serverless.apigateway', GATEWAY, 'stable', '/ws', 'CONNECT', 101, undefined],
            ['info', 'serverless.apigateway', GATEWAY, 'stable', '/ws', 'CONNECT', 429, 'route_rate'],
        ],
    );
    assert.match(lines[0].peer, /^127\.0\.0\.1:\d+$/);
    assert.match(lines[0].conn, /^[0-9a-v]{20}$/);

    const own = { gateway: GATEWAY, path: '/ws', service: 'serverless-apigateway' };
    const connect = { ...own, release: 'stable', operation: 'CONNECT' };
    let metrics = await daemon.metrics();
    assert.equal(metrics.get('api_gateway_requests_count_total', { ...connect, code: '101' }), 1);
    assert.equal(metrics.get('api_gateway_requests_count_total', { ...connect, code: '429' }), 1);
    assert.equal(metrics.get('api_gateway_errors_count_total', { ...connect, code: '429' }), 1);
    assert.equal(metrics.get('api_gateway_websocket_connections_count', own), 1);
    await client.close();
    await until('the end', async () => {
        metrics = await daemon.metrics();
        return metrics.get('api_gateway_websocket_connections_count', own) === 0;
    });
    assert.equal(metrics.get('api_gateway_websocket_disconnections_count_total', { ...own, code: '1000' }), 1);
    const families = [...metrics.families.keys()].filter((name) => /^api_gateway_|^regcast_backend_/.test(name));
    assert.equal(families.length, 12);
    const page = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');
    for (const name of families.filter((family) => metrics.families.get(family).samples.length > 0)) {
        const labels = Object.keys(metrics.families.get(name).samples[0].labels).filter((label) => label !== 'le');
        const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`));
        assert.equal(row.split(' | ')[3].trim(), labels.map((label) => `\`${label}\``).join(', '), name);
    }
});
