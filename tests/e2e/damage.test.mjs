// The journal's files are damaged while nobody looks: a start goes on with what is whole or begins
// anew, and clients get what was sent, or are told that it is lost.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import {
    closeSync,
    openSync,
    readFileSync,
    readdirSync,
    rmSync,
    statSync,
    truncateSync,
    writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
    Client,
    Daemon,
    REGCASTD,
    REGCASTD_FAST,
    defer,
    newImage,
    push,
    tempDir,
    until,
    within,
} from './harness.mjs';
import { Service, checkGone, config, copyData, idsOf, resume } from './journal.mjs';

const limits = { timeout: 60000 };
const LOST = 'its last commits are lost; clients that come back are told so';

function overwrite(file, at, bytes) {
    const fd = openSync(file, 'r+');
    writeSync(fd, bytes, 0, bytes.length, at);
    closeSync(fd);
}

function flip(file, at, bit) {
    overwrite(file, at, Buffer.from([readFileSync(file)[at] ^ (1 << bit)]));
}

describe('the file is damaged while nobody looks', { concurrency: 2 }, () => {
    const SEEN = 3; // the client's last event is that of message 3

    // mulberry32: the same damage in every run.
    function random(seed) {
        return (below) => {
            seed = (seed + 0x6d2b79f5) | 0;
            let x = Math.imul(seed ^ (seed >>> 15), 1 | seed);
            x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
            return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below);
        };
    }

    // Two stores with the same messages: one stopped in order, one killed with its WAL.
    let prepared;
    async function prepare() {
        const made = {};
        for (const signal of ['SIGTERM', 'SIGKILL']) {
            const over = config();
            const daemon = await Daemon.start(over, { bin: REGCASTD_FAST });
            const witness = await Client.open(daemon.url());
            for (let i = 0; i < 60; i++)
                await daemon.accept([push(`team/app-${i % 7}`, newImage('x').target.digest, `t${i}`)]);
            const texts = [...(await witness.first(120))];
            witness.terminate();
            if (signal === 'SIGTERM') await daemon.stop();
            else {
                daemon.child.kill('SIGKILL');
                await daemon.ends('SIGKILL');
            }
            made[signal] = { over, texts };
        }
        return made;
    }

    const db = 'journal.db';
    const wal = 'journal.db-wal';
    const pageOf = (dir, n) => 4096 * n(Math.floor(statSync(join(dir, db)).size / 4096));
    const CASES = [
        ...Array.from({ length: 8 }, () => [
            'a bit of the database',
            'SIGTERM',
            (dir, n) => flip(join(dir, db), n(statSync(join(dir, db)).size), n(8)),
        ]),
        ...Array.from({ length: 3 }, () => [
            'a page of zeros',
            'SIGTERM',
            (dir, n) => overwrite(join(dir, db), pageOf(dir, n), Buffer.alloc(4096)),
        ]),
        ...Array.from({ length: 2 }, () => [
            'a page of noise',
            'SIGTERM',
            (dir, n) => overwrite(join(dir, db), pageOf(dir, n), Buffer.from(Array.from({ length: 4096 }, () => n(256)))),
        ]),
        ['half a database', 'SIGTERM', (dir) => truncateSync(join(dir, db), statSync(join(dir, db)).size >> 1)],
        ['an empty database', 'SIGTERM', (dir) => truncateSync(join(dir, db), 0)],
        ['no database', 'SIGTERM', (dir) => rmSync(join(dir, db))],
        ...Array.from({ length: 3 }, () => [
            'a bit of the WAL',
            'SIGKILL',
            (dir, n) => flip(join(dir, wal), n(statSync(join(dir, wal)).size), n(8)),
        ]),
        ...Array.from({ length: 3 }, () => [
            'a WAL cut off',
            'SIGKILL',
            (dir, n) => truncateSync(join(dir, wal), n(statSync(join(dir, wal)).size)),
            true,
        ]),
        ['no WAL', 'SIGKILL', (dir) => rmSync(join(dir, wal)), true],
        ['a database of zeros with its WAL', 'SIGKILL', (dir) => overwrite(join(dir, db), 0, Buffer.alloc(statSync(join(dir, db)).size))],
    ];

    // Starts on a damaged directory. One start may find what the one before could only stumble over.
    async function startSomehow(service) {
        for (let attempt = 0; ; attempt++) {
            try {
                return await service.start();
            } catch (error) {
                const how = /regcastd ended (\{.*\})/.exec(error.message);
                if (!how || attempt > 0) throw error;
                assert.equal(JSON.parse(how[1]).code, 74, error.message);
            }
        }
    }

    // What a client that saw message SEEN gets: {texts, live: it is there, closed}.
    async function comeBack(t, daemon, since) {
        const client = await resume(daemon, { since });
        defer(t, () => client.terminate());
        const live = newImage('team/live');
        if (!client.closed) {
            const got = await daemon.post([live]).catch(() => ({ status: 0 }));
            assert.ok([202, 503, 0].includes(got.status));
        }
        const arrived = () => client.messages.at(-1)?.includes(live.target.digest);
        await until(
            () => `something final; ${client.messages.length} messages`,
            () => arrived() || client.closed || daemon.child.exitCode !== null,
        );
        client.terminate();
        return { texts: [...client.messages], live: Boolean(arrived()), closed: client.closed };
    }

    for (const [i, [what, signal, damage, lossy]] of CASES.entries())
        test(`${what} (${i})`, limits, async (t) => {
            prepared ??= prepare();
            const { over, texts } = (await prepared)[signal];
            const data_dir = join(tempDir(), 'data');
            copyData(over.data_dir, data_dir);
            damage(data_dir, random(1000 + i));
            const service = new Service({ ...over, data_dir }, { bin: i % 2 ? REGCASTD : REGCASTD_FAST });
            defer(t, () => service.daemon?.child.kill('SIGKILL'));
            const [since] = idsOf(texts[SEEN]).slice(-1);
            let known = texts.slice(SEEN + 1); // what it has not seen
            let epoch = false; // the end of the WAL is lost: ids from before lead nowhere
            const said = [];
            for (let round = 0; round < 2; round++) {
                const daemon = await startSomehow(service);
                const quarantined = readdirSync(data_dir).some((name) => name.startsWith('journal.db.damaged-'));
                const got = await comeBack(t, daemon, since);
                const old = got.live ? got.texts.slice(0, -1) : got.texts;
                said.push(
                    `${quarantined ? 'quarantined' : 'kept'}, ${old.length} of ${known.length}, ` +
                        (got.live ? 'live' : `closed ${got.closed?.code}, exit ${daemon.child.exitCode}`),
                );
                const where = said.join('; ');
                // Never anything that was not sent, and never with a hole.
                assert.deepEqual(old.map((text) => known.indexOf(text)), [...old.keys()], where);
                const lost = daemon.logs.some(({ msg }) => msg === LOST);
                if (round === 0 && lost) epoch = true;
                if (quarantined || epoch) assert.deepEqual([old.length, got.closed?.code], [0, 4009], where);
                if (lossy && !quarantined) assert.ok(epoch, where);
                if (got.live) {
                    assert.equal(old.length, known.length, `a hole: ${where}`);
                    known = got.texts;
                }
                if (daemon.child.exitCode === null) {
                    daemon.child.kill(round ? 'SIGTERM' : 'SIGKILL');
                    await within(10000, 'its end', daemon.exited);
                } else assert.equal(daemon.child.exitCode, 74, where);
            }
            t.diagnostic(said.join('; '));
        });
});

test('a row is damaged while it runs: exit code 74, and no word of what is wrong', limits, async (t) => {
    const service = await Service.start(t, config());
    const witness = await Client.open(service.daemon.url());
    defer(t, () => witness.terminate());
    const images = Array.from({ length: 40 }, () => newImage('team/app'));
    for (const image of images) await service.daemon.accept([image]);
    const texts = [...(await witness.first(40))];
    // What is newest is read by the start itself, for the list of events, and then lies in SQLite's memory.
    for (let i = 0; i < 30; i++)
        await service.daemon.accept(Array.from({ length: 50 }, () => newImage(`team/${'newer-'.repeat(30)}app`)));
    await service.restart(); // everything is in the database file now, and of the first 40 nothing in memory
    const { daemon } = service;
    const key = '"image_digest":"'; // the message: the catalog has the digest, too
    const file = readFileSync(service.database);
    let at = -1, n = 0;
    while ((at = file.indexOf(key + images[20].target.digest, at + 1)) >= 0) { // one is the message, others lie in free pages
        overwrite(service.database, at + key.length + 12, Buffer.from('X')); // what it says is still a message
        n++;
    }
    assert.ok(n > 0);
    const clients = [];
    for (const since of ['earliest', idsOf(texts[18])[0]])
        clients.push(await resume(daemon, { since }).catch(() => null)); // the process may be gone already
    for (const [i, client] of clients.entries()) {
        if (!client) continue;
        await client.end;
        const from = i === 0 ? 0 : 19;
        assert.deepEqual(client.messages, texts.slice(from, from + client.messages.length));
        assert.ok(from + client.messages.length <= 20);
    }
    // Nothing more is put into a file that is known to be bad: a start must look at all of it.
    await daemon.ends(74, 5000);
    await service.start({ errors: ['damaged; moved aside, a new one begun'] });
    assert.ok(readdirSync(service.dataDir).some((name) => name.startsWith('journal.db.damaged-')));
    await checkGone(service.daemon, 'seen before the damage', { since: idsOf(texts[30])[0] });
    await service.daemon.accept([newImage('team/app')]);
});
