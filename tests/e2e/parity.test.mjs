// REST and gRPC are two spellings of the same operations: every one, with good input, with each thing
// that can be wrong with it, and by everybody who may or may not ask, gives the same result by both.
//
// There are two daemons of one configuration. The same steps are done on one by REST and on the other by
// gRPC, and what they make up themselves (ids, times) is named by the order in which it appears. What has
// changed nothing is asked of the first daemon by gRPC too, and there each byte is the same.
import assert from 'node:assert/strict';
import { constants, createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { BROADCASTER, Client, Daemon, FOLDER, GATEWAY, REGISTRY, defer, makeConfig, until } from './harness.mjs';
import { METHODS, byGrpc, byRest, closeClient, document } from './parity.mjs';

const limits = { timeout: 120000 };
const TRIGGERS = 'yandex.cloud.serverless.triggers.v1.TriggerService';
const OPERATIONS = 'yandex.cloud.operation.OperationService';
const CONNECTIONS = 'yandex.cloud.serverless.apigateway.websocket.v1.ConnectionService';
const ENDPOINTS = 'yandex.cloud.endpoint.ApiEndpointService';
const TOKENS = 'yandex.cloud.iam.v1.IamTokenService';

// Each method, by its operations in docs/openapi.json.
const SPELLINGS = {
    [`${TRIGGERS}/Get`]: ['getTrigger'],
    [`${TRIGGERS}/List`]: ['listTriggers'],
    [`${TRIGGERS}/Create`]: ['createTrigger'],
    [`${TRIGGERS}/Update`]: ['updateTrigger'],
    [`${TRIGGERS}/Delete`]: ['deleteTrigger'],
    [`${TRIGGERS}/Pause`]: ['pauseTrigger'],
    [`${TRIGGERS}/Resume`]: ['resumeTrigger'],
    [`${TRIGGERS}/ListOperations`]: ['listTriggerOperations'],
    [`${OPERATIONS}/Get`]: ['getOperation'],
    [`${OPERATIONS}/Cancel`]: ['cancelOperation', 'cancelOperationByGet'],
    [`${CONNECTIONS}/Get`]: ['getConnection'],
    [`${CONNECTIONS}/Send`]: ['sendToConnection'],
    [`${CONNECTIONS}/Disconnect`]: ['disconnectConnection'],
    [`${ENDPOINTS}/Get`]: ['getEndpoint'],
    [`${ENDPOINTS}/List`]: ['listEndpoints'],
    [`${TOKENS}/Create`]: ['createIamToken'],
    [`${TOKENS}/CreateForServiceAccount`]: ['createIamTokenForServiceAccount'],
    [`${TOKENS}/Revoke`]: ['revokeIamToken'],
};
// What is beyond the original, and has one spelling only.
const REST_ONLY = ['testTrigger', 'dryRunTrigger', 'dryRunTriggers', 'listPaths', 'listConnections', 'listNodes', 'listRegistries', 'dryRunRegistry', 'getEvent',
    'listEvents', 'replay', 'getMetrics', 'listTriggerStatistics', 'listDeadLetters', 'getDeadLetter', 'deleteDeadLetter', 'replayDeadLetter',
    'getSession', 'createSession', 'deleteSession', 'createRevocation', 'reload', 'getOpenapi', 'getHealth'];
const CHANGES = /\/(Create|Update|Delete|Pause|Resume|Send|Disconnect|CreateForServiceAccount|Revoke)$/;

const covered = new Set();

// ------------------------------------------------------------------------------------ two daemons

// Ids, times, addresses and tokens by the order in which they appear.
class Names {
    #seen = new Map();

    #name(kind, text) {
        const key = `${kind} ${text}`;
        if (!this.#seen.has(key)) this.#seen.set(key, `<${kind} ${this.#seen.size}>`);
        return this.#seen.get(key);
    }

    of(value, key = '') {
        if (Array.isArray(value)) return value.map((one) => this.of(one));
        if (value !== null && typeof value === 'object')
            return Object.fromEntries(Object.entries(value).sort().map(([name, one]) => [name, this.of(one, name)]));
        if (typeof value !== 'string') return value;
        if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)) return '<time>';
        if (key === 'nextPageToken' || key === 'iamToken') return `<${key}>`;
        return value
            .replace(/127\.0\.0\.1:\d+/g, '<address>')
            .replace(/\b[a-z0-9]{3}[0-9a-v]{17}\b/g, (id) => this.#name('id', id));
    }
}

class Pair {
    static async start(t, over = {}) {
        const p = new Pair();
        p.sides = [];
        for (let i = 0; i < 2; i++) {
            const { management = {}, ...rest } = over;
            const d = await Daemon.start(makeConfig({
                triggers: [],
                management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'], ...management },
                ...rest,
            }));
            d.grpc = d.ready.grpc[0];
            defer(t, () => d.stop());
            defer(t, () => closeClient(d));
            p.sides.push({ d, names: new Names(), kept: {} });
        }
        return p;
    }

    // One operation on both. `request` and the token may be functions of what save() has kept, which
    // differs by side; save(kept, answer) keeps more. Returns the record of the first, with its own names.
    async step(method, request, { code, save, token, headers } = {}) {
        const [a, b] = this.sides;
        const requestOf = (side) => (typeof request === 'function' ? request(side.kept) : request);
        const options = { headers, token: typeof token === 'function' ? token(a.kept) : token };
        const optionsOfB = typeof token === 'function' ? { headers, token: token(b.kept) } : options;
        const what = `${method} ${JSON.stringify(requestOf(a)).slice(0, 300)} ${JSON.stringify(options)}`;
        const id = randomUUID();
        const [spelling, ...others] = SPELLINGS[method];
        const rest = await byRest(a.d, spelling, requestOf(a), { ...options, id });
        const grpc = await byGrpc(b.d, method, requestOf(b), { ...optionsOfB, id });
        assert.deepEqual(b.names.of(grpc), a.names.of(rest), what);
        if (code !== undefined) assert.equal(rest.code, code, `${what}: ${JSON.stringify(rest)}`);
        if (rest.code !== 0 || !CHANGES.test(method)) {
            assert.deepEqual(await byGrpc(a.d, method, requestOf(a), { ...options, id }), rest, what);
            for (const other of others) assert.deepEqual(await byRest(a.d, other, requestOf(a), { ...options, id }), rest, what);
            others.forEach((other) => covered.add(other));
        }
        covered.add(method);
        covered.add(spelling);
        if (save && rest.code === 0) [[a, rest], [b, grpc]].forEach(([side, { answer }]) => save(side.kept, answer));
        return rest;
    }
}

// -------------------------------------------------------------------------------------- requests

const TYPE = 'CONTAINER_REGISTRY_EVENT_TYPE_';
const ALL = ['CREATE_IMAGE', 'DELETE_IMAGE', 'CREATE_IMAGE_TAG', 'DELETE_IMAGE_TAG'].map((one) => TYPE + one);
const action = { gatewayId: GATEWAY, path: '/', serviceAccountId: BROADCASTER };

const registry = (change = {}) => ({
    containerRegistry: {
        eventType: ALL,
        registryId: REGISTRY,
        batchSettings: { size: '1', cutoff: '1s' },
        gatewayWebsocketBroadcast: action,
        ...change,
    },
});
const create = (name, change = {}) => ({ folderId: FOLDER, name, rule: registry(), ...change });
const broadcast = (change) => ({ rule: registry({ gatewayWebsocketBroadcast: { ...action, ...change } }) });
const batch = (batchSettings) => ({ rule: registry({ batchSettings }) });
const labels = (n) => ({ labels: Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, ''])) });

// Lays something over a good trigger, for Create and for Update: [what, change, code].
const INPUTS = [
    ['nothing but what must be', {}, 0],
    ['a description', { description: 'd'.repeat(500) }, 0],
    ['a description in another script', { description: 'Реестр 🐳 "quoted" \\ 100%' }, 0],
    ['labels', { labels: { team: 'a', empty: '', 'a-_./\\@9': 'x-_./\\@9' } }, 0],
    ['64 labels', labels(64), 0],
    ['one event type', { rule: registry({ eventType: [TYPE + 'CREATE_IMAGE_TAG'] }) }, 0],
    ['event types by number', { rule: registry({ eventType: [4, 1] }) }, 0],
    ['event types in another order', { rule: registry({ eventType: [...ALL].reverse() }) }, 0],
    ['the same in an order of its own', { rule: registry({ eventType: [2, 4, 1, 3] }) }, 0],
    ['event types in that order, some again', { rule: registry({ eventType: [4, 1, 4, 2, 1] }) }, 0],
    ['an event type twice', { rule: registry({ eventType: [ALL[0], ALL[0]] }) }],
    ['an image and a tag', { rule: registry({ imageName: `${REGISTRY}/team/app`, tag: 'v1' }) }, 0],
    ['batches', batch({ size: '1000', cutoff: '60s' }), 0],
    ['a fraction of a second', batch({ size: '7', cutoff: '1.500s' }), 0],
    ['no batch settings', { rule: registry({ batchSettings: null }) }],
    ['batch size 0', batch({ size: '0', cutoff: '1s' })],
    ['another path', broadcast({ path: '/teams/{team}' }), 0],

    ['no rule', { rule: null }, 3],
    ['an empty rule', { rule: {} }, 3],
    ['an empty container registry', { rule: { containerRegistry: {} } }, 3],
    ['a bad name', { name: 'X' }, 3],
    ['a short name', { name: 'ab' }, 3],
    ['a long name', { name: 'a'.repeat(64) }, 3],
    ['a name with a dash at its end', { name: 'abc-' }, 3],
    ['a name with percent and control characters', { name: '100%\t\n\u007f' }, 3],
    ['a name in another script', { name: 'реестр' }, 3],
    ['a very long name', { name: 'x'.repeat(5000) }, 3],
    ['a long description', { description: 'd'.repeat(501) }, 3],
    ['a long description in another script', { description: 'ж'.repeat(501) }, 3],
    ['65 labels', labels(65), 3],
    ['a label without a key', { labels: { '': 'x' } }, 3],
    ['a bad key of a label', { labels: { Team: 'x' } }, 3],
    ['a long key of a label', { labels: { ['k'.repeat(64)]: 'x' } }, 3],
    ['a bad value of a label', { labels: { team: 'X' } }, 3],
    ['a long value of a label', { labels: { team: 'x'.repeat(64) } }, 3],
    ['several mistakes', { name: 'X', description: 'd'.repeat(501), labels: { Team: 'X' }, rule: null }, 3],
    ['more mistakes than are kept', { labels: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`K${i}`, 'X'])) }, 3],
    ['no event type', { rule: registry({ eventType: [] }) }, 3],
    ['event type 0', { rule: registry({ eventType: [0] }) }, 3],
    ['event type 5', { rule: registry({ eventType: [5] }) }, 3],
    ['event type -1', { rule: registry({ eventType: [1, -1] }) }, 3],
    ['no registry', { rule: registry({ registryId: '' }) }, 3],
    ['an unknown registry', { rule: registry({ registryId: 'crtnobody' }) }, 5],
    ['a long registry id', { rule: registry({ registryId: 'c'.repeat(51) }) }],
    ['a long image name', { rule: registry({ imageName: 'i'.repeat(1000) }) }],
    ['a long tag', { rule: registry({ tag: 't'.repeat(1000) }) }],
    ['batch size 1001', batch({ size: '1001', cutoff: '1s' }), 3],
    ['batch size -1', batch({ size: '-1', cutoff: '1s' }), 3],
    ['no cutoff', batch({ size: '1' }), 3],
    ['cutoff 0', batch({ size: '1', cutoff: '0s' }), 3],
    ['a negative cutoff', batch({ size: '1', cutoff: '-1s' }), 3],
    ['a cutoff a little below 0', batch({ size: '1', cutoff: '-0.500s' }), 3],
    ['a short cutoff', batch({ size: '1', cutoff: '0.999s' }), 3],
    ['a long cutoff', batch({ size: '1', cutoff: '60.001s' }), 3],
    ['a cutoff of nanoseconds', batch({ size: '1', cutoff: '1.000000001s' })],
    ['no action', { rule: registry({ gatewayWebsocketBroadcast: null }) }, 3],
    ['an empty action', { rule: registry({ gatewayWebsocketBroadcast: {} }) }, 3],
    ['no gateway', broadcast({ gatewayId: '' }), 3],
    ['an unknown gateway', broadcast({ gatewayId: 'd5dnobody' })],
    ['a long gateway id', broadcast({ gatewayId: 'd'.repeat(51) })],
    ['no path', broadcast({ path: '' }), 3],
    ['an unknown path', broadcast({ path: '/nowhere' })],
    ['no service account', broadcast({ serviceAccountId: '' }), 3],
    ['an unknown service account', broadcast({ serviceAccountId: 'ajenobody' })],
    ['a timer', { rule: { timer: { cronExpression: '* * * * ? *' } } }, 12],
    ['a message queue', { rule: { messageQueue: { queueId: 'q' } } }, 12],
    ['an object storage', { rule: { objectStorage: { bucketId: 'b' } } }, 12],
    ['logs', { rule: { logging: { logGroupId: 'l' } } }, 12],
    ['a data stream', { rule: { dataStream: { stream: 's' } } }, 12],
    ['mail', { rule: { mail: { email: 'a@b' } } }, 12],
    ['a function', { rule: registry({ gatewayWebsocketBroadcast: null, invokeFunction: { functionId: 'd4e' } }) }, 12],
    ['a container', { rule: registry({ gatewayWebsocketBroadcast: null, invokeContainer: { containerId: 'bba' } }) }, 12],
    ['two actions', { rule: registry({ invokeFunction: { functionId: 'd4e' } }) }],
    ['a timer and a bad name', { name: 'X', rule: { timer: { cronExpression: '* * * * ? *' } } }],
];

const PAGES = [
    ['all', {}, 0],
    ['pages of 2', { pageSize: 2 }, 0],
    ['page size 0', { pageSize: 0 }, 0],
    ['page size 1000', { pageSize: 1000 }, 0],
    ['page size 1001', { pageSize: 1001 }, 3],
    ['page size -1', { pageSize: -1 }, 3],
    ['a page size of 63 bits', { pageSize: '9007199254740991' }, 3],
    ['a bad token', { pageToken: 'x' }, 3],
    ['a long token', { pageToken: 'x'.repeat(101) }, 3],
    ['a long filter', { filter: `name="${'x'.repeat(1001)}"` }, 3],
];
const FILTERS = ['name = "second-one"', "name='second-one'", 'name=second-one', 'name=nobody', 'name="', 'age=3',
    'name!=second-one', 'name="a" AND name="b"', '=', ' '];
const NOBODY = 'a1s00000000000000000';
const BAD_IDS = [NOBODY, 'x', 'x'.repeat(50), 'x'.repeat(51), 'with space', 'ж', '%', '\u0001', 'A1S00000000000000000'];

// ----------------------------------------------------------------------------------------- steps

describe('triggers', () => {
    test('are created the same', limits, async (t) => {
        const p = await Pair.start(t, { gateway: { paths: ['/', '/teams/{team}'] } });
        for (const [i, [what, change, code]] of INPUTS.entries())
            await t.test(what, async () => {
                const made = await p.step(`${TRIGGERS}/Create`, create(`name-${i}`, change),
                    { code, save: (kept, { metadata }) => (kept.id = metadata.triggerId) });
                if (made.code === 0) await p.step(`${TRIGGERS}/Get`, ({ id }) => ({ triggerId: id }), { code: 0 });
            });
        await p.step(`${TRIGGERS}/Create`, { ...create('no-folder'), folderId: '' }, { code: 3 });
        await p.step(`${TRIGGERS}/Create`, { ...create('other-folder'), folderId: 'b1gother' }, { code: 5 });
        await p.step(`${TRIGGERS}/Create`, { ...create('long-folder'), folderId: 'b'.repeat(51) });
        await p.step(`${TRIGGERS}/Create`, create('name-0'), { code: 6 });
        await p.step(`${TRIGGERS}/Create`, create(''), { code: 0 });
        await p.step(`${TRIGGERS}/Create`, create(''), { code: 0 });
        await p.step(`${TRIGGERS}/Create`, {}, { code: 3 });
        await p.step(`${TRIGGERS}/List`, { folderId: FOLDER, pageSize: 1000 }, { code: 0 });
    });

    test('are changed the same', limits, async (t) => {
        const p = await Pair.start(t, { gateway: { paths: ['/', '/teams/{team}'] } });
        const save = (kept, { metadata }) => (kept.id = metadata.triggerId);
        await p.step(`${TRIGGERS}/Create`, create('taken'), { code: 0 });
        await p.step(`${TRIGGERS}/Create`, create('first', { description: 'd', labels: { a: 'b' } }), { code: 0, save });
        const update = (fields, options) => p.step(`${TRIGGERS}/Update`, ({ id }) => ({ triggerId: id, ...fields }), options);
        for (const [what, change, code] of INPUTS)
            await t.test(what, async () => {
                await update({ ...create('whole'), folderId: undefined, ...change }, { code });
                const masked = Object.keys(change).filter((key) => key !== 'name');
                await update({ ...change, name: 'not-looked-at', updateMask: masked.join(',') || 'name' });
            });
        for (const [fields, code] of [
            [{ updateMask: 'name,labels', name: 'second', labels: { c: 'd' } }, 0],
            [{ updateMask: 'labels' }, 0],
            [{ updateMask: 'description' }, 0],
            [{ updateMask: 'name' }, 0],
            [{ updateMask: 'rule' }, 3],
            [{ updateMask: 'name,name', name: 'third' }, undefined],
            [{ updateMask: 'name', name: 'taken' }, 6],
            [{ updateMask: 'name', name: 'X' }, 3],
            [{ updateMask: 'rule.tag', rule: registry() }, 3],
            [{ updateMask: 'colour' }, 3],
            [{ updateMask: 'status' }, 3],
            [{ updateMask: 'id' }, 3],
            [{ updateMask: '', ...create('no-mask'), folderId: undefined }, 0],
            [{ name: 'no-rule' }, 3],
            [{}, 3],
        ])
            await update(fields, { code });
        for (const triggerId of BAD_IDS) {
            await p.step(`${TRIGGERS}/Update`, { triggerId, updateMask: 'name', name: 'fourth' });
            await p.step(`${TRIGGERS}/Update`, { triggerId, updateMask: 'name', name: 'X' });
        }
        await p.step(`${TRIGGERS}/Get`, ({ id }) => ({ triggerId: id }), { code: 0 });
    });

    test('live and end the same', limits, async (t) => {
        const p = await Pair.start(t);
        const save = (kept, { id, metadata }) => Object.assign(kept, { operation: id, id: metadata.triggerId });
        const on = (method, options) => p.step(`${TRIGGERS}/${method}`, ({ id }) => ({ triggerId: id }), options);
        await p.step(`${TRIGGERS}/Create`, create('one-life'), { code: 0, save });
        for (const method of ['Get', 'Pause', 'Pause', 'Get', 'Resume', 'Resume', 'Get', 'Pause', 'Delete'])
            await on(method, { code: 0, save: method === 'Get' ? undefined : save });
        for (const method of ['Get', 'Pause', 'Resume', 'Delete']) await on(method, { code: 5 });
        await on('ListOperations', { code: 0 });
        for (const [, page, code] of PAGES)
            await p.step(`${TRIGGERS}/ListOperations`, ({ id }) => ({ triggerId: id, ...page }), { code });
        for (const filter of ['name="x"', 'done=true'])
            await p.step(`${TRIGGERS}/ListOperations`, ({ id }) => ({ triggerId: id, filter }));
        for (const method of ['Get', 'Pause', 'Resume', 'Delete', 'ListOperations'])
            for (const triggerId of BAD_IDS) await p.step(`${TRIGGERS}/${method}`, { triggerId });
        for (const method of ['Get', 'Cancel']) {
            await p.step(`${OPERATIONS}/${method}`, ({ operation }) => ({ operationId: operation }), { code: 0 });
            for (const operationId of BAD_IDS) await p.step(`${OPERATIONS}/${method}`, { operationId });
        }
    });

    test('are listed the same', limits, async (t) => {
        const p = await Pair.start(t);
        await p.step(`${TRIGGERS}/List`, { folderId: FOLDER }, { code: 0 });
        for (const name of ['first-one', 'second-one', 'third-one', 'fourth-one', 'fifth-one'])
            await p.step(`${TRIGGERS}/Create`, create(name), { code: 0 });
        for (const [, page, code] of PAGES) await p.step(`${TRIGGERS}/List`, { folderId: FOLDER, ...page }, { code });
        for (const filter of FILTERS) await p.step(`${TRIGGERS}/List`, { folderId: FOLDER, filter });
        const save = (kept, { nextPageToken }) => (kept.token = nextPageToken);
        let pages = 1;
        await p.step(`${TRIGGERS}/List`, { folderId: FOLDER, pageSize: 2 }, { code: 0, save });
        for (; p.sides[0].kept.token; pages++)
            await p.step(`${TRIGGERS}/List`, ({ token }) => ({ folderId: FOLDER, pageSize: 2, pageToken: token }), { code: 0, save });
        assert.equal(pages, 3);
        await p.step(`${TRIGGERS}/List`, {}, { code: 3 });
        for (const folderId of BAD_IDS) await p.step(`${TRIGGERS}/List`, { folderId });
        await p.step(`${TRIGGERS}/List`, { pageSize: -1, filter: 'age=3', pageToken: 'x' }, { code: 3 });
    });

    test('are as many the same', limits, async (t) => {
        const p = await Pair.start(t, { management: { max_triggers: 2 } });
        for (const [name, code] of [['first-one', 0], ['first-one', 6], ['second-one', 0], ['third-one', 8]])
            await p.step(`${TRIGGERS}/Create`, create(name), { code });
    });
});

test('an idempotency key is the same key by both', limits, async (t) => {
    const p = await Pair.start(t);
    const headers = { 'Idempotency-Key': randomUUID() };
    const [{ d }] = p.sides;
    const made = await p.step(`${TRIGGERS}/Create`, create('once-only'), { code: 0, headers });
    assert.deepEqual((await p.step(`${TRIGGERS}/Create`, create('once-only'), { code: 0, headers })).answer, made.answer);
    const again = await byGrpc(d, `${TRIGGERS}/Create`, create('once-only'), { headers, id: randomUUID() });
    assert.deepEqual(again, made, 'made by REST, and asked for again by gRPC');
    await p.step(`${TRIGGERS}/Create`, create('another'), { code: 3, headers });
    const id = made.answer.metadata.triggerId;
    await p.step(`${TRIGGERS}/Pause`, { triggerId: id }, { code: 3, headers });
    for (const key of ['x'.repeat(64), 'x'.repeat(65), 'with space', '"quoted"'])
        await p.step(`${TRIGGERS}/Create`, create('by-key'), { headers: { 'Idempotency-Key': key } });
});

describe('connections', () => {
    const DATA = {
        text: Buffer.from('Привет, 🐳'),
        binary: Buffer.from([0, 255, 128, 10]),
        empty: Buffer.alloc(0),
        longest: Buffer.alloc(128 << 10, 'x'),
        'too long': Buffer.alloc((128 << 10) + 1, 'x'),
    };

    test('are shown, sent to and closed the same', limits, async (t) => {
        const p = await Pair.start(t);
        const open = async () => {
            for (const side of p.sides) {
                side.client = await Client.open(side.d.url('/'), { headers: { 'User-Agent': 'parity/1' } });
                defer(t, () => side.client.socket.terminate());
                side.kept.id = side.client.id;
            }
        };
        const on = (method, fields, options) => p.step(`${CONNECTIONS}/${method}`, ({ id }) => ({ connectionId: id, ...fields }), options);
        await open();
        await on('Get', {}, { code: 0 });
        let n = 0;
        for (const [name, bytes] of Object.entries(DATA))
            for (const type of [undefined, 'DATA_TYPE_UNSPECIFIED', 'TEXT', 'BINARY', 3, -1])
                await t.test(`${name} as ${type}`, async () => {
                    const data = bytes.toString('base64');
                    const sent = await on('Send', { data, ...(type === undefined ? {} : { type }) });
                    if (sent.code === 0) n++;
                    const [a, b] = await Promise.all(p.sides.map(({ client }) => client.first(n)));
                    assert.deepEqual(b, a);
                });
        assert.ok(n >= 9, `${n} were sent`);
        await on('Send', {}, {});
        await on('Send', { type: 'TEXT' });
        await on('Disconnect', {}, { code: 0 });
        const [a, b] = await Promise.all(p.sides.map(({ client }) => client.end));
        assert.deepEqual(b, a);
        for (const [method, fields] of [['Get', {}], ['Send', { data: 'YQ==', type: 'TEXT' }], ['Disconnect', {}]]) {
            await on(method, fields, { code: 5 });
            for (const connectionId of BAD_IDS) await p.step(`${CONNECTIONS}/${method}`, { connectionId, ...fields });
        }
        await p.step(`${CONNECTIONS}/Send`, { connectionId: 'x'.repeat(51), type: 3 }, { code: 3 });
    });
});

test('endpoints are told the same', limits, async (t) => {
    const p = await Pair.start(t);
    const { answer } = await p.step(`${ENDPOINTS}/List`, {}, { code: 0 });
    assert.ok(answer.endpoints.length >= 8);
    for (const { id } of answer.endpoints) await p.step(`${ENDPOINTS}/Get`, { apiEndpointId: id }, { code: 0 });
    for (const apiEndpointId of BAD_IDS) await p.step(`${ENDPOINTS}/Get`, { apiEndpointId });
});

describe('who may', () => {
    const sha256 = (text) => createHash('sha256').update(text).digest('hex');
    const SUBJECTS = {
        alice: ['editor'],
        admin: ['admin'],
        viewer: ['functions.viewer'],
        editor: ['functions.editor'],
        writer: ['api-gateway.websocketWriter'],
        gateway: ['api-gateway.viewer'],
        nobody: [],
    };
    const secured = {
        users: Object.entries(SUBJECTS).map(([id, roles]) => ({ id, roles })),
        tokens: Object.keys(SUBJECTS).map((subject) => ({ subject, sha256: sha256(`t1.${subject}`) })),
        api_keys: [{ subject: BROADCASTER, sha256: sha256('AQVN-key') }],
    };
    const REQUESTS = {
        [`${TRIGGERS}/Get`]: { triggerId: NOBODY },
        [`${TRIGGERS}/List`]: { folderId: FOLDER },
        [`${TRIGGERS}/Create`]: create(''),
        [`${TRIGGERS}/Update`]: { triggerId: NOBODY, name: 'X' },
        [`${TRIGGERS}/Delete`]: { triggerId: NOBODY },
        [`${TRIGGERS}/Pause`]: { triggerId: NOBODY },
        [`${TRIGGERS}/Resume`]: { triggerId: NOBODY },
        [`${TRIGGERS}/ListOperations`]: { triggerId: NOBODY },
        [`${OPERATIONS}/Get`]: { operationId: NOBODY },
        [`${OPERATIONS}/Cancel`]: { operationId: NOBODY },
        [`${CONNECTIONS}/Get`]: { connectionId: NOBODY },
        [`${CONNECTIONS}/Send`]: { connectionId: NOBODY, data: 'YQ==' },
        [`${CONNECTIONS}/Disconnect`]: { connectionId: NOBODY },
        [`${ENDPOINTS}/Get`]: { apiEndpointId: 'iam' },
        [`${ENDPOINTS}/List`]: {},
        [`${TOKENS}/Create`]: { yandexPassportOauthToken: 't1.unknown' },
        [`${TOKENS}/CreateForServiceAccount`]: { serviceAccountId: BROADCASTER },
        [`${TOKENS}/Revoke`]: { iamToken: 't1.unknown' },
    };
    const CALLERS = [
        ['no token', {}],
        ...Object.keys(SUBJECTS).map((subject) => [subject, { token: `t1.${subject}` }]),
        ['an API key', { headers: { Authorization: 'Api-Key AQVN-key' } }],
    ];
    for (const [who, options] of CALLERS)
        test(`${who} may the same`, limits, async (t) => {
            const p = await Pair.start(t, secured);
            for (const method of Object.keys(METHODS)) {
                assert.ok(REQUESTS[method], `${method} has no request here`);
                await p.step(method, REQUESTS[method], options);
                const [field] = Object.keys(REQUESTS[method]); // a bad id is told to those who may ask
                if (/Id$/.test(field)) await p.step(method, { ...REQUESTS[method], [field]: 'x'.repeat(51) }, options);
            }
            if (who === 'no token') await p.step(`${TRIGGERS}/Create`, {}, { ...options, code: 16 });
            if (who === 'nobody') await p.step(`${TRIGGERS}/Create`, {}, { ...options, code: 7 });
        });

    const methods = Object.keys(METHODS);
    for (const authorization of ['Basic YTpi', 't1.alice', 'Bearer t1.unknown'])
        test(`nobody may with ${authorization}`, limits, async (t) => {
            for (let i = 0; i < methods.length; i += 3) { // each is a guess, and ten are too many
                const p = await Pair.start(t, secured);
                for (const method of methods.slice(i, i + 3))
                    await p.step(method, REQUESTS[method], { headers: { Authorization: authorization } });
                await Promise.all(p.sides.map(({ d }) => d.stop()));
            }
        });

    // As yc makes it of a service account's key file.
    function jwtOf(privateKey, kid, change = {}) {
        const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
        const now = Math.floor(Date.now() / 1000);
        const claims = { iss: BROADCASTER, aud: 'https://iam.api.cloud.yandex.net/iam/v1/tokens', iat: now, exp: now + 3600, ...change };
        const text = `${part({ typ: 'JWT', alg: 'PS256', kid })}.${part(claims)}`;
        const key = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
        return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
    }

    test('tokens are given the same', limits, async (t) => {
        const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
        const keys = [{ id: 'ajekey00000000000001', public_key: publicKey.export({ type: 'spki', format: 'pem' }) }];
        const p = await Pair.start(t, { ...secured,
            service_accounts: [{ id: BROADCASTER, roles: ['editor', 'api-gateway.websocketBroadcaster'], keys }] });
        const jwt = jwtOf(privateKey, keys[0].id);
        const save = (kept, { iamToken }) => (kept.token = iamToken);
        for (const request of [{ jwt }, { yandexPassportOauthToken: 't1.alice' }]) {
            await p.step(`${TOKENS}/Create`, request, { code: 0, save });
            await p.step(`${TRIGGERS}/Create`, create(''), { code: 0, token: ({ token }) => token });
        }
        for (const [request, code] of [
            [{}, 3],
            [{ jwt: '' }, 16],
            [{ jwt: 'x'.repeat(8001) }, 3],
            [{ yandexPassportOauthToken: 'x'.repeat(4001) }, 3],
            [{ jwt: `${jwt}x` }, 16],
            [{ jwt: jwtOf(privateKey, keys[0].id, { exp: 1 }) }, 16],
            [{ jwt: jwtOf(privateKey, 'ajekey00000000000002') }, 16],
        ])
            await p.step(`${TOKENS}/Create`, request, { code });
    });

    test('a wrong token is no token, and too many of them are too many', limits, async (t) => {
        const p = await Pair.start(t, secured);
        for (let i = 0; i < 4; i++) await p.step(`${TRIGGERS}/List`, { folderId: FOLDER }, { code: 16, token: `t1.${i}` });
        for (const { d } of p.sides) // whoever guesses by one is slowed down by the other
            await until('slowed down', async () =>
                (await byRest(d, 'listTriggers', { folderId: FOLDER }, { token: 't1.x', id: randomUUID() })).code === 8);
        await p.step(`${TRIGGERS}/List`, { folderId: FOLDER }, { code: 8, token: 't1.alice' });
    });
});

test('every method and every route has been compared', () => {
    const routes = Object.values(document.paths).flatMap((item) => Object.values(item).map((one) => one.operationId));
    const missing = [...Object.keys(METHODS), ...routes].filter((one) => !covered.has(one) && !REST_ONLY.includes(one));
    assert.deepEqual(missing, []);
    assert.deepEqual(REST_ONLY.filter((one) => !routes.includes(one)), [], 'what is no route any longer');
});
