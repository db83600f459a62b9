// The frame around the views: navigation, language, colours, session; and what is shown of each address.
//
// A view is a module views/<name>.js that exports `title`, a key of its heading's text, and
//     mount(root, ctx) -> unmount(redrawn), or {unmount(redrawn), update(route)}, or nothing
// `root` is empty; the heading (h1) is the frame's own. With update() the view stays when only the rest of its
// address changes; without, it is mounted again. Unmounting ends `ctx.signal`, every timer of ctx and every listener
// that was given ctx.signal; `redrawn` says that the view comes back at once, in another language: what is being
// written may be kept in the module until then. `ctx` has:
//     api          get, post, patch, delete, call: see api.js; give {signal: ctx.signal} to what must end with the view
//     session      state {subject, gatewayId, folderId, cloudId, serviceAccounts, version, open, ...}
//     can(x)       whether the session has the permission x ('triggers.edit', ...)
//     route        {view, parts: ['<id>', ...], query: URLSearchParams} of '#/view/<id>?name=value'
//     navigate(hash, {replace})
//     t(key, {names}), tx(key, {names: nodes})   a text; a list of children. Plural forms by the name `n`.
//     lang, format                               the language, and format.js in it
//     words        {t, tx, lang, format}: what ui.js takes as its first argument
//     toast(text, kind, {link, stay})            a word on what has been done: ui.js
//     announce(text)                             says it to screen readers only
//     setTitle(text), setActions(...nodes)       the heading, and what stands beside it
//     every(ms, fn(signal), onError)             calls fn at once and then so often while the page is visible; when
//                                                nobody answers, the frame says so and it is asked less often. onError
//                                                gets an error once, not each time.
//                                                Returns a function that asks at once.
//     onVisible(fn)                              calls fn when the page is looked at again
//     keepDirty(fn)                              fn() true: leaving would lose work, the reader is asked first
import { fill, h, setText } from './dom.js';
import { LANGUAGES, loadLanguage } from './i18n.js';
import { makeApi } from './api.js';
import { makeLogin } from './login.js';
import { makeSession } from './session.js';
import * as ui from './ui.js';

const VIEWS = {
    triggers: () => import('./views/triggers.js'),
    live: () => import('./views/live.js'),
    paths: () => import('./views/paths.js'),
    registries: () => import('./views/registries.js'),
    overview: () => import('./views/overview.js'),
};
const FIRST = 'overview';
const MAX_PAUSE_MS = 30000;

let words = null;
let shown = null; // the view on the page: {name, ended: AbortController, update, unmount, dirty}
let at = ''; // its address
let frame = null;

const session = makeSession(
    makeLogin(() => words),
    () => frame?.ended(),
);
const api = makeApi(session);

// --------------------------------------------------------------------------------------- address

// '#/triggers/a1s?tab=2' -> {view: 'triggers', parts: ['a1s'], query}
function readRoute(hash) {
    const [path, query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
    const [view, ...parts] = path.split('/').map((part) => {
        try {
            return decodeURIComponent(part);
        } catch {
            return part;
        }
    });
    return { view, parts, query: new URLSearchParams(query) };
}

function navigate(hash, { replace = false } = {}) {
    if (replace) {
        history.replaceState(null, '', hash);
        follow();
    } else if (location.hash === hash) {
        follow();
    } else {
        location.hash = hash;
    }
}

let following = Promise.resolve();
// One change of address after the other: a view is mounted before the next takes its place. `force`: also when the
// address is the same.
function follow(force = false) {
    following = following
        .then(() => show(force))
        .catch((error) => fill(frame.root, ui.errorBox(words, error, () => follow(true))));
    return following;
}

async function mayLeave() {
    if (!shown?.dirty?.()) return true;
    const { t } = words;
    return ui.confirm(words, { title: t('leave.title'), text: t('leave.text'), verb: t('leave.verb'), danger: true });
}

const rights = () => JSON.stringify(session.state?.permissions ?? null);

function unmount(redrawn = false) {
    const old = shown;
    shown = null;
    if (!old) return;
    old.ended.abort(new DOMException('the view is gone', 'AbortError'));
    old.unmount?.(redrawn);
}

async function show(force) {
    const hash = location.hash;
    const route = readRoute(hash);
    if (!Object.hasOwn(VIEWS, route.view)) {
        history.replaceState(null, '', `#/${FIRST}`);
        return show(force);
    }
    if (!session.state) {
        unmount();
        frame.loggedOut();
        return;
    }
    if (!force && shown?.name === route.view && shown.update) {
        if (hash === at) return;
        if (!(await mayLeave())) {
            history.replaceState(null, '', at);
            return;
        }
        at = hash;
        shown.update(route);
        frame.place(route.view);
        return;
    }
    if (!force && !(await mayLeave())) {
        history.replaceState(null, '', at);
        return;
    }
    const moved = at !== '' && at !== hash;
    unmount(force);
    at = hash;
    fill(frame.root, ui.spinner(words.t('loading')));
    const view = await VIEWS[route.view]();
    fill(frame.root);
    frame.place(route.view);
    frame.setActions();
    frame.setTitle(words.t(view.title));
    const ended = new AbortController();
    shown = { name: route.view, ended, rights: rights() };
    const got = await view.mount(frame.root, makeContext(route, ended.signal));
    if (typeof got === 'function') shown.unmount = got;
    else if (got) Object.assign(shown, { unmount: got.unmount, update: got.update });
    if (moved) frame.heading.focus();
}

// --------------------------------------------------------------------------------------- context

function makeContext(route, signal) {
    return {
        api,
        session,
        can: session.can,
        route,
        navigate,
        words,
        ...words,
        toast: (...rest) => ui.toast(words, ...rest),
        announce: frame.announce,
        setTitle: frame.setTitle,
        setActions: frame.setActions,
        signal,
        every: (ms, fn, onError) => every(ms, fn, onError, signal),
        onVisible: (fn) =>
            document.addEventListener('visibilitychange', () => document.hidden || fn(), { signal }),
        keepDirty: (fn) => {
            if (shown) shown.dirty = fn;
        },
    };
}

function every(ms, fn, onError, signal) {
    let timer = null;
    let busy = false;
    let again = false;
    let failures = 0;
    let said = ''; // what went wrong last: it is not said again
    async function turn() {
        clearTimeout(timer);
        if (signal.aborted || document.hidden) return;
        if (busy) {
            again = true;
            return;
        }
        busy = true;
        again = false;
        try {
            await fn(signal);
            failures = 0;
            said = '';
            frame.reached(true);
        } catch (error) {
            if (signal.aborted) return;
            failures++;
            const silent = error.kind === 'network' || error.kind === 'timeout';
            frame.reached(!silent);
            const now = `${error.kind} ${error.status} ${error.message}`;
            if (now !== said) onError?.(error);
            said = now;
        } finally {
            busy = false;
            if (!signal.aborted)
                timer = setTimeout(turn, again ? 0 : Math.min(ms * 2 ** Math.min(failures, 5), Math.max(ms, MAX_PAUSE_MS)));
        }
    }
    signal.addEventListener('abort', () => clearTimeout(timer));
    document.addEventListener('visibilitychange', turn, { signal });
    turn();
    return turn;
}

// ----------------------------------------------------------------------------------------- frame

function themeSwitch() {
    const { t } = words;
    const root = document.documentElement;
    const select = h(
        'select',
        {
            'aria-label': t('theme'),
            value: root.dataset.theme ?? 'auto',
            onchange: () => {
                if (select.value === 'auto') delete root.dataset.theme;
                else root.dataset.theme = select.value;
                try {
                    if (select.value === 'auto') localStorage.removeItem('regcast.theme');
                    else localStorage.setItem('regcast.theme', select.value);
                } catch {
                    // storage is off: for as long as the page is open
                }
            },
        },
        ['auto', 'light', 'dark'].map((one) => h('option', { value: one }, t(`theme.${one}`))),
    );
    return select;
}

function languageSwitch() {
    const select = h(
        'select',
        {
            'aria-label': words.t('language'),
            value: words.lang,
            onchange: async () => {
                words = await loadLanguage(select.value, true);
                draw();
                document.getElementById('language').focus();
            },
            id: 'language',
        },
        Object.entries(LANGUAGES).map(([code, name]) => h('option', { value: code, lang: code }, name)),
    );
    return select;
}

function sessionPart() {
    const { t } = words;
    const { state } = session;
    if (!state) return h('button', { type: 'button', class: 'small', onclick: () => session.login() }, t('login.open'));
    if (state.open) return h('span', { class: 'who', title: t('session.open.hint') }, t('session.open'));
    return [
        h('span', { class: 'who', title: state.subject }, state.subject),
        h(
            'button',
            {
                type: 'button',
                class: 'small',
                onclick: async () => {
                    try {
                        await session.logout();
                    } catch (error) {
                        ui.toast(words, ui.errorText(words, error), 'bad');
                    }
                },
            },
            t('logout'),
        ),
    ];
}

// Draws the frame anew, in the language of now, and the view in it.
function draw() {
    const { t } = words;
    const app = document.getElementById('app');
    const heading = h('h1', { tabindex: '-1' });
    const actions = h('div', { class: 'page-actions' });
    const root = h('div', { id: 'view', class: 'stack' });
    const who = h('div', { class: 'session' }, sessionPart());
    const polite = h('p', { class: 'sr', role: 'status' });
    const banner = h('div', { id: 'banner', role: 'status' });
    const links = Object.keys(VIEWS).map((name) =>
        h('a', { href: `#/${name}`, dataset: { view: name } }, ui.icon(name), h('span', null, t(`nav.${name}`))),
    );
    let unreachable = false;
    frame = {
        root,
        heading,
        announce: (text) => setText(polite, text),
        setTitle(text) {
            setText(heading, text);
            document.title = `${text} – regcast`;
        },
        setActions: (...nodes) => fill(actions, nodes),
        place(view) {
            for (const link of links)
                if (link.dataset.view === view) link.setAttribute('aria-current', 'page');
                else link.removeAttribute('aria-current');
        },
        reached(now) {
            if (now !== unreachable) return;
            unreachable = !now;
            fill(banner, unreachable && ui.notice('warn', t('unreachable')));
        },
        ended() {
            fill(
                banner,
                ui.notice(
                    'warn',
                    t('session.ended'),
                    ' ',
                    h('button', { type: 'button', class: 'small', onclick: () => session.login() }, t('login.open')),
                ),
            );
        },
        sessionChanged() {
            fill(who, sessionPart());
            fill(banner);
            unreachable = false;
        },
        loggedOut() {
            frame.setTitle(t('login.title'));
            frame.setActions();
            frame.place('');
            fill(
                root,
                ui.empty(
                    t('loggedout.title'),
                    t('loggedout.text'),
                    h('button', { type: 'button', class: 'primary', onclick: () => session.login() }, t('login.open')),
                    'lock',
                ),
            );
        },
    };
    fill(
        app,
        h(
            'a',
            {
                class: 'skip',
                href: '#main',
                onclick: (event) => {
                    event.preventDefault(); // the address is the view's
                    heading.focus();
                },
            },
            t('skip'),
        ),
        h(
            'header',
            { class: 'side' },
            h('a', { class: 'brand', href: '#/overview' }, h('img', { src: 'icon.svg', alt: '', width: 24, height: 24 }), 'regcast'),
            h('nav', { 'aria-label': t('nav') }, links),
            h('div', { class: 'side-foot' }, who, h('div', { class: 'switches' }, languageSwitch(), themeSwitch())),
        ),
        h(
            'main',
            { id: 'main' },
            banner,
            h('div', { class: 'page-head' }, heading, actions),
            root,
            polite,
        ),
        h('div', { id: 'toasts', role: 'status' }),
    );
    return follow(true);
}

// ----------------------------------------------------------------------------------------- start

session.onChange((state) => {
    if (!frame) return;
    frame.sessionChanged();
    // A view stays as it is when the session only goes on: what is being written must not be lost.
    if (!state || !shown) follow();
    else if (shown.rights !== rights() && !shown.dirty?.()) draw();
});

async function start() {
    // All that is needed is asked for at once; what fails is said where it is needed.
    const { view } = readRoute(location.hash);
    VIEWS[Object.hasOwn(VIEWS, view) ? view : FIRST]().catch(() => {});
    const asked = session.load().then(
        (known) => ({ known }),
        (problem) => ({ problem }),
    );
    words = await loadLanguage();
    const { known, problem } = await asked;
    await draw();
    if (problem) fill(frame.root, ui.errorBox(words, problem, () => location.reload()));
    else if (!known) session.login();
    addEventListener('hashchange', () => follow());
    addEventListener('beforeunload', (event) => {
        if (shown?.dirty?.()) event.preventDefault();
    });
}

start();
