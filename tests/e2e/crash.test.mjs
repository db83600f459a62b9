// The daemon is killed while registries send and clients listen: at every named point of its code,
// and at random. What was acknowledged must reach each client that comes back, once and in order.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { REGCASTD, REGCASTD_FAST, ROOT, pause } from './harness.mjs';
import {
    Follower,
    Ledger,
    Load,
    ONE,
    Place,
    SEED,
    SEVEN,
    SWEEP,
    Totals,
    assertClean,
    below,
    inParallel,
    judge,
    notStored,
    random,
    shuffled,
    storedMessages,
} from './ledger.mjs';
import * as changes from './changes.mjs';
import { whileLookingUp } from './lookups.mjs';
import * as scenarios from './scenarios.mjs';

const WIDTH = 2; // daemons at a time
const SAMPLE_MS = 15000; // for the sample of later passes, without SWEEP
const LATER = [2, 3, 10, 100];
const EVENTS = { 1: 60, 2: 60, 3: 60, 10: 160, 100: 1000 }; // of a tour that waits for pass n

const totals = new Totals();
after(() => console.log(`crash points and random kills: ${totals}`));

// Every point there is, so that none can be added and not be tested.
function pointsIn(...folders) {
    const points = new Set();
    for (const folder of folders)
        for (const file of readdirSync(join(ROOT, folder), { recursive: true })) {
            if (!file.endsWith('.c')) continue;
            const text = readFileSync(join(ROOT, folder, file), 'utf8');
            for (const [, point] of text.matchAll(/CRASH_POINT\("([^"]+)"\)/g)) points.add(point);
        }
    return [...points].sort();
}

// It takes 10,000 operations to come by, or a month; tests/property/test_store_kill.c kills there.
const FAR = 'store.records.trim';

// takeover.test.mjs kills there.
const OF_A_TAKEOVER = /^(handover|takeover)\./;

// cluster-move.test.mjs does.
const OF_A_MOVE = /^move\./;

const POINTS = pointsIn('broker', 'gateway').filter((point) => point !== FAR && !OF_A_TAKEOVER.test(point) && !OF_A_MOVE.test(point));

// Only a request of management takes the daemon past these,
const OF_MANAGEMENT = /^(pipeline\.changed?|store\.(record|trigger)\.delete)$/;
// and a change of a trigger also past these.
const OF_A_CHANGE = /^(engine\.changed?|journal\.(change|commit|committed)|store\.(record|commit\.before|commit\.after))$/;

// What takes the daemon past a point; the first line that its name fits counts.
const SCENARIOS = [
    [/^store\.checkpoint\./, scenarios.longTour],
    [/^store\.attempt$/, scenarios.afterDyingOverAWebhook],
    [/^store\.renumber\./, scenarios.withLongerMessages],
    [/^store\.mark$/, scenarios.withFailingSync],
    [/^(journal\.letter|store\.letter\.delete)$/, scenarios.withEventsThatKill],
    [/^store\.quarantine\./, scenarios.withADamagedStore],
    [/^store\.epoch\./, scenarios.withALostEnd],
    [/^store\.replace_catalog$/, scenarios.withACatalogReadAnew],
    [/^(reload\.|pipeline\.reload$|engine\.path$|journal\.path$)/, scenarios.whileReloading],
    [/^pipeline\.keep$/, scenarios.whileTokensAreRevoked],
    [/^store\.note\.(time|tombstone)$/, scenarios.whileNothingIsNew],
    [/^(completion\.|ingest\.complete$)/, whileLookingUp],
    [OF_MANAGEMENT, changes.whileTriggersChange],
    [/^/, scenarios.tour],
];

const usual = (point) => SCENARIOS.find(([names]) => names.test(point))[1];

async function strikeAt(point, n, scenario = usual(point)) {
    const name = `${point}-${n}`;
    try {
        const rng = random(SEED + n);
        const events = EVENTS[n];
        return await scenario({ point, n, name, bin: REGCASTD, rng, events, totals });
    } catch (error) {
        error.message = `${name}: ${error.message}`;
        throw error;
    }
}

const limits = { timeout: 120000 };

test('there are points to be killed at', () => {
    assert.ok(POINTS.length >= 40, `${POINTS.length} points: ${POINTS.join(' ')}`);
});

describe('killed at the first pass of', { concurrency: WIDTH }, () => {
    for (const point of POINTS)
        test(point, limits, async (t) => {
            const { struck } = await strikeAt(point, 1);
            assert.ok(struck, 'no scenario comes by this point');
            t.diagnostic(`struck in: ${struck}`);
        });
});

describe('killed while triggers change', { concurrency: WIDTH }, () => {
    const strikes = (points, passes) =>
        POINTS.filter((point) => points.test(point)).flatMap((point) => passes.map((n) => [point, n]));
    const sure = [
        ...strikes(OF_MANAGEMENT, SWEEP ? LATER : LATER.slice(0, 3)),
        ...strikes(/^pipeline\.changed$/, [4, 5, 7, 8]), // the first updates and pauses, batches being open
    ];
    const others = shuffled(random(SEED), strikes(OF_A_CHANGE, LATER.slice(2)));
    for (const [point, n] of [...sure, ...others.slice(0, SWEEP ? Infinity : 2)])
        test(`at pass ${n} of ${point}`, limits, async () => {
            const { struck } = await strikeAt(point, n, changes.whileTriggersChange);
            assert.ok(struck, 'too few changes');
        });
});

describe('killed while tokens are revoked', { concurrency: WIDTH }, () => {
    for (const point of ['engine.change', 'store.record', 'store.commit.before', 'store.commit.after', 'engine.changed'])
        test(`at ${point}`, { ...limits, skip: !SWEEP && point !== 'store.commit.after' && 'scripts/test --crash' }, async () => {
            const { struck } = await strikeAt(point, SWEEP ? 3 : 2, scenarios.whileTokensAreRevoked);
            assert.ok(struck, 'too few revocations');
        });
});

describe('killed while digests are looked up', { concurrency: WIDTH }, () => {
    const sure = ['store.record.delete', 'store.commit.after'];
    for (const point of [...sure, 'store.record', 'store.commit.before', 'engine.submit', 'engine.answer', 'ingest.answer'])
        test(`at ${point}`, { ...limits, skip: !SWEEP && !sure.includes(point) && 'scripts/test --crash' }, async () => {
            const { struck } = await strikeAt(point, SWEEP ? 3 : 2, whileLookingUp);
            assert.ok(struck, 'too few lookups');
        });
});

describe('killed at later passes', () => {
    const missed = [];
    const points = POINTS.filter((point) => !OF_MANAGEMENT.test(point));

    async function visit(point, n) {
        const { struck } = await strikeAt(point, n);
        if (!struck) missed.push(`${point}:${n}`);
        return struck;
    }

    test('of a sample of points', { ...limits, skip: SWEEP && 'all of them follow' }, async (t) => {
        const all = points.flatMap((point) => LATER.map((n) => [point, n]));
        const end = performance.now() + SAMPLE_MS;
        const done = await inParallel(
            WIDTH,
            shuffled(random(SEED), all),
            ([point, n]) => visit(point, n),
            () => performance.now() < end,
        );
        t.diagnostic(`${done} of ${all.length}; passed less often: ${missed.join(' ')}`);
        assert.ok(done > missed.length);
    });

    test('of all points', { timeout: 1500000, skip: !SWEEP && 'scripts/test --crash' }, async (t) => {
        await inParallel(WIDTH, points, async (point) => {
            for (const n of LATER) if (!(await visit(point, n))) return;
        });
        t.diagnostic(`passed less often: ${missed.join(' ')}`);
        assert.ok(missed.length < points.length);
    });
});

// ------------------------------------------------------------------------------- random kills

// A daemon under load that lives for a moment, `kills` times.
async function shortLives(lane, kills) {
    const rng = random(SEED + 1000 * lane);
    const place = new Place({ bin: REGCASTD_FAST });
    const ledger = new Ledger(`random ${lane}`);
    const load = new Load(place, ledger, rng, { senders: 6 });
    const followers = [
        new Follower(place, ONE, rng, { from: 'earliest' }),
        new Follower(place, SEVEN, rng, { from: 'earliest', v1: true }),
    ];
    let failed = true;
    try {
        await place.start();
        await Promise.all(followers.map((follower) => follower.begin()));
        const sent = load.run();
        for (let i = 0; i < kills; i++) {
            await pause(20 + below(rng, 300));
            await place.kill();
            const missing = notStored(place.dataDir, ledger);
            assert.deepEqual(missing, [], `acknowledged, but not in the store after kill ${i + 1}`);
            await place.start();
        }
        load.enough();
        await sent;
        let late = null;
        for (const one of followers) await one.has(ledger.due(one.path)).catch((e) => (late = e));
        for (const follower of followers) follower.finish();
        await place.daemon.stop();
        const account = judge({ ledger, stored: storedMessages(place.dataDir), followers });
        totals.add({ account, place, ledger, load, followers });
        assertClean(account, ledger);
        if (late) throw late;
        failed = false;
    } finally {
        place.closed = true;
        load.stop();
        for (const follower of followers) follower.finish();
        place.daemon?.child.kill('SIGKILL');
        place.remove(`random-${lane}`, failed);
    }
    return ledger.acked;
}

test('killed at random under load', { timeout: 300000 }, async (t) => {
    const kills = SWEEP ? 50 : 3;
    const acked = await Promise.all([1, 2].map((lane) => shortLives(lane, kills)));
    t.diagnostic(`${2 * kills} kills, ${acked.join(' + ')} acknowledged events`);
    assert.ok(acked.every((n) => n > 10 * kills), `acknowledged: ${acked}`);
});
