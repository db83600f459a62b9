/* letter_again.c - see letter_again.h. */
#include "letter_again.h"

#include "ingest.h"
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

#define CONTENT_TYPE "application/vnd.docker.distribution.events.v2+json"
#define MAX_BODY     ((size_t) 32 << 20)

/* --- is it understood by now? --- */

struct reading {
    uint64_t good; /* events */
    const char *why;
};

static void on_change(void *ctx, const struct change *change)
{
    (void) change;
    ((struct reading *) ctx)->good++;
}

static void on_ignored(void *ctx, const char *why)
{
    (void) why;
    ((struct reading *) ctx)->good++;
}

static void on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    (void) excerpt;
    ((struct reading *) ctx)->why = why;
}

static bool is_understood(const struct source *source, const struct source_request *req,
                          const char **ret_why)
{
    struct reading rd = {.why = "no events"};
    const struct source_sink sink = {&rd, on_change, on_ignored, on_set_aside};
    if (source->adapt(req, &sink, &rd.why) == 0 && rd.good > 0)
        return true;
    *ret_why = rd.why;
    return false;
}

static bool try(struct letter_again *a, const struct source *source, const char **ret_why)
{
    a->suspect = a->in != NULL && !ingest_try(a->in, a->request.registry->id, a->request.body);
    if (a->suspect) {
        *ret_why = "ended the process too often";
        return false;
    }
    bool understood = is_understood(source, &a->request, ret_why);
    if (a->in != NULL)
        ingest_tried(a->in);
    return understood;
}

/* The body ends in a line feed that the registry did not send: attempts at what ended the process
 * are counted by the body, and an operator asks for a new one. `as`: who has to read it; NULL:
 * anybody. */
static bool fits(struct letter_again *a, const struct source *as, const char *before,
                 struct slice body, const char *after, const char **ret_why)
{
    const char *known_by;
    buf_clear(&a->body);
    if (buf_append_str(&a->body, before) < 0 || buf_append(&a->body, body) < 0 ||
        buf_append_str(&a->body, after) < 0 || buf_append_str(&a->body, "\n") < 0) {
        *ret_why = "no memory";
        return false;
    }
    a->request.body = buf_slice(&a->body);
    const struct source *source = source_of(&a->request, &known_by);
    return source != NULL && (as == NULL || source == as) && try(a, source, ret_why);
}

static void take_headers(struct letter_again *a, struct slice headers)
{
    a->request.headers = letter_headers_read(headers, a->headers);
    if (a->request.headers.n == 0) { /* from when none were kept, and Distribution alone was read */
        a->headers[0] = (struct header){SLICE_LIT("content-type"), SLICE_LIT(CONTENT_TYPE)};
        a->request.headers.n = 1;
    }
    a->request.content_type = headers_only(a->request.headers, "content-type");
}

void letter_again_init(struct letter_again *a)
{
    *a = (struct letter_again){.body = {0}};
    buf_init(&a->body, MAX_BODY);
}

void letter_again_fini(struct letter_again *a)
{
    buf_fini(&a->body);
}

bool letter_again_read(struct letter_again *a, struct ingest *in,
                       const struct config_registry *registry, struct slice headers,
                       struct slice body, const char **ret_why)
{
    const char *why_not_whole = "unknown_source";
    a->in = in;
    take_headers(a, headers);
    a->request.registry = registry;
    if (fits(a, NULL, "", body, "", &why_not_whole))
        return true;
    *ret_why = why_not_whole;
    for (size_t i = 0; i < source_n() && !a->suspect; i++) {
        const struct source *s = source_at(i);
        if (s->before[0] != '\0' && fits(a, s, s->before, body, s->after, ret_why))
            return true;
    }
    return false;
}

/* --- an event --- */

struct event *letter_again_event(const struct event *e, const char id[ID_SIZE])
{
    char member[64];
    struct event *renewed = NULL;
    int n = snprintf(member, sizeof(member), "\"event_id\":\"%s\"", e->id);
    char *json = xslicedup(e->json);
    char *at = memmem(json, e->json.len, member, (size_t) n);
    if (at != NULL) {
        memcpy(at + n - 1 - ID_LEN, id, ID_LEN);
        renewed = event_restore(e->type, id, e->registry_id, e->repository, e->digest, e->tag,
                                e->actor, slice_of(json, e->json.len));
    }
    free(json);
    return renewed;
}
