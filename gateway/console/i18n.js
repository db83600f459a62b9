// Texts in the reader's language. A text is a string with {names} in it, or an object of plural forms
// (one, few, many, other) chosen by the parameter `n`.
import { formats } from './format.js';

export const LANGUAGES = { en: 'English', ru: 'Русский' };
const KEPT = 'regcast.language';

// The first of the reader's languages that there is, English otherwise. (pure)
export function pick(wanted, kept) {
    if (kept && Object.hasOwn(LANGUAGES, kept)) return kept;
    for (const one of wanted ?? []) {
        const base = String(one).toLowerCase().split('-')[0];
        if (Object.hasOwn(LANGUAGES, base)) return base;
    }
    return 'en';
}

// `text` with its names replaced, as a list of strings and of whatever was given for a name. (pure)
export function interpolate(text, params) {
    const given = params ?? {};
    const parts = [];
    let at = 0;
    for (const m of text.matchAll(/\{(\w+)\}/g)) {
        if (m.index > at) parts.push(text.slice(at, m.index));
        parts.push(Object.hasOwn(given, m[1]) ? given[m[1]] : m[0]);
        at = m.index + m[0].length;
    }
    if (at < text.length) parts.push(text.slice(at));
    return parts;
}

// Functions over the texts of a language. (pure)
export function translator(lang, texts) {
    const rules = new Intl.PluralRules(lang);
    const format = formats(lang);
    const find = (key, params) => {
        const text = texts[key];
        if (text === undefined) {
            console.error(`no text for ${key} in ${lang}`);
            return key;
        }
        return typeof text === 'string' ? text : (text[rules.select(Number(params?.n))] ?? text.other);
    };
    const shown = (params) =>
        params && typeof params.n === 'number' ? { ...params, n: format.count(params.n) } : params;
    return {
        lang,
        format,
        // A text.
        t: (key, params) => interpolate(find(key, params), shown(params)).join(''),
        // The same as a list of children, where parameters may be nodes.
        tx: (key, params) => interpolate(find(key, params), shown(params)),
    };
}

function kept() {
    try {
        return localStorage.getItem(KEPT);
    } catch {
        return null;
    }
}

// Loads a language, or the reader's; `keep` remembers it.
export async function loadLanguage(lang, keep = false) {
    const code = lang && Object.hasOwn(LANGUAGES, lang) ? lang : pick(navigator.languages, kept());
    const { default: texts } = await import(`./i18n/${code}.js`);
    if (keep)
        try {
            localStorage.setItem(KEPT, code);
        } catch {
            // storage is off: for as long as the page is open
        }
    document.documentElement.lang = code;
    return translator(code, texts);
}
