/* letters_post.c - posts what nobody understood to the ingest again.
 *
 * A letter is read by its registry's adapter first, for nothing: only what is understood by now is
 * posted, so that what is not leaves no second letter. The store belongs to the pipeline meanwhile;
 * the letters are deleted after it has ended. If this process dies in between, they are posted once
 * more, and the sender's event ids tell that they were. */
#include "letters_post.h"

#include "letter_headers.h"
#include "letters_round.h"
#include "list.h"
#include "log.h"
#include "mem.h"
#include "offline.h"
#include "pipeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CONTENT_TYPE "application/vnd.docker.distribution.events.v2+json"
#define MAX_BODY     ((size_t) 32 << 20)
#define SUSPECT      "ended the process too often" /* the ingest's reason */

struct post {
    const struct config *cfg;
    uv_loop_t loop;
    struct mailbox mailbox;
    struct path_table *paths;
    struct metrics *metrics;
    struct pipeline *pipeline;
    struct ingest_call call;
    struct ingest_answer answer;
    bool answered, drained;
    int err;        /* the journal failed */
    uint64_t *done; /* ids of letters that may go */
    size_t n_done, cap_done;
    uint64_t n_left;
};

/* --- is it understood by now? --- */

struct reading {
    uint64_t good, bad; /* events */
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
    (void) why;
    (void) excerpt;
    ((struct reading *) ctx)->bad++;
}

static bool is_understood(const struct source *source, const struct source_request *req)
{
    struct reading rd = {0};
    const char *why;
    const struct source_sink sink = {&rd, on_change, on_ignored, on_set_aside};
    return source->adapt(req, &sink, &why) == 0 && rd.good > 0;
}

/* What is to be posted of a letter. */
struct again {
    struct source_request request;
    struct header headers[LETTER_HEADERS_N];
    struct buf body;
};

/* The body ends in a line feed that the registry did not send: attempts at what ended the process
 * are counted by the body, and an operator asks for a new one. `as`: who has to read it; NULL:
 * anybody. */
static bool fits(struct again *a, const struct source *as, const char *before, struct slice body,
                 const char *after)
{
    const char *known_by;
    buf_clear(&a->body);
    if (buf_append_str(&a->body, before) < 0 || buf_append(&a->body, body) < 0 ||
        buf_append_str(&a->body, after) < 0 || buf_append_str(&a->body, "\n") < 0)
        return false;
    a->request.body = buf_slice(&a->body);
    const struct source *source = source_of(&a->request, &known_by);
    return source != NULL && (as == NULL || source == as) && is_understood(source, &a->request);
}

static void take_headers(struct again *a, const struct letter *l)
{
    a->request.headers = letter_headers_read(slice_of(l->headers, l->headers_len), a->headers);
    if (a->request.headers.n == 0) { /* from when none were kept, and Distribution alone was read */
        a->headers[0] = (struct header){SLICE_LIT("content-type"), SLICE_LIT(CONTENT_TYPE)};
        a->request.headers.n = 1;
    }
    a->request.content_type = headers_only(a->request.headers, "content-type");
}

/* The letter's body as it is where that is an envelope, else the envelope of this one event. False:
 * neither is understood. */
static bool read_again(const struct config_registry *registry, const struct letter *l,
                       struct again *a)
{
    struct slice body = slice_of(l->body, l->len);
    take_headers(a, l);
    a->request.registry = registry;
    if (fits(a, NULL, "", body, ""))
        return true;
    for (size_t i = 0; i < source_n(); i++) {
        const struct source *s = source_at(i);
        if (s->before[0] != '\0' && fits(a, s, s->before, body, s->after))
            return true;
    }
    return false;
}

/* --- posting --- */

static void on_answer(struct ingest_call *call, const struct ingest_answer *answer)
{
    struct post *p = LIST_ENTRY(call, struct post, call);
    p->answer = *answer;
    p->answered = true;
}

static void on_failed(void *ctx, int err)
{
    ((struct post *) ctx)->err = err;
}

static void on_drained(void *arg)
{
    ((struct post *) arg)->drained = true;
}

/* Turns the loop until the flag is set, or nothing more can come. */
static void turn_until(struct post *p, const bool *flag)
{
    while (!*flag && p->err == 0 && uv_run(&p->loop, UV_RUN_ONCE) != 0)
        ;
}

static int post_again(struct post *p, const struct again *a, uint64_t received_ms)
{
    const struct ingest_request req = {
        .registry_id = slice_str(a->request.registry->id),
        .own = true,
        .received_ms = received_ms, /* what tells no time is older than what came since */
        .headers = a->request.headers,
        .content_type = a->request.content_type,
        .traceparent = headers_only(a->request.headers, "traceparent"),
        .body = a->request.body,
        .peer = "replay",
    };
    p->answered = false;
    p->call.done = on_answer;
    ingest_post(pipeline_ingest(p->pipeline), &req, &p->call);
    turn_until(p, &p->answered);
    if (p->err < 0)
        return p->err;
    return p->answered && p->answer.why == REFUSE_NONE ? 0 : -EIO;
}

static void may_go(struct post *p, uint64_t id)
{
    if (p->n_done == p->cap_done) {
        p->cap_done = p->cap_done == 0 ? 64 : p->cap_done * 2;
        p->done = xrealloc(p->done, p->cap_done * sizeof(p->done[0]));
    }
    p->done[p->n_done++] = id;
}

static void stays(struct post *p, const struct letter *l, const char *why)
{
    p->n_left++;
    offline_say("letter %" PRIu64 ": %s; it stays", l->id, why);
}

static const struct config_registry *registry_of(const struct config *cfg, const char *id)
{
    for (size_t i = 0; i < cfg->n_registries; i++)
        if (strcmp(cfg->registries[i].id, id) == 0)
            return &cfg->registries[i];
    return NULL;
}

/* Something of it was taken, or was taken before. */
static bool was_taken(const struct ingest_answer *answer)
{
    static const char NOTHING[] = "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,";
    return strncmp(answer->body, NOTHING, strlen(NOTHING)) != 0;
}

static int post_letter(struct post *p, const struct letter *l)
{
    struct again again = {.body = {0}};
    const struct config_registry *registry = registry_of(p->cfg, l->registry_id);
    if (registry == NULL) {
        stays(p, l, "its registry is not configured any more");
        return 0;
    }
    buf_init(&again.body, MAX_BODY);
    int r = 0;
    if (!read_again(registry, l, &again)) {
        stays(p, l, "still not understood");
    } else {
        r = post_again(p, &again, l->wall_ms);
        if (r == 0 && was_taken(&p->answer))
            may_go(p, l->id);
        else if (r == 0)
            stays(p, l, "set aside again");
        else
            offline_say("letter %" PRIu64 ": not taken (%s); it stays", l->id,
                        p->answered ? p->answer.body : err_str(r));
    }
    buf_fini(&again.body);
    return r;
}

static int post_all(struct post *p, uint64_t only, uint64_t last)
{
    struct letters_round round;
    int r;
    letters_round_init(&round, false, only, last);
    do {
        letters_round_next(&round);
        r = store_read_letters(p->cfg->data_dir, letters_round_add, &round);
        if (r == -ECANCELED)
            r = 0;
        for (size_t i = 0; r == 0 && i < round.n; i++)
            r = post_letter(p, &round.letters[i]);
    } while (r == 0 && round.n > 0);
    letters_round_fini(&round);
    return r;
}

/* --- a pipeline without listeners --- */

static int begin(struct post *p)
{
    int r = uv_loop_init(&p->loop);
    if (r < 0)
        return r;
    r = mailbox_init(&p->mailbox, &p->loop);
    if (r == 0)
        r = path_table_new(p->cfg, &p->paths);
    if (r == 0)
        r = pipeline_new(p->cfg, p->paths, p->metrics, &p->mailbox, &p->pipeline);
    if (r == 0)
        r = pipeline_start(p->pipeline, &p->loop, on_failed, p);
    return r;
}

static void end(struct post *p)
{
    pipeline_drain(p->pipeline, on_drained, p);
    turn_until(p, &p->drained);
    pipeline_stop(p->pipeline);
    mailbox_fini(&p->mailbox);
    pipeline_close(p->pipeline);
    (void) uv_run(&p->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&p->loop);
    ASSERT(r == 0);
    pipeline_free(p->pipeline);
    path_table_free(p->paths);
}

/* --- deleting --- */

struct second {
    uint64_t after; /* letters with higher ids were made by this run */
    struct post *post;
};

/* What ended the process too often is set aside again by the ingest; the old letter is enough. */
static int find_second(void *ctx, const struct store_letter *l)
{
    const struct second *s = ctx;
    if (l->id > s->after && l->event_seq == 0 && strcmp(l->reason, SUSPECT) == 0)
        may_go(s->post, l->id);
    return 0;
}

static int delete_some(struct store *store, const uint64_t *ids, size_t n)
{
    int r = store_begin(store);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = store_delete_letter(store, ids[i]);
    if (r < 0) {
        store_rollback(store);
        return r;
    }
    return store_commit(store);
}

static int delete_done(struct post *p, uint64_t last)
{
    struct store *store = NULL;
    struct second second = {.after = last, .post = p};
    int code = offline_open(p->cfg, &store);
    if (code != 0)
        return code;
    int r = store_load_letters(store, find_second, &second);
    for (size_t at = 0, n; r == 0 && at < p->n_done; at += n) {
        n = p->n_done - at < LETTERS_ROUND_MAX ? p->n_done - at : LETTERS_ROUND_MAX;
        r = delete_some(store, p->done + at, n);
    }
    if (r < 0)
        code = offline_failed(p->cfg, "letters that were replayed cannot be deleted", r);
    store_close(store);
    return code;
}

int letters_post(const struct config *cfg, uint64_t only, uint64_t last, uint64_t *ret_done,
                 uint64_t *ret_left)
{
    struct post *p = xcalloc(1, sizeof(*p));
    p->cfg = cfg;
    p->metrics = xcalloc(1, sizeof(*p->metrics));
    log_set_level(LOG_ERROR); /* the answers are told here, in an operator's words */
    int r = begin(p);
    if (r < 0)
        return offline_failed(cfg, "cannot start", r); /* half-made parts go with the process */
    r = post_all(p, only, last);
    end(p);
    if (r == 0 && p->err < 0)
        r = p->err;
    int code = r < 0 ? offline_failed(cfg, "dead letters cannot be replayed", r) : 0;
    uint64_t n_taken = p->n_done;
    int deleted = delete_done(p, last);
    *ret_done += n_taken;
    *ret_left += p->n_left;
    free(p->done);
    free(p->metrics);
    free(p);
    return code != 0 ? code : deleted;
}
