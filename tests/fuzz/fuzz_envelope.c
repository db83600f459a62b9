/* A webhook from its bytes to the events that follow. The first line is the content type, the rest
 * the body. Whatever comes in, what comes out has to be safe to print and to send to clients. */
#include "catalog.h"
#include "json.h"
#include "mem.h"
#include "source/field.h"
#include "utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct catalog_now NOW = {.wall_ns = UINT64_C(1700000000) * 1000000000, .ms = 1};

struct seen {
    struct catalog *catalog;
    struct slice body;
    size_t changes, derived;
};

static void on_event(void *ctx, const struct catalog_event *e)
{
    struct seen *s = ctx;
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
    ASSERT(json_check(event->json, &why) == 0);
    event_unref(event);
    s->derived++;
}

static void on_change(void *ctx, const struct change *c)
{
    struct seen *s = ctx;
    char time[FIELD_TIME_SIZE];
    ASSERT(field_repository(c->repository));
    ASSERT(c->digest[0] == '\0' || field_digest(c->digest));
    ASSERT(c->tag[0] == '\0' || field_tag(c->tag));
    ASSERT(c->kind != CHANGE_DELETE_TAG || c->tag[0] != '\0');
    ASSERT(c->kind == CHANGE_DELETE_TAG || c->digest[0] != '\0');
    ASSERT(strlen(c->sender_id) <= FIELD_ID_MAX && utf8_valid(slice_str(c->sender_id)));
    ASSERT(strlen(c->request_id) <= FIELD_ID_MAX && utf8_valid(slice_str(c->request_id)));
    ASSERT(c->created_at[0] == '\0' ||
           (field_time(c->created_at, time) && strcmp(time, c->created_at) == 0));
    (void) catalog_apply(s->catalog, "crt1", c, &NOW, on_event, s);
    s->changes++;
}

static void on_ignored(void *ctx, const char *why)
{
    (void) ctx;
    ASSERT(why != NULL);
}

static void on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    struct seen *s = ctx;
    ASSERT(why != NULL);
    ASSERT(excerpt.len > 0 && excerpt.data >= s->body.data &&
           excerpt.data + excerpt.len <= s->body.data + s->body.len);
}

static void adapt(struct seen *s, const struct source *source, const struct source_request *req)
{
    const struct source_sink sink = {
        .ctx = s, .change = on_change, .ignored = on_ignored, .set_aside = on_set_aside};
    const char *why = NULL;
    s->changes = s->derived = 0;
    int r = source->adapt(req, &sink, &why);
    ASSERT(r == 0 || (r == -EBADMSG && why != NULL && s->changes == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t type_len = end == NULL ? size : (size_t) (end - data);
    /* Copies of exactly their size: the sanitizer sees each byte read past an end. */
    size_t body_len = end == NULL ? 0 : size - type_len - 1;
    uint8_t *type = xmalloc(type_len), *body = xmalloc(body_len);
    if (type_len > 0)
        memcpy(type, data, type_len);
    if (body_len > 0)
        memcpy(body, end + 1, body_len);
    const struct source_request req = {.content_type = slice_of(type, type_len),
                                       .body = slice_of(body, body_len)};

    struct seen s = {.catalog = catalog_new(20, 20, 1000), .body = req.body};
    const char *known_by;
    const struct source *source = source_detect(&req, &known_by);
    if (source != NULL)
        adapt(&s, source, &req);
    catalog_commit(s.catalog, catalog_seal(s.catalog, NULL, NULL));
    uint64_t images = catalog_images(s.catalog), tags = catalog_tags(s.catalog);
    ASSERT(images <= 20 && tags <= 20);

    adapt(&s, &SOURCE_DISTRIBUTION, &req);      /* as when the registry is declared */
    (void) catalog_seal(s.catalog, NULL, NULL); /* forgets some, which the rollback brings back */
    catalog_rollback(s.catalog);
    ASSERT(catalog_images(s.catalog) == images && catalog_tags(s.catalog) == tags);
    catalog_free(s.catalog);
    free(type);
    free(body);
    return 0;
}
