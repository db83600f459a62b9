// One trigger: its rule, what it has done, what has been done to it, and what can be.
import { fill, h, keyed, setText } from '../dom.js';
import { durationMs } from '../format.js';
import { finished } from '../operation.js';
import { API, FILTERS, yaml } from '../trigger_model.js';
import { codeBlock, confirm, errorBox, facts, icon, notice, spinner, table, tabs } from '../ui.js';
import { editLink, eventTags, loadStatistics, statusBadge } from './trigger_parts.js';

const EVERY_MS = 3000;
const OPERATIONS = 20;

export function mountPage(root, ctx, id) {
    const { t, format } = ctx;
    const base = `${API}/${encodeURIComponent(id)}`;
    const problem = h('div', { role: 'alert' });
    const result = h('div', { role: 'status' });
    const rule = h('section', { class: 'card' });
    const counts = h('section', { class: 'card' });
    const text = { yaml: codeBlock(ctx.words, t('page.yaml')), json: codeBlock(ctx.words, t('page.json')) };
    const operations = table({
        caption: t('page.operations'),
        columns: [{ text: t('page.operation') }, { text: t('page.at') }, { text: t('page.by') }, { text: t('page.operationId') }],
    });
    const untouched = h('p', { class: 'muted' }, t('page.noOperations'));
    const content = h(
        'div',
        { class: 'stack' },
        rule,
        counts,
        h('section', { class: 'stack' }, h('h2', null, t('page.operations')), operations.element, untouched),
        h(
            'section',
            { class: 'card' },
            h('h2', null, t('page.text')),
            tabs(t('page.text'), [
                { text: 'YAML', body: text.yaml.element },
                { text: 'JSON', body: text.json.element },
            ]),
        ),
    );
    let trigger = null;
    let said = '';
    ctx.setTitle(t('triggers.title'));
    fill(root, h('p', null, h('a', { href: '#/triggers', class: 'back' }, icon('back'), t('triggers.back'))), problem, result, spinner(t('loading')));

    const refresh = ctx.every(
        EVERY_MS,
        async (signal) => {
            const [now, statistics, list] = await Promise.all([
                ctx.api.get(base, { signal }),
                loadStatistics(ctx, signal),
                ctx.api.get(`${base}/operations`, { query: { pageSize: OPERATIONS }, signal }),
            ]);
            fill(problem);
            show(now, statistics.get(id), list.operations ?? []);
        },
        (error) => {
            root.querySelector('.spinner')?.remove();
            if (error.status === 404) content.remove();
            fill(problem, errorBox(ctx.words, error));
        },
    );

    function show(now, done, list) {
        trigger = now;
        if (!content.isConnected) {
            root.querySelector('.spinner')?.remove();
            root.append(content);
        }
        if (said !== JSON.stringify(now)) {
            said = JSON.stringify(now);
            ctx.setTitle(now.name || now.id);
            ctx.setActions(actions());
            fill(rule, h('h2', null, t('page.rule')), now.description && h('p', { class: 'any before' }, now.description), ruleFacts(ctx, now));
            text.yaml.set(yaml(now));
            text.json.set(JSON.stringify(now, null, 2));
        }
        showCounts(done);
        operations.element.hidden = list.length === 0;
        untouched.hidden = list.length > 0;
        keyed(operations.body, list, (one) => one.id, operationRow);
    }

    let counted = '';
    function showCounts(done) {
        const rows = [
            [t('page.batches'), done ? format.count(done.batches) : '–'],
            [t('page.events'), done ? format.count(done.events) : '–'],
            [t('page.waiting'), done ? format.count(done.waiting) : '–'],
            [t('triggers.lastFired'), done?.lastFiredAt ? `${format.dateTime(done.lastFiredAt)} (${format.relative(done.lastFiredAt)})` : t('page.never')],
            [t('page.lastError'), done?.lastError],
        ];
        if (counted === JSON.stringify(rows)) return;
        counted = JSON.stringify(rows);
        fill(counts, h('h2', null, t('page.statistics')), facts(rows), h('p', { class: 'hint after' }, t('page.sinceStart')));
    }

    const operationRow = (one) =>
        h(
            'tr',
            null,
            h('th', { scope: 'row' }, operationName(ctx, one.description)),
            h('td', { class: 'nowrap' }, format.dateTime(one.createdAt)),
            h('td', { class: 'any mono' }, one.createdBy ?? ''),
            h('td', { class: 'any mono' }, one.id),
        );

    // ---- what can be done

    function actions() {
        const may = ctx.can('triggers.edit');
        const button = (name, label, onclick, kind = '') =>
            may
                ? h('button', { type: 'button', class: kind, onclick }, icon(name), label)
                : h('button', { type: 'button', class: kind, 'aria-disabled': 'true', title: t('triggers.noEdit') }, icon(name), label);
        const paused = trigger.status === 'PAUSED';
        return [
            editLink(ctx, `#/triggers/${encodeURIComponent(id)}/edit`, 'edit', t('page.edit')),
            paused
                ? button('live', t('page.resume'), () => change('resume', 'page.resumed'))
                : button('pause', t('page.pause'), () => change('pause', 'page.pausedNow')),
            button('triggers', t('page.test'), test),
            h('a', { class: 'button', href: `#/triggers/dry-run?trigger=${encodeURIComponent(id)}` }, icon('search'), t('triggers.dryRun')),
            button('cross', t('page.delete'), remove, 'danger'),
        ];
    }

    async function tried(work) {
        fill(problem);
        try {
            await work();
        } catch (error) {
            if (!ctx.signal.aborted) fill(problem, errorBox(ctx.words, error));
        }
    }

    const change = (verb, word) =>
        tried(async () => {
            await finished(ctx.api, await ctx.api.post(`${base}:${verb}`, {}), ctx.signal);
            ctx.toast(t(word, { name: trigger.name || id }));
            refresh();
        });

    const test = () =>
        tried(async () => {
            const { eventId } = await ctx.api.post(`${base}:test`, {});
            fill(
                result,
                notice(
                    'info',
                    ctx.tx('page.tested', {
                        event: h('code', null, eventId),
                        link: h('a', { href: `#/live?event=${encodeURIComponent(eventId)}` }, t('page.explain')),
                    }),
                ),
            );
            refresh();
        });

    async function remove() {
        const name = trigger.name || id;
        const gone = await confirm(ctx.words, {
            title: t('page.deleteTitle', { name }),
            text: t('page.deleteText'),
            verb: t('page.delete'),
            danger: true,
            typed: name,
            run: async () => finished(ctx.api, await ctx.api.delete(base), ctx.signal),
        });
        if (!gone) return;
        ctx.toast(t('page.deleted', { name }));
        ctx.navigate('#/triggers');
    }
}

function operationName({ t }, description) {
    const known = { 'Create trigger': 'create', 'Update trigger': 'update', 'Delete trigger': 'delete', 'Pause trigger': 'pause', 'Resume trigger': 'resume' };
    return Object.hasOwn(known, description) ? t(`page.operation.${known[description]}`) : description;
}

function ruleFacts(ctx, trigger) {
    const { t, format } = ctx;
    const registry = trigger.rule.containerRegistry;
    const broadcast = registry.gatewayWebsocketBroadcast ?? {};
    const mono = (text) => text && h('span', { class: 'mono' }, text);
    const tags = (texts) => texts?.length > 0 && h('div', { class: 'tags' }, texts.map((one) => h('span', { class: 'tag mono' }, one)));
    const wait = durationMs(registry.batchSettings?.cutoff);
    return facts([
        [t('triggers.status'), statusBadge(ctx, trigger.status)],
        [t('page.id'), mono(trigger.id)],
        [t('page.created'), format.dateTime(trigger.createdAt)],
        [t('form.registry'), mono(registry.registryId)],
        [t('form.eventTypes'), eventTags(ctx, registry.eventType ?? [])],
        [t('form.imageName'), mono(registry.imageName)],
        [t('form.tag'), mono(registry.tag)],
        ...FILTERS.map((name) => [t(`form.filter.${name}`), tags(registry.filter?.[name]) || '']),
        [t('page.cutoff'), Number.isFinite(wait) ? format.duration(wait) : registry.batchSettings?.cutoff],
        [t('form.size'), format.count(registry.batchSettings?.size ?? 1)],
        [t('form.gateway'), mono(broadcast.gatewayId)],
        [t('form.path'), mono(broadcast.path)],
        [t('form.account'), mono(broadcast.serviceAccountId)],
        [t('form.labels'), tags(Object.entries(trigger.labels ?? {}).map(([key, value]) => `${key}=${value}`)) || ''],
    ]);
}
