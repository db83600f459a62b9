// plot.mjs - draws the figures of a bench run as SVG, white below whatever the page is. (pure)
import { count, time } from './figures.mjs';

const WIDTH = 800;
const MARGIN = { left: 76, right: 150, top: 90, bottom: 58 };
const INK = '#222222', FAINT = '#6b6b6b', GRID = '#e4e4e4';
// Told apart by those who see no red or no green too, and by their marks.
const STYLES = {
    regcast: { color: '#0b62b8', width: 3.2, mark: 'circle' },
    naked: { color: '#444444', width: 2, mark: 'square', dash: '6 4', label: 'bare send() loop' },
    memory: { color: '#5aa9e6', width: 2, mark: 'circle', label: 'regcast, memory' },
    uws: { color: '#c2529b', width: 2, mark: 'triangle', label: 'uWebSockets.js' },
    nchan: { color: '#0a8f68', width: 2, mark: 'diamond', label: 'nchan (nginx)' },
    ws: { color: '#d98200', width: 2, mark: 'cross', label: 'Node ws' },
};
const ORDER = Object.keys(STYLES);

const escape = (text) => String(text).replace(/[<>&"]/g, (c) => `&#${c.charCodeAt(0)};`);
const round = (v) => Math.round(v * 10) / 10;
const label = (server) => STYLES[server].label ?? server;

function text(x, y, what, { size = 13, color = INK, anchor = 'start', weight = 'normal', turn = '' } = {}) {
    return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" fill="${color}" text-anchor="${anchor}" `
        + `font-weight="${weight}"${turn}>${escape(what)}</text>`;
}

const rule = (x1, y1, x2, y2, color, more = '') =>
    `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${color}"${more}/>`;

function mark(server, x, y) {
    const { color, mark: shape } = STYLES[server];
    const at = (...points) => points.map(([dx, dy]) => `${round(x + dx)},${round(y + dy)}`).join(' ');
    if (shape === 'cross')
        return `<path d="M${at([-4.5, -4.5])} L${at([4.5, 4.5])} M${at([-4.5, 4.5])} L${at([4.5, -4.5])}" `
            + `stroke="${color}" stroke-width="2.4" fill="none"/>`;
    const corners = {
        square: [[-4.5, -4.5], [4.5, -4.5], [4.5, 4.5], [-4.5, 4.5]],
        triangle: [[0, -5.5], [5.2, 4.4], [-5.2, 4.4]],
        diamond: [[0, -6], [6, 0], [0, 6], [-6, 0]],
    }[shape];
    return corners ? `<polygon points="${at(...corners)}" fill="${color}"/>`
        : `<circle cx="${round(x)}" cy="${round(y)}" r="5" fill="${color}"/>`;
}

function picture(height, title, subtitle, parts) {
    return [
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" `
            + 'font-family="-apple-system, \'Segoe UI\', \'DejaVu Sans\', Helvetica, Arial, sans-serif" role="img">',
        `<title>${escape(title)}</title>`,
        `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
        text(20, 28, title, { size: 17, weight: 'bold' }),
        ...subtitle.map((what, i) => text(20, 48 + 16 * i, what, { size: 12, color: FAINT })),
        ...parts,
        '</svg>\n',
    ].join('\n');
}

// 1, 2 or 5 times a power of ten: the least that needs at most `most` steps to `max`.
function niceStep(max, most) {
    const power = 10 ** Math.floor(Math.log10(max / most));
    return [1, 2, 5, 10].map((n) => n * power).find((step) => max / step <= most);
}

// A scale: where a value is between 0 and 1, and its ticks.
function linear(max) {
    const step = niceStep(max, 6);
    const top = Math.ceil(max * 1.02 / step) * step;
    return { at: (v) => v / top, ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step) };
}

// Whole decades need too much room where the values are within one.
function logarithmic(min, max) {
    const steps = [1, 1.5, 2, 3, 5, 7].flatMap((n) => Array.from({ length: 25 }, (_, i) => n * 10 ** (i - 12)));
    const low = Math.max(...steps.filter((v) => v <= min)), high = Math.min(...steps.filter((v) => v >= max));
    const span = Math.log(high / low) || 1;
    const ticks = steps.filter((v) => v >= low * 0.999 && v <= high * 1.001).sort((a, b) => a - b);
    return {
        at: (v) => Math.log(v / low) / span,
        ticks: ticks.length <= 10 ? ticks : ticks.filter((v) => Math.abs(Math.log10(v) % 1) < 1e-9),
    };
}

// Moves labels apart that would cover each other; keeps their order.
function spread(wanted, gap) {
    const ret = wanted.map((y, i) => ({ y, i })).sort((a, b) => a.y - b.y);
    for (let i = 1; i < ret.length; i++)
        ret[i].y = Math.max(ret[i].y, ret[i - 1].y + gap);
    return ret.sort((a, b) => a.i - b.i).map(({ y }) => y);
}

// series: [{server, points: [{x, y, min, max}]}], x from 0 to 1; xTicks: [{at, text}].
function lines({ title, subtitle, xTicks, xText, yText, yScale, yShow, series, endText }) {
    const height = 450;
    const right = WIDTH - MARGIN.right, bottom = height - MARGIN.bottom;
    const left = MARGIN.left + 16;
    const X = (v) => left + v * (right - 16 - left);
    const Y = (v) => bottom - yScale.at(v) * (bottom - MARGIN.top);
    const parts = [];
    for (const tick of yScale.ticks) {
        parts.push(rule(MARGIN.left, Y(tick), right, Y(tick), GRID));
        parts.push(text(MARGIN.left - 8, Y(tick) + 4, yShow(tick), { size: 12, anchor: 'end', color: FAINT }));
    }
    parts.push(rule(MARGIN.left, bottom, right, bottom, INK));
    for (const tick of xTicks) {
        parts.push(rule(X(tick.at), bottom, X(tick.at), bottom + 5, INK));
        parts.push(text(X(tick.at), bottom + 20, tick.text, { size: 12, anchor: 'middle' }));
    }
    parts.push(text((MARGIN.left + right) / 2, height - 16, xText, { anchor: 'middle' }));
    parts.push(text(18, (MARGIN.top + bottom) / 2, yText,
        { anchor: 'middle', turn: ` transform="rotate(-90 18 ${(MARGIN.top + bottom) / 2})"` }));
    const ends = spread(series.map(({ points }) => Y(points.at(-1).y)), 31);
    const over = Math.max(0, Math.max(...ends) + 18 - bottom);
    // regcast last: it is not to be covered
    for (const [i, { server, points }] of [...series.entries()].reverse()) {
        const { color, width, dash } = STYLES[server];
        for (const p of points.filter(({ min, max }) => max > min))
            parts.push(rule(X(p.x), Y(p.min), X(p.x), Y(p.max), color, ' stroke-width="1.4" opacity="0.55"'));
        parts.push(`<polyline points="${points.map((p) => `${round(X(p.x))},${round(Y(p.y))}`).join(' ')}" fill="none" `
            + `stroke="${color}" stroke-width="${width}" stroke-linejoin="round"${dash ? ` stroke-dasharray="${dash}"` : ''}/>`);
        for (const p of points)
            parts.push(mark(server, X(p.x), Y(p.y)));
        const y = ends[i] - over;
        parts.push(rule(X(points.at(-1).x) + 7, Y(points.at(-1).y), right + 6, y, color, ' stroke-width="1" opacity="0.6"'));
        parts.push(text(right + 10, y, label(server), { color, weight: 'bold' }));
        parts.push(text(right + 10, y + 14, endText(points), { size: 12, color }));
    }
    return picture(height, title, subtitle, parts);
}

// panels: [{text, show, bars: [{server, value}]}]: side by side, each with a logarithmic scale.
function bars({ title, subtitle, panels }) {
    const row = 34, top = 116, names = 148, gap = 30;
    const height = top + row * Math.max(...panels.map((p) => p.bars.length)) + 46;
    const room = (WIDTH - 20 - names - gap) / panels.length;
    const parts = panels[0].bars.map(({ server }, i) => text(names - 6, top + row * i + row / 2 + 4, label(server),
        { anchor: 'end', color: STYLES[server].color, weight: 'bold' }));
    panels.forEach(({ text: what, show, bars: list }, n) => {
        const left = names + n * (room + gap / 2), width = room - gap / 2 - 62;
        const values = list.map(({ value }) => value);
        const { at, ticks } = logarithmic(Math.min(...values) / 2, Math.max(...values));
        const every = Math.ceil(ticks.length / 5);
        const bottom = top + row * list.length;
        parts.push(text(left, top - 14, what, { weight: 'bold' }));
        for (const tick of ticks.filter((_, i) => i % every === 0)) {
            parts.push(rule(left + at(tick) * width, top - 4, left + at(tick) * width, bottom, GRID));
            parts.push(text(left + at(tick) * width, bottom + 16, show(tick), { size: 11, anchor: 'middle', color: FAINT }));
        }
        list.forEach(({ server, value }, i) => {
            const y = top + row * i + 5;
            parts.push(`<rect x="${round(left)}" y="${y}" width="${round(at(value) * width)}" height="${row - 10}" `
                + `fill="${STYLES[server].color}" rx="2"/>`);
            parts.push(text(left + at(value) * width + 6, y + 17, show(value), { weight: 'bold' }));
        });
        parts.push(rule(left, top - 4, left, bottom, INK));
    });
    parts.push(text(WIDTH - 20, height - 8, 'logarithmic scales', { size: 11, color: FAINT, anchor: 'end' }));
    return picture(height, title, subtitle, parts);
}

const serversOf = (entry) => ORDER.filter((server) => entry[server]?.runs > entry[server]?.failed);
const point = (x, figure) => ({ x, y: figure.median, min: figure.min, max: figure.max });
const plain = (v) => String(Number(v.toPrecision(3)));

// Server CPU per frame against connections, of the scenarios grow-*.
function growth(summary, under) {
    const entries = Object.keys(summary).filter((name) => name.startsWith('grow-')).map((name) => summary[name])
        .sort((a, b) => a.connections - b.connections);
    if (entries.length < 2)
        return null;
    const least = Math.log(entries[0].connections);
    const x = (entry) => (Math.log(entry.connections) - least) / (Math.log(entries.at(-1).connections) - least);
    const series = ORDER.map((server) => ({
        server,
        points: entries.filter((entry) => serversOf(entry).includes(server))
            .map((entry) => point(x(entry), entry[server]['CPU us/frame'])),
    })).filter(({ points }) => points.length > 0);
    return lines({
        title: 'Server CPU for each delivered frame, one message at a time',
        subtitle: [under[0], `${under[1]}; regcast's includes webhook, JSON, catalog, trigger and journal`],
        xTicks: entries.map((entry) => ({ at: x(entry), text: entry.connections.toLocaleString('en') })),
        xText: 'connections (logarithmic)',
        yText: 'CPU per frame, µs',
        yScale: linear(Math.max(...series.flatMap(({ points }) => points.map(({ max }) => max)))),
        yShow: plain,
        series,
        endText: (points) => `${points[0].y.toFixed(1)} to ${points.at(-1).y.toFixed(1)} µs`,
    });
}

const PERCENTILES = ['p50', 'p90', 'p99', 'p99.9'];

// The age of a message when it is received, of the scenario rate-10k.
function latency(summary, under) {
    const entry = summary['rate-10k'];
    if (entry === undefined)
        return null;
    const series = serversOf(entry).map((server) => ({
        server,
        points: PERCENTILES.map((name, i) => point(i / (PERCENTILES.length - 1), entry[server][name]))
            .filter(({ y }) => Number.isFinite(y)),
    })).filter(({ points }) => points.length > 0);
    const values = series.flatMap(({ points }) => points.flatMap(({ min, max }) => [min, max])).map((us) => us / 1000);
    const scale = logarithmic(Math.min(...values), Math.max(...values));
    return lines({
        title: `Age of a message on arrival, ${entry.connections.toLocaleString('en')} connections, 10 messages a second`,
        subtitle: under,
        xTicks: PERCENTILES.map((name, i) => ({ at: i / (PERCENTILES.length - 1), text: name })),
        xText: 'percentile of all receipts',
        yText: 'age, ms (logarithmic)',
        yScale: { at: (us) => scale.at(us / 1000), ticks: scale.ticks.map((ms) => ms * 1000) },
        yShow: (us) => plain(us / 1000),
        series,
        endText: (points) => `${time(points[0].y).replace(/\.\d+/, '')} to ${time(points.at(-1).y).replace(/\.\d+/, '')}`,
    });
}

// Frames a second and CPU per frame, of the scenario burst-1k.
function burst(summary, under) {
    const entry = summary['burst-1k'];
    if (entry === undefined || serversOf(entry).length === 0)
        return null;
    const list = (name) => serversOf(entry).map((server) => ({ server, value: entry[server][name].median }))
        .sort((a, b) => entry[a.server]['CPU us/frame'].median - entry[b.server]['CPU us/frame'].median);
    return bars({
        title: `Bursts of 1,000 messages to ${entry.connections.toLocaleString('en')} connections`,
        subtitle: under,
        panels: [
            { text: 'frames a second: more is better', show: count, bars: list('frames/s') },
            { text: 'CPU per frame, µs: less is better', show: plain, bars: list('CPU us/frame') },
        ],
    });
}

// results: {machine, rounds, summary}. [{name, svg}] of what was measured.
export function plots({ machine, rounds, summary }) {
    const under = (spread) => [
        'messages of 570 bytes, server on one core, its clients on another, loopback; '
            + (rounds !== 1 ? `median of ${rounds} rounds${spread}` : 'one round'),
        `${machine.cpu}, ${machine.kernel}; ${machine.date.slice(0, 10)}, commit ${machine.commit}`,
    ];
    const between = under(', lines: least to most');
    return [
        { name: 'growth', svg: growth(summary, between) },
        { name: 'latency', svg: latency(summary, between) },
        { name: 'burst', svg: burst(summary, under('')) },
    ].filter(({ svg }) => svg !== null);
}
