// An account of what registries were promised and what clients got: senders that send again what
// was not acknowledged, clients that come back where they were, and the store read from outside.
// The daemon may be killed at any moment in between; judge() then says what that cost.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { FrameReader, TEXT } from './frames.mjs';
import {
    Client,
    Daemon,
    ENVELOPE_TYPE,
    REGISTRY,
    digestOf,
    envelope,
    makeConfig,
    pause,
    push,
    readMessage,
    tempDir,
    trigger,
    until,
    within,
} from './harness.mjs';
import { copyData, wrapped } from './journal.mjs';

export const SWEEP = Boolean(process.env.REGCAST_SWEEP); // scripts/test --crash
export const SEED = Number(process.env.REGCAST_SEED ?? Date.now() % 1000000000);

// Numbers from 0 to below 1, the same for the same seed (mulberry32).
export function random(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

export const below = (rng, n) => Math.floor(rng() * n);

export function shuffled(rng, list) {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
        const j = below(rng, i + 1);
        [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
}

// Does `work` for every item, `width` at a time, while `more` says so; returns how many were done.
// One that fails keeps none of the others from being done.
export async function inParallel(width, items, work, more = () => true) {
    const rest = [...items];
    const failures = [];
    let done = 0;
    const lane = async () => {
        for (; rest.length > 0 && more(); done++)
            await work(rest.shift()).catch((error) => failures.push(error));
    };
    await Promise.all(Array.from({ length: width }, lane));
    if (failures.length > 0) {
        const messages = failures.map((error) => error.message.slice(0, 2000));
        failures[0].message = `${failures.length} of ${done} failed:\n${messages.join('\n')}`;
        throw failures[0];
    }
    return done;
}

// --------------------------------------------------------------------------- one place on disk

// The paths of the account: every message of a path comes from the one trigger on it. What follows a hyphen
// tells those of several registries apart.
export const ONE = '/one'; // a message per event
export const SEVEN = '/seven'; // batches that are open for up to a second, also across kills
export const BRIEF = '/brief'; // keeps little, so that old messages are deleted all the time
const TYPES = {
    [ONE]: ['CREATE_IMAGE_TAG'],
    [SEVEN]: ['CREATE_IMAGE', 'DELETE_IMAGE_TAG', 'CREATE_IMAGE_TAG'],
    [BRIEF]: ['CREATE_IMAGE'],
};
const BRIEF_COUNT = 10;

export const LASTING = { history_count: 1000000, history_bytes: '512MiB', memory_bytes: '1MiB' };
const KEPT = {
    [ONE]: LASTING,
    [SEVEN]: LASTING,
    [BRIEF]: { history_count: BRIEF_COUNT, max_lag_age: '1ms' },
};
export const PATHS = [ONE, SEVEN, BRIEF];
const kindOf = (path) => path.replace(/-.*$/, '');

export const accountTrigger = (path, registry = REGISTRY) =>
    trigger(`on-${path.slice(1)}`, { path, registry, types: TYPES[kindOf(path)], size: kindOf(path) === SEVEN ? 7 : 1 });

export const accountConfig = (paths = PATHS, over = {}) =>
    makeConfig({
        gateway: {
            drain_timeout: '0s',
            paths: paths.map((path) => ({ path, ...KEPT[path] })),
        },
        journal: { ballast_bytes: 65536 },
        triggers: paths.map((path) => accountTrigger(path)),
        ...over,
    });

// A data_dir and the daemons that run on it one after the other.
export class Place {
    daemon = null; // the one that runs
    last = null; // the one that became ready last
    kills = 0;
    slowestStart = 0; // ms, of starts that became ready
    closed = false;

    constructor({ config = accountConfig(), bin } = {}) {
        this.config = config;
        this.bin = bin;
    }

    get dataDir() {
        return this.config.data_dir;
    }

    // Starts a daemon; null if it was killed on the way. `env`: REGCAST_CRASH and the like.
    async start({ env = {}, bin = this.bin, errors, host } = {}) {
        const began = performance.now();
        let daemon;
        try {
            daemon = await Daemon.start(this.config, { env, bin, errors, host });
        } catch (error) {
            if (!/^regcastd ended .*"signal":"SIGKILL"/.test(error.message)) throw error;
            this.kills++;
            return null;
        }
        this.slowestStart = Math.max(this.slowestStart, performance.now() - began);
        this.daemon = this.last = daemon;
        daemon.dead = daemon.exited.then((how) => {
            if (this.daemon === daemon) this.daemon = null;
            if (how.signal === 'SIGKILL') this.kills++;
            return how;
        });
        return daemon;
    }

    // The daemon that runs, now or later; null when the account is closed.
    async up() {
        while (!this.daemon && !this.closed) await pause(2);
        return this.daemon;
    }

    async kill() {
        const { daemon } = this;
        daemon.child.kill('SIGKILL');
        assert.deepEqual(await daemon.dead, { code: null, signal: 'SIGKILL' });
    }

    // Keeps the files of a failed run where REGCAST_KEEP says, and deletes them here.
    remove(name, failed) {
        const { REGCAST_KEEP: keep } = process.env;
        if (failed && keep && existsSync(this.dataDir)) {
            mkdirSync(keep, { recursive: true });
            copyData(this.dataDir, join(keep, name));
        }
        rmSync(this.dataDir, { recursive: true, force: true });
    }
}

// A program to start instead of `bin`: the same under strace with these arguments. It keeps its
// process id, as strace's -D makes the tracer its grandchild.
export const underStrace = (bin, args) =>
    wrapped(bin, `exec strace -D -f -qq -o /dev/null ${args.join(' ')}`);

// ---------------------------------------------------------------------------------- the ledger

export const keyOf = (type, repo, digest, tag) => `${type} ${repo} ${digest} ${tag}`;

// What was sent, and what of it was acknowledged.
export class Ledger {
    entries = []; // {n, sender, event, keys, tries, acked, from, until}: when it was sent and answered
    byKey = new Map(); // what an event of a message must look like -> {entry, index}
    acked = 0;
    problems = []; // answers that should not be

    constructor(name = 'ledger', repositories = 3, registry = REGISTRY) {
        this.name = name;
        this.repositories = repositories;
        this.registry = registry;
    }

    #add(sender, event, expected) {
        const entry = { n: this.entries.length, sender, event, tries: 0, acked: false, from: null, until: null };
        entry.keys = expected.map((one) => ({ type: one[0], key: keyOf(...one) }));
        entry.keys.forEach(({ key }, index) => this.byKey.set(key, { entry, index }));
        this.entries.push(entry);
        return entry;
    }

    // A push of a new image under a new tag, the entry's number.
    add(sender) {
        return this.addTo(`load/r${this.entries.length % this.repositories}`, sender);
    }

    addTo(repo, sender) {
        const n = this.entries.length;
        const digest = digestOf(`${this.name} ${n}`);
        return this.#add(sender, push(repo, digest, String(n)), [
            ['CreateImage', repo, digest, String(n)],
            ['CreateImageTag', repo, digest, String(n)],
        ]);
    }

    // An image that is in the registry although nobody told of it.
    untold(repository, digest, tag) {
        return { event: push(repository, digest, tag) };
    }

    // A push that moves the tag of an earlier one to a new image: only who remembers the catalog
    // can tell which image lost it.
    addMove(sender, from) {
        const { repository: repo, digest: old, tag } = from.event.target;
        const digest = digestOf(`${this.name} moved ${this.entries.length}`);
        return this.#add(sender, push(repo, digest, tag), [
            ['CreateImage', repo, digest, tag],
            ['DeleteImageTag', repo, old, tag],
            ['CreateImageTag', repo, digest, tag],
        ]);
    }

    ack(entry, by = null) {
        if (entry.acked) return;
        this.acked++;
        entry.by = by; // the daemon that said so
        entry.acked = true;
        entry.until = performance.now();
    }

    // The numbers of events that `path` must have got of what was acknowledged.
    due(path) {
        let n = 0;
        for (const entry of this.entries) if (entry.acked) n += keysOn(path, entry).length;
        return n;
    }
}

const WANTED = Object.fromEntries(
    Object.entries(TYPES).map(([path, types]) => [
        path,
        types.map((type) => type.toLowerCase().replaceAll('_', '')),
    ]),
);
const keysOn = (path, entry) =>
    entry.keys.filter(({ type }) => WANTED[kindOf(path)].includes(type.toLowerCase()));

// --------------------------------------------------------------------------------------- senders

// One request on a kept connection; null when no answer came.
export function postOn(agent, daemon, body, registry = REGISTRY) {
    return new Promise((done) => {
        const req = http.request({
            agent,
            method: 'POST',
            host: daemon.host,
            port: daemon.webhookPort,
            path: `/registries/${registry}/events`,
            headers: { 'Content-Type': ENVELOPE_TYPE, 'Content-Length': Buffer.byteLength(body) },
        });
        req.setTimeout(15000, () => req.destroy(new Error('no answer in 15 s')));
        req.on('error', () => done(null));
        req.on('response', (res) => {
            const parts = [];
            res.on('data', (part) => parts.push(part));
            res.on('error', () => done(null));
            res.on('close', () => {
                if (!res.complete) return done(null);
                const text = Buffer.concat(parts).toString('utf8');
                done({ status: res.statusCode, text, body: JSON.parse(text) });
            });
        });
        req.end(body);
    });
}

// Several senders at once, each with a connection of its own and its events in order: an envelope
// goes out when the one before was acknowledged, with the same event ids until it is.
export class Load {
    stopped = false;
    sated = false;
    sentTwice = 0; // events that went out again
    answers = { accepted: 0, duplicates: 0 };

    // `rest`: how long a sender waits after each envelope, in ms.
    constructor(place, ledger, rng, { senders = 4, most = 5, twins = 0.1, rest = 0 } = {}) {
        Object.assign(this, { place, ledger, rng, senders, most, twins, rest });
        this.agents = Array.from({ length: 2 * senders }, () =>
            new http.Agent({ keepAlive: true, maxSockets: 1 }),
        );
    }

    // Sends `total` more events, or until enough() is called; resolves when all are acknowledged.
    async run(total = Infinity) {
        let left = total;
        const sender = async (k) => {
            while (left > 0 && !this.stopped && !this.sated) {
                const n = Math.min(left, 1 + below(this.rng, this.most));
                left -= n;
                await this.deliver(k, Array.from({ length: n }, () => this.ledger.add(k)));
                if (this.rest > 0) await pause(this.rest);
            }
        };
        await Promise.all(Array.from({ length: this.senders }, (_, k) => sender(k)));
    }

    // Brings entries to the daemon, whichever runs; like Distribution, also one by one.
    async deliver(k, entries) {
        const rest = [entries];
        while (rest.length > 0 && !this.stopped) {
            const daemon = await this.place.up(k);
            if (!daemon) return;
            if (await this.#offer(k, daemon, rest[0])) {
                rest.shift();
                continue;
            }
            if (rest[0].length > 1 && this.rng() < 0.5)
                rest.splice(0, 1, ...rest[0].map((entry) => [entry]));
            await pause(5);
        }
    }

    // True when the entries were acknowledged. Now and then they come twice at the same time.
    async #offer(k, daemon, entries) {
        const body = envelope(entries.map(({ event }) => event));
        const fresh = entries.every(({ tries }) => tries === 0);
        const twice = this.rng() < this.twins;
        if (!fresh) this.sentTwice += entries.length;
        for (const entry of entries) {
            entry.tries++;
            entry.from ??= performance.now();
        }
        const agents = [2 * k, ...(twice ? [2 * k + 1] : [])].map((i) => this.agents[i]);
        const answers = await Promise.all(agents.map((agent) => postOn(agent, daemon, body, this.ledger.registry)));
        let accepted = 0;
        for (const got of answers.filter(Boolean)) {
            if (got.status === 202) {
                this.#check(got, entries, fresh && !twice);
                accepted += got.body.accepted;
                entries.forEach((entry) => this.ledger.ack(entry, daemon));
            } else if (got.status !== 503) {
                this.#wrong(`answer ${got.status}`, got);
            }
        }
        if (accepted > entries.length) this.#wrong('both of two at the same time taken', answers[0]);
        return entries.every((entry) => entry.acked);
    }

    #check(got, entries, fresh) {
        if (got.body.queued && this.place.shared) return; // taken, but not read by its owner yet
        const { accepted, duplicates, ignored, ...rest } = got.body;
        this.answers.accepted += accepted;
        this.answers.duplicates += duplicates;
        if (accepted + duplicates !== entries.length || ignored !== 0 || Object.keys(rest).length)
            this.#wrong(`not all of ${entries.length} accepted or known`, got);
        if (fresh && duplicates !== 0) this.#wrong('duplicates among what was never sent', got);
    }

    #wrong(what, got) {
        this.ledger.problems.push(`${what}: ${got.text}`);
    }

    // No new events.
    enough() {
        this.sated = true;
    }

    stop() {
        this.stopped = true;
        for (const agent of this.agents) agent.destroy();
    }
}

// --------------------------------------------------------------------------------------- clients

const GONE = /ECONNREFUSED|ECONNRESET|EPIPE|socket hang up/; // the daemon was killed meanwhile
const control = (text) => text.startsWith('{"control"');

// A client of one path that always comes back where it was, or a little before.
export class Follower {
    texts = []; // the path's messages, in order
    ids = []; // of each, its events' ids
    events = 0;
    legs = 0; // connections
    again = 0; // messages that came again
    controls = []; // messages of regcast.v1
    problem = null;
    #next = 0; // the index of the next message
    #done = false;
    #leg = null;

    // `from`: 'now' (what comes from the first connection on) or 'earliest'; `v1`: asks for the
    // subprotocol; `back`: how often it goes back further than it must.
    constructor(place, path, rng, { from = 'now', v1 = false, back = 0.3, registry = REGISTRY } = {}) {
        Object.assign(this, { place, path, rng, from, v1, back, registry });
    }

    // Follows until finish(); resolves when the first connection is open.
    begin() {
        return new Promise((opened) => {
            this.ended = this.#follow(opened);
        });
    }

    async #follow(opened) {
        while (!this.#done && !this.problem) {
            const daemon = await this.place.up();
            if (!daemon) break;
            const since = this.#since();
            try {
                this.#leg = await within(15000, 'a handshake', this.#open(daemon, since));
            } catch (error) {
                if (!this.#gone(error)) this.#wrong(`no connection: ${error.message}`);
                await pause(5);
                continue;
            }
            await this.#listen(this.#leg, since);
            opened();
            const { code, reason } = await this.#leg.end;
            this.#take(this.#leg); // what came together with the end
            if (![1006, 1012].includes(code)) this.#wrong(`closed with ${code} ${reason}`);
            this.#leg = null;
        }
        opened();
    }

    #gone(error) {
        return GONE.test(error.message) || this.place.gone?.test(error.message);
    }

    #since() {
        if (this.legs === 0) return this.from === 'now' ? null : 'earliest';
        if (this.texts.length === 0) return 'earliest';
        let at = this.texts.length - 1;
        const further = this.rng() < this.back;
        if (further) at -= below(this.rng, Math.min(20, this.texts.length));
        this.#next = at + 1;
        const ids = this.ids[at];
        return ids[further ? below(this.rng, ids.length) : ids.length - 1];
    }

    #open(daemon, since) {
        const query = since === null || this.#asHeader(since) ? '' : `?since=${since}`;
        return Client.open(daemon.url(this.path) + query, {
            protocols: this.v1 ? ['regcast.v1'] : [],
            headers: this.#asHeader(since) ? { 'Last-Event-ID': since } : {},
        });
    }

    // Both ways to say it are used; `earliest` is a query's.
    #asHeader(since) {
        return since !== null && since !== 'earliest' && this.legs % 2 === 1;
    }

    #listen(leg, since) {
        this.legs++;
        leg.read = 0;
        leg.controls = 0;
        leg.since = since;
        leg.socket.on('error', (error) => {
            if (!this.#gone(error)) this.#wrong(`broken: ${error.message}`);
        });
        leg.socket.on('message', () => this.#take(leg));
        this.#take(leg);
    }

    #take(leg) {
        while (leg.read < leg.messages.length && !this.problem) {
            const text = leg.messages[leg.read];
            if (typeof text === 'string' && control(text)) this.#control(leg, text);
            else if (this.v1 && leg.since !== null && leg.read === 0)
                this.#wrong(`not "recovered" first, but ${text}`);
            else this.#message(text);
            leg.messages[leg.read++] = null; // kept here, if at all
        }
    }

    #control(leg, text) {
        const { control: what, since } = JSON.parse(text);
        this.controls.push(what);
        if (!this.v1) this.#wrong(`unasked for: ${text}`);
        else if (what === 'recovered' && (leg.read !== 0 || leg.since === null))
            this.#wrong(`out of place: ${text}`);
        else if (what === 'recovered' && since !== leg.since)
            this.#wrong(`recovered from ${since}, not ${leg.since}`);
        else if (!['recovered', 'draining'].includes(what)) this.#wrong(text);
    }

    #message(text) {
        const at = this.#next++;
        if (at < this.texts.length) {
            this.again++;
            if (text !== this.texts[at])
                this.#wrong(`message ${at} changed:\n${this.texts[at]}\n${text}`);
            return;
        }
        try {
            const events = readMessage(text, this.registry);
            this.texts.push(text);
            this.ids.push(events.map(({ id }) => id));
            this.events += events.length;
        } catch (error) {
            this.#wrong(`${error.message}: ${text}`);
        }
    }

    #wrong(what) {
        this.problem ??= `client ${this.legs} of ${this.path}: ${what}`;
    }

    // Waits until it has `n` events.
    async has(n, ms = 15000) {
        await until(
            () => `${n} events on ${this.path} (now ${this.events})`,
            () => this.problem || this.events >= n,
            ms,
        );
        assert.equal(this.problem, null);
    }

    // Breaks the connection without a word, as a lost network would.
    cut() {
        this.#leg?.socket.terminate();
    }

    // No further connection; the present one stays until cut() or the daemon's end.
    finish() {
        this.#done = true;
    }
}

// ------------------------------------------------------------------------------------- the store

// Runs statements on a database with the sqlite3 command line: rows as objects.
export function rowsOf(file, sql) {
    const ran = spawnSync('sqlite3', ['-json', '-batch', file, sql], {
        encoding: 'utf8',
        maxBuffer: 1 << 30,
    });
    if (ran.error) throw ran.error;
    assert.equal(ran.status, 0, `sqlite3: ${ran.stderr}`);
    return ran.stdout.trim() === '' ? [] : JSON.parse(ran.stdout);
}

// A copy of the store as a dead process left it: reading it recovers it, which must not touch it.
function snapshot(dataDir) {
    const dir = tempDir();
    for (const name of ['journal.db', 'journal.db-wal'])
        if (existsSync(join(dataDir, name))) copyFileSync(join(dataDir, name), join(dir, name));
    return { file: join(dir, 'journal.db'), remove: () => rmSync(dir, { recursive: true }) };
}

// The messages of each path, in order; after the daemon's end.
export function storedMessages(dataDir) {
    const copy = snapshot(dataDir);
    try {
        assert.deepEqual(rowsOf(copy.file, 'PRAGMA integrity_check'), [{ integrity_check: 'ok' }]);
        const messages = new Map();
        const rows = rowsOf(
            copy.file,
            `SELECT p.name AS path, hex(b.frames) AS frames FROM batches b
                JOIN paths p ON p.id = b.key >> 48 ORDER BY b.key`,
        );
        for (const { path, frames } of rows) {
            if (!messages.has(path)) messages.set(path, []);
            const reader = new FrameReader();
            reader.feed(Buffer.from(frames, 'hex'));
            assert.equal(reader.pending, 0, 'whole frames');
            assert.deepEqual(reader.messages.map((m) => m.opcode), [TEXT]);
            messages.get(path).push(reader.messages[0].payload.toString('utf8'));
        }
        return messages;
    } finally {
        copy.remove();
    }
}

// How the store remembers a sender's event id.
export const senderKey = (id, registry = REGISTRY) =>
    createHash('sha256').update(`${registry}\0${id}`).digest('hex').slice(0, 32);

// Right after a kill: the acknowledged entries whose sender ids are not in the store.
export function notStored(dataDir, ledger) {
    const acked = ledger.entries.filter((entry) => entry.acked);
    if (acked.length === 0) return [];
    const copy = snapshot(dataDir);
    try {
        const stored = new Set();
        for (const { ids } of rowsOf(copy.file, 'SELECT lower(hex(ids)) AS ids FROM sender_ids'))
            for (let at = 0; at < ids.length; at += 32) stored.add(ids.slice(at, at + 32));
        return acked.filter(({ event }) => !stored.has(senderKey(event.id)));
    } finally {
        copy.remove();
    }
}

// ------------------------------------------------------------------------------------ the account

// Compares the ledger with the messages of each path (`stored`) and with what the followers got.
// Every list that is not empty is a broken promise.
export function judge({ ledger, stored, followers, paths = PATHS }) {
    const account = { lost: [], duplicated: [], invented: [], disordered: [], changed: [] };
    const idOf = new Map(); // key -> event id: the same on every path
    for (const path of paths) {
        const texts = stored.get(path) ?? [];
        const seen = judgePath(ledger, path, texts, idOf, account);
        if (kindOf(path) !== BRIEF)
            for (const entry of ledger.entries)
                if (entry.acked)
                    for (const { key } of keysOn(path, entry))
                        if (!seen.has(key)) account.lost.push(`${path}: ${entry.n} ${key}`);
        for (const follower of followers.filter((one) => one.path === path))
            judgeFollower(follower, texts, account);
    }
    return account;
}

function judgePath(ledger, path, texts, idOf, account) {
    const seen = new Set();
    const ids = new Set();
    const last = new Map(); // sender -> [number, index] of its newest event
    let highest = '';
    for (const { type, repo, digest, tag, id } of texts.flatMap((text) => readMessage(text, ledger.registry))) {
        const key = keyOf(type, repo, digest, tag);
        const known = ledger.byKey.get(key);
        if (!known || !WANTED[kindOf(path)].includes(type.toLowerCase())) {
            account.invented.push(`${path}: ${key}`);
            continue;
        }
        if (seen.has(key) || ids.has(id)) account.duplicated.push(`${path}: ${id} ${key}`);
        seen.add(key);
        ids.add(id);
        if ((idOf.get(key) ?? id) !== id) account.changed.push(`${path}: ${id} ${key}`);
        idOf.set(key, id);
        const at = known.entry.n + known.index / 8;
        if (id <= highest || at <= (last.get(known.entry.sender) ?? -1))
            account.disordered.push(`${path}: ${id} ${key}`);
        highest = id;
        last.set(known.entry.sender, at);
    }
    return seen;
}

// Followers begin before the load, or with the earliest: each must have got everything.
function judgeFollower(follower, texts, account) {
    if (follower.problem) account.changed.push(follower.problem);
    const got = follower.texts;
    for (let i = 0; i < Math.max(got.length, texts.length); i++) {
        const stored = texts[i];
        if (got[i] === stored) continue;
        const what = `${follower.path}: message ${i} of a client`;
        if (got[i] === undefined) account.lost.push(`${what}: ${stored}`);
        else if (stored === undefined) account.invented.push(`${what}: ${got[i]}`);
        else account.changed.push(`${what}: ${got[i]} is ${stored}`);
    }
}

export function assertClean(account, ledger) {
    assert.deepEqual(ledger.problems.slice(0, 5), [], 'answers');
    for (const [what, list] of Object.entries(account))
        assert.deepEqual(list.slice(0, 5), [], `${what}: ${list.length}`);
}

// What the tests of a file came to, for its last line.
export class Totals {
    #sum = {
        kills: 0,
        acknowledged: 0,
        lost: 0,
        duplicated: 0,
        'sent again': 0,
        'connections of clients': 0,
        'messages seen again': 0,
    };
    #slowest = 0;

    add({ account, place, ledger, load, followers }) {
        const sum = this.#sum;
        sum.kills += place.kills;
        sum.acknowledged += ledger.acked;
        sum.lost += account.lost.length;
        sum.duplicated += account.duplicated.length;
        sum['sent again'] += load.sentTwice;
        for (const follower of followers) {
            sum['connections of clients'] += follower.legs;
            sum['messages seen again'] += follower.again;
        }
        this.#slowest = Math.max(this.#slowest, place.slowestStart);
    }

    toString() {
        const parts = Object.entries(this.#sum).map(([what, n]) => `${n} ${what}`);
        return `${parts.join(', ')}; slowest start ${Math.round(this.#slowest)} ms; seed ${SEED}`;
    }
}
