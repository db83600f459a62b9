/* A catalog against one that was filled from its dump and the notes that followed: random pushes
 * and deletes, of which some come later than they happened; now and then a dump, and a catalog made
 * of the last one and of the notes since then, or since any time before. It must hold the same, and
 * give the same events for the changes that follow. */
#include "catalog.h"
#include "mem.h"
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REPOSITORIES = 3, DIGESTS = 6, TAGS = 5, STEPS = 6000, FOLLOW = 40, BYTES = 1 << 24 };

static uint64_t random_state;
static unsigned below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned) (random_state % n);
}

static void put_note(void *ctx, const struct catalog_note *n)
{
    assert_int_equal(record_put_note(ctx, n), 0);
}

static void write_event(void *ctx, const struct catalog_event *e)
{
    assert_int_equal(
        buf_printf(ctx, "%s %s %s %s\n", EVENT_TYPES[e->type], e->repository, e->digest, e->tag),
        0);
}

/* --- a change --- */

struct step {
    char repository[8], digest[8], tag[8];
    struct change change;
    struct catalog_now now;
};

static void choose(struct step *s, uint64_t *now_ns)
{
    static const enum change_kind KINDS[] = {CHANGE_PUSH, CHANGE_PUSH, CHANGE_PUSH,
                                             CHANGE_DELETE_TAG, CHANGE_DELETE_DIGEST};
    uint64_t ago_ns = below(4) == 0 ? below(30) : 0;
    *now_ns += below(4);
    (void) snprintf(s->repository, sizeof(s->repository), "r%u", below(REPOSITORIES));
    (void) snprintf(s->digest, sizeof(s->digest), "d%u", below(DIGESTS));
    (void) snprintf(s->tag, sizeof(s->tag), "t%u", below(TAGS));
    s->change = (struct change){.kind = KINDS[below(ARRAY_LEN(KINDS))],
                                .repository = s->repository,
                                .digest = s->digest,
                                .tag = s->tag,
                                .sender_id = "",
                                .request_id = "",
                                .created_at = "",
                                .actor = "",
                                .certain = below(2) == 0};
    if (s->change.kind == CHANGE_PUSH && below(6) == 0)
        s->change.digest = "";
    else if (s->change.kind == CHANGE_DELETE_DIGEST || below(5) == 0)
        s->change.tag = "";
    if (s->change.kind == CHANGE_DELETE_TAG) {
        s->change.tag = s->tag;
        s->change.digest = below(2) == 0 ? "" : s->digest;
    }
    s->now =
        (struct catalog_now){.wall_ns = *now_ns - ago_ns, .ms = *now_ns / 10, .ago_ns = ago_ns};
}

static void do_step(struct catalog *c, const struct step *s, struct buf *events, struct buf *notes)
{
    (void) catalog_apply(c, "reg", &s->change, &s->now, write_event, events);
    catalog_commit(c, catalog_seal(c, put_note, notes));
}

/* --- comparing --- */

static void write_note(void *ctx, const struct catalog_note *n)
{
    assert_int_equal(buf_printf(ctx, "%d %llu %llu %s/%s/%s/%s %llu %llu %d\n", (int) n->kind,
                                (unsigned long long) n->id, (unsigned long long) n->image_id,
                                n->registry_id == NULL ? "" : n->registry_id,
                                n->repository == NULL ? "" : n->repository,
                                n->digest == NULL ? "" : n->digest, n->name == NULL ? "" : n->name,
                                (unsigned long long) n->at_ns, (unsigned long long) n->made_ms,
                                n->pushed),
                     0);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static char *dump_text(const struct catalog *c, bool sorted)
{
    struct buf text, out;
    char *lines[1000], *rest = NULL;
    size_t n = 0;
    buf_init(&text, BYTES);
    buf_init(&out, BYTES);
    assert_true(catalog_dump(c, write_note, &text));
    assert_int_equal(buf_append(&text, slice_of("", 1)), 0);
    for (char *l = strtok_r((char *) text.data, "\n", &rest); l != NULL;
         l = strtok_r(NULL, "\n", &rest)) {
        assert_true(n < ARRAY_LEN(lines));
        lines[n++] = l;
    }
    if (sorted && n > 0)
        qsort(lines, n, sizeof(lines[0]), compare_lines);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf_printf(&out, "%s\n", lines[i]), 0);
    assert_int_equal(buf_append(&out, slice_of("", 1)), 0);
    buf_fini(&text);
    return (char *) out.data; /* the caller's */
}

static void assert_same(const struct catalog *a, const struct catalog *b, bool sorted)
{
    char *x = dump_text(a, sorted), *y = dump_text(b, sorted);
    if (strcmp(x, y) != 0)
        fail_msg("%s\n--- is not ---\n%s", y, x);
    free(x);
    free(y);
}

static void load(struct catalog *c, struct slice notes)
{
    struct catalog_note n;
    while (notes.len > 0) {
        assert_int_equal(record_next_note(&notes, &n), 0);
        assert_int_equal(catalog_load_note(c, &n), 0);
    }
}

/* --- */

struct world {
    uint64_t now_ns, most;
    struct catalog *catalog;
    struct buf notes; /* all of them */
    size_t ends[STEPS];
    size_t n;
    struct buf dump;
    size_t dumped; /* steps */
};

static struct catalog *new_catalog(const struct world *w)
{
    return catalog_new(w->most, w->most, 50);
}

static void dump(struct world *w)
{
    buf_clear(&w->dump);
    assert_true(catalog_dump(w->catalog, put_note, &w->dump));
    w->dumped = w->n;
}

static struct catalog *loaded(const struct world *w, size_t from)
{
    struct catalog *c = new_catalog(w);
    size_t begin = from == 0 ? 0 : w->ends[from - 1];
    load(c, buf_slice(&w->dump));
    load(c, slice_from(buf_slice(&w->notes), begin));
    return c;
}

/* The same answers; both are changed. */
static void go_on_together(struct world *w, struct catalog *other)
{
    struct buf a, b, notes;
    buf_init(&a, BYTES);
    buf_init(&b, BYTES);
    buf_init(&notes, BYTES);
    for (int i = 0; i < FOLLOW; i++) {
        struct step s;
        choose(&s, &w->now_ns);
        do_step(w->catalog, &s, &a, &w->notes);
        do_step(other, &s, &b, &notes);
        w->ends[w->n++] = w->notes.len;
    }
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    buf_fini(&a);
    buf_fini(&b);
    buf_fini(&notes);
}

static void run(uint64_t most, bool from_anywhere)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct buf events;
    w->now_ns = 1000;
    w->most = most;
    w->catalog = new_catalog(w);
    buf_init(&w->notes, BYTES);
    buf_init(&w->dump, BYTES);
    buf_init(&events, BYTES);
    dump(w);
    while (w->n + FOLLOW + 1 < STEPS) {
        struct step s;
        choose(&s, &w->now_ns);
        do_step(w->catalog, &s, &events, &w->notes);
        w->ends[w->n++] = w->notes.len;
        if (below(20) == 0)
            dump(w);
        if (below(10) > 0)
            continue;
        size_t back = from_anywhere ? below((unsigned) w->dumped + 1) : 0;
        if (!from_anywhere)
            dump(w);
        struct catalog *other = loaded(w, w->dumped - back);
        assert_same(w->catalog, other, from_anywhere);
        go_on_together(w, other);
        catalog_free(other);
    }
    buf_fini(&events);
    buf_fini(&w->dump);
    buf_fini(&w->notes);
    catalog_free(w->catalog);
    free(w);
}

static void test_a_dump_and_what_followed(void **state)
{
    (void) state;
    random_state = 88172645463325252u;
    run(1000, true);
}

/* What is forgotten is the same, too: a dump keeps the order. */
static void test_a_dump_of_a_full_catalog(void **state)
{
    (void) state;
    random_state = 362436069362436069u;
    run(8, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_dump_and_what_followed),
                                       cmocka_unit_test(test_a_dump_of_a_full_catalog)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
