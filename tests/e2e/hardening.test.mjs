// What the release build and the unit have against those who found a mistake in regcastd.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { REGCASTD_FAST, ROOT } from './harness.mjs';

const limits = { timeout: 60000 };
const UNIT = join(ROOT, 'conf/regcastd.service');

function output(program, ...args) {
    const ran = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C' } });
    if (ran.error) throw ran.error;
    assert.equal(ran.status, 0, ran.stderr);
    return ran.stdout;
}

describe('the release build', limits, () => {
    const readelf = (...args) => output('readelf', '-W', ...args, REGCASTD_FAST);

    test('is at any address, with its tables read-only', () => {
        assert.match(readelf('-h'), /^\s*Type:\s+DYN/m);
        const dynamic = readelf('-d');
        assert.match(dynamic, /FLAGS_1\).*\bPIE\b/);
        assert.match(dynamic, /FLAGS\).*\bBIND_NOW\b/);
        assert.match(readelf('-l'), /GNU_RELRO/);
        assert.doesNotMatch(dynamic, /RPATH|RUNPATH|TEXTREL/);
    });

    test('has no executable stack', () => {
        const [, flags] = /GNU_STACK(?:\s+0x[0-9a-f]+){5}\s+([RWE ]+?)\s+0x/.exec(readelf('-l'));
        assert.equal(flags, 'RW');
        assert.doesNotMatch(readelf('-l'), /LOAD.*RWE/);
    });

    test('checks its stack and the bounds of copies', () => {
        const symbols = readelf('--dyn-syms');
        assert.match(symbols, /__stack_chk_fail/);
        assert.ok(symbols.match(/__\w+_chk@/g).length >= 5, 'fortified functions');
    });

    test('marks where calls may land', { skip: process.arch !== 'x64' && 'x86 only' }, () => {
        const code = output('objdump', '-d', '--no-show-raw-insn', REGCASTD_FAST);
        assert.match(code, /<main>:\n[^\n]*endbr64/);
        assert.ok(code.match(/endbr64/g).length > 100);
        // The libraries that scripts/setup has built are made as we are.
        for (const [library, entry] of [['mbedtls', 'mbedtls_ssl_read'], ['llhttp', 'llhttp_execute']]) {
            if (existsSync(join(ROOT, '.deps', library)))
                assert.match(code, new RegExp(`<${entry}>:\\n[^\\n]*endbr64`));
        }
    });
});

describe('the unit', limits, () => {
    test('is exposed to 1.5 at most', () => {
        const ran = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=15', UNIT], { encoding: 'utf8' });
        if (ran.error) throw ran.error;
        assert.equal(ran.status, 0, ran.stdout + ran.stderr);
        assert.match(ran.stdout, /Overall exposure level for regcastd.service: [01]\.\d/);
    });

    test('starts again what a start may help, and not for ever', () => {
        const settings = Object.fromEntries(
            [...readFileSync(UNIT, 'utf8').matchAll(/^(\w+)=(.*)$/gm)].map(([, key, value]) => [key, value]),
        );
        const codes = Object.fromEntries(
            [...readFileSync(join(ROOT, 'gateway/main.c'), 'utf8').matchAll(/^#define (EXIT_\w+)\s+(\d+)/gm)].map(
                ([, name, code]) => [name, code],
            ),
        );
        assert.equal(settings.Restart, 'on-failure');
        assert.equal(settings.RestartPreventExitStatus, `${codes.EXIT_NEWER} ${codes.EXIT_CONFIG}`);
        const fastest = Number(settings.StartLimitBurst) * Number(settings.RestartSec);
        assert.ok(fastest < Number(settings.StartLimitIntervalSec), 'the limit is met');
    });
});
