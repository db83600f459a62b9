// reference_uws.mjs - a broadcast server as one writes it with uWebSockets.js: a POST is published,
// natively, under the topic that everybody has subscribed to.
//   node bench/reference_uws.mjs [--ready-file FILE]
// No compression, no timeouts, no pings, and room for a burst per client: nothing may be dropped.
import { createRequire } from 'node:module';
import { messagesOf, ready } from './reference.mjs';

const TOPIC = 'all';
const ROOM_BYTES = 64 << 20;

const uws = createRequire(import.meta.url)('../.deps/uws/node_modules/@btc-vision/uwebsockets.js');
const app = uws.App();

// Not while a request is being handled: its socket has the one buffer in which uWebSockets gathers
// frames, and each would go out by itself.
function publish(messages) {
    for (const message of messages)
        app.publish(TOPIC, message, false);
}

app.ws('/*', {
    compression: uws.DISABLED,
    idleTimeout: 0,
    sendPingsAutomatically: false,
    maxBackpressure: ROOM_BYTES,
    open: (client) => client.subscribe(TOPIC),
});
app.post('/*', (response) => {
    const chunks = [];
    response.onAborted(() => {});
    response.onData((chunk, isLast) => {
        chunks.push(Buffer.from(chunk.slice(0))); // the memory is only lent
        if (!isLast)
            return;
        response.cork(() => response.writeStatus('202 Accepted').endWithoutBody(0));
        setImmediate(publish, messagesOf(Buffer.concat(chunks)));
    });
});
app.listen('127.0.0.1', 0, (socket) => {
    if (!socket)
        throw new Error('cannot listen');
    ready(uws.us_socket_local_port(socket));
});
