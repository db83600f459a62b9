// The triggers: a list that lives, and the way to all that can be done with them.
import { fill, h, keyed, setText } from '../dom.js';
import { empty, errorBox, icon, notice, spinner, table } from '../ui.js';
import { mountDryRun } from './trigger_dry_run.js';
import { mountForm } from './trigger_form.js';
import { mountPage } from './trigger_page.js';
import { editLink, eventTags, loadStatistics, loadTriggers, statusBadge } from './trigger_parts.js';

export const title = 'triggers.title';
const EVERY_MS = 3000;

export function mount(root, ctx) {
    const [first, second] = ctx.route.parts;
    if (!ctx.can('triggers.view')) {
        root.append(notice('warn', ctx.t('triggers.noView')));
        return undefined;
    }
    if (first === 'new') return mountForm(root, ctx, null);
    if (first === 'dry-run') return mountDryRun(root, ctx);
    if (first && second === 'edit') return mountForm(root, ctx, first);
    if (first) return mountPage(root, ctx, first);
    return mountList(root, ctx);
}

// -------------------------------------------------------------------------------------- the list

function matches(trigger, wanted) {
    const registry = trigger.rule.containerRegistry;
    const text = [
        trigger.name,
        trigger.id,
        trigger.description,
        registry.registryId,
        registry.imageName,
        registry.tag,
        registry.gatewayWebsocketBroadcast?.path,
        ...Object.entries(trigger.labels ?? {}).map(([key, value]) => `${key}=${value}`),
    ]
        .join('\n')
        .toLowerCase();
    return wanted.every((word) => text.includes(word));
}

function mountList(root, ctx) {
    const { t, format } = ctx;
    let triggers = null;
    let statistics = new Map();
    ctx.setActions(
        h('a', { class: 'button', href: '#/triggers/dry-run' }, icon('search'), t('triggers.dryRun')),
        editLink(ctx, '#/triggers/new', 'plus', t('triggers.create'), 'primary'),
    );
    const filter = h('input', { type: 'search', id: 'trigger-filter', oninput: show, autocomplete: 'off', spellcheck: 'false' });
    const shown = h('p', { class: 'hint', role: 'status' });
    const { element: frame, body } = table({
        caption: t('triggers.caption'),
        class: 'cards',
        columns: [
            { text: t('triggers.name') },
            { text: t('triggers.status') },
            { text: t('triggers.registry') },
            { text: t('triggers.events') },
            { text: t('triggers.path') },
            { text: t('triggers.batches'), class: 'num' },
            { text: t('triggers.lastFired') },
        ],
    });
    const none = h('p', { class: 'muted' }, t('triggers.noMatch'));
    const problem = h('div');
    const content = h(
        'div',
        { class: 'stack' },
        h(
            'div',
            { class: 'row spread' },
            h('div', { class: 'search' }, h('label', { for: 'trigger-filter', class: 'sr' }, t('triggers.filter')), icon('search'), filter),
            shown,
        ),
        frame,
        none,
    );
    filter.placeholder = t('triggers.filter');
    fill(root, problem, spinner(t('loading')));

    function makeRow() {
        const cells = {
            link: h('a'),
            description: h('div', { class: 'hint any brief' }),
            status: h('td', { dataset: { label: t('triggers.status') } }),
            registry: h('td', { class: 'any mono id', dataset: { label: t('triggers.registry') } }),
            events: h('td', { dataset: { label: t('triggers.events') } }),
            path: h('td', { class: 'any mono', dataset: { label: t('triggers.path') } }),
            batches: h('td', { class: 'num', dataset: { label: t('triggers.batches') } }),
            fired: h('td', { class: 'nowrap', dataset: { label: t('triggers.lastFired') } }),
        };
        const row = h(
            'tr',
            null,
            h('th', { scope: 'row', class: 'any' }, cells.link, cells.description),
            cells.status,
            cells.registry,
            cells.events,
            cells.path,
            cells.batches,
            cells.fired,
        );
        row.parts = cells;
        return row;
    }

    function updateRow(row, trigger) {
        const cells = row.parts;
        const registry = trigger.rule.containerRegistry;
        const done = statistics.get(trigger.id);
        cells.link.setAttribute('href', `#/triggers/${encodeURIComponent(trigger.id)}`);
        setText(cells.link, trigger.name || trigger.id);
        setText(cells.description, trigger.description ?? '');
        if (row.said !== JSON.stringify(trigger)) {
            row.said = JSON.stringify(trigger);
            fill(cells.status, statusBadge(ctx, trigger.status));
            fill(cells.events, eventTags(ctx, registry.eventType ?? []));
        }
        setText(cells.registry, registry.registryId);
        setText(cells.path, registry.gatewayWebsocketBroadcast?.path ?? '');
        setText(cells.batches, done ? format.count(done.batches) : '–');
        setText(cells.fired, done?.lastFiredAt ? format.relative(done.lastFiredAt) : '–');
        cells.fired.title = done?.lastFiredAt ? format.dateTime(done.lastFiredAt) : '';
    }

    function show() {
        if (triggers === null) return;
        if (triggers.length === 0) {
            if (!root.querySelector('.empty'))
                fill(
                    root,
                    problem,
                    empty(
                        t('triggers.none'),
                        t('triggers.none.text'),
                        editLink(ctx, '#/triggers/new', 'plus', t('triggers.createFirst'), 'primary'),
                        'triggers',
                    ),
                );
            return;
        }
        if (!content.isConnected) fill(root, problem, content);
        const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
        const some = triggers.filter((one) => matches(one, wanted));
        keyed(body, some, (one) => one.id, makeRow, updateRow);
        frame.hidden = some.length === 0;
        none.hidden = some.length > 0;
        setText(shown, t('triggers.shown', { n: some.length, all: format.count(triggers.length) }));
    }

    ctx.every(
        EVERY_MS,
        async (signal) => {
            const [list, done] = await Promise.all([loadTriggers(ctx, signal), loadStatistics(ctx, signal)]);
            triggers = list;
            statistics = done;
            fill(problem);
            show();
        },
        (error) => {
            root.querySelector('.spinner')?.remove();
            fill(problem, errorBox(ctx.words, error));
        },
    );
}
