// report.mjs - turns the runs of scripts/bench into medians, ratios and a Markdown table.
//   node bench/report.mjs RUNS.jsonl [--save FILE_WITHOUT_SUFFIX]
//   node bench/report.mjs --line RUN.json      one run in one line, for the terminal
//   node bench/report.mjs --others RUN.json    how much of its cores others took, in percent
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';

const [first, second, third] = process.argv.slice(2);

function median(values) {
    if (values.length === 0)
        return NaN;
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function time(us) {
    return us >= 1e6 ? `${(us / 1e6).toFixed(2)} s` : us >= 1e3 ? `${(us / 1e3).toFixed(2)} ms`
        : `${us.toFixed(0)} us`;
}

const count = (n) => n >= 1e6 ? `${(n / 1e6).toFixed(2)} M` : n >= 1e3 ? `${(n / 1e3).toFixed(0)} k`
    : n.toFixed(0);

const percent = (v) => `${(100 * v).toFixed(0)} %`;
const fixed = (digits) => (v) => Number.isFinite(v) ? v.toFixed(digits) : '';
const maybe = (show) => (v) => Number.isFinite(v) ? show(v) : '';

// What is taken from a run: its name, where it is, how it is shown, and beside which other servers
// its ratio says something.
const FANOUT = [
    ['frames/s', (r) => r.frames_per_second, count, 'naked'],
    ['CPU us/frame', (r) => r.server.cpu_us_per_frame, fixed(3), 'naked memory'],
    ['user', (r) => r.server.user_us_per_frame, fixed(3), 'naked'],
    ['system', (r) => r.server.system_us_per_frame, fixed(3), ''],
    ['p50', (r) => r.latency_us.p50, time, 'memory'],
    ['p99', (r) => r.latency_us.p99, time, 'memory'],
    ['p99.9', (r) => r.latency_us['p99.9'], time, ''],
    ['last p50', (r) => r.last_receiver_us.p50, time, 'naked memory'],
    ['last p99', (r) => r.last_receiver_us.p99, time, 'memory'],
    ['bytes/frame', (r) => r.bytes_per_frame, fixed(0), ''],
    ['client busy', (r) => r.client_busy, percent, ''],
    ['others', others, percent, ''],
];
const IDLE = [
    ['bytes/connection', (r) => r.server.bytes_per_connection, fixed(0), 'naked'],
    ['wakeups/s', (r) => r.server.switches_per_second, fixed(1), ''],
    ['CPU while idle', (r) => r.server.cpu_seconds / r.seconds, (v) => `${(100 * v).toFixed(2)} %`, ''],
    ['handshakes/s', (r) => r.handshakes_per_second, count, 'naked'],
    ['CPU us/handshake', (r) => r.server.cpu_us_per_handshake, fixed(1), 'naked'],
];
const INGEST = [
    ['events/request', (r) => r.per_request, fixed(0), ''],
    ['events/s', (r) => r.events_per_second, count, 'durable'],
    ['CPU us/event', (r) => r.server.cpu_us_per_event, fixed(1), 'durable'],
    ['p50', (r) => r.webhook_us.p50, time, ''],
    ['p99', (r) => r.webhook_us.p99, time, ''],
    ['max', (r) => r.webhook_us.max, time, ''],
    ['not 2xx', (r) => r.not_2xx, fixed(0), ''],
    ['group', (r) => r.group_mean, fixed(1), ''],
    ['commit', (r) => r.commit_mean_us, maybe(time), ''],
    ['frames/s', (r) => r.frames_per_second, maybe(count), ''],
    ['frame p99', (r) => r.broadcast_us?.p99, maybe(time), ''],
    ['client busy', (r) => r.client_busy, percent, ''],
    ['others', others, percent, ''],
];
const RESTART = [
    ['events', (r) => r.events, count, ''],
    ['store', (r) => r.store_kb, (v) => `${(v / 1024).toFixed(0)} MiB`, ''],
    ['WAL', (r) => r.wal_kb, (v) => `${(v / 1024).toFixed(1)} MiB`, ''],
    ['ready in', (r) => r.ready_us, time, ''],
    ['memory', (r) => r.rss_kb, (v) => `${(v / 1024).toFixed(0)} MiB`, ''],
];
const KINDS = { idle: IDLE, ingest: INGEST, restart: RESTART };
const REFERENCES = ['naked', 'durable', 'memory'];

// What issue 3 asks for: scenario, what, the figure in the summary, the limit.
const TARGETS = [
    ['ingest-1', 'events/s, regcast / durable', (e) => e.ratio?.durable?.['events/s'], '>=', 0.5, fixed(2)],
    ['ingest-1', 'webhook p99', (e) => e.regcast?.p99.median, '<=', 20000, time],
    ['ingest-50', 'events/s', (e) => e.regcast?.['events/s'].median, '>=', 50000, count],
    ['restart-1m', 'ready in', (e) => e.regcast?.['ready in'].median, '<=', 2e6, time],
    ['one-1k', 'last p50, regcast / memory', (e) => e.ratio?.memory?.['last p50'], '<=', 1.1, fixed(2)],
    ['one-10k', 'last p50, regcast / memory', (e) => e.ratio?.memory?.['last p50'], '<=', 1.1, fixed(2)],
    ['rate-10k', 'p50, regcast / memory', (e) => e.ratio?.memory?.p50, '<=', 1.1, fixed(2)],
];

// The share that something else took of the server's core or of the client's, whichever is more:
// above a few percent the run is noisy.
function others(r) {
    if (r.server === undefined)
        return 0;
    if (r.pinned === false) { // both figures are of all cores
        const busy = (r.server.core_busy_seconds + r.server.core_steal_seconds - r.server.cpu_seconds) / r.seconds;
        return Math.max(0, busy - r.client_busy);
    }
    const server = (r.server.core_busy_seconds + r.server.core_steal_seconds
        - r.server.cpu_seconds) / r.seconds;
    const client = r.client_core_busy - r.client_busy;
    return Number.isFinite(server) ? Math.max(0, server, client) : 0;
}

const columnsOf = (run) => KINDS[run.pattern] ?? FANOUT;

if (first === '--line') {
    const run = JSON.parse(readFileSync(second, 'utf8'));
    console.log(columnsOf(run).map(([name, get, show]) => [name, show(get(run))])
        .filter(([, value]) => value !== '').map((pair) => pair.join(' ')).join(', ')
        + (run.ok ? '' : `, ${JSON.stringify(run.errors)}`));
    process.exit(0);
}

if (first === '--others') { // in percent, for scripts/bench to decide by
    console.log(Math.round(100 * others(JSON.parse(readFileSync(second, 'utf8')))));
    process.exit(0);
}

const runs = readFileSync(first, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const scenarios = [...new Set(runs.map((r) => r.scenario))];
const serversOf = (scenario) => [...new Set(runs.filter((r) => r.scenario === scenario).map((r) => r.server))];

function shell(command, ...args) {
    try {
        return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
        return '';
    }
}

function line(file) {
    try {
        return readFileSync(file, 'utf8').trim();
    } catch {
        return 'unknown';
    }
}

const machine = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.cpus().length,
    memory_gb: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    congestion_control: line('/proc/sys/net/ipv4/tcp_congestion_control'),
    data_on: process.env.BENCH_FILESYSTEM ?? 'unknown',
    commit: shell('git', 'rev-parse', '--short', 'HEAD')
        + (shell('git', 'status', '--porcelain', '--untracked-files=no') ? ' with changes' : ''),
};

// {scenario: {server: {metric: {median, min, max}}, ratio: {reference: {metric}}}}
const summary = {};
for (const scenario of scenarios) {
    const of = (server) => runs.filter((r) => r.scenario === scenario && r.server === server);
    const entry = {
        connections: Math.max(...runs.filter((r) => r.scenario === scenario).map((r) => r.run.connections)),
    };
    for (const server of serversOf(scenario)) {
        entry[server] = { runs: of(server).length, failed: of(server).filter((r) => !r.run.ok).length };
        for (const [name, get] of columnsOf(of(server)[0].run)) {
            const values = of(server).map((r) => get(r.run)).filter(Number.isFinite);
            entry[server][name] = {
                median: median(values), min: Math.min(...values), max: Math.max(...values),
            };
        }
    }
    entry.ratio = {};
    for (const reference of REFERENCES.filter((name) => entry[name] && entry.regcast)) {
        const ratio = entry.ratio[reference] = {};
        for (const [name, get, , beside] of columnsOf(of(reference)[0].run)) {
            // Of each round, then the median: both servers met the same neighbours in a round.
            const ratios = of('regcast').map((r) => {
                const other = of(reference).find((n) => n.round === r.round);
                return other ? get(r.run) / get(other.run) : NaN;
            }).filter(Number.isFinite);
            if (beside.split(' ').includes(reference) && ratios.length > 0)
                ratio[name] = median(ratios);
        }
    }
    summary[scenario] = entry;
}

function table(columns, names) {
    const lines = [
        `| scenario | connections | server | ${columns.map(([name]) => name).join(' | ')} |`,
        `|---|---:|---|${columns.map(() => '---:|').join('')}`,
    ];
    for (const scenario of names) {
        const entry = summary[scenario];
        for (const server of serversOf(scenario)) {
            const failed = entry[server].failed ? ` (${entry[server].failed} of ${entry[server].runs} failed)` : '';
            lines.push(`| ${scenario} | ${entry.connections} | ${server}${failed} | ${columns
                .map(([name, , show]) => show(entry[server][name].median)).join(' | ')} |`);
        }
        for (const [reference, ratio] of Object.entries(entry.ratio)) {
            lines.push(`| | | regcast / ${reference} | ${columns.map(([name]) => name in ratio
                ? `**${ratio[name].toFixed(ratio[name] < 0.1 ? 3 : 2)}**` : '').join(' | ')} |`);
        }
    }
    return lines.join('\n');
}

function targets() {
    const lines = TARGETS.filter(([scenario, , get]) => Number.isFinite(summary[scenario] && get(summary[scenario])))
        .map(([scenario, what, get, sign, limit, show]) => {
            const value = get(summary[scenario]);
            const met = sign === '>=' ? value >= limit : value <= limit;
            return `| ${scenario} | ${what} | ${show(value)} | ${sign} ${show(limit)} | ${met ? 'met' : '**missed**'} |`;
        });
    return lines.length === 0 ? [] : [['| scenario | target | measured | limit | |', '|---|---|---:|---:|---|', ...lines].join('\n')];
}

const kinds = [FANOUT, IDLE, INGEST, RESTART].map((columns) => [columns, scenarios.filter((s) =>
    columnsOf(runs.find((r) => r.scenario === s).run) === columns)]);
const rounds = Math.max(...runs.map((r) => r.round));
const head = `${machine.date}, ${machine.cpu}, ${machine.cores} cores, ${machine.memory_gb} GB, `
    + `${machine.kernel}, TCP ${machine.congestion_control}, data on ${machine.data_on}, commit ${machine.commit}; medians of ${rounds} interleaved round${rounds > 1 ? 's' : ''}`;
const body = [
    head,
    ...kinds.filter(([, names]) => names.length > 0).map(([columns, names]) => table(columns, names)),
    ...targets(),
].join('\n\n');
console.log(`\n${body}\n`);

if (second === '--save') {
    writeFileSync(`${third}.json`, `${JSON.stringify({ machine, rounds, summary, runs }, null, 1)}\n`);
    writeFileSync(`${third}.md`, `# Fan-out and ingest, measured\n\n${body}\n\n`
        + 'What each column is and what the figures do not show: `bench/README.md`.\n');
    console.error(`bench: written to ${third}.json and ${third}.md`);
}
