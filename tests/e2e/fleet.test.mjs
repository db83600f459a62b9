// Two thousand clients on one path each get each message exactly once and in order, while others
// come and go all the time.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
    Client,
    Daemon,
    REGCASTD_FAST,
    defer,
    digestOf,
    makeConfig,
    pause,
    push,
    until,
} from './harness.mjs';

const CLIENTS = 2000;
const MESSAGES = 200;
const CHURN = 150; // clients of the coming and going kind at any time

test(`${CLIENTS} clients, ${MESSAGES} messages, others joining and leaving`, { timeout: 150000 }, async (t) => {
    const daemon = await Daemon.start(
        makeConfig({ gateway: { paths: ['/', '/other'] } }),
        { bin: REGCASTD_FAST },
    );
    defer(t, () => daemon.stop());

    // Each message is one event whose tag is its number; -1 at the start.
    const numberIn = (text) => Number(/"tag":"n(\d+)"\}\}\]\}$/.exec(text)?.[1] ?? NaN);
    function watch(client, from) {
        client.next = from; // null: whatever comes first
        client.socket.on('message', (data) => {
            client.messages.length = 0; // counted, not kept
            const n = numberIn(data.toString('utf8'));
            if (client.next === null) client.next = n;
            if (n !== client.next) client.problem ??= `expected ${client.next}, got ${n}`;
            client.next = n + 1;
        });
        return client;
    }

    const fleet = [];
    defer(t, () => fleet.forEach((c) => c.terminate()));
    for (let i = 0; i < CLIENTS; i += 100)
        fleet.push(
            ...(await Promise.all(
                Array.from({ length: 100 }, async () => watch(await Client.open(daemon.url('/')), 0)),
            )),
        );
    assert.equal(new Set(fleet.map((c) => c.id)).size, CLIENTS);
    const elsewhere = await Client.open(daemon.url('/other'));
    defer(t, () => elsewhere.terminate());

    // Joiners begin with some message and miss none until they leave, in all the ways one can.
    const guests = new Set();
    defer(t, () => guests.forEach((c) => c.terminate()));
    let joined = 0;
    const problems = [];
    let going = true;
    async function visitor(i) {
        while (going) {
            const guest = watch(await Client.open(daemon.url('/')), null);
            guests.add(guest);
            joined++;
            await pause(20 + ((i * 37 + joined * 13) % 200));
            if (guest.problem) problems.push(guest.problem);
            guests.delete(guest);
            if (i % 3 === 0) guest.terminate();
            else if (i % 3 === 1) await guest.close().catch((error) => problems.push(error.message));
            else guest.socket.close();
        }
    }
    const visitors = Promise.all(Array.from({ length: CHURN }, (_, i) => visitor(i)));

    const digest = digestOf('fleet');
    await daemon.accept([{ ...push('fleet', digest), id: 'known' }]); // later pushes only add tags
    const start = performance.now();
    // The first message is the image itself; it has no tag, so nobody counts it.
    await until('the image', () => fleet.every((c) => Number.isNaN(c.next)));
    for (const c of fleet) {
        c.next = 0;
        delete c.problem;
    }
    for (let i = 0; i < MESSAGES; i++) {
        await daemon.accept([push('fleet', digest, `n${i}`)]);
        await pause(i % 4 === 0 ? 40 : 2); // alone and in bursts
    }
    const behind = () => fleet.filter((c) => c.next !== MESSAGES && !c.problem);
    await until(() => `everybody has everything; ${behind().length} have not`, () => behind().length === 0, 60000);
    const took = performance.now() - start;
    going = false;
    await visitors;

    assert.deepEqual([...new Set(fleet.map((c) => c.problem))], [undefined]);
    assert.ok(fleet.every((c) => c.closed === null));
    assert.deepEqual(problems.filter((p) => !/got NaN/.test(p)), []);
    assert.equal(elsewhere.messages.length, 0);
    assert.ok(joined > 2 * CHURN, `only ${joined} joined`);
    const m = await daemon.metrics();
    assert.ok(m.get('regcast_frames_sent_total', { path: '/' }) >= CLIENTS * (MESSAGES + 1));
    assert.equal(m.get('regcast_frames_sent_total', { path: '/other' }), 0);
    assert.equal(m.get('regcast_slow_consumers_total'), 0);
    const perWorker = m.samples('regcast_connections', { path: '/' }).map((s) => s.value);
    assert.ok(perWorker.every((n) => n > CLIENTS / 10), `connections by worker: ${perWorker}`);
    t.diagnostic(
        `${CLIENTS} x ${MESSAGES} in ${(took / 1000).toFixed(1)} s, ${joined} guests, ` +
            `${(m.get('regcast_frames_sent_total') / m.get('regcast_sends_total')).toFixed(2)} frames per send`,
    );
});
