// HTTP/2 frames by hand over a socket, to say what no library would. Fields are HPACK literals; answers
// are looked at as frames, their fields stay packed.
import net from 'node:net';
import { until } from './harness.mjs';

export const DATA = 0, HEADERS = 1, PRIORITY = 2, RST = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW = 8, CONTINUATION = 9;
export const ACK = 1, END_STREAM = 1, END_HEADERS = 4, PADDED = 8;
export const NO_ERROR = 0, CANCEL = 8, ENHANCE_YOUR_CALM = 11;
export const MAX_FRAME = 16384;

export const u32 = (n) => {
    const b = Buffer.alloc(4);
    b.writeUInt32BE(n);
    return b;
};

export function frame(type, flags, id, payload = Buffer.alloc(0)) {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(id, 5);
    return Buffer.concat([head, payload]);
}

export const setting = (key, value) => frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, key]), u32(value)]));
export const rst = (id, code = CANCEL) => frame(RST, 0, id, u32(code));
export const openWindow = (id, by) => frame(WINDOW, 0, id, u32(by));
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const GREETING = Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]);

function text(s) {
    const bytes = Buffer.from(s);
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    const length = [127];
    let left = bytes.length - 127;
    for (; left >= 128; left >>= 7) length.push((left & 127) | 128);
    return Buffer.concat([Buffer.from([...length, left]), bytes]);
}

// A literal field; `kept` puts it into the table.
export const field = (name, value, kept = false) =>
    Buffer.concat([Buffer.from([kept ? 0x40 : 0]), text(name), text(value)]);

export const callFields = (path) =>
    Buffer.concat([
        field(':method', 'POST'),
        field(':scheme', 'http'),
        field(':path', path),
        field(':authority', 'localhost'),
        field('te', 'trailers'),
        field('content-type', 'application/grpc'),
    ]);

// A header block as one HEADERS and as many CONTINUATION frames as it takes.
export function blockFrames(id, block, { end = false, size = MAX_FRAME } = {}) {
    const out = [];
    for (let at = 0; at === 0 || at < block.length; at += size) {
        const last = at + size >= block.length;
        const flags = (at === 0 && end ? END_STREAM : 0) | (last ? END_HEADERS : 0);
        out.push(frame(at === 0 ? HEADERS : CONTINUATION, flags, id, block.subarray(at, at + size)));
    }
    return Buffer.concat(out);
}

export const openCall = (id, path) => blockFrames(id, callFields(path));
export const EMPTY_MESSAGE = Buffer.alloc(5);
export const CHECK = '/grpc.health.v1.Health/Check';
export const LIST = '/grpc.health.v1.Health/List';
export const WATCH = '/grpc.health.v1.Health/Watch';

// A whole call with an empty message.
export const wholeCall = (id, path) =>
    Buffer.concat([openCall(id, path), frame(DATA, END_STREAM, id, EMPTY_MESSAGE)]);

export class H2 {
    frames = []; // {type, flags, id, payload}
    closed = false;
    #rest = Buffer.alloc(0);
    #nextId = 1;

    // `greeting`: what is sent first.
    static async open(port, greeting = GREETING) {
        const h = new H2();
        h.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
        h.socket.on('error', () => {}); // 'close' follows
        h.socket.on('close', () => (h.closed = true));
        h.socket.on('data', (bytes) => h.#read(bytes));
        await new Promise((done, fail) => h.socket.once('connect', done).once('error', fail));
        h.send(greeting);
        return h;
    }

    #read(bytes) {
        this.#rest = Buffer.concat([this.#rest, bytes]);
        for (;;) {
            const rest = this.#rest;
            if (rest.length < 9) return;
            const end = 9 + rest.readUIntBE(0, 3);
            if (rest.length < end) return;
            const payload = Buffer.from(rest.subarray(9, end));
            this.frames.push({ type: rest[3], flags: rest[4], id: rest.readUInt32BE(5), payload });
            if (rest[3] === PING && !(rest[4] & ACK)) this.send(frame(PING, ACK, 0, payload)); // we are there
            this.#rest = rest.subarray(end);
        }
    }

    send(...parts) {
        if (!this.closed) this.socket.write(Buffer.concat(parts));
    }

    // Settles when the kernel has taken it, or the connection is gone.
    sent(...parts) {
        return new Promise((done) => {
            if (this.closed || this.socket.destroyed) return done();
            this.socket.once('close', done);
            this.socket.write(Buffer.concat(parts), () => {
                this.socket.off('close', done);
                done();
            });
        });
    }

    nextId() {
        this.#nextId += 2;
        return this.#nextId - 2;
    }

    of(type, id) {
        return this.frames.filter((f) => f.type === type && (id === undefined || f.id === id));
    }

    goaway() {
        const f = this.of(GOAWAY).at(-1);
        return f && { last: f.payload.readUInt32BE(0), code: f.payload.readUInt32BE(4) };
    }

    async ended(deadlineMs = 10000) {
        await until('the connection to be closed', () => this.closed, deadlineMs);
    }

    // One call of Health/Check, as every client does it; true when the answer is SERVING.
    async check() {
        const id = this.nextId();
        this.send(wholeCall(id, CHECK));
        await until(
            () => `an answer on stream ${id}`,
            () => this.closed || this.frames.some((f) => f.id === id && f.type === HEADERS && f.flags & END_STREAM),
            5000,
        );
        const body = Buffer.concat(this.of(DATA, id).map((f) => f.payload));
        this.frames = this.frames.filter((f) => f.id !== id);
        return body.equals(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
    }

    destroy() {
        this.socket.destroy();
    }
}
