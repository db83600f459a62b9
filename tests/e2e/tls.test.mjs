// TLS as clients meet it: Node's own https, tls, http2 and `ws`, and openssl where Node will not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { describe, test } from 'node:test';
import tls from 'node:tls';
import { makeCertificate, tlsOf } from './certificates.mjs';
import {
    Client, Daemon, ENVELOPE_TYPE, REGCASTD, REGCASTD_FAST, REGISTRY, defer, envelope, handshake, makeConfig, newImage, pause, run,
    until, within, writeConfig,
} from './harness.mjs';

const limits = { timeout: 60000 };
const certificate = makeCertificate();
const ca = certificate.text;

async function start(t, over = {}, options) {
    const { gateway = {}, management = {}, ...rest } = over;
    const d = await Daemon.start(makeConfig({
        gateway: { tls: tlsOf(certificate), ...gateway },
        management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'], tls: tlsOf(certificate), ...management },
        ...rest,
    }), options);
    defer(t, () => d.stop());
    return d;
}

const url = (d, path = '/') => `wss://127.0.0.1:${d.port}${path}`;

async function open(t, d, options = {}) {
    const c = await Client.open(url(d, options.path), { ca, ...options });
    defer(t, () => c.terminate());
    return c;
}

// A handshake: the socket, or what it was refused with.
function shake(port, options = {}) {
    return new Promise((done) => {
        const socket = tls.connect({ port, host: '127.0.0.1', ca, ...options }, () => done(socket));
        socket.on('error', (error) => done(error));
    });
}

async function refusal(port, options) {
    const got = await within(10000, 'a refusal', shake(port, options));
    if (!(got instanceof Error)) got.destroy();
    assert.ok(got instanceof Error, 'it was not refused');
    return got;
}

// What a client of TLS 1.3 says first.
async function clientHello() {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const dialled = tls.connect({ port: server.address().port, host: '127.0.0.1' }).on('error', () => null);
    const [socket] = await once(server, 'connection');
    const [bytes] = await once(socket, 'data');
    dialled.destroy();
    server.close();
    return bytes;
}

const rejected = async (d, reason, listener = 'gateway', stage = 'tls') =>
    (await d.metrics()).get('regcast_reject_total', { listener, stage, reason }) ?? 0;

describe('TLS', { concurrency: 2 }, () => {
    test('broadcasts to 200 clients of either version, slow ones among them', { timeout: 120000 }, async (t) => {
        const d = await start(t, { gateway: { send_buffer_bytes: '16KiB', paths: [{ path: '/', max_lag_age: '60s' }] } }, {
            bin: REGCASTD_FAST,
        });
        const clients = await Promise.all(Array.from({ length: 200 }, (_, i) =>
            open(t, d, i % 2 ? { maxVersion: 'TLSv1.2' } : { minVersion: 'TLSv1.3' })));
        const slow = clients.filter((_, i) => i % 20 === 0);
        for (const c of slow) c.socket.pause();
        const events = Array.from({ length: 1500 }, () => newImage(`team/${'x'.repeat(200)}`));
        for (let i = 0; i < events.length; i += 50) await d.accept(events.slice(i, i + 50));
        const want = events.map((event) => event.target.digest);
        const digests = async (c) => (await c.first(want.length, 60000)).map((m) => JSON.parse(m).messages[0].details.image_digest);
        for (const c of clients.filter((one) => !slow.includes(one))) assert.deepEqual(await digests(c), want);
        for (const c of slow) {
            assert.ok(c.messages.length < want.length);
            c.socket.resume();
        }
        for (const c of slow) assert.deepEqual(await digests(c), want);
        assert.equal((await d.metrics()).get('regcast_tls_handshakes_total'), 200);
    });

    test('takes webhooks and serves metrics by https', limits, async (t) => {
        const d = await start(t, { webhooks: { tls: tlsOf(certificate) } });
        const c = await open(t, d);
        const body = envelope([newImage('team/app')]);
        const headers = { 'Content-Type': ENVELOPE_TYPE, 'Content-Length': Buffer.byteLength(body) };
        const posted = await d.request('POST', `/registries/${REGISTRY}/events`, { body, headers, tls: { ca } });
        assert.deepEqual(posted.json, { accepted: 1, ignored: 0, duplicates: 0 });
        await c.first(1);
        const metrics = await d.request('GET', '/metrics', { tls: { ca } });
        assert.match(metrics.text, /^regcast_tls_handshakes_total 3$/m);
        await assert.rejects(d.request('GET', '/metrics', { tls: {} }), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    });

    test('serves REST, and gRPC after ALPN h2', limits, async (t) => {
        const d = await start(t);
        const origin = `https://127.0.0.1:${d.managementPort}`;
        const rest = (headers) => d.request('GET', '/healthz', { port: d.managementPort, tls: { ca }, headers });
        assert.equal((await rest({})).status, 200);
        assert.equal((await rest({ Origin: origin })).status, 200);
        assert.equal((await rest({ Origin: origin.replace('https', 'http') })).status, 403);
        const document = await d.request('GET', '/openapi.json', { port: d.managementPort, tls: { ca } });
        assert.equal(document.json.openapi.slice(0, 1), '3'); // several records

        const session = http2.connect(`https://127.0.0.1:${d.grpcPort}`, { ca });
        defer(t, () => session.destroy());
        const call = session.request({
            ':method': 'POST', ':path': '/grpc.health.v1.Health/Check', 'content-type': 'application/grpc', te: 'trailers',
        });
        call.end(Buffer.alloc(5));
        const parts = [];
        call.on('data', (part) => parts.push(part));
        const trailers = once(call, 'trailers');
        await once(call, 'end');
        assert.equal(session.alpnProtocol, 'h2');
        assert.equal((await trailers)[0]['grpc-status'], '0');
        assert.deepEqual([...Buffer.concat(parts)], [0, 0, 0, 0, 2, 8, 1]); // SERVING
    });

    test('agrees on a protocol, or on none', limits, async (t) => {
        const d = await start(t);
        const agreed = async (port, ALPNProtocols) => {
            const socket = await shake(port, { ALPNProtocols });
            const got = socket instanceof Error ? socket.code : socket.alpnProtocol;
            if (!(socket instanceof Error)) socket.destroy();
            return got;
        };
        assert.equal(await agreed(d.port, ['h2', 'http/1.1']), 'http/1.1');
        assert.equal(await agreed(d.managementPort, ['http/1.1']), 'http/1.1');
        assert.equal(await agreed(d.grpcPort, ['http/1.1', 'h2']), 'h2');
        assert.equal(await agreed(d.port, []), false);
        assert.match(await agreed(d.port, ['h2']), /NO_APPLICATION_PROTOCOL/);
        assert.match(await agreed(d.grpcPort, ['http/1.1']), /NO_APPLICATION_PROTOCOL/);
    });

    test('shows the certificate for the host that is named', limits, async (t) => {
        const wild = makeCertificate({ names: ['other.example', '*.other.example'], subject: 'other' });
        const rsa = makeCertificate({ kind: 'rsa', subject: 'rsa' });
        const d = await start(t, { gateway: { tls: tlsOf(certificate, wild, rsa) } });
        const shown = async (options) => {
            const socket = await shake(d.port, { rejectUnauthorized: false, ...options });
            assert.ok(!(socket instanceof Error), socket.message);
            const { CN } = socket.getPeerCertificate().subject;
            socket.destroy();
            return CN;
        };
        assert.equal(await shown({ servername: '' }), 'regcast');
        assert.equal(await shown({ servername: 'localhost' }), 'regcast');
        assert.equal(await shown({ servername: 'OTHER.example' }), 'other');
        assert.equal(await shown({ servername: 'a.other.example' }), 'other');
        assert.equal(await shown({ servername: 'a.b.other.example' }), 'regcast');
        assert.equal(await shown({ servername: 'localhost', maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }), 'rsa');
        const wrong = await refusal(d.port, { servername: 'unknown.example' }); // by the client
        assert.equal(wrong.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
    });

    test('speaks TLS 1.2 and 1.3 with forward secrecy and AEAD only', limits, async (t) => {
        const rsa = makeCertificate({ kind: 'rsa' });
        const d = await start(t, { gateway: { tls: tlsOf(certificate, rsa) } });
        const good = [
            ['ECDHE-ECDSA-AES128-GCM-SHA256', 'TLSv1.2'], ['ECDHE-ECDSA-AES256-GCM-SHA384', 'TLSv1.2'],
            ['ECDHE-ECDSA-CHACHA20-POLY1305', 'TLSv1.2'], ['ECDHE-RSA-AES128-GCM-SHA256', 'TLSv1.2'],
            ['ECDHE-RSA-AES256-GCM-SHA384', 'TLSv1.2'], ['ECDHE-RSA-CHACHA20-POLY1305', 'TLSv1.2'],
            ['TLS_AES_128_GCM_SHA256', 'TLSv1.3'], ['TLS_AES_256_GCM_SHA384', 'TLSv1.3'],
            ['TLS_CHACHA20_POLY1305_SHA256', 'TLSv1.3'],
        ];
        for (const [ciphers, version] of good) {
            const socket = await shake(d.port, { ciphers, minVersion: version, maxVersion: version, rejectUnauthorized: false });
            assert.ok(!(socket instanceof Error), `${ciphers}: ${socket.message}`);
            assert.equal(socket.getCipher().name, ciphers);
            assert.equal(socket.getProtocol(), version);
            socket.destroy();
        }
        const bad = [
            'ECDHE-ECDSA-AES128-SHA256', 'ECDHE-ECDSA-AES128-SHA', 'ECDHE-RSA-AES256-SHA384', 'AES128-GCM-SHA256', 'AES128-SHA',
            'DHE-RSA-AES128-GCM-SHA256',
        ];
        for (const ciphers of bad) await refusal(d.port, { ciphers, maxVersion: 'TLSv1.2', rejectUnauthorized: false });
        assert.equal(await rejected(d, 'tls_handshake'), bad.length);
        for (const version of ['-tls1', '-tls1_1']) { // which Node's own openssl does not offer any more
            const tried = spawnSync('openssl', ['s_client', '-connect', `127.0.0.1:${d.port}`, version, '-cipher', 'ALL:@SECLEVEL=0'], {
                encoding: 'utf8', input: '', timeout: 10000,
            });
            assert.match(tried.stderr, /alert protocol version|no protocols available/);
        }
    });

    test('resumes sessions by ticket, at any worker', limits, async (t) => {
        const d = await start(t, { gateway: { workers: 4 } });
        for (const version of ['TLSv1.2', 'TLSv1.3']) {
            const first = await shake(d.port, { minVersion: version, maxVersion: version });
            assert.ok(!first.isSessionReused());
            let session = first.getSession();
            if (version === 'TLSv1.3') [session] = await once(first, 'session');
            first.destroy();
            for (let i = 0; i < 12; i++) {
                const again = await shake(d.port, { minVersion: version, maxVersion: version, session });
                assert.ok(again.isSessionReused(), `${version}, ${i}`);
                if (version === 'TLSv1.3') [session] = await once(again, 'session'); // a ticket is for one time
                again.destroy();
            }
            const elsewhere = await shake(d.managementPort, { minVersion: version, maxVersion: version, session });
            assert.ok(!elsewhere.isSessionReused()); // its keys are its own
            elsewhere.destroy();
        }
    });

    test('tells who speaks HTTP to it, or TLS where there is none', limits, async (t) => {
        const d = await start(t);
        const plain = await d.request('GET', '/', { port: d.port });
        assert.deepEqual([plain.status, plain.text], [400, '{"error":"not_tls"}']);
        assert.equal(await rejected(d, 'not_tls'), 1);
        const error = await refusal(d.webhookPort, {});
        assert.match(error.code, /WRONG_VERSION_NUMBER|PACKET_LENGTH/);
        assert.equal(await rejected(d, 'tls_hello', 'webhooks', 'head'), 1);
        assert.equal(d.logged({ msg: 'reject', reason: 'tls_hello' }).length, 1);
    });

    test('does not wait for half a handshake', limits, async (t) => {
        const d = await start(t, { gateway: { handshake_timeout: '3s' } }); // of it, half for TLS
        const hello = await clientHello();
        const began = performance.now();
        const ends = [Buffer.alloc(0), hello.subarray(0, 1), hello.subarray(0, 11), hello.subarray(0, -1), hello].map((bytes) => {
            const socket = net.connect(d.port, '127.0.0.1');
            defer(t, () => socket.destroy());
            socket.on('error', () => null); // a reset
            socket.resume().write(bytes);
            return new Promise((done) => socket.on('close', done));
        });
        await within(10000, 'the end of all', Promise.all(ends));
        const took = performance.now() - began;
        assert.ok(took >= 1450 && took < 2900, `${took} ms`);
        assert.equal(await rejected(d, 'tls_slow'), ends.length);
        const late = await shake(d.port); // its request has what the handshake left of the time
        await within(5000, 'the end of who says nothing', once(late.resume(), 'close'));
        assert.equal(await rejected(d, 'slow_header', 'gateway', 'head'), 1);
    });

    test('sends a close frame and close_notify when it drains', limits, async (t) => {
        const d = await start(t);
        const clients = await Promise.all(Array.from({ length: 20 }, () => open(t, d)));
        await d.accept([newImage('team/app')]);
        const over = d.stop();
        for (const c of clients) {
            await c.first(1);
            assert.equal((await within(5000, 'its end', c.end)).code, 1012);
        }
        await over;
    });

    test('survives clients that are killed in the middle of a record', limits, async (t) => {
        const d = await start(t, { gateway: { send_buffer_bytes: '16KiB' } });
        const files = d.openFiles();
        const stayed = await open(t, d);
        const events = 200;
        const doomed = await Promise.all(Array.from({ length: 30 }, () => open(t, d)));
        for (const c of doomed.slice(0, 15)) c.socket.pause();
        for (let i = 0; i < events; i++) {
            await d.accept(Array.from({ length: 5 }, () => newImage(`team/${'x'.repeat(200)}`)));
            if (i % 7 === 0 && doomed.length) {
                const socket = doomed.pop().socket._socket;
                socket._parent?.resetAndDestroy?.();
                socket.destroy();
            }
        }
        for (const c of doomed) c.terminate();
        await stayed.first(events * 5);
        await until('their descriptors are closed', () => d.openFiles() <= files + 1);
    });

    // 24 KB were aimed at; mbedTLS by itself takes 37.
    test('keeps less than 8 KB for an idle connection', { timeout: 120000, skip: REGCASTD_FAST === REGCASTD }, async (t) => {
        for (const version of ['TLSv1.2', 'TLSv1.3']) {
            const d = await start(t, { gateway: { workers: 1 } }, { bin: REGCASTD_FAST });
            const connect = async () => {
                const socket = await shake(d.port, { minVersion: version, maxVersion: version });
                socket.write(handshake());
                await once(socket, 'data');
                defer(t, () => socket.destroy());
            };
            for (let i = 0; i < 50; i++) await connect();
            const before = d.rssKb();
            for (let i = 0; i < 1000; i += 50) await Promise.all(Array.from({ length: 50 }, connect));
            await pause(300);
            const each = d.rssKb() - before;
            t.diagnostic(`${version}: ${each} KB for 1000 connections`);
            assert.ok(each < 8000, `${version}: ${each} KB for 1000 connections`);
        }
    });

    test('says which file is wrong, and where', limits, () => {
        const other = makeCertificate();
        const check = (gateway) => {
            const file = writeConfig(JSON.stringify(makeConfig({ gateway }), null, 1));
            const got = run(['--config', file, '--check']);
            assert.equal(got.status, 78);
            assert.match(got.stderr, new RegExp(`^${file}:\\d+: `));
            return got.stderr;
        };
        assert.match(check({ tls: tlsOf({ ...certificate, private_key_file: other.private_key_file }) }),
            /gateway\.tls\.certificates\[0\]\.private_key_file: expected the key of the first certificate in/);
        assert.match(check({ tls: tlsOf(certificate, { ...other, certificate_file: '/nowhere' }) }),
            /gateway\.tls\.certificates\[1\]\.certificate_file: expected a file of certificates \(PEM\), got No such file/);
        assert.match(check({ tls: {} }), /gateway\.tls\.certificates: expected a list of 1 to 256, got nothing/);
        assert.equal(run(['--config', writeConfig(makeConfig({ gateway: { tls: tlsOf(certificate) } })), '--check']).status, 0);
    });
});
