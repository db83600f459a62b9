// A small client of NATS's text protocol, for tests to look into streams with, and to spoil them.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import net from 'node:net';
import { within } from './harness.mjs';
import { PASSWORD, USER } from './nats.mjs';

// Headers as they stand on the wire, read into a Map; a status line goes under ''.
function readHeaders(text) {
    const [first, ...lines] = text.split('\r\n');
    const headers = new Map([['', first.replace('NATS/1.0', '').trim()]]);
    for (const line of lines.filter(Boolean)) {
        const colon = line.indexOf(':');
        headers.set(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    return headers;
}

export class NatsClient {
    #rest = Buffer.alloc(0);
    #subscriptions = new Map(); // sid -> what takes its messages
    #next = 1;

    static async open(server, { user = USER, password = PASSWORD } = {}) {
        const c = new NatsClient();
        c.socket = net.connect({ host: server.host, port: server.port, noDelay: true });
        c.closed = new Promise((done) => c.socket.on('close', done));
        c.inbox = `_INBOX.${randomUUID()}`;
        const ready = new Promise((done, fail) => {
            c.pong = done;
            c.socket.on('error', fail);
            c.socket.on('close', () => fail(new Error(c.problem ?? 'the server closed the connection')));
        });
        c.socket.on('data', (bytes) => c.#feed(bytes));
        const hello = { verbose: false, headers: true, no_responders: true, protocol: 1, lang: 'js', version: '0', user, pass: password };
        c.socket.write(`CONNECT ${JSON.stringify(hello)}\r\nPING\r\n`);
        await within(5000, 'a connection to NATS', ready);
        return c;
    }

    #feed(bytes) {
        this.#rest = Buffer.concat([this.#rest, bytes]);
        for (;;) {
            const end = this.#rest.indexOf('\r\n');
            if (end < 0) return;
            const [what, ...args] = this.#rest.toString('latin1', 0, end).trim().split(/\s+/);
            const headed = what.toUpperCase() === 'HMSG';
            if (!headed && what.toUpperCase() !== 'MSG') {
                this.#rest = this.#rest.subarray(end + 2);
                this.#told(what.toUpperCase(), args);
                continue;
            }
            const total = Number(args.at(-1));
            if (this.#rest.length < end + 2 + total + 2) return;
            const body = this.#rest.subarray(end + 2, end + 2 + total);
            this.#rest = this.#rest.subarray(end + 2 + total + 2);
            const head = headed ? Number(args.at(-2)) : 0;
            this.#subscriptions.get(args[1])?.({
                subject: args[0],
                reply: args.length === (headed ? 5 : 4) ? args[2] : null,
                headers: headed ? readHeaders(body.toString('utf8', 0, head)) : new Map(),
                data: Buffer.from(body.subarray(head)),
            });
        }
    }

    #told(what, args) {
        if (what === 'PING') this.socket.write('PONG\r\n');
        else if (what === 'PONG') this.pong();
        else if (what === '-ERR') this.problem = args.join(' ');
        else if (what === 'INFO') this.info = JSON.parse(args.join(' '));
    }

    // Calls `take` for each message; returns what ends that.
    subscribe(subject, take) {
        const sid = String(this.#next++);
        this.#subscriptions.set(sid, take);
        this.socket.write(`SUB ${subject} ${sid}\r\n`);
        return () => {
            this.#subscriptions.delete(sid);
            this.socket.write(`UNSUB ${sid}\r\n`);
        };
    }

    publish(subject, data = '', { reply = '', headers = {} } = {}) {
        const body = Buffer.from(data);
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
        const head = lines.length ? Buffer.from(`NATS/1.0\r\n${lines.join('')}\r\n`) : Buffer.alloc(0);
        const sizes = lines.length ? `${head.length} ${head.length + body.length}` : String(body.length);
        this.socket.write(Buffer.concat([
            Buffer.from(`${lines.length ? 'HPUB' : 'PUB'} ${subject} ${reply} ${sizes}\r\n`),
            head,
            body,
            Buffer.from('\r\n'),
        ]));
    }

    async request(subject, data = '', { headers, ms = 5000 } = {}) {
        const reply = `${this.inbox}.${this.#next}`;
        let end;
        const answer = new Promise((done) => (end = this.subscribe(reply, done)));
        this.publish(subject, data, { reply, headers });
        try {
            return await within(ms, `an answer of ${subject}`, answer);
        } finally {
            end();
        }
    }

    // A call of JetStream's API; an error of its own is thrown.
    async api(what, body = {}, ms) {
        const got = await this.request(`$JS.API.${what}`, JSON.stringify(body), { ms });
        assert.notEqual(got.headers.get(''), '503', `nobody answers ${what}`);
        const json = JSON.parse(got.data.toString('utf8'));
        if (json.error) throw new Error(`${what}: ${json.error.err_code} ${json.error.description}`);
        return json;
    }

    async streamState(stream) {
        return (await this.api(`STREAM.INFO.${stream}`)).state;
    }

    // All that a stream holds of a subject, oldest first, from its leader: {seq, subject, headers, data, time}.
    async contents(stream, subject = '>') {
        const found = [];
        for (let seq = 1; ; ) {
            let message;
            try {
                ({ message } = await this.api(`STREAM.MSG.GET.${stream}`, { seq, next_by_subj: subject }));
            } catch (error) {
                if (/ 10037 /.test(error.message)) return found; // no message found
                throw error;
            }
            found.push({
                seq: message.seq,
                subject: message.subject,
                headers: message.hdrs ? readHeaders(Buffer.from(message.hdrs, 'base64').toString('utf8')) : new Map(),
                data: Buffer.from(message.data ?? '', 'base64'),
                time: message.time,
            });
            seq = message.seq + 1;
        }
    }

    // The value of a bucket's key; null: none.
    async value(bucket, key) {
        try {
            const { message } = await this.api(`STREAM.MSG.GET.KV_${bucket}`, { last_by_subj: `$KV.${bucket}.${key}` });
            const headers = message.hdrs ? readHeaders(Buffer.from(message.hdrs, 'base64').toString('utf8')) : new Map();
            return headers.has('KV-Operation') ? null : Buffer.from(message.data ?? '', 'base64').toString('utf8');
        } catch (error) {
            if (/ 10037 /.test(error.message)) return null;
            throw error;
        }
    }

    // All live keys of a bucket with their values.
    async values(bucket) {
        const all = new Map();
        for (const { subject, headers, data } of await this.contents(`KV_${bucket}`)) {
            const key = subject.slice(`$KV.${bucket}.`.length);
            if (headers.has('KV-Operation') || headers.has('Nats-Marker-Reason')) all.delete(key);
            else all.set(key, data.toString('utf8'));
        }
        return all;
    }

    close() {
        this.socket.destroy();
        return this.closed;
    }
}
