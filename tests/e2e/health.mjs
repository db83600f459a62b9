// grpc.health.v1.Health with @grpc/grpc-js.
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { ROOT, defer } from './harness.mjs';

const { Health } = grpc.loadPackageDefinition(
    loader.loadSync('grpc/health/v1/health.proto', {
        includeDirs: [join(ROOT, 'gateway/proto')], enums: String, defaults: true,
    }),
).grpc.health.v1;

export function healthOf(t, address, options = {}) {
    const client = new Health(address, grpc.credentials.createInsecure(), options);
    defer(t, () => client.close());
    return client;
}

// What a Watch is told, as it comes, and how it ends.
export function watch(client, service) {
    const stream = client.Watch({ service });
    const told = [];
    stream.on('data', ({ status }) => told.push(status));
    stream.on('error', () => {}); // told by the status
    return { told, ended: new Promise((done) => stream.on('status', done)) };
}
