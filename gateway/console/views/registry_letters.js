// What registries have sent and nobody understood, or could not be sent on: to read, to try again, to throw away.
import { fill, h, keyed, uid } from '../dom.js';
import { int } from '../format.js';
import { badge, confirm, dialog, empty, errorBox, facts, icon, notice, spinner, table } from '../ui.js';

const LETTERS = '/registries/v1/letters';
const PAGE = 50;

// A body as people read it: JSON in lines, all else as it is. (pure)
export function readable(letter) {
    if (letter.bodyBase64 !== undefined) return letter.bodyBase64;
    const text = letter.body ?? letter.excerpt ?? '';
    try {
        return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
        return text;
    }
}

export function mountLetters(root, ctx) {
    const { t, format } = ctx;
    const registryId = ctx.route.query.get('registry') ?? '';
    const may = ctx.can('triggers.edit');
    const problem = h('div', { role: 'alert' });
    const none = empty(t('letters.none'), t('letters.none.text'), null, 'check');
    const { element, body } = table({
        caption: t('letters.title'),
        class: 'cards',
        columns: [
            { text: t('letters.at') },
            { text: t('triggers.registry') },
            { text: t('letters.kind') },
            { text: t('letters.reason') },
            { text: t('letters.size'), class: 'num' },
            { text: t('letters.excerpt') },
            { text: t('paths.actions'), hidden: true },
        ],
    });
    const more = h('button', { type: 'button', onclick: () => load(true) }, t('letters.more'));
    let letters = [];
    let next = '';
    ctx.setTitle(t('letters.title'));
    ctx.setActions(h('button', { type: 'button', onclick: () => load(false) }, t('event.reload')));
    fill(root, h('p', null, h('a', { href: '#/registries', class: 'back' }, icon('back'), t('letters.back'))), problem, spinner(t('loading')));

    async function load(further) {
        more.disabled = true;
        try {
            const got = await ctx.api.get(LETTERS, { query: { registryId, pageSize: PAGE, pageToken: further ? next : '' }, signal: ctx.signal });
            letters = further ? [...letters, ...(got.letters ?? [])] : (got.letters ?? []);
            next = got.nextPageToken ?? '';
            fill(problem);
            show();
        } catch (error) {
            if (ctx.signal.aborted) return;
            root.querySelector('.spinner')?.remove();
            fill(problem, errorBox(ctx.words, error, () => load(false)));
        } finally {
            more.disabled = false;
        }
    }

    function show() {
        root.querySelector('.spinner')?.remove();
        if (!element.isConnected) root.append(element, none, more);
        element.hidden = letters.length === 0;
        none.hidden = letters.length > 0;
        more.hidden = next === '';
        keyed(body, letters, (one) => one.id, make);
    }

    const td = (label, props, ...children) => h('td', { dataset: { label }, ...props }, children);
    const make = (one) =>
        h(
            'tr',
            null,
            h('th', { scope: 'row', class: 'nowrap' }, format.dateTime(one.at)),
            td(t('triggers.registry'), { class: 'any mono' }, one.registryId),
            td(t('letters.kind'), null, badge(one.kind === 'event' ? 'bad' : 'warn', kindName(ctx, one.kind))),
            td(t('letters.reason'), { class: 'any' }, one.reason),
            td(t('letters.size'), { class: 'num' }, format.bytes(one.size)),
            td(t('letters.excerpt'), { class: 'any mono excerpt' }, String(one.excerpt ?? '').slice(0, 160)),
            h('td', null, h('button', { type: 'button', class: 'small', 'aria-label': `${t('letters.open')}: ${one.id}`, onclick: () => open(one.id) }, t('letters.open'))),
        );

    async function open(id) {
        const inside = h('div', { class: 'stack' }, spinner(t('loading')));
        const shown = dialog({ title: t('letters.one', { id }), body: inside, wide: true, close: t('close') });
        const path = `${LETTERS}/${encodeURIComponent(id)}`;
        let letter;
        try {
            letter = await ctx.api.get(path, { signal: ctx.signal });
        } catch (error) {
            if (!ctx.signal.aborted) fill(inside, errorBox(ctx.words, error));
            return;
        }
        const result = h('div', { role: 'status' });
        const button = (label, onclick, kind = '') =>
            h('button', may ? { type: 'button', class: kind, onclick } : { type: 'button', class: kind, 'aria-disabled': 'true', title: t('letters.noEdit') }, label);
        const label = uid('body');
        fill(
            inside,
            facts([
                [t('letters.at'), format.dateTime(letter.at)],
                [t('triggers.registry'), h('span', { class: 'mono' }, letter.registryId)],
                [t('letters.kind'), kindName(ctx, letter.kind)],
                [t('letters.reason'), letter.reason],
                [t('letters.size'), format.bytes(letter.size)],
            ]),
            (letter.headers ?? []).length > 0 && [
                h('h3', null, t('letters.headers')),
                h('dl', { class: 'counts' }, letter.headers.map(({ name, value }) => h('div', null, h('dt', { class: 'mono' }, name), h('dd', { class: 'mono any' }, value)))),
            ],
            h('h3', { id: label }, letter.bodyBase64 === undefined ? t('letters.body') : t('letters.bodyBase64')),
            h('pre', { class: 'letter-body', tabindex: '0', role: 'region', 'aria-labelledby': label }, readable(letter)),
            result,
            h(
                'div',
                { class: 'actions' },
                button(t('letters.replay'), () => replay(path, result, shown), 'primary'),
                button(t('letters.delete'), () => remove(path, id, shown), 'danger'),
            ),
            !may && h('p', { class: 'hint' }, t('letters.noEdit')),
        );
    }

    async function replay(path, result, shown) {
        try {
            const got = await ctx.api.post(`${path}:replay`, {});
            if (got.reason) {
                fill(result, notice('warn', t('letters.stays', { reason: got.reason })));
                return;
            }
            shown.close();
            ctx.toast(
                t('letters.replayed', {
                    accepted: format.count(int(got.accepted)),
                    ignored: format.count(int(got.ignored)),
                    duplicates: format.count(int(got.duplicates)),
                }),
            );
            load(false);
        } catch (error) {
            fill(result, errorBox(ctx.words, error));
        }
    }

    async function remove(path, id, shown) {
        const gone = await confirm(ctx.words, { title: t('letters.delete.title', { id }), text: t('letters.delete.text'), verb: t('letters.delete'), danger: true, run: () => ctx.api.delete(path) });
        if (!gone) return;
        shown.close();
        ctx.toast(t('letters.deleted'));
        load(false);
    }

    load(false);
}

const kindName = ({ t }, kind) => (kind === 'event' ? t('letters.kind.event') : kind === 'unreadable' ? t('letters.kind.unreadable') : String(kind ?? ''));
