// The command line against a regcastd with TLS on every side: whom it believes, and that it finds its way.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import { fine, regcast, wrong } from './cli.mjs';
import { Daemon, defer, makeConfig, newImage } from './harness.mjs';

const limits = { timeout: 60000 };

describe('regcast over TLS', () => {
    test('every side, and whom it believes', limits, async (t) => {
        const cert = makeCertificate();
        const other = makeCertificate();
        const d = await Daemon.start(
            makeConfig({
                gateway: { tls: tlsOf(cert) },
                webhooks: { listen: ['127.0.0.1:0'], tls: tlsOf(cert) },
                management: { listen: ['127.0.0.1:0'], tls: tlsOf(cert) },
            }),
        );
        defer(t, () => d.stop());
        const endpoint = `https://127.0.0.1:${d.managementPort}`;
        const url = `wss://127.0.0.1:${d.port}/`;
        const hooks = `https://127.0.0.1:${d.webhookPort}`;
        const ca = ['--ca-file', cert.certificate_file];

        const event = newImage('team/app');
        fine(await regcast(['events', 'post', '-', '--url', hooks, ...ca], { input: JSON.stringify({ events: [event] }) }));
        for (const args of [
            ['listen', url, '--since', 'earliest', '--count', '1', '--format', 'json', ...ca],
            ['tail', '--since', 'earliest', '--count', '1', '--format', 'json', ...ca], // asks management where, and how
        ]) {
            const ran = await regcast(args, { endpoint });
            assert.equal(ran.code, 0, ran.stderr);
            assert.equal(JSON.parse(ran.stdout).details.image_digest, event.target.digest);
        }
        fine(await regcast(['serverless', 'trigger', 'list'], { endpoint, env: { REGCAST_CA_FILE: cert.certificate_file } }));

        // A message of many records, and of more than is read in one turn.
        const big = Array.from({ length: 400 }, (_, i) => newImage(`team/${'x'.repeat(100)}${i}`));
        fine(await regcast(['events', 'post', '-', '--url', hooks, ...ca], { input: JSON.stringify({ events: big }) }));
        const all = await regcast(['listen', url, '--since', 'earliest', '--count', '401', '--format', 'json', ...ca]);
        assert.equal(all.stdout.trim().split('\n').length, 401, all.stderr);

        const stranger = ['--ca-file', other.certificate_file];
        wrong(await regcast(['serverless', 'trigger', 'list', ...stranger], { endpoint }), 1, /certificate/i);
        for (const args of [stranger, []]) // nothing that trying again could help
            wrong(await regcast(['listen', url, ...args]), 1, /the server's certificate: .*not correctly signed/);
        wrong(await regcast(['listen', url, '--ca-file', '/nowhere'], {}), 1, /\/nowhere/);
    });
});
