// As a service: what the service manager is told, when it gets no sign of life, and whom root becomes.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import {
    Client, Daemon, REGCASTD, REGCASTD_FAST, ROOT, defer, makeConfig, newImage, run, start, tempDir, until, writeConfig,
} from './harness.mjs';
import { holdLock } from './journal.mjs';
import { takeOver } from './takeover.mjs';

const limits = { timeout: 60000 };
const HANGS = 'a thread does not come round: no sign of life is given';

// ------------------------------------------------------------------------------- service manager

// What arrived at a socket by that name, in order.
async function manager(t, name) {
    const told = [];
    const { child, exited } = start('python3', [join(ROOT, 'tests/e2e/supervisor.py'), name], {
        onLine: (line) => told.push(JSON.parse(line)),
    });
    defer(t, () => {
        child.kill('SIGKILL');
        return exited;
    });
    await until('the socket', () => told.length === 1);
    return { name, told, of: (key) => told.filter((one) => one[key] !== undefined) };
}

async function served(t, m, { config = makeConfig(), env = {}, ...options } = {}) {
    const daemon = await Daemon.start(config, { env: { NOTIFY_SOCKET: m.name, ...env }, ...options });
    defer(t, () => daemon.stop());
    return daemon;
}

describe('service manager', { concurrency: true }, () => {
    for (const kind of ['path', 'abstract name'])
        test(`is told of start, reload and end, by ${kind}`, limits, async (t) => {
            const name = kind === 'path' ? join(tempDir(), 'notify') : `@regcast-e2e-${process.pid}`;
            const m = await manager(t, name);
            const file = writeConfig(makeConfig({ gateway: { drain_timeout: '2s', close_timeout: '3s' } }));
            const daemon = await served(t, m, { file });
            await until('READY', () => m.of('READY').length === 1);
            assert.equal(m.of('READY')[0].STATUS, 'serving');
            assert.equal(m.of('READY')[0].pid, daemon.pid);
            assert.equal((await daemon.request('GET', '/readyz')).status, 200);

            daemon.child.kill('SIGHUP');
            await until('READY again', () => m.of('READY').length === 2);
            const good = readFileSync(file, 'utf8');
            writeFileSync(file, 'no: good\n');
            daemon.expectedErrors.push('configuration not reloaded');
            daemon.child.kill('SIGHUP');
            await until('READY, for the old configuration holds', () => m.of('READY').length === 3);
            assert.equal(m.of('READY')[2].STATUS, 'serving; the changed configuration was refused');
            writeFileSync(file, good);
            const order = m.told.slice(1).map((one) => Object.keys(one)[1]);
            assert.deepEqual(order, ['READY', 'RELOADING', 'READY', 'RELOADING', 'READY']);
            const [first, second] = m.of('RELOADING').map((one) => Number(one.MONOTONIC_USEC));
            assert.ok(second > first && first > 0);

            const client = await Client.open(daemon.url());
            defer(t, () => client.terminate());
            await daemon.stop();
            await until('STOPPING', () => m.of('STOPPING').length === 1);
            assert.ok(Number(m.told.at(-1).EXTEND_TIMEOUT_USEC) >= (2 + 3 + 5 + 8) * 1e6, 'all that an end may take');
            assert.equal(m.of('WATCHDOG').length, 0, 'nobody asked');
        });

    test('is told which process is the service after a takeover', limits, async (t) => {
        const m = await manager(t, join(tempDir(), 'notify'));
        const config = makeConfig({ gateway: { drain_timeout: '300ms' } });
        const env = { WATCHDOG_USEC: '400000' };
        const before = await served(t, m, { config, env });
        await until('a sign', () => m.of('WATCHDOG').length > 0);
        const after = await takeOver(config); // knows nothing of a manager
        defer(t, () => after.stop());
        await before.ends(0);
        await until('READY', () => m.of('READY').length === 2);
        await until('signs', () => m.of('WATCHDOG').at(-1).pid === after.pid);
        const [moved] = m.of('MAINPID');
        assert.deepEqual([moved.pid, Number(moved.MAINPID)], [before.pid, after.pid]);
        // The manager believes the one that was the service, then the one that is.
        const said = m.told.slice(1);
        const at = said.indexOf(moved);
        assert.deepEqual(new Set(said.slice(0, at).map(({ pid }) => pid)), new Set([before.pid]));
        assert.deepEqual(new Set(said.slice(at + 1).map(({ pid }) => pid)), new Set([after.pid]));
        assert.equal(m.of('STOPPING').length, 0);
    });

    test('gets signs of life, but not while the journal hangs', limits, async (t) => {
        const m = await manager(t, join(tempDir(), 'notify'));
        const config = makeConfig({ journal: { busy_timeout: '60s' } });
        const daemon = await served(t, m, { config, env: { WATCHDOG_USEC: '1000000' }, errors: [HANGS] });
        await until('three signs', () => m.of('WATCHDOG').length >= 3);
        const { release } = await holdLock(t, join(config.data_dir, 'journal.db'));
        const posted = daemon.post([newImage('team/app')]);
        await until('it says so', () => daemon.logged({ msg: HANGS, thread: 'journal' }).length >= 1);
        const before = m.of('WATCHDOG').length;
        await until('it says so again', () => daemon.logged({ msg: HANGS, thread: 'journal' }).length >= 4);
        assert.equal(m.of('WATCHDOG').length, before);
        await release();
        assert.equal((await posted).status, 202);
        await until('signs again', () => m.of('WATCHDOG').length > before + 1);
    });

    test('that names no socket is no reason not to run', limits, async (t) => {
        const said = 'NOTIFY_SOCKET cannot be used: nobody is told when we are ready';
        const daemon = await served(t, { name: 'relative' }, { errors: [said] });
        assert.equal(daemon.logged({ msg: said }).length, 1);
    });
});

// --------------------------------------------------------------------------------------- root

const isRoot = process.getuid() === 0;
const nobody = isRoot ? Number(execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' })) : 0;

// The lines of /proc/PID/status of every thread.
function threads(pid) {
    return readdirSync(`/proc/${pid}/task`).map((task) => {
        const lines = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8').trim().split('\n');
        return Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2)));
    });
}

function checkBare(pid) {
    const all = threads(pid);
    assert.ok(all.length >= 4, 'workers, journal, reader, front');
    for (const one of all) {
        for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
            assert.equal(one[set], '0000000000000000', `${set} of ${one.Name}`);
        assert.equal(one.NoNewPrivs, '1', one.Name);
    }
    return all;
}

// A folder that everybody may pass, and nobody but root may write to.
function sharedFolder() {
    const dir = tempDir();
    chmodSync(dir, 0o755);
    return dir;
}

describe('root', { concurrency: true, skip: !isRoot && 'takes root' }, () => {
    for (const [name, bin] of Object.entries({ sanitized: REGCASTD, release: REGCASTD_FAST }))
        test(`becomes the user before anything is accepted or written (${name})`, limits, async (t) => {
            const dir = sharedFolder();
            const config = makeConfig({ user: 'nobody', data_dir: join(dir, 'data') });
            const file = join(dir, 'regcast.yaml');
            writeFileSync(file, JSON.stringify(config), { mode: 0o644 });
            const ready = join(dir, 'ready');
            mkdirSync(ready);
            chownSync(ready, nobody, nobody);
            const { child, exited } = start(bin, ['--config', file, '--ready-file', join(ready, 'file')]);
            defer(t, async () => {
                child.kill('SIGTERM');
                assert.deepEqual(await exited, { code: 0, signal: null });
            });
            await until('it listens', () => readdirSync(ready).includes('file'));
            for (const one of checkBare(child.pid)) {
                assert.deepEqual(one.Uid.split('\t').map(Number), Array(4).fill(nobody), one.Name);
                assert.ok(!one.Gid.split('\t').map(Number).includes(0), one.Name);
                assert.ok(!one.Groups.trim().split(' ').includes('0'), one.Name);
            }
            for (const entry of ['', ...readdirSync(config.data_dir)]) {
                const { uid, mode } = statSync(join(config.data_dir, entry));
                assert.equal(uid, nobody, entry);
                assert.equal(mode & 0o077, 0, entry);
            }
            if (bin !== REGCASTD) // the sanitizers' programs stay readable: they read themselves
                assert.equal(statSync(`/proc/${child.pid}/environ`).uid, 0, 'not dumpable');
        });

    test('without `user` keeps no capability, and is warned', limits, async (t) => {
        const daemon = await Daemon.start(makeConfig(), { bin: REGCASTD_FAST });
        defer(t, () => daemon.stop());
        checkBare(daemon.pid);
        await until('the warning', () => daemon.logged({ level: 'warn', msg: /^running as root/ }).length === 1);
    });

    test('is refused a data_dir that the user does not own', limits, () => {
        const dir = sharedFolder();
        const data = join(dir, 'data');
        mkdirSync(data);
        const config = makeConfig({ user: 'nobody', data_dir: data });
        const file = writeConfig(config);
        const refused = run(['--config', file]);
        assert.notEqual(refused.status, 0);
        assert.match(refused.stderr, /give it to him with chown -R/);
        assert.deepEqual(readdirSync(data), []);
    });

    test('runs the tools as the user, too', limits, () => {
        const dir = sharedFolder();
        const config = makeConfig({ user: 'nobody', data_dir: join(dir, 'data') });
        const ran = run(['--config', writeConfig(config), '--replay-dead-letters', 'all']);
        assert.equal(ran.status, 0, ran.stderr);
        for (const name of readdirSync(config.data_dir))
            assert.equal(statSync(join(config.data_dir, name)).uid, nobody, name);
    });
});

test('a user or group that is none is a mistake in the configuration', limits, () => {
    for (const kind of ['user', 'group']) {
        const unknown = run(['--config', writeConfig(makeConfig({ [kind]: 'no-such-name' }))]);
        assert.equal(unknown.status, 78, unknown.stderr);
        assert.match(unknown.stderr, new RegExp(`there is no such ${kind}`));
    }
});

test('another data_dir holder counts more than a taken port', limits, async (t) => {
    const config = makeConfig();
    const daemon = await Daemon.start(config);
    defer(t, () => daemon.stop());
    const again = run(['--config', writeConfig({ ...config, webhooks: { listen: [`127.0.0.1:${daemon.webhookPort}`] } })]);
    assert.equal(again.status, 75);
    assert.match(again.stderr, /data_dir is in use/);
});
