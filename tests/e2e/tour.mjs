// A tour through everything that happens to a store, on which the daemon is killed once more than
// planned: at a named point of its code, or at one of its system calls.
import assert from 'node:assert/strict';
import { pause, until } from './harness.mjs';
import {
    BRIEF,
    Follower,
    Ledger,
    Load,
    ONE,
    SEVEN,
    assertClean,
    judge,
    notStored,
    postOn,
    storedMessages,
} from './ledger.mjs';

const EACH = 20; // one event of so many has its tag moved, or is nonsense
const REST_MS = 1300; // what is done every second is done meanwhile

// First start, load, a kill, a start after it, load, a close, and a start after that.
//   armed    options of Place.start() that make the blow fall; what follows it runs without them
//   first    the same, for the first start alone: it may end that daemon in place of the planned kill
//   between  called when that one is dead
//   gives    the exit code with which an armed daemon may give up instead
export class Tour {
    struck = null; // the stage in which the daemon was killed
    followers = [];
    #killed = false; // as planned
    #missing = []; // acknowledged, but not in the store right after a kill
    #late = null; // what did not come in time

    constructor({ name, place, armed, first, between, gives, rng, events, totals }) {
        Object.assign(this, { name, place, armed, first, between, gives, rng, events, totals });
        this.ledger = new Ledger(name);
        this.load = new Load(place, this.ledger, rng);
    }

    async run() {
        let failed = true;
        try {
            await this.#stages();
            failed = false;
        } catch (error) {
            error.message = `struck in ${this.struck}: ${error.message}`;
            throw error;
        } finally {
            this.place.closed = true;
            this.load.stop();
            for (const follower of this.followers) follower.finish();
            this.place.daemon?.child.kill('SIGKILL');
            this.place.remove(this.name, failed);
        }
        return this;
    }

    async #stages() {
        const { ledger, load, place } = this;
        await this.#start('first start');
        await this.#follow('first clients', [ONE, 'now'], [SEVEN, 'now', true]);
        await this.#during('load', load.run(this.events / 2));
        await this.#during('nonsense', this.#nonsense());

        const rest = load.run(this.events / 2);
        const some = () => ledger.acked > this.events * 0.6;
        await this.#during('more load', until('acknowledged events', some, 60000));
        if (!this.struck && !this.#killed && place.daemon) {
            await place.kill();
            await this.#comeBack();
        }
        await this.#follow('late clients', [ONE, 'earliest', true], [SEVEN, 'earliest']);
        await this.#during('load after a kill', rest);
        await this.#during('tags moved', this.#moves());
        if (this.struck && this.rng() < 0.7) await this.#during('filling up', this.#fillUp());
        await this.#during('delivery', this.#delivered());
        if (!this.struck) await this.#during('rest', pause(REST_MS));
        await this.#closes();
        this.#judge();
    }

    // Closes, and if nothing struck before the end of it, once more after a start.
    async #closes() {
        if ((await this.#close('close')) && this.struck) return;
        await this.#start('start after a close');
        await this.#follow('visitors', [ONE, 'earliest'], [SEVEN, 'earliest', true]);
        await this.#during('delivery to visitors', this.#delivered());
        if (await this.#close('second close')) return;
        await this.#start('start after a second close');
        await this.place.last.stop();
    }

    async #start(stage) {
        const armed = this.#killed ? this.armed : (this.first ?? this.armed);
        if (await this.place.start(this.struck ? {} : armed)) return;
        await this.#strike(stage);
    }

    async #comeBack() {
        this.#killed = true;
        this.#look();
        await this.between?.(this);
        await this.#start('start after a kill');
    }

    async #strike(stage) {
        if (this.first && !this.#killed) {
            await this.#comeBack();
            return;
        }
        assert.equal(this.struck, null, `killed again, in ${stage}`);
        this.struck = stage;
        this.#look();
        assert.ok(await this.place.start(), `ready after a kill in ${stage}`);
    }

    #look() {
        this.#missing.push(...notStored(this.place.dataDir, this.ledger));
    }

    // Waits for `work`; a daemon that is struck meanwhile is started again.
    async #during(stage, work) {
        const done = work.then(() => 'done');
        done.catch(() => {}); // also when it fails while nobody waits for it
        for (;;) {
            const { last } = this.place;
            const how = await Promise.race([done, last.dead]);
            if (how === 'done') return;
            if (how.code !== null && how.code === this.gives) {
                this.armed = this.first = {};
                await this.#comeBack();
                continue;
            }
            if (how.signal !== 'SIGKILL') await last.stop(); // fails, and says what it said
            await this.#strike(stage);
        }
    }

    async #follow(stage, ...wanted) {
        const coming = wanted.map(([path, from, v1]) => {
            const follower = new Follower(this.place, path, this.rng, { from, v1 });
            this.followers.push(follower);
            return follower.begin();
        });
        await this.#during(stage, Promise.all(coming));
    }

    // What nobody understands is answered 202 and set aside.
    async #nonsense() {
        for (let left = this.events / EACH; left > 0; ) {
            const daemon = await this.place.up();
            if (!daemon) return;
            const got = await postOn(this.load.agents[0], daemon, '{"events":[{"action":"push"}]}');
            if (got?.status === 202) left--;
            else await pause(5);
        }
    }

    // Tags move from images that were pushed before the kill.
    async #moves() {
        const { ledger, load } = this;
        for (const entry of ledger.entries.slice(0, Math.ceil(this.events / EACH)))
            await load.deliver(0, [ledger.addMove(0, entry)]);
    }

    // As many events as the open batch lacks, so that nobody has to wait for its cutoff.
    async #fillUp() {
        const { followers, ledger, load } = this;
        const due = (path) => ledger.due(path);
        const [one, seven] = [ONE, SEVEN].map((path) => followers.find((f) => f.path === path));
        await one.has(due(ONE), 10000).catch((error) => (this.#late ??= error));
        const open = (due(SEVEN) - seven.events) % 7;
        const lacking = Array.from({ length: ((7 - open) * 4) % 7 }, () => ledger.add(0)); // two each
        if (lacking.length > 0) await load.deliver(0, lacking);
    }

    // What is not there in time is not there: the account says what.
    async #delivered() {
        try {
            for (const one of this.followers) await one.has(this.ledger.due(one.path), 10000);
        } catch (error) {
            this.#late ??= error;
        }
    }

    // False when the blow fell before the end.
    async #close(stage) {
        const { last } = this.place;
        for (const follower of this.followers) follower.finish();
        last.child.kill('SIGTERM');
        const how = await last.dead;
        if (how.signal === 'SIGKILL' && !this.struck) {
            this.struck = stage;
            this.#look();
            return false;
        }
        await last.stop();
        return true;
    }

    #judge() {
        const { ledger, followers } = this;
        const stored = storedMessages(this.place.dataDir);
        const account = judge({ ledger, stored, followers });
        this.totals.add({ account, ...this });
        assertClean(account, ledger);
        assert.deepEqual(this.#missing, [], 'acknowledged, but not in the store after the kill');
        assert.ok(ledger.entries.every(({ acked }) => acked), 'all was acknowledged in the end');
        assert.ok(stored.get(BRIEF)?.length > 0, `messages on ${BRIEF}`);
        if (this.#late) throw this.#late;
    }
}
