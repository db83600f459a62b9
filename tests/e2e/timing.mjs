// Whether the time of an answer tells anything about a webhook's token (security list WH-01); started by
// scripts/timing. Options: requests of each kind (20000).
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { Daemon, REGCASTD_FAST, REGISTRY, makeConfig } from './harness.mjs';

const PER_KIND = Number(process.argv[2] ?? 20000);
const AT_ONCE = 200; // between two looks at what was measured: warming up counts for no kind

const token = randomBytes(24).toString('hex');
const KINDS = {
    'no token': null,
    'a wrong token': randomBytes(24).toString('hex'),
    'another wrong token': randomBytes(24).toString('hex'), // what two equal kinds look like
    'its first half': token.slice(0, 24),
    'all but its last letter': `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`,
};

// From the last byte of the request to the first of the answer, in microseconds: a refusal closes the connection,
// so each has one of its own.
function ask(port, authorization) {
    return new Promise((done, fail) => {
        const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
        let began;
        socket.on('error', fail);
        socket.on('connect', () => {
            const line = authorization === null ? '' : `Authorization: Bearer ${authorization}\r\n`;
            const head = `POST /registries/${REGISTRY}/events HTTP/1.1\r\nHost: a\r\n${line}Content-Length: 2\r\n\r\n`;
            began = process.hrtime.bigint();
            socket.write(head);
        });
        socket.once('data', (bytes) => {
            const took = Number(process.hrtime.bigint() - began) / 1000;
            assert.match(bytes.toString('latin1'), /^HTTP\/1\.1 401 /);
            socket.destroy();
            done(took);
        });
    });
}

// Without the slowest tenth, which is the machine's and hides everything.
function summary(times) {
    const kept = times.sort((a, b) => a - b).slice(0, Math.floor(times.length * 0.9));
    const mean = kept.reduce((sum, x) => sum + x, 0) / kept.length;
    const variance = kept.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (kept.length - 1);
    return { n: kept.length, mean, variance, median: kept[Math.floor(kept.length / 2)] };
}

// Two-sided, of a normal distribution: there are thousands. (Abramowitz and Stegun 7.1.26)
function pOf(t) {
    const x = Math.abs(t) / Math.SQRT2;
    const k = 1 / (1 + 0.3275911 * x);
    return k * (0.254829592 + k * (-0.284496736 + k * (1.421413741 + k * (-1.453152027 + k * 1.061405429)))) * Math.exp(-x * x);
}

const d = await Daemon.start(makeConfig({ log_level: 'error', registries: [{ id: REGISTRY, token }] }), { bin: REGCASTD_FAST });
const times = Object.fromEntries(Object.keys(KINDS).map((name) => [name, []]));
const order = Object.keys(KINDS);
for (let round = -AT_ONCE; round < PER_KIND; round++) {
    for (let i = order.length - 1; i > 0; i--) {
        const j = Math.floor(Math.random() * (i + 1));
        [order[i], order[j]] = [order[j], order[i]];
    }
    for (const name of order) {
        const took = await ask(d.webhookPort, KINDS[name]);
        if (round >= 0) times[name].push(took);
    }
}
await d.stop();
const all = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, summary(list)]));
const base = all['a wrong token'];
console.log(`${PER_KIND} requests of each kind; compared with 'a wrong token'`);
for (const [name, s] of Object.entries(all)) {
    const t = (s.mean - base.mean) / Math.sqrt(s.variance / s.n + base.variance / base.n);
    const compared = s === base ? '' : `t ${t.toFixed(2).padStart(6)}   p ${pOf(t).toFixed(4)}`;
    console.log(`${name.padEnd(24)} mean ${s.mean.toFixed(2)} us   median ${s.median.toFixed(2)} us   ${compared}`);
}
