// A backend of a specification, and one that speaks raw bytes; and daemons that ask them.
import http from 'node:http';
import net from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon, defer, makeConfig, tempDir, trigger, until } from './harness.mjs';

const EVENT = 'x-yc-apigateway-websocket-';

// Keeps every request {method, url, headers, body, event, conn, message}; `answer` gives {status, headers, body}, perhaps
// later, or null: the connection is cut. Without it a message is echoed as what it is.
export class Backend {
    requests = [];
    sockets = new Set();

    static async start(t, answer) {
        const b = new Backend();
        b.answer = answer ?? Backend.echo;
        b.server = http.createServer((req, res) => b.#serve(req, res));
        b.server.keepAliveTimeout = 60000;
        b.server.on('connection', (socket) => {
            b.sockets.add(socket);
            socket.on('close', () => b.sockets.delete(socket));
        });
        await new Promise((done) => b.server.listen(0, '127.0.0.1', done));
        b.port = b.server.address().port;
        defer(t, () => b.stop());
        return b;
    }

    static echo({ event, headers, body }) {
        if (event !== 'MESSAGE') return { status: 200 };
        const text = headers['content-type'] === 'application/json';
        return { status: 200, headers: { 'Content-Type': text ? 'application/json' : 'application/octet-stream' }, body };
    }

    async #serve(req, res) {
        const parts = [];
        for await (const part of req) parts.push(part);
        const got = {
            method: req.method,
            url: req.url,
            headers: req.headers,
            raw: req.rawHeaders,
            body: Buffer.concat(parts),
            event: req.headers[`${EVENT}event-type`],
            conn: req.headers[`${EVENT}connection-id`],
            message: req.headers[`${EVENT}message-id`],
            code: req.headers[`${EVENT}disconnect-status-code`],
            reason: req.headers[`${EVENT}disconnect-reason`],
        };
        this.requests.push(got);
        const how = await this.answer(got);
        if (how === null) {
            res.destroy();
            return;
        }
        res.writeHead(how.status ?? 200, how.headers ?? {});
        res.end(how.body);
    }

    of(event, conn) {
        return this.requests.filter((r) => r.event === event && (conn === undefined || r.conn === conn));
    }

    async got(event, n = 1, conn) {
        await until(() => `${n} ${event} at the backend (now ${this.of(event, conn).length})`, () => this.of(event, conn).length >= n);
        return this.of(event, conn);
    }

    url(path = '') {
        return `http://127.0.0.1:${this.port}${path}`;
    }

    stop() {
        for (const socket of this.sockets) socket.destroy();
        return new Promise((done) => this.server.close(done));
    }
}

// Listens for TCP and lets `serve(socket, request)` do as it likes with each request head and body that has come.
export class RawBackend {
    sockets = new Set();
    requests = 0;

    static async start(t, serve, port = 0) {
        const b = new RawBackend();
        b.serve = serve;
        b.server = net.createServer((socket) => {
            b.sockets.add(socket);
            socket.on('close', () => b.sockets.delete(socket));
            socket.on('error', () => {});
            let text = '';
            socket.on('data', (part) => {
                text += part.toString('latin1');
                for (;;) {
                    const end = text.indexOf('\r\n\r\n');
                    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end + 2))?.[1] ?? 0);
                    if (end < 0 || text.length < end + 4 + length) break;
                    const request = text.slice(0, end + 4 + length);
                    text = text.slice(end + 4 + length);
                    b.requests++;
                    b.serve(socket, request);
                }
            });
        });
        await new Promise((done) => b.server.listen(port, '127.0.0.1', done));
        b.port = b.server.address().port;
        defer(t, () => b.stop());
        return b;
    }

    url(path = '') {
        return `http://127.0.0.1:${this.port}${path}`;
    }

    stop() {
        for (const socket of this.sockets) socket.destroy();
        return new Promise((done) => this.server.close(done));
    }
}

export const operation = (integration, more = {}) => ({ 'x-yc-apigateway-integration': integration, ...more });
export const pathParameter = (name) => ({ name, in: 'path', required: true, schema: { type: 'string' } });

// The operations of a path whose backend is at `url` for all three.
export const allTo = (url, more = {}) => ({
    'x-yc-apigateway-websocket-connect': operation({ type: 'http', url: `${url}/connect`, ...more }),
    'x-yc-apigateway-websocket-message': operation({ type: 'http', url: `${url}/message`, ...more }),
    'x-yc-apigateway-websocket-disconnect': operation({ type: 'http', url: `${url}/disconnect`, ...more }),
});

export function writeSpec(paths, more = {}) {
    const file = join(tempDir(), 'gateway.openapi.json');
    writeFileSync(file, JSON.stringify({ openapi: '3.0.0', info: { title: 'test', version: '1' }, paths, ...more }));
    return file;
}

// A configuration with that specification; `paths` beside it none, a trigger for the first path.
export function specConfig(file, first, over = {}) {
    const { gateway = {}, backends = {}, ...rest } = over;
    const config = makeConfig({
        gateway: { spec: file, backends: { allowed_networks: ['127.0.0.0/8'], ...backends }, ...gateway },
        triggers: [trigger('everything', { path: first })],
        ...rest,
    });
    if (gateway.paths === undefined) delete config.gateway.paths;
    return config;
}

export async function startSpec(t, paths, over = {}, options = {}) {
    const { spec, ...rest } = over;
    const daemon = await Daemon.start(specConfig(writeSpec(paths, spec), Object.keys(paths)[0], rest), options);
    defer(t, () => daemon.stop());
    return daemon;
}
