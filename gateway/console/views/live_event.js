// One event beside the list: how it came, what each trigger made of it, in which batches it went and who has got them;
// and sending it again.
import { fill, h, uid } from '../dom.js';
import { int } from '../format.js';
import { badge, confirm, errorBox, facts, field, icon, notice, spinner, table } from '../ui.js';
import { imageName, typeName } from './live_row.js';

const OUTCOMES = { written: 'ok', pending: 'paused', dropped: 'bad' };

// {id, element, focus(), close()}. `leave`: what the cross and Esc do.
export function eventPanel(ctx, id, leave) {
    const { t } = ctx;
    const ended = new AbortController();
    const body = h('div', { class: 'stack' });
    const heading = h('h2', { id: uid('event'), tabindex: '-1' }, t('event.title'));
    const element = h(
        'section',
        { class: 'card event-panel', 'aria-labelledby': heading.id },
        h(
            'div',
            { class: 'row spread' },
            heading,
            h(
                'div',
                { class: 'row' },
                h('button', { type: 'button', class: 'small', onclick: load }, t('event.reload')),
                h('button', { type: 'button', class: 'icon-only', 'aria-label': t('close'), onclick: leave }, icon('cross')),
            ),
        ),
        h('p', { class: 'mono any hint' }, id),
        body,
    );

    async function load() {
        if (body.childElementCount === 0) fill(body, spinner(t('loading')));
        try {
            const event = await ctx.api.get(`/gateway/v1/events/${encodeURIComponent(id)}`, { signal: ended.signal });
            const within = body.contains(document.activeElement); // it would be lost with what it is on
            fill(body, parts(ctx, event, load));
            if (within) heading.focus({ preventScroll: true });
        } catch (error) {
            if (ended.signal.aborted) return;
            fill(body, error.status === 404 ? [notice('info', t('event.unknown')), h('p', { class: 'hint any' }, error.message)] : errorBox(ctx.words, error, load));
        }
    }

    addEventListener(
        'keydown',
        (event) => {
            if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('dialog[open]')) leave();
        },
        { signal: ended.signal },
    );
    load();
    return { id, element, focus: () => heading.focus({ preventScroll: true }), close: () => ended.abort(new DOMException('closed', 'AbortError')) };
}

function parts(ctx, event, reload) {
    const { t, format } = ctx;
    const mono = (text) => text && h('span', { class: 'mono' }, text);
    const at = (time) => time && `${format.dateTime(time)} (${format.relative(time)})`;
    const received = event.received ?? {};
    return [
        event.from === 'history' && notice('info', t('event.fromHistory')),
        facts([
            [t('event.type'), typeName(ctx, event.eventType)],
            [t('live.image'), mono(imageName(event))],
            [t('event.digest'), mono(event.digest)],
            [t('triggers.registry'), mono(event.registryId)],
            [t('live.actor'), event.actor],
            [t('event.created'), event.createdAt && format.dateTime(event.createdAt)],
            [t('event.trace'), mono(event.traceId)],
        ]),
        h('h3', null, t('event.received')),
        facts([
            [t('live.time'), at(received.at ?? event.receivedAt)],
            [t('event.peer'), mono(received.peer)],
            [t('event.kind'), mono(received.kind)],
            [t('event.senderId'), mono(received.senderEventId)],
            ['traceparent', mono(received.traceparent)],
            [t('event.duplicates'), received.duplicates === undefined ? null : format.count(received.duplicates)],
            [t('event.lastDuplicate'), at(received.lastDuplicateAt)],
            [t('event.replayed'), event.replayed && t('event.replayed.yes')],
        ]),
        h('h3', null, t('event.verdicts')),
        verdicts(ctx, event),
        h('h3', null, t('event.batches')),
        (event.batches ?? []).length === 0
            ? h('p', { class: 'muted' }, t('event.noBatches'))
            : (event.batches ?? []).map((one) => batch(ctx, one)),
        replayForm(ctx, event, reload),
    ];
}

function verdicts(ctx, event) {
    const { t } = ctx;
    const all = event.verdicts ?? [];
    if (all.length === 0) return h('p', { class: 'muted' }, t('live.noTriggers'));
    return [
        h(
            'ul',
            { class: 'verdicts' },
            all.map((one) =>
                h(
                    'li',
                    null,
                    badge(one.taken ? 'ok' : 'off', one.taken ? t('live.taken') : t('event.left')),
                    ' ',
                    h('a', { href: `#/triggers/${encodeURIComponent(one.triggerId)}` }, one.triggerName || one.triggerId),
                    one.reason && h('div', { class: 'hint any' }, one.reason),
                    one.changedSince && h('div', { class: 'hint' }, t('event.changedSince')),
                ),
            ),
        ),
        int(event.moreVerdicts) > 0 && h('p', { class: 'hint' }, t('event.moreVerdicts', { n: int(event.moreVerdicts) })),
    ];
}

function batch(ctx, one) {
    const { t, format } = ctx;
    const numbers = ['offered', 'written', 'pending', 'dropped', 'unknown'].filter(
        (name) => one[name] !== undefined && (name !== 'unknown' || int(one[name]) > 0),
    );
    const recipients = one.recipients ?? [];
    return h(
        'div',
        { class: 'batch' },
        h(
            'p',
            null,
            h('strong', { class: 'mono any' }, one.path),
            one.triggerId && [' · ', h('a', { href: `#/triggers/${encodeURIComponent(one.triggerId)}` }, one.triggerName || one.triggerId)],
            one.replayId && [' ', badge('info', t('event.isReplay'))],
            ' ',
            one.delivered ? badge('ok', t('event.delivered')) : badge('paused', t('event.notDelivered')),
        ),
        facts([
            [t('live.time'), one.deliveredAt && format.dateTime(one.deliveredAt)],
            [t('event.size'), t('live.batch.size', { n: int(one.size) })],
            [t('event.bytes'), format.bytes(one.bytes)],
            [t('event.flush'), one.flush],
            [t('event.connections'), one.connections === undefined ? null : format.count(one.connections)],
            ...numbers.map((name) => [t(name === 'unknown' ? 'event.unknown.n' : `event.${name}`), format.count(one[name])]),
        ]),
        recipients.length > 0 &&
            h(
                'details',
                null,
                h('summary', null, t('event.recipients', { n: recipients.length })),
                table({
                    caption: t('event.recipients', { n: recipients.length }),
                    columns: [{ text: t('event.connection') }, { text: t('live.outcome') }],
                    rows: recipients.map((to) =>
                        h(
                            'tr',
                            null,
                            h('th', { scope: 'row', class: 'any mono' }, to.connectionId),
                            h('td', null, badge(OUTCOMES[to.outcome] ?? 'off', Object.hasOwn(OUTCOMES, to.outcome) ? t(`event.${to.outcome}`) : to.outcome), to.reason && h('div', { class: 'hint any' }, to.reason)),
                        ),
                    ),
                }).element,
            ),
    );
}

function replayForm(ctx, event, reload) {
    const { t } = ctx;
    const paths = [...new Set((event.batches ?? []).map((one) => one.path).filter(Boolean))];
    if (paths.length === 0) return null;
    const to = field({ label: t('event.replay.to'), hint: t('event.replay.to.hint'), control: h('input', { autocomplete: 'off', spellcheck: 'false', class: 'mono' }) });
    const path = field({ label: t('triggers.path'), control: h('select', null, paths.map((one) => h('option', { value: one }, one))) });
    const may = ctx.can('broadcast') || ctx.can('connections.write');
    return h(
        'form',
        {
            class: 'stack replay',
            novalidate: true,
            onsubmit: async (submit) => {
                submit.preventDefault();
                const connectionId = to.control.value.trim();
                let answer;
                const done = await confirm(ctx.words, {
                    title: t('event.replay.title'),
                    text: connectionId ? t('event.replay.one', { id: connectionId }) : t('event.replay.all', { path: path.control.value }),
                    verb: t('event.replay'),
                    run: async () => {
                        answer = await ctx.api.post(
                            '/gateway/v1/replay',
                            { path: path.control.value, eventId: event.eventId, ...(connectionId ? { connectionId } : {}) },
                            { signal: ctx.signal },
                        );
                    },
                });
                if (!done) return;
                ctx.toast(t('event.replay.done', { n: int(answer.connections) }));
                await reload();
            },
        },
        h('h3', null, t('event.replay.title')),
        h('div', { class: 'pair' }, path.element, to.element),
        h(
            'div',
            { class: 'actions' },
            h('button', may ? { type: 'submit' } : { type: 'button', 'aria-disabled': 'true', title: t('event.replay.denied') }, icon('live'), t('event.replay')),
        ),
        !may && h('p', { class: 'hint' }, t('event.replay.denied')),
    );
}
