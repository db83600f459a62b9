// SIGTERM whatever the journal is at: the process ends, in time and with the right code.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Client, REGCASTD, defer, makeConfig, newImage, pause, until } from './harness.mjs';
import { Service, holdLock } from './journal.mjs';

const limits = { timeout: 60000 };
const NOT_SETTLED = 'the journal did not settle in time: what is not safe stays for the next start';
const HANGS = 'something hangs: leaving without it';

describe('SIGTERM', { concurrency: true }, () => {
    // Another process holds the database for longer than anybody waits: the journal's thread hangs.
    async function hanging(t) {
        const config = makeConfig({ gateway: { drain_timeout: '100ms' }, journal: { busy_timeout: '60s' } });
        const service = await Service.start(t, config, { errors: [NOT_SETTLED, HANGS] });
        const { daemon } = service;
        assert.equal((await daemon.post([newImage('team/app')])).status, 202);
        await holdLock(t, service.database);
        daemon.post([newImage('team/app')]).catch(() => null); // never answered
        await until('the journal hangs', async () => (await daemon.metrics()).get('regcast_journal_queued_bytes') > 0);
        return daemon;
    }

    test('ends while the disk hangs', limits, async (t) => {
        const daemon = await hanging(t);
        daemon.child.kill('SIGTERM');
        await daemon.ends(74);
        assert.equal(daemon.logged({ msg: HANGS }).length, 1);
    });

    test('a second one ends it at once, also then', limits, async (t) => {
        const daemon = await hanging(t);
        daemon.child.kill('SIGTERM');
        await until('it waits for the journal', () => daemon.logged({ msg: NOT_SETTLED }).length === 1);
        await pause(500); // for the clients, of which there are none; then it only waits
        daemon.child.kill('SIGTERM');
        await daemon.ends('SIGTERM', 3000);
    });

    test('says nothing of the journal when only clients take their time', limits, async (t) => {
        const config = makeConfig({ gateway: { drain_timeout: '8s' } });
        const service = await Service.start(t, config, { bin: REGCASTD });
        const clients = await Promise.all(Array.from({ length: 20 }, () => Client.open(service.daemon.url())));
        for (const c of clients) defer(t, () => c.terminate());
        assert.equal((await service.daemon.post([newImage('team/app')])).status, 202);
        await service.daemon.stop(); // would not take a line of error
        assert.equal(service.daemon.logged({ msg: NOT_SETTLED }).length, 0);
    });
});
