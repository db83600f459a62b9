// The command line against a stand-in for the management listener: what it sends, and what it prints
// and says for the answers of the original's documents.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fine, regcast, wrong } from './cli.mjs';
import { REGCASTD, defer, freePort, tempDir } from './harness.mjs';

const limits = { timeout: 60000 };

const TRIGGER_ID = 'a1s5msktijh200000000';
const FOLDER = 'b1gmit33hgh200000000';
// What REST answers: camelCase, members in any order.
const TRIGGER = {
    status: 'ACTIVE',
    rule: {
        containerRegistry: {
            gatewayWebsocketBroadcast: {
                serviceAccountId: 'aje3932acdh200000000',
                path: '/',
                gatewayId: 'd4eofc7n0mh200000000',
            },
            batchSettings: { cutoff: '20s', size: '3' },
            eventType: [
                'CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE',
                'CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE',
                'CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE_TAG',
                'CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE_TAG',
            ],
            registryId: 'crtlds4tdfg12kil77h2',
        },
    },
    id: TRIGGER_ID,
    folderId: FOLDER,
    createdAt: '2023-08-04T15:19:15.353909857Z',
    name: 'registry-trigger',
};
// What the original's instruction shows for it.
const PRINTED = `id: ${TRIGGER_ID}
folder_id: ${FOLDER}
created_at: "2023-08-04T15:19:15.353909857Z"
name: registry-trigger
rule:
  container_registry:
    event_type:
    - CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE
    - CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE
    - CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE_TAG
    - CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE_TAG
    registry_id: crtlds4tdfg12kil77h2
    batch_settings:
      size: "3"
      cutoff: 20s
    gateway_websocket_broadcast:
      gateway_id: d4eofc7n0mh200000000
      path: /
      service_account_id: aje3932acdh200000000
status: ACTIVE
`;
const CREATE = [
    'serverless', 'trigger', 'create', 'container-registry',
    '--name', 'registry-trigger', '--registry-id', 'crtlds4tdfg12kil77h2',
    '--events', 'create-image,delete-image,create-image-tag,delete-image-tag',
    '--batch-size', '3', '--batch-cutoff', '20s',
    '--gateway-id', 'd4eofc7n0mh200000000', '--gateway-websocket-broadcast-path', '/',
    '--gateway-websocket-broadcast-service-account-id', 'aje3932acdh200000000',
];
const TRIGGERS = '/triggers/v1/triggers';
const ONE = `${TRIGGERS}/${TRIGGER_ID}`;

function operation(description, response, over = {}) {
    return {
        done: true,
        metadata: {
            '@type': 'type.googleapis.com/yandex.cloud.serverless.triggers.v1.CreateTriggerMetadata',
            triggerId: TRIGGER_ID,
        },
        response,
        id: 'a1soperation00000001',
        description,
        createdAt: '2024-06-21T10:56:42.123Z',
        createdBy: 'alice',
        modifiedAt: '2024-06-21T10:56:43Z',
        ...over,
    };
}
const asTrigger = (trigger) => ({
    '@type': 'type.googleapis.com/yandex.cloud.serverless.triggers.v1.Trigger',
    ...trigger,
});
const EMPTY = { '@type': 'type.googleapis.com/google.protobuf.Empty' };

// A listener that answers `routes["METHOD path"]`: a value, or a function of the request, or a list
// of these of which the last stays. {status, body} says another status than 200.
async function stub(t, routes) {
    const requests = [];
    const server = http.createServer((req, res) => {
        const parts = [];
        req.on('data', (part) => parts.push(part));
        req.on('end', () => {
            const url = new URL(req.url, 'http://x');
            const text = Buffer.concat(parts).toString();
            const request = {
                method: req.method,
                path: url.pathname,
                query: Object.fromEntries(url.searchParams),
                headers: req.headers,
                body: text === '' ? undefined : JSON.parse(text),
            };
            requests.push(request);
            let answer = routes[`${req.method} ${url.pathname}`];
            if (Array.isArray(answer)) answer = answer.length > 1 ? answer.shift() : answer[0];
            if (typeof answer === 'function') answer = answer(request);
            answer ??= { status: 404, body: { code: 5, message: `${url.pathname} not found` } };
            const { status = 200, body = answer } = answer.status > 99 ? answer : {};
            res.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req-1' });
            res.end(typeof body === 'string' ? body : JSON.stringify(body));
        });
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    defer(t, () => {
        server.closeAllConnections();
        return new Promise((done) => server.close(done));
    });
    return { requests, endpoint: `127.0.0.1:${server.address().port}` };
}

describe('create', () => {
    test("the documented command prints what the documents show", limits, async (t) => {
        const { requests, endpoint } = await stub(t, {
            [`POST ${TRIGGERS}`]: operation('Create trigger', asTrigger(TRIGGER)),
        });
        fine(await regcast([...CREATE, '--folder-id', FOLDER, '--token', 't1.x'], { endpoint }), PRINTED);
        assert.equal(requests.length, 1);
        const { folderId, createdAt, id, status, ...wanted } = TRIGGER;
        assert.deepEqual(requests[0].body, { folderId: FOLDER, ...wanted });
        assert.equal(requests[0].headers.authorization, 'Bearer t1.x');
        assert.equal(requests[0].headers['content-type'], 'application/json');
        assert.match(requests[0].headers['idempotency-key'], /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
        assert.match(requests[0].headers['x-request-id'], /^[\da-f-]{36}$/);
    });

    test('other spellings of the same', limits, async (t) => {
        const { requests, endpoint } = await stub(t, {
            [`POST ${TRIGGERS}`]: operation('Create trigger', asTrigger(TRIGGER)),
        });
        fine(
            await regcast(
                [
                    '--folder-id', FOLDER, 'serverless', 'trigger', 'create', 'container-registry', 'my-trigger',
                    '--registry-id=r1', '--events', 'create-image, delete-image', '--events=create-image-tag',
                    '--gateway-id=g1', '--gateway-websocket-broadcast-path=/a', '--image-name', 'team/app', '--tag=v1',
                    '--gateway-websocket-broadcast-account-id', 's1', '--labels', 'a=1,b=', '--labels=c=x=y',
                    '--description', 'Says "hello"', '--batch-cutoff', '1m',
                ],
                { endpoint, env: { REGCAST_TOKEN: 'AQVNkey' } },
            ),
        );
        assert.deepEqual(requests[0].body, {
            folderId: FOLDER,
            name: 'my-trigger',
            description: 'Says "hello"',
            labels: { a: '1', b: '', c: 'x=y' },
            rule: {
                containerRegistry: {
                    registryId: 'r1',
                    imageName: 'team/app',
                    tag: 'v1',
                    eventType: [
                        'CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE',
                        'CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE',
                        'CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE_TAG',
                    ],
                    batchSettings: { size: '1', cutoff: '60s' },
                    gatewayWebsocketBroadcast: { gatewayId: 'g1', path: '/a', serviceAccountId: 's1' },
                },
            },
        });
        assert.equal(requests[0].headers.authorization, 'Api-Key AQVNkey');
    });

    test('json, json-rest and --async', limits, async (t) => {
        const done = operation('Create trigger', asTrigger(TRIGGER));
        const { endpoint } = await stub(t, { [`POST ${TRIGGERS}`]: done });
        const snake = await regcast([...CREATE, '--format', 'json'], { endpoint });
        fine(snake);
        const parsed = JSON.parse(snake.stdout);
        assert.deepEqual(Object.keys(parsed), ['id', 'folder_id', 'created_at', 'name', 'rule', 'status']);
        assert.deepEqual(parsed.rule.container_registry.batch_settings, { size: '3', cutoff: '20s' });
        const camel = await regcast([...CREATE, '--format', 'json-rest'], { endpoint });
        fine(camel);
        assert.deepEqual(JSON.parse(camel.stdout), TRIGGER);
        const started = await regcast([...CREATE, '--async', '--format', 'json-rest'], { endpoint });
        fine(started);
        assert.deepEqual(JSON.parse(started.stdout), done);
    });

    test('waits for an operation that is not done, and reports one that failed', limits, async (t) => {
        const running = operation('Create trigger', undefined, { done: false });
        const { requests, endpoint } = await stub(t, {
            [`POST ${TRIGGERS}`]: running,
            'GET /operations/a1soperation00000001': [
                running,
                operation('Create trigger', asTrigger(TRIGGER)),
                operation('Create trigger', undefined, { error: { code: 8, message: 'Quota limit exceeded' } }),
            ],
        });
        fine(await regcast(CREATE, { endpoint }), PRINTED);
        assert.equal(requests.length, 3);
        wrong(
            await regcast(CREATE, { endpoint }), 1,
            /^ERROR: rpc error: code = ResourceExhausted desc = Quota limit exceeded\n$/,
        );
    });

    for (const [name, args, says] of [
        ['an unknown event', ['--events', 'push'], /--events: expected create-image, .* got "push"/],
        ['a batch size that is no number', ['--batch-size', 'x'], /--batch-size: expected a number, got "x"/],
        ['a cutoff that is no duration', ['--batch-cutoff', 'soon'], /--batch-cutoff: expected a duration/],
        ['labels without a value', ['--labels', 'a'], /--labels: expected KEY=VALUE, got "a"/],
        ['functions', ['--invoke-function-id', 'd4e'], /--invoke-function-id is not supported: This gateway runs no functions/],
        ['names of registries', ['--registry-name', 'x'], /--registry-name is not supported: .* use --registry-id/],
        ['retries', ['--retry-attempts', '1'], /no retries/],
        ['an unknown flag', ['--registry', 'x'], /unknown flag --registry/],
        ['a flag without its value', ['--tag'], /--tag needs a value/],
        ['an unknown format', ['--format', 'xml'], /--format: expected one of text yaml json json-rest, got "xml"/],
        ['two names', ['again'], /the name is there twice/],
        ['two arguments', ['--', 'a', 'b'], /unexpected argument "b"/],
    ])
        test(`refuses ${name}`, limits, async () => {
            wrong(await regcast([...CREATE, ...args]), 2, says);
        });

    test('refuses what is missing, by name', limits, async () => {
        wrong(await regcast(CREATE.slice(0, 6)), 2, /: --registry-id, --events, .*-account-id are missing\nTry: regcast serverless .* --help\n$/);
        wrong(await regcast(CREATE.slice(0, -2)), 2, /: --gateway-websocket-broadcast-service-account-id is missing\n/);
    });
});

describe('a trigger', () => {
    test('by id, by name, by argument', limits, async (t) => {
        const { requests, endpoint } = await stub(t, {
            [`GET ${ONE}`]: TRIGGER,
            [`GET ${TRIGGERS}`]: { triggers: [{ id: 'a1sother000000000000', name: 'x' }, TRIGGER] },
        });
        const get = (...args) => regcast(['serverless', 'trigger', 'get', ...args], { endpoint });
        fine(await get(TRIGGER_ID), PRINTED);
        fine(await get('--id', TRIGGER_ID), PRINTED);
        fine(await get('registry-trigger'), PRINTED);
        assert.equal(requests[2].query.filter, 'name = "registry-trigger"');
        assert.equal(requests[2].query.folderId, 'b1gfolder00000000001');
        fine(await get('--name', 'registry-trigger'), PRINTED);
        wrong(await get('nobody'), 1, /^ERROR: trigger with name "nobody" not found in folder/);
        wrong(await get(), 2, /expected one of/);
        wrong(await get(TRIGGER_ID, '--name', 'x'), 2, /expected one of/);
        wrong(
            await get('--id', 'a1s/../x?y'), 1,
            /code = NotFound desc = \/triggers\/v1\/triggers\/a1s%2F..%2Fx%3Fy not found/,
        );
    });

    test('list, over pages and in every format', limits, async (t) => {
        const page = (request) => {
            const from = Number(request.query.pageToken ?? 0);
            const n = Math.min(Number(request.query.pageSize), 2);
            const all = ['one', 'two-and-more', 'three'];
            return {
                triggers: all.slice(from, from + n).map((name) => ({ id: TRIGGER_ID, name, folderId: FOLDER })),
                ...(from + n < all.length ? { nextPageToken: String(from + n) } : {}),
            };
        };
        const { requests, endpoint } = await stub(t, { [`GET ${TRIGGERS}`]: page });
        const list = (...args) => regcast(['serverless', 'trigger', 'list', '--folder-id', FOLDER, ...args], { endpoint });
        fine(
            await list(),
            `+----------------------+--------------+----------------------+
|          ID          |     NAME     |      FOLDER ID       |
+----------------------+--------------+----------------------+
| ${TRIGGER_ID} | one          | ${FOLDER} |
| ${TRIGGER_ID} | two-and-more | ${FOLDER} |
| ${TRIGGER_ID} | three        | ${FOLDER} |
+----------------------+--------------+----------------------+
`,
        );
        assert.deepEqual(requests.map((r) => r.query.pageToken), [undefined, '2']);
        fine(await list('--format', 'yaml', '--limit', '1'), `- id: ${TRIGGER_ID}\n  folder_id: ${FOLDER}\n  name: one\n`);
        assert.equal(JSON.parse((await list('--format', 'json')).stdout).length, 3);
        wrong(await list('--limit', '0'), 2, /--limit/);
    });

    test('an empty list', limits, async (t) => {
        const { endpoint } = await stub(t, { [`GET ${TRIGGERS}`]: {} });
        const list = (...args) => regcast(['serverless', 'trigger', 'list', ...args], { endpoint });
        fine(await list('--format', 'yaml'), '[]\n');
        fine(await list('--format', 'json'), '[]\n');
        assert.match((await list()).stdout, /^\+----\+------\+-----------\+\n\| ID \| NAME \| FOLDER ID \|\n/);
    });

    test('pause of several, resume, delete', limits, async (t) => {
        const paused = { ...TRIGGER, status: 'PAUSED' };
        const { requests, endpoint } = await stub(t, {
            [`GET ${ONE}`]: TRIGGER,
            [`GET ${TRIGGERS}`]: { triggers: [TRIGGER] },
            [`POST ${ONE}:pause`]: operation('Pause trigger', asTrigger(paused)),
            [`POST ${ONE}:resume`]: operation('Resume trigger', asTrigger(TRIGGER)),
            [`DELETE ${ONE}`]: operation('Delete trigger', EMPTY),
        });
        const run = (...args) => regcast(['serverless', 'trigger', ...args], { endpoint });
        const shown = PRINTED.replace('ACTIVE', 'PAUSED');
        fine(await run('pause', TRIGGER_ID, 'registry-trigger'), shown + shown);
        assert.equal(requests.filter((r) => r.path.endsWith(':pause')).length, 2);
        const keys = requests.filter((r) => r.method === 'POST').map((r) => r.headers['idempotency-key']);
        assert.equal(new Set(keys).size, 2);
        fine(await run('resume', TRIGGER_ID), PRINTED);
        fine(await run('delete', TRIGGER_ID), '');
        assert.equal(requests.at(-1).body, undefined);
    });

    test('update', limits, async (t) => {
        const { requests, endpoint } = await stub(t, {
            [`GET ${ONE}`]: TRIGGER,
            [`PATCH ${ONE}`]: operation('Update trigger', asTrigger(TRIGGER)),
        });
        const run = (...args) => regcast(['serverless', 'trigger', 'update', ...args], { endpoint });
        fine(await run(TRIGGER_ID, '--new-name', 'other', '--description', '', '--labels', 'a=b'), PRINTED);
        assert.deepEqual(requests.at(-1).body, {
            updateMask: 'name,description,labels', name: 'other', description: '', labels: { a: 'b' },
        });
        fine(
            await run(
                'container-registry', '--id', TRIGGER_ID, '--new-tag', 'v2', '--new-batch-cutoff', '1500ms',
                '--new-events', 'create-image', '--new-gateway-websocket-broadcast-path', '/b',
            ),
            PRINTED,
        );
        const { updateMask, rule, ...rest } = requests.at(-1).body;
        assert.equal(updateMask, 'rule');
        assert.deepEqual(rest, {});
        assert.deepEqual(rule.containerRegistry, {
            ...TRIGGER.rule.containerRegistry,
            tag: 'v2',
            batchSettings: { size: '3', cutoff: '1.500s' },
            eventType: ['CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE'],
            gatewayWebsocketBroadcast: { ...TRIGGER.rule.containerRegistry.gatewayWebsocketBroadcast, path: '/b' },
        });
        wrong(await run(TRIGGER_ID), 2, /nothing to change/);
        wrong(await run('container-registry', TRIGGER_ID, '--new-invoke-function-id', 'x'), 2, /not supported/);
    });

    test('labels: read, change, write', limits, async (t) => {
        const { requests, endpoint } = await stub(t, {
            [`GET ${ONE}`]: { ...TRIGGER, labels: { a: '1', b: '2' } },
            [`PATCH ${ONE}`]: operation('Update trigger', asTrigger(TRIGGER)),
        });
        const run = (...args) => regcast(['serverless', 'trigger', ...args], { endpoint });
        fine(await run('add-labels', TRIGGER_ID, '--labels', 'b=3,c=4'), PRINTED);
        assert.deepEqual(requests.at(-1).body, { updateMask: 'labels', labels: { a: '1', b: '3', c: '4' } });
        fine(await run('remove-labels', TRIGGER_ID, '--labels', 'b,unknown'), PRINTED);
        assert.deepEqual(requests.at(-1).body, { updateMask: 'labels', labels: { a: '1' } });
        wrong(await run('add-labels', TRIGGER_ID), 2, /--labels is missing/);
    });

    test('list-operations and operation get', limits, async (t) => {
        const one = operation('Create trigger', asTrigger({ id: TRIGGER_ID }));
        const { endpoint } = await stub(t, {
            [`GET ${ONE}`]: TRIGGER,
            [`GET ${ONE}/operations`]: { operations: [one] },
            'GET /operations/a1soperation00000001': one,
        });
        const list = (...args) => regcast(['serverless', 'trigger', 'list-operations', TRIGGER_ID, ...args], { endpoint });
        fine(
            await list(),
            `+----------------------+---------------------+------------+---------------------+--------+----------------+
|          ID          |     CREATED AT      | CREATED BY |     MODIFIED AT     | STATUS |  DESCRIPTION   |
+----------------------+---------------------+------------+---------------------+--------+----------------+
| a1soperation00000001 | 2024-06-21 10:56:42 | alice      | 2024-06-21 10:56:43 | DONE   | Create trigger |
+----------------------+---------------------+------------+---------------------+--------+----------------+
`,
        );
        const printed = `id: a1soperation00000001
description: Create trigger
created_at: "2024-06-21T10:56:42.123Z"
created_by: alice
modified_at: "2024-06-21T10:56:43Z"
done: true
metadata:
  '@type': type.googleapis.com/yandex.cloud.serverless.triggers.v1.CreateTriggerMetadata
  trigger_id: ${TRIGGER_ID}
response:
  '@type': type.googleapis.com/yandex.cloud.serverless.triggers.v1.Trigger
  id: ${TRIGGER_ID}
`;
        fine(await regcast(['operation', 'get', 'a1soperation00000001'], { endpoint }), printed);
        const inList = printed.trimEnd().split('\n').map((line, i) => (i === 0 ? '- ' : '  ') + line).join('\n');
        fine(await list('--format', 'yaml'), `${inList}\n`);
    });
});

describe('websocket', () => {
    const CONNECTION = '/apigateways/websocket/v1/connections/d202lri35t3sn3q66oj5u4k8bidif62bb';
    const ID = CONNECTION.split('/').at(-1);
    const command = (name) => ['serverless', 'api-gateway', 'websocket', name];

    test('get and disconnect', limits, async (t) => {
        const { requests, endpoint } = await stub(t, {
            [`GET ${CONNECTION}`]: {
                identity: { sourceIp: '51.250.53.27' }, id: ID, gatewayId: 'd5d4kk2bgiguaucuka0l',
                connectedAt: '2023-01-05T10:32:44.827277557Z', lastActiveAt: '2023-01-05T10:32:45Z',
            },
            [`DELETE ${CONNECTION}`]: {},
        });
        fine(
            await regcast([...command('get'), ID], { endpoint }),
            `id: ${ID}
gateway_id: d5d4kk2bgiguaucuka0l
identity:
  source_ip: 51.250.53.27
connected_at: "2023-01-05T10:32:44.827277557Z"
last_active_at: "2023-01-05T10:32:45Z"
`,
        );
        fine(await regcast([...command('disconnect'), '--id', ID], { endpoint }), '');
        assert.equal(requests.at(-1).method, 'DELETE');
    });

    test('send: text, a file, lines, aliases', limits, async (t) => {
        const { requests, endpoint } = await stub(t, { [`POST ${CONNECTION}:send`]: {} });
        const sent = () => {
            const bodies = requests.splice(0).map((r) => r.body);
            return bodies.map((b) => [b.type, Buffer.from(b.data, 'base64').toString('latin1')]);
        };
        fine(await regcast([...command('send'), ID, '-d', 'hello'], { endpoint }), '');
        assert.deepEqual(sent(), [['TEXT', 'hello']]);
        const file = join(tempDir(), 'data');
        writeFileSync(file, Buffer.from([0, 255, 10]));
        fine(await regcast([...command('push'), '--id', ID, '-t', 'BINARY', '-f', file], { endpoint }), '');
        assert.deepEqual(sent(), [['BINARY', '\x00\xff\n']]);
        fine(await regcast([...command('forward'), ID, '-l'], { endpoint, input: 'one\ntwo\r\n\nthree' }), '');
        assert.deepEqual(sent(), [['TEXT', 'one'], ['TEXT', 'two'], ['TEXT', 'three']]);
        writeFileSync(file, Buffer.alloc(131072));
        fine(await regcast([...command('send'), ID, '-f', file], { endpoint }));
        writeFileSync(file, Buffer.alloc(131073));
        wrong(await regcast([...command('send'), ID, '-f', file], { endpoint }), 1, /at most 131072/);
        wrong(await regcast([...command('send'), ID, '-f', '/nowhere'], { endpoint }), 1, /no such file/);
        wrong(await regcast([...command('send'), ID], { endpoint }), 2, /expected one of --data/);
        wrong(await regcast([...command('send'), ID, '-t', 'text', '-d', 'x'], { endpoint }), 2, /TEXT BINARY/);
    });
});

describe('errors and settings', () => {
    const get = ['serverless', 'trigger', 'get', TRIGGER_ID];

    test('each code by its name, on one line', limits, async (t) => {
        const routes = {};
        const { endpoint } = await stub(t, routes);
        for (const [status, body, says] of [
            [401, { code: 16, message: 'Token is invalid or has expired.' }, 'Unauthenticated desc = Token is invalid or has expired.'
                + ' None was sent: --token, REGCAST_TOKEN or `regcast config set token`.'],
            [403, { code: 7, message: 'Permission denied' }, 'PermissionDenied desc = Permission denied'],
            [400, { code: 3, message: 'name: two\nlines' }, 'InvalidArgument desc = name: two lines'],
            [501, { code: 12, message: 'x' }, 'Unimplemented desc = x'],
            [500, 'no JSON at all', 'Internal desc = HTTP status 500'],
            [404, { error: 'not ours' }, "NotFound desc = HTTP status 404: not ours; is this regcastd's management port?"],
            [200, 'no JSON at all', "Unknown desc = the answer is no JSON object: is this regcastd's management port?"],
        ]) {
            routes[`GET ${ONE}`] = { status, body };
            const ran = await regcast(get, { endpoint });
            assert.deepEqual([ran.code, ran.stdout, ran.stderr], [1, '', `ERROR: rpc error: code = ${says}\n`]);
        }
        const debug = await regcast([...get, '--debug'], { endpoint });
        assert.match(debug.stderr, /server-request-id: req-1\nclient-request-id: [\da-f-]{36}\n/);
        assert.ok(!debug.stderr.includes('Authorization'));
    });

    test('tries again while unavailable, with one idempotency key', limits, async (t) => {
        const busy = { status: 503, body: { code: 14, message: 'draining' } };
        const { requests, endpoint } = await stub(t, {
            [`GET ${ONE}`]: [busy, busy, TRIGGER],
            [`POST ${TRIGGERS}`]: [busy, operation('Create trigger', asTrigger(TRIGGER)), busy],
        });
        fine(await regcast(get, { endpoint }), PRINTED);
        assert.equal(requests.splice(0).length, 3);
        fine(await regcast(CREATE, { endpoint }), PRINTED);
        const keys = requests.splice(0).map((r) => r.headers['idempotency-key']);
        assert.equal(keys.length, 2);
        assert.equal(keys[0], keys[1]);
        wrong(await regcast([...CREATE, '--retry', '0'], { endpoint }), 1, /code = Unavailable desc = draining/);
        assert.equal(requests.splice(0).length, 1);
        wrong(await regcast([...CREATE, '--retry', '3'], { endpoint }), 1, /code = Unavailable desc = draining/);
        assert.equal(requests.length, 3);
    });

    test('nobody listens', limits, async () => {
        const endpoint = `127.0.0.1:${await freePort()}`;
        wrong(await regcast([...get, '--retry', '2'], { endpoint }), 1, /code = Unavailable desc = cannot reach http/);
        for (const bad of ['ftp://x', 'a b', 'http://u@x'])
            wrong(await regcast(get, { endpoint: bad }), 1, /expected host:port or a URL/);
    });

    test('flag before environment before profile', limits, async (t) => {
        const { requests, endpoint } = await stub(t, { [`GET ${TRIGGERS}`]: {} });
        const home = tempDir();
        const file = join(home, '.config/regcast/config.yaml');
        const list = async (args, env) => {
            fine(await regcast(['serverless', 'trigger', 'list', ...args], { home, env }));
            const { headers, query } = requests.splice(0)[0];
            return [headers.authorization, query.folderId];
        };
        const config = async (...args) => {
            const ran = await regcast(['config', ...args], { home });
            fine(ran);
            return ran.stdout;
        };
        await config('profile', 'create', 'first');
        await config('set', 'endpoint', `http://${endpoint}/`);
        await config('set', 'token', 'from-profile');
        await config('set', 'folder-id', '123');
        await config('profile', 'create', 'second');
        assert.equal(await config('profile', 'list'), 'first\nsecond ACTIVE\n');
        await config('profile', 'activate', 'first');
        assert.equal(
            readFileSync(file, 'utf8'),
            `current: first\nprofiles:\n  first:\n    endpoint: http://${endpoint}/\n    token: from-profile\n    folder-id: "123"\n  second:\n    {}\n`,
        );
        assert.equal(statSync(file).mode & 0o777, 0o600);
        assert.deepEqual(await list([]), ['Bearer from-profile', '123']);
        const env = { REGCAST_TOKEN: 'from-env', YC_TOKEN: 'theirs', YC_FOLDER_ID: 'f2' };
        assert.deepEqual(await list([], env), ['Bearer from-env', 'f2']);
        assert.deepEqual(await list(['--token', 'from-flag', '--folder-id=f3'], env), ['Bearer from-flag', 'f3']);
        assert.equal(await config('get', 'token'), 'from-profile\n');
        await config('unset', 'token');
        assert.deepEqual(await list([]), [undefined, '123']);
        wrong(await regcast(['config', 'set', 'colour', 'red'], { home }), 2, /expected endpoint, token/);
        wrong(await regcast(['config', 'profile', 'activate', 'third'], { home }), 1, /no profile "third"/);
        wrong(await regcast(['serverless', 'trigger', 'list', '--profile', 'third'], { home }), 1, /no profile "third"/);
        mkdirSync(join(home, '.config/regcast'), { recursive: true });
        writeFileSync(file, 'profiles:\n  a: {colour: red}\n');
        wrong(await regcast(['serverless', 'trigger', 'list'], { home }), 1, /config.yaml:2: colour: expected/);
    });

    test('a token is no place for a second header', limits, async () => {
        wrong(await regcast([...get, '--token', 'a\r\nX: y']), 1, /characters that no token has/);
    });

    test('help, version, unknown commands', limits, async () => {
        for (const args of [['--help'], ['help'], ['serverless', 'trigger', '--help'], [...CREATE.slice(0, 4), '-h'], ['--version'], ['--man']]) {
            const ran = await regcast(args);
            fine(ran);
            assert.match(ran.stdout, /regcast/);
        }
        wrong(await regcast([]), 2, /Try: regcast --help/);
        wrong(await regcast(['serverless', 'trigger']), 2, /Try: regcast serverless trigger --help/);
        wrong(await regcast(['serverless', 'tigger', 'list']), 2, /unknown command "regcast serverless tigger list"/);
    });

    test('iam create-token makes lines that the daemon takes', limits, async () => {
        const file = join(tempDir(), 'regcast.yaml');
        const token = await regcast(['iam', 'create-token', '--subject', 'alice', '--expires-in', '90d']);
        const key = await regcast(['iam', 'create-api-key', '--subject', 'robot']);
        fine(token);
        fine(key);
        assert.match(token.stdout, /^t1\.[\w-]{43}\n/);
        assert.match(key.stdout, /^AQVN[\w-]{36}\n/);
        const lines = (ran) => ran.stdout.split('\n').slice(2).join('\n');
        writeFileSync(file, `users: [{ id: alice }]\nservice_accounts: [{ id: robot }]\n${lines(token)}${lines(key)}`);
        const checked = await new Promise((done) => {
            const child = spawn(REGCASTD, ['--check', '--config', file]);
            let said = '';
            child.stderr.on('data', (data) => (said += data));
            child.on('close', (code) => done([code, said]));
        });
        assert.deepEqual(checked, [0, '']);
        wrong(await regcast(['iam', 'create-token']), 2, /--subject is missing/);
        wrong(await regcast(['iam', 'create-token', '--subject', 'a b']), 2, /--subject: expected the id/);
    });

    // How each shell is told the words (the last is at hand), and what it would offer for that one.
    const SHELLS = {
        bash: ['--norc', (words) => `COMP_WORDS=(regcast ${words.join(' ')}); COMP_CWORD=${words.length}; _regcast; echo "\${COMPREPLY[*]}"`],
        zsh: ['-f', (words) => `words=(regcast ${words.join(' ')}); CURRENT=${words.length + 1}
            compadd() { shift; echo "\${(M)@:#$words[CURRENT]*}" }; _regcast`],
    };
    const COMPLETED = [
        [['ser'], 'serverless'],
        [['serverless', 'trigger', 'pa'], 'pause'],
        [['--format', 'json', 'serverless', 'api-gateway', 'websocket', 's'], 'send'],
        [['serverless', 'trigger', 'create', 'container-registry', '--registry-i'], '--registry-id'],
        [['serverless', 'trigger', 'create', 'container-registry', '--events', 'create-image-'], 'create-image-tag'],
        [['serverless', 'trigger', 'create', 'container-registry', '--invoke'], ''],
        [['serverless', 'trigger', 'list', '--format', 'y'], 'yaml'],
        [['rel'], 'reload'],
    ];
    for (const [shell, [bare, ask]] of Object.entries(SHELLS)) {
        const skip = spawnSync(shell, ['-c', ':']).error !== undefined && `there is no ${shell}`;
        test(`${shell} completes commands, flags and values`, { ...limits, skip }, async () => {
            const script = join(tempDir(), 'completion');
            const made = await regcast(['completion', shell]);
            fine(made);
            writeFileSync(script, made.stdout);
            for (const [words, want] of COMPLETED) {
                const ran = spawnSync(shell, [bare, '-c', `compdef() { :; }; source ${script}; ${ask(words)}`], { encoding: 'utf8' });
                assert.equal(ran.stderr, '');
                assert.equal(ran.stdout.trim(), want, words.join(' '));
            }
        });
    }
});
