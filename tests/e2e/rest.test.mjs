// The management API by REST: triggers from their creation to their end, operations, connections of
// any worker, what is beyond the original, errors, and who may do what.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
    BROADCASTER,
    Client,
    Daemon,
    FOLDER,
    GATEWAY,
    REGISTRY,
    ROOT,
    defer,
    envelope,
    makeConfig,
    newImage,
    readMessage,
    run,
    trigger,
    until,
    writeConfig,
} from './harness.mjs';

const limits = { timeout: 60000 };
const TRIGGERS = '/triggers/v1/triggers';
const CONNECTIONS = '/apigateways/websocket/v1/connections';
const PREFIX = 'CONTAINER_REGISTRY_EVENT_TYPE_';
const TYPES = ['CREATE_IMAGE', 'DELETE_IMAGE', 'CREATE_IMAGE_TAG', 'DELETE_IMAGE_TAG'].map((t) => PREFIX + t);
const document = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8'));

// A push by tag of an image nobody has pushed before: CreateImage and CreateImageTag.
function tagged(repository, tag = 'v1') {
    const event = newImage(repository);
    return { ...event, target: { ...event.target, tag } };
}

function rule({ path = '/', types = TYPES, size = '1', cutoff = '1s', ...filters } = {}) {
    return {
        containerRegistry: {
            eventType: types,
            registryId: REGISTRY,
            ...filters,
            batchSettings: { size, cutoff },
            gatewayWebsocketBroadcast: { gatewayId: GATEWAY, path, serviceAccountId: BROADCASTER },
        },
    };
}

async function start(t, over = {}) {
    const d = await Daemon.start(makeConfig({ triggers: [], ...over }));
    defer(t, () => d.stop());
    return d;
}

async function connect(t, d, path = '/', options = {}) {
    const c = await Client.open(d.url(path), options);
    defer(t, () => c.socket.terminate());
    return c;
}

async function call(d, method, path, options, status = 200) {
    const got = await d.manage(method, path, options);
    assert.equal(got.status, status, `${method} ${path}: ${got.text}`);
    return got.json;
}

async function create(d, name, options) {
    const body = { folderId: FOLDER, name, rule: rule(options) };
    return (await call(d, 'POST', TRIGGERS, { body })).response;
}

// An error's body is a bare google.rpc.Status.
async function refused(d, method, path, options, status, code, like) {
    const got = await d.manage(method, path, options);
    assert.equal(got.status, status, `${method} ${path}: ${got.text}`);
    assert.equal(got.json.code, code, got.text);
    assert.match(got.json.message, like);
    const info = got.json.details.at(-1);
    assert.equal(info['@type'], 'type.googleapis.com/google.rpc.RequestInfo');
    assert.equal(info.requestId, got.headers['x-request-id']);
    return got.json;
}

describe('a trigger', () => {
    test('lives from create to delete, and fires for a real webhook meanwhile', limits, async (t) => {
        const d = await start(t);
        const c = await connect(t, d);
        const made = await call(d, 'POST', TRIGGERS, {
            body: { folder_id: FOLDER, name: 'registry-trigger', labels: { team: 'a', empty: '' }, rule: rule() },
        });
        assert.match(made.id, /^a1s[0-9a-v]{17}$/);
        assert.equal(made.done, true);
        assert.equal(made.description, 'Create trigger');
        assert.match(made.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?Z$/);
        const id = made.metadata.triggerId;
        assert.deepEqual(made.metadata, {
            '@type': 'type.googleapis.com/yandex.cloud.serverless.triggers.v1.CreateTriggerMetadata',
            triggerId: id,
        });
        const got = await call(d, 'GET', `${TRIGGERS}/${id}`);
        const { '@type': type, ...response } = made.response;
        assert.equal(type, 'type.googleapis.com/yandex.cloud.serverless.triggers.v1.Trigger');
        assert.deepEqual(response, got);
        assert.deepEqual(got, {
            id,
            folderId: FOLDER,
            createdAt: got.createdAt,
            name: 'registry-trigger',
            labels: { empty: '', team: 'a' },
            rule: rule(),
            status: 'ACTIVE',
        });

        await d.accept([tagged('app')]);
        await c.first(2);
        assert.equal((await call(d, 'POST', `${TRIGGERS}/${id}:pause`)).response.status, 'PAUSED');
        await d.post([newImage('app')]);
        const resumed = await call(d, 'POST', `${TRIGGERS}/${id}:resume`, { body: {} });
        assert.equal(resumed.response.status, 'ACTIVE');
        await d.accept([newImage('after')]);
        const [event] = readMessage((await c.first(3))[2]);
        assert.equal(event.repo, 'after', 'what happened during the pause is not sent later');

        const gone = await call(d, 'DELETE', `${TRIGGERS}/${id}`);
        assert.deepEqual(gone.response, { '@type': 'type.googleapis.com/google.protobuf.Empty', value: {} });
        await refused(d, 'GET', `${TRIGGERS}/${id}`, {}, 404, 5, new RegExp(`Trigger ${id} not found`));
        const { operations } = await call(d, 'GET', `${TRIGGERS}/${id}/operations`);
        assert.deepEqual(
            operations.map((o) => o.description),
            ['Delete trigger', 'Resume trigger', 'Pause trigger', 'Create trigger'],
        );
        for (const o of operations) assert.deepEqual(await call(d, 'GET', `/operations/${o.id}`), o);
        for (const method of ['GET', 'POST'])
            assert.deepEqual(await call(d, method, `/operations/${made.id}:cancel`), made);
        await refused(d, 'GET', '/operations/a1s00000000000000000', {}, 404, 5, /not found/);
    });

    test('is changed by mask, or as a whole without one', limits, async (t) => {
        const d = await start(t);
        const { id } = await create(d, 'first');
        const patch = async (body) => (await call(d, 'PATCH', `${TRIGGERS}/${id}`, { body })).response;
        let now = await patch({ updateMask: 'name,labels', name: 'second', labels: { a: 'b' } });
        assert.deepEqual([now.name, now.labels, now.rule], ['second', { a: 'b' }, rule()]);
        now = await patch({ update_mask: 'labels' });
        assert.equal(now.labels, undefined, 'a masked field without a value goes back to its default');
        now = await patch({ updateMask: 'rule', triggerId: id, rule: rule({ tag: 'latest', size: 7, cutoff: '1.500s' }) });
        assert.deepEqual([now.name, now.rule.containerRegistry.tag], ['second', 'latest']);
        assert.deepEqual(now.rule.containerRegistry.batchSettings, { size: '7', cutoff: '1.500s' });
        now = await patch({ description: 'all', rule: rule({ types: [1, PREFIX + 'DELETE_IMAGE'] }) });
        assert.deepEqual([now.name, now.description], [undefined, 'all']);
        assert.deepEqual(now.rule.containerRegistry.eventType, TYPES.slice(0, 2));
        now = await patch({ updateMask: 'rule', rule: rule({ types: [2, 1, 2] }) });
        assert.deepEqual(now.rule.containerRegistry.eventType, TYPES.slice(0, 2).toReversed());
        const path = `${TRIGGERS}/${id}`;
        await refused(d, 'PATCH', path, { body: { updateMask: 'rule.tag' } }, 400, 3, /update_mask/);
        await refused(d, 'PATCH', path, { body: { triggerId: 'another' } }, 400, 3, /trigger_id/);
    });

    test('is listed by pages and by name', limits, async (t) => {
        const d = await start(t);
        for (let i = 0; i < 7; i++) await create(d, `trigger-${i}`);
        const names = [];
        let token = '';
        do {
            const page = await call(d, 'GET', `${TRIGGERS}?folderId=${FOLDER}&pageSize=3&pageToken=${encodeURIComponent(token)}`);
            names.push(...page.triggers.map((one) => one.name));
            token = page.nextPageToken ?? '';
        } while (token);
        assert.deepEqual(names, [0, 1, 2, 3, 4, 5, 6].map((i) => `trigger-${i}`));
        for (const filter of ['name = "trigger-3"', "name='trigger-3'", 'name=trigger-3']) {
            const page = await call(d, 'GET', `${TRIGGERS}?folder_id=${FOLDER}&filter=${encodeURIComponent(filter)}`);
            assert.deepEqual(page.triggers.map((one) => one.name), ['trigger-3']);
        }
        assert.deepEqual(await call(d, 'GET', `${TRIGGERS}?folderId=${FOLDER}&filter=name=nobody`), {});
        for (const [query, like] of [
            ['', /folder_id/],
            [`folderId=${FOLDER}&pageSize=x`, /page_size/],
            [`folderId=${FOLDER}&pageSize=1001`, /page_size/],
            [`folderId=${FOLDER}&pageToken=x`, /page_token/],
            [`folderId=${FOLDER}&filter=age=3`, /filter/],
            [`folderId=${FOLDER}&folderId=${FOLDER}`, /folder_id/],
            [`folderId=${FOLDER}&colour=red`, /colour/],
            [`folderId=%zz`, /folder_id/],
            [`folderId=${'x'.repeat(2000)}`, /folder_id/],
        ])
            await refused(d, 'GET', `${TRIGGERS}?${query}`, {}, 400, 3, like);
    });
});

describe('errors', () => {
    const body = (change) => ({ body: { folderId: FOLDER, name: 'x-y-z', rule: rule(), ...change } });
    const registry = (change) => body({ rule: { containerRegistry: { ...rule().containerRegistry, ...change } } });
    for (const [name, options, status, code, like] of [
        ['no JSON', { body: '{"a":' }, 400, 3, /JSON/],
        ['a list', { body: '[]' }, 400, 3, /object/],
        ['too deep', { body: '{"a":'.repeat(40) + '1' + '}'.repeat(40) }, 400, 3, /depth/],
        ['a member twice', { body: '{"name":"a","name":"b"}' }, 400, 3, /duplicate_key/],
        ['both spellings', body({ folder_id: FOLDER }), 400, 3, /folder_id.*twice/],
        ['an unknown field', body({ colour: 'red' }), 400, 3, /colour/],
        ['a number for a string', body({ name: 5 }), 400, 3, /name/],
        ['a bad name', body({ name: 'X' }), 400, 3, /name/],
        ['no rule', body({ rule: null }), 400, 3, /rule/],
        ['no folder', body({ folderId: null }), 400, 3, /folder_id/],
        ['another folder', body({ folderId: 'b1gother' }), 404, 5, /b1gother/],
        ['a timer', body({ rule: { timer: { cronExpression: '* * * * ? *' } } }), 501, 12, /timer/],
        ['a function', registry({ invokeFunction: { functionId: 'd4e' } }), 501, 12, /invoke_function/],
        ['two rules', body({ rule: { ...rule(), timer: {} } }), 400, 3, /rule/],
        ['no event type', registry({ eventType: [] }), 400, 3, /event_type/],
        ['a strange event type', registry({ eventType: ['PUSH'] }), 400, 3, /event_type.*PUSH/],
        ['event type 5', registry({ eventType: [5] }), 400, 3, /event_type/],
        ['a strange batch size', registry({ batchSettings: { size: '1001', cutoff: '1s' } }), 400, 3, /batch_settings.size/],
        ['half a batch size', registry({ batchSettings: { size: 1.5, cutoff: '1s' } }), 400, 3, /batch_settings.size/],
        ['no cutoff', registry({ batchSettings: { size: 1 } }), 400, 3, /batch_settings.cutoff/],
        ['a long cutoff', registry({ batchSettings: { cutoff: '61s' } }), 400, 3, /batch_settings.cutoff/],
        ['a cutoff without a unit', registry({ batchSettings: { cutoff: '20' } }), 400, 3, /batch_settings.cutoff/],
        ['an unknown registry', registry({ registryId: 'crtnobody' }), 404, 5, /crtnobody/],
    ])
        test(`${name}: ${status}`, limits, async () => {
            const d = await shared();
            await refused(d, 'POST', TRIGGERS, options, status, code, like);
        });

    test('every violation is named by its path', limits, async () => {
        const d = await shared();
        const got = await refused(d, 'POST', TRIGGERS, body({ name: 'X', description: 'x'.repeat(501) }), 400, 3, /name/);
        assert.equal(got.details[0]['@type'], 'type.googleapis.com/google.rpc.BadRequest');
        assert.deepEqual(got.details[0].fieldViolations.map((v) => v.field).sort(), ['description', 'name']);
    });

    test('a name that is taken, and a quota', limits, async (t) => {
        const d = await start(t, { management: { listen: ['127.0.0.1:0'], max_triggers: 2 } });
        await create(d, 'one-name');
        await refused(d, 'POST', TRIGGERS, body({ name: 'one-name' }), 409, 6, /one-name/);
        await create(d, 'second');
        const got = await refused(d, 'POST', TRIGGERS, body({ name: 'third' }), 429, 8, /serverless\.triggers\.count/);
        assert.deepEqual(got.details[0], {
            '@type': 'type.googleapis.com/yandex.cloud.quota.QuotaFailure',
            violations: [{ metric: { name: 'serverless.triggers.count', limit: '2', usage: 2 }, required: '3' }],
        });
    });

    test('paths, methods, ids and bodies that do not fit', limits, async () => {
        const d = await shared();
        await refused(d, 'GET', '/nothing', {}, 404, 5, /no such/);
        await refused(d, 'POST', `${TRIGGERS}/x:explode`, {}, 404, 5, /no such/);
        const put = await d.manage('PUT', TRIGGERS);
        assert.deepEqual([put.status, put.headers.allow, put.json.code], [405, 'GET, HEAD, POST', 12]);
        await refused(d, 'GET', `${TRIGGERS}/${'x'.repeat(51)}`, {}, 400, 3, /50 characters/);
        await refused(d, 'GET', `${TRIGGERS}/%00`, {}, 400, 3, /malformed/);
        await refused(d, 'GET', `${TRIGGERS}/a1s00000000000000000`, {}, 404, 5, /not found/);
        await refused(d, 'POST', `${TRIGGERS}/x:pause`, { body: { colour: 1 } }, 400, 3, /colour/);
        await refused(d, 'GET', `${TRIGGERS}/x?colour=red`, {}, 400, 3, /colour/);
        const large = await d.manage('POST', TRIGGERS, { headers: { 'Content-Length': 2 << 20 }, body: '' }).catch(() => null);
        if (large) assert.equal(large.status, 413);
    });

    let one;
    const shared = () => (one ??= Daemon.start(makeConfig({ triggers: [] })));
    test('the daemon ends in order', limits, async () => (await shared()).stop());
});

test('the same idempotency key gives the same operation', limits, async (t) => {
    const d = await start(t);
    const body = { folderId: FOLDER, name: 'once', rule: rule() };
    const headers = { 'Idempotency-Key': '7f1c1b7e-6f0b-4a4e-9f2b-0b6a4d1f3c11' };
    const first = await call(d, 'POST', TRIGGERS, { body, headers });
    assert.deepEqual(await call(d, 'POST', TRIGGERS, { body, headers }), first);
    const other = { ...body, name: 'twice' };
    await refused(d, 'POST', TRIGGERS, { body: other, headers }, 400, 3, /idempotency-key/);
    await refused(d, 'POST', TRIGGERS, { body: other, headers: { 'Idempotency-Key': 'x'.repeat(65) } }, 400, 3, /idempotency-key/);
    assert.equal((await call(d, 'GET', `${TRIGGERS}?folderId=${FOLDER}`)).triggers.length, 1);
});

test('headers and discovery', limits, async (t) => {
    const d = await start(t);
    const got = await d.manage('GET', '/endpoints', { headers: { 'X-Request-Id': 'my-own.id' } });
    assert.equal(got.headers['x-request-id'], 'my-own.id');
    assert.match(got.headers['x-server-trace-id'], /^[0-9a-f]{32}$/);
    assert.equal(got.headers['content-type'], 'application/json');
    const ids = got.json.endpoints.map((e) => e.id);
    for (const id of ['serverless-triggers', 'serverless-gateway-connections', 'operation', 'endpoint']) assert.ok(ids.includes(id));
    assert.ok(got.json.endpoints.every((e) => e.address === d.ready.management[0]));
    assert.deepEqual(await call(d, 'GET', '/endpoints/operation'), { id: 'operation', address: d.ready.management[0] });
    await refused(d, 'GET', '/endpoints/nobody', {}, 404, 5, /nobody/);
    const made = (await d.manage('GET', '/healthz', { headers: { 'X-Request-Id': 'a b' } })).headers['x-request-id'];
    assert.match(made, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual((await d.manage('GET', '/openapi.json')).json, document);
    const head = await d.manage('HEAD', '/openapi.json');
    assert.deepEqual([head.status, head.text], [200, '']);
});

test('a page in a browser cannot ask where nobody has to say who he is', limits, async (t) => {
    const d = await start(t);
    for (const [headers, status] of [
        [{ Host: 'rebound.example' }, 421],
        [{ Host: `127.0.0.1.example:${d.managementPort}` }, 421],
        [{ Origin: 'http://evil.example' }, 403],
        [{ Origin: 'null' }, 403],
        [{ Host: `localhost:${d.managementPort}`, Origin: `http://localhost:${d.managementPort}` }, 200],
        [{ Host: `[::1]:${d.managementPort}` }, 200],
    ])
        assert.equal((await d.manage('GET', '/healthz', { headers })).status, status, JSON.stringify(headers));
});

describe('connections', () => {
    test('of any worker are shown, written to and closed while others come and go', limits, async (t) => {
        const d = await start(t, { gateway: { workers: 4 } });
        const all = [];
        for (let i = 0; i < 24; i++) all.push(await connect(t, d, '/', { headers: { 'User-Agent': `client/${i}` } }));
        let going = true;
        const churn = (async () => {
            while (going) {
                const c = await Client.open(d.url('/'));
                c.socket.terminate();
            }
        })();
        defer(t, async () => {
            going = false;
            await churn;
        });
        await Promise.all(
            all.map(async (c, i) => {
                const got = await call(d, 'GET', `${CONNECTIONS}/${encodeURIComponent(c.id)}`);
                assert.deepEqual(got, {
                    id: c.id,
                    gatewayId: GATEWAY,
                    identity: { sourceIp: '127.0.0.1', userAgent: `client/${i}` },
                    connectedAt: got.connectedAt,
                    lastActiveAt: got.lastActiveAt,
                });
                assert.ok(Math.abs(Date.parse(got.connectedAt) - Date.now()) < 30000);
                const data = Buffer.from(`hello ${i} é`).toString('base64');
                assert.deepEqual(await call(d, 'POST', `${CONNECTIONS}/${c.id}:send`, { body: { data, type: 'TEXT' } }), {});
                await c.first(1);
                assert.deepEqual(c.messages, [`hello ${i} é`]);
            }),
        );
        // Every connection that stays is on exactly one page.
        const ids = [];
        let token = '';
        do {
            const page = await call(d, 'GET', `/gateway/v1/connections?pageSize=5&pageToken=${token}`);
            ids.push(...(page.connections ?? []).map((one) => one.id));
            token = page.nextPageToken ?? '';
        } while (token);
        for (const c of all) assert.equal(ids.filter((id) => id === c.id).length, 1);
        for (const c of all.slice(0, 12)) {
            assert.deepEqual(await call(d, 'DELETE', `${CONNECTIONS}/${c.id}`), {});
            assert.deepEqual(await c.end, { code: 1000, reason: '' });
            await refused(d, 'GET', `${CONNECTIONS}/${c.id}`, {}, 404, 5, new RegExp(`${c.id} not found`));
            await refused(d, 'POST', `${CONNECTIONS}/${c.id}:send`, { body: { data: 'aGk=' } }, 404, 5, /not found/);
        }
    });

    test('are sent what was asked for', limits, async (t) => {
        const d = await start(t);
        const c = await connect(t, d);
        const send = (body) => call(d, 'POST', `${CONNECTIONS}/${c.id}:send`, { body });
        await send({ data: Buffer.from('unspecified').toString('base64') });
        await send({ data: '_-8', type: 0 }); // no UTF-8: binary
        await send({ data: Buffer.from([0, 1, 2]).toString('base64'), type: 'BINARY' });
        await send({ data: Buffer.from('by number').toString('base64'), type: 2 });
        const large = Buffer.alloc(131072, 'x');
        await send({ data: large.toString('base64'), type: 'TEXT' });
        const got = await c.first(5);
        assert.deepEqual(got.slice(0, 4), ['unspecified', Buffer.from([0xff, 0xef]), Buffer.from([0, 1, 2]), 'by number']);
        assert.equal(got[4], large.toString());
        const path = `${CONNECTIONS}/${c.id}:send`;
        for (const [body, like] of [
            [{ data: Buffer.alloc(131073).toString('base64') }, /data.*131072/],
            [{ data: '///', type: 'TEXT' }, /data.*UTF-8/],
            [{ data: '*' }, /data.*base64/],
            [{ data: '' }, /data.*required/],
            [{}, /data.*required/],
            [{ data: 'aGk=', type: 'PICTURE' }, /type/],
            [{ data: 'aGk=', type: 3 }, /type/],
            [{ data: 'aGk=', connectionId: 'another' }, /connection_id/],
        ])
            await refused(d, 'POST', path, { body }, 400, 3, like);
        for (const id of ['nobody', 'd2000000000000000000', 'x'.repeat(50)])
            await refused(d, 'GET', `${CONNECTIONS}/${id}`, {}, 404, 5, /not found/);
    });

    test('are listed by path, and paths with what they hold', limits, async (t) => {
        const d = await start(t, { gateway: { paths: ['/', '/teams/{team}'] }, triggers: [trigger('all')] });
        const a = await connect(t, d);
        const b = await connect(t, d, '/teams/x', { protocols: ['regcast.v1'] });
        await d.accept([tagged('app')]);
        await a.first(2);
        const list = async (query) => (await call(d, 'GET', `/gateway/v1/connections${query}`)).connections ?? [];
        assert.deepEqual(new Set((await list('')).map((one) => one.id)), new Set([a.id, b.id]));
        const [one] = await list(`?path=${encodeURIComponent('/teams/{team}')}`);
        assert.deepEqual([one.id, one.path, one.subprotocol, one.lagMessages], [b.id, '/teams/{team}', 'regcast.v1', '0']);
        const { paths } = await call(d, 'GET', '/gateway/v1/paths');
        assert.deepEqual(
            paths.map((p) => [p.path, p.connections, p.triggers, p.memoryMessages, p.historyMessages]),
            [
                ['/', '1', '1', '2', '2'],
                ['/teams/{team}', '1', '0', '0', '0'],
            ],
        );
        await refused(d, 'GET', '/gateway/v1/connections?path=/nowhere', {}, 400, 3, /path/);
        await refused(d, 'GET', '/gateway/v1/connections?pageToken=w1', {}, 400, 3, /page_token/);
    });
});

describe('trying out', () => {
    test('a sample goes through one trigger, marked, and is found again', limits, async (t) => {
        const d = await start(t, { triggers: [trigger('bystander')] });
        const c = await connect(t, d);
        const { id } = await create(d, 'tried', { types: [PREFIX + 'DELETE_IMAGE'], imageName: `${REGISTRY}/team/app`, tag: 'v1', size: '10' });
        const sent = await call(d, 'POST', `${TRIGGERS}/${id}:test`);
        assert.equal(sent.tag, 'regcast-test');
        const { messages } = JSON.parse((await c.first(1))[0]);
        assert.equal(messages.length, 1);
        assert.equal(messages[0].event_metadata.event_id, sent.eventId);
        assert.equal(messages[0].event_metadata.event_type, 'yandex.cloud.events.containerregistry.DeleteImage');
        assert.equal(messages[0].details.tag, 'regcast-test');
        assert.equal(messages[0].details.repository_name, `${REGISTRY}/team/app`);
        assert.equal(messages[0].details.image_digest, `sha256:${'0'.repeat(64)}`);
        const found = await until('delivered', async () => {
            const got = await call(d, 'GET', `/gateway/v1/events/${sent.eventId}`);
            return got.batches[0].delivered && got;
        });
        const [batch] = found.batches;
        assert.equal(found.batches.length, 1, 'no other trigger took it');
        assert.deepEqual(
            [batch.triggerId, batch.triggerName, batch.path, batch.firstEventId, batch.size, batch.flush, batch.connections],
            [id, 'tried', '/', sent.eventId, '1', 'size', '1'],
        );
        await call(d, 'POST', `${TRIGGERS}/${id}:pause`);
        await refused(d, 'POST', `${TRIGGERS}/${id}:test`, {}, 400, 9, /paused/);
        await refused(d, 'POST', `${TRIGGERS}/nobody:test`, {}, 404, 5, /nobody/);
        await d.accept([tagged('x')]);
        await c.first(3); // the open batches have not suffered
    });

    test('an event of a batch tells its batch', limits, async (t) => {
        const d = await start(t, { triggers: [trigger('pairs', { size: 4, cutoff: '30s' })] });
        const a = await connect(t, d);
        await connect(t, d);
        await d.accept([tagged('app', 'a'), tagged('app', 'b')]);
        const events = JSON.parse((await a.first(1))[0]).messages.map((m) => m.event_metadata.event_id);
        assert.equal(events.length, 4);
        const { batches } = await call(d, 'GET', `/gateway/v1/events/${events[2]}`);
        assert.deepEqual(
            batches.map((b) => [b.triggerName, b.firstEventId, b.lastEventId, b.size, b.delivered, b.connections]),
            [['pairs', events[0], events[3], '4', true, '2']],
        );
        await refused(d, 'GET', '/gateway/v1/events/crt00000000000000000', {}, 404, 5, /in none of the batches/);
        await refused(d, 'GET', '/gateway/v1/events/x', {}, 404, 5, /in none of the batches/);
    });

    test('a dry run says what would match and changes nothing', limits, async (t) => {
        const d = await start(t, {
            triggers: [trigger('tags', { types: ['CREATE_IMAGE_TAG'], tag: 'latest' }), trigger('other', { image_name: 'else' })],
        });
        const c = await connect(t, d);
        const image = tagged('app');
        const body = envelope([image]);
        const dry = () => call(d, 'POST', `${TRIGGERS}:dryRun?registryId=${REGISTRY}`, { body });
        const got = await dry();
        assert.deepEqual(got.events.map((e) => e.type), ['CreateImage', 'CreateImageTag']);
        assert.deepEqual([got.derived, got.ignored, got.setAside, got.truncated], [2, 0, 0, false]);
        const why = got.events[0].triggers.map((one) => [one.name, one.matches, one.why]);
        assert.deepEqual(why, [
            ['tags', false, 'its event types do not have this one'],
            ['other', false, 'its image_name is another'],
        ]);
        assert.deepEqual(await dry(), got, 'the catalog has not learnt it');
        const id = got.events[0].triggers[1].id;
        const alone = await call(d, 'POST', `${TRIGGERS}/${id}:dryRun`, { body });
        assert.deepEqual(alone.events.map((e) => e.triggers.length), [1, 1]);
        await d.accept([image]);
        const after = await dry();
        assert.deepEqual([after.derived, after.ignored], [0, 1], 'now it is known');
        assert.equal(c.messages.length, got.matches);
        await refused(d, 'POST', `${TRIGGERS}:dryRun`, { body }, 400, 3, /registry_id/);
        await refused(d, 'POST', `${TRIGGERS}:dryRun?registryId=nobody`, { body }, 404, 5, /nobody/);
        await refused(d, 'POST', `${TRIGGERS}:dryRun?registryId=${REGISTRY}`, { body: 'x' }, 400, 3, /webhook/);
        await refused(d, 'POST', `${TRIGGERS}/nobody:dryRun`, { body }, 404, 5, /nobody/);
    });
});

describe('who may', () => {
    const sha256 = (text) => createHash('sha256').update(text).digest('hex');
    const secured = () => ({
        users: [
            { id: 'alice', roles: ['editor'] },
            { id: 'chief', roles: ['admin'] },
            { id: 'bob', roles: ['functions.viewer'] },
            { id: 'writer', roles: ['api-gateway.websocketWriter'] },
            { id: 'nobody' },
        ],
        tokens: ['alice', 'chief', 'bob', 'writer', 'nobody'].map((subject) => ({ subject, sha256: sha256(`t1.${subject}`) })),
        api_keys: [{ subject: BROADCASTER, sha256: sha256('AQVN-key') }],
        triggers: [],
    });

    test('every route of the document asks for a token and for a role', limits, async (t) => {
        const d = await start(t, secured());
        let n = 0;
        for (const [template, item] of Object.entries(document.paths))
            for (const [method, operation] of Object.entries(item)) {
                const path = template.replace(/\{\w+\}/, 'a1s00000000000000000');
                const options = operation.requestBody ? { body: {} } : {};
                const ask = (token) => d.manage(method.toUpperCase(), path, { ...options, token });
                const got = await ask();
                if (operation.security.length === 0) {
                    assert.ok(![401, 403, 500].includes(got.status), `${operation.operationId}: ${got.text}`);
                    continue;
                }
                assert.equal(got.status, 401, `${operation.operationId}: ${got.text}`);
                assert.equal(got.json.code, 16);
                assert.equal(got.headers['www-authenticate'], 'Bearer');
                const denied = await ask('t1.nobody');
                if (operation['x-required-role'] === 'any') {
                    assert.equal(denied.status, 200, `${operation.operationId}: ${denied.text}`);
                    continue;
                }
                assert.equal(denied.status, 403, `${operation.operationId}: ${denied.text}`);
                assert.equal(denied.json.code, 7);
                assert.match(denied.json.message, new RegExp(`nobody lacks role ${operation['x-required-role'].replaceAll('.', '\\.')}`));
                const allowed = await ask('t1.chief');
                assert.ok(![401, 403, 500, 501].includes(allowed.status), `${operation.operationId}: ${allowed.text}`);
                n++;
            }
        assert.ok(n >= 20, `${n} routes`);
        const metrics = await d.metrics();
        assert.ok(metrics, 'metrics can be read');
    });

    test('roles reach as far as they say', limits, async (t) => {
        const d = await start(t, secured());
        const c = await connect(t, d);
        const body = { folderId: FOLDER, name: 'by-alice', rule: rule() };
        await refused(d, 'POST', TRIGGERS, { body, token: 't1.bob' }, 403, 7, /bob lacks role functions\.editor/);
        const made = await call(d, 'POST', TRIGGERS, { body, token: 't1.alice' });
        assert.equal(made.createdBy, 'alice');
        await call(d, 'GET', `${TRIGGERS}/${made.metadata.triggerId}`, { token: 't1.bob' });
        await refused(d, 'DELETE', `${CONNECTIONS}/${c.id}`, { token: 't1.bob' }, 403, 7, /websocketWriter/);
        await call(d, 'GET', `${CONNECTIONS}/${c.id}`, { token: 't1.writer' });
        const key = { headers: { Authorization: 'Api-Key AQVN-key' } };
        await call(d, 'GET', `${CONNECTIONS}/${c.id}`, key);
        await d.accept([tagged('app')]);
        await c.first(2); // its account has the role
        assert.ok(d.logged({ msg: 'permission denied', subject: 'bob' }).length >= 2);
    });

    test('guessing is slowed down, and saying nothing is no guess', limits, async (t) => {
        const d = await start(t, secured());
        for (let i = 0; i < 20; i++) assert.equal((await d.manage('GET', '/gateway/v1/paths')).status, 401);
        await call(d, 'GET', '/gateway/v1/paths', { token: 't1.alice' });
        for (let i = 0; i < 10; i++) assert.equal((await d.manage('GET', '/gateway/v1/paths', { token: `t1.${i}` })).status, 401);
        const got = await d.manage('GET', '/gateway/v1/paths', { token: 't1.alice' });
        assert.equal(got.status, 429);
        assert.equal(got.json.code, 8);
        assert.ok(Number(got.headers['retry-after']) >= 1);
        assert.equal((await d.manage('GET', '/healthz')).status, 200);
    });

    test('SIGHUP reads the accounts anew, or leaves everything as it was', limits, async (t) => {
        const config = makeConfig(secured());
        const file = writeConfig(config);
        const d = await Daemon.start(config, { file, errors: ['configuration not reloaded'] });
        defer(t, () => d.stop());
        const reload = async (change, msg) => {
            const n = d.logged({ msg }).length;
            writeFileSync(file, typeof change === 'string' ? change : JSON.stringify({ ...config, ...change }));
            d.child.kill('SIGHUP');
            await until(msg, () => d.logged({ msg }).length > n);
            return d.logged({ msg }).at(-1);
        };
        const status = async (token) => (await d.manage('GET', `${TRIGGERS}?folderId=${FOLDER}`, { token })).status;
        assert.deepEqual([await status('t1.bob'), await status('t1.carol')], [200, 401]);
        const carol = { users: [{ id: 'carol', roles: ['functions.viewer'] }], api_keys: [],
            tokens: [{ subject: 'carol', sha256: sha256('t1.carol') }] };
        await reload(carol, 'reloaded');
        assert.deepEqual([await status('t1.bob'), await status('t1.carol')], [401, 200]);
        assert.match((await reload('folder_id: [', 'configuration not reloaded')).error, /YAML/);
        assert.equal((await reload({ ...carol, folder_id: 'b1gother000000000000' }, 'reloaded')).needs_restart, 'folder_id');
        assert.match((await reload({ users: [], tokens: [], api_keys: [] }, 'configuration not reloaded')).error, /restart/);
        assert.deepEqual([await status('t1.bob'), await status('t1.carol'), await status()], [401, 200, 401]);
    });

    test('an unauthenticated body is not read', limits, async (t) => {
        const d = await start(t, secured());
        const got = await d.manage('POST', TRIGGERS, { body: { folderId: FOLDER } });
        assert.deepEqual([got.status, got.headers.connection], [401, 'close']);
    });

    test('without accounts only loopback is listened on', limits, () => {
        const got = run(['--config', writeConfig(makeConfig({ management: { listen: ['0.0.0.0:0'] } })), '--check']);
        assert.equal(got.status, 78);
        assert.match(got.stderr, /management\.listen: expected a loopback address/);
    });
});

test('triggers stay over a restart, and management answers while clients are sent away', limits, async (t) => {
    const config = makeConfig({ triggers: [], gateway: { drain_timeout: '2s' } });
    const first = await Daemon.start(config);
    const made = await create(first, 'stays', { types: [PREFIX + 'CREATE_IMAGE'] });
    const c = await connect(t, first);
    first.child.kill('SIGTERM');
    await until('draining', () => first.logged({ msg: 'draining' }).length > 0);
    const got = await call(first, 'GET', `${TRIGGERS}/${made.id}`);
    await refused(first, 'GET', `${CONNECTIONS}/${c.id}`, {}, 503, 14, /going down/);
    await refused(first, 'DELETE', `${TRIGGERS}/${made.id}`, {}, 503, 14, /./);
    await first.ends(0);
    const second = await Daemon.start(config);
    defer(t, () => second.stop());
    assert.deepEqual(await call(second, 'GET', `${TRIGGERS}/${made.id}`), got);
    const { operations } = await call(second, 'GET', `${TRIGGERS}/${made.id}/operations`);
    assert.deepEqual(operations.map((o) => o.description), ['Create trigger']);
});
