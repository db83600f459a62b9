// Certificates of clients: who may open a path, post and manage by them, and who is refused where.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import tls from 'node:tls';
import { makeAuthority, makeCertificate, tlsOf } from './certificates.mjs';
import {
    BROADCASTER, Client, Daemon, ENVELOPE_TYPE, FOLDER, REGISTRY, defer, envelope, handshake, makeConfig, newImage, run, tempDir, trigger,
    until, within, writeConfig,
} from './harness.mjs';

const limits = { timeout: 60000 };
const certificate = makeCertificate();
const ca = certificate.text;
const authority = makeAuthority('clients');
const HOUR_MS = 3600000;
const VERSIONS = ['TLSv1.2', 'TLSv1.3'];

const withClients = (more = {}) => ({ ...tlsOf(certificate), client_ca_file: authority.file, ...more });
const RULES = ['dns:ci.example', 'dns:*.edge.example', 'uri:spiffe://example/ci', 'email:ci@example.com'];

async function start(t, over = {}) {
    const { gateway = {}, ...rest } = over;
    const d = await Daemon.start(makeConfig({
        gateway: { tls: withClients(), paths: ['/', { path: '/mtls', auth: 'mtls', client_certificates: RULES }], ...gateway },
        triggers: [trigger('mtls', { path: '/mtls' })],
        ...rest,
    }));
    defer(t, () => d.stop());
    return d;
}

const named = (...names) => authority.issue({ names });

// What a request over TLS ends with: the status of its answer, or the code of the error.
function ask(port, text, options = {}) {
    return within(10000, 'an answer or a refusal', new Promise((done) => {
        const socket = tls.connect({ port, host: '127.0.0.1', ca, ...options }, () => socket.write(text));
        socket.once('data', (data) => {
            done(Number(data.toString('latin1').split(' ')[1]));
            socket.destroy();
        });
        socket.on('error', (error) => done(error.code));
        socket.on('close', () => done('closed'));
    }));
}

const open = (d, path, options) => ask(d.port, handshake(path), options);

const rejected = async (d, reason, listener = 'gateway', stage = 'tls') =>
    (await d.metrics()).get('regcast_reject_total', { listener, stage, reason }) ?? 0;

function selfSigned(name) {
    const { text, private_key_file } = makeCertificate({ names: [name] });
    return { cert: text, key: readFileSync(private_key_file) };
}

describe('client certificates', { concurrency: 4 }, () => {
    test('each kind of certificate is let in or refused as it should be', { timeout: 120000 }, async (t) => {
        const d = await start(t);
        const other = makeAuthority('clients'); // the name of the good one
        const between = makeAuthority('between', { by: authority });
        const chained = between.issue({ names: ['DNS:ci.example'] });
        const GOOD = {
            'a host': named('DNS:ci.example'),
            'in capitals': named('DNS:CI.Example'),
            'below a wildcard': named('DNS:a.edge.example'),
            'a URI': named('URI:spiffe://example/ci'),
            'an address': named('email:ci@example.com'),
            'the second name': named('DNS:other.example', 'DNS:ci.example'),
            'two parts of a name': authority.issue({ names: ['DNS:ci.example'], subject: '/O=example/CN=ci' }),
            'and the other way round': authority.issue({ names: ['DNS:ci.example'], subject: '/CN=ci/O=example' }),
            'without any name of its own': authority.issue({ names: ['DNS:ci.example'], subject: '/CN=evil.example' }),
            'through an authority between': chained,
        };
        const NOBODY = { // of the right authority: 401
            'another host': named('DNS:ci.example.evil.example'),
            'a part of the host': named('DNS:example'),
            'two labels below the wildcard': named('DNS:a.b.edge.example'),
            'the wildcard itself': named('DNS:*.edge.example'),
            'above the wildcard': named('DNS:edge.example'),
            'another URI': named('URI:spiffe://example/ci/x'),
            'a URI in capitals': named('URI:spiffe://example/CI'),
            'the host as a URI': named('URI:ci.example'),
            'the host as an address': named('email:ci.example'),
            'the host as common name alone': authority.issue({ subject: '/CN=ci.example' }),
            'the host as common name beside another': authority.issue({ names: ['DNS:other.example'], subject: '/CN=ci.example' }),
            'a rule as common name': authority.issue({ subject: '/CN=dns:ci.example' }),
            'a NUL in the common name': authority.issue({ subject: '/CN=ci.example~~.evil.example' }),
            'a NUL in the host': named('DNS:ci.example~~.evil.example'),
            'a NUL in the URI': named('URI:spiffe://example/ci~~x'),
        };
        const REFUSED = { // with an alert
            'of another authority': [other.issue({ names: ['DNS:ci.example'] }), /UNKNOWN_CA/],
            'of nobody': [selfSigned('ci.example'), /UNKNOWN_CA/],
            'an authority between is missing': [{ ...chained, cert: chained.single }, /UNKNOWN_CA/],
            'over since an hour': [authority.issue({ names: ['DNS:ci.example'], to: Date.now() - HOUR_MS }), /CERTIFICATE_EXPIRED/],
            'from in an hour on': [authority.issue({ names: ['DNS:ci.example'], from: Date.now() + HOUR_MS }), /BAD_CERTIFICATE/],
            'for servers only': [authority.issue({ names: ['DNS:ci.example'], usage: 'serverAuth' }), /UNSUPPORTED_CERTIFICATE/],
            'made by a client': [makeAuthority('leaf', { by: { ...authority, issue: (o) => authority.issue({ ...o, ca: false }) } })
                .issue({ names: ['DNS:ci.example'] }), /UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE/],
        };
        let alerts = 0;
        for (const version of VERSIONS) {
            const at = { minVersion: version, maxVersion: version };
            const of = ({ cert, key }) => ({ ...at, cert, key });
            assert.equal(await open(d, '/mtls', at), 401, 'none');
            assert.equal(await open(d, '/', at), 101, 'none, elsewhere');
            const all = (cases, look) => Promise.all(Object.entries(cases).map(look));
            await all(GOOD, async ([name, made]) => assert.equal(await open(d, '/mtls', of(made)), 101, `${name}, ${version}`));
            await all(NOBODY, async ([name, made]) => assert.equal(await open(d, '/mtls', of(made)), 401, `${name}, ${version}`));
            for (const path of ['/mtls', '/']) {
                await all(REFUSED, async ([name, [made, like]]) => assert.match(String(await open(d, path, of(made))), like, `${name}, ${path}, ${version}`));
                alerts += Object.keys(REFUSED).length;
            }
        }
        await until('all are counted', async () => (await rejected(d, 'client_certificate')) === alerts);
        assert.equal(await rejected(d, 'credential', 'gateway', 'handshake'), 2 * Object.keys(NOBODY).length);
        assert.equal(await rejected(d, 'no_credential', 'gateway', 'handshake'), 2);
        assert.ok(d.logged({ reason: 'client_certificate', detail: /signed by the trusted CA/ }).length > 0);
    });

    test('a client of `ws` is known by the name that fits', limits, async (t) => {
        const d = await start(t, { management: { listen: ['127.0.0.1:0'] } });
        const { cert, key } = named('DNS:x.example', 'DNS:a.edge.example');
        const url = `wss://127.0.0.1:${d.port}/mtls`;
        const c = await Client.open(url, { ca, cert, key });
        defer(t, () => c.terminate());
        await d.accept([newImage('team/app')]);
        await c.first(1);
        await until('the line of it', () => d.logged({ msg: 'open', subject: 'dns:a.edge.example' }).length === 1);
        const revoked = await d.manage('POST', '/admin/v1/revocations', { body: { subject: 'dns:a.edge.example', until: new Date(Date.now() + HOUR_MS).toISOString() } });
        assert.equal(revoked.status, 200, revoked.text);
        assert.equal((await within(2000, 'its end', c.end)).code, 4003);
        await assert.rejects(Client.open(url, { ca, cert, key }), /401/);
        await assert.rejects(Client.open(url, { ca, cert, key, origin: 'https://page.example' }), /403/);
    });

    test('a changed rule counts for who is there, and for who comes', limits, async (t) => {
        const data_dir = join(tempDir(), 'data');
        const cfg = (client_certificates) => JSON.stringify(makeConfig({
            data_dir,
            gateway: { tls: withClients(), paths: ['/', { path: '/mtls', auth: 'mtls', client_certificates }] },
        }));
        const file = writeConfig(cfg(RULES));
        const d = await Daemon.start(null, { file });
        defer(t, () => d.stop());
        const [ci, edge] = [named('DNS:ci.example'), named('DNS:a.edge.example')];
        const clients = await Promise.all([ci, edge].map(({ cert, key }) => Client.open(`wss://127.0.0.1:${d.port}/mtls`, { ca, cert, key })));
        for (const c of clients) defer(t, () => c.terminate());
        writeFileSync(file, cfg(['dns:ci.example']));
        d.child.kill('SIGHUP');
        assert.equal((await within(5000, 'the end of one', clients[1].end)).code, 4003);
        assert.equal(await open(d, '/mtls', edge), 401);
        assert.equal(await open(d, '/mtls', ci), 101);
        assert.equal(clients[0].closed, null);
    });

    test('a connection does not outlive its certificate', limits, async (t) => {
        const d = await start(t);
        const to = Math.ceil(Date.now() / 1000) * 1000 + 3000;
        const { cert, key } = authority.issue({ names: ['DNS:ci.example'], to });
        const c = await Client.open(`wss://127.0.0.1:${d.port}/mtls`, { ca, cert, key, protocols: ['regcast.v1'] });
        defer(t, () => c.terminate());
        assert.equal(JSON.parse((await c.first(1))[0]).control, 'token_expiring');
        assert.equal((await within(15000, 'its end', c.end)).code, 4001);
        assert.ok(Date.now() >= to - 1000);
        assert.match(String(await open(d, '/mtls', { cert, key })), /401|CERTIFICATE_EXPIRED/); // the last second is not ours
    });

    test('a side that asks for certificates gives no tickets', limits, async (t) => {
        const d = await start(t, { management: { listen: ['127.0.0.1:0'], tls: tlsOf(certificate) } });
        for (const version of VERSIONS) {
            const at = { host: '127.0.0.1', ca, minVersion: version, maxVersion: version, ...named('DNS:ci.example') };
            const socket = tls.connect({ port: d.port, ...at });
            const sessions = [];
            socket.on('session', (session) => sessions.push(session));
            await once(socket, 'secureConnect');
            socket.write(handshake('/mtls'));
            await once(socket, 'data');
            if (version === 'TLSv1.2') assert.equal(socket.getTLSTicket(), undefined);
            else assert.deepEqual(sessions, []);
            socket.destroy();
            // nor does it take those of another side, which asked nobody
            const elsewhere = tls.connect({ port: d.managementPort, ...at });
            const [session] = await once(elsewhere, 'session');
            elsewhere.destroy();
            const again = tls.connect({ port: d.port, ...at, session });
            await once(again, 'secureConnect');
            assert.equal(again.isSessionReused(), false);
            again.destroy();
        }
    });

    test('webhooks: a certificate instead of a token, or beside it', limits, async (t) => {
        const token_file = join(tempDir(), 'token');
        writeFileSync(token_file, 'secret-of-the-registry\n');
        chmodSync(token_file, 0o600);
        const both = 'crtregistry000000002', free = 'crtregistry000000003';
        const client_certificates = ['dns:registry.example'];
        const d = await start(t, {
            webhooks: { tls: withClients() },
            registries: [{ id: REGISTRY, client_certificates }, { id: both, client_certificates, token_file }, { id: free }],
        });
        const post = async (registry, { cert, key } = {}, headers = {}) => {
            const body = envelope([newImage('team/app')]);
            const got = await d.request('POST', `/registries/${registry}/events`, {
                body, tls: { ca, cert, key },
                headers: { 'Content-Type': ENVELOPE_TYPE, 'Content-Length': Buffer.byteLength(body), ...headers },
            });
            return got.status;
        };
        const good = named('DNS:registry.example'), wrong = named('DNS:other.example');
        const token = { Authorization: 'Bearer secret-of-the-registry' };
        assert.equal(await post(REGISTRY, good), 202);
        assert.equal(await post(REGISTRY, wrong), 401);
        assert.equal(await post(REGISTRY), 401);
        assert.equal(await post(REGISTRY, {}, token), 401);
        assert.equal(await post(both, good, token), 202);
        assert.equal(await post(both, good), 401);
        assert.equal(await post(both, wrong, token), 401);
        assert.equal(await post(both, {}, token), 401);
        assert.equal(await post(free), 202);
        assert.equal(await post(free, wrong), 202);
        const bad = makeAuthority('other').issue({ names: ['DNS:registry.example'] });
        await assert.rejects(post(REGISTRY, bad), /unknown ca/i);
        const { text } = await d.request('GET', '/metrics', { tls: { ca } });
        assert.match(text, /^regcast_reject_total\{listener="webhooks",stage="webhook",reason="auth"\} 6$/m);
        assert.match(text, /^regcast_reject_total\{listener="webhooks",stage="tls",reason="client_certificate"\} 1$/m);
    });

    test('webhooks: `required` keeps everybody else out', limits, async (t) => {
        const d = await start(t, { webhooks: { tls: withClients({ client_certificates: 'required' }) } });
        const text = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n';
        for (const version of VERSIONS) {
            const at = { minVersion: version, maxVersion: version };
            const wrong = makeAuthority('other').issue({ names: ['DNS:a'] });
            assert.match(await ask(d.webhookPort, text, at), version === 'TLSv1.2' ? /HANDSHAKE_FAILURE/ : /CERTIFICATE_REQUIRED/);
            assert.match(await ask(d.webhookPort, text, { ...at, cert: wrong.cert, key: wrong.key }), /UNKNOWN_CA/);
            const { cert, key } = named('DNS:anybody');
            assert.equal(await ask(d.webhookPort, text, { ...at, cert, key }), 200);
        }
        await until('their lines', () => d.logged({ msg: 'reject', reason: 'client_certificate' }).length === 4);
    });

    test('management: REST and gRPC by certificate, with the roles of its subject', limits, async (t) => {
        const d = await start(t, {
            management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'], tls: withClients() },
            users: [
                { id: 'alice', roles: ['functions.editor'], client_certificates: ['email:alice@example.com', 'dns:shared.example'] },
                { id: 'bob', client_certificates: ['dns:bob.example', 'dns:shared.example'] },
            ],
            service_accounts: [
                { id: BROADCASTER, roles: ['api-gateway.websocketBroadcaster'] },
                { id: 'ajerobot000000000001', roles: ['functions.viewer'], client_certificates: ['uri:spiffe://example/robot'] },
            ],
        });
        const alice = named('email:alice@example.com'), robot = named('URI:spiffe://example/robot');
        const list = async ({ cert, key } = {}, headers = {}) =>
            (await d.request('GET', `/triggers/v1/triggers?folderId=${FOLDER}`, { port: d.managementPort, tls: { ca, cert, key }, headers })).status;
        assert.equal(await list(alice), 200);
        assert.equal(await list(robot), 200);
        assert.equal(await list(named('DNS:bob.example')), 403);
        assert.equal(await list(named('DNS:carol.example')), 401);
        assert.equal(await list(named('DNS:shared.example')), 401); // it is two people's
        assert.equal(await list(authority.issue({ subject: '/CN=alice' })), 401);
        assert.equal(await list(), 401);
        assert.equal(await list(alice, { Authorization: 'Bearer wrong' }), 401); // what is said counts
        const origin = `https://127.0.0.1:${d.managementPort}`;
        assert.equal(await list(alice, { Origin: origin }), 200);
        assert.equal(await list(alice, { Origin: 'https://page.example' }), 403); // in its reader's name
        assert.ok(d.logged({ msg: 'answered', subject: 'alice' }).length > 0);

        const call = async ({ cert, key } = {}) => {
            const session = http2.connect(`https://127.0.0.1:${d.grpcPort}`, { ca, cert, key });
            defer(t, () => session.destroy());
            const stream = session.request({
                ':method': 'POST', ':path': '/yandex.cloud.serverless.triggers.v1.TriggerService/List',
                'content-type': 'application/grpc', te: 'trailers',
            });
            const folder = Buffer.concat([Buffer.from([10, FOLDER.length]), Buffer.from(FOLDER)]);
            stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, folder.length]), folder]));
            stream.resume();
            const heads = [];
            stream.on('response', (head) => heads.push(head));
            stream.on('trailers', (head) => heads.push(head));
            await within(10000, 'an answer', once(stream, 'close'));
            return Number(heads.at(-1)['grpc-status']);
        };
        assert.equal(await call(alice), 0);
        assert.equal(await call(robot), 0);
        assert.equal(await call(named('DNS:bob.example')), 7); // PERMISSION_DENIED
        assert.equal(await call(named('DNS:carol.example')), 16); // UNAUTHENTICATED
        assert.equal(await call(), 16);
    });

    test('what cannot be meant is refused when the configuration is read', limits, async () => {
        const check = (cfg) => run(['--config', writeConfig(makeConfig(cfg)), '--check']);
        const paths = [{ path: '/', auth: 'mtls', client_certificates: ['dns:a'] }];
        assert.equal(check({ gateway: { tls: withClients(), paths } }).status, 0);
        assert.match(check({ gateway: { tls: tlsOf(certificate), paths } }).stderr, /expected gateway\.tls\.client_ca_file/);
        assert.match(check({ gateway: { tls: withClients({ client_ca_file: '/nowhere' }), paths } }).stderr,
            /gateway\.tls\.client_ca_file: expected a file of certificates \(PEM\), got No such file/);
        assert.match(check({ gateway: { tls: withClients({ client_ca_file: certificate.private_key_file }), paths } }).stderr,
            /gateway\.tls\.client_ca_file: expected a file of certificates \(PEM\), got /);
        for (const rule of ['ci.example', 'dns:', 'dns:*', 'dns:a.*.b', 'dns:*.*.b', 'cn:ci', 'DNS:ci.example', 'uri:a b'])
            assert.match(check({ gateway: { tls: withClients(), paths: [{ ...paths[0], client_certificates: [rule] }] } }).stderr,
                /client_certificates\[0\]: expected dns:HOST/, rule);
    });
});
