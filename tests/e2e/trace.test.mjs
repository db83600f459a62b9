// A trace context from the webhook to the messages, the log and what is set aside, over batches and restarts.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Client, Daemon, REGISTRY, defer, makeConfig, newImage, readMessage, trigger, until } from './harness.mjs';

const limits = { timeout: 60000 };

function newTrace() {
    const id = randomBytes(16).toString('hex'), parent = `0${randomBytes(8).toString('hex').slice(1)}`;
    return { id, span: BigInt(`0x${parent}`).toString(), headers: { traceparent: `00-${id}-${parent}-01`, tracestate: 'rojo=00f067aa0ba902b7' } };
}

test('each event of a batch keeps its own, also over a kill', limits, async (t) => {
    const config = makeConfig({ triggers: [trigger('pairs', { size: 3, cutoff: '60s' })] });
    const daemon = await Daemon.start(config);
    defer(t, () => daemon.child.kill('SIGKILL'));
    const traces = [newTrace(), null, newTrace()];
    const post = (where, i) => where.accept([newImage('team/app', `trace ${i}`)], { headers: traces[i]?.headers ?? {} });
    await post(daemon, 0);
    await post(daemon, 1);
    const answered = await until('a line for each', () => {
        const lines = daemon.logged({ component: 'webhook', msg: 'answered' });
        return lines.length === 2 && lines;
    });
    assert.deepEqual(answered.map((line) => line.trace_id), [traces[0].id, undefined]);
    const end = daemon.ends('SIGKILL');
    daemon.child.kill('SIGKILL');
    await end;
    const again = await Daemon.start(config);
    defer(t, () => again.stop());
    const client = await Client.open(again.url('/'));
    defer(t, () => client.terminate());
    await post(again, 2);
    const [text] = await client.first(1);
    const events = readMessage(text);
    assert.deepEqual(events.map((e) => e.trace.trace_id), [traces[0].id, '', traces[2].id]);
    assert.deepEqual(events.map((e) => e.trace.parent_span_id), [traces[0].span, '', traces[2].span]);
    assert.equal(new Set(events.map((e) => e.trace.span_id)).size, 3, 'a span each');
    assert.ok(!text.includes('rojo'), 'no tracestate');
    const batch = await until('its line', () => again.logged({ component: 'broker', msg: 'batch' })[0]);
    assert.equal(batch.trace_id, traces[0].id, 'of the first event');
});

test('what is set aside goes on in its trace when it is understood', limits, async (t) => {
    const config = makeConfig({ registries: [{ id: REGISTRY, kind: 'quay' }] });
    const daemon = await Daemon.start(config);
    defer(t, () => daemon.stop());
    const client = await Client.open(daemon.url('/'));
    defer(t, () => client.terminate());
    const trace = newTrace();
    const got = await daemon.post([newImage('team/app')], { headers: trace.headers });
    assert.equal(got.json.set_aside, 1, got.text);
    config.registries[0].kind = 'distribution';
    writeFileSync(daemon.file, JSON.stringify(config), { mode: 0o600 });
    assert.equal((await daemon.manage('POST', '/admin/v1/reload')).status, 200);
    const { letters } = (await daemon.manage('GET', '/registries/v1/letters')).json;
    const replayed = await daemon.manage('POST', `/registries/v1/letters/${letters[0].id}:replay`);
    assert.equal(replayed.status, 200, replayed.text);
    const [event] = readMessage((await client.first(1))[0]);
    assert.equal(event.trace.trace_id, trace.id);
    assert.equal(event.trace.parent_span_id, trace.span);
});
