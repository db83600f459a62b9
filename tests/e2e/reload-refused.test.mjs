// A changed configuration that cannot be taken: whatever is wrong with it, everything stays as it was, and
// who asked is told file, line and key. And reloads in storms, without descriptors, and while we go down.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import { fine, regcast } from './cli.mjs';
import { SWEEP } from './ledger.mjs';
import { Client, Daemon, FOLDER, REGISTRY, defer, makeConfig, newImage, tempDir, trigger, until, within } from './harness.mjs';

const limits = { timeout: 120000 };
const REFUSED = 'configuration not reloaded';
const RELOADED = 'reloaded';
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const OPERATOR = 't1.operator';

// -------------------------------------------------------------------------------------- daemon

// Paths with and without `auth`, TLS, tokens of registries and operators: what a mistake must not open.
function guarded() {
    const dir = tempDir();
    const jwks = join(dir, 'jwks.json'), token = join(dir, 'token');
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
    writeFileSync(jwks, JSON.stringify({ keys: [{ ...key, kid: 'one', use: 'sig' }] }));
    writeFileSync(token, 'registry-token\n', { mode: 0o600 });
    const made = makeCertificate();
    const config = makeConfig({
        gateway: {
            paths: ['/', { path: '/token', auth: 'token' }, { path: '/jwt', auth: 'jwt' }],
            auth: {
                tokens: [{ subject: 'alice', sha256: sha256('t1.alice') }],
                issuers: [{ issuer: 'https://issuer.example', audiences: ['regcast'], jwks_file: jwks }],
            },
            tls: tlsOf(made),
        },
        registries: [{ id: REGISTRY, kind: 'distribution', token_file: token }],
        users: [{ id: 'operator', roles: ['admin'] }, { id: 'guest' }],
        tokens: [{ subject: 'operator', sha256: sha256(OPERATOR) }],
        bindings: [{ subject: 'guest', role: 'viewer' }],
    });
    return { config, dir, made };
}

const text = (config) => JSON.stringify(config, null, 1);

async function start(t, config, options = {}) {
    const file = join(tempDir(), 'regcast.yaml');
    writeFileSync(file, text(config));
    const d = await Daemon.start(config, { ...options, file });
    d.file = file;
    d.token = config.tokens?.length ? OPERATOR : undefined;
    defer(t, () => d.stop());
    return d;
}

// As an operator's editor does it: there is never half a file by that name.
function write(d, content) {
    writeFileSync(`${d.file}.new`, content);
    renameSync(`${d.file}.new`, d.file);
}

const reload = (d) => d.manage('POST', '/admin/v1/reload', { token: d.token });

async function hangUp(d, msg) {
    const before = d.logged({ msg }).length;
    d.child.kill('SIGHUP');
    await until(msg, () => d.logged({ msg }).length > before);
    return d.logged({ msg })[before];
}

// What an operator sees of reloads.
async function counted(d) {
    const metrics = await d.metrics();
    return {
        taken: metrics.get('regcast_config_reloads_total', { outcome: 'ok' }),
        refused: metrics.get('regcast_config_reloads_total', { outcome: 'failed' }),
        hash: metrics.get('regcast_config_hash'),
    };
}

// How regcastd behaves to everybody. Each time from another address: guesses from one are slowed down.
let probes = 0;
async function probe(d) {
    const localAddress = `127.0.1.${++probes}`;
    const open = (path, headers = {}) =>
        Client.open(`wss://127.0.0.1:${d.port}${path}`, { headers, localAddress, rejectUnauthorized: false }).then(
            (c) => (c.terminate(), 101),
            (error) => error.message);
    const bearer = (token) => ({ Authorization: `Bearer ${token}` });
    const status = async (asked) => (await asked).status;
    return Object.fromEntries(await Promise.all(Object.entries({
        anybody: open('/'),
        nobody: open('/token'),
        alice: open('/token', bearer('t1.alice')),
        stranger: open('/jwt', bearer('t1.alice')),
        nowhere: open('/nowhere'),
        post: status(d.post([newImage('team/app')])),
        paths: d.manage('GET', '/gateway/v1/paths', { token: OPERATOR }).then(({ json }) => json.paths.map(({ path }) => path)),
        triggers: d.manage('GET', `/triggers/v1/triggers?folderId=${FOLDER}`, { token: OPERATOR })
            .then(({ json }) => json.triggers.map(({ name }) => name)),
        manage: status(d.manage('GET', '/gateway/v1/paths')),
    }).map(async ([name, asked]) => [name, await asked])));
}

// --------------------------------------------------------------------------------------- files

// A file each: what becomes of the good configuration (an object), its text, or the place where it lies;
// then the key and what was expected of it. The line is that of the needle in what was written, or 1.
const RULE = 'container_registry';
const CASES = [
    // what is no configuration at all
    ['nothing', { text: () => '' }, 'document', /got nothing/],
    ['blanks', { text: () => ' \n \n' }, 'document', /got nothing/],
    ['comments', { text: () => '# nothing\n# yet\n' }, 'document', /got nothing/],
    ['a list', { text: () => '- 1\n- 2\n' }, 'document', /got a list/],
    ['a word', { text: () => 'regcast\n' }, 'document', /got text/],
    ['no YAML', { text: () => 'gateway: [', line: null }, 'document', /YAML/],
    ['tabs', { text: () => 'gateway:\n\tworkers: 2\n', line: 2 }, 'document', /YAML/],
    ['half of the file', { text: (good) => good.slice(0, good.length / 2), line: null }, 'document', /YAML/],
    ['all but its end', { text: (good) => good.slice(0, -1), line: null }, 'document', /YAML/],
    ['a beginning that is whole lines', { text: () => 'gateway:\n  paths: [/]\ntokens:\n  - subject: operator\n', line: 4 }, 'tokens[0].sha256', /got nothing/],
    ['bytes', { text: () => Buffer.from([0, 1, 2, 255, 254]), line: null }, 'document', /YAML/],
    ['another encoding', { text: (good) => Buffer.from(good.replace('alice', 'alic\xe9'), 'latin1'), line: null }, 'document', /YAML/],
    ['a NUL', { text: (good) => good.replace('alice', 'ali\0ce'), line: null }, 'document', /YAML/],
    ['two documents', { text: (good) => `${good}\n---\n{}\n`, line: null }, 'document', /one|document/],
    ['an anchor', { text: () => 'cloud_id: &a one\nfolder_id: *a\n' }, 'document', /anchor|alias/],
    ['a tag', { text: () => 'cloud_id: !!str one\n' }, 'document', /tag/],
    ['a key twice', { text: () => 'cloud_id: one\ncloud_id: two\n', line: 2 }, 'cloud_id', /once|twice|again/],
    ['too deep', { text: () => `gateway: ${'['.repeat(40)}${']'.repeat(40)}\n` }, 'document', /deep|level/],
    ['more than 8 MiB', { text: (good) => good + ' '.repeat(8 << 20) }, 'document', /8 MiB/],
    ['no file', { place: () => {} }, 'document', /No such file/i],
    ['a directory', { place: (file) => mkdirSync(file) }, 'document', /directory/i],
    ['a link to itself', { place: (file) => symlinkSync(file, file) }, 'document', /symbolic|link/i],
    // keys that are none
    ['a key that is none', { change: (c) => (c.gatway = {}), at: 'gatway' }, 'gatway', /did you mean "gateway"/],
    ['a key of a section', { change: (c) => (c.gateway.max_conections = 1), at: 'max_conections' }, 'gateway.max_conections', /max_connections/],
    ['a key of a path', { change: (c) => (c.gateway.paths[1].inbuond = 'echo'), at: 'inbuond' }, 'gateway.paths[1].inbuond', /inbound/],
    ['a key of a rule', { change: (c) => (c.triggers[0].rule[RULE].tags = 'x'), at: '"tags"' }, `triggers[0].rule.${RULE}.tags`, /known key/],
    // values that are none
    ['too little', { change: (c) => (c.gateway.max_fragments = 0), at: 'max_fragments' }, 'gateway.max_fragments', /from 1 to/],
    ['too much', { change: (c) => (c.gateway.max_message_rate = 1000001), at: 'max_message_rate' }, 'gateway.max_message_rate', /1000000/],
    ['less than nothing', { change: (c) => (c.webhooks.max_connections = -1), at: '"max_connections"' }, 'webhooks.max_connections', /"-1"/],
    ['too long', { change: (c) => (c.gateway.drain_timeout = '2h'), at: 'drain_timeout' }, 'gateway.drain_timeout', /to 1h/],
    ['too large', { change: (c) => (c.gateway.paths[1].max_message_bytes = '17MiB'), at: 'max_message_bytes' }, 'gateway.paths[1].max_message_bytes', /16MiB/],
    ['another unit', { change: (c) => (c.gateway.ping_interval = '10 parsecs'), at: 'ping_interval' }, 'gateway.ping_interval', /a duration/],
    ['no number', { change: (c) => (c.gateway.workers = 'many'), at: 'workers' }, 'gateway.workers', /auto or a number/],
    ['a list for a number', { change: (c) => (c.gateway.max_half_open = [1]), at: 'max_half_open' }, 'gateway.max_half_open', /got a list/],
    ['a mapping for a text', { change: (c) => (c.log_level = {}), at: 'log_level' }, 'log_level', /got a mapping/],
    ['a text for a list', { change: (c) => (c.gateway.listen = '127.0.0.1:0'), at: '"listen"' }, 'gateway.listen', /a list/],
    ['a text for a mapping', { change: (c) => (c.webhooks = 'on'), at: '"webhooks"' }, 'webhooks', /a mapping/],
    ['a level that is none', { change: (c) => (c.log_level = 'verbose'), at: 'log_level' }, 'log_level', /debug, info/],
    ['a choice that is none', { change: (c) => (c.gateway.deflate = 'yes'), at: '"deflate"' }, 'gateway.deflate', /true or false/],
    ['an `auth` that is none', { change: (c) => (c.gateway.paths[1].auth = 'off'), at: '"off"' }, 'gateway.paths[1].auth', /none, token/],
    ['an address that is none', { change: (c) => (c.gateway.listen = ['nowhere']), at: '"nowhere"' }, 'gateway.listen[0]', /address:port/],
    ['a port that is none', { change: (c) => (c.webhooks.listen = ['127.0.0.1:65536']), at: '65536' }, 'webhooks.listen[0]', /address:port/],
    ['nowhere to listen', { change: (c) => (c.gateway.listen = []), at: '"listen"' }, 'gateway.listen', /from|1 to/],
    ['no paths', { change: (c) => (c.gateway.paths = []), at: '"paths"' }, 'gateway.paths', /1 to/],
    ['an origin that is none', { change: (c) => (c.gateway.allowed_origins = ['https://A']), at: '"https://A"' }, 'gateway.allowed_origins[0]', /scheme/],
    ['a network that is none', { change: (c) => (c.webhooks.allowed_from = ['10.0.0.0/33']), at: '/33' }, 'webhooks.allowed_from[0]', /network/],
    ['a path without a slash', { change: (c) => c.gateway.paths.push('builds'), at: '"builds"' }, 'gateway.paths[3]', /such as/],
    ['a template that is none', { change: (c) => c.gateway.paths.push('/{a}/{a}'), at: '/{a}/{a}' }, 'gateway.paths', /two parameters/],
    ['a hash that is none', { change: (c) => (c.tokens[0].sha256 = 'abc'), at: '"abc"' }, 'tokens[0].sha256', /SHA-256/],
    // what does not fit together
    ['a path twice', { change: (c) => c.gateway.paths.push({ path: '/jwt' }), last: '"/jwt"' }, 'gateway.paths[3].path', /once/],
    ['frames longer than messages', { change: (c) => Object.assign(c.gateway.paths[1], { max_message_bytes: 4096, max_frame_bytes: 8192 }), at: 'max_frame_bytes' }, 'gateway.paths[1].max_frame_bytes', /at most/],
    ['`auth: token` without tokens', { change: (c) => delete c.gateway.auth.tokens, at: '"token"' }, 'gateway.paths[1].auth', /gateway.auth.tokens/],
    ['`auth: jwt` without issuers', { change: (c) => delete c.gateway.auth.issuers, at: '"jwt"' }, 'gateway.paths[2].auth', /gateway.auth.issuers/],
    ['a registry that is none', { change: (c) => (c.triggers[0].rule[RULE].registry_id = 'elsewhere'), at: 'elsewhere' }, `triggers[0].rule.${RULE}.registry_id`, /one of registries/],
    ['a trigger for no path', { change: (c) => (c.triggers[0].rule[RULE].gateway_websocket_broadcast.path = '/gone'), at: '/gone' }, `triggers[0].rule.${RULE}.gateway_websocket_broadcast.path`, /one of gateway.paths/],
    ['a trigger of no account', { change: (c) => (c.service_accounts = []), at: 'service_account_id' }, `triggers[0].rule.${RULE}.gateway_websocket_broadcast.service_account_id`, /one of service_accounts/],
    ['a trigger of another gateway', { change: (c) => (c.triggers[0].rule[RULE].gateway_websocket_broadcast.gateway_id = 'd5dother'), at: 'd5dother' }, `triggers[0].rule.${RULE}.gateway_websocket_broadcast.gateway_id`, /gateway.id/],
    ['two triggers of a name', { change: (c) => c.triggers.push(trigger('everything')), last: '"everything"' }, 'triggers[1].name', /once/],
    ['two registries of an id', { change: (c) => c.registries.push({ id: REGISTRY }), last: `"id": "${REGISTRY}"` }, 'registries[1].id', /once/],
    ['an account with a user\'s id', { change: (c) => c.service_accounts.push({ id: 'guest' }), last: '"id": "guest"' }, 'users[1].id', /none of service_accounts/],
    ['a token of nobody', { change: (c) => (c.tokens[0].subject = 'ghost'), at: 'ghost' }, 'tokens[0].subject', /users or service_accounts/],
    ['a role that is none', { change: (c) => (c.bindings[0].role = 'emperor'), at: 'emperor' }, 'bindings[0].role', /a role/],
    ['a binding twice', { change: (c) => c.bindings.push({ ...c.bindings[0] }), last: '"subject": "guest"' }, 'bindings[1].subject', /once/],
    ['two ways to a token', { change: (c) => (c.registries[0].token = 'x'), at: 'token_file' }, 'registries[0].token_file', /either/],
    ['management for everybody', { change: (c) => (c.management.listen = ['0.0.0.0:0']), last: '"listen"' }, 'management.listen', /loopback/],
    ['management without accounts', { change: (c) => { c.tokens = []; c.users = []; c.bindings = []; } }, 'users', /everybody/],
    // files that it names
    ['a token file that is missing', { change: (c) => (c.registries[0].token_file = '/nonexistent/token'), at: 'token_file' }, 'registries[0].token_file', /can be read/],
    ['a token file with nothing', { change: (c, at) => (c.registries[0].token_file = at('')), at: 'token_file' }, 'registries[0].token_file', /lines/],
    ['a token file for everybody', { change: (c, at) => (c.registries[0].token_file = at('registry-token\n', 0o644)), at: 'token_file' }, 'registries[0].token_file', /owner and group/],
    ['a JWKS file that is missing', { change: (c) => (c.gateway.auth.issuers[0].jwks_file = '/nonexistent/jwks'), at: 'jwks_file', line: null }, 'gateway.auth.issuers[0].jwks_file', /./],
    ['a JWKS file that is none', { change: (c, at) => (c.gateway.auth.issuers[0].jwks_file = at('{"keys":[')), at: 'jwks_file', line: null }, 'gateway.auth.issuers[0].jwks_file', /./],
    ['two sources of keys', { change: (c) => (c.gateway.auth.issuers[0].jwks_url = 'https://issuer.example/jwks'), at: '"issuer"' }, 'gateway.auth.issuers[0].issuer', /one of/],
    ['a secret that is too short', { change: (c, at) => c.gateway.auth.issuers.push({ issuer: 'other', audiences: ['a'], secret_file: at('short') }), at: 'secret_file' }, 'gateway.auth.issuers[1].secret_file', /32 to/],
    ['a certificate that is missing', { change: (c) => (c.gateway.tls.certificates[0].certificate_file = '/nonexistent/cert.pem'), at: 'certificate_file', line: null }, 'gateway.tls.certificates[0].certificate_file', /./],
    ['a certificate that is none', { change: (c, at) => (c.gateway.tls.certificates[0].certificate_file = at('no PEM')), at: 'certificate_file', line: null }, 'gateway.tls.certificates[0].certificate_file', /./],
    ['a key that is missing', { change: (c) => (c.gateway.tls.certificates[0].private_key_file = '/nonexistent/key.pem'), at: 'private_key_file', line: null }, 'gateway.tls.certificates[0].private_key_file', /./],
    ['a key that is another\'s', { change: (c, at, other) => (c.gateway.tls.certificates[0].private_key_file = other.private_key_file), at: 'private_key_file', line: null }, 'gateway.tls.certificates[0].private_key_file', /./],
    ['a second certificate that is missing', { change: (c) => c.gateway.tls.certificates.push({ certificate_file: '/nonexistent/2', private_key_file: '/nonexistent/2' }), line: null }, 'gateway.tls.certificates[1].certificate_file', /./],
];

// Puts the case's file there; returns the line that has to be named, or null.
function spoil(d, good, { text: made, place, change, at, last, line }, aside, other) {
    let content = text(good);
    if (place) {
        rmSync(d.file);
        place(d.file);
        return 1;
    }
    if (made) content = made(content);
    if (change) {
        const bad = structuredClone(good);
        change(bad, aside, other);
        content = text(bad);
    }
    write(d, content);
    if (line !== undefined) return line;
    const needle = at ?? last;
    if (needle === undefined) return 1;
    const found = last === undefined ? content.indexOf(needle) : content.lastIndexOf(needle);
    assert.ok(found >= 0, needle);
    return content.slice(0, found).split('\n').length;
}

test('whatever is wrong with the file, all stays as it was', limits, async (t) => {
    const { config, dir } = guarded();
    const other = makeCertificate();
    const d = await start(t, config, { errors: [REFUSED] });
    const held = await Client.open(`wss://127.0.0.1:${d.port}/`, { rejectUnauthorized: false });
    defer(t, () => held.terminate());
    const before = await probe(d), first = await counted(d);
    assert.deepEqual(before, {
        anybody: 101, nobody: 'Unexpected server response: 401', alice: 101, stranger: 'Unexpected server response: 401',
        nowhere: 'Unexpected server response: 404', post: 401, paths: ['/', '/token', '/jwt'], triggers: ['everything'], manage: 401,
    });
    assert.ok(CASES.length >= 60);
    let files = 0;
    const aside = (content, mode = 0o600) => {
        const file = join(dir, `aside-${files++}`);
        writeFileSync(file, content, { mode });
        return file;
    };
    for (const [i, [name, how, key, expected]] of CASES.entries()) {
        const line = spoil(d, config, how, aside, other);
        const said = await hangUp(d, REFUSED);
        const answer = await reload(d);
        assert.equal(answer.status, 400, `${name}: ${answer.text}`);
        assert.equal(answer.json.code, 3, name);
        assert.equal(said.file, d.file, name);
        assert.match(said.error, expected, name);
        const [{ field, description }] = answer.json.details[0].fieldViolations;
        assert.equal(description, answer.json.message, name);
        assert.equal(description, `${d.file}:${said.line}: ${said.key}: ${said.error}`.slice(0, 255), name);
        if (line !== null) assert.equal(said.line, line, `${name}: ${description}`);
        if (key !== null) assert.equal(said.key, key, `${name}: ${description}`);
        assert.equal(field, said.key.slice(0, 79), name);
        if (SWEEP || i % 6 === 0) assert.deepEqual(await probe(d), before, name);
        assert.equal((await d.manage('GET', '/gateway/v1/paths')).status, 401, name);
        assert.deepEqual(await counted(d), { ...first, refused: first.refused + 2 * (i + 1) }, name);
        rmSync(d.file, { recursive: true, force: true });
        write(d, text(config));
    }
    await hangUp(d, RELOADED);
    assert.deepEqual((await reload(d)).json, { changed: [], needsRestart: [] });
    assert.deepEqual(await probe(d), before);
    assert.equal(held.closed, null, 'nobody was sent away');
    await d.post([newImage('team/app')], { headers: { Authorization: 'Bearer registry-token' } });
    await held.first(1);
});

// ------------------------------------------------------------------------------ who asks, and how

test('POST and `regcast reload` say what has changed and what waits', limits, async (t) => {
    const { config } = guarded();
    const d = await start(t, config, { errors: [REFUSED] });
    const endpoint = `127.0.0.1:${d.managementPort}`;
    for (const token of [undefined, 't1.nobody'])
        assert.equal((await d.manage('POST', '/admin/v1/reload', { token })).status, 401);
    const next = structuredClone(config);
    next.log_level = 'warn';
    next.gateway.workers = 3;
    next.gateway.paths[2].inbound = 'reject';
    next.gateway.paths.push('/more');
    next.users.pop();
    next.bindings = [];
    write(d, text(next));
    assert.deepEqual((await reload(d)).json, {
        changed: [
            { key: 'log_level', change: 'changed' },
            { key: 'users[guest]', change: 'removed' },
            { key: 'bindings[0]', change: 'removed' },
            { key: 'gateway.paths[/jwt].inbound', change: 'changed' },
            { key: 'gateway.paths[/more]', change: 'added' },
        ],
        needsRestart: [{ key: 'gateway.workers', change: 'changed' }],
    });
    const waits = [{ key: 'gateway.workers', change: 'changed' }];
    assert.deepEqual((await reload(d)).json, { changed: [], needsRestart: waits }, 'it still waits');

    const command = (...more) => regcast(['reload', '--token', OPERATOR, ...more], { endpoint });
    const table = await command();
    fine(table);
    assert.match(table.stdout, /\| gateway\.workers \| changed \| after a restart \|/);
    write(d, text({ ...next, log_level: 'info' }));
    const ran = await command('--format', 'json');
    fine(ran);
    assert.deepEqual(JSON.parse(ran.stdout), { changed: [{ key: 'log_level', change: 'changed' }], needs_restart: waits });
    next.gateway.workers = config.gateway.workers;
    write(d, text({ ...next, log_level: 'info' }));
    fine(await command(), 'Nothing has changed.\n');
    assert.deepEqual(JSON.parse((await command('--format', 'json-rest')).stdout), { changed: [], needsRestart: [] });

    write(d, text({ ...next, log_level: 'loud', engine: 'kafka' }));
    const refused = await command();
    assert.equal(refused.code, 1);
    assert.equal(refused.stdout, '');
    const [first, second, ...rest] = refused.stderr.trimEnd().split('\n');
    assert.match(first, /^ERROR: rpc error: code = InvalidArgument desc = .*regcast\.yaml:\d+: log_level: expected debug/);
    assert.match(second, /regcast\.yaml:\d+: engine: expected embedded/);
    assert.deepEqual(rest, []);
});

test('a body is none, and a caller who has gone changes nothing', limits, async (t) => {
    const { config } = guarded();
    const d = await start(t, config);
    const odd = await d.manage('POST', '/admin/v1/reload', { token: OPERATOR, body: { file: '/etc/other.yaml' } });
    assert.equal(odd.status, 400, odd.text);
    write(d, text({ ...config, log_level: 'warn' }));
    const before = await counted(d);
    const gone = http.request({ method: 'POST', host: '127.0.0.1', port: d.managementPort, path: '/admin/v1/reload',
        headers: { Authorization: `Bearer ${OPERATOR}` } });
    gone.on('error', () => {});
    gone.end(() => setImmediate(() => gone.destroy()));
    await until('the reload', async () => JSON.stringify(await counted(d)) !== JSON.stringify(before));
    assert.deepEqual((await reload(d)).json, { changed: [], needsRestart: [] });
});

// ------------------------------------------------------------------------------ no descriptors left

const limitFiles = (d, n) => execFileSync('prlimit', ['--pid', d.pid, `--nofile=${n}:`]);

// So that `free` more can be opened.
function leaveFiles(d, free) {
    const open = new Set(readdirSync(`/proc/${d.pid}/fd`).map(Number));
    let n = 0;
    for (let left = free; left > 0 || open.has(n); n++) left -= !open.has(n);
    limitFiles(d, n);
}

test('without a descriptor left the old configuration holds, and its `auth`', limits, async (t) => {
    const { config } = guarded();
    const d = await start(t, config, { errors: [REFUSED] });
    const [, most] = execFileSync('prlimit', ['--pid', d.pid, '--nofile', '--noheadings', '--output', 'SOFT,HARD'], { encoding: 'utf8' })
        .trim().split(/\s+/);
    const held = await Client.open(`wss://127.0.0.1:${d.port}/`, { rejectUnauthorized: false });
    defer(t, () => held.terminate());
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 }); // nobody can connect anew
    defer(t, () => agent.destroy());
    const ask = (token, method = 'GET', path = '/gateway/v1/paths') => within(10000, path, new Promise((done, fail) => {
        const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
        http.request({ agent, method, path, headers, host: '127.0.0.1', port: d.managementPort }, (res) => {
            res.resume().on('end', () => done(res.statusCode));
        }).on('error', fail).end();
    }));
    assert.equal(await ask(OPERATOR), 200);

    // Nobody may open /token any more, and a new path appears: neither may happen by half.
    const next = structuredClone(config);
    next.gateway.auth.tokens[0].sha256 = sha256('t1.other');
    next.gateway.paths.push('/more');
    write(d, text(next));
    let refused = 0;
    for (let free = 0; free < 4; free++) {
        leaveFiles(d, free);
        const before = d.logs.length;
        d.child.kill('SIGHUP');
        await until('an end of it', () => d.logs.slice(before).some(({ msg }) => msg === REFUSED || msg === RELOADED));
        const failed = d.logs.slice(before).some(({ msg }) => msg === REFUSED);
        if (free === 0) assert.ok(failed);
        refused += failed;
        assert.equal(await ask(undefined), 401, `${free} left`);
        assert.equal(await ask('t1.wrong'), 401, `${free} left`);
        assert.equal(await ask(OPERATOR), 200, `${free} left`);
        if (failed) assert.equal(await ask(OPERATOR, 'POST', '/admin/v1/reload'), 503, `${free} left`);
        limitFiles(d, most);
        const now = await probe(d);
        assert.equal(now.nobody, 'Unexpected server response: 401');
        assert.equal(now.stranger, 'Unexpected server response: 401');
        assert.equal(now.alice, failed ? 101 : 'Unexpected server response: 401', 'all of it or nothing');
        assert.equal(now.paths.includes('/more'), !failed, 'all of it or nothing');
        if (!failed) break;
    }
    assert.ok(refused > 0);
    await hangUp(d, RELOADED);
    assert.deepEqual((await probe(d)).paths, ['/', '/token', '/jwt', '/more']);
    assert.equal(held.closed, null);
});

test('what a refused file said of a path that is new binds nobody', limits, async (t) => {
    const config = makeConfig();
    const d = await start(t, config, { errors: [REFUSED] });
    const put = async (paths, auth) => {
        write(d, text({ ...config, gateway: { ...config.gateway, paths: [{ path: '/' }, ...paths], auth } }));
        return (await reload(d)).status;
    };
    const issuers = [{ issuer: 'https://issuer.example', audiences: ['regcast'], jwks_file: '/nonexistent/jwks' }];
    const short = (path) => ({ path, max_message_bytes: '128KiB' });
    assert.equal(await put([short('/a')], { issuers }), 400);
    assert.equal(await put([short('/b'), { path: '/c' }, { path: '/%63' }]), 400);
    const long = (path) => ({ path, max_message_bytes: '4MiB' });
    assert.equal(await put([long('/a'), long('/b')]), 200);
    for (const path of ['/a', '/b']) await (await Client.open(d.url(path))).close();
});

// ----------------------------------------------------------------------------------- storms

describe('signals', { concurrency: true }, () => {
    test('a thousand SIGHUP: one reload after another, and the last file counts', limits, async (t) => {
        const config = makeConfig();
        const d = await start(t, config);
        const held = await Client.open(d.url());
        defer(t, () => held.terminate());
        for (let i = 0; i < 1000; i++) {
            if (i % 20 === 0) write(d, text({ ...config, gateway: { ...config.gateway, paths: ['/', `/turn/${i}`] } }));
            d.child.kill('SIGHUP');
            if (i % 100 === 99) await d.request('GET', '/healthz'); // it serves meanwhile
        }
        write(d, text({ ...config, gateway: { ...config.gateway, paths: ['/', '/last'] } }));
        d.child.kill('SIGHUP');
        const paths = async () => (await d.manage('GET', '/gateway/v1/paths')).json.paths.map(({ path }) => path);
        await until('the last file', async () => (await paths()).includes('/last'));
        assert.deepEqual(await paths(), ['/', '/last']);
        assert.deepEqual((await reload(d)).json, { changed: [], needsRestart: [] });
        assert.equal(held.closed, null);
        await d.accept([newImage('team/app')]);
        await held.first(1);
    });

    test('forty POST at once, with signals between: each is answered with what then holds', limits, async (t) => {
        const config = makeConfig();
        const d = await start(t, config);
        const answers = [];
        for (let i = 0; i < 40; i++) {
            write(d, text({ ...config, gateway: { ...config.gateway, max_fragments: 100 + i } }));
            answers.push(reload(d));
            d.child.kill('SIGHUP');
        }
        for (const { status, text: said } of await Promise.all(answers)) assert.equal(status, 200, said);
        assert.deepEqual((await reload(d)).json, { changed: [], needsRestart: [] });
    });

    test('SIGTERM between SIGHUPs ends it in order', limits, async (t) => {
        const config = makeConfig();
        const d = await start(t, config);
        const held = await Client.open(d.url());
        for (const thread of readdirSync(`/proc/${d.pid}/task`)) { // none can be ended by it, whatever the moment
            const [, mask] = /^SigBlk:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${d.pid}/task/${thread}/status`, 'utf8'));
            assert.equal(BigInt(`0x${mask}`) & 1n, 1n, 'SIGHUP is blocked');
        }
        for (let i = 0; i < 50; i++) d.child.kill('SIGHUP');
        d.child.kill('SIGTERM');
        for (let i = 0; i < 50; i++) d.child.kill('SIGHUP');
        const ended = d.ends(0);
        const storm = setInterval(() => d.child.kill('SIGHUP'), 5); // until there is nobody to send it to
        await ended.finally(() => clearInterval(storm));
        assert.equal((await held.end).code, 1012);
    });

    test('SIGHUP while clients are sent away changes nothing, and POST is refused', limits, async (t) => {
        const config = makeConfig({ gateway: { drain_timeout: '2s' } });
        const d = await start(t, config);
        const held = await Promise.all(Array.from({ length: 20 }, () => Client.open(d.url())));
        d.child.kill('SIGTERM');
        await until('draining', () => d.logged({ msg: 'draining' }).length === 1);
        write(d, 'gateway: [');
        d.child.kill('SIGHUP');
        const answer = await reload(d);
        assert.equal(answer.status, 503, answer.text);
        assert.match(answer.json.message, /going down/);
        await d.ends(0);
        for (const c of held) assert.equal((await c.end).code, 1012);
        assert.equal(d.logged({ level: 'error' }).length, 0);
    });

    test('SIGINT and SIGHUP while clients are sent away: the second signal of an end ends it at once', limits, async (t) => {
        const d = await start(t, makeConfig({ gateway: { drain_timeout: '20s' } }));
        const held = await Promise.all(Array.from({ length: 20 }, () => Client.open(d.url())));
        d.child.kill('SIGTERM');
        await until('draining', () => d.logged({ msg: 'draining' }).length === 1);
        for (let i = 0; i < 100; i++) d.child.kill('SIGHUP');
        d.child.kill('SIGINT');
        await d.ends(130);
        await Promise.all(held.map((c) => c.end));
    });
});
