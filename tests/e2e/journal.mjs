// What tests of the journal share: a daemon that ends and comes back on its directory, streams that
// are compared byte for byte, system calls that fail, and a disk small enough to fill.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
    cpSync,
    chmodSync,
    closeSync,
    mkdtempSync,
    openSync,
    readFileSync,
    readdirSync,
    rmdirSync,
    unlinkSync,
    writeFileSync,
    writeSync,
} from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLOSE, TEXT } from './frames.mjs';
import {
    Client,
    Daemon,
    REGCASTD,
    Raw,
    defer,
    digestOf,
    handshake,
    makeConfig,
    push,
    readMessage,
    start,
    tempDir,
    trigger,
    until,
    within,
} from './harness.mjs';

export const MIB = 1 << 20;
export const V1 = 'regcast.v1';

// -------------------------------------------------------------------------------------- daemons

// One path unless told otherwise; `path` are the settings of all of them.
export function config({ path = {}, paths = ['/'], gateway = {}, size = 1, cutoff, triggers, ...over } = {}) {
    return makeConfig({
        gateway: { paths, defaults: path, ping_interval: '10m', ...gateway },
        triggers: triggers ?? paths.map((p, i) => trigger(`all-${i}`, { path: p, size, cutoff })),
        ...over,
    });
}

// A daemon that ends and comes back, always on the same data directory.
export class Service {
    daemon = null;

    constructor(config, options = {}) {
        this.config = config;
        this.options = options;
    }

    static async start(t, config, options) {
        const service = new Service(config, options);
        defer(t, () => service.end());
        await service.start();
        return service;
    }

    get dataDir() {
        return this.config.data_dir;
    }

    get database() {
        return join(this.dataDir, 'journal.db');
    }

    async start(options = {}) {
        this.daemon = await Daemon.start(this.config, { ...this.options, ...options });
        return this.daemon;
    }

    async kill() {
        this.daemon.child.kill('SIGKILL');
        await this.daemon.ends('SIGKILL');
    }

    // Ends it in order, or with SIGKILL, and starts it again.
    async restart({ signal = 'SIGTERM', ...options } = {}) {
        if (signal === 'SIGKILL') await this.kill();
        else await this.daemon.stop({ signal });
        return this.start(options);
    }

    async end() {
        await this.daemon?.stop();
    }

    // One value of the database, read beside the daemon or without it.
    ask(sql) {
        return sqlite(this.database, sql);
    }
}

// Runs the program to an end of its own: {status, logs}. Every line must be one of its log's.
export function runToEnd(config, { bin = REGCASTD, env = {}, timeout = 20000 } = {}) {
    const file = join(tempDir(), 'regcast.json');
    writeFileSync(file, JSON.stringify(config));
    const logs = [];
    const { child, exited } = start(bin, ['--config', file], {
        env,
        onLine: (line) => logs.push(JSON.parse(line)),
    });
    return within(timeout, () => `an end; it said ${JSON.stringify(logs)}`, exited).then(
        ({ code, signal }) => ({ code, signal, logs }),
        (error) => {
            child.kill('SIGKILL');
            throw error;
        },
    );
}

// A data_dir as it lies there, but for the socket that a killed daemon leaves: that is no file.
export const copyData = (from, to) =>
    cpSync(from, to, { recursive: true, filter: (name) => !name.endsWith('.sock') });

export function sqlite(file, sql) {
    const ran = spawnSync('sqlite3', [file, sql], { encoding: 'utf8', timeout: 20000 });
    if (ran.error) throw ran.error;
    assert.equal(ran.status, 0, `sqlite3: ${ran.stderr}`);
    return ran.stdout.trim();
}

// Another process that holds the database's lock: {release}.
export async function holdLock(t, database) {
    const child = spawn('sqlite3', [database], { stdio: ['pipe', 'pipe', 'pipe'] });
    const ended = new Promise((done) => child.on('close', done));
    let said = '';
    child.stdout.on('data', (text) => (said += text));
    child.stderr.on('data', (text) => (said += text));
    const release = async () => {
        if (child.exitCode === null && !child.stdin.writableEnded) child.stdin.end('COMMIT;\n');
        await within(5000, 'end of sqlite3', ended).catch(() => child.kill('SIGKILL'));
    };
    defer(t, release);
    child.stdin.write("PRAGMA busy_timeout=5000;\nBEGIN EXCLUSIVE;\nSELECT 'held';\n");
    await until(() => `the lock; sqlite3 said ${said}`, () => said.includes('held'));
    return { release };
}

// --------------------------------------------------------------------------------------- events

const LONG = 'x'.repeat(120); // makes events larger without more of them
let made = 0;

// Envelopes of `n` events each that nobody has sent before, one CreateImage each.
export const bulk = (n) =>
    Array.from({ length: n }, () => push(`team/${LONG}`, digestOf(`bulk ${process.pid} ${made++}`)));

// The ids of the events in a message.
export const idsOf = (text) => readMessage(text).map((e) => e.id);

// The id after this one in the order of ids; nobody has it where ids are not made back to back.
export function idAfter(id) {
    const digits = '0123456789abcdefghijklmnopqrstuv';
    let n = [...id.slice(3)].reduce((sum, c) => sum * 32n + BigInt(digits.indexOf(c)), 0n) + 1n;
    let out = '';
    for (let i = 0; i < 17; i++, n /= 32n) out = digits[Number(n % 32n)] + out;
    return `crt${out}`;
}

export const OLDEST_ID = `crt${'0'.repeat(17)}`;
export const NEWEST_ID = `crt${'v'.repeat(17)}`;

// -------------------------------------------------------------------------------------- clients

// A client that goes on after an event; `since` goes into the query, `last` into the header.
export function resume(daemon, { since, last, path = '/', strict, protocols = [] } = {}) {
    const query = [since === undefined ? [] : `since=${since}`, strict ? 'strict=1' : []].flat();
    return Client.open(daemon.url(path) + (query.length ? `?${query.join('&')}` : ''), {
        protocols,
        headers: last === undefined ? {} : { 'Last-Event-ID': last },
    });
}

// What the gateway answers to a handshake: {status, headers, body}.
export async function answerTo(daemon, target, headers = {}) {
    const raw = await Raw.open(daemon.port);
    await raw.send(handshake(target, headers));
    const answer = await raw.answer();
    raw.destroy();
    return answer;
}

// A client that cannot go on where it wants is told so after its handshake, or by it.
export async function checkGone(daemon, what, options) {
    const client = await resume(daemon, options);
    const { code, reason } = await client.end;
    assert.deepEqual({ code, reason }, { code: 4009, reason: 'history_lost' }, what);
    assert.deepEqual(client.messages, [], `${what}: nothing was sent before`);
    const path = options.path ?? '/';
    const target = options.since ? `${path}?since=${options.since}&strict=1` : `${path}?strict=1`;
    const headers = options.last ? { 'Last-Event-ID': options.last } : {};
    const strict = await answerTo(daemon, target, headers);
    assert.equal(strict.status, 410, what);
    assert.deepEqual(JSON.parse(strict.body), { error: 'gone' }, what);
}

// The messages in the bytes that a server sent after its 101: [{start, end, text}]; control frames
// are left out.
export function messagesIn(bytes) {
    const all = [];
    let parts = [];
    let begun = 0;
    for (let at = 0; at + 2 <= bytes.length; ) {
        const frameAt = at;
        const [head, second] = [bytes[at], bytes[at + 1]];
        let length = second & 127;
        at += 2;
        if (length === 126) {
            length = bytes.readUInt16BE(at);
            at += 2;
        } else if (length === 127) {
            length = Number(bytes.readBigUInt64BE(at));
            at += 8;
        }
        const payload = bytes.subarray(at, at + length);
        at += length;
        assert.ok(at <= bytes.length, 'a frame is cut');
        if ((head & 15) >= CLOSE) continue;
        assert.equal(head & 15, parts.length ? 0 : TEXT);
        if (!parts.length) begun = frameAt;
        parts.push(payload);
        if (head & 128) {
            all.push({ start: begun, end: at, text: Buffer.concat(parts).toString('utf8') });
            parts = [];
        }
    }
    assert.equal(parts.length, 0, 'a message is cut');
    return all;
}

// Shakes hands; what follows the 101 goes to `take`, as it comes.
function openStream(port, target, take) {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    let head = Buffer.alloc(0);
    return new Promise((done, fail) => {
        let open = false;
        socket.on('connect', () => socket.write(handshake(target)));
        socket.on('data', (bytes) => {
            if (open) {
                take(bytes);
                return;
            }
            head = Buffer.concat([head, bytes]);
            const end = head.indexOf('\r\n\r\n');
            if (end < 0) return;
            if (!head.toString('latin1', 0, 12).endsWith(' 101')) {
                fail(new Error(head.toString('latin1', 0, end)));
                return;
            }
            open = true;
            done(socket);
            if (end + 4 < head.length) take(head.subarray(end + 4));
        });
        socket.on('error', fail); // of no effect once it is open
        socket.on('close', () => fail(new Error('closed before the 101')));
    });
}

// Every byte that a client who was there all the time received.
export class Tape {
    #room = Buffer.alloc(MIB);
    length = 0;
    closed = false;

    static async open(t, daemon, target = '/') {
        const tape = new Tape();
        tape.socket = await openStream(daemon.port, target, (bytes) => tape.#take(bytes));
        tape.socket.on('close', () => (tape.closed = true));
        defer(t, () => tape.socket.destroy());
        return tape;
    }

    #take(bytes) {
        if (this.length + bytes.length > this.#room.length) {
            const more = Buffer.alloc(2 * (this.#room.length + bytes.length));
            this.bytes.copy(more);
            this.#room = more;
        }
        bytes.copy(this.#room, this.length);
        this.length += bytes.length;
    }

    get bytes() {
        return this.#room.subarray(0, this.length);
    }

    messages() {
        return messagesIn(this.bytes);
    }

    // Waits until the events have all come.
    async has(events, ms = 20000) {
        const last = Buffer.from(events.at(-1).target.digest);
        let from = 0;
        await until(
            'the last of the events on the tape',
            () => {
                const found = this.bytes.indexOf(last, from) >= 0;
                from = Math.max(0, this.length - last.length);
                return found;
            },
            ms,
        );
    }
}

// A client that came back: what it receives must be the tape from `at` on, to the byte.
export class Follower {
    #early = []; // came before the tape had it
    closed = false;
    problem = null;

    constructor(tape, at) {
        this.tape = tape;
        this.at = at;
    }

    static async open(t, daemon, target, tape, at) {
        const f = new Follower(tape, at);
        f.socket = await openStream(daemon.port, target, (bytes) => f.#take(bytes));
        f.socket.on('close', () => (f.closed = true));
        defer(t, () => f.socket.destroy());
        return f;
    }

    #take(bytes) {
        this.#early.push(bytes);
        this.#compare();
    }

    #compare() {
        while (this.#early.length && !this.problem) {
            const n = Math.min(this.#early[0].length, this.tape.length - this.at);
            if (n === 0) return;
            const [bytes, expected] = [this.#early[0], this.tape.bytes];
            if (bytes.compare(expected, this.at, this.at + n, 0, n) !== 0)
                this.problem = `differs from the tape in bytes ${this.at} to ${this.at + n}`;
            this.at += n;
            if (n === bytes.length) this.#early.shift();
            else this.#early[0] = bytes.subarray(n);
        }
    }

    // True when it has exactly what the tape has; throws when it cannot become true any more.
    complete() {
        this.#compare();
        if (this.problem) throw new Error(this.problem);
        if (this.at === this.tape.length) return this.#early.length === 0;
        if (this.closed) throw new Error(`closed at ${this.at} of ${this.tape.length}`);
        return false;
    }
}

export async function allComplete(followers, ms = 20000) {
    const left = () => followers.filter((f) => !f.complete());
    await until(() => `all to have everything; ${left().length} have not`, () => left().length === 0, ms);
}

// Pings all the time; `worst` is the longest wait for a pong so far, in ms.
export function heartbeat(t, client) {
    const beat = { worst: 0, count: 0 };
    let sent = null;
    client.socket.on('pong', () => {
        beat.worst = Math.max(beat.worst, performance.now() - sent);
        beat.count++;
        sent = null;
    });
    const timer = setInterval(() => {
        if (sent !== null) beat.worst = Math.max(beat.worst, performance.now() - sent);
        else if (client.socket.readyState === 1) {
            sent = performance.now();
            client.socket.ping();
        }
    }, 75); // fewer than gateway.max_control_rate
    beat.stop = () => clearInterval(timer);
    defer(t, beat.stop);
    return beat;
}

// --------------------------------------------------------------------------------------- faults

// A program that runs `bin` after some shell commands; exec keeps the process id.
export function wrapped(bin, before) {
    const file = join(tempDir(), 'regcastd');
    writeFileSync(file, `#!/bin/sh\n${before} '${bin}' "$@"\n`);
    chmodSync(file, 0o755);
    return file;
}

// Attaches strace to a running process: {stop, log}. Leak checks cannot run under it.
export async function strace(t, pid, args) {
    const output = join(tempDir(), 'strace');
    const said = [];
    const { child, exited } = start('strace', ['-f', '-p', String(pid), '-o', output, ...args], {
        onLine: (line) => said.push(line),
    });
    let ended = false;
    exited.then(() => (ended = true));
    const stop = async () => {
        child.kill('SIGINT');
        await exited;
    };
    defer(t, stop);
    await until(
        () => `strace at process ${pid}; it said ${said.join('\n')}`,
        () => {
            if (ended) throw new Error(`strace cannot attach: ${said.join('\n')}`);
            return said.some((line) => /attached/.test(line));
        },
    );
    return { stop, log: () => readFileSync(output, 'utf8') };
}

// The environment of a daemon that strace will look at: its leaks cannot be checked then.
export const TRACED = {
    ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:detect_leaks=0`.replace(/^:/, ''),
};

// A file system of `mib` MiB: {dir: where the daemon sees it, view: where we do, bin: the program to
// start instead of one}. Mounted by root, or else in a user and mount namespace of its own.
export async function smallDisk(t, mib) {
    const dir = mkdtempSync(join(tmpdir(), 'regcast-disk-'));
    const mount = ['-t', 'tmpfs', '-o', `size=${mib}m,mode=0755`, 'tmpfs', dir];
    const mounted = spawnSync('mount', mount, { encoding: 'utf8' });
    const remove = () => {
        if (mounted.status === 0) spawnSync('umount', ['-l', dir]);
        try {
            rmdirSync(dir);
        } catch {
            // has been removed before
        }
    };
    process.on('exit', remove);
    if (mounted.status === 0) {
        defer(t, remove);
        return new SmallDisk(dir, dir, (bin) => bin);
    }
    const said = [];
    const script = 'mount "$@" && echo mounted && exec sleep 600';
    const { child, exited } = start('unshare', ['-Urm', 'sh', '-c', script, 'sh', ...mount], {
        onLine: (line) => said.push(line),
    });
    defer(t, async () => {
        child.kill('SIGKILL');
        await exited;
        remove();
    });
    let ended = false;
    exited.then(() => (ended = true));
    await until('a small disk', () => {
        if (ended)
            throw new Error(
                `this test needs a small file system, and neither mount (${mounted.stderr?.trim()}) ` +
                    `nor unshare -Urm (${said.join('; ')}) can make one`,
            );
        return said.includes('mounted');
    });
    const enter = `exec nsenter -t ${child.pid} -U -m --preserve-credentials`;
    return new SmallDisk(dir, `/proc/${child.pid}/root${dir}`, (bin) => wrapped(bin, enter));
}

class SmallDisk {
    constructor(dir, view, bin) {
        Object.assign(this, { dir, view, bin });
    }

    // Takes all the space that is left, again and again if need be.
    fill() {
        const fd = openSync(join(this.view, 'hog'), 'a');
        try {
            for (const size of [65536, 4096])
                for (;;) {
                    try {
                        if (writeSync(fd, Buffer.alloc(size)) < size) break;
                    } catch (error) {
                        if (error.code !== 'ENOSPC') throw error;
                        break;
                    }
                }
        } finally {
            closeSync(fd);
        }
    }

    clear() {
        unlinkSync(join(this.view, 'hog'));
    }

    files(folder) {
        return readdirSync(join(this.view, folder));
    }
}
