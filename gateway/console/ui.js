// What views are made of: dialogs, toasts, fields, tables, badges, and what is shown while there is nothing to show.
import { fill, h, s, uid } from './dom.js';

// ----------------------------------------------------------------------------------------- icons

// Lines in a box of 20 by 20.
const ICONS = {
    triggers: 'M11 2 4 11h5l-1 7 7-9h-5z',
    live: 'M2 10h4l2.5-6 3.5 12 2.5-6h3.5',
    paths: 'M3 10h4M7 10c4 0 3-5.5 7-5.5h3M7 10h10M7 10c4 0 3 5.5 7 5.5h3',
    registries: 'M3 6.5 10 3l7 3.5v7L10 17l-7-3.5zM3 6.5l7 3.5 7-3.5M10 10v7',
    overview: 'M3 17V9M8 17V4M13 17v-6M18 17V7',
    check: 'm4 10.5 4 4 8-9',
    pause: 'M7 4.5v11M13 4.5v11',
    alert: 'M10 3 18 17H2zM10 8v4M10 14.5v.1',
    cross: 'm5 5 10 10M15 5 5 15',
    info: 'M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15zM10 9.5v4M10 6.5v.1',
    copy: 'M7 7V4h9v9h-3M4 7h9v9H4z',
    plus: 'M10 4v12M4 10h12',
    search: 'M9 14.5A5.5 5.5 0 1 0 9 3.5a5.5 5.5 0 0 0 0 11zM13 13l4 4',
    off: 'M4 10h12',
    lock: 'M5 9.5h10V17H5zM7 9.5V6.5a3 3 0 0 1 6 0v3',
    edit: 'M3.5 16.5l.8-3.6L13.5 3.7l2.8 2.8-9.2 9.2zM11.5 5.7l2.8 2.8',
    back: 'M12 4 6 10l6 6',
};

// A drawing beside a text; nothing to a screen reader.
export const icon = (name) =>
    s('svg', { viewBox: '0 0 20 20', class: 'icon', 'aria-hidden': 'true', focusable: 'false' }, s('path', { d: ICONS[name] }));

// A state by colour, shape and word. kind: ok, paused, bad, warn, info, off.
const BADGES = { ok: 'check', paused: 'pause', bad: 'cross', warn: 'alert', info: 'info', off: 'off' };
export const badge = (kind, text) => h('span', { class: ['badge', kind] }, icon(BADGES[kind]), text);

// --------------------------------------------------------------------------------------- dialogs

// A modal dialog: Esc and the cross close it, focus goes back to where it was. Returns {element, close(), closed}.
export function dialog({ title, body, close, wide = false }) {
    const id = uid('dialog');
    const before = document.activeElement;
    const element = h(
        'dialog',
        { 'aria-labelledby': id, class: wide && 'wide' },
        h(
            'header',
            { class: 'dialog-head' },
            h('h2', { id }, title),
            h('button', { type: 'button', class: 'icon-only', 'aria-label': close, onclick: () => element.close() }, icon('cross')),
        ),
        h('div', { class: 'dialog-body' }, body),
    );
    document.body.append(element);
    const closed = new Promise((done) => {
        element.addEventListener('close', () => {
            element.remove();
            if (before instanceof HTMLElement && before.isConnected) before.focus();
            done();
        });
    });
    element.showModal();
    element.querySelector('[autofocus]')?.focus();
    return { element, close: () => element.close(), closed };
}

// Asks whether to do something. With `typed` the word has to be typed first. Resolves to true or false; `run` is done
// while the dialog is open, and what it throws is shown in it.
export function confirm(words, { title, text, verb, danger = false, typed = '', run = async () => {} }) {
    const { t } = words;
    let agreed = false;
    const problem = h('div', { role: 'alert' });
    const own = typed
        ? field({
              label: t('confirm.type', { name: typed }),
              control: h('input', { autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', autofocus: true }),
          })
        : null;
    const go = h('button', { type: 'submit', class: danger ? 'danger' : 'primary', autofocus: !typed }, verb);
    const form = h(
        'form',
        {
            class: 'stack',
            novalidate: true,
            onsubmit: async (event) => {
                event.preventDefault();
                if (own && own.control.value !== typed) {
                    own.fail(t('confirm.differs', { name: typed }));
                    own.control.focus();
                    return;
                }
                go.disabled = true;
                try {
                    await run();
                    agreed = true;
                    shown.close();
                } catch (error) {
                    fill(problem, errorBox(words, error));
                } finally {
                    go.disabled = false;
                }
            },
        },
        text && h('p', null, text),
        own?.element,
        problem,
        h('div', { class: 'actions' }, go, h('button', { type: 'button', onclick: () => shown.close() }, t('cancel'))),
    );
    const shown = dialog({ title, body: form, close: t('close') });
    // Not while it is being done: it would be done all the same.
    shown.element.addEventListener('cancel', (event) => go.disabled && event.preventDefault());
    return shown.closed.then(() => agreed);
}

// ---------------------------------------------------------------------------------------- toasts

// A word on what has been done; read out, gone after a while, at once when clicked. kind: ok, bad, info.
export function toast({ t }, text, kind = 'ok', { link = null, stay = 6000 } = {}) {
    const area = document.getElementById('toasts');
    const one = h(
        'div',
        { class: ['toast', kind] },
        icon(BADGES[kind]),
        h('span', null, text, link && [' ', h('a', { href: link.href }, link.text)]),
        h('button', { type: 'button', class: 'icon-only', 'aria-label': t('close'), onclick: () => one.remove() }, icon('cross')),
    );
    area.append(one);
    while (area.children.length > 4) area.firstChild.remove();
    setTimeout(() => one.remove(), stay);
}

// ---------------------------------------------------------------------------------------- fields

// A labelled control with a hint and a place for what is wrong with it. Returns {element, control, fail(text)}.
export function field({ label, hint, control, required = false, optional = '' }) {
    control.id ||= uid('field');
    const hintId = hint ? `${control.id}-hint` : null;
    const errorId = `${control.id}-error`;
    const error = h('p', { id: errorId, class: 'field-error', hidden: true });
    if (required) control.setAttribute('aria-required', 'true');
    if (hintId) control.setAttribute('aria-describedby', hintId);
    const element = h(
        'div',
        { class: 'field' },
        h('label', { for: control.id }, label, optional && h('span', { class: 'optional' }, ` ${optional}`)),
        hint && h('p', { id: hintId, class: 'hint' }, hint),
        control,
        error,
    );
    return { element, control, fail: (text) => failField(control, error, [hintId, errorId], text) };
}

// Several controls under one label: checkboxes, a list. The same members as of field().
export function group({ label, hint, body, optional = '' }) {
    const id = uid('group');
    const hintId = hint ? `${id}-hint` : null;
    const error = h('p', { id: `${id}-error`, class: 'field-error', hidden: true });
    const element = h(
        'fieldset',
        { class: 'field', 'aria-describedby': hintId },
        h('legend', null, label, optional && h('span', { class: 'optional' }, ` ${optional}`)),
        hint && h('p', { id: hintId, class: 'hint' }, hint),
        body,
        error,
    );
    return {
        element,
        get control() {
            return element.querySelector('input, select, textarea, button');
        },
        fail: (text) => failField(element, error, [hintId, error.id], text),
    };
}

function failField(node, error, describedBy, text) {
    error.hidden = !text;
    fill(error, text ? [icon('alert'), text] : []);
    node.classList.toggle('invalid', Boolean(text));
    if (node.tagName !== 'FIELDSET') node.setAttribute('aria-invalid', text ? 'true' : 'false');
    const ids = describedBy.filter((id, i) => id && (i === 0 || text)).join(' ');
    if (ids) node.setAttribute('aria-describedby', ids);
    else node.removeAttribute('aria-describedby');
}

// ---------------------------------------------------------------------------------------- tables

// A table in a frame that scrolls by itself. columns: [{text, class, hidden: only for screen readers}], rows: <tr>s.
// Returns {element, body}: the frame, and the <tbody>.
export function table({ caption, columns, rows = [], class: name }) {
    const body = h('tbody', null, rows);
    const element = h(
        'div',
        { class: 'table-frame', tabindex: '0', role: 'region', 'aria-label': caption },
        h(
            'table',
            { class: name },
            h('caption', { class: 'sr' }, caption),
            h(
                'thead',
                null,
                h(
                    'tr',
                    null,
                    columns.map((one) =>
                        h('th', { scope: 'col', class: one.class }, one.hidden ? h('span', { class: 'sr' }, one.text) : one.text),
                    ),
                ),
            ),
            body,
        ),
    );
    return { element, body };
}

// Names and values: [[name, value], ...]; a value of undefined, null or '' is left out.
export const facts = (rows) =>
    h(
        'dl',
        { class: 'facts' },
        rows
            .filter(([, value]) => value !== undefined && value !== null && value !== false && value !== '')
            .map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))),
    );

// ----------------------------------------------------------------------------------------- tabs

// Tabs with arrow keys. tabs: [{text, body}]: nodes, all of them there all the time.
export function tabs(label, list) {
    const ids = list.map(() => uid('tab'));
    const buttons = list.map((one, i) =>
        h(
            'button',
            { type: 'button', role: 'tab', id: ids[i], 'aria-controls': `${ids[i]}-panel`, onclick: () => choose(i), onkeydown },
            one.text,
        ),
    );
    const panels = list.map((one, i) =>
        h('div', { role: 'tabpanel', id: `${ids[i]}-panel`, 'aria-labelledby': ids[i] }, one.body),
    );
    function choose(at, focus = false) {
        buttons.forEach((button, i) => {
            button.setAttribute('aria-selected', String(i === at));
            button.tabIndex = i === at ? 0 : -1;
            panels[i].hidden = i !== at;
        });
        if (focus) buttons[at].focus();
    }
    function onkeydown(event) {
        const at = buttons.indexOf(event.currentTarget);
        const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: list.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        choose((to + list.length) % list.length, true);
    }
    choose(0);
    return h('div', { class: 'tabs' }, h('div', { role: 'tablist', 'aria-label': label }, buttons), panels);
}

// ------------------------------------------------------------------------------------------ copy

async function toClipboard(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        // Without TLS there is no clipboard to write to but the old way.
        const area = h('textarea', { class: 'sr', value: text, readonly: true, 'aria-hidden': 'true' });
        const before = document.activeElement;
        (before?.closest('dialog') ?? document.body).append(area);
        area.select();
        const done = document.execCommand('copy');
        area.remove();
        before?.focus?.();
        return done;
    }
}

// A button that copies what `text()` gives, and says so. `what` says of what it is, for screen readers.
export function copyButton({ t }, text, what) {
    const word = h('span', null, t('copy'));
    const said = h('span', { class: 'sr', role: 'status' });
    let timer;
    const button = h(
        'button',
        {
            type: 'button',
            class: 'small',
            'aria-label': what ? `${t('copy')}: ${what}` : undefined,
            onclick: async () => {
                const result = (await toClipboard(text())) ? t('copied') : t('copy.failed');
                fill(word, result);
                fill(said, result);
                clearTimeout(timer);
                timer = setTimeout(() => {
                    fill(word, t('copy'));
                    fill(said);
                }, 2000);
            },
        },
        icon('copy'),
        word,
    );
    return h('span', { class: 'copy' }, button, said);
}

// Text as it is, with a button to copy it. Returns {element, set(text)}.
export function codeBlock(words, label, text = '') {
    const code = h('code', null, text);
    const element = h(
        'figure',
        { class: 'code' },
        h('figcaption', null, h('span', null, label), copyButton(words, () => code.textContent, label)),
        h('pre', { tabindex: '0', 'aria-label': label }, code),
    );
    return {
        element,
        set(next) {
            if (code.textContent !== next) code.textContent = next;
        },
    };
}

// ---------------------------------------------------------------------------- instead of content

export const spinner = (text) => h('p', { class: 'spinner', role: 'status' }, h('span', { class: 'wheel' }), text);

// Nothing is there; `action` is a button or link that changes this.
export const empty = (title, text, action, name = 'info') =>
    h('div', { class: 'empty' }, icon(name), h('h2', null, title), text && h('p', null, text), action);

// What went wrong, in the reader's words where it is ours to say, in the server's where it is its.
export function errorText({ t }, error) {
    switch (error?.kind) {
        case 'network':
            return t('error.network');
        case 'timeout':
            return t('error.timeout');
        case 'format':
            return t('error.format', { status: error.status });
        case 'http':
            return error.status === 401 ? t('error.login') : error.message;
        default:
            return String(error?.message ?? error);
    }
}

export function errorBox(words, error, retry) {
    const { t } = words;
    const denied = error?.status === 403;
    return h(
        'div',
        { class: 'notice bad' },
        icon(denied ? 'off' : 'alert'),
        h(
            'div',
            null,
            h('strong', null, denied ? t('error.denied') : t('error.title')),
            h('p', null, errorText(words, error)),
            error?.requestId && h('p', { class: 'hint' }, t('error.request', { id: error.requestId })),
        ),
        retry && h('button', { type: 'button', class: 'small', onclick: retry }, t('retry')),
    );
}

// A remark beside content. kind: info, warn, bad.
export const notice = (kind, ...children) => h('div', { class: ['notice', kind] }, icon(BADGES[kind]), h('div', null, children));
