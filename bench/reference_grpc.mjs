// reference_grpc.mjs - the health service as one writes it with @grpc/grpc-js: always SERVING.
//   node bench/reference_grpc.mjs [--ready-file FILE]
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';
import { ready } from './reference.mjs';

const PROTOS = fileURLToPath(new URL('../gateway/proto', import.meta.url));
const SERVING = { status: 'SERVING' };

const { grpc: root } = grpc.loadPackageDefinition(
    loader.loadSync('grpc/health/v1/health.proto', { includeDirs: [PROTOS] }));
const server = new grpc.Server();
server.addService(root.health.v1.Health.service, {
    check: (call, done) => done(null, SERVING),
    watch: (call) => call.write(SERVING),
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error)
        throw error;
    ready(port, ['grpc']);
});
