// The program's own interface: options, configuration errors with their place, the ready file.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import {
    Client,
    Daemon,
    REGISTRY,
    ROOT,
    defer,
    makeConfig,
    newImage,
    readMessage,
    run,
    writeConfig,
} from './harness.mjs';

const limits = { timeout: 60000 };

// The configuration of design.md section 9, line by line.
const GOOD = `folder_id: b1gfolder00000000001
cloud_id: b1gcloud000000000001
data_dir: ./data
engine: embedded
gateway:
  id: d5dgateway0000000001
  listen: ["127.0.0.1:0"]
  workers: auto
  paths: ["/", "/builds", "/teams/{team}"]
webhooks:
  listen: ["127.0.0.1:0"]
management:
  listen: ["127.0.0.1:8082"]
  grpc_listen: ["127.0.0.1:8083"]
registries:
  - { id: crtregistry000000001, kind: distribution }
service_accounts:
  - { id: ajebroadcaster000001, roles: [api-gateway.websocketBroadcaster] }
triggers:
  - name: registry-trigger
    rule:
      container_registry:
        event_type: [CREATE_IMAGE, DELETE_IMAGE, CREATE_IMAGE_TAG, DELETE_IMAGE_TAG]
        registry_id: crtregistry000000001
        batch_settings: { size: 1, cutoff: 1s }
        gateway_websocket_broadcast:
          { gateway_id: d5dgateway0000000001, path: /, service_account_id: ajebroadcaster000001 }
`;
const change = (from, to) => {
    assert.ok(GOOD.includes(from), from);
    return GOOD.replace(from, to);
};
const lineOf = (text, what) => text.slice(0, text.indexOf(what)).split('\n').length;

describe('--check', () => {
    for (const [name, text] of [
        ['the whole configuration', GOOD],
        ['a path with settings of its own', change('"/builds",', '{ path: /builds, inbound: echo },')],
        ['batches of 1000 and a minute', change('{ size: 1, cutoff: 1s }', '{ size: 1000, cutoff: 60s }')],
        ['event types by their full names', change('[CREATE_IMAGE,', '[CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE,')],
        ['JSON', JSON.stringify(makeConfig())],
    ])
        test(`takes ${name}`, limits, () => {
            const ran = run(['--check', '--config', writeConfig(text)]);
            assert.equal(ran.status, 0, ran.stderr);
            assert.equal(ran.stderr, '');
        });

    // [name, text, what stands on the line, the key]
    for (const [name, text, at, key] of [
        ['an unknown key', change('data_dir:', 'dada_dir:'), 'dada_dir', /dada_dir/],
        ['an unknown key inside', change('  workers: auto', '  wrokers: 2'), 'wrokers', /gateway\.wrokers/],
        ['a number that is none', change('workers: auto', 'workers: many'), 'workers', /gateway\.workers/],
        ['a size of 0', change('size: 1,', 'size: 0,'), 'batch_settings', /size/],
        ['a size of 1001', change('size: 1,', 'size: 1001,'), 'batch_settings', /size/],
        ['a cutoff of 61 s', change('cutoff: 1s', 'cutoff: 61s'), 'batch_settings', /cutoff/],
        ['a cutoff that is none', change('cutoff: 1s', 'cutoff: soon'), 'batch_settings', /cutoff/],
        ['an address that is none', change('"127.0.0.1:0"]\n  workers', '"127.0.0.1"]\n  workers'), 'listen', /gateway\.listen/],
        ['an event type that is none', change('DELETE_IMAGE_TAG]', 'PULL_IMAGE]'), 'event_type', /event_type/],
        ['a path that is none', change('"/builds"', '"builds"'), 'paths', /gateway\.paths/],
        ['a broken template', change('/teams/{team}', '/teams/{team'), 'paths', /gateway\.paths/],
        ['a trigger on a path that is not served', change('path: /,', 'path: /nowhere,'), 'path: /nowhere', /path/],
        ['a trigger of an unknown registry', change('registry_id: crtregistry000000001', 'registry_id: crtregistry000000009'), 'registry_id', /registry_id/],
        ['a trigger on another gateway', change('gateway_id: d5dgateway0000000001', 'gateway_id: d5dgateway0000000009'), 'gateway_id', /gateway_id/],
        ['a kind nobody knows', change('kind: distribution', 'kind: harbinger'), 'kind', /kind/],
        ['an engine nobody knows', change('engine: embedded', 'engine: steam'), 'engine', /engine/],
        ['a key twice', change('data_dir: ./data', 'data_dir: ./data\ndata_dir: ./other'), 'data_dir: ./other', /data_dir/],
        ['a registry without an id', change('{ id: crtregistry000000001, kind', '{ kind'), 'kind: distribution', /registries/],
        ['two triggers of one name', GOOD + GOOD.slice(GOOD.indexOf('  - name:')), null, /name/],
        ['a list where text belongs', change('folder_id: b1gfolder00000000001', 'folder_id: [a]'), 'folder_id', /folder_id/],
    ])
        test(`names ${name} with its line`, limits, () => {
            const file = writeConfig(text);
            const ran = run(['--check', '--config', file]);
            assert.ok(ran.status > 0, `exit ${ran.status}`);
            const lines = ran.stderr.trimEnd().split('\n');
            const wanted = lines.find((line) => key.test(line));
            assert.ok(wanted, `no line on ${key}: ${ran.stderr}`);
            const m = /^(.+?):(\d+): ([^ ]+): (.+)$/.exec(wanted);
            assert.ok(m, `not FILE:LINE: KEY: what was expected: ${wanted}`);
            assert.equal(m[1], file);
            assert.match(m[3], key);
            const expected =
                at === null ? text.lastIndexOf('  - name:') : text.indexOf(at);
            const line = text.slice(0, expected).split('\n').length;
            // What spans two lines may be named by either.
            assert.ok([line, line + 1].includes(Number(m[2])), `line ${m[2]}, expected ${line}: ${wanted}`);
            // The daemon itself does not start with it either.
            const started = run(['--config', file]);
            assert.ok(started.status > 0);
        });

    test('names all problems, not the first alone', limits, () => {
        const text = change('data_dir:', 'dada_dir:').replace('size: 1,', 'size: 0,');
        const file = writeConfig(text);
        const lines = run(['--check', '--config', file]).stderr.trimEnd().split('\n');
        assert.equal(lines.length, 2, lines.join('\n'));
        assert.ok(lines[0].startsWith(`${file}:${lineOf(text, 'dada_dir')}: dada_dir: `), lines[0]);
    });

    test('says what is wrong with what is no YAML, or not there', limits, () => {
        const broken = writeConfig('gateway: [\n  - {');
        const ran = run(['--check', '--config', broken]);
        assert.ok(ran.status > 0);
        assert.match(ran.stderr, new RegExp(`^${broken}:\\d+: `));
        const missing = run(['--check', '--config', `${broken}.missing`]);
        assert.ok(missing.status > 0);
        assert.ok(missing.stderr.includes(`${broken}.missing`));
    });

    test('takes the configuration of this repository', limits, () => {
        const file = join(ROOT, 'conf/regcast.yaml');
        const ran = run(['--check', '--config', file]);
        assert.equal(ran.status, 0, ran.stderr);
    });
});

describe('options', () => {
    test('--version', limits, () => {
        const ran = run(['--version']);
        assert.equal(ran.status, 0);
        assert.match(ran.stdout, /^regcastd \d+\.\d+\.\d+\n$/);
    });

    test('--help, and options that are none', limits, () => {
        const help = run(['--help']);
        assert.equal(help.status, 0);
        for (const option of ['--config', '--check', '--ready-file', '--version'])
            assert.ok(help.stdout.includes(option), option);
        for (const args of [['--nonsense'], ['--config'], ['extra']]) {
            const ran = run(args);
            assert.ok(ran.status > 0, args.join(' '));
            assert.notEqual(ran.stderr, '');
        }
    });

    test('conf/reference.md is what the program prints', limits, () => {
        const ran = run(['--print-reference']);
        assert.equal(ran.status, 0);
        assert.equal(ran.stdout, readFileSync(join(ROOT, 'conf/reference.md'), 'utf8'));
    });
});

describe('the daemon', () => {
    test('writes the ready file once it listens, with real ports', limits, async (t) => {
        const daemon = await Daemon.start(
            makeConfig({
                gateway: { listen: ['127.0.0.1:0', '127.0.0.1:0'] },
                webhooks: { listen: ['127.0.0.1:0', '127.0.0.1:0'] },
                management: { listen: ['127.0.0.1:0', '127.0.0.1:0'], grpc_listen: ['127.0.0.1:0', '127.0.0.1:0'] },
            }),
        );
        defer(t, () => daemon.stop());
        assert.deepEqual(Object.keys(daemon.ready), ['pid', 'gateway', 'webhooks', 'management', 'grpc']);
        const { pid, ...addresses } = daemon.ready;
        const ports = Object.values(addresses).flat().map((address) => {
            const m = /^127\.0\.0\.1:(\d+)$/.exec(address);
            assert.ok(m && Number(m[1]) > 0, address);
            return Number(m[1]);
        });
        assert.equal(new Set(ports).size, 8);
        const clients = [];
        for (const port of ports.slice(0, 2)) {
            clients.push(await Client.open(`ws://127.0.0.1:${port}/`));
            defer(t, () => clients.at(-1).terminate());
        }
        for (const port of ports.slice(2, 4))
            assert.equal((await daemon.request('GET', '/readyz', { port })).status, 200);
        for (const port of ports.slice(4, 6))
            assert.equal((await daemon.request('GET', '/endpoints', { port })).status, 200);
        const event = newImage('team/app');
        await daemon.accept([event]);
        for (const c of clients)
            assert.equal(readMessage((await c.first(1))[0])[0].digest, event.target.digest);
        for (const c of clients) await c.close();
    });

    test('does not share an address with another one', limits, async (t) => {
        const daemon = await Daemon.start(makeConfig());
        defer(t, () => daemon.stop());
        const file = writeConfig(
            makeConfig({ gateway: { listen: [daemon.ready.gateway[0]] } }),
        );
        const ran = run(['--config', file]);
        assert.ok(ran.status > 0);
        const line = ran.stderr.split('\n').map((l) => l && JSON.parse(l)).find((l) => l.level === 'error');
        assert.equal(line.address, daemon.ready.gateway[0]);
    });

    test('tells the life of a connection at level debug, and only there', limits, async (t) => {
        for (const [level, life] of [
            ['debug', ['request>open', 'open>closing', 'closing>closed']],
            ['info', []],
        ]) {
            const daemon = await Daemon.start(makeConfig({ log_level: level }));
            defer(t, () => daemon.stop());
            const client = await Client.open(daemon.url());
            await client.close();
            await daemon.stop();
            const states = daemon.logged({ msg: 'state', conn: client.id });
            assert.deepEqual(
                states.map((l) => `${l.from}>${l.to}`),
                life,
            );
        }
    });

    test('logs each handshake, webhook, batch and close as a line of JSON', limits, async (t) => {
        const daemon = await Daemon.start(makeConfig());
        defer(t, () => daemon.stop());
        const nasty = { 'User-Agent': 'a"b\\c\x7f', Origin: 'https://\u00ff.example' };
        const client = await Client.open(daemon.url('/?q=%0a%22%1b'), { headers: { Origin: nasty.Origin } });
        await daemon.accept([newImage('team/app')]);
        await client.first(1);
        await client.close();
        await daemon.stop();
        const [open] = daemon.logged({ msg: 'open', conn: client.id });
        assert.equal(open.path, '/');
        assert.match(open.peer, /^127\.0\.0\.1:\d+$/);
        assert.equal(daemon.logged({ msg: 'closed', conn: client.id }).length, 1);
        const webhook = daemon.logs.filter((l) => l.component === 'webhook' && l.registry === REGISTRY);
        assert.equal(webhook.length, 1, JSON.stringify(daemon.logs));
        assert.equal(webhook[0].accepted, 1);
        const batch = daemon.logs.filter((l) => l.component === 'batch' || /batch/.test(l.msg));
        assert.equal(batch.length, 1, JSON.stringify(daemon.logs));
        for (const line of daemon.logs)
            assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
    });

    test('scripts/try shows an event arriving', limits, async (t) => {
        const script = join(ROOT, 'scripts/try');
        if (!existsSync(script)) return t.skip('no scripts/try');
        const daemon = await Daemon.start(makeConfig());
        defer(t, () => daemon.stop());
        const ran = await promisify(execFile)(script, [daemon.url('/'), daemon.webhookUrl()], {
            timeout: 20000,
        });
        assert.match(ran.stdout, /The event arrived/);
        assert.match(ran.stdout, /CreateImage/);
    });
});
