// What clients cost that talk to a backend (an OpenAPI specification's `message`, `type: http`) while broadcasts go out on
// their path: beside the same broadcasts alone, beside `inbound: echo`, and with a backend that hangs. Prints a table, with
// --save also writes bench/results/DATE-backends.*.
//   node bench/backends.mjs [--bin DIR] [--connections 5000] [--say 5000] [--rate 100] [--seconds 5] [--rounds 3] [--save]
// README.md says what the figures mean. Everything is on loopback and bounded; what was started is stopped.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const args = process.argv.slice(2);
const option = (name, other) => (args.includes(name) ? args[args.indexOf(name) + 1] : other);
const number = (name, other) => Number(option(name, other));
const BIN = resolve(option('--bin', 'build/release'));
const CONNECTIONS = number('--connections', 5000);
const SAY = number('--say', CONNECTIONS);
const RATE = number('--rate', 100);
const SECONDS = number('--seconds', 5);
const ROUNDS = number('--rounds', 3);
const HANG = number('--hang', 200); // of a hanging backend: one request in so many is never answered
process.env.REGCASTD = join(BIN, 'regcastd'); // before the harness reads it

const { Daemon, makeConfig, tempDir, trigger } = await import('../tests/e2e/harness.mjs');
const say = (text) => process.stderr.write(`backends: ${text}\n`);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

function backend(hang) {
    const child = spawn('taskset', ['-c', '1', join(BIN, 'bench_backend'), '--hang', String(hang)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const port = new Promise((done, fail) => {
        createInterface({ input: child.stdout }).once('line', (line) => done(Number(line)));
        child.once('exit', (code) => fail(new Error(`bench_backend ended with ${code}`)));
    });
    return { port, stop: () => child.stdin.end() };
}

function load(daemon, said, lossy) {
    const options = {
        '--connect': `127.0.0.1:${daemon.port}`, '--publish': `127.0.0.1:${daemon.webhookPort}`, '--path': '/chat', '--pattern': 'rate',
        '--connections': CONNECTIONS, '--rate': RATE, '--say': said, '--lossy': lossy ? 1 : 0, '--seconds': SECONDS, '--warmup': 2, '--max-seconds': 60 + SECONDS,
        '--pid': daemon.pid,
    };
    const child = spawn('taskset', ['-c', '1', join(BIN, 'bench_load'), ...Object.entries(options).flat().map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (part) => (text += part));
    return new Promise((done, fail) => {
        child.on('error', fail);
        child.on('close', () => {
            try {
                done(JSON.parse(text));
            } catch {
                fail(new Error(`bench_load said ${text}`));
            }
        });
    });
}

const specification = (port) => ({
    openapi: '3.0.0',
    info: { title: 'bench', version: '1' },
    paths: {
        '/chat': { 'x-yc-apigateway-websocket-message': { 'x-yc-apigateway-integration': { type: 'http', url: `http://127.0.0.1:${port}/say` } } },
    },
});

// One run: {broadcast, answer, cpu, said, ok}. `hang`: what the backend does not answer; `echo`: no backend at all.
async function run({ said, hang = 0, echo = false }) {
    const at = echo ? null : backend(hang);
    const gateway = { workers: 1, max_connections: CONNECTIONS + 100 };
    if (echo) {
        gateway.paths = [{ path: '/chat', inbound: 'echo' }];
    } else {
        const file = join(tempDir(), 'gateway.openapi.json');
        writeFileSync(file, JSON.stringify(specification(await at.port)));
        Object.assign(gateway, { spec: file, paths: [], backends: { allowed_networks: ['127.0.0.0/8'], read_timeout: '2s', max_waiting: 20000 } });
        delete gateway.paths;
    }
    const config = makeConfig({ engine: 'memory', gateway, triggers: [trigger('bench', { path: '/chat', types: ['CREATE_IMAGE'], size: 1 })] });
    if (!echo) delete config.gateway.paths;
    const daemon = await Daemon.start(config, { env: {} });
    try {
        spawn('taskset', ['-a', '-c', '-p', '0', String(daemon.pid)], { stdio: 'ignore' });
        const r = await load(daemon, said, hang > 0);
        return {
            broadcast: r.latency_us, answer: r.answer_us, cpu: r.server.cpu_seconds / r.seconds, said: r.answers ?? 0, seconds: r.seconds,
            frames: r.frames_per_second, complete: r.errors.complete, wrong: r.errors.lost + r.errors.duplicated + r.errors.foreign + r.errors.closed,
        };
    } finally {
        await daemon.stop().catch((error) => say(error.message));
        at?.stop();
    }
}

const KINDS = {
    alone: { said: 0 },
    http: { said: SAY },
    echo: { said: SAY, echo: true },
    hanging: { said: SAY, hang: HANG },
};
const got = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, []]));
for (let round = 1; round <= ROUNDS; round++) {
    for (const [kind, how] of Object.entries(KINDS)) {
        const r = await run(how);
        got[kind].push(r);
        say(`round ${round} ${kind}: broadcast p50 ${r.broadcast.p50} p99 ${r.broadcast['p99']} us, answer p50 ${r.answer?.p50} p99 ${r.answer?.p99} us, CPU ${r.cpu.toFixed(2)}`);
    }
}

const ms = (us) => (us / 1000).toFixed(2);
const of = (kind, what) => median(got[kind].map(what));
const table = ['| clients say | broadcast p50, ms | p99, ms | p99 beside alone | answer p50, ms | p99, ms | answered/s | CPU of regcastd |', '|---|---|---|---|---|---|---|---|'];
const figures = {};
for (const kind of Object.keys(KINDS)) {
    const ratio = median(got[kind].map((r, i) => r.broadcast.p99 / got.alone[i].broadcast.p99));
    const row = {
        p50: of(kind, (r) => r.broadcast.p50), p99: of(kind, (r) => r.broadcast.p99), ratio,
        answerP50: of(kind, (r) => r.answer?.p50 ?? 0), answerP99: of(kind, (r) => r.answer?.p99 ?? 0),
        answered: of(kind, (r) => (r.answer?.n ?? 0) / r.seconds), cpu: of(kind, (r) => r.cpu), wrong: Math.max(...got[kind].map((r) => r.wrong)),
    };
    figures[kind] = row;
    const name = { alone: 'nothing', http: `${SAY}/s, echoed by a backend`, echo: `${SAY}/s, \`inbound: echo\``, hanging: `${SAY}/s, one in ${HANG} hangs` }[kind];
    table.push(`| ${name} | ${ms(row.p50)} | ${ms(row.p99)} | ${row.ratio.toFixed(2)} | ${ms(row.answerP50)} | ${ms(row.answerP99)} | ${row.answered.toFixed(0)} | ${row.cpu.toFixed(2)} |`);
}
const about = { cpu: cpus()[0].model, cores: cpus().length, connections: CONNECTIONS, say: SAY, rate: RATE, seconds: SECONDS, rounds: ROUNDS };
process.stdout.write(`${CONNECTIONS} clients, ${RATE} broadcasts a second\n\n${table.join('\n')}\n`);
if (args.includes('--save')) {
    const name = `bench/results/${new Date().toISOString().slice(0, 10)}-backends`;
    writeFileSync(`${name}.json`, `${JSON.stringify({ about, figures, runs: got }, null, 1)}\n`);
    writeFileSync(`${name}.md`, `# Backends\n\n${CONNECTIONS} clients on one path, ${RATE} broadcasts a second; one worker on one core of ${about.cpu}, the load client and the backend together on another. Medians of ${ROUNDS} rounds of ${SECONDS} s.\n\n${table.join('\n')}\n`);
}
