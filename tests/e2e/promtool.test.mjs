// What is in conf/prometheus and conf/grafana, by promtool and by a Prometheus that scrapes the real daemon.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import { Client, Daemon, ROOT, defer, freePort, makeConfig, newImage, start, tempDir, until } from './harness.mjs';

const has = (program) => spawnSync(program, ['--version']).status === 0;
const limits = { timeout: 60000, skip: !(has('promtool') && has('prometheus')) && 'no Prometheus here' };

const file = (name) => join(ROOT, name);
const read = (name) => readFileSync(file(name), 'utf8');
const dashboard = JSON.parse(read('conf/grafana/regcast.json'));
const panels = dashboard.panels.filter((one) => one.type !== 'row');

function promtool(args, { input, cwd } = {}) {
    const ran = spawnSync('promtool', args, { encoding: 'utf8', input, cwd, timeout: 30000 });
    assert.equal(ran.status, 0, `promtool ${args.join(' ')}:\n${ran.stdout}${ran.stderr}`);
    return ran.stdout + ran.stderr;
}

test('rules, their own tests and the configuration pass promtool', limits, () => {
    promtool(['check', 'rules', file('conf/prometheus/alerts.yml')]);
    promtool(['test', 'rules', 'alerts.test.yml'], { cwd: file('tests/prometheus') });
    promtool(['check', 'config', 'scrape.yml'], { cwd: file('conf/prometheus') });
});

test('each rule has a test of either kind, words for people, and a place in the page', { timeout: 10000 }, () => {
    const rules = read('conf/prometheus/alerts.yml').split(/^ {6}- alert: /m).slice(1);
    const tests = read('tests/prometheus/alerts.test.yml');
    const titles = new Set([...read('docs/metrics.md').matchAll(/^### (\w+)$/gm)].map(([, title]) => title));
    assert.equal(titles.size, rules.length);
    for (const rule of rules) {
        const name = /^\w+/.exec(rule)[0];
        assert.match(rule, /labels: \{ severity: (critical|warning) \}/, name);
        for (const key of ['summary', 'description']) assert.match(rule, new RegExp(`^ +${key}: ".{10,}"$`, 'm'), name);
        assert.ok(rule.includes(`runbook: docs/metrics.md#${name.toLowerCase()}\n`), name);
        assert.ok(titles.has(name), name);
        assert.equal(tests.split(`- name: ${name}, where it `).length, 3, name);
    }
});

test('the dashboard can be imported, and each panel says what it shows', { timeout: 10000 }, () => {
    const rows = dashboard.panels.filter((one) => one.type === 'row').map((one) => one.title);
    assert.deepEqual(rows, ['Overview', 'Delivery', 'Ingest', 'Journal', 'Connections and closes', 'Registries', 'Canary', 'Process']);
    assert.equal(new Set(dashboard.panels.map((one) => one.id)).size, dashboard.panels.length);
    const names = dashboard.templating.list.map((one) => one.name);
    assert.deepEqual(names, ['datasource', 'job', 'instance']);
    const taken = new Set();
    for (const panel of panels) {
        assert.ok(panel.title && panel.description.length > 10, panel.title);
        assert.ok(panel.fieldConfig.defaults.unit, panel.title);
        assert.ok(panel.targets.length > 0, panel.title);
        for (const one of [panel, ...panel.targets])
            assert.deepEqual(one.datasource, { type: 'prometheus', uid: '${datasource}' }, panel.title);
        const { x, y, w, h } = panel.gridPos;
        for (let i = x; i < x + w; i++)
            for (let k = y; k < y + h; k++) {
                assert.ok(i < 24 && !taken.has(`${i},${k}`), `${panel.title}: on another`);
                taken.add(`${i},${k}`);
            }
    }
});

// --------------------------------------------------------------------------- a real Prometheus

function ask(port, path) {
    return new Promise((done, fail) => {
        const req = http.get({ host: '127.0.0.1', port, path, agent: false }, (res) => {
            const parts = [];
            res.on('data', (part) => parts.push(part));
            res.on('end', () => done({ status: res.statusCode, text: Buffer.concat(parts).toString('utf8') }));
        });
        req.setTimeout(10000, () => req.destroy(new Error(`${path}: no answer`)));
        req.on('error', fail);
    });
}

async function startPrometheus(t, daemon) {
    const dir = mkdtempSync(join(tempDir(), 'prometheus-'));
    cpSync(file('conf/prometheus/alerts.yml'), join(dir, 'alerts.yml'));
    const config = read('conf/prometheus/scrape.yml')
        .replaceAll('15s', '1s')
        .replace('127.0.0.1:8081', `127.0.0.1:${daemon.webhookPort}`);
    assert.ok(config.includes(String(daemon.webhookPort)));
    writeFileSync(join(dir, 'prometheus.yml'), config);
    const port = await freePort();
    const said = [];
    const { child, exited } = start('prometheus', [
        `--config.file=${join(dir, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(dir, 'data')}`,
        '--storage.tsdb.retention.size=64MB',
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
    ], { env: { GOMEMLIMIT: '256MiB' }, onLine: (line) => said.push(line) });
    defer(t, async () => {
        child.kill('SIGTERM');
        await exited;
    });
    const query = async (expr) => {
        const { status, text } = await ask(port, `/api/v1/query?query=${encodeURIComponent(expr)}`);
        assert.equal(status, 200, `${expr}: ${text}`);
        return JSON.parse(text).data.result;
    };
    await until(() => `Prometheus scrapes:\n${said.join('\n')}`, async () => {
        const got = await ask(port, '/-/ready').catch(() => null);
        // Two rounds of scraping, or there is no rate.
        return got?.status === 200 && (await query('count_over_time(up[1m]) >= 2')).length > 0;
    }, 20000);
    return { port, query };
}

// What has no data here on purpose: nothing of it happened.
const EMPTY = [/regcast_close_codes_total/, /regcast_grpc_calls_total/, /regcast_reject_total/];
const NO_RATIO = /regcast_frames_sent_total.* \/ /;

test('each expression of dashboard and rules works on what the daemon tells', limits, async (t) => {
    const daemon = await Daemon.start(makeConfig({
        max_memory: '8GiB',
        canary: { interval: '200ms' },
        gateway: { tls: tlsOf(makeCertificate()), deflate: true },
    }));
    defer(t, () => daemon.stop());
    const told = (await daemon.request('GET', '/metrics')).text;
    promtool(['check', 'metrics'], { input: told });
    await daemon.accept([newImage('team/app')]);
    const { port, query } = await startPrometheus(t, daemon);
    await daemon.accept([newImage('team/app')]);
    const families = (await daemon.metrics()).families;
    // Of several nodes: cluster-api.test.mjs looks whether they are there.
    const cluster = new Set([...read('docs/metrics.md').matchAll(/^\| `(\w+)` \|.*\| With `nats`: /gm)].map(([, name]) => name));
    // A rate over what is not there is as empty as one over what is idle: names are looked at, too.
    const known = (expr) => {
        for (const [name] of expr.matchAll(/\b(regcast|process)_[a-z_0-9]+\b/g))
            assert.ok(
                cluster.has(name) || families.has(name) || families.has(name.replace(/_(bucket|sum|count)$/, '')),
                `no such family: ${name} in ${expr}`,
            );
    };
    const wanted = panels.flatMap((panel) => panel.targets.map(({ expr }) => ({ panel, expr })));
    await Promise.all(wanted.map(async ({ panel, expr }) => {
        const real = expr.replaceAll('$__rate_interval', '1m').replaceAll('"$job"', '"regcast"').replaceAll('"$instance"', '".*"');
        assert.ok(!real.includes('$'), real);
        known(real);
        const result = await query(real);
        if (EMPTY.some((one) => one.test(expr))) return;
        assert.ok(result.length > 0, `${panel.title}: nothing for ${real}`);
        assert.ok(NO_RATIO.test(expr) || result.every((one) => one.value[1] !== undefined), panel.title);
    }));
    const { data } = JSON.parse((await ask(port, '/api/v1/rules')).text);
    const rules = data.groups.flatMap((group) => group.rules);
    assert.ok(rules.length > 15);
    for (const rule of rules) {
        known(rule.query);
        assert.equal(rule.health, 'ok', `${rule.name}: ${rule.lastError}`);
    }
    // A certificate of two days: what expires soon is told, and nothing else is.
    const active = rules.filter((rule) => rule.alerts.length > 0).map((rule) => rule.name);
    assert.deepEqual(active.sort(), ['RegcastCertificateExpiring', 'RegcastCertificateNearlyExpired']);
    const [expiring] = rules.find((rule) => rule.name === 'RegcastCertificateNearlyExpired').alerts;
    assert.match(expiring.annotations.description, /^127\.0\.0\.1:\d+: clients of gateway \(localhost\) will be turned away in 1d /);
});
