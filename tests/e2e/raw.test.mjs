// Hostile bytes against the real daemon, sent whole, byte by byte and cut at random; after all of it
// the service still serves and has given everything back. The rows are in raw-cases.mjs.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { CLOSE, CONTINUATION, PING, PONG, TEXT, closeBody, frame } from './frames.mjs';
import {
    Client,
    Daemon,
    ENVELOPE_TYPE,
    REGCASTD_FAST,
    REGISTRY,
    Raw,
    defer,
    digestOf,
    envelope,
    handshake,
    makeConfig,
    newImage,
    pause,
    push,
    rawWs,
    readMessage,
    trigger,
    until,
} from './harness.mjs';
import {
    LISTENERS,
    ORIGINS,
    SKIPPED,
    SMUGGLED,
    frameCases,
    garbage,
    goodCases,
    handshakeCases,
    httpCases,
    jsonCases,
    originCases,
} from './raw-cases.mjs';
import { WAYS, accept, checkRefusal, cut, portOf, random, refusalsOf, refuse, sendFrames, where } from './raw-sends.mjs';

const BULK = 'crtregistry000000002'; // large envelopes, on a path of their own
const limits = { timeout: 60000 };

describe('raw bytes', { timeout: 300000 }, () => {
    let daemon, files, rss;
    let canary; // would see every event that comes through where none may
    let markers = 0;
    let read = 0;
    const seen = new Map(); // digest of what the canary received > repository

    before(async () => {
        daemon = await Daemon.start(
            makeConfig({
                gateway: {
                    paths: ['/', '/builds', '/bulk', '/teams/{team}', { path: '/echo', inbound: 'echo' }],
                    max_control_rate: 0,
                },
                registries: [REGISTRY, BULK].map((id) => ({ id, kind: 'distribution' })),
                triggers: [
                    trigger('everything'),
                    trigger('bulk', { path: '/bulk', registry: BULK, size: 1000 }),
                ],
            }),
        );
        canary = await Client.open(daemon.url('/'));
        await serves();
        files = daemon.openFiles();
        rss = daemon.rssKb();
    });

    after(async () => {
        await canary?.close();
        await daemon?.stop();
    });

    // A good event comes through, and `unwanted` does not.
    async function serves() {
        const marker = newImage('marker');
        await daemon.accept([marker]);
        await until(`marker ${++markers}`, () =>
            arrived().has(marker.target.digest),
        );
    }

    function arrived() {
        for (; read < canary.messages.length; read++)
            for (const event of readMessage(canary.messages[read])) seen.set(event.digest, event.repo);
        return seen;
    }

    for (const c of goodCases)
        test(`${c.listener}: ${c.name} is let in`, limits, () => accept(daemon, c.listener, c));

    for (const c of [...httpCases, ...handshakeCases].filter((one) => !one.opens))
        for (const listener of where(c))
            test(`${c.id} ${listener}: ${c.name}`, limits, () => refuse(daemon, listener, c));

    for (const c of handshakeCases.filter((one) => one.opens))
        test(`${c.id} ${c.listener}: ${c.name} opens`, limits, () => accept(daemon, c.listener, c));

    test('nothing hidden behind a refused request was dispatched', limits, async () => {
        await serves();
        assert.ok(![...arrived().values()].includes(SMUGGLED));
    });

    test('HP-10 frames behind the handshake are answered after the 101', limits, async () => {
        for (const way of WAYS) {
            const raw = await Raw.open(daemon.port);
            const bytes = Buffer.concat([Buffer.from(handshake('/echo')), frame(TEXT, 'early'), frame(PING, 'bird')]);
            await raw.sendPieces(cut(bytes, way, 'early'));
            await raw.wait('echo and pong', () => raw.ws?.frames.length === 2);
            assert.deepEqual(
                raw.ws.frames.map((f) => [f.opcode, String(f.payload)]),
                [
                    [TEXT, 'early'],
                    [PONG, 'bird'],
                ],
            );
            raw.destroy();
        }
    });

    test('HP-10 more than 4 KB behind the handshake is refused', limits, async () => {
        const raw = await Raw.open(daemon.port);
        await raw.send(Buffer.concat([Buffer.from(handshake('/echo')), frame(TEXT, 'x'.repeat(20000))]));
        await raw.wait('an answer', () => raw.last || raw.done);
        checkRefusal(raw, { status: [400], reason: ['upgrade_early'] });
        raw.destroy();
    });

    test('HP-14 pipelined requests are all answered, in order', limits, async () => {
        const raw = await Raw.open(daemon.webhookPort);
        const lines = [];
        for (let i = 0; i < 1000; i++)
            lines.push(i % 3 ? 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n' : 'HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
        // A HEAD has no body, so answers are told apart by hand.
        let text = '';
        raw.socket.on('data', (data) => (text += data.toString('latin1')));
        raw.headOnly = true;
        await raw.send(lines.join(''));
        await until('1000 answers', () => text.split('HTTP/1.1 200 OK\r\n').length === 1001);
        const bodies = text.split('HTTP/1.1 200 OK\r\n').slice(1).map((one) => one.split('\r\n\r\n')[1]);
        assert.deepEqual(bodies, lines.map((line) => (line.startsWith('GET') ? 'ok\n' : '')));
        raw.destroy();
    });

    test('HP-14 answers that are not read do not pile up', limits, async () => {
        const before = daemon.rssKb();
        const raw = await Raw.open(daemon.webhookPort, { read: false });
        const some = 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(500);
        for (let i = 0; i < 40; i++) raw.send(some); // 20,000 answers of 10 KB, if they were made
        await pause(1500);
        const grown = daemon.rssKb() - before;
        assert.ok(grown < 16384, `grew by ${grown} KB`);
        await serves();
        raw.destroy();
    });

    for (const c of frameCases) test(`${c.id} frames: ${c.name}`, limits, () => sendFrames(daemon, c));

    test('FR-13 131,072 one-byte fragments, a million empty ones', limits, async () => {
        for (const [payload, count] of [
            ['x', 131072],
            ['', 1000000],
        ]) {
            const raw = await rawWs(daemon.port, '/echo');
            const some = Buffer.concat(Array(1000).fill(frame(CONTINUATION, payload, { fin: false })));
            await raw.send(frame(TEXT, payload, { fin: false }));
            for (let i = 0; i < count / 1000 && !raw.ws.close && !raw.done; i++) await raw.send(some);
            await raw.wait('a close frame', () => raw.ws.close || raw.done);
            assert.equal(raw.ws.close?.code, 1008);
            raw.destroy();
        }
    });

    for (const c of jsonCases)
        test(`${c.id} webhooks: ${c.name}`, limits, async () => {
            const before = await daemon.metrics();
            const events = [];
            for (const way of WAYS) {
                const [event, sibling] = [newImage('json'), newImage('json')];
                events.push([event, sibling]);
                const body = Buffer.from(c.make(event, sibling));
                const head = `POST /registries/${REGISTRY}/events HTTP/1.1\r\nHost: a\r\nContent-Type: ${ENVELOPE_TYPE}\r\nContent-Length: ${body.length}\r\n\r\n`;
                const raw = await Raw.open(daemon.webhookPort);
                const start = performance.now();
                await raw.sendPieces(cut(Buffer.concat([Buffer.from(head), body]), way, c.name), () => raw.done || raw.last);
                const sent = performance.now();
                await raw.wait('an answer', () => raw.last || raw.done, 5000);
                const took = performance.now() - (way === 'whole' ? start : sent);
                assert.equal(raw.last?.status, 202, `${way}: ${JSON.stringify(raw.last)}`);
                assert.ok(took < 1000, `${way}: answered after ${took} ms, a registry waits 1 s`);
                const counts = JSON.parse(raw.last.body);
                assert.deepEqual(Object.keys(counts).slice(0, 3), ['accepted', 'ignored', 'duplicates']);
                if (c.good !== null)
                    assert.equal(counts.accepted, c.good + c.sibling, `${way}: ${raw.last.body}`);
                assert.equal(raw.done, false, 'the connection stays');
                raw.destroy();
            }
            await serves();
            for (const [event, sibling] of events) {
                if (c.good !== null)
                    assert.equal(arrived().has(event.target.digest), c.good, 'the event');
                assert.equal(arrived().has(sibling.target.digest), c.sibling, 'its sibling');
            }
            const after = await daemon.metrics();
            const grew = (outcome) =>
                after.get('regcast_webhook_events_total', { outcome }) -
                before.get('regcast_webhook_events_total', { outcome });
            if (c.good) assert.equal(grew('set_aside'), 0);
            if (c.good === false)
                assert.ok(grew('set_aside') + grew('ignored') >= WAYS.length, 'counted');
        });

    test('JS-08 thousands of good events and a bad one among them', limits, async (t) => {
        const client = await Client.open(daemon.url('/bulk'));
        defer(t, () => client.close());
        const events = Array.from({ length: 3600 }, (_, i) => ({
            id: `js08-${i}`,
            timestamp: '2026-01-01T00:00:00Z',
            action: 'push',
            target: {
                mediaType: 'application/vnd.oci.image.manifest.v1+json',
                digest: digestOf(`js08 ${i}`),
                repository: 'js08',
            },
        }));
        const bad = structuredClone(events[1800]);
        bad.id = 'js08-bad';
        bad.target.digest = 'nonsense';
        const good = [...events];
        events.splice(1800, 0, bad);
        const body = envelope(events);
        assert.ok(body.length < 1 << 20);
        for (const [accepted, again] of [
            [3600, 0],
            [0, 3600],
        ]) {
            const got = await daemon.post(body, { registry: BULK });
            assert.equal(got.status, 202);
            assert.equal(got.json.accepted, accepted);
            assert.equal(got.json.ignored + got.json.duplicates, again);
        }
        const got = () => client.messages.flatMap((text) => readMessage(text, BULK)).map((e) => e.digest);
        await until('the last one', () => got().length >= good.length);
        assert.deepEqual(
            got(),
            good.map((e) => e.target.digest),
        );
        await serves();
    });

    test('what was set aside is in the log, with its first bytes', limits, async () => {
        const got = await daemon.post('{"events":[{"canary-7f3a":1}]}');
        assert.equal(got.status, 202);
        await until('the log line', () =>
            daemon.logs.some((line) => line.level === 'warn' && JSON.stringify(line).includes('canary-7f3a')),
        );
    });

    // What webhooks are answered beside 202 (the list); never a redirect.
    for (const [name, method, path, headers, body, status, reason] of [
        ['GET on the events', 'GET', 'events', {}, '', 405, 'method'],
        ['PUT on the events', 'PUT', 'events', {}, '{}', 405, 'method'],
        ['a slash behind it', 'POST', 'events/', {}, '{}', 404, 'not_found'],
        ['a slash before it', 'POST', '/events', {}, '{}', [404, 400], ['not_found', 'path']],
        ['another ending', 'POST', 'event', {}, '{}', 404, 'not_found'],
        ['gzip', 'POST', 'events', { 'Content-Encoding': 'gzip' }, '{}', 415, 'encoding'],
        ['identity and gzip', 'POST', 'events', { 'Content-Encoding': 'identity, gzip' }, '{}', 415, 'encoding'],
        ['more than 1 MiB', 'POST', 'events', {}, ' '.repeat((1 << 20) + 1), 413, 'body'],
        ['a promise of 10 GB', 'POST', 'events', { 'Content-Length': '10000000000' }, '', 413, 'body'],
        ['endless chunks', 'POST', 'events', { 'Transfer-Encoding': 'chunked' }, `10000\r\n${' '.repeat(65536)}\r\n`.repeat(17), 413, 'body'],
    ])
        test(`WH webhooks: ${name} is ${status}`, limits, async () => {
            const raw = await Raw.open(daemon.webhookPort);
            const lines = [`${method} /registries/${REGISTRY}/${path} HTTP/1.1`, 'Host: a', `Content-Type: ${ENVELOPE_TYPE}`];
            const all = { ...headers };
            if (!('Transfer-Encoding' in all)) all['Content-Length'] ??= body.length;
            for (const [key, value] of Object.entries(all)) lines.push(`${key}: ${value}`);
            await raw.sendPieces([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), ...cut(Buffer.from(body), 'split', name)], () => raw.done || raw.last);
            await raw.wait('an answer', () => raw.last || raw.done);
            checkRefusal(raw, { status: [status].flat(), reason: [reason].flat() });
            await raw.wait('the end', () => raw.done, 3000);
            raw.destroy();
        });

    test('WH-05 a body of exactly 1 MiB is taken', limits, async () => {
        const body = envelope([newImage('large')]).padEnd(1 << 20);
        const got = await daemon.post(body);
        assert.equal(got.status, 202);
        assert.equal(got.json.accepted, 1);
    });

    test('WH-09 a strange content type is no reason to block a registry', limits, async () => {
        for (const type of [
            `${ENVELOPE_TYPE}; charset=utf-8`,
            `${ENVELOPE_TYPE};charset="UTF-8"`,
            'application/json',
            'text/plain',
            '',
        ]) {
            const got = await daemon.post([newImage('typed')], { headers: { 'Content-Type': type } });
            assert.equal(got.status, 202, type);
            assert.equal(got.json.accepted, 1, type);
        }
    });

    test('WH-13 a sender that goes away at each byte leaves nothing', limits, async () => {
        const event = newImage('cut');
        const body = envelope([event]);
        const text = `POST /registries/${REGISTRY}/events HTTP/1.1\r\nHost: a\r\nContent-Type: ${ENVELOPE_TYPE}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
        for (let at = 1; at < text.length; at += 7) {
            const raw = await Raw.open(daemon.webhookPort);
            await raw.send(text.slice(0, at));
            if (at % 2) raw.reset();
            else raw.destroy();
        }
        await serves();
        assert.ok(!arrived().has(event.target.digest));
        await until('sockets to be gone', async () =>
            (await daemon.metrics()).get('regcast_webhook_inflight_bytes') === 0,
        );
    });

    test('WS-05 8 KB of a header take no time', limits, async () => {
        const long = `a,${' '.repeat(8000)}b`;
        const start = performance.now();
        for (let i = 0; i < 20; i++) {
            const raw = await Raw.open(daemon.port);
            await raw.send(handshake('/', { 'Sec-WebSocket-Protocol': long }));
            await raw.wait('an answer', () => raw.last);
            raw.destroy();
        }
        const each = (performance.now() - start) / 20;
        assert.ok(each < 100, `${each} ms each`);
    });

    test('WS-10 a client that goes away at each byte', limits, async () => {
        const text = handshake('/builds');
        const bytes = Buffer.concat([Buffer.from(text), frame(PING, 'x'), frame(TEXT, 'hello')]);
        const opened = (await daemon.metrics()).get('regcast_handshakes_total');
        for (let at = 1; at <= bytes.length; at++)
            for (const reset of [true, false]) {
                const raw = await Raw.open(daemon.port);
                await raw.send(bytes.subarray(0, at));
                if (reset) raw.reset();
                else raw.destroy();
            }
        await until('connections to be gone', async () => {
            const m = await daemon.metrics();
            return m.get('regcast_connections', { path: '/builds' }) === 0 && m.get('regcast_open_sockets', { listener: 'gateway' }) === 1;
        });
        assert.ok((await daemon.metrics()).get('regcast_handshakes_total') > opened, 'some got their 101');
        await serves();
    });

    test('WS-11 bytes behind a refused handshake are never looked at', limits, async () => {
        for (const headers of [{ 'Sec-WebSocket-Key': 'bad' }, { 'Sec-WebSocket-Version': '7' }]) {
            const raw = await Raw.open(daemon.port);
            const added = await refusalsOf(daemon, async () => {
                await raw.send(handshake('/echo', headers));
                await raw.wait('an answer', () => raw.last);
                const start = performance.now();
                await raw.sendPieces(Array(20).fill(frame(TEXT, 'tunnel')), () => raw.gone);
                await raw.send(handshake('/echo'));
                await raw.wait('the end', () => raw.done, 2000);
                assert.ok(performance.now() - start < 1500);
            });
            assert.equal(Object.values(added).reduce((a, b) => a + b, 0), 1, JSON.stringify(added));
            assert.equal(raw.responses.length, 1);
            assert.equal(raw.problem, null);
            raw.destroy();
        }
    });

    for (const listener of ['gateway', 'webhooks'])
        test(`LM-03 ${listener}: bytes that are no HTTP`, limits, async () => {
            for (const [name, bytes] of garbage) {
                const raw = await Raw.open(portOf(daemon, listener));
                await raw.sendPieces(cut(bytes, bytes.length > 1000 ? 'split' : 'whole', name), () => raw.done || raw.last);
                await raw.wait(`${name}: the end`, () => raw.done, 5000);
                if (raw.last) assert.ok(raw.last.status >= 400 && raw.last.status < 600, name);
                raw.destroy();
            }
        });

    test('the log has a line for each reason, and never a line too many', limits, async () => {
        const counted = new Set(Object.keys((await daemon.metrics()).rejects()));
        assert.ok(counted.size > 25, [...counted].join());
        const lines = daemon.logged({ msg: 'reject' });
        for (const line of lines)
            for (const key of ['reason', 'listener', 'peer', 'conn'])
                assert.equal(typeof line[key], 'string', JSON.stringify(line));
        const logged = new Set(lines.map((line) => `${line.reason}|${line.listener}`));
        assert.deepEqual([...counted].filter((key) => !logged.has(key)), []);
        const perSecond = {};
        for (const { reason, time } of lines) {
            const key = `${reason} ${time.slice(0, 19)}`;
            perSecond[key] = (perSecond[key] ?? 0) + 1;
        }
        // 10 a second and reason, from each of the threads that write.
        for (const [key, n] of Object.entries(perSecond)) assert.ok(n <= 30, `${key}: ${n} lines`);
    });

    test('after all of it, files and memory are back', limits, async () => {
        await serves();
        await until(
            () => `open files: ${daemon.openFiles()}, at first ${files}`,
            () => daemon.openFiles() <= files,
        );
        // Another round must not need more than the first: what is kept is kept once.
        const round = async () => {
            for (const c of [...httpCases, ...handshakeCases])
                for (const listener of where(c)) {
                    const raw = await Raw.open(portOf(daemon, listener));
                    await raw.sendPieces([c.make(LISTENERS[listener])], () => raw.done || raw.last);
                    await raw.wait('an answer', () => raw.last || raw.done, 5000);
                    raw.destroy();
                }
            for (const c of frameCases) {
                const raw = await rawWs(daemon.port, '/echo');
                await raw.send(c.bytes);
                await raw.wait('something', () => raw.ws.frames.length > 0 || raw.done, 5000).catch(() => {});
                raw.destroy();
            }
            await until('sockets to be gone', async () =>
                (await daemon.metrics()).get('regcast_open_sockets', { listener: 'gateway' }) === 1,
            );
        };
        await round();
        const first = daemon.rssKb();
        await round();
        const second = daemon.rssKb();
        assert.ok(second - first < 4096, `${first} KB, then ${second} KB (at the start ${rss})`);
        await serves();
    });
});

describe('origins', limits, () => {
    let daemon;
    before(async () => {
        daemon = await Daemon.start(makeConfig({ gateway: { paths: ['/'], allowed_origins: ORIGINS } }));
    });
    after(() => daemon?.stop());
    for (const c of originCases)
        test(`WS-04 ${c.name}`, limits, () =>
            c.opens ? accept(daemon, 'gateway', c) : refuse(daemon, 'gateway', c),
        );
});

test('WS-04 without a list every origin is let in', limits, async (t) => {
    const daemon = await Daemon.start(makeConfig());
    defer(t, () => daemon.stop());
    for (const c of originCases.filter((one) => one.opens)) await accept(daemon, 'gateway', c);
    const c = { id: 'WS-04', name: 'any', opens: true, make: () => Buffer.from(handshake('/', { Origin: 'https://x.example' })) };
    await accept(daemon, 'gateway', c);
});

describe('HP-13 slow peers', limits, () => {
    let daemon;
    before(async () => {
        daemon = await Daemon.start(
            makeConfig({
                gateway: { paths: ['/'], handshake_timeout: '1s' },
                webhooks: { header_timeout: '1s', body_timeout: '2s', keepalive_timeout: '1s' },
            }),
        );
    });
    after(() => daemon?.stop());

    // Sends `start`, then a byte of `drip` every 100 ms; resolves to how long the peer was borne.
    async function drip(port, start, bytes) {
        const raw = await Raw.open(port);
        const began = performance.now();
        if (start) await raw.send(start);
        for (const byte of bytes) {
            if (raw.done) break;
            await raw.send(byte);
            await pause(100);
        }
        await raw.wait('the end', () => raw.done, 8000);
        raw.took = performance.now() - began;
        raw.destroy();
        return raw;
    }

    const endless = Array(80).fill('x');

    test('a head that drips is ended with 408', limits, async () => {
        for (const port of [daemon.port, daemon.webhookPort]) {
            const raw = await drip(port, 'GET / HTTP/1.1\r\nHost: a\r\nX: ', endless);
            checkRefusal(raw, { status: [408], reason: ['slow_header'] });
            assert.ok(raw.took > 700 && raw.took < 5000, `${raw.took} ms`);
        }
    });

    test('a connection that says nothing is ended', limits, async () => {
        for (const port of [daemon.port, daemon.webhookPort]) {
            const raw = await drip(port, '', []);
            assert.ok(raw.took > 700 && raw.took < 5000, `${raw.took} ms`);
        }
    });

    test('a body that drips is ended with 408', limits, async () => {
        const head = `POST /registries/${REGISTRY}/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n`;
        const raw = await drip(daemon.webhookPort, head, endless);
        checkRefusal(raw, { status: [408], reason: ['slow_body'] });
        assert.ok(raw.took > 1500 && raw.took < 6000, `${raw.took} ms`);
    });

    test('an idle kept-alive connection is ended', limits, async () => {
        const raw = await drip(daemon.webhookPort, 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n', []);
        assert.deepEqual(raw.responses.map((r) => r.status), [200], 'no second answer');
        assert.ok(raw.took > 700 && raw.took < 5000, `${raw.took} ms`);
    });

    test('a second request that drips is ended too', limits, async () => {
        const raw = await drip(daemon.webhookPort, 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET ', endless);
        assert.deepEqual(raw.responses.map((r) => r.status), [200, 408]);
    });

    test('a thousand of them do not keep others waiting', limits, async () => {
        const slow = [];
        for (let i = 0; i < 1000; i++) slow.push(await Raw.open(i % 2 ? daemon.port : daemon.webhookPort));
        for (const [i, raw] of slow.entries()) raw.send(i % 3 ? 'GET / HTTP/1.1\r\n' : '');
        const times = [];
        for (let i = 0; i < 50; i++) {
            const start = performance.now();
            assert.equal((await daemon.request('GET', '/healthz')).status, 200);
            const client = await Client.open(daemon.url('/'));
            times.push(performance.now() - start);
            await client.close();
        }
        times.sort((a, b) => a - b);
        assert.ok(times[44] < 500, `${times[44]} ms`);
        for (const raw of slow) await raw.wait('the end', () => raw.done, 10000);
        for (const raw of slow) raw.destroy();
    });
});

test('HP-14 a peer that reads none of its answers is cut', { timeout: 60000 }, async (t) => {
    const daemon = await Daemon.start(makeConfig({ webhooks: { header_timeout: '2s' } }));
    defer(t, () => daemon.stop());
    const files = daemon.openFiles();
    const raw = await Raw.open(daemon.webhookPort, { read: false });
    defer(t, () => raw.destroy());
    const some = 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(500);
    for (let i = 0; i < 20; i++) raw.send(some);
    await until('the connection', () => daemon.openFiles() > files);
    await until('the cut', () => daemon.openFiles() <= files, 15000);
    const m = await daemon.metrics();
    assert.equal(m.get('regcast_reject_total', { listener: 'webhooks', reason: 'write_stall' }), 1);
});

describe('HP-16 differential', limits, () => {
    // Takes what Node's own parser takes: `requests` counts those that were whole.
    class Reference {
        requests = 0;
        async start() {
            this.server = http.createServer((req, res) => {
                req.on('error', () => {});
                req.on('data', () => {});
                req.on('end', () => {
                    this.requests++;
                    res.end();
                });
            });
            this.server.on('upgrade', (req, socket) => {
                this.requests++;
                socket.destroy();
            });
            this.server.on('clientError', (error, socket) => socket.destroy());
            await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
            this.port = this.server.address().port;
        }
        stop() {
            this.server.closeAllConnections();
            return new Promise((done) => this.server.close(done));
        }
    }

    // Valid requests, each changed in one to three places: what a mutation fuzzer would try first.
    function mutations(n) {
        const next = random('differential');
        const pick = (list) => list[Math.floor(next() * list.length)];
        const body = '{"events":[]}';
        const bases = [
            'GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n',
            `POST /registries/${REGISTRY}/events HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
            `POST /registries/${REGISTRY}/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nD\r\n${body}\r\n0\r\n\r\n`,
            `GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
        ];
        const pieces = [
            '\r', '\n', '\r\n', '\0', ' ', '\t', ':', ';', ',', '0', '1', '9', 'x', '\x0b', '\x7f', '\xff', '"', '\\',
            'Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: identity\r\n',
            'Host: b\r\n', ' folded\r\n', 'Expect: 100-continue\r\n', 'Upgrade: websocket\r\nConnection: Upgrade\r\n',
            'Connection: close\r\n', 'HTTP/1.0', 'GET', '%00', '..', '//', 'http://a', '#',
        ];
        return Array.from({ length: n }, (_, i) => {
            let text = pick(bases);
            for (let k = 1 + Math.floor(next() * 3); k > 0; k--) {
                const at = Math.floor(next() * text.length);
                const what = next();
                if (what < 0.5) text = text.slice(0, at) + pick(pieces) + text.slice(at);
                else if (what < 0.75) text = text.slice(0, at) + text.slice(at + 1 + Math.floor(next() * 3));
                else text = text.slice(0, at) + pick(pieces) + text.slice(at + 1);
            }
            return [`mutation ${i}`, Buffer.from(text, 'latin1')];
        });
    }

    async function sendAll(port, bytes) {
        const raw = await Raw.open(port);
        await raw.send(bytes);
        raw.socket.end();
        await raw.wait('the end', () => raw.done, 5000);
        raw.destroy();
        return raw;
    }

    test('what Node refuses, we refuse', { timeout: 120000 }, async (t) => {
        const daemon = await Daemon.start(makeConfig());
        defer(t, () => daemon.stop());
        const reference = new Reference();
        await reference.start();
        defer(t, () => reference.stop());
        const corpus = [
            ...goodCases.map((c) => [c.name, c.make(LISTENERS.webhooks)]),
            ...httpCases.map((c) => [c.name, c.make(LISTENERS.webhooks)]),
            ...handshakeCases.map((c) => [c.name, c.make(LISTENERS.webhooks)]),
            ...mutations(400),
        ];
        const worse = [];
        let both = 0;
        for (const [name, bytes] of corpus) {
            const before = reference.requests;
            const [ours] = await Promise.all([
                sendAll(daemon.webhookPort, bytes),
                sendAll(reference.port, bytes).catch((error) => {
                    throw new Error(`reference, ${name}: ${error.message}`);
                }),
            ]);
            await pause(0);
            const taken = ours.responses.filter((r) => r.status >= 200 && r.status < 300).length;
            const theirs = reference.requests - before;
            if (taken > theirs) worse.push([name, taken, theirs, bytes.toString('latin1')]);
            if (taken > 0 && theirs > 0) both++;
        }
        assert.deepEqual(worse, [], 'taken by us, refused by Node');
        assert.ok(both > 20, `only ${both} of ${corpus.length} were taken by both: too wild to tell`);
        // The gateway: an upgrade that Node does not see as one is none for us.
        for (const c of [...handshakeCases, ...httpCases]) {
            const bytes = c.make(LISTENERS.gateway);
            const before = reference.requests;
            const raw = await Raw.open(daemon.port);
            await raw.send(bytes);
            await raw.wait('an answer', () => raw.last || raw.done);
            raw.destroy();
            if (raw.last?.status !== 101) continue;
            await sendAll(reference.port, bytes).catch(() => {});
            assert.ok(reference.requests > before, c.name);
        }
    });
});

describe('limits', () => {
    test('FR-12 a peer that never answers our close is cut after the close timeout', limits, async (t) => {
        const daemon = await Daemon.start(makeConfig({ gateway: { paths: ['/'], close_timeout: '1s' } }));
        defer(t, () => daemon.stop());
        const files = daemon.openFiles();
        for (const bytes of [frame(TEXT, 'x', { mask: false }), frame(CLOSE, closeBody(1000))]) {
            const raw = await rawWs(daemon.port);
            defer(t, () => raw.destroy());
            await raw.send(bytes);
            await raw.wait('a close frame', () => raw.ws.close);
        }
        await until('the sockets to go', () => daemon.openFiles() <= files, 6000);
        const lost = await rawWs(daemon.port);
        lost.destroy();
        await until('a lost one', async () => (await daemon.metrics()).get('regcast_closes_total', { by: 'lost' }) === 1);
    });

    test('FR-13 a message that is never finished is ended', limits, async (t) => {
        const daemon = await Daemon.start(makeConfig({ gateway: { paths: ['/'], message_timeout: '1s' } }));
        defer(t, () => daemon.stop());
        for (const bytes of [
            frame(TEXT, 'x', { fin: false }),
            frame(TEXT, 'x'.repeat(1000)).subarray(0, 500),
            frame(TEXT, 'x'.repeat(1000)).subarray(0, 3),
        ]) {
            const raw = await rawWs(daemon.port);
            defer(t, () => raw.destroy());
            const start = performance.now();
            await raw.send(bytes);
            await raw.wait('a close frame', () => raw.ws.close || raw.done, 8000);
            assert.equal(raw.ws.close?.code, 1008);
            assert.ok(performance.now() - start > 700);
        }
        assert.equal((await daemon.metrics()).get('regcast_reject_total', { reason: 'msg_timeout' }), 3);
    });

    test('FR-14 ten thousand half-received frames cost little', { timeout: 60000 }, async (t) => {
        const daemon = await Daemon.start(
            makeConfig({ gateway: { paths: ['/'], max_connections: 20000, max_half_open: 20000 } }),
            { bin: REGCASTD_FAST },
        );
        defer(t, () => daemon.stop());
        const files = Math.min(fileLimit(daemon.pid), fileLimit('self'));
        const n = Math.min(10000, files - 1000);
        assert.ok(n >= 1000, `open files are limited to ${files}`);
        const all = [];
        defer(t, () => all.forEach((raw) => raw.destroy()));
        for (let i = 0; i < n; i += 200)
            all.push(...(await Promise.all(Array.from({ length: Math.min(200, n - i) }, () => rawWs(daemon.port)))));
        const before = daemon.rssKb();
        const head = frame(TEXT, 'x', { declared: 32768 });
        for (const raw of all) await raw.send(head);
        // Everything has been read when a late connection has had its turn on each worker.
        for (let i = 0; i < 20; i++) (await rawWs(daemon.port)).destroy();
        await pause(300);
        const grown = daemon.rssKb() - before;
        assert.ok(grown <= (20480 * n) / 10000, `grew by ${grown} KB for ${n} connections`);
        assert.ok(all.every((raw) => !raw.done), 'all still open');
    });

    function fileLimit(pid) {
        return Number(/Max open files\s+(\d+)/.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))[1]);
    }

    test('FR-15 a flood of control frames is ended, a burst is not', { timeout: 60000 }, async (t) => {
        const daemon = await Daemon.start(makeConfig({ gateway: { paths: ['/'] } }));
        defer(t, () => daemon.stop());
        const burst = await rawWs(daemon.port);
        defer(t, () => burst.destroy());
        for (let i = 0; i < 40; i++) await burst.send(frame(PING, `${i}`));
        await burst.wait('the newest pong', () => burst.ws.frames.some((f) => String(f.payload) === '39'));
        assert.equal(burst.done, false);

        const before = daemon.rssKb();
        for (const opcode of [PING, PONG]) {
            const raw = await rawWs(daemon.port);
            defer(t, () => raw.destroy());
            raw.socket.pause(); // from now on it reads nothing
            const some = Buffer.concat(Array(1000).fill(frame(opcode, '')));
            for (let i = 0; i < 100 && !raw.done; i++) await Promise.race([raw.send(some), pause(200)]);
            await until('the refusal', async () =>
                (await daemon.metrics()).get('regcast_reject_total', { reason: 'ctrl_rate' }) >= (opcode === PING ? 1 : 2),
            );
            raw.socket.resume();
            await raw.wait('the end', () => raw.done, 8000);
            const close = raw.ws?.close;
            if (close) assert.equal(close.code, 1008);
        }
        const grown = daemon.rssKb() - before;
        assert.ok(grown < 4096, `grew by ${grown} KB`);
        assert.equal(burst.done, false);
    });

    test('FR-16 more messages a second than allowed are ended', limits, async (t) => {
        const daemon = await Daemon.start(makeConfig({ gateway: { paths: ['/'], max_message_rate: 10 } }));
        defer(t, () => daemon.stop());
        const calm = await rawWs(daemon.port);
        defer(t, () => calm.destroy());
        for (let i = 0; i < 10; i++) await calm.send(frame(TEXT, 'x'));
        await calm.send(frame(PING, 'ok'));
        await calm.wait('a pong', () => calm.ws.frames.some((f) => f.opcode === PONG));
        const raw = await rawWs(daemon.port);
        defer(t, () => raw.destroy());
        for (let i = 0; i < 200 && !raw.done; i++) await raw.send(frame(TEXT, 'x'));
        await raw.wait('a close frame', () => raw.ws.close);
        assert.equal(raw.ws.close.code, 1008);
        assert.equal((await daemon.metrics()).get('regcast_reject_total', { reason: 'rate' }), 1);
        assert.equal(calm.done, false);
    });

    test('LM-01 one connection too many gets 503, and the others stay', limits, async (t) => {
        const daemon = await Daemon.start(makeConfig({ gateway: { paths: ['/'], max_connections: 20 } }));
        defer(t, () => daemon.stop());
        const clients = [];
        for (let i = 0; i < 20; i++) {
            clients.push(await Client.open(daemon.url('/')));
            defer(t, () => clients[i].terminate());
        }
        for (let i = 0; i < 5; i++) {
            const raw = await Raw.open(daemon.port);
            await raw.send(handshake('/'));
            await raw.wait('an answer', () => raw.last || raw.done);
            checkRefusal(raw, { status: [503], reason: ['conn_cap'] });
            assert.match(raw.last.headers['retry-after'], /^\d+$/);
            await raw.wait('the end', () => raw.done, 3000);
            raw.destroy();
        }
        assert.equal((await daemon.metrics()).get('regcast_reject_total', { reason: 'conn_cap', stage: 'accept' }), 5);
        await daemon.accept([newImage('team/app')]);
        for (const c of clients) await c.first(1);
        await clients[0].close();
        const again = await until('room for one', () => Client.open(daemon.url('/')).catch(() => null));
        defer(t, () => again.terminate());
        const event = push('team/app', digestOf('room'));
        await daemon.accept([event]);
        assert.equal(readMessage((await again.first(1))[0])[0].digest, event.target.digest);
    });

    test('LM-01 half-open connections over their cap push out the oldest', limits, async (t) => {
        const daemon = await Daemon.start(
            makeConfig({ gateway: { paths: ['/'], workers: 1, max_half_open: 10 } }),
        );
        defer(t, () => daemon.stop());
        const half = [];
        for (let i = 0; i < 15; i++) {
            half.push(await Raw.open(daemon.port));
            defer(t, () => half[i].destroy());
            await half[i].send('GET / HTTP/1.1\r\n');
        }
        await until('five to be gone', () => half.filter((raw) => raw.done).length >= 5);
        assert.deepEqual(half.map((raw) => raw.done), half.map((_, i) => i < 5), 'the oldest ones');
        const client = await Client.open(daemon.url('/'));
        defer(t, () => client.terminate());
        const m = await daemon.metrics();
        assert.ok(m.get('regcast_reject_total', { reason: 'half_open_cap' }) >= 5);
    });
});

for (const [id, reason] of SKIPPED) test(`${id} (${reason})`, { skip: reason }, () => {});
