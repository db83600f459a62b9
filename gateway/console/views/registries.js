// The registries: what each has sent of late and how it was answered; how to set one up; what was set aside; what would
// become of a body.
import { fill, h, keyed, setText } from '../dom.js';
import { durationMs, int } from '../format.js';
import { setup } from '../setup.js';
import { badge, codeBlock, dialog, empty, errorBox, facts, icon, notice, spinner, table } from '../ui.js';
import { mountLetters } from './registry_letters.js';
import { mountTrial } from './registry_trial.js';

export const title = 'registries.title';

const EVERY_MS = 3000;

export function mount(root, ctx) {
    if (!ctx.can('triggers.view')) {
        root.append(notice('warn', ctx.t('registries.noView')));
        return undefined;
    }
    const [first] = ctx.route.parts;
    if (first === 'letters') return mountLetters(root, ctx);
    if (first === 'try') return mountTrial(root, ctx);
    return mountList(root, ctx);
}

// Counters of a registry and the keys of their names.
const COUNTS = ['accepted', 'ignored', 'duplicates', 'setAside'];

function mountList(root, ctx) {
    const { t, format } = ctx;
    const problem = h('div', { role: 'alert' });
    const names = ['state', 'last', 'answers', ...COUNTS, 'letters'];
    const numbers = new Set(COUNTS);
    const { element, body } = table({
        caption: t('registries.caption'),
        class: 'cards',
        columns: [
            { text: t('triggers.registry') },
            ...names.map((name) => ({ text: t(`registries.${name}`), class: numbers.has(name) ? 'num' : '' })),
        ],
    });
    ctx.setActions(
        h('a', { class: 'button', href: '#/registries/letters' }, icon('registries'), t('letters.title')),
        h('a', { class: 'button', href: '#/registries/try' }, icon('search'), t('try.title')),
    );
    fill(root, problem, spinner(t('loading')));

    function make(one) {
        const cells = Object.fromEntries(
            names.map((name) => [name, h('td', { class: numbers.has(name) ? 'num' : name === 'answers' ? '' : 'nowrap', dataset: { label: t(`registries.${name}`) } })]),
        );
        const kind = h('div', { class: 'hint' });
        const last = h('span');
        const usual = h('div', { class: 'hint' });
        cells.last.append(last, usual);
        const buttons = h(
            'div',
            { class: 'row' },
            h('button', { type: 'button', class: 'small', 'aria-label': `${t('setup.open')}: ${one.id}`, onclick: () => showSetup(ctx, row.now) }, t('setup.open')),
            h('a', { class: 'button small', href: `#/registries/try?registry=${encodeURIComponent(one.id)}`, 'aria-label': `${t('try.open')}: ${one.id}` }, t('try.open')),
        );
        const row = h(
            'tr',
            null,
            h('th', { scope: 'row', class: 'any id' }, h('span', { class: 'mono' }, one.id), kind, buttons),
            Object.values(cells),
        );
        row.parts = { ...cells, kind, last, usual };
        return row;
    }

    function update(row, one) {
        const { parts } = row;
        row.now = one;
        const usual = durationMs(one.usualInterval);
        setText(parts.kind, one.kind || t('registries.anyKind'));
        setText(parts.last, one.lastEventAt ? format.relative(one.lastEventAt) : t('registries.never'));
        parts.last.title = one.lastEventAt ? format.dateTime(one.lastEventAt) : '';
        setText(parts.usual, one.usualInterval ? t('registries.usual', { time: Number.isFinite(usual) ? format.duration(usual) : one.usualInterval }) : '');
        for (const name of COUNTS) setText(parts[name], format.count(one[name]));
        const said = JSON.stringify([one.silent, one.silentSince, one.answers, one.letters, one.lastEventAt === undefined]);
        if (row.said === said) return;
        row.said = said;
        fill(
            parts.state,
            one.silent ? badge('warn', t('registries.silent')) : one.lastEventAt ? badge('ok', t('registries.speaks')) : badge('off', t('registries.quiet')),
            one.silent && one.silentSince && h('div', { class: 'hint' }, t('registries.silentSince', { time: format.dateTime(one.silentSince) })),
        );
        fill(
            parts.answers,
            (one.answers ?? []).length === 0
                ? '–'
                : h('div', { class: 'tags' }, one.answers.map(({ status, count }) => badge(status < 300 ? 'ok' : status < 500 ? 'warn' : 'bad', `${status} × ${format.count(count)}`))),
        );
        fill(
            parts.letters,
            int(one.letters) > 0
                ? h('a', { href: `#/registries/letters?registry=${encodeURIComponent(one.id)}` }, t('registries.kept', { n: int(one.letters) }))
                : '–',
        );
    }

    ctx.every(
        EVERY_MS,
        async (signal) => {
            const { registries = [] } = await ctx.api.get('/registries/v1/registries', { signal });
            fill(problem);
            root.querySelector('.spinner')?.remove();
            if (registries.length === 0) {
                fill(root, problem, empty(t('registries.none'), t('registries.none.text'), null, 'registries'));
                return;
            }
            if (!element.isConnected) fill(root, problem, element, h('p', { class: 'hint' }, t('page.sinceStart')));
            keyed(body, registries, (one) => one.id, make, update);
        },
        (error) => {
            root.querySelector('.spinner')?.remove();
            fill(problem, errorBox(ctx.words, error));
        },
    );
}

function showSetup(ctx, registry) {
    const { t } = ctx;
    const got = setup(registry, location.hostname.includes(':') ? `[${location.hostname}]` : location.hostname);
    const proofs = registry.proofs ?? [];
    dialog({
        title: t('setup.title', { id: registry.id }),
        wide: true,
        close: t('close'),
        body: h(
            'div',
            { class: 'stack' },
            facts([
                [t('setup.kind'), registry.kind || t('registries.anyKind')],
                [t('setup.proofs'), proofs.length > 0 ? h('div', { class: 'tags' }, proofs.map((one) => h('span', { class: 'tag mono' }, one))) : t('setup.noProofs')],
                [t('setup.urls'), h('div', { class: 'mono' }, (registry.eventsUrls ?? []).map((one) => h('div', null, one)))],
            ]),
            got ? [h('p', null, t(got.where)), codeBlock(ctx.words, t('setup.code'), got.code).element, h('p', { class: 'hint' }, t('setup.hint'))] : notice('info', t('setup.unknown')),
        ),
    });
}
