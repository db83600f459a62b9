// The management API of several nodes: the same from each of them, whichever has what is asked for.
// Runs alone: it starts three nodes and three servers.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fine, regcast } from './cli.mjs';
import { Cluster, registryOf } from './cluster.mjs';
import { BROADCASTER, Client, FOLDER, GATEWAY, REGCASTD, ROOT, digestOf, newImage, push, run, tempDir, until, writeConfig } from './harness.mjs';
import { CODE, clientsOf, plainSession, refused } from './sdk.mjs';

const limits = { timeout: 120000 };
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const PATH = '/one-0-0';
const CONNECTIONS = '/gateway/v1/connections';
const SERVICE = '/apigateways/websocket/v1/connections';

let cluster;
const daemons = () => cluster.nodes.map(({ daemon }) => daemon);
const as = (name) => ({ token: `t1.${name}` });

async function get(daemon, path, who = 'alice') {
    const got = await daemon.manage('GET', path, as(who));
    assert.equal(got.status, 200, got.text);
    return got.json;
}

before(async () => {
    const secret = join(tempDir(), 'secret');
    writeFileSync(secret, 'the same on all nodes, of any length above 32\n'.replaceAll(' ', '-'), { mode: 0o600 });
    cluster = await Cluster.start({
        bin: REGCASTD,
        over: {
            management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'], secret_file: secret },
            users: [{ id: 'alice', roles: ['admin'] }, { id: 'bob', roles: ['functions.viewer'] }],
            tokens: ['alice', 'bob'].map((subject) => ({ subject, sha256: sha256(`t1.${subject}`) })),
        },
    });
    await cluster.balanced();
}, limits);
after(() => cluster?.stop(), limits);

describe('nodes', limits, () => {
    test('know each other', async () => {
        for (const { daemon, name } of cluster.nodes) {
            const { nodes } = await get(daemon, '/gateway/v1/nodes');
            assert.equal(nodes[0].node, name);
            assert.deepEqual(nodes.map(({ self }) => self), [true, false, false]);
            assert.deepEqual(nodes.map(({ node }) => node).sort(), ['node-1', 'node-2', 'node-3']);
            for (const node of nodes) {
                assert.match(node.version, /^\d+\.\d+\.\d+$/);
                assert.equal(node.address, `127.0.0.1:${cluster.nodes.find((one) => one.name === node.node).daemon.managementPort}`);
                assert.ok(Date.parse(node.startedAt) <= Date.parse(node.lastSeenAt));
            }
        }
        assert.equal((await daemons()[0].manage('GET', '/gateway/v1/nodes', as('bob'))).status, 403);
        await until('all shards are told', async () => {
            const { nodes } = await get(daemons()[0], '/gateway/v1/nodes');
            return nodes.reduce((sum, { shards }) => sum + shards, 0) === 64 && nodes.every(({ ready }) => ready);
        });
    });

    test('are listed by the command line', async () => {
        const home = tempDir();
        const asAlice = { home, endpoint: `127.0.0.1:${daemons()[1].managementPort}`, env: { REGCAST_TOKEN: 't1.alice' } };
        const table = await regcast(['nodes'], asAlice);
        fine(table);
        const [head, ...rows] = table.stdout.split('\n').filter((line) => /node/i.test(line));
        assert.match(head, /NODE.*ADDRESS.*VERSION.*STARTED.*SHARDS.*CONNECTIONS.*STATE/);
        assert.deepEqual(rows.map((row) => /node-\d/.exec(row)[0]), ['node-2', 'node-1', 'node-3']);
        const json = await regcast(['nodes', '--format', 'json'], asAlice);
        fine(json);
        assert.deepEqual(JSON.parse(json.stdout).map(({ node }) => node), ['node-2', 'node-1', 'node-3']);
    });

    test('say in their metrics what they do', async () => {
        const page = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');
        const m = await daemons()[0].metrics();
        const rows = [...page.matchAll(/^\| `([a-z_]+)` \| (\w+) \| *(\w*) \|  \| With `nats`: ([^|]*) \|/gm)];
        assert.equal(rows.length, 13);
        for (const [, name, type, unit, help] of rows) {
            assert.deepEqual({ type: m.families.get(name)?.type, help: m.families.get(name)?.help }, { type, help }, name);
            assert.equal(unit, /_bytes$/.test(name) ? 'bytes' : '', name);
        }
        assert.equal(m.get('regcast_cluster_nodes'), 3);
        assert.equal(m.get('regcast_nats_connected'), 1);
        const ready = await daemons()[0].request('GET', '/readyz');
        assert.deepEqual([ready.status, ready.text], [200, 'ready\n']);
    });

    test('are not taken over', () => {
        const ran = run(['--config', writeConfig(cluster.nodes[0].config), '--takeover']);
        assert.equal(ran.status, 69);
        assert.match(ran.stderr + ran.stdout, /engine: nats cannot be taken over: restart one node after the other/);
    });
});

describe('a connection on another node', limits, () => {
    test('is reached by the SDK', async () => {
        const [one, two, three] = daemons();
        const { connections } = clientsOf(plainSession('t1.alice'), one.ready.grpc[0]);
        for (const daemon of [three, two, one]) {
            const c = await Client.open(daemon.url(PATH), { headers: { 'User-Agent': 'é "quoted"' } });
            const got = await connections.get({ connectionId: c.id });
            assert.equal(got.id, c.id);
            assert.equal(got.gatewayId, GATEWAY);
            assert.equal(got.identity.sourceIp, '127.0.0.1');
            assert.ok(Math.abs(got.connectedAt - Date.now()) < 60000);
            assert.deepEqual(await connections.send({ connectionId: c.id, data: Buffer.from('hello é\n'), type: 2 }), {});
            const bytes = Buffer.from([0, 10, 255]);
            assert.deepEqual(await connections.send({ connectionId: c.id, data: bytes, type: 1 }), {});
            const large = 'x'.repeat(131072);
            assert.deepEqual(await connections.send({ connectionId: c.id, data: Buffer.from(large), type: 2 }), {});
            assert.deepEqual(await c.first(3), ['hello é\n', bytes, large]);
            assert.deepEqual(await connections.disconnect({ connectionId: c.id }), {});
            assert.equal((await c.end).code, 1000);
            const gone = { connectionId: c.id };
            await refused((options) => connections.get(gone, options), CODE.NOT_FOUND, /Connection \w+ not found/);
            await refused((options) => connections.disconnect(gone, options), CODE.NOT_FOUND, /not found/);
        }
    });

    test('is reached by REST, by who may', async () => {
        const [one, , three] = daemons();
        const c = await Client.open(three.url(PATH));
        const path = `${SERVICE}/${c.id}`;
        assert.equal((await get(one, path)).id, c.id);
        const body = { data: Buffer.from('by REST').toString('base64'), type: 'TEXT' };
        assert.equal((await one.manage('POST', `${path}:send`, { ...as('bob'), body })).status, 403);
        assert.equal((await one.manage('DELETE', path, as('bob'))).status, 403);
        assert.equal((await one.manage('POST', `${path}:send`, { ...as('alice'), body })).status, 200);
        assert.deepEqual(await c.first(1), ['by REST']);
        assert.equal((await one.manage('DELETE', path, as('alice'))).status, 200);
        assert.equal((await c.end).code, 1000);
        assert.equal((await one.manage('GET', path, as('alice'))).status, 404);
        assert.equal((await one.manage('GET', `${SERVICE}/nobody`, as('alice'))).status, 404);
    });

    test('that hangs is not said to be none', async () => {
        const [one, , three] = daemons();
        const c = await Client.open(three.url(PATH));
        cluster.nodes[2].pause();
        const [got, listed] = await Promise.all([one.manage('GET', `${SERVICE}/${c.id}`, as('alice')), get(one, CONNECTIONS)]);
        cluster.nodes[2].resume();
        assert.equal(got.status, 503, got.text);
        assert.equal(listed.unansweredNodes, 1);
        await until('it is found again', async () => (await one.manage('GET', `${SERVICE}/${c.id}`, as('alice'))).status === 200);
        await c.close();
        await cluster.balanced();
    });
});

describe('lists', limits, () => {
    test('have the connections of all nodes', async () => {
        const ids = new Map(); // of connection -> node
        const open = [];
        for (let i = 0; i < 9; i++) {
            const node = cluster.nodes[i % 3];
            const c = await Client.open(node.daemon.url(PATH));
            ids.set(c.id, node.name);
            open.push(c);
        }
        for (const daemon of daemons()) {
            const { connections, nextPageToken } = await get(daemon, CONNECTIONS);
            assert.deepEqual(new Map(connections.map(({ id, node }) => [id, node]).sort()), new Map([...ids].sort()));
            assert.equal(nextPageToken, undefined);
            const byAge = (await get(daemon, `${CONNECTIONS}?orderBy=age&pageSize=5`)).connections;
            const ages = connections.map(({ connectedAt }) => Date.parse(connectedAt)).sort((a, b) => a - b);
            assert.deepEqual(byAge.map(({ connectedAt }) => Date.parse(connectedAt)), ages.slice(0, 5));
            assert.equal((await get(daemon, `${CONNECTIONS}?path=/one-1-0`)).connections, undefined);
        }
        const seen = []; // each page from another node
        let token = '';
        for (let i = 0; i === 0 || token; i++) {
            const page = await get(daemons()[i % 3], `${CONNECTIONS}?path=${encodeURIComponent(PATH)}&pageSize=2&pageToken=${encodeURIComponent(token)}`);
            assert.ok(page.connections === undefined || page.connections.length <= 2);
            seen.push(...(page.connections ?? []).map(({ id }) => id));
            token = page.nextPageToken;
            assert.ok(i < 9);
        }
        assert.equal(seen.length, 9, 'none twice');
        assert.deepEqual(seen.sort(), [...ids.keys()].sort());
        for (const daemon of daemons()) {
            const { paths } = await get(daemon, '/gateway/v1/paths');
            assert.equal(paths.find(({ path }) => path === PATH).connections, '9');
        }
        assert.equal((await daemons()[0].manage('GET', CONNECTIONS, as('bob'))).status, 403);
        assert.equal((await daemons()[0].manage('GET', `${CONNECTIONS}?pageToken=node-1/x`, as('alice'))).status, 400);
        await Promise.all(open.map((c) => c.close()));
    });

    test('have the events, statistics and answers of all nodes', async () => {
        const clients = await Promise.all(daemons().map((daemon) => Client.open(daemon.url(PATH))));
        const before = await get(daemons()[0], '/registries/v1/registries');
        for (let i = 0; i < 12; i++) {
            const registry = registryOf(i % 4);
            const repository = `team/app-${i}`;
            const got = await daemons()[i % 3].post([push(repository, digestOf(repository), 'v1')], { registry });
            assert.equal(got.status, 202, got.text);
        }
        const events = await until('all events are known', async () => {
            const lists = await Promise.all(daemons().map((daemon) => get(daemon, '/gateway/v1/events?pageSize=1000')));
            const [all, ...others] = lists.map(({ events: list }) => list);
            for (const other of others) if (other.length !== all.length) return false;
            return new Set(all.filter(({ repository }) => /team\/app-/.test(repository)).map(({ repository }) => repository)).size === 12 && all;
        });
        const ids = events.map(({ eventId }) => eventId);
        assert.deepEqual(ids, [...ids].sort().reverse(), 'the newest first');
        const some = await get(daemons()[1], `/gateway/v1/events?pageSize=3&before=${ids[2]}`);
        assert.deepEqual(some.events.map(({ eventId }) => eventId), ids.slice(3, 6));
        await Promise.all(clients.map((c) => c.first(3))); // a tag each, of this registry

        const mine = events.find(({ registryId, eventType }) => registryId === registryOf(0) && eventType === 'CreateImageTag');
        for (const daemon of daemons()) {
            const told = await get(daemon, `/gateway/v1/events/${mine.eventId}`);
            assert.equal(told.repository, mine.repository);
            assert.equal(told.received.registryId, registryOf(0));
            const batch = told.batches.find(({ path }) => path === PATH);
            assert.equal(batch.delivered, true);
            assert.equal(batch.triggerName.length > 0, true);
        }
        assert.equal((await daemons()[0].manage('GET', `/gateway/v1/events/${mine.eventId.slice(0, 15)}00000`, as('alice'))).status, 404);

        for (const daemon of daemons()) {
            const { triggers } = await get(daemon, '/gateway/v1/triggers');
            const total = triggers.reduce((sum, one) => sum + Number(one.events), 0);
            assert.ok(total >= 12, `${total}`);
            const { registries } = await get(daemon, '/registries/v1/registries');
            for (const [i, registry] of registries.entries()) {
                const was = before.registries[i].answers.find(({ status }) => status === 202)?.count ?? 0;
                assert.equal(registry.answers.find(({ status }) => status === 202).count - was, 3, registry.id);
                assert.ok(Date.parse(registry.lastEventAt) > 0);
            }
        }
        await Promise.all(clients.map((c) => c.close()));
    });

    test('of what would become of a webhook are made by who knows the registry', async () => {
        const [one] = daemons();
        const registry = registryOf(1);
        const image = newImage('team/known');
        await one.post([image], { registry });
        const body = JSON.stringify({ events: [image] });
        const dry = (daemon) =>
            daemon.manage('POST', `/registries/v1/registries/${registry}:dryRun`, {
                ...as('alice'), body, headers: { 'Content-Type': 'application/vnd.docker.distribution.events.v1+json' },
            });
        await until('it is known', async () => {
            const got = await Promise.all(daemons().map(dry));
            for (const { status, text } of got) assert.equal(status, 200, text);
            const [first, ...others] = got.map(({ json }) => json);
            for (const other of others) assert.deepEqual(other, first);
            return first.derived === 0; // an image that is there already is nothing new
        });
        const other = await one.manage('POST', `/registries/v1/registries/${registry}:dryRun`, { ...as('alice'), body: JSON.stringify({ events: [push('team/new', image.target.digest, 'v1')] }) });
        assert.equal(other.status, 200, other.text);
    });
});

describe('a replay', limits, () => {
    test('reads the history of a path that no node has clients on', async () => {
        const path = '/one-1-0', repository = 'team/nobody-reads';
        const got = await daemons()[0].post([push(repository, digestOf(repository), 'v1')], { registry: registryOf(1) });
        assert.equal(got.status, 202, got.text);
        const { eventId } = await until('its event is known', async () => {
            const { events } = await get(daemons()[0], '/gateway/v1/events?pageSize=1000');
            return events.find((e) => e.repository === repository && e.eventType === 'CreateImageTag');
        });
        for (const daemon of daemons()) {
            const replayed = await until('its batch is there', async () => {
                const answer = await daemon.manage('POST', '/gateway/v1/replay', { ...as('alice'), body: { path, eventId } });
                assert.ok([200, 404].includes(answer.status), answer.text);
                return answer.status === 200 && answer.json;
            });
            assert.equal(replayed.messages, '1', 'not the replays');
        }
    });
});

describe('what is made on one node', limits, () => {
    test('is at once on the others', async () => {
        const [one, two, three] = daemons();
        const made = await one.manage('POST', '/triggers/v1/triggers', {
            ...as('alice'),
            body: {
                folderId: FOLDER,
                name: 'made-on-one',
                rule: {
                    containerRegistry: {
                        eventType: ['CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE'],
                        registryId: registryOf(2),
                        batchSettings: { size: '1', cutoff: '1s' },
                        gatewayWebsocketBroadcast: { gatewayId: GATEWAY, path: PATH, serviceAccountId: BROADCASTER },
                    },
                },
            },
        });
        assert.equal(made.status, 200, made.text);
        const { triggerId } = made.json.metadata;
        const found = await until('node 2 has it', async () => {
            const got = await two.manage('GET', `/triggers/v1/triggers/${triggerId}`, as('alice'));
            return got.status === 200 && got.json;
        });
        assert.equal(found.name, 'made-on-one');
        await until('node 3 has the operation', async () => (await three.manage('GET', `/operations/${made.json.id}`, as('alice'))).status === 200);
        const client = await Client.open(two.url(PATH));
        await three.post([newImage('team/of-trigger')], { registry: registryOf(2) });
        const [text] = await client.first(1);
        assert.match(text, /team\/of-trigger/);
        assert.equal((await three.manage('DELETE', `/triggers/v1/triggers/${triggerId}`, as('alice'))).status, 200);
        await until('node 1 has it no more', async () => (await one.manage('GET', `/triggers/v1/triggers/${triggerId}`, as('alice'))).status === 404);
        await client.close();
    });

    test('a session of the console among it', async () => {
        const [one, two, three] = daemons();
        const got = await one.manage('POST', '/console/session', { body: { token: 't1.alice' } });
        assert.equal(got.status, 200, got.text);
        const [cookie] = got.headers['set-cookie'][0].split(';');
        const headers = { Cookie: cookie, 'x-csrf-token': got.json.csrfToken };
        for (const daemon of [two, three]) {
            const session = await daemon.manage('GET', '/console/session', { headers });
            assert.equal(session.status, 200, session.text);
            assert.equal(session.json.subject, 'alice');
            assert.equal(session.json.csrfToken, got.json.csrfToken);
        }
        assert.equal((await two.manage('DELETE', '/console/session', { headers })).status, 200);
        await until('it has ended on node 3, too', async () => (await three.manage('GET', '/console/session', { headers })).status === 401);
    });
});
