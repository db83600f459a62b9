// The real SDK, pointed at the daemon's gRPC listener. It always speaks TLS; where the test wants
// plaintext its channel's credentials are replaced, and its token is put in as the SDK would.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { Session } from '@yandex-cloud/nodejs-sdk';
import * as endpoint from '@yandex-cloud/nodejs-sdk/endpoint';
import * as iam from '@yandex-cloud/nodejs-sdk/iam-v1';
import * as operation from '@yandex-cloud/nodejs-sdk/operation';
import * as websocket from '@yandex-cloud/nodejs-sdk/serverless-apigateway-websocket-v1';
import * as triggers from '@yandex-cloud/nodejs-sdk/serverless-triggers-v1';
import { BROADCASTER, Daemon, FOLDER, GATEWAY, REGISTRY, ROOT, defer, makeConfig } from './harness.mjs';

// What the SDK itself is made with, so that both use one copy of it.
const SDK = createRequire(import.meta.url).resolve('@yandex-cloud/nodejs-sdk');
const require = createRequire(SDK);
export const { Metadata } = require('nice-grpc');

export const CODE = grpc.status;
export const { Trigger_Status: Status } = triggers.trigger;

// A daemon with a gRPC listener; `d.grpc` is its address.
export async function startGrpc(t, over = {}) {
    const { management = {}, ...rest } = over;
    const config = makeConfig({
        triggers: [],
        management: { listen: ['127.0.0.1:0'], grpc_listen: ['127.0.0.1:0'], ...management },
        ...rest,
    });
    const d = await Daemon.start(config);
    defer(t, () => d.stop());
    d.grpc = d.ready.grpc[0];
    return d;
}

// A session without TLS. Without a token none is sent.
export function plainSession(token) {
    const session = new Session({ iamToken: token ?? 'unused', pollInterval: 20 });
    session.channelCredentials = grpc.ChannelCredentials.createInsecure();
    if (token !== undefined)
        session.factory = session.factory.use(async function* (call, options) {
            const metadata = Metadata(options.metadata).set('authorization', `Bearer ${token}`);
            return yield* call.next(call.request, { ...options, metadata });
        });
    return session;
}

// What the SDK itself gets for a service account's key, asked for at `address`: it signs a JWT and
// sends it to an address that is written down in it.
export function tokenOf(serviceAccountJson, address) {
    const { IamTokenService } = require(join(dirname(SDK), 'token-service/iam-token-service.js'));
    const service = new IamTokenService(serviceAccountJson);
    service.client = () => plainSession().client(iam.iamTokenService.IamTokenServiceClient, address);
    return service.getToken();
}

// A client of each service; all requests are plain objects.
export function clientsOf(session, address) {
    const client = (module, name, requests) => {
        const made = session.client(module[`${name}Client`], address);
        return Object.fromEntries(Object.entries(requests).map(([method, request]) =>
            [method, (fields = {}, options) => made[method](module[request].fromPartial(fields), options)]));
    };
    return {
        triggers: client(triggers.triggerService, 'TriggerService', {
            get: 'GetTriggerRequest', list: 'ListTriggersRequest', create: 'CreateTriggerRequest',
            update: 'UpdateTriggerRequest', delete: 'DeleteTriggerRequest', pause: 'PauseTriggerRequest',
            resume: 'ResumeTriggerRequest', listOperations: 'ListTriggerOperationsRequest',
        }),
        operations: client(operation.operationService, 'OperationService', {
            get: 'GetOperationRequest', cancel: 'CancelOperationRequest',
        }),
        connections: client(websocket.connectionService, 'ConnectionService', {
            get: 'GetConnectionRequest', send: 'SendToConnectionRequest', disconnect: 'DisconnectRequest',
        }),
        endpoints: client(endpoint.apiEndpointService, 'ApiEndpointService', {
            get: 'GetApiEndpointRequest', list: 'ListApiEndpointsRequest',
        }),
        tokens: client(iam.iamTokenService, 'IamTokenService', { create: 'CreateIamTokenRequest' }),
    };
}

export function rule({ path = '/', types = [1, 2, 3, 4], size = 1, cutoff = 1, ...more } = {}) {
    return {
        containerRegistry: {
            eventType: types,
            registryId: REGISTRY,
            batchSettings: { size, cutoff: { seconds: cutoff } },
            gatewayWebsocketBroadcast: { gatewayId: GATEWAY, path, serviceAccountId: BROADCASTER },
            ...more,
        },
    };
}
export const request = (name, options) => ({ folderId: FOLDER, name, rule: rule(options) });

const GOOGLE = 'type.googleapis.com';
const PACKAGE = 'yandex.cloud.serverless.triggers.v1';

// What a finished operation of TriggerService holds, its types checked: {id, trigger}.
export function resultOf(done, kind) {
    assert.deepEqual([done.done, done.error, done.description], [true, undefined, `${kind} trigger`]);
    assert.match(done.id, /^a1s[0-9a-v]{17}$/);
    const type = `${kind}TriggerMetadata`;
    assert.equal(done.metadata.typeUrl, `${GOOGLE}/${PACKAGE}.${type}`);
    const { triggerId: id } = triggers.triggerService[type].decode(done.metadata.value);
    if (kind === 'Delete') {
        assert.equal(done.response.typeUrl, `${GOOGLE}/google.protobuf.Empty`);
        return { id };
    }
    assert.equal(done.response.typeUrl, `${GOOGLE}/${PACKAGE}.Trigger`);
    return { id, trigger: triggers.trigger.Trigger.decode(done.response.value) };
}

// ------------------------------------------------------------------------------------- errors

const DETAILS = loader.loadSync(
    ['google/rpc/status.proto', 'google/rpc/error_details.proto', 'yandex/cloud/quota/quota.proto'],
    { includeDirs: [join(ROOT, 'gateway/proto')], keepCase: true, longs: Number, defaults: true },
);

// The details of grpc-status-details-bin, each with its "@type".
export function detailsOf(trailer) {
    const status = DETAILS['google.rpc.Status'].deserialize(Buffer.from(trailer.get('grpc-status-details-bin')));
    return {
        code: status.code,
        message: status.message,
        details: status.details.map(({ type_url: url, value }) => ({
            '@type': url,
            ...DETAILS[url.replace('type.googleapis.com/', '')].deserialize(value),
        })),
    };
}

// `call(options)` must be refused with that code, as SDK users see it, and with details that say the
// same. Trailers only: with headers before them the SDK's error would have no code.
export async function refused(call, code, like) {
    let trailer;
    const error = await call({ onTrailer: (got) => (trailer = got) }).then(
        (answer) => assert.fail(`not refused: ${JSON.stringify(answer)}`),
        (reason) => reason,
    );
    assert.equal(error.name, 'ClientError', error.stack);
    assert.equal(error.code, code, error.message);
    assert.match(error.details, like);
    const status = detailsOf(trailer);
    assert.deepEqual([status.code, status.message], [code, error.details]);
    const info = status.details.at(-1);
    assert.equal(info['@type'], 'type.googleapis.com/google.rpc.RequestInfo');
    assert.equal(info.request_id, trailer.get('x-request-id'));
    assert.match(trailer.get('x-server-trace-id'), /^[0-9a-f]{32}$/);
    return status;
}
