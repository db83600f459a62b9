// Certificates whose files change while everything runs: who is connected notices nothing, who
// connects sees the new one within a second, and what cannot be used changes nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import tls from 'node:tls';
import { makeAuthority, makeCertificate, tlsOf } from './certificates.mjs';
import { Client, Daemon, defer, makeConfig, newImage, tempDir, until, within, writeConfig } from './harness.mjs';
import { SWEEP } from './ledger.mjs';

const limits = { timeout: SWEEP ? 900000 : 120000 };
const CLIENTS = SWEEP ? 1000 : 100;
const RELOADS = SWEEP ? 200 : 20;
const ROUND = ['one', 'two', 'three'].map((subject) => makeCertificate({ subject }));
const ca = ROUND.map(({ text }) => text);

// Files in a folder that a symbolic link leads to, as a mounted secret has them.
function place(made) {
    const dir = tempDir();
    const link = join(dir, 'current');
    const files = { certificate_file: join(link, 'tls.crt'), private_key_file: join(link, 'tls.key') };
    let folders = 0;
    const read = ({ certificate_file, private_key_file }) => [certificate_file, private_key_file].map((file) => readFileSync(file));
    const write = (cert, key, suffix = '') => {
        if (key !== undefined) writeFileSync(files.private_key_file + suffix, key, { mode: 0o600 });
        if (cert !== undefined) writeFileSync(files.certificate_file + suffix, cert);
    };
    const ways = {
        link(from) { // the folder as a whole
            const folder = join(dir, `${folders++}`);
            mkdirSync(folder);
            const [cert, key] = read(from);
            writeFileSync(join(folder, 'tls.crt'), cert);
            writeFileSync(join(folder, 'tls.key'), key, { mode: 0o600 });
            symlinkSync(folder, `${link}.next`);
            renameSync(`${link}.next`, link);
        },
        rename(from) {
            write(...read(from), '.next');
            for (const file of Object.values(files)) renameSync(`${file}.next`, file);
        },
        write: (from) => write(...read(from)),
    };
    ways.link(made);
    return { ...files, ...ways, only: write };
}

async function start(t, ...placed) {
    const options = { errors: ['tls_reload_failed'] };
    const d = await Daemon.start(makeConfig({ gateway: { tls: tlsOf(...placed), paths: ['/'] } }), options);
    defer(t, () => d.stop());
    return d;
}

// A handshake: the socket.
async function shake(d, options = {}) {
    const socket = tls.connect({ port: d.port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    await within(10000, 'a handshake', once(socket, 'secureConnect'));
    return socket;
}

async function shown(d, options) {
    const socket = await shake(d, options);
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return CN;
}

const reloads = async (d, outcome) => (await d.metrics()).get('regcast_tls_reloads_total', { outcome }) ?? 0;

describe('certificates that change', { concurrency: 4 }, () => {
    test('nobody who is connected notices, whoever connects sees the new one', limits, async (t) => {
        const placed = place(ROUND[0]);
        const d = await start(t, placed);
        const clients = [];
        for (let i = 0; i < CLIENTS; i += 50) // a few at a time: nobody has for ever
            clients.push(...await Promise.all(Array.from({ length: 50 }, () => Client.open(`wss://127.0.0.1:${d.port}/`, { ca }))));
        for (const c of clients) defer(t, () => c.terminate());
        let stop = false, handshakes = 0;
        const storm = Array.from({ length: 4 }, async () => {
            for (; !stop; handshakes++) assert.match(await shown(d), /^(one|two|three)$/);
        });
        const took = [];
        for (let i = 1; i <= RELOADS; i++) {
            const next = ['one', 'two', 'three'][i % 3];
            const began = Date.now();
            placed[['link', 'rename', 'write'][i % 3]](ROUND[i % 3]);
            if (i % 2) d.child.kill('SIGHUP'); // else it is found
            await until(`${next} is shown`, async () => (await shown(d)) === next, 20000);
            took.push(Date.now() - began);
            if (i % 5 === 0) await d.accept([newImage('team/app')]);
        }
        stop = true;
        await Promise.all(storm);
        took.sort((a, b) => a - b);
        t.diagnostic(`${handshakes} handshakes, ${RELOADS} reloads; seen after ${took[took.length >> 1]} ms, at most ${took.at(-1)}`);
        assert.ok(took[took.length >> 1] < 1000, `${took}`); // a busy machine may be late once
        for (const c of clients) {
            await c.first(Math.floor(RELOADS / 5));
            assert.equal(c.closed, null);
        }
        assert.equal((await d.metrics()).get('regcast_reject_total', { listener: 'gateway', stage: 'tls', reason: 'tls_handshake' }) ?? 0, 0);
        assert.equal(await reloads(d, 'failed'), 0);
        assert.ok((await reloads(d, 'ok')) >= RELOADS);
    });

    test('what cannot be used leaves the old one, with a line and a count', limits, async (t) => {
        const placed = place(ROUND[0]);
        const d = await start(t, placed);
        const [one, two] = ROUND.map(({ certificate_file, private_key_file }) => [certificate_file, private_key_file].map((file) => readFileSync(file)));
        const expiry = async () => {
            const { text } = await d.request('GET', '/metrics');
            return /^regcast_tls_cert_expiry_seconds\{listener="gateway",certificate="0",name="localhost"\} (\d+)$/m.exec(text)[1];
        };
        const inTwoDays = Date.now() / 1000 + 2 * 86400;
        assert.ok(Math.abs(Number(await expiry()) - inTwoDays) < 300);
        const { private_key_file: key, certificate_file: cert } = placed;
        const BAD = [
            ['the key of another', () => placed.only(one[0], two[1]), /the key of the first certificate/],
            SWEEP && ['no certificate', () => placed.only('nothing\n', one[1]), /a file of certificates/],
            SWEEP && ['half of one', () => placed.only(one[0].subarray(0, one[0].length / 2), one[1]), /a file of certificates/],
            ['a key that everybody may read', () => {
                rmSync(key);
                placed.only(one[0]);
                writeFileSync(key, one[1], { mode: 0o644 });
            }, /only its owner/],
            ['a missing key', () => rmSync(key), /No such file/],
            ['a key that cannot be read', () => symlinkSync(key, key), /Too many levels/],
            ['a missing certificate', () => {
                rmSync(key);
                placed.only(undefined, one[1]);
                rmSync(cert);
            }, /No such file/],
        ];
        let failed = 0;
        for (const [name, spoil, like] of BAD.filter(Boolean)) { // each takes two looks
            spoil();
            failed++;
            await until(`the line of ${name}`, () => d.logged({ msg: 'tls_reload_failed' }).length === failed);
            const { key: about, error } = d.logged({ msg: 'tls_reload_failed' }).at(-1);
            assert.match(about, /^gateway\.tls\.certificates\[0\]\.(certificate|private_key)_file$/, name);
            assert.match(error, like, name);
            assert.equal(await shown(d), 'one', name);
            assert.equal(await reloads(d, 'failed'), failed, name);
        }
        assert.equal(await reloads(d, 'ok'), 0);
        placed.only(...two);
        await until('the new one is shown', async () => (await shown(d)) === 'two');
        assert.equal(await reloads(d, 'failed'), failed); // one line for a change, however long it lasts
    });

    test('a name that was not there at start, and sessions that go on', limits, async (t) => {
        const first = place(ROUND[0]);
        const second = place(makeCertificate({ names: ['b.example'], subject: 'b' }));
        const d = await start(t, first, second);
        assert.equal(await shown(d, { servername: 'b.example' }), 'b');
        assert.equal(await shown(d, { servername: 'c.example' }), 'one');
        const sessions = {};
        for (const version of ['TLSv1.2', 'TLSv1.3']) {
            const socket = tls.connect({ port: d.port, host: '127.0.0.1', ca, minVersion: version, maxVersion: version });
            [sessions[version]] = await once(socket, 'session');
            socket.destroy();
        }
        second.rename(makeCertificate({ names: ['b.example', '*.c.example', 'c.example'], subject: 'both' }));
        await until('it is shown', async () => (await shown(d, { servername: 'c.example' })) === 'both');
        assert.equal(await shown(d, { servername: 'a.c.example' }), 'both');
        assert.equal(await shown(d, { servername: 'd.example' }), 'one');
        for (const [version, session] of Object.entries(sessions)) {
            const socket = await shake(d, { ca, minVersion: version, maxVersion: version, session });
            assert.ok(socket.isSessionReused(), version);
            socket.destroy();
        }
    });

    test('a configuration brings other ones, and takes TLS away and back', limits, async (t) => {
        const [one, two] = [place(ROUND[0]), place(makeCertificate({ names: ['b.example'], subject: 'b' }))];
        const cfg = (...placed) => makeConfig({ data_dir, gateway: { tls: placed.length ? tlsOf(...placed) : undefined } });
        const data_dir = join(tempDir(), 'data');
        const file = writeConfig(cfg(one));
        const d = await Daemon.start(null, { file, errors: ['configuration not reloaded'] });
        defer(t, () => d.stop());
        let reloaded = 0;
        const reload = async (...placed) => {
            writeFileSync(file, JSON.stringify(cfg(...placed)));
            d.child.kill('SIGHUP');
            reloaded++;
            await until('it is reloaded', () => d.logged({ component: 'reload', msg: 'reloaded' }).length === reloaded);
        };
        const stays = await Client.open(`wss://127.0.0.1:${d.port}/`, { ca });
        defer(t, () => stays.terminate());
        assert.equal(await shown(d, { servername: 'b.example' }), 'one');
        await reload(one, two);
        assert.equal(await shown(d, { servername: 'b.example' }), 'b');
        await reload(two);
        assert.equal(await shown(d), 'b');
        await reload();
        const plain = await Client.open(d.url());
        defer(t, () => plain.terminate());
        await reload(one);
        assert.equal(await shown(d), 'one');
        await assert.rejects(Client.open(d.url()));

        const mixed = { ...one, private_key_file: two.private_key_file };
        writeFileSync(file, JSON.stringify(cfg(mixed)));
        d.child.kill('SIGHUP');
        await until('its line', () => d.logged({ component: 'reload', key: 'gateway.tls.certificates[0].private_key_file' }).length === 1);
        assert.equal(await shown(d), 'one');
        two.rename(ROUND[1]); // which nobody looks at now
        one.rename(ROUND[2]);
        await until('the new one is shown', async () => (await shown(d)) === 'three');
        await d.accept([newImage('team/app')]);
        await stays.first(1);
        await plain.first(1);
    });

    test('authorities of clients change as well', limits, async (t) => {
        const [old, young] = [makeAuthority('old'), makeAuthority('young')];
        const client_ca_file = join(tempDir(), 'ca.pem');
        writeFileSync(client_ca_file, readFileSync(old.file));
        const d = await Daemon.start(makeConfig({ gateway: { tls: { ...tlsOf(ROUND[0]), client_ca_file } } }));
        defer(t, () => d.stop());
        const connect = ({ cert, key }) => Client.open(`wss://127.0.0.1:${d.port}/`, { ca, cert, key }).then((c) => {
            defer(t, () => c.terminate());
            return c;
        }, (error) => error);
        const mine = old.issue({ names: ['DNS:a'] });
        const stays = await connect(mine);
        assert.match((await connect(young.issue({ names: ['DNS:a'] }))).code, /UNKNOWN_CA/);
        writeFileSync(client_ca_file, readFileSync(young.file));
        await until('the new one counts', async () => !((await connect(young.issue({ names: ['DNS:a'] }))) instanceof Error));
        assert.match((await connect(mine)).code, /UNKNOWN_CA/);
        await d.accept([newImage('team/app')]);
        await stays.first(1);
    });
});
