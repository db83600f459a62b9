/* source_bed.h - an adapter under a fuzzer: whatever comes in, what comes out has to be safe to
 * print and to send to clients, and is what source.h promises. */
#ifndef FUZZ_SOURCE_BED_H
#define FUZZ_SOURCE_BED_H

#include "catalog.h"
#include "json.h"
#include "mem.h"
#include "source/field.h"
#include "utf8.h"

#include <stdlib.h>

static const struct catalog_now BED_NOW = {.wall_ns = UINT64_C(1700000000) * 1000000000, .ms = 1};

struct bed {
    struct catalog *catalog;
    struct slice body;
    size_t changes, ignored, set_aside;
    const char *why;      /* the first one that was set aside, */
    struct slice excerpt; /* and its bytes */
};

static inline void bed_on_event(void *ctx, const struct catalog_event *e)
{
    const char *why;
    struct event *event = event_new(&(struct event_parts){
        .type = e->type,
        .id = "crt00000000000000001",
        .created_at = "2020-09-07T11:09:14Z",
        .cloud_id = "c",
        .folder_id = "f",
        .registry_id = "crt1",
        .repository = e->repository,
        .digest = e->digest,
        .tag = e->tag,
    });
    (void) ctx;
    ASSERT(json_check(event->json, &why) == 0);
    event_unref(event);
}

static inline void bed_on_change(void *ctx, const struct change *c)
{
    struct bed *b = ctx;
    char time[FIELD_TIME_SIZE];
    bool digest = c->digest[0] != '\0', tag = c->tag[0] != '\0';
    ASSERT(field_repository(c->repository));
    ASSERT(!digest || field_digest(c->digest));
    ASSERT(!tag || field_tag(c->tag));
    ASSERT(c->kind != CHANGE_PUSH || digest || tag);
    ASSERT(c->kind != CHANGE_DELETE_TAG || tag);
    ASSERT(c->kind != CHANGE_DELETE_DIGEST || digest);
    ASSERT(strlen(c->sender_id) <= FIELD_ID_MAX && utf8_valid(slice_str(c->sender_id)));
    ASSERT(strlen(c->request_id) <= FIELD_ID_MAX && utf8_valid(slice_str(c->request_id)));
    ASSERT(strlen(c->actor) <= FIELD_ACTOR_MAX && utf8_valid(slice_str(c->actor)));
    ASSERT(c->created_at[0] == '\0' ||
           (field_time(c->created_at, time) && strcmp(time, c->created_at) == 0));
    ASSERT(!c->certain || c->kind != CHANGE_PUSH);
    (void) catalog_apply(b->catalog, "crt1", c, &BED_NOW, bed_on_event, b);
    b->changes++;
}

static inline void bed_on_ignored(void *ctx, const char *why)
{
    struct bed *b = ctx;
    ASSERT(why != NULL && why[0] != '\0');
    b->ignored++;
}

static inline void bed_on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    struct bed *b = ctx;
    ASSERT(why != NULL && why[0] != '\0');
    if (b->body.len > 0)
        ASSERT(excerpt.len > 0 && excerpt.data >= b->body.data &&
               excerpt.data + excerpt.len <= b->body.data + b->body.len);
    if (b->set_aside++ == 0) {
        b->why = why;
        b->excerpt = excerpt;
    }
}

static inline void bed_adapt(struct bed *b, const struct source *source,
                             const struct source_request *req)
{
    const struct source_sink sink = {.ctx = b,
                                     .change = bed_on_change,
                                     .ignored = bed_on_ignored,
                                     .set_aside = bed_on_set_aside};
    const char *why = NULL;
    b->body = req->body;
    b->changes = b->ignored = b->set_aside = 0;
    b->why = NULL;
    int r = source->adapt(req, &sink, &why);
    ASSERT(r == 0 || (r == -EBADMSG && why != NULL && b->changes + b->ignored + b->set_aside == 0));
}

/* What was set aside of a body with others is, within what the table says, a body that is set aside
 * for the same reason. */
static inline void bed_again(struct bed *b, const struct source *source,
                             const struct source_request *req)
{
    if (b->set_aside == 0 || b->excerpt.len == b->body.len || source->before[0] == '\0')
        return;
    const char *why = b->why;
    size_t before = strlen(source->before), after = strlen(source->after);
    size_t len = before + b->excerpt.len + after;
    uint8_t *whole = xmalloc(len);
    memcpy(whole, source->before, before);
    memcpy(whole + before, b->excerpt.data, b->excerpt.len);
    memcpy(whole + before + b->excerpt.len, source->after, after);
    struct source_request again = *req;
    again.body = slice_of(whole, len);
    bed_adapt(b, source, &again);
    ASSERT(b->set_aside == 1 && b->changes + b->ignored == 0 && strcmp(b->why, why) == 0);
    free(whole);
}

static inline void bed_handshake(const struct source *source, const struct source_request *req)
{
    struct buf out;
    const char *why;
    if (source->handshake == NULL)
        return;
    buf_init(&out, 4096);
    int r = source->handshake(req, &out);
    ASSERT(r == 0 || r == 1);
    ASSERT(r == 0 ? out.len == 0 : json_check(buf_slice(&out), &why) == 0);
    buf_fini(&out);
}

/* All that is asked of `source`; as when the registry is declared, and is `req`'s. */
static inline void bed_source(const struct source *source, const struct source_request *req)
{
    struct bed b = {.catalog = catalog_new(20, 20, 1000)};
    const char *known_by = source->detect(req);
    ASSERT(source->detect(req) == known_by);
    bed_adapt(&b, source, req);
    size_t changes = b.changes, ignored = b.ignored, set_aside = b.set_aside;
    catalog_commit(b.catalog, catalog_seal(b.catalog, NULL, NULL));
    uint64_t images = catalog_images(b.catalog), tags = catalog_tags(b.catalog);
    ASSERT(images <= 20 && tags <= 20);

    bed_adapt(&b, source, req); /* the same again leads to the same */
    ASSERT(b.changes == changes && b.ignored == ignored && b.set_aside == set_aside);
    bed_again(&b, source, req);
    struct source_request bare = *req; /* nothing needs a header */
    bare.headers = (struct headers){0};
    bare.content_type = (struct slice){0};
    bed_adapt(&b, source, &bare);
    bed_handshake(source, req);
    (void) catalog_seal(b.catalog, NULL, NULL); /* forgets some, which the rollback brings back */
    catalog_rollback(b.catalog);
    ASSERT(catalog_images(b.catalog) == images && catalog_tags(b.catalog) == tags);
    catalog_free(b.catalog);
}

/* A copy of exactly its size: the sanitizer sees each byte read past an end. For free(). */
static inline struct slice bed_copy(struct slice s)
{
    uint8_t *copy = xmalloc(s.len);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    return slice_of(copy, s.len);
}

#endif
