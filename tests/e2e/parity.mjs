// One operation, spelled twice: by REST as docs/openapi.json says, and by gRPC, with requests that the
// real SDK packs and answers that are read by our own .proto files. Both give the same record:
// {code, message, details, answer}, all of it as proto3 JSON.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import * as endpoint from '@yandex-cloud/nodejs-sdk/endpoint';
import * as iam from '@yandex-cloud/nodejs-sdk/iam-v1';
import * as operation from '@yandex-cloud/nodejs-sdk/operation';
import * as websocket from '@yandex-cloud/nodejs-sdk/serverless-apigateway-websocket-v1';
import * as triggers from '@yandex-cloud/nodejs-sdk/serverless-triggers-v1';
import { ROOT } from './harness.mjs';

export const document = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8'));

const definition = loader.loadSync(
    [
        'google/rpc/error_details.proto',
        'yandex/cloud/endpoint/api_endpoint_service.proto',
        'yandex/cloud/iam/v1/iam_token_service.proto',
        'yandex/cloud/operation/operation_service.proto',
        'yandex/cloud/quota/quota.proto',
        'yandex/cloud/serverless/apigateway/websocket/v1/connection_service.proto',
        'yandex/cloud/serverless/triggers/v1/trigger_service.proto',
    ],
    { includeDirs: [join(ROOT, 'gateway/proto')], longs: String, enums: String },
);

// Every method of these services: {"package.Service/Method": what the loader made of it}.
export const METHODS = Object.fromEntries(
    Object.entries(definition)
        .filter(([, one]) => one.format === undefined)
        .flatMap(([service, methods]) => Object.entries(methods).map(([name, one]) => [`${service}/${name}`, one])),
);

const PACKED = { ...endpoint.apiEndpointService, ...iam.iamTokenService, ...operation.operationService,
    ...triggers.triggerService, ...websocket.connectionService };

// google.rpc.Code to HTTP, as the API maps it.
const HTTP = { 0: 200, 1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400,
    12: 501, 13: 500, 14: 503, 15: 500, 16: 401 };

// --------------------------------------------------------------------------------------- REST

const routes = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { operationId }]) => ({ operationId, path, method: method.toUpperCase() })));

export async function byRest(d, operationId, request, { token, headers = {}, id }) {
    const route = routes.find((one) => one.operationId === operationId);
    const rest = { ...request };
    let path = route.path.replace(/\{(\w+)\}/, (_, name) => {
        const value = rest[name];
        delete rest[name];
        return encodeURIComponent(value);
    });
    const options = { token, headers: { ...headers, 'X-Request-Id': id } };
    if (route.method === 'GET') {
        const query = new URLSearchParams(Object.entries(rest));
        if (query.size > 0) path += `?${query}`;
    } else if (Object.keys(rest).length > 0) {
        options.body = rest;
    }
    const { status, json, text, headers: got } = await d.manage(route.method, path, options);
    assert.ok(json, `${operationId}: ${text}`);
    const code = status === 200 ? 0 : json.code;
    assert.equal(status, HTTP[code], text);
    assert.equal(got['x-request-id'], id);
    assert.match(got['x-server-trace-id'], /^[0-9a-f]{32}$/);
    return code === 0 ? { code, answer: json } : json;
}

// --------------------------------------------------------------------------------------- gRPC

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

// A duration of JSON in its two numbers, which have one sign.
function duration(text) {
    const [, sign, seconds, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?s$/.exec(text);
    const factor = sign ? -1 : 1;
    return { seconds: factor * Number(seconds), nanos: factor * Number(fraction.padEnd(9, '0')) };
}

const EVENT_TYPES = triggers.trigger.Trigger_ContainerRegistryEventType;
const DATA_TYPES = websocket.connectionService.SendToConnectionRequest_DataType;

// What JSON spells in a way of its own, by the names of the fields.
const SPELLED = {
    cutoff: duration,
    data: (text) => Buffer.from(text, 'base64'),
    eventType: (list) => list.map((one) => EVENT_TYPES[one] ?? one).map((one) => (typeof one === 'string' ? EVENT_TYPES[one] : one)),
    pageSize: Number,
    size: Number,
    type: (one) => (typeof one === 'string' ? DATA_TYPES[one] : one),
    updateMask: (text) => ({ paths: text.split(',').filter((path) => path).map(snake) }),
};

function spelled(value) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
    const fields = Object.entries(value).filter(([, one]) => one !== null); // as if they were not there
    return Object.fromEntries(fields.map(([key, one]) => [key, key === 'labels' ? one : (SPELLED[key] ?? spelled)(one)]));
}

function timestamp({ seconds = '0', nanos = 0 }) {
    const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
    const digits = nanos === 0 ? 0 : nanos % 1e6 === 0 ? 3 : nanos % 1e3 === 0 ? 6 : 9;
    return `${whole}${digits === 0 ? '' : `.${String(nanos).padStart(9, '0').slice(0, digits)}`}Z`;
}

function durationText({ seconds = '0', nanos = 0 }) {
    const digits = nanos === 0 ? 0 : nanos % 1e6 === 0 ? 3 : nanos % 1e3 === 0 ? 6 : 9;
    return `${seconds}${digits === 0 ? '' : `.${String(nanos).padStart(9, '0').slice(0, digits)}`}s`;
}

// google.protobuf.Any, whose type JSON writes beside the fields.
function anyJson({ type_url: url, value = Buffer.alloc(0) }) {
    const name = url.replace('type.googleapis.com/', '');
    return { '@type': url, ...(name === 'google.protobuf.Empty' ? { value: {} } : toJson(definition[name].deserialize(value))) };
}

// A message that the loader has read, as proto3 JSON.
export function toJson(message, key = '') {
    if (Array.isArray(message)) return message.map((one) => toJson(one));
    if (message === null || typeof message !== 'object') return message;
    if (typeof message.type_url === 'string') return anyJson(message);
    if (key.endsWith('At')) return timestamp(message);
    if (key === 'cutoff') return durationText(message);
    return Object.fromEntries(Object.entries(message).map(([name, one]) => [name, toJson(one, name)]));
}

function failure(error) {
    const trailer = error.metadata.get('grpc-status-details-bin');
    assert.equal(trailer.length, 1, `${error.message}: without details`);
    const status = toJson(definition['google.rpc.Status'].deserialize(Buffer.from(trailer[0])));
    assert.deepEqual([status.code, status.message], [error.code, error.details]);
    return status;
}

const clients = new WeakMap();
function clientOf(d) {
    if (!clients.has(d)) clients.set(d, new grpc.Client(d.grpc, grpc.credentials.createInsecure()));
    return clients.get(d);
}
export const closeClient = (d) => clients.get(d)?.close();

export function byGrpc(d, method, request, { token, headers = {}, id }) {
    const { path, requestType, responseDeserialize } = METHODS[method];
    const type = PACKED[requestType.type.name];
    const metadata = new grpc.Metadata();
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    for (const [name, value] of Object.entries({ ...headers, 'x-request-id': id })) metadata.set(name.toLowerCase(), value);
    return new Promise((done, fail) => {
        const got = (what, from) => {
            try {
                assert.deepEqual(from.get('x-request-id'), [id]);
                assert.match(String(from.get('x-server-trace-id')), /^[0-9a-f]{32}$/);
                done(what());
            } catch (error) {
                fail(error);
            }
        };
        let first = new grpc.Metadata();
        clientOf(d)
            .makeUnaryRequest(path, (bytes) => bytes, responseDeserialize,
                Buffer.from(type.encode(type.fromPartial(spelled(request))).finish()), metadata, { deadline: Date.now() + 10000 },
                (error, answer) => error ? got(() => failure(error), error.metadata) : got(() => ({ code: 0, answer: toJson(answer) }), first))
            .on('metadata', (headersOf) => (first = headersOf));
    });
}
