// Tokens for service accounts with a key: a JWT signed with it gives one, by REST and by gRPC; what
// such a token is good for, and what ends it.
import assert from 'node:assert/strict';
import { constants, createHash, generateKeyPairSync, sign } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { fine, regcast, wrong } from './cli.mjs';
import { BROADCASTER, Daemon, FOLDER, defer, makeConfig, run, tempDir, until, writeConfig } from './harness.mjs';

const limits = { timeout: 60000 };
const TOKENS = '/iam/v1/tokens';
const TRIGGERS = `/triggers/v1/triggers?folderId=${FOLDER}`;
const ROBOT = 'ajerobot000000000001';
const KEY = 'ajekey00000000000001';
const OTHER_KEY = 'ajekey00000000000002';
const AUDIENCE = 'https://iam.api.cloud.yandex.net/iam/v1/tokens';
const HOURS_12 = 12 * 3600;

function makeKey(type = 'rsa', options = { modulusLength: 2048 }) {
    return generateKeyPairSync(type, {
        ...options,
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
}
const key = makeKey();
const other = makeKey();

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);

// As SDKs make it; `claims` and `header` are laid over that.
function jwt({ claims = {}, header = {}, privateKey = key.privateKey, options = {} } = {}) {
    const text = [
        part({ typ: 'JWT', alg: 'PS256', kid: KEY, ...header }),
        part({ iss: ROBOT, aud: AUDIENCE, iat: now(), exp: now() + 3600, ...claims }),
    ].join('.');
    const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32, ...options };
    return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, ...padding }).toString('base64url')}`;
}

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

// Somebody else can log in too: a reload may not leave a server open to everybody.
function accounts(keys) {
    return {
        users: [{ id: 'alice', roles: ['editor'] }],
        tokens: [{ subject: 'alice', sha256: sha256('t1.alice') }],
        service_accounts: [
            { id: BROADCASTER, roles: ['api-gateway.websocketBroadcaster'] },
            { id: ROBOT, roles: ['functions.viewer'], keys },
        ],
    };
}
const KEYS = [
    { id: KEY, public_key: key.publicKey },
    { id: OTHER_KEY, public_key: other.publicKey },
];

async function start(t, config) {
    const d = await Daemon.start(config);
    defer(t, () => d.stop());
    return d;
}

const config = (over = {}) =>
    makeConfig({
        triggers: [],
        management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'] },
        ...accounts(KEYS),
        ...over,
    });

const ask = (d, body) => d.manage('POST', TOKENS, { body });

async function tokenFor(d, body = { jwt: jwt() }) {
    const got = await ask(d, body);
    assert.equal(got.status, 200, got.text);
    return got.json.iamToken;
}

const uses = async (d, token) => (await d.manage('GET', TRIGGERS, { token })).status;

// ------------------------------------------------------------------------------- gRPC, by hand

const varint = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >> 7)]);
const text = (number, value) => Buffer.from([(number << 3) | 2, ...varint(value.length), ...Buffer.from(value)]);

// Fields of a message: numbers, or bytes.
function fields(message) {
    const found = {};
    let at = 0;
    const number = () => {
        let n = 0;
        for (let shift = 0; ; shift += 7) {
            const byte = message[at++];
            n += (byte & 127) * 2 ** shift;
            if (byte < 128) return n;
        }
    };
    while (at < message.length) {
        const tag = number();
        const value = number();
        found[tag >> 3] = tag % 8 === 0 ? value : message.subarray(at, (at += value));
    }
    return found;
}

function invoke(t, d, method, request, token) {
    const client = new grpc.Client(`127.0.0.1:${d.grpcPort}`, grpc.credentials.createInsecure());
    defer(t, () => client.close());
    const metadata = new grpc.Metadata();
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    return new Promise((done, fail) => {
        const same = (bytes) => bytes;
        client.makeUnaryRequest(`/${method}`, same, same, request, metadata, { deadline: Date.now() + 15000 }, (error, answer) =>
            error ? fail(error) : done(fields(answer)),
        );
    });
}
const CREATE = 'yandex.cloud.iam.v1.IamTokenService/Create';
const GET_CONNECTION = 'yandex.cloud.serverless.apigateway.websocket.v1.ConnectionService/Get';

// ------------------------------------------------------------------------------------- the tests

test('a JWT gives a token for twelve hours, which a restart does not end', limits, async (t) => {
    const cfg = config();
    const secret = join(cfg.data_dir, 'iam-token-secret');
    const d = await start(t, cfg);
    assert.equal(existsSync(secret), false, 'made at the first use');
    const before = now();
    const got = await ask(d, { jwt: jwt() });
    assert.equal(got.status, 200, got.text);
    assert.deepEqual(Object.keys(got.json), ['iamToken', 'expiresAt']);
    const expires = Date.parse(got.json.expiresAt) / 1000;
    assert.ok(expires >= before + HOURS_12 && expires <= now() + HOURS_12, got.json.expiresAt);
    const token = got.json.iamToken;
    assert.match(token, /^t1\.[\w-]+\.[\w-]{43}$/);
    assert.equal(statSync(secret).mode & 0o777, 0o600);
    assert.equal(await uses(d, token), 200);
    const refused = await d.manage('POST', '/triggers/v1/triggers', { token, body: { folderId: FOLDER, name: 'abc' } });
    assert.equal(refused.status, 403, refused.text); // its account's roles count
    assert.match(refused.json.message, new RegExp(`${ROBOT} lacks role`));
    const line = await until('the log names it', () =>
        d.logs.find((l) => l.operation === 'createIamToken' && l.subject === ROBOT),
    );
    assert.equal(line.status, 200);
    assert.ok(!JSON.stringify(d.logs).includes(token.slice(3, 40)), 'no token in the log');
    await d.stop();

    const again = await start(t, cfg);
    assert.equal(await uses(again, token), 200);
    assert.notEqual(await tokenFor(again, { jwt: jwt({ header: { kid: OTHER_KEY }, privateKey: other.privateKey }) }), token);
});

test('what proves nothing gives nothing, and one text says so', limits, async (t) => {
    const d = await start(t, config());
    const good = jwt();
    const [head, body, signature] = good.split('.');
    const unsigned = (header) => `${part({ typ: 'JWT', kid: KEY, ...header })}.${body}`;
    const wrong = {
        expired: jwt({ claims: { iat: now() - 3700, exp: now() - 100 } }),
        'of the future': jwt({ claims: { iat: now() + 300, exp: now() + 3600 } }),
        'too long': jwt({ claims: { exp: now() + 3700 } }),
        'signed by another': jwt({ privateKey: other.privateKey }),
        'for another key': jwt({ header: { kid: OTHER_KEY } }),
        'of another account': jwt({ claims: { iss: BROADCASTER } }),
        'for somebody else': jwt({ claims: { aud: 'https://a.example/other' } }),
        'with other claims': `${head}.${part({ iss: ROBOT, aud: AUDIENCE, iat: now(), exp: now() + 3599 })}.${signature}`,
    };
    const text = 'The JWT or token is invalid or has expired.';
    for (const [name, one] of Object.entries(wrong)) {
        const got = await ask(d, { jwt: one });
        assert.deepEqual([got.status, got.json.code, got.json.message], [401, 16, text], name);
    }
    const next = await start(t, config()); // who fails ten times has to wait
    const more = {
        'signed by nobody': `${unsigned({ alg: 'none' })}.`,
        'signed by nobody, with a signature': `${unsigned({ alg: 'none' })}.${signature}`,
        'with the public key as a secret': `${unsigned({ alg: 'HS256' })}.${Buffer.from(sha256(key.publicKey), 'hex').toString('base64url')}`,
        'another salt': jwt({ options: { saltLength: 20 } }),
        'PKCS #1 v1.5': jwt({ options: { padding: constants.RSA_PKCS1_PADDING, saltLength: undefined } }),
        padded: `${good}==`,
        cut: good.slice(0, -1),
    };
    for (const [name, one] of Object.entries(more)) {
        const got = await ask(next, { jwt: one });
        assert.deepEqual([got.status, got.json.message], [401, text], name);
    }
});

test('a request is one JWT or one token', limits, async (t) => {
    const d = await start(t, config());
    for (const [body, like] of [
        [{}, /^identity: .* neither$/],
        [{ jwt: null }, /^identity: .* neither$/],
        [{ jwt: 'a', yandexPassportOauthToken: 'b' }, /^identity: .* both$/],
        [{ jwt: 'a', yandex_passport_oauth_token: 'b' }, /^identity: .* both$/],
        [{ jwt: 'a'.repeat(8001) }, /^jwt: must be at most 8000 bytes$/],
        [{ yandexPassportOauthToken: 'a'.repeat(4001) }, /^yandex_passport_oauth_token: must be at most 4000 bytes$/],
        [{ jwt: 5 }, /^jwt: must be a string$/],
        [{ token: 'a' }, /^token: is not a field/],
        ['[]', /must be a JSON object/],
    ]) {
        const got = await ask(d, body);
        assert.equal(got.status, 400, got.text);
        assert.match(got.json.message, like);
    }
    // Nobody knows who sends it: a long one is not even read.
    assert.equal((await ask(d, { jwt: 'a'.repeat(16384) })).status, 413);
    for (const method of ['createForServiceAccount', 'revoke']) {
        const got = await d.manage('POST', `${TOKENS}:${method}`, { body: {} });
        assert.deepEqual([got.status, got.json.code], [501, 12], got.text);
        assert.match(got.json.message, /is not supported/);
    }
});

test('a configured token gives itself', limits, async (t) => {
    const cfg = config();
    cfg.tokens.push({ subject: 'alice', sha256: sha256('t1.limited'), expires_at: '2099-01-31T12:00:00Z' });
    const d = await start(t, cfg);
    const forever = await ask(d, { yandexPassportOauthToken: 't1.alice' });
    assert.equal(forever.json.iamToken, 't1.alice');
    assert.ok(Math.abs(Date.parse(forever.json.expiresAt) / 1000 - now() - HOURS_12) < 30);
    const limited = await ask(d, { yandexPassportOauthToken: 't1.limited' });
    assert.deepEqual(limited.json, { iamToken: 't1.limited', expiresAt: '2099-01-31T12:00:00Z' });
    const own = await tokenFor(d); // is not configured
    for (const one of ['t1.nobody', own]) assert.equal((await ask(d, { yandexPassportOauthToken: one })).status, 401);
    assert.equal(existsSync(join(cfg.data_dir, 'iam-token-secret')), true);
});

test('who guesses has to wait', limits, async (t) => {
    const d = await start(t, config());
    for (let i = 0; i < 10; i++) assert.equal((await ask(d, { jwt: 'a.b.c' })).status, 401);
    const got = await ask(d, { jwt: jwt() });
    assert.equal(got.status, 429, got.text);
    assert.ok(Number(got.headers['retry-after']) >= 1);
    assert.equal(await uses(d, 't1.alice'), 429); // with a token as well
});

test('a token ends with its key', limits, async (t) => {
    const cfg = config();
    const file = writeConfig(cfg);
    const d = await Daemon.start(cfg, { file, errors: ['configuration not reloaded'] });
    defer(t, () => d.stop());
    const token = await tokenFor(d);
    const others = await tokenFor(d, { jwt: jwt({ header: { kid: OTHER_KEY }, privateKey: other.privateKey }) });
    let reloads = 0;
    const reload = async (keys) => {
        writeFileSync(file, JSON.stringify({ ...cfg, ...accounts(keys) }));
        d.child.kill('SIGHUP');
        reloads++;
        await until('reloaded', () => d.logs.filter((l) => /^(configuration not )?reloaded$/.test(l.msg)).length === reloads);
    };
    await reload([KEYS[1]]);
    assert.equal(await uses(d, token), 401);
    assert.equal((await ask(d, { jwt: jwt() })).status, 401);
    assert.equal(await uses(d, others), 200);
    await reload(KEYS);
    assert.equal(await uses(d, token), 200);
    await reload([{ id: KEY, public_key: other.publicKey }]); // another by that id
    assert.equal(await uses(d, token), 401);
    await reload([{ id: KEY, public_key: 'no key' }]); // refused: stays as it was
    assert.equal(await uses(d, token), 401);
    assert.equal(d.logs.filter((l) => l.msg === 'configuration not reloaded').length, 1);
});

test('the command line gets a token with the file of a key', limits, async (t) => {
    const d = await start(t, config());
    const file = join(tempDir(), 'key.json');
    const content = { id: KEY, service_account_id: ROBOT, key_algorithm: 'RSA_2048', public_key: key.publicKey };
    const written = (privateKey) => writeFileSync(file, JSON.stringify({ ...content, private_key: privateKey }, null, 3));
    const create = (...more) =>
        regcast(['iam', 'create-token', '--service-account-key', file, ...more], { endpoint: `127.0.0.1:${d.managementPort}` });
    written(`PLEASE DO NOT REMOVE THIS LINE! Key ID <${KEY}>\n${key.privateKey}`);
    const plain = await create();
    fine(plain);
    assert.equal(await uses(d, plain.stdout.trim()), 200);
    const asked = JSON.parse((await create('--format', 'json')).stdout);
    assert.deepEqual(Object.keys(asked), ['iam_token', 'expires_at']);
    assert.equal(await uses(d, asked.iam_token), 200);
    written(other.privateKey); // of another id
    wrong(await create(), 1, /code = Unauthenticated desc = The JWT or token is invalid/);
    written('none');
    wrong(await create(), 1, /key\.json: private_key is no RSA key/);
    wrong(await create('--subject', 'alice'), 2, /the server says for whom/);
});

test('by gRPC it is the same', limits, async (t) => {
    const d = await start(t, config());
    const answer = await invoke(t, d, CREATE, text(2, jwt()));
    const token = answer[1].toString();
    assert.ok(Math.abs(fields(answer[2])[1] - now() - HOURS_12) < 30);
    assert.equal(await uses(d, token), 200);
    const byRest = await tokenFor(d);
    for (const one of [token, byRest])
        // It is known, and lacks the role.
        await assert.rejects(invoke(t, d, GET_CONNECTION, text(1, 'd20'), one), { code: 7 });
    for (const bad of [undefined, `${token}A`])
        await assert.rejects(invoke(t, d, GET_CONNECTION, text(1, 'd20'), bad), { code: 16 });
    await assert.rejects(invoke(t, d, CREATE, text(2, jwt({ privateKey: other.privateKey }))), {
        code: 16,
        details: 'The JWT or token is invalid or has expired.',
    });
    await assert.rejects(invoke(t, d, CREATE, Buffer.alloc(0)), { code: 3, details: /^identity: .* neither$/ });
    assert.equal((await invoke(t, d, CREATE, text(1, 't1.alice')))[1].toString(), 't1.alice');
    for (const method of ['CreateForServiceAccount', 'Revoke'])
        await assert.rejects(invoke(t, d, CREATE.replace(/Create$/, method), Buffer.alloc(0)), { code: 12 });
});

test('where nobody is asked who he is, any JWT gives a token of nobody', limits, async (t) => {
    const open = config({ users: [], tokens: [], service_accounts: [{ id: BROADCASTER, roles: [] }] });
    const d = await start(t, open);
    const token = await tokenFor(d, { jwt: 'anything' });
    assert.equal(await uses(d, token), 200);
    await d.stop();
    const closed = await start(t, { ...open, ...accounts(KEYS) });
    assert.equal(await uses(closed, token), 401);
});

test('a secret that others can read is not used', limits, async (t) => {
    const cfg = config();
    const d = await start(t, cfg);
    const token = await tokenFor(d);
    await d.stop();
    const secret = join(cfg.data_dir, 'iam-token-secret');
    chmodSync(secret, 0o644);
    const again = await Daemon.start(cfg, {
        errors: [
            'the secret of IAM tokens cannot be read: none is accepted or made',
            'the secret of IAM tokens cannot be made',
        ],
    });
    defer(t, () => again.stop());
    assert.equal(await uses(again, token), 401);
    assert.equal((await ask(again, { jwt: jwt() })).status, 500);
    assert.equal(readFileSync(secret).length, 32);
    assert.equal(await uses(again, 't1.alice'), 200);
});

test('bad keys are refused with their line', limits, () => {
    const pem = join(tempDir(), 'key.pem');
    const check = (keys) => {
        const lines = keys.map((k) => `      - ${JSON.stringify(k)}`).join('\n');
        const file = writeConfig(`service_accounts:\n  - id: ${ROBOT}\n    keys:\n${lines}\n`);
        const { status, stderr } = run(['--config', file, '--check']);
        return { status, text: stderr.replaceAll(file, 'FILE') };
    };
    const WHERE = 'service_accounts\\[0\\].keys\\[0\\]';
    for (const [keys, like] of [
        [[{ id: KEY, public_key: 'no key' }], `^FILE:4: ${WHERE}.public_key: expected .*RSA public key of 2048 to 8192 bits in PEM`],
        [[{ id: KEY, public_key: makeKey('ec', { namedCurve: 'P-256' }).publicKey }], `^FILE:4: ${WHERE}.public_key: expected`],
        [[{ id: KEY, public_key: makeKey('rsa', { modulusLength: 1024 }).publicKey }], `^FILE:4: ${WHERE}.public_key: expected`],
        [[{ id: KEY, public_key: key.privateKey }], `^FILE:4: ${WHERE}.public_key: expected [^\\n]*, got something else`],
        [[{ id: KEY, public_key_file: pem }], `^FILE:4: ${WHERE}.public_key_file: expected a file that can be read`],
        [[{ id: KEY }], `^FILE:4: ${WHERE}.id: expected public_key or public_key_file beside it`],
        [[{ public_key: key.publicKey }], `^FILE:4: ${WHERE}.id: expected .*, got nothing`],
        [[KEYS[0], { ...KEYS[1], id: KEY }], `^FILE:5: service_accounts\\[0\\].keys\\[1\\].id: expected each id once`],
        [[{ ...KEYS[0], private_key: 'x' }], `^FILE:4: ${WHERE}.private_key: expected a known key, got "private_key"`],
    ]) {
        const got = check(keys);
        assert.notEqual(got.status, 0, like);
        assert.match(got.text, new RegExp(like));
        assert.doesNotMatch(got.text, /BEGIN/);
    }
    writeFileSync(pem, key.publicKey);
    assert.deepEqual(check([{ id: KEY, public_key_file: pem }, KEYS[1]]), { status: 0, text: '' });
    assert.match(check([{ ...KEYS[0], public_key_file: pem }]).text, /expected either public_key or public_key_file, got both/);
    writeFileSync(pem, 'no key\n');
    assert.match(check([{ id: KEY, public_key_file: pem }]).text, /^FILE:4: .*public_key_file: expected a file with .*, got another one/);
});
