/* catalog_bed.h - what tests of the catalog share: changes and the events that follow, as text. */
#ifndef UNIT_CATALOG_BED_H
#define UNIT_CATALOG_BED_H

#include "buf.h"
#include "catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEEP_MS 1000
/* Nearly all happens at once here: of two changes the one that comes later is later. Otherwise:
 * test_catalog_apply.c. */
static struct catalog_now NOW = {.wall_ns = 5, .ms = 5};

/* A change is written "push REPOSITORY DIGEST TAG", "delete REPOSITORY DIGEST", "untag REPOSITORY
 * TAG", with "-" for an empty tag. */
static inline size_t apply(struct catalog *c, const char *registry, const char *text,
                           catalog_emit emit, void *ctx)
{
    char verb[16], repository[32], a[32], b[32] = "";
    assert_true(sscanf(text, "%15s %31s %31s %31s", verb, repository, a, b) >= 3);
    struct change change = {.repository = repository, .digest = "", .tag = "", .created_at = ""};
    if (strcmp(verb, "push") == 0) {
        change.kind = CHANGE_PUSH;
        change.digest = a;
        change.tag = strcmp(b, "-") == 0 ? "" : b;
    } else if (strcmp(verb, "delete") == 0) {
        change.kind = CHANGE_DELETE_DIGEST;
        change.digest = a;
    } else {
        assert_string_equal(verb, "untag");
        change.kind = CHANGE_DELETE_TAG;
        change.tag = a;
    }
    return catalog_apply(c, registry, &change, &NOW, emit, ctx);
}

static inline void write_down(void *ctx, const struct catalog_event *e)
{
    struct buf *out = ctx;
    assert_int_equal(buf_printf(out, "%s%s %s %s %s", out->len > 0 ? ", " : "",
                                EVENT_TYPES[e->type], e->repository, e->digest,
                                e->tag[0] == '\0' ? "-" : e->tag),
                     0);
}

static inline void expect(struct catalog *c, const char *registry, const char *change,
                          const char *want)
{
    struct buf out;
    buf_init(&out, 4096);
    size_t commas = 0, n = apply(c, registry, change, write_down, &out);
    if (!slice_eq_str(buf_slice(&out), want))
        fail_msg("%s: %.*s, not %s", change, (int) out.len, (const char *) out.data, want);
    for (const char *p = want; *p != '\0'; p++)
        commas += *p == ',';
    assert_int_equal(n, want[0] == '\0' ? 0 : commas + 1);
    buf_fini(&out);
}

static inline void count(void *ctx, const struct catalog_event *e)
{
    (void) ctx;
    (void) e;
}

static inline uint64_t seal(struct catalog *c)
{
    return catalog_seal(c, NULL, NULL);
}

static inline void commit(struct catalog *c)
{
    catalog_commit(c, seal(c));
}

#endif
