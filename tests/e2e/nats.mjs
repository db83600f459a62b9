// nats-servers for tests: one or three of them, started, stopped, killed, stopped in their tracks and emptied.
// Their stores are in folders that go with the test. Where a server has no address of its own (netns.mjs), it is
// reached by loopback and free ports.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { ROOT, start, tempDir, until, within } from './harness.mjs';

export const NATS_SERVER = process.env.REGCAST_NATS_SERVER ?? join(ROOT, '.deps/nats-server/usr/sbin/nats-server');
export const USER = 'regcast';
export const PASSWORD = 'a password of the tests';
export const DOMAIN = 'hub'; // of JetStream, for who is beyond a leaf node
const MAX_PAYLOAD = 8 << 20;
const STORE_BYTES = 2 ** 40; // only a limit: nothing of it is taken before it is used

// An answer of its monitoring, parsed; null when there is none.
function ask(host, port, path) {
    return new Promise((done) => {
        const req = http.get({ host, port, path, agent: false }, (res) => {
            const parts = [];
            res.on('data', (part) => parts.push(part));
            res.on('error', () => done(null));
            res.on('end', () => {
                try {
                    done(JSON.parse(Buffer.concat(parts).toString('utf8')));
                } catch {
                    done(null);
                }
            });
        });
        req.setTimeout(1000, () => req.destroy());
        req.on('error', () => done(null));
    });
}

class NatsServer {
    lines = []; // of its log, over all its starts
    paused = false;
    #running = null;

    constructor(name, place, ports) {
        Object.assign(this, { name, ...ports });
        this.host = place.host ?? '127.0.0.1';
        this.wrap = place.wrap ?? []; // a command that its own is appended to
        this.dir = join(tempDir(), name);
        this.file = join(this.dir, 'nats.conf');
        mkdirSync(this.dir);
    }

    get url() {
        return `nats://${this.host}:${this.port}`;
    }

    get storeDir() {
        return join(this.dir, 'jetstream');
    }

    get pid() {
        return this.#running?.child.pid ?? null;
    }

    configure({ syncInterval, routes, leafs, over }) {
        this.clustered = routes.length > 1;
        const config = {
            server_name: this.name,
            host: this.host,
            port: this.port,
            http: `${this.host}:${this.monitor}`,
            max_payload: MAX_PAYLOAD,
            jetstream: {
                store_dir: this.storeDir,
                sync_interval: syncInterval,
                max_file_store: STORE_BYTES,
                ...(leafs && { domain: DOMAIN }),
            },
            ...(leafs && { leafnodes: { host: this.host, port: this.leaf } }),
            authorization: { users: [{ user: USER, password: PASSWORD }] },
            ...(this.clustered && { cluster: { name: 'tests', host: this.host, port: this.route, routes } }),
            ...over,
        };
        writeFileSync(this.file, JSON.stringify(config));
    }

    // A server at an edge site: it has no streams, and passes on to the others.
    configureLeaf(hubs) {
        const config = {
            server_name: this.name,
            host: this.host,
            port: this.port,
            http: `${this.host}:${this.monitor}`,
            max_payload: MAX_PAYLOAD,
            authorization: { users: [{ user: USER, password: PASSWORD }] },
            leafnodes: {
                reconnect: 1,
                remotes: [{ urls: hubs.map(({ host, leaf }) => `nats://${USER}:${encodeURIComponent(PASSWORD)}@${host}:${leaf}`) }],
            },
        };
        writeFileSync(this.file, JSON.stringify(config));
    }

    begin() {
        assert.equal(this.#running, null, `${this.name} runs already`);
        const [bin, ...args] = [...this.wrap, NATS_SERVER, '-c', this.file];
        const onLine = (line) => /Healthcheck failed/.test(line) || this.lines.push(line); // ready() asks often
        const running = start(bin, args, { onLine });
        running.exited.then((how) => {
            running.how = how;
            if (this.#running === running) this.#running = null;
        });
        this.#running = running;
    }

    // It answers, and its part of JetStream is as far as the others'.
    async ready(ms = 30000) {
        const running = this.#running;
        await until(
            () => `${this.name} is ready; it said:\n${this.tail()}`,
            async () => {
                if (running.how) throw new Error(`${this.name} ended ${JSON.stringify(running.how)}:\n${this.tail()}`);
                if ((await this.ask('/healthz'))?.status !== 'ok') return false;
                return !this.clustered || Boolean((await this.ask('/jsz'))?.meta_cluster?.leader);
            },
            ms,
        );
    }

    ask(path) {
        return ask(this.host, this.monitor, path);
    }

    tail() {
        return this.lines.slice(-30).join('\n');
    }

    async #end(signal) {
        const running = this.#running;
        if (!running) return;
        if (this.paused) this.resume();
        running.child.kill(signal);
        await within(20000, `end of ${this.name}; it said:\n${this.tail()}`, running.exited).catch(async (error) => {
            running.child.kill('SIGKILL');
            await running.exited;
            throw error;
        });
    }

    stop() {
        return this.#end('SIGTERM');
    }

    kill() {
        return this.#end('SIGKILL');
    }

    pause() {
        this.#running.child.kill('SIGSTOP');
        this.paused = true;
    }

    resume() {
        this.#running?.child.kill('SIGCONT');
        this.paused = false;
    }

    // Its disk is lost; only while it does not run.
    wipe() {
        assert.equal(this.#running, null, `${this.name} runs`);
        rmSync(this.storeDir, { recursive: true, force: true });
    }
}

// A port that stays free while its server does not run: none of those that the kernel gives to whoever connects.
const [LOWEST, PORTS] = [10000, 20000];
const given = new Set();
async function lastingPort() {
    for (;;) {
        const port = LOWEST + Math.floor(Math.random() * PORTS);
        if (given.has(port)) continue;
        given.add(port);
        const probe = net.createServer();
        const free = await new Promise((done) => probe.on('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)));
        if (!free) continue;
        await new Promise((done) => probe.close(done));
        return port;
    }
}

const portsAt = async ({ host }) =>
    host
        ? { port: 4222, route: 6222, monitor: 8222, leaf: 7422 }
        : { port: await lastingPort(), route: await lastingPort(), monitor: await lastingPort(), leaf: await lastingPort() };

export class Nats {
    // `servers`: 1 or 3; `places`: of each {host, wrap}, for servers that are elsewhere than here; `leafs`: they
    // take leaf nodes; `over`: laid over their configuration.
    static async start({ servers = 1, syncInterval = '1s', places = [], leafs = false, over = {} } = {}) {
        assert.ok(existsSync(NATS_SERVER), `there is no ${NATS_SERVER} (scripts/setup --tests unpacks it)`);
        const n = new Nats();
        n.servers = [];
        for (let i = 0; i < servers; i++) {
            const place = places[i] ?? {};
            n.servers.push(new NatsServer(`nats-${i + 1}`, place, await portsAt(place)));
        }
        const routes = n.servers.map(({ host, route }) => `nats://${host}:${route}`);
        for (const server of n.servers) server.configure({ syncInterval, routes, leafs, over });
        try {
            await n.begin();
        } catch (error) {
            await n.kill();
            throw error;
        }
        return n;
    }

    // A leaf node, started; it is to be ended by whoever asked for it.
    async leaf() {
        const server = new NatsServer('leaf', {}, await portsAt({}));
        server.configureLeaf(this.servers);
        server.begin();
        await server.ready();
        await until('a connection of the leaf node', async () => (await server.ask('/leafz'))?.leafnodes > 0);
        return server;
    }

    get urls() {
        return this.servers.map(({ url }) => url);
    }

    get replicas() {
        return this.servers.length;
    }

    // Starts all that do not run; resolves when they are ready.
    async begin(ms) {
        for (const server of this.servers) if (server.pid === null) server.begin();
        await Promise.all(this.servers.map((server) => server.ready(ms)));
    }

    async stop() {
        await Promise.all(this.servers.map((server) => server.stop()));
    }

    async kill() {
        await Promise.all(this.servers.map((server) => server.kill()));
    }

    // The server that leads a stream now.
    async leaderOf(stream) {
        let leader;
        await until(`a leader of ${stream}`, async () => {
            for (const server of this.servers) {
                if (server.pid === null || server.paused) continue;
                const got = await server.ask('/jsz?streams=true&accounts=true');
                const found = got?.account_details?.flatMap((one) => one.stream_detail ?? []).find(({ name }) => name === stream);
                leader = this.servers.find(({ name }) => name === (found?.cluster ? found.cluster.leader : found && server.name));
                if (leader && !leader.paused) return true;
            }
            return false;
        });
        return leader;
    }

    // What the last lines of all their logs say.
    tail() {
        return this.servers.map((server) => `--- ${server.name}\n${server.tail()}`).join('\n');
    }
}
