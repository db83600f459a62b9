/* The store on damaged files: flipped bits, zeroed, swapped and cut pages, a WAL that is missing or
 * of yesterday. Opening and reading either give exactly what was written or say that it is damaged;
 * never other bytes. Where the WAL is what was damaged, a beginning of what was written is right
 * too: SQLite drops everything from the first bad frame on, as a power cut would. Then every id
 * given out before must be gone, or a client would go on over a gap. REGCAST_DAMAGES: how many, 400
 * if not set. */
#include "cuts.h"
#include "store_fixture.h"
#include "store_private.h"

enum { DAMAGES = 400, TRANSACTIONS = 120, CHECKPOINTED = 70 };

static size_t batch_len(uint64_t n)
{
    return n % 7 == 0 ? 9000 : 200 + (size_t) (n * 53 % 1500);
}

/* --- what is written: the state is a function of the number of transactions --- */

#define AT(n) (UINT64_C(1700000000000000000) + (n))

static void name_image(uint64_t n, char repository[32], char digest[80], char tag[32])
{
    (void) snprintf(repository, 32, "team/app-%u", (unsigned) (n % 10));
    (void) snprintf(digest, 80, "sha256:%064x", (unsigned) n);
    (void) snprintf(tag, 32, "v%u", (unsigned) n);
}

static void transaction(struct store *s, uint64_t n)
{
    char repository[32], digest[80], tag[32], id[ID_SIZE];
    uint8_t events[100], sender[STORE_SENDER_ID_SIZE], body[50];
    struct buf notes, letters;
    uint64_t position;
    name_image(n, repository, digest, tag);
    fixture_event_id(n, id);
    fixture_bytes(n, events, sizeof(events));
    fixture_bytes(n + 1000000, sender, sizeof(sender));
    fixture_bytes(n + 2000000, body, sizeof(body));
    buf_init(&notes, 4096);
    buf_init(&letters, 4096);
    const struct catalog_note entries[] = {
        {NOTE_IMAGE, 3 * n, 0, "registry", repository, digest, NULL, AT(n), 0, false},
        {NOTE_TAG, 3 * n + 1, 3 * n, NULL, NULL, NULL, tag, AT(n), 0, false},
        {NOTE_TOMBSTONE, 3 * n + 2, 0, "registry", repository, digest, tag, AT(n), n, n % 2 == 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        assert_int_equal(record_put_note(&notes, &entries[i]), 0);
    const struct record_letter letter = {n, "registry", tag, slice_of(body, sizeof(body)),
                                         slice_of(body, 20)};
    assert_int_equal(record_put_letter(&letters, &letter), 0);
    struct store_webhook w = {.first_seq = n,
                              .n_events = 1,
                              .last_event_id = id,
                              .events = slice_of(events, sizeof(events)),
                              .sender_ids = slice_of(sender, sizeof(sender)),
                              .notes = buf_slice(&notes),
                              .letters = buf_slice(&letters)};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &w), 0);
    assert_int_equal(fixture_batch(s, 0, n, batch_len(n), &position), 0);
    assert_int_equal(store_commit(s), 0);
    buf_fini(&notes);
    buf_fini(&letters);
}

/* --- what is read --- */

struct reading {
    uint64_t events, images, tags, tombstones, letters, senders, batches;
    bool wrong;
    bool disorder; /* a batch is missing or there twice */
};

static int read_event(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    struct reading *r = ctx;
    uint8_t bytes[100];
    fixture_bytes(++r->events, bytes, sizeof(bytes));
    if (first_seq != r->events || n != 1 || !slice_eq(events, slice_of(bytes, sizeof(bytes))))
        r->wrong = true;
    return 0;
}

static void read_sender(void *ctx, uint64_t at_ms, struct slice ids)
{
    struct reading *r = ctx;
    uint8_t bytes[STORE_SENDER_ID_SIZE];
    (void) at_ms;
    fixture_bytes(++r->senders + 1000000, bytes, sizeof(bytes));
    if (!slice_eq(ids, slice_of(bytes, sizeof(bytes))))
        r->wrong = true;
}

static void read_image(void *ctx, const struct store_image *i)
{
    struct reading *r = ctx;
    char repository[32], digest[80], tag[32];
    uint64_t n = ++r->images;
    name_image(n, repository, digest, tag);
    if (i->id != 3 * n || i->at_ns != AT(n) || strcmp(i->registry_id, "registry") != 0 ||
        strcmp(i->repository, repository) != 0 || strcmp(i->digest, digest) != 0)
        r->wrong = true;
}

static void read_tag(void *ctx, const struct store_tag *t)
{
    struct reading *r = ctx;
    char repository[32], digest[80], tag[32];
    uint64_t n = ++r->tags;
    name_image(n, repository, digest, tag);
    if (t->id != 3 * n + 1 || t->image_id != 3 * n || t->at_ns != AT(n) ||
        strcmp(t->name, tag) != 0)
        r->wrong = true;
}

static void read_tombstone(void *ctx, const struct store_tombstone *t)
{
    struct reading *r = ctx;
    char repository[32], digest[80], tag[32];
    uint64_t n = ++r->tombstones;
    name_image(n, repository, digest, tag);
    if (t->id != 3 * n + 2 || t->at_ns != AT(n) || t->made_ms != n || t->pushed != (n % 2 == 1) ||
        strcmp(t->registry_id, "registry") != 0 || strcmp(t->repository, repository) != 0 ||
        strcmp(t->digest, digest) != 0 || strcmp(t->tag, tag) != 0)
        r->wrong = true;
}

static int read_letter(void *ctx, const struct store_letter *l)
{
    struct reading *r = ctx;
    uint8_t body[50];
    fixture_bytes(l->wall_ms + 2000000, body, sizeof(body));
    if (strcmp(l->registry_id, "registry") != 0 || l->event_seq != 0 ||
        !slice_eq(l->body, slice_of(body, sizeof(body))) ||
        !slice_eq(l->headers, slice_of(body, 20)))
        r->wrong = true;
    r->letters++;
    return 0;
}

/* A batch must be the one that was written where it stands. */
static int read_batch(void *ctx, uint64_t position, struct slice frames)
{
    struct reading *r = ctx;
    static uint8_t bytes[9000];
    struct segment_place place = {.tail = 0};
    uint64_t n = 1;
    while (segment_place(FIXTURE_SPAN, &place, batch_len(n)) != position && n <= TRANSACTIONS)
        n++;
    fixture_bytes(n, bytes, batch_len(n));
    if (n > TRANSACTIONS || !slice_eq(frames, slice_of(bytes, batch_len(n))))
        r->wrong = true;
    if (n != ++r->batches)
        r->disorder = true;
    return 0;
}

static int read_batches(const char *dir, struct reading *r)
{
    struct store_options options = fixture_options(dir);
    struct store_reader *reader;
    uint64_t oldest = 0;
    char id[ID_SIZE];
    int err = store_reader_open(&options, &reader);
    if (err < 0)
        return err;
    err = store_reader_oldest(reader, "/a", &oldest, id);
    if (err == 0)
        err = store_reader_load(reader, "/a", oldest, UINT64_MAX, read_batch, r);
    store_reader_close(reader);
    return err;
}

/* --- damage --- */

struct file {
    uint8_t *data;
    size_t len;
};
struct disk {
    struct file db, wal;
    struct file page; /* none: nothing tells that an end is missing */
};

static struct file load_file(const char *dir, const char *name)
{
    char path[512];
    struct stat st;
    fixture_path(path, dir, name);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return (struct file){NULL, 0};
    assert_int_equal(fstat(fd, &st), 0);
    struct file f = {malloc((size_t) st.st_size + 1), (size_t) st.st_size};
    assert_non_null(f.data);
    assert_int_equal(read(fd, f.data, f.len), (ssize_t) f.len);
    (void) close(fd);
    return f;
}

static struct disk load_disk(const char *dir)
{
    return (struct disk){load_file(dir, STORE_FILE), load_file(dir, STORE_FILE "-wal"),
                         load_file(dir, "commits")};
}

static void free_disk(struct disk *d)
{
    free(d->db.data);
    free(d->wal.data);
    free(d->page.data);
}

static struct file copy_file(const struct file *f)
{
    struct file copy = {malloc(f->len + 1), f->len};
    assert_non_null(copy.data);
    if (f->len > 0)
        memcpy(copy.data, f->data, f->len);
    return copy;
}

static void save_file(const char *dir, const char *name, const struct file *f)
{
    char path[512];
    fixture_path(path, dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    if (f->len > 0)
        assert_int_equal(write(fd, f->data, f->len), (ssize_t) f->len);
    (void) close(fd);
}

enum damage { FLIP_ONE, FLIP_SOME, ZERO, SWAP, REPEAT, CUT, GARBAGE, N_DAMAGE };
static const char *const DAMAGE_NAMES[N_DAMAGE] = {
    "one bit", "bits", "zeroed page", "swapped pages", "page twice", "cut", "garbage"};

static void flip(struct file *f, uint64_t *seed)
{
    uint64_t bit = cuts_random(seed) % (8 * f->len);
    f->data[bit / 8] ^= (uint8_t) (1 << bit % 8);
}

static void damage(struct file *f, enum damage kind, uint64_t *seed)
{
    uint8_t page[STORE_PAGE];
    size_t pages = f->len / STORE_PAGE;
    uint8_t *one = f->data + cuts_random(seed) % pages * STORE_PAGE;
    uint8_t *two = f->data + cuts_random(seed) % pages * STORE_PAGE;
    switch (kind) {
    case FLIP_ONE:
        flip(f, seed);
        break;
    case FLIP_SOME:
        for (uint64_t n = 2 + cuts_random(seed) % 8; n > 0; n--)
            flip(f, seed);
        break;
    case ZERO:
        memset(one, 0, STORE_PAGE);
        break;
    case SWAP:
        memcpy(page, one, STORE_PAGE);
        memcpy(one, two, STORE_PAGE);
        memcpy(two, page, STORE_PAGE);
        break;
    case REPEAT:
        memcpy(one, two, STORE_PAGE);
        break;
    case CUT:
        f->len = (size_t) (cuts_random(seed) % f->len);
        break;
    case GARBAGE:
        fixture_bytes(cuts_random(seed), one, 100 + (size_t) (cuts_random(seed) % 3000));
        break;
    case N_DAMAGE:
        break;
    }
}

/* --- the verdict --- */

enum verdict { SAME, BEGINNING, SAID, WRONG, N_VERDICTS };

/* Where clients go on that have seen an event; all of it was acknowledged once. */
static bool ids_lead_on(const char *dir, bool lost)
{
    struct store_options options = fixture_options(dir);
    struct store_reader *reader;
    bool right = true;
    assert_int_equal(store_reader_open(&options, &reader), 0);
    for (uint64_t n = 1; n <= TRANSACTIONS && right; n++) {
        uint8_t id[ID_PACKED_SIZE];
        enum store_found found = STORE_BETWEEN;
        uint64_t position;
        fixture_packed_id(n, id);
        right = store_reader_find(reader, "/a", slice_of(id, sizeof(id)), &found, &position) == 0 &&
                found == (lost ? STORE_GONE : STORE_FOUND);
    }
    store_reader_close(reader);
    return right;
}

/* Everything that a start reads. */
static enum verdict read_all(struct store *s, const char *dir, bool lost, const char **why)
{
    struct reading r = {.events = 0};
    uint64_t n = store_next_seq(s) - 1;
    int err = store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS);
    if (err == 0)
        err = store_load_events(s, 0, read_event, &r);
    if (err == 0)
        err = store_load_catalog(s, read_image, read_tag, &r);
    if (err == 0)
        err = store_load_tombstones(s, read_tombstone, &r);
    if (err == 0)
        err = store_load_sender_ids(s, read_sender, &r);
    if (err == 0)
        err = store_load_letters(s, read_letter, &r);
    if (err == 0)
        err = read_batches(dir, &r);
    *why = "other bytes";
    if (r.wrong)
        return WRONG;
    if (err < 0)
        return SAID;
    if (r.disorder)
        return WRONG;
    *why = "ids lead over a gap";
    if (!ids_lead_on(dir, lost))
        return WRONG;
    *why = "something is missing";
    if (lost && n > 0) { /* the number after the last one is not used again */
        if (n <= TRANSACTIONS)
            return WRONG;
        n = r.events;
    }
    if (lost != (n < TRANSACTIONS))
        return WRONG;
    if (n == 0 && r.events == 0 && r.images == 0 && r.batches == 0)
        return BEGINNING;
    if (n > TRANSACTIONS || r.events != n || r.images != n || r.tags != n || r.tombstones != n ||
        r.senders != n || r.batches != n || fixture_mark(s, FIXTURE_TRIGGER) != n ||
        r.letters != (n < 5 ? n : 5))
        return WRONG;
    return n == TRANSACTIONS ? SAME : BEGINNING;
}

static enum verdict judge(const struct disk *d, const char **why)
{
    char dir[64];
    fixture_dir(dir);
    save_file(dir, STORE_FILE, &d->db);
    if (d->wal.data != NULL)
        save_file(dir, STORE_FILE "-wal", &d->wal);
    if (d->page.data != NULL)
        save_file(dir, "commits", &d->page);
    /* A reader alone, without anybody having looked for damage: each batch that it gives is right.
     * (It drops the WAL of a database that is not there, which the store is to see.) */
    struct reading alone = {.events = 0};
    if (d->db.len > 0)
        (void) read_batches(dir, &alone);
    *why = "the reader gave other bytes";
    enum verdict v = WRONG;
    if (!alone.wrong) {
        struct store_options options = fixture_options(dir);
        options.no_sync = true;
        struct store *s = NULL;
        struct store_opened opened;
        int64_t pid;
        int err = store_open(&options, &s, &opened, &pid);
        v = err < 0 || opened.quarantine[0] != '\0'
                ? SAID
                : read_all(s, dir, opened.lost_commits > 0, why);
        if (err == 0)
            store_close(s);
    }
    fixture_remove(dir);
    return v;
}

struct world {
    struct disk closed; /* all in the database */
    struct disk live;   /* some in the database, the rest in the WAL */
    struct disk before; /* from before the database was last written back */
};

static void make_world(struct world *w)
{
    char dir[64];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    options.no_sync = true;
    struct store *s = fixture_open_with(&options, NULL);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    for (uint64_t n = 1; n <= TRANSACTIONS; n++) {
        transaction(s, n);
        if (n == CHECKPOINTED - 20)
            w->before = load_disk(dir);
        if (n == CHECKPOINTED) {
            s->checkpoint_at = 0;
            assert_int_equal(store_checkpoint(s), 0);
        }
    }
    w->live = load_disk(dir);
    store_close(s);
    w->closed = load_disk(dir);
    assert_true(w->before.wal.len > 100000 && w->live.wal.len > 100000 && w->closed.wal.len == 0);
    fixture_remove(dir);
}

static void free_world(struct world *w)
{
    free_disk(&w->closed);
    free_disk(&w->live);
    free_disk(&w->before);
}

static unsigned n_damages(void)
{
    const char *text = getenv("REGCAST_DAMAGES");
    unsigned long n = text == NULL ? 0 : strtoul(text, NULL, 10);
    return n == 0 || n > 1000000 ? DAMAGES : (unsigned) n;
}

static void say(const char *what, const unsigned tally[N_VERDICTS])
{
    printf("%s: %u as written, %u a beginning, %u said to be damaged, %u wrong\n", what,
           tally[SAME], tally[BEGINNING], tally[SAID], tally[WRONG]);
}

static void test_undamaged(void **state)
{
    (void) state;
    struct world w = {.live = {{NULL, 0}, {NULL, 0}, {NULL, 0}}};
    const char *why;
    make_world(&w);
    assert_int_equal(judge(&w.closed, &why), SAME);
    assert_int_equal(judge(&w.live, &why), SAME);
    free(w.before.page.data);
    w.before.page = copy_file(&w.live.page); /* its own has seen no more than it */
    assert_int_equal(judge(&w.before, &why), BEGINNING);
    free_world(&w);
}

static void test_damaged_files(void **state)
{
    (void) state;
    struct world w = {.live = {{NULL, 0}, {NULL, 0}, {NULL, 0}}};
    unsigned tally[3][N_VERDICTS] = {{0}}, wrong = 0;
    uint64_t seed = 11222026;
    make_world(&w);
    for (unsigned i = 0; i < n_damages(); i++) {
        unsigned where = i % 3; /* the database alone, with a WAL, the WAL */
        enum damage kind = (enum damage)(i / 3 % N_DAMAGE);
        const struct disk *base = where == 0 ? &w.closed : &w.live;
        struct disk d = {copy_file(&base->db), copy_file(&base->wal), copy_file(&base->page)};
        const char *why = "";
        damage(where == 2 ? &d.wal : &d.db, kind, &seed);
        enum verdict v = judge(&d, &why);
        if (v == BEGINNING && where != 2) {
            v = WRONG;
            why = "the end is missing";
        }
        if (v == WRONG && wrong++ < 10)
            printf("damage %u, %s, %s: %s\n", i, DAMAGE_NAMES[kind],
                   where == 2 ? "WAL" : "database", why);
        tally[where][v]++;
        free_disk(&d);
    }
    say("database", tally[0]);
    say("database with WAL", tally[1]);
    say("WAL", tally[2]);
    free_world(&w);
    assert_int_equal(wrong, 0);
    assert_true(tally[0][SAID] > 20 && tally[1][SAID] > 0 && tally[2][BEGINNING] > 20);
}

static void test_wrong_wals(void **state)
{
    (void) state;
    struct world w = {.live = {{NULL, 0}, {NULL, 0}, {NULL, 0}}};
    make_world(&w);
    const struct file none = {NULL, 0};
    const struct {
        const char *what;
        struct disk disk;
        bool allowed[N_VERDICTS];
    } CASES[] = {
        {"WAL deleted", {w.live.db, none, w.live.page}, {[BEGINNING] = true}},
        {"old WAL, new database",
         {w.closed.db, w.before.wal, w.closed.page},
         {[BEGINNING] = true, [SAID] = true}},
        {"old WAL, live database",
         {w.live.db, w.before.wal, w.live.page},
         {[BEGINNING] = true, [SAID] = true}},
        {"new WAL, old database", {w.before.db, w.live.wal, w.live.page}, {[SAID] = true}},
        {"both of yesterday", {w.before.db, w.before.wal, w.live.page}, {[BEGINNING] = true}},
        {"database deleted", {none, w.live.wal, w.live.page}, {[SAID] = true}},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *why = "";
        enum verdict v = judge(&CASES[i].disk, &why);
        printf("%s: %d %s\n", CASES[i].what, v, v == WRONG ? why : "");
        if (!CASES[i].allowed[v])
            fail_msg("%s: %d %s", CASES[i].what, v, why);
    }
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_undamaged),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_wrong_wals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
