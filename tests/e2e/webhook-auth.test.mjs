// Whose webhooks are taken (security list WH-01 to WH-04), what outlives a kill (revocations), how many
// connections one name or address may have, and which files may hold a secret (OS-06).
import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import {
    Client, Daemon, ENVELOPE_TYPE, REGISTRY, Raw, defer, digestOf, envelope, handshake, makeConfig, newImage, push, run, tempDir,
    pause, until, within, writeConfig,
} from './harness.mjs';

const limits = { timeout: 60000 };
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const now = () => Math.floor(Date.now() / 1000);

const secret = () => `whsec_${randomBytes(32).toString('base64')}`;

function secretFile(lines, mode = 0o600) {
    const file = join(tempDir(), 'secret');
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''), { mode });
    chmodSync(file, mode); // whatever the umask
    return file;
}

async function start(t, config, options) {
    const d = await Daemon.start(config, options);
    defer(t, () => d.stop());
    return d;
}

const registry = (more) => ({ registries: [{ id: REGISTRY, kind: 'distribution', ...more }] });

// ---------------------------------------------------------------------------------- signatures

const macOf = (key, id, at, body) =>
    createHmac('sha256', Buffer.from(key.slice('whsec_'.length), 'base64')).update(`${id}.${at}.${body}`).digest();

const signed = (key, body, { id = `msg_${randomUUID()}`, at = now() } = {}) => ({
    'webhook-id': id,
    'webhook-timestamp': String(at),
    'webhook-signature': `v1,${macOf(key, id, at, body).toString('base64')}`,
});

// Posts `body` with these headers: [status, what the answer says].
async function post(d, body, headers) {
    const got = await d.request('POST', `/registries/${REGISTRY}/events`, {
        body,
        headers: { 'Content-Type': ENVELOPE_TYPE, 'Content-Length': Buffer.byteLength(body), ...headers },
    });
    if (got.status === 401) assert.match(got.headers['www-authenticate'], /^\w+$/);
    return [got.status, got.json.error ?? got.json];
}

const rejected = async (d, reason) =>
    (await d.metrics()).get('regcast_reject_total', { listener: 'webhooks', stage: 'webhook', reason }) ?? 0;

const TAKEN = [202, { accepted: 1, ignored: 0, duplicates: 0 }];
const AGAIN = [202, { accepted: 0, ignored: 0, duplicates: 1 }];

describe('webhooks', { concurrency: 3 }, () => {
    test('WH-02, WH-03: a signature covers id, time and every byte', limits, async (t) => {
        const [old, next, other] = [secret(), secret(), secret()];
        const d = await start(t, makeConfig(registry({ signature: 'standard-webhooks', signature_secret_file: secretFile([old, next]) })));
        const body = envelope([newImage('app')]);
        const without = (name, headers) => Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
        const good = signed(old, body);
        const with1 = (signature) => ({ ...good, 'webhook-signature': signature });
        const mac = macOf(old, good['webhook-id'], good['webhook-timestamp'], body);
        const BAD = {
            'no header': {},
            'no id': without('webhook-id', good),
            'no timestamp': without('webhook-timestamp', good),
            'no signature': without('webhook-signature', good),
            'another key': signed(other, body),
            'another body': signed(old, `${body}\n`),
            'the body written anew': signed(old, JSON.stringify(JSON.parse(body), null, 1)),
            'another id': { ...good, 'webhook-id': 'msg_other' },
            hexadecimal: with1(`v1,${mac.toString('hex')}`),
            'hexadecimal in capitals': with1(`v1,${mac.toString('hex').toUpperCase()}`),
            'of an unknown version': with1(`v1a,${mac.toString('base64')}`),
            'an id twice': { ...good, 'webhook-id': [good['webhook-id'], good['webhook-id']] },
            'a bearer instead': { Authorization: `Bearer ${old}` },
        };
        for (const [name, headers] of Object.entries(BAD))
            assert.deepEqual(await post(d, body, headers), [401, 'signature'], name);
        const TIMES = [now() - 310, now() + 310, 0, -now(), 'now', '', new Date().toISOString(), 253402300799, `${now()}000`, `+${now()}`];
        for (const at of TIMES) {
            const want = at === '' ? 'signature' : 'timestamp';
            assert.deepEqual(await post(d, body, signed(old, body, { at })), [401, want], `time ${at}`);
        }
        assert.equal(await rejected(d, 'signature'), Object.keys(BAD).length + 1);
        assert.equal(await rejected(d, 'timestamp'), TIMES.length - 1);
        assert.ok(d.logged({ msg: 'reject', reason: 'timestamp', stage: 'webhook' }).length > 0);

        assert.deepEqual(await post(d, body, good), TAKEN);
        const other1 = envelope([newImage('app')]);
        assert.deepEqual(await post(d, other1, signed(next, other1)), TAKEN, 'the next secret');
        const third = envelope([newImage('app')]);
        const id = 'msg_both';
        const both = [signed(other, third, { id }), signed(next, third, { id })].map((h) => h['webhook-signature']).join(' ');
        assert.deepEqual(await post(d, third, { ...signed(old, third, { id }), 'webhook-signature': both }), TAKEN, 'one of two');
        for (const at of [now() - 290, now() + 290]) {
            const late = envelope([newImage('app')]);
            assert.deepEqual(await post(d, late, signed(old, late, { at })), TAKEN, `time ${at}`);
        }
    });

    test('WH-04: a delivery that comes again says nothing, after a kill either', limits, async (t) => {
        const key = secret();
        const config = makeConfig(registry({ signature: 'standard-webhooks', signature_secret_file: secretFile([key]) }));
        let d = await Daemon.start(config);
        defer(t, () => d.stop());
        const client = await Client.open(d.url());
        // Its event has no id of its own: only the delivery's tells that it came before.
        const { id, ...nameless } = push('app', digestOf(id0()), 'v1');
        const body = envelope([nameless]);
        const headers = signed(key, body);
        assert.deepEqual(await post(d, body, headers), TAKEN);
        await client.first(1);
        for (let i = 0; i < 3; i++) assert.deepEqual(await post(d, body, headers), AGAIN);
        const otherBody = envelope([{ ...nameless, target: { ...nameless.target, tag: 'v2' } }]);
        const anew = signed(key, otherBody, { id: headers['webhook-id'], at: now() + 1 });
        assert.deepEqual(await post(d, otherBody, anew), AGAIN, 'the id is what counts');
        assert.equal((await d.metrics()).get('regcast_webhook_events_total', { outcome: 'duplicate' }), 4);
        const marker = envelope([newImage('marker')]);
        assert.deepEqual(await post(d, marker, signed(key, marker)), TAKEN);
        await client.first(2);
        assert.equal(client.messages.length, 2, 'the image, and the marker behind it');

        d.child.kill('SIGKILL');
        await d.ends('SIGKILL');
        d = await Daemon.start(config);
        assert.deepEqual(await post(d, body, headers), AGAIN, 'after a kill');
    });

    test('a token and its successor count at once, and a token and a signature together', limits, async (t) => {
        const key = secret();
        const tokens = secretFile(['first', 'second']);
        const d = await start(t, makeConfig({
            registries: [
                { id: REGISTRY, token_file: tokens },
                { id: 'crtboth', token: 'third', signature: 'standard-webhooks', signature_secret_file: secretFile([key]) },
            ],
        }));
        const body = () => envelope([newImage('app')]);
        for (const token of ['first', 'second'])
            assert.deepEqual(await post(d, body(), { Authorization: `Bearer ${token}` }), TAKEN);
        for (const headers of [{}, { Authorization: 'Bearer third' }, { Authorization: 'Bearer firs' }, { Authorization: 'Bearer firstx' },
            { Authorization: ['Bearer first', 'Bearer x'] }, { Authorization: `Bearer ${'f'.repeat(8000)}` }])
            assert.deepEqual(await post(d, body(), headers), [401, 'auth']);
        const text = body();
        const to = async (headers) => {
            const got = await d.post(text, { registry: 'crtboth', headers });
            return [got.status, got.json.error];
        };
        assert.deepEqual(await to({ Authorization: 'Bearer third' }), [401, 'signature']);
        assert.deepEqual(await to(signed(key, text)), [401, 'auth']);
        assert.deepEqual(await to({ Authorization: 'Bearer third', ...signed(key, text) }), [202, undefined]);

        writeFileSync(tokens, 'second\nfourth\n');
        const got = await d.manage('POST', '/admin/v1/reload', { body: {} });
        assert.equal(got.status, 200, got.text);
        assert.deepEqual(await post(d, body(), { Authorization: 'Bearer first' }), [401, 'auth']);
        for (const token of ['second', 'fourth'])
            assert.deepEqual(await post(d, body(), { Authorization: `Bearer ${token}` }), TAKEN);
    });
});

let ids = 0;
const id0 = () => `${process.pid}-${ids++}`;

describe('who is let in', { concurrency: 4 }, () => {
    test('what was revoked stays so over a kill, until its time is over', limits, async (t) => {
        const config = makeConfig({
            gateway: {
                auth: { tokens: [{ subject: 'ann', sha256: sha256('a') }, { subject: 'ben', sha256: sha256('b') }] },
                paths: [{ path: '/', auth: 'token' }],
            },
        });
        let d = await Daemon.start(config);
        defer(t, () => d.stop());
        const opens = (token) =>
            Client.open(d.url(), { headers: { Authorization: `Bearer ${token}` } }).then((c) => {
                defer(t, () => c.terminate());
                return c;
            });
        const status = async (token) => (await opens(token).then(() => 101, (error) => Number(error.message.split(': ')[1])));
        const revoke = (subject, seconds) =>
            d.manage('POST', '/admin/v1/revocations', {
                body: { subject, until: new Date(Date.now() + seconds * 1000).toISOString() },
            });
        const ann = await opens('a');
        const got = await revoke('ann', 3600);
        assert.deepEqual([got.status, got.json], [200, { closedConnections: '1' }]);
        d.child.kill('SIGKILL');
        await d.ends('SIGKILL');
        await within(5000, 'the end of it', ann.end);
        d = await Daemon.start(config);
        assert.equal(await status('a'), 401);
        assert.equal(await status('b'), 101);
        assert.equal((await revoke('ben', 2)).status, 200);
        assert.equal(await status('b'), 401);
        await pause(2500); // until its time is over, to the second
        assert.equal(await status('b'), 101);
        assert.equal(await status('a'), 401);
        assert.equal((await revoke('cid', 3600)).status, 200, 'takes what has ended along');
        d.child.kill('SIGKILL');
        await d.ends('SIGKILL');
        d = await Daemon.start(config);
        assert.equal(await status('a'), 401);
        assert.equal(await status('b'), 101);
    });

    test('one name has so many connections and no more, on all workers', limits, async (t) => {
        const d = await start(t, makeConfig({
            gateway: {
                workers: 3,
                max_identity_connections: 4,
                auth: { tokens: [{ subject: 'ann', sha256: sha256('a') }, { subject: 'ann', sha256: sha256('a2') }, { subject: 'ben', sha256: sha256('b') }] },
                paths: ['/', { path: '/closed', auth: 'token' }],
            },
        }));
        const open = async (token) => {
            const c = await Raw.open(d.port);
            defer(t, () => c.destroy());
            await c.send(handshake('/closed', { Authorization: `Bearer ${token}` }));
            await c.answer();
            return c;
        };
        const all = await Promise.all(['a', 'a2', 'a', 'a2'].map(open));
        assert.deepEqual(all.map((c) => c.last.status), [101, 101, 101, 101]);
        const more = await open('a');
        assert.equal(more.last.status, 429);
        assert.equal(more.last.body, '{"error":"identity_cap"}');
        assert.ok(Number(more.last.headers['retry-after']) >= 5);
        assert.equal((await open('b')).last.status, 101);
        assert.equal((await d.metrics()).get('regcast_reject_total', { listener: 'gateway', stage: 'handshake', reason: 'identity_cap' }), 1);
        assert.equal(d.logged({ msg: 'reject', reason: 'identity_cap' })[0].detail, 'ann');
        all[0].destroy();
        await until('a place is free', async () => (await open('a2')).last.status === 101);
    });

    test('one address does not hold all connections of the management listeners', limits, async (t) => {
        const d = await start(t, makeConfig({
            management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'], max_address_connections: 3 },
        }));
        for (const port of [d.managementPort, d.grpcPort]) {
            const held = [];
            for (let i = 0; i < 3; i++) held.push(await Raw.open(port, { localAddress: '127.0.0.2' }));
            const more = await Raw.open(port, { localAddress: '127.0.0.2' }).catch(() => ({ done: true })); // reset at once
            await until('its end', () => more.done);
            const other = await Raw.open(port, { localAddress: '127.0.0.3' });
            assert.deepEqual(held.map((c) => c.done), [false, false, false]);
            assert.equal(other.done, false);
            for (const c of [...held, other]) c.destroy();
        }
        const refused = (await d.metrics()).get('regcast_reject_total', { listener: 'grpc', stage: 'accept', reason: 'address_cap' });
        assert.equal(refused, 1);
    });

    test('WS-10, WS-11: who goes away in the middle of being let in, or goes on after a refusal, leaves nothing', limits, async (t) => {
        const d = await start(t, makeConfig({
            gateway: {
                max_identity_connections: 1000,
                auth: { tokens: [{ subject: 'ann', sha256: sha256('a') }] },
                paths: [{ path: '/', auth: 'token' }],
            },
        }));
        const bytes = Buffer.from(handshake('/', { Authorization: 'Bearer a' }));
        for (const end of ['reset', 'destroy'])
            for (let at = 0; at <= bytes.length; at += 7) {
                const c = await Raw.open(d.port);
                await c.send(bytes.subarray(0, at));
                c[end]();
            }
        const current = async () => (await d.metrics()).get('regcast_open_sockets', { listener: 'gateway' });
        await until('nobody is left', async () => (await current()) === 0);

        const handshakes = async () => (await d.metrics()).get('regcast_handshakes_total');
        const before = await handshakes();
        const refused = await Raw.open(d.port);
        await refused.send(handshake('/', { Authorization: 'Bearer b' }));
        assert.equal((await refused.answer()).status, 401);
        assert.equal(refused.last.headers.connection, 'close');
        await refused.send(bytes); // a proxy may believe that a tunnel is open
        await refused.wait('its end', () => refused.done, 3000);
        assert.equal(refused.responses.length, 1);
        assert.equal(await handshakes(), before);
        await until('nobody is left', async () => (await current()) === 0);
    });

    test('OS-06: a secret that anybody may read is refused, with the file, the key and what to do', limits, () => {
        const check = (config) => {
            const file = writeConfig(config);
            const got = run(['--check', '--config', file]);
            return { status: got.status, problem: got.stderr.replaceAll(file, 'FILE'), file };
        };
        const says = (config, key) => {
            const { status, problem } = check(config);
            assert.equal(status, 78, key);
            assert.match(problem, new RegExp(`^FILE:\\d+: ${key.replace(/[[\].]/g, '\\$&')}: expected (in )?a file that only its owner and group may use \\(chmod o= FILE; in Kubernetes defaultMode: 0440 and fsGroup\\), got mode 0644$`, 'm'));
        };
        const certificate = makeCertificate();
        const issuer = (secret_file) => ({ gateway: { auth: { issuers: [{ issuer: 'i', audiences: ['a'], secret_file }] } } });
        const long = 'x'.repeat(32);
        const FILES = {
            'registries[0].token_file': (mode) => registry({ token_file: secretFile(['token'], mode) }),
            'registries[0].signature_secret_file': (mode) => registry({ signature: 'standard-webhooks', signature_secret_file: secretFile([secret()], mode) }),
            'gateway.auth.issuers[0].secret_file': (mode) => issuer(secretFile([long], mode)),
            'gateway.tls.certificates[0].private_key_file': (mode) => {
                chmodSync(certificate.private_key_file, mode);
                return { gateway: { tls: tlsOf(certificate) } };
            },
        };
        for (const [key, over] of Object.entries(FILES)) {
            says(makeConfig(over(0o644)), key);
            for (const mode of [0o600, 0o640, 0o440]) assert.equal(check(makeConfig(over(mode))).status, 0, `${key} ${mode.toString(8)}`);
        }
        const inline = makeConfig(registry({ token: 'token' }));
        const { file, status } = check(inline);
        assert.equal(status, 0);
        chmodSync(file, 0o644);
        const got = run(['--check', '--config', file]);
        assert.equal(got.status, 78);
        assert.match(got.stderr, /registries\[0\]\.token: expected in a file that only its owner and group may use .*, got mode 0644\n$/);
        assert.ok(!got.stderr.includes('"token"'));
    });
});
