// A client that has no .proto files: it learns from the daemon what services there are and how their
// messages look, builds itself clients from that, and uses them.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { BROADCASTER, FOLDER, GATEWAY, REGISTRY, ROOT, defer, within } from './harness.mjs';
import { startGrpc } from './sdk.mjs';

const limits = { timeout: 60000 };
const SERVICES = [
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
    'grpc.reflection.v1alpha.ServerReflection',
    'yandex.cloud.endpoint.ApiEndpointService',
    'yandex.cloud.iam.v1.IamTokenService',
    'yandex.cloud.operation.OperationService',
    'yandex.cloud.serverless.apigateway.websocket.v1.ConnectionService',
    'yandex.cloud.serverless.triggers.v1.TriggerService',
    'yandex.cloud.serverless.triggers.v2.TriggerService',
];

const at = (root, name) => name.split('.').reduce((here, part) => here[part], root);
const insecure = grpc.credentials.createInsecure();

// A stream of reflection: ask() gives the answer to a request, in order.
class Reflection {
    #waiting = [];

    constructor(t, address, version) {
        const { grpc: root } = grpc.loadPackageDefinition(
            loader.loadSync(`grpc/reflection/${version}/reflection.proto`, {
                includeDirs: [join(ROOT, 'gateway/proto')], keepCase: true, oneofs: true,
            }),
        );
        const client = new root.reflection[version].ServerReflection(address, insecure);
        defer(t, () => client.close());
        this.stream = client.ServerReflectionInfo();
        this.stream.on('data', (answer) => this.#waiting.shift().done(answer));
        this.stream.on('error', () => {}); // told by the status
        this.ended = new Promise((done) => this.stream.on('status', done));
        this.ended.then((status) => this.#waiting.forEach(({ fail }) => fail(new Error(status.details))));
    }

    ask(request) {
        this.stream.write(request);
        return within(5000, () => JSON.stringify(request), new Promise((done, fail) => this.#waiting.push({ done, fail })));
    }

    async services() {
        const { list_services_response: list } = await this.ask({ list_services: '*' });
        return list.service.map(({ name }) => name);
    }

    // What grpc.loadPackageDefinition() makes of the files that declare a symbol.
    async load(symbol) {
        const answer = await this.ask({ file_containing_symbol: symbol });
        assert.equal(answer.message_response, 'file_descriptor_response', JSON.stringify(answer));
        return grpc.loadPackageDefinition(definitionOf(answer.file_descriptor_response.file_descriptor_proto));
    }
}

// The files as one google.protobuf.FileDescriptorSet: each is its field 1.
function definitionOf(files) {
    const set = Buffer.concat(files.flatMap((file) => {
        const head = [0x0a];
        let length = file.length;
        for (; length > 127; length >>= 7) head.push((length & 127) | 128);
        return [Buffer.from([...head, length]), file];
    }));
    return loader.loadFileDescriptorSetFromBuffer(set, { keepCase: true, enums: String, longs: Number, defaults: true });
}

// One call without a stream: {answer} or {error}.
const call = (client, method, request = {}) =>
    new Promise((done) =>
        client[method](request, { deadline: Date.now() + 10000 }, (error, answer) => done({ error, answer })));

// The error of a call that nobody describes.
function strange(t, address, path) {
    const client = new grpc.Client(address, insecure);
    defer(t, () => client.close());
    const bytes = (buffer) => buffer;
    return new Promise((done) => client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), done));
}

for (const version of ['v1', 'v1alpha'])
    describe(`reflection ${version}`, () => {
        test('leads to every service and every method', limits, async (t) => {
            const d = await startGrpc(t);
            const reflection = new Reflection(t, d.grpc, version);
            assert.deepEqual(await reflection.services(), SERVICES);
            let methods = 0;
            for (const name of SERVICES) {
                const Service = at(await reflection.load(name), name);
                const client = new Service(d.grpc, insecure);
                defer(t, () => client.close());
                for (const [method, { requestStream, responseStream, path }] of Object.entries(Service.service)) {
                    methods++;
                    const found = await reflection.ask({ file_containing_symbol: `${name}.${method}` });
                    assert.ok(found.file_descriptor_response, `${name}.${method}`);
                    if (requestStream || responseStream) continue;
                    const { error } = await call(client, method);
                    assert.ok(![grpc.status.INTERNAL, grpc.status.UNKNOWN].includes(error?.code), `${path}: ${error?.message}`);
                    assert.doesNotMatch(error?.details ?? '', /Unknown (service|method)/, path);
                }
            }
            assert.ok(methods >= 25, `${methods} methods`);
            for (const [path, what] of [['/grpc.health.v1.Health/Chec', 'method'], ['/grpc.health.v1.Healt/Check', 'service']]) {
                const error = await strange(t, d.grpc, path);
                assert.deepEqual([error.code, error.details], [grpc.status.UNIMPLEMENTED, `Unknown ${what} ${path}`]);
            }
            reflection.stream.end();
            assert.equal((await reflection.ended).code, grpc.status.OK);
        });

        test('is enough to make a trigger with', limits, async (t) => {
            const d = await startGrpc(t);
            const reflection = new Reflection(t, d.grpc, version);
            const health = await reflection.load('grpc.health.v1.Health');
            const check = new health.grpc.health.v1.Health(d.grpc, insecure);
            defer(t, () => check.close());
            assert.deepEqual((await call(check, 'Check')).answer, { status: 'SERVING' });

            const name = 'yandex.cloud.serverless.triggers.v1.TriggerService';
            const triggers = new (at(await reflection.load(name), name))(d.grpc, insecure);
            defer(t, () => triggers.close());
            const rule = {
                container_registry: {
                    event_type: ['CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE'],
                    registry_id: REGISTRY,
                    batch_settings: { size: 3, cutoff: { seconds: 2, nanos: 500000000 } },
                    gateway_websocket_broadcast: { gateway_id: GATEWAY, path: '/', service_account_id: BROADCASTER },
                },
            };
            const labels = [{ key: 'a', value: 'b' }]; // as on the wire: protobufjs makes no map of a descriptor
            const { error, answer: made } = await call(triggers, 'Create', { folder_id: FOLDER, name: 'learnt', labels, rule });
            assert.equal(error, null);
            assert.equal(made.done, true);
            const { answer: { triggers: [one] } } = await call(triggers, 'List', { folder_id: FOLDER });
            assert.deepEqual([one.name, one.labels, one.status], ['learnt', labels, 'ACTIVE']);
            const { container_registry: got } = one.rule;
            assert.deepEqual([got.event_type, got.batch_settings], [rule.container_registry.event_type, rule.container_registry.batch_settings]);
            assert.deepEqual(got.gateway_websocket_broadcast, rule.container_registry.gateway_websocket_broadcast);
        });

        test('says what is not there, and goes on', limits, async (t) => {
            const d = await startGrpc(t, { users: [{ id: 'alice', roles: ['editor'] }],
                tokens: [{ subject: 'alice', sha256: '0'.repeat(64) }] }); // no token is needed for this
            const reflection = new Reflection(t, d.grpc, version);
            for (const request of [
                { file_by_filename: 'nothing.proto' },
                { file_containing_symbol: 'yandex.cloud.Nothing' },
                { file_containing_symbol: '' },
                { file_containing_extension: { containing_type: 'google.protobuf.Any', extension_number: 1 } },
                { all_extension_numbers_of_type: 'yandex.cloud.Nothing' },
            ]) {
                const answer = await reflection.ask({ host: 'a.host', ...request });
                assert.equal(answer.error_response?.error_code, grpc.status.NOT_FOUND, JSON.stringify(request));
                assert.equal(answer.valid_host, 'a.host');
                assert.equal(answer.original_request.message_request, Object.keys(request)[0]);
            }
            const none = await reflection.ask({ all_extension_numbers_of_type: 'google.protobuf.Any' });
            assert.equal(none.all_extension_numbers_response.base_type_name, 'google.protobuf.Any');
            const any = await reflection.ask({ file_by_filename: 'google/protobuf/any.proto' });
            assert.equal(any.file_descriptor_response.file_descriptor_proto.length, 1);
            assert.deepEqual(await reflection.services(), SERVICES);
            await assert.rejects(reflection.ask({}), /message_request/);
            assert.equal((await reflection.ended).code, grpc.status.INVALID_ARGUMENT);
        });

        test('answers many requests of one stream in their order', limits, async (t) => {
            const d = await startGrpc(t);
            const reflection = new Reflection(t, d.grpc, version);
            const symbols = Array.from({ length: 300 }, (_, i) => SERVICES[(i * 7) % SERVICES.length]);
            const answers = await Promise.all(symbols.map((symbol) => reflection.ask({ file_containing_symbol: symbol })));
            assert.deepEqual(answers.map((answer) => answer.original_request.file_containing_symbol), symbols);
            assert.ok(answers.every((answer) => answer.file_descriptor_response.file_descriptor_proto.length > 0));
        });
    });
