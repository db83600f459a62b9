// What happens, as it happens: the feed GET /console/live, a WebSocket, goes on where it was when it breaks, and is
// completed by GET /gateway/v1/events where it cannot. Log and Feed know no page: they are told what to open and to ask.

const FIRST_PAUSE_MS = 400;
const MAX_PAUSE_MS = 15000;
const FILL_PAUSE_MS = 1000; // between two fillings of what was left out

// ------------------------------------------------------------------------------------------- log

// Rows {n, type, time, item}, the oldest first, at most `most` of them: `event`, `batch`, `webhook` and remarks
// (`skipped`, `gap`). An event is there once, whichever way it has come.
export class Log {
    rows = [];
    events = new Map(); // by id
    made = 0; // numbers of rows
    dropped = 0; // rows that had to go for newer ones

    constructor(most) {
        this.most = most;
    }

    // Takes an item of the feed; its row, or null when it is known.
    add(item) {
        if (item.type === 'event' && this.events.has(item.eventId)) return null;
        const row = this.row(item, Date.parse(item.receivedAt ?? item.at ?? ''));
        this.rows.push(row);
        return row;
    }

    // Takes the events of GET /gateway/v1/events, in any order; those that are new, each where it belongs by its time.
    merge(events) {
        const fresh = [];
        for (const one of events) {
            if (this.events.has(one.eventId)) continue;
            fresh.push(this.row({ ...one, type: 'event' }, Date.parse(one.receivedAt ?? '')));
        }
        if (fresh.length === 0) return fresh;
        this.rows = [...this.rows, ...fresh.reverse()].sort((a, b) => a.time - b.time);
        return fresh;
    }

    row(item, time) {
        // What has no time of its own is as late as what came before it, by the server's clock.
        const known = Number.isFinite(time) ? time : (this.rows.at(-1)?.time ?? Date.now());
        const row = { n: ++this.made, type: item.type, time: known, item };
        if (item.type === 'event') this.events.set(item.eventId, row);
        return row;
    }

    // Lets the oldest go where there are too many, and some more, since it moves all the others. How many went: they
    // are `gone`.
    trim() {
        if (this.rows.length <= this.most) return 0;
        const over = this.rows.length - Math.floor(this.most * 0.95);
        for (const row of this.rows.splice(0, over)) {
            row.gone = true;
            if (row.type === 'event') this.events.delete(row.item.eventId);
        }
        this.dropped += over;
        return over;
    }

    // The time of the latest row; Infinity: there is none.
    latest() {
        return this.rows.at(-1)?.time ?? Infinity;
    }

    clear() {
        this.rows = [];
        this.events.clear();
        this.dropped = 0;
    }
}

// The words of a row that a filter looks in, small.
export function textOf({ type, item }) {
    const words =
        type === 'event'
            ? [
                  item.eventId,
                  item.eventType,
                  item.registryId,
                  item.repository,
                  item.tag && `${item.repository}:${item.tag}`,
                  item.digest,
                  item.actor,
                  item.traceId,
                  item.source?.kind,
                  item.source?.peer,
                  ...(item.verdicts ?? []).flatMap((one) => [one.triggerName, one.triggerId, one.reason]),
              ]
            : type === 'batch'
              ? [item.triggerId, item.triggerName, item.path, item.firstEventId, item.lastEventId, item.flush]
              : type === 'webhook'
                ? [item.registryId, item.kind, item.peer, item.status, item.reason]
                : [];
    return words.filter(Boolean).join('\n').toLowerCase();
}

// Whether a row is to be shown. filter: {words: [...], kind: 'event', ..., type, registry, trigger, left: bool}.
// Remarks are shown always: they say what is missing.
export function fits(row, filter) {
    const { type, item } = row;
    if (type === 'skipped' || type === 'gap') return true;
    if (filter.kind && filter.kind !== type) return false;
    if (filter.type && (type !== 'event' || item.eventType !== filter.type)) return false;
    if (filter.registry && item.registryId !== filter.registry) return false;
    if (filter.trigger && !ofTrigger(row, filter.trigger)) return false;
    if (filter.left && !isLeft(row)) return false;
    if (filter.words.length === 0) return true;
    row.text ??= textOf(row);
    return filter.words.every((word) => row.text.includes(word));
}

const ofTrigger = ({ type, item }, id) =>
    type === 'event'
        ? (item.verdicts ?? []).some((one) => one.triggerId === id)
        : type === 'batch' && item.triggerId === id;

const isLeft = ({ type, item }) => type === 'event' && !(item.verdicts ?? []).some((one) => one.taken);

// How long to wait before the attempt `n`, 0 being the first after a break. A server that comes back is not asked by all
// of its consoles at once.
export function pauseBefore(n, random = Math.random) {
    const most = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(n, 10));
    return most / 2 + (random() * most) / 2;
}

// The late events back to the time `from`, read in pages: page(before) gives some, the newest first. (pure)
export async function readBack(page, from, size, most) {
    const events = [];
    while (events.length < most) {
        const some = await page(events.at(-1)?.eventId);
        events.push(...some);
        if (some.length < size || !(Date.parse(some.at(-1).receivedAt) > from)) break;
    }
    return events;
}

// ------------------------------------------------------------------------------------------ feed

// States: 'connecting', 'live', 'waiting' (it broke, and is tried again), 'login' (nobody is logged in), 'denied'.
// Given:
//     open(query)         a new WebSocket, or alike
//     load()              a promise of the late events, the newest first
//     check()             a promise of 'login', 'denied' or 'ok': why a connection may have been refused
//     onItems(items)      of the feed, each once
//     onEvents(events)    of load()
//     onState(state)      of the feed
//     onProblem(error)    load() has failed; null: it has not
//     later(fn, ms)       setTimeout, which returns what cancel() takes
export class Feed {
    state = '';
    boot = null;
    seq = 0;
    attempts = 0;
    socket = null;
    timer = null;
    filling = null;
    ended = false;

    constructor(given) {
        this.given = { later: (fn, ms) => setTimeout(fn, ms), cancel: (timer) => clearTimeout(timer), random: Math.random, ...given };
    }

    start() {
        this.connect();
    }

    stop() {
        this.ended = true;
        this.given.cancel(this.timer);
        this.given.cancel(this.filling);
        this.drop();
    }

    // Tries at once, whatever it waits for.
    retry() {
        if (this.ended || this.state === 'live' || this.state === 'connecting') return;
        this.attempts = 0;
        this.connect();
    }

    drop() {
        const { socket } = this;
        this.socket = null;
        if (!socket) return;
        socket.onmessage = socket.onclose = socket.onerror = null;
        socket.close();
    }

    set(state) {
        if (this.state === state) return;
        this.state = state;
        this.given.onState(state);
    }

    connect() {
        this.given.cancel(this.timer);
        this.drop();
        if (this.state !== 'waiting') this.set('connecting');
        const socket = this.given.open(this.boot === null ? {} : { boot: this.boot, after: String(this.seq) });
        this.socket = socket;
        socket.onmessage = ({ data }) => this.hear(data);
        socket.onclose = () => this.broken();
    }

    hear(data) {
        let items;
        try {
            ({ items } = JSON.parse(data));
        } catch {
            items = null;
        }
        if (!Array.isArray(items)) return; // of a version after ours
        const fresh = [];
        for (const item of items) {
            if (item.type === 'hello') this.greet(item);
            else if (item.type === 'gap') {
                this.seq = Math.max(this.seq, Number(item.seq ?? 0));
                fresh.push(item);
                this.fill(0);
            } else {
                const seq = Number(item.seq ?? 0);
                if (seq && seq <= this.seq) continue;
                if (seq) this.seq = seq;
                if (item.type === 'skipped') this.fill(FILL_PAUSE_MS);
                fresh.push(item);
            }
        }
        if (fresh.length > 0) this.given.onItems(fresh);
    }

    greet({ boot, seq }) {
        this.attempts = 0;
        const other = boot !== this.boot;
        if (other) {
            this.boot = boot;
            this.seq = Number(seq ?? 0);
            this.fill(0);
        }
        this.set('live');
    }

    // Asks for the events that the feed has not told.
    fill(ms) {
        if (this.ended) return;
        this.given.cancel(this.filling);
        this.filling = this.given.later(async () => {
            try {
                const events = await this.given.load();
                if (this.ended) return;
                this.given.onProblem(null);
                this.given.onEvents(events);
            } catch (error) {
                if (this.ended) return;
                this.given.onProblem(error);
                if (this.state === 'live') this.fill(pauseBefore(3, this.given.random));
            }
        }, ms);
    }

    async broken() {
        this.socket = null;
        if (this.ended) return;
        this.set('waiting');
        let why = 'ok'; // a browser does not say which status a WebSocket was refused with
        try {
            why = await this.given.check();
        } catch {
            // nobody answers
        }
        if (this.ended || this.socket) return;
        if (why !== 'ok') {
            this.set(why);
            return;
        }
        this.timer = this.given.later(() => this.connect(), pauseBefore(this.attempts++, this.given.random));
    }
}
