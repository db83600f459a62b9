// How a registry proves that a webhook is its own, in every way that there is (security list WH-01, WH-02, WH-06, WH-10,
// WH-11): each kind of signature, tokens in headers, query and path, Google's ID tokens, networks, and all of it changed by
// a reload while the old secret counts, too.
import assert from 'node:assert/strict';
import { createHmac, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeAuthority, makeCertificate, tlsOf } from './certificates.mjs';
import {
    Daemon, ENVELOPE_TYPE, REGISTRY, Raw, defer, envelope, makeConfig, newImage, run, tempDir, until, writeConfig,
} from './harness.mjs';

const limits = { timeout: 60000 };
const now = () => Math.floor(Date.now() / 1000);
const TAKEN = [202, { accepted: 1, ignored: 0, duplicates: 0 }];
const EVENTS = `/registries/${REGISTRY}/events`;

const linesOf = (lines) => lines.map((line) => `${line}\n`).join('');

function fileOf(lines, file = join(tempDir(), 'lines')) {
    writeFileSync(file, linesOf(lines), { mode: 0o600 });
    return file;
}

const registry = (more) => ({ registries: [{ id: REGISTRY, kind: 'distribution', ...more }] });

async function start(t, config, options) {
    const d = await Daemon.start(config, options);
    defer(t, () => d.stop());
    return d;
}

async function reload(d, config) {
    if (config) writeFileSync(d.file, JSON.stringify(config));
    const got = await d.manage('POST', '/admin/v1/reload');
    assert.equal(got.status, 200, got.text);
}

// Posts an event (or `body`): [status, what the answer says].
async function post(d, headers = {}, { path = EVENTS, body = envelope([newImage('app')]) } = {}) {
    const got = await d.request('POST', path, {
        body,
        headers: { 'Content-Type': ENVELOPE_TYPE, 'Content-Length': Buffer.byteLength(body), ...headers },
    });
    return [got.status, got.json.error ?? got.json];
}

// Everything that was said, and what is measured.
const everything = async (d) => JSON.stringify(d.logs) + (await d.request('GET', '/metrics')).text;

const SIGNERS = {
    github: (mac) => ({ 'X-Hub-Signature-256': `sha256=${mac('sha256')}`, 'X-GitHub-Delivery': 'a', 'X-GitHub-Event': 'package' }),
    'x-signature': (mac) => ({ 'X-Signature': `sha512=${mac('sha512')}` }),
    nexus: (mac) => ({ 'X-Nexus-Webhook-Signature': mac('sha1') }),
    artifactory: (mac) => ({ 'X-JFrog-Event-Auth': mac('sha256') }),
    gitea: (mac) => ({ 'X-Gitea-Signature': mac('sha256'), 'X-Forgejo-Signature': mac('sha256') }),
};

const signed = (signature, key, body) => SIGNERS[signature]((hash) => createHmac(hash, key).update(body).digest('hex'));

describe('senders', { concurrency: 3 }, () => {
    test('WH-02: each kind of signature covers every byte, and a new secret counts beside the old one', limits, async (t) => {
        const secrets = fileOf(['It\'s a first secret']);
        const ids = Object.keys(SIGNERS).map((signature) => [signature, `crt-${signature}`]);
        const config = makeConfig({
            registries: ids.map(([signature, id]) => ({ id, kind: 'distribution', signature, signature_secret_file: secrets })),
            triggers: [],
        });
        const d = await start(t, config);
        const check = async (key, want) => {
            for (const [signature, id] of ids) {
                const body = envelope([newImage('app')]), path = `/registries/${id}/events`;
                const good = signed(signature, key, body);
                assert.deepEqual((await post(d, good, { path, body }))[0], want, `${signature} with ${key}`);
                if (want !== 202) continue;
                const upper = Object.fromEntries(Object.entries(good).map(([name, value]) => [name, value.toUpperCase()]));
                const twice = Object.fromEntries(Object.entries(good).map(([name, value]) => [name, [value, value]]));
                for (const [what, headers, sent] of [
                    ['another body', good, `${body} `], ['no header', {}, body], ['capitals', upper, body], ['twice', twice, body],
                    ['cut', Object.fromEntries(Object.entries(good).map(([name, value]) => [name, value.slice(0, -2)])), body],
                ])
                    assert.deepEqual(await post(d, headers, { path, body: sent }), [401, 'signature'], `${signature}: ${what}`);
            }
        };
        await check('It\'s a first secret', 202);
        await check('the second one', 401);
        fileOf(['It\'s a first secret', 'the second one'], secrets);
        await reload(d);
        await check('It\'s a first secret', 202);
        await check('the second one', 202);
        fileOf(['the second one'], secrets);
        await reload(d);
        await check('It\'s a first secret', 401);
        await check('the second one', 202);
        const said = await everything(d);
        for (const secret of ['a first secret', 'the second one']) assert.ok(!said.includes(secret), secret);
    });

    test('WH-01: a token is where the registry can put it: any header, as it is, or the query', limits, async (t) => {
        const token = randomBytes(24).toString('hex'), next = randomBytes(24).toString('hex');
        const token_file = fileOf([token, next]);
        const d = await start(t, makeConfig({
            log_level: 'debug',
            registries: [
                { id: REGISTRY, kind: 'distribution', token_file },
                { id: 'crtkey', kind: 'distribution', token_file, token_header: 'X-Api-Key' },
                { id: 'crtharbor', kind: 'distribution', token_file, token_header: 'Authorization' },
            ],
            triggers: [],
        }));
        const at = (id, query = '') => ({ path: `/registries/${id}/events${query}` });
        for (const good of [token, next]) {
            assert.equal((await post(d, { Authorization: `Bearer ${good}` }))[0], 202);
            assert.equal((await post(d, {}, at(REGISTRY, `?access_token=${good}`)))[0], 202);
            assert.equal((await post(d, {}, at(REGISTRY, `?a=b&access_token=%${good.charCodeAt(0).toString(16)}${good.slice(1)}`)))[0], 202);
            assert.equal((await post(d, { 'x-api-key': good }, at('crtkey')))[0], 202);
            assert.equal((await post(d, { Authorization: good }, at('crtharbor')))[0], 202);
        }
        const REFUSED = [
            [{}, at(REGISTRY)], [{}, at(REGISTRY, '?access_token=')], [{}, at(REGISTRY, `?access_token=${token}0`)],
            [{}, at(REGISTRY, `?access_token=${token}&access_token=${token}`)], [{}, at(REGISTRY, `?Access_Token=${token}`)],
            [{ Authorization: 'Bearer wrong' }, at(REGISTRY, `?access_token=${token}`)], [{ Authorization: token }, at(REGISTRY)],
            [{}, at('crtkey', `?access_token=${token}`)], [{ Authorization: `Bearer ${token}` }, at('crtkey')],
            [{ 'X-Api-Key': [token, token] }, at('crtkey')], [{ 'X-Api-Key': `Bearer ${token}` }, at('crtkey')],
            [{ Authorization: `Bearer ${token}` }, at('crtharbor')], [{}, at('crtharbor', `?access_token=${token}`)],
        ];
        for (const [headers, where] of REFUSED) assert.deepEqual(await post(d, headers, where), [401, 'auth'], JSON.stringify([headers, where]));
        const said = await everything(d);
        for (const secret of [token, next, 'access_token']) assert.ok(!said.includes(secret), secret);
    });

    // ------------------------------------------------------------------------------------ the path

    test('WH-06: a token in the path opens its registry alone, and nothing tells of one that is not there', limits, async (t) => {
        const token = randomBytes(24).toString('base64url'), next = randomBytes(24).toString('hex');
        const path_token_file = fileOf([token]);
        const config = makeConfig({
            log_level: 'debug',
            registries: [
                { id: REGISTRY, kind: 'distribution', path_token_file },
                { id: 'crtboth', kind: 'distribution', path_token_file: fileOf([`both-${next}`]), token_file: fileOf(['secret']) },
                { id: 'crtopen', kind: 'distribution' },
                { id: 'crtcloud', kind: 'cloudevents', path_token_file: fileOf([`cloud-${next}`]) },
            ],
        });
        const d = await start(t, config);
        const hook = (one) => ({ path: `/hook/${one}` });
        assert.deepEqual(await post(d, {}, hook(token)), TAKEN);
        await until('the line about it', () => d.logged({ msg: 'answered', registry: REGISTRY }).length === 1);
        assert.deepEqual(await post(d), [401, 'auth'], 'the id is no secret');
        assert.deepEqual(await post(d, {}, hook(`both-${next}`)), [401, 'auth'], 'what else is asked for is asked for');
        assert.deepEqual(await post(d, { Authorization: 'Bearer secret' }, hook(`both-${next}`)), TAKEN);
        assert.deepEqual(await post(d, { Authorization: 'Bearer secret' }, { path: '/registries/crtboth/events' }), TAKEN);
        assert.deepEqual(await post(d, {}, { path: '/registries/crtopen/events' }), TAKEN);

        // Each byte of these answers is the same as for a path that there is not.
        const raw = async (path, method = 'POST') => {
            const c = await Raw.open(d.webhookPort);
            defer(t, () => c.destroy());
            await c.send(`${method} ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}`);
            const { status, headers, body } = await c.answer();
            return { status, headers, body };
        };
        const nowhere = await raw('/nowhere');
        assert.equal(nowhere.status, 404);
        const paths = [
            hook(token.slice(0, -1)).path, hook(`${token}0`).path, hook(next).path, `/hook/${token}/`, `/hook//${token}`, `//hook/${token}`,
            `/hook/${token}/events`, `/Hook/${token}`, '/hook/', '/hook', `/hook/%${token.charCodeAt(0).toString(16)}${token.slice(1)}`,
            `/hook/${REGISTRY}`, '/hook/crtopen', '/hook/..',
        ];
        for (const path of paths) assert.deepEqual(await raw(path), nowhere, path);
        assert.equal((await raw(hook(token).path, 'GET')).status, 405);
        assert.deepEqual(await raw(hook(token).path, 'GET'), await raw(hook(next).path, 'GET'));

        // Who asks whether it may deliver is told no more than others.
        const asked = (path) => d.request('OPTIONS', path, { headers: { 'WebHook-Request-Origin': 'events.example' } });
        assert.equal((await asked(hook(next).path)).status, 404);
        assert.equal((await asked(hook(token).path)).status, 405, 'Distribution does not ask');
        assert.equal((await asked(`/hook/cloud-${next}`)).headers['webhook-allowed-origin'], 'events.example');

        fileOf([token, next], path_token_file);
        await reload(d);
        assert.deepEqual(await post(d, {}, hook(token)), TAKEN);
        assert.deepEqual(await post(d, {}, hook(next)), TAKEN);
        fileOf([next], path_token_file);
        await reload(d);
        assert.deepEqual(await post(d, {}, hook(token)), [404, 'not_found']);
        assert.deepEqual(await post(d, {}, hook(next)), TAKEN);
        const said = await everything(d);
        for (const secret of [token, next, token.slice(4, -4), next.slice(4, -4)]) assert.ok(!said.includes(secret), 'it was said');
    });

    // ------------------------------------------------------------------------------------ networks

    test('WH-09: of several Content-Encoding fields each counts', limits, async (t) => {
        const d = await start(t, makeConfig({ ...registry({}), triggers: [] }));
        const c = await Raw.open(d.webhookPort);
        defer(t, () => c.destroy());
        await c.send(`POST ${EVENTS} HTTP/1.1\r\nHost: a\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}`);
        await c.wait('an answer', () => c.responses.length > 0);
        assert.equal(c.responses[0].status, 415);
    });

    test('WH-11: a registry posts from its networks, also behind a proxy, and is refused before its body', limits, async (t) => {
        const d = await start(t, makeConfig({
            webhooks: { trusted_proxies: ['127.0.0.2'] },
            ...registry({ allowed_from: ['192.0.2.0/24', '127.0.0.3', '2001:db8::/32'] }),
            triggers: [],
        }));
        // The status, of a request whose body never comes.
        const ask = async (from, forwarded) => {
            const c = await Raw.open(d.webhookPort, { localAddress: from });
            defer(t, () => c.destroy());
            const fields = forwarded === undefined ? '' : `X-Forwarded-For: ${forwarded}\r\n`;
            await c.send(`POST ${EVENTS} HTTP/1.1\r\nHost: a\r\n${fields}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`);
            await c.wait('an answer', () => c.responses.length > 0 || c.received > 0);
            return c.responses[0]?.status ?? 100;
        };
        assert.equal(await ask('127.0.0.1'), 403);
        assert.equal(await ask('127.0.0.1', '192.0.2.1'), 403, 'not from a proxy');
        assert.equal(await ask('127.0.0.3'), 100);
        assert.equal(await ask('127.0.0.2'), 403);
        assert.equal(await ask('127.0.0.2', '192.0.2.1'), 100);
        assert.equal(await ask('127.0.0.2', '2001:db8:1::9'), 100);
        assert.equal(await ask('127.0.0.2', '192.0.3.1'), 403);
        assert.equal(await ask('127.0.0.2', '192.0.2.1, 198.51.100.1'), 403, 'the right-most counts');
        assert.equal((await d.metrics()).get('regcast_reject_total', { listener: 'webhooks', stage: 'accept', reason: 'source' }), 5);
    });

    // ------------------------------------------------------------------------------------ ID tokens

    const google = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = ({ publicKey }, kid) => ({ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' });
    const AUDIENCE = 'https://regcast.example/hook', EMAIL = 'pusher@project.iam.gserviceaccount.com';

    const idToken = (claims = {}, { kid = 'one', pair = google } = {}) => {
        const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
        const all = {
            aud: AUDIENCE, azp: '113774264463038321964', email: EMAIL, email_verified: true, exp: now() + 3600, iat: now(),
            iss: 'https://accounts.google.com', sub: '113774264463038321964', ...claims,
        };
        const text = `${part({ alg: 'RS256', kid, typ: 'JWT' })}.${part(all)}`;
        return `${text}.${createSign('sha256').update(text).sign(pair.privateKey).toString('base64url')}`;
    };
    const bearer = (token) => ({ Authorization: `Bearer ${token}` });

    test('ID tokens of one issuer, audience and address, by keys that are fetched', limits, async (t) => {
        const sets = { '/one': [jwk(google, 'one')], '/two': [jwk(google, 'one'), jwk(other, 'two')] };
        let asked = 0;
        const server = http.createServer((request, response) => {
            asked++;
            response.end(JSON.stringify({ keys: sets[request.url] }));
        });
        await new Promise((done) => server.listen(0, '127.0.0.1', done));
        defer(t, () => new Promise((done) => { server.close(done); server.closeAllConnections(); }));
        const url = (path) => `http://127.0.0.1:${server.address().port}${path}`;
        const oidc = { audience: AUDIENCE, email: EMAIL, jwks_url: url('/one') };
        const data_dir = join(tempDir(), 'data');
        const cfg = (more = {}) => makeConfig({ data_dir, ...registry({ oidc: { ...oidc, ...more } }) });
        const d = await start(t, cfg());
        await until('the keys', async () => (await post(d, bearer(idToken())))[0] === 202);
        assert.deepEqual(await post(d, bearer(idToken({ iss: 'accounts.google.com' }))), TAKEN);
        const BAD = {
            'nothing': {}, 'no scheme': { Authorization: idToken() }, 'basic': { Authorization: `Basic ${Buffer.from(`a:${idToken()}`).toString('base64')}` },
            'text': bearer('text'), 'another issuer': bearer(idToken({ iss: 'https://issuer.example' })),
            'another audience': bearer(idToken({ aud: 'https://else.example' })), 'another address': bearer(idToken({ email: 'eve@example.com' })),
            'not verified': bearer(idToken({ email_verified: false })), 'expired': bearer(idToken({ exp: now() - 100 })),
            'of the future': bearer(idToken({ iat: now() + 100 })), 'signed by another': bearer(idToken({}, { pair: other })),
        };
        for (const [what, headers] of Object.entries(BAD)) assert.deepEqual(await post(d, headers), [401, 'auth'], what);

        // A key that is not there yet may come: the sender shall try again.
        const fresh = () => bearer(idToken({}, { kid: 'two', pair: other }));
        const body = envelope([newImage('app')]);
        const got = await d.request('POST', EVENTS, { body, headers: { 'Content-Type': ENVELOPE_TYPE, 'Content-Length': body.length, ...fresh() } });
        assert.deepEqual([got.status, got.json.error, got.headers['retry-after']], [503, 'unknown_key', '5']);
        await reload(d, cfg({ jwks_url: url('/two') }));
        await until('the new key', async () => (await post(d, fresh()))[0] === 202);
        assert.deepEqual(await post(d, bearer(idToken())), TAKEN);
        const before = asked;
        await reload(d, cfg({ jwks_url: url('/two'), email: 'next@example.com' }));
        assert.deepEqual(await post(d, bearer(idToken())), [401, 'auth']);
        assert.deepEqual(await post(d, bearer(idToken({ email: 'next@example.com' }))), TAKEN);
        assert.equal(asked, before, 'the keys were there');

        // From a file, and one that is none.
        const jwks_file = fileOf([JSON.stringify({ keys: sets['/one'] })]);
        await reload(d, cfg({ jwks_url: undefined, jwks_file }));
        assert.deepEqual(await post(d, bearer(idToken())), TAKEN);
        assert.deepEqual(await post(d, fresh()), [503, 'unknown_key']);
        fileOf([JSON.stringify({ keys: sets['/two'] })], jwks_file);
        await reload(d);
        assert.deepEqual(await post(d, fresh()), TAKEN);
        d.expectedErrors.push('configuration not reloaded');
        fileOf(['{}'], jwks_file);
        const refused = await d.manage('POST', '/admin/v1/reload');
        assert.equal(refused.status, 400);
        assert.match(refused.text, /registries\[0\]\.oidc\.jwks_file: expected a JWK set, got .*: no JWK set, or no key in it can be used/);
        assert.deepEqual(await post(d, fresh()), TAKEN);
        assert.ok(!(await everything(d)).includes('eyJ'));
    });

    // ------------------------------------------------------------------------------------ together

    test('WH-10: a certificate, a token, a signature and a network are asked for together', limits, async (t) => {
        const authority = makeAuthority(), certificate = makeCertificate();
        const [mine, wrong] = [['DNS:registry.example'], ['DNS:other.example']].map((names) => authority.issue({ names }));
        const d = await start(t, makeConfig({
            gateway: { tls: tlsOf(certificate) },
            webhooks: { tls: { ...tlsOf(certificate), client_ca_file: authority.file } },
            ...registry({
                client_certificates: ['dns:registry.example'], token_file: fileOf(['token']), token_header: 'X-Key',
                signature: 'github', signature_secret_file: fileOf(['secret']), allowed_from: ['127.0.0.1'],
            }),
            triggers: [],
        }));
        const body = envelope([newImage('app')]);
        const ask = async (client, headers, localAddress) => {
            const tls = { ca: certificate.text, localAddress, ...(client && { cert: client.cert, key: client.key }) };
            const got = await d.request('POST', EVENTS, {
                body, tls, headers: { 'Content-Type': ENVELOPE_TYPE, 'Content-Length': Buffer.byteLength(body), ...headers },
            });
            return [got.status, got.json.error ?? 'none'];
        };
        const signature = signed('github', 'secret', body), key = { 'X-Key': 'token' };
        assert.deepEqual(await ask(null, { ...signature, ...key }), [401, 'auth']);
        assert.deepEqual(await ask(wrong, { ...signature, ...key }), [401, 'auth']);
        assert.deepEqual(await ask(mine, signature), [401, 'auth']);
        assert.deepEqual(await ask(mine, key), [401, 'signature']);
        assert.deepEqual(await ask(mine, { ...signature, ...key }, '127.0.0.2'), [403, 'source']);
        assert.deepEqual(await ask(mine, { ...signature, ...key }), [202, 'none']);
    });

    test('files are credentials of the supervisor, also after a reload', limits, async (t) => {
        const directory = join(tempDir(), 'credentials');
        mkdirSync(directory, { mode: 0o700 });
        const put = (name, lines, mode) => {
            chmodSync(directory, 0o700);
            writeFileSync(join(directory, name), linesOf(lines), { mode: 0o600 });
            chmodSync(join(directory, name), mode);
        };
        put('token', ['first'], 0o400);
        put('keys', [JSON.stringify({ keys: [jwk(google, 'one')] })], 0o440);
        const data_dir = join(tempDir(), 'data');
        const config = makeConfig({
            data_dir,
            registries: [
                { id: REGISTRY, kind: 'distribution', token_file: 'credential:token' },
                { id: 'crtgoogle', kind: 'distribution', oidc: { audience: AUDIENCE, email: EMAIL, jwks_file: 'credential:keys' } },
            ],
            triggers: [],
        });
        const d = await start(t, config, { env: { CREDENTIALS_DIRECTORY: directory } });
        assert.deepEqual((await post(d, bearer('first')))[0], 202);
        assert.deepEqual((await post(d, bearer(idToken()), { path: '/registries/crtgoogle/events' }))[0], 202);
        chmodSync(join(directory, 'token'), 0o600);
        put('token', ['first', 'second'], 0o400);
        await reload(d);
        for (const token of ['first', 'second']) assert.deepEqual((await post(d, bearer(token)))[0], 202, token);

        const problem = (name) => {
            const got = run(['--check', '--config', writeConfig(makeConfig(registry({ token_file: name })))]);
            assert.equal(got.status, 78);
            return got.stderr;
        };
        assert.match(problem('credential:token'), /registries\[0\]\.token_file: expected a path, since CREDENTIALS_DIRECTORY is not in the environment/);
        assert.match(problem('credential:../token'), /registries\[0\]\.token_file: expected credential:NAME with a file's name, got another one/);
    });

    test('--check says nothing of a secret, right or wrong', limits, () => {
        const secret = 'canary-of-a-secret-0123456789';
        const check = (more) => run(['--check', '--config', writeConfig(makeConfig({ registries: [{ id: REGISTRY, ...more }], triggers: [] }))]);
        const CASES = [
            [0, { path_token_file: fileOf([secret]) }], [78, { path_token_file: fileOf([`${secret}/`]) }],
            [78, { path_token_file: fileOf(['canary-of-a-secret']) }], [78, { path_token_file: fileOf(Array(5).fill(secret)) }],
            [0, { signature: 'github', signature_secret_file: fileOf([secret]) }],
            [78, { signature: 'standard-webhooks', signature_secret_file: fileOf([secret]) }],
            [78, { signature: 'github', signature_secret_file: fileOf([` ${secret}`]) }], [78, { signature_secret_file: fileOf([secret]) }],
            [0, { token_file: fileOf([secret]), token_header: 'X-Key' }], [78, { token_file: fileOf([`${secret} x`]), token_header: 'X-Key' }],
        ];
        for (const [status, more] of CASES) {
            const got = check(more);
            assert.equal(got.status, status, got.stderr);
            assert.ok(!`${got.stdout}${got.stderr}`.includes('canary'), got.stderr);
        }
    });
});
