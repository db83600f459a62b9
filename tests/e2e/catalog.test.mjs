// --rebuild-catalog with a real registry: what it holds is known afterwards as if every push of it had
// been heard, so that a tag that moves says which image it left.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import http from 'node:http';
import { command } from './command.mjs';
import { Client, Daemon, REGISTRY, defer, freePort, makeConfig, readMessage, until, writeConfig } from './harness.mjs';
import { makeImage, makeIndex } from './images.mjs';
import { Registry } from './registry.mjs';

const USER = {
    name: 'robot$builds',
    password: 's3cret/@:x',
    htpasswd: 'robot$builds:$2b$04$QtCt0N1psbpR3wHFF.DL8Owb3kfmZmNSnihFIBqWb1AsjI3Dw70dm',
};

// Takes a registry's notifications as long as no daemon is to hear of them.
class Deaf {
    said = ''; // everything, as it came

    static async start(port) {
        const d = new Deaf();
        d.server = http.createServer((req, res) => {
            req.setEncoding('utf8').on('data', (text) => (d.said += text));
            req.on('end', () => res.end());
        });
        await new Promise((done) => d.server.listen(port, '127.0.0.1', done));
        return d;
    }

    stop() {
        this.server.closeAllConnections();
        return new Promise((done) => this.server.close(done));
    }
}

const rebuild = (file, url, options) =>
    command(['--config', file, '--rebuild-catalog', REGISTRY, '--registry-url', url], options);

// A registry with what `fill` puts there, of which no daemon has heard; `port` is where one is to
// listen.
async function filled(t, fill, options = {}) {
    const port = await freePort();
    const deaf = await Deaf.start(port);
    const registry = await Registry.start({
        url: `http://127.0.0.1:${port}/registries/${REGISTRY}/events`,
        ...options,
    });
    defer(t, () => registry.stop());
    await fill(registry);
    await registry.putImage('last', makeImage('the last of them'), 'v1'); // the registry tells in order
    await until('the last notification', () => /"repository":\s*"last"[^}]*"tag":\s*"v1"/.test(deaf.said));
    const config = makeConfig({ webhooks: { listen: [`127.0.0.1:${port}`] } });
    return { registry, config, file: writeConfig(config), deaf, url: `http://${registry.host}` };
}

const counts = (repositories, images, tags) =>
    `regcastd: ${repositories} repositories, ${images} images, ${tags} tags`;

test('a rebuilt catalog knows images, tags and the images of an index', { timeout: 120000 }, async (t) => {
    const [one, two, three] = [makeImage('one'), makeImage('two'), makeImage('three')];
    const [amd, arm] = [makeImage('amd64 of it', 'amd64'), makeImage('arm64 of it', 'arm64')];
    const index = makeIndex([amd, arm]);
    const { registry, config, file, deaf, url } = await filled(t, async (r) => {
        await r.push(one, 'team/app', 'v1');
        await r.push(one, 'team/app', 'stable');
        await r.push(two, 'team/app', 'v2');
        await r.push(index, 'team/multi', 'v1');
        await r.push(one, 'emptied', 'v1');
        await r.deleteManifest('emptied', one.digest);
        for (let i = 0; i < 25; i++) await r.putManifest('team/app', two, `build-${i}`);
    });

    const ran = await rebuild(file, url);
    assert.equal(ran.code, 0, ran.err.join('\n'));
    assert.deepEqual(ran.out, []);
    assert.equal(ran.err.at(-1), counts(4, 6, 30));
    const second = await rebuild(file, `${url}/`);
    assert.equal(second.code, 0, second.err.join('\n'));
    assert.equal(second.err.at(-1), counts(4, 6, 30), 'the same again');

    await deaf.stop();
    const daemon = await Daemon.start(config, { file });
    defer(t, () => daemon.stop());
    const m = await daemon.metrics();
    assert.equal(m.get('regcast_catalog_images'), 6);
    assert.equal(m.get('regcast_catalog_tags'), 30);
    const client = await Client.open(daemon.url());
    defer(t, () => client.close());

    await registry.push(one, 'team/app', 'v1'); // nothing new
    await registry.push(three, 'team/app', 'v1'); // moves a tag to a new image
    await registry.putManifest('team/multi', amd, 'amd'); // an image that only the index led to
    await registry.deleteManifest('team/app', one.digest);
    const texts = await client.first(6);
    assert.deepEqual(
        texts.flatMap((text) => readMessage(text)).map((e) => [e.type, e.repo, e.digest, e.tag]),
        [
            ['CreateImage', 'team/app', three.digest, 'v1'],
            ['DeleteImageTag', 'team/app', one.digest, 'v1'],
            ['CreateImageTag', 'team/app', three.digest, 'v1'],
            ['CreateImageTag', 'team/multi', amd.digest, 'amd'],
            ['DeleteImage', 'team/app', one.digest, ''],
            ['DeleteImageTag', 'team/app', one.digest, 'stable'],
        ],
    );

    const refused = await rebuild(file, url);
    assert.equal(refused.code, 75);
    assert.match(refused.err.join('\n'), new RegExp(`regcastd \\(pid ${daemon.pid}\\) runs on this data_dir: stop it first`));
    assert.equal((await daemon.metrics()).get('regcast_catalog_images'), 6);
});

test('what is not in the registry any more is not in the catalog', { timeout: 120000 }, async (t) => {
    const [one, two] = [makeImage('kept'), makeImage('dropped')];
    const { registry, config, file, deaf, url } = await filled(t, async (r) => {
        await r.push(one, 'team/app', 'v1');
        await r.push(two, 'team/app', 'v2');
    });
    assert.equal((await rebuild(file, url)).err.at(-1), counts(2, 3, 3));
    await registry.deleteManifest('team/app', two.digest);
    await registry.recorded({ action: 'delete', digest: two.digest });
    assert.equal((await rebuild(file, url)).err.at(-1), counts(2, 2, 2));

    await deaf.stop();
    const daemon = await Daemon.start(config, { file });
    defer(t, () => daemon.stop());
    const client = await Client.open(daemon.url());
    defer(t, () => client.close());
    await registry.push(two, 'team/app', 'v2');
    assert.deepEqual(
        (await client.first(2)).flatMap((text) => readMessage(text)).map((e) => [e.type, e.digest, e.tag]),
        [
            ['CreateImage', two.digest, 'v2'],
            ['CreateImageTag', two.digest, 'v2'],
        ],
    );
});

describe('a registry with users', { timeout: 120000 }, () => {
    let registry, file, url;

    before(async () => {
        registry = await Registry.start({ url: 'http://127.0.0.1:9/', user: USER });
        await registry.push(makeImage('behind a door'), 'team/app', 'v1');
        file = writeConfig(makeConfig());
        url = `http://${registry.host}`;
    });

    after(() => registry?.stop());

    const secretless = (ran) => {
        const all = [...ran.out, ...ran.err].join('\n');
        assert.ok(!all.includes(USER.password) && !all.includes(encodeURIComponent(USER.password)), all);
        assert.ok(!all.includes(Buffer.from(`${USER.name}:${USER.password}`).toString('base64')), all);
    };

    test('says which authentication it wants', async () => {
        const ran = await rebuild(file, url);
        assert.equal(ran.code, 69);
        assert.match(ran.err.join('\n'), /401.*Basic for e2e.*REGCAST_REGISTRY_USER/);
    });

    test('takes user and password from the environment', async () => {
        const env = { REGCAST_REGISTRY_USER: USER.name, REGCAST_REGISTRY_PASSWORD: USER.password };
        const ran = await rebuild(file, url, { env });
        assert.equal(ran.code, 0, ran.err.join('\n'));
        assert.equal(ran.err.at(-1), counts(1, 1, 1));
        secretless(ran);
    });

    test('takes them from the URL', async () => {
        const login = `${encodeURIComponent(USER.name)}:${encodeURIComponent(USER.password)}`;
        const ran = await rebuild(file, `http://${login}@${registry.host}`);
        assert.equal(ran.code, 0, ran.err.join('\n'));
        assert.equal(ran.err.at(-1), counts(1, 1, 1));
        secretless(ran);
        const wrong = await rebuild(file, `http://${login}x@${registry.host}`);
        assert.equal(wrong.code, 69);
        assert.match(wrong.err.join('\n'), /password is not accepted/);
        secretless(wrong);
    });
});

test('what cannot be done is said and changes nothing', { timeout: 120000 }, async (t) => {
    const { file, url, config, deaf } = await filled(t, async (r) => {
        await r.push(makeImage('x'), 'team/app', 'v1');
        await r.push(makeImage('y'), 'team/app', 'v2');
    });
    assert.equal((await rebuild(file, url)).code, 0);

    const args = ['--config', file, '--rebuild-catalog'];
    const unknown = await command([...args, 'crtregistry000000009', '--registry-url', url]);
    assert.equal(unknown.code, 78);
    assert.match(unknown.err.join('\n'), /crtregistry000000009/);
    const nobody = await rebuild(file, `http://127.0.0.1:${await freePort()}`);
    assert.equal(nobody.code, 69);
    assert.match(nobody.err.join('\n'), /the catalog is as it was/);
    const small = writeConfig({ ...config, catalog: { max_tags: 2 } });
    const many = await rebuild(small, url);
    assert.equal(many.code, 78);
    assert.match(many.err.join('\n'), /raise catalog\.max_tags/);
    const other = http.createServer((req, res) => res.end('<html>welcome</html>'));
    await new Promise((done) => other.listen(0, '127.0.0.1', done));
    defer(t, () => new Promise((done) => other.close(done)));
    const html = await rebuild(file, `http://127.0.0.1:${other.address().port}`);
    assert.equal(html.code, 69);
    assert.match(html.err.join('\n'), /_catalog.*not the JSON/);

    await deaf.stop();
    const daemon = await Daemon.start(config, { file });
    defer(t, () => daemon.stop());
    await until('the catalog', async () => (await daemon.metrics()).get('regcast_catalog_images') === 3);
});
