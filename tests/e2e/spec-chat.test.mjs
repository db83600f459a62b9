// The chat of conf/ as a new user runs it: the backend and the daemon as docs/specification.md says to start them, three clients
// in two rooms, and a broadcast beside.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, Daemon, ROOT, defer, freePort, newImage, start, summary, tempDir, until } from './harness.mjs';

const limits = { timeout: 60000 };

// The files of conf/ on ports and in a folder of their own.
async function startChat(t) {
    const dir = tempDir();
    const [backendPort, managementPort] = [await freePort(), await freePort()];
    const said = [];
    const { child, exited } = start(process.execPath, [join(ROOT, 'conf/chat-backend.mjs')], {
        env: { PORT: String(backendPort), REGCAST: `http://127.0.0.1:${managementPort}` },
        onLine: (line) => said.push(line),
    });
    defer(t, async () => {
        child.kill('SIGKILL');
        await exited;
    });
    await until(() => `the backend: ${said}`, () => said.some((line) => line.startsWith('listening')));
    const spec = join(dir, 'gateway.openapi.yaml');
    writeFileSync(spec, readFileSync(join(ROOT, 'conf/gateway.openapi.yaml'), 'utf8'));
    const changes = [
        ['data_dir: ./data', `data_dir: ${dir}/data`],
        ['listen: ["127.0.0.1:8080"]', 'listen: ["127.0.0.1:0"]'],
        ['listen: ["127.0.0.1:8081"]', 'listen: ["127.0.0.1:0"]'],
        ['listen: ["127.0.0.1:8082"]', `listen: ["127.0.0.1:${managementPort}"]`],
        ['spec: conf/gateway.openapi.yaml', `spec: ${spec}`],
        ['  # variables: ', '  variables: '],
        ['  #   - { name: backend, value: "http://127.0.0.1:8090" }', `    - { name: backend, value: "http://127.0.0.1:${backendPort}" }`],
    ];
    let config = readFileSync(join(ROOT, 'conf/chat.yaml'), 'utf8');
    for (const [from, to] of changes) {
        assert.equal(config.split(from).length, 2, `${from}: not once in conf/chat.yaml`);
        config = config.replace(from, to);
    }
    const daemon = await Daemon.start(config);
    defer(t, () => daemon.stop());
    return { daemon, said };
}

test('three clients in two rooms hear each other, and a broadcast', limits, async (t) => {
    const { daemon, said } = await startChat(t);
    const enter = async (path) => {
        const client = await Client.open(daemon.url(path));
        defer(t, () => client.terminate());
        return client;
    };
    const ann = await enter('/chat/kitchen?name=ann');
    const bob = await enter('/chat/kitchen?name=b%20o%20b');
    assert.deepEqual(await ann.first(1), ['b o b came']);
    const eve = await enter('/chat/caf%C3%A9'); // has not said who it is
    const builds = await enter('/builds');

    bob.socket.send('hello ☃');
    assert.deepEqual(await ann.first(2), ['b o b came', 'b o b: hello ☃']);
    for (let i = 0; i < 20; i++) ann.socket.send(String(i));
    assert.deepEqual(await bob.first(20), Array.from({ length: 20 }, (_, i) => `ann: ${i}`));
    eve.socket.send('is anybody here?');
    builds.socket.send('nobody listens');
    const image = newImage('team/app');
    await daemon.accept([image]);
    assert.deepEqual(summary(await builds.first(1)), [['CreateImage', 'team/app', image.target.digest, '']]);

    const late = await enter('/chat/caf%C3%A9?name=fred');
    assert.deepEqual(await eve.first(1), ['fred came']);
    eve.socket.send('at last');
    assert.deepEqual(await late.first(1), ['somebody: at last']);
    await bob.close();
    assert.deepEqual(await ann.first(3), ['b o b came', 'b o b: hello ☃', 'b o b left']);
    late.terminate();
    assert.deepEqual(await eve.first(2), ['fred came', 'fred left']);
    // Nobody heard himself, or another room.
    assert.deepEqual([ann, bob, eve, late, builds].map((c) => c.messages.length), [3, 20, 2, 1, 1]);
    assert.deepEqual(said.slice(1), [], 'the backend is content');
});
