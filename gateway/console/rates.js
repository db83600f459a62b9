// What GET /gateway/v1/metrics says, and what two readings of it say together: rates of counters, quantiles of
// histograms. (pure)

// The families by name.
export class Reading {
    constructor(answer) {
        this.at = Date.parse(answer.at);
        this.families = new Map((answer.families ?? []).map((one) => [one.name, one]));
    }

    has(name) {
        return this.families.has(name);
    }

    // The samples of a family; of its own name, or with an ending as of histograms.
    samples(name, ending = '') {
        return (this.families.get(name)?.samples ?? []).filter((one) => one.name === name + ending);
    }

    // The sum of the samples that `fits` (labels) => bool; 0 where there are none.
    sum(name, fits = () => true, ending = '') {
        let total = 0;
        for (const one of this.samples(name, ending)) if (fits(one.labels ?? {})) total += number(one.value);
        return total;
    }

    // The same by the value of a label: Map.
    by(name, label) {
        const sums = new Map();
        for (const one of this.samples(name)) {
            const key = one.labels?.[label] ?? '';
            sums.set(key, (sums.get(key) ?? 0) + number(one.value));
        }
        return sums;
    }

    // A histogram's buckets, of all its series together: [[upper bound, how many up to it], ...].
    buckets(name) {
        const sums = new Map();
        for (const one of this.samples(name, '_bucket')) {
            const bound = one.labels?.le === '+Inf' ? Infinity : number(one.labels?.le);
            sums.set(bound, (sums.get(bound) ?? 0) + number(one.value));
        }
        return [...sums].sort(([a], [b]) => a - b);
    }
}

function number(value) {
    const n = Number(value);
    return Number.isFinite(n) ? n : 0;
}

// How much more a second; null where there is nothing to compare, or the server has begun anew in between.
export function rate(before, now, ms) {
    if (!(ms > 0) || !Number.isFinite(before) || !Number.isFinite(now) || now < before) return null;
    return ((now - before) * 1000) / ms;
}

// The value below which the share `q` lies of what `now` has over `before` (buckets, or null: since the start). Between
// two bounds it is where a straight line would have it. null where nothing has been counted in between.
export function quantile(q, now, before = null) {
    const had = new Map(before ?? []);
    let counts = now.map(([bound, n]) => [bound, n - (had.get(bound) ?? 0)]);
    if (counts.some(([, n]) => n < 0)) counts = now; // the server has begun anew
    const all = counts.at(-1)?.[1] ?? 0;
    if (all <= 0) return null;
    const wanted = q * all;
    let low = 0;
    let below = 0;
    for (const [bound, n] of counts) {
        if (n >= wanted) {
            if (bound === Infinity) return low; // beyond the last bound nothing is known
            return n === below ? bound : low + ((bound - low) * (wanted - below)) / (n - below);
        }
        low = bound;
        below = n;
    }
    return low;
}

// The latest points of several series: at most `most`, and none older than `ms`.
export class Ring {
    times = [];

    constructor(names, ms, most) {
        Object.assign(this, { ms, most, series: Object.fromEntries(names.map((name) => [name, []])) });
    }

    // values: {name: number or null}.
    add(time, values) {
        this.times.push(time);
        for (const [name, list] of Object.entries(this.series)) list.push(values[name] ?? null);
        let over = Math.max(0, this.times.length - this.most);
        while (over < this.times.length && this.times[over] < time - this.ms) over++;
        if (over === 0) return;
        this.times.splice(0, over);
        for (const list of Object.values(this.series)) list.splice(0, over);
    }
}
