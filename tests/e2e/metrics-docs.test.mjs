// docs/metrics.md and what /metrics really has: the same families, with the same types, labels and words.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import { Client, Daemon, ROOT, Raw, defer, handshake, makeConfig, newImage, tempDir, until } from './harness.mjs';

const page = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');
const documented = new Map(
    [...page.matchAll(/^\| `([a-z_0-9]+)` \| (counter|gauge|histogram) \|.*$/gm)].map(([row, name]) => [name, row]),
);

const UNITS = [
    [/_timestamp_seconds$|^regcast_tls_cert_expiry_seconds$|^process_start_time_seconds$/, 'Unix time'],
    [/_seconds(_total)?$/, 's'],
    [/_milliseconds$/, 'ms'],
    [/_bytes(_total)?$/, 'bytes'],
    [/./, ''],
];

// How the row of a family begins: what is missing in the page can be copied from the failure. Of one without a
// sample yet, which has its labels only then, they are taken from the page.
function rowOf(family) {
    const labels = [...new Set(family.samples.flatMap((s) => Object.keys(s.labels)))].filter((l) => l !== 'le');
    const [, unit] = UNITS.find(([name]) => name.test(family.name));
    const cells = (documented.get(family.name) ?? '').split('|').map((cell) => cell.trim());
    const shown = family.samples.length === 0 && cells.length > 4 ? cells[4] : labels.map((l) => `\`${l}\``).join(', ');
    return `| \`${family.name}\` | ${family.type} | ${unit} | ${shown} | `;
}

// What several nodes have is compared in cluster-api.test.mjs.
const CLUSTER = /\| With `nats`: /;

// What is only there with a setting begins with it.
const CONDITION = /\| With `[a-z_.]+`: /;

// A path of it, which nobody asks for here: its labels are compared in spec-cors.test.mjs.
function specification() {
    const file = join(tempDir(), 'api.json');
    const message = { 'x-yc-apigateway-integration': { type: 'dummy', http_code: 200, content: { '*': '' } } };
    const paths = { '/ws': { 'x-yc-apigateway-websocket-message': message } };
    writeFileSync(file, JSON.stringify({ openapi: '3.0.0', info: { title: 'a path', version: '1' }, paths }));
    return file;
}

async function used(t, over) {
    const daemon = await Daemon.start(makeConfig(over));
    defer(t, () => daemon.stop());
    await daemon.accept([newImage('team/app')]);
    const refused = await Raw.open(daemon.webhookPort);
    await refused.send('GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.equal((await refused.answer()).status, 404);
    refused.destroy();
    return daemon;
}

test('every family is in the page, and the page has no others', { timeout: 60000 }, async (t) => {
    const whole = await used(t, {
        max_memory: '4GiB',
        canary: { interval: '100ms' },
        gateway: { tls: tlsOf(makeCertificate()), spec: specification() },
    });
    const { families } = await until('a round of the canary', async () => {
        const m = await whole.metrics();
        return m.get('regcast_canary_total', { outcome: 'ok' }) > 0 && m;
    });
    const missing = [...families.values()].filter((f) => {
        const row = documented.get(f.name) ?? '';
        const words = row.replace(CONDITION, '| ');
        return !words.startsWith(rowOf(f) + f.help.replaceAll('|', '\\|') + ' |');
    });
    assert.deepEqual(
        missing.map((f) => `${rowOf(f)}${f.help} | |`),
        [],
        'rows that docs/metrics.md should have (the last column is for when to worry)',
    );
    const others = [...documented].filter(([name, row]) => !families.has(name) && !CLUSTER.test(row)).map(([name]) => name);
    assert.deepEqual(others, [], 'rows of what /metrics does not have');
});

test('what is only there with a setting says so', { timeout: 60000 }, async (t) => {
    const plain = await used(t);
    const client = await Client.open(plain.url('/'));
    await client.close();
    const raw = await Raw.open(plain.port);
    await raw.send(handshake('/nowhere'));
    assert.equal((await raw.answer()).status, 404);
    raw.destroy();
    const { families } = await plain.metrics();
    for (const [name, row] of documented)
        assert.equal(families.has(name), !CONDITION.test(row), `${name}: ${row}`);
});

test('each link in the page leads somewhere', () => {
    const slug = (title) => title.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-');
    const anchorsOf = (text) => new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => slug(title)));
    const links = [...page.matchAll(/\]\((?!https:)([^)#]*)(?:#([^)]*))?\)/g)];
    assert.ok(links.length > 10);
    for (const [link, file, anchor] of links) {
        const text = file === '' ? page : readFileSync(join(ROOT, 'docs', file), 'utf8');
        if (anchor !== undefined) assert.ok(anchorsOf(text).has(anchor), link);
    }
});
