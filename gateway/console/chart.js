// A line chart over time: SVG for the lines, texts beside it. Read by pointer, by keys (it is a slider over its points),
// and as a sentence.
import { fill, h, s, setText, uid } from './dom.js';

const WIDE = 600;
const HIGH = 150;

// The least of 1, 2, 2.5 and 5 times a power of ten that is not below `value`. (pure)
export function ceiling(value) {
    if (!(value > 0)) return 1;
    const power = 10 ** Math.floor(Math.log10(value));
    for (const step of [1, 2, 2.5, 5, 10]) if (value <= step * power * (1 + 1e-9)) return step * power;
    return 10 * power;
}

// The same in KiB, MiB and so on. (pure)
export function ceilingOfBytes(value) {
    const unit = 1024 ** Math.max(1, Math.floor(Math.log(Math.max(value, 1)) / Math.log(1024)));
    return value > 0 ? ceiling(value / unit) * unit : unit;
}

// A series as what the attribute d of a path takes; it breaks where a value is null. (pure)
export function line(times, values, from, to, most) {
    let d = '';
    let drawing = false;
    for (let i = 0; i < times.length; i++) {
        const value = values[i];
        if (value === null || value === undefined || times[i] < from) {
            drawing = false;
            continue;
        }
        const x = ((times[i] - from) / (to - from)) * WIDE;
        const y = HIGH - (Math.min(value, most) / most) * HIGH;
        d += `${drawing ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
        drawing = true;
    }
    return d;
}

// The same as areas that begin and end at the bottom. (pure)
export function area(times, values, from, to, most) {
    const d = line(times, values, from, to, most);
    return d
        .split('M')
        .filter(Boolean)
        .map((part) => {
            const points = part.split('L');
            const [x0] = points[0].split(' ');
            const [x1] = points.at(-1).split(' ');
            return `M${x0} ${HIGH}L${points.join('L')}L${x1} ${HIGH}Z`;
        })
        .join('');
}

// The point next to `time`; -1: there is none. (pure)
export function nearest(times, time) {
    let best = -1;
    for (let i = 0; i < times.length; i++)
        if (best < 0 || Math.abs(times[i] - time) < Math.abs(times[best] - time)) best = i;
    return best;
}

// While there is little to show the time is short, so that it does not stand at the edge. (pure)
const SPANS = [60000, 120000, 300000];
export const timeShown = (lasting, most) => SPANS.find((one) => one >= lasting && one < most) ?? most;

// Options: title; series: [{key, name}], of at most four; format(value): a text; ms: how much time it shows at most; `filled`:
// an area below the first; `binary`: it counts bytes. draw(ring) shows a Ring of rates.js.
export function chart({ t, format: words }, { title, series, format, ms, filled = false, binary = false }) {
    const id = uid('chart');
    const paths = series.map((_, i) => s('path', { class: `line series-${i + 1}`, 'vector-effect': 'non-scaling-stroke' }));
    const below = filled ? s('path', { class: 'area series-1' }) : null;
    const rule = s('line', { class: 'rule', y1: 0, y2: HIGH, 'vector-effect': 'non-scaling-stroke', visibility: 'hidden' });
    const svg = s(
        'svg',
        { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' },
        [0, 0.5, 1].map((part) => s('line', { class: 'grid', x1: 0, x2: WIDE, y1: HIGH * part, y2: HIGH * part, 'vector-effect': 'non-scaling-stroke' })),
        below,
        paths,
        rule,
    );
    const top = h('span', { class: 'scale top' });
    const middle = h('span', { class: 'scale middle' });
    const time = h('span', { class: 'chart-time' });
    const ago = h('span', null, t('chart.ago', { time: words.duration(ms) }));
    const now = series.map(() => h('strong', { class: 'mono' }, '–'));
    const plot = h(
        'div',
        {
            class: 'plot',
            role: 'slider',
            tabindex: '0',
            'aria-labelledby': `${id}-title`,
            'aria-orientation': 'horizontal',
            'aria-valuemin': 0,
            'aria-valuemax': 0,
            'aria-valuenow': 0,
            onpointermove: (event) => {
                const box = plot.getBoundingClientRect();
                look(nearest(ring?.times ?? [], from + ((event.clientX - box.left) / box.width) * shown));
            },
            onpointerleave: () => look(-1),
            onblur: () => look(-1),
            onkeydown: (event) => {
                const n = ring?.times.length ?? 0;
                const i = at < 0 ? n - 1 : at;
                const to = { ArrowLeft: i - 1, ArrowDown: i - 1, ArrowRight: i + 1, ArrowUp: i + 1, PageUp: i + 30, PageDown: i - 30, Home: 0, End: n - 1 }[event.key];
                if (event.key === 'Escape') look(-1);
                if (to === undefined || n === 0) return;
                event.preventDefault();
                look(Math.max(0, Math.min(n - 1, to)));
            },
        },
        svg,
        top,
        middle,
    );
    let ring = null;
    let from = 0;
    let shown = ms;
    let at = -1; // the point that is looked at; -1: the latest

    const valueAt = (key, i) => {
        const value = ring.series[key][i];
        return value === null || value === undefined ? '–' : format(value);
    };

    function look(i) {
        at = i;
        say();
    }

    function say() {
        const n = ring?.times.length ?? 0;
        if (n === 0) return;
        if (at >= n) at = -1;
        const i = at < 0 ? n - 1 : at;
        series.forEach(({ key }, k) => setText(now[k], valueAt(key, i)));
        const clock = words.clock(new Date(ring.times[i])).split(/[.,]/)[0];
        setText(time, at < 0 ? '' : clock);
        if (at < 0) {
            rule.setAttribute('visibility', 'hidden');
        } else {
            const x = ((ring.times[at] - from) / shown) * WIDE;
            rule.setAttribute('x1', x.toFixed(1));
            rule.setAttribute('x2', x.toFixed(1));
            rule.setAttribute('visibility', 'visible');
        }
        plot.setAttribute('aria-valuemax', String(n - 1));
        plot.setAttribute('aria-valuenow', String(i));
        plot.setAttribute('aria-valuetext', `${clock}: ${series.map(({ key, name }) => `${name} ${valueAt(key, i)}`).join(', ')}`);
    }

    function draw(next) {
        ring = next;
        const n = ring.times.length;
        if (n === 0) return;
        const to = ring.times[n - 1];
        shown = timeShown(to - ring.times[0], ms);
        from = to - shown;
        setText(ago, t('chart.ago', { time: words.duration(shown) }));
        let high = 0;
        for (const { key } of series) for (const value of ring.series[key]) if (value > high) high = value;
        const most = binary ? ceilingOfBytes(high) : ceiling(high);
        series.forEach(({ key }, i) => paths[i].setAttribute('d', line(ring.times, ring.series[key], from, to, most)));
        below?.setAttribute('d', area(ring.times, ring.series[series[0].key], from, to, most));
        setText(top, format(most));
        setText(middle, format(most / 2));
        say();
    }

    const element = h(
        'figure',
        { class: 'chart card' },
        h(
            'figcaption',
            null,
            h('span', { class: 'chart-title', id: `${id}-title` }, title),
            time,
            h(
                'ul',
                { class: 'legend' },
                series.map(({ name }, i) => h('li', { class: `series-${i + 1}` }, h('span', { class: 'swatch', 'aria-hidden': 'true' }), name, ' ', now[i])),
            ),
        ),
        plot,
        h('div', { class: 'chart-foot', 'aria-hidden': 'true' }, ago, h('span', null, t('chart.now'))),
    );
    return { element, draw };
}

export const charts = (...list) => fill(h('div', { class: 'charts' }), list.map((one) => one.element));
