// The second version of the triggers' API by gRPC, as terraform speaks it, beside the first version by
// gRPC and REST: they are spellings of the same triggers.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { BROADCASTER, Client, Daemon, FOLDER, GATEWAY, REGISTRY, ROOT, defer, makeConfig, newImage, readMessage } from './harness.mjs';

const limits = { timeout: 60000 };
const CODE = grpc.status;
const PACKAGE = 'yandex.cloud.serverless.triggers';
const TYPE = 'CONTAINER_REGISTRY_EVENT_TYPE_';

const TYPES = loader.loadSync(
    [...['v1', 'v2'].map((v) => `yandex/cloud/serverless/triggers/${v}/trigger_service.proto`),
        'yandex/cloud/operation/operation_service.proto'],
    { includeDirs: [join(ROOT, 'gateway/proto')], keepCase: true, enums: String, longs: Number, oneofs: true, defaults: true },
);
const { cloud } = grpc.loadPackageDefinition(TYPES).yandex;

const fresh = () => makeConfig({ triggers: [], management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'] } });

// Calls of one service; a key with each, as terraform sends it.
function clientOf(t, Service, d) {
    const client = new Service(`127.0.0.1:${d.grpcPort}`, grpc.credentials.createInsecure());
    defer(t, () => client.close());
    return (method, request = {}, key = randomUUID()) =>
        new Promise((done, fail) => {
            const metadata = new grpc.Metadata();
            metadata.set('idempotency-key', key);
            client[method](request, metadata, { deadline: Date.now() + 10000 }, (error, answer) => (error ? fail(error) : done(answer)));
        });
}

async function start(t, config = fresh()) {
    const d = await Daemon.start(config);
    defer(t, () => d.stop());
    const { triggers } = cloud.serverless;
    const calls = {
        v1: clientOf(t, triggers.v1.TriggerService, d),
        v2: clientOf(t, triggers.v2.TriggerService, d),
        operations: clientOf(t, cloud.operation.OperationService, d),
    };
    // What the Go SDK demands of an operation, now and when it is polled: {id, trigger}.
    const finished = async (operation, kind, version = 'v2') => {
        const { metadata, response } = operation;
        assert.deepEqual([operation.done, operation.result, operation.description], [true, 'response', `${kind} trigger`]);
        assert.deepEqual(await calls.operations('Get', { operation_id: operation.id }), operation);
        assert.equal(metadata.type_url, `type.googleapis.com/${PACKAGE}.${version}.${kind}TriggerMetadata`);
        const type = kind === 'Delete' ? 'google.protobuf.Empty' : `${PACKAGE}.${version}.Trigger`;
        assert.equal(response.type_url, `type.googleapis.com/${type}`);
        const { trigger_id: id } = TYPES[`${PACKAGE}.${version}.${kind}TriggerMetadata`].deserialize(metadata.value);
        return kind === 'Delete' ? { id } : { id, trigger: TYPES[type].deserialize(response.value) };
    };
    return { d, finished, ...calls };
}

const source = (fields = {}) => ({
    container_registry: {
        event_type: [`${TYPE}CREATE_IMAGE`],
        registry_id: REGISTRY,
        batch_settings: { max_count: 1, cutoff: { seconds: 1 } },
        ...fields,
    },
});
const broadcast = (fields = {}) => ({
    gateway_websocket_broadcast: { gateway_id: GATEWAY, path: '/', service_account_id: BROADCASTER, ...fields },
});
const request = (name, more = {}) => ({ folder_id: FOLDER, name, source: source(), action: [broadcast()], ...more });

async function refused(call, code, like) {
    await assert.rejects(call, (error) => {
        assert.equal(error.code, code, error.message);
        assert.match(error.details, like);
        return true;
    });
}

describe('a trigger of the second version', () => {
    test('lives as terraform has it, and fires', limits, async (t) => {
        const { d, v2, finished } = await start(t);
        const c = await Client.open(d.url());
        defer(t, () => c.terminate());
        const { id, trigger } = await finished(await v2('Create', request('infra', { description: 'd é', labels: { team: 'a' } })), 'Create');
        assert.equal(trigger.id, id);
        assert.deepEqual([trigger.name, trigger.description, trigger.labels, trigger.status], ['infra', 'd é', { team: 'a' }, 'ACTIVE']);
        assert.deepEqual(trigger.action.map((one) => one.action), ['gateway_websocket_broadcast']);
        assert.deepEqual(trigger.action[0].gateway_websocket_broadcast, broadcast().gateway_websocket_broadcast);
        assert.deepEqual(await v2('Get', { trigger_id: id }), trigger);
        await d.accept([newImage('first')]);
        assert.equal(readMessage((await c.first(1))[0])[0].repo, 'first');

        // Terraform sends everything and masks what has changed, field by field.
        const changed = source({ image_name: 'app', tag: 'not masked', batch_settings: { max_count: 1, cutoff: { seconds: 2 } } });
        const update = await finished(await v2('Update', {
            ...request('not masked'), trigger_id: id, source: changed,
            update_mask: { paths: ['source.container_registry.image_name', 'source.container_registry.batch_settings.cutoff'] },
        }), 'Update');
        const { container_registry: registry } = update.trigger.source;
        assert.deepEqual([update.trigger.name, registry.image_name, registry.tag], ['infra', 'app', '']);
        assert.equal(Number(registry.batch_settings.cutoff.seconds), 2);
        await d.accept([newImage('other'), newImage('app')]);
        assert.equal(readMessage((await c.first(2))[1])[0].repo, 'app');

        assert.equal((await finished(await v2('Pause', { trigger_id: id }), 'Pause')).trigger.status, 'PAUSED');
        await d.accept([newImage('app')]);
        assert.equal((await finished(await v2('Resume', { trigger_id: id }), 'Resume')).trigger.status, 'ACTIVE');
        const order = [`${TYPE}DELETE_IMAGE`, `${TYPE}CREATE_IMAGE`];
        for (const types of [order, order.toReversed(), order]) { // which terraform's lists have
            const { trigger: turned } = await finished(await v2('Update', {
                trigger_id: id, source: source({ event_type: types }), action: [broadcast()],
                update_mask: { paths: ['source.container_registry.event_type'] },
            }), 'Update');
            assert.deepEqual(turned.source.container_registry.event_type, types);
            assert.deepEqual(await v2('Get', { trigger_id: id }), turned);
        }
        const whole = await finished(await v2('Update', { ...request('whole'), trigger_id: id }), 'Update'); // no mask
        assert.deepEqual([whole.trigger.name, whole.trigger.labels, whole.trigger.source.container_registry.image_name], ['whole', {}, '']);
        await d.accept([newImage('last')]);
        assert.equal(readMessage((await c.first(3))[2])[0].repo, 'last');

        await finished(await v2('Delete', { trigger_id: id }), 'Delete');
        await refused(v2('Get', { trigger_id: id }), CODE.NOT_FOUND, new RegExp(`Trigger ${id} not found`));
        const { operations } = await v2('ListOperations', { trigger_id: id });
        assert.deepEqual(operations.map((one) => one.description.split(' ')[0]), ['Delete', 'Update', 'Update', 'Update', 'Update', 'Resume', 'Pause', 'Update', 'Create']);
    });

    test('is the same trigger in both versions and REST, over a restart', limits, async (t) => {
        const config = fresh();
        const rule = {
            container_registry: {
                event_type: [`${TYPE}DELETE_IMAGE_TAG`, `${TYPE}DELETE_IMAGE`], registry_id: REGISTRY, tag: 't',
                filter: { tags: ['semver:1.x'] },
                gateway_websocket_broadcast: broadcast().gateway_websocket_broadcast,
            },
        };
        const before = await start(t, config);
        const made = await before.v2('Create', request('by-v2'));
        const { id } = await before.finished(made, 'Create');
        const old = await before.finished(await before.v1('Create', { folder_id: FOLDER, name: 'by-v1', rule }), 'Create', 'v1');
        await before.d.stop();

        const { d, v1, v2, operations, finished } = await start(t, config);
        assert.deepEqual(await operations('Get', { operation_id: made.id }), made);
        await finished(made, 'Create');
        const [one, two] = await Promise.all([v1, v2].map((v) => v('List', { folder_id: FOLDER })));
        for (const { triggers } of [one, two]) assert.deepEqual(triggers.map((each) => each.name), ['by-v2', 'by-v1']);
        const named = await v2('List', { folder_id: FOLDER, page_size: 100, filter: 'name = "by-v1"' });
        assert.deepEqual(named.triggers.map((each) => each.id), [old.id]);
        assert.deepEqual(named.triggers[0].source.container_registry, {
            event_type: [`${TYPE}DELETE_IMAGE_TAG`, `${TYPE}DELETE_IMAGE`], registry_id: REGISTRY, image_name: '', tag: 't',
            filter: { image_names: [], tags: ['semver:1.x'], digests: [], actors: [] },
            batch_settings: { max_count: 1, max_bytes: 0, cutoff: { seconds: 1, nanos: 0 } },
        });
        // One that has no word for the filter leaves it, one that names it alone takes it away.
        const filterOf = async (paths) => (await finished(await v2('Update', {
            trigger_id: old.id, source: source(), update_mask: { paths },
        }), 'Update')).trigger.source.container_registry.filter;
        assert.deepEqual((await filterOf(['source'])).tags, ['semver:1.x']);
        assert.equal(await filterOf(['source.container_registry.filter']), null);
        // It is v1's to change as well; each operation keeps the types of its version, for everybody.
        await finished(await v1('Pause', { trigger_id: id }), 'Pause', 'v1');
        assert.equal((await v2('Get', { trigger_id: id })).status, 'PAUSED');
        const { operations: all } = await v1('ListOperations', { trigger_id: id });
        assert.deepEqual(all.map((each) => each.response.type_url.split('.').at(-2)), ['v1', 'v2']);
        const { json } = await d.manage('GET', `/operations/${made.id}`);
        assert.equal(json.response['@type'], `type.googleapis.com/${PACKAGE}.v2.Trigger`);
        assert.equal(json.response.source.containerRegistry.batchSettings.maxCount, '1');
        assert.equal((await d.manage('GET', `/triggers/v1/triggers/${id}`)).json.rule.containerRegistry.registryId, REGISTRY);
    });

    test('is made once for a key, by one version', limits, async (t) => {
        const { v1, v2 } = await start(t);
        const key = randomUUID();
        const first = await v2('Create', request('once'), key);
        assert.deepEqual(await v2('Create', request('once'), key), first);
        await refused(v2('Create', request('twice'), key), CODE.INVALID_ARGUMENT, /idempotency-key/);
        await refused(v1('Create', { folder_id: FOLDER }, key), CODE.INVALID_ARGUMENT, /rule: is required/);
        assert.equal((await v1('List', { folder_id: FOLDER })).triggers.length, 1);
    });

    test('is refused by the name of what is not served', limits, async (t) => {
        const { v2 } = await start(t);
        const at = 'source.container_registry';
        const cases = [
            [{ source: undefined, action: [] }, CODE.INVALID_ARGUMENT, 'source: is required'],
            [{ action: [] }, CODE.INVALID_ARGUMENT, 'action[0].gateway_websocket_broadcast.gateway_id: is required'],
            [{ action: [broadcast({ path: '/nowhere' })] }, CODE.INVALID_ARGUMENT, 'action[0].gateway_websocket_broadcast.path: '],
            [{ action: [broadcast(), broadcast()] }, CODE.UNIMPLEMENTED, 'action[1] is not supported'],
            [{ source: source({ event_type: [] }) }, CODE.INVALID_ARGUMENT, `${at}.event_type: `],
            [{ source: source({ registry_id: 'crtother' }) }, CODE.NOT_FOUND, 'Registry crtother not found'],
            [{ source: source({ batch_settings: { max_count: 1001, cutoff: { seconds: 1 } } }) }, CODE.INVALID_ARGUMENT, `${at}.batch_settings.max_count: `],
            [{ source: source({ batch_settings: { max_bytes: 1, cutoff: { seconds: 1 } } }) }, CODE.UNIMPLEMENTED, `${at}.batch_settings.max_bytes is not`],
            [{ source: source({ batch_settings: { max_count: 1 } }) }, CODE.INVALID_ARGUMENT, `${at}.batch_settings.cutoff: is required`],
            [{ name: 'X' }, CODE.INVALID_ARGUMENT, 'name: '],
        ];
        for (const [fields, code, begin] of cases)
            await refused(v2('Create', request('refused', fields)), code, new RegExp(`^${begin.replace(/[.[\]]/g, '\\$&')}`));
        await refused(v2('Update', { trigger_id: 'a1s', update_mask: { paths: ['rule'] } }), CODE.INVALID_ARGUMENT, /^update_mask: rule is not one of/);
        assert.deepEqual((await v2('List', { folder_id: FOLDER })).triggers, []);
    });
});
