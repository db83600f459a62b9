// The nodes that live, when there are several: a table that the overview shows.
import { fill, h } from '../dom.js';
import { badge, table } from '../ui.js';

const COLUMNS = [
    ['node', ''],
    ['address', ''],
    ['version', ''],
    ['connections', 'num'],
    ['shards', 'num'],
    ['state', ''],
];

export function nodes({ t, format, api }) {
    const { element: frame, body } = table({
        caption: t('overview.nodes'),
        columns: COLUMNS.map(([key, name]) => ({ text: t(`overview.nodes.${key}`), class: name })),
    });
    const element = h('section', { class: 'card', hidden: true }, h('h2', null, t('overview.nodes')), frame);
    const row = (one) =>
        h(
            'tr',
            { dataset: { node: one.node } },
            h('th', { scope: 'row' }, one.node, one.self && h('span', { class: 'muted' }, ` ${t('overview.nodes.self')}`)),
            h('td', null, one.address ?? '–'),
            h('td', null, one.version ?? '–'),
            h('td', { class: 'num' }, format.count(one.connections)),
            h('td', { class: 'num' }, format.count(one.shards)),
            h('td', null, one.ready ? badge('ok', t('overview.nodes.ready')) : badge('bad', t('overview.nodes.notReady'))),
        );
    return {
        element,
        // `count`: as the metrics have it; of one node nothing is asked and nothing shown.
        async show(count, signal) {
            const list = count > 1 ? ((await api.get('/gateway/v1/nodes', { signal })).nodes ?? []) : [];
            element.hidden = list.length < 2;
            fill(body, list.map(row));
        },
    };
}
