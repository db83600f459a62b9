// The SDK of the original, unchanged but for the address, on the real daemon.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Session, waitForOperation } from '@yandex-cloud/nodejs-sdk';
import { makeCertificate, tlsOf } from './certificates.mjs';
import { BROADCASTER, Client, FOLDER, GATEWAY, ROOT, defer, newImage, readMessage, start as spawn } from './harness.mjs';
import {
    CODE, Metadata, Status, clientsOf, plainSession, refused, request, resultOf, rule, startGrpc, tokenOf,
} from './sdk.mjs';

const limits = { timeout: 60000 };

function tagged(repository, tag = 'v1') {
    const event = newImage(repository);
    return { ...event, target: { ...event.target, tag } };
}

async function connect(t, d, path = '/', options = {}) {
    const c = await Client.open(d.url(path), options);
    defer(t, () => c.socket.terminate());
    return c;
}

async function start(t, over) {
    const d = await startGrpc(t, over);
    const session = plainSession();
    return { d, session, ...clientsOf(session, d.grpc) };
}

// From create to delete, waiting on each operation as the SDK's users do.
async function life(t, d, session) {
    const { triggers, operations } = clientsOf(session, d.grpc);
    const finished = async (kind, op) => resultOf(await waitForOperation(await op, session, 10000, d.grpc), kind);
    const c = await connect(t, d);
    const began = Date.now();
    const { id, trigger } = await finished('Create', triggers.create({
        ...request('registry-trigger', { types: [4, 1, 3, 2], size: 2, cutoff: 1 }),
        description: 'd é',
        labels: { team: 'a', empty: '' },
    }));
    assert.match(id, /^a1s[0-9a-v]{17}$/);
    assert.equal(trigger.id, id);
    assert.deepEqual([trigger.folderId, trigger.name, trigger.description], [FOLDER, 'registry-trigger', 'd é']);
    assert.deepEqual([trigger.labels, trigger.status], [{ team: 'a', empty: '' }, Status.ACTIVE]);
    assert.ok(Math.abs(trigger.createdAt.getTime() - began) < 30000);
    const { containerRegistry: registry } = trigger.rule;
    assert.deepEqual(registry.eventType, [4, 1, 3, 2]);
    assert.deepEqual(registry.batchSettings, { size: 2, cutoff: { seconds: 1, nanos: 0 } });
    assert.deepEqual(registry.gatewayWebsocketBroadcast, { gatewayId: GATEWAY, path: '/', serviceAccountId: BROADCASTER });
    assert.equal(registry.invokeFunction, undefined);
    assert.deepEqual(await triggers.get({ triggerId: id }), trigger);
    assert.deepEqual(await triggers.list({ folderId: FOLDER }), { triggers: [trigger], nextPageToken: '' });

    await d.accept([tagged('app')]); // an event each for the image and its tag: one batch
    const events = readMessage((await c.first(1))[0]);
    assert.deepEqual(events.map(({ type, repo, tag }) => [type, repo, tag]), [['CreateImage', 'app', 'v1'], ['CreateImageTag', 'app', 'v1']]);

    const update = (fields) => finished('Update', triggers.update({ triggerId: id, ...fields }));
    const masked = await update({ updateMask: { paths: ['name', 'labels'] }, name: 'second', labels: { b: 'c' }, description: 'ignored' });
    assert.deepEqual(masked.trigger, { ...trigger, name: 'second', labels: { b: 'c' } });
    const reset = await update({ updateMask: { paths: ['description'] } });
    assert.equal(reset.trigger.description, '', 'a masked field without a value goes back to its default');
    const whole = await update({ name: 'third', rule: rule() });
    assert.deepEqual([whole.trigger.name, whole.trigger.labels], ['third', {}], 'without a mask all is replaced');
    assert.equal(whole.trigger.rule.containerRegistry.batchSettings.size, 1);

    assert.equal((await finished('Pause', triggers.pause({ triggerId: id }))).trigger.status, Status.PAUSED);
    await d.post([newImage('paused')]);
    assert.equal((await finished('Resume', triggers.resume({ triggerId: id }))).trigger.status, Status.ACTIVE);
    await d.accept([newImage('after')]);
    assert.equal(readMessage((await c.first(2))[1])[0].repo, 'after');

    await finished('Delete', triggers.delete({ triggerId: id }));
    await refused((options) => triggers.get({ triggerId: id }, options), CODE.NOT_FOUND, new RegExp(`Trigger ${id} not found`));
    const { operations: all, nextPageToken } = await triggers.listOperations({ triggerId: id });
    assert.equal(nextPageToken, '');
    assert.deepEqual(all.map((one) => one.description.split(' ')[0]),
        ['Delete', 'Resume', 'Pause', 'Update', 'Update', 'Update', 'Create']);
    for (const one of all) {
        assert.ok(one.createdAt >= trigger.createdAt && one.modifiedAt >= one.createdAt);
        assert.deepEqual(await operations.get({ operationId: one.id }), one);
    }
    assert.deepEqual(await operations.cancel({ operationId: all[0].id }), all[0]);
    await refused((options) => operations.get({ operationId: 'a1s00000000000000000' }, options), CODE.NOT_FOUND, /not found/);
}

describe('a trigger by the SDK', () => {
    test('lives from create to delete, and fires for a real webhook meanwhile', limits, async (t) => {
        const { d, session } = await start(t);
        await life(t, d, session);
    });

    test('is listed by pages, and by name as the Go SDK asks', limits, async (t) => {
        const { triggers } = await start(t);
        const names = [0, 1, 2, 3, 4, 5, 6].map((i) => `trigger-${i}`);
        let last;
        for (const name of names) last = resultOf(await triggers.create(request(name)), 'Create');
        const pages = [];
        let pageToken = '';
        do {
            const page = await triggers.list({ folderId: FOLDER, pageSize: 3, pageToken });
            pages.push(page.triggers.map((one) => one.name));
            pageToken = page.nextPageToken;
        } while (pageToken);
        assert.deepEqual(pages, [names.slice(0, 3), names.slice(3, 6), names.slice(6)]);
        for (const filter of ['name = "trigger-6"', "name='trigger-6'", 'name=trigger-6']) {
            const page = await triggers.list({ folderId: FOLDER, pageSize: 100, filter });
            assert.deepEqual(page.triggers, [last.trigger], filter);
        }
        assert.deepEqual((await triggers.list({ folderId: FOLDER, filter: 'name = "nobody"' })).triggers, []);
        for (const [fields, like] of [
            [{}, /folder_id/],
            [{ folderId: FOLDER, pageSize: 1001 }, /page_size/],
            [{ folderId: FOLDER, pageSize: -1 }, /page_size/],
            [{ folderId: FOLDER, pageToken: 'x' }, /page_token/],
            [{ folderId: FOLDER, filter: 'age = 3' }, /filter/],
        ])
            await refused((options) => triggers.list(fields, options), CODE.INVALID_ARGUMENT, like);
        for (let i = 0; i < 4; i++) await triggers.pause({ triggerId: last.id });
        const first = await triggers.listOperations({ triggerId: last.id, pageSize: 3 });
        assert.equal(first.operations.length, 3);
        const second = await triggers.listOperations({ triggerId: last.id, pageSize: 3, pageToken: first.nextPageToken });
        assert.deepEqual([second.operations.length, second.nextPageToken], [2, '']);
        assert.equal(second.operations.at(-1).description, 'Create trigger');
    });

    test('is made once with an idempotency key', limits, async (t) => {
        const { triggers } = await start(t);
        const key = (value = randomUUID()) => ({ metadata: Metadata({ 'idempotency-key': value }) });
        const same = key();
        const first = await triggers.create(request('once'), same);
        assert.deepEqual(await triggers.create(request('once'), same), first);
        assert.equal((await triggers.list({ folderId: FOLDER })).triggers.length, 1);
        const other = (with_) => (options) => triggers.create(request('twice'), { ...with_, ...options });
        await refused(other(same), CODE.INVALID_ARGUMENT, /idempotency-key/);
        await refused(other(key('x'.repeat(65))), CODE.INVALID_ARGUMENT, /idempotency-key/);
        await triggers.create(request('twice'), key());
        assert.equal((await triggers.list({ folderId: FOLDER })).triggers.length, 2);
    });

    test('has a name of its own, and there is a quota', limits, async (t) => {
        const { triggers } = await start(t, { management: { max_triggers: 2 } });
        await triggers.create(request('one-name'));
        await refused((options) => triggers.create(request('one-name'), options), CODE.ALREADY_EXISTS, /one-name/);
        await triggers.create(request('second'));
        const renamed = { folderId: FOLDER, filter: 'name="second"' };
        const { triggers: [{ id }] } = await triggers.list(renamed);
        await refused((options) => triggers.update({ triggerId: id, updateMask: { paths: ['name'] }, name: 'one-name' }, options),
            CODE.ALREADY_EXISTS, /one-name/);
        const { details } = await refused((options) => triggers.create(request('third'), options), CODE.RESOURCE_EXHAUSTED,
            /serverless\.triggers\.count/);
        const { violations: [violation] } = details[0];
        assert.deepEqual(violation.metric, { name: 'serverless.triggers.count', limit: 2, usage: 2 });
        assert.equal(violation.required, 3);
    });
});

describe('what is refused has a numeric code:', () => {
    const all = request('x-y-z');
    const registry = (change) => ({ ...all, rule: rule(change) });
    const broadcast = (change) =>
        registry({ gatewayWebsocketBroadcast: { ...rule().containerRegistry.gatewayWebsocketBroadcast, ...change } });
    const none = { gatewayWebsocketBroadcast: undefined };
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, 'v']));
    const { INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED } = CODE;
    for (const [name, fields, code, like] of [
        ['a bad name', { ...all, name: 'X' }, INVALID_ARGUMENT, /name/],
        ['a short name', { ...all, name: 'ab' }, INVALID_ARGUMENT, /name/],
        ['a long description', { ...all, description: 'x'.repeat(501) }, INVALID_ARGUMENT, /description/],
        ['too many labels', { ...all, labels: many }, INVALID_ARGUMENT, /labels/],
        ['a bad label', { ...all, labels: { 'A B': '' } }, INVALID_ARGUMENT, /labels/],
        ['no folder', { ...all, folderId: '' }, INVALID_ARGUMENT, /folder_id/],
        ['another folder', { ...all, folderId: 'b1gother' }, NOT_FOUND, /b1gother/],
        ['no rule', { ...all, rule: undefined }, INVALID_ARGUMENT, /rule/],
        ['an empty rule', { ...all, rule: {} }, INVALID_ARGUMENT, /rule/],
        ['a timer', { ...all, rule: { timer: { cronExpression: '* * * * ? *' } } }, UNIMPLEMENTED, /timer/],
        ['a queue', { ...all, rule: { messageQueue: { queueId: 'x' } } }, UNIMPLEMENTED, /message_queue/],
        ['mail', { ...all, rule: { mail: {} } }, UNIMPLEMENTED, /mail/],
        ['a function', registry({ ...none, invokeFunction: { functionId: 'd4e' } }), UNIMPLEMENTED, /invoke_function/],
        ['a container', registry({ ...none, invokeContainer: { containerId: 'bba' } }), UNIMPLEMENTED, /invoke_container/],
        ['a workflow', registry({ ...none, startWorkflow: { workflowId: 'x' } }), UNIMPLEMENTED, /start_workflow/],
        ['no action', registry(none), INVALID_ARGUMENT, /action|gateway_websocket_broadcast/],
        ['no event type', registry({ types: [] }), INVALID_ARGUMENT, /event_type/],
        ['event type 0', registry({ types: [0] }), INVALID_ARGUMENT, /event_type/],
        ['event type 5', registry({ types: [5] }), INVALID_ARGUMENT, /event_type/],
        ['no registry', registry({ registryId: '' }), INVALID_ARGUMENT, /registry_id/],
        ['an unknown registry', registry({ registryId: 'crtnobody' }), NOT_FOUND, /crtnobody/],
        ['a long image name', registry({ imageName: 'x'.repeat(513) }), INVALID_ARGUMENT, /image_name/],
        ['a long tag', registry({ tag: 'x'.repeat(129) }), INVALID_ARGUMENT, /tag/],
        ['a large batch', registry({ size: 1001 }), INVALID_ARGUMENT, /batch_settings\.size/],
        ['a negative batch', registry({ size: -1 }), INVALID_ARGUMENT, /batch_settings\.size/],
        ['no cutoff', registry({ batchSettings: { size: 1 } }), INVALID_ARGUMENT, /batch_settings\.cutoff/],
        ['a long cutoff', registry({ cutoff: 61 }), INVALID_ARGUMENT, /batch_settings\.cutoff/],
        ['a short cutoff', registry({ cutoff: 0 }), INVALID_ARGUMENT, /batch_settings\.cutoff/],
        ['no gateway', broadcast({ gatewayId: '' }), INVALID_ARGUMENT, /gateway_id/],
        ['an unknown gateway', broadcast({ gatewayId: 'd5dother' }), NOT_FOUND, /d5dother/],
        ['no path', broadcast({ path: '' }), INVALID_ARGUMENT, /path/],
        ['an unknown path', broadcast({ path: '/nowhere' }), INVALID_ARGUMENT, /path/],
        ['no account', broadcast({ serviceAccountId: '' }), INVALID_ARGUMENT, /service_account_id/],
        ['an unknown account', broadcast({ serviceAccountId: 'ajenobody' }), NOT_FOUND, /ajenobody/],
    ])
        test(name, limits, async (t) => {
            const { triggers } = await shared(t);
            const { details } = await refused((options) => triggers.create(fields, options), code, like);
            if (code === INVALID_ARGUMENT) {
                assert.equal(details[0]['@type'], 'type.googleapis.com/google.rpc.BadRequest');
                assert.match(details[0].field_violations[0].field, like);
            }
            assert.deepEqual((await triggers.list({ folderId: FOLDER })).triggers, []);
        });

    test('every violation at once, named by its path', limits, async (t) => {
        const { triggers } = await shared(t);
        const fields = { ...all, name: 'X', description: 'x'.repeat(501), rule: rule({ size: 1001 }) };
        const { details } = await refused((options) => triggers.create(fields, options), INVALID_ARGUMENT, /./);
        assert.deepEqual(details[0].field_violations.map((v) => v.field).sort(),
            ['description', 'name', 'rule.container_registry.batch_settings.size']);
    });

    test('ids and masks', limits, async (t) => {
        const { triggers } = await start(t);
        for (const method of ['get', 'delete', 'pause', 'resume', 'listOperations', 'update']) {
            const more = method === 'update' ? { updateMask: { paths: ['name'] }, name: 'a-name' } : {};
            const call = (triggerId) => (options) => triggers[method]({ triggerId, ...more }, options);
            await refused(call(''), INVALID_ARGUMENT, /trigger_id/);
            await refused(call('x'.repeat(51)), INVALID_ARGUMENT, /trigger_id/);
            await refused(call('a1s00000000000000000'), NOT_FOUND, /Trigger a1s00000000000000000 not found/);
        }
        const { id: triggerId } = resultOf(await triggers.create(request('masked')), 'Create');
        for (const path of ['rule.container_registry.tag', 'colour', 'updateMask'])
            await refused((options) => triggers.update({ triggerId, updateMask: { paths: [path] } }, options),
                INVALID_ARGUMENT, /update_mask/);
        await refused((options) => triggers.update({ triggerId, updateMask: { paths: ['rule'] } }, options),
            INVALID_ARGUMENT, /rule/);
    });

    // One daemon for all that changes nothing; it ends with the last of them.
    let one;
    const shared = (t) => (one ??= start({ after() {} })).then((got) => (assert.ok(t), got));
    test('the daemon ends in order', limits, async (t) => (await shared(t)).d.stop());
});

describe('who may', () => {
    const sha256 = (text) => createHash('sha256').update(text).digest('hex');
    const secured = () => ({
        users: [
            { id: 'alice', roles: ['editor'] },
            { id: 'bob', roles: ['functions.viewer'] },
        ],
        tokens: ['alice', 'bob'].map((subject) => ({ subject, sha256: sha256(`t1.${subject}`) })),
    });

    test('tokens are asked for, and roles', limits, async (t) => {
        const d = await startGrpc(t, secured());
        const as = (token) => clientsOf(plainSession(token), d.grpc);
        const services = Object.entries({
            triggers: ['get', 'list', 'create', 'update', 'delete', 'pause', 'resume', 'listOperations'],
            operations: ['get', 'cancel'],
            connections: ['get', 'send', 'disconnect'],
        });
        const stranger = as(), guest = as('t1.nobody');
        for (const [service, methods] of services)
            for (const method of methods)
                await refused((options) => stranger[service][method]({}, options), CODE.UNAUTHENTICATED, /./);
        await refused((options) => guest.triggers.list({ folderId: FOLDER }, options), CODE.UNAUTHENTICATED, /./);
        const alice = as('t1.alice'), bob = as('t1.bob');
        await refused((options) => bob.triggers.create(request('by-bob'), options), CODE.PERMISSION_DENIED,
            /bob lacks role functions\.editor/);
        const made = await alice.triggers.create(request('by-alice'));
        assert.equal(made.createdBy, 'alice');
        const { id } = resultOf(made, 'Create');
        assert.equal((await bob.triggers.get({ triggerId: id })).name, 'by-alice');
        await refused((options) => bob.triggers.delete({ triggerId: id }, options), CODE.PERMISSION_DENIED, /bob/);
        const c = await connect(t, d);
        await refused((options) => bob.connections.get({ connectionId: c.id }, options), CODE.PERMISSION_DENIED, /websocketWriter/);
        assert.equal((await alice.connections.get({ connectionId: c.id })).id, c.id);
    });

    test('guessing is slowed down, and saying nothing is no guess', limits, async (t) => {
        const d = await startGrpc(t, secured());
        const list = (token) => {
            const { triggers } = clientsOf(plainSession(token), d.grpc);
            return (options) => triggers.list({ folderId: FOLDER }, options);
        };
        for (let i = 0; i < 20; i++) await refused(list(), CODE.UNAUTHENTICATED, /./);
        assert.deepEqual((await list('t1.alice')()).triggers, []);
        for (let i = 0; i < 10; i++) await refused(list(`t1.${i}`), CODE.UNAUTHENTICATED, /./);
        await refused(list('t1.alice'), CODE.RESOURCE_EXHAUSTED, /./);
    });
});

describe('connections by the SDK', () => {
    test('of any worker are shown, written to and closed', limits, async (t) => {
        const { d, connections } = await start(t, { gateway: { workers: 4 } });
        const all = [];
        for (let i = 0; i < 12; i++) all.push(await connect(t, d, '/', { headers: { 'User-Agent': `client/${i}` } }));
        await Promise.all(all.map(async (c, i) => {
            const got = await connections.get({ connectionId: c.id });
            assert.deepEqual(got, {
                id: c.id,
                gatewayId: GATEWAY,
                identity: { sourceIp: '127.0.0.1', userAgent: `client/${i}` },
                connectedAt: got.connectedAt,
                lastActiveAt: got.lastActiveAt,
            });
            assert.ok(Math.abs(got.connectedAt.getTime() - Date.now()) < 30000);
            assert.ok(got.lastActiveAt >= got.connectedAt);
            const bytes = Buffer.from([0, 255, i]);
            assert.deepEqual(await connections.send({ connectionId: c.id, data: Buffer.from(`hello ${i} é`), type: 2 }), {});
            assert.deepEqual(await connections.send({ connectionId: c.id, data: bytes, type: 1 }), {});
            assert.deepEqual(await c.first(2), [`hello ${i} é`, bytes]);
            assert.deepEqual(await connections.disconnect({ connectionId: c.id }), {});
            assert.deepEqual(await c.end, { code: 1000, reason: '' });
            const gone = { connectionId: c.id };
            const like = new RegExp(`${c.id} not found`);
            await refused((options) => connections.get(gone, options), CODE.NOT_FOUND, like);
            await refused((options) => connections.send({ ...gone, data: bytes, type: 1 }, options), CODE.NOT_FOUND, like);
            await refused((options) => connections.disconnect(gone, options), CODE.NOT_FOUND, like);
        }));
    });

    test('are sent no more than a message may hold, and what the type says', limits, async (t) => {
        const { d, connections } = await start(t);
        const c = await connect(t, d);
        const send = (fields) => (options) => connections.send({ connectionId: c.id, ...fields }, options);
        const large = Buffer.alloc(131072, 'x');
        await send({ data: large, type: 2 })();
        await send({ data: Buffer.from('unspecified') })();
        await send({ data: Buffer.from([255]) })(); // no UTF-8: binary
        assert.deepEqual(await c.first(3), [large.toString(), 'unspecified', Buffer.from([255])]);
        for (const [fields, like] of [
            [{ data: Buffer.alloc(131073) }, /data.*131072/],
            [{ data: Buffer.from([255]), type: 2 }, /data.*UTF-8/],
            [{ data: Buffer.alloc(0), type: 2 }, /data.*required/],
            [{ data: Buffer.from('x'), type: 3 }, /type/],
            [{ connectionId: '', data: Buffer.from('x') }, /connection_id/],
            [{ connectionId: 'x'.repeat(51), data: Buffer.from('x') }, /connection_id/],
        ])
            await refused(send(fields), CODE.INVALID_ARGUMENT, like);
        for (const connectionId of ['nobody', 'd2000000000000000000', 'x'.repeat(50)])
            await refused(send({ connectionId, data: Buffer.from('x') }), CODE.NOT_FOUND, /not found/);
        // over a gRPC message: refused by its length, before anybody looks at it
        await refused(send({ data: Buffer.alloc(1 << 20) }), CODE.RESOURCE_EXHAUSTED, /./);
    });
});

test('services are found by the ids that SDKs look up', limits, async (t) => {
    const { d, endpoints } = await start(t);
    const { endpoints: all } = await endpoints.list();
    const ids = all.map(({ id }) => id);
    for (const id of ['serverless-triggers', 'serverless-gateway-connections', 'apigateway-connections', 'operation', 'iam', 'endpoint'])
        assert.ok(ids.includes(id), id);
    assert.ok(all.every(({ address }) => address === d.grpc));
    assert.deepEqual(await endpoints.get({ apiEndpointId: 'operation' }), { id: 'operation', address: d.grpc });
    await refused((options) => endpoints.get({ apiEndpointId: 'nobody' }, options), CODE.NOT_FOUND, /nobody/);
    const headers = {};
    await endpoints.list({}, {
        metadata: Metadata({ 'x-request-id': 'my-own.id' }),
        onHeader: (got) => (headers.got = got),
    });
    assert.equal(headers.got.get('x-request-id'), 'my-own.id');
    assert.match(headers.got.get('x-server-trace-id'), /^[0-9a-f]{32}$/);
});

describe('a service account with a key', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
        modulusLength: 2048,
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const account = { serviceAccountId: 'ajeaccount0000000001', accessKeyId: 'ajkkey00000000000001', privateKey };
    const withKey = {
        service_accounts: [
            { id: BROADCASTER, roles: ['api-gateway.websocketBroadcaster'] },
            { id: account.serviceAccountId, roles: ['editor'], keys: [{ id: account.accessKeyId, public_key: publicKey }] },
        ],
    };

    test('gets a token by the JWT that the SDK makes, and manages with it', limits, async (t) => {
        const d = await startGrpc(t, withKey);
        const token = await tokenOf(account, d.grpc);
        const { triggers } = clientsOf(plainSession(token), d.grpc);
        assert.equal((await triggers.create(request('by-key'))).createdBy, account.serviceAccountId);
        const { tokens } = clientsOf(plainSession(), d.grpc);
        for (const [fields, code] of [
            [{ jwt: 'a.b.c' }, CODE.UNAUTHENTICATED],
            [{ yandexPassportOauthToken: 'y0_nobody' }, CODE.UNAUTHENTICATED],
            [{}, CODE.INVALID_ARGUMENT],
        ])
            await refused((options) => tokens.create(fields, options), code, /./);
        const stranger = { ...account, serviceAccountId: BROADCASTER };
        await assert.rejects(tokenOf(stranger, d.grpc), { code: CODE.UNAUTHENTICATED });
    });

    // The SDK as it is: its trust comes from the environment, where it asks for tokens from a file of
    // its own. So it is another process.
    test('is all that the unchanged SDK needs, with TLS', limits, async (t) => {
        const certificate = makeCertificate();
        const d = await startGrpc(t, { ...withKey, management: { tls: tlsOf(certificate) } });
        const said = [];
        const script = join(ROOT, 'tests/e2e/sdk-account.mjs');
        const { exited } = spawn(process.execPath, [script, d.grpc, JSON.stringify(account)], {
            env: { GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: certificate.certificate_file },
            onLine: (line, stream) => said.push([stream, line]), // Node warns of an address as a server's name
        });
        assert.deepEqual(await exited, { code: 0, signal: null }, said.join('\n'));
        assert.deepEqual(said.filter(([stream]) => stream === 'stdout'), [['stdout', `made by ${account.serviceAccountId}`]]);
    });
});

describe('the unchanged SDK, with TLS', () => {
    const session = (certificate) =>
        new Session({ iamToken: 'unused', pollInterval: 20, ssl: { rootCerts: certificate.text } });

    test('lives through the same', limits, async (t) => {
        const certificate = makeCertificate();
        const d = await startGrpc(t, { management: { tls: tlsOf(certificate) } });
        await life(t, d, session(certificate));
    });

    test('gets numeric codes too, and trusts nobody else', limits, async (t) => {
        const certificate = makeCertificate();
        const d = await startGrpc(t, { management: { tls: tlsOf(certificate) } });
        const { triggers } = clientsOf(session(certificate), d.grpc);
        await refused((options) => triggers.create({ ...request('X') }, options), CODE.INVALID_ARGUMENT, /name/);
        const other = clientsOf(session(makeCertificate()), d.grpc);
        await assert.rejects(other.triggers.list({ folderId: FOLDER }), { code: CODE.UNAVAILABLE });
    });
});
