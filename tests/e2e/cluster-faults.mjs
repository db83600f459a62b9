// What can happen to a cluster, by name: each fault lasts for a while under load, and is over when it returns.
// Those of the network need hosts of their own (netns.mjs).
import { PREFIX } from './cluster.mjs';
import { pause } from './harness.mjs';
import { below } from './ledger.mjs';

const pick = (cluster, list) => list[below(cluster.rng, list.length)];

async function last({ accounts }, ms) {
    const end = performance.now() + ms;
    for (let left; (left = end - performance.now()) > 0; ) {
        await pause(Math.min(1000, left));
        accounts.move(0.2);
    }
}

const leader = ({ cluster }, stream = pick(cluster, ['EV', 'IN', 'BAT', 'REC'])) => cluster.nats.leaderOf(`${PREFIX}_${stream}`);

async function without(ctx, server, ms) {
    await last(ctx, ms);
    server.begin();
    await server.ready(120000);
}

export const OF_PROCESSES = {
    'a node is killed': async (ctx, ms) => {
        const node = pick(ctx.cluster, ctx.cluster.nodes);
        await node.kill();
        await last(ctx, ms);
        await node.start();
    },
    'a node is restarted': async (ctx, ms) => {
        const node = pick(ctx.cluster, ctx.cluster.nodes);
        await node.stop();
        await node.start();
        await last(ctx, ms);
    },
    'a node stops in its tracks': async (ctx, ms) => {
        const node = pick(ctx.cluster, ctx.cluster.nodes);
        node.pause();
        await last(ctx, ms);
        node.resume();
    },
    'all nodes are killed': async (ctx, ms) => {
        await Promise.all(ctx.cluster.nodes.map((node) => node.kill()));
        await Promise.all(ctx.cluster.nodes.map((node) => node.start()));
        await last(ctx, ms);
    },
    'a leader is killed': async (ctx, ms) => {
        const server = await leader(ctx);
        await server.kill();
        await without(ctx, server, ms);
    },
    'a server is killed': async (ctx, ms) => {
        const server = pick(ctx.cluster, ctx.cluster.nats.servers);
        await server.kill();
        await without(ctx, server, ms);
    },
    'a leader stops in its tracks': async (ctx, ms) => {
        const server = await leader(ctx);
        server.pause();
        await last(ctx, ms);
        server.resume();
    },
    'a server loses its disk': async (ctx, ms) => {
        const server = pick(ctx.cluster, ctx.cluster.nats.servers);
        await server.kill();
        server.wipe();
        await without(ctx, server, ms);
    },
    'all servers are stopped': async (ctx, ms) => {
        await ctx.cluster.nats.stop();
        await last(ctx, ms);
        await ctx.cluster.nats.begin(120000);
    },
    'all servers are killed': async (ctx, ms) => {
        await ctx.cluster.nats.kill();
        await last(ctx, ms);
        await ctx.cluster.nats.begin(120000);
    },
};

// `rules` is called once, or with `flap` again and again; then all is as before.
async function network(ctx, ms, rules, flap = false) {
    for (const end = performance.now() + ms; performance.now() < end; ) {
        await rules();
        await last(ctx, flap ? 1000 : ms);
        for (const host of [...ctx.servers, ...ctx.nodes]) host.heal();
        if (flap) await last(ctx, 1000);
    }
}

// The host of a leader, and those of the other servers.
async function leading(ctx) {
    const host = ctx.servers[ctx.cluster.nats.servers.indexOf(await leader(ctx, 'EV'))];
    return [host, ctx.servers.filter((one) => one !== host)];
}

const oneNode = (rule, flap) => (ctx, ms) => {
    const host = pick(ctx.cluster, ctx.nodes);
    return network(ctx, ms, () => rule(host, ctx.servers), flap);
};
const oneLeader = (rule, flap) => async (ctx, ms) => {
    const [host, others] = await leading(ctx);
    await network(ctx, ms, () => rule(host, others), flap);
};

export const OF_NETWORK = {
    'a node is cut off, packets vanish': oneNode((host, servers) => host.cut(servers)),
    'a node is cut off, packets are refused': oneNode((host, servers) => host.cut(servers, 'reject')),
    'a node hears nothing': oneNode((host, servers) => host.deafen(servers)),
    'a node is not heard': oneNode((host, servers) => host.mute(servers)),
    'a node comes and goes': oneNode((host, servers) => host.cut(servers), true),
    'each node misses another server': (ctx, ms) => network(ctx, ms, () => ctx.nodes.forEach((node, i) => node.cut([ctx.servers[i]]))),
    'the leader is cut off from the other servers': oneLeader((host, others) => host.cut(others)),
    'the leader is refused by the other servers': oneLeader((host, others) => host.cut(others, 'reject')),
    'the leader hears no other server': oneLeader((host, others) => host.deafen(others)),
    'the leader is not heard by the others': oneLeader((host, others) => host.mute(others)),
    'the leader comes and goes': oneLeader((host, others) => host.cut(others), true),
    'all servers are cut off from each other': (ctx, ms) =>
        network(ctx, ms, () => ctx.servers.forEach((one) => one.cut(ctx.servers.filter((other) => other !== one)))),
    'all servers are cut off from all nodes': (ctx, ms) => network(ctx, ms, () => ctx.servers.forEach((one) => one.cut(ctx.nodes))),
};
