// The parts of the console's live views that need no page: the log of what happens, the feed that goes on where it was,
// which rows of a list are in sight, what a chart draws, rates and quantiles, and what is to be entered in a registry.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ROOT } from './harness.mjs';

const load = (name) => import(join(ROOT, 'gateway/console', name));
const event = (n, over = {}) => ({
    type: 'event', seq: n, eventId: `crt${n}`, eventType: 'CreateImageTag', registryId: 'r1', repository: 'team/app', tag: `v${n}`, digest: 'sha256:ab', actor: 'ci',
    receivedAt: new Date(1.7e12 + n * 1000).toISOString(), verdicts: [{ triggerId: 't1', triggerName: 'all', taken: n % 2 === 0, reason: n % 2 ? 'tag' : '' }], ...over,
});

describe('the log', async () => {
    const { Log, fits, textOf } = await load('feed.js');
    const ids = (log) => log.rows.map((row) => row.item.eventId);
    const filter = (over) => ({ words: [], kind: '', type: '', registry: '', trigger: '', left: false, ...over });

    test('has each event once, whichever way it comes, in the order of time', () => {
        const log = new Log(100);
        for (const n of [3, 5]) assert.ok(log.add(event(n)));
        assert.equal(log.add(event(3)), null);
        const fresh = log.merge([event(6), event(5), event(4), event(1)]); // as the API: the newest first
        assert.deepEqual(fresh.map((row) => row.item.eventId), ['crt1', 'crt4', 'crt6']);
        assert.deepEqual(ids(log), ['crt1', 'crt3', 'crt4', 'crt5', 'crt6']);
        assert.deepEqual(log.merge([event(4)]), []);
        assert.equal(new Set(log.rows.map((row) => row.n)).size, 5);
    });

    test('lets the oldest go, and only those', () => {
        const log = new Log(100);
        for (let n = 0; n < 100; n++) log.add(event(n));
        assert.equal(log.trim(), 0);
        const first = log.rows[0];
        log.add(event(100));
        assert.equal(log.trim(), 6);
        assert.equal(first.gone, true);
        assert.equal(log.dropped, 6);
        assert.equal(ids(log)[0], 'crt6');
        assert.equal(log.events.size, 95);
        assert.ok(log.add(event(0)), 'one that went may come again');
        log.clear();
        assert.equal(log.events.size + log.rows.length + log.dropped, 0);
    });

    test('is filtered by what rows say', () => {
        const log = new Log(100);
        const rows = [
            log.add(event(1)),
            log.add(event(2, { registryId: 'r2', eventType: 'DeleteImage', source: { peer: '10.1.2.3' } })),
            log.add({ type: 'batch', seq: 3, triggerId: 't1', triggerName: 'all', path: '/builds', size: 2 }),
            log.add({ type: 'webhook', seq: 4, registryId: 'r1', status: 401, reason: 'token' }),
            log.add({ type: 'skipped', seq: 5, n: 7 }),
        ];
        for (const [over, expected] of [
            [{}, [0, 1, 2, 3, 4]],
            [{ kind: 'event' }, [0, 1, 4]],
            [{ kind: 'webhook' }, [3, 4]],
            [{ type: 'DeleteImage' }, [1, 4]],
            [{ registry: 'r1' }, [0, 3, 4]],
            [{ trigger: 't1' }, [0, 1, 2, 4]],
            [{ trigger: 't2' }, [4]],
            [{ left: true }, [0, 4]],
            [{ words: ['team/app:v1'] }, [0, 4]],
            [{ words: ['10.1', 'delete'] }, [1, 4]],
            [{ words: ['401'] }, [3, 4]],
            [{ words: ['builds', 'all'] }, [2, 4]],
            [{ words: ['nothing'] }, [4]],
        ])
            assert.deepEqual(rows.flatMap((row, i) => (fits(row, filter(over)) ? [i] : [])), expected, JSON.stringify(over));
        assert.equal(textOf({ type: 'later', item: {} }), '');
    });
});

test('late events are read back to where some may be missing', async () => {
    const { readBack } = await load('feed.js');
    const all = [9, 8, 7, 6, 5, 4, 3, 2, 1].map((n) => event(n));
    const read = async (from, most = 100) => {
        const page = async (before) => {
            const at = before === undefined ? 0 : all.findIndex((one) => one.eventId === before) + 1;
            return all.slice(at, at + 2);
        };
        return (await readBack(page, from, 2, most)).length;
    };
    const time = (n) => Date.parse(event(n).receivedAt);
    assert.deepEqual([await read(Infinity), await read(time(9)), await read(time(6)), await read(0), await read(0, 3)], [2, 2, 4, 9, 4]);
});

describe('the feed', async () => {
    const { Feed, pauseBefore } = await load('feed.js');

    // A feed with sockets, time and answers of ours.
    function make(over = {}) {
        const f = { opened: [], items: [], events: [], states: [], problems: [], timers: [], loads: 0 };
        f.feed = new Feed({
            open: (query) => {
                const socket = { query, close() {} };
                f.opened.push(socket);
                return socket;
            },
            load: async () => {
                f.loads++;
                return over.load ? over.load() : [event(1)];
            },
            check: over.check ?? (async () => 'ok'),
            onItems: (items) => f.items.push(...items),
            onEvents: (events) => f.events.push(events),
            onState: (state) => f.states.push(state),
            onProblem: (error) => f.problems.push(error),
            later: (fn, ms) => {
                const timer = { fn, ms };
                f.timers.push(timer);
                return timer;
            },
            cancel: (timer) => (f.timers = f.timers.filter((one) => one !== timer)),
            random: () => 0.5,
        });
        f.say = (...items) => f.opened.at(-1).onmessage({ data: JSON.stringify({ items }) });
        f.drop = async () => {
            f.opened.at(-1).onclose();
            await new Promise(setImmediate);
        };
        f.turn = async () => {
            const now = f.timers;
            f.timers = [];
            for (const { fn } of now) await fn();
        };
        f.feed.start();
        return f;
    }

    test('begins with what is remembered, and goes on where it was', async () => {
        const f = make();
        assert.deepEqual(f.opened[0].query, {});
        f.say({ type: 'hello', boot: 'b1', seq: 10 });
        await f.turn();
        assert.equal(f.loads, 1);
        f.say({ ...event(2), seq: 11 }, { ...event(3), seq: 12 });
        f.say({ ...event(3), seq: 12 });
        assert.deepEqual(f.items.map((one) => one.seq), [11, 12], 'a number counts once');
        await f.drop();
        assert.deepEqual(f.states, ['connecting', 'live', 'waiting']);
        await f.turn();
        assert.deepEqual(f.opened[1].query, { boot: 'b1', after: '12' });
        f.say({ type: 'hello', boot: 'b1', seq: 14 }, { ...event(4), seq: 13 }, { ...event(5), seq: 14 });
        assert.equal(f.timers.length, 0, 'nothing has to be asked');
        assert.deepEqual(f.items.map((one) => one.seq), [11, 12, 13, 14]);
        assert.equal(f.states.at(-1), 'live');
        f.feed.stop();
    });

    test('asks for the events again when the server is another, or something is missing', async () => {
        const f = make();
        f.say({ type: 'hello', boot: 'b1', seq: 900 });
        await f.turn();
        await f.drop();
        await f.turn();
        f.say({ type: 'hello', boot: 'b2', seq: 3 });
        await f.turn();
        assert.equal(f.loads, 2);
        f.say({ ...event(7), seq: 4 });
        assert.equal(f.items.length, 1, 'numbers begin anew');
        f.say({ type: 'skipped', seq: 5, n: 57 });
        await f.turn();
        f.say({ type: 'gap', seq: 9 });
        await f.turn();
        assert.equal(f.loads, 4);
        assert.deepEqual(f.items.map((one) => one.type), ['event', 'skipped', 'gap']);
        f.feed.stop();
    });

    test('stops asking where nobody is logged in, and goes on when told', async () => {
        for (const why of ['login', 'denied']) {
            const f = make({ check: async () => why });
            await f.drop();
            assert.equal(f.states.at(-1), why);
            assert.equal(f.timers.length, 0);
            f.feed.retry();
            assert.equal(f.opened.length, 2);
            f.say({ type: 'hello', boot: 'b', seq: 0 });
            assert.equal(f.states.at(-1), 'live');
            f.feed.stop();
        }
    });

    test('says what it could not read, and asks again', async () => {
        let broken = true;
        const f = make({
            load: () => {
                if (broken) throw new Error('no');
                return [];
            },
        });
        f.say({ type: 'hello', boot: 'b', seq: 0 });
        await f.turn();
        assert.equal(f.problems.at(-1).message, 'no');
        broken = false;
        await f.turn();
        assert.equal(f.problems.at(-1), null);
        f.feed.stop();
        assert.equal(f.opened[0].onclose, null);
        f.feed.retry();
        assert.equal(f.opened.length, 1, 'one that is stopped stays so');
    });

    test('bears what is no message of ours', () => {
        const f = make();
        for (const data of ['', '{', 'null', '{}', '{"items":3}']) f.opened[0].onmessage({ data });
        assert.deepEqual(f.items, []);
        f.feed.stop();
    });

    test('waits longer each time, up to a limit, and never the same as all others', () => {
        const pauses = [0, 1, 2, 3, 8, 50].map((n) => [pauseBefore(n, () => 0), pauseBefore(n, () => 1)]);
        assert.deepEqual(pauses, [[200, 400], [400, 800], [800, 1600], [1600, 3200], [7500, 15000], [7500, 15000]]);
    });
});

describe('lists and charts', async () => {
    const { span, moved } = await load('list.js');
    const { ceiling, line, area, nearest, timeShown } = await load('chart.js');

    test('have in the page what is in sight', () => {
        for (const [given, expected] of [
            [[0, 340, 34, 0], [0, 0]],
            [[0, 340, 34, 5], [0, 5]],
            [[0, 340, 34, 10000], [0, 16]],
            [[3400, 340, 34, 10000], [94, 116]],
            [[340000, 340, 34, 10000], [9994, 10000]],
            [[900000, 340, 34, 10], [4, 10]],
        ])
            assert.deepEqual(span(...given), expected, JSON.stringify(given));
    });

    test('move by keys, and stay in bounds', () => {
        for (const [key, at, expected] of [
            ['ArrowDown', -1, 0], ['ArrowUp', -1, 0], ['ArrowDown', 9, 9], ['ArrowUp', 0, 0], ['PageDown', 2, 7],
            ['PageUp', 2, 0], ['Home', 5, 0], ['End', 5, 9], ['a', 5, undefined],
        ])
            assert.equal(moved(key, at, 10, 5), expected, key);
        assert.equal(moved('End', -1, 0, 5), undefined);
    });

    test('draw lines that break where nothing is known', () => {
        assert.deepEqual([0, 0.3, 1, 1.2, 2.2, 7, 1000, 1001].map(ceiling), [1, 0.5, 1, 2, 2.5, 10, 1000, 2000]);
        assert.equal(line([0, 5, 10], [0, 5, 10], 0, 10, 10), 'M0.0 150.0L300.0 75.0L600.0 0.0');
        assert.equal(line([0, 5, 10], [1, null, 1], 0, 10, 1), 'M0.0 0.0M600.0 0.0');
        assert.equal(line([-5, 10], [1, 1], 0, 10, 1), 'M600.0 0.0', 'not what is too old');
        assert.equal(area([0, 10], [1, 1], 0, 10, 1), 'M0.0 150L0.0 0.0L600.0 0.0L600.0 150Z');
        assert.deepEqual([nearest([], 3), nearest([1, 5, 9], 6), nearest([1, 5, 9], 99)], [-1, 1, 2]);
        assert.deepEqual([0, 60000, 60001, 200000, 300001, 900000].map((ms) => timeShown(ms, 600000)), [60000, 60000, 120000, 300000, 600000, 600000]);
        assert.equal(timeShown(0, 30000), 30000, 'at most');
    });
});

describe('numbers', async () => {
    const { Reading, Ring, rate, quantile } = await load('rates.js');
    const reading = new Reading({
        at: '2026-11-23T00:00:00Z',
        families: [
            { name: 'f_total', samples: [{ name: 'f_total', labels: { path: '/' }, value: 3 }, { name: 'f_total', labels: { path: '/b' }, value: '4' }] },
            {
                name: 'h',
                samples: [
                    { name: 'h_bucket', labels: { le: '+Inf' }, value: 10 },
                    { name: 'h_bucket', labels: { le: '0.1' }, value: 5 },
                    { name: 'h_bucket', labels: { le: '0.2' }, value: 10 },
                    { name: 'h_sum', labels: {}, value: 1 },
                    { name: 'h_count', labels: {}, value: 10 },
                ],
            },
        ],
    });

    test('are those of the metrics', () => {
        assert.equal(reading.sum('f_total'), 7);
        assert.equal(reading.sum('f_total', ({ path }) => path === '/b'), 4);
        assert.equal(reading.sum('none'), 0);
        assert.deepEqual([...reading.by('f_total', 'path')], [['/', 3], ['/b', 4]]);
        assert.equal(reading.sum('h', undefined, '_count'), 10);
        assert.deepEqual(reading.buckets('h'), [[0.1, 5], [0.2, 10], [Infinity, 10]]);
    });

    test('become rates and quantiles', () => {
        assert.deepEqual([rate(5, 25, 2000), rate(25, 5, 2000), rate(undefined, 5, 2000), rate(5, 5, 0)], [10, null, null, null]);
        const h = reading.buckets('h');
        assert.deepEqual([quantile(0.5, h), quantile(0.75, h), quantile(1, h)].map((n) => n.toFixed(3)), ['0.100', '0.150', '0.200']);
        assert.equal(quantile(0.5, h, h), null, 'nothing in between');
        assert.equal(quantile(0.5, h, [[0.1, 5], [0.2, 6], [Infinity, 6]]).toFixed(3), '0.150');
        assert.equal(quantile(0.5, h, [[0.1, 50], [0.2, 60], [Infinity, 60]]).toFixed(3), '0.100', 'the server began anew');
        assert.equal(quantile(0.99, [[0.1, 0], [Infinity, 4]]), 0.1, 'beyond the last bound');
        assert.equal(quantile(0.5, []), null);
    });

    test('are kept for a while', () => {
        const ring = new Ring(['a'], 1000, 3);
        for (const time of [0, 10, 20, 30]) ring.add(time, { a: time });
        assert.deepEqual([ring.times, ring.series.a], [[10, 20, 30], [10, 20, 30]]);
        ring.add(1025, {});
        assert.deepEqual([ring.times, ring.series.a], [[30, 1025], [30, null]]);
    });
});

describe('set-ups', async () => {
    const { kinds, setup, reachable } = await load('setup.js');
    const { default: en } = await load('i18n/en.js');
    const url = 'https://regcast.example.com/registries/r1/events';

    test('are there for each kind that there is, with its address', () => {
        const documented = [...readFileSync(join(ROOT, 'docs/registries.md'), 'utf8').matchAll(/^`kind: ([a-z-]+)`$/gm)].map((m) => m[1]);
        assert.deepEqual([...kinds].sort(), documented.sort());
        for (const kind of kinds) {
            const got = setup({ id: 'r1', kind, eventsUrls: [url] }, 'host');
            assert.ok(got.code.includes(url), kind);
            assert.ok(got.where in en, kind);
        }
        for (const kind of ['dockerhub', 'quay'])
            assert.match(setup({ kind, eventsUrls: [url, 'https://x/hook/TOKEN'] }, 'h').code, /hook\/TOKEN$/);
        assert.equal(setup({ kind: 'constructor', eventsUrls: [url] }, 'h'), null);
        assert.equal(setup({ kind: 'zot', eventsUrls: [] }, 'h'), null);
        assert.equal(JSON.parse(setup({ kind: 'zot', eventsUrls: [url] }, 'h').code).extensions.events.sinks[0].address, url);
    });

    test('name a host that others can reach', () => {
        assert.equal(reachable('http://0.0.0.0:8081/registries/r', 'here'), 'http://here:8081/registries/r');
        assert.equal(reachable('https://[::]:8081/x', 'here'), 'https://here:8081/x');
        assert.equal(reachable('http://0.0.0.0.example:1/x', 'here'), 'http://0.0.0.0.example:1/x');
    });
});
