// Faults of the network between nodes and nats-servers, and between those (security list RL-23): nothing that was
// acknowledged is lost, nothing comes twice, clients see all of it in order.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { OF_NETWORK } from './cluster-faults.mjs';
import { ROOT } from './harness.mjs';
import { SEED, SWEEP } from './ledger.mjs';
import { inNamespaces, missing } from './netns.mjs';

const SAMPLE = ['a node is cut off, packets vanish', 'the leader is cut off from the other servers'];
const FAULTS = SWEEP ? Object.keys(OF_NETWORK) : SAMPLE;
const SECONDS = SWEEP ? 30 : 5;

describe('networks that break', { skip: missing() ?? false }, () => {
    test('between nodes and servers', { timeout: SWEEP ? 1200000 : 180000 }, async (t) => {
        const script = join(ROOT, 'tests/e2e/partition.mjs');
        const env = { REGCAST_SEED: String(SEED) };
        const { status, said } = await inNamespaces(script, [String(SECONDS), ...FAULTS], SWEEP ? 1150000 : 170000, env);
        assert.equal(status, 0, said);
        said.trim().split('\n').forEach((line) => t.diagnostic(line));
    });
});
