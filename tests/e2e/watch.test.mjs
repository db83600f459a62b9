// What operators watch: what each registry has sent equals what was posted and what /metrics says, one that falls
// silent is told of once, triggers say what they sent, and the slowest connections come first.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fine, regcast } from './cli.mjs';
import {
    Client,
    Daemon,
    REGISTRY,
    defer,
    makeConfig,
    newImage,
    push,
    rawWs,
    trigger,
    until,
    writeConfig,
} from './harness.mjs';

const limits = { timeout: 60000 };
const QUIET = 'crtquiet000000000000';
const SECRET = 'a-token-nobody-else-knows';
const BOTH = [
    { id: REGISTRY, kind: 'distribution', token: SECRET },
    { id: QUIET, kind: 'distribution', silence_alarm: 'off' },
];
const auth = { headers: { Authorization: `Bearer ${SECRET}` } };

async function get(d, path) {
    const got = await d.manage('GET', path);
    assert.equal(got.status, 200, `${path}: ${got.text}`);
    return got.json;
}

const some = (list) => (list.length > 0 ? list : null);
const registries = async (d) => Object.fromEntries((await get(d, '/registries/v1/registries')).registries.map((r) => [r.id, r]));

async function start(t, over = {}) {
    const config = makeConfig({ registries: BOTH, ...over });
    const file = writeConfig(config);
    const d = await Daemon.start(config, { file });
    defer(t, () => d.stop());
    const reload = async (changed) => {
        writeFileSync(file, JSON.stringify({ ...config, ...changed }), { mode: 0o600 });
        const got = await d.manage('POST', '/admin/v1/reload');
        assert.equal(got.status, 200, got.text);
    };
    return { d, reload };
}

// The samples of a family by its labels, in the order of the page.
const family = (metrics, name, ...labels) =>
    Object.fromEntries(metrics.samples(name).map((s) => [labels.map((l) => s.labels[l]).join(' '), s.value]));

describe('registries', () => {
    test('say what they have sent, as the metrics do, also after a reload', limits, async (t) => {
        const { d, reload } = await start(t);
        const before = await registries(d);
        assert.deepEqual([before[REGISTRY].lastEventAt, before[REGISTRY].answers, before[REGISTRY].letters], [undefined, [], '0']);
        const known = newImage('team/app');
        const strange = newImage('team/app');
        delete strange.target.digest;
        const started = Date.now();
        assert.equal((await d.post([known, newImage('team/app')], auth)).status, 202);
        assert.equal((await d.post([known, { ...newImage('team/app'), action: 'pull' }], auth)).status, 202);
        assert.equal((await d.post([strange], auth)).status, 202);
        assert.equal((await d.post('{', auth)).status, 202);
        assert.equal((await d.post([newImage('team/app')])).status, 401);
        assert.equal((await d.post([newImage('team/app')], { headers: { Authorization: 'Bearer other' } })).status, 401);
        assert.equal((await d.post([newImage('team/app')], { headers: { ...auth.headers, 'Content-Encoding': 'gzip' } })).status, 415);
        assert.equal((await d.post([newImage('team/app')], { registry: 'crtnobody00000000000' })).status, 404);
        assert.equal((await d.post([newImage('team/app')], { registry: QUIET })).status, 202);

        const check = async () => {
            const { [REGISTRY]: one, [QUIET]: two, ...others } = await registries(d);
            assert.deepEqual(others, {});
            assert.deepEqual(one.answers, [
                { status: 202, count: '4' },
                { status: 401, count: '2' },
                { status: 415, count: '1' },
            ]);
            assert.deepEqual(
                [one.accepted, one.ignored, one.duplicates, one.setAside, one.letters, one.silent],
                ['2', '1', '1', '2', '2', false],
            );
            assert.ok(Date.parse(one.lastEventAt) >= started && Date.parse(one.lastEventAt) <= Date.now(), one.lastEventAt);
            assert.deepEqual([two.accepted, two.letters, two.answers], ['1', '0', [{ status: 202, count: '1' }]]);
            const metrics = await d.metrics();
            assert.deepEqual(family(metrics, 'regcast_registry_webhooks_total', 'registry', 'status'), {
                [`${REGISTRY} 202`]: 4,
                [`${REGISTRY} 401`]: 2,
                [`${REGISTRY} 415`]: 1,
                [`${QUIET} 202`]: 1,
            });
            const events = family(metrics, 'regcast_registry_events_total', 'registry', 'outcome');
            for (const [outcome, n] of Object.entries({ accepted: 2, ignored: 1, duplicate: 1, set_aside: 2 })) {
                assert.equal(events[`${REGISTRY} ${outcome}`], n);
                assert.equal(
                    events[`${REGISTRY} ${outcome}`] + events[`${QUIET} ${outcome}`],
                    metrics.get('regcast_webhook_events_total', { outcome }),
                );
            }
            const last = family(metrics, 'regcast_registry_last_event_timestamp_seconds', 'registry');
            assert.equal(last[REGISTRY], Math.floor(Date.parse(one.lastEventAt) / 1000));
        };
        await check();
        await reload({ registries: [...BOTH].reverse() });
        await check();

        await reload({ registries: BOTH.slice(1), triggers: [] });
        assert.deepEqual(Object.keys(await registries(d)), [QUIET]);
        assert.deepEqual(Object.keys(family(await d.metrics(), 'regcast_registry_silent', 'registry')), [QUIET]);
        await reload({});
        assert.deepEqual((await registries(d))[REGISTRY].answers, [], 'a registry that was gone begins anew');
    });

    test('that fall silent are told of once, and so is the end of it', limits, async (t) => {
        const loud = { ...BOTH[0], silence_alarm: '1s' };
        const { d, reload } = await start(t, { registries: [loud, BOTH[1]] });
        const silent = async () => family(await d.metrics(), 'regcast_registry_silent', 'registry');
        await d.post([newImage('team/app')], auth);
        assert.deepEqual(await silent(), { [REGISTRY]: 0, [QUIET]: 0 });
        const [warning] = await until('the warning', () => some(d.logged({ msg: 'registry is silent' })));
        assert.deepEqual([warning.level, warning.registry, warning.alarm_ms], ['warn', REGISTRY, 1000]);
        assert.ok(warning.silent_ms >= 1000 && warning.silent_ms < 10000, warning.silent_ms);
        const { [REGISTRY]: one, [QUIET]: two } = await registries(d);
        assert.deepEqual([one.silent, one.silentSince, one.silenceAlarm], [true, one.lastEventAt, '1s']);
        assert.deepEqual([two.silent, two.silentSince, two.silenceAlarm], [false, undefined, undefined]);
        assert.deepEqual(await silent(), { [REGISTRY]: 1, [QUIET]: 0 });
        const table = await regcast(['registries', 'list'], { endpoint: d.ready.management[0] });
        fine(table);
        assert.ok(table.stdout.includes(one.silentSince), table.stdout);

        await d.post('{', auth); // nobody understands it: no event
        assert.equal((await registries(d))[REGISTRY].silent, true);
        await d.post([newImage('team/app')], auth);
        const [end] = await until('its end', () => some(d.logged({ msg: 'registry is silent no longer' })));
        assert.deepEqual([end.level, end.registry, end.since], ['info', REGISTRY, warning.since]);
        assert.ok(end.silent_ms >= warning.silent_ms, `${end.silent_ms} after ${warning.silent_ms}`);

        await reload({ registries: [{ ...loud, silence_alarm: 'off' }, { ...BOTH[1], silence_alarm: '1s' }] });
        await until('the other one', () => d.logged({ msg: 'registry is silent', registry: QUIET }).length === 1);
        assert.equal((await registries(d))[QUIET].lastEventAt, undefined, 'it has never sent one');
        assert.equal(d.logged({ msg: 'registry is silent', registry: REGISTRY }).length, 1);
        assert.equal((await registries(d))[REGISTRY].silent, false);
        await reload({ registries: [BOTH[0], BOTH[1]] });
        await until('no longer watched', async () => !(await registries(d))[QUIET].silent);
        assert.equal(d.logged({ msg: 'registry is silent', registry: QUIET }).length, 1);
    });
});

test('triggers say what they have sent, and why not', limits, async (t) => {
    const { d } = await start(t, {
        registries: [{ id: REGISTRY, kind: 'distribution' }],
        gateway: { paths: ['/', '/later'] },
        service_accounts: [
            { id: 'ajebroadcaster000001', roles: ['api-gateway.websocketBroadcaster'] },
            { id: 'ajenobody00000000001', roles: [] },
        ],
        triggers: [
            trigger('one'),
            trigger('three', { size: 3, cutoff: '60s', path: '/later' }),
            trigger('denied', { account: 'ajenobody00000000001' }),
        ],
    });
    const { triggers } = await get(d, '/triggers/v1/triggers?folderId=b1gfolder00000000001');
    const names = Object.fromEntries(triggers.map((one) => [one.id, one.name]));
    const fired = async () => {
        const all = (await get(d, '/gateway/v1/triggers')).triggers;
        return Object.fromEntries(all.map(({ triggerId, ...rest }) => [names[triggerId], rest]));
    };
    const denied = { lastError: 'its service account lacks the role api-gateway.websocketBroadcaster' };
    const nothing = { batches: '0', events: '0', waiting: '0' };
    assert.deepEqual(await fired(), { one: nothing, three: nothing, denied: { ...nothing, ...denied } });
    const started = Date.now();
    await d.accept([1, 2, 3, 4].map(() => newImage('team/app')));
    const { one, three, denied: last } = await until('all of it', async () => {
        const now = await fired();
        return now.one.batches === '4' && now.three.batches === '1' ? now : null;
    });
    assert.ok(Date.parse(one.lastFiredAt) >= started && Date.parse(one.lastFiredAt) <= Date.now());
    assert.deepEqual({ ...one, lastFiredAt: 0 }, { batches: '4', events: '4', lastFiredAt: 0, waiting: '0' });
    assert.deepEqual({ ...three, lastFiredAt: 0 }, { batches: '1', events: '3', lastFiredAt: 0, waiting: '1' });
    assert.deepEqual(last, { ...nothing, ...denied });
    const metrics = await d.metrics();
    assert.equal(metrics.get('regcast_batches_total', { reason: 'size' }), 5);
});

test('the slowest connections come first, or the oldest', limits, async (t) => {
    const { d } = await start(t, {
        registries: [{ id: REGISTRY, kind: 'distribution' }],
        gateway: { paths: ['/', '/other'], defaults: { max_lag_bytes: '16MiB' } },
        triggers: [trigger('big', { size: 1000, cutoff: '1s' })],
    });
    const stuck = await rawWs(d.port, '/', {}, { read: false });
    defer(t, () => stuck.destroy());
    await until('it is open', async () => (await get(d, '/gateway/v1/connections')).connections?.length === 1);
    for (let i = 0; i < 12; i++) {
        const c = await Client.open(d.url(i % 4 === 0 ? '/other' : '/'));
        defer(t, () => c.terminate());
    }
    const list = async (query) => (await get(d, `/gateway/v1/connections?${query}`)).connections;
    const oldest = await list('orderBy=age');
    assert.equal(oldest.length, 13);
    assert.equal(oldest[0].address, '127.0.0.1');
    assert.equal(oldest[0].port, stuck.socket.localPort, 'the first that came');
    const times = oldest.map((c) => c.connectedAt);
    assert.deepEqual(times, [...times].sort());
    assert.deepEqual(await list('orderBy=age&pageSize=1').then(([c]) => c.id), oldest[0].id);
    assert.equal((await list('orderBy=age&pageSize=5')).length, 5);
    assert.equal((await list('orderBy=age&path=/other')).length, 3);
    let n = 0;
    await until('somebody is behind', async () => {
        const long = `${'x'.repeat(100)}-${n++}`;
        await d.accept(Array.from({ length: 500 }, (_, i) => push(`team/${long}/${i}`, newImage('a').target.digest)));
        const [first] = await list('orderBy=lag&pageSize=1');
        return first.port === stuck.socket.localPort && Number(first.lagBytes) > 0;
    }, 30000);
    const lags = (await list('orderBy=lag')).map((c) => Number(c.lagBytes));
    assert.equal(lags.length, 13);
    assert.deepEqual(lags, [...lags].sort((a, b) => b - a));
    for (const [query, like] of [
        ['orderBy=size', /must be lag or age/],
        ['orderBy=lag&pageToken=w0s1', /one page/],
        ['orderBy=lag&pageSize=1001', /0 to 1000/],
    ]) {
        const got = await d.manage('GET', `/gateway/v1/connections?${query}`);
        assert.deepEqual([got.status, got.json.code], [400, 3]);
        assert.match(got.text, like);
    }
});
