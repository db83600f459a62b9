// What scripts/bench makes of its runs: medians, ratios, targets, plots; and a reference server.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import WebSocket from 'ws';
import { countsOf, errorsOf, percentilesOf } from '../../bench/grpc.mjs';
import { mainFigures, median, summarize } from '../../bench/figures.mjs';
import { plots } from '../../bench/plot.mjs';
import { messagesOf } from '../../bench/reference.mjs';
import { markdown, roundsOf } from '../../bench/report.mjs';
import { judge } from '../../bench/targets.mjs';
import { ROOT, until, within } from './harness.mjs';

const machine = {
    date: '2026-01-02 03:04 UTC', cpu: 'a <b> & "c"', cores: 2, memory_gb: 24, kernel: 'Linux 6',
    congestion_control: 'cubic', data_on: 'ext4', commit: 'abcdef1',
};

// A run with the CPU time of a frame, and more of what bench_load prints.
function run(scenario, server, round, cpu, more = {}) {
    const latency = { p50: 1000 * cpu, p90: 1500 * cpu, p99: 1800 * cpu, 'p99.9': 1900 * cpu };
    return {
        scenario, server, round,
        run: {
            pattern: scenario.split('-')[0].replace('grow', 'one'), connections: 1000, ok: true, errors: {},
            seconds: 1, frames_per_second: 1e6 / cpu, bytes_per_frame: 572, client_busy: 0.5, client_core_busy: 0.5,
            latency_us: latency, last_receiver_us: latency,
            server: {
                cpu_us_per_frame: cpu, user_us_per_frame: cpu / 20, system_us_per_frame: cpu - cpu / 20,
                cpu_seconds: 0.5, core_busy_seconds: 0.5, core_steal_seconds: 0,
            },
            ...more,
        },
    };
}
const results = (runs, references = []) => ({ machine, rounds: 3, references, runs });
const target = (runs, what) => judge(summarize(runs)).find((t) => t.what.includes(what));

test('a median is the middle one, or between the two in the middle', () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([10, 1, 9, 2]), 5.5);
    assert.ok(Number.isNaN(median([])));
});

test('ratios are of each round, then their median', () => {
    // the ratio of the medians would be 4.4 / 4: a neighbour slowed both down in round 2
    const runs = [
        run('one-1k', 'naked', 1, 2), run('one-1k', 'regcast', 1, 1),
        run('one-1k', 'naked', 2, 40), run('one-1k', 'regcast', 2, 40),
        run('one-1k', 'naked', 3, 4), run('one-1k', 'regcast', 3, 4.4),
    ];
    const { ratio, naked } = summarize(runs)['one-1k'];
    assert.equal(ratio.naked['CPU us/frame'], 1);
    assert.deepEqual(naked['CPU us/frame'], { median: 4, min: 2, max: 40 });
    assert.equal(ratio.uws, undefined);
    const unpaired = summarize([run('one-1k', 'uws', 1, 8), run('one-1k', 'regcast', 1, 4), run('one-1k', 'regcast', 2, 90)]);
    assert.equal(unpaired['one-1k'].ratio.uws['CPU us/frame'], 0.5);
});

test('a target is met or missed by its figure', () => {
    const at = (cpu) => [run('one-1k', 'naked', 1, 5), run('one-1k', 'regcast', 1, cpu)];
    assert.equal(target(at(5.4), 'regcast / naked').met, true);
    assert.equal(target(at(5.6), 'regcast / naked').met, false);
    assert.equal(target(at(5.6), 'regcast / naked').shown.value, '1.12');
    assert.equal(target(at(9), 'user CPU').met, false);
    assert.equal(target(at(5), 'frames/s'), undefined, 'what was not measured is not judged');
    const text = markdown(results(at(5.6)));
    assert.match(text, /\| one-1k \| CPU per frame, regcast \/ naked \| 1\.12 \| <= 1\.10 \| \*\*missed\*\* \|/);
});

test('frames a second are met at the limit of the load client, too', () => {
    const burst = (client_busy) => [run('burst-1k', 'regcast', 1, 0.4, { client_busy, client_core_busy: client_busy })];
    assert.equal(target(burst(0.5), 'frames/s').met, false);
    assert.equal(target(burst(0.97), 'frames/s').met, true);
});

test('bursts are compared with the uWebSockets that ran, and with the one of the issue', () => {
    const runs = [run('burst-1k', 'uws', 1, 0.6), run('burst-1k', 'regcast', 1, 0.2)];
    assert.equal(target(runs, 'of the issue').met, true);
    const here = target(runs, 'as run here');
    assert.equal(here.met, false);
    assert.equal(here.shown.value, '3.0');
    assert.equal(target([runs[1]], 'as run here'), undefined);
});

test('a report says of how many runs its medians are', () => {
    const runs = [run('a', 'naked', 1, 5), run('a', 'naked', 2, 5), run('a', 'regcast', 1, 5), run('a', 'regcast', 2, 5)];
    assert.equal(roundsOf(runs), 2);
    assert.equal(roundsOf([...runs, run('b', 'regcast', 1, 5)]), '1 to 2');
});

test('growth is compared with that of the bare loop', () => {
    const grow = (cpu) => [
        run('grow-100', 'naked', 1, 4, { connections: 100 }), run('grow-100', 'regcast', 1, 4, { connections: 100 }),
        run('grow-10k', 'naked', 1, 8, { connections: 10000 }), run('grow-10k', 'regcast', 1, cpu, { connections: 10000 }),
    ];
    assert.equal(target(grow(8.2), 'growth').met, true);
    assert.equal(target(grow(9), 'growth').met, false);
    const both = grow(9).map((r, i) => ({ ...r, run: { ...r.run, server: { ...r.run.server, worker_us_per_frame: i + 1 } } }));
    assert.equal(target(both, 'growth').shown.value, '0.67', 'of (4 / 2) / (3 / 1), without taking the messages in');
    assert.equal(target(grow(9).slice(0, 2), 'growth'), undefined);
});

test('scenarios are paired by what they did', () => {
    const stalled = [run('stalled-none', 'regcast', 1, 4, { kind: 'stalled', stalled: 0 }),
        run('stalled-half', 'regcast', 1, 5, { kind: 'stalled', stalled: 5000 })];
    assert.equal(target(stalled, 'healthy').shown.value, '1.25');
    const deflate = [run('deflate-4k', 'regcast', 1, 5, { deflate: true }), run('plain-4k', 'regcast', 1, 4.5, { deflate: false })];
    assert.equal(target(deflate, 'deflated').shown.value, '1.11');
    const paths = [run('paths-1000', 'regcast', 1, 9, { paths: 1000 }), run('paths-1', 'regcast', 1, 6, { paths: 1 })];
    assert.equal(target(paths, 'paths').shown.value, '1.50');
});

test('consoles are judged by what clients notice', () => {
    const p99 = (none, some) => [0, 50].map((consoles, i) => run(`consoles-${consoles}`, 'memory', 1, 4,
        { kind: 'consoles', consoles, feed: { bytes: consoles * 1e5 }, latency_us: { p99: [none, some][i] } }));
    assert.equal(target(p99(1000, 1090), 'without consoles').met, true);
    assert.equal(target(p99(1000, 1110), 'without consoles').met, false);
    assert.match(markdown(results(p99(1000, 1090))), /\| scenario \|.*\| consoles \| feed bytes\/s \|/);
});

test('REST calls are judged by their pace, by their latency, and by what clients notice', () => {
    const rest = (scenario, lists, cpu, list, server = 'regcast') => run(scenario, server, 1, cpu,
        { pattern: 'rate', kind: 'rest', lists, probe: list && { list_us: { n: list.n, p50: 400, p99: list.p99, max: 9000 }, list_bytes: 46256 } });
    const none = rest('rest-none', 0, 4, undefined, 'memory');
    // what clients notice is judged without the journal
    const runs = (list, cpu) => [none, rest('rest-1k', 1010, cpu, list, 'memory'), rest('rest-1k', 1010, 9, list)];
    const good = runs({ n: 1010, p99: 4900 }, 4.3);
    assert.equal(target(good, 'REST calls/s').met, true);
    assert.equal(target(good, 'list of 100').met, true);
    assert.equal(target(good, 'with / without REST').shown.value, '1.07');
    assert.equal(target(good, 'with / without REST').met, true);
    const bad = runs({ n: 990, p99: 5100 }, 4.5);
    for (const what of ['REST calls/s', 'list of 100', 'with / without REST'])
        assert.equal(target(bad, what).met, false, what);
    assert.equal(target([none], 'with / without REST'), undefined, 'one of the two is nothing to compare');
    assert.equal(target([none], 'REST calls/s'), undefined, 'there were no calls');
    const text = markdown(results(good));
    assert.match(text, /\| scenario \|.*\| REST calls\/s \| list p50 \| list p99 \|/);
    assert.match(mainFigures(good[1].run), /REST calls\/s 1010, list p99 4\.90 ms, p99 /);
});

test('gRPC is judged by what a call costs beside @grpc/grpc-js, and by memory', () => {
    const calls = (server, cpu, grown) => run('grpc', server, 1, 0, { pattern: 'grpc', connections: 10, calls_per_second: 1e6 / cpu,
        server: { cpu_us_per_call: cpu, user_us_per_call: cpu, system_us_per_call: 0, cpu_seconds: 0.5,
            core_busy_seconds: 0.5, core_steal_seconds: 0, rss_kb: [5000, 5000 + grown] } });
    const runs = (cpu, grown) => [calls('grpc-js', 60, 9000), calls('regcast', cpu, grown)];
    assert.equal(target(runs(19, 0), 'per CPU second').shown.value, '3.2');
    assert.equal(target(runs(19, 0), 'per CPU second').met, true);
    assert.equal(target(runs(21, 0), 'per CPU second').met, false);
    assert.equal(target(runs(19, 1000), 'memory').met, true);
    assert.equal(target(runs(19, 1100), 'memory').met, false);
    assert.match(markdown(results(runs(19, 0))), /\| scenario \|.*\| calls\/s \| CPU us\/call \|/);
    assert.match(mainFigures(runs(19, 0)[1].run), /calls\/s 53 k, CPU us\/call 19\.00, memory grown 0\.0 MiB/);
});

test('what h2load says is read, and calls that were not answered alike are found', () => {
    const said = (failed, data) => `
finished in 818.42ms, 24437.28 req/s, 1.14MB/s
requests: 20000 total, 20000 started, 20000 done, ${20000 - failed} succeeded, ${failed} failed, 0 errored, 0 timeout
status codes: ${20000 - failed} 2xx, 0 3xx, ${failed} 4xx, 0 5xx
traffic: 955.32KB (978250) total, 78.44KB (80320) headers (space savings 95.64%), 136.72KB (${data}) data
`;
    const good = countsOf(said(0, 140000));
    assert.deepEqual([good.succeeded, good.data], [20000, 140000]);
    assert.ok(Math.abs(good.seconds - 0.81842) < 1e-9);
    assert.deepEqual(errorsOf(good, 20000), {});
    assert.deepEqual(errorsOf(good, 20001), { missing: 1, unlike: 7 });
    assert.deepEqual(errorsOf(countsOf(said(2, 139986)), 20000), { missing: 2, failed: 2, unlike: 14 });
    assert.deepEqual(errorsOf(countsOf(said(0, 139993)), 20000), { unlike: 7 }, 'an error has status 200 and no message');
    assert.equal(countsOf('could not connect to host'), null);
    assert.deepEqual(percentilesOf([3, 1, 2, 4]), { n: 4, p50: 3, p90: 4, p99: 4, 'p99.9': 4, max: 4 });
});

test('a failed run is named in the table, and counts in nothing else', () => {
    const half = summarize([run('one-1k', 'naked', 1, 4), run('one-1k', 'regcast', 1, 5),
        run('one-1k', 'naked', 2, 4), run('one-1k', 'regcast', 2, 0.001, { ok: false })])['one-1k'];
    assert.equal(half.regcast['CPU us/frame'].median, 5);
    assert.equal(half.ratio.naked['CPU us/frame'], 1.25);
    assert.equal(target([run('one-1k', 'regcast', 1, 0, { ok: false })], 'user CPU'), undefined);
    const text = markdown(results([run('one-1k', 'regcast', 1, 5), run('one-1k', 'regcast', 2, 5, { ok: false })]));
    assert.match(text, /regcast \(1 of 2 failed\)/);
    assert.match(mainFigures(run('one-1k', 'regcast', 1, 5, { ok: false, errors: { lost: 3 } }).run), /"lost":3/);
});

test('a reference that is not there is named with the reason', () => {
    const text = markdown(results([run('one-1k', 'regcast', 1, 5)],
        [{ name: 'nchan', skipped: 'nginx is not installed' }, { name: 'ws', version: 'ws 8' }]));
    assert.match(text, /- nchan: \*\*skipped\*\*, nginx is not installed/);
    assert.match(text, /- ws: ws 8/);
});

test('what is saved has all of it, and can be drawn again', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'regcast-bench-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const runs = [run('burst-1k', 'uws', 1, 0.6), run('burst-1k', 'regcast', 1, 0.2)];
    writeFileSync(join(dir, 'runs'), runs.map((r) => `${JSON.stringify(r)}\n`).join(''));
    writeFileSync(join(dir, 'references'), '{"name":"nchan","skipped":"nginx is not installed"}\n');
    const report = async (...args) => {
        const child = spawn(process.execPath, [join(ROOT, 'bench/report.mjs'), ...args], { cwd: dir });
        let said = '';
        for (const stream of [child.stdout, child.stderr])
            stream.on('data', (data) => { said += data; });
        const [code] = await within(20000, 'the report ends', new Promise((done) => child.on('close', (...how) => done(how))));
        assert.equal(code, 0, said);
        return said;
    };
    const said = await report('runs', 'references', '--save', 'saved');
    assert.match(said, /nginx is not installed/);
    const saved = JSON.parse(readFileSync(join(dir, 'saved.json'), 'utf8'));
    assert.equal(saved.runs.length, 2);
    assert.equal(saved.references[0].skipped, 'nginx is not installed');
    assert.equal(saved.summary['burst-1k'].ratio.uws['CPU us/frame'].toFixed(2), '0.33');
    assert.ok(saved.targets.some(({ met }) => met === false));
    assert.match(readFileSync(join(dir, 'saved.md'), 'utf8'), /!\[.*\]\(saved-burst\.svg\)/);
    rmSync(join(dir, 'saved-burst.svg'));
    await report('--plot', 'saved.json');
    assert.ok(existsSync(join(dir, 'saved-burst.svg')));
});

test('plots are drawn of what was measured, with the figures on them', () => {
    const servers = { naked: 4, ws: 12, regcast: 4.2 };
    const runs = Object.entries(servers).flatMap(([server, cpu]) => [
        run('grow-100', server, 1, cpu, { connections: 100 }), run('grow-10k', server, 1, cpu + 1, { connections: 10000 }),
        run('rate-10k', server, 1, cpu), run('burst-1k', server, 1, cpu / 10),
    ]);
    const drawn = plots({ machine, rounds: 1, summary: summarize(runs) });
    assert.deepEqual(drawn.map(({ name }) => name), ['growth', 'latency', 'burst']);
    for (const { name, svg } of drawn) {
        assert.doesNotMatch(svg, /NaN|undefined|Infinity/, name);
        assert.match(svg, /<rect[^>]* fill="#ffffff"\/>/, 'white below, on dark pages too');
        assert.match(svg, /Node ws/);
        assert.doesNotMatch(svg, /<b>/, 'the names of machines are escaped');
        assert.equal(svg.match(/<text/g).length, svg.match(/<\/text>/g).length);
    }
    assert.match(drawn[0].svg, />4\.2 to 5\.2 µs</);
    assert.match(drawn[2].svg, />0\.42</);
    assert.deepEqual(plots({ machine, rounds: 1, summary: summarize([run('one-1k', 'regcast', 1, 5)]) }), []);
    const failed = [run('burst-1k', 'ws', 1, 1, { ok: false }), run('burst-1k', 'regcast', 1, 0.2)];
    assert.doesNotMatch(plots({ machine, rounds: 1, summary: summarize(failed) })[0].svg, /Node ws/);
});

test('the body of many messages is taken apart', () => {
    const texts = (body) => messagesOf(Buffer.from(body)).map(String);
    assert.deepEqual(texts('3\nabc0\n5\n1\nx\ny'), ['abc', '', '1\nx\ny']);
    for (const bad of ['4\nabc', 'x\nabc', '3abc', '-1\n'])
        assert.throws(() => texts(bad), /malformed/, bad);
});

// Starts a reference server; what it wrote to its ready file.
async function startReference(t, name) {
    const dir = mkdtempSync(join(tmpdir(), 'regcast-bench-'));
    const file = join(dir, 'ready.json');
    const child = spawn(process.execPath, [join(ROOT, 'bench', name), '--ready-file', file], { stdio: 'inherit' });
    const ended = new Promise((done) => child.on('exit', done));
    t.after(() => { child.kill('SIGKILL'); rmSync(dir, { recursive: true }); });
    await until('the reference is ready', () => existsSync(file));
    const ready = JSON.parse(readFileSync(file, 'utf8'));
    assert.equal(ready.pid, child.pid);
    return { ...ready, stop: async () => {
        child.kill('SIGTERM');
        assert.equal(await within(5000, 'the reference ends', ended), 0);
    } };
}

test("the reference with Node's ws sends each message to everybody, in order", async (t) => {
    const { gateway: [address], stop } = await startReference(t, 'reference_ws.mjs');
    const clients = [1, 2].map(() => new WebSocket(`ws://${address}/`));
    const got = clients.map((client) => {
        const messages = [];
        client.on('message', (data, isBinary) => messages.push(`${isBinary} ${data}`));
        return messages;
    });
    await Promise.all(clients.map((client) => within(5000, 'a client opens', new Promise((done) => client.on('open', done)))));
    const response = await fetch(`http://${address}/`, { method: 'POST', body: '1\na2\nbc', signal: AbortSignal.timeout(5000) });
    assert.equal(response.status, 202);
    await until('both have both', () => got.every(({ length }) => length === 2));
    assert.deepEqual(got, [['false a', 'false bc'], ['false a', 'false bc']]);
    clients.forEach((client) => client.terminate());
    await stop();
});

test('the reference with @grpc/grpc-js answers as the daemon does', async (t) => {
    const { grpc: [address], stop } = await startReference(t, 'reference_grpc.mjs');
    const { grpc: { health: { v1 } } } = grpc.loadPackageDefinition(loader.loadSync('grpc/health/v1/health.proto',
        { includeDirs: [join(ROOT, 'gateway/proto')], enums: String }));
    const client = new v1.Health(address, grpc.credentials.createInsecure());
    const answer = await new Promise((done, fail) => client.check({}, (error, got) => (error ? fail(error) : done(got))));
    assert.deepEqual(answer, { status: 'SERVING' });
    client.close();
    await stop();
});
