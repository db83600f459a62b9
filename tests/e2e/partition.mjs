// Run by cluster-partition.test.mjs in namespaces of its own: three nats-servers and three nodes, each a host, and
// faults of the network between them, one after the other, under load. Arguments: the seconds each lasts, then
// the names of the faults.
import { OF_NETWORK } from './cluster-faults.mjs';
import { Accounts, Cluster } from './cluster.mjs';
import { REGCASTD_FAST } from './harness.mjs';
import { SEED } from './ledger.mjs';
import { hosts } from './netns.mjs';

const [seconds, ...names] = process.argv.slice(2);
const all = await hosts('nats-1', 'nats-2', 'nats-3', 'node-1', 'node-2', 'node-3');
const servers = all.slice(0, 3), nodes = all.slice(3);
const cluster = await Cluster.start({
    bin: REGCASTD_FAST,
    nats: { places: servers.map((host) => host.server) },
    places: nodes.map((host) => host.node),
    seed: SEED,
});
const accounts = new Accounts(cluster, { seed: SEED });
try {
    await accounts.begin();
    await accounts.goesOn(20);
    for (const name of names) {
        const before = accounts.acked;
        await OF_NETWORK[name]({ cluster, accounts, servers, nodes }, Number(seconds) * 1000);
        const during = accounts.acked - before;
        const healed = performance.now();
        await accounts.goesOn(20, 60000);
        console.log(`${name}: ${during} acknowledged meanwhile, 20 more ${Math.round(performance.now() - healed)} ms after it`);
    }
    console.log(`${await accounts.judge({ ms: 90000 })}; seed ${SEED}`);
    await cluster.stop();
    process.exit(0);
} catch (error) {
    console.log(`${error.stack}\nseed ${SEED}\n${cluster.tail()}`);
    process.exit(1);
}
