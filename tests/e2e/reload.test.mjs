// A changed configuration that is taken: every kind of setting takes force in the running daemon, whoever may
// stay stays, and nothing that was acknowledged is lost or comes twice.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { BROADCASTER, Client, Daemon, FOLDER, REGCASTD_FAST, REGISTRY, defer, makeConfig, newImage, pause, summary, tempDir, trigger, until, within } from './harness.mjs';

const limits = { timeout: 120000 };
const SWEEP = process.env.REGCAST_SWEEP === '1';
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });
const last = (list) => list[list.length - 1];

async function start(t, config, options = {}) {
    const file = join(tempDir(), 'regcast.yaml');
    writeFileSync(file, JSON.stringify(config));
    const d = await Daemon.start(config, { ...options, file });
    d.file = file;
    defer(t, () => d.stop());
    return d;
}

// Puts the changed file in place and waits for the answer that it is in force.
async function reload(d, config, { token } = {}) {
    writeFileSync(`${d.file}.new`, JSON.stringify(config), { mode: 0o600 });
    renameSync(`${d.file}.new`, d.file);
    const got = await d.manage('POST', '/admin/v1/reload', { token });
    assert.equal(got.status, 200, got.text);
    return got.json;
}

const keys = (list) => list.map(({ key, change }) => `${change} ${key}`);
const refused = (opened) => opened.then((c) => (c.terminate(), 'open'), (error) => error.message);
const triggersOf = async (d) =>
    (await d.manage('GET', `/triggers/v1/triggers?folderId=${FOLDER}`)).json.triggers;

// One image; what the client gets of it is its next message.
async function broadcast(d, client, repository = 'team/app') {
    const event = newImage(repository), n = client.messages.length;
    await d.accept([event]);
    await client.first(n + 1);
    assert.equal(summary([client.messages[n]])[0][2], event.target.digest);
}

describe('settings take force while clients are connected', () => {
    test('of the gateway', limits, async (t) => {
        const config = makeConfig();
        const gateway = config.gateway;
        const d = await start(t, config);
        const client = await Client.open(d.url());
        const step = async (change, ...expected) => {
            change();
            const { changed, needsRestart } = await reload(d, config);
            assert.deepEqual(keys(changed), expected);
            assert.deepEqual(needsRestart, []);
            assert.equal(client.closed, null);
            await broadcast(d, client);
        };
        await step(() => {});

        await step(() => (gateway.paths = [{ path: '/', inbound: 'echo' }]), 'changed gateway.paths[/].inbound');
        client.socket.send('hello');
        await until('the echo', () => last(client.messages) === 'hello');

        await step(() => (gateway.ping_interval = '200ms'), 'changed gateway.ping_interval');
        await within(5000, 'a ping', new Promise((done) => client.socket.once('ping', done)));

        await step(() => (gateway.deflate = true), 'changed gateway.deflate');
        const deflated = await Client.open(d.url(), { perMessageDeflate: true });
        assert.match(deflated.extensions, /permessage-deflate/);
        await broadcast(d, deflated);
        await deflated.close();

        await step(() => (gateway.allowed_origins = ['https://good.example']), 'changed gateway.allowed_origins');
        assert.match(await refused(Client.open(d.url(), { origin: 'https://bad.example' })), /403/);
        assert.equal(await refused(Client.open(d.url(), { origin: 'https://good.example' })), 'open');

        await step(() => (gateway.max_connections = 1), 'changed gateway.max_connections');
        await until('one connection', async () => (await d.metrics()).get('regcast_open_sockets', { listener: 'gateway' }) === 1);
        assert.match(await refused(Client.open(d.url())), /503/);
        await step(() => delete gateway.max_connections, 'changed gateway.max_connections');

        await step(() => (gateway.max_address_connections = 1), 'changed gateway.max_address_connections');
        assert.equal(await refused(Client.open(d.url())), 'open'); // ours came when nobody counted
        await step(() => delete gateway.max_address_connections, 'changed gateway.max_address_connections');

        await step(() => (gateway.trusted_proxies = ['127.0.0.1']), 'changed gateway.trusted_proxies');
        const behind = await Client.open(d.url(), { headers: { 'X-Forwarded-For': '192.0.2.7' } });
        const { json } = await d.manage('GET', '/gateway/v1/connections');
        assert.ok(json.connections.some(({ address }) => address === '192.0.2.7'), JSON.stringify(json));
        await behind.close();

        await step(() => (gateway.paths[0].history_age = '2h'), 'changed gateway.paths[/].history_age');
        const paths = (await d.manage('GET', '/gateway/v1/paths')).json.paths;
        assert.equal(paths[0].historyAge, '7200s');

        await step(() => (gateway.paths[0].max_connections = 1), 'changed gateway.paths[/].max_connections');
        await until('alone', async () => (await d.manage('GET', '/gateway/v1/connections')).json.connections.length === 1);
        assert.match(await refused(Client.open(d.url())), /503/);

        await step(() => {
            gateway.max_message_rate = 1;
            delete gateway.paths[0].inbound; // echo has no rate
        }, 'changed gateway.paths[/].inbound', 'changed gateway.max_message_rate');
        for (let i = 0; i < 5; i++) client.socket.send('too many');
        assert.deepEqual(await within(5000, 'the close for the rate', client.end), { code: 1008, reason: 'rate' });
        delete gateway.max_message_rate;

        await reload(d, config);
        const idle = await Client.open(d.url());
        gateway.ping_interval = '0s';
        gateway.idle_timeout = '300ms';
        await reload(d, config);
        assert.deepEqual(await within(5000, 'the close when idle', idle.end), { code: 1001, reason: 'idle' });
    });

    test('of webhooks, registries, accounts, memory and the log', limits, async (t) => {
        const config = makeConfig({ users: undefined });
        const d = await start(t, config);
        const client = await Client.open(d.url());
        let token;
        const step = async (change) => {
            change();
            const answer = await reload(d, config, { token });
            assert.equal(client.closed, null);
            return answer;
        };
        const post = async (options) => (await d.post([newImage('team/app')], options)).status;

        config.registries[0].token = 'secret-of-the-registry';
        assert.deepEqual(keys((await step(() => {})).changed), [`changed registries[${REGISTRY}].token`]);
        assert.equal(await post(), 401);
        assert.equal(await post(bearer('secret-of-the-registry')), 202);

        const other = 'crtregistry000000002';
        assert.equal(await post({ registry: other }), 404);
        await step(() => config.registries.push({ id: other, kind: 'distribution' }));
        assert.equal(await post({ registry: other }), 202);
        await step(() => config.registries.pop());
        assert.equal(await post({ registry: other }), 404);

        await step(() => (config.webhooks.max_body_bytes = '1KiB'));
        const long = await d.post([newImage('x'.repeat(2000))], bearer('secret-of-the-registry'));
        assert.equal(long.status, 413);
        await step(() => (config.webhooks.allowed_from = ['192.0.2.0/24']));
        assert.equal(await post(bearer('secret-of-the-registry')), 403);
        await step(() => delete config.webhooks.allowed_from);

        await step(() => (config.max_memory = '1GiB'));
        await until('memory is looked at', async () => (await d.metrics()).get('regcast_memory_bytes') > 0);
        await step(() => delete config.max_memory);

        await step(() => (config.log_level = 'error'));
        (await Client.open(d.url())).terminate();
        const opened = d.logged({ component: 'ws', msg: 'open' }).length;
        await step(() => (config.log_level = 'info'));
        (await Client.open(d.url())).terminate();
        await until('a line', () => d.logged({ component: 'ws', msg: 'open' }).length === opened + 1);

        // From here on somebody has to say who he is.
        await step(() => {
            config.users = [{ id: 'alice', roles: ['admin'] }];
            config.tokens = [{ subject: 'alice', sha256: sha256('t1.alice') }];
        });
        assert.equal((await d.manage('GET', '/gateway/v1/paths')).status, 401);
        token = 't1.alice';
        assert.equal((await d.manage('GET', '/gateway/v1/paths', { token })).status, 200);
        await step(() => (config.service_accounts[0].roles = []));
        await d.post([newImage('team/app')], bearer('secret-of-the-registry'));
        await until('the trigger is refused', () => d.logged({ msg: 'trigger does not fire' }).length > 0);
    });
});

describe('paths come and go', () => {
    test('one is removed, and added again', limits, async (t) => {
        const config = makeConfig({
            gateway: { paths: ['/', '/gone'], drain_timeout: '500ms' },
            triggers: [trigger('stays'), trigger('goes', { path: '/gone' })],
        });
        const d = await start(t, config);
        const stays = await Client.open(d.url());
        const crowd = await Promise.all(Array.from({ length: 20 }, () => Client.open(d.url('/gone'))));
        const told = await Client.open(d.url('/gone'), { protocols: ['regcast.v1'] });
        await broadcast(d, stays);
        const seen = summary(await crowd[0].first(1));

        config.gateway.paths = ['/'];
        config.triggers = [trigger('stays')];
        const { changed } = await reload(d, config);
        assert.deepEqual(keys(changed).sort(), ['removed gateway.paths[/gone]', 'removed triggers[goes]']);
        assert.match(await refused(Client.open(d.url('/gone'))), /404/);
        for (const c of [...crowd, told])
            assert.deepEqual(await within(5000, 'the close', c.end), { code: 1001, reason: 'path removed' });
        const notice = JSON.parse(told.messages.find((m) => m.includes('draining')));
        assert.equal(notice.code, 1001);
        assert.equal((await d.metrics()).get('regcast_closes_total', { by: 'path' }), crowd.length + 1);
        await broadcast(d, stays); // nobody gets it on /gone
        assert.deepEqual((await triggersOf(d)).map(({ name }) => name).sort(), ['goes', 'stays']);
        assert.equal((await d.manage('GET', '/gateway/v1/paths')).json.paths.length, 1);

        config.gateway.paths = [{ path: '/gone', history_count: 50 }, '/'];
        await reload(d, config);
        const back = await Client.open(d.url('/gone?since=earliest'));
        await broadcast(d, stays);
        const got = summary(await back.first(2));
        assert.deepEqual(got[0], seen[0]); // what was there before it went
        assert.equal(got.length, 2);
        assert.equal(stays.closed, null);
    });

    test('triggers of the file are added and changed, and outlive the process', limits, async (t) => {
        const config = makeConfig({ triggers: [trigger('first')] });
        const first = await start(t, config);
        const root = await Client.open(first.url());
        const made = await first.manage('POST', '/triggers/v1/triggers', {
            body: { folderId: FOLDER, name: 'by-hand', rule: { containerRegistry: {
                eventType: ['CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE'], registryId: REGISTRY,
                gatewayWebsocketBroadcast: { gatewayId: config.gateway.id, path: '/', serviceAccountId: BROADCASTER } } } },
        });
        assert.equal(made.status, 200, made.text);
        await broadcast(first, root);
        await root.first(2);

        config.gateway.paths = ['/', '/b'];
        config.triggers = [trigger('first', { path: '/b', size: 2, cutoff: '1s' }), trigger('third', { path: '/b' }), trigger('by-hand', { path: '/b' })];
        const { changed } = await reload(first, config);
        assert.ok(keys(changed).includes('added triggers[third]'), JSON.stringify(changed));
        const b = await Client.open(first.url('/b'));
        await first.accept([newImage('team/app')]);
        await b.first(2); // the first's batch and the third's
        await root.first(3); // by-hand is its owner's
        assert.ok(first.logged({ msg: 'trigger is configured otherwise now; what is stored counts', trigger: 'by-hand' }).length > 0);

        first.child.kill('SIGKILL');
        await first.ends('SIGKILL');
        const second = await start(t, config);
        const again = await triggersOf(second);
        const pathOf = (name) => again.find((x) => x.name === name).rule.containerRegistry.gatewayWebsocketBroadcast.path;
        assert.deepEqual(['first', 'by-hand', 'third'].map(pathOf), ['/b', '/', '/b']);
        const more = await Client.open(second.url('/b'));
        await second.accept([newImage('team/app')]);
        await more.first(2);
        await pause(500);
        assert.equal(more.messages.length, 2);
    });
});

describe('who may stay', () => {
    test('tokens and auth', limits, async (t) => {
        const config = makeConfig({
            gateway: {
                paths: ['/', { path: '/token', auth: 'token' }],
                auth: { tokens: ['alice', 'bob'].map((subject) => ({ subject, sha256: sha256(`t1.${subject}`) })) },
            },
        });
        const d = await start(t, config);
        const anybody = await Client.open(d.url());
        const [alice, bob] = await Promise.all(['alice', 'bob'].map((who) => Client.open(d.url('/token'), bearer(`t1.${who}`))));
        const lost = { code: 4003, reason: 'access_lost' };

        config.gateway.auth.tokens.pop();
        await reload(d, config);
        assert.deepEqual(await within(5000, 'the close', bob.end), lost);
        assert.match(await refused(Client.open(d.url('/token'), bearer('t1.bob'))), /401/);

        config.gateway.paths[0] = { path: '/', auth: 'token' };
        await reload(d, config);
        assert.deepEqual(await within(5000, 'the close', anybody.end), lost);
        assert.match(await refused(Client.open(d.url())), /401/);
        await broadcast(d, await Client.open(d.url(), bearer('t1.alice')));

        config.gateway.paths[1] = '/token';
        await reload(d, config);
        assert.equal(await refused(Client.open(d.url('/token'))), 'open');
        assert.equal(alice.closed, null);
    });
});

describe('under load', () => {
    // Each with another set of paths, limits and triggers; the last is the first again.
    function variant(config, i) {
        const even = i % 2 === 0;
        return {
            ...config,
            log_level: even ? 'warn' : 'error',
            gateway: {
                ...config.gateway,
                paths: ['/', even ? { path: '/even', inbound: 'echo' } : '/odd', { path: '/t/{a}', history_count: 100 + i }],
                ping_interval: even ? '1s' : '2s',
                max_connections: 1000 + i,
                max_address_connections: even ? 900 : 0,
                trusted_proxies: even ? ['192.0.2.0/24'] : [],
                auth: { tokens: [{ subject: 'a', sha256: sha256(`t1.${i}`) }] },
            },
            triggers: [...config.triggers, trigger('moves', { path: even ? '/even' : '/odd', size: 1 + (i % 3), cutoff: '1s' })],
        };
    }

    async function churn(d, running) {
        for (let i = 0; running(); i++) {
            const c = await Client.open(d.url(['/', '/t/x', '/'][i % 3])).catch(() => null);
            if (i % 2) c?.terminate();
            else await c?.close();
        }
    }

    test('no event is lost or doubled, and nobody is cut off', { timeout: SWEEP ? 900000 : 120000 }, async (t) => {
        const config = makeConfig({ gateway: { drain_timeout: '100ms' } });
        const d = await start(t, variant(config, 0));
        const clients = await Promise.all(Array.from({ length: 10 }, () => Client.open(d.url())));
        const posted = [];
        let running = true;
        const posting = (async () => {
            while (running) {
                const events = Array.from({ length: 1 + (posted.length % 4) }, () => newImage('team/app'));
                await d.accept(events);
                posted.push(...events.map(({ target }) => target.digest));
            }
        })();
        const churning = churn(d, () => running);
        const rounds = SWEEP ? 600 : 50;
        for (let i = 1; i <= rounds; i++) await reload(d, variant(config, i));
        running = false;
        await Promise.all([posting, churning]);
        await Promise.all(clients.map((c) => c.first(posted.length, 60000)));
        for (const c of clients) {
            assert.equal(c.closed, null);
            assert.deepEqual(summary(c.messages).map(([, , digest]) => digest), posted);
        }
        const metrics = await d.metrics();
        assert.equal(metrics.get('regcast_config_reloads_total', { outcome: 'ok' }), rounds);
    });

    test('the memory of reloads is given back', limits, async (t) => {
        const config = makeConfig({ triggers: [] });
        const d = await start(t, config, { bin: REGCASTD_FAST });
        const many = (i) => {
            const v = variant(config, i);
            for (let k = 0; k < 100; k++) v.gateway.paths.push(`/${i % 2}/${k}`);
            return { ...v, triggers: [] };
        };
        const rounds = SWEEP ? 300 : 60;
        for (let i = 0; i < 20; i++) await reload(d, many(i));
        const before = d.rssKb(), files = d.openFiles();
        for (let i = 0; i < rounds; i++) await reload(d, many(i));
        const grown = d.rssKb() - before;
        assert.ok(grown < 4096, `${rounds} reloads cost ${grown} KiB`);
        assert.ok(d.openFiles() <= files, `${d.openFiles()} files, ${files} before`);
    });
});
