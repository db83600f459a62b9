// /metrics, /healthz and /readyz, as scrapers and probes meet them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
    Client,
    Daemon,
    Raw,
    defer,
    handshake,
    makeConfig,
    newImage,
    trigger,
    until,
} from './harness.mjs';
import { parseMetrics } from './prometheus.mjs';

const limits = { timeout: 60000 };

// What the issue asks to be visible, by the names of the daemon's own table.
const FAMILIES = {
    regcast_connections: 'gauge', // by path and worker
    regcast_connections_accepted_total: 'counter',
    regcast_handshakes_total: 'counter',
    regcast_closes_total: 'counter',
    regcast_frames_sent_total: 'counter',
    regcast_bytes_sent_total: 'counter',
    regcast_batches_total: 'counter', // by flush reason
    regcast_events_total: 'counter', // by type and outcome
    regcast_webhook_requests_total: 'counter',
    regcast_webhook_events_total: 'counter',
    regcast_webhook_stale_total: 'counter',
    regcast_http_answers_total: 'counter', // webhook answers
    regcast_slow_consumers_total: 'counter',
    regcast_slow_consumer_actions_total: 'counter',
    regcast_reject_total: 'counter', // refusals by reason
    regcast_sweep_seconds: 'histogram',
    regcast_webhook_seconds: 'histogram',
    regcast_trigger_denied_total: 'counter',
    regcast_deflate_connections: 'gauge', // by path
    regcast_deflated_messages_total: 'counter',
    regcast_deflate_in_bytes_total: 'counter',
    regcast_deflate_out_bytes_total: 'counter',
    regcast_management_denied_total: 'counter',
};

test('the parser of these tests takes no nonsense', () => {
    const good = '# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} 2\na_total{x="\\"\\\\\\n"} 3\n';
    assert.equal(parseMetrics(good).get('a_total'), 5);
    assert.equal(parseMetrics(good).get('a_total', { x: '"\\\n' }), 3);
    for (const [bad, why] of [
        ['a_total 1\n', 'no TYPE'],
        [good.slice(0, -1), 'no newline at the end'],
        [`${good}a_total{x="1"} 4\n`, 'a series twice'],
        [`${good}b_total 1\n`, 'a sample of another family'],
        [good.replace('2\n', 'two\n'), 'no number'],
        [good.replace('x="1"', 'x=1'), 'no quotes'],
        [good.replace('counter', 'count'), 'no such type'],
        [`${good}# TYPE b gauge\n# HELP b B.\nb 1\n${good}`, 'a family in two places'],
        [good.replace('\n', '\r\n'), 'a carriage return'],
        ['# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n', 'buckets'],
        ['# HELP h H.\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n', 'count'],
    ])
        assert.throws(() => parseMetrics(bad), undefined, why);
});

test('/metrics has every family, and counts what happens', limits, async (t) => {
    const daemon = await Daemon.start(
        makeConfig({
            gateway: { paths: ['/', '/quo"te', '/back\\slash'].slice(0, 1).concat('/builds') },
            triggers: [trigger('root'), trigger('builds', { path: '/builds', image_name: 'nobody' })],
        }),
    );
    defer(t, () => daemon.stop());
    const got = await daemon.request('GET', '/metrics');
    assert.equal(got.status, 200);
    assert.match(got.headers['content-type'], /^text\/plain/);
    const first = parseMetrics(got.text);
    for (const [family, type] of Object.entries(FAMILIES))
        assert.equal(first.families.get(family)?.type, type, family);
    for (const worker of ['0', '1'])
        for (const path of ['/', '/builds'])
            assert.equal(first.samples('regcast_connections', { path, worker }).length, 1);
    assert.equal(first.get('regcast_connections'), 0);

    const clients = [await Client.open(daemon.url('/')), await Client.open(daemon.url('/'))];
    clients.push(await Client.open(daemon.url('/builds')));
    defer(t, () => clients.forEach((c) => c.terminate()));
    await daemon.accept([newImage('team/app'), newImage('team/app')]);
    for (const c of clients.slice(0, 2)) await c.first(2);
    const refused = await Raw.open(daemon.port);
    await refused.send(handshake('/nowhere'));
    assert.equal((await refused.answer()).status, 404);
    refused.destroy();
    await clients[0].close();

    const size = Buffer.byteLength(clients[1].messages[0]) + Buffer.byteLength(clients[1].messages[1]);
    const m = await until('the close to be counted', async () => {
        const now = await daemon.metrics();
        return now.get('regcast_connections') === 2 && now;
    });
    assert.equal(m.get('regcast_connections', { path: '/' }), 1);
    assert.equal(m.get('regcast_connections', { path: '/builds' }), 1);
    assert.equal(m.get('regcast_handshakes_total'), 3);
    assert.equal(m.get('regcast_closes_total', { by: 'peer' }), 1);
    assert.equal(m.get('regcast_frames_sent_total', { path: '/' }), 4);
    const bytes = m.get('regcast_bytes_sent_total', { path: '/' });
    assert.ok(bytes >= 2 * size && bytes <= 2 * size + 4 * 10, `${bytes} bytes, messages have ${2 * size}`);
    assert.equal(m.get('regcast_frames_sent_total', { path: '/builds' }), 0);
    assert.equal(m.get('regcast_batches_total', { reason: 'size' }), 2);
    assert.equal(m.get('regcast_events_total', { type: 'CreateImage', outcome: 'matched' }), 2);
    assert.equal(m.get('regcast_webhook_requests_total'), 1);
    assert.equal(m.get('regcast_webhook_events_total', { outcome: 'accepted' }), 2);
    assert.equal(m.get('regcast_http_answers_total', { listener: 'webhooks', code: '202' }), 1);
    assert.equal(m.get('regcast_http_answers_total', { listener: 'gateway', code: '101' }), 3);
    assert.equal(m.get('regcast_http_answers_total', { listener: 'gateway', code: '404' }), 1);
    assert.equal(m.get('regcast_reject_total', { listener: 'gateway', stage: 'head', reason: 'not_found' }), 1);
    assert.equal(m.get('regcast_webhook_seconds_count'), 1);
    assert.ok(m.get('regcast_sweep_seconds_count') >= 1);
    assert.ok(m.get('regcast_path_log_bytes', { path: '/' }) > 0);
    assert.equal(m.get('regcast_path_log_messages', { path: '/' }), 2);
    for (const [name, family] of first.families)
        if (family.type === 'counter')
            for (const s of family.samples)
                assert.ok(m.get(name, s.labels) >= s.value, `${name} went back`);
});

test('/healthz, /readyz, and what else is on the webhooks listener', limits, async (t) => {
    const daemon = await Daemon.start(makeConfig());
    defer(t, () => daemon.stop());
    for (const path of ['/healthz', '/readyz', '/metrics']) {
        const got = await daemon.request('GET', path);
        assert.equal(got.status, 200, path);
        const head = await daemon.request('HEAD', path);
        assert.equal(head.status, 200, path);
        assert.equal(head.text, '', path);
        assert.ok(Number(head.headers['content-length']) > 0, path);
        for (const method of ['POST', 'DELETE']) {
            const refused = await daemon.request(method, path);
            assert.equal(refused.status, 405, `${method} ${path}`);
            assert.match(refused.headers.allow, /GET/);
        }
        assert.equal((await daemon.request('GET', `${path}/`)).status, 404, `${path}/`);
    }
    for (const path of ['/', '/registries', '/registries/', '/registries/x', '/metrics/x', '/Healthz'])
        assert.equal((await daemon.request('GET', path)).status, 404, path);
    // The gateway's listener serves WebSocket paths alone.
    for (const path of ['/healthz', '/readyz', '/metrics'])
        assert.equal((await daemon.request('GET', path, { port: daemon.port })).status, 404, path);
    // A connection may be used again.
    const raw = await Raw.open(daemon.webhookPort);
    defer(t, () => raw.destroy());
    for (let i = 0; i < 3; i++) {
        await raw.send('GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n');
        await raw.wait('an answer', () => raw.responses.length === i + 1);
        assert.equal(raw.last.status, 200);
        assert.equal(raw.done, false);
    }
});
