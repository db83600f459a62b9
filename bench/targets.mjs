// targets.mjs - what issues 3, 4, 5, 6 and 9 ask for, and whether a run's figures meet it.
import { count, fixed, time } from './figures.mjs';

const UWS_OF_THE_ISSUE = 1.9; // us a frame of a burst
const LIMIT_REACHED = 0.95;   // of its core: the load client can take no more
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(2)} KB`;

const of = (entry, name, server = 'regcast') => entry?.[server]?.[name]?.median;
const ratio = (entry, name, reference) => entry?.ratio?.[reference]?.[name];

// A target about one scenario: its figure comes from that scenario's entry of the summary.
const about = (scenario, what, get, sign, limit, show, met) =>
    ({ scenario, what, get: (summary) => summary[scenario] && get(summary[scenario]), sign, limit, show, met });
// One that compares scenarios, those for which `wanted` holds, from the least `order` to the greatest.
const across = (scenario, what, wanted, order, get, sign, limit, show) => ({
    scenario,
    what,
    get: (summary) => {
        const entries = Object.entries(summary).filter(([name, entry]) => wanted(entry, name))
            .map(([name, entry]) => ({ entry, order: order(entry, name) })).sort((a, b) => a.order - b.order);
        const least = entries[0], most = entries.at(-1);
        return entries.length < 2 || least.order === most.order ? NaN : get(least.entry, most.entry);
    },
    sign, limit, show,
});

const cost = (entry, server) => of(entry, 'CPU us/frame', server);
// Without what it costs to take the messages in, where that was measured.
const fanoutCost = (entry, server = 'regcast') => of(entry, 'workers', server) ?? cost(entry, server);
const growth = (few, many, server) => fanoutCost(many, server) / fanoutCost(few, server);

const TARGETS = [
    about('ingest-1', 'events/s, regcast / durable', (e) => ratio(e, 'events/s', 'durable'), '>=', 0.5, fixed(2)),
    about('ingest-1', 'webhook p99', (e) => of(e, 'p99'), '<=', 20000, time),
    about('ingest-50', 'events/s', (e) => of(e, 'events/s'), '>=', 50000, count),
    about('restart-1m', 'ready in', (e) => of(e, 'ready in'), '<=', 2e6, time),
    about('one-1k', 'last p50, regcast / memory', (e) => ratio(e, 'last p50', 'memory'), '<=', 1.1, fixed(2)),
    about('one-10k', 'last p50, regcast / memory', (e) => ratio(e, 'last p50', 'memory'), '<=', 1.1, fixed(2)),
    about('rate-10k', 'p50, regcast / memory', (e) => ratio(e, 'p50', 'memory'), '<=', 1.1, fixed(2)),

    ...['one-1k', 'one-10k'].flatMap((name) => [
        about(name, 'CPU per frame, regcast / naked', (e) => ratio(e, 'CPU us/frame', 'naked'), '<=', 1.1, fixed(2)),
        about(name, 'user CPU us per frame', (e) => of(e, 'user'), '<=', 0.4, fixed(3)),
    ]),
    about('burst-1k', 'CPU us per frame', (e) => of(e, 'CPU us/frame'), '<=', 0.25, fixed(3)),
    about('burst-1k', "frames/s, or the load client's limit", (e) => of(e, 'frames/s'), '>=', 3e6, count,
        (value, summary) => value >= 3e6 || of(summary['burst-1k'], 'client busy') >= LIMIT_REACHED),
    about('burst-1k', "CPU per frame, uWebSockets' 1.9 us (of the issue) / regcast",
        (e) => UWS_OF_THE_ISSUE / of(e, 'CPU us/frame'), '>=', 7, fixed(1)),
    about('burst-1k', 'CPU per frame, uWebSockets as run here / regcast',
        (e) => 1 / ratio(e, 'CPU us/frame', 'uws'), '>=', 7, fixed(1)),
    about('rate-10k', 'last p50, regcast / naked', (e) => ratio(e, 'last p50', 'naked'), '<=', 1.15, fixed(2)),
    about('rate-10k', 'last p99.9 / last p50', (e) => of(e, 'last p99.9') / of(e, 'last p50'), '<=', 2, fixed(2)),
    about('idle', 'memory of a connection', (e) => of(e, 'bytes/connection'), '<=', 1024, kilobytes),
    about('idle', 'wakeups/s', (e) => of(e, 'wakeups/s'), '<=', 2, fixed(1)),
    about('accept', 'handshakes/s, regcast / naked', (e) => ratio(e, 'handshakes/s', 'naked'), '>=', 0.8, fixed(2)),
    about('quiet', 'p99 of a quiet path', (e) => of(e, 'quiet path p99', 'memory'), '<=', 5000, time),
    across('stalled-5k', "healthy clients' p99, with / without stalled ones", (e) => e.kind === 'stalled', (e) => e.stalled,
        (none, some) => of(some, 'p99') / of(none, 'p99'), '<=', 1.1, fixed(2)),
    across('workers-2', "frames/s / one worker's", (e, name) => name.startsWith('workers-'), (e, name) => Number(name.split('-')[1]),
        (one, two) => of(two, 'frames/s') / of(one, 'frames/s'), '>=', 1, fixed(2)),
    across('grow-*', 'growth of CPU per frame, regcast / naked', (e, name) => name.startsWith('grow-'), (e) => e.connections,
        (few, many) => growth(few, many, 'regcast') / growth(few, many, 'naked'), '<=', 1.05, fixed(2)),
    across('paths-*', 'CPU per frame, most paths / one path', (e, name) => name.startsWith('paths-'), (e) => e.paths,
        (one, many) => fanoutCost(many) / fanoutCost(one), '<=', 1.1, fixed(2)),
    across('deflate-4k', 'CPU per frame, deflated / plain', (e, name) => /^(deflate|plain)-4k/.test(name), (e) => Number(e.deflate),
        (plain, deflated) => cost(deflated, 'regcast') / cost(plain, 'regcast'), '<=', 1.15, fixed(2)),
    about('rest-1k', 'REST calls/s', (e) => of(e, 'REST calls/s'), '>=', 1000, fixed(0)),
    about('rest-1k', 'p99 of a list of 100 triggers', (e) => of(e, 'list p99'), '<=', 5000, time),
    across('rest-1k', "clients' p99, with / without REST calls", (e, name) => /^rest-(none|1k)$/.test(name), (e) => e.lists,
        (none, some) => of(some, 'p99', 'memory') / of(none, 'p99', 'memory'), '<=', 1.1, fixed(2)),
    across('consoles-50', "clients' p99, with / without consoles", (e, name) => /^consoles-(0|50)$/.test(name), (e) => e.consoles,
        (none, some) => of(some, 'p99', 'memory') / of(none, 'p99', 'memory'), '<=', 1.1, fixed(2)),
    about('grpc', 'calls per CPU second, regcast / grpc-js', (e) => 1 / ratio(e, 'CPU us/call', 'grpc-js'), '>=', 3, fixed(1)),
    about('grpc', 'memory grown in 100,000 calls', (e) => of(e, 'memory grown'), '<=', 1 << 20, kilobytes),
    ...['pong', 'quiet pong', 'accept', 'webhook', 'healthz'].map((what) =>
        about('overload', `${what} p99`, (e) => of(e, `${what} p99`), '<=', 50000, time)),
];

// [{scenario, what, value, sign, limit, met, shown: {value, limit}}] of those that were measured.
export function judge(summary) {
    return TARGETS.map(({ scenario, what, get, sign, limit, show, met }) => {
        const value = get(summary);
        if (!Number.isFinite(value))
            return null;
        const within = met ? met(value, summary) : sign === '>=' ? value >= limit : value <= limit;
        return { scenario, what, value, sign, limit, met: within, shown: { value: show(value), limit: show(limit) } };
    }).filter((target) => target !== null);
}
