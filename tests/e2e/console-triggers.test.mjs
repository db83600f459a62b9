// The console's triggers in a real browser on the real daemon: made through the form and heard by a real client, changed,
// tried out and deleted, with right and wrong input, in both languages, by keyboard alone, on a phone, and by whom.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Browser, hostile, skip } from './browser.mjs';
import {
    BROADCASTER,
    Client,
    Daemon,
    FOLDER,
    GATEWAY,
    REGCASTD,
    REGISTRY,
    defer,
    digestOf,
    envelope,
    makeConfig,
    push,
    readMessage,
    until,
} from './harness.mjs';

const SWEEP = process.env.REGCAST_SWEEP === '1';
const limits = { timeout: 60000, skip };
const TRIGGERS = '/triggers/v1/triggers';
const PREFIX = 'CONTAINER_REGISTRY_EVENT_TYPE_';
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

const WORDS = {
    en: {
        first: 'Create the first trigger', create: 'Create trigger', name: 'Name', description: 'Description (optional)',
        add: 'Add label', key: 'Key of label 1', value: 'Value of label 1', registry: 'Registry', createImage: 'Create Docker image',
        createTag: 'Create Docker image tag', cutoff: 'Waiting time, s', size: 'Batch size', path: 'Path', tag: 'Docker image tag (optional)',
        sections: ['Basic parameters', 'Container Registry settings', 'Message batching settings', 'API gateway settings', 'The command for this'],
        tags: 'Tags', line: 'Command line', call: 'REST call', active: 'Active', triggers: 'Triggers',
    },
    ru: {
        first: 'Создать первый триггер', create: 'Создать триггер', name: 'Имя', description: 'Описание (необязательно)',
        add: 'Добавить метку', key: 'Ключ метки 1', value: 'Значение метки 1', registry: 'Реестр', createImage: 'Создание Docker-образа',
        createTag: 'Создание тега Docker-образа', cutoff: 'Время ожидания, с', size: 'Размер группы', path: 'Путь', tag: 'Тег Docker-образа (необязательно)',
        sections: ['Базовые параметры', 'Настройки Container Registry', 'Настройки группирования сообщений', 'Настройки API-шлюза', 'Команда для этого'],
        tags: 'Теги', line: 'Командная строка', call: 'Вызов REST', active: 'Активен', triggers: 'Триггеры',
    },
};

let browser;
before(async () => {
    if (!skip) browser = await Browser.open();
});
after(async () => {
    await browser?.close();
    if (common) await (await common).stop();
});

const config = (over = {}) => makeConfig({ triggers: [], ...over, gateway: { paths: ['/', '/builds'], ...over.gateway } });

async function start(t, over, options) {
    const d = await Daemon.start(config(over), options);
    defer(t, () => d.stop());
    return d;
}

// One daemon for what does not mind the others' triggers.
let common;
const shared = () => (common ??= Daemon.start(config()));

async function open(t, d, options) {
    const p = await browser.page(d, { hash: '#/triggers', ...options });
    defer(t, () => p.close());
    return p;
}

async function create(d, name, change = {}, options = {}) {
    const { registry = {}, ...rest } = change;
    const body = {
        folderId: FOLDER,
        name,
        ...rest,
        rule: {
            containerRegistry: {
                eventType: [`${PREFIX}CREATE_IMAGE`],
                registryId: REGISTRY,
                batchSettings: { size: '1', cutoff: '1s' },
                gatewayWebsocketBroadcast: { gatewayId: GATEWAY, path: '/', serviceAccountId: BROADCASTER },
                ...registry,
            },
        },
    };
    const got = await d.manage('POST', TRIGGERS, { body, ...options });
    assert.equal(got.status, 200, got.text);
    return got.json.response;
}

const list = async (d, options) => (await d.manage('GET', `${TRIGGERS}?folderId=${FOLDER}`, options)).json.triggers ?? [];

// The text of a block of code by its label.
const code = (p, label) => p.page.locator('figure', { has: p.page.locator('figcaption > span', { hasText: label }) }).locator('code').textContent();

// What is said beside a field, once it is.
async function beside(control) {
    await until('a message beside the field', async () => (await control.getAttribute('aria-invalid')) === 'true');
    return control.evaluate((node) => {
        const ids = node.getAttribute('aria-describedby').split(' ');
        return document.getElementById(ids.at(-1)).textContent;
    });
}

async function fillForm(p, w, { name, size = '1', cutoff = '1' }) {
    await p.byLabel(w.name).fill(name);
    await p.byLabel(w.description).fill('Made by hand');
    await p.button(w.add).click();
    await p.byLabel(w.key).fill('team');
    await p.byLabel(w.value).fill('a');
    await p.byLabel(w.createImage).check();
    await p.byLabel(w.createTag).check();
    await p.byLabel(w.cutoff).fill(cutoff);
    await p.byLabel(w.size).fill(size);
    await p.byLabel(w.path).selectOption('/builds');
}

// ----------------------------------------------------------------------------- made by the form

for (const lang of ['en', 'ru'])
    test(`a trigger is made through the form and fires: ${lang}`, limits, async (t) => {
        const w = WORDS[lang];
        const d = await start(t);
        const client = await Client.open(d.url('/builds'));
        defer(t, () => client.socket.terminate());
        const p = await open(t, d, { lang, expect: [400, 404] });
        await p.link(w.first).waitFor();
        const whole = SWEEP || lang === 'en'; // the other differs in its words
        const look = async (what, picture) => {
            if (!whole) return;
            await p.accessible(what);
            await p.picture(`${picture}-${lang}`);
        };
        await look('the empty list', 'triggers-empty');
        await p.link(w.first).click();
        await p.heading(lang === 'en' ? 'Create trigger' : 'Создание триггера');
        await p.button(w.create).waitFor();
        assert.deepEqual(await p.page.locator('main h2').allTextContents(), w.sections);
        assert.equal(await p.page.evaluate(() => document.documentElement.lang), lang);

        // Wrong first: the server's words beside the fields, the first of them focused, nothing lost.
        await fillForm(p, w, { name: 'No Such Name', size: '1001', cutoff: '61' });
        const advanced = p.page.locator('summary');
        await advanced.click();
        await p.byLabel(w.tags).fill('semver:?');
        await advanced.click();
        await p.button(w.create).click();
        assert.match(await beside(p.byLabel(w.name)), /must match \[a-z\]/);
        assert.match(await beside(p.byLabel(w.size)), /from 0 to 1000/);
        assert.match(await beside(p.byLabel(w.cutoff)), /from 1s to 60s/);
        assert.match(await beside(p.byLabel(w.tags)), /semver:\?/);
        assert.ok(await p.byLabel(w.tags).isVisible(), 'what is wrong is not hidden');
        assert.equal(await p.page.evaluate(() => document.activeElement.name), 'name');
        await look('the form with messages', 'triggers-wrong');
        await p.byLabel(w.name).fill('by-hand');
        assert.equal(await p.byLabel(w.name).getAttribute('aria-invalid'), 'false');
        await p.byLabel(w.size).fill('2');
        await p.byLabel(w.cutoff).fill('1,5');
        await p.byLabel(w.tags).fill('');

        // What is of no field is said above the form.
        await p.byLabel(w.registry).fill('crtnobody');
        await p.button(w.create).click();
        await p.page.getByRole('alert').getByText('Registry crtnobody not found').waitFor();
        await p.byLabel(w.registry).fill(REGISTRY);

        // What the page offers to copy does the same.
        const path = `${dirname(REGCASTD)}:${process.env.PATH}`;
        if (lang === 'en') {
            const rules = [];
            for (const label of [w.line, w.call]) {
                const ran = spawnSync('bash', ['-c', await code(p, label)], { encoding: 'utf8', env: { ...process.env, PATH: path }, timeout: 20000 });
                assert.equal(ran.status, 0, ran.stderr);
                const [made] = await list(d);
                rules.push([made.name, made.description, made.labels, made.rule]);
                await d.manage('DELETE', `${TRIGGERS}/${made.id}`);
            }
            assert.deepEqual(rules[0], rules[1]);
            await p.page.locator('figure', { hasText: w.line }).getByRole('button').click();
            await p.page.getByRole('status').getByText('Copied').waitFor({ state: 'attached' });
            assert.equal(await p.page.evaluate(() => navigator.clipboard.readText()), await code(p, w.line));
        }

        await p.picture(`triggers-form-${lang}`);
        await p.button(w.create).click();
        await p.heading('by-hand');
        const [made] = await list(d);
        assert.deepEqual([made.name, made.description, made.labels], ['by-hand', 'Made by hand', { team: 'a' }]);
        assert.deepEqual(made.rule.containerRegistry, {
            eventType: [`${PREFIX}CREATE_IMAGE`, `${PREFIX}CREATE_IMAGE_TAG`],
            registryId: REGISTRY,
            batchSettings: { size: '2', cutoff: '1.500s' },
            gatewayWebsocketBroadcast: { gatewayId: GATEWAY, path: '/builds', serviceAccountId: BROADCASTER },
        });
        await d.accept([push('team/app', digestOf('form'), 'v1')]);
        const [text] = await client.first(1);
        assert.deepEqual(readMessage(text).map((one) => one.type), ['CreateImage', 'CreateImageTag']);
        const printed = spawnSync('regcast', ['serverless', 'trigger', 'get', made.id, '--endpoint', `127.0.0.1:${d.managementPort}`], {
            encoding: 'utf8',
            env: { ...process.env, PATH: path },
            timeout: 20000,
        });
        assert.equal(await p.page.locator('[role=tabpanel]:visible code').textContent(), printed.stdout.trimEnd());
        await look('a trigger', 'trigger');
        await p.go('#/triggers');
        await p.heading(w.triggers);
        const row = p.page.getByRole('row').filter({ hasText: 'by-hand' });
        await until('the batch in the list', async () => (await row.locator('td').nth(4).textContent()) === '1');
        assert.match(await row.textContent(), new RegExp(w.active));
        await look('the list', 'triggers');
    });

// -------------------------------------------------------------------------- what is done with it

test('a trigger is changed, paused, resumed, tested and deleted', limits, async (t) => {
    const d = await shared();
    const { id } = await create(d, 'first-name', { labels: { team: 'a' }, registry: { filter: { tags: ['v*'] } } });
    const client = await Client.open(d.url('/'));
    defer(t, () => client.socket.terminate());
    const now = async () => (await d.manage('GET', `${TRIGGERS}/${id}`)).json;
    const p = await open(t, d, { hash: `#/triggers/${id}`, expect: [404] });
    await p.heading('first-name');

    await p.link('Edit').click();
    await p.heading('Edit first-name');
    assert.equal(await p.byLabel('Tags').inputValue(), 'v*', 'filters in use are shown');
    await p.byLabel('Name').fill('second-name');
    assert.match(await code(p, 'Command line'), /trigger update a1s.*\\\n {4}--new-name second-name$/);
    await p.byLabel('Tags').fill('');
    await p.byLabel('Docker image name (optional)').fill('team/app');
    await p.button('Save').click();
    await p.heading('second-name');
    const changed = await now();
    assert.deepEqual([changed.name, changed.labels, changed.rule.containerRegistry.filter, changed.rule.containerRegistry.imageName],
        ['second-name', { team: 'a' }, undefined, 'team/app']);

    await p.button('Pause').click();
    await p.button('Resume').waitFor();
    assert.equal((await now()).status, 'PAUSED');
    await p.button('Resume').click();
    await p.button('Pause').waitFor();
    assert.equal((await now()).status, 'ACTIVE');

    await p.button('Test').click();
    const explain = p.link('What became of it');
    const event = new URLSearchParams((await explain.getAttribute('href')).split('?')[1]).get('event');
    const [text] = await client.first(1);
    assert.equal(JSON.parse(text).messages[0].event_metadata.event_id, event);
    await until('operations', async () => (await p.page.getByRole('row').count()) === 5);
    assert.deepEqual(await p.page.locator('tbody th').allTextContents(), ['Resumed', 'Paused', 'Changed', 'Created']);

    await p.button('Delete').click();
    const dialog = p.page.getByRole('dialog');
    await p.accessible('the question whether to delete');
    await p.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await p.page.evaluate(() => document.activeElement.textContent), 'Delete', 'the focus is back where it was');
    await p.button('Delete').click();
    await dialog.getByRole('textbox').fill('first-name');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    assert.match(await beside(dialog.getByRole('textbox')), /not second-name/);
    await dialog.getByRole('textbox').fill('second-name');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await p.heading('Triggers');
    assert.equal((await d.manage('GET', `${TRIGGERS}/${id}`)).status, 404);
});

test('a pasted body is run dry', limits, async (t) => {
    const d = await shared();
    const made = [
        (await create(d, 'takes-all')).id,
        (await create(d, 'takes-one', { registry: { imageName: 'team/other' } })).id,
    ];
    const p = await open(t, d, { hash: '#/triggers/dry-run', expect: [400, 404] });
    await p.button('Run').click();
    assert.match(await beside(p.byLabel('Body of the webhook')), /Paste a body/);
    await p.byLabel('Body of the webhook').fill('{"a":');
    await p.button('Run').click();
    await p.page.getByRole('status', { name: 'Result' }).getByText('That did not work').waitFor();
    await p.byLabel('Body of the webhook').fill(envelope([push('team/app', digestOf('dry'))]));
    await p.button('Run').click();
    const row = (name) => p.page.getByRole('row').filter({ hasText: name });
    await row('takes-all').waitFor();
    assert.match(await row('takes-all').textContent(), /Takes it.*Broadcasts to \//);
    assert.match(await row('takes-one').textContent(), /Leaves it.*image_name/);
    await p.accessible('a dry run');
    await p.picture('triggers-dry-run');
    const { triggers } = (await d.manage('GET', '/gateway/v1/triggers')).json;
    assert.deepEqual(triggers.filter((one) => made.includes(one.triggerId)).map((one) => Number(one.batches)), [0, 0], 'nothing was sent');
});

test('by keyboard alone', limits, async (t) => {
    const w = WORDS.en;
    const d = await shared();
    const p = await open(t, d);
    await p.link(w.create).waitFor();
    const press = (key) => p.page.keyboard.press(key);
    // Steps with Tab until what has the focus is called so, and shows it.
    async function tabTo(name) {
        const seen = [];
        for (let i = 0; i < 60; i++) {
            await press('Tab');
            const [called, marked] = await p.page.evaluate(() => {
                const node = document.activeElement;
                const style = getComputedStyle(node);
                const text = node.getAttribute('aria-label') ?? node.labels?.[0]?.textContent ?? node.textContent;
                return [text.trim(), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0];
            });
            seen.push(called);
            if (called !== name) continue;
            assert.ok(marked, `${name} shows that it has the focus`);
            return;
        }
        assert.fail(`no ${name} among ${JSON.stringify(seen)}`);
    }
    await tabTo('Skip to the content');
    await press('Enter');
    assert.equal(await p.page.evaluate(() => document.activeElement.tagName), 'H1');
    assert.equal(new URL(p.page.url()).hash, '#/triggers');
    await tabTo(w.create);
    await press('Enter');
    await p.heading('Create trigger');
    await p.button(w.create).waitFor();
    await tabTo(w.name);
    await p.page.keyboard.type('by-keyboard');
    await tabTo(w.createImage);
    await press('Space');
    await tabTo(w.path);
    await p.page.keyboard.type('/b');
    await tabTo(w.create);
    await press('Enter');
    await p.heading('by-keyboard');
    const made = (await list(d)).find((one) => one.name === 'by-keyboard');
    assert.equal(made.rule.containerRegistry.gatewayWebsocketBroadcast.path, '/builds');
});

// ------------------------------------------------------------------------- how it looks, and what

test('on a phone and in the dark', limits, async (t) => {
    const d = await shared();
    const { id } = await create(d, `long-${'name'.repeat(14)}`, {
        description: 'x'.repeat(500),
        labels: { [`k${'x'.repeat(62)}`]: 'y'.repeat(63) },
        registry: { imageName: 'team/'.repeat(40), tag: 't'.repeat(128), filter: { tags: ['v'.repeat(255)] } },
    });
    const views = { triggers: '#/triggers', trigger: `#/triggers/${id}`, 'trigger-edit': `#/triggers/${id}/edit`, 'triggers-dry-run': '#/triggers/dry-run' };
    for (const [kind, options] of Object.entries({ phone: { width: 360, height: 740 }, dark: { dark: true } })) {
        const p = await open(t, d, options);
        for (const [name, hash] of Object.entries(views)) {
            await p.go(hash);
            await p.page.locator('table:visible, button[type=submit]:visible').first().waitFor();
            await p.fits(`${name} on a ${kind}`);
            if (SWEEP || (kind === 'dark' && name !== 'triggers-dry-run')) await p.accessible(`${name}: ${kind}`);
            await p.picture(`${name}-${kind}`);
        }
    }
});

test('the first view is light and quick', limits, async (t) => {
    const d = await shared();
    const p = await open(t, d);
    await p.context.addInitScript(() => {
        new MutationObserver((_, observer) => {
            if (!document.querySelector('main .big')) return; // the overview with its numbers
            window.shownAfter = performance.now();
            observer.disconnect();
        }).observe(document, { childList: true, subtree: true });
    });
    const times = [];
    for (let i = 0; i < (SWEEP ? 10 : 3); i++) {
        const fresh = await p.context.newPage();
        await fresh.goto(p.url());
        times.push(await (await fresh.waitForFunction(() => window.shownAfter)).jsonValue());
        const files = await fresh.evaluate(() => performance.getEntriesByType('resource').filter((one) => one.name.includes('/console/') && !one.name.endsWith('/session')).map((one) => one.encodedBodySize));
        const bytes = files.reduce((sum, one) => sum + one, 0);
        assert.ok(files.length <= 30 && bytes > 0 && bytes < 80 * 1024, `${files.length} files, ${bytes} bytes`);
        await fresh.close();
    }
    t.diagnostic(`shown after ${times.map((ms) => ms.toFixed(0))} ms`);
    // Against a loaded machine and a build with sanitizers the least of them says enough.
    assert.ok(Math.min(...times) < (SWEEP ? 300 : 3000), `shown after ${times} ms`);
});

test('language and colours are chosen and kept, and what is being written stays', limits, async (t) => {
    const d = await shared();
    const p = await open(t, d, { hash: '#/triggers/new' });
    await p.byLabel('Name').fill('half-written');
    await p.byLabel('Language').selectOption('ru');
    await p.heading('Создание триггера');
    assert.equal(await p.byLabel('Имя').inputValue(), 'half-written');
    await p.byLabel('Цвета').selectOption('dark');
    const colour = () => p.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await colour();
    await p.link('Триггеры').click();
    const dialog = p.page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Отмена' }).click();
    assert.equal(await p.byLabel('Имя').inputValue(), 'half-written', 'asked before it is lost');
    await p.link('Триггеры').click();
    await dialog.getByRole('button', { name: 'Уйти' }).click();
    await p.heading('Триггеры');
    await p.page.reload();
    await p.heading('Триггеры');
    assert.equal(await colour(), dark);
    await p.byLabel('Цвета').selectOption('light');
    assert.notEqual(await colour(), dark);
});

test('a server that does not answer is said to, and what is asked for later comes', limits, async (t) => {
    const d = await shared();
    const { id } = await create(d, 'comes-back');
    await create(d, 'stays-there');
    const p = await open(t, d, { expect: [404] });
    const row = p.page.getByRole('row').filter({ hasText: 'comes-back' });
    await row.waitFor();
    p.offline = true;
    await p.context.setOffline(true);
    const look = () => p.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange'))); // not to wait for the next turn
    await look();
    await p.page.getByText('The server does not answer. What you see').waitFor();
    await row.waitFor();
    await d.manage('DELETE', `${TRIGGERS}/${id}`);
    await p.link('stays-there').focus();
    await p.context.setOffline(false);
    await look();
    await row.waitFor({ state: 'detached' });
    assert.equal(await p.page.getByText('The server does not answer').count(), 0);
    assert.equal(await p.page.evaluate(() => document.activeElement.textContent), 'stays-there', 'the focus stays where it was');
});

test('hostile texts are texts', limits, async (t) => {
    const d = await shared();
    const made = [];
    for (const [i, text] of hostile.entries())
        made.push(await create(d, `hostile-${i}`, { description: text, registry: { tag: text.slice(0, 40), imageName: text } }));
    const p = await open(t, d, { expect: [400] });
    await p.byLabel('Name, registry, path, label').fill('hostile-');
    await until('all rows', async () => (await p.page.getByRole('row').count()) === hostile.length + 1);
    const shown = await p.page.locator('tbody th .hint').allTextContents();
    assert.deepEqual(shown, hostile);
    for (const one of SWEEP ? made : made.slice(0, 2)) {
        const text = one.description;
        await p.go(`#/triggers/${one.id}`);
        await p.heading(one.name);
        await until('the text on its page', async () => (await p.page.locator('.before').textContent()) === text);
        await p.go(`#/triggers/${one.id}/edit`);
        await p.heading(`Edit ${one.name}`);
        assert.equal(await p.byLabel('Description (optional)').inputValue(), text);
    }
    // As a name and as labels, where the server refuses them.
    await p.go('#/triggers/new');
    await p.heading('Create trigger');
    await p.button('Add label').click();
    for (const text of SWEEP ? hostile : hostile.slice(0, 3)) {
        await p.byLabel('Name').fill(text);
        await p.byLabel('Key of label 1').fill(text);
        await p.byLabel('Value of label 1').fill(text);
        const refused = p.page.waitForResponse((one) => one.request().method() === 'POST');
        await p.button('Create trigger').click();
        assert.equal((await refused).status(), 400, 'no event type is chosen');
        await p.page.locator('.field-error:visible').first().waitFor();
    }
    await p.go('#/triggers/dry-run');
    await p.page.getByRole('button', { name: 'Leave' }).click();
    await p.heading('Dry run');
    await p.byLabel('Body of the webhook').fill(envelope([push('team/app', digestOf('hostile'), 'v1')]));
    await p.button('Run').click();
    await p.page.getByRole('row').filter({ hasText: 'hostile-0' }).first().waitFor();
});

// ----------------------------------------------------------------------------------- who may what

describe('with tokens', () => {
    const users = (alice = 'functions.editor') => ({
        users: [
            { id: 'alice', roles: [alice, 'container-registry.images.puller', 'iam.serviceAccounts.user', 'api-gateway.viewer'] },
            { id: 'bob', roles: ['functions.viewer'] },
        ],
        tokens: ['alice', 'bob'].map((subject) => ({ subject, sha256: sha256(`t1.${subject}`) })),
    });
    const asAlice = { token: 't1.alice' };

    test('login: wrong, right, by role, and out', limits, async (t) => {
        const d = await start(t, users());
        await create(d, 'there', {}, asAlice);
        const p = await open(t, d, { expect: [401] });
        await p.login('');
        assert.match(await beside(p.byLabel('Token')), /Enter a token/);
        await p.accessible('the login');
        await p.picture('login');
        await p.login('t1.mallory');
        await until('the refusal', async () => /not accepted/.test(await beside(p.byLabel('Token'))));
        await p.login('t1.bob');
        const row = p.page.getByRole('row').filter({ hasText: 'there' });
        await row.waitFor();
        assert.equal(await p.page.getByText('bob', { exact: true }).count(), 1);
        const make = p.button('Create trigger');
        assert.deepEqual([await make.getAttribute('aria-disabled'), /functions\.editor/.test(await make.getAttribute('title'))], ['true', true]);
        await row.getByRole('link').click();
        await p.heading('there');
        for (const name of ['Edit', 'Pause', 'Test', 'Delete']) assert.equal(await p.button(name).getAttribute('aria-disabled'), 'true', name);
        await p.accessible('a trigger of which nothing may be changed');
        await p.picture('trigger-viewer');
        await p.go('#/triggers/new');
        await p.page.getByText('functions.editor is needed').waitFor();
        await p.button('Log out').click();
        await p.page.getByText('You are not logged in').waitFor();
        assert.equal((await p.context.cookies()).filter((one) => one.value).length, 0);
        await p.button('Log in').last().click();
        await p.page.keyboard.press('Escape');
        await p.accessible('the page without a session');
    });

    test('a session that ends while something is written, and rights that do', limits, async (t) => {
        const first = config(users());
        const d = await start(t, first);
        const p = await open(t, d, { hash: '#/triggers/new', expect: [401, 403] });
        await p.login('t1.alice');
        await p.byLabel('Name').fill('kept-name');
        await p.byLabel('Create Docker image').check();
        await p.byLabel('Path').selectOption('/');
        await p.byLabel('Service account').selectOption(BROADCASTER);
        assert.match(await code(p, 'REST call'), /REGCAST_TOKEN/);
        await p.context.clearCookies();
        await p.button('Create trigger').click();
        const dialog = p.page.getByRole('dialog');
        await dialog.waitFor();
        await p.page.keyboard.press('Escape');
        await p.page.getByText('Your session has ended.').waitFor();
        assert.equal(await p.byLabel('Name').inputValue(), 'kept-name');
        assert.deepEqual(await list(d, asAlice), []);
        await p.button('Create trigger').click();
        await p.login('t1.alice');
        await p.heading('kept-name');
        assert.equal((await list(d, asAlice)).length, 1);

        // Another tab begins a session of its own, with another CSRF token.
        const other = await p.page.evaluate(async () => {
            const headers = { 'content-type': 'application/json' };
            return (await fetch('/console/session', { method: 'POST', headers, body: '{"token":"t1.alice"}' })).status;
        });
        assert.equal(other, 200);
        await p.button('Pause').click();
        await p.button('Resume').waitFor();

        // The role goes while the page is open: the page still offers it, the server says no, and the page shows that.
        await p.link('Edit').click();
        await p.heading('Edit kept-name');
        await p.byLabel('Name').fill('other-name');
        writeFileSync(d.file, JSON.stringify({ ...first, ...users('functions.viewer') }));
        d.child.kill('SIGHUP');
        await until('the reload', () => d.logged({ msg: 'reloaded' }).length > 0);
        await p.button('Save').click();
        await p.page.getByText('Not allowed').waitFor();
        assert.equal(await p.byLabel('Name').inputValue(), 'other-name');
        await p.accessible('a refusal');
    });
});
