// A real browser on the console: pages that fail the test for every error they have, what axe finds, and pictures.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT } from './harness.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const PICTURES = join(ROOT, 'build/screenshots');
const require = createRequire(import.meta.url);

// What node:test's `skip` takes: false, or why the tests of this file cannot be run.
export const skip =
    existsSync(CHROMIUM) || process.env.REGCAST_REQUIRE_BROWSER ? false : `${CHROMIUM} is not installed; scripts/setup installs it`;

// Texts that are to be shown as they are, whatever they look like.
export const hostile = [
    '<script>window.owned=1</script>',
    '<img src=x onerror=window.owned=1>',
    '"><svg onload=window.owned=1>',
    "'><iframe src=javascript:window.owned=1></iframe>",
    '</textarea><script>window.owned=1</script>',
    '</title><script>window.owned=1</script>',
    '</style><script>window.owned=1</script>',
    '<!--<script>window.owned=1//-->',
    '<![CDATA[<script>window.owned=1</script>]]>',
    '<a href="javascript:window.owned=1">x</a>',
    '<math><mtext><mglyph><style><img src=x onerror=window.owned=1>',
    '<details open ontoggle=window.owned=1>',
    '<input autofocus onfocus=window.owned=1>',
    '<template><script>window.owned=1</script></template>',
    '<base href=//evil.example/>',
    '<meta http-equiv=refresh content=0;url=//evil.example>',
    '<link rel=stylesheet href=//evil.example/x.css>',
    '<style>*{display:none}</style>',
    '<form action=//evil.example><input name=token></form>',
    'javascript:window.owned=1',
    '{{constructor.constructor("window.owned=1")()}}',
    '${window.owned=1}',
    '#{window.owned=1}',
    '<%= window.owned=1 %>',
    '{n} {name} {event} {link}',
    '&lt;b&gt;&amp;&quot;&#39;',
    '&#60;script&#62;',
    '\\u003cscript\\u003e',
    '%3Cscript%3E',
    "' OR 1=1 --",
    '"; DROP TABLE triggers; --',
    '$(touch owned) `touch owned`',
    '; touch owned #',
    '| touch owned &&',
    '--help',
    '-rf /',
    '../../../etc/passwd',
    'C:\\Windows\\',
    '__proto__',
    'constructor',
    'toString',
    'null',
    'undefined',
    'NaN',
    'true',
    '0',
    '\u202egnp.exe\u202c',
    '\u200b\u200d\ufeffinvisible',
    'i\u0307\u0323\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309 zalgo',
    '𝕌𝕟𝕚𝕔𝕠𝕕𝕖 👩‍👩‍👧‍👦 مرحبا שלום 漢字',
];

export class Browser {
    static async open() {
        const b = new Browser();
        const { chromium } = await import('playwright-core');
        b.browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
        return b;
    }

    close() {
        return this.browser.close();
    }

    // A page of its own, with cookies of its own. Options: daemon, hash, lang, dark, width, height, storage: of another
    // page's context, `expect`: statuses of answers that may fail.
    async page(daemon, { hash = '', lang = 'en', dark = false, width = 1280, height = 800, expect = [], context: of } = {}) {
        const context =
            of ??
            (await this.browser.newContext({
                viewport: { width, height },
                colorScheme: dark ? 'dark' : 'light',
                locale: lang,
                reducedMotion: 'reduce',
            }));
        await context.grantPermissions(['clipboard-read', 'clipboard-write']);
        const page = await context.newPage();
        page.setDefaultTimeout(10000);
        const p = new Page(page, context, daemon, expect);
        await page.goto(p.url(hash), { waitUntil: 'load' });
        return p;
    }
}

export class Page {
    problems = [];

    constructor(page, context, daemon, expect) {
        Object.assign(this, { page, context, daemon, expected: new Set(expect) });
        page.on('pageerror', (error) => this.problems.push(`exception: ${error.stack}`));
        page.on('console', (message) => {
            if (!['error', 'warning'].includes(message.type())) return;
            const text = `${message.text()} (${message.location().url})`;
            const status = Number(/status of (\d+)/.exec(text)?.[1]);
            // A 400 is a line on the console, too.
            if (!this.expected.has(status) && !(this.offline && /net::ERR_/.test(text))) this.problems.push(`${message.type()}: ${text}`);
        });
        page.on('crash', () => this.problems.push('the page crashed'));
        page.on('request', (request) => {
            const { protocol, host } = new URL(request.url());
            if (/^(https?|wss?):$/.test(protocol) && host !== this.host) this.problems.push(`it asked ${request.url()}`);
        });
    }

    get host() {
        return `127.0.0.1:${this.daemon.managementPort}`;
    }

    url(hash = '') {
        return `http://${this.host}/console/${hash}`;
    }

    // Goes to another view as a link in the page would.
    async go(hash) {
        await this.page.evaluate((to) => (location.hash = to), hash);
    }

    // The heading of the view, once it is this.
    async heading(text) {
        await this.page.locator('h1', { hasText: text }).waitFor();
    }

    byLabel(label, options) {
        return this.page.getByLabel(label, { exact: true, ...options });
    }

    button(name, options) {
        return this.page.getByRole('button', { name, exact: true, ...options });
    }

    link(name, options) {
        return this.page.getByRole('link', { name, exact: true, ...options });
    }

    async login(token, lang = 'en') {
        const [label, button] = lang === 'en' ? ['Token', 'Log in'] : ['Токен', 'Войти'];
        const dialog = this.page.getByRole('dialog');
        await dialog.getByLabel(label, { exact: true }).fill(token);
        await dialog.getByRole('button', { name: button, exact: true }).click();
    }

    // Nothing serious on the page as it is now.
    async accessible(what) {
        await this.page.evaluate(axe());
        const found = await this.page.evaluate(() =>
            window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa'], resultTypes: ['violations'] }),
        );
        const bad = found.violations
            .filter((one) => ['serious', 'critical'].includes(one.impact))
            .map((one) => `${one.id}: ${one.help}\n${one.nodes.map((node) => `    ${node.html}: ${node.failureSummary}`).join('\n')}`);
        assert.deepEqual(bad, [], `accessibility of ${what}:\n${bad.join('\n')}`);
    }

    // Nothing is wider than the page.
    async fits(what) {
        const [inner, outer] = await this.page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        assert.ok(inner <= outer, `${what} is ${inner} px wide on a page of ${outer}`);
    }

    async picture(name) {
        mkdirSync(PICTURES, { recursive: true });
        await this.page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true, animations: 'disabled' });
    }

    // Ends it; nothing may have gone wrong on it.
    async close() {
        const owned = await this.page.evaluate(() => window.owned).catch(() => undefined);
        await this.context.close();
        assert.equal(owned, undefined, 'a text was run');
        assert.deepEqual(this.problems, [], 'on the page');
    }
}

let source;
const axe = () => (source ??= readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
