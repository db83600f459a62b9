// Broadcasts to clients with and without permessage-deflate on one path: the same messages, each
// deflated once, and only while somebody wants it.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, Daemon, defer, makeConfig, newImage, trigger, until } from './harness.mjs';

const DEFLATE = { perMessageDeflate: { threshold: Infinity } }; // ours go out plain

test('a mixed path gives everybody the same messages', { timeout: 60000 }, async (t) => {
    const daemon = await Daemon.start(
        makeConfig({
            gateway: { deflate: true },
            triggers: [trigger('batches', { size: 10, cutoff: '60s' }), trigger('singles')],
        }),
    );
    defer(t, () => daemon.stop());
    const images = (n) => Array.from({ length: n }, () => newImage('team/app'));
    const plain = [await Client.open(daemon.url()), await Client.open(daemon.url())];
    defer(t, () => plain.forEach((c) => c.terminate()));
    await daemon.accept(images(10)); // 10 single messages and one of 10 events
    for (const c of plain) await c.first(11);
    let m = await daemon.metrics();
    assert.equal(m.get('regcast_deflate_connections', { path: '/' }), 0);
    assert.equal(m.get('regcast_deflated_messages_total'), 0); // nobody wants it

    const packed = await Promise.all(Array.from({ length: 4 }, () => Client.open(daemon.url(), DEFLATE)));
    defer(t, () => packed.forEach((c) => c.terminate()));
    for (const c of packed) assert.match(c.socket.extensions, /permessage-deflate/);
    m = await daemon.metrics();
    assert.equal(m.get('regcast_deflate_connections', { path: '/' }), packed.length);
    const before = { sent: m.get('regcast_bytes_sent_total'), frames: m.get('regcast_frames_sent_total') };
    for (let i = 0; i < 20; i++) await daemon.accept(images(10));
    const want = (await plain[0].first(11 + 220)).slice(11);
    for (const c of plain) assert.deepEqual((await c.first(11 + 220)).slice(11), want);
    for (const c of packed) assert.deepEqual(await c.first(220), want);

    const length = want.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    m = await until('all to be counted', async () => {
        const now = await daemon.metrics();
        return now.get('regcast_frames_sent_total') - before.frames === 6 * 220 && now;
    });
    const [n, into, out] = ['deflated_messages', 'deflate_in_bytes', 'deflate_out_bytes'].map((name) =>
        m.get(`regcast_${name}_total`),
    );
    assert.equal(n, 220); // once each, not once a client
    assert.ok(into >= length && into <= length + 10 * 220, `${into} bytes, messages have ${length}`);
    assert.ok(out < into * 0.8, `${out} of ${into} bytes`);
    // A sweep may have come between a message and its deflated form, so a little more is fine.
    const sent = (m.get('regcast_bytes_sent_total') - before.sent - plain.length * into) / packed.length;
    assert.ok(sent >= out && sent < out + (into - out) / 4, `${sent} bytes a client, deflated ${out} of ${into}`);

    for (const c of packed) await c.close();
    await until('them to be gone', async () => (await daemon.metrics()).get('regcast_deflate_connections') === 0);
    await daemon.accept(images(10));
    for (const c of plain) await c.first(11 + 231);
    assert.equal((await daemon.metrics()).get('regcast_deflated_messages_total'), 220);
});
