// Paths as server-sent events, for who cannot upgrade: plain GETs by Node, by `curl -N` and by Chromium's own
// EventSource, beside WebSocket clients of the same paths.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import { describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { makeCertificate, tlsOf } from './certificates.mjs';
import {
    Client, Daemon, Raw, defer, digestOf, freePort, makeConfig, newImage, push, readMessage, start, trigger, until, within,
} from './harness.mjs';
import { Sse, SseParser } from './sse.mjs';
import { takeOver } from './takeover.mjs';

const limits = { timeout: 60000 };
const TOKEN = 't1.canary_sse_4c1e7a90b2';
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

async function serve(t, over = {}, options) {
    const d = await Daemon.start(makeConfig(over), options);
    defer(t, () => d.stop());
    return d;
}

async function open(t, d, path, options) {
    const s = await Sse.open(d.port, path, options);
    defer(t, () => s.close());
    assert.equal(s.status, 200, s.text);
    return s;
}

const lastId = (text) => readMessage(text).at(-1).id;
const metric = async (d, name, labels) => (await d.metrics()).get(name, labels) ?? 0;

// The status of a GET, which is not read any further.
async function statusOf(d, path, headers) {
    const s = await Sse.open(d.port, path, { headers });
    s.close();
    return s.status;
}

// ----------------------------------------------------------------------------------- the request

describe('the request', { concurrency: 2 }, () => {
    test('asks by Accept alone, and for nothing else', limits, async (t) => {
        const d = await serve(t);
        for (const [accept, status] of [
            ['text/event-stream', 200],
            ['TEXT/Event-Stream', 200],
            ['text/html, text/event-stream;q=0.1', 200],
            ['text/event-stream; charset="a,b;q=0"; q=1.000', 200],
            ['text/event-stream;q=0', 426],
            ['text/event-stream; q=0.000, */*', 426],
            ['text/event-stream;q=2', 426],
            ['*/*', 426],
            ['text/*', 426],
            ['text/event-streams', 426],
            ['a="text/event-stream', 426],
        ])
            assert.equal(await statusOf(d, '/', { Accept: accept }), status, accept);
        for (const method of ['POST', 'OPTIONS'])
            assert.equal((await d.request(method, '/', { port: d.port, headers: { Accept: 'text/event-stream' } })).status, 405, method);
        const body = await d.request('GET', '/', { port: d.port, body: 'x', headers: { Accept: 'text/event-stream', 'Content-Length': 1 } });
        assert.equal(body.status, 400);
        assert.equal(await statusOf(d, '/nowhere'), 404);
        assert.equal(await statusOf(d, '/?since=x'), 400);
        const both = await Client.open(d.url(), { headers: { Accept: 'text/event-stream' } });
        both.terminate(); // an upgrade stays one
    });

    test('is answered with what caches, proxies and other origins have to know', limits, async (t) => {
        const site = 'https://console.example';
        const d = await serve(t, { gateway: { paths: ['/', { path: '/listed', allowed_origins: [site] }] } });
        const head = async (path, headers) => {
            const s = await Sse.open(d.port, path, { headers });
            s.close();
            return s;
        };
        const any = await head('/', { Origin: 'https://a.example' });
        assert.equal(any.status, 200);
        assert.equal(any.headers['content-type'], 'text/event-stream');
        assert.equal(any.headers['cache-control'], 'no-store');
        assert.equal(any.headers['x-accel-buffering'], 'no');
        assert.equal(any.headers['access-control-allow-origin'], '*');
        assert.match(any.id, /^[0-9a-v]{20}$/);
        const listed = await head('/listed', { Origin: site });
        assert.equal(listed.headers['access-control-allow-origin'], site);
        assert.equal(listed.headers['access-control-allow-credentials'], 'true');
        assert.equal(listed.headers.vary, 'Origin');
        const nobody = await head('/listed');
        assert.deepEqual([nobody.status, nobody.headers.vary, nobody.headers['access-control-allow-origin']], [200, 'Origin', undefined]);
        assert.equal((await head('/listed', { Origin: 'https://a.example' })).status, 403);
    });

    test('may be of HTTP/1.0, and may say nothing more', limits, async (t) => {
        const d = await serve(t);
        const raw = await Raw.open(d.port, { read: false });
        defer(t, () => raw.destroy());
        let text = '';
        raw.socket.on('data', (bytes) => (text += bytes)).resume();
        await raw.send('GET / HTTP/1.0\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
        await until('an answer', () => /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nretry: \d{4}\n\n$/s.test(text));
        await raw.send('x'.repeat(4000));
        await d.accept([newImage('team/app')]);
        await until('an event', () => text.includes('data: {"messages"'));
        await raw.send('x'.repeat(200));
        await until('the end', () => raw.ended);
        assert.match(text, /event: close\ndata: \{"code":1008,"reason":"sse_input"\}\n\n$/);
        assert.equal(await metric(d, 'regcast_reject_total', { reason: 'sse_input' }), 1);
    });

    test('needs what a WebSocket needs on a path with auth, and no secret of it is logged', limits, async (t) => {
        const auth = { tokens: [{ subject: 'bob', sha256: sha256(TOKEN) }], query: true, cookie: 'sid' };
        const paths = ['/', { path: '/in', auth: 'token' }];
        const d = await serve(t, { gateway: { auth, paths }, triggers: [trigger('inside', { path: '/in' })] });
        const bearer = { Authorization: `Bearer ${TOKEN}` };
        assert.equal(await statusOf(d, '/in'), 401);
        assert.equal(await statusOf(d, '/in', { Authorization: `Bearer ${TOKEN}x` }), 401);
        assert.equal(await statusOf(d, `/in?access_token=${TOKEN}x`), 401);
        assert.equal(await statusOf(d, '/in', { ...bearer, Origin: 'https://a.example' }), 403);
        const all = [];
        for (const [path, headers] of [['/in', bearer], ['/in', { Cookie: `sid=${TOKEN}` }], [`/in?access_token=${TOKEN}`, {}]])
            all.push(await open(t, d, path, { headers }));
        await d.accept([newImage('team/app')]);
        for (const s of all) await s.first(1);
        assert.ok(!JSON.stringify(d.logs).includes('canary_sse'));
        assert.equal(d.logged({ component: 'sse', msg: 'open', subject: 'bob' }).length, 3);
        assert.equal((await d.manage('POST', '/admin/v1/revocations', { body: { subject: 'bob', until: new Date(Date.now() + 3600000).toISOString() } })).status, 200);
        for (const s of all) assert.deepEqual(await s.event('close'), { type: 'close', code: 4003, reason: 'token_revoked' });
    });
});

// ------------------------------------------------------------------------------------ the stream

describe('the stream', { concurrency: 2 }, () => {
    test('has the messages of WebSocket clients, in their order, and the id of each one', limits, async (t) => {
        const d = await serve(t, { gateway: { deflate: true, paths: ['/', '/big'] }, triggers: [trigger('all', { size: 3, cutoff: '1s' })] });
        const late = await Client.open(d.url());
        await d.accept([newImage('before/anybody')]); // no event of it is written: it is converted
        await late.first(1);
        const clients = [await Client.open(d.url()), await Client.open(d.url(), { perMessageDeflate: true })];
        for (const c of [late, ...clients]) defer(t, () => c.terminate());
        const streams = [await open(t, d, '/'), await open(t, d, '/?since=earliest')];
        for (let i = 0; i < 20; i++) await d.accept([...Array(1 + (i % 5))].map(() => newImage(`team/a${'x'.repeat(10 * i)}`)));
        await until('all', async () => (await metric(d, 'regcast_sse_messages_total')) > 0 && late.messages.flatMap((m) => readMessage(m)).length === 61);
        const all = late.messages.slice();
        await streams[0].first(all.length - 1);
        await streams[1].first(all.length);
        await clients[0].first(all.length - 1);
        assert.deepEqual(streams[0].messages, all.slice(1));
        assert.deepEqual(clients[0].messages, all.slice(1));
        assert.deepEqual(streams[1].messages, all);
        assert.deepEqual(streams[1].named, [{ type: 'recovered', control: 'recovered', since: 'earliest' }]);
        for (const { type, data, id } of streams[1].parser.events) if (type === 'message') assert.equal(id, lastId(data));
        assert.equal(await metric(d, 'regcast_sse_messages_total'), all.length - 1, 'once each');
        assert.equal(await metric(d, 'regcast_sse_connections', { path: '/' }), 2);
        assert.equal(await metric(d, 'regcast_sse_converted_messages_total'), 1);
        for (const s of streams) s.close();
        await until('they have left', async () => (await metric(d, 'regcast_sse_connections', { path: '/' })) === 0);
        assert.equal(await metric(d, 'regcast_closes_total', { by: 'peer' }), 2);
    });

    test('beats while nothing happens, and is told and sent away when the server goes down', limits, async (t) => {
        const d = await serve(t, { gateway: { ping_interval: '200ms', pong_timeout: '200ms', idle_timeout: '300ms', drain_timeout: '500ms' } });
        const s = await open(t, d, '/');
        await until('beats', () => s.parser.comments >= 5);
        assert.equal(s.ended, null, 'idle is for those who could say something');
        const stopped = d.stop();
        assert.equal(await within(10000, 'the end', s.end), 'end');
        await stopped;
        assert.equal(s.named[0].type, 'draining');
        assert.deepEqual(s.named.at(-1), { type: 'close', code: 1012, reason: 'server is going down' });
        assert.equal(s.parser.retries.length, 2);
        for (const ms of s.parser.retries) assert.ok(ms >= 1000 && ms <= 5000, `${ms}`);
    });

    test('says when its lifetime is over', limits, async (t) => {
        const d = await serve(t, { gateway: { max_lifetime: '300ms' } });
        const s = await open(t, d, '/');
        assert.equal(await within(10000, 'the end', s.end), 'end');
        assert.deepEqual(s.named, [{ type: 'close', code: 1001, reason: 'lifetime' }]);
        assert.equal(s.parser.retries.length, 2);
    });

    test('takes text that is sent to one connection, and is listed', limits, async (t) => {
        const d = await serve(t);
        const s = await open(t, d, '/');
        const send = (data, type) =>
            d.manage('POST', `/apigateways/websocket/v1/connections/${s.id}:send`, { body: { data: Buffer.from(data).toString('base64'), type } });
        assert.equal((await send('two\nlines', 'TEXT')).status, 200);
        const refused = await send('\0\xff', 'BINARY');
        assert.equal(refused.status, 400);
        assert.match(refused.text, /must be TEXT: the connection reads server-sent events/);
        assert.deepEqual(await s.first(1), ['two\nlines']);
        assert.equal(s.parser.events[0].id, '', 'it is not in the log');
        const { json } = await d.manage('GET', '/gateway/v1/connections');
        assert.deepEqual(json.connections.map(({ id, transport }) => [id, transport]), [[s.id, 'sse']]);
        assert.equal((await d.manage('GET', `/apigateways/websocket/v1/connections/${s.id}`)).json.id, s.id);
        assert.equal((await d.manage('DELETE', `/apigateways/websocket/v1/connections/${s.id}`)).status, 200);
        await s.end;
        assert.deepEqual(s.named, [{ type: 'close', code: 1000, reason: '' }]);
    });

    test('goes through TLS', limits, async (t) => {
        const certificate = makeCertificate();
        const d = await serve(t, { gateway: { tls: tlsOf(certificate) }, triggers: [trigger('all', { size: 200, cutoff: '1s' })] });
        const s = await open(t, d, '/', { tls: { ca: certificate.text } });
        const events = [...Array(150)].map(() => newImage('team/app')); // longer than a record
        await d.accept(events);
        await until('all', () => s.messages.flatMap((m) => readMessage(m)).length === 150);
        assert.ok(Math.max(...s.messages.map((m) => m.length)) > 16384);
        const again = await open(t, d, '/?since=earliest', { tls: { ca: certificate.text } });
        await again.first(s.messages.length);
        assert.deepEqual(again.messages, s.messages);
    });

    for (const policy of ['close', 'skip'])
        test(`that is not read is judged by its path: ${policy}`, limits, async (t) => {
            const path = { path: '/', slow_consumer: policy, max_lag_bytes: '256KiB' };
            const d = await serve(t, { gateway: { paths: [path], send_buffer_bytes: 16384 }, triggers: [trigger('all', { size: 100, cutoff: '1s' })] });
            const raw = await Raw.open(d.port, { read: false });
            defer(t, () => raw.destroy());
            await raw.send('GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
            await until('it is open', async () => (await metric(d, 'regcast_sse_connections', { path: '/' })) === 1);
            const witness = await open(t, d, '/');
            let n = 0;
            await until('it is found out', async () => {
                await d.accept([...Array(300)].map(() => push(`team/${'x'.repeat(200)}`, digestOf(`slow sse ${policy} ${n++}`))));
                return (await metric(d, 'regcast_slow_consumer_findings_total')) >= 1;
            }, 40000);
            await witness.first(1);
            const parser = new SseParser();
            let text = '';
            raw.socket.on('data', (bytes) => (text += bytes));
            raw.startReading();
            if (policy === 'close') await until('the end', () => raw.ended, 20000);
            else await until('the gap', () => text.includes('event: gap\n'), 20000);
            const marker = newImage('the/end');
            await d.accept([marker]);
            if (policy === 'skip') await until('what came later', () => text.includes(marker.target.digest), 20000);
            parser.feed(text.slice(text.indexOf('\r\n\r\n') + 4));
            const told = parser.events.filter(({ type }) => type !== 'message').map(({ type, data }) => ({ type, ...JSON.parse(data) }));
            if (policy === 'close') assert.deepEqual(told, [{ type: 'close', code: 1013, reason: 'slow' }]);
            else assert.deepEqual(told[0], { type: 'gap', control: 'gap', reason: 'slow', oldest: null });
            const got = parser.events.filter(({ type }) => type === 'message').map(({ data }) => data);
            const all = new Set(witness.messages);
            await until('the witness has them', () => got.every((m) => all.has(m) || witness.messages.includes(m)));
        });
});

// -------------------------------------------------------------------------------------- coming back

// `curl -N`: what it printed goes through the parser; `ended` when it has left.
function curl(t, url, args = []) {
    const parser = new SseParser();
    const { child, exited } = start('curl', ['-sN', '-H', 'Accept: text/event-stream', ...args, url], { onLine: (line) => parser.feed(`${line}\n`) });
    defer(t, async () => {
        child.kill('SIGKILL');
        await exited;
    });
    return { parser, exited, messages: () => parser.events.filter(({ type }) => type === 'message').map(({ data }) => data) };
}

describe('coming back', { concurrency: 2 }, () => {
    test('with curl, over a kill and a restart: each event once', limits, async (t) => {
        const config = makeConfig({ gateway: { listen: [`127.0.0.1:${await freePort()}`] } });
        const d = await Daemon.start(config);
        defer(t, () => d.stop());
        const first = curl(t, `http://127.0.0.1:${d.port}/`);
        await until('it is open', () => first.parser.retry !== null);
        await d.accept([newImage('a'), newImage('b')]);
        await until('both', () => first.messages().length === 2);
        d.child.kill('SIGKILL');
        await d.ends('SIGKILL');
        const how = await first.exited;
        assert.equal(how.code, 0, 'a stream without a length ends where it ends');
        const again = await Daemon.start(config);
        defer(t, () => again.stop());
        await again.accept([newImage('c')]);
        const back = curl(t, `http://127.0.0.1:${d.port}/`, ['-H', `Last-Event-ID: ${first.parser.lastId}`]);
        await until('what was missed', () => back.messages().length === 1);
        await again.accept([newImage('d')]);
        await until('what is new', () => back.messages().length === 2);
        const names = [...first.messages(), ...back.messages()].flatMap((m) => readMessage(m)).map(({ repo }) => repo);
        assert.deepEqual(names, ['a', 'b', 'c', 'd']);
        assert.deepEqual(back.parser.events[0], { type: 'recovered', data: `{"control":"recovered","since":"${first.parser.lastId}"}`, id: '' });
    });

    test('with an id that is kept no more: a gap and the rest, or 410', limits, async (t) => {
        const d = await serve(t, { gateway: { paths: [{ path: '/', history_count: 2, max_lag_age: '400ms' }] } });
        const s = await open(t, d, '/');
        for (let i = 0; i < 5; i++) await d.accept([newImage(`n/${i}`)]);
        const all = await s.first(5);
        const since = lastId(all[0]);
        await until('the first are gone', async () => (await statusOf(d, `/?strict=1&since=${since}`)) === 410);
        assert.equal(await statusOf(d, '/?strict=1', { 'Last-Event-ID': since }), 410);
        const back = await open(t, d, '/', { headers: { 'Last-Event-ID': since } });
        const gap = await back.event('gap');
        assert.deepEqual([gap.reason, gap.since], ['history_lost', since]);
        const from = all.findIndex((m) => lastId(m) === gap.oldest);
        assert.ok(from > 0, gap.oldest);
        await back.first(5 - from);
        await d.accept([newImage('n/5')]);
        await back.first(6 - from);
        assert.deepEqual(back.messages.slice(0, -1), all.slice(from));
        assert.equal(back.ended, null);
    });

    test('through a takeover: the one before relays until its clients have left', limits, async (t) => {
        const config = makeConfig({ gateway: { drain_timeout: '700ms' } });
        const before = await Daemon.start(config);
        defer(t, () => before.stop());
        const s = await open(t, before, '/');
        await before.accept([newImage('a')]);
        await s.first(1);
        const d = await takeOver(config);
        defer(t, () => d.stop());
        before.ends(0);
        await d.accept([newImage('b')]);
        await s.end;
        const back = await open(t, d, '/', { headers: { 'Last-Event-ID': s.parser.lastId } });
        await d.accept([newImage('c')]);
        await until('all', () => s.messages.length + back.messages.length === 3);
        assert.deepEqual([...s.messages, ...back.messages].flatMap((m) => readMessage(m)).map(({ repo }) => repo), ['a', 'b', 'c']);
        assert.deepEqual(s.named.map(({ type }) => type), ['draining', 'close']);
        assert.equal(s.parser.retries.length, 2);
    });
});

// --------------------------------------------------------------------------------------- a browser

test('EventSource in Chromium: another origin, named events, and a restart that it survives by itself', { timeout: 120000 }, async (t) => {
    const site = http.createServer((_, res) => res.setHeader('Content-Type', 'text/html').end('<!doctype html><title>page</title>'));
    await new Promise((done) => site.listen(0, '127.0.0.1', done));
    defer(t, () => site.close());
    const origin = `http://127.0.0.1:${site.address().port}`;
    const paths = ['/', { path: '/listed', allowed_origins: [origin] }, { path: '/elsewhere', allowed_origins: ['https://a.example'] }];
    const listen = [`127.0.0.1:${await freePort()}`];
    const config = makeConfig({ gateway: { paths, listen }, triggers: [trigger('all'), trigger('listed', { path: '/listed' })] });
    let d = await Daemon.start(config);
    defer(t, () => d.stop());
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    defer(t, () => browser.close());
    const page = await browser.newPage();
    await page.goto(origin);
    await page.evaluate((base) => {
        window.sources = {};
        for (const [name, path, options] of [['any', '/', {}], ['listed', '/listed', { withCredentials: true }], ['elsewhere', '/elsewhere', {}]]) {
            const source = new EventSource(base + path, options);
            const seen = (window.sources[name] = { source, opened: 0, messages: [], ids: [], named: [] });
            source.onopen = () => seen.opened++;
            source.onmessage = (e) => {
                seen.messages.push(e.data);
                seen.ids.push(e.lastEventId);
            };
            for (const type of ['recovered', 'draining', 'close', 'gap'])
                source.addEventListener(type, (e) => seen.named.push([type, JSON.parse(e.data)]));
        }
    }, `http://127.0.0.1:${d.port}`);
    const of = (name) => page.evaluate((n) => {
        const { source, opened, messages, ids, named } = window.sources[n];
        return { state: source.readyState, opened, messages, ids, named };
    }, name);
    const saw = (what, condition) => until(what, async () => condition(await of('any'), await of('listed')), 30000);
    await saw('both are open', (a, b) => a.opened === 1 && b.opened === 1);
    await until('the third is refused', async () => (await of('elsewhere')).state === 2);
    await d.accept([newImage('a')]);
    await saw('a message', (a, b) => a.messages.length === 1 && b.messages.length === 1);
    await d.stop();
    d = await Daemon.start(config);
    await d.accept([newImage('b')]);
    await saw('what was missed', (a, b) => a.messages.length === 2 && b.messages.length === 2);
    await d.accept([newImage('c')]);
    await saw('what is new', (a, b) => a.messages.length === 3 && b.messages.length === 3);
    const any = await of('any');
    assert.deepEqual(any.messages.flatMap((m) => readMessage(m)).map(({ repo }) => repo), ['a', 'b', 'c']);
    assert.deepEqual(any.ids, any.messages.map(lastId));
    assert.deepEqual(any.named.map(([type]) => type), ['draining', 'close', 'recovered']);
    assert.equal(any.named[2][1].since, any.ids[0]);
    assert.equal((await of('elsewhere')).opened, 0);
});
