// Management under pressure: single connections are found, written to and closed on any worker while a
// thousand clients come and go, and administrators who change one trigger at once do not mix.
// Runs alone: it loads the machine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROADCASTER, Client, Daemon, FOLDER, GATEWAY, REGISTRY, defer, makeConfig, until, within } from './harness.mjs';

const limits = { timeout: 60000 };
const CONNECTIONS = '/apigateways/websocket/v1/connections';
const TRIGGERS = '/triggers/v1/triggers';
const CROWD = 1000; // clients that come and go
const COMING = 50; // of them, at a time
const STAYING = 40;
const UNKNOWN = ['nobody', 'd2000000000000000000', 'd2vvvvvvvvvvvvvvvvvv', '%20', 'x'.repeat(50)];
const PATCHES = 200; // of each administrator

async function start(t, over = {}) {
    const d = await Daemon.start(makeConfig({ triggers: [], ...over }));
    defer(t, () => d.stop());
    return d;
}

// Sends `total` clients through, a few at a time; each is closed by itself, by the network, or by
// management. `asked` are those that management closed or found gone already.
async function crowd(d, total, asked) {
    let left = total;
    const lane = async () => {
        while (left-- > 0) {
            const n = left;
            const c = await Client.open(d.url());
            if (n % 3 === 0) c.socket.terminate();
            else if (n % 3 === 1) c.socket.close(1000);
            else {
                const got = await d.manage('DELETE', `${CONNECTIONS}/${c.id}`);
                assert.equal(got.status, 200, got.text);
            }
            const { code } = await within(5000, 'the end of a client', c.end);
            assert.equal(code, [1006, 1000, 1000][n % 3]);
            asked.push(c.id);
        }
    };
    await Promise.all(Array.from({ length: COMING }, lane));
}

test('connections of any worker are reached while a thousand clients come and go', limits, async (t) => {
    const d = await start(t, { gateway: { workers: 4 } });
    const staying = await Promise.all(Array.from({ length: STAYING }, () => Client.open(d.url())));
    defer(t, () => staying.forEach((c) => c.terminate()));
    const gone = [];
    let busy = true;
    const coming = within(30000, 'the crowd', crowd(d, CROWD, gone)).finally(() => (busy = false));
    coming.catch(() => {}); // also when a question fails first

    const counts = { found: 0, closed: 0, unknown: 0 };
    const missing = async (id) => {
        const send = { body: { data: 'aGk=', type: 'TEXT' } };
        for (const [method, path, options] of [
            ['GET', '', {}],
            ['POST', ':send', send],
            ['DELETE', '', {}],
        ]) {
            const got = await d.manage(method, `${CONNECTIONS}/${encodeURIComponent(id)}${path}`, options);
            assert.deepEqual([got.status, got.json.code], [404, 5], `${method} ${id}: ${got.text}`);
        }
    };
    const sent = staying.map(() => 0);
    const asker = async (lane) => {
        for (let round = 0; busy || round < 3; round++)
            for (let i = lane; i < STAYING; i += 4) {
                const c = staying[i];
                const got = await d.manage('GET', `${CONNECTIONS}/${c.id}`);
                assert.deepEqual([got.status, got.json.id], [200, c.id], got.text);
                const data = Buffer.from(`${i}: ${sent[i]++}`).toString('base64');
                const { status, text } = await d.manage('POST', `${CONNECTIONS}/${c.id}:send`, { body: { data, type: 'TEXT' } });
                assert.equal(status, 200, text);
                counts.found++;
                if (gone.length > 0 && i % 5 === 0) {
                    await missing(gone[(round * 31 + i) % gone.length]);
                    counts.closed++;
                }
                if (i % 7 === 0) {
                    await missing(UNKNOWN[(round + i) % UNKNOWN.length]);
                    counts.unknown++;
                }
            }
    };
    await Promise.all([coming, ...[0, 1, 2, 3].map(asker)]);

    assert.equal(gone.length, CROWD);
    await Promise.all(
        staying.map(async (c, i) => {
            await c.first(sent[i]);
            assert.deepEqual(c.messages, Array.from({ length: sent[i] }, (_, n) => `${i}: ${n}`), 'each once, in order');
        }),
    );
    await until('only those who stay', async () => {
        const { json } = await d.manage('GET', '/gateway/v1/connections?pageSize=1000');
        const ids = new Set(json.connections.map((one) => one.id));
        assert.ok(staying.every((c) => ids.has(c.id)), 'all who stayed');
        return json.connections.length === STAYING && ids.size === STAYING;
    });
    for (const c of staying) assert.equal((await d.manage('DELETE', `${CONNECTIONS}/${c.id}`)).status, 200);
    for (const c of staying) assert.deepEqual(await within(5000, 'the end', c.end), { code: 1000, reason: '' });
    t.diagnostic(`${counts.found} found, ${counts.closed} closed, ${counts.unknown} unknown`);
    assert.ok(counts.found >= 3 * STAYING && counts.closed > 10 && counts.unknown > 10, JSON.stringify(counts));
});

test('two administrators who change one trigger at once never mix', limits, async (t) => {
    const d = await start(t);

    // Everything of a trigger that an administrator says, from one mark.
    const said = (mark) => ({
        name: `by-${mark}`,
        description: `by ${mark}`,
        labels: { by: mark },
        rule: {
            containerRegistry: {
                eventType: ['CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE'],
                registryId: REGISTRY,
                imageName: `${REGISTRY}/${mark}`,
                tag: mark,
                batchSettings: { size: String(1 + (Number(mark.split('-')[1]) % 1000)), cutoff: '1s' },
                gatewayWebsocketBroadcast: { gatewayId: GATEWAY, path: '/', serviceAccountId: BROADCASTER },
            },
        },
    });
    const whole = (trigger) => {
        const { name, description, labels, rule } = trigger;
        assert.deepEqual({ name, description, labels, rule }, said(trigger.description.slice('by '.length)));
    };

    const made = await d.manage('POST', TRIGGERS, { body: { folderId: FOLDER, ...said('c-0') } });
    assert.equal(made.status, 200, made.text);
    const path = `${TRIGGERS}/${made.json.response.id}`;
    const answers = [];
    const administrator = async (who) => {
        for (let n = 1; n <= PATCHES; n++) {
            const mark = `${who}-${n}`;
            const { name, description, labels, rule } = said(mark);
            const body = n % 2 ? { name, description, labels, rule } : { updateMask: 'rule,name,labels,description', name, description, labels, rule };
            const got = await d.manage('PATCH', path, { body });
            assert.equal(got.status, 200, got.text);
            assert.equal(got.json.response.description, description, 'the answer is of this change');
            whole(got.json.response);
            answers.push(got.json);
        }
    };
    let busy = true;
    const seen = new Set();
    const onlooker = async () => {
        while (busy) {
            const got = await d.manage('GET', path);
            assert.equal(got.status, 200, got.text);
            whole(got.json);
            seen.add(got.json.name);
            const list = await d.manage('GET', `${TRIGGERS}?folderId=${FOLDER}`);
            list.json.triggers.forEach(whole);
        }
    };
    const changing = Promise.all([administrator('a'), administrator('b')]).finally(() => (busy = false));
    await Promise.all([changing, onlooker()]);

    // One operation for each change, and the newest of them is how the trigger is.
    const { operations } = (await d.manage('GET', `${path}/operations?pageSize=1000`)).json;
    assert.equal(operations.length, 2 * PATCHES + 1);
    const ids = (list) => list.map((one) => one.id).sort();
    assert.deepEqual(ids(operations), ids([...answers, made.json]));
    const { '@type': type, ...newest } = operations[0].response;
    assert.deepEqual((await d.manage('GET', path)).json, newest);
    for (const who of ['a', 'b']) {
        const own = operations.map((o) => o.response.name).filter((name) => name.startsWith(`by-${who}`));
        assert.deepEqual(own, Array.from({ length: PATCHES }, (_, i) => `by-${who}-${PATCHES - i}`), 'in the order asked for');
    }
    assert.ok(seen.size > 10, `${seen.size} states seen`);
});
