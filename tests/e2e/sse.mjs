// A client of server-sent events: the event stream's grammar (WHATWG HTML, "Parsing an event stream") over what
// comes, and one connection without any reconnecting of its own.
import http from 'node:http';
import https from 'node:https';
import { until, within } from './harness.mjs';

// Text in, cut anywhere; events out: {type, data, id} with the id that counts from then on.
export class SseParser {
    #rest = '';
    #data = null;
    #type = '';
    #pending = '';
    lastId = '';
    retry = null;
    retries = [];
    comments = 0;
    events = [];

    feed(text) {
        this.#rest += text;
        for (let at; (at = this.#rest.indexOf('\n')) >= 0; this.#rest = this.#rest.slice(at + 1))
            this.#line(this.#rest.slice(0, at));
    }

    #line(line) {
        if (line === '') {
            this.lastId = this.#pending;
            if (this.#data !== null)
                this.events.push({ type: this.#type || 'message', data: this.#data, id: this.lastId });
            this.#data = null;
            this.#type = '';
            return;
        }
        if (line.startsWith(':')) {
            this.comments++;
            return;
        }
        const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
        if (field === 'data') this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
        else if (field === 'event') this.#type = value;
        else if (field === 'id') this.#pending = value;
        else if (field === 'retry') this.retries.push((this.retry = Number(value)));
        else throw new Error(`no field of ours: ${JSON.stringify(line)}`);
    }
}

// One stream. `messages` are its texts, `named` the other events with their data read as JSON.
export class Sse {
    parser = new SseParser();
    ended = null;

    // Options: headers, tls (Node's options for it), localAddress. Resolves with the head read; look at `status`.
    static open(port, path = '/', { headers = {}, tls, ...more } = {}) {
        const sse = new Sse();
        const opened = new Promise((done, fail) => {
            const options = { port, path, host: '127.0.0.1', agent: false, headers: { Accept: 'text/event-stream', ...headers }, ...tls, ...more };
            sse.request = (tls ? https : http).get(options, (res) => {
                sse.response = res;
                sse.status = res.statusCode;
                sse.headers = res.headers;
                res.setEncoding('utf8');
                sse.end = new Promise((over) => {
                    const end = (how) => over((sse.ended ??= how));
                    res.on('end', () => end('end'));
                    res.on('close', () => end('close'));
                    res.on('error', () => end('error'));
                });
                res.on('data', (text) => (sse.status === 200 ? sse.parser.feed(text) : (sse.text = (sse.text ?? '') + text)));
                done(sse);
            });
            sse.request.on('error', fail);
        });
        return within(15000, `an answer to ${path}`, opened);
    }

    get id() {
        return this.headers['x-yc-apigateway-websocket-connection-id'];
    }

    get messages() {
        return this.parser.events.filter(({ type }) => type === 'message').map(({ data }) => data);
    }

    get named() {
        return this.parser.events.filter(({ type }) => type !== 'message').map(({ type, data }) => ({ type, ...JSON.parse(data) }));
    }

    async first(n) {
        await until(() => `${n} messages; there are ${this.messages.length}`, () => this.messages.length >= n, 20000);
        return this.messages.slice(0, n);
    }

    async event(type) {
        await until(() => `an event ${type}; there are ${JSON.stringify(this.named)}`, () => this.named.some((e) => e.type === type), 20000);
        return this.named.find((e) => e.type === type);
    }

    close() {
        this.request.destroy();
    }
}
