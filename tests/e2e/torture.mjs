// Faults inside the running daemon, by preloaded libraries: allocations that fail (tests/torture/alloc.c),
// and calls on sockets that do less than they could, or fail (tests/torture/io.c).
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { REGCASTD, defer, tempDir } from './harness.mjs';

const SIZE = 4096;
const FRAMES = 24; // struct control's

// mbedTLS 3.6 forgets a cipher's context where it has no memory to finish a session's keys.
const NOT_OURS = 'leak:gcm_ctx_alloc\nleak:aes_ctx_alloc\nleak:mbedtls_cipher_setup\n';

// The library `name` of tests/torture, and what a daemon's environment needs for it.
export function preload(name) {
    const library = join(dirname(REGCASTD), 'tests', `libtorture_${name}.so`);
    if (!existsSync(library)) throw new Error(`${library} is not there: build the tests of that preset`);
    const known = join(tempDir(), 'known');
    writeFileSync(known, NOT_OURS);
    return {
        LD_PRELOAD: library,
        LSAN_OPTIONS: `suppressions=${known}:print_suppressions=0`,
        // A sanitizer wants to be first, but beneath the library is where it is needed.
        ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? 'detect_leaks=1'}:verify_asan_link_order=0:quarantine_size_mb=4:thread_local_quarantine_size_kb=64`,
    };
}

// Says which allocation is to fail, and knows which did.
export class Allocations {
    constructor(t) {
        const file = join(tempDir(), 'control');
        writeFileSync(file, Buffer.alloc(SIZE));
        this.fd = openSync(file, 'r+');
        defer(t, () => closeSync(this.fd));
        this.env = { ...preload('alloc'), TORTURE_ALLOC: file };
    }

    #set(wanted) {
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64LE(BigInt(wanted));
        writeSync(this.fd, bytes, 0, 8, 0);
    }

    // From now on the n-th fails; 0 counts only.
    arm(n) {
        this.#set(0);
        writeSync(this.fd, Buffer.alloc((3 + 1 + FRAMES) * 8 - 8), 0, (2 + 1 + FRAMES) * 8, 8);
        this.#set(n === 0 ? Number.MAX_SAFE_INTEGER : n);
    }

    // Nothing fails any more; what has is kept for disarm().
    pause() {
        this.#set(0);
    }

    // {seen, failed, size, frames} since arm(); nothing fails any more.
    disarm() {
        this.#set(0);
        const bytes = Buffer.alloc((4 + FRAMES) * 8);
        readSync(this.fd, bytes, 0, bytes.length, 0);
        const words = Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readBigUInt64LE(i * 8));
        return { seen: Number(words[1]), failed: Number(words[2]), size: Number(words[3]), frames: words.slice(4).filter((a) => a !== 0n) };
    }
}

const IO = ['bytes', 'every', 'error', 'calls', 'cut', 'failed'];

// Says what calls on TCP sockets do, and knows how often they did.
export class Sockets {
    constructor(t) {
        const file = join(tempDir(), 'control');
        writeFileSync(file, Buffer.alloc(SIZE));
        this.fd = openSync(file, 'r+');
        defer(t, () => closeSync(this.fd));
        this.env = { ...preload('io'), TORTURE_IO: file };
    }

    // At most `bytes` a call, and one call in `every` fails with `error`; without any, all is well.
    set({ bytes = 0, every = 0, error = 0 } = {}) {
        const words = Buffer.alloc(IO.length * 8);
        for (const [i, value] of [bytes, every, error].entries()) words.writeBigUInt64LE(BigInt(value), i * 8);
        writeSync(this.fd, words, 0, words.length, 0);
    }

    // {calls, cut, failed} since set().
    counts() {
        const words = Buffer.alloc(IO.length * 8);
        readSync(this.fd, words, 0, words.length, 0);
        return Object.fromEntries(IO.map((name, i) => [name, Number(words.readBigUInt64LE(i * 8))]));
    }
}

// Functions and lines of a failed allocation's callers, as far as they are the program's own.
export function whereFailed({ size, frames }, bin = REGCASTD) {
    const ours = frames.filter((a) => a < 1n << 32n).map((a) => `0x${(a - 1n).toString(16)}`);
    const { stdout } = spawnSync('addr2line', ['-Cfsp', '-e', bin, ...ours], { encoding: 'utf8' });
    return `${size} bytes:\n${(stdout ?? '').trim()}`;
}
