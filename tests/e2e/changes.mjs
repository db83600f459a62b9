// Triggers are made, changed, paused, resumed and deleted by their owners while registries send, by a
// daemon that is killed on the way: each change is done or not, and no event is lost or sent twice.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { BROADCASTER, FOLDER, GATEWAY, REGISTRY, makeConfig, pause, readMessage } from './harness.mjs';
import { LASTING, assertClean, below, keyOf, rowsOf, storedMessages } from './ledger.mjs';
import { Short } from './scenarios.mjs';

const TRIGGERS = '/triggers/v1/triggers';
const ENUM = 'CONTAINER_REGISTRY_EVENT_TYPE_';
const BOTH = ['CREATE_IMAGE', 'CREATE_IMAGE_TAG'];
const SIZES = [1, 4, 20, 100]; // of batches: some are open at any time
const PATHS = ['/a', '/b', '/c']; // an owner each, who has one trigger or none
const REST_MS = 40; // between two changes, so that events come in which nothing changes
const GONE = /ECONNREFUSED|ECONNRESET|EPIPE|socket hang up/; // the daemon was killed meanwhile

const config = () =>
    makeConfig({
        gateway: { drain_timeout: '0s', paths: PATHS.map((path) => ({ path, ...LASTING })) },
        journal: { ballast_bytes: 65536 },
        triggers: [],
    });

const ruleOf = (path, types, size) => ({
    containerRegistry: {
        eventType: types.map((type) => ENUM + type),
        registryId: REGISTRY,
        batchSettings: { size: String(size), cutoff: '1s' },
        gatewayWebsocketBroadcast: { gatewayId: GATEWAY, path, serviceAccountId: BROADCASTER },
    },
});

// The event types a trigger sends, as messages name them.
const sends = (trigger) =>
    trigger === null || trigger.status === 'PAUSED'
        ? []
        : trigger.rule.containerRegistry.eventType.map((type) => type.slice(ENUM.length).replaceAll('_', ''));

const without = ({ id, createdAt, '@type': type, ...rest }) => rest;
const newest = (list) => list.at(-1);

class Owner {
    trigger = null; // as GET must show it
    operations = []; // those of the trigger, oldest first
    made = 0; // operations of all triggers
    changes = 0;
    #states; // {from, until, types}: what was sent when, as far as it can be told from outside

    constructor(short, path) {
        Object.assign(this, { short, place: short.place, rng: short.rng, path });
        this.#states = [{ from: 0, until: Infinity, types: [] }];
    }

    // Changes until `enough` says so between two lives of a trigger.
    async run(enough) {
        while (!enough()) {
            await this.#create();
            await this.#update();
            await this.#turn('pause', 'PAUSED');
            if (this.rng() < 0.5) await this.#update();
            await this.#turn('resume', 'ACTIVE');
            await this.#update();
            await this.#delete();
        }
    }

    // Leaves a trigger behind, paused or not.
    async stay(paused) {
        await this.#create();
        await this.#update();
        if (paused) await this.#turn('pause', 'PAUSED');
    }

    #draw() {
        const types = [BOTH, BOTH.slice(0, 1), BOTH.slice(1)][below(this.rng, 3)];
        const n = ++this.changes;
        const name = `on${this.path.replace('/', '-')}-${n}`;
        return { name, description: `change ${n}`, rule: ruleOf(this.path, types, SIZES[below(this.rng, SIZES.length)]) };
    }

    #create() {
        const body = this.#draw();
        const next = { folderId: FOLDER, ...body, status: 'ACTIVE' };
        return this.#change('Create', 'POST', TRIGGERS, { folderId: FOLDER, ...body }, next);
    }

    #update() {
        const body = this.#draw();
        return this.#change('Update', 'PATCH', `${TRIGGERS}/${this.trigger.id}`, body, { ...this.trigger, ...body });
    }

    #turn(verb, status) {
        const what = verb === 'pause' ? 'Pause' : 'Resume';
        return this.#change(what, 'POST', `${TRIGGERS}/${this.trigger.id}:${verb}`, {}, { ...this.trigger, status });
    }

    #delete() {
        return this.#change('Delete', 'DELETE', `${TRIGGERS}/${this.trigger.id}`, undefined, null);
    }

    // Asks until it is answered, each time with the same key.
    async #change(what, method, path, body, next) {
        const headers = { 'Idempotency-Key': `${this.short.name}${this.path}-${++this.short.keys}`.slice(-64) };
        const from = performance.now();
        let known = null; // the operation, when an asking that got no answer was heard
        for (;;) {
            const got = await this.#ask(method, path, { body, headers });
            if (got) {
                this.#answered(what, got, next, known, from);
                break;
            }
            known = await this.#look(what, next);
        }
        await this.check();
        await pause(below(this.rng, REST_MS));
    }

    async #ask(method, path, options) {
        const daemon = await this.place.up();
        assert.ok(daemon, 'the account was closed');
        try {
            return await daemon.manage(method, path, options);
        } catch (error) {
            if (!GONE.test(error.message)) throw error;
            await daemon.dead;
            return null;
        }
    }

    #answered(what, got, next, known, from) {
        const { path, trigger } = this;
        assert.equal(got.status, 200, `${what} on ${path}: ${got.text}`);
        const operation = got.json;
        assert.deepEqual([operation.description, operation.done], [`${what} trigger`, true]);
        if (known) assert.deepEqual(operation, known, `${what} on ${path}: one operation for one key`);
        const { id, createdAt } = trigger ?? operation.response;
        if (next) assert.deepEqual(without(operation.response), without(next), `${what} on ${path}`);
        newest(this.#states).until = performance.now();
        this.#states.push({ from, until: Infinity, types: sends(next) });
        this.made++;
        this.operations = trigger ? [...this.operations, operation] : [operation];
        this.trigger = next && { ...next, id, createdAt };
        this.last = { ...(trigger ?? this.trigger) };
    }

    // After a kill: what was asked for is done, with its operation, or it is not, and has none.
    async #look(what, next) {
        const { trigger, operations, path } = this;
        const id = trigger?.id ?? (await this.#find(next.name))?.id;
        if (id === undefined) return null; // not made
        const [now, list] = [await this.#get(id), await this.#list(id)];
        const before = trigger ? operations : [];
        assert.deepEqual(list.slice(0, before.length), before, `${what} on ${path}: answered operations are kept`);
        if (list.length === before.length) {
            assert.deepEqual(now, trigger, `${what} on ${path}: not done`);
            return null;
        }
        assert.equal(list.length, before.length + 1, `${what} on ${path}`);
        assert.deepEqual(now && without(now), next && without(next), `${what} on ${path}: done`);
        const operation = newest(list);
        if (next) assert.deepEqual(without(operation.response), without(next));
        this.short.heard++;
        return operation;
    }

    async #show(path) {
        for (;;) {
            const got = await this.#ask('GET', path, {});
            if (got) return got;
        }
    }

    async #find(name) {
        const filter = encodeURIComponent(`name="${name}"`);
        const got = await this.#show(`${TRIGGERS}?folderId=${FOLDER}&filter=${filter}`);
        assert.equal(got.status, 200, got.text);
        return got.json.triggers?.[0];
    }

    async #get(id) {
        const got = await this.#show(`${TRIGGERS}/${id}`);
        assert.ok([200, 404].includes(got.status), got.text);
        return got.status === 404 ? null : got.json;
    }

    async #list(id) {
        const got = await this.#show(`${TRIGGERS}/${id}/operations`);
        assert.equal(got.status, 200, got.text);
        return got.json.operations.reverse();
    }

    // The trigger and its operations are those of the account.
    async check() {
        if (!this.last) return;
        assert.deepEqual(await this.#get(this.last.id), this.trigger);
        assert.deepEqual(await this.#list(this.last.id), this.operations);
    }

    // What each event that was acknowledged must have come to. One that came while a change was under
    // way may go by either rule.
    judge(ledger, texts, account) {
        const seen = new Set();
        let highest = '';
        for (const { type, repo, digest, tag, id } of texts.flatMap((text) => readMessage(text))) {
            const key = keyOf(type, repo, digest, tag);
            if (seen.has(key)) account.duplicated.push(`${this.path}: ${key}`);
            if (!ledger.byKey.has(key)) account.invented.push(`${this.path}: ${key}`);
            if (id <= highest) account.disordered.push(`${this.path}: ${id} ${key}`);
            highest = id;
            seen.add(key);
        }
        for (const entry of ledger.entries) {
            const states = this.#states.filter(({ from, until }) => from < entry.until && until > entry.from);
            for (const { type, key } of entry.keys) {
                const wanted = states.filter(({ types }) => types.includes(type.toUpperCase()));
                const what = `${this.path}: ${entry.n} ${key}, by ${states.length} rules`;
                if (wanted.length === states.length && !seen.has(key)) account.lost.push(what);
                if (wanted.length === 0 && seen.has(key)) account.unwanted.push(what);
                this.short.sure += states.length === 1;
            }
        }
    }
}

const countOperations = (dataDir) =>
    rowsOf(join(dataDir, 'journal.db'), 'SELECT count(*) AS n FROM records WHERE kind = 2')[0].n;

// All owners at once, and their judgement.
class Changes {
    constructor(short) {
        this.short = short;
        Object.assign(short, { keys: 0, heard: 0, sure: 0 });
        this.owners = PATHS.map((path) => new Owner(short, path));
    }

    // Until the point has struck and a little longer, or `lives` triggers of each are gone.
    async run(lives) {
        const { short, owners } = this;
        const sent = short.load.run();
        let after = 0;
        const work = owners.map((owner, i) => {
            let lived = 0;
            return owner
                .run(() => lived++ >= lives || (short.struck !== null && after++ > PATHS.length))
                .then(() => (i > 0 ? owner.stay(i > 1) : null));
        });
        try {
            await Promise.all(work);
        } finally {
            short.load.enough();
        }
        await sent;
        for (const owner of owners) await owner.check();
    }

    judge() {
        const { short, owners } = this;
        const { ledger, place } = short;
        const stored = storedMessages(place.dataDir);
        const account = { lost: [], duplicated: [], invented: [], disordered: [], unwanted: [] };
        for (const owner of owners) owner.judge(ledger, stored.get(owner.path) ?? [], account);
        short.totals.add({ account, place, ledger, load: short.load, followers: [] });
        assertClean(account, ledger);
        assert.ok(ledger.entries.every(({ acked }) => acked), 'all was acknowledged in the end');
        assert.ok(short.sure > 2 * ledger.entries.length, 'most events come when nothing changes');
        assert.equal(countOperations(place.dataDir), owners.reduce((sum, { made }) => sum + made, 0), 'operations in the store');
    }
}

// A life is a creation, a deletion and some changes in between.
export const whileTriggersChange = (given) =>
    Short.run(given, config(), async (short) => {
        const changes = new Changes(short);
        await short.startArmed('start');
        await short.during('changes', changes.run(Math.ceil((1.5 * given.n) / PATHS.length) + 1));
        await short.stop();
        changes.judge();
    });
