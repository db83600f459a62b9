// Which events go where, and in what groups.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
    BROADCASTER,
    Client,
    Daemon,
    REGISTRY,
    defer,
    digestOf,
    makeConfig,
    newImage,
    pause,
    push,
    readMessage,
    summary,
    trigger,
    until,
} from './harness.mjs';

const LIMIT = 131072; // bytes of a message
const limits = { timeout: 60000 };

async function setUp(t, triggers, paths = ['/'], over = {}) {
    const daemon = await Daemon.start(makeConfig({ gateway: { paths }, triggers, ...over }));
    defer(t, () => daemon.stop());
    const clients = {};
    for (const path of paths) {
        clients[path] = await Client.open(daemon.url(path));
        defer(t, () => clients[path].close());
    }
    return { daemon, clients, client: clients[paths[0]] };
}

const digests = (text) => readMessage(text).map((e) => e.digest);
const digestsOf = (events) => events.map((e) => e.target.digest);

async function flushes(daemon) {
    const m = await daemon.metrics();
    const all = {};
    for (const reason of ['size', 'cutoff', 'bytes', 'drain'])
        all[reason] = m.get('regcast_batches_total', { reason });
    return all;
}

describe('batches', () => {
    test('three events at once by size, the rest by cutoff', limits, async (t) => {
        const { daemon, client } = await setUp(t, [trigger('three', { size: 3, cutoff: '2s' })]);
        const events = Array.from({ length: 8 }, () => newImage('team/app'));
        const start = performance.now();
        await daemon.accept(events.slice(0, 2)); // one envelope and the next make up a batch
        for (const event of events.slice(2)) await daemon.accept([event]);
        const bySize = await client.first(2);
        const sizeAt = performance.now() - start;
        assert.ok(client.messages.length === 2, 'the last two wait');
        const [, , last] = await client.first(3);
        const cutoffAt = performance.now() - start;
        assert.deepEqual(
            [...bySize, last].map(digests),
            [events.slice(0, 3), events.slice(3, 6), events.slice(6)].map(digestsOf),
        );
        assert.ok(sizeAt < 1900, `full batches after ${sizeAt} ms`);
        assert.ok(cutoffAt > 1900 && cutoffAt < 8000, `cutoff after ${cutoffAt} ms`);
        assert.deepEqual(await flushes(daemon), { size: 2, cutoff: 1, bytes: 0, drain: 0 });
    });

    test('the cutoff counts from the first event, later ones do not put it off', limits, async (t) => {
        const { daemon, client } = await setUp(t, [trigger('slow', { size: 1000, cutoff: '2s' })]);
        const events = [];
        const start = performance.now();
        // One event every 200 ms, never 2 s of silence: only a clock from the first event ends it.
        while (client.messages.length === 0) {
            assert.ok(performance.now() - start < 8000, 'no batch although 2 s have long passed');
            events.push(newImage('team/app'));
            await daemon.accept([events.at(-1)]);
            await pause(200);
        }
        assert.ok(performance.now() - start > 1900);
        events.push(newImage('team/app'));
        await daemon.accept([events.at(-1)]);
        const second = (await client.first(2))[1];
        const got = [...digests(client.messages[0]), ...digests(second)];
        assert.ok(digests(client.messages[0]).length > 1);
        assert.deepEqual(got, digestsOf(events));
        assert.deepEqual(await flushes(daemon), { size: 0, cutoff: 2, bytes: 0, drain: 0 });
    });

    test('a thousand events of one envelope are split by bytes, in order', limits, async (t) => {
        const { daemon, client } = await setUp(t, [trigger('big', { size: 1000, cutoff: '1s' })]);
        const events = Array.from({ length: 1000 }, (_, i) =>
            push('team/app', digestOf(`big ${i}`), i % 2 ? `v${i}` : undefined),
        );
        const got = await daemon.accept(events);
        assert.deepEqual(got.json, { accepted: 1000, ignored: 0, duplicates: 0 });
        const expected = events.flatMap(({ target: { digest, tag } }) =>
            tag
                ? [
                      ['CreateImage', 'team/app', digest, tag],
                      ['CreateImageTag', 'team/app', digest, tag],
                  ]
                : [['CreateImage', 'team/app', digest, '']],
        );
        const seen = () => client.messages.flatMap((text) => readMessage(text)).length;
        await until('all events', () => seen() >= expected.length);
        assert.deepEqual(summary(client.messages), expected);
        const ids = client.messages.flatMap((text) => readMessage(text)).map((e) => e.id);
        assert.deepEqual(ids, [...new Set(ids)].sort(), 'every id once, in order');

        const sizes = client.messages.map((text) => Buffer.byteLength(text));
        const largest = Math.max(...client.messages.flatMap((text) =>
            JSON.parse(text).messages.map((m) => Buffer.byteLength(JSON.stringify(m)))));
        for (const [i, size] of sizes.entries()) {
            assert.ok(size <= LIMIT, `message ${i} has ${size} bytes`);
            if (i < sizes.length - 1)
                assert.ok(size + 1 + largest > LIMIT, `message ${i} of ${size} bytes had room`);
        }
        const flushed = await flushes(daemon);
        assert.equal(flushed.bytes, sizes.length - 1);
        assert.equal(flushed.bytes + flushed.cutoff + flushed.size, sizes.length);
        assert.ok(sizes.length >= 5);
    });

    test('the bytes of a path with a smaller limit', limits, async (t) => {
        const { daemon, client } = await setUp(
            t,
            [trigger('small', { size: 100, cutoff: '1s' })],
            ['/'],
            { gateway: { paths: [{ path: '/', max_message_bytes: 4096 }] } },
        );
        const events = Array.from({ length: 30 }, () => newImage('team/app'));
        await daemon.accept(events);
        await until('all events', () => client.messages.flatMap(digests).length >= 30);
        assert.deepEqual(client.messages.flatMap(digests), digestsOf(events));
        for (const text of client.messages) assert.ok(Buffer.byteLength(text) <= 4096);
        assert.ok(client.messages.length >= 4);
    });

    test('more messages at once than a path keeps do not cut a client that reads', limits, async (t) => {
        const { daemon, client } = await setUp(t, [trigger('singly', { size: 1 })]);
        const events = Array.from({ length: 2500 }, (_, i) => push('team/app', digestOf(`burst ${i}`)));
        await daemon.accept(events);
        const got = await client.first(events.length);
        assert.deepEqual(got.flatMap(digests), digestsOf(events));
        assert.equal((await daemon.metrics()).get('regcast_slow_consumers_total'), 0);
    });

    test('events keep their order within a trigger, over many requests', limits, async (t) => {
        const { daemon, client } = await setUp(t, [trigger('seven', { size: 7, cutoff: '1s' })]);
        const events = [];
        for (let i = 0; i < 60; i++) {
            const some = Array.from({ length: 1 + (i % 5) }, () => newImage('team/app'));
            events.push(...some);
            await daemon.accept(some);
        }
        await until('all events', () => client.messages.flatMap(digests).length >= events.length);
        assert.deepEqual(client.messages.flatMap(digests), digestsOf(events));
        for (const text of client.messages) assert.ok(digests(text).length <= 7);
    });
});

describe('filters', () => {
    // Each filter has a path of its own; what arrives on it is what the filter let through.
    const filters = {
        '/any': {},
        '/bare': { image_name: 'team/app' },
        '/full': { image_name: `${REGISTRY}/team/app` },
        '/tag': { tag: 'v1' },
        '/both': { image_name: 'team/app', tag: 'v1' },
        '/empty': { image_name: '', tag: '' },
        '/types': { types: ['DELETE_IMAGE', 'DELETE_IMAGE_TAG'] },
        '/registry': { registry: 'crtregistry000000002' },
        '/prefix': { image_name: 'team' },
        '/case': { image_name: 'Team/App' },
        '/foreign': { image_name: 'crtregistry000000002/team/app' },
    };

    test('by name in both forms, by tag, by both, by type, by registry', limits, async (t) => {
        const paths = Object.keys(filters);
        const { daemon, clients } = await setUp(
            t,
            [
                ...paths.map((path) => trigger(`t-${path.slice(1)}`, { path, ...filters[path] })),
                ...paths.map((path) =>
                    trigger(`m-${path.slice(1)}`, { path, image_name: 'marker', registry: REGISTRY }),
                ),
            ],
            paths,
            { registries: [{ id: REGISTRY }, { id: 'crtregistry000000002' }] },
        );
        const [one, two] = [digestOf('filter one'), digestOf('filter two')];
        await daemon.accept([push('team/app', one, 'v1')]);
        await daemon.accept([push('team/app', one, 'v2')]);
        await daemon.accept([push('team/app/sub', one, 'v1')]);
        await daemon.accept([push('app', one, 'v1')]);
        await daemon.accept([push('team/app', two, 'v1')]);
        await daemon.accept([push('marker', one)]);

        const create = ['CreateImage', 'CreateImageTag'];
        const both = (repo, digest, tag) => create.map((type) => [type, repo, digest, tag]);
        const app = [
            ...both('team/app', one, 'v1'),
            ['CreateImageTag', 'team/app', one, 'v2'],
        ];
        const moved = [
            ['CreateImage', 'team/app', two, 'v1'],
            ['DeleteImageTag', 'team/app', one, 'v1'],
            ['CreateImageTag', 'team/app', two, 'v1'],
        ];
        const others = [...both('team/app/sub', one, 'v1'), ...both('app', one, 'v1')];
        const marker = ['CreateImage', 'marker', one, ''];
        const v1 = (events) => events.filter((e) => e[3] === 'v1');
        const expected = {
            '/any': [...app, ...others, ...moved, marker, marker],
            '/bare': [...app, ...moved, marker],
            '/full': [...app, ...moved, marker],
            '/tag': [...v1(app), ...others, ...moved, marker],
            '/both': [...v1(app), ...moved, marker],
            '/empty': [...app, ...others, ...moved, marker, marker],
            '/types': [moved[1], marker],
            '/registry': [marker],
            '/prefix': [marker],
            '/case': [marker],
            '/foreign': [marker],
        };
        for (const path of paths) {
            await clients[path].first(expected[path].length).catch((error) => {
                throw new Error(`${path}: ${error.message}`);
            });
            assert.deepEqual(summary(clients[path].messages), expected[path], path);
        }
        const m = await daemon.metrics();
        assert.equal(m.get('regcast_events_total', { outcome: 'unmatched' }), 0);
        assert.equal(m.get('regcast_events_total', { type: 'CreateImageTag', outcome: 'matched' }), 5);
    });

    test('an event no trigger wants is counted as unmatched', limits, async (t) => {
        const { daemon, client } = await setUp(t, [trigger('one', { image_name: 'wanted' })]);
        await daemon.accept([newImage('unwanted')]);
        await daemon.accept([newImage('wanted')]);
        assert.deepEqual(summary(await client.first(1)).map((e) => e[1]), ['wanted']);
        const m = await daemon.metrics();
        const type = 'CreateImage';
        assert.equal(m.get('regcast_events_total', { type, outcome: 'unmatched' }), 1);
        assert.equal(m.get('regcast_events_total', { type, outcome: 'matched' }), 1);
        assert.equal(client.messages.length, 1);
    });
});

test('several triggers on one path each send their own batch', limits, async (t) => {
    const { daemon, client } = await setUp(t, [
        trigger('singly', { size: 1 }),
        trigger('pairs', { size: 2, cutoff: '60s' }),
        trigger('elsewhere', { image_name: 'nobody/pushes/this' }),
    ]);
    const events = Array.from({ length: 4 }, () => newImage('team/app'));
    await daemon.accept(events);
    const got = (await client.first(6)).map(digests);
    const d = digestsOf(events);
    assert.deepEqual(got.filter((one) => one.length === 1).flat(), d);
    assert.deepEqual(
        got.filter((one) => one.length === 2),
        [d.slice(0, 2), d.slice(2)],
    );
    assert.equal(client.messages.length, 6);
});

test('one event goes to several paths, with the same id', limits, async (t) => {
    const paths = ['/a', '/b', '/c/{any}'];
    const daemon = await Daemon.start(
        makeConfig({ gateway: { paths }, triggers: paths.map((path, i) => trigger(`path-${i}`, { path })) }),
    );
    defer(t, () => daemon.stop());
    const clients = [];
    for (const path of ['/a', '/b', '/c/1', '/c/2']) {
        clients.push(await Client.open(daemon.url(path)));
        defer(t, () => clients.at(-1).close());
    }
    const event = newImage('team/app');
    await daemon.accept([event]);
    const texts = [];
    for (const c of clients) texts.push(...(await c.first(1)));
    assert.deepEqual(new Set(texts).size, 1, 'the same message everywhere');
    assert.deepEqual(digests(texts[0]), [event.target.digest]);
});

test('a trigger whose account lacks the role does not fire, and the log says so', limits, async (t) => {
    const accounts = [
        { id: BROADCASTER, roles: ['viewer', 'api-gateway.websocketBroadcaster'] },
        { id: 'ajeviewer0000000001', roles: ['viewer', 'api-gateway.websocketWriter'] },
        { id: 'ajenothing000000001', roles: [] },
    ];
    const { daemon, client } = await setUp(
        t,
        [
            trigger('may-not', { account: 'ajeviewer0000000001' }),
            trigger('may-not-either', { account: 'ajenothing000000001' }),
            trigger('may', { image_name: 'marker' }),
        ],
        ['/'],
        { service_accounts: accounts },
    );
    await daemon.accept([newImage('team/app')]);
    const marker = newImage('marker');
    await daemon.accept([marker]);
    assert.deepEqual(digests((await client.first(1))[0]), [marker.target.digest]);
    assert.equal(client.messages.length, 1);
    assert.equal((await daemon.metrics()).get('regcast_trigger_denied_total'), 4);
    for (const name of ['may-not', 'may-not-either']) {
        const said = daemon.logs.filter(
            (line) => line.trigger === name && /websocketBroadcaster/.test(JSON.stringify(line)),
        );
        assert.ok(said.length > 0, `no log line on ${name}: ${JSON.stringify(daemon.logs)}`);
        assert.ok(said.every((line) => line.level === 'warn' || line.level === 'error'));
    }
});

test('a traceparent becomes the tracing context', limits, async (t) => {
    const { daemon, client } = await setUp(t, [trigger('all')]);
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const cases = [
        ['00', trace, '00f067aa0ba902b7', '01', '67667974448284343'],
        ['00', trace, 'f0f067aa0ba902b7', '00', BigInt.asIntN(64, 0xf0f067aa0ba902b7n).toString()],
        ['cc', trace, '00f067aa0ba902b7', '01-more', '67667974448284343'],
    ];
    for (const [i, [version, id, parent, flags, decimal]] of cases.entries()) {
        const traceparent = [version, id, parent, flags].join('-');
        await daemon.accept([newImage('team/app')], { headers: { traceparent } });
        const [event] = readMessage((await client.first(i + 1)).at(-1));
        assert.equal(event.trace.trace_id, id, traceparent);
        assert.equal(event.trace.parent_span_id, decimal, traceparent);
        assert.match(event.trace.span_id, /^-?[1-9]\d{0,18}$/, traceparent);
        assert.notEqual(event.trace.span_id, decimal);
    }
    const broken = [
        '',
        'x',
        `00-${trace}-00f067aa0ba902b7`,
        `00-${trace.toUpperCase()}-00f067aa0ba902b7-01`,
        `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
        `00-${trace}-${'0'.repeat(16)}-01`,
        `ff-${trace}-00f067aa0ba902b7-01`,
        `00-${trace}-00f067aa0ba902b7-01-more`,
    ];
    for (const [i, traceparent] of broken.entries()) {
        await daemon.accept([newImage('team/app')], { headers: { traceparent } });
        const [event] = readMessage((await client.first(cases.length + i + 1)).at(-1));
        const none = { parent_span_id: '', span_id: '', trace_id: '' };
        assert.deepEqual(event.trace, none, JSON.stringify(traceparent));
    }
});

test('an event sent again is a duplicate, an event set aside leaves the others', limits, async (t) => {
    const { daemon, client } = await setUp(t, [trigger('all')]);
    const [one, two, three] = [1, 2, 3].map(() => newImage('team/app'));
    await daemon.accept([one]);
    const again = await daemon.post([one, two]);
    assert.equal(again.status, 202);
    assert.equal(again.json.accepted, 1);
    assert.equal(again.json.ignored + again.json.duplicates, 1);
    const pull = { ...newImage('team/app'), action: 'pull' };
    const blob = newImage('team/app');
    blob.target.mediaType = 'application/octet-stream';
    const unknown = { ...newImage('team/app'), action: 'sneeze' };
    const mixed = await daemon.post([pull, blob, unknown, three]);
    assert.equal(mixed.status, 202);
    assert.deepEqual(mixed.json, { accepted: 1, ignored: 3, duplicates: 0 });
    assert.deepEqual((await client.first(3)).flatMap(digests), digestsOf([one, two, three]));
    const m = await daemon.metrics();
    const outcome = (name) => m.get('regcast_webhook_events_total', { outcome: name });
    assert.equal(outcome('accepted'), 3);
    assert.equal(outcome('ignored') + outcome('duplicate'), 4);
    assert.equal(outcome('set_aside'), 0);
});
