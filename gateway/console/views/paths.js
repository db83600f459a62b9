// The gateway's paths, and who is connected to each: the slow ones first.
import { fill, h, keyed, setText } from '../dom.js';
import { int } from '../format.js';
import { badge, confirm, dialog, empty, errorBox, field, icon, notice, spinner, table } from '../ui.js';

export const title = 'paths.title';

const EVERY_MS = 3000;
const MOST = 200; // connections that are shown of a path
const API = '/apigateways/websocket/v1/connections';

export function mount(root, ctx) {
    if (!ctx.can('connections.view')) {
        root.append(notice('warn', ctx.t('paths.noView')));
        return undefined;
    }
    const path = ctx.route.query.get('path');
    return path === null ? mountPaths(root, ctx) : mountPath(root, ctx, path);
}

const link = (path) => `#/paths?path=${encodeURIComponent(path)}`;
const td = (label, props = {}) => h('td', { dataset: { label }, ...props });

// ------------------------------------------------------------------------------------- all paths

function mountPaths(root, ctx) {
    const { t, format } = ctx;
    const problem = h('div', { role: 'alert' });
    const columns = ['connections', 'triggers', 'frames', 'bytes', 'slow', 'memory', 'history'];
    const { element, body } = table({
        caption: t('paths.caption'),
        class: 'cards',
        columns: [{ text: t('triggers.path') }, ...columns.map((name) => ({ text: t(`paths.${name}`), class: 'num' }))],
    });
    const total = h('p', { class: 'hint' });
    fill(root, problem, spinner(t('loading')));

    function make() {
        const cells = Object.fromEntries(columns.map((name) => [name, td(t(`paths.${name}`), { class: 'num' })]));
        const name = h('a', { class: 'mono' });
        const row = h('tr', null, h('th', { scope: 'row', class: 'any' }, name), Object.values(cells));
        row.parts = { ...cells, name };
        return row;
    }

    function update({ parts }, one) {
        parts.name.setAttribute('href', link(one.path));
        setText(parts.name, one.path);
        setText(parts.connections, format.count(one.connections));
        setText(parts.triggers, format.count(one.triggers));
        setText(parts.frames, format.count(one.sentFrames));
        setText(parts.bytes, format.bytes(one.sentBytes));
        parts.bytes.title = format.count(one.sentBytes);
        setText(parts.slow, format.count(one.slowConsumers));
        parts.slow.classList.toggle('is-warn', int(one.slowConsumers) > 0);
        setText(parts.memory, t('paths.messages', { n: int(one.memoryMessages), size: format.bytes(one.memoryBytes) }));
        setText(parts.history, t('paths.messages', { n: int(one.historyMessages), size: format.bytes(one.historyBytes) }));
    }

    ctx.every(
        EVERY_MS,
        async (signal) => {
            const { paths = [] } = await ctx.api.get('/gateway/v1/paths', { signal });
            fill(problem);
            if (!element.isConnected) fill(root, problem, total, element);
            keyed(body, paths, (one) => one.path, make, update);
            setText(total, t('paths.total', { n: paths.reduce((sum, one) => sum + int(one.connections), 0) }));
        },
        (error) => {
            root.querySelector('.spinner')?.remove();
            fill(problem, errorBox(ctx.words, error));
        },
    );
}

// -------------------------------------------------------------------------------------- one path

function mountPath(root, ctx, path) {
    const { t, format } = ctx;
    const problem = h('div', { role: 'alert' });
    const shown = h('p', { class: 'hint' });
    const none = empty(t('paths.none'), t('paths.none.text'), null, 'paths');
    const columns = ['address', 'transport', 'agent', 'age', 'lagBytes', 'lagMessages', 'lagMs'];
    const numbers = new Set(['lagBytes', 'lagMessages', 'lagMs']);
    const { element, body } = table({
        caption: t('paths.connectionsOf', { path }),
        class: 'cards',
        columns: [
            { text: t('paths.connection') },
            ...columns.map((name) => ({ text: t(`paths.${name}`), class: numbers.has(name) ? 'num' : '' })),
        ],
    });
    ctx.setTitle(t('paths.connectionsOf', { path }));
    ctx.setActions(h('button', { type: 'button', onclick: () => replay(ctx, path) }, icon('live'), t('paths.replay')));
    fill(root, h('p', null, h('a', { href: '#/paths', class: 'back' }, icon('back'), t('paths.back'))), problem, spinner(t('loading')));

    const may = ctx.can('connections.write');
    const action = (label, of, onclick, kind = '') =>
        h(
            'button',
            may
                ? { type: 'button', class: `small ${kind}`, onclick, 'aria-label': `${label}: ${of}` }
                : { type: 'button', class: `small ${kind}`, 'aria-disabled': 'true', title: t('paths.noWrite'), 'aria-label': `${label}: ${of}` },
            label,
        );

    function make(one) {
        const cells = Object.fromEntries(
            columns.map((name) => [name, td(t(`paths.${name}`), { class: numbers.has(name) ? 'num' : name === 'agent' ? 'any agent' : name === 'address' ? 'nowrap mono' : 'nowrap' })]),
        );
        const row = h(
            'tr',
            null,
            h(
                'th',
                { scope: 'row', class: 'any' },
                h('span', { class: 'mono' }, one.id),
                h(
                    'div',
                    { class: 'row' },
                    action(t('paths.send'), one.id, () => send(ctx, one.id)),
                    action(t('paths.disconnect'), one.id, () => disconnect(ctx, one, refresh), 'danger'),
                ),
            ),
            Object.values(cells),
        );
        row.parts = cells;
        return row;
    }

    function update({ parts }, one) {
        setText(parts.address, one.address?.includes(':') ? `[${one.address}]:${one.port}` : `${one.address}:${one.port}`);
        setText(parts.transport, [one.transport || 'websocket', one.deflate && 'deflate', one.subprotocol].filter(Boolean).join(', '));
        setText(parts.agent, one.userAgent || '–');
        setText(parts.age, format.duration(Math.max(0, Date.now() - Date.parse(one.connectedAt))));
        parts.age.title = format.dateTime(one.connectedAt);
        const behind = int(one.lagBytes) > 0;
        const said = `${one.lagBytes} ${behind}`;
        if (parts.lagBytes.said !== said) {
            parts.lagBytes.said = said;
            fill(parts.lagBytes, behind ? badge('warn', format.bytes(one.lagBytes)) : format.bytes(0));
        }
        setText(parts.lagMessages, format.count(one.lagMessages));
        setText(parts.lagMs, format.duration(int(one.lagMs)));
    }

    const refresh = ctx.every(
        EVERY_MS,
        async (signal) => {
            const [{ connections = [] }, { paths = [] }] = await Promise.all([
                ctx.api.get('/gateway/v1/connections', { query: { path, orderBy: 'lag', pageSize: MOST }, signal }),
                ctx.api.get('/gateway/v1/paths', { signal }),
            ]);
            fill(problem);
            root.querySelector('.spinner')?.remove();
            if (!element.isConnected) root.append(shown, element, none);
            element.hidden = connections.length === 0;
            none.hidden = connections.length > 0;
            keyed(body, connections, (one) => one.id, make, update);
            const all = paths.find((one) => one.path === path)?.connections ?? connections.length;
            setText(shown, t('paths.shown', { n: connections.length, all: format.count(all) }));
        },
        (error) => {
            root.querySelector('.spinner')?.remove();
            fill(problem, errorBox(ctx.words, error));
        },
    );
}

// ---------------------------------------------------------------------------------- what one can do

// The bytes of a text as the API takes them.
export const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

// A dialog with a form: `submit` is done while it is open, what it throws is shown in it.
function ask(ctx, { heading, fields, verb, submit }) {
    const { t } = ctx;
    const problem = h('div', { role: 'alert' });
    const go = h('button', { type: 'submit', class: 'primary' }, verb);
    const form = h(
        'form',
        {
            class: 'stack',
            novalidate: true,
            onsubmit: async (event) => {
                event.preventDefault();
                fill(problem);
                go.disabled = true;
                try {
                    if (await submit()) shown.close();
                } catch (error) {
                    fill(problem, errorBox(ctx.words, error));
                } finally {
                    go.disabled = false;
                }
            },
        },
        fields,
        problem,
        h('div', { class: 'actions' }, go, h('button', { type: 'button', onclick: () => shown.close() }, t('cancel'))),
    );
    const shown = dialog({ title: heading, body: form, close: t('close') });
}

function send(ctx, id) {
    const { t } = ctx;
    const text = field({ label: t('paths.send.text'), required: true, control: h('textarea', { rows: 5, class: 'mono', spellcheck: 'false', autofocus: true }) });
    ask(ctx, {
        heading: t('paths.send.title', { id }),
        fields: text.element,
        verb: t('paths.send'),
        submit: async () => {
            await ctx.api.post(`${API}/${encodeURIComponent(id)}:send`, { data: base64(text.control.value), type: 'TEXT' }, { signal: ctx.signal });
            ctx.toast(t('paths.send.done', { id }));
            return true;
        },
    });
}

async function disconnect(ctx, one, refresh) {
    const { t } = ctx;
    const gone = await confirm(ctx.words, {
        title: t('paths.disconnect.title'),
        text: t('paths.disconnect.text', { id: one.id, address: one.address }),
        verb: t('paths.disconnect'),
        danger: true,
        run: () => ctx.api.delete(`${API}/${encodeURIComponent(one.id)}`),
    });
    if (!gone) return;
    ctx.toast(t('paths.disconnect.done', { id: one.id }));
    refresh();
}

function replay(ctx, path) {
    const { t } = ctx;
    if (!ctx.can('broadcast') && !ctx.can('connections.write')) {
        ctx.toast(t('event.replay.denied'), 'info');
        return;
    }
    const input = (label, hint, props = {}) =>
        field({ label, hint, control: h('input', { autocomplete: 'off', spellcheck: 'false', class: 'mono', ...props }) });
    const since = input(t('paths.replay.since'), t('paths.replay.hint'), { autofocus: true });
    const until = input(t('paths.replay.until'), t('paths.replay.until.hint'));
    const to = input(t('event.replay.to'), t('event.replay.to.hint'));
    ask(ctx, {
        heading: t('paths.replay.title', { path }),
        fields: [h('p', { class: 'muted' }, t('paths.replay.text')), since.element, until.element, to.element],
        verb: t('paths.replay'),
        submit: async () => {
            const wanted = { since: since.control.value.trim(), until: until.control.value.trim(), connectionId: to.control.value.trim() };
            for (const one of [since, until, to]) one.fail('');
            try {
                const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== ''));
                const done = await ctx.api.post('/gateway/v1/replay', { path, ...given }, { signal: ctx.signal });
                ctx.toast(t('paths.replay.done', { n: int(done.messages), connections: ctx.format.count(done.connections) }));
                return true;
            } catch (error) {
                const named = { since, until, connection_id: to };
                const known = (error.violations ?? []).filter((one) => Object.hasOwn(named, one.field));
                if (known.length === 0) throw error;
                for (const one of known) named[one.field].fail(one.description);
                named[known[0].field].control.focus();
                return false;
            }
        },
    });
}
