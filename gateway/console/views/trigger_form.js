// The form that makes a trigger and changes one: sections and words as in the original's, what is wrong said by the
// server beside the field, and the command that would do the same.
import { fill, h, setText } from '../dom.js';
import { finished, idempotencyKey } from '../operation.js';
import {
    API,
    EVENT_TYPES,
    FILTERS,
    beyondCommand,
    createBody,
    createCall,
    createCommand,
    differs,
    emptyForm,
    fieldOf,
    formOf,
    updateBody,
    updateCall,
    updateCommand,
} from '../trigger_model.js';
import { codeBlock, errorBox, field, group, icon, notice, spinner } from '../ui.js';
import { choices, loadRegistries } from './trigger_parts.js';

// What was being written when the page was drawn anew, by id; '' is the new trigger.
const drafts = new Map();

// `id` null: a new trigger.
export function mountForm(root, ctx, id) {
    const { t } = ctx;
    const key = id ?? '';
    let form = null;
    ctx.setTitle(t(id === null ? 'form.new' : 'form.edit'));
    if (!ctx.can('triggers.edit')) {
        root.append(notice('warn', t('triggers.noEdit'), ' ', h('a', { href: '#/triggers' }, t('triggers.back'))));
        return undefined;
    }
    root.append(spinner(t('loading')));
    start().catch((error) => ctx.signal.aborted || fill(root, errorBox(ctx.words, error)));

    async function start() {
        const [registries, paths, trigger] = await Promise.all([
            loadRegistries(ctx, ctx.signal),
            loadPaths(ctx),
            id === null ? null : ctx.api.get(`${API}/${encodeURIComponent(id)}`, { signal: ctx.signal }),
        ]);
        const old = trigger ? formOf(trigger) : emptyForm(ctx.session.state);
        if (trigger === null && registries.length === 1) [old.registryId] = registries;
        if (trigger === null && paths.length === 1) [old.path] = paths;
        form = { old, now: drafts.get(key) ?? structuredClone(old) };
        drafts.delete(key);
        if (trigger?.name) ctx.setTitle(t('form.editNamed', { name: trigger.name }));
        ctx.keepDirty(() => form !== null && differs(form.old, form.now));
        fill(root, build(ctx, id, form, { registries, paths }, () => (form = null)));
    }

    return (redrawn) => {
        if (redrawn && form && differs(form.old, form.now)) drafts.set(key, form.now);
    };
}

async function loadPaths({ api, can, signal }) {
    if (!can('connections.view')) return [];
    try {
        const { paths = [] } = await api.get('/gateway/v1/paths', { signal });
        return paths.map((one) => one.path);
    } catch (error) {
        if (signal.aborted) throw error;
        return [];
    }
}

// ---------------------------------------------------------------------------------------- parts

function build(ctx, id, form, known, onSaved) {
    const { t } = ctx;
    const { now } = form;
    const fields = {}; // by the names of trigger_model.fieldOf
    const problem = h('div', { class: 'stack', role: 'alert' });
    const commands = commandCard(ctx, id, form);
    const changed = (name) => {
        fields[name].fail('');
        commands.update();
    };

    // A control bound to now[name].
    function text(name, label, { control = h('input', { autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' }), ...rest } = {}) {
        control.name = name;
        control.value = now[name];
        control.addEventListener('input', () => {
            now[name] = control.value;
            changed(name);
        });
        fields[name] = field({ label, control, ...rest });
        return fields[name].element;
    }
    // One of those there are, or whatever is typed where nothing is known of them.
    function choice(name, label, values, rest = {}) {
        if (values.length === 0) return text(name, label, { required: true, ...rest });
        const all = now[name] === '' || values.includes(now[name]) ? values : [now[name], ...values];
        const control = h(
            'select',
            null,
            h('option', { value: '' }, t('form.choose')),
            all.map((value) => h('option', { value }, value)),
        );
        return text(name, label, { control, required: true, ...rest });
    }

    const save = h('button', { type: 'submit', class: 'primary' }, t(id === null ? 'form.create' : 'form.save'));
    const base = section(
        t('form.base'),
        text('name', t('form.name'), { hint: t('form.name.hint') }),
        text('description', t('form.description'), { control: h('textarea', { rows: 2 }), optional: t('form.optional') }),
        labelsField(ctx, now, fields, () => changed('labels')),
        h(
            'div',
            { class: 'pair' },
            fixed(t('form.type'), t('form.type.value')),
            fixed(t('form.resource'), t('form.resource.value')),
        ),
    );
    const registry = section(
        t('form.registrySection'),
        text('registryId', t('form.registry'), {
            required: true,
            hint: known.registries.length > 1 ? t('form.registry.hint') : undefined,
            control: h('input', { list: 'known-registries', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' }),
        }),
        choices('known-registries', known.registries),
        eventField(ctx, now, fields, () => changed('eventTypes')),
        h(
            'div',
            { class: 'pair' },
            text('imageName', t('form.imageName'), { optional: t('form.optional') }),
            text('tag', t('form.tag'), { optional: t('form.optional') }),
        ),
        filterFields(ctx, now, fields, changed),
    );
    const batch = section(
        t('form.batchSection'),
        h(
            'div',
            { class: 'pair' },
            text('cutoff', t('form.cutoff'), { hint: t('form.cutoff.hint'), control: numeric('decimal') }),
            text('size', t('form.size'), { hint: t('form.size.hint'), control: numeric('numeric') }),
        ),
    );
    const gateway = section(
        t('form.gatewaySection'),
        text('gatewayId', t('form.gateway'), { required: true }),
        choice('path', t('form.path'), known.paths, { hint: t('form.path.hint') }),
        choice('serviceAccountId', t('form.account'), ctx.session.state.serviceAccounts ?? [], { hint: t('form.account.hint') }),
    );
    const element = h(
        'form',
        { class: 'stack', novalidate: true, onsubmit: submit },
        problem,
        base,
        registry,
        batch,
        gateway,
        h(
            'div',
            { class: 'actions' },
            save,
            h('a', { class: 'button', href: id === null ? '#/triggers' : `#/triggers/${encodeURIComponent(id)}` }, t('cancel')),
        ),
    );

    // ---- saving

    let sent = { text: '', key: '' };
    async function submit(event) {
        event.preventDefault();
        if (save.disabled) return;
        for (const one of Object.values(fields)) one.fail('');
        fill(problem);
        const body = id === null ? createBody(now, ctx.session.state.folderId) : updateBody(form.old, now);
        if (body === null) {
            fill(problem, notice('info', t('form.nothing')));
            return;
        }
        // The same body again is the same wish: the server makes no second trigger of it.
        const said = JSON.stringify(body);
        if (sent.text !== said) sent = { text: said, key: idempotencyKey() };
        save.disabled = true;
        save.setAttribute('aria-busy', 'true');
        try {
            const options = { headers: { 'idempotency-key': sent.key } };
            const made =
                id === null
                    ? await ctx.api.post(API, body, options)
                    : await ctx.api.patch(`${API}/${encodeURIComponent(id)}`, body, options);
            const done = await finished(ctx.api, made, ctx.signal);
            const saved = done.metadata?.triggerId ?? id;
            onSaved();
            ctx.toast(t(id === null ? 'form.created' : 'form.saved', { name: now.name.trim() || saved }));
            ctx.navigate(`#/triggers/${encodeURIComponent(saved)}`);
        } catch (error) {
            if (!ctx.signal.aborted) fail(error);
        } finally {
            save.disabled = false;
            save.removeAttribute('aria-busy');
        }
    }

    // Says what is wrong: beside the field where it has one, above the form otherwise.
    function fail(error) {
        const beside = new Map();
        const others = [];
        for (const { field: path, description } of error.violations ?? []) {
            const name = fieldOf(path);
            if (name) beside.set(name, [...(beside.get(name) ?? []), description]);
            else others.push(`${path}: ${description}`);
        }
        for (const [name, texts] of beside) {
            fields[name].fail(texts.join('; '));
            fields[name].element.closest('details')?.setAttribute('open', '');
        }
        if (beside.size === 0 && others.length === 0) fill(problem, errorBox(ctx.words, error));
        else if (others.length > 0)
            fill(problem, notice('bad', h('strong', null, t('form.others')), h('ul', null, others.map((one) => h('li', null, one)))));
        const first = Object.keys(fields).find((name) => beside.has(name));
        if (first) {
            fields[first].control.focus();
            ctx.announce(t('form.wrong', { n: beside.size }));
        } else {
            problem.scrollIntoView({ block: 'nearest' });
        }
    }

    commands.update();
    return h('div', { class: 'form-grid' }, element, commands.element);
}

const section = (title, ...children) => h('section', { class: 'card stack' }, h('h2', null, title), children);

const fixed = (name, value) => h('div', { class: 'field' }, h('span', { class: 'fixed-name' }, name), h('span', null, value));

const numeric = (inputmode) => h('input', { inputmode, autocomplete: 'off' });

function eventField({ t }, now, fields, changed) {
    const boxes = EVENT_TYPES.map((type) => {
        const box = h('input', {
            type: 'checkbox',
            name: type,
            checked: now.eventTypes.includes(type),
            onchange: () => {
                now.eventTypes = EVENT_TYPES.filter((_, i) => boxes[i].checked);
                changed();
            },
        });
        return box;
    });
    const body = boxes.map((box, i) => h('label', { class: 'check' }, box, t(`triggers.type.${EVENT_TYPES[i]}`)));
    fields.eventTypes = group({ label: t('form.eventTypes'), body });
    return fields.eventTypes.element;
}

function labelsField({ t }, now, fields, changed) {
    const list = h('div', { class: 'label-rows' });
    const add = h(
        'button',
        {
            type: 'button',
            class: 'small',
            onclick: () => {
                now.labels.push({ key: '', value: '' });
                draw();
                list.lastChild.querySelector('input').focus();
            },
        },
        icon('plus'),
        t('form.labels.add'),
    );
    function row(one, i) {
        const input = (member, label) =>
            h('input', {
                'aria-label': t(label, { n: i + 1 }),
                placeholder: t(`form.labels.${member}`),
                value: one[member],
                autocomplete: 'off',
                spellcheck: 'false',
                autocapitalize: 'off',
                oninput: (event) => {
                    one[member] = event.target.value;
                    changed();
                },
            });
        return h(
            'div',
            { class: 'label-row' },
            input('key', 'form.labels.keyOf'),
            input('value', 'form.labels.valueOf'),
            h(
                'button',
                {
                    type: 'button',
                    class: 'icon-only',
                    'aria-label': t('form.labels.remove', { n: i + 1 }),
                    onclick: () => {
                        now.labels.splice(i, 1);
                        draw();
                        changed();
                        add.focus();
                    },
                },
                icon('cross'),
            ),
        );
    }
    const draw = () => fill(list, now.labels.map(row));
    draw();
    fields.labels = group({ label: t('form.labels'), optional: t('form.optional'), body: [list, h('div', null, add)] });
    return fields.labels.element;
}

function filterFields({ t }, now, fields, changed) {
    const one = (name) => {
        const control = h('textarea', {
            rows: 2,
            class: 'mono',
            name,
            value: now.filter[name],
            spellcheck: 'false',
            autocapitalize: 'off',
            oninput: () => {
                now.filter[name] = control.value;
                changed(name);
            },
        });
        fields[name] = field({ label: t(`form.filter.${name}`), hint: t(`form.filter.${name}.hint`), control });
        return fields[name].element;
    };
    const used = FILTERS.some((name) => now.filter[name] !== '');
    return h(
        'details',
        { open: used },
        h('summary', null, t('form.advanced')),
        h('div', { class: 'stack' }, h('p', { class: 'hint' }, t('form.advanced.hint')), h('div', { class: 'pair' }, FILTERS.map(one))),
    );
}

// The command line and the REST call that do what the form does, as it is being written.
function commandCard(ctx, id, { old, now }) {
    const { t } = ctx;
    const { state } = ctx.session;
    const line = codeBlock(ctx.words, t('form.command.line'));
    const call = codeBlock(ctx.words, t('form.command.call'));
    const remark = h('p', { class: 'hint', hidden: true }, t('form.command.comma'));
    const token = h('p', { class: 'hint', hidden: state.open }, t('form.command.token'));
    const nothing = h('p', { class: 'muted' });
    setText(nothing, t('form.command.nothing'));
    const blocks = [line.element, remark, call.element, token];
    return {
        element: h('aside', { class: 'card stack command', 'aria-label': t('form.command') }, h('h2', null, t('form.command')), nothing, blocks),
        update() {
            const { origin } = location;
            const text = id === null ? createCommand(now, origin) : updateCommand(id, old, now, origin);
            line.set(text);
            call.set(
                id === null
                    ? createCall(now, state.folderId, origin, !state.open)
                    : updateCall(id, old, now, origin, !state.open),
            );
            for (const block of blocks) block.hidden = text === '';
            nothing.hidden = text !== '';
            remark.hidden = text === '' || !beyondCommand(now);
            token.hidden = text === '' || state.open;
        },
    };
}
