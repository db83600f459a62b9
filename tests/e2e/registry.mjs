// A real Docker Distribution registry on a loopback port that notifies the daemon under test, and a
// recorder of the same notifications: what the registry really said, to compare with.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, start, tempDir, until, within } from './harness.mjs';
import { sha256, writeLayout } from './images.mjs';

// Collects the events of every envelope it is sent.
class Recorder {
    events = [];

    static async start() {
        const r = new Recorder();
        r.server = http.createServer((req, res) => {
            const parts = [];
            req.on('data', (part) => parts.push(part));
            req.on('end', () => {
                r.events.push(...JSON.parse(Buffer.concat(parts)).events);
                res.end();
            });
        });
        await new Promise((done) => r.server.listen(0, '127.0.0.1', done));
        r.url = `http://127.0.0.1:${r.server.address().port}/`;
        return r;
    }

    stop() {
        this.server.closeAllConnections();
        return new Promise((done) => this.server.close(done));
    }
}

export class Registry {
    log = [];

    // `url`: the webhook; `headers`: {name: value} sent with each notification; `user`: {name,
    // password, htpasswd} who alone may use the registry, with their line of a htpasswd file.
    static async start({ url, headers = {}, user }) {
        const r = new Registry();
        r.user = user;
        r.recorder = await Recorder.start();
        r.port = await freePort();
        r.host = `127.0.0.1:${r.port}`;
        const dir = tempDir();
        const endpoint = (name, target, extra = {}) => ({
            name,
            url: target,
            timeout: '1s',
            threshold: 3,
            backoff: '1s',
            ...extra,
        });
        const sent = Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, [v]]));
        const config = {
            version: 0.1,
            log: { level: 'info', accesslog: { disabled: true } },
            storage: {
                filesystem: { rootdirectory: join(dir, 'storage') },
                delete: { enabled: true },
            },
            http: { addr: r.host },
            ...(user ? { auth: { htpasswd: { realm: 'e2e', path: join(dir, 'htpasswd') } } } : {}),
            notifications: {
                endpoints: [
                    endpoint('regcast', url, { headers: sent }),
                    endpoint('recorder', r.recorder.url),
                ],
            },
        };
        writeFileSync(join(dir, 'config.yml'), JSON.stringify(config));
        if (user) writeFileSync(join(dir, 'htpasswd'), `${user.htpasswd}\n`);
        const { child, exited } = start('docker-registry', ['serve', join(dir, 'config.yml')], {
            onLine: (line) => r.log.push(line),
        });
        r.child = child;
        r.exited = exited;
        let dead = false;
        exited.then(() => (dead = true));
        await until(
            () => `docker-registry answers; it said:\n${r.log.join('\n')}`,
            async () => {
                assert.ok(!dead, `docker-registry ended:\n${r.log.join('\n')}`);
                return (await r.call('GET', '/v2/').catch(() => null))?.status === 200;
            },
        );
        return r;
    }

    async stop() {
        this.child.kill('SIGTERM');
        await within(5000, 'end of docker-registry', this.exited).catch(() => {
            this.child.kill('SIGKILL');
            return this.exited;
        });
        await this.recorder.stop();
    }

    // One request to the registry's interface, on a connection of its own.
    call(method, path, { headers = {}, body } = {}) {
        return new Promise((done, fail) => {
            const auth = this.user && `${this.user.name}:${this.user.password}`;
            const options = { host: '127.0.0.1', port: this.port, method, path, headers, auth, agent: false };
            const req = http.request(options, (res) => {
                const parts = [];
                res.on('data', (part) => parts.push(part));
                res.on('end', () =>
                    done({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts) }),
                );
            });
            req.setTimeout(10000, () => req.destroy(new Error(`${method} ${path}: no answer`)));
            req.on('error', fail);
            req.end(body);
        });
    }

    async #expect(status, method, path, options) {
        const got = await this.call(method, path, options);
        assert.equal(got.status, status, `${method} ${path}: ${got.body}`);
        return got;
    }

    async putBlob(repo, bytes) {
        const started = await this.#expect(202, 'POST', `/v2/${repo}/blobs/uploads/`, {
            headers: { 'Content-Length': 0 },
        });
        const to = new URL(started.headers.location);
        to.searchParams.set('digest', sha256(bytes));
        await this.#expect(201, 'PUT', to.pathname + to.search, {
            headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes.length },
            body: bytes,
        });
    }

    async putManifest(repo, one, reference = one.digest) {
        await this.#expect(201, 'PUT', `/v2/${repo}/manifests/${reference}`, {
            headers: {
                'Content-Type': one.descriptor.mediaType,
                'Content-Length': one.manifest.length,
            },
            body: one.manifest,
        });
    }

    // Blobs and manifest, by digest unless a tag is given.
    async putImage(repo, one, tag) {
        for (const bytes of one.blobs) await this.putBlob(repo, bytes);
        for (const image of one.images ?? []) await this.putImage(repo, image);
        await this.putManifest(repo, one, tag);
    }

    async mount(repo, from, digest) {
        await this.#expect(201, 'POST', `/v2/${repo}/blobs/uploads/?mount=${digest}&from=${from}`, {
            headers: { 'Content-Length': 0 },
        });
    }

    deleteManifest(repo, digest) {
        return this.#expect(202, 'DELETE', `/v2/${repo}/manifests/${digest}`);
    }

    deleteBlob(repo, digest) {
        return this.#expect(202, 'DELETE', `/v2/${repo}/blobs/${digest}`);
    }

    pull(repo, reference, accept, method = 'GET') {
        return this.#expect(200, method, `/v2/${repo}/manifests/${reference}`, {
            headers: { Accept: accept },
        });
    }

    // ------------------------------------------------------------------------------- skopeo

    #skopeo(args) {
        return new Promise((done, fail) => {
            const options = { timeout: 30000, env: { ...process.env, HOME: tempDir() } };
            execFile('skopeo', args, options, (error, stdout, stderr) =>
                error ? fail(new Error(`skopeo ${args.join(' ')}: ${stderr}`)) : done(stdout),
            );
        });
    }

    // Pushes an image or index under a tag, as a user would.
    push(one, repo, tag) {
        const dir = writeLayout({ it: one });
        const creds = this.user ? ['--dest-creds', `${this.user.name}:${this.user.password}`] : [];
        return this.#skopeo([
            ...['--insecure-policy', 'copy', '--quiet', '--all', '--dest-tls-verify=false'],
            ...creds,
            ...[`oci:${dir}:it`, `docker://${this.host}/${repo}:${tag}`],
        ]);
    }

    // Pulls by tag or digest (":v1", "@sha256:...") into a folder.
    skopeoPull(repo, reference) {
        return this.#skopeo([
            ...['--insecure-policy', 'copy', '--quiet', '--src-tls-verify=false'],
            ...[`docker://${this.host}/${repo}${reference}`, `dir:${join(tempDir(), 'pulled')}`],
        ]);
    }

    skopeoDelete(repo, tag) {
        return this.#skopeo(['delete', '--tls-verify=false', `docker://${this.host}/${repo}:${tag}`]);
    }

    // The recorded event that `like` describes (keys of event or target); waits for it.
    recorded(like) {
        const fits = (event) =>
            Object.entries(like).every(([key, value]) => (event[key] ?? event.target[key]) === value);
        return until(`the registry's event ${JSON.stringify(like)}`, () =>
            this.recorder.events.findLast(fits),
        );
    }
}
