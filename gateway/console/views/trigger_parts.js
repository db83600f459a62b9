// What the pages of triggers have in common.
import { h } from '../dom.js';
import { API, EVENT_TYPES, shortType } from '../trigger_model.js';
import { badge, icon } from '../ui.js';

// All triggers of the folder.
export async function loadTriggers({ api, session }, signal) {
    const triggers = [];
    let pageToken = '';
    do {
        const query = { folderId: session.state.folderId, pageSize: 1000, pageToken };
        const page = await api.get(API, { query, signal });
        triggers.push(...(page.triggers ?? []));
        pageToken = page.nextPageToken ?? '';
    } while (pageToken);
    return triggers;
}

// What they have done since the start, by id.
export async function loadStatistics({ api }, signal) {
    const { triggers = [] } = await api.get('/gateway/v1/triggers', { signal });
    return new Map(triggers.map((one) => [one.triggerId, one]));
}

export const statusBadge = ({ t }, status) =>
    status === 'PAUSED' ? badge('paused', t('triggers.paused')) : badge('ok', t('triggers.active'));

export const eventTags = ({ t }, types) =>
    h(
        'div',
        { class: 'tags' },
        EVENT_TYPES.filter((type) => types.map(shortType).includes(type)).map((type) =>
            h('span', { class: 'tag' }, t(`triggers.type.${type}`)),
        ),
    );

// A link in a button's looks, or, where the session may not, a button that says why.
export const editLink = (ctx, href, name, text, kind = '') =>
    ctx.can('triggers.edit')
        ? h('a', { class: ['button', kind], href }, icon(name), text)
        : h('button', { type: 'button', 'aria-disabled': 'true', title: ctx.t('triggers.noEdit') }, icon(name), text);

// A choice of texts for an input that takes any other, too.
export const choices = (id, values) => h('datalist', { id }, values.map((value) => h('option', { value })));

// Ids of the configured registries; none where they are not to be had: one can still type them.
export async function loadRegistries({ api }, signal) {
    try {
        const { registries = [] } = await api.get('/registries/v1/registries', { signal });
        return registries.map((one) => one.id);
    } catch (error) {
        if (signal.aborted) throw error;
        return [];
    }
}
