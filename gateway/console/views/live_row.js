// A row of Live: an event, a batch, a webhook, or a remark on what is missing.
import { fill, h } from '../dom.js';
import { int } from '../format.js';
import { badge, icon } from '../ui.js';

const VERDICTS = 3; // shown in a row; the others are counted

const NAMES = { CreateImage: 'CREATE_IMAGE', DeleteImage: 'DELETE_IMAGE', CreateImageTag: 'CREATE_IMAGE_TAG', DeleteImageTag: 'DELETE_IMAGE_TAG' };
export const EVENT_TYPES = Object.keys(NAMES);

// 'CreateImage', in the reader's words where they are known.
export function typeName({ t }, type) {
    const name = String(type ?? '').split('.').at(-1);
    return Object.hasOwn(NAMES, name) ? t(`triggers.type.${NAMES[name]}`) : name;
}

// 'sha256:0123456789abcdef...' as people point at it: the first 12 digits.
export function shortDigest(digest) {
    const m = /^(?:[a-z0-9]+:)?([0-9a-f]{12})[0-9a-f]*$/i.exec(digest ?? '');
    return m ? m[1] : (digest ?? '');
}

export const imageName = ({ repository, tag }) => `${repository ?? ''}${tag ? `:${tag}` : ''}`;

const CELLS = ['time', 'what', 'main', 'registry', 'by', 'verdict'];

export function makeRow() {
    const cells = Object.fromEntries(CELLS.map((name) => [name, h('span', { role: 'gridcell', class: `cell-${name}` })]));
    const row = h('div', { role: 'row', class: 'list-row' }, Object.values(cells));
    row.cells6 = cells;
    return row;
}

export function updateRow(ctx, row, { type, time, item }) {
    const cells = row.cells6;
    fill(cells.time, ctx.format.clock(new Date(time)));
    cells.time.title = ctx.format.dateTime(new Date(time));
    row.className = `list-row of-${type}`;
    const show = (what, main, registry, by, verdict) => {
        fill(cells.what, what);
        fill(cells.main, main);
        cells.main.title = cells.main.textContent;
        fill(cells.registry, registry);
        fill(cells.by, by);
        cells.by.title = cells.by.textContent;
        fill(cells.verdict, verdict);
    };
    if (type === 'event') {
        const digest = shortDigest(item.digest);
        show(
            [icon('registries'), typeName(ctx, item.eventType)],
            [h('strong', null, imageName(item)), digest && [' ', h('code', null, digest)]],
            item.registryId,
            item.actor || item.source?.peer,
            verdicts(ctx, item),
        );
    } else if (type === 'batch') show(...batchCells(ctx, item));
    else if (type === 'webhook') show(...webhookCells(ctx, item));
    else if (type === 'skipped')
        show([icon('alert'), ctx.t('live.remark')], ctx.t('live.skipped', { n: int(item.n) }), '', '', '');
    else if (type === 'gap') show([icon('alert'), ctx.t('live.remark')], ctx.t('live.gap'), '', '', '');
    else show([icon('info'), String(type ?? '')], '', '', '', ''); // of a server after ours
}

function verdicts({ t }, item) {
    const all = [...(item.verdicts ?? [])].sort((a, b) => Number(b.taken) - Number(a.taken));
    const more = all.length - Math.min(all.length, VERDICTS) + int(item.moreVerdicts);
    if (all.length === 0) return badge('off', t('live.noTriggers'));
    return [
        all.slice(0, VERDICTS).map((one) => {
            const made = badge(one.taken ? 'ok' : 'off', one.triggerName || one.triggerId);
            const why = one.taken ? t('live.taken') : t('live.left', { reason: one.reason });
            made.title = why;
            made.append(h('span', { class: 'sr' }, ` ${why}`));
            return made;
        }),
        more > 0 && h('span', { class: 'muted' }, `+${more}`),
    ];
}

function batchCells({ t, format }, item) {
    return [
        [icon('paths'), t('live.batch')],
        [h('strong', null, item.path), ' ', t('live.batch.size', { n: int(item.size) }), ', ', format.bytes(item.bytes)],
        '',
        item.triggerName || item.triggerId,
        [badge('info', t('live.batch.connections', { n: int(item.connections) })), item.flush && h('span', { class: 'muted' }, item.flush)],
    ];
}

function webhookCells({ t }, item) {
    const status = int(item.status);
    const counts = [
        [item.accepted, 'live.accepted'],
        [item.ignored, 'live.ignored'],
        [item.duplicates, 'live.duplicates'],
        [item.setAside, 'live.setAside'],
    ].filter(([n]) => int(n) > 0);
    return [
        [icon('triggers'), t('live.webhook')],
        [counts.map(([n, key], i) => [i > 0 && ', ', t(key, { n: int(n) })]), item.reason && [counts.length > 0 && ': ', item.reason]],
        item.registryId,
        item.peer,
        [
            badge(status < 300 ? (int(item.setAside) > 0 ? 'warn' : 'ok') : status < 500 ? 'warn' : 'bad', String(status || '–')),
            item.kind && h('span', { class: 'muted' }, item.kind),
        ],
    ];
}
