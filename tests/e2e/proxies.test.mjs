// nginx and HAProxy before regcastd, with the configurations of conf/proxies as they are but for addresses and
// files: clients and registries over TLS, the client's own address, drain, and what is not offered.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import tls from 'node:tls';
import { describe, test } from 'node:test';
import { makeCertificate } from './certificates.mjs';
import {
    Client, Daemon, ENVELOPE_TYPE, REGISTRY, ROOT, defer, envelope, freePort, makeConfig, newImage, start, summary, tempDir, until,
} from './harness.mjs';
import { Sse } from './sse.mjs';

const limits = { timeout: 60000 };
const FROM = '127.0.0.7'; // whom the proxy is to tell of
const PROXY = '127.0.0.6'; // whom regcastd believes; the test itself asks from 127.0.0.1

// The file of that name with each of `changes` made, which must all be there.
function edited(name, changes) {
    let text = readFileSync(join(ROOT, 'conf/proxies', name), 'utf8');
    for (const [from, to] of changes) {
        assert.ok(text.includes(from), `${name} has no ${from}`);
        text = text.replaceAll(from, to);
    }
    return text;
}

async function ports(d) {
    return { clients: await freePort(), registries: await freePort(), gateway: d.port, webhooks: d.webhookPort };
}

async function nginx(t, d, cert) {
    const at = await ports(d);
    const dir = tempDir();
    const file = join(dir, 'nginx.conf');
    const text = edited('nginx.conf', [
        ['/run/nginx.pid', join(dir, 'pid')],
        ['server 127.0.0.1:8080', `server 127.0.0.1:${at.gateway}`],
        ['server 127.0.0.1:8081', `server 127.0.0.1:${at.webhooks}`],
        ['/etc/regcast/events.pem', cert.certificate_file],
        ['/etc/regcast/events.key', cert.private_key_file],
        ['listen 443', `listen 127.0.0.1:${at.clients}`],
        ['listen 8443', `listen 127.0.0.1:${at.registries}`],
        ['proxy_http_version 1.1;', `proxy_http_version 1.1;\n    proxy_bind ${PROXY};`],
        ['worker_processes auto', 'daemon off;\nworker_processes 1'],
        ['worker_connections 65536', 'worker_connections 512'],
        ['worker_rlimit_nofile 131072;', ''],
    ]);
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir};`);
    writeFileSync(file, text.replace('http {', `http {\n${temp.join('\n')}`));
    await run(t, 'nginx', ['-c', file, '-p', dir, '-e', join(dir, 'error.log')], at);
    return at;
}

async function haproxy(t, d, cert) {
    const at = await ports(d);
    const dir = tempDir();
    const [file, pem] = ['haproxy.cfg', 'both.pem'].map((name) => join(dir, name));
    writeFileSync(pem, Buffer.concat([cert.certificate_file, cert.private_key_file].map((one) => readFileSync(one))));
    const text = edited('haproxy.cfg', [
        ['bind :443', `bind 127.0.0.1:${at.clients}`],
        ['bind :8443', `bind 127.0.0.1:${at.registries}`],
        ['/etc/regcast/events.pem', pem],
        ['127.0.0.1:8080', `127.0.0.1:${at.gateway}`],
        ['port 8081', `port ${at.webhooks}`],
        ['127.0.0.1:8081', `127.0.0.1:${at.webhooks}`],
        ['maxconn 60000', 'maxconn 200'],
        ['inter 1s', 'inter 100ms'],
        ['default-server', `default-server source ${PROXY}`],
        [' 30s', ' 1200ms'], // what is quiet between two pings must not go by these
    ]);
    writeFileSync(file, text);
    await run(t, 'haproxy', ['-db', '-q', '-f', file], at);
    return at;
}

// Runs the proxy until the test's end; it is there when it answers.
async function run(t, program, args, at) {
    const said = [];
    const { child, exited } = start(program, args, { onLine: (line) => said.push(line) });
    let dead = null;
    exited.then((how) => (dead = how));
    defer(t, async () => {
        child.kill('SIGTERM');
        const kill = setTimeout(() => child.kill('SIGKILL'), 3000);
        await exited;
        clearTimeout(kill);
    });
    await until(
        () => `${program} answers; it said:\n${said.join('\n')}`,
        async () => {
            assert.equal(dead, null, `${program} ended ${JSON.stringify(dead)}:\n${said.join('\n')}`);
            const answer = await request(at.clients, 'GET', '/nothing').catch(() => null);
            return answer && answer.status === 404;
        },
        20000,
    );
}

function request(port, method, path, { body, headers } = {}) {
    return new Promise((done, fail) => {
        const req = https.request({ method, path, port, host: '127.0.0.1', localAddress: FROM, headers, agent: false, rejectUnauthorized: false }, (res) => {
            const parts = [];
            res.on('data', (part) => parts.push(part));
            res.on('end', () => done({ status: res.statusCode, text: Buffer.concat(parts).toString('utf8') }));
        });
        req.setTimeout(10000, () => req.destroy(new Error('no answer')));
        req.on('error', fail);
        req.end(body);
    });
}

const post = (at, events) =>
    request(at.registries, 'POST', `/registries/${REGISTRY}/events`, { body: envelope(events), headers: { 'Content-Type': ENVELOPE_TYPE } });

// A client from FROM that says it is somebody else.
const open = (at, path = '/') =>
    Client.open(`wss://127.0.0.1:${at.clients}${path}`, {
        rejectUnauthorized: false,
        localAddress: FROM,
        headers: { 'X-Forwarded-For': '192.0.2.1' },
        // `ws` has no option for the local address
        createConnection: (options) => tls.connect({ ...options, host: '127.0.0.1', localAddress: FROM }),
    });

// The same as a reader of server-sent events.
const openEvents = async (t, at, path = '/') => {
    const s = await Sse.open(at.clients, path, { tls: { rejectUnauthorized: false }, localAddress: FROM, headers: { 'X-Forwarded-For': '192.0.2.1' } });
    defer(t, () => s.close());
    assert.equal(s.status, 200, s.text);
    return s;
};

const KINDS = [
    ['nginx', nginx, { trusted_proxies: [PROXY] }],
    ['HAProxy', haproxy, { proxy_protocol_from: [PROXY] }],
];

describe('behind a proxy', { concurrency: 1 }, () => {
    for (const [name, proxy, whom] of KINDS)
        test(`${name} as in conf/proxies`, limits, async (t) => {
            const d = await Daemon.start(
                makeConfig({
                    gateway: { ...whom, drain_timeout: '0s', ping_interval: '1800ms' },
                    webhooks: { listen: ['127.0.0.1:0'], ...whom, allowed_from: [FROM, PROXY, '127.0.0.1'] },
                }),
            );
            defer(t, () => d.stop());
            const at = await proxy(t, d, makeCertificate());

            const client = await open(at);
            const events = await openEvents(t, at);
            const { json: stream } = await d.manage('GET', `/apigateways/websocket/v1/connections/${events.id}`);
            assert.equal(stream.identity.sourceIp, FROM);
            const { json } = await d.manage('GET', `/apigateways/websocket/v1/connections/${client.id}`);
            assert.equal(json.identity.sourceIp, FROM, 'not the proxy, and not what the client says');

            const image = newImage('team/app');
            const answer = await post(at, [image]);
            assert.equal(answer.status, 202, answer.text);
            assert.deepEqual(summary(await client.first(1)), [['CreateImage', 'team/app', image.target.digest, '']]);

            const { event_metadata: meta } = JSON.parse(client.messages[0]).messages[0];
            await events.first(1); // at once: nobody has kept it to have more
            assert.deepEqual(events.messages, client.messages);
            const missed = newImage('team/app');
            assert.equal((await post(at, [missed])).status, 202);
            const back = await open(at, `/?since=${meta.event_id}`);
            assert.deepEqual(summary(await back.first(1)), [['CreateImage', 'team/app', missed.target.digest, '']]);
            const again = await openEvents(t, at, `/?since=${meta.event_id}`);
            assert.deepEqual(summary(await again.first(1)), [['CreateImage', 'team/app', missed.target.digest, '']]);
            assert.deepEqual(again.named, [{ type: 'recovered', control: 'recovered', since: meta.event_id }]);

            for (const path of ['/metrics', '/readyz', '/healthz'])
                assert.equal((await request(at.registries, 'GET', path)).status, 404, path);

            await until('pings go through', async () => (await d.metrics()).get('regcast_pings_sent_total') >= 8);
            await until('beats, too', () => events.parser.comments >= 2);
            assert.equal(client.closed, null);
            assert.equal(events.ended, null);
            const stopped = d.stop();
            assert.equal((await client.end).code, 1012);
            assert.deepEqual(await events.event('close'), { type: 'close', code: 1012, reason: 'server is going down' });
            assert.equal(await events.end, 'end');
            await stopped;
            const gone = await request(at.clients, 'GET', '/');
            assert.ok([502, 503].includes(gone.status), `without regcastd ${gone.status}`);
        });
});
