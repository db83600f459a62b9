// Half-open connections (security list RL-10): the other side is gone and no packet says so.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ROOT } from './harness.mjs';
import { SWEEP } from './ledger.mjs';

const may = spawnSync('unshare', ['-n', 'iptables', '-L'], { encoding: 'utf8' }).status === 0;

// The defaults are 25 s and 8 s: found after 35 s at most.
const TIMES = SWEEP ? [[2, 1], [25, 8]] : [[2, 1]];

describe('half-open connections', { skip: may ? false : 'needs a network namespace with iptables' }, () => {
    for (const [ping, pong] of TIMES)
        test(`are found with ping_interval ${ping} s and pong_timeout ${pong} s`, { timeout: 120000 }, () => {
            const ran = spawnSync('unshare', ['-n', process.execPath, join(ROOT, 'tests/e2e/halfopen.mjs'), String(ping), String(pong)], {
                encoding: 'utf8',
                timeout: 100000,
            });
            assert.equal(ran.status, 0, ran.stdout + ran.stderr);
            assert.match(ran.stdout, /^found after /m);
        });
});
