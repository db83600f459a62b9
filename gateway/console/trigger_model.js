// A trigger as the form has it, as the API has it, and as a command line says it. (pure)
import { curl, lines, quote } from './shell.js';

const PREFIX = 'CONTAINER_REGISTRY_EVENT_TYPE_';
export const EVENT_TYPES = ['CREATE_IMAGE', 'DELETE_IMAGE', 'CREATE_IMAGE_TAG', 'DELETE_IMAGE_TAG'];
export const FILTERS = ['imageNames', 'tags', 'digests', 'actors'];
export const API = '/triggers/v1/triggers';

// The API's name of an event type without its prefix.
export const shortType = (type) => String(type).replace(PREFIX, '');

export const emptyForm = ({ gatewayId = '', serviceAccounts = [] } = {}) => ({
    name: '',
    description: '',
    labels: [],
    registryId: '',
    eventTypes: [],
    imageName: '',
    tag: '',
    filter: Object.fromEntries(FILTERS.map((name) => [name, ''])),
    cutoff: '1',
    size: '1',
    gatewayId,
    path: '',
    serviceAccountId: serviceAccounts.length === 1 ? serviceAccounts[0] : '',
});

// What the form shows of a trigger.
export function formOf(trigger) {
    const registry = trigger.rule?.containerRegistry ?? {};
    const broadcast = registry.gatewayWebsocketBroadcast ?? {};
    return {
        name: trigger.name ?? '',
        description: trigger.description ?? '',
        labels: Object.entries(trigger.labels ?? {}).map(([key, value]) => ({ key, value })),
        registryId: registry.registryId ?? '',
        eventTypes: (registry.eventType ?? []).map(shortType),
        imageName: registry.imageName ?? '',
        tag: registry.tag ?? '',
        filter: Object.fromEntries(FILTERS.map((name) => [name, (registry.filter?.[name] ?? []).join('\n')])),
        cutoff: String(registry.batchSettings?.cutoff ?? '').replace(/s$/, ''),
        size: String(registry.batchSettings?.size ?? ''),
        gatewayId: broadcast.gatewayId ?? '',
        path: broadcast.path ?? '',
        serviceAccountId: broadcast.serviceAccountId ?? '',
    };
}

export const patterns = (text) =>
    text
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean);

// Pairs of which something is filled in. A Map: a key may be any text.
const labelPairs = (form) => new Map(form.labels.filter((one) => one.key !== '' || one.value !== '').map((one) => [one.key, one.value]));

// Seconds as they are typed, with a point or a comma, as the API has durations.
const cutoffOf = (form) => {
    const text = form.cutoff.trim().replace(',', '.');
    return text === '' ? '' : `${text}s`;
};

// rule of the API. `keepsFilter`: the trigger has a filter, which only goes when it is said.
export function ruleOf(form, keepsFilter = false) {
    const filter = {};
    for (const name of FILTERS) {
        const list = patterns(form.filter[name]);
        if (list.length > 0) filter[name] = list;
    }
    const cutoff = cutoffOf(form);
    const size = form.size.trim();
    return {
        containerRegistry: {
            eventType: EVENT_TYPES.filter((type) => form.eventTypes.includes(type)).map((type) => PREFIX + type),
            registryId: form.registryId.trim(),
            ...(form.imageName.trim() === '' ? {} : { imageName: form.imageName.trim() }),
            ...(form.tag.trim() === '' ? {} : { tag: form.tag.trim() }),
            ...(Object.keys(filter).length > 0 || keepsFilter ? { filter } : {}),
            batchSettings: { ...(size === '' ? {} : { size }), ...(cutoff === '' ? {} : { cutoff }) },
            gatewayWebsocketBroadcast: {
                gatewayId: form.gatewayId.trim(),
                path: form.path.trim(),
                serviceAccountId: form.serviceAccountId.trim(),
            },
        },
    };
}

// The body that makes a trigger.
export function createBody(form, folderId) {
    const labels = Object.fromEntries(labelPairs(form));
    return {
        folderId,
        ...(form.name.trim() === '' ? {} : { name: form.name.trim() }),
        ...(form.description === '' ? {} : { description: form.description }),
        ...(Object.keys(labels).length > 0 ? { labels } : {}),
        rule: ruleOf(form),
    };
}

const hasFilter = (form) => FILTERS.some((name) => patterns(form.filter[name]).length > 0);
const labelText = (form) => JSON.stringify([...labelPairs(form)].sort());
const ruleText = (form) => JSON.stringify(ruleOf(form, true));

// The body that changes what `form` has differently from `old`; null: nothing.
export function updateBody(old, form) {
    const body = {};
    if (form.name.trim() !== old.name) body.name = form.name.trim();
    if (form.description !== old.description) body.description = form.description;
    if (labelText(form) !== labelText(old)) body.labels = Object.fromEntries(labelPairs(form));
    if (ruleText(form) !== ruleText(old)) body.rule = ruleOf(form, hasFilter(old));
    const mask = Object.keys(body);
    return mask.length === 0 ? null : { updateMask: mask.join(','), ...body };
}

// Whether `form` has anything that `old` has not.
export const differs = (old, form) => updateBody(old, form) !== null;

// ---------------------------------------------------------------------------------- command lines

const FILTER_FLAGS = { imageNames: 'filter-image', tags: 'filter-tag', digests: 'filter-digest', actors: 'filter-actor' };
const eventFlag = (type) => type.toLowerCase().replaceAll('_', '-');

const flag = (name, value) => [`--${name}`, quote(value)];
const labelFlags = (form) => {
    const pairs = [...labelPairs(form)];
    return pairs.length === 0 ? [] : flag('labels', pairs.map(([key, value]) => `${key}=${value}`).join(','));
};

// What no command line can say: a comma ends a label and a pattern there, and blanks around one go.
export function beyondCommand(form) {
    return (
        [...labelPairs(form)].some(([key, value]) => /[,=]|^ /.test(key) || /,| $/.test(value) || key === '') ||
        FILTERS.some((name) => patterns(form.filter[name]).some((one) => one.includes(',')))
    );
}

export function createCommand(form, endpoint) {
    const events = EVENT_TYPES.filter((type) => form.eventTypes.includes(type)).map(eventFlag).join(',');
    const given = (name, value) => (value === '' ? [] : flag(name, value));
    return lines([
        ['regcast', 'serverless', 'trigger', 'create', 'container-registry', ...flag('endpoint', endpoint)],
        given('name', form.name.trim()),
        given('description', form.description),
        labelFlags(form),
        flag('registry-id', form.registryId.trim()),
        flag('events', events),
        given('image-name', form.imageName.trim()),
        given('tag', form.tag.trim()),
        ...FILTERS.map((name) => given(FILTER_FLAGS[name], patterns(form.filter[name]).join(','))),
        [...given('batch-size', form.size.trim()), ...given('batch-cutoff', cutoffOf(form))],
        flag('gateway-id', form.gatewayId.trim()),
        flag('gateway-websocket-broadcast-path', form.path.trim()),
        flag('gateway-websocket-broadcast-service-account-id', form.serviceAccountId.trim()),
    ]);
}

// Changes only what differs; '' when nothing does.
export function updateCommand(id, old, form, endpoint) {
    const changed = (name, of) => (of(form) === of(old) ? [] : flag(name, of(form)));
    const events = (f) => EVENT_TYPES.filter((type) => f.eventTypes.includes(type)).map(eventFlag).join(',');
    const common = [
        changed('new-name', (f) => f.name.trim()),
        changed('description', (f) => f.description),
        labelText(form) === labelText(old) ? [] : labelFlags(form).length > 0 ? labelFlags(form) : flag('labels', ''),
    ];
    const rule = [
        changed('new-registry-id', (f) => f.registryId.trim()),
        changed('new-events', events),
        changed('new-image-name', (f) => f.imageName.trim()),
        changed('new-tag', (f) => f.tag.trim()),
        ...FILTERS.map((name) => changed(`new-${FILTER_FLAGS[name]}`, (f) => patterns(f.filter[name]).join(','))),
        changed('new-batch-size', (f) => f.size.trim()),
        changed('new-batch-cutoff', cutoffOf),
        changed('new-gateway-id', (f) => f.gatewayId.trim()),
        changed('new-gateway-websocket-broadcast-path', (f) => f.path.trim()),
        changed('new-gateway-websocket-broadcast-service-account-id', (f) => f.serviceAccountId.trim()),
    ];
    if (![...common, ...rule].some((words) => words.length > 0)) return '';
    const whole = rule.some((words) => words.length > 0);
    return lines([
        ['regcast', 'serverless', 'trigger', 'update', ...(whole ? ['container-registry'] : []), quote(id), ...flag('endpoint', endpoint)],
        ...common,
        ...rule,
    ]);
}

export const createCall = (form, folderId, origin, token) =>
    curl('POST', `${origin}${API}`, createBody(form, folderId), { token });

export function updateCall(id, old, form, origin, token) {
    const body = updateBody(old, form);
    return body === null ? '' : curl('PATCH', `${origin}${API}/${encodeURIComponent(id)}`, body, { token });
}

// ----------------------------------------------------------------------------------------- errors

const REGISTRY = 'rule.container_registry.';
const FIELDS = {
    'name': 'name',
    'description': 'description',
    'labels': 'labels',
    [`${REGISTRY}event_type`]: 'eventTypes',
    [`${REGISTRY}registry_id`]: 'registryId',
    [`${REGISTRY}image_name`]: 'imageName',
    [`${REGISTRY}tag`]: 'tag',
    [`${REGISTRY}filter.image_names`]: 'imageNames',
    [`${REGISTRY}filter.tags`]: 'tags',
    [`${REGISTRY}filter.digests`]: 'digests',
    [`${REGISTRY}filter.actors`]: 'actors',
    [`${REGISTRY}batch_settings.size`]: 'size',
    [`${REGISTRY}batch_settings.cutoff`]: 'cutoff',
    [`${REGISTRY}gateway_websocket_broadcast.gateway_id`]: 'gatewayId',
    [`${REGISTRY}gateway_websocket_broadcast.path`]: 'path',
    [`${REGISTRY}gateway_websocket_broadcast.service_account_id`]: 'serviceAccountId',
};

// The form's field that a violation is of, or null. Elements of lists and maps ("labels.x", "tags[3]") are their
// list's.
export function fieldOf(path) {
    let at = String(path).replaceAll(/([a-z])([A-Z])/g, (_, a, b) => `${a}_${b.toLowerCase()}`);
    for (;;) {
        if (Object.hasOwn(FIELDS, at)) return FIELDS[at];
        const cut = Math.max(at.lastIndexOf('.'), at.lastIndexOf('['));
        if (cut < 0) return null;
        at = at.slice(0, cut);
    }
}

// ------------------------------------------------------------------------------------------- text

// What YAML reads as a text without quotes, and as nothing else.
const isPlain = (text) =>
    (/^[A-Za-z_/][\w ./-]*$/.test(text) || /^\d+(\.\d+)?s$/.test(text)) && !/^(true|false|null|yes|no|on|off|y|n)$|\s$/i.test(text);
const escaped = (c) => `\\U${c.codePointAt(0).toString(16).padStart(8, '0')}`;

// A trigger as the command line program prints it: YAML with names in snake_case.
export function yaml(value, indent = '') {
    const snake = (name) => name.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
    const scalar = (one) =>
        typeof one === 'string' && !isPlain(one)
            ? JSON.stringify(one).replaceAll(/[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)
            : String(one);
    const key = (name, free) => (free ? scalar(name) : snake(name));
    const walk = (object, pad, free) =>
        Object.entries(object)
            .map(([name, one]) => {
                if (Array.isArray(one)) return `${pad}${key(name, free)}:\n${one.map((x) => `${pad}- ${scalar(x)}`).join('\n')}`;
                if (one !== null && typeof one === 'object')
                    return Object.keys(one).length === 0
                        ? `${pad}${key(name, free)}: {}`
                        : `${pad}${key(name, free)}:\n${walk(one, `${pad}  `, name === 'labels')}`;
                return `${pad}${key(name, free)}: ${scalar(one)}`;
            })
            .join('\n');
    return walk(value, indent, false);
}
