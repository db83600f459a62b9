/* durable.c - the reference for durable ingest: local senders hand what regcast stores for a
 * webhook (rows.h) to one thread, which commits it in groups with bare SQLite: what arrived while
 * one commit ran is the next one. A sender goes on when its last request is on disk. There is no
 * network, no HTTP, no JSON to read, no catalog and no client: what is left is what the disk and
 * SQLite cost. Prints one JSON object. README.md says what the numbers mean. */
#include "print.h"
#include "rows.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define CHECKPOINT_BYTES (4u << 20)
#define MAX_SENDERS      4096
#define POSITION_BITS    48

static const char SCHEMA[] =
    "PRAGMA page_size=%u; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA wal_autocheckpoint=0;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE paths(id INTEGER PRIMARY KEY, name TEXT UNIQUE, tail, count, bytes, high_id "
    "BLOB);"
    "CREATE TABLE batches(key INTEGER PRIMARY KEY, at, ids BLOB, high_id BLOB, frames BLOB, sum);"
    "CREATE TABLE webhooks(seq INTEGER PRIMARY KEY, n, events BLOB, sum);"
    "CREATE TABLE sender_ids(k INTEGER PRIMARY KEY, at, ids BLOB, sum);"
    "CREATE TABLE images(id INTEGER PRIMARY KEY, registry, repository, digest);"
    "CREATE TABLE tags(id INTEGER PRIMARY KEY, image, name);"
    "CREATE TABLE triggers(id TEXT PRIMARY KEY, last_seq) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('last_event_id', x''), ('at', 0);"
    "INSERT INTO paths VALUES(1, '/', 0, 0, 0, x'');"
    "INSERT INTO triggers VALUES('trigger', 0);";

enum statement {
    BEGIN,
    COMMIT,
    WEBHOOK,
    SENDER_IDS,
    IMAGE,
    TAG,
    BATCH,
    PATH,
    TRIGGER,
    META,
    N_STATEMENTS
};
static const char *const SQL[N_STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [WEBHOOK] = "INSERT INTO webhooks VALUES(?, ?, ?, ?)",
    [SENDER_IDS] = "INSERT INTO sender_ids VALUES(?, ?, ?, ?)",
    [IMAGE] = "INSERT INTO images VALUES(?, ?, ?, ?)",
    [TAG] = "INSERT INTO tags VALUES(?, ?, ?)",
    [BATCH] = "INSERT INTO batches VALUES(?, ?, ?, ?, ?, ?)",
    [PATH] = "UPDATE paths SET tail = ?, count = ?, bytes = ?, high_id = ? WHERE id = 1",
    [TRIGGER] = "UPDATE triggers SET last_seq = ? WHERE id = 'trigger'",
    [META] = "UPDATE meta SET value = ? WHERE key = 'last_event_id'",
};

struct options {
    const char *dir;
    unsigned senders, per_request, batch, page_size;
    uint64_t warmup_ns, measured_ns;
    int core, load_core; /* -1: wherever */
};

struct sender {
    struct shared *shared;
    pthread_t thread;
    struct rows rows;
    unsigned group;      /* that its request goes with */
    struct sender *next; /* in the group */
    uint64_t requests, bytes;
    struct hist latency;
};

/* At most two groups are under way: one is committed, the next gathers. Their senders sleep on
 * different words, so that a commit wakes nobody whose request is not in it. */
struct shared {
    const struct options *options;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct sender *first, **last;
    unsigned gathering;       /* number of the group that gathers */
    atomic_uint committed[2]; /* number of the last committed group, odd and even ones */
    _Atomic uint64_t sequence;
    atomic_bool measuring, stopping;
    unsigned running; /* senders; under `lock` */
};

/* The committing thread's. */
struct journal {
    struct shared *shared;
    sqlite3 *db;
    sqlite3_stmt *statements[N_STATEMENTS];
    int64_t seq, sender_row, entry, position, count, bytes;
    struct bytes frames, ids; /* of the batch that gathers */
    unsigned in_batch;
    int wal_pages;
    struct hist commit; /* of the measured part */
    uint64_t commit_ns, groups, requests, largest, checkpoints, cpu_begin, cpu_end;
};

static void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (core < 0)
        return;
    CPU_SET((size_t) core, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        die("core %d: %s", core, strerror(errno));
}

/* --- senders --- */

static void wait_committed(atomic_uint *word, unsigned group)
{
    for (unsigned seen; (int) ((seen = atomic_load(word)) - group) < 0;)
        (void) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void hand_over(struct sender *s)
{
    struct shared *shared = s->shared;
    (void) pthread_mutex_lock(&shared->lock);
    s->group = shared->gathering;
    s->next = NULL;
    bool first = shared->first == NULL;
    *shared->last = s;
    shared->last = &s->next;
    (void) pthread_mutex_unlock(&shared->lock);
    if (first)
        (void) pthread_cond_signal(&shared->arrived);
}

static void *sender_run(void *self)
{
    struct sender *s = self;
    struct shared *shared = s->shared;
    pin(shared->options->load_core);
    while (!atomic_load(&shared->stopping)) {
        rows_fill(&s->rows, atomic_fetch_add(&shared->sequence, s->rows.n));
        bool measured = atomic_load(&shared->measuring);
        uint64_t begun = now_ns();
        hand_over(s);
        wait_committed(&shared->committed[s->group & 1], s->group);
        if (measured && atomic_load(&shared->measuring)) {
            hist_add(&s->latency, now_ns() - begun);
            s->requests++;
            s->bytes += s->rows.events.len + s->rows.sender_ids.len;
        }
    }
    (void) pthread_mutex_lock(&shared->lock);
    shared->running--;
    (void) pthread_mutex_unlock(&shared->lock);
    (void) pthread_cond_signal(&shared->arrived);
    return NULL;
}

/* --- the committing thread --- */

static void step(struct journal *j, enum statement which)
{
    if (sqlite3_step(j->statements[which]) != SQLITE_DONE ||
        sqlite3_reset(j->statements[which]) != SQLITE_OK)
        die("%s: %s", SQL[which], sqlite3_errmsg(j->db));
}

static void bind_number(struct journal *j, enum statement which, int at, int64_t v)
{
    if (sqlite3_bind_int64(j->statements[which], at, v) != SQLITE_OK)
        die("%s: %s", SQL[which], sqlite3_errmsg(j->db));
}

static void bind_blob(struct journal *j, enum statement which, int at, const struct bytes *b)
{
    if (sqlite3_bind_blob(j->statements[which], at, b->data, (int) b->len, SQLITE_STATIC) !=
        SQLITE_OK)
        die("%s: %s", SQL[which], sqlite3_errmsg(j->db));
}

static void bind_text(struct journal *j, enum statement which, int at, const char *text)
{
    if (sqlite3_bind_text(j->statements[which], at, text, -1, SQLITE_STATIC) != SQLITE_OK)
        die("%s: %s", SQL[which], sqlite3_errmsg(j->db));
}

static int64_t checksum_room(const struct bytes *b) /* as wide as a checksum, of no worth */
{
    return (int64_t) (0x80000000u | b->len);
}

static void put_batch(struct journal *j)
{
    struct bytes high = {j->ids.data + j->ids.len - ROWS_PACKED_ID, ROWS_PACKED_ID, 0};
    bind_number(j, BATCH, 1, INT64_C(1) << POSITION_BITS | j->position);
    bind_number(j, BATCH, 2, j->position);
    bind_blob(j, BATCH, 3, &j->ids);
    bind_blob(j, BATCH, 4, &high);
    bind_blob(j, BATCH, 5, &j->frames);
    bind_number(j, BATCH, 6, checksum_room(&j->frames));
    step(j, BATCH);
    j->position += (int64_t) j->frames.len;
    j->bytes += (int64_t) j->frames.len;
    j->count++;
    j->frames.len = j->ids.len = 0;
    j->in_batch = 0;
}

static void batch_add(struct journal *j, const struct rows *r, uint32_t i)
{
    static const uint8_t head[ROWS_FRAME_HEAD] = {0x81, 126};
    if (j->in_batch == 0)
        bytes_add(&j->frames, head, sizeof(head));
    bytes_add(&j->frames, r->sent.data + i * r->sent_len, r->sent_len);
    bytes_add(&j->ids, r->ids.data + i * ROWS_PACKED_ID, ROWS_PACKED_ID);
    if (++j->in_batch == j->shared->options->batch)
        put_batch(j);
}

static void put_entry(struct journal *j, const struct rows_entry *e)
{
    j->entry++;
    bind_number(j, IMAGE, 1, j->entry);
    bind_text(j, IMAGE, 2, ROWS_REGISTRY);
    bind_text(j, IMAGE, 3, ROWS_REPOSITORY);
    bind_text(j, IMAGE, 4, e->digest);
    step(j, IMAGE);
    bind_number(j, TAG, 1, j->entry);
    bind_number(j, TAG, 2, j->entry);
    bind_text(j, TAG, 3, e->tag);
    step(j, TAG);
}

static void put_request(struct journal *j, const struct rows *r)
{
    if (j->shared->options->batch > 1) { /* else their batches go with them, and they need no row */
        bind_number(j, WEBHOOK, 1, j->seq);
        bind_number(j, WEBHOOK, 2, r->n);
        bind_blob(j, WEBHOOK, 3, &r->events);
        bind_number(j, WEBHOOK, 4, checksum_room(&r->events));
        step(j, WEBHOOK);
    }
    j->seq += r->n;
    bind_number(j, SENDER_IDS, 1, ++j->sender_row);
    bind_number(j, SENDER_IDS, 2, j->seq);
    bind_blob(j, SENDER_IDS, 3, &r->sender_ids);
    bind_number(j, SENDER_IDS, 4, checksum_room(&r->sender_ids));
    step(j, SENDER_IDS);
    for (uint32_t i = 0; i < r->n; i++) {
        put_entry(j, &r->entries[i]);
        batch_add(j, r, i);
    }
}

static void put_marks(struct journal *j, const struct rows *newest)
{
    struct bytes id = {newest->ids.data, ROWS_PACKED_ID, 0};
    bind_number(j, PATH, 1, j->position);
    bind_number(j, PATH, 2, j->count);
    bind_number(j, PATH, 3, j->bytes);
    bind_blob(j, PATH, 4, &id);
    step(j, PATH);
    bind_number(j, TRIGGER, 1, j->seq);
    step(j, TRIGGER);
    bind_blob(j, META, 1, &id);
    step(j, META);
}

static int on_wal(void *self, sqlite3 *db, const char *name, int pages)
{
    (void) db;
    (void) name;
    ((struct journal *) self)->wal_pages = pages;
    return SQLITE_OK;
}

static void checkpoint(struct journal *j)
{
    if ((uint64_t) j->wal_pages * j->shared->options->page_size < CHECKPOINT_BYTES)
        return;
    if (sqlite3_wal_checkpoint_v2(j->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) != SQLITE_OK)
        die("checkpoint: %s", sqlite3_errmsg(j->db));
    j->wal_pages = 0;
    j->checkpoints++;
}

static void commit_group(struct journal *j, struct sender *first)
{
    uint64_t begun = now_ns(), n = 0;
    struct sender *newest = first;
    step(j, BEGIN);
    for (struct sender *s = first; s != NULL; s = s->next, n++) {
        put_request(j, &s->rows);
        newest = s;
    }
    put_marks(j, &newest->rows);
    step(j, COMMIT);
    if (atomic_load(&j->shared->measuring)) {
        uint64_t took = now_ns() - begun;
        hist_add(&j->commit, took);
        j->commit_ns += took;
        j->groups++;
        j->requests += n;
        if (n > j->largest)
            j->largest = n;
    }
}

/* The next group; NULL when no sender is left. */
static struct sender *take_group(struct shared *s, unsigned *ret_number)
{
    (void) pthread_mutex_lock(&s->lock);
    while (s->first == NULL && s->running > 0)
        (void) pthread_cond_wait(&s->arrived, &s->lock);
    struct sender *first = s->first;
    s->first = NULL;
    s->last = &s->first;
    *ret_number = s->gathering++;
    (void) pthread_mutex_unlock(&s->lock);
    return first;
}

static void journal_open(struct journal *j, const struct options *o)
{
    char file[4096], schema[sizeof(SCHEMA) + 16];
    if (snprintf(file, sizeof(file), "%s/reference.db", o->dir) >= (int) sizeof(file))
        die("--dir: too long");
    (void) snprintf(schema, sizeof(schema), SCHEMA, o->page_size);
    if (sqlite3_open_v2(file, &j->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK ||
        sqlite3_exec(j->db, schema, NULL, NULL, NULL) != SQLITE_OK)
        die("%s: %s", file, sqlite3_errmsg(j->db));
    for (unsigned i = 0; i < N_STATEMENTS; i++)
        if (sqlite3_prepare_v3(j->db, SQL[i], -1, SQLITE_PREPARE_PERSISTENT, &j->statements[i],
                               NULL) != SQLITE_OK)
            die("%s: %s", SQL[i], sqlite3_errmsg(j->db));
    (void) sqlite3_wal_hook(j->db, on_wal, j);
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec t;
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
}

static void *journal_run(void *self)
{
    struct journal *j = self;
    bool measured = false;
    unsigned number;
    pin(j->shared->options->core);
    for (struct sender *first; (first = take_group(j->shared, &number)) != NULL;) {
        bool measuring = atomic_load(&j->shared->measuring);
        if (measuring != measured)
            *(measuring ? &j->cpu_begin : &j->cpu_end) = thread_cpu_ns();
        measured = measuring;
        commit_group(j, first);
        atomic_uint *word = &j->shared->committed[number & 1];
        atomic_store(word, number);
        (void) syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
        checkpoint(j);
    }
    if (measured)
        j->cpu_end = thread_cpu_ns();
    for (unsigned i = 0; i < N_STATEMENTS; i++)
        (void) sqlite3_finalize(j->statements[i]);
    if (sqlite3_close(j->db) != SQLITE_OK)
        die("close: %s", sqlite3_errmsg(j->db));
    return NULL;
}

/* --- options, the run, the report --- */

static void options_read(struct options *o, int argc, char **argv)
{
    *o = (struct options){.senders = 64,
                          .per_request = 1,
                          .batch = 1,
                          .page_size = 4096,
                          .warmup_ns = NS_PER_S,
                          .measured_ns = 3 * NS_PER_S,
                          .core = -1,
                          .load_core = -1};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void) puts("bench_durable --dir DIR [--senders N (64)] [--per-request N (1)]\n"
                    "  [--batch N (1)] [--page-size BYTES (4096)]\n"
                    "  [--warmup S (1)] [--seconds S (3)]\n"
                    "  [--core N: of the committing thread] [--load-core N: of the senders]");
        exit(0);
    }
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--dir") == 0)
            o->dir = value;
        else if (strcmp(name, "--senders") == 0)
            o->senders = (unsigned) number_parse(name, value, 1, MAX_SENDERS);
        else if (strcmp(name, "--per-request") == 0)
            o->per_request = (unsigned) number_parse(name, value, 1, ROWS_MAX_EVENTS);
        else if (strcmp(name, "--batch") == 0)
            o->batch = (unsigned) number_parse(name, value, 1, 1000);
        else if (strcmp(name, "--page-size") == 0)
            o->page_size = (unsigned) number_parse(name, value, 512, 65536);
        else if (strcmp(name, "--warmup") == 0)
            o->warmup_ns = seconds_parse(name, value);
        else if (strcmp(name, "--seconds") == 0)
            o->measured_ns = seconds_parse(name, value);
        else if (strcmp(name, "--core") == 0)
            o->core = (int) number_parse(name, value, 0, CPU_SETSIZE - 1);
        else if (strcmp(name, "--load-core") == 0)
            o->load_core = (int) number_parse(name, value, 0, CPU_SETSIZE - 1);
        else
            die("unknown option %s; --help lists them", name);
    }
    if (argc % 2 == 0 || o->dir == NULL)
        die("--dir is needed, and every option needs a value; --help lists all");
}

static void sleep_ns(uint64_t ns)
{
    struct timespec t = {(time_t) (ns / NS_PER_S), (long) (ns % NS_PER_S)};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

static void report(const struct options *o, const struct journal *j, struct sender *senders,
                   const struct proc_sample at[2], const struct proc_sample load_at[2],
                   uint64_t own_cpu)
{
    struct hist *latency = &senders[0].latency;
    uint64_t requests = senders[0].requests, bytes = senders[0].bytes;
    for (unsigned i = 1; i < o->senders; i++) {
        hist_merge(latency, &senders[i].latency);
        requests += senders[i].requests;
        bytes += senders[i].bytes;
    }
    double seconds = proc_seconds(&at[0], &at[1]);
    uint64_t events = requests * o->per_request, cpu = j->cpu_end - j->cpu_begin;
    double client = own_cpu > cpu ? (double) (own_cpu - cpu) / 1e9 : 0;
    (void) printf("{\"pattern\":\"ingest\",\"connections\":0,\"senders\":%u,\"per_request\":%u,"
                  "\"batch\":%u,\"seconds\":%.4f,\"requests\":%llu,\"events\":%llu,"
                  "\"events_per_second\":%.0f,\"not_2xx\":0,\"bytes_per_event\":%.1f,",
                  o->senders, o->per_request, o->batch, seconds, (unsigned long long) requests,
                  (unsigned long long) events, (double) events / seconds,
                  per((double) bytes, events));
    print_latency("webhook_us", latency);
    print_latency("commit_us", &j->commit);
    (void) printf("\"group_mean\":%.2f,\"group_max\":%llu,\"commit_mean_us\":%.1f,"
                  "\"checkpoints\":%llu,",
                  per((double) j->requests, j->groups), (unsigned long long) j->largest,
                  per((double) j->commit_ns / 1e3, j->groups), (unsigned long long) j->checkpoints);
    (void) printf("\"pinned\":%s,\"client_busy\":%.3f,\"client_core_busy\":%.3f,",
                  o->core < 0 ? "false" : "true", client / seconds,
                  (load_at[1].core_busy_s - load_at[0].core_busy_s) / seconds);
    (void) printf("\"server\":{\"cpu_seconds\":%.4f,\"cpu_us_per_event\":%.3f,"
                  "\"core_busy_seconds\":%.2f,\"core_steal_seconds\":%.2f},\"ok\":%s}\n",
                  (double) cpu / 1e9, per((double) cpu / 1e3, events),
                  at[1].core_busy_s - at[0].core_busy_s, at[1].core_steal_s - at[0].core_steal_s,
                  events > 0 ? "true" : "false");
}

int main(int argc, char **argv)
{
    struct options o;
    options_read(&o, argc, argv);
    struct shared shared = {.options = &o,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .arrived = PTHREAD_COND_INITIALIZER,
                            .gathering = 2,
                            .sequence = 1,
                            .running = o.senders};
    shared.last = &shared.first;
    static struct journal journal;
    journal = (struct journal){.shared = &shared, .seq = 1};
    journal_open(&journal, &o);
    struct sender *senders = calloc(o.senders, sizeof(*senders));
    if (senders == NULL)
        die("out of memory");
    pthread_t thread;
    if (pthread_create(&thread, NULL, journal_run, &journal) != 0)
        die("no thread");
    for (unsigned i = 0; i < o.senders; i++) {
        senders[i].shared = &shared;
        rows_init(&senders[i].rows, o.per_request);
        if (pthread_create(&senders[i].thread, NULL, sender_run, &senders[i]) != 0)
            die("no thread");
    }
    pin(o.load_core);
    sleep_ns(o.warmup_ns);
    struct proc_sample at[2], load_at[2];
    load_at[0] = proc_sample(0, o.load_core);
    at[0] = proc_sample(0, o.core);
    uint64_t cpu = own_cpu_ns();
    atomic_store(&shared.measuring, true);
    sleep_ns(o.measured_ns);
    atomic_store(&shared.measuring, false);
    cpu = own_cpu_ns() - cpu;
    at[1] = proc_sample(0, o.core);
    load_at[1] = proc_sample(0, o.load_core);
    atomic_store(&shared.stopping, true);
    for (unsigned i = 0; i < o.senders; i++)
        (void) pthread_join(senders[i].thread, NULL);
    (void) pthread_join(thread, NULL);
    report(&o, &journal, senders, at, load_at, cpu);
    return 0;
}
