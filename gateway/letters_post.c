/* letters_post.c - posts what nobody understood to the ingest again.
 *
 * A letter is read by its registry's adapter first, for nothing: only what is understood by now is
 * posted, so that what is not leaves no second letter. The store belongs to the pipeline meanwhile;
 * the letters are deleted after it has ended. If this process dies in between, they are posted once
 * more, and the sender's event ids tell that they were. */
#include "letters_post.h"

#include "letter_again.h"
#include "letters_round.h"
#include "list.h"
#include "log.h"
#include "mem.h"
#include "offline.h"
#include "pipeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SUSPECT "ended the process too often" /* the ingest's reason */

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

static int post_again(struct post *p, const struct letter_again *a, uint64_t received_ms)
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
    const struct ingest_counts *n = &answer->counts;
    return n->accepted + n->ignored + n->duplicates > 0;
}

static int post_letter(struct post *p, const struct letter *l)
{
    struct letter_again again;
    const char *why;
    const struct config_registry *registry = registry_of(p->cfg, l->registry_id);
    if (registry == NULL) {
        stays(p, l, "its registry is not configured any more");
        return 0;
    }
    letter_again_init(&again);
    int r = 0;
    if (!letter_again_read(&again, NULL, registry, slice_of(l->headers, l->headers_len),
                           slice_of(l->body, l->len), &why)) {
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
    letter_again_fini(&again);
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
