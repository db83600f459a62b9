// What would become of a webhook: each of its events, and which triggers would take it. Nothing is sent.
import { fill, h } from '../dom.js';
import { API } from '../trigger_model.js';
import { badge, errorBox, facts, field, icon, notice, spinner, table } from '../ui.js';
import { choices, loadRegistries, loadTriggers } from './trigger_parts.js';

// A push as the registry of the distribution project reports it.
const sample = () =>
    JSON.stringify(
        {
            events: [
                {
                    id: '3f5c1d3e-5b0c-4c7d-9d2b-8f2f6f1f7a10',
                    timestamp: new Date().toISOString(),
                    action: 'push',
                    target: {
                        mediaType: 'application/vnd.oci.image.manifest.v1+json',
                        digest: `sha256:${'0123456789abcdef'.repeat(4)}`,
                        repository: 'team/app',
                        tag: 'v1.2.3',
                    },
                },
            ],
        },
        null,
        2,
    );

export function mountDryRun(root, ctx) {
    const { t } = ctx;
    ctx.setTitle(t('dry.title'));
    root.append(spinner(t('loading')));
    Promise.all([loadRegistries(ctx, ctx.signal), loadTriggers(ctx, ctx.signal)])
        .then(([registries, triggers]) => fill(root, build(ctx, registries, triggers)))
        .catch((error) => ctx.signal.aborted || fill(root, errorBox(ctx.words, error)));
}

function build(ctx, registries, triggers) {
    const { t } = ctx;
    const only = ctx.route.query.get('trigger') ?? '';
    const result = h('section', { class: 'stack', 'aria-label': t('dry.result'), role: 'status' });
    const registry = field({
        label: t('form.registry'),
        hint: t('dry.registry.hint'),
        required: true,
        control: h('input', {
            list: 'known-registries',
            autocomplete: 'off',
            spellcheck: 'false',
            value: triggers.find((one) => one.id === only)?.rule.containerRegistry.registryId ?? registries[0] ?? '',
        }),
    });
    const chosen = field({
        label: t('dry.trigger'),
        control: h(
            'select',
            { value: only },
            h('option', { value: '' }, t('dry.all')),
            triggers.map((one) => h('option', { value: one.id }, one.name || one.id)),
        ),
    });
    const body = field({
        label: t('dry.body'),
        hint: t('dry.body.hint'),
        required: true,
        control: h('textarea', { rows: 12, class: 'mono', spellcheck: 'false', autocapitalize: 'off' }),
    });
    const run = h('button', { type: 'submit', class: 'primary' }, t('dry.run'));

    async function submit(event) {
        event.preventDefault();
        body.fail('');
        registry.fail('');
        if (body.control.value.trim() === '') {
            body.fail(t('dry.body.missing'));
            body.control.focus();
            return;
        }
        const id = chosen.control.value;
        run.disabled = true;
        try {
            const got = await ctx.api.post(`${API}${id ? `/${encodeURIComponent(id)}` : ''}:dryRun`, body.control.value, {
                query: { registryId: registry.control.value.trim() },
                signal: ctx.signal,
            });
            fill(result, answer(ctx, got));
        } catch (error) {
            if (ctx.signal.aborted) return;
            const named = (error.violations ?? []).find((one) => one.field === 'registry_id');
            fill(result, named ? [] : errorBox(ctx.words, error));
            if (named) {
                registry.fail(named.description);
                registry.control.focus();
            }
        } finally {
            run.disabled = false;
        }
    }

    return h(
        'div',
        { class: 'stack' },
        h('p', null, h('a', { href: '#/triggers', class: 'back' }, icon('back'), t('triggers.back'))),
        h(
            'form',
            { class: 'card stack', novalidate: true, onsubmit: submit },
            h('p', { class: 'muted' }, t('dry.text')),
            h('div', { class: 'pair' }, registry.element, chosen.element),
            choices('known-registries', registries),
            body.element,
            h(
                'div',
                { class: 'actions' },
                run,
                h(
                    'button',
                    {
                        type: 'button',
                        onclick: () => {
                            body.control.value = sample();
                            body.fail('');
                            body.control.focus();
                        },
                    },
                    t('dry.sample'),
                ),
            ),
        ),
        result,
    );
}

function answer(ctx, got) {
    const { t, format } = ctx;
    const events = got.events ?? [];
    return [
        h('h2', null, t('dry.result')),
        h(
            'div',
            { class: 'card' },
            facts([
                [t('dry.derived'), format.count(got.derived)],
                [t('dry.matches'), format.count(got.matches)],
                [t('dry.ignored'), format.count(got.ignored)],
                [t('dry.setAside'), format.count(got.setAside)],
            ]),
        ),
        got.truncated && notice('warn', t('dry.truncated')),
        events.length === 0 && notice('info', t('dry.nothing')),
        events.map((event, i) => {
            const rows = (event.triggers ?? []).map((one) =>
                h(
                    'tr',
                    null,
                    h('th', { scope: 'row', class: 'any' }, h('a', { href: `#/triggers/${encodeURIComponent(one.id)}` }, one.name || one.id)),
                    h('td', null, one.matches ? badge('ok', t('dry.takes')) : badge('off', t('dry.leaves'))),
                    h('td', { class: 'any' }, one.matches ? t('dry.to', { path: one.path }) : (one.why ?? '')),
                ),
            );
            const title = t('dry.event', { n: i + 1 });
            return h(
                'section',
                { class: 'stack' },
                h('h3', null, title, ': ', shortName(ctx, event.type), ' ', h('span', { class: 'mono any' }, where(event))),
                rows.length === 0
                    ? h('p', { class: 'muted' }, t('dry.noTriggers'))
                    : table({
                          caption: title,
                          columns: [{ text: t('triggers.name') }, { text: t('dry.verdict') }, { text: t('dry.why') }],
                          rows,
                      }).element,
            );
        }),
    ];
}

const where = ({ repository, tag, digest }) => `${repository ?? ''}${tag ? `:${tag}` : ''}${digest ? ` @${digest}` : ''}`;

// 'CreateImage', in the reader's words where they are known.
function shortName({ t }, type) {
    const known = { CreateImage: 'CREATE_IMAGE', DeleteImage: 'DELETE_IMAGE', CreateImageTag: 'CREATE_IMAGE_TAG', DeleteImageTag: 'DELETE_IMAGE_TAG' };
    const name = String(type).split('.').at(-1);
    return Object.hasOwn(known, name) ? t(`triggers.type.${known[name]}`) : name;
}
