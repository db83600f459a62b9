// report.mjs - turns the runs of scripts/bench into medians, ratios and a Markdown table.
//   node bench/report.mjs RUNS.jsonl [--save FILE_WITHOUT_SUFFIX]
//   node bench/report.mjs --line RUN.json      one run in one line, for the terminal
//   node bench/report.mjs --others RUN.json    how much of its cores others took, in percent
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';

const [first, second, third] = process.argv.slice(2);

function median(values) {
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

// What is taken from a run: its name, where it is, how it is shown, and whether a ratio says
// something.
const FANOUT = [
    ['frames/s', (r) => r.frames_per_second, count, true],
    ['CPU us/frame', (r) => r.server.cpu_us_per_frame, (v) => v.toFixed(3), true],
    ['user', (r) => r.server.user_us_per_frame, (v) => v.toFixed(3), true],
    ['system', (r) => r.server.system_us_per_frame, (v) => v.toFixed(3), false],
    ['p50', (r) => r.latency_us.p50, time, false],
    ['p99', (r) => r.latency_us.p99, time, false],
    ['p99.9', (r) => r.latency_us['p99.9'], time, false],
    ['last p50', (r) => r.last_receiver_us.p50, time, true],
    ['last p99', (r) => r.last_receiver_us.p99, time, false],
    ['bytes/frame', (r) => r.bytes_per_frame, (v) => v.toFixed(0), false],
    ['client busy', (r) => r.client_busy, (v) => `${(100 * v).toFixed(0)} %`, false],
    ['others', others, (v) => `${(100 * v).toFixed(0)} %`, false],
];
const IDLE = [
    ['bytes/connection', (r) => r.server.bytes_per_connection, (v) => v.toFixed(0), true],
    ['wakeups/s', (r) => r.server.switches_per_second, (v) => v.toFixed(1), false],
    ['CPU while idle', (r) => r.server.cpu_seconds / r.seconds, (v) => `${(100 * v).toFixed(2)} %`, false],
    ['handshakes/s', (r) => r.handshakes_per_second, count, true],
    ['CPU us/handshake', (r) => r.server.cpu_us_per_handshake, (v) => v.toFixed(1), true],
];

// The share that something else took of the server's core or of the client's, whichever is more:
// above a few percent the run is noisy.
function others(r) {
    const server = (r.server.core_busy_seconds + r.server.core_steal_seconds
        - r.server.cpu_seconds) / r.seconds;
    const client = r.client_core_busy - r.client_busy;
    return Number.isFinite(server) ? Math.max(0, server, client) : 0;
}

const columnsOf = (run) => run.pattern === 'idle' ? IDLE : FANOUT;

if (first === '--line') {
    const run = JSON.parse(readFileSync(second, 'utf8'));
    console.log(columnsOf(run).map(([name, get, show]) => `${name} ${show(get(run))}`).join(', ')
        + (run.ok ? '' : `, ${JSON.stringify(run.errors)}`));
    process.exit(0);
}

if (first === '--others') { // in percent, for scripts/bench to decide by
    console.log(Math.round(100 * others(JSON.parse(readFileSync(second, 'utf8')))));
    process.exit(0);
}

const runs = readFileSync(first, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const scenarios = [...new Set(runs.map((r) => r.scenario))];
const servers = [...new Set(runs.map((r) => r.server))];

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
    commit: shell('git', 'rev-parse', '--short', 'HEAD')
        + (shell('git', 'status', '--porcelain', '--untracked-files=no') ? ' with changes' : ''),
};

// {scenario: {server: {metric: {median, min, max}}, ratio: {metric}}}
const summary = {};
for (const scenario of scenarios) {
    const of = (server) => runs.filter((r) => r.scenario === scenario && r.server === server);
    const entry = { connections: runs.find((r) => r.scenario === scenario).run.connections };
    for (const server of servers) {
        entry[server] = { runs: of(server).length, failed: of(server).filter((r) => !r.run.ok).length };
        for (const [name, get] of columnsOf(of(server)[0].run)) {
            const values = of(server).map((r) => get(r.run));
            entry[server][name] = {
                median: median(values), min: Math.min(...values), max: Math.max(...values),
            };
        }
    }
    if (entry.naked && entry.regcast) {
        entry.ratio = {};
        for (const [name, get, , wanted] of columnsOf(of('naked')[0].run)) {
            // Of each round, then the median: both servers met the same neighbours in a round.
            const ratios = of('regcast').map((r) => {
                const other = of('naked').find((n) => n.round === r.round);
                return get(r.run) / get(other.run);
            }).filter(Number.isFinite);
            if (wanted && ratios.length > 0)
                entry.ratio[name] = median(ratios);
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
        for (const server of servers) {
            const failed = entry[server].failed ? ` (${entry[server].failed} of ${entry[server].runs} failed)` : '';
            lines.push(`| ${scenario} | ${entry.connections} | ${server}${failed} | ${columns
                .map(([name, , show]) => show(entry[server][name].median)).join(' | ')} |`);
        }
        if (entry.ratio) {
            lines.push(`| | | regcast / naked | ${columns.map(([name]) => name in entry.ratio
                ? `**${entry.ratio[name].toFixed(entry.ratio[name] < 0.1 ? 3 : 2)}**` : '').join(' | ')} |`);
        }
    }
    return lines.join('\n');
}

const isIdle = (scenario) => runs.find((r) => r.scenario === scenario).run.pattern === 'idle';
const fanout = scenarios.filter((s) => !isIdle(s));
const idle = scenarios.filter(isIdle);
const rounds = Math.max(...runs.map((r) => r.round));
const head = `${machine.date}, ${machine.cpu}, ${machine.cores} cores, ${machine.memory_gb} GB, `
    + `${machine.kernel}, TCP ${machine.congestion_control}, commit ${machine.commit}; medians of ${rounds} interleaved round${rounds > 1 ? 's' : ''}`;
const body = [
    head,
    ...(fanout.length ? [table(FANOUT, fanout)] : []),
    ...(idle.length ? [table(IDLE, idle)] : []),
].join('\n\n');
console.log(`\n${body}\n`);

if (second === '--save') {
    writeFileSync(`${third}.json`, `${JSON.stringify({ machine, rounds, summary, runs }, null, 1)}\n`);
    writeFileSync(`${third}.md`, `# Fan-out, measured\n\n${body}\n\n`
        + 'What each column is and what the figures do not show: `bench/README.md`.\n');
    console.error(`bench: written to ${third}.json and ${third}.md`);
}
