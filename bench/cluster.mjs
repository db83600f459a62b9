// What several nodes cost and can do: three nats-servers and three nodes on this machine, beside a single node with the
// embedded engine and beside the servers alone. Prints a table, with --save also writes bench/results/DATE-cluster.*.
//   node bench/cluster.mjs [--bin DIR] [--only latency,accepted,takeover,idle] [--save]
// README.md says what the figures mean. Everything is on loopback and bounded; what was started is stopped.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';

const args = process.argv.slice(2);
const option = (name, other) => (args.includes(name) ? args[args.indexOf(name) + 1] : other);
const BIN = resolve(option('--bin', 'build/release'));
const PARTS = option('--only', 'latency,accepted,takeover,idle').split(',');
process.env.REGCASTD = join(BIN, 'regcastd'); // before the harness reads it

const { Client, Daemon, REGISTRY, digestOf, makeConfig, pause, push, trigger, until } = await import('../tests/e2e/harness.mjs');
const { Cluster, pathsOf, registryOf } = await import('../tests/e2e/cluster.mjs');
const { Nats } = await import('../tests/e2e/nats.mjs');
const { NatsClient } = await import('../tests/e2e/nats-client.mjs');

const PATH = pathsOf(0, 2)[0]; // of registry 0, a message per event
const CLIENTS = 30;
const SAMPLES = 400;
const REST_MS = 10;
const IDLE_PATHS = 30000; // a node takes 32,767
const TAKEOVERS = 3;

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
const say = (text) => process.stderr.write(`cluster: ${text}\n`);
const rows = []; // {figure, value, unit, beside, target, met}
const figures = {};

function report(figure, value, unit, { beside = '', target = '', met } = {}) {
    rows.push({ figure, value, unit, beside, target, met });
    figures[figure] = { value, unit, target, met };
    say(`${figure}: ${value} ${unit} ${beside}${met === undefined ? '' : met ? ' (met)' : ' (MISSED)'}`);
}

let images = 0;
const imageEvent = () => push('bench/app', digestOf(`${process.pid} ${images}`), `v${images++}`);

// From the first byte of a webhook to the last client's message, one webhook at a time. `daemons`: the clients
// spread over them, the webhooks go to each in turn.
async function latency(daemons, registry, path) {
    const clients = [];
    for (let i = 0; i < CLIENTS; i++) clients.push(await Client.open(daemons[i % daemons.length].url(path)));
    const took = [];
    for (let n = 0; n < SAMPLES; n++) {
        const daemon = daemons[n % daemons.length];
        const begun = performance.now();
        const last = Promise.all(clients.map((client) => client.first(n + 1, 15000).then(() => performance.now())));
        await daemon.accept([imageEvent()], { registry });
        took.push(Math.max(...(await last)) - begun);
        await pause(REST_MS);
    }
    await Promise.all(clients.map((client) => client.close()));
    took.splice(0, SAMPLES / 10);
    took.sort((a, b) => a - b);
    return { p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
}

async function measureLatency() {
    const alone = await Daemon.start(makeConfig({ gateway: { paths: [PATH] }, triggers: [trigger('tags', { path: PATH, types: ['CREATE_IMAGE_TAG'], size: 1 })] }));
    const single = await latency([alone], REGISTRY, PATH);
    await alone.stop();
    const c = await Cluster.start({ registries: 3, leaseMs: 10000 });
    try {
        await c.balanced(60000);
        const cluster = await latency(c.nodes.map(({ daemon }) => daemon), registryOf(0), PATH);
        const more = cluster.p50 - single.p50;
        report('webhook to the last of 30 clients on 3 nodes, p50', cluster.p50.toFixed(2), 'ms', {
            beside: `one node alone ${single.p50.toFixed(2)} ms: +${more.toFixed(2)} ms`,
            target: '<= the single node\'s + 2 ms',
            met: more <= 2,
        });
        report('the same, p99', cluster.p99.toFixed(2), 'ms', { beside: `one node alone ${single.p99.toFixed(2)} ms` });
    } finally {
        await c.stop();
    }
}

// bench_ingest against one daemon, in a process of its own.
function ingest(daemon, registry, perRequest, seconds) {
    const child = spawn(join(BIN, 'bench_ingest'), [
        '--publish', `127.0.0.1:${daemon.webhookPort}`, '--registry', registry, '--senders', '32',
        '--per-request', String(perRequest), '--warmup', '1', '--seconds', String(seconds), '--pid', String(daemon.pid),
    ], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (part) => (text += part));
    return new Promise((done, fail) => {
        child.on('error', fail);
        child.on('close', (status) => {
            if (status !== 0) fail(new Error(`bench_ingest ended with ${status}: ${text}`));
            else done(JSON.parse(text));
        });
    });
}

// Messages of `bytes` that the servers alone acknowledge in a second, `window` of them under way, by three clients.
async function serversAlone(nats, bytes, seconds) {
    const control = await NatsClient.open(nats.servers[0]);
    await control.api('STREAM.CREATE.LIMIT', {
        name: 'LIMIT', subjects: ['limit.*'], num_replicas: nats.replicas, storage: 'file', discard: 'old', max_bytes: 256 << 20,
    });
    await pause(1000);
    const data = Buffer.alloc(bytes, 'x');
    const until_ = performance.now() + seconds * 1000;
    let acked = 0;
    const one = async (k) => {
        const client = await NatsClient.open(nats.servers[k]);
        const inbox = `${client.inbox}.limit`;
        await new Promise((done) => {
            let open = 0;
            const more = () => {
                while (open < 256 && performance.now() < until_) {
                    open++;
                    client.publish(`limit.${k}`, data, { reply: inbox });
                }
                if (open === 0) done();
            };
            client.subscribe(inbox, () => {
                open--;
                acked++;
                more();
            });
            more();
        });
        await client.close();
    };
    await Promise.all([0, 1, 2].map((k) => one(k % nats.servers.length)));
    await control.api('STREAM.DELETE.LIMIT');
    await control.close();
    return acked / seconds;
}

async function measureAccepted() {
    const c = await Cluster.start({ registries: 3, leaseMs: 10000, over: { nats: { events_bytes: '4GiB', intake_bytes: '4GiB', batches_bytes: '4GiB', history_count: 1000 } } });
    try {
        await c.balanced(60000);
        const limit = await serversAlone(c.nats, 1024, 4);
        for (const perRequest of [1, 50]) {
            const runs = await Promise.all(c.nodes.map(({ daemon }, i) => ingest(daemon, registryOf(i), perRequest, 5)));
            const rate = runs.reduce((sum, run) => sum + run.events_per_second, 0);
            const refused = runs.reduce((sum, run) => sum + run.not_2xx, 0);
            report(`events accepted over 3 nodes, ${perRequest} to a webhook`, rate.toFixed(0), '1/s', {
                beside: `the servers alone ${limit.toFixed(0)} messages of 1 KB/s: ${(rate / limit).toFixed(2)}; refused ${refused}`,
                target: '>= 10,000/s, or 0.6 of the servers\' limit',
                met: rate >= 10000 || rate >= 0.6 * limit,
            });
            await pause(3000);
        }
    } finally {
        await c.stop();
    }
}

// From the kill of a registry's owner to the first message of a webhook posted after it, on another node.
async function takeover(leaseMs) {
    const took = [];
    for (let round = 0; round < TAKEOVERS; round++) {
        const c = await Cluster.start({ registries: 3, leaseMs, seed: round + 1 });
        try {
            await c.balanced(60000);
            const owners = await c.owners();
            const { createHash } = await import('node:crypto');
            const shard = createHash('sha256').update(registryOf(0)).digest()[0] % 64;
            const name = owners.get(`s${shard.toString(16).padStart(2, '0')}`);
            const victim = c.nodes.find((node) => node.name === name);
            const other = c.nodes.find((node) => node !== victim);
            const client = await Client.open(other.daemon.url(PATH));
            await other.daemon.accept([imageEvent()], { registry: registryOf(0) });
            await client.first(1);
            const begun = performance.now();
            await victim.kill();
            const { status, text } = await other.daemon.post([imageEvent()], { registry: registryOf(0) }); // queued: nobody reads it yet
            if (status !== 202) throw new Error(`${status}: ${text}`);
            await client.first(2, 60000);
            took.push(performance.now() - begun);
        } finally {
            await c.stop();
        }
    }
    return Math.max(...took) / 1000;
}

async function measureTakeover() {
    for (const [leaseMs, most] of [[10000, 12], [2000, 3]]) {
        const worst = await takeover(leaseMs);
        report(`takeover after kill -9, lease_ttl ${leaseMs / 1000}s, the longest of ${TAKEOVERS}`, worst.toFixed(1), 's', {
            target: `<= ${most} s`,
            met: worst <= most,
        });
    }
}

async function subscriptions(nats) {
    const all = await Promise.all(nats.servers.map((server) => server.ask('/varz')));
    return all.reduce((sum, { subscriptions: n }) => sum + n, 0);
}

async function measureIdle() {
    const counts = {};
    for (const n of [10, IDLE_PATHS]) {
        const c = await Cluster.start({ nodes: 1, servers: 1, registries: 1, idle: n });
        try {
            await c.balanced(60000);
            await pause(2000);
            const before = await subscriptions(c.nats);
            const client = await Client.open(c.nodes[0].daemon.url('/idle-7'));
            await until('a subscription for the path with a client', async () => (await subscriptions(c.nats)) > before);
            counts[n] = { before, after: await subscriptions(c.nats), rss: c.nodes[0].daemon.rssKb() };
            await client.close();
        } finally {
            await c.stop();
        }
    }
    const [few, many] = [counts[10], counts[IDLE_PATHS]];
    report(`subscriptions of a node with ${IDLE_PATHS} idle paths beside one with 10`, many.before - few.before, '', {
        beside: `a client on one of them adds ${many.after - many.before}; resident ${((many.rss - few.rss) / 1024).toFixed(0)} MB more`,
        target: '0',
        met: many.before - few.before <= 0,
    });
}

const MEASURE = { latency: measureLatency, accepted: measureAccepted, takeover: measureTakeover, idle: measureIdle };
for (const part of PARTS) await MEASURE[part]();

const table = [
    '| figure | value | beside | target | |', '|---|---|---|---|---|',
    ...rows.map((r) => `| ${r.figure} | ${r.value} ${r.unit} | ${r.beside} | ${r.target} | ${r.met === undefined ? '' : r.met ? 'met' : '**missed**'} |`),
].join('\n');
process.stdout.write(`${table}\n`);
if (args.includes('--save')) {
    const name = `bench/results/${new Date().toISOString().slice(0, 10)}-cluster`;
    const server = (await Nats.start({ servers: 1 }));
    const { version } = await server.servers[0].ask('/varz');
    await server.stop();
    const about = { cpu: cpus()[0].model, cores: cpus().length, nats: version };
    writeFileSync(`${name}.json`, `${JSON.stringify({ about, figures }, null, 1)}\n`);
    writeFileSync(`${name}.md`, `# Several nodes\n\n3 nats-servers ${version} (R3, sync_interval 1s) and 3 nodes on ${about.cores} cores of ${about.cpu}, all of it and the load client on the same cores.\n\n${table}\n`);
}
process.exit(rows.some(({ met }) => met === false) ? 1 : 0);
