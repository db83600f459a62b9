// Whether the time of an answer tells anything about what a webhook proves itself with (security list WH-01); started by
// scripts/timing. Options: requests of each kind (20000), and what it is: token (default), signature or path.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { Daemon, REGCASTD_FAST, REGISTRY, makeConfig, tempDir } from './harness.mjs';

const PER_KIND = Number(process.argv[2] ?? 20000);
const WAY = process.argv[3] ?? 'token';
const AT_ONCE = 200; // between two looks at what was measured: warming up counts for no kind

const BODY = '{}';
const EVENTS = `/registries/${REGISTRY}/events`;
const secret = randomBytes(24).toString('hex');

function fileOf(text) {
    const file = join(tempDir(), 'secret');
    writeFileSync(file, `${text}\n`, { mode: 0o600 });
    return file;
}

// Requests of a way are of one length: reading a longer one takes longer, and its sender knows that.
const padded = (path, fields, said) =>
    `POST ${path} HTTP/1.1\r\nHost: a\r\n${fields}X-Padding: ${'x'.repeat(128 - said.length)}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

// What is right, what the registry is told of it, and how something is said; null is that it is not.
const WAYS = {
    token: {
        right: secret,
        registry: { token: secret },
        status: 401,
        request: (said) => padded(EVENTS, `${said === null ? 'X-thorization' : 'Authorization'}: Bearer ${said ?? ''}\r\n`, said ?? ''),
    },
    signature: {
        right: createHmac('sha256', secret).update(BODY).digest('hex'),
        registry: { signature: 'github', signature_secret_file: fileOf(secret) },
        status: 401,
        request: (said) => padded(EVENTS, `X-Hub-Signature-256: sha256=${(said ?? '').padEnd(64, '0')}\r\n`, ''),
    },
    path: {
        right: secret,
        registry: { path_token_file: fileOf(secret) },
        status: 404,
        request: (said) => padded(`/hook/${said ?? ''}`, '', said ?? ''),
    },
};
const way = WAYS[WAY];
assert.ok(way, `what is "${WAY}"?`);

const wrong = () => randomBytes(way.right.length / 2).toString('hex');
const KINDS = {
    [`no ${WAY}`]: null,
    [`a wrong ${WAY}`]: wrong(),
    [`another wrong ${WAY}`]: wrong(), // what two equal kinds look like
    'its first half': way.right.slice(0, way.right.length / 2),
    'all but its last letter': `${way.right.slice(0, -1)}${way.right.endsWith('0') ? '1' : '0'}`,
};

// From the last byte of the request to the first of the answer, in microseconds: a refusal closes the connection,
// so each has one of its own.
function ask(port, said) {
    return new Promise((done, fail) => {
        const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
        let began;
        socket.on('error', fail);
        socket.on('connect', () => {
            const text = way.request(said);
            began = process.hrtime.bigint();
            socket.write(text);
        });
        socket.once('data', (bytes) => {
            const took = Number(process.hrtime.bigint() - began) / 1000;
            assert.equal(bytes.toString('latin1').slice(0, 13), `HTTP/1.1 ${way.status} `);
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

const d = await Daemon.start(makeConfig({ log_level: 'error', registries: [{ id: REGISTRY, ...way.registry }] }), { bin: REGCASTD_FAST });
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
const base = all[`a wrong ${WAY}`];
console.log(`${PER_KIND} requests of each kind; compared with 'a wrong ${WAY}'`);
for (const [name, s] of Object.entries(all)) {
    const t = (s.mean - base.mean) / Math.sqrt(s.variance / s.n + base.variance / base.n);
    const compared = s === base ? '' : `t ${t.toFixed(2).padStart(6)}   p ${pOf(t).toFixed(4)}`;
    console.log(`${name.padEnd(24)} mean ${s.mean.toFixed(2)} us   median ${s.median.toFixed(2)} us   ${compared}`);
}
