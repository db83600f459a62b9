// Numbers, sizes and times as people read them, in a language. (pure: texts that need words come from Intl)

const cache = new Map();
function intl(Kind, lang, options) {
    const key = `${Kind.name} ${lang} ${JSON.stringify(options)}`;
    if (!cache.has(key)) cache.set(key, new Kind(lang, options));
    return cache.get(key);
}

// A number of the API: 64-bit ones come as strings. Undefined and what is none: 0.
export function int(value) {
    const n = Number(value ?? 0);
    return Number.isFinite(n) ? n : 0;
}

export function formats(lang) {
    const number = (n, options) => intl(Intl.NumberFormat, lang, options).format(n);
    const unit = (n, name, digits, display = 'short') =>
        number(n, { style: 'unit', unit: name, unitDisplay: display, maximumFractionDigits: digits });

    // 12345 -> 12,345
    const count = (n) => number(int(n), { maximumFractionDigits: 0 });

    // 12345 -> 12.3K
    const compact = (n) => {
        const value = int(n);
        return Math.abs(value) < 10000
            ? number(value, { maximumFractionDigits: Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0 })
            : number(value, { notation: 'compact', maximumFractionDigits: 1 });
    };

    const percent = (share, digits = 1) => number(share, { style: 'percent', maximumFractionDigits: digits });

    // 1536 -> 1.5 KiB
    const bytes = (n) => {
        const value = int(n);
        const names = lang.startsWith('ru') ? ['Б', 'КиБ', 'МиБ', 'ГиБ', 'ТиБ'] : ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
        let scaled = Math.abs(value);
        let at = 0;
        for (; scaled >= 1024 && at < names.length - 1; at++) scaled /= 1024;
        const digits = at === 0 || scaled >= 100 ? 0 : 1;
        return `${number(value < 0 ? -scaled : scaled, { maximumFractionDigits: digits })}\u00a0${names[at]}`;
    };

    // Milliseconds as one unit, or two from minutes on: 0.34 ms, 41 ms, 1.5 s, 3 min 20 s, 2 h 5 min, 3 d 4 h.
    const duration = (ms) => {
        if (!Number.isFinite(ms)) return '–';
        const size = Math.abs(ms);
        if (size < 1000) return unit(ms, 'millisecond', size < 1 ? 2 : size < 10 ? 1 : 0);
        if (size < 60000) return unit(ms / 1000, 'second', size < 10000 ? 1 : 0);
        const steps = [
            ['day', 86400000],
            ['hour', 3600000],
            ['minute', 60000],
            ['second', 1000],
        ];
        let rest = Math.round(size / 1000) * 1000;
        const parts = [];
        for (const [name, length] of steps) {
            const n = Math.floor(rest / length);
            rest -= n * length;
            if (n > 0 || parts.length > 0) parts.push(n > 0 ? unit(n, name, 0) : '');
            if (parts.length === 2) break;
        }
        return (ms < 0 ? '−' : '') + parts.filter(Boolean).join(' ');
    };

    // How long ago, or ahead: "5 sec. ago".
    const relative = (time, now = Date.now()) => {
        const at = time instanceof Date ? time.getTime() : Date.parse(time);
        if (!Number.isFinite(at)) return '–';
        const seconds = (at - now) / 1000;
        const size = Math.abs(seconds);
        const [name, length] =
            size < 60
                ? ['second', 1]
                : size < 3600
                  ? ['minute', 60]
                  : size < 86400
                    ? ['hour', 3600]
                    : size < 86400 * 60
                      ? ['day', 86400]
                      : size < 86400 * 730
                        ? ['month', 86400 * 30.44]
                        : ['year', 86400 * 365.25];
        return intl(Intl.RelativeTimeFormat, lang, { numeric: 'auto', style: 'short' }).format(
            Math.trunc(seconds / length),
            name,
        );
    };

    const stamp = (time, options) => {
        const at = time instanceof Date ? time : new Date(time);
        return Number.isNaN(at.getTime()) ? '–' : intl(Intl.DateTimeFormat, lang, options).format(at);
    };
    // 23 Nov 2026, 14:05:07, in the browser's zone.
    const dateTime = (time) => stamp(time, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });
    // 14:05:07.123
    const clock = (time) =>
        stamp(time, { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hourCycle: 'h23' });

    const list = (items) => intl(Intl.ListFormat, lang, { type: 'unit', style: 'short' }).format(items.map(String));

    return { count, compact, percent, bytes, duration, relative, dateTime, clock, list, number };
}

// A duration of the API ("20s", "1.500s") in milliseconds; NaN when it is none.
export function durationMs(text) {
    const m = /^(-?\d+(?:\.\d+)?)s$/.exec(text ?? '');
    return m ? Number(m[1]) * 1000 : NaN;
}
