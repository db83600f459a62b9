// TLS as those see it who look for what is wrong with it: sslscan, testssl.sh and openssl (security list TL-01 to
// TL-04, TL-08). REGCAST_SWEEP=1 has testssl.sh look for all that it knows, at every listener.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import { Client, Daemon, REGCASTD_FAST, defer, makeConfig, newImage, tempDir, within } from './harness.mjs';

const SWEEP = process.env.REGCAST_SWEEP === '1';
const limits = { timeout: SWEEP ? 900000 : 90000 };
const ec = makeCertificate();
const rsa = makeCertificate({ kind: 'rsa' });

const start = async (t, over = {}) => {
    const { gateway = {}, webhooks = {}, management = {}, ...rest } = over;
    const d = await Daemon.start(makeConfig({
        gateway: { tls: tlsOf(ec, rsa), ...gateway },
        webhooks: { listen: ['127.0.0.1:0'], tls: tlsOf(ec), ...webhooks },
        management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'], tls: tlsOf(ec), ...management },
        ...rest,
    }), { bin: REGCASTD_FAST });
    defer(t, () => d.stop());
    return d;
};
const listeners = (d) => ({ gateway: d.port, webhooks: d.webhookPort, management: d.managementPort, grpc: d.grpcPort });

// Runs a program to its end, which comes with the end of its input. With `say`: the input follows when that has come
// out, and is not ended.
function run(command, args, { input = '', say, within_ms = limits.timeout } = {}) {
    return within(within_ms, command, new Promise((done, fail) => {
        const child = spawn(command, args, { env: { ...process.env, LC_ALL: 'C' } });
        let output = '';
        let said = false;
        const more = (text) => {
            output += text;
            if (said || !say?.test(output)) return;
            said = true;
            child.stdin.write(input);
        };
        child.stdin.on('error', () => null); // it has ended by itself
        child.on('error', fail);
        child.stdout.on('data', more);
        child.stderr.on('data', more);
        child.on('close', (status) => done({ status, output }));
        if (!say) child.stdin.end(input);
    }));
}

const client = (port, args = [], options) =>
    run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', ...args], { within_ms: 20000, ...options });

const SUITES = {
    13: ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
    ec: ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
    rsa: ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'],
};

// A client's first message: TLS 1.2, ECDHE_ECDSA with AES-128-GCM, X25519.
const HELLO = `1603010047010000430303${'5a'.repeat(32)}000002c02b01000018000a00040002001d000d0006000404030503000b00020100`;

// What a certificate that one has made oneself, for two days, necessarily comes with.
const OF_THE_TEST = ['CRITICAL cert_chain_of_trust', 'HIGH cert_expirationStatus', 'HIGH cert_notAfter', 'HIGH cert_revocation'];
const ABOVE_LOW = ['MEDIUM', 'HIGH', 'CRITICAL'];

// What testssl.sh finds: [{id, severity, finding}].
async function testssl(port, options) {
    const file = join(tempDir(), 'found.json');
    const args = ['--quiet', '--color', '0', '--warnings', 'batch', '--nodns', 'none', '--ip', '127.0.0.1', '-oj', file, ...options];
    const ran = await run('testssl', [...args, `https://localhost:${port}`]);
    const found = JSON.parse(readFileSync(file, 'utf8'));
    assert.ok(found.length > 2, ran.output);
    return found;
}

function checkFindings(found, expected) {
    const bad = found.filter(({ severity }) => ABOVE_LOW.includes(severity)).map(({ id, severity }) => `${severity} ${id.split(' ')[0]}`);
    assert.deepEqual([...new Set(bad)].sort(), expected);
    assert.deepEqual(found.filter(({ id, severity }) => severity === 'FATAL' || id === 'scanProblem'), []);
}

// Milliseconds from webhooks to the client, one after another, for so long.
async function ages(d, c, ms) {
    const all = [];
    for (const end = performance.now() + ms; performance.now() < end;) {
        const sent = performance.now(), n = c.messages.length;
        await d.accept([newImage('team/app')]);
        await c.first(n + 1);
        all.push(performance.now() - sent);
    }
    return all;
}
const p99 = (all) => Math.round([...all].sort((a, b) => a - b)[Math.floor(all.length * 0.99)]);

describe('TLS, scanned', { concurrency: 2 }, () => {
    test('TL-01 TL-02 TL-03 sslscan sees these versions, suites and groups, and no others', limits, async (t) => {
        const d = await start(t);
        for (const [name, port] of Object.entries(listeners(d))) {
            const { output } = await run('sslscan', ['--no-colour', '--xml=-', '--sni-name=localhost', `127.0.0.1:${port}`]);
            const all = (tag) => [...output.matchAll(new RegExp(`<${tag} ([^>]*)/>`, 'g'))].map(([, text]) =>
                Object.fromEntries([...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value])));
            const versions = all('protocol').filter(({ enabled }) => enabled === '1').map(({ type, version }) => type + version);
            assert.deepEqual(versions, ['tls1.2', 'tls1.3'], name);
            assert.equal(all('protocol').length, 6, name);
            const suites = (version) => all('cipher').filter((c) => c.sslversion === version).map(({ cipher }) => cipher).sort();
            assert.deepEqual(suites('TLSv1.3'), SUITES[13], name);
            assert.deepEqual(suites('TLSv1.2'), name === 'gateway' ? [...SUITES.ec, ...SUITES.rsa] : SUITES.ec, name);
            const groups = new Set(all('group').map((group) => group.name));
            assert.deepEqual([...groups].sort(), ['secp256r1 (NIST P-256)', 'x25519'], name);
            assert.deepEqual(all('renegotiation'), [{ supported: '0', secure: '0' }], name);
            assert.ok(all('heartbleed').every(({ vulnerable }) => vulnerable === '0'), name);
            assert.match(output, /<signature-algorithm>ecdsa-with-SHA256</, name);
        }
    });

    test('TL-01 TL-02 TL-03 testssl.sh finds nothing above LOW', limits, async (t) => {
        const d = await start(t);
        if (!SWEEP) {
            checkFindings(await testssl(d.port, ['-p', '-C', '-I']), []); // most of its time is its start
            return;
        }
        for (const [name, port] of Object.entries(listeners(d))) {
            const found = await testssl(port, []);
            // Headers that tell browsers about pages: what answers requests here has none.
            const asked = name === 'webhooks' || name === 'management' ? ['MEDIUM security_headers'] : [];
            checkFindings(found, [...OF_THE_TEST, ...asked]);
            assert.ok(found.length > 100, `${found.length} findings`);
        }
    });

    test('TL-02 signs nothing with SHA-1', limits, async (t) => {
        const d = await start(t);
        for (const algorithms of ['RSA+SHA1', 'ECDSA+SHA1', 'RSA+SHA1:ECDSA+SHA1']) {
            const ran = await client(d.port, ['-tls1_2', '-sigalgs', algorithms, '-cipher', 'ALL:@SECLEVEL=0']);
            assert.match(ran.output, /alert handshake failure/);
        }
        for (const [args, type, digest] of [
            [['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'], /Peer signature type: RSA/, /Peer signing digest: SHA(256|384|512)/],
            [['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'], /Peer signature type: ECDSA/, /Peer signing digest: SHA(256|384|512)/],
            [['-tls1_3'], /Peer signature type: ECDSA/, /Peer signing digest: SHA256/],
        ]) {
            const ran = await client(d.port, args);
            assert.match(ran.output, type);
            assert.match(ran.output, digest);
        }
    });

    test('TL-03 renegotiates with nobody, compresses nothing', limits, async (t) => {
        const d = await start(t);
        const asked = await client(d.port, ['-tls1_2'], { input: 'R\n', say: /Verify return code[^]*---\n/ });
        assert.match(asked.output, /RENEGOTIATING/);
        assert.match(asked.output, /alert no renegotiation|:no renegotiation:/);
        assert.match(asked.output, /Secure Renegotiation IS supported/); // of the signal, RFC 5746: an attacker cannot splice one in
        for (const version of ['-tls1_2', '-tls1_3']) {
            const ran = await client(d.port, [version, '-comp']);
            assert.match(ran.output, /Compression: NONE/);
        }
    });

    test('TL-08 openssl comes back with a ticket, at its listener and at no other', limits, async (t) => {
        const d = await start(t, { gateway: { workers: 3 } });
        const { gateway, ...others } = listeners(d);
        for (const version of ['-tls1_2', '-tls1_3']) {
            const file = join(tempDir(), 'session.pem');
            // With 1.3 the ticket comes behind the handshake: it is there when an answer is.
            const ask = { input: 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', say: /---\n(?![^]*---\n)/ };
            const first = await client(gateway, [version, '-ign_eof', '-sess_out', file], ask);
            assert.match(first.output, /^New, TLSv1/m);
            for (let i = 0; i < 6; i++) {
                const again = await client(gateway, [version, '-sess_in', file]);
                assert.match(again.output, /^Reused, TLSv1/m, `${version}, ${i}`);
            }
            for (const [name, port] of Object.entries(others)) {
                const elsewhere = await client(port, [version, '-sess_in', file]);
                assert.match(elsewhere.output, /^New, TLSv1/m, `${version}, ${name}`);
            }
        }
    });

    test('TL-04 a flood of handshakes is cut off before it costs much, and counted', limits, async (t) => {
        const RATE = 50;
        const d = await start(t, { gateway: { max_handshake_rate: RATE }, webhooks: { tls: undefined } });
        const guest = await Client.open(`wss://127.0.0.1:${d.port}/`, { ca: ec.text });
        defer(t, () => guest.terminate());
        const calm = await ages(d, guest, 500);
        const began = performance.now();
        let tried = 0, turned_away = 0, over = false;
        // Each says hello and leaves as soon as it has had an answer, or none.
        const hello = Buffer.from(HELLO, 'hex');
        const flood = Array.from({ length: 32 }, async () => {
            while (!over) {
                tried++;
                await new Promise((done) => {
                    let answered = false;
                    const socket = net.connect(d.port, '127.0.0.1', () => socket.write(hello));
                    socket.on('data', () => {
                        answered = true;
                        socket.resetAndDestroy();
                    });
                    socket.on('error', () => null); // a reset
                    socket.on('close', () => {
                        if (!answered) turned_away++;
                        done();
                    });
                });
            }
        });
        const flooded = await ages(d, guest, 2000);
        over = true;
        await within(10000, 'the end of the flood', Promise.all(flood));
        const seconds = (performance.now() - began) / 1000;
        const let_in = tried - turned_away;
        t.diagnostic(`${Math.round(tried / seconds)} handshakes/s were tried, ${let_in} let in; ${p99(calm)} ms from a webhook to a `
            + `client became ${p99(flooded)} (p99)`);
        assert.ok(let_in <= RATE * (seconds + 1) + 1, `${let_in} in ${seconds} s`);
        assert.ok(turned_away > 100, `${turned_away} were turned away`);
        const rejected = (await d.metrics()).get('regcast_reject_total', { listener: 'gateway', reason: 'handshake_rate' });
        assert.equal(rejected, turned_away);
        assert.ok(p99(flooded) < 1000, `${p99(flooded)} ms`);
    });
});
