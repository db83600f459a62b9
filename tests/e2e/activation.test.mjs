// Sockets that systemd has opened before us: they are used where the configuration names their address,
// and a connect while regcastd is not there is answered by the next one.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, REGCASTD, ROOT, defer, freePort, makeConfig, start, tempDir, until, writeConfig } from './harness.mjs';
import { takeOver } from './takeover.mjs';

const ACTIVATE = 'systemd-socket-activate';
const missing = spawnSync(ACTIVATE, ['--version']).error && `needs ${ACTIVATE}`;
const limits = { timeout: 60000, skip: missing };

// It starts regcastd with the first connect, in its own place.
async function activated(t, { config, listen, names }) {
    const ready = join(tempDir(), 'ready.json');
    const logs = [];
    const args = [...listen.flatMap((at) => ['-l', at]), ...(names ? [`--fdname=${names}`] : [])];
    for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS']) args.push('-E', name);
    const { child, exited } = start(ACTIVATE, [...args, REGCASTD, '--config', writeConfig(config), '--ready-file', ready], {
        onLine: (line) => logs.push(line),
        env: { ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', UBSAN_OPTIONS: process.env.UBSAN_OPTIONS ?? '' },
    });
    defer(t, () => child.kill('SIGKILL'));
    await until('it listens', () => logs.some((line) => /Listening on/.test(line)));
    return { child, exited, logs, ready, readyNow: () => existsSync(ready) && JSON.parse(readFileSync(ready, 'utf8')) };
}

test('a socket of systemd is used, by its address or its name', limits, async (t) => {
    const [gateway, webhooks] = [await freePort(), await freePort()];
    const config = makeConfig({ gateway: { listen: [`127.0.0.1:${gateway}`], workers: 3, drain_timeout: '300ms' } });
    config.webhooks.listen = ['127.0.0.1:0']; // any port of that name
    const listen = [`127.0.0.1:${gateway}`, `127.0.0.1:${webhooks}`];
    const service = await activated(t, { config, listen, names: 'other:webhooks' });
    // The connect that starts it is answered.
    const clients = await Promise.all([...Array(20)].map(() => Client.open(`ws://127.0.0.1:${gateway}/`)));
    const ready = await until('it is ready', service.readyNow);
    assert.deepEqual(ready.gateway, [`127.0.0.1:${gateway}`]);
    assert.deepEqual(ready.webhooks, [`127.0.0.1:${webhooks}`]);
    assert.equal(ready.management.length, 1); // bound as ever
    const health = await fetch(`http://127.0.0.1:${webhooks}/readyz`);
    assert.equal(health.status, 200);
    // And it hands them over like its own.
    const next = await takeOver(config);
    defer(t, () => next.stop());
    assert.equal(next.port, gateway);
    assert.deepEqual(await service.exited, { code: 0, signal: null });
    for (const c of clients) assert.equal((await c.end).code, 1012);
    await (await Client.open(`ws://127.0.0.1:${gateway}/`)).close();
    assert.deepEqual(service.logs.filter((line) => /"level":"error"/.test(line)), []);
});

test('what systemd passes and nobody wants is closed, and said', limits, async (t) => {
    const [gateway, odd] = [await freePort(), await freePort()];
    const config = makeConfig({ gateway: { listen: [`127.0.0.1:${gateway}`] } });
    const service = await activated(t, { config, listen: [`127.0.0.1:${gateway}`, `127.0.0.1:${odd}`] });
    const client = await Client.open(`ws://127.0.0.1:${gateway}/`);
    await until('it says so', () =>
        service.logs.some((line) => line.includes('nothing listens at an address') && line.includes(`:${odd}"`)));
    const refused = new Promise((done) => net.connect(odd, '127.0.0.1').on('error', (error) => done(error.code)));
    assert.equal(await refused, 'ECONNREFUSED');
    service.child.kill('SIGTERM');
    assert.deepEqual(await service.exited, { code: 0, signal: null });
    assert.equal((await client.end).code, 1012);
});

test('the units are what systemd takes', { ...limits, skip: spawnSync('systemd-analyze', ['--version']).error && 'needs systemd-analyze' }, () => {
    // As on a system where the package is installed: the program is there, and the drop-in is in its place.
    const root = tempDir();
    const units = join(root, 'units');
    mkdirSync(join(units, 'regcastd.service.d'), { recursive: true });
    const here = (text) => text.replaceAll('/usr/bin/regcastd', REGCASTD);
    for (const name of ['regcastd.service', 'regcastd.socket'])
        writeFileSync(join(units, name), here(readFileSync(join(ROOT, 'conf', name), 'utf8')));
    writeFileSync(join(units, 'regcastd.service.d/takeover.conf'), here(readFileSync(join(ROOT, 'conf/takeover.conf'), 'utf8')));
    const ran = spawnSync('systemd-analyze', ['verify', '--man=no', join(units, 'regcastd.socket'), join(units, 'regcastd.service')], {
        encoding: 'utf8',
    });
    assert.equal(ran.status, 0, ran.stderr);
    const ours = ran.stderr.split('\n').filter((line) => line.includes('regcastd'));
    assert.deepEqual(ours, []);
    // A unit that is not right is found.
    writeFileSync(join(units, 'regcastd.socket'), '[Socket]\nListenStreams=1\n');
    const wrong = spawnSync('systemd-analyze', ['verify', '--man=no', join(units, 'regcastd.socket')], { encoding: 'utf8' });
    assert.match(wrong.stderr, /ListenStreams/);
});
