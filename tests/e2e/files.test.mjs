// When file descriptors run out: whoever is there is served, the process neither spins nor floods its
// log, and everything works again when there is room.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, Daemon, REGCASTD_FAST, defer, makeConfig, newImage, pause, tempDir, until } from './harness.mjs';

const FILES = 128;

// The daemon under a limit of its own; exec keeps the process id.
function limited() {
    const file = join(tempDir(), 'regcastd');
    writeFileSync(file, `#!/bin/sh\nulimit -n ${FILES}\nexec '${REGCASTD_FAST}' "$@"\n`);
    chmodSync(file, 0o755);
    return file;
}

function cpuSeconds(pid) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

test('at the limit on open files', { timeout: 90000 }, async (t) => {
    const daemon = await Daemon.start(makeConfig({ gateway: { paths: ['/'], workers: 2 } }), {
        bin: limited(),
        errors: ['no connection can be accepted for now'],
    });
    defer(t, () => daemon.stop());
    const member = await Client.open(daemon.url());
    defer(t, () => member.close());

    const flood = [];
    defer(t, () => flood.forEach((socket) => socket.destroy()));
    const burst = (port, n) =>
        Promise.all(
            Array.from({ length: n }, () => {
                const socket = net.connect(port, '127.0.0.1');
                flood.push(socket.resume());
                return new Promise((done) => socket.on('connect', done).on('error', done));
            }),
        );
    await burst(daemon.port, 600);
    await burst(daemon.webhookPort, 100);
    for (let i = 0; i < 4; i++) await burst(daemon.port, 300);

    const before = { cpu: cpuSeconds(daemon.pid), lines: daemon.logs.length };
    await pause(2000); // a span of time is what is measured
    assert.ok(cpuSeconds(daemon.pid) - before.cpu < 1, `busy for ${cpuSeconds(daemon.pid) - before.cpu} of 2 s`);
    assert.ok(daemon.logs.length - before.lines < 200, `${daemon.logs.length - before.lines} lines of log`);
    assert.equal(member.closed, null);

    flood.forEach((socket) => socket.destroy());
    const image = newImage('after/flood');
    await until(
        'a webhook to be taken again',
        async () => {
            try {
                return (await daemon.post([image])).status === 202;
            } catch {
                return false;
            }
        },
        20000,
    );
    const [text] = await member.first(1);
    assert.ok(text.includes(image.target.digest));
    // Until the last of the flood has been closed, 503 is the right answer to a handshake.
    const late = await until('a client to be let in', () => Client.open(daemon.url()).catch(() => null), 20000);
    await late.close();
});
