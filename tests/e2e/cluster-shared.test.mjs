// What one node of several is told or dies over, and what the others make of it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { Cluster, registryOf } from './cluster.mjs';
import { command } from './command.mjs';
import { Client, REGCASTD, defer, digestOf, push, readMessage, until, within, writeConfig } from './harness.mjs';
import { ONE } from './ledger.mjs';

const limits = { timeout: 120000 };
const PATH = `${ONE}-0-0`;
const POISON = { env: { REGCAST_POISON: 'team/poison' } };
const TOKEN = 't1.shared_static_4410ab';
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

async function setUp(t, options) {
    const cluster = await Cluster.start({ bin: REGCASTD, nodes: 2, servers: 1, registries: 1, each: 1, ...options });
    defer(t, () => cluster.end());
    return cluster;
}

// Starts whoever is down until all stay up for what `check` says; how often they ended.
async function insist(cluster, check) {
    for (let ends = 0; ; ) {
        for (const node of cluster.nodes) {
            while (node.daemon === null) {
                await node.start(POISON).catch((error) => assert.match(error.message, /regcastd ended .*SIGABRT/s));
                if (node.daemon === null) ends++;
                assert.ok(ends <= 8, 'it ends at every start');
            }
        }
        const all = cluster.nodes.map(({ daemon }) => daemon);
        const died = Promise.race(all.map(({ dead }) => dead.then(() => true)));
        const got = await Promise.race([died, check().then(() => false, (error) => (cluster.nodes.some((n) => !n.daemon) ? true : Promise.reject(error)))]);
        if (!got) return ends;
        ends++;
        assert.ok(ends <= 8, 'they die over it for ever');
    }
}

// Who comes before the streams are there is sent away, and comes again.
async function opened(...args) {
    for (const began = Date.now(); ; ) {
        try {
            return await Client.open(...args);
        } catch (error) {
            assert.match(error.message, /Unexpected server response: 503/);
            assert.ok(Date.now() - began < 20000, 'nobody is let in');
        }
    }
}

describe('nodes that share their work', limits, () => {
    test('who is shut out by one node is shut out by all, at once', limits, async (t) => {
        const cluster = await setUp(t, {
            over: {
                gateway: {
                    auth: { tokens: [{ subject: 'bob', sha256: sha256(TOKEN) }] },
                    paths: [{ path: PATH, auth: 'token' }],
                },
            },
        });
        const [one, two] = cluster.nodes.map(({ daemon }) => daemon);
        const bearer = { headers: { Authorization: `Bearer ${TOKEN}` } };
        const clients = await Promise.all([one, two, two].map((d) => opened(d.url(PATH), bearer)));
        for (const c of clients) defer(t, () => c.terminate());
        const later = new Date(Date.now() + 3600000).toISOString();
                const got = await one.manage('POST', '/admin/v1/revocations', { body: { subject: 'bob', until: later } });
        assert.equal(got.status, 200, got.text);
        for (const c of clients)
            assert.deepEqual(await within(5000, 'an end', c.end), { code: 4003, reason: 'token_revoked' });
        await cluster.stop();
    });

    test('a webhook that ends its readers is set aside, and what comes behind it is sent', limits, async (t) => {
        const cluster = await setUp(t);
        for (const node of cluster.nodes) await node.stop();
        for (const node of cluster.nodes) await node.start(POISON);
        const registry = registryOf(0);
        const good = push('team/app', digestOf('good'), 'v1');
        // It is acknowledged by whoever takes it, unless that one reads it first.
        for (let taken = false; !taken; ) {
            await insist(cluster, async () => {});
            const bad = [push('team/poison', digestOf('bad'), 'v1')];
            taken = (await cluster.nodes[0].daemon.post(bad, { registry }).catch(() => null))?.status === 202;
        }
        let client;
        const ends = await insist(cluster, async () => {
            const d = cluster.nodes[0].daemon;
            client = await Client.open(`${d.url(PATH)}?since=earliest`);
            const got = await d.post([good], { registry });
            assert.equal(got.status, 202, got.text);
            const digests = () => client.messages.flatMap((text) => readMessage(text)).map((e) => e.digest);
            await until('what came behind it', () => digests().includes(good.target.digest), 20000);
        });
        t.diagnostic(`${ends} ends`);
        client.terminate();
        assert.ok(ends >= 1, 'it ended nobody');
        const letters = await cluster.nodes[1].daemon.manage('GET', '/registries/v1/letters');
        assert.equal(letters.status, 200, letters.text);
        assert.ok(letters.json.letters.length >= 1, letters.text);
        await cluster.stop();
    });

    test('none is taken over by another process of its own', limits, async (t) => {
        const cluster = await setUp(t, { nodes: 1 });
        const { config, daemon } = cluster.nodes[0];
        const ran = await command(['--config', writeConfig(config), '--takeover']);
        assert.equal(ran.code, 69, ran.err.join('\n'));
        assert.match(ran.err.join('\n'), /engine: nats cannot be taken over/);
        assert.equal((await daemon.request('GET', '/healthz')).status, 200);
        await cluster.stop();
    });
});
