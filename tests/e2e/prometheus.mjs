// A strict reader of the Prometheus text format 0.0.4: what a scraper may overlook is an error here.
import assert from 'node:assert/strict';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);

function number(text, where) {
    if (text === '+Inf') return Infinity;
    if (text === '-Inf') return -Infinity;
    if (text === 'NaN') return NaN;
    assert.match(text, /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/, `not a number in: ${where}`);
    return Number(text);
}

// {a="b",c="d"} from `at`; returns the labels and the index behind '}'.
function labelsOf(line, at) {
    const labels = {};
    let i = at + 1;
    while (line[i] !== '}') {
        const equal = line.indexOf('="', i);
        assert.ok(equal > i, `bad labels: ${line}`);
        const name = line.slice(i, equal);
        assert.match(name, LABEL, `bad label name: ${line}`);
        assert.ok(!(name in labels), `label twice: ${line}`);
        let value = '';
        for (i = equal + 2; line[i] !== '"'; i++) {
            assert.ok(i < line.length, `label value without end: ${line}`);
            if (line[i] !== '\\') {
                value += line[i];
                continue;
            }
            i++;
            assert.ok('\\"n'.includes(line[i]), `bad escape: ${line}`);
            value += line[i] === 'n' ? '\n' : line[i];
        }
        labels[name] = value;
        i++;
        assert.ok(line[i] === ',' || line[i] === '}', `bad labels: ${line}`);
        if (line[i] === ',') i++;
    }
    return [labels, i + 1];
}

function checkHistogram(family) {
    const series = new Map();
    for (const s of family.samples) {
        const { le, ...rest } = s.labels;
        const key = JSON.stringify(Object.entries(rest).sort());
        const one = series.get(key) ?? { buckets: [] };
        series.set(key, one);
        if (s.name === `${family.name}_bucket`) {
            assert.ok(le !== undefined, `${s.name}: no le`);
            one.buckets.push([number(le, le), s.value]);
        } else if (s.name === `${family.name}_sum`) one.sum = s.value;
        else if (s.name === `${family.name}_count`) one.count = s.value;
        else assert.fail(`${s.name} in histogram ${family.name}`);
    }
    for (const [key, { buckets, sum, count }] of series) {
        const where = `${family.name}${key}`;
        assert.ok(sum !== undefined && count !== undefined, `${where}: no _sum or _count`);
        assert.equal(buckets.at(-1)?.[0], Infinity, `${where}: last bucket is not +Inf`);
        assert.equal(buckets.at(-1)[1], count, `${where}: +Inf bucket is not _count`);
        for (let i = 1; i < buckets.length; i++) {
            assert.ok(buckets[i][0] > buckets[i - 1][0], `${where}: buckets not in order`);
            assert.ok(buckets[i][1] >= buckets[i - 1][1], `${where}: buckets not cumulative`);
        }
    }
}

export class Metrics {
    constructor(families) {
        this.families = families;
    }

    // The sum of the samples of `name` whose labels include `labels`; 0 when there is none.
    get(name, labels = {}) {
        let sum = 0;
        for (const s of this.samples(name, labels)) sum += s.value;
        return sum;
    }

    samples(name, labels = {}) {
        const base = name.replace(/_(bucket|sum|count)$/, '');
        const family = this.families.get(name) ?? this.families.get(base);
        return (family?.samples ?? []).filter(
            (s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === v),
        );
    }

    // {"reason|listener": n, ...} of every refusal counted.
    rejects() {
        const all = {};
        for (const s of this.samples('regcast_reject_total'))
            if (s.value > 0) all[`${s.labels.reason}|${s.labels.listener}`] = s.value;
        return all;
    }
}

export function parseMetrics(text) {
    assert.ok(text.endsWith('\n'), 'the last line has no newline');
    const families = new Map();
    const seen = new Set();
    let current = null; // families stand together
    const family = (name) => {
        if (current?.name !== name) {
            assert.ok(!families.has(name), `family ${name} is in two places`);
            current = { name, type: null, help: null, samples: [] };
            families.set(name, current);
        }
        return current;
    };
    for (const line of text.slice(0, -1).split('\n')) {
        assert.ok(!line.includes('\r'), `carriage return in: ${line}`);
        if (line === '') continue;
        if (line.startsWith('#')) {
            const m = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
            assert.ok(m, `bad comment: ${line}`);
            assert.match(m[2], NAME);
            const f = family(m[2]);
            if (m[1] === 'HELP') {
                assert.equal(f.help, null, `second HELP of ${m[2]}`);
                f.help = m[3];
            } else {
                assert.equal(f.type, null, `second TYPE of ${m[2]}`);
                assert.equal(f.samples.length, 0, `TYPE of ${m[2]} after its samples`);
                assert.ok(TYPES.has(m[3]), `type ${m[3]}`);
                f.type = m[3];
            }
            continue;
        }
        const m = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line);
        assert.ok(m, `bad sample: ${line}`);
        let [labels, at] = [{}, m[0].length];
        if (line[at] === '{') [labels, at] = labelsOf(line, at);
        const rest = /^ +(\S+)( +-?\d+)?$/.exec(line.slice(at));
        assert.ok(rest, `bad sample: ${line}`);
        const value = number(rest[1], line);
        assert.ok(current, `sample before its family: ${line}`);
        const ok =
            m[0] === current.name ||
            (['histogram', 'summary'].includes(current.type) &&
                m[0].startsWith(`${current.name}_`));
        assert.ok(ok, `sample ${m[0]} among those of ${current.name}`);
        const key = m[0] + JSON.stringify(Object.entries(labels).sort());
        assert.ok(!seen.has(key), `series twice: ${line}`);
        seen.add(key);
        if (current.type === 'counter') assert.ok(value >= 0, `negative counter: ${line}`);
        current.samples.push({ name: m[0], labels, value });
    }
    for (const f of families.values()) {
        assert.ok(f.type, `${f.name}: no TYPE`);
        assert.ok(f.help, `${f.name}: no HELP`);
        if (f.type === 'counter') assert.match(f.name, /_total$/, `counter ${f.name} without _total`);
        if (f.type === 'histogram') checkHistogram(f);
    }
    return new Metrics(families);
}
