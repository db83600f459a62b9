// What happens, as it happens: events and what each trigger makes of them, batches as they go out, webhooks as they are
// answered.
import { fill, h, setText } from '../dom.js';
import { Feed, Log, fits, readBack } from '../feed.js';
import { windowed } from '../list.js';
import { badge, errorText, icon, notice } from '../ui.js';
import { eventPanel } from './live_event.js';
import { EVENT_TYPES, makeRow, typeName, updateRow } from './live_row.js';

export const title = 'live.title';

const MOST = 10000; // rows that are kept
const LATE = 1000; // events that are asked for at once
const OVERLAP_MS = 1000; // the events of a feed and of a list are not told in quite the same order
const NARROW = '(max-width: 860px)';
const STATES = { connecting: 'off', live: 'ok', waiting: 'warn', login: 'bad', denied: 'bad' };
const NOTHING = { words: [], text: '', kind: '', type: '', registry: '', trigger: '', left: false };

// What was seen, for when the reader comes back to this view: the feed goes on behind it.
let kept = null;

function takeKept(subject) {
    if (kept?.subject !== subject) kept = { subject, log: new Log(MOST), boot: null, seq: 0, filter: { ...NOTHING }, names: new Map(), registries: new Set() };
    return kept;
}

export function mount(root, ctx) {
    const { t, format } = ctx;
    if (!ctx.can('triggers.view')) {
        root.append(notice('warn', t('live.noView')));
        return undefined;
    }
    const state = takeKept(ctx.session.state?.subject ?? '');
    const { log, filter } = state;
    let shown = log.rows.filter((row) => fits(row, filter)); // the oldest first
    let fresh = []; // rows since the last drawing
    let again = false; // everything has to be filtered anew
    let paused = false;
    let waiting = 0; // rows that came while paused
    let frame = 0;

    // ---- above the list

    const search = h('input', {
        type: 'search',
        id: 'live-filter',
        value: filter.text,
        placeholder: t('live.filter'),
        autocomplete: 'off',
        spellcheck: 'false',
        oninput: () => {
            filter.text = search.value;
            filter.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
            refilter();
        },
    });
    const select = (name, label, options) =>
        h(
            'select',
            {
                'aria-label': label,
                value: filter[name],
                onchange: (event) => {
                    filter[name] = event.currentTarget.value;
                    refilter();
                },
            },
            h('option', { value: '' }, label),
            options.map(([value, text]) => h('option', { value }, text)),
        );
    const kinds = select('kind', t('live.kinds'), [
        ['event', t('live.kind.event')],
        ['batch', t('live.kind.batch')],
        ['webhook', t('live.kind.webhook')],
    ]);
    const types = select('type', t('live.types'), EVENT_TYPES.map((one) => [one, typeName(ctx, one)]));
    const registries = select('registry', t('live.registries'), [...state.registries].map((one) => [one, one]));
    const triggers = select('trigger', t('live.triggers'), [...state.names]);
    const left = h('input', {
        type: 'checkbox',
        id: 'live-left',
        checked: filter.left,
        onchange: () => {
            filter.left = left.checked;
            refilter();
        },
    });
    const pauseButton = h('button', { type: 'button', class: 'small', 'aria-pressed': 'false', onclick: () => setPaused(!paused) });
    const clearButton = h('button', { type: 'button', class: 'small', onclick: clear }, icon('cross'), t('live.clear'));
    const connection = h('span', { class: 'row', role: 'status' });
    const counted = h('span', { class: 'hint' });
    const problem = h('div', { role: 'status' });
    ctx.setActions(connection);

    const list = windowed({
        label: t('live.caption'),
        columns: [
            { text: t('live.time'), class: 'cell-time' },
            { text: t('live.what'), class: 'cell-what' },
            { text: t('live.image'), class: 'cell-main' },
            { text: t('triggers.registry'), class: 'cell-registry' },
            { text: t('live.by'), class: 'cell-by' },
            { text: t('live.outcome'), class: 'cell-verdict' },
        ],
        item: (i) => shown[shown.length - 1 - i],
        keyOf: (row) => row.n,
        make: makeRow,
        update: (element, row) => updateRow(ctx, element, row),
        open: openRow,
        heightOf: () => (matchMedia(NARROW).matches ? 76 : 34),
    });
    const nothing = h('p', { class: 'muted live-nothing' });
    const side = h('div', { class: 'live-side' });
    const stage = h('div', { class: 'live-stage' }, h('div', { class: 'live-main' }, list.element, nothing), side);
    root.append(
        h(
            'div',
            { class: 'row live-tools' },
            h('div', { class: 'search' }, h('label', { for: 'live-filter', class: 'sr' }, t('live.filter')), icon('search'), search),
            kinds,
            types,
            registries,
            triggers,
            h('label', { class: 'check', for: 'live-left' }, left, t('live.onlyLeft')),
        ),
        h('div', { class: 'row spread' }, h('div', { class: 'row' }, pauseButton, clearButton), counted),
        problem,
        stage,
    );

    // ---- drawing: once for each frame, however much has come

    const soon = () => {
        frame ||= requestAnimationFrame(draw);
    };

    function draw() {
        frame = 0;
        log.trim();
        if (paused && !again) {
            waiting += fresh.length;
            fresh = [];
            sayCounts();
            return;
        }
        let above = 0;
        if (again) {
            shown = log.rows.filter((row) => fits(row, filter));
        } else {
            for (const row of fresh)
                if (!row.gone && fits(row, filter)) {
                    shown.push(row);
                    above++;
                }
            let gone = 0;
            while (gone < shown.length && shown[gone].gone) gone++;
            if (gone > 0) shown.splice(0, gone);
        }
        fresh = [];
        again = false;
        list.show(shown.length, above);
        nothing.hidden = shown.length > 0;
        setText(nothing, log.rows.length === 0 ? t('live.none') : t('live.noMatch'));
        sayCounts();
    }

    function sayCounts() {
        const parts = [t('live.shown', { n: shown.length, all: format.count(log.rows.length) })];
        if (log.dropped > 0) parts.push(t('live.droppedRows', { n: log.dropped }));
        setText(counted, parts.join(' · '));
        const label = paused ? (waiting > 0 ? t('live.continueWith', { n: waiting }) : t('live.continue')) : t('live.pause');
        if (pauseButton.textContent !== label) fill(pauseButton, icon(paused ? 'live' : 'pause'), label);
        pauseButton.setAttribute('aria-pressed', String(paused));
    }

    function refilter() {
        again = true;
        soon();
    }

    function setPaused(now) {
        paused = now;
        waiting = 0;
        if (!paused) {
            refilter();
            list.goTop();
        }
        sayCounts();
    }

    function clear() {
        log.clear();
        fresh = [];
        waiting = 0;
        refilter();
    }

    // ---- what comes

    function learn({ type, item }) {
        const registry = item.registryId;
        if (registry && !state.registries.has(registry)) {
            state.registries.add(registry);
            registries.append(h('option', { value: registry }, registry));
        }
        if (type === 'batch') learnTrigger(item.triggerId, item.triggerName);
        for (const one of item.verdicts ?? []) learnTrigger(one.triggerId, one.triggerName);
    }

    function learnTrigger(id, name) {
        if (!id || state.names.has(id)) return;
        state.names.set(id, name || id);
        triggers.append(h('option', { value: id }, name || id));
    }

    // Since when events may be missing here; Infinity: none are, as far as is known.
    let missing = Infinity;
    const miss = () => {
        missing = Math.min(missing, log.latest() - OVERLAP_MS);
    };
    if (state.boot !== null) miss();

    async function load() {
        const from = missing;
        missing = Infinity;
        const page = async (last) =>
            (await ctx.api.get('/gateway/v1/events', { query: { pageSize: LATE, before: last }, signal: ctx.signal })).events ?? [];
        try {
            return await readBack(page, from, LATE, MOST);
        } catch (error) {
            missing = Math.min(missing, from);
            throw error;
        }
    }

    function take(items) {
        for (const item of items) {
            if (item.type === 'skipped' || item.type === 'gap') miss();
            const row = log.add(item);
            if (!row) continue;
            learn(row);
            fresh.push(row);
        }
        state.boot = feed.boot;
        state.seq = feed.seq;
        soon();
    }

    const feed = new Feed({
        open: (query) => new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/console/live?${new URLSearchParams(query)}`),
        load,
        check: async () => {
            try {
                const now = await ctx.api.get('/console/session', { login: false, signal: ctx.signal });
                return (now.permissions ?? []).includes('triggers.view') ? 'ok' : 'denied';
            } catch (error) {
                if (error.status === 401) return 'login';
                throw error;
            }
        },
        onItems: take,
        onEvents: (events) => {
            const rows = log.merge(events);
            rows.forEach(learn);
            state.boot = feed.boot;
            state.seq = feed.seq;
            if (paused) waiting += rows.length;
            else if (rows.length > 0) refilter();
            soon();
        },
        onState: showState,
        onProblem: (error) => fill(problem, error && notice('warn', t('live.notFilled', { reason: errorText(ctx.words, error) }))),
    });
    feed.boot = state.boot;
    feed.seq = state.seq;

    function showState(now) {
        if (now === 'waiting') miss();
        const mark = badge(STATES[now], t(`live.state.${now}`));
        fill(
            connection,
            mark,
            now === 'waiting' && h('button', { type: 'button', class: 'small', onclick: () => feed.retry() }, t('live.now')),
            now === 'login' &&
                h(
                    'button',
                    {
                        type: 'button',
                        class: 'small',
                        onclick: async () => {
                            if (await ctx.session.login()) feed.retry();
                        },
                    },
                    t('login.open'),
                ),
        );
    }

    // ---- one event

    let panel = null;
    function openRow(row) {
        if (row.type === 'event') openEvent(row.item.eventId);
        else if (row.type === 'batch' && row.item.firstEventId) openEvent(row.item.firstEventId);
    }
    const openEvent = (id) => ctx.navigate(`#/live?event=${encodeURIComponent(id)}`);

    function follow(route) {
        const id = route.query.get('event');
        if (panel?.id === id) return;
        panel?.close();
        panel = null;
        stage.classList.toggle('with-side', Boolean(id));
        fill(side);
        if (!id) {
            list.element.focus({ preventScroll: true });
            return;
        }
        panel = eventPanel(ctx, id, () => ctx.navigate('#/live'));
        side.append(panel.element);
        panel.focus();
    }

    // ---- on and off

    const unlisten = ctx.session.onChange((session) => {
        if (session && (session.subject ?? '') === state.subject) feed.retry();
    });
    addEventListener('online', () => feed.retry(), { signal: ctx.signal });
    draw();
    showState('connecting');
    feed.start();
    if (ctx.route.query.get('event')) follow(ctx.route);
    return {
        update: follow,
        unmount() {
            state.boot = feed.boot;
            state.seq = feed.seq;
            feed.stop();
            list.stop();
            panel?.close();
            unlisten();
            cancelAnimationFrame(frame);
        },
    };
}
