// Nodes and nats-servers that die, stop in their tracks, come and go (security list RL-24 and RL-25), with an
// account of all that was acknowledged. By default a sample; all of it with REGCAST_SWEEP=1.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { WallClock } from './clock.mjs';
import { Accounts, Cluster, LEASE_MS, PREFIX, registryOf } from './cluster.mjs';
import { Client, REGCASTD, REGCASTD_FAST, defer, digestOf, pause, push, tempDir, until } from './harness.mjs';
import { SEED, SWEEP, below } from './ledger.mjs';
import { DOMAIN } from './nats.mjs';

const limits = { timeout: SWEEP ? 1200000 : 120000 };
const whole = { ...limits, skip: !SWEEP && 'scripts/test --crash' };
const FROZEN_MS = SWEEP ? 60000 : 6000;
const TAKEOVER_MS = { [LEASE_MS]: 3000, 10000: 12000 }; // of a shard whose owner is gone, by nats.lease_ttl

async function setUp(t, options = {}) {
    const { accounts: of = {}, ...rest } = options;
    const cluster = await Cluster.start({ bin: REGCASTD_FAST, seed: SEED, ...rest });
    let fine = false;
    const accounts = new Accounts(cluster, { seed: SEED, ...of });
    defer(t, () => (fine ? null : accounts.end()));
    await accounts.begin();
    await accounts.goesOn(20);
    const judged = async (how) => {
        t.diagnostic(`${await accounts.judge(how)}; seed ${SEED}`);
        await cluster.stop();
        fine = true;
    };
    return { cluster, accounts, judged };
}

// Kills a node and starts it again. Meanwhile its shards go to others.
async function killNode({ cluster, accounts }, node) {
    await node.kill();
    accounts.move();
    await accounts.goesOn();
    await node.start();
    await accounts.goesOn();
}

async function freeze({ accounts }, one, ms) {
    one.pause();
    accounts.move();
    await pause(ms);
    one.resume();
    accounts.move();
    await accounts.goesOn();
}

async function killLeader({ cluster, accounts }, stream = 'EV') {
    const leader = await cluster.nats.leaderOf(`${PREFIX}_${stream}`);
    await leader.kill();
    await accounts.goesOn();
    leader.begin();
    await leader.ready(60000);
    accounts.move();
    await accounts.goesOn();
}

describe('a cluster', limits, () => {
    test('is one: any node takes any webhook and any client', limits, async (t) => {
        const { cluster, judged } = await setUp(t, { bin: REGCASTD, each: 3, accounts: { each: 3 } });
        const owners = await cluster.balanced();
        assert.equal(owners.size, 64);
        await judged();
    });

    test('loses nothing when nodes and servers die or stop in their tracks', limits, async (t) => {
        const all = await setUp(t);
        const { cluster, accounts, judged } = all;
        await killNode(all, cluster.nodes[below(cluster.rng, 3)]);
        await killLeader(all);
        await freeze(all, cluster.nodes[below(cluster.rng, 3)], FROZEN_MS);
        await accounts.goesOn();
        await cluster.balanced();
        await judged();
    });

    test('lives through many such faults', whole, async (t) => {
        const all = await setUp(t);
        const { cluster, accounts, judged } = all;
        for (let round = 0; round < 10; round++) {
            await killNode(all, cluster.nodes[round % 3]);
            await killLeader(all, ['EV', 'IN', 'BAT', 'REC'][round % 4]);
            await freeze(all, cluster.nodes[(round + 1) % 3], 12000);
            await freeze(all, await cluster.nats.leaderOf(`${PREFIX}_EV`), 12000);
            await accounts.goesOn();
        }
        await judged();
    });

    test('lives through a node and a server that are gone at once', whole, async (t) => {
        const all = await setUp(t);
        const { cluster, accounts, judged } = all;
        const leader = await cluster.nats.leaderOf(`${PREFIX}_EV`);
        await Promise.all([cluster.nodes[0].kill(), leader.kill()]);
        accounts.move();
        await accounts.goesOn();
        leader.begin();
        await Promise.all([leader.ready(60000), cluster.nodes[0].start()]);
        await judged();
    });

    for (const how of ['stop', 'kill'])
        test(`lives through a restart of all servers (${how})`, whole, async (t) => {
            const { cluster, accounts, judged } = await setUp(t);
            await cluster.nats[how]();
            await pause(15000); // what comes meanwhile is in the outboxes
            await cluster.nats.begin(60000);
            await accounts.goesOn(20, 60000);
            await judged();
        });

    test('comes back when the servers were gone for longer than clients usually wait', whole, async (t) => {
        const { cluster, accounts, judged } = await setUp(t);
        await cluster.nats.stop();
        await pause(150000);
        await cluster.nats.begin(60000);
        await accounts.goesOn(20, 60000);
        await judged();
    });

    test('survives the loss of one server\'s disk', whole, async (t) => {
        const { cluster, accounts, judged } = await setUp(t);
        for (const server of cluster.nats.servers) {
            await server.kill();
            server.wipe();
            await accounts.goesOn();
            server.begin();
            await server.ready(120000);
            accounts.move();
            await accounts.goesOn();
        }
        await judged();
    });

    for (const name of ['BAT', 'EV', 'IN'])
        test(`notices that somebody has made a stream anew (${name})`, whole, async (t) => {
            const cluster = await Cluster.start({ bin: REGCASTD_FAST, seed: SEED });
            defer(t, () => cluster.end());
            const [node, other] = cluster.nodes;
            const [registry, path] = [registryOf(0), node.config.gateway.paths[0].path];
            const first = await node.daemon.post([push('team/app', digestOf('before'), 'before')], { registry });
            assert.equal(first.status, 202, first.text);
            await pause(6000); // they look at the streams every five seconds
            const c = await cluster.look();
            const { config } = await c.api(`STREAM.INFO.${PREFIX}_${name}`);
            await c.api(`STREAM.DELETE.${PREFIX}_${name}`);
            await c.api(`STREAM.CREATE.${PREFIX}_${name}`, config);
            await c.close();
            for (const one of cluster.nodes)
                await until(
                    () => `a word of ${one.name}\n${cluster.tail()}`,
                    () => one.daemon.logged({ level: 'error', msg: 'a stream has lost what it had acknowledged' }).length > 0,
                    20000,
                );
            const client = await Client.open(other.daemon.url(path));
            defer(t, () => client.terminate());
            const after = [push('team/app', digestOf('after'), 'after')];
            await until(() => `a place for it\n${cluster.tail()}`, async () => (await node.daemon.post(after, { registry })).status === 202, 30000);
            await until(() => `the next event\n${cluster.tail()}`, () => client.messages.some((text) => text.includes('"after"')), 30000);
            await cluster.stop();
        });

    test('does not mind wall clocks that step', whole, async (t) => {
        const { cluster, accounts, judged } = await setUp(t);
        const clocks = cluster.nodes.map(() => new WallClock());
        for (const [i, node] of cluster.nodes.entries()) {
            await node.stop();
            await node.start({ env: clocks[i].env });
        }
        for (const [i, when] of ['+30m', '-30m', '-1d', '-30d', '+0'].entries()) {
            clocks[i % 3].set(when);
            accounts.move();
            await accounts.goesOn(50);
        }
        await judged();
    });

    test('has a node at an edge site, behind a leaf node that comes and goes', whole, async (t) => {
        const { cluster, accounts, judged } = await setUp(t, { nats: { leafs: true } });
        const leaf = await cluster.nats.leaf();
        defer(t, () => leaf.kill());
        const edge = cluster.add({ bin: REGCASTD_FAST, over: { nats: { urls: [leaf.url], domain: DOMAIN } } });
        await edge.start();
        await cluster.balanced();
        accounts.move();
        await accounts.goesOn();
        await leaf.kill();
        await pause(10000);
        leaf.begin();
        await leaf.ready();
        await accounts.goesOn(50);
        await judged();
    });

    test('is restarted node by node and server by server without anybody noticing', whole, async (t) => {
        const { cluster, accounts, judged } = await setUp(t);
        for (const node of cluster.nodes) {
            await node.stop();
            await node.start();
            await accounts.goesOn();
        }
        for (const server of cluster.nats.servers) {
            await server.stop();
            server.begin();
            await server.ready(60000);
            await accounts.goesOn();
        }
        await judged();
    });
});

// A power cut of everything at once: what nodes and servers had not synced is gone. All servers are put back to
// where they were at one moment before (they are stopped while their stores are copied, so each copy is whole), as
// if none of them had written anything since; the nodes' disks are as they were at the end, because an outbox is
// synced before it acknowledges. What is put back is no more than twice `sync_interval`, which is what the
// outboxes keep. Clients may see again what was broadcast in that time, so only what is stored is judged.
describe('a power cut of all machines at once', () => {
    test('loses nothing that was acknowledged', whole, async (t) => {
        const cluster = await Cluster.start({ bin: REGCASTD_FAST, seed: SEED, syncInterval: '10s', nats: { syncInterval: '1s' } });
        const accounts = new Accounts(cluster, { seed: SEED, followers: 0 });
        defer(t, () => accounts.end());
        await accounts.begin();
        await accounts.goesOn(200);
        const copies = copyStores(cluster.nats.servers);
        await accounts.goesOn(200);
        const acked = accounts.each.map(({ ledger }) => ledger.entries.filter((entry) => entry.acked));
        await Promise.all([...cluster.nodes.map((node) => node.kill()), cluster.nats.kill()]);
        for (const [server, copy] of copies) {
            rmSync(server.storeDir, { recursive: true });
            cpSync(copy, server.storeDir, { recursive: true, preserveTimestamps: true });
        }
        await cluster.nats.begin(60000);
        await Promise.all(cluster.nodes.map((node) => node.start()));
        await accounts.goesOn(20, 60000);
        const n = acked.reduce((sum, list) => sum + list.length, 0);
        t.diagnostic(`${n} acknowledged before the cut; ${await accounts.judge({ ordered: false })}; seed ${SEED}`);
        await cluster.stop();
    });

    function copyStores(servers) {
        for (const server of servers) server.pause();
        const copies = servers.map((server) => {
            const copy = join(tempDir(), server.name);
            cpSync(server.storeDir, copy, { recursive: true, preserveTimestamps: true });
            return [server, copy];
        });
        for (const server of servers) server.resume();
        return copies;
    }
});

describe('the work is shared', () => {
    test('100 triggers of 20 registries and 1,000 paths, by nodes that come and go', whole, async (t) => {
        const spread = { registries: 20, each: 5, idle: 900 };
        const { cluster, accounts, judged } = await setUp(t, {
            ...spread,
            accounts: { registries: 20, each: 5, followers: 1, senders: 1 },
        });
        await cluster.balanced();
        const fourth = cluster.add({ bin: REGCASTD_FAST, ...spread });
        await fourth.start();
        const joined = performance.now();
        const owners = await cluster.balanced(15000);
        const took = performance.now() - joined;
        accounts.move();
        await accounts.goesOn();
        await fourth.stop();
        const left = performance.now();
        const after = await cluster.balanced(15000);
        t.diagnostic(`balanced ${Math.round(took)} ms after one came, ${Math.round(performance.now() - left)} ms after it left`);
        const moved = [...owners].filter(([shard, owner]) => owner !== fourth.name && after.get(shard) !== owner);
        assert.deepEqual(moved, [], 'those of others stay where they are');
        await judged();
    });

    for (const leaseMs of [LEASE_MS, 10000])
        test(`a node that vanishes is replaced within ${TAKEOVER_MS[leaseMs]} ms, with lease_ttl ${leaseMs} ms`, whole, async (t) => {
            const { cluster, judged } = await setUp(t, { leaseMs });
            const owners = await cluster.balanced();
            for (const node of cluster.nodes) {
                const own = [...owners].filter(([, owner]) => owner === node.name).map(([shard]) => shard);
                const gone = performance.now();
                await node.kill();
                await until(
                    `others for ${own}`,
                    async () => {
                        const now = await cluster.owners();
                        return own.every((shard) => now.has(shard) && now.get(shard) !== node.name);
                    },
                    30000,
                );
                const took = performance.now() - gone;
                t.diagnostic(`${node.name}: ${Math.round(took)} ms for ${own.length} shards`);
                assert.ok(took < TAKEOVER_MS[leaseMs], `${took} ms`);
                await node.start();
                await cluster.balanced(30000);
            }
            await judged();
        });

    test('a node that comes back finds its clients again within ten seconds', whole, async (t) => {
        const { cluster, judged } = await setUp(t);
        const n = 3000;
        const paths = cluster.nodes[0].config.gateway.paths.map(({ path }) => path);
        const crowd = [];
        defer(t, () => crowd.forEach((c) => c.terminate()));
        const join = async (daemon, path) => {
            const began = performance.now();
            crowd.push(await Client.open(`${daemon.url(path)}?since=earliest`));
            return performance.now() - began;
        };
        await cluster.nodes[0].kill();
        await cluster.nodes[0].start();
        const times = await Promise.all(
            Array.from({ length: n }, async (_, i) => {
                await pause((i / n) * 3000); // whoever was cut off waits a little, at random
                return join(cluster.nodes[0].daemon, paths[i % paths.length]);
            }),
        );
        const p99 = times.sort((a, b) => a - b)[Math.floor(n * 0.99)];
        t.diagnostic(`${n} clients with all of the history: p99 ${Math.round(p99)} ms`);
        assert.ok(p99 < 10000, `${p99} ms`);
        await judged();
    });
});
