// How the server does: a line on its health, numbers, and how they went in the last minutes. All of it is what
// GET /gateway/v1/metrics says.
import { fill, h, setText } from '../dom.js';
import { chart, charts } from '../chart.js';
import { int } from '../format.js';
import { Reading, Ring, quantile, rate } from '../rates.js';
import { badge, errorBox, notice, spinner } from '../ui.js';
import { nodes } from './nodes.js';

export const title = 'overview.title';

const EVERY_MS = 2000;
const KEEP_MS = 600000;
const SOON_S = 14 * 86400; // a certificate that expires within is shown
const P = 'regcast_';

const SERIES = [
    'frames', 'bytes', 'p50', 'p99', 'webhooks', 'ack50', 'ack99', 'events', 'batches', 'queued', 'commit', 'connections', 'slow', 'memory', 'lag',
];

// What was read so far, for when the reader comes back; of the server that it is of.
let kept = null;

// What is drawn of a reading, together with the one before. (pure)
export function points(now, before) {
    const ms = before ? now.at - before.at : 0;
    const count = (name, ending = '') => rate(before?.sum(P + name, undefined, ending), now.sum(P + name, undefined, ending), ms);
    const share = (name, q) => {
        const got = before ? quantile(q, now.buckets(P + name), before.buckets(P + name)) : null;
        return got === null ? null : got * 1000;
    };
    return {
        frames: count('frames_sent_total'),
        bytes: count('bytes_sent_total'),
        p50: share('broadcast_seconds', 0.5),
        p99: share('broadcast_seconds', 0.99),
        webhooks: count('webhook_requests_total'),
        ack50: share('webhook_seconds', 0.5),
        ack99: share('webhook_seconds', 0.99),
        events: count('events_total'),
        batches: count('batches_total'),
        queued: now.sum(`${P}journal_queued_bytes`),
        commit: share('journal_commit_seconds', 0.99),
        connections: now.sum(`${P}connections`),
        slow: count('slow_consumers_total'),
        memory: now.sum('process_resident_memory_bytes'),
        lag: share('loop_lag_seconds', 0.99),
    };
}

export function mount(root, ctx) {
    const { t, format } = ctx;
    if (!ctx.can('connections.view')) {
        root.append(notice('warn', t('overview.noView')));
        return;
    }
    kept ??= { ring: new Ring(SERIES, KEEP_MS, KEEP_MS / EVERY_MS), last: null };
    const { ring } = kept;
    const problem = h('div', { role: 'alert' });
    const health = h('div', { class: 'health', role: 'status' });
    const perSecond = (value) => t('overview.perSecond', { value: format.compact(value) });
    const ms = (value) => format.duration(value);
    const one = (key, names, options) => chart(ctx.words, { title: t(`overview.${key}`), series: names.map((name) => ({ key: name, name: t(`overview.s.${name}`) })), ms: KEEP_MS, ...options });
    const all = [
        one('frames', ['frames'], { format: perSecond, filled: true }),
        one('bytes', ['bytes'], { format: (value) => t('overview.perSecond', { value: format.bytes(value) }), filled: true, binary: true }),
        one('latency', ['p50', 'p99'], { format: ms }),
        one('webhooks', ['webhooks'], { format: perSecond, filled: true }),
        one('ack', ['ack50', 'ack99'], { format: ms }),
        one('events', ['events', 'batches'], { format: perSecond }),
        one('connections', ['connections'], { format: format.compact, filled: true }),
        one('slow', ['slow'], { format: perSecond, filled: true }),
        one('commit', ['commit'], { format: ms, filled: true }),
        one('queued', ['queued'], { format: format.bytes, filled: true, binary: true }),
        one('memory', ['memory'], { format: format.bytes, filled: true, binary: true }),
        one('lag', ['lag'], { format: ms, filled: true }),
    ];
    const big = bigNumbers(ctx);
    const tables = breakdowns(ctx);
    const others = nodes(ctx);
    fill(root, problem, spinner(t('loading')));

    ctx.every(
        EVERY_MS,
        async (signal) => {
            const now = new Reading(await ctx.api.get('/gateway/v1/metrics', { signal }));
            fill(problem);
            if (!big.element.isConnected) fill(root, problem, health, big.element, others.element, charts(...all), tables.element);
            ring.add(now.at, points(now, kept.last));
            kept.last = now;
            showHealth(ctx, health, now);
            big.show(now);
            tables.show(now);
            for (const each of all) each.draw(ring);
            await others.show(now.sum(`${P}cluster_nodes`), signal);
        },
        (error) => {
            root.querySelector('.spinner')?.remove();
            fill(problem, errorBox(ctx.words, error));
        },
    );
}

// --------------------------------------------------------------------------------------- numbers

function bigNumbers({ t, format }) {
    const names = ['connections', 'frames_sent_total', 'webhook_requests_total', 'events_total', 'batches_total', 'slow_consumers_total', 'dead_letters'];
    const cells = Object.fromEntries(names.map((name) => [name, h('dd', { dataset: { metric: P + name } }, '–')]));
    const element = h(
        'dl',
        { class: 'big', 'aria-label': t('overview.numbers') },
        names.map((name) => h('div', { class: 'card' }, h('dt', null, t(`overview.n.${name}`)), cells[name])),
    );
    return {
        element,
        show(now) {
            for (const name of names) setText(cells[name], format.count(now.sum(P + name)));
        },
    };
}

// Counters by a label, and facts that make no chart.
function breakdowns({ t, format }) {
    const lists = [
        ['closes', 'closes_total', 'by'],
        ['slowReasons', 'slow_consumers_total', 'reason'],
        ['eventTypes', 'events_total', 'type'],
        ['outcomes', 'webhook_events_total', 'outcome'],
        ['refusals', 'reject_total', 'reason'],
    ];
    const bodies = lists.map(() => h('dl', { class: 'counts' }));
    const element = h(
        'div',
        { class: 'charts' },
        lists.map(([key], i) => h('section', { class: 'card' }, h('h2', null, t(`overview.${key}`)), bodies[i])),
    );
    const said = [];
    return {
        element,
        show(now) {
            lists.forEach(([, name, label], i) => {
                const rows = [...now.by(P + name, label)].filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
                const text = JSON.stringify(rows);
                if (said[i] === text) return;
                said[i] = text;
                fill(
                    bodies[i],
                    rows.length === 0
                        ? h('div', null, h('dt', { class: 'muted' }, t('overview.nothingYet')), h('dd', null, format.count(0)))
                        : rows.map(([value, n]) => h('div', { dataset: { metric: P + name, value } }, h('dt', null, value || '–'), h('dd', { class: 'num' }, format.count(n)))),
                );
            });
        },
    };
}

// ---------------------------------------------------------------------------------------- health

const JOURNAL = { 1: ['ok', 'works'], 2: ['bad', 'full'], 0: ['bad', 'failed'] };

// What is to be said of how the server does: [[kind, text, where more is]]. (pure, but for the texts)
export function healthOf({ t, format }, now) {
    const said = [];
    if (now.has(`${P}journal_state`)) {
        const [kind, word] = JOURNAL[now.sum(`${P}journal_state`)] ?? ['bad', 'failed'];
        said.push([kind, t(`overview.journal.${word}`)]);
    }
    const level = now.sum(`${P}memory_level`);
    if (level > 0) said.push([level > 1 ? 'bad' : 'warn', t('overview.memoryLevel', { level: format.count(level) })]);
    const silent = now.sum(`${P}registry_silent`);
    if (silent > 0) said.push(['warn', t('overview.silent', { n: silent }), '#/registries']);
    const letters = int(now.sum(`${P}dead_letters`));
    if (letters > 0) said.push(['warn', t('overview.letters', { n: letters }), '#/registries/letters']);
    if (now.has(`${P}canary_last_success_timestamp_seconds`)) {
        const last = now.sum(`${P}canary_last_success_timestamp_seconds`);
        const late = last === 0 || now.at / 1000 - last > 120;
        said.push([late ? 'bad' : 'ok', last === 0 ? t('overview.canary.never') : t('overview.canary', { ago: format.relative(new Date(last * 1000), now.at) })]);
    }
    for (const { labels, value } of now.samples(`${P}tls_cert_expiry_seconds`)) {
        const left = Number(value) - now.at / 1000;
        if (left < SOON_S)
            said.push([left < 0 ? 'bad' : 'warn', t('overview.certificate', { name: labels?.name || labels?.certificate || '', when: format.relative(new Date(Number(value) * 1000), now.at) })]);
    }
    return said;
}

let drawn = '';
function showHealth(ctx, element, now) {
    const said = healthOf(ctx, now);
    const text = JSON.stringify(said);
    if (drawn === text && element.childElementCount > 0) return;
    drawn = text;
    fill(
        element,
        said.map(([kind, words, where]) => (where ? h('a', { href: where }, badge(kind, words)) : badge(kind, words))),
    );
}
