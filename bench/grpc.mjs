// grpc.mjs - the load client for gRPC: has h2load call grpc.health.v1.Health/Check, and takes from
// /proc what the server spent on it. Prints one line of JSON, as bench_load does.
//   node bench/grpc.mjs --connect ADDRESS --pid PID [--core N] --connections N --streams N --calls N
//                       --warmup N [--max-seconds S]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const TICKS = 100; // a second, in /proc: the same on all Linux that Node runs on
const REQUEST = Buffer.from([0, 0, 0, 0, 0]); // an empty message: how is the whole server?
export const ANSWER_BYTES = 7;                // a prefix of 5, then "status: SERVING"

// ------------------------------------------------------------------------------------- /proc

// CPU time of all threads, from the scheduler's own clock, and what is resident.
function processNow(pid) {
    const proc = `/proc/${pid}`;
    let cpu_ns = 0;
    for (const task of readdirSync(`${proc}/task`))
        cpu_ns += Number(readFileSync(`${proc}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    const stat = statFields(readFileSync(`${proc}/stat`, 'utf8'));
    const rss = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`${proc}/status`, 'utf8'));
    return { cpu_ns, user: stat[11] / TICKS, system: stat[12] / TICKS, rss_kb: Number(rss[1]) };
}

// What follows the process's name, which may hold anything, as numbers.
const statFields = (text) => text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);

// Seconds that a core was busy, and that the hypervisor took from it.
function coreNow(core) {
    const line = readFileSync('/proc/stat', 'utf8').split('\n').find((text) => text.startsWith(`cpu${core} `));
    const [user, nice, system, , , irq, softirq, steal] = (line ?? '').split(/\s+/).slice(1).map((n) => n / TICKS);
    return { busy: user + nice + system + irq + softirq, steal };
}

// What h2load and its predecessors have used: children that are waited for.
function childrenNow() {
    const stat = statFields(readFileSync('/proc/self/stat', 'utf8'));
    return (stat[13] + stat[14]) / TICKS;
}

// The core that this process may run on, if it is one.
function ownCore() {
    const allowed = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
    return /^\d+$/.test(allowed) ? Number(allowed) : NaN;
}

// ------------------------------------------------------------------------------------- h2load

// The counts of what h2load prints at its end; null where it printed none.
export function countsOf(said) {
    const line = /^requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/m.exec(said);
    const data = /^traffic: .*, \S+ \((\d+)\) data$/m.exec(said);
    const time = /^finished in ([\d.]+)(us|ms|s|m)/m.exec(said);
    if (!line || !data || !time)
        return null;
    const [done, succeeded, failed, errored, timeout] = line.slice(3).map(Number);
    const unit = { us: 1e-6, ms: 1e-3, s: 1, m: 60 }[time[2]];
    return { done, succeeded, failed, errored, timeout, data: Number(data[1]), seconds: Number(time[1]) * unit };
}

// What is not as it should be: {what: how many}. An error of gRPC comes with status 200, but without
// the message that each answer has.
export function errorsOf(counts, calls) {
    const errors = { missing: calls - counts.succeeded, failed: counts.failed, errored: counts.errored,
        timeout: counts.timeout, unlike: Math.abs(calls * ANSWER_BYTES - counts.data) };
    return Object.fromEntries(Object.entries(errors).filter(([, n]) => n !== 0));
}

export function percentilesOf(latencies) {
    const sorted = Float64Array.from(latencies).sort();
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return { n: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), 'p99.9': at(0.999), max: sorted.at(-1) };
}

// Makes so many calls, and returns the counts; `log`: a file for each call's latency.
function load(options, dir, calls, log) {
    const ran = spawnSync('h2load', [
        '-n', calls, '-c', options.connections, '-m', options.streams, '-t', 1, '-d', path.join(dir, 'request'),
        '-H', 'content-type: application/grpc', '-H', 'te: trailers', ...log ? [`--log-file=${log}`] : [],
        `http://${options.connect}/grpc.health.v1.Health/Check`,
    ].map(String), { encoding: 'utf8', timeout: 1000 * options['max-seconds'], maxBuffer: 1 << 24 });
    const counts = ran.error ? null : countsOf(ran.stdout);
    if (counts === null)
        throw new Error(`h2load: ${ran.error ?? ran.stdout + ran.stderr}`);
    return counts;
}

function measure(options, dir) {
    const log = path.join(dir, 'log');
    const warmed = load(options, dir, options.warmup);
    const mine = ownCore();
    const before = { server: processNow(options.pid), core: coreNow(options.core), client: childrenNow(), own: coreNow(mine) };
    const counts = load(options, dir, options.calls, log);
    const after = { server: processNow(options.pid), core: coreNow(options.core), client: childrenNow(), own: coreNow(mine) };
    const { seconds } = counts;
    const grown = (get) => get(after) - get(before);
    const us = (seconds_) => seconds_ * 1e6 / options.calls;
    const cpu = grown((now) => now.server.cpu_ns) / 1e9;
    const errors = errorsOf(counts, options.calls);
    const warm = errorsOf(warmed, options.warmup);
    return {
        pattern: 'grpc', connections: options.connections, streams: options.streams, calls: options.calls,
        seconds, calls_per_second: options.calls / seconds,
        client_busy: grown((now) => now.client) / seconds, client_core_busy: grown((now) => now.own.busy) / seconds,
        latency_us: percentilesOf(readFileSync(log, 'utf8').trimEnd().split('\n').map((line) => Number(line.split('\t')[2]))),
        server: {
            cpu_seconds: cpu, cpu_us_per_call: us(cpu), user_us_per_call: us(grown((now) => now.server.user)),
            system_us_per_call: us(grown((now) => now.server.system)),
            core_busy_seconds: grown((now) => now.core.busy), core_steal_seconds: grown((now) => now.core.steal),
            rss_kb: [before.server.rss_kb, after.server.rss_kb],
        },
        pinned: Number.isFinite(mine),
        ok: Object.keys(errors).length + Object.keys(warm).length === 0,
        errors: Object.keys(errors).length > 0 ? errors : warm,
    };
}

function main() {
    const { values } = parseArgs({ options: Object.fromEntries(
        ['connect', 'pid', 'core', 'connections', 'streams', 'calls', 'warmup', 'max-seconds'].map((name) => [name, { type: 'string' }])) });
    const options = { core: NaN, 'max-seconds': 300 };
    for (const [name, value] of Object.entries(values))
        options[name] = name === 'connect' ? value : Number(value);
    const dir = mkdtempSync(path.join(tmpdir(), 'regcast-h2load-'));
    try {
        writeFileSync(path.join(dir, 'request'), REQUEST);
        const run = measure(options, dir);
        console.log(JSON.stringify(run));
        process.exitCode = run.ok ? 0 : 1;
    } finally {
        rmSync(dir, { recursive: true });
    }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
    main();
