// Who may open a path (security list WS-08): tokens and JWTs in every place of the handshake, made with Node's own crypto, and
// issuers whose keys are in a file, behind a URL, or a shared secret.
import assert from 'node:assert/strict';
import { createHash, createHmac, createSign, constants, generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
    Client, Daemon, Raw, defer, handshake, makeConfig, newImage, pause, run, tempDir, trigger, until, within, writeConfig,
} from './harness.mjs';

const limits = { timeout: 60000 };
const TOKEN = 't1.canary_static_9f31c2d07a';
const SECRET = 'canary-shared-secret-of-hs256-0123456789';
const ISSUER = 'https://issuer.example';
const AUDIENCE = 'regcast';
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const now = () => Math.floor(Date.now() / 1000);

// ------------------------------------------------------------------------------------- tokens

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const curves = Object.fromEntries(['P-256', 'P-384', 'P-521'].map((namedCurve) => [namedCurve, generateKeyPairSync('ec', { namedCurve })]));
const ed = generateKeyPairSync('ed25519');

const jwk = ({ publicKey }, over = {}) => ({ ...publicKey.export({ format: 'jwk' }), use: 'sig', ...over });
const KEYS = [jwk(rsa, { kid: 'r1' }), ...Object.entries(curves).map(([name, pair]) => jwk(pair, { kid: name }))];

function signWith(alg, key, text) {
    const hash = `sha${alg.slice(2)}`;
    if (alg === 'none') return Buffer.alloc(0);
    if (alg.startsWith('HS')) return createHmac(hash, key).update(text).digest();
    if (alg === 'EdDSA') return sign(null, Buffer.from(text), key);
    const options = alg.startsWith('PS')
        ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
        : { key, dsaEncoding: 'ieee-p1363' };
    return createSign(hash).update(text).sign(options);
}

function makeJwt({ alg = 'RS256', kid = 'r1', key = rsa.privateKey, header = {}, claims = {} } = {}) {
    const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
    const all = { iss: ISSUER, aud: AUDIENCE, exp: now() + 600, sub: 'alice', team: 'red', ...claims };
    const text = `${part({ alg, kid, ...header })}.${part(all)}`;
    return `${text}.${signWith(alg, key, text).toString('base64url')}`;
}

// -------------------------------------------------------------------------------------- daemon

function jwksFile(keys) {
    const file = join(tempDir(), 'jwks.json');
    writeFileSync(file, JSON.stringify({ keys }));
    return file;
}

function config({ auth = {}, issuer = {}, paths, ...rest } = {}) {
    return makeConfig({
        gateway: {
            workers: 2,
            auth: {
                tokens: [{ subject: 'bob', sha256: sha256(TOKEN) }],
                issuers: [{ issuer: ISSUER, audiences: [AUDIENCE], jwks_file: jwksFile(KEYS), ...issuer }],
                ...auth,
            },
            paths: paths ?? ['/', { path: '/static', auth: 'token' }, { path: '/jwt', auth: 'jwt' }, { path: '/teams/{team}', auth: 'jwt' }],
        },
        triggers: [trigger('static', { path: '/static' })],
        ...rest,
    });
}

async function start(t, cfg, options) {
    const d = await Daemon.start(cfg, options);
    defer(t, () => d.stop());
    return d;
}

// An open client, or the status that the handshake was refused with.
async function connect(t, d, path, { headers = {}, protocols = [], from } = {}) {
    const options = { headers, protocols, localAddress: from };
    const got = await within(10000, 'a handshake', Client.open(d.url(path), options).catch((error) => error));
    if (!(got instanceof Error)) {
        defer(t, () => got.terminate());
        return { status: 101, client: got };
    }
    assert.match(got.message, /Unexpected server response: \d+/);
    return { status: Number(got.message.split(': ')[1]) };
}

const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });

async function statusOf(t, d, path, options) {
    const { status, client } = await connect(t, d, path, options);
    client?.terminate();
    return status;
}

const rejected = async (d, reason) =>
    (await d.metrics()).get('regcast_reject_total', { listener: 'gateway', stage: 'handshake', reason }) ?? 0;

function assertNowhere(d, secrets) {
    const text = JSON.stringify(d.logs);
    for (const secret of secrets) assert.ok(!text.includes(secret), `the log has ${secret}`);
}

// --------------------------------------------------------------------------------------- tests

describe('path auth', { concurrency: 2 }, () => {
    test('a configured token opens a path from each place, and nothing else does', limits, async (t) => {
        const d = await start(t, config({ auth: { query: true, cookie: 'sid' } }));
        const GOOD = {
            header: bearer(TOKEN),
            'other case': { headers: { authorization: `bEARER  ${TOKEN}` } },
            cookie: { headers: { Cookie: `a=b; sid=${TOKEN}; c=d` } },
            'quoted cookie': { headers: { Cookie: `sid="${TOKEN}"` } },
            subprotocol: { protocols: ['regcast.v1', `regcast-token.${TOKEN}`] },
            query: { query: `?x=1&access_token=${TOKEN}` },
            'escaped query': { query: `?access_token=${TOKEN.replace('.', '%2e')}&since=earliest` },
            'beside basic of a proxy': { headers: { Authorization: 'Basic YTpi', Cookie: `sid=${TOKEN}` } },
        };
        for (const [name, { query = '', ...options }] of Object.entries(GOOD)) {
            const got = await connect(t, d, `/static${query}`, options);
            assert.equal(got.status, 101, name);
            assert.equal(got.client.socket.protocol, options.protocols ? 'regcast.v1' : '', name);
        }
        await d.accept([newImage('app')]);
        const BAD = {
            nothing: {},
            'another header': bearer(`${TOKEN}x`),
            'no bearer': { headers: { Authorization: TOKEN } },
            'other cookie': { headers: { Cookie: `sidx=${TOKEN}` } },
            'two cookies': { headers: { Cookie: `sid=${TOKEN}; sid=x` } },
            'two headers': { headers: { Authorization: [`Bearer ${TOKEN}`, `Bearer ${TOKEN}`] } },
            'an empty header': { headers: { Authorization: 'Bearer ', Cookie: `sid=${TOKEN}` } },
            'the hash': bearer(sha256(TOKEN)),
            'wrong subprotocol': { protocols: ['regcast.v1', `regcast-token.${TOKEN}x`] },
            'half of it in the query': { query: `?access_token=${TOKEN.slice(0, -1)}` },
        };
        for (const [name, { query = '', ...options }] of Object.entries(BAD)) {
            assert.equal(await statusOf(t, d, `/static${query}`, options), 401, name);
            assert.equal(await statusOf(t, d, '/static', bearer(TOKEN)), 101); // or the address would have to wait
        }
        assert.equal(await statusOf(t, d, '/'), 101);
        assert.ok(await rejected(d, 'credential') >= 6);
        assert.ok(await rejected(d, 'no_credential') >= 1);
        assertNowhere(d, [TOKEN, sha256(TOKEN)]);
        assert.ok(d.logged({ msg: 'open', subject: 'bob' }).length >= Object.keys(GOOD).length);
    });

    test('says what to bring, and that nothing that was brought is good', limits, async (t) => {
        const d = await start(t, config());
        const ask = (headers) => d.request('GET', '/static', {
            port: d.port,
            headers: { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers },
        });
        const nothing = await ask({});
        assert.deepEqual([nothing.status, nothing.headers['www-authenticate'], nothing.text], [401, 'Bearer', '{"error":"no_credential"}']);
        const wrong = await ask({ Authorization: 'Bearer x' });
        assert.deepEqual([wrong.status, wrong.headers['www-authenticate'], wrong.text],
            [401, 'Bearer error="invalid_token"', '{"error":"credential"}']);
        assert.equal((await ask({ Cookie: `regcast_token=${TOKEN}`, 'Sec-WebSocket-Key': 'x' })).status, 400);
        // The query counts only where the operator wants it.
        assert.equal(await statusOf(t, d, `/static?access_token=${TOKEN}`), 401);
        assertNowhere(d, [TOKEN]);
    });

    test('who guesses has to wait, whatever comes then', limits, async (t) => {
        const d = await start(t, config());
        const tries = [];
        for (let i = 0; i < 11; i++) tries.push(await statusOf(t, d, '/static', bearer(`guess${i}`)));
        assert.deepEqual(tries, [...Array(10).fill(401), 429]);
        assert.equal(await statusOf(t, d, '/static', bearer(TOKEN)), 429);
        assert.equal(await statusOf(t, d, '/'), 101); // who needs none is not concerned
        assert.equal(await rejected(d, 'auth_rate'), 2);
    });

    test('pages need to be listed wherever a token is asked for', limits, async (t) => {
        const page = 'https://page.example';
        const with_ = (origin) => ({ headers: { Authorization: `Bearer ${TOKEN}`, Origin: origin } });
        const d = await start(t, config({
            paths: ['/', { path: '/static', auth: 'token' }, { path: '/listed', auth: 'token', allowed_origins: [page] }],
        }));
        assert.equal(await statusOf(t, d, '/', { headers: { Origin: page } }), 101);
        assert.equal(await statusOf(t, d, '/static', with_(page)), 403);
        assert.equal(await statusOf(t, d, '/static', bearer(TOKEN)), 101);
        assert.equal(await statusOf(t, d, '/listed', with_(page)), 101);
        for (const origin of ['null', `${page}.evil`, `${page}:444`, 'http://page.example', 'https://PAGE.example'])
            assert.equal(await statusOf(t, d, '/listed', with_(origin)), 403, origin);
    });

    test('JWTs of every algorithm open a path', limits, async (t) => {
        const d = await start(t, config());
        for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'])
            assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt({ alg }))), 101, alg);
        for (const [alg, curve] of [['ES256', 'P-256'], ['ES384', 'P-384'], ['ES512', 'P-521']])
            assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt({ alg, kid: curve, key: curves[curve].privateKey }))), 101, alg);
        assertNowhere(d, ['eyJ']);
    });

    test('what is wrong with a JWT is refused, and the log says what', limits, async (t) => {
        const d = await start(t, config({ issuer: { required_claims: ['team'] } }));
        const pem = rsa.publicKey.export({ format: 'pem', type: 'spki' });
        const good = makeJwt();
        const CASES = [
            ['unknown issuer', { claims: { iss: 'https://evil.example' } }],
            ['unknown issuer', { claims: { iss: undefined } }],
            ['unknown issuer', { claims: { iss: [ISSUER] } }],
            ['for another audience', { claims: { aud: 'others' } }],
            ['for another audience', { claims: { aud: undefined } }],
            ['for another audience', { claims: { aud: ['others', `${AUDIENCE}x`] } }],
            ['expired', { claims: { exp: now() - 1 } }],
            ['no exp', { claims: { exp: undefined } }],
            ['no exp', { claims: { exp: `${now() + 600}` } }],
            ['not good yet', { claims: { nbf: now() + 60 } }],
            ['not good yet', { claims: { iat: now() + 60 } }],
            ['nbf or iat is no time', { claims: { nbf: 'now' } }],
            ['a required claim is missing', { claims: { team: undefined } }],
            ['a required claim is missing', { claims: { team: null } }],
            ['sub or jti is no text', { claims: { jti: 7 } }],
            ['sub or jti is too long', { claims: { sub: 'x'.repeat(256) } }],
            ['bad signature', { key: other.privateKey }],
            ['unknown key', { kid: 'r2' }],
            ['unknown key', { alg: 'ES256', key: curves['P-256'].privateKey }], // r1 is no key of a curve
            ['unknown key', { alg: 'ES384', kid: 'P-256', key: curves['P-256'].privateKey }],
            ['algorithm not allowed', { alg: 'HS256', key: pem }],
            ['algorithm not allowed', { alg: 'HS256', key: JSON.stringify(KEYS[0]) }],
        ];
        const UNREAD = 'no JWT that can be read, or of an algorithm that is not taken';
        const TEXTS = [
            makeJwt({ alg: 'none' }), makeJwt({ alg: 'none' }) + 'AAAA', makeJwt({ alg: 'EdDSA', key: ed.privateKey }),
            makeJwt({ header: { crit: ['exp'] } }), `${good}x.y`, good.slice(0, good.lastIndexOf('.')), TOKEN,
        ];
        const all = [...CASES.map(([why, options]) => [why, makeJwt(options)]), ...TEXTS.map((text) => [UNREAD, text])];
        for (const [i, [detail, token]] of all.entries()) {
            const before = d.logged({ reason: 'credential', detail }).length;
            const from = `127.0.1.${i + 1}`; // who fails ten times has to wait
            assert.equal(await statusOf(t, d, '/jwt', { ...bearer(token), from }), 401, `${detail}: ${token}`);
            await until(`a line about: ${detail}`, () => d.logged({ reason: 'credential', detail }).length > before);
            assert.equal(await statusOf(t, d, '/jwt', { ...bearer(good), from }), 101);
            await pause(105); // ten lines a second are written
        }
        assert.equal(await statusOf(t, d, '/static', bearer(good)), 401);
        assert.equal(await statusOf(t, d, '/jwt', bearer(TOKEN)), 401);
        assertNowhere(d, [TOKEN, 'eyJ']);
    });

    test('a shared secret is for HS256 and nothing else', limits, async (t) => {
        const file = join(tempDir(), 'secret');
        writeFileSync(file, `${SECRET}\n`, { mode: 0o600 });
        const d = await start(t, config({ issuer: { jwks_file: undefined, secret_file: file } }));
        const hs = (options = {}) => bearer(makeJwt({ alg: 'HS256', key: SECRET, ...options }));
        assert.equal(await statusOf(t, d, '/jwt', hs()), 101);
        assert.equal(await statusOf(t, d, '/jwt', hs({ key: `${SECRET}\n` })), 401);
        assert.equal(await statusOf(t, d, '/jwt', hs({ key: '' })), 401);
        assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt())), 401);
        assertNowhere(d, [SECRET, 'eyJ']);
    });

    test('claims say which paths a token opens', limits, async (t) => {
        const d = await start(t, config({
            issuer: { paths: ['/jwt', '/teams/${claims.team}', '/teams/x-${claims.project}-y', '/teams/${claims.groups}'] },
        }));
        const CASES = [
            ['/jwt', {}, 101],
            ['/teams/red', {}, 101],
            ['/teams/red/', {}, 101],
            ['/teams/r%65d', {}, 101],
            ['/teams/blue', {}, 403],
            ['/teams/red', { team: undefined }, 403],
            ['/teams/blue', { team: 'red/../blue' }, 403],
            ['/teams/blue', { team: '../teams/blue' }, 403],
            ['/teams/%24%7Bclaims.team%7D', {}, 403],
            ['/teams/a%20b', { team: 'a b' }, 101],
            ['/teams/%C3%A9', { team: 'é' }, 101],
            ['/teams/1', { team: 1 }, 403],
            ['/teams/true', { team: true }, 403],
            ['/teams/x-p-y', { project: 'p' }, 101],
            ['/teams/x--y', { project: '' }, 403],
            ['/teams/b', { groups: ['a', 'b'] }, 101],
            ['/teams/c', { groups: ['a', 'b', { c: 'c' }] }, 403],
        ];
        for (const [path, claims, status] of CASES)
            assert.equal(await statusOf(t, d, path, bearer(makeJwt({ claims }))), status, `${path} ${JSON.stringify(claims)}`);
        assert.equal(await rejected(d, 'forbidden'), CASES.filter(([, , status]) => status === 403).length);
    });

    test('tells of the end of a token, and closes with 4001', limits, async (t) => {
        const d = await start(t, config({ auth: { expiry_notice: '2s' } }));
        const exp = now() + 4;
        const token = makeJwt({ claims: { exp } });
        const v1 = (await connect(t, d, '/jwt', { ...bearer(token), protocols: ['regcast.v1'] })).client;
        const plain = (await connect(t, d, '/jwt', bearer(token))).client;
        const stays = (await connect(t, d, '/jwt', bearer(makeJwt()))).client;
        const [text] = await v1.first(1);
        const notice = JSON.parse(text);
        assert.deepEqual(Object.keys(notice), ['control', 'code', 'expires_in_ms']);
        assert.deepEqual([notice.control, notice.code], ['token_expiring', 4001]);
        assert.ok(notice.expires_in_ms > 500 && notice.expires_in_ms <= 2000, text);
        for (const c of [v1, plain]) {
            assert.deepEqual(await within(10000, 'the end', c.end), { code: 4001, reason: 'token_expired' });
            assert.ok(Date.now() >= exp * 1000 - 50 && Date.now() < exp * 1000 + 2000);
        }
        assert.equal(plain.messages.length, 0);
        assert.equal(stays.closed, null);
        assert.equal(await statusOf(t, d, '/jwt', bearer(token)), 401);
    });

    test('a revocation closes what is open within a second, and refuses what comes', limits, async (t) => {
        const d = await start(t, config());
        const open = async (claims) => (await connect(t, d, '/jwt', bearer(makeJwt({ claims })))).client;
        const alice = await Promise.all(Array.from({ length: 10 }, (_, i) => open({ jti: `a${i}` })));
        const carol = await Promise.all([open({ sub: 'carol', jti: 'c1' }), open({ sub: 'carol', jti: 'c2' })]);
        const bob = (await connect(t, d, '/static', bearer(TOKEN))).client;
        const revoke = (body) => d.manage('POST', '/admin/v1/revocations', { body });
        const later = new Date(Date.now() + 3600000).toISOString();
        const began = Date.now();
        const got = await revoke({ subject: 'alice', until: later });
        assert.deepEqual([got.status, got.json], [200, { closedConnections: '10' }], got.text);
        for (const c of alice) assert.deepEqual(await within(1000, 'an end', c.end), { code: 4003, reason: 'token_revoked' });
        assert.ok(Date.now() - began < 1000);
        assert.deepEqual((await revoke({ jti: 'c1', until: later })).json, { closedConnections: '1' });
        assert.equal((await within(1000, 'an end', carol[0].end)).code, 4003);
        assert.equal(carol[1].closed, null);
        assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt())), 401);
        assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt({ claims: { sub: 'carol', jti: 'c1' } }))), 401);
        assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt({ claims: { sub: 'carol', jti: 'c3' } }))), 101);
        assert.deepEqual((await revoke({ subject: 'bob', until: later })).json, { closedConnections: '1' });
        assert.equal((await within(1000, 'an end', bob.end)).code, 4003);
        // One that has ended counts no more.
        assert.equal((await revoke({ subject: 'dave', until: '2020-01-01T00:00:00Z' })).status, 200);
        assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt({ claims: { sub: 'dave' } }))), 101);
        for (const body of [{}, { subject: 'x' }, { until: later }, { subject: '', until: later }, { subject: 'x', jti: 'y', until: later },
            { subject: 'x'.repeat(256), until: later }, { subject: 'x', until: 'soon' }, { subject: 'x', until: 7 }, { sub: 'x', until: later }])
            assert.equal((await revoke(body)).status, 400, JSON.stringify(body));
    });

    test('keys behind a URL are replaced without a gap', limits, async (t) => {
        let keys = KEYS, status = 200, asked = 0, body;
        const server = http.createServer((request, response) => {
            asked++;
            response.writeHead(status, { 'Content-Type': 'application/json' });
            response.end(body ?? JSON.stringify({ keys }));
        });
        await new Promise((done) => server.listen(0, '127.0.0.1', done));
        defer(t, () => new Promise((done) => { server.close(done); server.closeAllConnections(); }));
        const url = `http://127.0.0.1:${server.address().port}/keys`;
        const d = await start(t, config({ issuer: { jwks_file: undefined, jwks_url: url, jwks_refresh: '1s' } }), {
            errors: ["an issuer's keys cannot be fetched: those that are there stay"],
        });
        await until('the first keys', () => asked >= 1);
        await until('a JWT opens', async () => (await statusOf(t, d, '/jwt', bearer(makeJwt()))) === 101);
        // A new key is found although nobody said so, and the old one counts meanwhile.
        const fresh = { kid: 'r2', key: other.privateKey };
        for (let i = 0; i < 15; i++) // a key that is not there yet is no guess
            assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt(fresh))), 503);
        keys = [...KEYS, jwk(other, { kid: 'r2' })];
        await until('the new key counts', async () => (await statusOf(t, d, '/jwt', bearer(makeJwt(fresh)))) === 101);
        assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt())), 101);
        // The issuer is ill, in several ways: what was good stays.
        for (const ill of [[500, undefined], [200, '{"keys":[]}'], [200, 'x'.repeat(300000)], [302, '']]) {
            [status, body] = ill;
            const before = asked;
            await until('another question', () => asked >= before + 2);
            assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt(fresh))), 101);
        }
        // The old key goes.
        [status, body, keys] = [200, undefined, [jwk(other, { kid: 'r2' })]];
        await until('the old key counts no more', async () => (await statusOf(t, d, '/jwt', bearer(makeJwt()))) === 503);
        assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt(fresh))), 101);
        assertNowhere(d, ['eyJ']);
    });

    test('without keys yet it says so, and an issuer that never answers holds nobody', limits, async (t) => {
        const server = http.createServer(() => {}); // takes the question and says nothing
        await new Promise((done) => server.listen(0, '127.0.0.1', done));
        defer(t, () => new Promise((done) => { server.close(done); server.closeAllConnections(); }));
        const url = `http://127.0.0.1:${server.address().port}/`;
        const d = await start(t, config({ issuer: { jwks_file: undefined, jwks_url: url } }));
        for (let i = 0; i < 15; i++) assert.equal(await statusOf(t, d, '/jwt', bearer(makeJwt())), 503);
        assert.equal(await statusOf(t, d, '/static', bearer(TOKEN)), 101);
        assert.ok(await rejected(d, 'no_keys') === 15);
        await d.stop({ timeout: 5000 });
    });

    test('what comes behind a refused handshake is not looked at', limits, async (t) => {
        const d = await start(t, config());
        const before = (await d.metrics()).get('regcast_handshakes_total') ?? 0;
        const c = await Raw.open(d.port);
        await c.send(handshake('/static') + handshake('/'));
        await c.wait('the end', () => c.done);
        assert.equal(c.last.status, 401);
        assert.equal((await d.metrics()).get('regcast_handshakes_total') ?? 0, before);
    });

    test('what cannot be meant is refused when the configuration is read', limits, async () => {
        const problem = (cfg) => run(['--config', writeConfig(cfg), '--check']).stderr;
        const paths = (auth) => [{ path: '/a', auth }];
        assert.match(problem(makeConfig({ gateway: { paths: paths('token') } })), /paths\[0\]\.auth: expected gateway\.auth\.tokens/);
        assert.match(problem(makeConfig({ gateway: { paths: paths('jwt') } })), /paths\[0\]\.auth: expected gateway\.auth\.issuers/);
        assert.match(problem(makeConfig({ gateway: { paths: paths('mtls') } })), /paths\[0\]\.auth: expected gateway\.tls\.client_ca_file/);
        assert.match(problem(config({ issuer: { jwks_file: undefined } })), /expected one of jwks_file, jwks_url and secret_file beside it, got none/);
        assert.match(problem(config({ issuer: { jwks_url: 'https://a/' } })), /got more/);
        for (const url of ['http://issuer.example/', 'http://127.evil.example/', 'http://localhost.evil.example/', 'https://u@a/', 'file:///etc/passwd', 'http://localhost@evil/'])
            assert.match(problem(config({ issuer: { jwks_file: undefined, jwks_url: url } })), /jwks_url: expected/, url);
        for (const rule of ['teams', '/${claims.a}-${claims.b}', '/${claim.a}', '/${claims.}', '/${claims.a'])
            assert.match(problem(config({ issuer: { paths: [rule] } })), /paths\[0\]: expected a path such as/, rule);
        assert.match(problem(config({ issuer: { algorithms: ['EdDSA'] } })), /EdDSA is not in the cryptographic library/);
        assert.match(problem(config({ issuer: { algorithms: ['HS256'] } })), /algorithms: expected none with a secret beside public keys/);
        assert.equal(problem(config()), '');
    });
});
