// Secrets stay where they are kept (security list OS-03): each kind is given to the daemon, rightly and
// wrongly, with every line logged; then everything that it says or writes is searched for them.
import assert from 'node:assert/strict';
import { createHash, createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import { start as startProgram } from './harness.mjs';
import {
    BROADCASTER, Client, Daemon, ENVELOPE_TYPE, FOLDER, REGCASTD, REGISTRY, defer, envelope, freePort, makeConfig, newImage, run,
    tempDir, trigger, within, writeConfig,
} from './harness.mjs';

const limits = { timeout: 60000 };
const now = () => Math.floor(Date.now() / 1000);
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// What must be nowhere, by what it is: the text itself, and a piece from its middle, since a message may
// quote the beginning.
class Canaries {
    #all = new Map();

    make(name, shape = (random) => random) {
        const text = shape(randomBytes(18).toString('hex'));
        return this.keep(name, text);
    }

    keep(name, text) {
        this.#all.set(name, text);
        return text;
    }

    assertNotIn(where, bytes) {
        const text = Buffer.isBuffer(bytes) ? bytes.toString('latin1') : bytes;
        for (const [name, secret] of this.#all) {
            const middle = secret.slice(secret.length / 3, (2 * secret.length) / 3);
            for (const piece of [secret, middle, Buffer.from(middle).toString('hex')])
                assert.ok(!text.includes(piece), `${where} has the ${name}`);
        }
    }
}

function fileOf(text) {
    const file = join(tempDir(), 'file');
    writeFileSync(file, text, { mode: 0o600 });
    return file;
}

function filesUnder(dir) {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

const hs256 = (key, claims) => {
    const text = `${part({ alg: 'HS256' })}.${part({ iss: 'https://issuer.example', aud: 'regcast', exp: now() + 600, sub: 'ann', ...claims })}`;
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
};

describe('secrets', { concurrency: 3 }, () => {
    test('OS-03: are in nothing that a running regcastd says or writes', limits, async (t) => {
        const c = new Canaries();
        const certificate = makeCertificate();
        const pem = readFileSync(certificate.private_key_file, 'latin1').split('\n');
        c.keep('TLS private key', pem[2]);
        const bearers = ['webhook token', 'next webhook token', 'webhook token of the configuration'].map((name) => c.make(name));
        const hook = Buffer.from(c.make('webhook secret'));
        c.keep('webhook secret as it is written', `whsec_${hook.toString('base64')}`);
        const shared = c.make('HS256 secret');
        const client = c.make('client token', (random) => `t1.${random}`);
        const manager = c.make('management token', (random) => `t1.${random}`);
        const apiKey = c.make('API key', (random) => `AQVN${random}`);
        const robot = generateKeyPairSync('rsa', {
            modulusLength: 2048,
            publicKeyEncoding: { type: 'spki', format: 'pem' },
            privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
        });
        const config = makeConfig({
            log_level: 'debug',
            gateway: {
                tls: tlsOf(certificate),
                auth: {
                    query: true,
                    tokens: [{ subject: 'bob', sha256: sha256(client) }],
                    issuers: [{ issuer: 'https://issuer.example', audiences: ['regcast'], secret_file: fileOf(`${shared}\n`) }],
                },
                paths: ['/', { path: '/static', auth: 'token' }, { path: '/jwt', auth: 'jwt' }],
            },
            management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'] },
            registries: [
                { id: REGISTRY, token_file: fileOf(`${bearers[0]}\n${bearers[1]}\n`) },
                { id: 'crtinline', token: bearers[2] },
                { id: 'crtsigned', signature: 'standard-webhooks', signature_secret_file: fileOf(`whsec_${hook.toString('base64')}\n`) },
            ],
            users: [{ id: 'alice', roles: ['editor'] }],
            service_accounts: [
                { id: BROADCASTER, roles: ['api-gateway.websocketBroadcaster'] },
                { id: 'ajerobot', roles: ['functions.viewer'], keys: [{ id: 'ajekey', public_key: robot.publicKey }] },
            ],
            tokens: [{ subject: 'alice', sha256: sha256(manager) }],
            api_keys: [{ subject: 'ajerobot', sha256: sha256(apiKey) }],
            triggers: [trigger('everything'), trigger('static', { path: '/static' })],
        });
        const d = await Daemon.start(config);
        defer(t, () => d.stop());
        const answers = [];
        const keep = (got) => answers.push(JSON.stringify([got.headers, got.text]));

        // webhooks
        const post = async (registry, headers, want, body = envelope([newImage('app')])) => {
            const got = await d.request('POST', `/registries/${registry}/events`, {
                body,
                headers: { 'Content-Type': ENVELOPE_TYPE, 'Content-Length': Buffer.byteLength(body), ...headers },
            });
            assert.equal(got.status, want, `${registry}: ${got.text}`);
            keep(got);
        };
        const bearer = (token) => ({ Authorization: `Bearer ${token}` });
        const wrong = (name) => c.make(`wrong ${name}`);
        await post(REGISTRY, bearer(bearers[0]), 202);
        await post(REGISTRY, bearer(bearers[1]), 202);
        await post(REGISTRY, { Authorization: `Basic ${Buffer.from(`u:${bearers[0]}`).toString('base64')}` }, 202);
        await post('crtinline', bearer(bearers[2]), 202);
        await post(REGISTRY, bearer(wrong('webhook token')), 401);
        await post(REGISTRY, { Authorization: bearers[0] }, 401);
        await post(REGISTRY, bearer(`${bearers[0]}\t${bearers[1]}`), 401);
        await post('crtnone', bearer(bearers[0]), 404);
        await post(REGISTRY, bearer(bearers[0]), 202, 'nobody understands this');
        const body = envelope([newImage('app')]);
        const signature = (key) => {
            const id = `msg_${randomBytes(8).toString('hex')}`;
            const at = String(now());
            const mac = c.keep(`signature ${id}`, createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64'));
            return { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': `v1,${mac}` };
        };
        await post('crtsigned', signature(hook), 202, body);
        await post('crtsigned', signature('another'), 401, body);

        // clients, in each place
        const url = (path) => `wss://127.0.0.1:${d.port}${path}`;
        const open = async (path, { headers = {}, protocols = [] }, want) => {
            const got = await within(10000, 'a handshake',
                Client.open(url(path), { headers, protocols, ca: certificate.text }).catch((error) => error));
            if (!(got instanceof Error)) {
                defer(t, () => got.terminate());
                answers.push(JSON.stringify([got.id, got.socket.protocol, got.messages]));
            }
            assert.equal(got instanceof Error ? Number(got.message.split(': ')[1]) : 101, want, path);
        };
        const places = (token) => [
            ['', { headers: bearer(token) }],
            ['', { headers: { Cookie: `regcast_token=${token}` } }],
            ['', { protocols: ['regcast.v1', `regcast-token.${token}`] }],
            [`?access_token=${token}`, {}],
        ];
        const good = c.keep('JWT', hs256(shared));
        const late = c.keep('JWT that has expired', hs256(shared, { exp: now() - 1 }));
        const forged = c.keep('forged JWT', hs256('another secret of thirty-two bytes'));
        for (const [query, options] of places(client)) await open(`/static${query}`, options, 101);
        for (const [query, options] of places(good)) await open(`/jwt${query}`, options, 101);
        for (const [query, options] of places(wrong('client token')).slice(0, 3)) await open(`/static${query}`, options, 401);
        await open(`/static?access_token=${wrong('token in a query')}`, {}, 401);
        await open(`/jwt?access_token=${late}`, {}, 401);
        await open('/jwt', { headers: bearer(forged) }, 401);
        await open(`/nowhere/${wrong('token in a path that is none')}?access_token=${client}`, {}, 404);

        // management
        const manage = async (method, path, options, want) => {
            const got = await d.manage(method, path, options);
            assert.equal(got.status, want, `${path}: ${got.text}`);
            keep(got);
            return got;
        };
        const triggers = `/triggers/v1/triggers?folderId=${FOLDER}`;
        await manage('GET', triggers, { token: manager }, 200);
        await manage('GET', triggers, { headers: { Authorization: `Api-Key ${apiKey}` } }, 200);
        await manage('GET', triggers, { token: wrong('management token') }, 401);
        await manage('GET', triggers, { headers: { Authorization: `Api-Key ${wrong('API key')}` } }, 401);
        await manage('GET', `${triggers}&token=${wrong('token in a query')}`, { token: manager }, 400);
        const claims = { iss: 'ajerobot', aud: 'https://iam.api.cloud.yandex.net/iam/v1/tokens', iat: now(), exp: now() + 3600 };
        const text = `${part({ alg: 'PS256', kid: 'ajekey' })}.${part(claims)}`;
        const jwt = c.keep('JWT of an account', `${text}.${sign('sha256', Buffer.from(text), { key: robot.privateKey, padding: 6, saltLength: 32 }).toString('base64url')}`);
        const made = await d.manage('POST', '/iam/v1/tokens', { body: { jwt } });
        assert.equal(made.status, 200, made.text);
        c.keep('IAM token', made.json.iamToken);
        await manage('POST', '/iam/v1/tokens', { body: { jwt: `${jwt}x` } }, 401);
        await manage('GET', triggers, { token: made.json.iamToken }, 200);
        await manage('GET', triggers, { token: `${made.json.iamToken}x` }, 401);
        for (const path of ['/gateway/v1/paths', '/gateway/v1/connections', '/health'])
            keep(await d.manage('GET', path, { token: manager }));

        // everything that came of it
        for (const path of ['/metrics', '/healthz', '/readyz']) keep(await d.request('GET', path));
        c.assertNotIn('the log', JSON.stringify(d.logs));
        assert.ok(d.logs.some((line) => line.level === 'debug'), 'every line is logged');
        for (const answer of answers) c.assertNotIn('an answer', answer);
        for (const file of ['cmdline', 'environ']) c.assertNotIn(file, readFileSync(`/proc/${d.pid}/${file}`));
        c.assertNotIn('the ready file', JSON.stringify(d.ready));
        await d.stop();
        const written = filesUnder(config.data_dir);
        assert.ok(written.some((file) => file.endsWith('journal.db')));
        for (const file of written) c.assertNotIn(file, readFileSync(file));
        c.assertNotIn('the log of the end', JSON.stringify(d.logs));
    });

    test('OS-03: are in nothing that is said of a configuration, however wrong', limits, () => {
        const c = new Canaries();
        const make = (name) => c.make(name);
        const registry = (more) => ({ registries: [{ id: REGISTRY, ...more }] });
        const issuer = (more) => ({ gateway: { auth: { issuers: [{ issuer: 'i', audiences: ['a'], ...more }] } } });
        const WRONG = {
            'a token with a space': registry({ token: `${make('token')} x` }),
            'a token that is a list': registry({ token: [make('token in a list')] }),
            'a token for a file': registry({ token_file: make('token for a file') }),
            'a file with a bad token': registry({ token_file: fileOf(`${make('token in a file')} x\n`) }),
            'a webhook secret without its prefix': registry({ signature: 'standard-webhooks', signature_secret_file: fileOf(`${make('secret in a file')}\n`) }),
            'a short HS256 secret': issuer({ secret_file: fileOf(c.make('short secret', (random) => random.slice(0, 30))) }),
            'a token for a hash': { tokens: [{ subject: 'alice', sha256: make('token for a hash') }], users: [{ id: 'alice' }] },
            'a client token for a hash': { gateway: { auth: { tokens: [{ subject: 'x', sha256: make('client token for a hash') }] } } },
            'a token for a mapping': { tokens: [make('token for a mapping')], api_keys: [make('key for a mapping')] },
            'a token for a list': { tokens: make('token for a list'), registries: make('registry token for a list') },
            'a client token for a mapping': { gateway: { auth: { tokens: [make('client token for a mapping')] } } },
            'a password in a URL': issuer({ jwks_url: `https://user:${make('password in a URL')}@issuer.example/keys` }),
            'a token in a URL without TLS': issuer({ jwks_url: `http://issuer.example/?token=${make('token in a URL')}` }),
            'a private key for a public one': {
                service_accounts: [{ id: 'a', keys: [{ id: 'k', public_key: make('private key') }] }],
            },
            'a key file without a key': {
                gateway: { tls: { certificates: [{ certificate_file: makeCertificate().certificate_file, private_key_file: fileOf(make('private key in a file')) }] } },
            },
        };
        for (const [name, over] of Object.entries(WRONG)) {
            const got = run(['--check', '--config', writeConfig(makeConfig(over))]);
            assert.equal(got.status, 78, `${name}: ${got.stderr}`);
            c.assertNotIn(name, got.stdout + got.stderr);
        }
    });

    test('OS-03: a registry\'s password is in nothing that --rebuild-catalog says', limits, async () => {
        const c = new Canaries();
        const config = makeConfig();
        mkdirSync(config.data_dir, { mode: 0o700 });
        const file = writeConfig(config);
        const said = [];
        const password = c.make('password of the environment');
        const port = await freePort(); // nobody answers there
        const { exited } = startProgram(REGCASTD, ['--config', file, '--rebuild-catalog', REGISTRY, '--registry-url', `http://user:${c.make('password of the URL')}@127.0.0.1:${port}`], {
            env: { REGCAST_REGISTRY_USER: 'user', REGCAST_REGISTRY_PASSWORD: password },
            onLine: (line) => said.push(line),
        });
        const { code } = await within(20000, 'its end', exited);
        assert.ok(code > 0);
        assert.ok(said.length > 0);
        c.assertNotIn('what it said', said.join('\n'));
        for (const one of filesUnder(config.data_dir)) c.assertNotIn(one, readFileSync(one));
    });
});
