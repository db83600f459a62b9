// A registry sends again what it thinks was not taken: each event is broadcast once, however often
// and in whatever order it comes, over kills and restarts.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, describe, test } from 'node:test';
import {
    BROADCASTER,
    Client,
    Daemon,
    REGCASTD_FAST,
    REGISTRY,
    defer,
    digestOf,
    envelope,
    makeConfig,
    pause,
    push,
    readMessage,
    trigger,
    until,
} from './harness.mjs';
import {
    Follower,
    Ledger,
    ONE,
    Place,
    SEED,
    Totals,
    accountConfig,
    assertClean,
    below,
    judge,
    notStored,
    postOn,
    random,
    shuffled,
    storedMessages,
} from './ledger.mjs';

const limits = { timeout: 120000 };

describe('10,000 events, each sent three times in random order', () => {
    const EVENTS = 10000;
    const SENDERS = 6;
    const KILLS = 5;
    const totals = new Totals();
    after(() => console.log(`duplicates: ${totals}`));

    // Several senders that share one list; an envelope goes out until it is acknowledged.
    class Crowd {
        sentTwice = 0;
        posted = 0; // events in envelopes that were acknowledged
        #told = new Map(); // daemon -> what its answers said, in all

        constructor(place, ledger, rng) {
            Object.assign(this, { place, ledger, rng });
            this.agents = Array.from({ length: SENDERS }, () =>
                new http.Agent({ keepAlive: true, maxSockets: 1 }),
            );
        }

        run(list) {
            const rest = [...list];
            const lane = async (agent) => {
                while (rest.length > 0)
                    await this.#deliver(agent, rest.splice(0, 1 + below(this.rng, 30)));
            };
            return Promise.all(this.agents.map(lane));
        }

        async #deliver(agent, entries) {
            const body = envelope(entries.map(({ event }) => event));
            for (;;) {
                const daemon = await this.place.up();
                if (!daemon) return;
                const got = await postOn(agent, daemon, body);
                if (got?.status === 202) {
                    this.#count(daemon, got, entries);
                    return;
                }
                if (got && got.status !== 503) this.ledger.problems.push(got.text);
                this.sentTwice += entries.length;
                await pause(5);
            }
        }

        told(daemon) {
            if (!this.#told.has(daemon)) this.#told.set(daemon, { accepted: 0, duplicates: 0 });
            return this.#told.get(daemon);
        }

        #count(daemon, got, entries) {
            const { accepted, duplicates, ignored, ...rest } = got.body;
            if (accepted + duplicates !== entries.length || ignored || Object.keys(rest).length)
                this.ledger.problems.push(`${entries.length} events: ${got.text}`);
            this.posted += entries.length;
            this.told(daemon).accepted += accepted;
            this.told(daemon).duplicates += duplicates;
            for (const entry of entries) this.ledger.ack(entry);
        }

        stop() {
            for (const agent of this.agents) agent.destroy();
        }
    }

    async function outcomes(daemon) {
        const m = await daemon.metrics();
        const of = (outcome) => m.get('regcast_webhook_events_total', { outcome });
        return { accepted: of('accepted'), duplicates: of('duplicate') };
    }

    test('with kills in between and a clean restart: one broadcast each', limits, async (t) => {
        const rng = random(SEED);
        const place = new Place({ bin: REGCASTD_FAST, config: accountConfig([ONE]) });
        const ledger = new Ledger('duplicates');
        for (let i = 0; i < EVENTS; i++) ledger.add(i);
        const crowd = new Crowd(place, ledger, rng);
        const follower = new Follower(place, ONE, rng);
        let failed = true;
        try {
            await place.start();
            await follower.begin();
            const thrice = shuffled(rng, [1, 2, 3].flatMap(() => ledger.entries));
            const sent = crowd.run(thrice);
            for (let i = 1; i <= KILLS; i++) {
                const at = (i * thrice.length) / (KILLS + 1) - below(rng, 1000);
                await until(() => `${at} events (${crowd.posted})`, () => crowd.posted >= at, 60000);
                await place.kill();
                assert.deepEqual(notStored(place.dataDir, ledger), [], 'acknowledged, not stored');
                await place.start();
            }
            await sent;
            assert.deepEqual(await outcomes(place.daemon), crowd.told(place.daemon));

            await place.daemon.stop();
            await place.start();
            await crowd.run(shuffled(rng, ledger.entries));
            assert.deepEqual(crowd.told(place.daemon), { accepted: 0, duplicates: EVENTS });
            assert.deepEqual(await outcomes(place.daemon), { accepted: 0, duplicates: EVENTS });

            await follower.has(EVENTS);
            follower.finish();
            await place.daemon.stop();
            const stored = storedMessages(place.dataDir);
            const account = judge({ ledger, stored, followers: [follower], paths: [ONE] });
            totals.add({ account, place, ledger, load: crowd, followers: [follower] });
            assertClean(account, ledger);
            assert.equal(stored.get(ONE).length, EVENTS);
            assert.equal(place.kills, KILLS);
            assert.equal(crowd.posted, 4 * EVENTS);
            t.diagnostic(`${crowd.posted} events acknowledged, ${EVENTS} broadcast once each`);
            failed = false;
        } finally {
            place.closed = true;
            crowd.stop();
            follower.finish();
            place.daemon?.child.kill('SIGKILL');
            place.remove('duplicates', failed);
        }
    });
});

describe('what is a duplicate', () => {
    const OTHER = 'crtregistry000000002';

    async function setUp(t) {
        const both = [REGISTRY, OTHER];
        const config = makeConfig({
            registries: both.map((id) => ({ id, kind: 'distribution' })),
            triggers: both.map((registry, i) =>
                trigger(`of-${i}`, { registry, types: ['CREATE_IMAGE'], account: BROADCASTER }),
            ),
        });
        const daemon = await Daemon.start(config);
        defer(t, () => daemon.stop());
        const client = await Client.open(daemon.url('/'));
        defer(t, () => client.close());
        return { daemon, client, config };
    }

    const digestsOf = (texts, registry) =>
        texts.flatMap((text) => readMessage(text, registry)).map(({ digest }) => digest);
    const pushWith = (id, what) => ({ ...push('team/app', digestOf(what)), id });

    test('the same event id twice in one envelope', limits, async (t) => {
        const { daemon, client } = await setUp(t);
        const [first, again, other] = [
            pushWith('same', 'first'),
            pushWith('same', 'another image under the same id'),
            pushWith('other', 'other'),
        ];
        const got = await daemon.post([first, again, other]);
        assert.equal(got.status, 202);
        assert.deepEqual(got.json, { accepted: 2, ignored: 0, duplicates: 1 });
        const expected = [first, other].map((event) => event.target.digest);
        assert.deepEqual(digestsOf(await client.first(2)), expected);
        const m = await daemon.metrics();
        assert.equal(m.get('regcast_webhook_events_total', { outcome: 'duplicate' }), 1);
        assert.equal(m.get('regcast_webhook_events_total', { outcome: 'accepted' }), 2);
    });

    test('the same event id from another registry is none', limits, async (t) => {
        const { daemon, client } = await setUp(t);
        const event = pushWith('same', 'an image of two registries');
        for (const registry of [REGISTRY, OTHER])
            assert.deepEqual((await daemon.post([event], { registry })).json, {
                accepted: 1,
                ignored: 0,
                duplicates: 0,
            });
        for (const registry of [REGISTRY, OTHER])
            assert.deepEqual((await daemon.post([event], { registry })).json, {
                accepted: 0,
                ignored: 0,
                duplicates: 1,
            });
        const [one, two] = await client.first(2);
        assert.deepEqual(digestsOf([one], REGISTRY), [event.target.digest]);
        assert.deepEqual(digestsOf([two], OTHER), [event.target.digest]);
    });

    test('an event without an id never is', limits, async (t) => {
        const { daemon, client } = await setUp(t);
        const events = ['a', 'b'].map((what) => {
            const { id, ...rest } = push('team/app', digestOf(`nameless ${what}`));
            assert.ok(id);
            return rest;
        });
        assert.deepEqual((await daemon.post(events)).json, { accepted: 2, ignored: 0, duplicates: 0 });
        const expected = events.map((event) => event.target.digest);
        assert.deepEqual(digestsOf(await client.first(2)), expected);
    });

    test('what was refused is none when it comes again', limits, async (t) => {
        const { daemon, client } = await setUp(t);
        const event = pushWith('refused', 'refused at first');
        const refused = await daemon.post([event], { registry: 'crtregistry000000009' });
        assert.equal(refused.status, 404);
        assert.deepEqual((await daemon.post([event])).json, { accepted: 1, ignored: 0, duplicates: 0 });
        await client.first(1);
    });

    // The second must not be told "taken" while the first may still come to nothing.
    test('the same event on many connections at once', limits, async (t) => {
        const { daemon, client } = await setUp(t);
        const ROUNDS = 30;
        for (let i = 0; i < ROUNDS; i++) {
            const event = pushWith(`at once ${i}`, `at once ${i}`);
            const answers = await Promise.all(Array.from({ length: 4 }, () => daemon.post([event])));
            const taken = answers.map(({ json }) => json.accepted).sort();
            assert.deepEqual(taken, [0, 0, 0, 1], JSON.stringify(answers.map(({ json }) => json)));
        }
        await client.first(ROUNDS);
        await pause(50);
        assert.equal(client.messages.length, ROUNDS);
    });
});
