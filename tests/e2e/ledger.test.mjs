// The account itself: a judge who finds nothing wrong with anything would let every test pass.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLOUD, FOLDER, REGISTRY, imageId } from './harness.mjs';
import { Ledger, ONE, assertClean, judge } from './ledger.mjs';

const idOf = (n) => `crt${String(n).padStart(17, '0')}`;

function messageOf(entry, n) {
    const { repository, digest, tag } = entry.event.target;
    return JSON.stringify({
        messages: [
            {
                event_metadata: {
                    cloud_id: CLOUD,
                    created_at: '2026-11-22T10:00:00Z',
                    event_id: idOf(n),
                    event_type: 'yandex.cloud.events.containerregistry.CreateImageTag',
                    folder_id: FOLDER,
                    tracing_context: { parent_span_id: '', span_id: '', trace_id: '' },
                },
                details: {
                    image_digest: digest,
                    image_id: imageId(REGISTRY, digest),
                    registry_id: REGISTRY,
                    repository_name: `${REGISTRY}/${repository}`,
                    tag,
                },
            },
        ],
    });
}

// Five events of one sender, acknowledged, stored and received, but for what `spoil` does.
function account(spoil = () => {}) {
    const ledger = new Ledger('account');
    const stranger = new Ledger('stranger').add(0);
    for (let i = 0; i < 5; i++) ledger.ack(ledger.add(0));
    const texts = ledger.entries.map((entry, i) => messageOf(entry, i + 1));
    const facts = { stored: [...texts], got: [...texts], ledger, stranger };
    spoil(facts);
    const followers = [{ path: ONE, from: 'earliest', texts: facts.got, problem: null }];
    const stored = new Map([[ONE, facts.stored]]);
    return { ledger, found: judge({ ledger, stored, followers, paths: [ONE] }) };
}

const both = (change) => (facts) => [facts.stored, facts.got].forEach(change);

test('an account in order', () => {
    const { found, ledger } = account();
    assertClean(found, ledger);
});

for (const [what, fault, spoil] of [
    ['what is in no batch', 'lost', both((list) => list.splice(2, 1))],
    ['what a client did not get in the middle', 'changed', ({ got }) => got.splice(2, 1)],
    ['what a client did not get at the end', 'lost', ({ got }) => got.pop()],
    ['what is in two batches', 'duplicated', both((list) => list.push(list[1]))],
    ['what a client got twice', 'invented', ({ got }) => got.push(got[4])],
    [
        'two events under one id',
        'duplicated',
        ({ ledger, stored, got }) => (stored[4] = got[4] = messageOf(ledger.entries[4], 4)),
    ],
    ['what nobody sent', 'invented', ({ stranger, stored }) => stored.push(messageOf(stranger, 6))],
    [
        'what comes before its predecessor',
        'disordered',
        both((list) => ([list[1], list[2]] = [list[2], list[1]])),
    ],
    ['what a client sees otherwise', 'changed', ({ got }) => (got[3] = got[3].replace('10:00', '11:00'))],
])
    test(`an account of ${what}`, () => {
        const { found, ledger } = account(spoil);
        assert.ok(found[fault].length > 0, JSON.stringify(found));
        assert.throws(() => assertClean(found, ledger));
    });
