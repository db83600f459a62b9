// --move-from: what a single node has kept goes on in a cluster, as if that had always been there. Clients come
// back with the ids they have, triggers send what they had gathered, registries find the catalog as it was.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { LEASE_MS, PREFIX } from './cluster.mjs';
import { command } from './command.mjs';
import {
    Client,
    Daemon,
    FOLDER,
    REGISTRY,
    defer,
    digestOf,
    makeConfig,
    newImage,
    push,
    summary,
    tempDir,
    trigger,
    until,
    writeConfig,
} from './harness.mjs';
import { OLDEST_ID, Service, checkGone } from './journal.mjs';
import { NatsClient } from './nats-client.mjs';
import { Nats, PASSWORD, USER } from './nats.mjs';

const limits = { timeout: 180000 };
const OTHER = 'crtregistry000000002';
const FEW = 3; // messages of /few
const ids = [REGISTRY, OTHER].map((id) => ({ id, kind: 'distribution' }));
const TRIGGERS = `/triggers/v1/triggers?folderId=${FOLDER}`;
const LETTERS = '/registries/v1/letters';

const GATEWAY = {
    paths: ['/one', '/both', '/five', '/paused', '/empty', { path: '/few', history_count: FEW, max_lag_age: '400ms' }],
    ping_interval: '10m',
};

function single() {
    return makeConfig({
        gateway: GATEWAY,
        registries: ids,
        triggers: [
            trigger('one', { path: '/one' }),
            trigger('both-1', { path: '/both' }),
            trigger('both-2', { path: '/both', registry: OTHER, size: 2, cutoff: '60s' }),
            trigger('five', { path: '/five', size: 5, cutoff: '60s', types: ['CREATE_IMAGE'] }),
            trigger('paused', { path: '/paused', size: 3, cutoff: '60s', types: ['CREATE_IMAGE'] }),
            trigger('few', { path: '/few' }),
        ],
    });
}

function clustered(nats, i, over = {}) {
    const secret = join(tempDir(), 'nats.password');
    writeFileSync(secret, `${PASSWORD}\n`, { mode: 0o600 });
    return {
        ...single(),
        engine: 'nats',
        nats: {
            urls: nats.urls,
            user: USER,
            password_file: secret,
            prefix: PREFIX,
            node: `node-${i + 1}`,
            replicas: nats.replicas,
            lease_ttl: `${LEASE_MS}ms`,
            sync_interval: '1s',
            intake_bytes: '64MiB',
            events_bytes: '256MiB',
            batches_bytes: '256MiB',
            ...over,
        },
    };
}

const idsOf = (text) => JSON.parse(text).messages.map((one) => one.event_metadata.event_id);

// All files of a directory, with what is in them. The memory that processes share of the database is none.
function filesOf(dir) {
    const all = {};
    for (const name of readdirSync(dir).sort()) {
        const file = join(dir, name);
        if (!statSync(file).isFile() || name.endsWith('-shm')) continue;
        all[name] = createHash('sha256').update(readFileSync(file)).digest('hex');
    }
    return all;
}

const moveFrom = (config, dir, options) => command(['--config', writeConfig(config), '--move-from', dir], { timeout: 60000, ...options });
const triggersOf = async (daemon) => (await daemon.manage('GET', TRIGGERS)).json.triggers;
const lettersOf = async (daemon) =>
    ((await daemon.manage('GET', LETTERS)).json.letters ?? []).map(({ letterId, id, reason, registryId }) => [letterId ?? id, reason, registryId]);

async function setPaused(daemon, name, action) {
    const { id } = (await triggersOf(daemon)).find((one) => one.name === name);
    assert.equal((await daemon.manage('POST', `/triggers/v1/triggers/${id}:${action}`)).status, 200);
}

// Who comes before the shards and streams are there is sent away, and comes again.
async function opened(daemon, target, options) {
    for (const began = Date.now(); ; ) {
        try {
            return await Client.open(daemon.url(target), options);
        } catch (error) {
            assert.match(error.message, /Unexpected server response: 503/);
            assert.ok(Date.now() - began < 30000, 'nobody is let in');
        }
    }
}

// All that a path has, as a client gets it who asks for it from the first on.
async function historyOf(daemon, path, n) {
    const client = await opened(daemon, `${path}?since=earliest`);
    await client.first(n);
    client.terminate();
    return client.messages;
}

// A single node with something of everything, and what is known of it.
async function life(t) {
    const service = await Service.start(t, single());
    const d = service.daemon;
    const sent = { one: [], other: [] };
    const post = async (list, events, registry) => {
        const got = await d.post(events, { registry });
        assert.equal(got.status, 202, got.text);
        list.push(...events);
    };
    const watcher = await Client.open(d.url('/one'));
    for (let i = 0; i < 8; i++) await post(sent.one, [push('team/app', digestOf(`app ${i}`), i < 2 ? 'latest' : undefined)]);
    for (let i = 0; i < 5; i++) await post(sent.other, [newImage('other/app')], OTHER);
    const got = await d.post([{ ...newImage('team/strange'), target: { repository: 'team/strange', mediaType: 'application/vnd.oci.image.manifest.v1+json' } }]);
    assert.equal(got.json.set_aside, 1, got.text);
    // What came before the pause is sent, and nothing that comes behind it.
    await post(sent.one, [newImage('team/before'), newImage('team/before')]);
    await setPaused(d, 'paused', 'pause');
    await post(sent.one, [newImage('team/behind')]);
    const created = (list) => list.filter(({ target }) => target.digest).length;
    await watcher.first(created(sent.one) + 3, 20000); // and for `latest`: set, set again and taken away
    // `both` has the registry's, and of the other one those in full batches.
    const histories = {};
    histories['/one'] = await historyOf(d, '/one', watcher.messages.length);
    histories['/both'] = await historyOf(d, '/both', watcher.messages.length + 2);
    histories['/five'] = await historyOf(d, '/five', 2);
    histories['/paused'] = await historyOf(d, '/paused', 4);
    await until(`no more than ${FEW} on /few`, () => Number(service.ask("SELECT count FROM paths WHERE name = '/few'")) === FEW);
    const few = await Client.open(`${d.url('/few')}?since=earliest`);
    await few.first(FEW);
    histories['/few'] = few.messages;
    few.terminate();
    watcher.terminate();
    const known = { sent, histories, first: idsOf(watcher.messages[0])[0], triggers: await triggersOf(d), letters: await lettersOf(d) };
    assert.equal(known.letters.length, 1);
    return { service, known, dir: service.dataDir };
}

async function nodesOf(t, nats, n = 2) {
    const nodes = [];
    for (let i = 0; i < n; i++) {
        const daemon = await Daemon.start(clustered(nats, i));
        defer(t, () => daemon.stop({ timeout: 40000 }));
        nodes.push(daemon);
    }
    return nodes;
}

async function setUp(t, options) {
    const nats = await Nats.start({ servers: 1, ...options });
    defer(t, () => nats.kill());
    return nats;
}

// Every message of the single node, to the byte, from any node, from wherever a client had got to.
async function checkHistories(nodes, { histories, first }) {
    for (const [path, texts] of Object.entries(histories)) {
        for (const node of nodes) {
            assert.deepEqual((await historyOf(node, path, texts.length)).slice(0, texts.length), texts, `${path}, all`);
            for (let at = 0; at < texts.length; at += Math.ceil(texts.length / 4)) {
                const since = idsOf(texts[at]).at(-1);
                const client = await opened(node, `${path}?since=${since}`);
                const rest = await client.first(texts.length - at - 1);
                assert.deepEqual(rest, texts.slice(at + 1), `${path}, behind message ${at}`);
                client.terminate();
            }
        }
    }
    for (const node of nodes) {
        await checkGone(node, 'older than what /few keeps', { path: '/few', since: first });
        await checkGone(node, 'older than everything', { path: '/one', since: OLDEST_ID });
        await checkGone(node, 'of before a path was', { path: '/empty', since: OLDEST_ID });
    }
}

const digestsOf = (events) => events.map(({ target }) => target.digest);

// The digests of a registry's events that a client has got, at least so many.
async function gathered(client, n, registry = REGISTRY) {
    const all = () => summary(client.messages.filter((text) => text.includes(registry)), registry).map(([, , digest]) => digest);
    await until(() => `${n} events of ${registry}, not ${all().length}`, () => all().length >= n, 30000);
    return all();
}

// Each node takes part: events go in here and come out there.
async function checkGoesOn([a, b], known) {
    const { histories } = known;
    const last = idsOf(histories['/one'].at(-1)).at(-1);
    const one = await opened(b, `/one?since=${last}`);
    const five = await opened(a, `/five?since=${idsOf(histories['/five'].at(-1)).at(-1)}`);
    const paused = await opened(b, `/paused?since=${idsOf(histories['/paused'].at(-1)).at(-1)}`);
    const both = await opened(a, `/both?since=${idsOf(histories['/both'].at(-1)).at(-1)}`);
    // Nothing is new of what was there: a registry's retry, an image that is pushed again, a tag that moves.
    assert.equal((await b.post([known.sent.one[0]])).status, 202);
    assert.equal((await a.post([push('team/app', digestOf('app 3'), 'latest')])).status, 202);
    const moved = summary(await one.first(2));
    assert.deepEqual(moved.map(([type, , digest]) => [type, digest]), [
        ['DeleteImageTag', digestOf('app 1')],
        ['CreateImageTag', digestOf('app 3')],
    ]);
    const fresh = Array.from({ length: 5 }, () => newImage('team/new'));
    for (const event of fresh) assert.equal((await b.post([event])).status, 202);
    const next = await one.first(7);
    assert.deepEqual(summary(next).slice(2).map(([, , digest]) => digest), digestsOf(fresh));
    for (const text of next) for (const id of idsOf(text)) assert.ok(id > last, `${id} comes behind ${last}`);
    // Of its 11 images two messages of five were sent. The one that waited was sent when the node was stopped, or
    // waits for others.
    assert.deepEqual((await gathered(five, 5)).slice(0, 5), [...digestsOf(known.sent.one.slice(-1)), ...digestsOf(fresh.slice(0, 4))]);
    // What came before the pause was sent with it; what came behind it is not the trigger's.
    await setPaused(a, 'paused', 'resume');
    const after = Array.from({ length: 3 }, () => newImage('team/after'));
    for (const event of after) assert.equal((await a.post([event])).status, 202);
    assert.deepEqual(await gathered(paused, 3), digestsOf(after));
    // Of the other registry's five one waited.
    const others = [newImage('other/app'), newImage('other/app')];
    for (const event of others) assert.equal((await b.post([event], { registry: OTHER })).status, 202);
    const pairs = await gathered(both, 2, OTHER);
    assert.deepEqual(pairs.slice(0, 2), [...digestsOf(known.sent.other.slice(-1)), ...digestsOf(others.slice(0, 1))]);
    for (const client of [one, five, paused, both]) client.terminate();
}

const counts = (ran) => ran.out.join('\n');

describe('a single node that becomes several', limits, () => {
    for (const how of ['stopped', 'killed'])
        test(`is moved, ${how}`, limits, async (t) => {
            const nats = await setUp(t, { servers: how === 'killed' ? 3 : 1 });
            const { service, known, dir } = await life(t);
            const busy = await moveFrom(clustered(nats, 0), dir);
            assert.equal(busy.code, 75, busy.err.join('\n'));
            assert.match(busy.err.at(-1), new RegExp(`regcastd \\(pid ${service.daemon.pid}\\) runs on .*stop it first`));
            if (how === 'killed') await service.kill();
            else await service.daemon.stop();
            const before = filesOf(dir);
            const target = clustered(nats, 0);
            const ran = await moveFrom(target, dir);
            assert.equal(ran.code, 0, [...ran.out, ...ran.err].join('\n'));
            assert.match(counts(ran), /6 triggers/);
            assert.match(counts(ran), /1 dead letters/);
            assert.deepEqual(filesOf(dir), before, 'it is as it was');
            assert.ok(!existsSync(join(target.data_dir, 'moving')), 'the copy is gone');
            const again = await moveFrom(clustered(nats, 1), dir);
            assert.deepEqual([again.code, again.out], [0, [`${dir} has been moved already: nothing was done`]]);

            const nodes = await nodesOf(t, nats);
            assert.deepEqual(await triggersOf(nodes[0]), known.triggers);
            assert.deepEqual(await triggersOf(nodes[1]), known.triggers);
            for (const node of nodes) await until('the dead letter', async () => (await lettersOf(node)).length === 1);
            assert.deepEqual(await lettersOf(nodes[1]), known.letters);
            await checkHistories(nodes, known);
            await checkGoesOn(nodes, known);
            // The old one can still go back.
            const old = await service.start();
            assert.deepEqual(await historyOf(old, '/one', known.histories['/one'].length), known.histories['/one']);
        });

    test('is moved again after a move that was broken off anywhere, and nobody looks in meanwhile', limits, async (t) => {
        const nats = await setUp(t);
        const { service, known, dir } = await life(t);
        await service.kill();
        const target = clustered(nats, 0);
        for (const point of ['begun', 'records', 'paths', 'shards', 'done']) {
            const ran = await moveFrom(target, dir, { env: { REGCAST_CRASH: `move.${point}:1` } });
            assert.equal(ran.signal, 'SIGKILL', `${point}: ${ran.err.join('\n')}`);
            if (point !== 'paths') continue;
            const said = [];
            const early = Daemon.start(clustered(nats, 1)).then(() => said.push('it is ready'), (error) => said.push(error.message));
            await early;
            assert.match(said[0], /waiting for a move into the cluster/);
        }
        const ran = await moveFrom(target, dir);
        assert.equal(ran.code, 0, ran.err.join('\n'));
        assert.match(counts(ran), /moved already/);
        const nodes = await nodesOf(t, nats);
        assert.deepEqual(await triggersOf(nodes[1]), known.triggers);
        await checkHistories(nodes, known);
        await checkGoesOn(nodes, known);
    });

    test('is not moved among what is there', limits, async (t) => {
        const nats = await setUp(t);
        const { service, dir } = await life(t);
        await service.daemon.stop();
        const [node] = await nodesOf(t, nats, 1);
        const running = await moveFrom(clustered(nats, 1), dir);
        assert.equal(running.code, 73, running.err.join('\n'));
        assert.match(running.err.at(-1), /in use already: stream regcast_REC/);
        await node.stop({ timeout: 40000 });
        const look = await NatsClient.open(nats.servers[0]);
        defer(t, () => look.close());
        const before = await look.streamState(`${PREFIX}_REC`);
        const stopped = await moveFrom(clustered(nats, 1), dir);
        assert.equal(stopped.code, 73, stopped.err.join('\n'));
        assert.deepEqual(await look.streamState(`${PREFIX}_REC`), before);
        // Nor over what was moved there before, when the single node has gone on since.
        const other = clustered(nats, 2, { prefix: 'second' });
        assert.equal((await moveFrom(other, dir)).code, 0);
        const d = await service.start();
        assert.equal((await d.post([newImage('team/app')])).status, 202);
        await d.stop();
        const later = await moveFrom(other, dir);
        assert.equal(later.code, 73);
        assert.match(later.err.at(-1), /an earlier state of this, was moved into the cluster before/);
    });

    test('needs a journal, a cluster, and servers that answer', limits, async (t) => {
        const nats = await setUp(t);
        const empty = tempDir();
        const none = await moveFrom(clustered(nats, 0), empty);
        assert.equal(none.code, 74);
        assert.match(none.err.at(-1), /there is no journal of a single node/);
        assert.deepEqual(readdirSync(empty), []);
        const same = await moveFrom(single(), empty);
        assert.equal(same.code, 78);
        assert.match(same.err.at(-1), /engine: nats/);
        assert.equal((await command(['--move-from'])).code, 64);
    });
});
