// Ways to points of the code that no usual tour comes by: commands that run instead of the daemon,
// damaged files, failing disks, events that fit nowhere. Each returns {struck}, as Tour.run() does.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { command } from './command.mjs';
import { REGISTRY, Raw, digestOf, handshake, pause, push, until, writeConfig } from './harness.mjs';
import { TRACED } from './journal.mjs';
import {
    Follower,
    Ledger,
    Load,
    ONE,
    Place,
    SEVEN,
    accountConfig,
    assertClean,
    judge,
    notStored,
    rowsOf,
    storedMessages,
    underStrace,
} from './ledger.mjs';
import { Tour } from './tour.mjs';

// What every scenario is given: {point, n, name, bin, rng, events, totals}.
const crashAt = ({ point, n }) => ({ REGCAST_CRASH: `${point}:${n}` });

export function tour(given, options = {}) {
    const { bin, config, ...rest } = { ...given, ...options };
    const place = new Place({ bin, ...(config ? { config } : {}) });
    return new Tour({ armed: { env: crashAt(given) }, ...rest, place }).run();
}

// Enough for the WAL to be written back, now and then.
export const longTour = (given) => tour(given, { events: 500 * Math.min(given.n, 4) });

// The first daemon dies over a webhook, which the next start must notice.
export const afterDyingOverAWebhook = (given) =>
    tour(given, { first: { env: { REGCAST_CRASH: 'ingest.read:8' } } });

// Messages may be longer after the start than before it, so what is kept is numbered anew.
export const withLongerMessages = (given) =>
    tour(given, {
        between: ({ place }) => {
            for (const path of place.config.gateway.paths) path.max_message_bytes = '1MiB';
        },
    });

// A sync fails under load, and the daemon must end. Strace makes it fail; leaks cannot be looked for
// under strace.
export function withFailingSync(given) {
    const failing = ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=15'];
    return tour(given, {
        events: 120,
        gives: 74,
        armed: {
            bin: underStrace(given.bin, failing),
            env: { ...crashAt(given), ...TRACED },
        },
    });
}

// ------------------------------------------------------------------------- without a whole tour

// A place, one load, and in the end one client that reads it all.
export class Short {
    struck = null;
    followers = [];

    constructor(given, config) {
        Object.assign(this, given);
        this.place = new Place({ bin: given.bin, config });
        this.renew('first');
    }

    // A new account, or one from before: what was not in it does not count.
    renew(name, ledger = new Ledger(`${this.name} ${name}`)) {
        this.ledger = ledger;
        this.load?.stop();
        this.load = new Load(this.place, this.ledger, this.rng);
    }

    static async run(given, config, work) {
        const short = new Short(given, config);
        let failed = true;
        try {
            await work(short);
            failed = false;
        } finally {
            short.place.closed = true;
            short.load.stop();
            for (const follower of short.followers) follower.finish();
            short.place.daemon?.child.kill('SIGKILL');
            short.place.remove(short.name, failed);
        }
        return short;
    }

    // Starts the daemon with the point armed, and without it when it strikes before the end.
    async startArmed(stage, options = {}) {
        const env = { ...options.env, ...(this.struck ? {} : crashAt(this)) };
        if (await this.place.start({ ...options, env })) return;
        assert.equal(this.struck, null, `killed again, in ${stage}`);
        this.struck = stage;
        assert.ok(await this.place.start(options));
    }

    // `work`, while the point may strike.
    async during(stage, work, options) {
        const done = work.then(() => 'done');
        done.catch(() => {});
        for (;;) {
            const { last } = this.place;
            const how = await Promise.race([done, last.dead]);
            if (how === 'done') return;
            if (how.signal !== 'SIGKILL' || this.struck) await last.stop();
            this.struck = stage;
            assert.deepEqual(notStored(this.place.dataDir, this.ledger), []);
            assert.ok(await this.place.start(options));
        }
    }

    stop() {
        return this.place.last.stop();
    }

    // Runs a command on the place with the point armed, and once more if it strikes.
    async command(stage, ...args) {
        let how = await this.#command(args, this.struck ? {} : crashAt(this));
        if (how.signal === 'SIGKILL' && !this.struck) {
            this.struck = stage;
            this.place.kills++;
            how = await this.#command(args, {});
        }
        assert.equal(how.signal ?? how.code, 0, how.err.join('\n'));
    }

    async #command(args, env) {
        const file = writeConfig(this.place.config);
        return command(['--config', file, ...args], { env, bin: this.bin });
    }

    // The account of `paths`, of a client that comes now and of the store after a close.
    async judge(paths = [ONE]) {
        const { ledger, place } = this;
        const follower = new Follower(place, paths[0], this.rng, { from: 'earliest' });
        this.followers.push(follower);
        await follower.begin();
        const late = await follower.has(ledger.due(paths[0])).catch((error) => error);
        follower.finish();
        await this.stop();
        const stored = storedMessages(place.dataDir);
        const account = judge({ ledger, stored, followers: [follower], paths });
        this.totals.add({ account, place, ledger, load: this.load, followers: [follower] });
        assertClean(account, ledger);
        if (late) throw late;
    }
}

// The configuration changes under load: each time with a path more, and a trigger for it.
export const whileReloading = (given) =>
    Short.run(given, accountConfig([SEVEN]), async (short) => {
        const { load, place } = short;
        const count = (daemon) => daemon.logs.filter(({ msg }) => msg === 'reloaded').length;
        const [one] = place.config.triggers;
        async function change(i) {
            const { gateway, triggers } = place.config;
            const late = structuredClone({ ...one, name: `late-${i}` });
            late.rule.container_registry.gateway_websocket_broadcast.path = `/late/${i}`;
            gateway.paths.push(`/late/${i}`);
            triggers.push(late);
            const daemon = await place.up(), before = daemon && count(daemon);
            if (!daemon) return;
            writeFileSync(daemon.file, JSON.stringify(place.config));
            daemon.child.kill('SIGHUP'); // one that was started meanwhile has read it so
            await until('a reload', () => place.daemon !== daemon || count(daemon) > before);
        }
        await short.startArmed('start');
        const reloading = (async () => {
            for (let i = 0; i < given.n + 2; i++) await change(i);
        })();
        await short.during('reloads', Promise.all([load.run(120), reloading]));
        await short.judge([SEVEN]);
    });

// A push whose events end the process over and over, each, at every start: they are set aside, each
// once, and can be sent later.
export const withEventsThatKill = (given) =>
    Short.run(given, accountConfig([SEVEN]), async (short) => {
        const { ledger, load, place } = short;
        const env = { REGCAST_POISON: 'load/poison' };
        const letters = () =>
            rowsOf(join(place.dataDir, 'journal.db'), 'SELECT event_seq AS n FROM dead_letters');
        const aborted = (error) => assert.match(error.message, /^regcastd ended .*"signal":"SIGABRT"/);

        await place.start();
        await load.run(8);
        const poison = ledger.addTo('load/poison', 100);
        await load.deliver(100, [poison]);
        await place.kill(); // before they are in a batch
        for (let starts = 0; !place.daemon; starts++) {
            assert.ok(starts < 10, 'ten starts were not enough');
            await short.startArmed('start over what kills', { env }).catch(aborted);
        }
        await short.during('setting aside', until('a letter', () => letters().length > 0), { env });
        await short.during('load', load.run(10), { env });
        await short.stop();
        assert.equal(letters().length, new Set(letters().map(({ n }) => n)).size, 'each once');

        await short.command('replay', '--replay-dead-letters', 'all');
        assert.deepEqual(letters(), []);
        await short.startArmed('start after the replay');
        await short.judge([SEVEN]);
    });

// A store whose first page is gone: it is kept for whoever can read it, and a new one begun.
export const withADamagedStore = (given) =>
    Short.run(given, accountConfig([ONE]), async (short) => {
        const { place } = short;
        await place.start();
        await short.load.run(20);
        await short.stop();
        const fd = openSync(join(place.dataDir, 'journal.db'), 'r+');
        writeSync(fd, Buffer.alloc(4096, 0x5a), 0, 4096, 0);
        closeSync(fd);

        const LOST = 'its last commits are lost; clients that come back are told so'; // killed while it was moved
        const expected = { errors: ['damaged; moved aside, a new one begun', LOST] };
        await short.startArmed('start on a damaged store', expected);
        const names = readdirSync(place.dataDir);
        const kept = names.filter((name) => /^journal\.db\.damaged-\w+$/.test(name));
        assert.equal(kept.length, 1, names.join(' '));
        short.renew('second');
        await short.during('load', short.load.run(20), expected);
        await short.judge();
    });

// A store whose write-ahead log is gone: what came before it is kept, and nobody's id leads there.
export const withALostEnd = (given) =>
    Short.run(given, accountConfig([ONE]), async (short) => {
        const { place, ledger } = short;
        await place.start();
        await short.load.run(20);
        await short.stop();
        await place.start();
        short.renew('lost');
        await short.load.run(5);
        await place.kill();
        rmSync(join(place.dataDir, 'journal.db-wal'));

        const expected = { errors: ['its last commits are lost; clients that come back are told so'] };
        await short.startArmed('start without the end', expected);
        short.renew('after', ledger);
        await short.during('load', short.load.run(20), expected);
        await short.judge();
    });

// A registry's interface: what the ledger's pushes have left there, and one tag nobody told of.
class Shelf {
    static async open(ledger, extra) {
        const shelf = new Shelf();
        const tags = new Map();
        for (const { event } of [...ledger.entries, { event: extra }]) {
            const { repository, tag, digest } = event.target;
            tags.set(repository, (tags.get(repository) ?? new Map()).set(tag, digest));
        }
        shelf.server = http.createServer((req, res) => {
            const { pathname } = new URL(req.url, 'http://registry');
            const json = (body) => {
                res.setHeader('Content-Type', 'application/json');
                res.end(JSON.stringify(body));
            };
            const [, repo, what, tag] = /^\/v2\/(.+)\/(tags|manifests)\/([^/]+)$/.exec(pathname) ?? [];
            if (pathname === '/v2/') json({});
            else if (pathname === '/v2/_catalog') json({ repositories: [...tags.keys()] });
            else if (what === 'tags') json({ name: repo, tags: [...tags.get(repo).keys()] });
            else {
                res.setHeader('Content-Type', 'application/vnd.oci.image.manifest.v1+json');
                res.setHeader('Docker-Content-Digest', tags.get(repo).get(tag));
                res.end();
            }
        });
        await new Promise((done) => shelf.server.listen(0, '127.0.0.1', done));
        shelf.url = `http://127.0.0.1:${shelf.server.address().port}`;
        return shelf;
    }

    close() {
        this.server.closeAllConnections();
        this.server.close();
    }
}

// Changes that lead to no event but are kept all the same: the same push again, which makes its tag
// younger, and deletes of images that nobody knows.
export const whileNothingIsNew = (given) =>
    Short.run(given, accountConfig([ONE]), async (short) => {
        const { ledger, load, place } = short;
        const first = ledger.addTo('load/same', 0);
        async function post(events) {
            for (;;) {
                const daemon = await place.up();
                const got = await daemon.post(events).catch(() => null);
                if (got?.status === 202) return;
                await pause(5); // it was killed
            }
        }
        const quiet = (i) => {
            const { target } = first.event;
            const now = push(target.repository, target.digest, target.tag);
            const gone = { ...push(target.repository, digestOf(`${given.name} blob ${i}`)), action: 'delete' };
            delete gone.target.mediaType;
            return [now, gone];
        };
        await short.startArmed('start');
        await short.during('a push', load.deliver(0, [first]));
        for (let i = 0; i < given.n + 5; i++) {
            await short.during('nothing new', post(quiet(i)));
            await short.during('load', load.run(2));
        }
        await short.judge();
    });

// What was answered counts, whatever happened then: nobody gets in again who was shut out.
const REVOKED = 6; // a client may fail ten times
export const whileTokensAreRevoked = (given) => {
    const config = accountConfig([ONE]);
    const tokens = Array.from({ length: REVOKED }, (_, i) => `token-${i}`);
    config.gateway.paths.push({ path: '/closed', auth: 'token' });
    config.gateway.auth = {
        tokens: tokens.map((token) => ({ subject: token, sha256: createHash('sha256').update(token).digest('hex') })),
    };
    return Short.run(given, config, async (short) => {
        const { load, place } = short;
        const later = new Date(Date.now() + 3600000).toISOString();
        const revoke = async (subject) => {
            for (;;) {
                const daemon = await place.up();
                const body = { subject, until: later };
                const got = await daemon.manage('POST', '/admin/v1/revocations', { body }).catch(() => null);
                if (got?.status === 200) return;
                await pause(5); // it was killed
            }
        };
        await short.startArmed('start');
        for (const token of tokens) await short.during('a revocation', revoke(token));
        await short.during('load', load.run(5));
        await place.kill();
        await short.startArmed('start after it');
        for (const token of tokens) {
            const client = await Raw.open(place.daemon.port);
            await client.send(handshake('/closed', { Authorization: `Bearer ${token}` }));
            assert.equal((await client.answer()).status, 401, token);
            client.destroy();
        }
        await short.judge();
    });
};

// The catalog is read anew from the registry: before and after, tags that move are known.
export const withACatalogReadAnew = (given) =>
    Short.run(given, accountConfig([ONE]), async (short) => {
        const { ledger, load, place } = short;
        await place.start();
        await load.run(20);
        await short.stop();

        const untold = ledger.untold('load/r0', digestOf(`${given.name} untold`), 'untold');
        const shelf = await Shelf.open(ledger, untold.event);
        try {
            const from = ['--rebuild-catalog', REGISTRY, '--registry-url', shelf.url];
            await short.command('rebuilding the catalog', ...from);
        } finally {
            shelf.close();
        }
        await short.startArmed('start after it');
        for (const entry of [ledger.entries[3], untold])
            await short.during('tags moved', load.deliver(0, [ledger.addMove(0, entry)]));
        assert.ok(existsSync(join(place.dataDir, 'journal.db')));
        await short.judge();
    });
