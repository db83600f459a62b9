// What a body would be taken for if a registry posted it, field by field. Nothing is sent or stored.
import { fill, h } from '../dom.js';
import { badge, errorBox, facts, field, icon, notice, spinner } from '../ui.js';
import { imageName, typeName } from './live_row.js';

const TYPES = ['application/json', 'application/vnd.docker.distribution.events.v1+json', 'application/vnd.docker.distribution.events.v2+json', 'application/cloudevents+json', 'application/cloudevents-batch+json'];
const CHANGES = { push: 'try.change.push', deleteDigest: 'try.change.deleteDigest', deleteTag: 'try.change.deleteTag' };

export function mountTrial(root, ctx) {
    const { t } = ctx;
    ctx.setTitle(t('try.title'));
    fill(root, h('p', null, h('a', { href: '#/registries', class: 'back' }, icon('back'), t('letters.back'))), spinner(t('loading')));
    ctx.api
        .get('/registries/v1/registries', { signal: ctx.signal })
        .then(({ registries = [] }) => {
            root.querySelector('.spinner')?.remove();
            root.append(...build(ctx, registries));
        })
        .catch((error) => ctx.signal.aborted || fill(root, errorBox(ctx.words, error)));
}

function build(ctx, registries) {
    const { t } = ctx;
    const result = h('section', { class: 'stack', 'aria-label': t('dry.result'), role: 'status' });
    const registry = field({
        label: t('form.registry'),
        control: h(
            'select',
            { value: ctx.route.query.get('registry') ?? registries[0]?.id ?? '' },
            registries.map((one) => h('option', { value: one.id }, one.kind ? `${one.id} (${one.kind})` : one.id)),
        ),
    });
    const type = field({ label: t('try.type'), control: h('select', null, TYPES.map((one) => h('option', { value: one }, one))) });
    const body = field({ label: t('dry.body'), hint: t('try.body.hint'), required: true, control: h('textarea', { rows: 12, class: 'mono', spellcheck: 'false', autocapitalize: 'off' }) });
    const run = h('button', { type: 'submit', class: 'primary' }, t('dry.run'));

    async function submit(event) {
        event.preventDefault();
        body.fail('');
        if (body.control.value.trim() === '') {
            body.fail(t('dry.body.missing'));
            body.control.focus();
            return;
        }
        run.disabled = true;
        try {
            const path = `/registries/v1/registries/${encodeURIComponent(registry.control.value)}:dryRun`;
            fill(result, answer(ctx, await ctx.api.post(path, body.control.value, { type: type.control.value, signal: ctx.signal })));
        } catch (error) {
            if (!ctx.signal.aborted) fill(result, errorBox(ctx.words, error));
        } finally {
            run.disabled = false;
        }
    }

    return [
        h(
            'form',
            { class: 'card stack', novalidate: true, onsubmit: submit },
            h('p', { class: 'muted' }, t('try.text')),
            h('div', { class: 'pair' }, registry.element, type.element),
            body.element,
            h('div', { class: 'actions' }, run),
        ),
        result,
    ];
}

function answer(ctx, got) {
    const { t, format } = ctx;
    const entries = got.entries ?? [];
    const looks = got.looksLike && t('try.looksLike', { kind: got.looksLike, by: got.looksBy ?? '' });
    return [
        h('h2', null, t('dry.result')),
        h(
            'div',
            { class: 'card' },
            facts([
                [t('setup.kind'), got.kind],
                [t('try.knownBy'), got.knownBy],
                [t('dry.derived'), format.count(got.derived)],
                [t('dry.matches'), format.count(got.matches)],
                [t('dry.ignored'), format.count(got.ignored)],
                [t('dry.setAside'), format.count(got.setAside)],
            ]),
        ),
        got.handshake && notice('info', t('try.handshake')),
        got.notUnderstood && notice('bad', h('strong', null, t('try.notUnderstood', { why: got.notUnderstood })), looks && h('p', null, looks)),
        got.truncated && notice('warn', t('dry.truncated')),
        entries.map((one, i) => entry(ctx, one, i)),
    ];
}

function entry(ctx, one, i) {
    const { t, format } = ctx;
    const mono = (text) => text && h('span', { class: 'mono' }, text);
    const state = one.setAside
        ? badge('bad', t('dry.setAside'))
        : one.ignored
          ? badge('off', t('dry.ignored'))
          : badge('ok', Object.hasOwn(CHANGES, one.change ?? '') ? t(CHANGES[one.change]) : String(one.change ?? ''));
    return h(
        'section',
        { class: 'card stack' },
        h('h3', { class: 'row' }, t('dry.event', { n: i + 1 }), state),
        facts([
            [t('try.reason'), one.setAside ?? one.ignored],
            [t('try.repository'), mono(one.repository)],
            [t('try.tag'), mono(one.tag)],
            [t('event.digest'), mono(one.digest)],
            [t('live.actor'), one.actor],
            [t('event.created'), one.createdAt && format.dateTime(one.createdAt)],
            [t('event.senderId'), mono(one.senderId)],
            [t('try.nothing'), one.nothing],
        ]),
        one.excerpt && h('pre', { class: 'letter-body', tabindex: '0' }, one.excerpt),
        (one.events ?? []).map((event) =>
            h(
                'div',
                { class: 'stack' },
                h('p', null, badge('info', typeName(ctx, event.type)), ' ', h('span', { class: 'mono any' }, imageName(event))),
                h(
                    'ul',
                    { class: 'verdicts' },
                    (event.triggers ?? []).map((trigger) =>
                        h(
                            'li',
                            null,
                            badge(trigger.matches ? 'ok' : 'off', trigger.matches ? t('dry.takes') : t('dry.leaves')),
                            ' ',
                            h('a', { href: `#/triggers/${encodeURIComponent(trigger.id)}` }, trigger.name || trigger.id),
                            ' ',
                            h('span', { class: 'hint any' }, trigger.matches ? t('dry.to', { path: trigger.path }) : (trigger.why ?? '')),
                        ),
                    ),
                ),
            ),
        ),
    );
}
