// The console's live views in a real browser on the real daemon: what a registry posts is seen while a client hears it,
// nothing is lost on the page when the server is killed, thousands of events, hostile texts, numbers that are the API's,
// what can be done with connections, events and what was set aside, and how it looks.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Browser, hostile, skip } from './browser.mjs';
import { Client, Daemon, REGISTRY, defer, digestOf, freePort, makeConfig, push, trigger, until } from './harness.mjs';
import { Service } from './journal.mjs';

const SWEEP = process.env.REGCAST_SWEEP === '1';
const limits = { timeout: 120000, skip };

let browser;
before(async () => {
    if (!skip) browser = await Browser.open();
});
after(() => browser?.close());

const config = (over = {}) =>
    makeConfig({
        triggers: [trigger('everything'), trigger('builds', { types: ['DELETE_IMAGE'], path: '/builds' })],
        ...over,
        gateway: { paths: ['/', '/builds'], ...over.gateway },
    });

async function start(t, over, options) {
    const d = await Daemon.start(config(over), options);
    defer(t, () => d.stop());
    return d;
}

async function open(t, d, options) {
    const p = await browser.page(d, options);
    defer(t, () => p.close());
    return p;
}

async function client(t, d, path = '/', options = {}) {
    const c = await Client.open(d.url(path), options);
    defer(t, () => c.terminate());
    return c;
}

const rows = (p, kind = 'event') => p.page.locator(`.list-row.of-${kind}`);
const live = (p) => p.page.locator('.page-actions .badge.ok').waitFor();
const seen = (p, text) => rows(p).filter({ hasText: text }).first().waitFor();
const filter = (p) => p.page.locator('#live-filter');
const counted = async (p) => (await p.page.locator('.row.spread > .hint').textContent()).split(' ');

describe('live', limits, () => {
    test('shows what a registry posts while a client hears it, and what became of it', async (t) => {
        const d = await start(t);
        const c = await client(t, d);
        const p = await open(t, d, { hash: '#/live' });
        await live(p);
        await d.accept([push('team/app', digestOf('one'), 'v1')]);
        assert.match((await c.first(1))[0], /team\/app/);
        await seen(p, 'team/app:v1');
        await rows(p, 'batch').first().waitFor();
        await rows(p, 'webhook').first().waitFor();
        assert.match(await rows(p).filter({ hasText: 'team/app:v1' }).first().textContent(), /everything taken/);

        // Filters: by words, by kind, by what nobody took.
        await filter(p).fill('nothing like this');
        await p.page.getByText('Nothing fits this filter.').waitFor();
        await filter(p).fill('app:v1');
        await seen(p, 'team/app:v1');
        await filter(p).fill('');
        await p.byLabel('Everything').selectOption('webhook');
        await until('only webhooks', async () => (await rows(p).count()) === 0 && (await rows(p, 'webhook').count()) === 1);
        await p.byLabel('Everything').selectOption('');
        await p.byLabel('Only what no trigger took').check();
        await until('nothing was left', async () => (await rows(p).count()) === 0);
        await p.byLabel('Only what no trigger took').uncheck();
        await seen(p, 'team/app:v1');

        // By keys: the newest event, opened.
        await p.page.locator('.list').focus();
        await p.page.keyboard.press('End');
        await p.page.keyboard.press('Enter');
        const panel = p.page.locator('.event-panel');
        await panel.getByText('distribution').waitFor();
        await panel.getByRole('link', { name: 'builds' }).first().waitFor();
        await until('who has got it', async () => /Written\s*1/.test(await panel.innerText()) || (await p.button('Reload').click(), false));
        await p.button('Send again').click();
        await p.page.getByRole('dialog').getByRole('button', { name: 'Send again' }).click();
        await p.page.getByText('Sent again to 1 connection.').waitFor();
        await until('the replay', () => c.messages.some((one) => one.includes('"replay":')));
        await p.page.keyboard.press('Escape');
        await panel.waitFor({ state: 'detached' });

        // While it is paused rows are counted, not shown.
        await p.button('Pause').click();
        await d.accept([push('team/app', digestOf('two'), 'v2')]);
        await p.page.getByRole('button', { name: /^Continue \(\d+ new rows?\)$/ }).click();
        await seen(p, 'team/app:v2');
        await p.button('Clear').click();
        await p.page.getByText('Nothing yet.').waitFor();
    });

    test('loses nothing on the page when the server is killed and comes back', async (t) => {
        // The page asks the same address again.
        const service = await Service.start(t, config({ management: { listen: [`127.0.0.1:${await freePort()}`] } }));
        let d = service.daemon;
        const p = await open(t, d, { hash: '#/live' });
        p.offline = true;
        await live(p);
        await d.accept([push('team/app', digestOf('before'), 'before')]);
        await seen(p, 'team/app:before');
        d = await service.restart({ signal: 'SIGKILL' });
        await d.accept([push('team/app', digestOf('after'), 'after')]);
        await seen(p, 'team/app:after');
        await live(p);
        for (const tag of ['before', 'after']) assert.equal(await rows(p).filter({ hasText: `team/app:${tag}` }).count() > 0, true, tag);
        const names = await rows(p).evaluateAll((list) => list.map((row) => row.id));
        assert.equal(new Set(names).size, names.length);
        const { json } = await d.manage('GET', '/gateway/v1/events');
        await p.byLabel('Everything').selectOption('event');
        await until('each event once', async () => (await counted(p))[0] === String(json.events.length));
    });

    test('bears thousands of events', async (t) => {
        const n = SWEEP ? 5000 : 1000;
        const d = await start(t, { triggers: [trigger('everything', { size: 1000 })] });
        const p = await open(t, d, { hash: '#/live' });
        await live(p);
        await p.page.evaluate(() => {
            window.late = 0;
            let last = performance.now();
            const turn = () => {
                const now = performance.now();
                window.late = Math.max(window.late, now - last - 20);
                last = now;
                setTimeout(turn, 20);
            };
            turn();
        });
        // Two events each, faster than the feed tells: what it leaves out the page reads.
        for (let at = 0; at < n / 2; at += 100) await d.accept(Array.from({ length: 100 }, (_, i) => push(`team/app${at}`, digestOf(`d${at}.${i}`), `t${i}`)));
        const { json } = await d.manage('GET', '/gateway/v1/events?pageSize=1000');
        assert.ok(json.events.length > 0);
        await p.byLabel('Everything').selectOption('event');
        await until('they are all there', async () => Number((await counted(p))[0].replaceAll(',', '')) >= n, 30000);
        assert.ok((await p.page.locator('.list-row').count()) < 100, 'only what is in sight is in the page');
        const input = await p.page.evaluate(
            () =>
                new Promise((done) => {
                    const field = document.getElementById('live-filter');
                    const began = performance.now();
                    field.value = 't99';
                    field.dispatchEvent(new Event('input'));
                    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
                }),
        );
        const session = await p.context.newCDPSession(p.page);
        await session.send('HeapProfiler.collectGarbage');
        const { usedSize } = await session.send('Runtime.getHeapUsage');
        t.diagnostic(`${n} events: heap ${(usedSize / 1048576).toFixed(1)} MiB, a letter in the filter ${input.toFixed(0)} ms, longest stop ${(await p.page.evaluate(() => window.late)).toFixed(0)} ms`);
        assert.ok(usedSize < 100 * 1048576, `${usedSize} bytes`);
        assert.ok(input < (SWEEP ? 100 : 1000), `${input} ms`); // others load the machine by default
        await p.page.locator('.list').evaluate((list) => (list.scrollTop = list.scrollHeight));
        await until('the last ones', async () => (await p.page.locator('.list-row').last().getAttribute('aria-rowindex')) !== '2');
    });
});

describe('what comes from outside', limits, () => {
    test('is text, in every view', async (t) => {
        const d = await start(t, { registries: [{ id: REGISTRY, kind: 'generic', generic: { events: '/e', repository: '/r', tag: '/t', digest: '/d', actor: '/a' } }] });
        for (const text of hostile.slice(0, SWEEP ? hostile.length : 12)) {
            const agent = Buffer.from(text, 'utf8').toString('latin1').replaceAll(/[\x00-\x1f\x7f-\xff]/g, '?');
            await client(t, d, '/', { headers: { 'User-Agent': agent } });
        }
        for (const text of hostile) {
            const body = JSON.stringify({ e: [{ r: 'team/app', t: text, d: digestOf(text), a: text }] });
            const got = await d.post(body, { headers: { 'Content-Type': 'application/json' } });
            assert.equal(got.status, 202);
        }
        const p = await open(t, d, { hash: '#/live' });
        await live(p);
        const { events = [] } = (await d.manage('GET', '/gateway/v1/events?pageSize=1000')).json;
        const shownTexts = new Set();
        await until('all of them', async () => Number((await counted(p))[0]) >= events.length);
        const list = p.page.locator('.list');
        for (let top = 0; top < 34 * (events.length + 20); top += 300) {
            await list.evaluate((node, to) => (node.scrollTop = to), top);
            await p.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
            for (const text of await p.page.locator('.list-row .cell-main, .list-row .cell-by').allTextContents()) shownTexts.add(text);
        }
        const all = [...shownTexts].join('\n');
        for (const one of events) {
            assert.ok(all.includes(one.tag), `the tag ${one.tag}`);
            assert.ok(one.actor === '' || all.includes(one.actor), `the actor ${one.actor}`);
        }
        for (const one of events.slice(0, SWEEP ? 100 : 4)) {
            await p.go(`#/live?event=${one.eventId}`);
            await p.page.locator('.event-panel').getByText(`team/app${one.tag ? `:${one.tag}` : ''}`, { exact: true }).first().waitFor();
        }
        await p.go('#/paths?path=%2F');
        await p.page.locator('tbody tr').nth(11).waitFor();
        const agents = (await p.page.locator('td.agent').allTextContents()).join('\n');
        const { connections } = (await d.manage('GET', '/gateway/v1/connections')).json;
        for (const one of connections) assert.ok(agents.includes(one.userAgent), one.userAgent);
        await p.go('#/registries/letters');
        const { letters = [] } = (await d.manage('GET', '/registries/v1/letters')).json;
        if (letters.length > 0) {
            await p.page.getByRole('button', { name: `Inspect: ${letters[0].id}` }).click();
            await p.page.locator('.letter-body').waitFor();
            await p.page.keyboard.press('Escape');
        }
        for (const view of ['registries', 'overview']) {
            await p.go(`#/${view}`);
            await p.page.locator(view === 'registries' ? 'tbody tr' : '.big').first().waitFor();
        }
    });
});

describe('numbers', limits, () => {
    test('are the API’s and the metrics’ at rest', async (t) => {
        const d = await start(t);
        const c = await client(t, d);
        await d.accept([push('team/app', digestOf('a'), 'v1'), push('team/app', digestOf('b'), 'v1')]);
        await d.post('{"nonsense":1}');
        await c.first(1);
        const p = await open(t, d);
        await p.heading('Overview'); // the page begins here
        const reading = async () => new Map((await d.manage('GET', '/gateway/v1/metrics')).json.families.map((one) => [one.name, one.samples]));
        const sum = (families, name) => (families.get(name) ?? []).reduce((all, one) => all + Number(one.value), 0);
        await until('the same numbers', async () => {
            const families = await reading();
            const shown = await p.page.locator('.big dd').evaluateAll((list) => list.map((one) => [one.dataset.metric, one.textContent]));
            return shown.length === 7 && shown.every(([name, text]) => Number(text.replaceAll(',', '')) === sum(families, name));
        });
        const families = await reading();
        assert.equal(sum(families, 'regcast_connections'), 1);
        assert.ok(sum(families, 'regcast_events_total') >= 3);
        const types = await p.page.locator('[data-metric="regcast_events_total"][data-value]').evaluateAll((list) => list.map((one) => [one.dataset.value, Number(one.querySelector('dd').textContent)]));
        for (const [type, n] of types) assert.equal(n, families.get('regcast_events_total').filter((one) => one.labels.type === type).reduce((all, one) => all + Number(one.value), 0), type);
        assert.ok(types.length > 0);

        await p.go('#/paths');
        const { paths } = (await d.manage('GET', '/gateway/v1/paths')).json;
        for (const one of paths) {
            const path = p.page.locator('tbody tr', { has: p.link(one.path) });
            await path.waitFor();
            const cells = await path.locator('td').allTextContents();
            assert.deepEqual(cells.slice(0, 3), [one.connections, one.triggers, one.sentFrames].map(String), one.path);
        }
        await p.go('#/registries');
        const [registry] = (await d.manage('GET', '/registries/v1/registries')).json.registries;
        const row = p.page.locator('tbody tr').first();
        await row.waitFor();
        const cell = (label) => row.locator(`[data-label="${label}"]`).textContent();
        assert.deepEqual(
            [await cell('Accepted'), await cell('Ignored'), await cell('Duplicates'), await cell('Set aside'), await cell('Kept')],
            [registry.accepted, registry.ignored, registry.duplicates, registry.setAside, '1 body'],
        );
    });
});

describe('what can be done', limits, () => {
    test('with connections: a message, a replay, an end', async (t) => {
        const d = await start(t);
        const c = await client(t, d);
        await d.accept([push('team/app', digestOf('a'), 'v1')]);
        await c.first(1);
        const p = await open(t, d, { hash: '#/paths' });
        await p.link('/').click();
        await p.button(`Send: ${c.id}`).click();
        const dialog = p.page.getByRole('dialog');
        await dialog.getByLabel('Message').fill('Привет <b>');
        await dialog.getByRole('button', { name: 'Send', exact: true }).click();
        await until('the message', () => c.messages.includes('Привет <b>'));
        await p.button('Replay').click();
        await dialog.getByLabel('Since').fill('no time');
        p.expected.add(400);
        await dialog.getByRole('button', { name: 'Replay', exact: true }).click();
        await dialog.getByText(/must be an event id, or a time/).waitFor();
        await dialog.getByLabel('Since').fill('2020-01-01T00:00:00Z');
        await dialog.getByRole('button', { name: 'Replay', exact: true }).click();
        await until('the replay', () => c.messages.some((one) => one.includes('"replay":')));
        await p.button(`Disconnect: ${c.id}`).click();
        await dialog.getByRole('button', { name: 'Disconnect', exact: true }).click();
        await c.end;
        await p.page.getByText('Nobody is connected').waitFor();
    });

    test('with what was set aside: to read, to try again, to throw away; and with a body on trial', async (t) => {
        const d = await start(t);
        for (const body of ['{"nonsense":"<b>x</b>"}', '{"nonsense":2}']) assert.equal((await d.post(body)).json.set_aside, 1);
        const p = await open(t, d, { hash: '#/registries' });
        await p.link('2 bodies').click();
        await p.page.getByRole('button', { name: /^Inspect/ }).last().click();
        const dialog = p.page.getByRole('dialog');
        assert.equal(await p.page.locator('.letter-body').textContent(), '{\n  "nonsense": "<b>x</b>"\n}');
        await dialog.getByRole('button', { name: 'Try again' }).click();
        await dialog.getByText(/Still not understood/).waitFor();
        await dialog.getByRole('button', { name: 'Delete' }).click();
        await p.page.getByRole('dialog').last().getByRole('button', { name: 'Delete' }).click();
        await until('it is gone', async () => (await p.page.getByRole('button', { name: /^Inspect/ }).count()) === 1);
        assert.equal((await d.manage('GET', '/registries/v1/letters')).json.letters.length, 1);

        await p.go('#/registries');
        await p.button(`Set up: ${REGISTRY}`).click();
        assert.match(await dialog.locator('code').textContent(), new RegExp(`url: http://127\\.0\\.0\\.1:${d.webhookPort}/registries/${REGISTRY}/events`));
        await p.page.keyboard.press('Escape');
        await p.link(`Try: ${REGISTRY}`).click();
        await p.byLabel('Body of the webhook').fill(JSON.stringify({ events: [push('team/app', digestOf('x'), 'v9')] }));
        await p.button('Run').click();
        await p.page.getByText('Push', { exact: true }).waitFor();
    });
});

describe('how it looks', limits, () => {
    const VIEWS = [
        ['overview', '.chart', ['Overview', 'Обзор']],
        ['live', '.list-row', ['Live', 'События']],
        ['paths', 'tbody tr', ['Paths and connections', 'Пути и соединения']],
        ['registries', 'tbody tr', ['Registries', 'Реестры']],
    ];
    test('light and dark, in both languages, on a phone, for axe', async (t) => {
        const d = await start(t);
        await client(t, d);
        await d.accept([push('team/app', digestOf('a'), 'v1'), push('team/web', digestOf('b'), 'v2')]);
        await d.post('{"nonsense":1}');
        const looks = [
            ['en', false, 1280],
            ['ru', true, 390],
            ...(SWEEP ? [['ru', false, 390], ['en', true, 1280], ['ru', true, 1280]] : []),
        ];
        for (const [lang, dark, width] of looks) {
            const p = await open(t, d, { hash: '#/overview', lang, dark, width });
            for (const [view, there, titles] of VIEWS) {
                await p.go(`#/${view}`);
                await p.heading(titles[lang === 'en' ? 0 : 1]);
                await p.page.locator(there).first().waitFor();
                if (lang === 'en' || SWEEP) await p.accessible(`${view} ${lang}`);
                await p.fits(`${view} ${lang} ${width}`);
                await p.picture(`${view}-${lang}-${dark ? 'dark' : 'light'}-${width}`);
            }
        }
    });
});
