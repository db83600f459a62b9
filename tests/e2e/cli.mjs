// Runs the command line as a user does, with a home of its own and nothing of ours in its environment.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { REGCASTD, tempDir, within } from './harness.mjs';

export const REGCAST = process.env.REGCAST ?? join(dirname(REGCASTD), 'regcast');
const SANITIZERS = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^(ASAN|UBSAN|TSAN)_OPTIONS$/.test(name)),
);

// Runs regcast to its end: {code, stdout, stderr}.
export function regcast(args, { env = {}, input = '', home = tempDir(), endpoint } = {}) {
    const at = endpoint === undefined ? [] : ['--endpoint', endpoint];
    const child = spawn(REGCAST, [...args, ...at], {
        env: { PATH: process.env.PATH, HOME: home, ...SANITIZERS, ...env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const ended = new Promise((done, fail) => {
        child.on('error', fail);
        child.on('close', (code) => done({ code, stdout, stderr }));
    });
    return within(30000, args.join(' '), ended).finally(() => child.kill('SIGKILL'));
}

// It worked, said nothing beside, and printed this.
export function fine(ran, stdout) {
    assert.equal(ran.stderr, '');
    assert.equal(ran.code, 0);
    if (stdout !== undefined) assert.equal(ran.stdout, stdout);
}

// It failed with this code and one line (wrong usage: and a hint).
export function wrong(ran, code, says) {
    assert.equal(ran.code, code, ran.stderr);
    assert.equal(ran.stdout, '');
    assert.match(ran.stderr, says);
    assert.equal(ran.stderr.split('\n').length, code === 1 ? 2 : 3, ran.stderr); // and the hint
}
