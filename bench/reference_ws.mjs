// reference_ws.mjs - a broadcast server as one writes it with Node's ws: a POST goes to everybody.
//   node bench/reference_ws.mjs [--ready-file FILE]
// No compression, and one Buffer for all clients: ws makes a frame head for each, and copies no message.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { messagesOf, ready } from './reference.mjs';

const BACKLOG = 4096;
const AS_TEXT = { binary: false };

const http = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
        for (const message of messagesOf(Buffer.concat(chunks)))
            for (const client of wss.clients)
                client.send(message, AS_TEXT);
        response.writeHead(202, { 'Content-Length': 0 }).end();
    });
});
http.keepAliveTimeout = 0;
const wss = new WebSocketServer({ server: http, perMessageDeflate: false });
wss.on('connection', (client) => client.on('error', () => client.terminate()));
http.listen(0, '127.0.0.1', BACKLOG, () => ready(http.address().port));
