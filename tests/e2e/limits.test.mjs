// What the system denies: descriptors and memory run out, thousands come and go, and thousands do nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
    Client, Daemon, REGCASTD, REGCASTD_FAST, Raw, defer, handshake, makeConfig, newImage, pause, readMessage, tempDir, until, within,
} from './harness.mjs';
import { SWEEP } from './ledger.mjs';

const limits = { timeout: 120000 };

async function start(t, over = {}, options = {}) {
    const daemon = await Daemon.start(makeConfig(over), options);
    defer(t, () => daemon.stop());
    return daemon;
}

const prlimit = (daemon, limit) => execFileSync('prlimit', [`--pid=${daemon.pid}`, limit]);

// Seconds of CPU so far.
function cpuSeconds(pid) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

// The share of a core that the daemon uses within `ms`.
async function cpuShare(daemon, ms) {
    const before = cpuSeconds(daemon.pid), began = performance.now();
    await pause(ms);
    return ((cpuSeconds(daemon.pid) - before) * 1000) / (performance.now() - began);
}

// A program that runs `bin` with a limit set.
function limited(bin, limit) {
    const script = join(tempDir(), 'limited');
    writeFileSync(script, `#!/bin/sh\nexec prlimit ${limit} -- '${bin}' "$@"\n`);
    chmodSync(script, 0o755);
    return script;
}

// A handshake on a socket of its own, as far as it gets; null: a reset came first.
async function knock(t, daemon) {
    const raw = await Raw.open(daemon.port).catch(() => null);
    if (!raw) return null;
    defer(t, () => raw.socket.destroy());
    raw.socket.on('error', () => {});
    await raw.send(handshake('/'));
    return raw;
}

describe('descriptors run out (RL-18)', { concurrency: true }, () => {
    test('500 come where 128 are allowed', limits, async (t) => {
        const daemon = await start(t, {}, { bin: limited(REGCASTD, '--nofile=128:128') });
        const witness = await Client.open(daemon.url());
        defer(t, () => witness.terminate());
        const came = await Promise.all(Array.from({ length: 500 }, () => knock(t, daemon)));
        const all = came.filter((raw) => raw);
        for (const raw of all) await raw.wait('an answer or an end', () => raw.last || raw.done);
        const open = all.filter((raw) => raw.last?.status === 101), refused = all.filter((raw) => raw.last?.status === 503);
        assert.ok(open.length >= 20 && open.length <= 64, `${open.length} were let in`);
        assert.ok(refused.length > 0, 'none got 503');
        for (const raw of refused) assert.match(raw.last.body, /conn_cap/);
        assert.ok(daemon.openFiles() <= 128 - 32, `${daemon.openFiles()} files`);
        assert.deepEqual(daemon.logged({ level: 'error' }), []);
        await daemon.accept([newImage('team/app')]);
        assert.equal(readMessage((await witness.first(1))[0]).length, 1);
        const share = await cpuShare(daemon, 500);
        assert.ok(share < 0.5, `${share} of a core for nothing`);
        for (const raw of all) raw.socket.destroy();
        await until('room again', () => Client.open(daemon.url()).then((c) => c.terminate() ?? true, () => false));
        t.diagnostic(`${open.length} of 500 let in, ${refused.length} got 503, the others a reset`);
    });

    test('there is none even for accept()', limits, async (t) => {
        const daemon = await start(t, {}, { errors: ['no connection can be accepted for now'] });
        const witness = await Client.open(daemon.url());
        defer(t, () => witness.terminate());
        await daemon.accept([newImage('team/app')]);
        const { limit } = /Max open files\s+(?<limit>\d+)/.exec(readFileSync(`/proc/${daemon.pid}/limits`, 'utf8')).groups;
        const taken = new Set(readdirSync(`/proc/${daemon.pid}/fd`).map(Number));
        let free = 0;
        while (taken.has(free)) free++;
        prlimit(daemon, `--nofile=${free}:`);
        const waiting = await Promise.all(Array.from({ length: 100 }, () => knock(t, daemon)));
        await until('it says so', () => daemon.logged({ msg: 'no connection can be accepted for now' }).length > 0);
        const share = await cpuShare(daemon, 500);
        assert.ok(share < 0.5, `${share} of a core for nothing`);
        assert.equal(witness.closed, null);
        prlimit(daemon, `--nofile=${limit}:`);
        await Promise.all(waiting.map((raw) => raw.wait('to be let in', () => raw.last)));
        assert.ok(waiting.every((raw) => raw.last.status === 101), 'they waited in the backlog');
        await daemon.accept([newImage('team/app')]);
        await witness.first(2);
    });
});

test('memory runs out: webhooks get 503, and what was acknowledged arrives (RL-19)', limits, async (t) => {
    const config = { gateway: { workers: 1, paths: [{ path: '/', history_count: 100000, history_bytes: '64MiB', memory_bytes: '64MiB' }] } };
    const daemon = await start(t, config, { bin: REGCASTD_FAST, errors: ['cannot commit'] });
    const witness = await Client.open(daemon.url());
    defer(t, () => witness.terminate());
    const status = readFileSync(`/proc/${daemon.pid}/status`, 'utf8');
    const used = Number(/VmSize:\s+(\d+)/.exec(status)[1]) * 1024;
    prlimit(daemon, `--as=${used + (6 << 20)}:`);
    const accepted = [], answers = new Map();
    for (let i = 0; i < 100 && (answers.get(503) ?? 0) < 10; i++) {
        const events = Array.from({ length: 400 }, () => newImage('team/app'));
        const answer = await daemon.post(events).then((got) => got.status, () => 'closed');
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
        assert.ok([202, 503, 'closed'].includes(answer), `${answer}`);
        if (answer === 202) accepted.push(...events.map(({ target }) => target.digest));
    }
    assert.ok(answers.get(503) >= 10, JSON.stringify([...answers]));
    prlimit(daemon, '--as=unlimited:');
    await daemon.accept([newImage('team/app')]);
    const metrics = await daemon.metrics();
    assert.ok(metrics.get('regcast_allocation_failures_total') > 0);
    const digests = new Set();
    await until(() => `${accepted.length} events, ${digests.size} are there`, () => {
        for (const text of witness.messages.splice(0)) for (const { digest } of readMessage(text)) digests.add(digest);
        return accepted.every((digest) => digests.has(digest));
    }, 30000);
    t.diagnostic(`${[...answers].map(([what, n]) => `${what}: ${n}`).join(', ')}; ${metrics.get('regcast_allocation_failures_total')} allocations failed`);
});

// Loops that were late by more than `seconds`, of all measurements.
async function lateLoops(daemon, seconds) {
    const metrics = await daemon.metrics(), sum = (name, more) =>
        ['worker', 'front'].reduce((n, loop) => n + metrics.get(name, { loop, ...more }), 0);
    const all = sum('regcast_loop_lag_seconds_count');
    return { all, late: all - sum('regcast_loop_lag_seconds_bucket', { le: seconds }) };
}

test('thousands come and go each second, and loops are in time (LM-05)', limits, async (t) => {
    const daemon = await start(t, {}, { bin: REGCASTD_FAST });
    const request = handshake('/');
    const seconds = SWEEP ? 30 : 2, end = performance.now() + seconds * 1000;
    let n = 0;
    const come = async () => {
        while (performance.now() < end) {
            const raw = await Raw.open(daemon.port).catch(() => null);
            if (!raw) continue;
            await raw.send(request);
            await raw.wait('the answer', () => raw.last || raw.done);
            raw.socket.destroy();
            n++;
        }
    };
    await Promise.all(Array.from({ length: 50 }, come));
    const { all, late } = await lateLoops(daemon, '0.1');
    assert.ok(all >= seconds * 2, `${all} measurements`);
    assert.ok(late <= all / 20, `${late} of ${all} were late by more than 100 ms`);
    const { late: later } = await lateLoops(daemon, '0.025');
    t.diagnostic(`${Math.round(n / seconds)} connections/s; ${later} of ${all} measurements above 25 ms, ${late} above 100 ms`);
});

// How often a worker's thread has waited so far.
function waits(pid) {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
        const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
        const [, name] = /^Name:\s+(\S+)/.exec(status);
        return name.startsWith('worker-') ? [Number(/\nvoluntary_ctxt_switches:\s+(\d+)/.exec(status)[1])] : [];
    });
}

test('who does nothing costs nothing (RL-27)', limits, async (t) => {
    const n = SWEEP ? 5000 : 1000, ms = SWEEP ? 20000 : 2500;
    const daemon = await start(t, { gateway: { ping_interval: '1h', idle_timeout: '2h', max_half_open: 6000 } }, { bin: REGCASTD_FAST });
    const all = [];
    defer(t, () => all.forEach((raw) => raw.socket.destroy()));
    while (all.length < n) {
        const some = await Promise.all(Array.from({ length: 100 }, () => Raw.open(daemon.port)));
        await Promise.all(some.map(async (raw) => {
            await raw.send(handshake('/'));
            await within(10000, 'the answer', raw.wait('the answer', () => raw.last));
        }));
        all.push(...some);
    }
    await pause(500); // what the last of them left to do
    const before = waits(daemon.pid), began = performance.now();
    const share = await cpuShare(daemon, ms);
    const seconds = (performance.now() - began) / 1000;
    const rates = waits(daemon.pid).map((after, i) => (after - before[i]) / seconds);
    assert.equal(rates.length, 2);
    for (const rate of rates) assert.ok(rate <= 2.5, `${rates} wake-ups a second`);
    assert.ok(share <= 0.03, `${share} of a core`);
    t.diagnostic(`${n} idle connections: ${rates.map((rate) => rate.toFixed(2)).join(' and ')} wake-ups/s, ${(share * 100).toFixed(1)} % of a core`);
});
