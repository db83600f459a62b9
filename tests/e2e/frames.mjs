// WebSocket frames as raw bytes: what a correct client never sends, and what a server really sent.
import { randomBytes } from 'node:crypto';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

// One client frame. `form` forces how the length is written (7, 16 or 64 bits), `declared` lies
// about it, `mask: false` leaves the mask out, `headerOnly` sends no payload.
export function frame(opcode, payload = '', options = {}) {
    const { fin = true, mask = true, rsv = 0, form, declared, headerOnly = false } = options;
    const body = Buffer.from(payload);
    const length = BigInt(declared ?? body.length);
    const bits = form ?? (length < 126n ? 7 : length < 65536n ? 16 : 64);
    const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
    const masked = mask ? 0x80 : 0;
    if (bits === 7) head.push(masked | Number(length));
    else if (bits === 16) head.push(masked | 126, Number(length >> 8n), Number(length & 255n));
    else {
        head.push(masked | 127);
        for (let shift = 56n; shift >= 0n; shift -= 8n) head.push(Number((length >> shift) & 255n));
    }
    const parts = [Buffer.from(head)];
    const key = randomBytes(4);
    if (mask) parts.push(key);
    if (!headerOnly) {
        const sent = Buffer.from(body);
        if (mask) for (let i = 0; i < sent.length; i++) sent[i] ^= key[i & 3];
        parts.push(sent);
    }
    return Buffer.concat(parts);
}

export const RSV1 = 4; // for `rsv`

const FLUSH_END = Buffer.from([0, 0, 255, 255]);

// The payload of a deflated message (RFC 7692 section 7.2.1), each by itself.
export function deflate(data, { windowBits = 12, level = 6 } = {}) {
    const flushed = deflateRawSync(data, { windowBits, level, finishFlush: constants.Z_SYNC_FLUSH });
    return flushed.subarray(0, -FLUSH_END.length);
}

export const inflate = (payload) =>
    inflateRawSync(Buffer.concat([payload, FLUSH_END]), { finishFlush: constants.Z_SYNC_FLUSH });

export function closeBody(code, reason = '') {
    const body = Buffer.alloc(2 + Buffer.byteLength(reason));
    body.writeUInt16BE(code);
    body.write(reason, 2);
    return body;
}

// Cuts server bytes into frames; throws at whatever a server must not send.
export class FrameReader {
    #rest = Buffer.alloc(0);
    frames = [];
    messages = []; // {opcode, payload, frames, deflated}
    #partial = null;
    #extension;

    constructor({ deflate: extension = false } = {}) {
        this.#extension = extension; // RSV1 may begin a message, which is inflated
    }

    get pending() {
        return this.#rest.length;
    }

    feed(bytes) {
        this.#rest = this.#rest.length ? Buffer.concat([this.#rest, bytes]) : bytes;
        let at = 0;
        for (;;) {
            const b = this.#rest.subarray(at);
            if (b.length < 2) break;
            const rsv1 = this.#extension && [TEXT, BINARY].includes(b[0] & 15) ? 0x40 : 0;
            if (b[0] & 0x70 & ~rsv1) throw new Error(`reserved bits set: ${b[0].toString(16)}`);
            if (b[1] & 0x80) throw new Error('masked frame from the server');
            let length = b[1] & 0x7f;
            let head = 2;
            if (length === 126) {
                if (b.length < 4) break;
                length = b.readUInt16BE(2);
                if (length < 126) throw new Error('length not minimal');
                head = 4;
            } else if (length === 127) {
                if (b.length < 10) break;
                const long = b.readBigUInt64BE(2);
                if (long < 65536n || long > 1n << 40n) throw new Error(`length ${long}`);
                length = Number(long);
                head = 10;
            }
            if (b.length < head + length) break;
            this.#take({
                fin: (b[0] & 0x80) !== 0,
                opcode: b[0] & 15,
                deflated: (b[0] & 0x40) !== 0,
                payload: Buffer.from(b.subarray(head, head + length)),
            });
            at += head + length;
        }
        this.#rest = this.#rest.subarray(at);
    }

    #take(f) {
        this.frames.push(f);
        if (f.opcode >= 8) {
            if (![CLOSE, PING, PONG].includes(f.opcode)) throw new Error(`opcode ${f.opcode}`);
            if (!f.fin || f.payload.length > 125) throw new Error('bad control frame');
            return;
        }
        if (f.opcode === CONTINUATION) {
            if (!this.#partial) throw new Error('continuation without a start');
        } else if (f.opcode === TEXT || f.opcode === BINARY) {
            if (this.#partial) throw new Error('new message inside a fragmented one');
            this.#partial = { opcode: f.opcode, deflated: f.deflated, parts: [] };
        } else throw new Error(`opcode ${f.opcode}`);
        this.#partial.parts.push(f.payload);
        if (f.fin) {
            const { opcode, deflated, parts } = this.#partial;
            const payload = Buffer.concat(parts);
            this.messages.push({
                opcode,
                payload: deflated ? inflate(payload) : payload,
                frames: parts.length,
                deflated,
            });
            this.#partial = null;
        }
    }

    get midmessage() {
        return this.#partial !== null;
    }

    // {code, reason} of the first close frame; code 1005 when it has no body.
    get close() {
        const f = this.frames.find((one) => one.opcode === CLOSE);
        if (!f) return null;
        if (f.payload.length === 0) return { code: 1005, reason: '' };
        return { code: f.payload.readUInt16BE(), reason: f.payload.toString('utf8', 2) };
    }
}
