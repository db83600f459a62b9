// Run by halfopen.test.mjs in a network of its own: clients whose packets vanish, without a FIN or RST, are found
// and let go; others are not. Arguments: ping_interval and pong_timeout in seconds.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Client, Daemon, makeConfig, newImage, until } from './harness.mjs';

const SLACK_S = 2; // the wheel's second, and a slow machine
const [ping, pong] = process.argv.slice(2).map(Number);
const most = ping * 1.1 + pong + SLACK_S;

function run(program, ...args) {
    const ran = spawnSync(program, args, { encoding: 'utf8' });
    assert.equal(ran.status, 0, `${program} ${args.join(' ')}: ${ran.stderr}`);
}

run('ip', 'link', 'set', 'lo', 'up');
const d = await Daemon.start(makeConfig({ gateway: { ping_interval: `${ping}s`, pong_timeout: `${pong}s` } }));
const open = async (localAddress) => {
    const c = await Client.open(d.url('/'), { localAddress });
    c.socket.on('error', () => {});
    return c;
};
const lost = await Promise.all(Array.from({ length: 5 }, () => open('127.0.0.9')));
const healthy = await open('127.0.0.8');
await d.accept([newImage('team/before')]);
await Promise.all([...lost, healthy].map((c) => c.first(1)));

for (const way of ['-s', '-d']) run('iptables', '-A', 'INPUT', way, '127.0.0.9', '-j', 'DROP');
const start = performance.now();
const events = setInterval(() => d.post([newImage('team/app')]).catch(() => {}), 200); // what is sent is never acknowledged
await until('the lost ones are found', async () => (await d.metrics()).get('regcast_closes_total', { by: 'pong' }) === 5, (most + 1) * 1000);
const took = (performance.now() - start) / 1000;
clearInterval(events);
assert.ok(took <= most, `${took.toFixed(1)} s, at most ${most} s`);
await until('their sockets are gone', async () => (await d.metrics()).get('regcast_open_sockets') <= 3); // this one, its like, the healthy one

await d.accept([newImage('team/after')]);
const n = healthy.messages.length;
await healthy.first(n);
assert.equal(healthy.closed, null);
await until('the healthy one has it', () => healthy.messages.at(-1).includes('team/after'));
for (const way of ['-s', '-d']) run('iptables', '-D', 'INPUT', way, '127.0.0.9', '-j', 'DROP');
const back = await open('127.0.0.9');
back.terminate();
lost.forEach((c) => c.terminate());
healthy.terminate();
await d.stop();
console.log(`found after ${took.toFixed(1)} s`);
process.exit(0);
