// The rows of hostile bytes once more, inside TLS: cut anywhere, so that pieces are records. A sample of them;
// REGCAST_SWEEP=1 takes all.
import { after, before, describe, test } from 'node:test';
import { makeCertificate, tlsOf } from './certificates.mjs';
import { Daemon, REGISTRY, makeConfig, trigger } from './harness.mjs';
import { frameCases, goodCases, handshakeCases, httpCases } from './raw-cases.mjs';
import { accept, refuse, sendFrames, where } from './raw-sends.mjs';

const SWEEP = process.env.REGCAST_SWEEP === '1';
const EACH = 20; // of so many rows one
const limits = { timeout: 60000 };
const certificate = makeCertificate();

const sample = (rows) => rows.filter((_, i) => SWEEP || i % EACH === 0);

describe('raw bytes inside TLS', { timeout: 600000 }, () => {
    let daemon;

    before(async () => {
        const tls = tlsOf(certificate);
        const config = makeConfig({
            gateway: { tls, paths: ['/', '/builds', '/teams/{team}', { path: '/echo', inbound: 'echo' }], max_control_rate: 0 },
            webhooks: { tls },
            registries: [{ id: REGISTRY, kind: 'distribution' }],
            triggers: [trigger('everything')],
        });
        daemon = await Daemon.start(config, { tls: { ca: certificate.text } });
    });
    after(() => daemon?.stop());

    for (const c of sample(goodCases))
        test(`${c.listener}: ${c.name} is let in`, limits, () => accept(daemon, c.listener, c));
    for (const c of sample([...httpCases, ...handshakeCases].filter((one) => !one.opens)))
        for (const listener of where(c))
            test(`${c.id} ${listener}: ${c.name}`, limits, () => refuse(daemon, listener, c));
    for (const c of sample(handshakeCases.filter((one) => one.opens)))
        test(`${c.id} ${c.listener}: ${c.name} opens`, limits, () => accept(daemon, c.listener, c));
    for (const c of sample(frameCases))
        test(`${c.id} frames: ${c.name}`, limits, () => sendFrames(daemon, c));
});
