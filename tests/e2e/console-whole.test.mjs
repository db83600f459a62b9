// The console as a whole, as its users meet it: a push to a real registry seen while a client hears it, sessions that
// end in one tab and in all, addresses nobody would type, and a browser whose clock is wrong.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Browser, hostile, skip } from './browser.mjs';
import { Client, Daemon, defer, digestOf, makeConfig, push, readMessage, until } from './harness.mjs';
import { makeImage } from './images.mjs';
import { Registry } from './registry.mjs';

const SWEEP = process.env.REGCAST_SWEEP === '1';
const limits = { timeout: 60000, skip };
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

let browser;
before(async () => {
    if (!skip) browser = await Browser.open();
});
after(() => browser?.close());

async function start(t, over) {
    const d = await Daemon.start(makeConfig(over));
    defer(t, () => d.stop());
    return d;
}

async function open(t, d, options) {
    const p = await browser.page(d, options);
    defer(t, () => p.close());
    return p;
}

const viewers = (expires) => ({
    users: [{ id: 'bob', roles: ['viewer'] }],
    tokens: [{ subject: 'bob', sha256: sha256('t1.bob'), ...(expires ? { expires_at: expires.toISOString().replace(/\.\d+Z$/, 'Z') } : {}) }],
});
const asBob = { token: 't1.bob' };
const event = (p, text) => p.page.locator('.list-row.of-event').filter({ hasText: text }).first();
const live = (p) => p.page.locator('.page-actions .badge.ok').waitFor();
const dialog = (p) => p.page.getByRole('dialog');

// Live says that the session is over, and asks nobody who only looks on.
async function ended(p, options) {
    await p.page.getByText('Log in again').waitFor(options);
    assert.equal(await dialog(p).count(), 0);
    await p.page.locator('.page-actions').getByRole('button', { name: 'Log in' }).click();
}

test('a push to a real registry is seen in Live and by a client', limits, async (t) => {
    const d = await start(t);
    const registry = await Registry.start({ url: d.webhookUrl() });
    defer(t, () => registry.stop());
    const c = await Client.open(d.url('/'));
    defer(t, () => c.socket.terminate());
    const p = await open(t, d, { hash: '#/live' });
    await live(p);
    const image = makeImage('seen');
    await registry.push(image, 'team/app', 'v1');
    const got = (await c.first(2)).flatMap((text) => readMessage(text));
    assert.deepEqual(got.map((one) => one.type), ['CreateImage', 'CreateImageTag']);
    const row = event(p, 'team/app:v1');
    await row.waitFor();
    assert.match(await row.textContent(), new RegExp(image.digest.slice(7, 19)));
    await row.click();
    const panel = p.page.locator('.event-panel');
    await panel.getByText(image.digest).waitFor();
    await panel.locator('.batch').first().waitFor();
});

test('a session that is ended in one tab is ended in all, and goes on in Live after a login', limits, async (t) => {
    const d = await start(t, viewers());
    const first = await open(t, d, { hash: '#/live', expect: [401] });
    await first.login('t1.bob');
    await live(first);
    const second = await browser.page(d, { hash: '#/triggers', expect: [401], context: first.context });
    await second.page.getByRole('row').nth(1).waitFor();
    await second.button('Log out').click();
    await ended(first);
    // What happens while nobody is logged in is not lost on the page.
    await d.accept([push('team/app', digestOf('meanwhile'), 'meanwhile')]);
    await first.login('t1.bob');
    await event(first, 'team/app:meanwhile').waitFor();
    await live(first);
    // The other tab comes back by itself or is asked, and then works.
    if (await dialog(second).isVisible()) await second.login('t1.bob');
    else await second.page.reload();
    await second.page.getByRole('row').nth(1).waitFor();
    assert.deepEqual(second.problems, []);
});

test('a session ends with its token, and the page asks for another', limits, async (t) => {
    const d = await start(t, viewers(new Date(Date.now() + 15000))); // long enough to be there first on a busy machine
    const p = await open(t, d, { hash: '#/live', expect: [401] });
    await p.login('t1.bob');
    await live(p);
    await ended(p, { timeout: 30000 });
    await p.login('t1.bob');
    await p.page.getByText('This token is not accepted.').waitFor();
    assert.equal((await d.manage('GET', '/gateway/v1/events', asBob)).status, 401);
});

test('an address nobody would type leads to a page', limits, async (t) => {
    const d = await start(t);
    const odd = [
        '#/nowhere', '#/__proto__', '#/constructor/toString', '#', '#//', '#live', '#/%', '#/triggers/%E0%A4%A', '#/triggers/..%2F..%2Fgateway',
        '#/triggers/new/edit/edit', '#/live?event=', '#/live?event=..%2F..%2Fhealthz', '#/live?event=%E0%A4%A', '#/live?event=a&event=b&x[]=1',
        '#/paths?path=', '#/paths?path=/not/there', '#/paths?path=%00', '#/registries/letters?registry=%22%3E', '#/registries/try?registry=x',
        '#/registries/else', '#/overview/else', `#/live?event=${'x'.repeat(5000)}`,
        ...(SWEEP ? hostile : hostile.slice(0, 4)).flatMap((text) => [`#/triggers/${encodeURIComponent(text)}`, `#/live?event=${encodeURIComponent(text)}`]),
    ];
    const p = await open(t, d, { expect: [400, 404, 414, 431] });
    for (const hash of odd) {
        await p.go(hash);
        await until(`a heading at ${hash}`, async () => ((await p.page.locator('main h1').textContent().catch(() => '')) ?? '').length > 0);
        await until(`an end of loading at ${hash}`, async () => (await p.page.locator('main .spinner').count()) === 0);
        assert.deepEqual(p.problems, [], hash);
    }
    await p.go('#/triggers');
    await p.page.getByRole('row').nth(1).waitFor();
});

for (const [how, ms] of [['a day ahead', 86400000], ['a day behind', -86400000]].slice(0, SWEEP ? 2 : 1))
    test(`a browser whose clock is ${how}`, limits, async (t) => {
        const d = await start(t, viewers());
        await d.accept([push('team/app', digestOf('clock'), 'before')]);
        const p = await open(t, d, { hash: '#/live', expect: [401] });
        await p.context.clock.setSystemTime(new Date(Date.now() + ms));
        await p.page.reload();
        await p.login('t1.bob');
        await live(p);
        await event(p, 'team/app:before').waitFor();
        await d.accept([push('team/app', digestOf('clock2'), 'later')]);
        await event(p, 'team/app:later').waitFor();
        assert.equal(await dialog(p).count(), 0, 'still logged in');
        await p.go('#/overview');
        await p.page.locator('.big').waitFor();
        await until('a line', async () => ((await p.page.locator('.plot .line').first().getAttribute('d')) ?? '').includes('L'), 15000);
        for (const view of ['paths', 'registries', 'triggers']) {
            await p.go(`#/${view}`);
            await p.page.locator('tbody tr').first().waitFor();
        }
    });
