// The release build is killed right before system calls that write, sync or send, whichever place in
// the code they come from: strace counts them, thread by thread, and kills at the n-th.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, test } from 'node:test';
import { REGCASTD_FAST } from './harness.mjs';
import { Place, SEED, SWEEP, Totals, below, inParallel, random, shuffled, underStrace } from './ledger.mjs';
import { Tour } from './tour.mjs';

const WIDTH = 2; // daemons at a time
const SAMPLE = 12;
const SAMPLE_MS = 25000;

// The calls that change what is on disk or what others have been told, and the highest n at which
// each is cut off in the sweep: as often as the busiest thread makes them in a tour.
const CALLS = {
    pwrite64: 2000,
    fdatasync: 300,
    fsync: 6,
    write: 600,
    sendmsg: 600,
    unlink: 4,
    ftruncate: 10,
    openat: 40,
};
const STEPS = 45; // per call in the sweep

const totals = new Totals();
after(() => console.log(`system calls: ${totals}`));

const inject = (call, n) => ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${n}`];

// Up to `steps` numbers from 1 to `most`, dense at first, then further and further apart.
function numbersUpTo(most, steps) {
    const ratio = most ** (1 / steps);
    const all = new Set();
    for (let x = 1; all.size < Math.min(steps, most) && x <= most; x *= ratio)
        all.add(Math.max(Math.round(x), all.size + 1));
    return [...all];
}

async function killAt(call, n) {
    const rng = random(SEED + n);
    const tour = new Tour({
        name: `${call}-${n}`,
        place: new Place({ bin: REGCASTD_FAST }),
        armed: { bin: underStrace(REGCASTD_FAST, inject(call, n)) },
        rng,
        events: n > 200 ? 600 : 80,
        totals,
    });
    const { struck } = await tour.run();
    return struck;
}

test('strace can kill a program at a system call here', () => {
    const traced = underStrace('/bin/echo', inject('write', 1));
    const ran = spawnSync(traced, ['not killed'], { encoding: 'utf8', timeout: 10000 });
    const said = `${ran.error ?? ''} ${ran.stdout} ${ran.stderr}`;
    assert.equal(ran.signal, 'SIGKILL', `strace cannot trace here, so nothing is tested: ${said}`);
});

test('killed at system calls', { timeout: SWEEP ? 1500000 : 120000 }, async (t) => {
    const rng = random(SEED);
    const all = Object.entries(CALLS).flatMap(([call, most]) =>
        SWEEP
            ? numbersUpTo(most, STEPS).map((n) => [call, n])
            : [1, 2, 3].map(() => [call, 1 + below(rng, Math.min(most, 1 + below(rng, most)))]),
    );
    const struckIn = {};
    let spared = 0; // ended before the n-th call
    const end = performance.now() + SAMPLE_MS;
    const wanted = SWEEP ? all : shuffled(rng, all).slice(0, SAMPLE);
    const done = await inParallel(
        WIDTH,
        wanted,
        async ([call, n]) => {
            const struck = await killAt(call, n);
            if (struck) struckIn[struck] = (struckIn[struck] ?? 0) + 1;
            else spared++;
        },
        () => SWEEP || performance.now() < end,
    );
    t.diagnostic(`${done} tours, ${spared} with fewer calls; struck in ${JSON.stringify(struckIn)}`);
    assert.ok(spared < done / 2, `${spared} of ${done} were not killed by a system call`);
});
