// Every allocation fails once, one after the other, while a client connects, a webhook comes and its
// event is broadcast: nobody is told that something was done when it was not, nothing leaks, and the
// daemon works for whoever comes next.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { describe, test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import {
    Client, Daemon, FOLDER, defer, makeConfig, newImage, readMessage, trigger, until, within,
} from './harness.mjs';
import { CHECK } from './h2.mjs';
import { SWEEP } from './ledger.mjs';
import { Allocations, whereFailed } from './torture.mjs';

const limits = { timeout: SWEEP ? 1200000 : 60000 };
const SAMPLE = 60; // failures of a scenario, without SWEEP
const ANSWER_MS = 10000;

// How a client may learn that there was no memory: 503, or an end without an answer.
const REFUSED = /503|ECONNRESET|EPIPE|socket hang up|closed|disconnected|GOAWAY|stream|h2_|NGHTTP2/;

// A daemon that is tortured, and a client that was there before: what it gets, before or after it had
// to come back, is what everybody can get.
class Rig {
    seen = new Map(); // digest > how often
    last = null;

    static async start(t, over = {}, tls = null) {
        const rig = new Rig();
        rig.t = t;
        rig.tls = tls;
        rig.allocations = new Allocations(t);
        const gateway = { workers: 1, ...(tls ? { tls: tlsOf(tls) } : {}) };
        rig.daemon = await Daemon.start(makeConfig({ gateway, ...over }), { env: rig.allocations.env });
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

    // Posts again what was not acknowledged, as a registry does, and checks that it arrives, once.
    async settle(event, status) {
        const { digest } = event.target;
        if (status !== 202) {
            const { json, status: now, text } = await this.daemon.post([event]);
            assert.equal(now, 202, text);
            assert.equal(json.accepted + json.duplicates, 1, text);
        }
        await until(`the event, acknowledged with ${status}`, async () => {
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
    const step = SWEEP ? 1 : Math.max(1, Math.floor(seen / SAMPLE));
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
        if (problems.length > 0) throw new Error(`after ${what()}`, { cause: problems[0] });
        if (failed.failed > 0) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        else assert.equal(outcome, 'fine');
        runs += failed.failed;
        n += step;
    } while (failed.failed > 0);
    assert.ok(runs >= Math.min(seen, SAMPLE) / 2, `${runs} of ${seen} failed`);
    const { metrics } = { metrics: await rig.daemon.metrics() };
    assert.ok(metrics.get('regcast_allocation_failures_total') <= runs);
    t.diagnostic(`${runs} failures, every ${step}th of ${n - 1}: ${[...outcomes].map(([what, count]) => `${what} ${count}`).join(', ')}`);
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
    let outcome = 'fine', status = null;
    for (const options of [{}, { perMessageDeflate: true }]) {
        try {
            clients.push(await rig.open(options));
        } catch (error) {
            outcome = `handshake: ${refusal(error)}`;
        }
    }
    try {
        ({ status } = await rig.daemon.post([event]));
        assert.ok(status === 202 || status === 503, `status ${status}`);
        if (status === 503) outcome = 'webhook: 503';
    } catch (error) {
        outcome = `webhook: ${refusal(error)}`;
    }
    rig.allocations.pause();
    await rig.settle(event, status);
    for (const client of clients) {
        await until('the message, or an end', () => client.closed || client.messages.length > 0);
        if (client.messages.length > 0) assert.equal(readMessage(client.messages[0])[0].digest, event.target.digest);
        else outcome = `client: closed ${client.closed.code}`;
        if (client.closed) assert.ok([1006, 1011, 1013].includes(client.closed.code), `code ${client.closed.code}`);
        client.terminate();
    }
    return outcome;
}

describe('an allocation fails (RL-19)', { concurrency: false }, () => {
    test('in handshakes, a webhook and its broadcast', limits, async (t) => {
        const rig = await Rig.start(t);
        await torture(t, rig, () => broadcast(rig));
    });

    test('in the same with batches that a timer closes', limits, async (t) => {
        const rig = await Rig.start(t, { triggers: [trigger('late', { size: 10, cutoff: '1s' })].map((one) => {
            one.rule.container_registry.batch_settings.cutoff = '1s';
            return one;
        }), gateway: undefined });
        await torture(t, rig, () => broadcast(rig));
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
            const rule = trigger(name).rule;
            let created;
            try {
                created = await rig.daemon.manage('POST', '/triggers/v1/triggers', { body: { folderId: FOLDER, name, rule: camel(rule) } });
            } catch (error) {
                created = { status: refusal(error) };
            }
            rig.allocations.pause();
            const { json } = await rig.daemon.manage('GET', `/triggers/v1/triggers?folderId=${FOLDER}&pageSize=1000`);
            const there = json.triggers.find((one) => one.name === name);
            if (created.status === 200) assert.ok(there, 'it was acknowledged');
            else assert.ok(['503', 'connection closed', 500, 503].includes(created.status), `status ${created.status} ${created.text}`);
            if (there) await rig.daemon.manage('DELETE', `/triggers/v1/triggers/${there.id}`);
            return created.status === 200 ? 'fine' : `${created.status}`;
        });
    });

    test('in a call of gRPC', limits, async (t) => {
        const rig = await Rig.start(t, { management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'] } });
        await torture(t, rig, () => health(rig.daemon.grpcPort).catch(refusal));
    });
});

// Keys as the API writes them.
function camel(value) {
    if (Array.isArray(value)) return value.map(camel);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
        Object.entries(value).map(([key, one]) => [key.replace(/_([a-z])/g, (_, c) => c.toUpperCase()), camel(one)]),
    );
}

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
        stream.end(Buffer.alloc(5));
    }));
}
