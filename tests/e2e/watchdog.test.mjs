// A thread that does not come round: how late loops are is measured, and one that is stuck ends the
// process, which says where it was.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { Client, Daemon, REGCASTD, defer, makeConfig, newImage, pause, until } from './harness.mjs';
import { takeOver } from './takeover.mjs';

const limits = { timeout: 60000 };
const STUCK = 'a thread does not come round: ending';

async function start(t, over = {}, options = {}) {
    const daemon = await Daemon.start(makeConfig({ watchdog_timeout: '1s', ...over }), options);
    defer(t, () => daemon.stop());
    return daemon;
}

// The functions of ours in a log line's stack, as an operator finds them out.
function functions(stack) {
    const at = stack.split(' ').filter((one) => one.startsWith('regcastd+')).map((one) => one.slice(9));
    assert.ok(at.length > 2, stack);
    return spawnSync('addr2line', ['-fe', REGCASTD, ...at], { encoding: 'utf8' }).stdout.split('\n');
}

// How often the lag of loops of that kind has been measured.
async function lags(daemon, loop) {
    return (await daemon.metrics()).get('regcast_loop_lag_seconds_count', { loop });
}

describe('a thread that is stuck (RL-28)', { concurrency: true }, () => {
    for (const [thread, point, where, stir] of [
        ['worker', 'conn.accept', 'on_readable', (d) => Client.open(d.url())],
        ['front', 'ingest.read', 'on_events_done', (d) => d.post([newImage('team/app')])],
    ])
        test(`ends the process, which says where: ${thread}`, limits, async (t) => {
            const daemon = await start(t, {}, { env: { REGCAST_STUCK: point }, errors: [STUCK] });
            const began = performance.now();
            const answer = stir(daemon).then(() => 'answered', () => 'nothing');
            await daemon.ends('SIGABRT');
            assert.equal(await answer, 'nothing');
            assert.ok(performance.now() - began > 900, 'it was given its time');
            const [line] = daemon.logged({ level: 'error', msg: STUCK });
            assert.equal(line.thread, thread);
            assert.equal(line.seconds, 1);
            const names = functions(line.stack);
            for (const name of ['crash_pass', where]) assert.ok(names.includes(name), names.join(' '));
        });

    test('is not one when it has ended after a takeover', limits, async (t) => {
        const config = makeConfig({ watchdog_timeout: '1s', gateway: { workers: 2, drain_timeout: '1h' } });
        const before = await Daemon.start(config);
        defer(t, () => before.stop());
        const client = await Client.open(before.url()); // of one worker: the other has none
        defer(t, () => client.terminate());
        const after = await takeOver(config);
        defer(t, () => after.stop());
        await pause(3000); // longer than watchdog_timeout
        await after.accept([newImage('team/app')]);
        await client.first(1);
        client.terminate();
        await before.ends(0);
    });

    test('is not one when the whole process stood still', limits, async (t) => {
        const daemon = await start(t);
        const client = await Client.open(daemon.url());
        defer(t, () => client.terminate());
        daemon.child.kill('SIGSTOP');
        await pause(2000); // longer than watchdog_timeout
        daemon.child.kill('SIGCONT');
        await daemon.accept([newImage('team/app')]);
        await client.first(1);
        await until('measurements afterwards', async () => (await lags(daemon, 'worker')) >= 6);
        assert.ok((await lags(daemon, 'front')) >= 2);
        assert.deepEqual(daemon.logged({ level: 'error' }), []);
    });
});
