// What serves the console: its files, its login, and what pages of other origins may not do. Requests as they are on
// the wire, and a browser where the browser's own part counts.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, constants, sign } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { makeAuthority, makeCertificate, tlsOf } from './certificates.mjs';
import { BROADCASTER, Client, Daemon, FOLDER, GATEWAY, ROOT, defer, makeConfig, newImage, tempDir, until } from './harness.mjs';
import { parseMetrics } from './prometheus.mjs';

const limits = { timeout: 60000 };
const SESSION = '/console/session';
const TRIGGERS = `/triggers/v1/triggers?folderId=${FOLDER}`;
const NAME = 'regcast_session';
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const noBrowser = existsSync(CHROMIUM) || process.env.REGCAST_REQUIRE_BROWSER ? false : `${CHROMIUM} is not installed`;
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

const USERS = { alice: ['editor'], chief: ['admin'], nobody: [] };
const secured = (over = {}) =>
    makeConfig({
        triggers: [],
        users: Object.entries(USERS).map(([id, roles]) => ({ id, roles })),
        tokens: Object.keys(USERS).map((subject) => ({ subject, sha256: sha256(`t1.${subject}`) })),
        ...over,
    });

// The file is one that can be replaced, for reload().
async function start(t, config, options = {}) {
    const file = options.file ?? join(tempDir(), 'regcast.yaml');
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    const d = await Daemon.start(config, { ...options, file });
    defer(t, () => d.stop());
    return d;
}

async function reload(d, config) {
    writeFileSync(`${d.file}.new`, JSON.stringify(config), { mode: 0o600 });
    renameSync(`${d.file}.new`, d.file);
    const got = await d.manage('POST', '/admin/v1/reload', { token: 't1.chief' });
    assert.equal(got.status, 200, got.text);
}

async function logIn(d, token = 't1.alice', headers = {}) {
    const got = await d.manage('POST', SESSION, { body: { token }, headers });
    assert.equal(got.status, 200, got.text);
    const [line] = got.headers['set-cookie'];
    const [pair, ...attributes] = line.split('; ');
    return { cookie: pair, attributes, csrf: got.json.csrfToken, got };
}

const by = (session, headers = {}) => ({ headers: { Cookie: session.cookie, ...headers } });
const status = async (d, method, path, options) => (await d.manage(method, path, options)).status;

describe('files', () => {
    // As bytes: harness.mjs makes text of an answer.
    function get(d, path, { method = 'GET', headers = {} } = {}) {
        return new Promise((done, fail) => {
            const req = http.request({ host: '127.0.0.1', port: d.managementPort, path, method, headers, agent: false }, (res) => {
                const parts = [];
                res.on('data', (part) => parts.push(part));
                res.on('end', () => done({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts) }));
            });
            req.on('error', fail);
            req.end();
        });
    }
    const folder = join(ROOT, 'gateway/console');
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1));

    test('each is served as it is in the sources, plain and compressed, to whoever asks', limits, async (t) => {
        const d = await start(t, secured());
        let weight = 0;
        for (const name of files) {
            const source = readFileSync(join(folder, name));
            const plain = await get(d, `/console/${name}`);
            assert.equal(plain.status, 200, name);
            assert.deepEqual(plain.body, source, name);
            assert.equal(plain.headers['content-encoding'], undefined);
            const zipped = await get(d, `/console/${name}`, { headers: { 'Accept-Encoding': 'gzip, br' } });
            assert.equal(zipped.headers['content-encoding'], 'gzip');
            assert.deepEqual(gunzipSync(zipped.body), source, name);
            weight += zipped.body.length;
            for (const { headers } of [plain, zipped]) {
                assert.equal(headers.vary, 'Accept-Encoding');
                assert.equal(headers['cache-control'], 'no-cache');
                assert.equal(headers['x-content-type-options'], 'nosniff');
                assert.equal(headers['referrer-policy'], 'no-referrer');
                assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
                assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
                assert.doesNotMatch(headers['content-security-policy'], /unsafe|\*/);
                assert.match(headers['content-security-policy'], /frame-ancestors 'none'/);
            }
            const again = (etag) =>
                get(d, `/console/${name}`, { headers: { 'Accept-Encoding': 'gzip', 'If-None-Match': etag } });
            const same = await again(zipped.headers.etag);
            assert.equal(same.status, 304);
            assert.equal(same.body.length, 0);
            assert.equal(same.headers.etag, zipped.headers.etag);
            assert.equal(same.headers['content-length'], undefined);
            assert.notEqual(plain.headers.etag, zipped.headers.etag);
            assert.equal((await again(plain.headers.etag)).status, 200);
            const head = await get(d, `/console/${name}`, { method: 'HEAD', headers: { 'Accept-Encoding': 'gzip' } });
            assert.equal(head.status, 200);
            assert.equal(head.headers['content-length'], String(zipped.body.length));
            assert.equal(head.body.length, 0);
        }
        assert.ok(weight > 0 && weight <= 150 * 1024, `${weight} bytes, compressed`);
    });

    test('the ways to it, and what is no file', limits, async (t) => {
        const d = await start(t, secured());
        const html = { Accept: 'text/html' };
        const root = await get(d, '/', { headers: html });
        assert.equal(root.status, 302);
        assert.equal(root.headers.location, '/console/');
        assert.equal((await get(d, '/')).status, 404, 'a program gets what it always got');
        const short = await get(d, '/console');
        assert.equal(short.status, 308);
        assert.equal(short.headers.location, '/console/');
        assert.deepEqual((await get(d, '/console/')).body, (await get(d, '/console/index.html')).body);
        const posted = await get(d, '/console/', { method: 'POST' });
        assert.equal(posted.status, 405);
        assert.equal(posted.headers.allow, 'GET, HEAD');
        for (const Host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.example:1', 'a.localhost'])
            for (const path of ['/console/', '/console', '/'])
                assert.equal((await get(d, path, { headers: { Host, ...html } })).status, 421, `${Host}${path}`);
        for (const Host of ['localhost', 'LOCALHOST:8082', '127.0.0.1', '[::1]:8082', '192.0.2.7'])
            assert.equal((await get(d, '/console/', { headers: { Host } })).status, 200, Host);
    });

    test('no spelling of an address leads out of it', limits, async (t) => {
        const d = await start(t, secured());
        const outside = ['main.c', 'etc/passwd', 'CMakeLists.txt', 'regcast.yaml'];
        const ups = ['..', '%2e%2e', '%2E.', '.%2e', '%252e%252e', '..%00', '%00..', '....', '..;', '%c0%ae%c0%ae', '%uff0e%uff0e', '.'];
        const slashes = ['/', '//', '%2f', '%252f', '\\', '%5c', '%c0%af', '/./'];
        const bad = [];
        for (const up of ups)
            for (const slash of slashes)
                for (const name of outside)
                    for (const n of [1, 3]) bad.push(`/console/${(up + slash).repeat(n)}${name}`);
        for (const name of ['index.html/', 'index.html/.', 'index.html%00', 'index.html%00.css', '%69ndex.html', 'INDEX.HTML', '/index.html', './index.html', 'x/../index.html', 'i18n', 'i18n/'])
            bad.push(`/console/${name}`);
        const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
        defer(t, () => agent.destroy());
        const ask = (path) =>
            new Promise((done, fail) => {
                const req = http.request({ host: '127.0.0.1', port: d.managementPort, path, agent }, (res) => {
                    res.resume();
                    res.on('end', () => done(res.statusCode));
                });
                req.on('error', fail);
                req.end();
            });
        const got = await Promise.all(bad.map(ask));
        assert.deepEqual(bad.filter((_, i) => got[i] !== 404), []);
        assert.ok(bad.length > 700);
    });

    test('can be switched off', limits, async (t) => {
        const config = secured();
        const d = await start(t, config);
        const session = await logIn(d);
        assert.equal(await status(d, 'GET', TRIGGERS, by(session)), 200);
        config.management.console = false;
        await reload(d, config);
        for (const path of ['/console/', '/console', '/console/index.html', SESSION]) assert.equal((await get(d, path)).status, 404, path);
        assert.equal((await get(d, '/', { headers: { Accept: 'text/html' } })).status, 404);
        assert.equal(await status(d, 'POST', SESSION, { body: { token: 't1.alice' } }), 404);
        assert.equal(await status(d, 'GET', TRIGGERS, by(session)), 401, 'nor is its session of use elsewhere');
        assert.equal(await status(d, 'GET', TRIGGERS, { token: 't1.alice' }), 200);
    });
});

describe('the session', () => {
    test('is a cookie for this server alone, and says who it is for', limits, async (t) => {
        const d = await start(t, secured());
        const before = await d.manage('GET', SESSION);
        assert.equal(before.status, 401);
        const { cookie, attributes, csrf, got } = await logIn(d);
        assert.match(cookie, /^regcast_session=s1\.[\w-]+\.[\w-]{43}$/);
        assert.deepEqual(attributes, ['Path=/', 'Max-Age=43200', 'HttpOnly', 'SameSite=Strict'], 'and no Secure without TLS');
        assert.equal(got.headers['cache-control'], 'no-store');
        assert.match(csrf, /^[\w-]{43}$/);
        const { expiresAt, version, ...rest } = got.json;
        assert.ok(Math.abs(Date.parse(expiresAt) - Date.now() - 12 * 3600e3) < 60e3, expiresAt);
        assert.match(version, /^\d+\.\d+\.\d+/);
        assert.deepEqual(rest, {
            open: false,
            subject: 'alice',
            csrfToken: csrf,
            permissions: ['triggers.view', 'triggers.edit', 'connections.view', 'connections.write', 'broadcast'],
            folderId: FOLDER,
            cloudId: makeConfig().cloud_id,
            gatewayId: GATEWAY,
            serviceAccounts: [BROADCASTER],
        });
        const again = await d.manage('GET', SESSION, by({ cookie }));
        assert.equal(again.status, 200);
        assert.deepEqual(again.json, got.json);
        assert.equal(again.headers['set-cookie'], undefined);
        const poor = (await logIn(d, 't1.nobody')).got.json;
        assert.deepEqual([poor.permissions, poor.serviceAccounts], [[], []]);
        const chief = (await logIn(d, 't1.chief')).got.json;
        assert.ok(chief.permissions.includes('reload'));
        // A cookie that a page of ours gets through a proxy with TLS is not sent without.
        const d2 = await start(t, secured({ management: { listen: ['127.0.0.1:0'], hosts: ['console.example'] } }));
        const proxied = await logIn(d2, 't1.alice', { Host: 'console.example', Origin: 'https://console.example' });
        assert.equal(proxied.attributes.at(-1), 'Secure');
        // What was said of it is no secret.
        const logged = JSON.stringify([...d.logs, ...d2.logs]);
        await until('it is logged', () => d.logged({ operation: 'createSession', subject: 'alice', msg: 'answered' }).length === 1);
        for (const secret of [cookie.split('=')[1], csrf, 't1.alice']) assert.ok(!logged.includes(secret));
    });

    test('counts for every call, and the header goes before it', limits, async (t) => {
        const d = await start(t, secured());
        const session = await logIn(d);
        const csrf = { 'x-csrf-token': session.csrf };
        assert.equal(await status(d, 'GET', TRIGGERS, by(session)), 200);
        assert.equal(await status(d, 'GET', '/gateway/v1/paths', by(session)), 200);
        assert.equal(await status(d, 'HEAD', '/gateway/v1/paths', by(session)), 200);
        assert.equal(await status(d, 'GET', '/gateway/v1/paths', { ...by(await logIn(d, 't1.nobody')) }), 403);
        const body = { folderId: FOLDER, name: 'by-alice', rule: { containerRegistry: {} } };
        assert.equal(await status(d, 'POST', '/triggers/v1/triggers', { body, ...by(session, csrf) }), 400, 'it is looked at');
        assert.equal(await status(d, 'POST', '/admin/v1/reload', by(session, csrf)), 403, 'alice may not');
        assert.equal(await status(d, 'POST', '/admin/v1/reload', by(session, { Authorization: 'Bearer t1.chief' })), 200, 'chief may, and needs no token of the session');
        assert.equal(await status(d, 'GET', TRIGGERS, by(session, { Authorization: 'Bearer wrong' })), 401);
        for (const cookie of [
            `${NAME}=`, `${NAME}=s1.`, `${NAME}=s1.x.y`, `x${session.cookie}`, `${session.cookie}A`, session.cookie.slice(0, -2),
            `${NAME}=t1.alice`, `${session.cookie}; ${NAME}=other`, session.cookie.replace('=s1.', '=t1.'),
            session.cookie.replace(/\.(.)/, (_, c) => `.${c === 'A' ? 'B' : 'A'}`),
        ])
            assert.equal(await status(d, 'GET', TRIGGERS, { headers: { Cookie: cookie } }), 401, cookie);
        assert.equal(await status(d, 'GET', TRIGGERS, { headers: { Cookie: `a=b; ${session.cookie}; c=d` } }), 200);
        assert.equal(await status(d, 'GET', TRIGGERS, by(session)), 200, 'bad cookies are nobody\'s failures');
        assert.equal(d.logged({ operation: 'listTriggers', subject: 'alice' }).length, 0, 'what a page reads is not logged');
    });

    test('survives kill -9, and ends with sign-out for good', limits, async (t) => {
        const config = secured();
        const file = join(tempDir(), 'regcast.yaml');
        let d = await start(t, config, { file });
        const session = await logIn(d), other = await logIn(d), chief = await logIn(d, 't1.chief');
        const again = async () => {
            d.child.kill('SIGKILL');
            await d.ends('SIGKILL');
            d = await start(t, config, { file });
        };
        await again();
        for (const one of [session, other, chief]) assert.equal(await status(d, 'GET', SESSION, by(one)), 200);
        const csrf = (await d.manage('GET', SESSION, by(session))).json.csrfToken;
        assert.equal(csrf, session.csrf);
        assert.equal(await status(d, 'DELETE', SESSION, by(session)), 403, 'not without the token');
        const out = await d.manage('DELETE', SESSION, by(session, { 'x-csrf-token': csrf }));
        assert.equal(out.status, 200, out.text);
        assert.deepEqual(out.json, {});
        assert.match(out.headers['set-cookie'][0], /^regcast_session=; Path=\/; Max-Age=0; HttpOnly; SameSite=Strict$/);
        await until('both are logged', () => d.logged({ operation: 'deleteSession', subject: 'alice' }).length === 2);
        const ended = async () => {
            for (const one of [session, other]) assert.equal(await status(d, 'GET', SESSION, by(one)), 401);
            assert.equal(await status(d, 'GET', SESSION, by(chief)), 200, 'who has another token stays');
        };
        await ended();
        await again();
        await ended();
        const next = await logIn(d); // in the same second, maybe
        assert.equal(await status(d, 'GET', SESSION, by(next)), 200);
        await ended();
        assert.equal(await status(d, 'DELETE', SESSION, by(next, { 'x-csrf-token': next.csrf })), 200);
        assert.equal(await status(d, 'GET', SESSION, by(next)), 401);
        assert.equal(await status(d, 'GET', TRIGGERS, { token: 't1.alice' }), 200, 'the token itself still counts');
        assert.equal(await status(d, 'DELETE', SESSION), 401);
    });

    test('ends with its token: taken away, replaced, expired', limits, async (t) => {
        const soon = new Date(Date.now() + 3600e3).toISOString().replace(/\.\d+/, '');
        const config = secured();
        config.tokens[0].expires_at = soon;
        const d = await start(t, config);
        const session = await logIn(d);
        assert.equal(Date.parse(session.got.json.expiresAt), Date.parse(soon), 'not longer than the token');
        const counts = () => status(d, 'GET', TRIGGERS, by(session));
        assert.equal(await counts(), 200);
        const [token] = config.tokens.splice(0, 1);
        await reload(d, config);
        assert.equal(await counts(), 401);
        config.tokens.push({ ...token, sha256: sha256('t1.another') });
        await reload(d, config);
        assert.equal(await counts(), 401, 'it was not begun with this one');
        config.tokens.at(-1).sha256 = token.sha256;
        await reload(d, config);
        assert.equal(await counts(), 200);
        config.tokens.at(-1).expires_at = new Date(Date.now() - 1000).toISOString().replace(/\.\d+/, '');
        await reload(d, config);
        assert.equal(await counts(), 401);
        assert.equal(await status(d, 'POST', SESSION, { body: { token: 't1.alice' } }), 401);
    });

    test('can be begun with a token of our own, and ends with its key', limits, async (t) => {
        const ROBOT = 'ajerobot000000000001', KEY = 'ajekey00000000000001';
        const { publicKey, privateKey } = generateKeyPairSync('rsa', {
            modulusLength: 2048,
            publicKeyEncoding: { type: 'spki', format: 'pem' },
            privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
        });
        const now = Math.floor(Date.now() / 1000);
        const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
        const text = [
            part({ typ: 'JWT', alg: 'PS256', kid: KEY }),
            part({ iss: ROBOT, aud: 'https://iam.api.cloud.yandex.net/iam/v1/tokens', iat: now, exp: now + 3600 }),
        ].join('.');
        const pss = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
        const config = secured();
        const robot = { id: ROBOT, roles: ['functions.viewer'], keys: [{ id: KEY, public_key: publicKey }] };
        config.service_accounts.push(robot);
        const d = await start(t, config);
        const body = { jwt: `${text}.${sign('sha256', Buffer.from(text), pss).toString('base64url')}` };
        const { iamToken } = (await d.manage('POST', '/iam/v1/tokens', { body })).json;
        const session = await logIn(d, iamToken);
        assert.equal(session.got.json.subject, ROBOT);
        assert.deepEqual(session.got.json.permissions, ['triggers.view']);
        assert.equal(await status(d, 'GET', TRIGGERS, by(session)), 200);
        delete robot.keys;
        await reload(d, config);
        assert.equal(await status(d, 'GET', TRIGGERS, by(session)), 401);
    });

    test('guesses get five a minute, whatever they look like', limits, async (t) => {
        const d = await start(t, secured());
        const good = await logIn(d);
        const guess = (token) => d.manage('POST', SESSION, { body: { token } });
        const answers = [];
        for (const token of ['t1.alicf', 't1.nobody2', 'x', 't1.eyJ.abc', 'A'.repeat(5000)]) answers.push(await guess(token));
        for (const got of answers) {
            assert.equal(got.status, 401, got.text);
            assert.equal(got.json.message, 'Token is invalid or has expired.');
            assert.equal(got.text.replace(/"requestId":"[^"]*"/, ''), answers[0].text.replace(/"requestId":"[^"]*"/, ''));
            assert.equal(got.headers['set-cookie'], undefined);
        }
        const late = await guess('t1.alice');
        assert.equal(late.status, 429, 'the right one has to wait as well');
        assert.ok(Number(late.headers['retry-after']) >= 1 && Number(late.headers['retry-after']) <= 12, late.headers['retry-after']);
        assert.equal(await status(d, 'GET', TRIGGERS, by(good)), 200, 'who is logged in stays so');
        for (const body of ['', {}, { token: 1 }, { token: '' }, { token: 't1.alice', more: 1 }, 'token=t1.alice', '[]'])
            assert.equal(await status(d, 'POST', SESSION, { body }), 400, JSON.stringify(body));
        assert.equal(await status(d, 'POST', SESSION, { body: { token: 'x'.repeat(20000) } }), 413);
        const failed = (await d.metrics()).get('regcast_management_unauthenticated_total');
        assert.equal(failed, 6);
    });

    test('is not needed with a certificate, and with TLS never sent without', limits, async (t) => {
        const certificate = makeCertificate(), authority = makeAuthority('operators');
        const config = secured({ management: { listen: ['127.0.0.1:0'], tls: { ...tlsOf(certificate), client_ca_file: authority.file } } });
        config.users[2].client_certificates = ['dns:nobody.example'];
        const d = await start(t, config);
        const { cert, key } = authority.issue({ names: ['DNS:nobody.example'] });
        const ask = (method, path, tls, options = {}) =>
            d.request(method, path, { ...options, port: d.managementPort, tls: { ca: certificate.text, ...tls } });
        const own = `https://127.0.0.1:${d.managementPort}`;
        const by = await ask('GET', SESSION, { cert, key });
        assert.equal(by.status, 200, by.text);
        assert.deepEqual([by.json.open, by.json.subject, by.json.csrfToken, by.json.expiresAt], [false, 'nobody', '', undefined]);
        const pause = (tls, headers) => ask('POST', '/triggers/v1/triggers/a1s00000000000000000:pause', tls, { headers });
        assert.equal((await pause({ cert, key }, { Origin: own })).status, 403);
        assert.match((await pause({ cert, key }, {})).json.message, /nobody lacks role/);
        assert.equal((await pause({ cert, key }, { 'Sec-Fetch-Site': 'cross-site' })).json.error, 'origin');
        // Who logs in besides is whom he logged in as.
        const body = JSON.stringify({ token: 't1.alice' });
        const made = await ask('POST', SESSION, { cert, key }, { body, headers: { Origin: own, 'Content-Length': body.length } });
        assert.equal(made.status, 200, made.text);
        const [pair, ...attributes] = made.headers['set-cookie'][0].split('; ');
        assert.equal(attributes.at(-1), 'Secure');
        const headers = { Cookie: pair };
        assert.equal((await ask('GET', SESSION, { cert, key }, { headers })).json.subject, 'alice');
        assert.equal((await ask('GET', SESSION, {}, { headers })).json.subject, 'alice');
        const csrf = { ...headers, 'x-csrf-token': made.json.csrfToken };
        assert.equal((await pause({}, { ...csrf, Origin: own })).status, 404);
        assert.equal((await pause({}, { ...csrf, Origin: own.replace('https', 'http') })).status, 403);
        assert.equal((await ask('DELETE', SESSION, { cert, key }, { headers: csrf })).status, 200);
        assert.equal((await ask('GET', SESSION, { cert, key }, { headers })).json.subject, 'nobody', 'the certificate is left');
        assert.equal((await ask('GET', SESSION, {}, { headers })).status, 401);
    });

    test('is not needed where nobody has to log in', limits, async (t) => {
        const d = await start(t, makeConfig({ triggers: [] }));
        const got = await d.manage('GET', SESSION);
        assert.equal(got.status, 200, got.text);
        assert.equal(got.json.open, true);
        assert.equal(got.json.subject, 'anonymous');
        assert.equal(got.json.csrfToken, '');
        assert.deepEqual(got.json.serviceAccounts, [BROADCASTER]);
        assert.equal(got.json.permissions.length, 6);
        const made = await d.manage('POST', SESSION, { body: { token: 'anything' } });
        assert.equal(made.status, 200, made.text);
        assert.deepEqual(made.json, got.json);
        assert.equal(made.headers['set-cookie'], undefined);
        assert.equal(await status(d, 'DELETE', SESSION), 200);
    });
});

describe('pages of other origins', () => {
    test('cannot use the session, by what a browser says of them', limits, async (t) => {
        const d = await start(t, secured({ management: { listen: ['127.0.0.1:0'], hosts: ['console.example'] } }));
        const session = await logIn(d);
        const own = `http://127.0.0.1:${d.managementPort}`;
        const csrf = { 'x-csrf-token': session.csrf };
        const reload403 = (headers) => status(d, 'POST', '/admin/v1/reload', by(session, headers));
        const pause = '/triggers/v1/triggers/a1s00000000000000000:pause';
        const change = (headers) => status(d, 'POST', pause, by(session, headers));
        assert.equal(await change({ ...csrf, Origin: own, 'Sec-Fetch-Site': 'same-origin' }), 404, 'it is let through');
        assert.equal(await change(csrf), 404);
        for (const wrong of [undefined, '', 'x', `${session.csrf}A`, session.csrf.slice(1), (await logIn(d, 't1.chief')).csrf])
            assert.equal(await change(wrong === undefined ? {} : { 'x-csrf-token': wrong }), 403, `${wrong}`);
        for (const method of ['PATCH', 'DELETE']) assert.equal(await status(d, method, '/triggers/v1/triggers/a1s00000000000000000', by(session)), 403);
        assert.equal(await reload403({}), 403);
        for (const Origin of ['http://evil.example', 'null', `${own}0`, own.replace('http', 'https'), 'http://localhost:1', `http://127.0.0.1`])
            for (const method of ['GET', 'POST']) assert.equal(await status(d, method, TRIGGERS, by(session, { ...csrf, Origin })), 403, Origin);
        for (const site of ['cross-site', 'same-site', 'anything']) {
            assert.equal(await change({ ...csrf, 'Sec-Fetch-Site': site }), 403, site);
            assert.equal(await status(d, 'GET', TRIGGERS, by(session, { 'Sec-Fetch-Site': site })), 403, site);
            assert.equal(await status(d, 'POST', SESSION, { body: { token: 't1.alice' }, headers: { 'Sec-Fetch-Site': site } }), 403, 'nor log in');
            assert.equal(await status(d, 'GET', SESSION, { headers: { 'Sec-Fetch-Site': site } }), 403);
        }
        assert.equal(await status(d, 'GET', TRIGGERS, by(session, { 'Sec-Fetch-Site': 'none' })), 200, 'typed by the user');
        assert.equal(await status(d, 'POST', SESSION, { body: { token: 't1.alice' }, headers: { Origin: 'http://evil.example' } }), 403);
        for (const Host of ['evil.example', 'console.example.evil.example', `evil.example:${d.managementPort}`]) {
            assert.equal(await status(d, 'GET', TRIGGERS, by(session, { Host })), 421, Host);
            assert.equal(await status(d, 'GET', SESSION, { headers: { Host } }), 421, Host);
            assert.equal(await status(d, 'POST', SESSION, { body: { token: 't1.alice' }, headers: { Host } }), 421, Host);
        }
        assert.equal(await status(d, 'GET', TRIGGERS, by(session, { Host: 'console.example' })), 200);
        assert.equal(await status(d, 'GET', '/console/', { headers: { Host: 'Console.example:8082' } }), 200);
        // A program has a header and is no page.
        assert.equal(await status(d, 'GET', TRIGGERS, { headers: { Authorization: 'Bearer t1.alice', Host: 'evil.example', Origin: 'http://evil.example' } }), 200);
        assert.equal(await status(d, 'GET', '/healthz', { headers: { Host: 'anything.example' } }), 200);
        // Nothing that was refused has an allowance for other origins.
        const got = await d.manage('OPTIONS', TRIGGERS, { headers: { Origin: 'http://evil.example', 'Access-Control-Request-Method': 'POST' } });
        assert.ok(Object.keys(got.headers).every((name) => !name.startsWith('access-control')), JSON.stringify(got.headers));
    });

    test('cannot have any route change something with the session alone', limits, async (t) => {
        const d = await start(t, secured());
        const session = await logIn(d, 't1.chief');
        const { paths } = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8'));
        const routes = Object.entries(paths).flatMap(([path, item]) =>
            Object.entries(item)
                .filter(([method, one]) => method !== 'get' && one['x-required-role'] !== undefined)
                .map(([method]) => [method.toUpperCase(), path.replace(/\{[^}]*\}/g, 'crt00000000000000000')]),
        );
        assert.ok(routes.length > 15, `${routes.length} routes`);
        for (const [method, path] of routes) {
            const got = await d.manage(method, path, { body: {}, ...by(session) });
            assert.equal(got.status, 403, `${method} ${path}: ${got.text}`);
            assert.match(got.json.message, /x-csrf-token/, `${method} ${path}`);
        }
        assert.equal(await status(d, 'GET', TRIGGERS, by(session)), 200, 'nothing of it has ended the session');
    });

    test('cannot use a service that is open to everybody', limits, async (t) => {
        const d = await start(t, makeConfig({ triggers: [], management: { listen: ['127.0.0.1:0'], hosts: ['console.example'] } }));
        const own = `http://127.0.0.1:${d.managementPort}`;
        const ask = (headers, path = TRIGGERS) => status(d, 'GET', path, { headers });
        for (const path of [TRIGGERS, SESSION]) {
            assert.equal(await ask({ Origin: own }, path), 200);
            assert.equal(await ask({ Origin: 'http://evil.example' }, path), 403);
            assert.equal(await ask({ 'Sec-Fetch-Site': 'cross-site' }, path), 403);
            assert.equal(await ask({ 'Sec-Fetch-Site': 'same-origin' }, path), 200);
            assert.equal(await ask({ Host: 'evil.example' }, path), 421);
            assert.equal(await ask({ Host: 'console.example', Origin: 'https://console.example' }, path), 200);
        }
    });

    test('get nowhere from a real browser', { ...limits, skip: noBrowser }, async (t) => {
        const d = await start(t, secured());
        const evil = http.createServer((req, res) => {
            res.setHeader('Content-Type', 'text/html');
            res.end('<!doctype html><title>evil</title><p>evil');
        });
        await new Promise((done) => evil.listen(0, '127.0.0.1', done));
        defer(t, () => new Promise((done) => evil.close(done)));
        const { chromium } = await import('playwright-core');
        const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
        defer(t, () => browser.close());
        const context = await browser.newContext();
        const page = await context.newPage();
        const own = `http://127.0.0.1:${d.managementPort}`;

        // The page itself logs in and uses the session.
        await page.goto(`${own}/console/`);
        const state = await page.evaluate(async () => {
            const call = (path, options) => fetch(path, options).then((r) => r.status);
            const got = await (await fetch('/console/session', { method: 'POST', body: '{"token":"t1.alice"}' })).json();
            const violations = [];
            document.addEventListener('securitypolicyviolation', (e) => violations.push(e.effectiveDirective));
            await new Promise((done) => {
                const ws = new WebSocket(`ws://${location.host}/console/live`);
                ws.onerror = ws.onopen = done;
            });
            return {
                subject: got.subject,
                cookie: document.cookie,
                read: await call('/gateway/v1/paths'),
                denied: await call('/triggers/v1/triggers/x:pause', { method: 'POST' }),
                passed: await call('/triggers/v1/triggers/x:pause', { method: 'POST', headers: { 'x-csrf-token': got.csrfToken } }),
                violations,
            };
        });
        assert.deepEqual(state, { subject: 'alice', cookie: '', read: 200, denied: 403, passed: 404, violations: [] });

        // Its policy lets nothing in and nothing out.
        const violations = await page.evaluate(async (port) => {
            const seen = [];
            document.addEventListener('securitypolicyviolation', (e) => seen.push(e.effectiveDirective));
            const refused = (what) => {
                try {
                    what();
                    return false;
                } catch {
                    return true;
                }
            };
            const markup = refused(() => (document.body.innerHTML = '<img src=x onerror=window.owned=1>'));
            const script = document.createElement('script');
            refused(() => script.append('window.owned = 1'));
            refused(() => document.body.append(script));
            const image = new Image();
            image.src = `http://localhost:${port}/x.png`;
            await fetch(`http://localhost:${port}/`).catch(() => {});
            try {
                new WebSocket(`ws://localhost:${port}/`);
            } catch {
                /* some versions throw */
            }
            const frame = document.createElement('iframe');
            frame.src = `http://localhost:${port}/`;
            document.body.append(frame);
            const end = performance.now() + 5000;
            const all = ['connect-src', 'frame-src', 'img-src', 'require-trusted-types-for'];
            while (!all.every((one) => seen.includes(one)) && performance.now() < end) await new Promise((done) => setTimeout(done, 20));
            return { missing: all.filter((one) => !seen.includes(one)), markup, owned: window.owned };
        }, evil.address().port);
        assert.deepEqual(violations, { missing: [], markup: true, owned: undefined });

        // Another origin of the same site, and one of another site (by localhost): neither is given anything.
        for (const host of ['127.0.0.1', 'localhost']) {
            const attacker = await context.newPage();
            await attacker.goto(`http://${host}:${evil.address().port}/`);
            const before = d.logged({ msg: 'answered' }).length;
            const result = await attacker.evaluate(async (target) => {
                const call = (path, options) => fetch(target + path, { credentials: 'include', ...options }).then((r) => `read ${r.status}`, () => 'nothing');
                const opaque = await fetch(`${target}/gateway/v1/paths`, { credentials: 'include', mode: 'no-cors' }).then((r) => r.type, () => 'nothing');
                await fetch(`${target}/admin/v1/reload`, { method: 'POST', credentials: 'include', mode: 'no-cors', body: '{}' }).catch(() => {});
                const socket = await new Promise((done) => {
                    const ws = new WebSocket(`${target.replace('http', 'ws')}/console/live`);
                    ws.onopen = () => done('open');
                    ws.onerror = () => done('refused');
                });
                const frame = document.createElement('iframe');
                frame.src = `${target}/console/`;
                const framed = new Promise((done) => (frame.onload = done));
                document.body.append(frame);
                await framed;
                let inside = 'unreadable';
                try {
                    inside = frame.contentDocument === null ? 'unreadable' : frame.contentDocument.title;
                } catch {
                    /* of another origin */
                }
                return {
                    get: await call('/gateway/v1/paths'),
                    post: await call('/triggers/v1/triggers/x:pause', { method: 'POST', headers: { 'x-csrf-token': 'x' } }),
                    session: await call('/console/session'),
                    file: await call('/console/'),
                    opaque,
                    socket,
                    inside,
                };
            }, own);
            const nothing = 'nothing';
            assert.deepEqual({ ...result, opaque: '' }, { get: nothing, post: nothing, session: nothing, file: nothing, opaque: '', socket: 'refused', inside: 'unreadable' });
            await Promise.all([
                attacker.waitForNavigation(),
                attacker.evaluate((target) => {
                    const form = document.createElement('form');
                    form.method = 'POST';
                    form.enctype = 'text/plain';
                    form.action = `${target}/admin/v1/reload`;
                    document.body.append(form);
                    form.submit();
                }, own),
            ]);
            assert.match(await attacker.textContent('body'), /origin|invalid/);
            assert.equal(d.logged({ msg: 'answered', status: 200 }).filter((l) => l.operation === 'reload').length, 0);
            assert.ok(d.logged({ msg: 'answered' }).length >= before);
            await attacker.close();
        }
        assert.ok(d.logged({ msg: 'reject', reason: 'origin' }).length > 0);
    });
});

describe('metrics for pages', () => {
    test('are those of /metrics', limits, async (t) => {
        const d = await start(t, secured({ triggers: makeConfig().triggers }));
        const c = await Client.open(d.url());
        await d.accept([newImage('team/app')]);
        await c.first(1);
        const lines = (text) =>
            text
                .split('\n')
                .filter((line) => line !== '' && line[0] !== '#')
                .map((line) => line.replace(/[^ ]+$/, (value) => `${Number(value)}`)); // as JavaScript prints it
        const quote = (value) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
        const line = ({ name, labels, value }) => {
            const list = Object.entries(labels).map(([key, text]) => `${key}=${quote(text)}`).join(',');
            return `${name}${list === '' ? '' : `{${list}}`} ${value}`;
        };
        const series = (list) => list.map((one) => one.replace(/ [^ ]+$/, ''));
        const scrape = async () => (await d.request('GET', '/metrics')).text;
        const read = () => d.manage('GET', '/gateway/v1/metrics', { token: 't1.alice' });
        await scrape();
        await read(); // so that neither is the first of its kind, which begins a series
        const before = lines(await scrape());
        const { json } = await read();
        const text = await scrape();
        const printed = json.families.flatMap(({ samples }) => samples.map(line));
        assert.deepEqual(series(printed), series(lines(text)));
        // What asking and time itself have changed meanwhile is between the two.
        const asking = /^regcast_open_sockets\{listener="(webhooks|management)"\}/;
        const still = lines(text).filter((one, k) => one === before[k] && !asking.test(one));
        assert.ok(still.length > 0.8 * printed.length, `${still.length} of ${printed.length}`);
        const known = new Set(printed);
        assert.deepEqual(still.filter((one) => !known.has(one)), []);
        const comments = json.families.flatMap(({ name, type, help }) => [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]);
        assert.deepEqual(comments, text.split('\n').filter((l) => l[0] === '#'));
        assert.ok(parseMetrics(text));
        assert.ok(Math.abs(Date.parse(json.at) - Date.now()) < 60e3);

        const some = (await d.manage('GET', '/gateway/v1/metrics?family=regcast_connections,regcast_build_info,nothing', { token: 't1.alice' })).json;
        assert.deepEqual(some.families.map(({ name, type }) => [name, type]), [['regcast_connections', 'gauge'], ['regcast_build_info', 'gauge']]);
        const [connections] = some.families;
        assert.match(connections.help, /^Open WebSocket connections/);
        assert.deepEqual(Object.keys(connections.samples[0].labels), ['path', 'worker']);
        assert.equal(connections.samples.reduce((sum, { value }) => sum + value, 0), 1);
        assert.equal(await status(d, 'GET', '/gateway/v1/metrics', { token: 't1.nobody' }), 403);
        assert.equal(await status(d, 'GET', '/gateway/v1/metrics?famly=x', { token: 't1.alice' }), 400);
        await c.close();
    });
});
