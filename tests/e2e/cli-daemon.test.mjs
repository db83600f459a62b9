// The command line and the daemon together: the documented command makes a trigger that fires for a
// push, connections are reached, and roles decide who may do what.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { fine, regcast, wrong } from './cli.mjs';
import {
    BROADCASTER,
    Client,
    Daemon,
    FOLDER,
    GATEWAY,
    REGISTRY,
    defer,
    makeConfig,
    newImage,
    readMessage,
} from './harness.mjs';

const limits = { timeout: 60000 };

// A daemon without triggers, and where it is managed.
async function start(t, over = {}) {
    const daemon = await Daemon.start(
        makeConfig({ triggers: [], management: { listen: ['127.0.0.1:0'] }, ...over }),
    );
    defer(t, () => daemon.stop());
    const [endpoint] = daemon.ready.management;
    return { daemon, endpoint };
}

const create = (name, ...more) => [
    'serverless', 'trigger', 'create', 'container-registry',
    '--name', name, '--registry-id', REGISTRY,
    '--events', 'delete-image-tag,create-image,create-image-tag,delete-image,create-image',
    '--batch-size', '2', '--batch-cutoff', '20s',
    '--gateway-id', GATEWAY, '--gateway-websocket-broadcast-path', '/',
    '--gateway-websocket-broadcast-service-account-id', BROADCASTER, ...more,
];
const trigger = (...args) => ['serverless', 'trigger', ...args];

test('the documented command makes a trigger that fires for a push', limits, async (t) => {
    const { daemon, endpoint } = await start(t);
   
    const client = await Client.open(daemon.url());
    defer(t, () => client.close());
    const made = await regcast(create('registry-trigger'), { endpoint });
    fine(made);
    const [, id, time] = made.stdout.match(/^id: (a1s[0-9a-v]{17})\nfolder_id: \S+\ncreated_at: "([^"]+)"\n/);
    assert.equal(
        made.stdout,
        `id: ${id}
folder_id: ${FOLDER}
created_at: "${time}"
name: registry-trigger
rule:
  container_registry:
    event_type:
    - CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE_TAG
    - CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE
    - CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE_TAG
    - CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE
    registry_id: ${REGISTRY}
    batch_settings:
      size: "2"
      cutoff: 20s
    gateway_websocket_broadcast:
      gateway_id: ${GATEWAY}
      path: /
      service_account_id: ${BROADCASTER}
status: ACTIVE
`,
    );
    await daemon.accept([newImage('team/app')]);
    wrong(await regcast(create('registry-trigger'), { endpoint }), 1, /code = AlreadyExists/);
    fine(await regcast(trigger('get', 'registry-trigger'), { endpoint }), made.stdout);
    fine(await regcast(trigger('get', id), { endpoint }), made.stdout);
    const tagged = newImage('team/app');
    tagged.target.tag = 'v1';
    await daemon.accept([tagged]);
    const [message] = await client.first(1);
    assert.equal(readMessage(message).length, 2);
});

test('pause, resume, update, labels, operations, delete', limits, async (t) => {
    const { endpoint } = await start(t);
   
    const run = (...args) => regcast(trigger(...args), { endpoint });
    fine(await regcast(create('one'), { endpoint }));
    fine(await regcast(create('two'), { endpoint }));
    const paused = await run('pause', 'one', 'two');
    fine(paused);
    assert.equal(paused.stdout.match(/status: PAUSED/g).length, 2);
    assert.match((await run('resume', 'two')).stdout, /status: ACTIVE/);
    fine(await run('update', 'two', '--new-name', 'three', '--description', 'a: b', '--labels', 'k=1'));
    fine(await run('update', 'container-registry', 'three', '--new-tag', 'v2', '--new-batch-size', '7'));
    fine(await run('add-labels', 'three', '--labels', 'l=2'));
    fine(await run('remove-labels', 'three', '--labels', 'k'));
    const got = await regcast(trigger('get', 'three', '--format', 'json'), { endpoint });
    const { name, description, labels, rule } = JSON.parse(got.stdout);
    assert.deepEqual([name, description, labels], ['three', 'a: b', { l: '2' }]);
    assert.equal(rule.container_registry.tag, 'v2');
    assert.deepEqual(rule.container_registry.batch_settings, { size: '7', cutoff: '20s' });
    const operations = await run('list-operations', 'three');
    assert.equal(operations.stdout.match(/ DONE /g).length, 7);
    wrong(await run('update', 'three', '--new-name', 'one'), 1, /code = AlreadyExists/);
    wrong(await run('update', 'three', '--new-name', 'X'), 1, /code = InvalidArgument desc = name/);
    fine(await run('delete', 'three'), '');
    wrong(await run('get', 'three'), 1, /not found/);
    assert.equal((await run('list')).stdout.split('\n').length, 6);
});

test('a connection: get, send, disconnect', limits, async (t) => {
    const { daemon, endpoint } = await start(t);
   
    const client = await Client.open(daemon.url());
    const socket = (...args) => regcast(['serverless', 'api-gateway', 'websocket', ...args], { endpoint });
    const got = await socket('get', client.id);
    fine(got);
    assert.match(got.stdout, new RegExp(`^id: ${client.id}\ngateway_id: ${GATEWAY}\nidentity:\n  source_ip: 127.0.0.1\n`));
    fine(await socket('send', client.id, '-d', 'hello'), '');
    assert.deepEqual(await client.first(1), ['hello']);
    fine(await socket('disconnect', client.id), '');
    await client.end;
    wrong(await socket('get', client.id), 1, /code = NotFound/);
    wrong(await socket('send', client.id, '-d', 'x'), 1, /code = NotFound/);
});

describe('roles', () => {
    const sha256 = (text) => createHash('sha256').update(text).digest('hex');
    const access = {
        users: [
            { id: 'editor', roles: ['functions.editor'] },
            { id: 'viewer', roles: ['functions.viewer'] },
            { id: 'writer', roles: ['api-gateway.websocketWriter'] },
        ],
        bindings: [
            { subject: 'editor', role: 'iam.serviceAccounts.user', resource: { kind: 'service_account', id: BROADCASTER } },
            { subject: 'editor', role: 'container-registry.images.puller', resource: { kind: 'registry', id: REGISTRY } },
        ],
        tokens: [
            { subject: 'editor', sha256: sha256('t1.editor') },
            { subject: 'viewer', sha256: sha256('t1.viewer') },
            { subject: 'writer', sha256: sha256('t1.writer') },
            { subject: 'editor', sha256: sha256('t1.old'), expires_at: '2020-01-01' },
        ],
        api_keys: [{ subject: BROADCASTER, sha256: sha256('AQVNrobot') }],
    };

    test('who may do what', limits, async (t) => {
        const { daemon, endpoint } = await start(t, access);
       
        const client = await Client.open(daemon.url());
        defer(t, () => client.close());
        const as = (token, args) => regcast([...args, '--token', token], { endpoint });
        fine(await as('t1.editor', create('one')));
        wrong(await as('t1.viewer', create('two')), 1, /code = PermissionDenied/);
        wrong(await as('AQVNrobot', create('two')), 1, /code = PermissionDenied/);
        fine(await as('t1.viewer', trigger('get', 'one')));
        fine(await as('t1.editor', trigger('pause', 'one')));
        wrong(await as('t1.viewer', trigger('resume', 'one')), 1, /code = PermissionDenied/);
        wrong(await as('t1.writer', trigger('list')), 1, /code = PermissionDenied/);
        const send = ['serverless', 'api-gateway', 'websocket', 'send', client.id, '-d', 'x'];
        wrong(await as('t1.editor', send), 1, /code = PermissionDenied/);
        fine(await as('t1.writer', send), '');
        fine(await as('AQVNrobot', send), ''); // a broadcaster may write
        for (const token of ['t1.old', 't1.nobody', 'AQVNnobody'])
            wrong(await as(token, trigger('list')), 1, /code = Unauthenticated/);
        wrong(await regcast(trigger('list'), { endpoint }), 1, /code = Unauthenticated/);
    });

    test('too many failures are answered 429, whatever comes then', limits, async (t) => {
        const { endpoint } = await start(t, access);
       
        const list = (token) => regcast(trigger('list', '--token', token), { endpoint });
        for (let i = 0; i < 10; i++) wrong(await list('t1.guess'), 1, /code = Unauthenticated/);
        wrong(await list('t1.editor'), 1, /code = ResourceExhausted/);
    });
});
