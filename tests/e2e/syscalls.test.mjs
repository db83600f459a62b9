// The release build is killed right before system calls that write, sync or send, whichever place in
// the code they come from: strace counts them, thread by thread, and kills at the n-th.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, test } from 'node:test';
import { REGCASTD_FAST } from './harness.mjs';
import { Place, SEED, SWEEP, Totals, below, inParallel, random, underStrace } from './ledger.mjs';
import { Tour } from './tour.mjs';

const WIDTH = 2; // daemons at a time
const EVENTS = 80; // of a tour that needs no more

// Calls that change what is on disk or what others have been told: how often the busiest thread
// makes each in a tour of EVENTS, at which numbers a sweep cuts it off, and how many of these are in
// the sample that is always tested. Larger numbers need longer tours.
const CALLS = {
    pwrite64: { usual: 300, most: 2000, steps: 190, sample: 5 },
    sendto: { usual: 80, most: 600, steps: 70, sample: 2 },
    fdatasync: { usual: 10, most: 60, steps: 40, sample: 2 },
    write: { usual: 9, most: 9, steps: 9, sample: 1 },
    openat: { usual: 50, most: 50, steps: 25, sample: 1 },
    close: { usual: 45, most: 45, steps: 25, sample: 1 },
    accept4: { usual: 6, most: 6, steps: 6, sample: 0 },
    ftruncate: { usual: 3, most: 3, steps: 3, sample: 1 },
    rename: { usual: 1, most: 1, steps: 1, sample: 0 },
    mkdir: { usual: 1, most: 1, steps: 1, sample: 0 },
};

const totals = new Totals();
after(() => console.log(`system calls: ${totals}`));

const inject = (call, n) => ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${n}`];

// `steps` numbers from 1 to `most`: all of the first ones, then further and further apart.
function numbersUpTo(most, steps) {
    const all = new Set();
    for (let i = 0; i < steps; i++) all.add(Math.round(most ** (i / Math.max(1, steps - 1))));
    for (let n = 1; all.size < Math.min(steps, most); n++) all.add(n);
    return [...all];
}

// The call's number n in each thread: the first thread that gets there is where it happens.
async function killAt(call, n, seed) {
    const tour = new Tour({
        name: `${call}-${n}`,
        place: new Place({ bin: REGCASTD_FAST }),
        armed: { bin: underStrace(REGCASTD_FAST, inject(call, n)) },
        rng: random(seed),
        events: Math.ceil(EVENTS * Math.max(1, n / CALLS[call].usual)),
        totals,
    });
    try {
        return (await tour.run()).struck;
    } catch (error) {
        error.message = `${call} ${n}, seed ${seed}: ${error.message}`;
        throw error;
    }
}

test('strace can kill a program at a system call here', () => {
    const traced = underStrace('/bin/echo', inject('write', 1));
    const ran = spawnSync(traced, ['not killed'], { encoding: 'utf8', timeout: 10000 });
    const said = `${ran.error ?? ''} ${ran.stdout} ${ran.stderr}`;
    assert.equal(ran.signal, 'SIGKILL', `strace cannot trace here, so nothing is tested: ${said}`);
});

test('killed at system calls', { timeout: SWEEP ? 1800000 : 120000 }, async (t) => {
    const rng = random(SEED);
    const numbers = ({ usual, most, steps, sample }) =>
        SWEEP
            ? numbersUpTo(most, steps)
            : Array.from({ length: sample }, () => 1 + below(rng, Math.min(most, usual)));
    const all = Object.entries(CALLS).flatMap(([call, how]) => numbers(how).map((n) => [call, n]));
    const struckIn = {};
    const spared = [];
    await inParallel(WIDTH, all, async ([call, n]) => {
        const struck = await killAt(call, n, SEED + n);
        if (struck) struckIn[struck] = (struckIn[struck] ?? 0) + 1;
        else spared.push(`${call}:${n}`);
    });
    t.diagnostic(`${all.length} tours; struck in ${JSON.stringify(struckIn)}`);
    t.diagnostic(`with fewer calls: ${spared.join(' ') || 'none'}`);
    assert.ok(spared.length < all.length / 3, `${spared.length} of ${all.length} were not killed`);
});
