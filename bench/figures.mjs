// figures.mjs - what is taken from the runs of scripts/bench: columns, medians, ratios.

export function median(values) {
    if (values.length === 0)
        return NaN;
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function time(us) {
    return us >= 1e6 ? `${(us / 1e6).toFixed(2)} s` : us >= 1e3 ? `${(us / 1e3).toFixed(2)} ms`
        : `${us.toFixed(0)} us`;
}

export const count = (n) => n >= 1e6 ? `${(n / 1e6).toFixed(2)} M` : n >= 1e3 ? `${(n / 1e3).toFixed(0)} k`
    : n.toFixed(0);
export const percent = (v) => `${(100 * v).toFixed(0)} %`;
export const fixed = (digits) => (v) => v.toFixed(digits);

// The share that something else took of the server's core or of the client's, whichever is more:
// above a few percent the run is noisy.
export function others(r) {
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

// The servers of others, and all that regcast is compared with, in the order of the tables.
const FOREIGN = ['nchan', 'ws', 'uws'];
export const REFERENCES = ['naked', 'durable', 'memory', ...FOREIGN, 'grpc-js'];

// A column: its name, where it is in a run, how it is shown, and beside which servers regcast's
// ratio to it says something.
const column = (name, get, show, beside = '') =>
    ({ name, get, show, beside: beside.replace('foreign', FOREIGN.join(' ')).split(' ') });

const FANOUT = [
    column('frames/s', (r) => r.frames_per_second, count, 'naked foreign'),
    column('CPU us/frame', (r) => r.server?.cpu_us_per_frame, fixed(3), 'naked memory foreign'),
    column('user', (r) => r.server?.user_us_per_frame, fixed(3), 'naked foreign'),
    column('system', (r) => r.server?.system_us_per_frame, fixed(3)),
    column('workers', (r) => r.server?.worker_us_per_frame, fixed(3)),
    column('futex/message', (r) => r.server?.futex_per_message, fixed(3)),
    column('instructions', (r) => r.server?.user_instructions_per_frame, fixed(0)),
    column('p50', (r) => r.latency_us?.p50, time, 'naked memory foreign'),
    column('p90', (r) => r.latency_us?.p90, time),
    column('p99', (r) => r.latency_us?.p99, time, 'naked memory foreign'),
    column('p99.9', (r) => r.latency_us?.['p99.9'], time),
    column('last p50', (r) => r.last_receiver_us?.p50, time, 'naked memory foreign'),
    column('last p99', (r) => r.last_receiver_us?.p99, time, 'memory'),
    column('last p99.9', (r) => r.last_receiver_us?.['p99.9'], time),
    column('frames/record', (r) => r.frames_per_record || NaN, fixed(1)),
    column('bytes/frame', (r) => r.bytes_per_frame, fixed(0)),
    column('client busy', (r) => r.client_busy, percent),
    column('others', others, percent),
];
// What everybody else notices while the server is busy (probe.h).
const PROBED = [
    ...FANOUT.filter(({ name }) => ['frames/s', 'CPU us/frame', 'p50', 'p99'].includes(name)),
    column('frames/send', (r) => r.server?.frames_per_send ?? r.frames_per_send, fixed(0)),
    column('closed as slow', (r) => r.kind === 'overload' ? r.errors.slow_closed : NaN, fixed(0)),
    column('sustainable', (r) => r.sustainable || NaN, (v) => `${count(v)} messages/s`),
    column('quiet path p99', (r) => r.probe?.quiet_us?.p99, time),
    column('pong p99', (r) => r.probe?.ping_us?.p99, time),
    column('quiet pong p99', (r) => r.probe?.ping_quiet_us?.p99, time),
    column('accept p99', (r) => r.probe?.accept_us?.p99, time),
    column('webhook p99', (r) => r.probe?.webhook_us?.p99, time),
    column('healthz p99', (r) => r.probe?.health_us?.p99, time),
    column('client busy', (r) => r.client_busy, percent),
    column('others', others, percent),
];
const REST = [
    column('REST calls/s', (r) => r.probe?.list_us?.n / r.seconds, fixed(0)),
    column('list p50', (r) => r.probe?.list_us?.p50, time),
    column('list p99', (r) => r.probe?.list_us?.p99, time),
    column('list max', (r) => r.probe?.list_us?.max, time),
    column('list bytes', (r) => r.probe?.list_bytes, fixed(0)),
    ...FANOUT.filter(({ name }) => ['frames/s', 'workers', 'p50', 'p99', 'p99.9'].includes(name)),
    column('server busy', (r) => r.server?.cpu_seconds / r.seconds, percent),
    column('client busy', (r) => r.client_busy, percent),
    column('others', others, percent),
];
const CONSOLES = [
    column('consoles', (r) => r.consoles, fixed(0)),
    column('feed bytes/s', (r) => r.feed?.bytes / r.seconds, count),
    ...REST.filter(({ name }) => !/REST|list/.test(name)),
];
const memoryGrown = column('memory grown', (r) => (r.server?.rss_kb?.at(-1) - r.server?.rss_kb?.[0]) * 1024,
    (v) => `${(v / 2 ** 20).toFixed(1)} MiB`);
const STALLED = [
    column('stalled', (r) => r.stalled, fixed(0)),
    column('still there', (r) => r.stalled_left, fixed(0)),
    ...FANOUT.filter(({ name }) => name !== 'last p99.9'),
    memoryGrown,
];
const IDLE = [
    column('bytes/connection', (r) => r.server?.bytes_per_connection, fixed(0), 'naked foreign'),
    column('wakeups/s', (r) => r.server?.switches_per_second, fixed(1)),
    column('CPU while idle', (r) => r.server?.cpu_seconds / r.seconds, (v) => `${(100 * v).toFixed(2)} %`),
    column('handshakes/s', (r) => r.handshakes_per_second, count, 'naked foreign'),
    column('CPU us/handshake', (r) => r.server?.cpu_us_per_handshake, fixed(1), 'naked foreign'),
];
const ACCEPT = [
    ...IDLE.filter(({ name }) => name.includes('handshake')),
    column('bytes/handshake', (r) => r.bytes_per_handshake, fixed(0)),
    ...FANOUT.filter(({ name }) => ['client busy', 'others'].includes(name)),
];
const INGEST = [
    column('events/request', (r) => r.per_request, fixed(0)),
    column('events/s', (r) => r.events_per_second, count, 'durable'),
    column('CPU us/event', (r) => r.server?.cpu_us_per_event, fixed(1), 'durable'),
    column('p50', (r) => r.webhook_us?.p50, time),
    column('p99', (r) => r.webhook_us?.p99, time),
    column('max', (r) => r.webhook_us?.max, time),
    column('not 2xx', (r) => r.not_2xx, fixed(0)),
    column('group', (r) => r.group_mean, fixed(1)),
    column('commit', (r) => r.commit_mean_us, time),
    column('frames/s', (r) => r.frames_per_second, count),
    column('frame p99', (r) => r.broadcast_us?.p99, time),
    column('client busy', (r) => r.client_busy, percent),
    column('others', others, percent),
];
const GRPC = [
    column('calls/s', (r) => r.calls_per_second, count, 'grpc-js'),
    column('CPU us/call', (r) => r.server?.cpu_us_per_call, fixed(2), 'grpc-js'),
    column('user', (r) => r.server?.user_us_per_call, fixed(2), 'grpc-js'),
    column('system', (r) => r.server?.system_us_per_call, fixed(2)),
    ...FANOUT.filter(({ name }) => ['p50', 'p99', 'p99.9'].includes(name)),
    memoryGrown,
    column('memory', (r) => r.server?.rss_kb?.at(-1), (v) => `${(v / 1024).toFixed(0)} MiB`),
    ...FANOUT.filter(({ name }) => ['client busy', 'others'].includes(name)),
];
const RESTART = [
    column('events', (r) => r.events, count),
    column('store', (r) => r.store_kb, (v) => `${(v / 1024).toFixed(0)} MiB`),
    column('WAL', (r) => r.wal_kb, (v) => `${(v / 1024).toFixed(1)} MiB`),
    column('ready in', (r) => r.ready_us, time),
    column('memory', (r) => r.rss_kb, (v) => `${(v / 1024).toFixed(0)} MiB`),
];
const KINDS = {
    quiet: PROBED, overload: PROBED, rest: REST, consoles: CONSOLES, stalled: STALLED, idle: IDLE, accept: ACCEPT, grpc: GRPC, ingest: INGEST,
    restart: RESTART,
};
export const ALL_KINDS = [FANOUT, PROBED, REST, CONSOLES, STALLED, IDLE, ACCEPT, GRPC, INGEST, RESTART];
const kindOf = (run) => run.kind ?? run.pattern;
export const columnsOf = (run) => KINDS[kindOf(run)] ?? FANOUT;

// What the terminal shows after a run.
const MAIN = {
    one: ['CPU us/frame', 'last p50'], burst: ['CPU us/frame', 'frames/s'], rate: ['p50', 'p99', 'p99.9'],
    idle: ['bytes/connection', 'handshakes/s'], accept: ['handshakes/s'], quiet: ['quiet path p99'],
    overload: ['frames/s', 'pong p99', 'webhook p99'], stalled: ['stalled', 'p99'],
    rest: ['REST calls/s', 'list p99', 'p99'], consoles: ['feed bytes/s', 'p50', 'p99'], grpc: ['calls/s', 'CPU us/call', 'memory grown'], ingest: ['events/s', 'p99'], restart: ['ready in'],
};

export const shown = (column, value) => Number.isFinite(value) ? column.show(value) : '';

// A run in one short line.
export function mainFigures(run) {
    const columns = columnsOf(run);
    const names = MAIN[kindOf(run)] ?? columns.slice(0, 2).map(({ name }) => name);
    const figures = columns.filter(({ name }) => names.includes(name) || (name === 'others' && others(run) >= 0.05))
        .map((column) => `${column.name} ${shown(column, column.get(run))}`);
    return figures.join(', ') + (run.ok ? '' : `, ${JSON.stringify(run.errors)}`);
}

// runs: [{scenario, server, round, run}], as scripts/bench writes them. Returns
// {scenario: {kind, connections, ..., server: {runs, failed, column: {median, min, max}}, ratio: {reference: {column}}}}
export function summarize(runs) {
    const summary = {};
    for (const scenario of new Set(runs.map((r) => r.scenario)))
        summary[scenario] = summarizeScenario(runs.filter((r) => r.scenario === scenario));
    return summary;
}

function summarizeScenario(runs) {
    const of = (server) => runs.filter((r) => r.server === server);
    const columns = columnsOf(runs[0].run);
    const entry = {
        kind: kindOf(runs[0].run),
        connections: Math.max(...runs.map((r) => r.run.connections)),
        paths: runs[0].run.paths ?? 0,
        stalled: runs[0].run.stalled ?? 0,
        deflate: runs[0].run.deflate ?? false,
        lists: runs[0].run.lists ?? 0,
        consoles: runs[0].run.consoles ?? 0,
        batch: runs[0].run.batch ?? 1,
        servers: [...new Set(runs.map((r) => r.server))],
        ratio: {},
    };
    for (const server of entry.servers) {
        entry[server] = { runs: of(server).length, failed: of(server).filter((r) => !r.run.ok).length };
        for (const { name, get } of columns) {
            const values = of(server).filter((r) => r.run.ok).map((r) => get(r.run)).filter(Number.isFinite);
            entry[server][name] = values.length === 0 ? {}
                : { median: median(values), min: Math.min(...values), max: Math.max(...values) };
        }
    }
    for (const reference of REFERENCES.filter((name) => entry[name] && entry.regcast))
        entry.ratio[reference] = ratiosOf(of('regcast'), of(reference), columns, reference);
    return entry;
}

// Of each round, then the median: both servers met the same neighbours in a round. Failed runs count
// in nothing but their number.
function ratiosOf(ours, theirs, columns, reference) {
    const ret = {};
    for (const { name, get } of columns.filter((c) => c.beside.includes(reference))) {
        const ratios = ours.filter((r) => r.run.ok).map((r) => {
            const other = theirs.find((n) => n.round === r.round && n.run.ok);
            return other ? get(r.run) / get(other.run) : NaN;
        }).filter(Number.isFinite);
        if (ratios.length > 0)
            ret[name] = median(ratios);
    }
    return ret;
}
