// Webhooks that name a tag and no digest, and a real registry that is asked for it: through a door
// that can be shut, hang, refuse, and counts who is inside.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { makeCertificate } from './certificates.mjs';
import { Client, Daemon, defer, makeConfig, readMessage, run, summary, tempDir, trigger, until, writeConfig } from './harness.mjs';
import { makeImage, makeIndex } from './images.mjs';
import { Registry } from './registry.mjs';

const USER = {
    name: 'robot$builds',
    password: 's3cret/@:x',
    htpasswd: 'robot$builds:$2b$04$QtCt0N1psbpR3wHFF.DL8Owb3kfmZmNSnihFIBqWb1AsjI3Dw70dm',
};

// In front of a registry. `mode`: 'pass', 'hold' (until it is opened), 'refuse' (503), 'shut'.
class Door {
    asked = []; // "HEAD /v2/..."
    held = [];
    inside = 0;
    most = 0; // at once

    static async open(registry, mode = 'pass') {
        const door = new Door();
        door.registry = registry;
        door.server = http.createServer((req, res) => door.#take(req, res));
        await new Promise((done) => door.server.listen(0, '127.0.0.1', done));
        door.port = door.server.address().port;
        door.url = `http://127.0.0.1:${door.port}`;
        await door.turn(mode);
        return door;
    }

    async turn(mode) {
        if (mode === 'shut') {
            this.server.closeAllConnections();
            await new Promise((done) => this.server.close(done));
        } else if (this.mode === 'shut') {
            await new Promise((done) => this.server.listen(this.port, '127.0.0.1', done));
        }
        this.mode = mode;
        if (mode !== 'pass') return;
        for (const go of this.held.splice(0)) go();
    }

    async #take(req, res) {
        const { method, url, headers } = req;
        this.asked.push(`${method} ${url}`);
        this.most = Math.max(this.most, ++this.inside);
        res.on('close', () => this.inside--);
        if (this.mode === 'hold') await new Promise((go) => this.held.push(go));
        if (this.mode === 'refuse') {
            res.writeHead(503).end();
            return;
        }
        const to = { host: '127.0.0.1', port: this.registry.port, method, path: url, headers, agent: false };
        http.request(to, (got) => {
            res.writeHead(got.statusCode, got.headers);
            got.pipe(res);
        })
            .on('error', () => res.destroy())
            .end();
    }

    async stop() {
        if (this.mode === 'shut') return;
        for (const go of this.held.splice(0)) go();
        await this.turn('shut');
    }
}

const quay = (repository, ...tags) =>
    JSON.stringify({ repository, docker_url: `quay.example/${repository}`, updated_tags: tags });

const JSON_TYPE = { 'Content-Type': 'application/json' };

async function tell(daemon, registry, body, headers = {}) {
    const got = await daemon.post(body, { registry, headers: { ...JSON_TYPE, ...headers } });
    assert.equal(got.status, 202, got.text);
    return got.json;
}

// One registry of the configuration and its own path.
const registryOf = (id, kind, over) => ({ id, kind, ...over });
const configOf = (registries, over = {}) =>
    makeConfig({
        gateway: { paths: registries.map(({ id }) => `/${id}`) },
        registries,
        triggers: registries.map(({ id }) => trigger(`of-${id}`, { path: `/${id}`, registry: id })),
        ...over,
    });

const pending = async (daemon) => (await daemon.metrics()).get('regcast_lookups_pending');
const ended = async (daemon, outcome) => (await daemon.metrics()).get('regcast_lookups_total', { outcome });
const seen = async (client, n, registry) => summary(await client.first(n), registry);
const pushed = (repo, one, tag) => [
    ['CreateImage', repo, one.digest, tag],
    ['CreateImageTag', repo, one.digest, tag],
];

describe('a registry that is asked', { timeout: 120000 }, () => {
    let registry, closed, daemon, door, passwordFile, hopeful;
    const doors = [];

    before(async () => {
        [registry, closed] = await Promise.all(
            [{}, { user: USER }].map((over) => Registry.start({ url: 'http://127.0.0.1:9/', ...over })),
        );
        for (let i = 0; i < 4; i++) doors.push(await Door.open(i === 3 ? closed : registry));
        door = { plain: doors[0], late: doors[1], many: doors[2], closed: doors[3] };
        passwordFile = join(tempDir(), 'password');
        writeFileSync(passwordFile, 'wrong\n', { mode: 0o600 });
        daemon = await Daemon.start(
            configOf([
                registryOf('plain', 'quay', { registry_url: `${door.plain.url}/` }),
                registryOf('gone', 'quay', { registry_url: door.plain.url }),
                registryOf('hub', 'dockerhub', { registry_url: door.plain.url }),
                registryOf('late', 'quay', { registry_url: door.late.url }),
                registryOf('hopeless', 'quay', { registry_url: 'http://127.0.0.1:9', registry_timeout: '1s' }),
                registryOf('many', 'quay', { registry_url: door.many.url }),
                registryOf('closed', 'quay', {
                    registry_url: door.closed.url,
                    registry_user: USER.name,
                    registry_password_file: passwordFile,
                }),
            ]),
        );
        const ids = ['gone', 'hopeless']; // the last test looks what becomes of them
        hopeful = await Promise.all(ids.map((id) => Client.open(daemon.url(`/${id}`))));
        for (const id of ids) await tell(daemon, id, quay('team/gone', 'v1'));
    });

    after(async () => {
        for (const client of hopeful ?? []) await client.close();
        await daemon?.stop();
        for (const one of doors) await one.stop();
        await Promise.all([registry?.stop(), closed?.stop()]);
    });

    async function listen(t, id) {
        const client = await Client.open(daemon.url(`/${id}`));
        defer(t, () => client.close());
        return client;
    }

    test('says which image, which index, and which one after it', async (t) => {
        const client = await listen(t, 'plain');
        const [one, two] = [makeImage('one'), makeImage('two')];
        const index = makeIndex([makeImage('amd', 'amd64'), makeImage('arm', 'arm64')]);
        await registry.push(one, 'team/app', 'v1');
        await registry.push(index, 'team/app', 'all');
        const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
        const before = Date.now();
        const got = await tell(daemon, 'plain', quay('team/app', 'v1', 'all'), {
            traceparent: `00-${trace}-00f067aa0ba902b7-01`,
        });
        assert.deepEqual(got, { accepted: 2, ignored: 0, duplicates: 0 });
        const events = (await seen(client, 4, 'plain')).sort((a, b) => a[3].localeCompare(b[3]));
        assert.deepEqual(events, [...pushed('team/app', index, 'all'), ...pushed('team/app', one, 'v1')]);
        const [first] = readMessage(client.messages[0], 'plain');
        const at = Date.parse(first.at);
        assert.ok(at >= before - 1 && at <= Date.now(), first.at); // Quay tells no time: that of its receipt
        assert.equal(first.trace.trace_id, trace);

        await registry.push(two, 'team/app', 'v1');
        await tell(daemon, 'plain', quay('team/app', 'v1'));
        await tell(daemon, 'plain', quay('team/app', 'v1')); // says nothing new
        assert.deepEqual((await seen(client, 7, 'plain')).slice(4), [
            ['CreateImage', 'team/app', two.digest, 'v1'],
            ['DeleteImageTag', 'team/app', one.digest, 'v1'],
            ['CreateImageTag', 'team/app', two.digest, 'v1'],
        ]);
        await until('the answers', async () => (await ended(daemon, 'found')) === 4);
        assert.ok(door.plain.asked.every((what) => what.startsWith('HEAD /v2/team/')), door.plain.asked.join());
        assert.equal(client.messages.length, 7);
    });

    test("keeps the sender's time", async (t) => {
        const client = await listen(t, 'hub');
        const one = makeImage('hub');
        await registry.push(one, 'team/hub', 'v1');
        const body = {
            push_data: { pushed_at: 1417566161, pusher: 'trustedbuilder', tag: 'v1' },
            repository: { name: 'hub', namespace: 'team', repo_name: 'team/hub' },
        };
        await tell(daemon, 'hub', JSON.stringify(body));
        assert.deepEqual(await seen(client, 2, 'hub'), pushed('team/hub', one, 'v1'));
        for (const text of client.messages)
            assert.match(readMessage(text, 'hub')[0].at, /^2014-12-03T00:22:41(\.0+)?Z$/);
    });

    test('may be away for a while', async (t) => {
        const client = await listen(t, 'late');
        const one = makeImage('late');
        await registry.push(one, 'team/late', 'v1');
        await door.late.turn('shut');
        await tell(daemon, 'late', quay('team/late', 'v1'));
        const line = { component: 'lookup', level: 'info', registry: 'late', repository: 'team/late', tag: 'v1' };
        await until('a line of the log', () => daemon.logged({ ...line, reason: /^http:\/\/127.0.0.1:\d+\/v2\/team\/late\/manifests\/v1: / })[0]);
        await door.late.turn('pass');
        assert.deepEqual(await seen(client, 2, 'late'), pushed('team/late', one, 'v1'));
    });

    test('is not waited for when it hangs, and asked once for many', async (t) => {
        const client = await listen(t, 'many');
        const tags = ['a', 'b', 'c', 'd', 'e'], rounds = 20;
        const one = makeImage('many');
        await registry.push(one, 'team/many', 'a');
        for (const tag of tags) await registry.putManifest('team/many', one, tag);
        await door.many.turn('hold');
        for (let i = 0; i < rounds; i++) {
            const start = performance.now();
            await tell(daemon, 'many', quay('team/many', ...tags));
            assert.ok(performance.now() - start < 5000, 'the answer waits for the registry');
        }
        assert.ok((await pending(daemon)) >= rounds * tags.length);
        await until('two questions', () => door.many.inside === 2);
        await door.many.turn('pass');
        const events = await seen(client, 1 + tags.length, 'many');
        assert.deepEqual(events.filter(([type]) => type === 'CreateImageTag').map(([, , , tag]) => tag).sort(), tags);
        await until('the answers', async () => (await ended(daemon, 'found')) >= rounds * tags.length);
        assert.equal(door.many.most, 2);
        // One of each tag, and one more of the two that came while one was asked already.
        assert.ok(door.many.asked.length <= tags.length + 2, door.many.asked.join(', '));
        assert.equal(client.messages.length, 1 + tags.length);
    });

    test('lets in who has the right password after a reload', async (t) => {
        const client = await listen(t, 'closed');
        const one = makeImage('closed');
        await closed.push(one, 'team/closed', 'v1');
        await tell(daemon, 'closed', quay('team/closed', 'v1'));
        await until('the refusal', () => daemon.logged({ level: 'info', registry: 'closed', reason: /user or the password is not accepted/ })[0]);
        writeFileSync(passwordFile, `${USER.password}\n`);
        daemon.child.kill('SIGHUP');
        await until('the reload', () => daemon.logged({ msg: 'reloaded' })[0]);
        assert.deepEqual(await seen(client, 2, 'closed'), pushed('team/closed', one, 'v1'));
        assert.ok(daemon.logs.every((line) => !JSON.stringify(line).includes(USER.password)));
    });

    test('is given up when it does not know the tag, or its time is over', async () => {
        await until('the end of both', async () => (await ended(daemon, 'missing')) + (await ended(daemon, 'late')) === 2);
        for (const client of hopeful) {
            const [text] = await client.first(1);
            const [{ event_metadata: about, details }] = JSON.parse(text).messages;
            assert.match(about.event_type, /\.CreateImageTag$/);
            assert.deepEqual([details.image_digest, details.image_id, details.tag], ['', '', 'v1']);
        }
        assert.equal(await pending(daemon), 0);
        const why = daemon.logged({ level: 'warn', component: 'lookup' }).map(({ registry: id, reason }) => [id, reason]);
        assert.deepEqual(why.sort(), [
            ['gone', 'the registry does not know the tag'],
            ['hopeless', 'registry_timeout is over'],
        ]);
        const asked = door.plain.asked.filter((what) => what.includes('team/gone'));
        assert.equal(asked.length, 3);
    });
});

test('what was acknowledged is asked for after a kill, and after an end', { timeout: 60000 }, async (t) => {
    const registry = await Registry.start({ url: 'http://127.0.0.1:9/' });
    defer(t, () => registry.stop());
    const door = await Door.open(registry, 'hold');
    defer(t, () => door.stop());
    const config = configOf([registryOf('one', 'quay', { registry_url: door.url })]);
    const [one, two] = [makeImage('first'), makeImage('second')];
    await registry.push(one, 'team/app', 'v1');
    await registry.push(two, 'team/app', 'v2');

    const killed = await Daemon.start(config);
    await tell(killed, 'one', quay('team/app', 'v1'));
    await until('the question', () => door.inside === 1);
    killed.child.kill('SIGKILL');
    await killed.ends('SIGKILL');

    const stopped = await Daemon.start(config);
    await until('the question again', () => door.asked.length >= 2);
    await tell(stopped, 'one', quay('team/app', 'v2'));
    await stopped.stop({ timeout: 10000 }); // although nobody answers it
    await door.turn('refuse');

    const daemon = await Daemon.start(config);
    defer(t, () => daemon.stop());
    assert.equal(await pending(daemon), 2);
    const client = await Client.open(daemon.url('/one'));
    defer(t, () => client.close());
    await door.turn('pass');
    const events = await seen(client, 4, 'one');
    assert.deepEqual(events.sort((a, b) => a[3].localeCompare(b[3])), [
        ...pushed('team/app', one, 'v1'),
        ...pushed('team/app', two, 'v2'),
    ]);
    await until('nothing waits', async () => (await pending(daemon)) === 0);
    await tell(daemon, 'one', quay('team/app', 'v1', 'v2')); // known by now
    await until('the answers', async () => (await ended(daemon, 'found')) === 4);
    assert.equal(client.messages.length, 4);
});

test('a registry that is gone from the configuration takes what waits for it along', { timeout: 60000 }, async (t) => {
    const config = configOf([
        registryOf('stays', 'quay', { registry_url: 'http://127.0.0.1:9' }),
        registryOf('goes', 'quay', { registry_url: 'http://127.0.0.1:9' }),
    ]);
    const daemon = await Daemon.start(config);
    defer(t, () => daemon.stop());
    await tell(daemon, 'stays', quay('team/app', 'v1'));
    await tell(daemon, 'goes', quay('team/app', 'v1'));
    const next = structuredClone(config);
    delete next.registries[0].registry_url;
    next.registries.pop();
    next.triggers.pop();
    writeFileSync(daemon.file, JSON.stringify(next));
    daemon.child.kill('SIGHUP');
    await until('nothing waits', async () => (await pending(daemon)) === 0);
    assert.equal(await ended(daemon, 'unasked'), 1);
    assert.equal(await ended(daemon, 'discarded'), 1);
    assert.equal(daemon.logged({ level: 'warn', msg: 'a push is discarded', registry: 'goes' }).length, 1);
});

test('credentials go to the registry, and nowhere else that it names', { timeout: 60000 }, async (t) => {
    const strayed = []; // requests at an address that only the registry has named
    const stranger = http.createServer((req, res) => res.end(strayed.push(req.url) && '{"token":"t"}'));
    const { certificate_file, private_key_file } = makeCertificate();
    const one = makeImage('tls');
    const elsewhere = () => `http://127.0.0.1:${stranger.address().port}`;
    const pages = {
        token: (res) => res.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${elsewhere()}/token"` }),
        redirect: (res) => res.writeHead(307, { Location: `${elsewhere()}/v2/` }),
        good: (res, req) =>
            req.headers.authorization === `Basic ${Buffer.from('u:pw').toString('base64')}`
                ? res.writeHead(200, { 'Docker-Content-Digest': one.digest })
                : res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' }),
    };
    const tls = { cert: readFileSync(certificate_file), key: readFileSync(private_key_file) };
    const server = https.createServer(tls, (req, res) => pages[req.url.split('/')[2]](res, req).end());
    for (const each of [stranger, server]) {
        await new Promise((done) => each.listen(0, '127.0.0.1', done));
        defer(t, () => each.closeAllConnections() ?? new Promise((done) => each.close(done)));
    }
    const password = join(tempDir(), 'password');
    writeFileSync(password, 'pw\n', { mode: 0o600 });
    const asked = {
        registry_url: `https://127.0.0.1:${server.address().port}`,
        registry_user: 'u',
        registry_password_file: password,
    };
    const daemon = await Daemon.start(
        configOf([registryOf('known', 'quay', { ...asked, registry_ca_file: certificate_file }), registryOf('unknown', 'quay', asked)]),
    );
    defer(t, () => daemon.stop());
    const client = await Client.open(daemon.url('/known'));
    defer(t, () => client.close());
    for (const repository of ['good', 'token', 'redirect']) await tell(daemon, 'known', quay(repository, 'v1'));
    await tell(daemon, 'unknown', quay('good', 'v1'));
    assert.deepEqual(await seen(client, 2, 'known'), pushed('good', one, 'v1'));
    for (const [like, reason] of [
        [{ registry: 'known', repository: 'token' }, /token server that is not used: http:/],
        [{ registry: 'known', repository: 'redirect' }, /redirects to another origin/],
        [{ registry: 'unknown' }, /certificate/],
    ])
        await until(`the log to say ${reason}`, () => daemon.logged({ component: 'lookup', ...like, reason })[0]);
    assert.deepEqual(strayed, []);
});

test('settings that fit together, and a warning of a password in the clear', () => {
    const password = join(tempDir(), 'password');
    writeFileSync(password, 'pw-3141592\n', { mode: 0o600 });
    const check = (over) => run(['--check', '--config', writeConfig(configOf([registryOf('one', 'quay', over)]))]);
    const clear = check({ registry_url: 'http://registry.example:5000', registry_user: 'u', registry_password_file: password });
    assert.equal(clear.status, 0, clear.stderr);
    assert.match(clear.stderr, /registries\[one\]\.registry_url: .*http/);
    const good = check({ registry_url: 'https://registry.example/prefix', registry_user: 'u', registry_password_file: password });
    assert.equal(good.status, 0, good.stderr);
    assert.equal(good.stderr, '');
    for (const ran of [clear, good]) assert.ok(!(ran.stdout + ran.stderr).includes('pw-3141592'));
    for (const [over, key] of [
        [{ registry_url: 'https://u:p@registry.example' }, 'registry_url'],
        [{ registry_url: 'ftp://registry.example' }, 'registry_url'],
        [{ registry_user: 'u', registry_password_file: password }, 'registry_user'],
        [{ registry_url: 'https://registry.example', registry_user: 'u' }, 'registry_user'],
        [{ registry_url: 'https://registry.example', registry_password_file: password }, 'registry_password_file'],
    ]) {
        const ran = check(over);
        assert.notEqual(ran.status, 0, key);
        assert.match(ran.stderr, new RegExp(`registries\\[0\\]\\.${key}: expected`), ran.stderr);
    }
});
