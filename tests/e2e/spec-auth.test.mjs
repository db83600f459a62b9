// Authorizers of a specification: tokens whose keys a real server has, and functions that are asked by HTTP. What each handshake is
// answered, and how often the servers are asked for it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { operation, pathParameter, specConfig, startSpec, writeSpec } from './backend.mjs';
import { Client, Daemon, Raw, defer, freePort, handshake, tempDir, until, within } from './harness.mjs';
import { KEYS, jwk, makeJwt, now, pairs, rsa, stranger } from './jwt.mjs';

const limits = { timeout: 60000 };
const ISSUER = 'https://login.example.com';
const dummy = { type: 'dummy', http_code: 200, content: { 'text/plain': 'in' } };
const guarded = (security, more = {}) => ({ 'x-yc-apigateway-websocket-message': operation(dummy, { security }), ...more });
const bearer = (token) => ({ Authorization: `Bearer ${token}` });
const token = (claims = {}, how) => makeJwt({ iss: ISSUER, aud: 'regcast', sub: 'alice', exp: now() + 600, ...claims }, how);

// A server that keeps what it was asked; `answer(url, body, req)` is {status, body} or null, which never comes.
async function serve(t, answer) {
    const asked = [];
    const server = http.createServer(async (req, res) => {
        const parts = [];
        for await (const part of req) parts.push(part);
        const body = Buffer.concat(parts).toString();
        asked.push({ method: req.method, url: req.url, headers: req.headers, body });
        const how = await answer(req.url, body, req);
        if (how === null) return;
        res.writeHead(how.status ?? 200, { 'Content-Type': 'application/json', ...how.headers });
        res.end(typeof how.body === 'string' ? how.body : JSON.stringify(how.body));
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    defer(t, () => {
        server.closeAllConnections();
        return new Promise((done) => server.close(done));
    });
    return { url: `http://127.0.0.1:${server.address().port}`, asked };
}

const keyServer = (t, keys = () => KEYS) => serve(t, () => ({ body: { keys: keys() } }));

// The answer to a handshake: {status, headers}; 101 leaves no connection behind.
async function shake(daemon, path, headers = {}) {
    const raw = await Raw.open(daemon.port);
    try {
        await raw.send(handshake(path, headers));
        await raw.wait(`an answer for ${path}`, () => raw.last || raw.done, 15000);
        return raw.last;
    } finally {
        raw.destroy();
    }
}
const statusOf = async (...args) => (await shake(...args))?.status;

const jwtScheme = (over, scheme = {}) => ({
    login: {
        type: 'openIdConnect',
        ...scheme,
        'x-yc-apigateway-authorizer': { type: 'jwt', identitySource: { in: 'header', name: 'Authorization', prefix: 'Bearer ' }, ...over },
    },
});
const one = { gateway: { workers: 1 }, backends: { connect_timeout: '1s', read_timeout: '1s', request_timeout: '2s', breaker_failures: 0 } };
const with_ = (securitySchemes, more = {}) => ({ ...one, ...more, spec: { components: { securitySchemes } } });

describe('tokens', () => {
    test('of each algorithm are let in', limits, async (t) => {
        const keys = await keyServer(t);
        const daemon = await startSpec(t, { '/ws': guarded([{ login: [] }]) }, with_(jwtScheme({ jwksUri: `${keys.url}/keys`, jwkTtlInSeconds: 60 })));
        for (const alg of ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512']) assert.equal(await statusOf(daemon, '/ws', bearer(token({}, { alg }))), 101, alg);
        assert.ok(keys.asked.every(({ method, url }) => method === 'GET' && url === '/keys'));
    });

    test('that are no good are 401, those that do not suffice 403', limits, async (t) => {
        const keys = await keyServer(t);
        const scheme = jwtScheme({
            jwksUri: keys.url, jwkTtlInSeconds: 60, issuers: [ISSUER, 'https://other.example.com'], audiences: ['regcast', 'events'], requiredClaims: ['sub', 'email'],
        });
        const daemon = await startSpec(t, { '/ws': guarded([{ login: ['events.read', 'events.list'] }]) }, with_(scheme));
        const good = { email: 'a@example.com', scope: 'events.read events.list more' };
        const cases = [
            ['good', 101, token(good)],
            ['another issuer and audience of the lists', 101, token({ ...good, iss: 'https://other.example.com', aud: ['x', 'events'] })],
            ['none', 401, null],
            ['no token', 401, 'nonsense'],
            ['empty', 401, ''],
            ['two parts', 401, token(good).split('.').slice(0, 2).join('.')],
            ['four parts', 401, `${token(good)}.x`],
            ['alg none', 401, token(good, { alg: 'none', kid: 'rsa' })],
            ['the public key as a secret', 401, token(good, { alg: 'HS256', kid: 'rsa', key: rsa.publicKey.export({ type: 'spki', format: 'pem' }) })],
            ['PS256', 401, token(good, { alg: 'PS256', kid: 'rsa' })],
            ['another key', 401, token(good, { key: stranger.privateKey })],
            ['another algorithm than the key\'s', 401, token(good, { alg: 'RS256', kid: 'ES256' })],
            ['a curve under another\'s name', 401, token(good, { alg: 'ES256', kid: 'ES384' })],
            ['a changed body', 401, ((parts) => `${parts[0]}.${Buffer.from(JSON.stringify({ ...good, iss: ISSUER, aud: 'regcast', sub: 'root', exp: now() + 600 })).toString('base64url')}.${parts[2]}`)(token(good).split('.'))],
            ['expired', 401, token({ ...good, exp: now() - 60 })],
            ['not yet', 401, token({ ...good, nbf: now() + 600 })],
            ['of the future', 401, token({ ...good, iat: now() + 600 })],
            ['of a wrong issuer', 401, token({ ...good, iss: 'https://evil.example.com' })],
            ['of no issuer', 401, token({ ...good, iss: undefined })],
            ['for others', 401, token({ ...good, aud: 'others' })],
            ['for nobody', 401, token({ ...good, aud: [] })],
            ['without a claim', 401, token({ ...good, email: undefined })],
            ['with a part of the scope', 403, token({ ...good, scope: 'events.read' })],
            ['with a longer scope only', 403, token({ ...good, scope: 'events.readall events.list' })],
            ['without scope', 403, token({ ...good, scope: undefined })],
        ];
        for (const [name, status, text] of cases) {
            const answer = await shake(daemon, '/ws', text === null ? {} : bearer(text));
            assert.equal(answer.status, status, name);
            if (status === 401) assert.match(answer.headers['www-authenticate'], /^Bearer\b/, name);
        }
        assert.ok(!JSON.stringify(daemon.logs).includes(token(good).split('.')[1]), 'no token is in the log');
    });

    test('whose keys cannot be had are 500', limits, async (t) => {
        let body, status;
        const bad = await serve(t, () => (body === undefined ? null : { status, body }));
        const daemon = await startSpec(
            t,
            { '/ws': guarded([{ login: [] }]), '/down': guarded([{ down: [] }]) },
            with_({ ...jwtScheme({ jwksUri: bad.url }), down: jwtScheme({ jwksUri: `http://127.0.0.1:${await freePort()}` }).login }),
        );
        for (const [name, answer, code] of [
            ['404', '', 404],
            ['500 with keys', { keys: KEYS }, 500],
            ['a page', '<html>', 200],
            ['no keys', {}, 200],
            ['keys that are no list', { keys: 'x' }, 200],
            ['a redirect', '', 302],
        ]) {
            [body, status] = [answer, code];
            assert.equal(await statusOf(daemon, '/ws', bearer(token())), 500, name);
        }
        [body, status] = [undefined, 200];
        assert.equal(await statusOf(daemon, '/ws', bearer(token())), 500, 'silence');
        assert.equal(await statusOf(daemon, '/down', bearer(token())), 500, 'down');
        [body, status] = [{ keys: KEYS }, 200];
        assert.equal(await statusOf(daemon, '/ws', bearer(token())), 101, 'and well again');
    });

    test('are where the scheme says', limits, async (t) => {
        const keys = await keyServer(t);
        const at = (identitySource) => jwtScheme({ jwksUri: keys.url, jwkTtlInSeconds: 60, identitySource }).login;
        const schemes = {
            header: at({ in: 'header', name: 'X-Token' }),
            query: at({ in: 'query', name: 'token', prefix: 'jwt-' }),
            cookie: at({ in: 'cookie', name: 'sid' }),
        };
        const daemon = await startSpec(t, Object.fromEntries(Object.keys(schemes).map((name) => [`/${name}`, guarded([{ [name]: [] }])])), with_(schemes));
        const good = token();
        const ways = { header: ['', { 'x-token': good }], query: [`?a=b&token=jwt-${good}`, {}], cookie: ['', { Cookie: `a=b; sid=${good}; c=d` }] };
        for (const name of Object.keys(schemes))
            for (const [way, [query, headers]] of Object.entries(ways)) assert.equal(await statusOf(daemon, `/${name}${query}`, headers), way === name ? 101 : 401, `${way} for ${name}`);
        assert.equal(await statusOf(daemon, `/query?token=${good}`), 401, 'without its prefix');
    });

    test('keys are found by OpenID Connect', limits, async (t) => {
        const keys = await serve(t, (url) => ({ body: url === '/conf' ? { issuer: ISSUER, jwks_uri: `${keys.url}/certs` } : url === '/certs' ? { keys: KEYS } : {} }));
        const openIdConnectUrl = `${keys.url}/conf`;
        const daemon = await startSpec(
            t,
            { '/ws': guarded([{ login: [] }]), '/broken': guarded([{ broken: [] }]) },
            with_({ ...jwtScheme({ jwkTtlInSeconds: 60 }, { openIdConnectUrl }), broken: jwtScheme({}, { openIdConnectUrl: `${keys.url}/other` }).login }),
        );
        assert.equal(await statusOf(daemon, '/ws', bearer(token())), 101);
        assert.deepEqual(keys.asked.map(({ url }) => url), ['/conf', '/certs']);
        assert.equal(await statusOf(daemon, '/broken', bearer(token())), 500, 'a document without jwks_uri');
    });

    test('keys and results are kept as long as is said', limits, async (t) => {
        let keys = KEYS;
        const server = await serve(t, () => ({ body: { keys } }));
        const at = (more) => jwtScheme({ jwksUri: server.url, ...more }).login;
        const ttl = 'authorizer_result_ttl_in_seconds';
        const mode = 'authorizer_result_caching_mode';
        const schemes = {
            never: at({}),
            keys: at({ jwkTtlInSeconds: 60 }),
            path: at({ [ttl]: 60 }),
            uri: at({ [ttl]: 60, [mode]: 'uri' }),
            short: at({ [ttl]: 1 }),
        };
        const item = (name) => ({ parameters: [pathParameter('id')], ...guarded([{ [name]: [] }]) });
        const daemon = await startSpec(t, Object.fromEntries(Object.keys(schemes).map((name) => [`/${name}/{id}`, item(name)])), with_(schemes));
        const asks = async (path, text, status = 101) => {
            const before = server.asked.length;
            assert.equal(await statusOf(daemon, path, bearer(text)), status, path);
            return server.asked.length - before;
        };
        const [a, b] = [token({ jti: 'a' }), token({ jti: 'b' })];
        assert.deepEqual([await asks('/never/1', a), await asks('/never/1', a)], [1, 1]);
        assert.deepEqual([await asks('/keys/1', a), await asks('/keys/2', b), await asks('/keys/1', token({ exp: now() - 9 }), 401)], [1, 0, 0]);
        assert.deepEqual([await asks('/path/1', a), await asks('/path/1', a), await asks('/path/2', a), await asks('/path/1', b)], [1, 0, 0, 1]);
        assert.deepEqual([await asks('/uri/1', a), await asks('/uri/1', a), await asks('/uri/2', a)], [1, 0, 1]);
        await asks('/short/1', a);
        await until('the result to be forgotten', async () => (await asks('/short/1', a)) === 1);
        // A key that is new is asked for, once.
        keys = [jwk(pairs.ES256, { kid: 'new', alg: 'ES256' })];
        const fresh = token({}, { alg: 'ES256', kid: 'new' });
        assert.deepEqual([await asks('/keys/1', fresh), await asks('/keys/1', fresh)], [1, 0]);
        // What is kept does not outlive the token.
        keys = KEYS;
        const brief = token({ exp: now() + 2 });
        assert.equal(await asks('/path/9', brief), 1);
        await until('the token to end', async () => (await statusOf(daemon, '/path/9', bearer(brief))) === 401);
    });

    test('keys that many wait for are fetched once', limits, async (t) => {
        const server = await serve(t, async () => {
            await new Promise((done) => setTimeout(done, 200));
            return { body: { keys: KEYS } };
        });
        const daemon = await startSpec(t, { '/ws': guarded([{ login: [] }]) }, with_(jwtScheme({ jwksUri: server.url, jwkTtlInSeconds: 60 })));
        const statuses = await Promise.all(Array.from({ length: 50 }, (_, i) => statusOf(daemon, '/ws', bearer(token({ jti: String(i) })))));
        assert.ok(statuses.every((status) => status === 101), String(statuses));
        assert.equal(server.asked.length, 1);
    });

    test('may begin a little later, as the configuration says, and as it says after a reload', limits, async (t) => {
        const keys = await keyServer(t);
        const paths = { '/ws': guarded([{ login: [] }]) };
        const over = with_(jwtScheme({ jwksUri: keys.url, jwkTtlInSeconds: 60 }));
        const file = join(tempDir(), 'regcast.yaml');
        const { spec, gateway, ...rest } = over;
        const written = writeSpec(paths, spec);
        const config = (skew) => specConfig(written, '/ws', { ...rest, gateway: { ...gateway, auth: { clock_skew: skew } } });
        writeFileSync(file, JSON.stringify(config('2m')), { mode: 0o600 });
        const daemon = await Daemon.start(config('2m'), { file });
        defer(t, () => daemon.stop());
        const early = bearer(token({ nbf: now() + 90, iat: now() + 90 })), later = bearer(token({ nbf: now() + 300 }));
        assert.equal(await statusOf(daemon, '/ws', early), 101);
        assert.equal(await statusOf(daemon, '/ws', later), 401);
        assert.equal(await statusOf(daemon, '/ws', bearer(token({ exp: now() - 1 }))), 401);
        writeFileSync(file, JSON.stringify(config('1s')), { mode: 0o600 });
        assert.equal((await daemon.manage('POST', '/admin/v1/reload')).status, 200);
        assert.equal(await statusOf(daemon, '/ws', early), 401);
        assert.equal(await statusOf(daemon, '/ws', bearer(token())), 101);
    });

    test('a connection ends with its token', limits, async (t) => {
        const keys = await keyServer(t);
        const daemon = await startSpec(t, { '/ws': guarded([{ login: [] }]) }, with_(jwtScheme({ jwksUri: keys.url, jwkTtlInSeconds: 60, authorizer_result_ttl_in_seconds: 60 })));
        const text = token({ exp: now() + 3 });
        const clients = [];
        for (let i = 0; i < 2; i++) { // the second one's result is a kept one
            const client = await Client.open(daemon.url('/ws'), { headers: bearer(text) });
            defer(t, () => client.terminate());
            clients.push(client);
        }
        const lasting = await Client.open(daemon.url('/ws'), { headers: bearer(token()) });
        defer(t, () => lasting.terminate());
        for (const client of clients) assert.equal((await within(8000, 'the end', client.end)).code, 4001);
        lasting.socket.send('still here?');
        assert.deepEqual(await lasting.first(1), ['in']);
    });
});

describe('security', () => {
    test('one entry is enough, of its schemes all count, and [] is anybody', limits, async (t) => {
        const keys = await keyServer(t);
        const at = (name) => jwtScheme({ jwksUri: keys.url, jwkTtlInSeconds: 60, identitySource: { in: 'header', name } }).login;
        const components = { securitySchemes: { a: at('X-A'), b: at('X-B') } };
        const paths = {
            '/document': { 'x-yc-apigateway-websocket-message': operation(dummy) },
            '/open': guarded([]),
            '/either': guarded([{ a: [] }, { b: [] }]),
            '/both': guarded([{ a: [], b: [] }]),
            '/perhaps': guarded([{ a: [] }, {}]),
            '/connect': { ...guarded([]), 'x-yc-apigateway-websocket-connect': operation(dummy, { security: [{ b: [] }] }) },
            '/two': { ...guarded([{ a: [] }]), 'x-yc-apigateway-websocket-connect': operation(dummy, { security: [{ b: [] }] }) },
        };
        const daemon = await startSpec(t, paths, { ...one, spec: { components, security: [{ a: [] }] } });
        const [good, bad] = [token(), token({ exp: 1 })];
        const table = {
            // nothing, A, B, both, bad A and B
            '/document': [401, 101, 401, 101, 401],
            '/open': [101, 101, 101, 101, 101],
            '/either': [401, 101, 101, 101, 101],
            '/both': [401, 401, 401, 101, 401],
            '/perhaps': [101, 101, 101, 101, 101],
            '/connect': [401, 401, 101, 101, 101],
            '/two': [401, 401, 401, 101, 401],
        };
        const ways = [{}, { 'X-A': good }, { 'X-B': good }, { 'X-A': good, 'X-B': good }, { 'X-A': bad, 'X-B': good }];
        for (const [path, statuses] of Object.entries(table))
            for (const [i, headers] of ways.entries()) assert.equal(await statusOf(daemon, path, headers), statuses[i], `${path} with ${Object.keys(headers)} (${i})`);
    });
});

describe('functions', () => {
    const scheme = (over, more = {}) => ({ type: 'http', scheme: 'bearer', ...over, 'x-yc-apigateway-authorizer': { type: 'function', function_id: 'd4efunction000000001', ...more } });
    const start = async (t, schemes, paths, answer) => {
        const fn = await serve(t, answer);
        const over = with_(schemes, { backends: { ...one.backends, functions: [{ id: 'd4efunction000000001', url: `${fn.url}/authorize` }] } });
        return { fn, daemon: await startSpec(t, paths, over) };
    };

    test('are told of the handshake, and decide', limits, async (t) => {
        let answer = { body: { isAuthorized: true, context: { who: 'ann' } } };
        const parameters = [pathParameter('team')];
        const schemes = {
            basic: scheme({ scheme: 'basic' }),
            bearer: scheme({}),
            header: scheme({ type: 'apiKey', scheme: undefined, in: 'header', name: 'X-Key' }),
            query: scheme({ type: 'apiKey', scheme: undefined, in: 'query', name: 'key' }),
            cookie: scheme({ type: 'apiKey', scheme: undefined, in: 'cookie', name: 'key' }),
        };
        const paths = Object.fromEntries(Object.keys(schemes).map((name) => [`/${name}/{team}`, { parameters, ...guarded([{ [name]: [] }]) }]));
        const { fn, daemon } = await start(t, schemes, paths, () => answer);
        const good = { basic: { Authorization: 'Basic YTpi' }, bearer: bearer('x'), header: { 'x-key': 'k' }, query: {}, cookie: { Cookie: 'a=b; key=k' } };
        const url = (name) => `/${name}/r%20d${name === 'query' ? '?key=k&n=1' : '?n=1'}`;
        for (const name of Object.keys(schemes)) assert.equal(await statusOf(daemon, url(name), { 'User-Agent': 'tester', ...good[name] }), 101, name);
        assert.equal(fn.asked.length, 5);
        for (const [i, name] of Object.keys(schemes).entries()) {
            const { method, url: asked, headers, body } = fn.asked[i];
            assert.deepEqual([method, asked], ['POST', '/authorize']);
            assert.match(headers['content-type'], /^application\/json/);
            const event = JSON.parse(body);
            assert.equal(event.resource, `/${name}/{team}`);
            assert.ok(['/' + name + '/r%20d', '/' + name + '/r d'].includes(event.path), event.path);
            assert.equal(event.httpMethod, 'GET');
            assert.deepEqual(event.pathParameters, { team: 'r d' });
            assert.equal(event.queryStringParameters.n, '1');
            const own = Object.fromEntries(Object.entries(event.headers).map(([key, value]) => [key.toLowerCase(), value]));
            assert.equal(own['user-agent'], 'tester');
            if (good[name].Authorization) assert.equal(own.authorization, good[name].Authorization);
            assert.equal(event.requestContext.identity.sourceIp, '127.0.0.1');
            assert.equal(event.requestContext.identity.userAgent, 'tester');
            if (name === 'cookie') assert.equal(event.cookies.key, 'k');
        }
        // Without a credential it is not asked at all.
        for (const [name, headers] of [['basic', bearer('x')], ['bearer', good.basic], ['basic', {}], ['bearer', {}], ['header', {}], ['cookie', { Cookie: 'kez=k' }]])
            assert.equal(await statusOf(daemon, `/${name}/red`, headers), 401, name);
        assert.equal(await statusOf(daemon, '/query/red?kez=k'), 401);
        assert.equal(fn.asked.length, 5);
        for (const [name, status, how] of [
            ['no', 403, { body: { isAuthorized: false } }],
            ['no, with a context', 403, { body: { isAuthorized: false, context: {} } }],
            ['yes', 101, { body: { isAuthorized: true } }],
            ['yes, with more', 101, { body: { isAuthorized: true, context: {}, other: 1 } }],
            ['a text', 500, { body: { isAuthorized: 'true' } }],
            ['a number', 500, { body: { isAuthorized: 1 } }],
            ['null', 500, { body: 'null' }],
            ['nothing', 500, { body: '' }],
            ['something else', 500, { body: { authorized: true } }],
            ['a list', 500, { body: '[true]' }],
            ['no JSON', 500, { body: '{"isAuthorized": true' }],
            ['404', 500, { status: 404, body: { isAuthorized: true } }],
            ['502', 500, { status: 502, body: '' }],
            ['302', 500, { status: 302, headers: { Location: '/' }, body: { isAuthorized: true } }],
            ['silence', 500, null],
        ]) {
            answer = how;
            assert.equal(await statusOf(daemon, '/bearer/red', good.bearer), status, name);
        }
    });

    test('what they said is kept as long as is said, by credential and path or address', limits, async (t) => {
        const more = (mode) => ({ authorizer_result_ttl_in_seconds: 60, ...(mode ? { authorizer_result_caching_mode: mode } : {}) });
        const schemes = { never: scheme({}), usual: scheme({}, more()), path: scheme({}, more('path')), uri: scheme({}, more('uri')) };
        const item = (name) => ({ parameters: [pathParameter('id')], ...guarded([{ [name]: [] }]) });
        let yes = true;
        const { fn, daemon } = await start(t, schemes, Object.fromEntries(Object.keys(schemes).map((name) => [`/${name}/{id}`, item(name)])), () => ({ body: { isAuthorized: yes } }));
        const asks = async (path, text, status = 101) => {
            const before = fn.asked.length;
            assert.equal(await statusOf(daemon, path, bearer(text)), status, path);
            return fn.asked.length - before;
        };
        assert.deepEqual([await asks('/never/1', 'a'), await asks('/never/1', 'a')], [1, 1]);
        for (const name of ['usual', 'path'])
            assert.deepEqual([await asks(`/${name}/1`, 'a'), await asks(`/${name}/1`, 'a'), await asks(`/${name}/2`, 'a'), await asks(`/${name}/1`, 'b')], [1, 0, 0, 1], name);
        assert.deepEqual([await asks('/uri/1', 'a'), await asks('/uri/1', 'a'), await asks('/uri/2', 'a'), await asks('/uri/1', 'b')], [1, 0, 1, 1]);
        yes = false;
        assert.equal(await asks('/path/1', 'a'), 0, 'still let in');
        assert.deepEqual([await asks('/path/1', 'c', 403), await asks('/path/1', 'c', 403)], [1, 0], 'a no is kept, too');
    });

    test('one that is down is 500', limits, async (t) => {
        const over = with_({ key: scheme({}) }, { backends: { ...one.backends, functions: [{ id: 'd4efunction000000001', url: `http://127.0.0.1:${await freePort()}` }] } });
        const daemon = await startSpec(t, { '/ws': guarded([{ key: [] }]) }, over);
        assert.equal(await statusOf(daemon, '/ws', bearer('x')), 500);
    });
});
