// What docs/registries.md and README.md tell a reader to write and to type is done as it stands there: every
// configuration is checked, and every webhook is shown to the registry that the page sets up for it.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { makeCertificate } from './certificates.mjs';
import { fine, regcast } from './cli.mjs';
import { command } from './command.mjs';
import { BROADCASTER, Daemon, GATEWAY, REGCASTD_FAST, REGISTRY, ROOT, defer, tempDir, writeConfig } from './harness.mjs';

const UNDECLARED = 'crtundeclared0000001'; // a registry without `kind`
const limits = { timeout: 60000 };
const page = (name) => readFileSync(join(ROOT, name), 'utf8');

// Blocks of a language: [{where, text}].
function blocks(name, language) {
    const text = page(name);
    return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map((found) => ({
        where: `${name}:${text.slice(0, found.index).split('\n').length}`,
        text: found[1],
    }));
}

// YAML of two levels as [key, text] each; what lies deeper, and comments, are of the key before.
function members(text, indent = '') {
    const parts = text.split(new RegExp(`^(?=${indent}[a-z_]+:)`, 'm'));
    const key = new RegExp(`^${indent}([a-z_]+):`);
    return new Map(parts.filter((part) => key.test(part)).map((part) => [key.exec(part)[1], part]));
}

const BASE = `folder_id: b1gfolder00000000001
cloud_id: b1gcloud000000000001
gateway:
  id: ${GATEWAY}
  listen: ["127.0.0.1:0"]
  paths: ["/"]
webhooks:
  listen: ["127.0.0.1:0"]
management:
  listen: ["127.0.0.1:0"]
registries:
  - { id: ${REGISTRY} }
service_accounts:
  - { id: ${BROADCASTER}, roles: [api-gateway.websocketBroadcaster] }
`;

// A part of a configuration made a whole one: its sections are laid over those of BASE.
function whole(part, dir) {
    const sections = members(BASE);
    for (const [key, text] of members(part)) {
        const inner = new Map([...members(sections.get(key) ?? '', '  '), ...members(text, '  ')]);
        sections.set(key, inner.size === 0 ? text : `${key}:\n${[...inner.values()].join('')}`);
    }
    return `data_dir: ${dir}/data\n${[...sections.values()].join('')}`;
}

// A page's words for what a reader has to put in, and a folder for its files.
let certificate, dir;
function filled(text) {
    for (const [, name] of text.matchAll(/\/etc\/regcast\/([\w.-]+)/g)) {
        const secret = createHash('sha256').update(name); // of its own, as path tokens have to be
        const line = name === 'other.secret' ? `whsec_${secret.digest('base64')}` : secret.digest('hex');
        writeFileSync(join(dir, name), `${line}\n`, { mode: 0o600 });
    }
    return text
        .replaceAll('/etc/regcast', dir)
        .replaceAll('64 hexadecimal digits', 'a1'.repeat(32))
        .replace(/sha256: [0-9a-f]+…/g, `sha256: ${'a1'.repeat(32)}`)
        .replaceAll('certificate_file: ca.pem', `certificate_file: ${certificate.certificate_file}`)
        .replaceAll('private_key_file: key.pem', `private_key_file: ${certificate.private_key_file}`);
}

// A registry's own configuration is YAML, too.
const isOurs = ({ text }) => !members(text).has('notifications');

before(() => {
    certificate = makeCertificate();
    dir = join(tempDir(), 'etc');
    mkdirSync(dir);
});

test('every configuration passes the check', limits, async () => {
    const ours = ['docs/registries.md', 'README.md'].flatMap((name) => blocks(name, 'yaml').filter(isOurs));
    assert.ok(ours.length >= 21, `only ${ours.length} found`);
    await Promise.all(
        ours.map(async ({ where, text }) => {
            const config = writeConfig(whole(filled(text), dir));
            const { code, err } = await command(['--config', config, '--check'], { bin: REGCASTD_FAST });
            assert.equal(code, 0, `${where}: ${err.join('\n')}`);
        }),
    );
});

describe('registries test', () => {
    const ours = blocks('docs/registries.md', 'yaml').filter(isOurs).filter(({ text }) => members(text).has('registries'));

    // All registries of the page in one daemon. Google's keys are not fetched from a test.
    async function start(t) {
        const entries = ours.map(({ text }) => members(text).get('registries').replace(/^registries:\n/, ''));
        const keys = join(dir, 'keys.json');
        const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
        writeFileSync(keys, JSON.stringify({ keys: [{ ...key, kid: 'one', alg: 'RS256', use: 'sig' }] }));
        const text = `registries:\n  - { id: ${UNDECLARED} }\n${entries.join('')}`;
        const config = whole(filled(text), dir).replace('    oidc:\n', `    oidc:\n      jwks_file: ${keys}\n`);
        const daemon = await Daemon.start(config);
        defer(t, () => daemon.stop());
        return daemon.ready.management[0];
    }

    // What a page's shell would get: lines that end in a backslash go on.
    const typed = blocks('docs/registries.md', 'sh')
        .flatMap(({ text }) => text.replace(/\\\n\s*/g, '').split('\n'))
        .map((line) => /^regcast registries test (\S+) (\S+)/.exec(line)?.slice(1))
        .filter((words) => words !== undefined && words[0] !== 'ID');

    // The table of all kinds: kind -> whether it tells digests, and whether it is known without `kind`.
    const rows = [...page('docs/registries.md').matchAll(/^\| `([a-z-]+)` \|(.*)\|$/gm)]
        .map(([, kind, cells]) => [kind, cells.split('|').map((cell) => cell.trim())])
        .filter(([kind, cells]) => kind !== 'kind' && cells.length === 7);
    const glance = new Map(rows.map(([kind, cells]) => [kind, { told: cells[4] === 'told', known: !cells[6].startsWith('never') }]));

    // Bodies that the page shows, or sends, instead of naming a sample.
    function shown(name) {
        const file = join(dir, name);
        const [json] = blocks('docs/registries.md', 'json').filter(({ text }) => text.includes('"changes"'));
        const [, event] = /cloudevents\+json' -d '(.*?)'/s.exec(page('docs/registries.md'));
        const body = { 'body.json': json.text, 'event.json': event }[name];
        assert.ok(body !== undefined, `nothing on the page is ${name}`);
        writeFileSync(file, body);
        return file;
    }

    test('shows what each registry of the page is understood to say', limits, async (t) => {
        const endpoint = await start(t);
        assert.equal(glance.size, 16);
        assert.equal(typed.length, glance.size, 'an example of each kind');
        const seen = await Promise.all(
            typed.map(async ([registry, name]) => {
                const file = name.startsWith('tests/') ? join(ROOT, name) : shown(name);
                const ask = async (whose) => {
                    const ran = await regcast(['registries', 'test', whose, file, '--format', 'json'], { endpoint });
                    fine(ran);
                    return JSON.parse(ran.stdout);
                };
                const got = await ask(registry);
                const { told, known } = glance.get(got.kind);
                assert.equal(got.setAside, 0, name);
                assert.equal(got.entries[0].change, 'push', name);
                const types = got.entries[0].events.map(({ type }) => type);
                assert.deepEqual(types, told ? ['CreateImage', 'CreateImageTag'] : ['CreateImageTag'], name);
                assert.equal(got.entries[0].digest !== undefined, told, name);
                if (known && file.endsWith('.http')) assert.equal((await ask(UNDECLARED)).kind, got.kind, name);
                return got.kind;
            }),
        );
        assert.deepEqual(seen.sort(), [...glance.keys()].sort());
    });
});
