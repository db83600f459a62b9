// A real registry whose notifications fail, come late, are answered into the void, or find regcast
// restarted: every flow, twice, and then 200 pushes in a row. What clients get in the end is what
// they would have got without any of it, once, in order.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { REGCASTD_FAST, REGISTRY, defer, freePort, pause, readMessage, until } from './harness.mjs';
import { makeArtifact, makeImage, makeIndex, sha256 } from './images.mjs';
import { Service, config, resume } from './journal.mjs';
import { SWEEP } from './ledger.mjs';
import { Registry } from './registry.mjs';

const LATE_MS = 1300; // more than the registry's timeout

// Stands between the registry and regcast and does to the next request that tells of a manifest or of
// a delete what `next` says:
//   pass   nothing
//   fail   answers 500, regcast never sees it
//   cut    closes the connection without an answer, regcast never sees it
//   lost   regcast takes it, the answer gets lost
//   late   regcast gets it when the registry has given up waiting and sends it again
class Trouble {
    done = { pass: 0, fail: 0, cut: 0, lost: 0, late: 0 };
    next = 'pass';
    #late = new Set();

    static async start(port) {
        const t = new Trouble();
        t.server = http.createServer((req, res) => {
            const parts = [];
            req.on('data', (part) => parts.push(part));
            req.on('end', () => t.#take(req, Buffer.concat(parts), res).catch(() => res.destroy()));
            req.on('error', () => {});
        });
        t.port = port;
        await new Promise((ready) => t.server.listen(0, '127.0.0.1', ready));
        t.url = `http://127.0.0.1:${t.server.address().port}/registries/${REGISTRY}/events`;
        return t;
    }

    #forward(req, body) {
        return new Promise((done, failed) => {
            const { method, url: path, headers } = req;
            const to = http.request({ host: '127.0.0.1', port: this.port, method, path, headers, agent: false });
            to.on('response', (from) => {
                const parts = [];
                from.on('data', (part) => parts.push(part));
                from.on('end', () => done({ status: from.statusCode, body: Buffer.concat(parts) }));
                from.on('error', failed);
            });
            to.on('error', failed);
            to.end(body);
        });
    }

    async #take(req, body, res) {
        const matters = /image\.(manifest|index)|"action": "delete"/.test(body);
        const what = matters ? this.next : 'pass';
        if (matters) this.next = 'pass';
        this.done[what]++;
        if (what === 'fail') {
            res.writeHead(500).end();
            return;
        }
        if (what === 'cut') {
            res.destroy();
            return;
        }
        if (what === 'late') {
            const late = pause(LATE_MS).then(() => this.#forward(req, body).catch(() => {}));
            this.#late.add(late);
            await late;
            this.#late.delete(late);
            return;
        }
        const got = await this.#forward(req, body);
        if (what === 'lost') res.destroy();
        else res.writeHead(got.status, { 'Content-Type': 'application/json' }).end(got.body);
    }

    async stop() {
        await Promise.all(this.#late);
        this.server.closeAllConnections();
        await new Promise((done) => this.server.close(done));
    }
}

const MODES = ['fail', 'cut', 'lost', 'late', 'restart'];

const kept = (port) =>
    config({ path: { history_count: 100000 }, webhooks: { listen: [`127.0.0.1:${port}`] } });

async function stage() {
    const undo = [];
    const t = { after: (fn) => undo.push(fn) };
    const port = await freePort();
    const service = await Service.start(t, kept(port), { bin: REGCASTD_FAST });
    const trouble = await Trouble.start(port);
    defer(t, () => trouble.stop());
    const registry = await Registry.start({ url: trouble.url });
    defer(t, () => registry.stop());
    return {
        t,
        service,
        trouble,
        registry,
        async stop() {
            for (const fn of undo) await fn();
        },
    };
}

// Everything that regcast has ever sent on the path, when the last of `expected` has come.
async function assertStory({ t, service }, expected) {
    const client = await resume(service.daemon, { since: 'earliest' });
    defer(t, () => client.terminate());
    const texts = await client.first(expected.length, 60000);
    const events = texts.map((text) => readMessage(text)[0]);
    assert.deepEqual(
        events.map(({ type, repo, digest, tag }) => [type, repo, digest, tag]),
        expected,
    );
    const ids = events.map((e) => e.id);
    assert.deepEqual(ids, [...new Set(ids)].sort(), 'ids go up');
    assert.equal(client.messages.length, expected.length, 'nothing comes behind the marker');
}

// What users do with a registry in `repo`, and what has to be told of it.
function flowsOf(registry, repo) {
    const [one, two] = [makeImage(`${repo} one`), makeImage(`${repo} two`)];
    const [amd, arm] = [makeImage(`${repo} amd64`), makeImage(`${repo} arm64`, 'arm64')];
    const index = makeIndex([amd, arm]);
    const sbom = makeArtifact(`{"packages":["${repo}"]}`, two);
    const image = (digest, tag = '') => ['CreateImage', repo, digest, tag];
    const tagged = (digest, tag) => ['CreateImageTag', repo, digest, tag];
    const untagged = (digest, tag) => ['DeleteImageTag', repo, digest, tag];
    const gone = (digest) => ['DeleteImage', repo, digest, ''];
    return [
        ['a new image', () => registry.push(one, repo, 'v1'), [image(one.digest, 'v1'), tagged(one.digest, 'v1')]],
        ['a second tag', () => registry.push(one, repo, 'stable'), [tagged(one.digest, 'stable')]],
        ['the same again', () => registry.push(one, repo, 'stable'), []],
        [
            'a tag moves to a new image',
            () => registry.push(two, repo, 'v1'),
            [image(two.digest, 'v1'), untagged(one.digest, 'v1'), tagged(two.digest, 'v1')],
        ],
        [
            'and back',
            () => registry.push(one, repo, 'v1'),
            [untagged(two.digest, 'v1'), tagged(one.digest, 'v1')],
        ],
        [
            'an image is deleted',
            () => registry.deleteManifest(repo, one.digest),
            [gone(one.digest), untagged(one.digest, 'stable'), untagged(one.digest, 'v1')],
        ],
        [
            'and comes again',
            () => registry.push(one, repo, 'v1'),
            [image(one.digest, 'v1'), tagged(one.digest, 'v1')],
        ],
        [
            'skopeo deletes a tag',
            () => registry.skopeoDelete(repo, 'v1'),
            [gone(one.digest), untagged(one.digest, 'v1')],
        ],
        [
            'several architectures',
            () => registry.push(index, repo, 'multi'),
            [image(amd.digest), image(arm.digest), image(index.digest, 'multi'), tagged(index.digest, 'multi')],
        ],
        ['an artifact without a tag', () => registry.putImage(repo, sbom), [image(sbom.digest)]],
        [
            'blobs mounted elsewhere',
            async () => {
                for (const blob of two.blobs) await registry.mount(`${repo}-copy`, repo, sha256(blob));
                await registry.putManifest(`${repo}-copy`, two, 'v2');
            },
            [
                ['CreateImage', `${repo}-copy`, two.digest, 'v2'],
                ['CreateImageTag', `${repo}-copy`, two.digest, 'v2'],
            ],
        ],
        ['a pull', () => registry.skopeoPull(repo, ':multi'), []],
        ['a deleted blob', () => registry.deleteBlob(repo, sha256(two.blobs[1])), []],
    ];
}

describe('every flow, twice, with trouble on the way', { timeout: SWEEP ? 900000 : 180000 }, () => {
    let scene;
    const expected = [];
    before(async () => (scene = await stage()));
    after(() => scene?.stop());

    // By default each flow meets one kind of trouble in each round, with REGCAST_SWEEP=1 all kinds.
    const rounds = SWEEP ? MODES.length * 2 : 2;
    for (let round = 0; round < rounds; round++) {
        test(`round ${round + 1}`, async () => {
            const { service, trouble, registry } = scene;
            const flows = flowsOf(registry, `team/app${round}`);
            for (const [i, [name, act, story]] of flows.entries()) {
                const mode = MODES[(i + round * 3) % MODES.length];
                if (mode === 'restart') {
                    const doing = act();
                    await service.kill();
                    await doing;
                    await service.start();
                } else {
                    trouble.next = mode;
                    await act();
                    await until(`${name}: ${mode}`, () => trouble.next === 'pass');
                }
                expected.push(...story);
            }
        });
    }

    test('clients were told all of it, once, in order', async () => {
        const { registry, trouble, service } = scene;
        const last = makeImage('the last one');
        await registry.putImage('marker', last);
        expected.push(['CreateImage', 'marker', last.digest, '']);
        await assertStory(scene, expected);
        for (const [mode, n] of Object.entries(trouble.done)) assert.ok(n > 0, `${mode} was never met`);
        const told = await service.daemon.metrics();
        assert.equal(told.get('regcast_webhook_events_total', { outcome: 'set_aside' }), 0);
    });
});

test('200 pushes in a row, with a restart among them', { timeout: 180000 }, async (t) => {
    const scene = await stage();
    defer(t, () => scene.stop());
    const { registry, service, trouble } = scene;
    const PUSHES = 200;
    const expected = [];
    let before = null;
    for (let i = 0; i < PUSHES; i++) {
        const image = makeImage(`row ${i}`);
        if (i === PUSHES / 2) await service.kill();
        await registry.putImage('team/row', image, 'latest');
        if (i === PUSHES / 2 + 20) await service.start();
        if (i % 40 === 7) trouble.next = 'lost';
        expected.push(['CreateImage', 'team/row', image.digest, 'latest']);
        if (before !== null) expected.push(['DeleteImageTag', 'team/row', before.digest, 'latest']);
        expected.push(['CreateImageTag', 'team/row', image.digest, 'latest']);
        before = image;
    }
    const last = makeImage('the last one');
    await registry.putImage('marker', last);
    expected.push(['CreateImage', 'marker', last.digest, '']);
    await assertStory(scene, expected);
    assert.ok(trouble.done.lost > 0);
});
