// Clients that are cut off and come back 200 times while 20,000 events go out, with the daemon killed
// five times in between, end with exactly the 20,000 in order.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { REGCASTD_FAST, until } from './harness.mjs';
import {
    Follower,
    Ledger,
    Load,
    ONE,
    Place,
    SEED,
    Totals,
    accountConfig,
    assertClean,
    below,
    judge,
    notStored,
    random,
    storedMessages,
} from './ledger.mjs';

const EVENTS = 20000;
const CUTS = 250; // where a cut and a kill fall together they are one: still more than 200 come back
const KILLS = 5;
const EACH = EVENTS / CUTS;

const totals = new Totals();
after(() => console.log(`200 resumes: ${totals}`));

test('200 resumes and 5 kills in 20,000 events', { timeout: 180000 }, async (t) => {
    const rng = random(SEED);
    const place = new Place({ bin: REGCASTD_FAST, config: accountConfig([ONE]) });
    const ledger = new Ledger('resume200');
    const load = new Load(place, ledger, rng, { senders: 1, most: 20, twins: 0 });
    const followers = [
        new Follower(place, ONE, rng, { back: 0 }),
        new Follower(place, ONE, rng, { back: 0, v1: true }),
    ];
    const killIn = new Set();
    while (killIn.size < KILLS) killIn.add(1 + below(rng, CUTS - 2));
    let failed = true;

    // One turn: events go out, and somewhere in the middle of them each client is cut off.
    async function turn(i) {
        const cuts = followers.map(async (one) => {
            const at = i * EACH + below(rng, EACH);
            await until(() => `event ${at} of a client (${one.events})`, () => one.events >= at);
            await one.cut();
        });
        const kill = async () => {
            const at = i * EACH + below(rng, EACH);
            await until(() => `event ${at} (${ledger.acked})`, () => ledger.acked >= at);
            await place.kill();
            assert.deepEqual(notStored(place.dataDir, ledger), [], 'acknowledged, but not stored');
            await place.start();
        };
        await Promise.all([load.run(EACH), killIn.has(i) ? kill() : null, ...cuts]);
    }

    try {
        await place.start();
        await Promise.all(followers.map((one) => one.begin()));
        for (let i = 0; i < CUTS; i++) await turn(i);
        for (const one of followers) await one.has(EVENTS);
        for (const one of followers) one.finish();
        await place.daemon.stop();

        const stored = storedMessages(place.dataDir);
        const account = judge({ ledger, stored, followers, paths: [ONE] });
        totals.add({ account, place, ledger, load, followers });
        assertClean(account, ledger);
        assert.equal(place.kills, KILLS);
        const numbers = Array.from({ length: EVENTS }, (_, n) => [String(n)]);
        const tagsOf = (text) => JSON.parse(text).messages.map(({ details }) => details.tag);
        for (const one of followers) {
            assert.deepEqual(one.texts.map(tagsOf), numbers);
            assert.ok(one.legs > 200, `${one.legs} connections`);
            assert.equal(one.again, 0, 'nothing came twice');
        }
        t.diagnostic(`${followers.map((one) => one.legs).join(' and ')} connections`);
        failed = false;
    } finally {
        place.closed = true;
        load.stop();
        for (const one of followers) one.finish();
        place.daemon?.child.kill('SIGKILL');
        place.remove('resume200', failed);
    }
});
