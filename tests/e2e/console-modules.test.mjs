// The console's parts that need no page: texts in both languages, numbers and times, command lines and what a form
// becomes, and that nothing on the page is ever read as HTML.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { hostile } from './browser.mjs';
import { ROOT } from './harness.mjs';

const CONSOLE = join(ROOT, 'gateway/console');
const load = (name) => import(join(CONSOLE, name));
const files = readdirSync(CONSOLE, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath ?? one.path, one.name));
const scripts = files.filter((name) => name.endsWith('.js'));

describe('the files', () => {
    test('put no text where it would be read as HTML or as a program', () => {
        for (const name of scripts)
            assert.doesNotMatch(
                readFileSync(name, 'utf8'),
                /innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|DOMParser|createContextualFragment|srcdoc|\beval\b|new Function|javascript:/,
                name,
            );
    });

    test('name no other host', () => {
        for (const name of files) {
            const text = readFileSync(name, 'utf8').replaceAll('http://www.w3.org/2000/svg', '');
            assert.doesNotMatch(text, /(https?:)?\/\/[a-z0-9-]+\.[a-z]/i, name);
        }
    });

    test('are light', () => {
        const size = files.reduce((sum, name) => sum + gzipSync(readFileSync(name), { level: 9 }).length, 0);
        assert.ok(size <= 150 * 1024, `${size} bytes compressed`);
    });

    test('have no inline script, style or handler', () => {
        const page = readFileSync(join(CONSOLE, 'index.html'), 'utf8');
        assert.doesNotMatch(page, /<style|style=|\son[a-z]+=|<script(?![^>]*\ssrc=)/i);
    });
});

describe('texts', async () => {
    const { default: en } = await load('i18n/en.js');
    const { default: ru } = await load('i18n/ru.js');
    const { translator, pick, interpolate } = await load('i18n.js');
    const names = (text) => [...new Set([...String(text).matchAll(/\{(\w+)\}/g)].map((m) => m[1]))].sort();

    test('are there in both languages, with the same names in them', () => {
        assert.deepEqual(Object.keys(ru).sort(), Object.keys(en).sort());
        for (const [key, text] of Object.entries(en)) {
            const other = ru[key];
            assert.equal(typeof other, typeof text, key);
            if (typeof text === 'string') {
                assert.deepEqual(names(other), names(text), key);
                continue;
            }
            assert.deepEqual(Object.keys(text).sort(), ['one', 'other'], key);
            assert.deepEqual(Object.keys(other).sort(), ['few', 'many', 'one', 'other'], key);
            for (const form of Object.values(other)) assert.deepEqual(names(form), names(text.other), key);
        }
    });

    test('are all used, and all that is used is there', () => {
        const code = scripts
            .filter((name) => !name.includes('/i18n/'))
            .map((name) => readFileSync(name, 'utf8'))
            .join('\n');
        const quoted = new Set([...code.matchAll(/'([\w.]+)'/g)].map((m) => m[1]));
        const built = [...code.matchAll(/`([\w.]+)\$\{/g)].map((m) => m[1]).filter((one) => one.includes('.'));
        for (const key of Object.keys(en))
            assert.ok(quoted.has(key) || built.some((one) => key.startsWith(one)), `${key} is not used`);
        for (const [, key] of code.matchAll(/\btx?\(\s*'([\w.]+)'/g)) assert.ok(key in en, `${key} is missing`);
    });

    test('choose plural forms and languages', () => {
        const { t } = translator('ru', ru);
        const shown = [1, 2, 5, 11, 21, 22].map((n) => t('triggers.shown', { n, all: '30' }).split(' ')[1]);
        assert.deepEqual(shown, ['триггер', 'триггера', 'триггеров', 'триггеров', 'триггер', 'триггера']);
        assert.equal(translator('en', en).t('triggers.shown', { n: 1, all: '2' }), '1 trigger of 2');
        assert.equal(pick(['de', 'ru-RU', 'en'], null), 'ru');
        assert.equal(pick(['de'], 'toString'), 'en');
        assert.equal(pick(undefined, 'ru'), 'ru');
        assert.deepEqual(interpolate('a {b} c {d}', { b: 1 }), ['a ', 1, ' c ', '{d}']);
    });
});

describe('numbers and times', async () => {
    const { formats, int, durationMs } = await load('format.js');
    const en = formats('en');
    const ru = formats('ru');
    const plain = (text) => text.replaceAll(/[\u00a0\u202f]/g, ' ');

    test('are written as people read them', () => {
        const now = Date.parse('2026-11-23T12:00:00Z');
        for (const [got, expected] of [
            [en.count('1234567'), '1,234,567'],
            [plain(ru.count('1234567')), '1 234 567'],
            [en.compact(1234567), '1.2M'],
            [en.compact(7.126), '7.13'],
            [plain(en.bytes(0)), '0 B'],
            [plain(en.bytes('1536')), '1.5 KiB'],
            [plain(en.bytes(1024 ** 3 * 250)), '250 GiB'],
            [plain(ru.bytes(1536)), '1,5 КиБ'],
            [en.percent(0.1234), '12.3%'],
            [plain(en.duration(0.34)), '0.34 ms'],
            [plain(en.duration(0.04)), '0.04 ms'],
            [plain(en.duration(41)), '41 ms'],
            [plain(en.duration(1500)), '1.5 sec'],
            [plain(en.duration(200000)), '3 min 20 sec'],
            [plain(en.duration(7200000)), '2 hr'],
            [plain(ru.duration(90000000)), '1 дн. 1 ч'],
            [en.duration(NaN), '–'],
            [plain(en.relative('2026-11-23T11:59:55Z', now)), '5 sec. ago'],
            [plain(en.relative('2026-11-22T11:00:00Z', now)), 'yesterday'],
            [plain(ru.relative('2026-11-23T11:00:00Z', now)), '1 ч назад'],
            [en.relative('', now), '–'],
            [en.dateTime('nonsense'), '–'],
        ])
            assert.equal(got, expected);
        assert.deepEqual([int('12'), int(undefined), int('x'), int(Infinity)], [12, 0, 0, 0]);
        assert.deepEqual([durationMs('20s'), durationMs('1.500s'), durationMs('20'), durationMs()], [20000, 1500, NaN, NaN]);
    });
});

describe('command lines', async () => {
    const { quote, curl } = await load('shell.js');
    const model = await load('trigger_model.js');

    // What a shell makes of words.
    function words(shell, line) {
        const ran = spawnSync(shell, ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
        assert.equal(ran.status, 0, ran.stderr);
        return ran.stdout.split('\0').slice(0, -1);
    }
    // The arguments of a command that is not run.
    const args = (line) => words('bash', line.replace(/^(regcast|curl)/, "'$1'"));

    test('are read by a shell as they were meant', () => {
        const all = [...hostile, ...Array.from({ length: 126 }, (_, i) => `x${String.fromCharCode(i + 1)}y`), "a'b\nc", '$(id)', '!x\x1b!!'].filter(
            (text) => text.isWellFormed?.() ?? true,
        );
        assert.deepEqual(words('bash', all.map(quote).join(' ')), all);
        const shown = all.map(quote).join(' ');
        assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, 'nothing hidden goes to a terminal');
        const simple = all.filter((text) => !quote(text).startsWith('$'));
        assert.ok(simple.length > 60);
        assert.deepEqual(words('sh', simple.map(quote).join(' ')), simple);
    });

    const form = (over = {}) => ({
        ...model.emptyForm({ gatewayId: 'd5dgateway', serviceAccounts: ['aje1'] }),
        name: 'app-tags',
        registryId: 'crt1',
        eventTypes: ['DELETE_IMAGE_TAG', 'CREATE_IMAGE'],
        path: '/builds',
        ...over,
    });
    const filter = (over) => ({ imageNames: '', tags: '', digests: '', actors: '', ...over });

    test('make a trigger', () => {
        const one = form({
            description: "it's $HOME",
            labels: [{ key: 'team', value: 'a' }, { key: '', value: '' }, { key: '__proto__', value: 'b' }],
            filter: filter({ tags: ' semver:>=1.2 <2 \n\nlatest' }),
            cutoff: '1,5',
        });
        assert.deepEqual(args(model.createCommand(one, 'http://127.0.0.1:1')), [
            'regcast', 'serverless', 'trigger', 'create', 'container-registry',
            '--endpoint', 'http://127.0.0.1:1',
            '--name', 'app-tags',
            '--description', "it's $HOME",
            '--labels', 'team=a,__proto__=b',
            '--registry-id', 'crt1',
            '--events', 'create-image,delete-image-tag',
            '--filter-tag', 'semver:>=1.2 <2,latest',
            '--batch-size', '1', '--batch-cutoff', '1.5s',
            '--gateway-id', 'd5dgateway',
            '--gateway-websocket-broadcast-path', '/builds',
            '--gateway-websocket-broadcast-service-account-id', 'aje1',
        ]);
        const body = model.createBody(one, 'b1g');
        assert.deepEqual(Object.keys(body.labels), ['team', '__proto__']);
        assert.deepEqual(body.rule.containerRegistry, {
            eventType: ['CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE', 'CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE_TAG'],
            registryId: 'crt1',
            filter: { tags: ['semver:>=1.2 <2', 'latest'] },
            batchSettings: { size: '1', cutoff: '1.5s' },
            gatewayWebsocketBroadcast: { gatewayId: 'd5dgateway', path: '/builds', serviceAccountId: 'aje1' },
        });
        const call = args(model.createCall(one, 'b1g', 'http://h', false));
        assert.deepEqual(call.slice(0, -1), ['curl', '-sS', '-X', 'POST', 'http://h/triggers/v1/triggers', '-H', 'content-type: application/json', '--data-raw']);
        assert.equal(call.at(-1), JSON.stringify(body));
        assert.match(curl('GET', 'http://h/', undefined, { token: true }), /-H "authorization: Bearer \$REGCAST_TOKEN"$/);
    });

    test('change only what differs', () => {
        const old = form({ tag: 'v1', labels: [{ key: 'a', value: 'b' }], filter: filter({ actors: 'ci-*' }) });
        assert.equal(model.updateCommand('a1s', old, structuredClone(old), 'http://h'), '');
        assert.equal(model.updateBody(old, structuredClone(old)), null);
        const now = { ...structuredClone(old), tag: '', labels: [], filter: filter({}), name: 'new-name' };
        assert.deepEqual(args(model.updateCommand('a1s', old, now, 'http://h')), [
            'regcast', 'serverless', 'trigger', 'update', 'container-registry', 'a1s', '--endpoint', 'http://h',
            '--new-name', 'new-name', '--labels', '', '--new-tag', '', '--new-filter-actor', '',
        ]);
        const body = model.updateBody(old, now);
        assert.equal(body.updateMask, 'name,labels,rule');
        assert.deepEqual(body.rule.containerRegistry.filter, {}, 'a filter goes only when it is said');
        assert.deepEqual(args(model.updateCommand('a1s', old, { ...old, description: 'x' }, 'http://h')).slice(0, 5), [
            'regcast', 'serverless', 'trigger', 'update', 'a1s',
        ]);
        assert.equal(model.updateCall('a1s', old, old, 'http://h'), '');
    });

    test('say when they cannot', () => {
        assert.equal(model.beyondCommand(form()), false);
        assert.equal(model.beyondCommand(form({ filter: filter({ tags: 'a,b' }) })), true);
        assert.equal(model.beyondCommand(form({ labels: [{ key: 'a', value: 'b,c' }] })), true);
    });

    test('a trigger is the same after the form', () => {
        const one = form({ tag: 'v1', filter: filter({ imageNames: 'a\nb' }), labels: [{ key: 'x', value: '' }] });
        const trigger = { id: 'a1s', ...model.createBody(one, 'b1g') };
        assert.deepEqual(model.ruleOf(model.formOf(trigger)), trigger.rule);
        assert.deepEqual(model.formOf({ rule: {} }).eventTypes, []);
        assert.equal(
            model.yaml({ name: 'x', labels: { someKey: 'true', b: 'a: b' }, rule: { eventType: ['A'], cutoff: '1.500s' }, n: '3', h: '\u202e' }),
            'name: x\nlabels:\n  someKey: "true"\n  b: "a: b"\nrule:\n  event_type:\n  - A\n  cutoff: 1.500s\nn: "3"\nh: "\\U0000202e"',
        );
    });

    test('violations find their field', () => {
        for (const [path, expected] of [
            ['name', 'name'],
            ['rule.container_registry.batch_settings.cutoff', 'cutoff'],
            ['rule.containerRegistry.batchSettings.size', 'size'],
            ['rule.container_registry.filter.image_names[3]', 'imageNames'],
            ['labels.x.y', 'labels'],
            ['rule', null],
            ['update_mask', null],
            ['constructor', null],
        ])
            assert.equal(model.fieldOf(path), expected, path);
    });
});
