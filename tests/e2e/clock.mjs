// A wall clock that a test sets, for a daemon without sanitizers; the monotonic ones stay as they are.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from './harness.mjs';

const FAKETIME = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib']
    .map((dir) => join(dir, 'faketime/libfaketimeMT.so.1'))
    .find(existsSync);

export class WallClock {
    #file = join(tempDir(), 'clock');

    constructor() {
        assert.ok(FAKETIME, 'this test needs the package faketime');
        this.set('+0');
    }

    set(when) {
        writeFileSync(this.#file, `${when}\n`);
    }

    get env() {
        return {
            LD_PRELOAD: FAKETIME,
            FAKETIME_TIMESTAMP_FILE: this.#file,
            FAKETIME_NO_CACHE: '1',
            FAKETIME_DONT_FAKE_MONOTONIC: '1',
            NO_FAKE_STAT: '1',
        };
    }
}
