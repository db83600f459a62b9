// Several nodes on one cluster of nats-servers: nodes that are killed, stopped in their tracks and started again
// like any other, senders and clients that find another one then, and the account of it all.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, pause, makeConfig, tempDir, until, within } from './harness.mjs';
import {
    Follower,
    LASTING,
    Ledger,
    Load,
    ONE,
    Place,
    SEVEN,
    accountTrigger,
    assertClean,
    below,
    judge,
    random,
} from './ledger.mjs';
import { NatsClient } from './nats-client.mjs';
import { Nats, PASSWORD, USER } from './nats.mjs';

export const registryOf = (i) => `crtregistry${String(i + 1).padStart(9, '0')}`;
export const PREFIX = 'regcast';
export const LEASE_MS = 2000; // the fast profile; tests that want another say so

// What a node says in its log, as an error, when others are not there.
const EXPECTED = [/nats/i, /stream/i, /lease/i, /shard/i, /outbox/i];

class Node extends Place {
    paused = false;

    constructor(cluster, i, { config, bin, place }) {
        super({ config, bin: place?.wrap ? place.wrap(bin) : bin });
        Object.assign(this, { cluster, name: config.nats.node, host: place?.host, i });
    }

    async start(options = {}) {
        const daemon = await super.start({ ...options, host: this.host });
        if (daemon) daemon.name = `${this.name}/${daemon.pid}`;
        return daemon;
    }

    get usable() {
        return this.daemon !== null && !this.paused;
    }

    pause() {
        this.daemon.child.kill('SIGSTOP');
        this.paused = true;
    }

    resume() {
        this.daemon?.child.kill('SIGCONT');
        this.paused = false;
    }

    // In order, as an operator does it; what it logged while others were not there is no failure.
    async stop() {
        const { daemon } = this;
        if (!daemon) return;
        this.resume();
        const errors = daemon.logged({ level: 'error' }).map(({ msg }) => msg);
        daemon.expectedErrors = [...daemon.expectedErrors, ...errors.filter((msg) => EXPECTED.some((one) => one.test(msg)))];
        await daemon.stop({ timeout: 40000 });
        await daemon.dead;
    }
}

// The paths of registry `k`, each with a trigger of its own.
export const pathsOf = (k, each) => Array.from({ length: each }, (_, i) => `${i % 2 ? SEVEN : ONE}-${k}-${i}`);

// The configuration of node `i`: `registries`, each with `each` paths and triggers, and `idle` paths beside
// them. `over` is laid over it.
export function nodeConfig(nats, i, { registries = 4, each = 2, idle = 0, leaseMs = LEASE_MS, syncInterval = '1s', host, over = {} } = {}) {
    const ids = Array.from({ length: registries }, (_, k) => registryOf(k));
    const named = ids.flatMap((id, k) => pathsOf(k, each).map((path) => [path, id]));
    const secret = join(tempDir(), 'nats.password');
    writeFileSync(secret, `${PASSWORD}\n`, { mode: 0o600 });
    const listen = [`${host ?? '127.0.0.1'}:0`];
    const { gateway = {}, nats: more = {}, ...rest } = over;
    return makeConfig({
        engine: 'nats',
        nats: {
            urls: nats.urls,
            user: USER,
            password_file: secret,
            prefix: PREFIX,
            node: `node-${i + 1}`,
            replicas: nats.replicas,
            lease_ttl: `${leaseMs}ms`,
            sync_interval: syncInterval,
            intake_bytes: '64MiB',
            events_bytes: '256MiB',
            batches_bytes: '256MiB',
            history_count: 1000000,
            ...more,
        },
        gateway: {
            listen,
            drain_timeout: '0s',
            paths: [
                ...named.map(([path]) => ({ path, ...LASTING })),
                ...Array.from({ length: idle }, (_, k) => `/idle-${k}`),
            ],
            ...gateway,
        },
        webhooks: { listen },
        registries: ids.map((id) => ({ id, kind: 'distribution' })),
        triggers: named.map(([path, id]) => accountTrigger(path, id)),
        ...rest,
    });
}

export class Cluster {
    nodes = [];
    shared = true; // ledger.mjs: an answer may leave open what became of it
    closed = false;
    kills = 0;
    // A node that starts, drains or cannot reach the servers refuses; one that was stopped says nothing.
    gone = /Unexpected server response: 503|not within 15000 ms: a handshake|EHOSTUNREACH|ETIMEDOUT|ENETUNREACH|closed before the connection/;

    // Options: `nodes`, `servers`: how many; `bin`; `nats`: options of Nats; `places`: of each node, as
    // netns.mjs has them; those of nodeConfig().
    static async start({ nodes = 3, servers = 3, bin, nats = {}, places = [], seed = 1, ...config } = {}) {
        const c = new Cluster();
        c.rng = random(seed);
        c.nats = await Nats.start({ servers, ...nats });
        try {
            for (let i = 0; i < nodes; i++) c.add({ bin, place: places[i], ...config });
            await Promise.all(c.nodes.map((node) => node.start()));
        } catch (error) {
            await c.end();
            error.message += `\n${c.nats.tail()}`;
            throw error;
        }
        return c;
    }

    // One node more, not started yet.
    add({ bin, place, ...config } = {}) {
        const i = this.nodes.length;
        const node = new Node(this, i, { bin, place, config: nodeConfig(this.nats, i, { host: place?.host, ...config }) });
        this.nodes.push(node);
        return node;
    }

    // A node's daemon, for one who may go to any; with a number, the same again while it can be used.
    async up(k) {
        for (;;) {
            if (this.closed) return null;
            const usable = this.nodes.filter((node) => node.usable);
            if (usable.length > 0) {
                if (k === undefined) return usable[below(this.rng, usable.length)].daemon;
                const own = this.nodes[k % this.nodes.length];
                return (own.usable ? own : usable[k % usable.length]).daemon;
            }
            await pause(5);
        }
    }

    // A client of the first server that runs.
    look() {
        return NatsClient.open(this.nats.servers.find((server) => server.pid !== null && !server.paused));
    }

    // Which node owns which shard: Map of shard -> node's name.
    async owners() {
        const c = await this.look();
        try {
            const found = new Map();
            for (const [key, value] of await c.values(`${PREFIX}_lease`)) found.set(key, ownerIn(value));
            return found;
        } finally {
            await c.close();
        }
    }

    // All shards have owners among the nodes that run, each no more than its share and a quarter.
    async balanced(ms = 15000) {
        const names = this.nodes.filter((node) => node.usable).map(({ name }) => name);
        let found;
        await until(
            () => `64 shards spread over ${names}: ${JSON.stringify([...(found ?? [])])}`,
            async () => {
                found = await this.owners();
                const counts = names.map((name) => [...found.values()].filter((owner) => owner === name).length);
                return found.size === 64 && counts.reduce((a, b) => a + b) === 64 && counts.every((n) => n > 0);
            },
            ms,
        );
        return found;
    }

    // Resident, of each node and server.
    memory() {
        const pids = [...this.nodes.map(({ daemon }) => daemon?.pid), ...this.nats.servers.map(({ pid }) => pid)];
        const kb = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
        return pids.map((pid) => (pid ? `${Math.round(kb(pid) / 1024)}` : '-')).join(', ') + ' MiB';
    }

    async stop() {
        this.closed = true;
        await Promise.all(this.nodes.map((node) => node.stop()));
        await this.nats.stop();
    }

    // However it stands: for tests that failed.
    async end() {
        this.closed = true;
        for (const node of this.nodes) {
            if (!node.daemon) continue;
            node.resume();
            await node.kill().catch(() => {});
        }
        await this.nats.kill();
    }

    // What those who run said last.
    tail() {
        const lines = this.nodes.flatMap((node) => [
            `--- ${node.name}`,
            ...(node.last?.logs.slice(-25).map((line) => JSON.stringify(line)) ?? []),
        ]);
        return [...lines, this.nats.tail()].join('\n');
    }
}

const ownerIn = (value) => /node-\d+/.exec(value)?.[0] ?? value;

// All messages of a path as a client who comes now gets them from one node, from the first on: so many events,
// and so many messages, at least.
async function whole(daemon, path, events, messages, ms) {
    let client; // a node that has just found the servers again refuses for a moment
    await until(
        () => `a connection to ${path} of ${daemon.name}`,
        async () => (client = await Client.open(`${daemon.url(path)}?since=earliest`).catch(() => null)),
        ms,
    );
    const count = () => client.messages.reduce((n, text) => n + JSON.parse(text).messages.length, 0);
    try {
        await until(
            () => `${events} events in ${messages} messages of ${path} from ${daemon.name} (now ${count()} in ${client.messages.length})`,
            () => client.messages.length >= messages && count() >= events,
            ms,
        );
        return client.messages;
    } finally {
        client.terminate();
    }
}

// The account of a cluster: each registry has its own ledger, senders, two paths and clients of both.
export class Accounts {
    constructor(cluster, { registries = 4, each = 2, followers = 2, senders = 2, twins = 0.05, rest = 20, seed = 1 } = {}) {
        this.cluster = cluster;
        this.each = Array.from({ length: registries }, (_, k) => {
            const rng = random(seed + k);
            const registry = registryOf(k);
            const ledger = new Ledger(`${registry} ${seed}`, 3, registry);
            const paths = pathsOf(k, each);
            const options = { back: 0.2, registry };
            return {
                ledger,
                paths,
                load: new Load(cluster, ledger, rng, { senders, twins, rest }),
                followers: paths.flatMap((path) =>
                    Array.from({ length: followers }, (_, i) => new Follower(cluster, path, rng, { ...options, v1: i % 2 === 1 })),
                ),
            };
        });
    }

    get followers() {
        return this.each.flatMap(({ followers }) => followers);
    }

    get acked() {
        return this.each.reduce((sum, { ledger }) => sum + ledger.acked, 0);
    }

    async begin() {
        await Promise.all(this.followers.map((one) => one.begin()));
        this.sending = Promise.all(this.each.map(({ load }) => load.run()));
        this.sending.catch(() => {});
    }

    // However it stands: for tests that failed.
    async end() {
        for (const { load } of this.each) load.stop();
        for (const one of this.followers) {
            one.finish();
            one.cut();
        }
        await this.cluster.end();
    }

    // Some clients go elsewhere; all of them, when told so.
    move(share = 0.5) {
        for (const one of this.followers) if (this.cluster.rng() < share) one.cut();
    }

    // Waits until `n` more are acknowledged: it goes on.
    async goesOn(n = 20, ms = 30000) {
        const before = this.acked;
        await until(() => `${n} more acknowledged (${this.acked - before})\n${this.cluster.tail()}`, () => this.acked >= before + n, ms);
    }

    // No new events, but a last one for each registry: what comes twice comes before that.
    async #finish(ms) {
        for (const { load } of this.each) load.enough();
        await within(ms, () => 'acknowledgements of the rest', this.sending);
        await Promise.all(this.each.map(({ ledger, load }) => load.deliver(0, [ledger.add(0)])));
        for (const { load } of this.each) load.stop();
    }

    // Waits until every client has what is due, and judges. `ordered`: what one sender gave one node, one after
    // the other, must have kept its order. `fresh`: nothing was on the paths before, so what clients
    // who come now get from the first on is the measure; else it is what the first client of each path has seen.
    async judge({ ms = 60000, ordered = true, fresh = true } = {}) {
        try {
            await this.#finish(ms);
            await Promise.all(this.each.flatMap(({ followers, ledger }) => followers.map((one) => one.has(ledger.due(one.path), ms))));
            for (const one of this.followers) one.finish();
            for (const { ledger, paths, followers } of this.each) {
                for (const entry of ledger.entries) entry.sender = ordered ? `${entry.sender} by ${entry.by?.name}` : entry.n;
                const stored = fresh
                    ? await this.#stored(ledger, paths, followers, ms)
                    : new Map(paths.map((path) => [path, followers.find((one) => one.path === path).texts]));
                assertClean(judge({ ledger, stored, followers, paths }), ledger);
            }
        } catch (error) {
            error.message += `\n${this.cluster.tail()}`;
            throw error;
        }
        for (const one of this.followers) one.cut();
        return this.summary();
    }

    // What each path holds: the same from every node.
    async #stored(ledger, paths, followers, ms) {
        const stored = new Map();
        const nodes = this.cluster.nodes.filter((node) => node.usable);
        for (const path of paths) {
            const seen = followers.filter((one) => one.path === path).map((one) => one.texts.length);
            for (const node of nodes) {
                const texts = await whole(node.daemon, path, ledger.due(path), Math.max(0, ...seen), ms);
                if (!stored.has(path)) stored.set(path, texts);
                else assert.deepEqual(texts, stored.get(path), `${path} of ${node.name} and of ${nodes[0].name}`);
            }
        }
        return stored;
    }

    summary() {
        const sum = (of) => this.each.reduce((n, one) => n + of(one), 0);
        return (
            `${this.acked} acknowledged, ${sum(({ load }) => load.sentTwice)} sent again, ` +
            `${sum(({ followers }) => followers.reduce((n, one) => n + one.legs, 0))} connections of clients, ` +
            `${sum(({ followers }) => followers.reduce((n, one) => n + one.again, 0))} messages seen again`
        );
    }
}
