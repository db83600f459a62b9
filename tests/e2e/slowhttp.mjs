// What a well-behaved client notices while slowhttptest keeps thousands of slow connections: slow heads (-H) and
// slow readers (-X) at the gateway, slow bodies (-B) at the webhooks. Its p99 must less than double. Run by
// scripts/slow, since it takes a while and a quiet machine. Options: --connections N, --seconds N.
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { Client, Daemon, REGCASTD_FAST, makeConfig, newImage, pause } from './harness.mjs';

const MOST = 2; // times the p99 without an attack
const FLOOR_MS = 5; // a p99 below that is noise: twice it is no harm
const QUIET_S = 8;

const { values } = parseArgs({
    options: { connections: { type: 'string', default: '2000' }, seconds: { type: 'string', default: '20' } },
});
const connections = Number(values.connections);
const seconds = Number(values.seconds);

const ms = (n) => `${n.toFixed(1)} ms`;

async function timed(what) {
    const start = performance.now();
    await what();
    return performance.now() - start;
}

// Does it again and again for so long; the 99th percentile, and how often it did not work.
async function measure(act, forSeconds) {
    const times = [];
    let failures = 0;
    for (const end = performance.now() + forSeconds * 1000; performance.now() < end; ) {
        try {
            times.push(await timed(act));
        } catch {
            failures++;
        }
        await pause(10);
    }
    times.sort((a, b) => a - b);
    return { p99: times[Math.floor(times.length * 0.99)] ?? Infinity, n: times.length, failures };
}

function attack(args, url) {
    const rate = Math.ceil(connections / 4);
    const child = spawn('slowhttptest', [...args, '-c', String(connections), '-r', String(rate), '-l', String(seconds + 30), '-u', url], {
        stdio: 'ignore',
    });
    const ended = new Promise((done) => child.on('close', done));
    child.on('error', (error) => {
        console.error(`slowhttptest: ${error.message} (Debian's package of that name)`);
        process.exit(2);
    });
    return { stop: () => (child.kill('SIGTERM'), ended) };
}

const d = await Daemon.start(
    makeConfig({
        gateway: { max_connections: 2 * connections + 100 },
        webhooks: { listen: ['127.0.0.1:0'], max_connections: 2 * connections + 100 },
    }),
    { bin: REGCASTD_FAST },
);
const shake = async () => (await Client.open(d.url('/'))).terminate();
const post = () => d.accept([newImage('team/app')]);
const ATTACKS = [
    ['slow heads (-H)', ['-H', '-i', '5', '-p', '3'], `http://127.0.0.1:${d.port}/`, shake],
    ['slow readers (-X)', ['-X', '-w', '10', '-y', '20', '-n', '5', '-z', '32', '-k', '3'], `http://127.0.0.1:${d.port}/`, shake],
    ['slow bodies (-B)', ['-B', '-i', '5', '-s', '8192', '-f', 'application/json'], d.webhookUrl(), post],
];

let failed = false;
for (const [name, args, url, act] of ATTACKS) {
    const before = await measure(act, QUIET_S);
    const running = attack(args, url);
    await pause(4500); // until all have connected
    const open = (await d.metrics()).get('regcast_open_sockets');
    const during = await measure(act, seconds);
    await running.stop();
    await pause(2000);
    const after = await measure(act, QUIET_S);
    const quiet = Math.max(before.p99, after.p99);
    const fine = during.failures === 0 && during.p99 < MOST * Math.max(quiet, FLOOR_MS);
    failed ||= !fine;
    console.log(
        `${name}: ${open} sockets; p99 ${ms(during.p99)} of ${during.n}, ${during.failures} failed; ` +
            `without: ${ms(before.p99)} before, ${ms(after.p99)} after: ${fine ? 'fine' : 'TOO SLOW'}`,
    );
}
await d.stop();
process.exit(failed ? 1 : 0);
