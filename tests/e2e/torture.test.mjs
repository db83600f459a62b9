// Faults inside the daemon. Every allocation fails once, one after the other, while a client connects, a
// webhook comes and its event is broadcast: nobody is told that something was done when it was not,
// nothing leaks, and the daemon works for whoever comes next. And calls on sockets that do less than
// they could, or fail.
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import {
    BROADCASTER, Client, Daemon, FOLDER, GATEWAY, REGISTRY, defer, makeConfig, newImage, pause, readMessage, tempDir, trigger, until, within,
} from './harness.mjs';
import { CHECK } from './h2.mjs';
import { SWEEP } from './ledger.mjs';
import { Allocations, Sockets, whereFailed } from './torture.mjs';

const limits = { timeout: SWEEP ? 1200000 : 60000 };
const SAMPLE = 16; // failures of a scenario, without SWEEP
const ANSWER_MS = 10000;
// What the log has of it besides refusals.
const ERRORS = ['cannot commit', 'cannot read the store', 'a change could not be stored'];

// How a client may learn that there was no memory: 503, or an end without an answer.
const REFUSED = /503|alert|ECONNRESET|EPIPE|socket hang up|closed|disconnected|GOAWAY|stream|h2_|NGHTTP2/;

// A daemon that is tortured, and a client that was there before: what it gets, before or after it had
// to come back, is what everybody can get.
class Rig {
    seen = new Map(); // digest > how often
    last = null;

    static async start(t, over = {}, tls = null, more = {}) {
        const rig = new Rig();
        rig.t = t;
        rig.tls = tls;
        rig.allocations = new Allocations(t);
        const gateway = { workers: 1, drain_timeout: '100ms', ...(tls ? { tls: tlsOf(tls) } : {}), ...more };
        rig.daemon = await Daemon.start(makeConfig({ gateway, ...over }), { env: rig.allocations.env, errors: ERRORS });
        rig.daemon.exited.then((how) => (rig.dead = how));
        defer(t, () => rig.daemon.stop());
        defer(t, () => rig.witness.terminate());
        await rig.#watch();
        return rig;
    }

    open(options = {}, path = '/') {
        const { port } = this.daemon;
        const url = `${this.tls ? 'wss' : 'ws'}://127.0.0.1:${port}${path}`;
        return within(ANSWER_MS, 'a client', Client.open(url, this.tls ? { ca: this.tls.text, ...options } : options));
    }

    async #watch() {
        this.witness = await this.open({}, this.last ? `/?since=${this.last}` : '/');
        this.taken = 0;
    }

    #take() {
        for (; this.taken < this.witness.messages.length; this.taken++) {
            for (const { digest, id } of readMessage(this.witness.messages[this.taken])) {
                this.seen.set(digest, (this.seen.get(digest) ?? 0) + 1);
                this.last = id;
            }
        }
    }

    // The status, or what became of the connection.
    async post(event) {
        try {
            const { status, text } = await this.daemon.post([event]);
            assert.ok(status === 202 || status === 503, `status ${status} ${text}`);
            return status;
        } catch (error) {
            return refusal(error);
        }
    }

    // What was not acknowledged comes again, as from a registry.
    async again(event, status) {
        if (status === 202) return;
        const { json, status: now, text } = await this.daemon.post([event]);
        assert.equal(now, 202, text);
        assert.equal(json.accepted + json.duplicates, 1, text);
    }

    async arrived(event) {
        const { digest } = event.target;
        await until('an acknowledged event', async () => {
            this.#take();
            if (this.witness.closed && !this.seen.has(digest)) await this.#watch();
            return this.seen.has(digest);
        });
        assert.equal(this.seen.get(digest), 1);
    }
}

// Lets the n-th allocation of `scenario` fail for each n, or a sample. It returns what became of it,
// and may check more. Ends with a run in which nothing failed.
async function torture(t, rig, scenario) {
    const outcomes = new Map();
    rig.allocations.arm(0);
    await scenario();
    const { seen } = rig.allocations.disarm();
    let step = SWEEP ? 1 : Math.max(1, Math.ceil(seen / SAMPLE));
    let n = 1, runs = 0, failed;
    do {
        rig.allocations.arm(n);
        const problems = [];
        let outcome;
        try {
            outcome = await scenario();
        } catch (error) {
            problems.push(error);
        }
        failed = rig.allocations.disarm();
        await new Promise((next) => setImmediate(next));
        const what = () => `allocation ${n}, ${whereFailed(failed)}`;
        assert.equal(rig.dead, undefined, `it ended ${JSON.stringify(rig.dead)} after ${what()}`);
        if (problems.length > 0) throw new Error(`${problems[0].message}\nafter ${what()}`, { cause: problems[0] });
        if (failed.failed > 0) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        else assert.equal(outcome, 'fine');
        runs += failed.failed;
        if (!SWEEP && runs % SAMPLE === 0) step *= 2; // it differs from run to run how many there are
        n += step;
    } while (failed.failed > 0);
    assert.ok(runs >= Math.min(seen, SAMPLE) / 3, `${runs} of ${seen} failed`);
    assert.ok((await rig.daemon.metrics()).get('regcast_allocation_failures_total') <= runs);
    t.diagnostic(`${runs} failures of ${seen} or so: ${[...outcomes].map(([what, count]) => `${what} ${count}`).join(', ')}`);
}

// What an error is called in the tally; anything but a refusal is the test's failure.
function refusal(error) {
    const text = `${error.code ?? ''} ${error.message}`;
    assert.match(text, REFUSED);
    return /503/.test(text) ? '503' : 'connection closed';
}

// Two handshakes, one with permessage-deflate, a webhook, its broadcast.
async function broadcast(rig) {
    const clients = [], event = newImage('team/app');
    let outcome = 'fine';
    for (const options of [{}, { perMessageDeflate: true }]) {
        try {
            clients.push(await rig.open(options));
        } catch (error) {
            outcome = `handshake: ${refusal(error)}`;
        }
    }
    const status = await rig.post(event);
    if (status !== 202) outcome = `webhook: ${status}`;
    rig.allocations.pause();
    await rig.again(event, status);
    await rig.arrived(event);
    for (const client of clients) {
        await until('the message, or an end', () => client.closed || client.messages.length > 0);
        if (client.messages.length > 0) assert.equal(readMessage(client.messages[0])[0].digest, event.target.digest);
        else outcome = `client: closed ${client.closed.code}`;
        if (client.closed) assert.ok([1006, 1011, 1013].includes(client.closed.code), `code ${client.closed.code}`);
        client.terminate();
    }
    return outcome;
}

describe('an allocation fails (RL-19)', { concurrency: true }, () => {
    test('in handshakes, a webhook and its broadcast', limits, async (t) => {
        const rig = await Rig.start(t);
        await torture(t, rig, () => broadcast(rig));
    });

    test('in a batch of events that are acknowledged already', limits, async (t) => {
        const rig = await Rig.start(t, { triggers: [trigger('pairs', { size: 2, cutoff: '60s' })] });
        await torture(t, rig, async () => {
            const events = [newImage('team/app'), newImage('team/app')], statuses = [];
            for (const event of events) statuses.push(await rig.post(event));
            rig.allocations.pause();
            for (const [i, event] of events.entries()) await rig.again(event, statuses[i]);
            for (const event of events) await rig.arrived(event);
            return statuses.every((status) => status === 202) ? 'fine' : 'webhook refused';
        });
    });

    test('in TLS (TL-06)', limits, async (t) => {
        const rig = await Rig.start(t, {}, makeCertificate());
        await torture(t, rig, async () => {
            try {
                const client = await rig.open();
                client.terminate();
                return 'fine';
            } catch (error) {
                return refusal(error);
            }
        });
        rig.allocations.disarm();
        await broadcast(rig);
    });

    test('where a JWT is looked at: one that is forged never opens anything', limits, async (t) => {
        const issuer = 'https://issuer.example';
        const [ours, forger] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
        const jwks_file = join(tempDir(), 'jwks.json');
        writeFileSync(jwks_file, JSON.stringify({ keys: [{ ...ours.publicKey.export({ format: 'jwk' }), kid: 'k' }] }));
        const rig = await Rig.start(t, {}, null, {
            auth: { issuers: [{ issuer, audiences: ['regcast'], jwks_file }] },
            paths: ['/', { path: '/jwt', auth: 'jwt' }],
        });
        let tries = 0; // an address has so many that fail
        const come = async ({ privateKey }) => {
            const localAddress = `127.0.${1 + (tries >> 7)}.${1 + (tries++ & 127)}`;
            try {
                const headers = { Authorization: `Bearer ${makeJwt(privateKey, { iss: issuer, aud: 'regcast', sub: 'a' })}` };
                (await rig.open({ headers, localAddress }, '/jwt')).terminate();
                return 'fine';
            } catch (error) {
                return /401/.test(error.message) ? '401' : refusal(error);
            }
        };
        await torture(t, rig, async () => {
            assert.notEqual(await come(forger), 'fine');
            return come(ours);
        });
    });

    test('in a return with ?since=', limits, async (t) => {
        const rig = await Rig.start(t);
        for (let i = 0; i < 3; i++) await rig.daemon.accept([newImage('team/app')]);
        await torture(t, rig, async () => {
            try {
                const client = await rig.open({}, '/?since=earliest');
                await until('the history, or an end', () => client.closed || client.messages.length === 3);
                if (client.closed) assert.ok([1006, 1011, 1013].includes(client.closed.code), `code ${client.closed.code}`);
                const outcome = client.closed ? `closed ${client.closed.code}` : 'fine';
                client.terminate();
                return outcome;
            } catch (error) {
                return refusal(error);
            }
        });
    });

    test('in calls of REST', limits, async (t) => {
        const rig = await Rig.start(t);
        let made = 0;
        await torture(t, rig, async () => {
            const name = `made-${made++}`;
            let created;
            try {
                created = await rig.daemon.manage('POST', '/triggers/v1/triggers', { body: wish(name) });
            } catch (error) {
                created = { status: refusal(error) };
            }
            rig.allocations.pause();
            const { json } = await rig.daemon.manage('GET', `/triggers/v1/triggers?folderId=${FOLDER}&pageSize=1000`);
            const there = json.triggers.find((one) => one.name === name);
            if (created.status === 200) assert.ok(there, 'it was acknowledged');
            else assert.ok(['503', 'connection closed', 429, 500, 503].includes(created.status), `status ${created.status} ${created.text}`);
            if (there) await rig.daemon.manage('DELETE', `/triggers/v1/triggers/${there.id}`);
            return created.status === 200 ? 'fine' : `${created.status}`;
        });
    });

    test('in a call of gRPC', limits, async (t) => {
        const rig = await Rig.start(t, { management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'] } });
        await torture(t, rig, () => health(rig.daemon.grpcPort).catch(refusal));
    });
});

// Signed with ES256, good for ten minutes.
function makeJwt(key, claims) {
    const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
    const text = `${part({ alg: 'ES256', kid: 'k' })}.${part({ ...claims, exp: Math.floor(Date.now() / 1000) + 600 })}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

// What the API is asked to make.
const wish = (name) => ({
    folderId: FOLDER,
    name,
    rule: {
        containerRegistry: {
            registryId: REGISTRY,
            eventType: ['CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE'],
            batchSettings: { size: '1', cutoff: '1s' },
            gatewayWebsocketBroadcast: { gatewayId: GATEWAY, path: '/', serviceAccountId: BROADCASTER },
        },
    },
});

// grpc.health.v1.Health/Check: 'fine', or what became of it.
function health(port) {
    return within(ANSWER_MS, 'an answer', new Promise((done, fail) => {
        const session = http2.connect(`http://127.0.0.1:${port}`);
        let head = {}, trailers = {};
        session.on('error', fail);
        session.on('close', () => fail(new Error('closed')));
        const stream = session.request({ ':method': 'POST', ':path': CHECK, 'content-type': 'application/grpc', te: 'trailers' });
        stream.on('error', fail);
        stream.on('response', (got) => (head = got));
        stream.on('trailers', (got) => (trailers = got));
        stream.on('close', () => {
            const status = trailers['grpc-status'] ?? head['grpc-status'];
            if (status === '0') done('fine');
            else if (['8', '13', '14'].includes(status)) done(`status ${status}`);
            else fail(new Error(`stream closed, status ${status}, ${stream.rstCode}`));
            session.destroy();
        });
        stream.resume();
        stream.end(Buffer.alloc(5));
    }));
}

// ------------------------------------------------------------------------------------- sockets

const { EAGAIN, ECONNRESET, EINTR, ETIMEDOUT } = constants.errno;

// A client that comes back with ?since= whenever it has lost its connection.
class Returning {
    ids = [];

    constructor(t, url, options) {
        Object.assign(this, { url, options });
        defer(t, () => {
            this.over = true;
            this.client?.terminate();
        });
        this.done = this.#run();
    }

    async #run() {
        while (!this.over) {
            const since = this.ids.length > 0 ? this.ids.at(-1) : 'earliest';
            this.client = await Client.open(`${this.url}?since=${since}`, this.options).catch(() => null);
            let taken = 0;
            while (this.client && !this.over && (!this.client.closed || taken < this.client.messages.length)) {
                for (; taken < this.client.messages.length; taken++)
                    this.ids.push(...readMessage(this.client.messages[taken]).map(({ id }) => id));
                await pause(5);
            }
            await pause(10);
        }
    }
}

const MODES = {
    'one byte a call': { bytes: 1 },
    'every second call EAGAIN': { every: 2, error: EAGAIN },
    'every third call EINTR, 7 bytes': { bytes: 7, every: 3, error: EINTR },
    'every fifth call EAGAIN, 1 byte': { bytes: 1, every: 5, error: EAGAIN },
    'every 31st call ECONNRESET': { every: 31, error: ECONNRESET },
    // A client that is far behind gets whole TLS records of 16 KiB, and needs that long a connection for one.
    'now and then ETIMEDOUT, 100 bytes': { bytes: 100, every: SWEEP ? 997 : 89, error: ETIMEDOUT },
};
const EVENTS = SWEEP ? 100 : 6;

// Calls on sockets go wrong while events are posted and broadcast: all clients have each event once,
// in order, whatever they had to do for it.
async function shortCalls(t, certificate) {
    const sockets = new Sockets(t);
    const gateway = { workers: 2, drain_timeout: '100ms', ...(certificate ? { tls: tlsOf(certificate) } : {}) };
    const daemon = await Daemon.start(makeConfig({ gateway }), { env: sockets.env });
    defer(t, () => daemon.stop());
    defer(t, () => sockets.set());
    const url = `${certificate ? 'wss' : 'ws'}://127.0.0.1:${daemon.port}/`, tls = certificate ? { ca: certificate.text } : {};
    const clients = [{}, { perMessageDeflate: true }, {}].map((options) => new Returning(t, url, { ...tls, ...options }));
    await until('all of them', async () => (await daemon.metrics()).get('regcast_handshakes_total') >= 3);
    let posted = 0;
    for (const [what, mode] of Object.entries(MODES)) {
        sockets.set(mode);
        for (let i = 0; i < EVENTS; i++) {
            const event = newImage('team/app');
            await until(`the webhook, ${what}`, () => daemon.post([event]).then(({ status }) => status === 202, () => false), 30000);
        }
        posted += EVENTS;
        await until(() => `all messages, ${what}: ${clients.map((c) => c.ids.length)} of ${posted}`, () => clients.every((c) => c.ids.length >= posted), 180000);
        const { calls, cut, failed } = sockets.counts();
        t.diagnostic(`${what}: ${calls} calls, ${cut} cut, ${failed} failed`);
        assert.ok((cut > 0 || !mode.bytes) && (failed > 0 || !mode.every), `${cut} cut, ${failed} failed`);
        for (const { ids } of clients) {
            assert.deepEqual(ids, clients[0].ids);
            assert.equal(new Set(ids).size, posted);
            assert.deepEqual(ids, ids.toSorted());
        }
    }
}

describe('socket calls do less, or fail (RL-20)', { concurrency: true }, () => {
    test('without TLS', limits, (t) => shortCalls(t, null));
    test('with TLS', limits, (t) => shortCalls(t, makeCertificate()));
});
