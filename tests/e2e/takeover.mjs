// What restarts by takeover are judged by: a registry that posts without pause over one connection,
// subscribers that keep every number they get, and visitors that connect all the time.
import assert from 'node:assert/strict';
import http from 'node:http';
import WebSocket from 'ws';
import { Daemon, ENVELOPE_TYPE, REGISTRY, digestOf, envelope, pause, push, readMessage, until } from './harness.mjs';

export const V1 = 'regcast.v1';

export function takeOver(config, options = {}) {
    return Daemon.start(config, { ...options, args: ['--takeover', ...(options.args ?? [])] });
}

// The number of an event, which is the name of its repository.
const numbersIn = (text) => readMessage(text).map(({ repo }) => Number(repo.slice('n/'.length)));

// Posts event after event, each when the one before was answered; `sent` is how many were taken.
export class Sender {
    sent = 0;
    failures = [];
    #going = true;
    #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

    constructor(port, { every = 0 } = {}) {
        this.port = port;
        this.done = this.#run(every);
    }

    #post(n) {
        const body = envelope([push(`n/${n}`, digestOf(`takeover ${n}`))]);
        const headers = { 'Content-Type': ENVELOPE_TYPE, 'Content-Length': Buffer.byteLength(body) };
        const path = `/registries/${REGISTRY}/events`;
        return new Promise((done) => {
            const req = http.request(
                { method: 'POST', host: '127.0.0.1', port: this.port, path, headers, agent: this.#agent },
                (res) => res.resume().on('end', () => done(res.statusCode)),
            );
            req.on('error', (error) => done(error.code ?? error.message));
            req.end(body);
        });
    }

    async #run(every) {
        while (this.#going) {
            const got = await this.#post(this.sent);
            if (got === 202) this.sent++;
            else this.failures.push(got);
            await (got === 202 ? every && pause(every) : pause(20));
        }
        this.#agent.destroy();
    }

    async stop() {
        this.#going = false;
        await this.done;
    }
}

// Listens, and comes back whenever it is sent away: with `v1` behind the last event it has, else
// where it is then. Every number it gets must follow the one before.
export class Subscriber {
    count = 0; // connections
    problems = [];
    closes = []; // codes
    next = null; // the number that must come
    last = null; // event id
    #going = true;
    #draining = 0;

    static async open(port, { v1 = false } = {}) {
        const s = new Subscriber();
        s.port = port;
        s.v1 = v1;
        s.done = s.#run();
        await until('a subscriber', () => s.isOpen);
        return s;
    }

    #message(text) {
        if (text.startsWith('{"control"')) {
            if (text.includes('"draining"')) this.#draining++;
            return;
        }
        for (const n of numbersIn(text)) {
            if (this.next !== null && n !== this.next) this.problems.push(`expected ${this.next}, got ${n}`);
            this.next = n + 1;
        }
        this.last = readMessage(text).at(-1).id;
    }

    #once() {
        const query = this.v1 && this.last ? `?since=${this.last}` : '';
        return new Promise((done) => {
            const ws = new WebSocket(`ws://127.0.0.1:${this.port}/${query}`, this.v1 ? [V1] : [], { perMessageDeflate: false });
            this.socket = ws;
            ws.on('open', () => {
                this.isOpen = true;
                this.count++;
                if (!this.v1) this.next = null; // who asks for nothing begins with what is new
            });
            ws.on('message', (data) => this.#message(data.toString('utf8')));
            ws.on('error', (error) => this.#going && this.problems.push(error.message));
            ws.on('close', (code) => {
                this.isOpen = false;
                done(code);
            });
        });
    }

    async #run() {
        while (this.#going) {
            const before = this.#draining;
            const code = await this.#once();
            if (!this.#going) break;
            this.closes.push(code);
            if (this.v1 && this.#draining === before) this.problems.push('closed without having been told');
        }
    }

    async stop() {
        this.#going = false;
        this.socket.terminate();
        await this.done;
    }
}

// Opens `rate` connections a second, each closed when it is open. `failures`: what befell the others.
export class Visitors {
    opened = 0;
    failures = [];
    #pending = 0;
    #going = true;

    constructor(port, rate) {
        this.port = port;
        this.done = this.#run(rate);
    }

    #visit() {
        this.#pending++;
        const ws = new WebSocket(`ws://127.0.0.1:${this.port}/`, [], { perMessageDeflate: false });
        let open = false;
        ws.on('open', () => {
            open = true;
            this.opened++;
            ws.close(1000);
        });
        ws.on('error', (error) => this.failures.push(`${open ? 'open' : 'connecting'}: ${error.message}`));
        ws.on('close', (code) => {
            this.#pending--;
            // 1012: it was told to go before it could say so itself
            if (open && code !== 1000 && code !== 1012) this.failures.push(`closed ${code}`);
        });
    }

    async #run(rate) {
        const start = performance.now();
        for (let n = 0; this.#going; ) {
            const due = ((performance.now() - start) / 1000) * rate;
            for (; n < due; n++) this.#visit();
            await pause(5);
        }
        await until('visitors end', () => this.#pending === 0, 15000);
    }

    async stop() {
        this.#going = false;
        await this.done;
    }
}

// Every subscriber has everything: the last number sent is the last it has.
export async function assertWhole(sender, subscribers) {
    for (const s of subscribers)
        await until(
            () => `all of ${sender.sent} events (${s.next}; ${s.problems})`,
            () => s.next === sender.sent || s.problems.length > 0,
        );
    for (const s of subscribers) assert.deepEqual(s.problems, []);
}
