// Hours of faults: three nodes and three nats-servers, each a host of its own, of which all the time something is
// killed, stopped in its tracks, emptied or cut off, under load. Every few faults an account is closed and another
// begun. Fails when something acknowledged was lost, came twice, or out of order. Run by scripts/soak --cluster.
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { OF_NETWORK, OF_PROCESSES } from './cluster-faults.mjs';
import { Accounts, Cluster } from './cluster.mjs';
import { REGCASTD_FAST } from './harness.mjs';
import { SEED, below, shuffled } from './ledger.mjs';
import { hosts, inNamespaces, missing } from './netns.mjs';

const { values: options } = parseArgs({
    options: {
        minutes: { type: 'string', default: '360' },
        longest: { type: 'string', default: '60' }, // seconds of a fault
        inside: { type: 'boolean', default: false },
    },
});
const minutes = Number(options.minutes);
const FAULTS_OF_AN_ACCOUNT = 6;

if (!options.inside) {
    const why = missing();
    if (why) {
        console.log(`soak: ${why}`);
        process.exit(2);
    }
    const args = [...process.argv.slice(2), '--inside'];
    const ms = (minutes + 30) * 60000;
    const { status } = await inNamespaces(fileURLToPath(import.meta.url), args, ms, { REGCAST_SEED: String(SEED) }, 'inherit');
    process.exit(status ?? 1);
}

const all = await hosts('nats-1', 'nats-2', 'nats-3', 'node-1', 'node-2', 'node-3');
const servers = all.slice(0, 3), nodes = all.slice(3);
const cluster = await Cluster.start({
    bin: REGCASTD_FAST,
    nats: { places: servers.map((host) => host.server) },
    places: nodes.map((host) => host.node),
    seed: SEED,
    over: { nats: { history_count: 20000, history_age: '10m' } },
});
const FAULTS = { ...OF_PROCESSES, ...OF_NETWORK };
const end = performance.now() + minutes * 60000;
const clock = () => `${String(Math.round((performance.now() - end) / 60000 + minutes)).padStart(4)} min`;
console.log(`${minutes} minutes, ${Object.keys(FAULTS).length} kinds of faults of up to ${options.longest} s; seed ${SEED}`);

let names = [];
let acknowledged = 0;
try {
    for (let n = 0; performance.now() < end; n++) {
        const accounts = new Accounts(cluster, { seed: SEED + n * 100, rest: 250 });
        await accounts.begin();
        await accounts.goesOn();
        for (let i = 0; i < FAULTS_OF_AN_ACCOUNT && performance.now() < end; i++) {
            if (names.length === 0) names = shuffled(cluster.rng, Object.keys(FAULTS));
            const name = names.pop();
            const ms = 1000 * (1 + below(cluster.rng, Number(options.longest)));
            const before = accounts.acked;
            await FAULTS[name]({ cluster, accounts, servers, nodes }, ms);
            const during = accounts.acked - before;
            const healed = performance.now();
            await accounts.goesOn(20, 120000);
            console.log(`${clock()}: ${name} for ${ms / 1000} s: ${during} acknowledged meanwhile, 20 more after ${Math.round(performance.now() - healed)} ms`);
        }
        console.log(`${clock()}: ${await accounts.judge({ ms: 180000, fresh: false })}; memory ${cluster.memory()}`);
        acknowledged += accounts.acked;
    }
    await cluster.stop();
    console.log(`fine: ${acknowledged} acknowledged, none lost, none twice, all in order`);
    process.exit(0);
} catch (error) {
    console.log(`PROBLEM: ${error.stack}\nseed ${SEED}\n${cluster.tail()}`);
    process.exit(1);
}
