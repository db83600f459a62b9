// The log is nobody's way in (security list OS-04), and nobody's brake (OS-05).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { wrapped } from './journal.mjs';
import { SWEEP } from './ledger.mjs';
import {
    Client, Daemon, ENVELOPE_TYPE, FOLDER, REGCASTD, REGISTRY, Raw, defer, handshake, makeConfig, newImage, push, digestOf, tempDir, until,
} from './harness.mjs';

const limits = { timeout: 60000 };

async function start(t, config, options) {
    const d = await Daemon.start(config, options);
    defer(t, () => d.stop());
    return d;
}

// --------------------------------------------------------------------------- OS-04: injection

// What a reader of the log, a terminal or a program, might fall for.
const NASTY = {
    'a line of its own': '\r\n{"level":"error","component":"main","msg":"forged"}\r\n',
    'an escape': '\x1b[2J\x1b]0;title\x07',
    'a C1 control': '\u009b2J',
    'NUL': 'a\0b',
    'quotes': '"},{"level":"error"}\\',
    'invalid UTF-8': Buffer.from([0xff, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xe2, 0x82]),
    '10 KB': 'x'.repeat(10240),
    '10 KB to be escaped': '\x01\u00ff'.repeat(5120),
};

const bytesOf = (text) => (Buffer.isBuffer(text) ? text : Buffer.from(text));
const percent = (text) => [...bytesOf(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

// One request as bytes; the answer is not of interest, only that there is one or an end.
async function say(port, ...parts) {
    const c = await Raw.open(port);
    await c.send(Buffer.concat(parts.map(bytesOf)));
    await c.wait('an answer or the end', () => c.responses.length > 0 || c.done);
    c.destroy();
}

const bodyOf = (bytes) => [`Content-Type: ${ENVELOPE_TYPE}\r\nContent-Length: ${bytes.length}\r\n\r\n`, bytes];

function assertPlain(d) {
    for (const line of d.logs) {
        assert.notEqual(line.msg, 'forged');
        for (const [key, value] of Object.entries(line)) {
            if (typeof value !== 'string') continue;
            assert.ok(value.length <= 256, `${key} has ${value.length} characters`);
        }
    }
}

test('OS-04: whatever is sent, a line is one JSON object with short fields', limits, async (t) => {
    const raw = [];
    const d = await start(t, makeConfig({ log_level: 'debug', gateway: { paths: ['/', '/teams/{team}', '/files/{name+}'] } }));
    d.child.stderr.on('data', (bytes) => raw.push(bytes));
    const envelopeOf = (value) => {
        const slot = '@@@';
        const event = { ...push(slot, digestOf(slot), slot), id: slot, actor: { name: slot }, request: { id: slot, useragent: slot } };
        const [head, ...rest] = JSON.stringify({ events: [event, { ...newImage('app'), action: slot }] }).split(slot);
        return Buffer.concat([Buffer.from(head), ...rest.flatMap((one) => [bytesOf(value), Buffer.from(one)])]);
    };
    for (const value of Object.values(NASTY)) {
        const text = bytesOf(value);
        // As it is: most of it ends the request. Then as it may come, escaped.
        for (const port of [d.port, d.webhookPort, d.managementPort]) {
            await say(port, 'GET /teams/', text, ' HTTP/1.1\r\nHost: a\r\n\r\n');
            await say(port, 'GET / HTTP/1.1\r\nHost: ', text, '\r\n\r\n');
            await say(port, 'GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: ', text, '\r\n\r\n');
            await say(port, text, '\r\n\r\n');
        }
        const short = percent(text.subarray(0, 900));
        await say(d.port, handshake(`/teams/${short}`));
        await say(d.port, handshake(`/files/a/${short}?since=${short}`));
        await say(d.webhookPort, `POST /registries/${short}/events HTTP/1.1\r\nHost: a\r\n`, ...bodyOf(Buffer.from('{}')));
        await say(d.managementPort, `GET /triggers/v1/triggers/${short}?folderId=${short} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
        const post = [`POST /registries/${REGISTRY}/events HTTP/1.1\r\nHost: a\r\ntraceparent: 00-x\r\n`];
        await say(d.webhookPort, ...post, ...bodyOf(envelopeOf(value)));
        await say(d.webhookPort, ...post, ...bodyOf(envelopeOf(JSON.stringify(bytesOf(value).toString('latin1')).slice(1, -1))));
        await say(d.webhookPort, ...post, ...bodyOf(text));
        const name = JSON.stringify({ folderId: FOLDER, name: text.toString('latin1') });
        await say(d.managementPort, 'POST /triggers/v1/triggers HTTP/1.1\r\nHost: 127.0.0.1\r\n', ...bodyOf(Buffer.from(name)));
    }
    const browser = await Client.open(d.url('/'), { headers: { 'User-Agent': '\u009b2J\u00e9"\\' } }); // bytes of Latin-1
    await browser.close();
    await d.accept([newImage('after')]);
    await d.stop(); // each line was JSON, or this fails
    assertPlain(d);
    for (const line of Buffer.concat(raw).toString('latin1').split('\n'))
        assert.doesNotMatch(line, /[\0-\x1f\x7f]|\xc2[\x80-\x9f]/, 'no control is as it was sent');
    assert.ok(d.logged({ msg: 'set aside' }).length > 0);
    assert.ok(d.logged({ msg: 'reject' }).length > 0);
});

// ------------------------------------------------------------------- OS-05: a log nobody reads

// Posts until lines were lost, and looks how long an answer took meanwhile.
async function fillLog(d) {
    const lost = async () => (await d.metrics()).get('regcast_log_dropped_total');
    let slowest = 0;
    await until('lines are lost', async () => {
        const began = performance.now();
        await Promise.all(Array.from({ length: 25 }, () => d.accept([newImage('app')])));
        slowest = Math.max(slowest, performance.now() - began);
        return (await lost()) > 0;
    }, 30000);
    const before = await lost();
    await Promise.all(Array.from({ length: 25 }, () => d.accept([newImage('app')])));
    return { slowest, more: (await lost()) - before };
}

const config = (over) => makeConfig({ log_level: 'debug', ...over });

function fifo() {
    const file = join(tempDir(), 'fifo');
    assert.equal(spawnSync('mkfifo', [file]).status, 0);
    return { file, fd: openSync(file, constants.O_RDWR | constants.O_NONBLOCK) };
}

const into = (file) => wrapped(REGCASTD, `exec 2>'${file}'; exec`);

function smallDisk(t) {
    const dir = join(tempDir(), 'tmpfs');
    mkdirSync(dir);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir]);
    if (mounted.status !== 0) return null;
    defer(t, () => assert.equal(spawnSync('umount', ['-l', dir]).status, 0));
    return dir;
}

const SINKS = {
    'a pipe whose reader stands still': (t) => {
        const { file, fd } = fifo();
        defer(t, () => closeSync(fd));
        return { bin: into(file) };
    },
    'a pipe whose reader has gone': () => {
        const { file, fd } = fifo();
        return { bin: into(file), ready: () => closeSync(fd) };
    },
    'a full device': () => ({ bin: into('/dev/full') }),
    ...(SWEEP && { 'a full disk': (t) => {
        const dir = smallDisk(t);
        return dir && { bin: into(join(dir, 'log')), check: () => assert.match(readFileSync(join(dir, 'log'), 'utf8'), /^\{"time"/) };
    } }),
    'a socket whose reader stands still': () => ({ bin: REGCASTD, ready: (d) => d.child.stderr.pause(), end: (d) => d.child.stderr.resume() }),
};

describe('OS-05: a log that takes nothing holds up nobody', { concurrency: 3 }, () => {
    for (const [name, make] of Object.entries(SINKS))
        test(name, limits, async (t) => {
            const sink = make(t);
            if (sink === null) return t.skip('no mount here');
            const d = await start(t, config(), { bin: sink.bin });
            await sink.ready?.(d);
            const client = await Client.open(d.url());
            defer(t, () => client.terminate());
            const { slowest, more } = await fillLog(d);
            assert.ok(more > 25, `${more} lines lost of 25 webhooks`);
            assert.ok(slowest < 5000, `${slowest} ms for 25 webhooks`); // a loop that waits for the log waits for ever
            await client.first(50);
            sink.check?.();
            await sink.end?.(d);
            await d.stop(); // in order, with 0
        });

    test('standard files that are closed', limits, async (t) => {
        const d = await start(t, config(), { bin: wrapped(REGCASTD, 'exec 0<&- 1>&- 2>&-; exec') });
        await d.accept([newImage('app')]);
        for (const fd of [0, 1, 2])
            assert.equal(spawnSync('readlink', [`/proc/${d.pid}/fd/${fd}`], { encoding: 'utf8' }).stdout, '/dev/null\n');
        await d.stop();
    });

    test('a reader that comes back gets whole lines again', limits, async (t) => {
        const { file, fd } = fifo();
        defer(t, () => closeSync(fd));
        const d = await start(t, config(), { bin: into(file) });
        await fillLog(d);
        let text = '';
        const read = () => {
            const piece = Buffer.alloc(65536);
            try {
                text += piece.toString('latin1', 0, readSync(fd, piece));
            } catch (error) {
                assert.equal(error.code, 'EAGAIN');
                return true;
            }
            return false;
        };
        await until('all is read', read);
        await d.accept([newImage('back')]);
        await d.stop();
        await until('all is read', read);
        assert.match(text, /"msg":"stopped"/);
        for (const line of text.split('\n').slice(0, -1)) if (line !== '') JSON.parse(line);
    });
});
