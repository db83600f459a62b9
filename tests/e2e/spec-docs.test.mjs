// Every example of docs/specification.md is checked as it stands there, with the configuration that stands behind it, and those with a
// name are run against a backend.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Backend } from './backend.mjs';
import { command } from './command.mjs';
import { CLOUD, Client, Daemon, FOLDER, GATEWAY, REGCASTD_FAST, ROOT, Raw, defer, handshake, tempDir, writeConfig } from './harness.mjs';
import { KEYS, makeJwt, now } from './jwt.mjs';

const PAGE = 'docs/specification.md';
const BACKEND = 'https://backend.example.com';
const limits = { timeout: 60000 };
const page = readFileSync(join(ROOT, PAGE), 'utf8');

// The page's blocks of YAML: parts of a specification, each with the parts of a configuration that follow it.
const examples = [];
for (const found of page.matchAll(/^```yaml\n(.*?)^```$/gms)) {
    const text = found[1];
    const where = `${PAGE}:${page.slice(0, found.index).split('\n').length}`;
    const [, kind, name] = /^# (example|refused): (\S+)\n/.exec(text) ?? [];
    if (!/^gateway:/m.test(text)) examples.push({ where, text, kind, name, configs: [] });
    else if (examples.length === 0) // of the whole page: with the file that conf/ has
        examples.push({ where, text: readFileSync(join(ROOT, 'conf/gateway.openapi.yaml'), 'utf8'), configs: [text] });
    else examples.at(-1).configs.push(text);
}

// A part of a specification made a whole one.
function completed(text) {
    const has = (key) => new RegExp(`^${key}:`, 'm').test(text);
    const head = has('openapi') ? '' : 'openapi: "3.0.0"\ninfo: { title: An example, version: "1" }\n';
    const operation = '{ x-yc-apigateway-integration: { type: dummy, http_code: 200, content: { "*": "" } } }';
    return `${head}${text}${has('paths') ? '' : `paths:\n  /example:\n    x-yc-apigateway-websocket-message: ${operation}\n`}`;
}

// The members of `gateway`, of all of these parts, as lines.
function members(parts) {
    const all = new Map();
    for (const part of parts)
        for (const member of part.replace(/^gateway:\n/, '').split(/^(?= {2}[a-z_]+:)/m)) all.set(/[a-z_]+/.exec(member)[0], member.replace(/\n*$/, '\n'));
    return all;
}

function configOf({ text, configs }, url = BACKEND) {
    const dir = tempDir();
    const spec = join(dir, 'gateway.openapi.yaml');
    writeFileSync(spec, completed(text).replaceAll(BACKEND, url));
    const all = members(configs);
    all.set('spec', `  spec: ${spec}\n`);
    const backends = all.get('backends') ?? '  backends:\n';
    all.set('backends', backends.replace(/^ {4}allowed_networks:.*\n/m, '') + '    allowed_networks: ["127.0.0.0/8"]\n');
    const gateway = [...all.values()].join('').replaceAll(BACKEND, url);
    return `folder_id: ${FOLDER}
cloud_id: ${CLOUD}
data_dir: ${dir}/data
gateway:
  id: ${GATEWAY}
  listen: ["127.0.0.1:0"]
  workers: 1
  drain_timeout: 1s
${gateway}webhooks:
  listen: ["127.0.0.1:0"]
management:
  listen: ["127.0.0.1:0"]
`;
}

const check = (config) => command(['--config', writeConfig(config), '--check'], { bin: REGCASTD_FAST });

test('every example passes the check, or is refused by name', limits, async () => {
    assert.ok(examples.length >= 14, `only ${examples.length} found`);
    await Promise.all(
        examples.map(async (one) => {
            const { code, out, err } = await check(configOf(one));
            if (one.kind === 'refused') {
                assert.notEqual(code, 0, `${one.where} was not refused`);
                assert.match(err.join('\n'), new RegExp(`${one.name}[^]*http`), one.where);
                return;
            }
            assert.equal(code, 0, `${one.where}: ${err.join('\n')}`);
            for (const [, path] of one.text.matchAll(/^ {2}(\/\S*):$/gm)) assert.ok(out.join('\n').includes(path), `${one.where}: nothing about ${path}`);
        }),
    );
});

test('each integration of the cloud is refused by name, with what comes nearest', limits, async () => {
    const types = ['cloud_functions', 'object_storage', 'cloud_datasphere', 'cloud_datastreams', 'cloud_ymq', 'cloud_ydb'];
    for (const type of types) {
        assert.ok(page.includes(`\`${type}\``), type);
        const text = `paths:\n  /a:\n    x-yc-apigateway-websocket-message:\n      x-yc-apigateway-integration: { type: ${type} }\n`;
        const { code, err } = await check(configOf({ text, configs: [] }));
        assert.notEqual(code, 0, type);
        assert.match(err.join('\n'), new RegExp(`${type}.*http`), type);
    }
});

test('the settings of backends are those of the reference', () => {
    const rows = (text) => new Set([...text.matchAll(/^\| `([a-z_`, ]+)` \|/gm)].flatMap(([, names]) => names.split('`, `')));
    const section = page.slice(page.indexOf('## Asking backends'), page.indexOf('## Moving here'));
    const reference = readFileSync(join(ROOT, 'conf/reference.md'), 'utf8');
    const known = new Set([...reference.matchAll(/gateway\.backends\.([a-z_]+)/g)].map(([, name]) => name));
    assert.deepEqual([...rows(section)].sort(), [...known].sort());
});

// ------------------------------------------------------------------------------------- run

const text = (body) => ({ status: 200, headers: { 'Content-Type': 'text/plain' }, body });

// Starts the daemon of an example, with a backend that `answer` is of.
async function startExample(t, name, answer = (got) => Backend.echo(got)) {
    const backend = await Backend.start(t, answer);
    const daemon = await Daemon.start(configOf(examples.find((one) => one.name === name), backend.url()));
    defer(t, () => daemon.stop());
    const open = async (path, options) => {
        const client = await Client.open(daemon.url(path), options);
        defer(t, () => client.terminate());
        return client;
    };
    const shake = async (path, headers = {}, how) => {
        const raw = await Raw.open(daemon.port);
        defer(t, () => raw.destroy());
        await raw.send(handshake(path, headers, how));
        await raw.wait(`an answer for ${path}`, () => raw.last || raw.done);
        return raw.last;
    };
    return { backend, daemon, open, shake };
}

const RUNS = {
    async three(t) {
        const { backend, open } = await startExample(t, 'three');
        const client = await open('/rooms/kitchen');
        client.socket.send('hello');
        assert.deepEqual(await client.first(1), ['hello']);
        await client.close();
        await backend.got('DISCONNECT');
        assert.deepEqual(backend.requests.map((r) => [r.method, r.url]), [['POST', '/connect'], ['POST', '/rooms/kitchen'], ['POST', '/disconnect']]);
    },
    async substitution(t) {
        const { backend, open, shake } = await startExample(t, 'substitution');
        const client = await open('/files/a%20b/c%26d/%C3%A9?page=2%263', { headers: { 'X-Tenant': 'red', Cookie: 'a=b; session=s1' } });
        client.socket.send('x');
        await client.first(1);
        const [got] = backend.of('MESSAGE');
        assert.equal(got.url, '/read/a%20b/c%26d/%C3%A9?page=2%263');
        assert.deepEqual(['x-session', 'x-tenant', 'x-message'].map((name) => got.headers[name]), ['s1', 'red', got.message]);
        assert.match(got.headers['x-tags'], /^page-2&3, ?fixed$/);
        const other = await open('/files/a', { headers: { Cookie: 'session=s2' } });
        other.socket.send('x');
        await other.first(1);
        assert.equal(backend.of('MESSAGE')[1].url, '/read/a?page=1', 'the default');
        // A value that is missing is found out when it is needed: with the message.
        const without = await open('/files/a');
        without.socket.send('x');
        without.socket.ping();
        await new Promise((done) => without.socket.once('pong', done));
        assert.equal(backend.of('MESSAGE', without.id).length, 0);
        assert.equal(without.messages.length, 0);
        assert.ok([400, 404].includes((await shake('/files/..')).status));
    },
    async variables(t) {
        const { open } = await startExample(t, 'variables');
        const client = await open('/env');
        client.socket.send('?');
        assert.deepEqual(await client.first(1), ['this is testing']);
    },
    async ref(t) {
        const { backend, open } = await startExample(t, 'ref');
        for (const path of ['/one', '/two']) {
            const client = await open(path);
            client.socket.send(path);
            assert.deepEqual(await client.first(1), [path]);
        }
        assert.deepEqual(backend.requests.map((r) => r.url), ['/echo', '/echo']);
    },
    async closed(t) {
        const { shake } = await startExample(t, 'closed');
        const got = await shake('/closed', { Accept: 'text/html' });
        assert.deepEqual([got.status, got.headers['content-type'], got.body], [403, 'text/plain', 'closed until noon']);
        assert.match(got.headers['x-why'], /^maintenance, ?until noon$/);
        const json = await shake('/closed', { Accept: 'application/json' });
        assert.deepEqual([json.status, json.headers['content-type'], json.body], [403, 'application/json', '{"error":"closed"}']);
    },
    async proxy(t) {
        const { backend, open } = await startExample(t, 'proxy');
        const client = await open('/proxy/kitchen?token=secret&a=1&a=2&via=me', { headers: { Cookie: 'a=b', 'X-Room': 'forged', 'X-Other': 'o', 'User-Agent': 'tester' } });
        client.socket.send('x');
        await client.first(1);
        const [got] = backend.requests;
        assert.equal(got.method, 'PUT');
        const url = new URL(got.url, BACKEND);
        assert.equal(url.pathname, '/rooms/kitchen');
        assert.deepEqual([...url.searchParams].sort(), [['a', '1'], ['a', '2'], ['via', 'regcast,http']].sort());
        assert.deepEqual(['x-room', 'x-other', 'user-agent', 'cookie', 'upgrade'].map((name) => got.headers[name]), ['kitchen', 'o', 'tester', undefined, undefined]);
    },
    async container(t) {
        const { backend, open } = await startExample(t, 'container');
        const client = await open('/app/a/b%20c?q=1', { headers: { 'X-Own': 'o' } });
        client.socket.send('x');
        await client.first(1);
        const [got] = backend.requests;
        assert.deepEqual([got.method, got.url, got.headers['x-own'], got.event], ['POST', '/app/a/b%20c?q=1', 'o', 'MESSAGE']);
    },
    async jwt(t) {
        const { shake } = await startExample(t, 'jwt', ({ url }) => (url === '/jwks.json' ? { status: 200, body: JSON.stringify({ keys: KEYS }) } : { status: 404 }));
        const token = (scope) => makeJwt({ iss: 'https://login.example.com', aud: 'regcast', sub: 'ann', exp: now() + 60, scope });
        const statuses = [];
        for (const headers of [{}, { Authorization: `Bearer ${token('other')}` }, { Authorization: `Bearer ${token('events.read')}` }]) statuses.push((await shake('/private', headers)).status);
        assert.deepEqual(statuses, [401, 403, 101]);
    },
    async function(t) {
        const { backend, shake } = await startExample(t, 'function', ({ body }) => text(JSON.stringify({ isAuthorized: JSON.parse(body).queryStringParameters.key === 'sesame' })));
        const statuses = [];
        for (const query of ['', '?key=open', '?key=sesame', '?key=sesame']) statuses.push((await shake(`/members/red${query}`)).status);
        assert.deepEqual(statuses, [401, 403, 101, 101]);
        assert.deepEqual(backend.requests.map((r) => r.url), ['/authorize', '/authorize'], 'the third is kept');
        const event = JSON.parse(backend.requests[0].body);
        for (const name of ['resource', 'path', 'httpMethod', 'headers', 'queryStringParameters', 'pathParameters', 'cookies', 'requestContext']) {
            assert.ok(name in event, name);
            assert.ok(page.includes(`\`${name}\``), name);
        }
    },
    async cors(t) {
        const { shake } = await startExample(t, 'cors');
        const preflight = (path, origin) =>
            shake(path, { Upgrade: null, Connection: null, 'Sec-WebSocket-Key': null, 'Sec-WebSocket-Version': null, Origin: origin, 'Access-Control-Request-Method': 'GET' }, { method: 'OPTIONS' });
        const got = await preflight('/dashboard', 'https://b.example.com');
        assert.equal(got.status, 204);
        assert.deepEqual(['allow-origin', 'allow-methods', 'allow-headers', 'allow-credentials', 'max-age'].map((name) => got.headers[`access-control-${name}`]),
            ['https://b.example.com', 'GET', 'X-Request-Id', 'true', '600']);
        const evil = await preflight('/dashboard', 'https://evil.example.com');
        assert.notEqual(evil.headers['access-control-allow-origin'], 'https://evil.example.com');
        const off = await preflight('/internal', 'https://a.example.com');
        assert.equal(off.headers['access-control-allow-origin'], undefined);
    },
    async rate(t) {
        const { shake } = await startExample(t, 'rate');
        const statuses = [];
        for (let i = 0; i < 4; i++) statuses.push((await shake('/calm')).status);
        assert.deepEqual(statuses, [101, 101, 101, 429]);
        assert.ok(Number((await shake('/calm')).headers['retry-after']) > 0);
    },
};

describe('an example does what the page says', () => {
    for (const [name, run] of Object.entries(RUNS)) test(name, limits, run);

    test('and none is left out', () => {
        assert.deepEqual(examples.filter(({ kind }) => kind === 'example').map(({ name }) => name).sort(), Object.keys(RUNS).sort());
    });
});
