// Pictures of the console for the README, of a daemon that a real registry posts to while clients listen.
//
//   scripts/screenshots [--minutes N] [--out FOLDER]
//
// --minutes: how long it runs before the pictures are taken, so that charts have lines (10).
import { readFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Browser } from './browser.mjs';
import { ALL_TYPES, Client, Daemon, REGISTRY, ROOT, makeConfig, pause, trigger } from './harness.mjs';
import { makeImage } from './images.mjs';
import { Registry } from './registry.mjs';

const { values: options } = parseArgs({
    options: { minutes: { type: 'string', default: '10' }, out: { type: 'string', default: join(ROOT, 'docs/images') } },
});
const LARGEST = 120 * 1024; // bytes of a picture
const HARBOR = 'crtharbor00000000001';
const REPOSITORIES = ['shop/cart', 'shop/checkout', 'shop/search', 'platform/gateway', 'platform/auth', 'data/loader'];
const AGENTS = ['deploy-agent/2.4', 'dashboard/1.9 (Firefox 140)', 'regcast-listen', 'edge-site/0.7'];

// What the pictures are of. The events of a client's message say what was pushed; nobody reads them here.
class Scene {
    clients = [];
    pushed = 0;

    static async open() {
        const s = new Scene();
        s.daemon = await Daemon.start(
            makeConfig({
                gateway: { paths: ['/', '/builds', '/teams/{team}'] },
                registries: [
                    { id: REGISTRY, kind: 'distribution' },
                    { id: HARBOR, kind: 'harbor' },
                ],
                triggers: [
                    trigger('dashboard', { size: 10, cutoff: '1s' }),
                    trigger('release-tags', { path: '/builds', types: ['CREATE_IMAGE_TAG'], tag: 'latest' }),
                    trigger('shop-cart', { path: '/teams/{team}', image_name: 'shop/cart', size: 5, cutoff: '2s' }),
                    trigger('cleanup', { path: '/builds', types: ['DELETE_IMAGE', 'DELETE_IMAGE_TAG'] }),
                    trigger('harbor-mirror', { registry: HARBOR, types: ALL_TYPES.slice(0, 2) }),
                ],
            }),
        );
        s.registry = await Registry.start({ url: s.daemon.webhookUrl() });
        for (const [i, path] of ['/', '/', '/', '/builds', '/builds', '/teams/shop', '/teams/platform'].entries()) await s.listen(path, AGENTS[i % AGENTS.length]);
        return s;
    }

    async listen(path, agent) {
        this.clients.push(await Client.open(this.daemon.url(path), { headers: { 'User-Agent': agent } }));
    }

    async push() {
        const n = this.pushed++;
        const repository = REPOSITORIES[(n * 7 + (n >> 3)) % REPOSITORIES.length];
        const image = makeImage(`${repository} ${n}`);
        await this.registry.putImage(repository, image, n % 3 === 0 ? 'latest' : `v1.${n}`);
        if (n % 11 === 10) await this.registry.deleteManifest(repository, image.digest);
        if (n % 40 === 20) await this.daemon.post('{"type":"SCANNING_COMPLETED"}', { registry: HARBOR });
        if (n % 30 === 15) await this.listen('/', AGENTS[n % AGENTS.length]);
    }

    // Pushes in waves until `stop.now`.
    async run(stop) {
        while (!stop.now) {
            await this.push();
            await pause(250 + 230 * Math.sin(Date.now() / 9000) + 200 * Math.random());
        }
    }

    async close() {
        for (const c of this.clients) c.socket.terminate();
        await this.registry?.stop();
        await this.daemon?.stop();
    }
}

const list = (page) => page.locator('main table');

// Of a page: what has to be done before its picture.
async function event(page) {
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await pause(3000); // longer than any trigger waits: what is in the list has been sent
    await page.locator('.list-row.of-event').nth(2).click();
    await page.locator('.event-panel .batch').first().waitFor();
    await page.locator('.event-panel').evaluate((panel) => (panel.scrollTop = panel.scrollHeight / 3));
}

async function take(page, name, hash, ready) {
    await page.goto(`${page.url().split('#')[0]}#/${hash}`);
    await ready(page);
    await page.mouse.move(1, 1);
    const path = join(options.out, `console-${name}.png`);
    await page.screenshot({ path, animations: 'disabled' });
    const { length } = readFileSync(path);
    console.log(`${path}: ${length} bytes`);
    if (length > LARGEST) throw new Error(`${path} is larger than ${LARGEST} bytes`);
}

mkdirSync(options.out, { recursive: true });
const scene = await Scene.open();
const browser = await Browser.open();
const stop = { now: false };
const running = scene.run(stop);
try {
    const size = { width: 1280, height: 860 };
    const light = (await browser.page(scene.daemon, { ...size, hash: '#/overview' })).page;
    const dark = (await browser.page(scene.daemon, { width: 1210, height: 550, dark: true, hash: '#/live' })).page;
    await Promise.race([pause(Number(options.minutes) * 60000), running]);
    await take(light, 'overview', 'overview', (page) => page.locator('.chart').first().waitFor());
    await take(light, 'triggers', 'triggers', (page) => list(page).waitFor());
    await take(dark, 'live', 'live', event);
    await take(dark, 'registries', 'registries', (page) => list(page).waitFor());
} finally {
    stop.now = true;
    await running.catch((error) => console.error(error));
    await browser.close();
    await scene.close();
}
