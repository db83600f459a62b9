// conf/cluster: what `scripts/run --cluster` starts, and where operators begin.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ROOT, run, tempDir } from './harness.mjs';
import { NATS_SERVER } from './nats.mjs';

const THREE = [1, 2, 3];
const conf = (name) => join(ROOT, 'conf/cluster', name);
const text = (name) => readFileSync(conf(name), 'utf8');

// The file of one of three, with what tells it from the others taken out.
const nodeless = (source) => source.replace(/127\.0\.0\.1:8[123]8/g, '127.0.0.1:8N8').replace(/\bnode-[123]\b/g, 'node-N').replace(/[Nn]ode [123]\b/, 'Node N');
const serverless = (source) =>
    source.replace(/nats-(server )?[123]\b/g, 'nats-N').replace(/127\.0\.0\.1:([468]22)[234]/g, '127.0.0.1:$1N').replace(/"zone:[abc]"/, '"zone:Z"');

describe('the example of a cluster', () => {
    test('its nodes have valid configurations, which differ in where they are', () => {
        const dir = tempDir();
        for (const n of THREE) {
            const source = text(`regcast-${n}.yaml`);
            assert.equal(nodeless(source), nodeless(text('regcast-1.yaml')));
            const file = join(dir, `regcast-${n}.yaml`);
            const secret = join(dir, 'nats.password');
            writeFileSync(secret, 'secret\n', { mode: 0o600 });
            writeFileSync(file, source.replace('./run/cluster/nats.password', secret), { mode: 0o600 });
            const ran = run(['--config', file, '--check']);
            assert.equal(ran.status, 0, ran.stderr);
        }
    });

    test('so have its servers', () => {
        const route = (n) => `nats://route:secret@127.0.0.1:${6221 + n}`;
        const secrets = { REGCAST_NATS_PASSWORD: 'p1', NATS_SYSTEM_PASSWORD: 'p2', NATS_ROUTE_PASSWORD: 'secret' };
        const routes = Object.fromEntries(THREE.map((n) => [`NATS_ROUTE_${n}`, route(n)]));
        for (const n of THREE) {
            assert.equal(serverless(text(`nats-${n}.conf`)), serverless(text('nats-1.conf')));
            const ran = spawnSync(NATS_SERVER, ['-t', '-c', conf(`nats-${n}.conf`)], {
                encoding: 'utf8',
                env: { ...process.env, ...secrets, ...routes, NATS_STORE: tempDir() },
            });
            assert.equal(ran.status, 0, `${ran.error ?? ''}${ran.stdout}${ran.stderr}`);
        }
    });

    test('and the load balancer, which knows every node', () => {
        const ran = spawnSync('haproxy', ['-c', '-f', conf('haproxy.cfg')], {
            encoding: 'utf8',
            env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
        });
        assert.equal(ran.status, 0, `${ran.error ?? ''}${ran.stdout}${ran.stderr}`);
        for (const n of THREE) {
            const listeners = [...text(`regcast-${n}.yaml`).matchAll(/listen: \["(127\.0\.0\.1:\d+)"\]/g)].map(([, address]) => address);
            assert.equal(listeners.length, 4);
            for (const address of listeners) assert.ok(text('haproxy.cfg').includes(` ${address} `) || text('haproxy.cfg').includes(` ${address}\n`), address);
        }
    });
});
