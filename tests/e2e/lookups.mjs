// Pushes without a digest while the daemon is killed: each that was acknowledged leads to its events,
// once, whatever of "kept, asked, answered, applied" it was struck at.
import http from 'node:http';
import { REGISTRY, pause, until } from './harness.mjs';
import { ONE, accountConfig } from './ledger.mjs';
import { Short } from './scenarios.mjs';

// Says the digest of each tag of the ledger's pushes.
async function registryOf(digests) {
    const server = http.createServer((req, res) => {
        const [, repo, tag] = /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(req.url) ?? [];
        const digest = digests.get(`${repo}:${tag}`);
        res.writeHead(digest ? 200 : 404, {
            'Content-Type': 'application/vnd.oci.image.manifest.v1+json',
            ...(digest ? { 'Docker-Content-Digest': digest } : {}),
        }).end();
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    return server;
}

// Until it is acknowledged; Quay sends no id by which a second delivery could be known.
async function deliver(place, { repository, tag }) {
    const body = JSON.stringify({ repository, docker_url: `quay.example/${repository}`, updated_tags: [tag] });
    for (;;) {
        const daemon = await place.up();
        const headers = { 'Content-Type': 'application/json' };
        const got = await daemon.post(body, { registry: REGISTRY, headers }).catch(() => null);
        if (got?.status === 202) return;
        await pause(5); // it was killed
    }
}

async function nothingWaits(place) {
    const daemon = await place.up();
    const metrics = await daemon.metrics().catch(() => null);
    return metrics?.get('regcast_lookups_pending') === 0;
}

export async function whileLookingUp(given) {
    const digests = new Map();
    const server = await registryOf(digests);
    const registry = { id: REGISTRY, kind: 'quay', registry_url: `http://127.0.0.1:${server.address().port}` };
    try {
        return await Short.run(given, accountConfig([ONE], { registries: [registry] }), async (short) => {
            const { ledger, place } = short;
            await short.startArmed('start');
            for (let i = 0; i < given.n + 5; i++) {
                const { repository, tag, digest } = ledger.add(i).event.target;
                digests.set(`${repository}:${tag}`, digest);
                await short.during('pushes', deliver(place, { repository, tag }));
            }
            await short.during('lookups', until('nothing waits', () => nothingWaits(place)));
            for (const entry of ledger.entries) ledger.ack(entry);
            await short.judge();
        });
    } finally {
        server.closeAllConnections();
        server.close();
    }
}
