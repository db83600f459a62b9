// Hours of everything at once: webhooks, followers that come back where they were, clients that come and go, that
// stall or vanish, reloads, management. Prints once a minute what it came to, and in the end the slope of the
// memory and the descriptors that are no connections. Fails when an event was lost, came twice or out of order,
// when memory or descriptors grow, or when the daemon logs an error. Run by scripts/soak.
import http from 'node:http';
import net from 'node:net';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import WebSocket from 'ws';
import { makeCertificate, tlsOf } from './certificates.mjs';
import {
    Daemon,
    ENVELOPE_TYPE,
    REGCASTD_FAST,
    REGISTRY,
    digestOf,
    envelope,
    handshake,
    makeConfig,
    pause,
    push,
    trigger,
    writeConfig,
} from './harness.mjs';

const { values: options } = parseArgs({
    options: {
        minutes: { type: 'string', default: '120' },
        followers: { type: 'string', default: '200' },
        rate: { type: 'string', default: '40' },
        churn: { type: 'string', default: '20' },
        tls: { type: 'boolean', default: false },
    },
});
const [minutes, nFollowers, rate, churn] = ['minutes', 'followers', 'rate', 'churn'].map((key) =>
    Number(options[key]),
);
const STALLED = 20;
const BULK = 50; // events of an envelope on /bulk
const STAY_MS = [5000, 120000]; // of a follower, before it comes back
const RELOAD_MS = 45000;
const GROWTH = 0.05; // of memory, from the second quarter to the last
const SPARE_FILES = 8; // that may come and go: the journal's, a scrape's

const began = performance.now();
const running = () => performance.now() < began + minutes * 60000;
const open = new Set(); // what is to be ended with the run
const counts = { acked: 0, again: 0, received: 0, resumes: 0, visits: 0, stalls: 0, reloads: 0, calls: 0, failed: 0 };
const problems = [];
function problem(text) {
    if (problems.length < 20) problems.push(text);
    counts.failed++;
}
const between = (low, high) => low + Math.random() * (high - low);

// ----------------------------------------------------------------------------------- the daemon

const config = makeConfig({
    gateway: {
        paths: [
            { path: '/ordered', history_count: 20000, history_bytes: '16MiB', history_age: '10m', memory_bytes: '4MiB', max_lag_bytes: '1MiB' },
            { path: '/bulk', history_count: 2000, history_bytes: '8MiB', history_age: '5m', memory_bytes: '4MiB', max_lag_bytes: '1MiB' },
        ],
        max_handshake_rate: 0,
        max_address_connections: 0,
        ...(options.tls ? { tls: tlsOf(makeCertificate()) } : {}),
    },
    catalog: { max_images: 20000, max_tags: 20000 }, // what is remembered is to be full soon
    dedup: { max_ids: 20000 },
    triggers: [
        trigger('ordered', { path: '/ordered', types: ['CREATE_IMAGE_TAG'], image_name: 'soak/ordered', size: 5 }),
        trigger('bulk', { path: '/bulk', types: ['CREATE_IMAGE'], image_name: 'soak/bulk', size: 100 }),
    ],
});
const file = writeConfig(config);
const d = await Daemon.start(config, { bin: REGCASTD_FAST, file });
const scheme = options.tls ? 'wss' : 'ws';
const url = (path) => `${scheme}://127.0.0.1:${d.port}${path}`;

// ----------------------------------------------------------------------------------- what sends

function post(agent, body) {
    return new Promise((done) => {
        const req = http.request({
            agent,
            method: 'POST',
            host: '127.0.0.1',
            port: d.webhookPort,
            path: `/registries/${REGISTRY}/events`,
            headers: { 'Content-Type': ENVELOPE_TYPE, 'Content-Length': Buffer.byteLength(body) },
        });
        req.setTimeout(30000, () => req.destroy());
        req.on('error', () => done(0));
        req.on('response', (res) => res.resume().on('close', () => done(res.statusCode)));
        req.end(body);
    });
}

// One event after the other, numbered by their tags; the same again until it is acknowledged.
async function sendInOrder() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 1; running(); n++) {
        const body = envelope([push('soak/ordered', digestOf(`ordered ${n}`), String(n))]);
        while ((await post(agent, body)) !== 202) {
            counts.again++;
            await pause(50);
        }
        counts.acked++;
        await pause(between(0, 2000 / rate));
    }
    agent.destroy();
}

async function sendBulk() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; running(); n++) {
        const events = Array.from({ length: BULK }, (_, i) => push('soak/bulk', digestOf(`bulk ${n} ${i}`)));
        if ((await post(agent, envelope(events))) !== 202) counts.again++;
        await pause(between(500, 1500));
    }
    agent.destroy();
}

// ------------------------------------------------------------------------------ what is received

// Reads /ordered without a gap, in visits: each begins where the one before ended.
class Follower {
    last = 0; // the number of the last event
    since = null; // its id

    take(text) {
        for (const { event_metadata: meta, details } of JSON.parse(text).messages) {
            const n = Number(details.tag);
            if (this.last !== 0 && n !== this.last + 1) problem(`a follower got ${n} after ${this.last}`);
            this.last = n;
            this.since = meta.event_id;
            counts.received++;
        }
    }

    // One visit, which ends as clients' visits do; now and then it stops reading for a while.
    visit() {
        const query = this.since === null ? '' : `?since=${this.since}`;
        const socket = new WebSocket(url(`/ordered${query}`), { perMessageDeflate: Math.random() < 0.3, rejectUnauthorized: false });
        let leaving = false;
        open.add(socket);
        const timers = [
            setTimeout(() => {
                leaving = true;
                if (Math.random() < 0.5) socket.close();
                else socket.terminate();
            }, between(...STAY_MS)),
        ];
        if (Math.random() < 0.1)
            timers.push(
                setTimeout(() => {
                    socket.pause();
                    counts.stalls++;
                    timers.push(setTimeout(() => socket.resume(), between(500, 4000)));
                }, between(1000, 4000)),
            );
        socket.on('message', (data) => this.take(data.toString('utf8')));
        socket.on('error', (error) => running() && problem(`a follower: ${error.message}`));
        return new Promise((done) =>
            socket.on('close', (code, reason) => {
                open.delete(socket);
                timers.forEach(clearTimeout);
                if (!leaving && ![1001, 1012, 1013].includes(code) && running()) problem(`a follower was closed with ${code} ${reason}`);
                done();
            }),
        );
    }

    async run() {
        while (running()) {
            await this.visit();
            counts.resumes++;
            await pause(between(0, 500));
        }
    }
}

// Clients that open a path and are gone, in order or not; some do not even finish their handshake.
async function comeAndGo() {
    while (running()) {
        counts.visits++;
        const kind = Math.random();
        if (kind < 0.2) {
            const socket = net.connect(d.port, '127.0.0.1', () => socket.write(handshake('/bulk').slice(0, 40)));
            socket.on('error', () => {});
            setTimeout(() => socket.resetAndDestroy(), between(0, 300));
        } else {
            const socket = new WebSocket(url('/bulk'), { perMessageDeflate: kind < 0.4, rejectUnauthorized: false });
            socket.on('error', () => {});
            socket.on('open', () => setTimeout(() => (kind < 0.6 ? socket.terminate() : socket.close()), between(0, 3000)));
        }
        await pause(between(0, 2000 / churn));
    }
}

// Clients that open a path and read nothing more, until they are closed; then they come again.
async function stall() {
    while (running()) {
        await new Promise((done) => {
            const socket = new WebSocket(url('/bulk'), { perMessageDeflate: false, rejectUnauthorized: false });
            const end = setTimeout(() => socket.terminate(), between(60000, 180000));
            open.add(socket);
            socket.on('open', () => socket.pause());
            socket.on('error', () => {});
            socket.on('close', () => {
                open.delete(socket);
                clearTimeout(end);
                done();
            });
        });
        counts.stalls++;
        await pause(1000);
    }
}

// ------------------------------------------------------------------------------ what is managed

async function reload() {
    for (let n = 0; ; n++) {
        await pause(RELOAD_MS);
        if (!running()) return;
        config.gateway.max_connections = 20000 + (n % 2);
        config.gateway.paths[1].max_lag_bytes = n % 2 ? '1MiB' : '2MiB';
        writeFileSync(file, JSON.stringify(config));
        d.child.kill('SIGHUP');
        counts.reloads++;
    }
}

async function manage() {
    const listed = await d.manage('GET', `/triggers/v1/triggers?folderId=${config.folder_id}`);
    const bulk = listed.json.triggers.find(({ name }) => name === 'bulk').id;
    for (let n = 0; running(); n++) {
        const calls = [
            () => d.manage('GET', `/triggers/v1/triggers/${bulk}`),
            () => d.manage('POST', `/triggers/v1/triggers/${bulk}:pause`),
            () => d.manage('POST', `/triggers/v1/triggers/${bulk}:resume`),
            () => d.metrics().then(() => ({ status: 200 })),
        ];
        try {
            const { status, text } = await calls[n % calls.length]();
            if (status !== 200) problem(`management answered ${status} ${text}`);
        } catch (error) {
            problem(`management: ${error.message}`);
        }
        counts.calls++;
        await pause(2500);
    }
}

// --------------------------------------------------------------------------------- what it costs

const samples = []; // {hours, rss, files, threads}

async function measure() {
    const sockets = (await d.metrics()).get('regcast_open_sockets');
    const sample = {
        hours: (performance.now() - began) / 3600000,
        rss: d.rssKb() * 1024,
        files: d.openFiles() - sockets,
        sockets,
    };
    samples.push(sample);
    for (const line of d.logged({ level: 'error' })) problem(`log: ${JSON.stringify(line)}`);
    d.logs.length = 0;
    return sample;
}

const mb = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;

async function watch() {
    for (let minute = 1; minute <= minutes; minute++) {
        await pause(Math.max(0, began + minute * 60000 - 500 - performance.now()));
        const { rss, files, sockets } = await measure();
        console.log(
            `${String(minute).padStart(4)} min: ${mb(rss)}, ${sockets} sockets, ${files} other descriptors; ` +
                Object.entries(counts).map(([key, n]) => `${key} ${n}`).join(', '),
        );
    }
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

// Least squares: bytes an hour.
function slope(points) {
    const mean = (key) => points.reduce((sum, one) => sum + one[key], 0) / points.length;
    const [x, y] = [mean('hours'), mean('rss')];
    const over = points.reduce((sum, one) => sum + (one.hours - x) * (one.rss - y), 0);
    const under = points.reduce((sum, one) => sum + (one.hours - x) ** 2, 0);
    return under === 0 ? 0 : over / under;
}

function judge() {
    const quarter = Math.floor(samples.length / 4);
    const second = samples.slice(quarter, 2 * quarter);
    const last = samples.slice(-quarter);
    if (quarter === 0) {
        console.log('too short to tell how memory and descriptors go: at least 4 minutes');
        return;
    }
    const [before, after] = [second, last].map((part) => median(part.map(({ rss }) => rss)));
    const [least, most] = [second, last].map((part) => median(part.map(({ files }) => files)));
    const hourly = slope(samples.slice(quarter));
    console.log(
        `memory: ${mb(before)} in the second quarter, ${mb(after)} in the last: ${((after / before - 1) * 100).toFixed(1)} %; ` +
            `slope after the first ${mb(hourly)} an hour (${((hourly * 24 * 100) / before).toFixed(1)} % a day)\n` +
            `descriptors that are no connections: ${least}, ${most}`,
    );
    if (after > before * (1 + GROWTH)) problem(`memory grew by more than ${GROWTH * 100} %`);
    if (most > least + SPARE_FILES) problem('descriptors grew');
}

// ---------------------------------------------------------------------------------------- the run

const followers = Array.from({ length: nFollowers }, () => new Follower());
console.log(
    `${minutes} minutes, ${nFollowers} followers, about ${rate} events/s and as many in bulk, ${churn} short visits/s, ` +
        `${STALLED} that do not read${options.tls ? ', TLS' : ''}; process ${d.pid}`,
);
setTimeout(() => open.forEach((socket) => socket.terminate()), began + minutes * 60000 + 500 - performance.now());
await Promise.all([
    sendInOrder(),
    sendBulk(),
    comeAndGo(),
    reload(),
    manage(),
    watch(),
    ...followers.map((one) => one.run()),
    ...Array.from({ length: STALLED }, stall),
]);
judge();
await d.stop({ timeout: 60000 });
for (const text of problems) console.log(`PROBLEM: ${text}`);
console.log(counts.failed === 0 ? 'fine' : `${counts.failed} problems`);
process.exit(counts.failed === 0 ? 0 : 1);
