// The frames of raw-cases.mjs on a path whose backend echoes: what `inbound: echo` gives back, in each way they may be cut.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Backend, operation, specConfig, writeSpec } from './backend.mjs';
import { CLOSE, PONG, closeBody, frame } from './frames.mjs';
import { Daemon, rawWs } from './harness.mjs';
import { frameCases } from './raw-cases.mjs';
import { WAYS, cut } from './raw-sends.mjs';

describe('frames on a path with an http backend', { timeout: 300000 }, () => {
    let daemon, backend;
    const undo = [];
    before(async () => {
        backend = await Backend.start({ after: (f) => undo.push(f) });
        const spec = writeSpec({ '/echo': { 'x-yc-apigateway-websocket-message': operation({ type: 'http', url: backend.url('/echo') }) } });
        daemon = await Daemon.start(specConfig(spec, '/echo', { gateway: { max_control_rate: 0 } }));
    });
    after(async () => {
        await daemon?.stop();
        for (const f of undo) await f();
    });

    for (const c of frameCases)
        test(`${c.id} ${c.name}`, { timeout: 60000 }, async () => {
            for (const way of WAYS) {
                const raw = await rawWs(daemon.port, '/echo');
                try {
                    await raw.sendPieces(cut(c.bytes, way, `${c.id} ${c.name}`), () => raw.done);
                    if (c.close) {
                        await raw.wait('a close frame', () => raw.ws.close || raw.done, 5000);
                        assert.ok(c.close.includes(raw.ws.close?.code), `${way}: close ${JSON.stringify(raw.ws.close)}, expected ${c.close}`);
                        await raw.send(frame(CLOSE, closeBody(raw.ws.close.code)));
                        await raw.wait('the end', () => raw.done, 3000);
                        continue;
                    }
                    const { messages = [], pongs = [], close } = c.back;
                    const pongsOf = () => raw.ws.frames.filter((f) => f.opcode === PONG).map((f) => f.payload);
                    await raw.wait(
                        `${way}: what comes back`,
                        () => raw.done || (close === undefined ? raw.ws.messages.length >= messages.length && pongsOf().length >= pongs.length : raw.ws.close),
                        5000,
                    );
                    assert.deepEqual(pongsOf(), pongs);
                    if (close === undefined)
                        assert.deepEqual(raw.ws.messages.map((m) => m.payload), messages.map((m) => Buffer.from(m)));
                    else assert.equal(raw.ws.close?.code, close);
                    assert.equal(raw.problem, null);
                } finally {
                    raw.destroy();
                }
            }
        });
});
