// Starts the real daemon, watches everything it says, and talks to it as registries and clients do.
// Whatever is started here is ended by its process id, also when a test throws.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { FrameReader } from './frames.mjs';
import { parseMetrics } from './prometheus.mjs';

export const ROOT = resolve(fileURLToPath(import.meta.url), '../../..');
export const REGCASTD = resolve(process.env.REGCASTD ?? join(ROOT, 'build/asan/regcastd'));
const RELEASE = resolve(process.env.REGCASTD_FAST ?? join(ROOT, 'build/release/regcastd'));
export const REGCASTD_FAST = existsSync(RELEASE) ? RELEASE : REGCASTD;

// ------------------------------------------------------------------------------------- waiting

// Calls `condition` until it returns something true, and returns that. `what` names it in the error.
export async function until(what, condition, deadlineMs = 10000) {
    const start = performance.now();
    for (;;) {
        const got = await condition();
        if (got) return got;
        if (performance.now() - start > deadlineMs)
            throw new Error(`not within ${deadlineMs} ms: ${typeof what === 'string' ? what : what()}`);
        await pause(10);
    }
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// `promise`, or an error after `ms`.
export function within(ms, what, promise) {
    let timer;
    const late = new Promise((_, fail) => {
        timer = setTimeout(() => {
            fail(new Error(`not within ${ms} ms: ${typeof what === 'string' ? what : what()}`));
        }, ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// ----------------------------------------------------------------------- processes and folders

const children = new Set();
const folders = new Set();

function endAll() {
    for (const child of children) child.kill('SIGKILL');
    for (const dir of folders) rmSync(dir, { recursive: true, force: true });
}
process.on('exit', endAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

export function tempDir() {
    const dir = mkdtempSync(join(tmpdir(), 'regcast-e2e-'));
    folders.add(dir);
    return dir;
}

// A child process whose output is kept line by line; `exited` resolves to {code, signal}.
export function start(bin, args, { env = {}, onLine = () => {} } = {}) {
    const child = spawn(bin, args, {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
    });
    children.add(child);
    const ends = [child.stdout, child.stderr].map((stream, i) => {
        const lines = createInterface({ input: stream });
        lines.on('line', (line) => onLine(line, i === 0 ? 'stdout' : 'stderr'));
        return new Promise((done) => lines.on('close', done));
    });
    const exited = new Promise((done) => {
        child.on('error', (error) => done({ code: null, signal: null, error }));
        child.on('exit', (code, signal) => done({ code, signal }));
    }).then(async (how) => {
        children.delete(child);
        await Promise.all(ends);
        return how;
    });
    return { child, exited };
}

// Undoes what a test began when it ends, the newest first: clients go before their daemon.
const undone = new WeakMap();
export function defer(t, undo) {
    const list = undone.get(t);
    if (list) {
        list.push(undo);
        return;
    }
    const first = [undo];
    undone.set(t, first);
    t.after(async () => {
        let problem;
        for (const one of first.reverse()) {
            try {
                await one();
            } catch (error) {
                problem ??= error;
            }
        }
        if (problem) throw problem;
    });
}

export async function freePort() {
    const server = net.createServer();
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address();
    await new Promise((done) => server.close(done));
    return port;
}

// -------------------------------------------------------------------------------- configuration

export const GATEWAY = 'd5dgateway0000000001';
export const FOLDER = 'b1gfolder00000000001';
export const CLOUD = 'b1gcloud000000000001';
export const REGISTRY = 'crtregistry000000001';
export const BROADCASTER = 'ajebroadcaster000001';
export const ALL_TYPES = ['CREATE_IMAGE', 'DELETE_IMAGE', 'CREATE_IMAGE_TAG', 'DELETE_IMAGE_TAG'];

export function trigger(name, options = {}) {
    const {
        path = '/',
        types = ALL_TYPES,
        size = 1,
        cutoff = '1s',
        registry = REGISTRY,
        account = BROADCASTER,
        image_name,
        tag,
    } = options;
    return {
        name,
        rule: {
            container_registry: {
                event_type: types,
                registry_id: registry,
                ...(image_name === undefined ? {} : { image_name }),
                ...(tag === undefined ? {} : { tag }),
                batch_settings: { size, cutoff },
                gateway_websocket_broadcast: {
                    gateway_id: GATEWAY,
                    path,
                    service_account_id: account,
                },
            },
        },
    };
}

// The configuration of design.md section 9 on free ports; sections given are laid over it.
export function makeConfig(over = {}) {
    const { gateway = {}, webhooks = {}, ...rest } = over;
    return {
        folder_id: FOLDER,
        cloud_id: CLOUD,
        data_dir: join(tempDir(), 'data'),
        gateway: {
            id: GATEWAY,
            listen: ['127.0.0.1:0'],
            workers: 2,
            paths: ['/'],
            drain_timeout: '1s',
            close_timeout: '2s',
            ...gateway,
        },
        webhooks: { listen: ['127.0.0.1:0'], ...webhooks },
        management: { listen: ['127.0.0.1:0'] },
        registries: [{ id: REGISTRY, kind: 'distribution' }],
        service_accounts: [{ id: BROADCASTER, roles: ['api-gateway.websocketBroadcaster'] }],
        triggers: [trigger('everything')],
        ...rest,
    };
}

export function writeConfig(config) {
    const file = join(tempDir(), 'regcast.yaml');
    writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config, null, 2), { mode: 0o600 });
    return file;
}

// Runs the program to its end: {status, stdout, stderr}.
export function run(args, bin = REGCASTD) {
    const ran = spawnSync(bin, args, { encoding: 'utf8', timeout: 20000 });
    if (ran.error) throw ran.error;
    return ran;
}

// -------------------------------------------------------------------------------------- daemon

export class Daemon {
    logs = [];
    #noise = []; // lines that are no JSON, and anything on stdout
    #stopped = null;

    // Options: bin, env, args, config file text, `errors`: messages of error lines that are expected, `tls`: what one
    // connects to gateway and webhooks with, when both have it, `host`: where it is reached, if not by loopback.
    static async start(config, options = {}) {
        const d = new Daemon();
        const file = options.file ?? writeConfig(config);
        const ready = join(tempDir(), 'ready.json');
        d.expectedErrors = options.errors ?? [];
        d.bin = options.bin ?? REGCASTD;
        d.tls = options.tls;
        d.host = options.host ?? '127.0.0.1';
        d.file = file;
        const env = {
            // Freed memory must go back soon, or the tests that watch memory would see ASan's hoard.
            ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? 'detect_leaks=1'}:quarantine_size_mb=4:thread_local_quarantine_size_kb=64`,
            UBSAN_OPTIONS: process.env.UBSAN_OPTIONS ?? 'print_stacktrace=1',
            ...options.env,
        };
        const { child, exited } = start(d.bin, ['--config', file, '--ready-file', ready, ...(options.args ?? [])], {
            env,
            onLine: (line, stream) => d.#line(line, stream),
        });
        d.child = child;
        d.pid = child.pid;
        d.exited = exited;
        let dead = null;
        exited.then((how) => (dead = how));
        await until(
            () => `regcastd is ready; it said:\n${d.#tail()}`,
            () => {
                if (dead)
                    throw new Error(`regcastd ended ${JSON.stringify(dead)}:\n${d.#tail()}`);
                if (!existsSync(ready)) return false;
                try {
                    d.ready = JSON.parse(readFileSync(ready, 'utf8'));
                } catch {
                    return false; // half written
                }
                return true;
            },
            20000,
        ).catch((error) => {
            child.kill('SIGKILL');
            throw error;
        });
        assert.equal(d.ready.pid, d.pid);
        const portOf = ([address]) => (address === undefined ? null : Number(address.split(':').at(-1)));
        d.port = portOf(d.ready.gateway);
        d.webhookPort = portOf(d.ready.webhooks);
        d.managementPort = portOf(d.ready.management);
        d.grpcPort = portOf(d.ready.grpc);
        d.tls = options.tls; // what one connects to gateway and webhooks with, when both have it
        return d;
    }

    #line(line, stream) {
        let parsed;
        try {
            assert.equal(stream, 'stderr');
            parsed = JSON.parse(line);
            for (const key of ['time', 'level', 'component', 'msg'])
                assert.equal(typeof parsed[key], 'string');
        } catch {
            this.#noise.push(line);
            return;
        }
        this.logs.push(parsed);
    }

    #tail() {
        return [...this.#noise, ...this.logs.slice(-20).map((l) => JSON.stringify(l))].join('\n');
    }

    url(path = '/') {
        return `ws://${this.host}:${this.port}${path}`;
    }

    webhookUrl(registry = REGISTRY) {
        return `http://${this.host}:${this.webhookPort}/registries/${registry}/events`;
    }

    // One request on a connection of its own, to the webhooks listener unless `port` says else; with
    // `tls`, Node's options for it, by https.
    request(method, path, { body, headers = {}, port = this.webhookPort, tls: secure = port === this.webhookPort ? this.tls : undefined } = {}) {
        return new Promise((done, fail) => {
            const options = { method, path, port, host: this.host, headers, agent: false, ...secure };
            const req = (secure ? https : http).request(options, (res) => {
                const parts = [];
                res.on('data', (part) => parts.push(part));
                res.on('end', () => {
                    const text = Buffer.concat(parts).toString('utf8');
                    let json;
                    try {
                        json = JSON.parse(text);
                    } catch {
                        json = undefined;
                    }
                    done({ status: res.statusCode, headers: res.headers, text, json });
                });
            });
            req.setTimeout(15000, () => req.destroy(new Error(`${method} ${path}: no answer`)));
            req.on('error', fail);
            req.end(body);
        });
    }

    // One call of the management API; an object is sent as JSON.
    manage(method, path, { body, token, headers = {} } = {}) {
        const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
        return this.request(method, path, {
            body: text,
            headers: {
                ...(text === undefined ? {} : { 'Content-Length': Buffer.byteLength(text) }),
                ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
                ...headers,
            },
            port: this.managementPort,
        });
    }

    // Posts an envelope as Distribution does; `events` may be a ready body.
    post(events, { registry = REGISTRY, headers = {} } = {}) {
        const body = Buffer.isBuffer(events) || typeof events === 'string' ? events : envelope(events);
        return this.request('POST', `/registries/${registry}/events`, {
            body,
            headers: {
                'Content-Type': ENVELOPE_TYPE,
                'Content-Length': Buffer.byteLength(body),
                ...headers,
            },
        });
    }

    // Posts events that must all be taken.
    async accept(events, options) {
        const got = await this.post(events, options);
        assert.equal(got.status, 202, got.text);
        assert.equal(got.json.accepted, events.length, got.text);
        return got;
    }

    async metrics() {
        const got = await this.request('GET', '/metrics');
        assert.equal(got.status, 200);
        return parseMetrics(got.text);
    }

    // Log lines whose keys equal those of `like` (a RegExp matches a string).
    logged(like) {
        return this.logs.filter((line) =>
            Object.entries(like).every(([key, value]) =>
                value instanceof RegExp ? value.test(line[key] ?? '') : line[key] === value,
            ),
        );
    }

    rssKb() {
        return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1]);
    }

    // Without libuv's spare of each loop, which it opens with the loop's first stream.
    openFiles() {
        const folder = `/proc/${this.pid}/fd`;
        return readdirSync(folder).filter((fd) => {
            try {
                return readlinkSync(join(folder, fd)) !== '/dev/null';
            } catch {
                return false; // closed meanwhile
            }
        }).length;
    }

    // Ends it and checks how it ended: in order, without a sanitizer's word, every line JSON.
    stop({ signal = 'SIGTERM', timeout = 20000 } = {}) {
        this.#stopped ??= this.#stop(signal, timeout);
        return this.#stopped;
    }

    async #stop(signal, timeout) {
        this.child.kill(signal);
        let how;
        try {
            how = await within(timeout, `end of regcastd after ${signal}`, this.exited);
        } catch (error) {
            this.child.kill('SIGKILL');
            await this.exited;
            throw error;
        }
        assert.deepEqual(this.#noise, [], 'lines that are no JSON log lines');
        assert.deepEqual(how, { code: 0, signal: null }, `how it ended:\n${this.#tail()}`);
        const errors = this.logged({ level: 'error' }).filter(
            (line) => !this.expectedErrors.includes(line.msg),
        );
        assert.deepEqual(errors, [], 'errors in the log');
    }

    // Waits for an end that the test itself brings about, and checks that it is this one: an exit
    // code, or a signal's name. A later stop() has nothing left to do.
    ends(how, timeout = 20000) {
        this.#stopped = this.#ends(how, timeout);
        return this.#stopped;
    }

    async #ends(how, timeout) {
        const end = typeof how === 'number' ? { code: how, signal: null } : { code: null, signal: how };
        let got;
        try {
            got = await within(timeout, `end of regcastd by ${how}`, this.exited);
        } catch (error) {
            this.child.kill('SIGKILL');
            await this.exited;
            throw error;
        }
        assert.deepEqual(got, end, `how it ended:\n${this.#tail()}`);
        const noise = this.#noise.filter((line, i, all) => !(end.signal && i === all.length - 1 && line[0] === '{'));
        assert.deepEqual(noise, [], 'lines that are no JSON log lines, but one cut by a signal');
    }
}

// -------------------------------------------------------------------------------------- events

export const ENVELOPE_TYPE = 'application/vnd.docker.distribution.events.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

export function digestOf(what) {
    return `sha256:${createHash('sha256').update(String(what)).digest('hex')}`;
}

// A push as Distribution sends it (registry-events 2.2), short of the fields nobody needs.
export function push(repository, digest, tag) {
    return {
        id: randomUUID(),
        timestamp: new Date().toISOString(),
        action: 'push',
        target: {
            mediaType: OCI_MANIFEST,
            size: 418,
            digest,
            length: 418,
            repository,
            ...(tag === undefined ? {} : { tag }),
        },
        request: { id: randomUUID(), method: 'PUT' },
    };
}

// A new image nobody has pushed before, by digest: exactly one CreateImage.
let images = 0;
export function newImage(repository, name = `${process.pid}-${images++}`) {
    return push(repository, digestOf(`${repository} ${name}`));
}

export const envelope = (events) => JSON.stringify({ events });

// image_id of a digest: `crt` + the first 85 bits of SHA-256(registry id, NUL, digest) in base32hex.
export function imageId(registry, digest) {
    const hash = createHash('sha256').update(`${registry}\0${digest}`).digest('hex');
    const bits = BigInt(`0x${hash}`) >> (256n - 85n);
    let out = '';
    for (let shift = 80n; shift >= 0n; shift -= 5n)
        out += '0123456789abcdefghijklmnopqrstuv'[Number((bits >> shift) & 31n)];
    return `crt${out}`;
}

const METADATA_KEYS = ['cloud_id', 'created_at', 'event_id', 'event_type', 'folder_id', 'tracing_context'];
const TRACE_KEYS = ['parent_span_id', 'span_id', 'trace_id'];
const DETAIL_KEYS = ['image_digest', 'image_id', 'registry_id', 'repository_name', 'tag'];
const TYPE_PREFIX = 'yandex.cloud.events.containerregistry.';

// Checks the exact shape of a message (api-compat section 2: keys, their order, compact JSON) and
// returns its events as {type, repo, digest, tag, id, at, trace}.
export function readMessage(text, registry = REGISTRY) {
    const message = JSON.parse(text);
    assert.equal(JSON.stringify(message), text, 'compact, with no key twice');
    assert.deepEqual(Object.keys(message), ['messages']);
    assert.ok(message.messages.length > 0);
    return message.messages.map((one) => {
        assert.deepEqual(Object.keys(one), ['event_metadata', 'details']);
        const { event_metadata: meta, details } = one;
        assert.deepEqual(Object.keys(meta), METADATA_KEYS);
        assert.deepEqual(Object.keys(meta.tracing_context), TRACE_KEYS);
        assert.deepEqual(Object.keys(details), DETAIL_KEYS);
        for (const value of [...Object.values(meta.tracing_context), ...Object.values(details)])
            assert.equal(typeof value, 'string');
        assert.equal(meta.cloud_id, CLOUD);
        assert.equal(meta.folder_id, FOLDER);
        assert.match(meta.event_id, /^crt[0-9a-v]{17}$/);
        assert.match(meta.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
        assert.ok(meta.event_type.startsWith(TYPE_PREFIX), meta.event_type);
        assert.equal(details.registry_id, registry);
        assert.ok(details.repository_name.startsWith(`${registry}/`), details.repository_name);
        assert.match(details.image_digest, /^sha256:[0-9a-f]{64}$/);
        assert.equal(details.image_id, imageId(registry, details.image_digest));
        return {
            type: meta.event_type.slice(TYPE_PREFIX.length),
            repo: details.repository_name.slice(registry.length + 1),
            digest: details.image_digest,
            tag: details.tag,
            id: meta.event_id,
            at: meta.created_at,
            trace: meta.tracing_context,
        };
    });
}

// [type, repo, digest, tag] of each event of several messages, flat.
export function summary(texts, registry = REGISTRY) {
    return texts
        .flatMap((text) => readMessage(text, registry))
        .map(({ type, repo, digest, tag }) => [type, repo, digest, tag]);
}

// ------------------------------------------------------------------------------------- clients

// A real `ws` client that keeps every message it receives.
export class Client {
    messages = [];
    binary = [];
    #waiting = new Set();
    closed = null; // {code, reason}

    static open(url, options = {}) {
        const { protocols = [], ...rest } = options;
        const c = new Client();
        c.socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...rest });
        c.end = new Promise((done) => {
            c.socket.on('close', (code, reason) => {
                c.closed = { code, reason: reason.toString() };
                c.#wake();
                done(c.closed);
            });
        });
        c.socket.on('upgrade', ({ headers }) => {
            c.id = headers['x-yc-apigateway-websocket-connection-id'];
            c.extensions = headers['sec-websocket-extensions']; // what was agreed
        });
        c.socket.on('message', (data, isBinary) => {
            if (isBinary) c.binary.push(data);
            c.messages.push(isBinary ? data : data.toString('utf8'));
            c.#wake();
        });
        return new Promise((done, fail) => {
            c.socket.on('open', () => done(c));
            c.socket.on('error', fail);
        });
    }

    #wake() {
        for (const check of this.#waiting) check();
    }

    // Resolves when at least `n` messages have come, to the first n.
    async first(n, ms = 10000) {
        if (this.messages.length < n) {
            let check;
            const enough = new Promise((done, fail) => {
                check = () => {
                    if (this.messages.length >= n) done();
                    else if (this.closed) fail(new Error(`closed ${JSON.stringify(this.closed)}`));
                };
                this.#waiting.add(check);
                check();
            });
            await within(ms, () => `${n} messages (now ${this.messages.length})`, enough).finally(() =>
                this.#waiting.delete(check),
            );
        }
        return this.messages.slice(0, n);
    }

    // Closes in order; resolves to what the peer answered.
    close(code = 1000) {
        if (!this.closed) this.socket.close(code);
        return within(5000, 'close of a client', this.end);
    }

    terminate() {
        this.socket.terminate();
    }
}

// A TCP connection under full control: bytes out as they are, everything that comes back kept and
// cut into HTTP answers and, after a 101, into frames.
export class Raw {
    static open(port, { read = true, host = '127.0.0.1', localAddress, tls: secure } = {}) {
        const c = new Raw();
        c.socket = (secure ? tls : net).connect({ port, host, localAddress, allowHalfOpen: true, noDelay: true, ...secure });
        c.responses = [];
        c.ws = null; // a FrameReader after a 101
        c.received = 0;
        c.ended = false; // the peer sent FIN
        c.gone = false; // the socket is closed, also by RST
        c.problem = null; // what was wrong in the bytes received
        let rest = Buffer.alloc(0);
        if (!read) c.socket.pause();
        const data = (bytes) => {
            c.received += bytes.length;
            try {
                if (c.ws) c.ws.feed(bytes);
                else {
                    rest = Buffer.concat([rest, bytes]);
                    rest = c.#answers(rest);
                }
            } catch (error) {
                c.problem ??= error;
            }
            c.#wake();
        };
        if (read) c.socket.on('data', data);
        c.startReading = () => {
            c.socket.on('data', data);
            c.socket.resume();
        };
        c.socket.on('end', () => {
            c.ended = true;
            if (rest.length && !c.ws) c.problem ??= new Error(`cut answer: ${rest.toString('latin1')}`);
            c.#wake();
        });
        c.socket.on('error', (error) => (c.error = error));
        c.socket.on('close', () => {
            c.gone = true;
            c.#wake();
        });
        c.waiting = new Set();
        return new Promise((done, fail) => {
            c.socket.on(secure ? 'secureConnect' : 'connect', () => done(c));
            c.socket.once('error', fail);
        });
    }

    // Takes whole answers from `bytes`, strictly; returns the rest.
    #answers(bytes) {
        for (;;) {
            const end = bytes.indexOf('\r\n\r\n');
            if (end < 0) return bytes;
            const [status, ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
            const m = /^HTTP\/1\.1 (\d{3}) [ -~]+$/.exec(status);
            if (!m) throw new Error(`status line ${JSON.stringify(status)}`);
            const headers = {};
            for (const line of lines) {
                const h = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t -~]*)$/.exec(line);
                if (!h) throw new Error(`header ${JSON.stringify(line)}`);
                const name = h[1].toLowerCase();
                if (name in headers) throw new Error(`header twice: ${line}`);
                headers[name] = h[2];
            }
            const code = Number(m[1]);
            if (code === 101) {
                this.responses.push({ status: code, headers, body: '' });
                const extensions = headers['sec-websocket-extensions'] ?? '';
                this.ws = new FrameReader({ deflate: extensions.startsWith('permessage-deflate') });
                this.ws.feed(bytes.subarray(end + 4));
                return Buffer.alloc(0);
            }
            const length = code < 200 || code === 204 || code === 304 ? 0 : Number(headers['content-length']);
            if (!(length >= 0)) throw new Error(`answer ${code} without Content-Length`);
            const whole = end + 4 + (this.headOnly ? 0 : length);
            if (bytes.length < whole) return bytes;
            const body = bytes.toString('utf8', end + 4, whole);
            this.responses.push({ status: code, headers, body });
            bytes = bytes.subarray(whole);
        }
    }

    #wake() {
        for (const check of this.waiting) check();
    }

    get done() {
        return this.ended || this.gone;
    }

    get last() {
        return this.responses.at(-1);
    }

    // Resolves when the bytes are with the kernel or the connection is gone; never throws.
    send(bytes) {
        if (this.socket.destroyed || this.socket.writableEnded) return Promise.resolve();
        return new Promise((done) => this.socket.write(bytes, () => done()));
    }

    // Sends pieces one read apart as far as the peer lets us; stops when `stop` says so.
    async sendPieces(pieces, stop = () => this.done) {
        for (const piece of pieces) {
            if (stop()) return;
            await this.send(piece);
            await new Promise((next) => setImmediate(next));
        }
    }

    // Waits until `condition(this)` holds; it is looked at again with everything that comes.
    async wait(what, condition, ms = 10000) {
        let check;
        const held = new Promise((done) => {
            check = () => condition(this) && done();
            this.waiting.add(check);
            check();
        });
        await within(ms, what, held)
            .catch((error) => {
                error.message += ` (answers ${JSON.stringify(this.responses)}, ended ${this.ended}, gone ${this.gone}, problem ${this.problem})`;
                throw error;
            })
            .finally(() => this.waiting.delete(check));
        return this;
    }

    // Waits for the next answer.
    async answer(ms = 10000) {
        const n = this.responses.length;
        await this.wait('an HTTP answer', () => this.responses.length > n || this.done, ms);
        return this.responses[n];
    }

    destroy() {
        this.socket.destroy();
    }

    reset() {
        this.socket.resetAndDestroy();
    }
}

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

// The bytes of an opening handshake; `headers` are laid over the usual ones, null leaves one out.
export function handshake(path = '/', headers = {}, { method = 'GET', version = '1.1' } = {}) {
    const all = {
        Host: '127.0.0.1',
        Upgrade: 'websocket',
        Connection: 'Upgrade',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': KEY,
        ...headers,
    };
    const lines = [`${method} ${path} HTTP/${version}`];
    for (const [name, value] of Object.entries(all))
        for (const one of Array.isArray(value) ? value : [value])
            if (one !== null) lines.push(`${name}: ${one}`);
    return `${lines.join('\r\n')}\r\n\r\n`;
}

// A raw connection that has been upgraded; `ws` reads what comes.
export async function rawWs(port, path = '/', headers = {}, options = {}) {
    const c = await Raw.open(port, options);
    await c.send(handshake(path, headers));
    if (options.read === false) return c;
    await c.wait('101', () => c.ws || c.done);
    assert.equal(c.last?.status, 101, JSON.stringify(c.last));
    return c;
}
