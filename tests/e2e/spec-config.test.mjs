// The gateway by its specification: which paths there are, what a request matches, and a specification that
// changes, or that is not as it should be.
import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Client, Daemon, Raw, defer, handshake, makeConfig, newImage, run, summary, tempDir, trigger, until, within, writeConfig } from './harness.mjs';

const limits = { timeout: 60000 };

const dummy = { 'x-yc-apigateway-integration': { type: 'dummy', http_code: 200, content: { '*': 'hello' } } };
const speaks = (...parameters) => ({
    parameters: parameters.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    'x-yc-apigateway-websocket-message': dummy,
});
const plain = { get: dummy };
const spec = (paths, more = {}) => ({ openapi: '3.0.0', info: { title: 'a gateway', version: '1.0.0' }, ...more, paths });

const ROOMS = { '/ws/{room}': speaks('room'), '/ws/all': plain, '/files/{name+}': speaks('name'), '/about': plain };

// A configuration without paths of its own, and the files of both.
function files(paths, gateway = {}, more = {}) {
    const dir = tempDir();
    const d = { spec: join(dir, 'api.json'), file: join(dir, 'regcast.yaml') };
    d.config = makeConfig({ gateway: { paths: undefined, spec: d.spec, ...gateway }, triggers: [], ...more });
    writeSpec(d, paths);
    writeFileSync(d.file, JSON.stringify(d.config), { mode: 0o600 });
    return d;
}

// One path a line, the first on line 3.
function writeSpec(d, paths, more) {
    const lines = Object.entries(paths).map(([path, item]) => `${JSON.stringify(path)}: ${JSON.stringify(item)}`);
    const { paths: none, ...head } = spec({}, more);
    const text = `{${JSON.stringify(head).slice(1, -1)},\n"paths": {\n${lines.join(',\n')}\n}}\n`;
    writeFileSync(`${d.spec}.new`, typeof paths === 'string' ? paths : text);
    renameSync(`${d.spec}.new`, d.spec);
}

async function start(t, d) {
    const daemon = await Daemon.start(d.config, { file: d.file, errors: ['configuration not reloaded'] });
    defer(t, () => daemon.stop());
    return daemon;
}

async function open(t, daemon, path) {
    const client = await Client.open(daemon.url(path));
    defer(t, () => client.terminate());
    return client;
}

// The status of a handshake.
async function shake(daemon, path) {
    const c = await Raw.open(daemon.port);
    await c.send(handshake(path));
    await c.wait('an answer', () => c.last || c.done);
    c.destroy();
    return c.last.status;
}

const refusals = async (daemon, reason) => (await daemon.metrics()).get('regcast_reject_total', { reason });
const reload = (daemon) => daemon.manage('POST', '/admin/v1/reload');
const keys = (list) => list.map(({ key, change }) => `${change} ${key}`);

describe('paths of a specification', () => {
    test('open, and a broadcast reaches every value of their parameters', limits, async (t) => {
        const d = files(ROOMS, {}, { triggers: [trigger('rooms', { path: '/ws/{room}' }), trigger('files', { path: '/files/{name+}' })] });
        const daemon = await start(t, d);
        const rooms = await Promise.all(['/ws/1', '/ws/2/', '/ws/%E2%82%AC'].map((path) => open(t, daemon, path)));
        const readers = await Promise.all(['/files/a', '/files/a/b/c.txt'].map((path) => open(t, daemon, path)));
        const event = newImage('team/app');
        await daemon.accept([event]);
        for (const client of [...rooms, ...readers]) {
            const [message] = await client.first(1);
            assert.equal(summary([message])[0][2], event.target.digest);
        }
        const { json } = await daemon.manage('GET', '/gateway/v1/paths');
        assert.deepEqual(json.paths.map(({ path }) => path), ['/ws/{room}', '/files/{name+}']);
    });

    test('are those alone, and what does not speak WebSocket is not found', limits, async (t) => {
        const daemon = await start(t, files(ROOMS));
        assert.equal(await shake(daemon, '/'), 404); // the path of a configuration that names none
        assert.equal(await shake(daemon, '/ws'), 404);
        assert.equal(await refusals(daemon, 'not_found'), 2);
        for (const path of ['/about', '/about/', '/ws/all']) assert.equal(await shake(daemon, path), 404, path);
        assert.equal(await refusals(daemon, 'no_websocket'), 3);
        assert.equal(await shake(daemon, '/ws/alle'), 101);
        assert.equal(await refusals(daemon, 'not_found'), 2);
    });

    test('go by gateway.defaults, or by what gateway.paths says of the same template', limits, async (t) => {
        const d = files(ROOMS, { defaults: { inbound: 'echo' }, paths: [{ path: '/files/{name+}', max_message_bytes: '1KiB', max_frame_bytes: '1KiB' }, '/own'] });
        const daemon = await start(t, d);
        const own = await open(t, daemon, '/own');
        own.socket.send('hello');
        assert.deepEqual(await own.first(1), ['hello']);
        const file = await open(t, daemon, '/files/x'), room = await open(t, daemon, '/ws/1');
        room.socket.send('x'.repeat(1025));
        await room.first(1);
        file.socket.send('x'.repeat(1025));
        assert.equal((await within(5000, 'the close', file.end)).code, 1009);
    });

    test('tell slashes at the end apart when the specification says so', limits, async (t) => {
        const d = files({ '/a': speaks(), '/b/': speaks() });
        const daemon = await start(t, d);
        for (const path of ['/a', '/a/', '/b', '/b/']) assert.equal(await shake(daemon, path), 101, path);
        writeSpec(d, { '/a': speaks(), '/b/': speaks() }, { 'x-yc-apigateway': { ignoreTrailingSlashes: false } });
        assert.deepEqual(keys((await reload(daemon)).json.changed), ['changed gateway.spec']);
        for (const [path, status] of [['/a', 101], ['/a/', 404], ['/b', 404], ['/b/', 101]])
            assert.equal(await shake(daemon, path), status, path);
    });
});

describe('a specification that changes', () => {
    test('brings paths and takes others away', limits, async (t) => {
        const d = files(ROOMS, { drain_timeout: '0s' }, { triggers: [trigger('rooms', { path: '/ws/{room}' })] });
        const daemon = await start(t, d);
        const room = await open(t, daemon, '/ws/1'), file = await open(t, daemon, '/files/a');
        writeSpec(d, { '/new': speaks(), '/ws/{room}': speaks('room'), '/files/{name+}': plain });
        const { status, json, text } = await reload(daemon);
        assert.equal(status, 200, text);
        assert.deepEqual(keys(json.changed), ['added gateway.paths[/new]', 'removed gateway.paths[/files/{name+}]', 'changed gateway.spec']);
        assert.deepEqual(json.needsRestart, []);
        assert.equal((await within(5000, 'the close of a path that is gone', file.end)).code, 1001);
        assert.equal(await shake(daemon, '/files/a'), 404);
        assert.equal(await shake(daemon, '/about'), 404);
        assert.equal(await refusals(daemon, 'no_websocket'), 1);
        await open(t, daemon, '/new');
        await daemon.accept([newImage('team/app')]); // the connection of before is still on its path
        await room.first(1);
        assert.equal(room.closed, null);
        assert.deepEqual((await reload(daemon)).json, { changed: [], needsRestart: [] });
    });

    test('counts as changed when only what happens on a path does', limits, async (t) => {
        const d = files({ '/ws': speaks() });
        const daemon = await start(t, d);
        const other = speaks();
        other['x-yc-apigateway-websocket-message'] = { 'x-yc-apigateway-integration': { type: 'dummy', http_code: 200, content: { '*': 'other' } } };
        writeSpec(d, { '/ws': other });
        assert.deepEqual(keys((await reload(daemon)).json.changed), ['changed gateway.spec']);
    });

    test('is refused where it is wrong, and the old one stays', limits, async (t) => {
        const d = files({ '/a': speaks(), '/b': speaks() });
        const daemon = await start(t, d);
        const client = await open(t, daemon, '/b');
        const CASES = [
            ['half a file', '{"openapi": "3.0.0",\n"paths": {', /^document$/, null],
            ['a partial parameter', { '/a': speaks(), '/f.{ext}': speaks() }, /^paths/, 4],
            ['two greedy ones', { '/{a+}/{b+}': speaks() }, /^paths/, 3],
            ['a path in two spellings', { '/a': speaks(), '/a/': speaks() }, /^paths/, 4],
            ['no path that speaks WebSocket', { '/a': plain }, /^paths/, null],
        ];
        for (const [name, content, key, line] of CASES) {
            writeSpec(d, content);
            const n = daemon.logs.length;
            const { status, json } = await reload(daemon);
            assert.equal(status, 400, name);
            const [{ field, description }] = json.details[0].fieldViolations;
            assert.equal(field, 'gateway.spec', name);
            const [, file, at, where] = /^(.+):(\d+): ([^ ]+): .+$/.exec(description);
            assert.equal(file, d.spec, name);
            assert.match(where, key, name);
            if (line !== null) assert.equal(Number(at), line, description);
            await until('the log', () => daemon.logs.slice(n).some(({ msg }) => msg === 'configuration not reloaded'));
            const said = daemon.logs.slice(n).find(({ msg }) => msg === 'configuration not reloaded');
            assert.deepEqual([said.file, said.line, said.key], [d.spec, Number(at), where], name);
            assert.equal(await shake(daemon, '/b'), 101, name);
            assert.equal(await shake(daemon, '/f.x'), 404, name);
            // Nor does another process start with it, or --check find it fine.
            for (const args of [['--check'], []]) {
                const ran = run(['--config', d.file, ...args]);
                assert.equal(ran.status, 78, name);
                assert.ok(ran.stderr.startsWith(`${d.spec}:${at}: ${where}: `), `${name}: ${ran.stderr}`);
            }
        }
        rmSync(d.spec);
        const { status, json } = await reload(daemon);
        assert.equal(status, 400);
        assert.equal(json.details[0].fieldViolations[0].field, 'gateway.spec');
        assert.match(json.message, /regcast\.yaml:1: gateway\.spec: expected a file that can be read/);
        assert.equal(client.closed, null);
        writeSpec(d, { '/a': speaks(), '/b': speaks() });
        assert.deepEqual((await reload(daemon)).json, { changed: [], needsRestart: [] });
    });
});

test('--check explains each path, and warns of backends that cannot be asked', limits, () => {
    const d = files({ '/ws/{room}': speaks('room'), '/about': plain });
    const fine = run(['--config', d.file, '--check']);
    assert.equal(fine.status, 0, fine.stderr);
    assert.equal(fine.stderr, '');
    const [first, ...explained] = fine.stdout.split('\n');
    assert.equal(first, `${d.file}: fine`);
    assert.match(explained.join('\n'), /\/ws\/\{room\}[^]+dummy[^]+\/about[^]+does not speak WebSocket/);

    const http = { 'x-yc-apigateway-websocket-message': { 'x-yc-apigateway-integration': { type: 'http', url: 'http://10.9.8.7/x', method: 'POST' } } };
    writeSpec(d, { '/ws': http });
    const warned = run(['--config', d.file, '--check']);
    assert.equal(warned.status, 0, warned.stderr);
    assert.equal(warned.stderr.trimEnd().split('\n').length, 1, warned.stderr);
    assert.ok(warned.stderr.startsWith(`${d.spec}:3: paths[/ws]: 10.9.8.7 is not a public address`), warned.stderr);
    d.config.gateway.backends = { allowed_networks: ['10.9.8.0/24'] };
    assert.equal(run(['--config', writeConfig(d.config), '--check']).stderr, '');
});

test('a trigger on a path that the specification does not open is refused', limits, () => {
    const d = files(ROOMS, {}, { triggers: [trigger('about', { path: '/about' })] });
    const ran = run(['--config', d.file, '--check']);
    assert.equal(ran.status, 78);
    assert.match(ran.stderr, /triggers\[0\]\.rule\.container_registry\.gateway_websocket_broadcast\.path: expected one of gateway\.paths/);
});
