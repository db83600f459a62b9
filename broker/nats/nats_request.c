/* nats_request.c - one answer to one message. All answers come to one subscription; a request's
 * number is the last token of its reply subject. */
#include "nats_private.h"

#include "mem.h"
#include "nats_random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NO_RESPONDERS 503

struct nats_request {
    struct table_node node; /* hash: its number */
    struct list in_list;    /* n->waiting or n->ended */
    struct nats *n;
    uint64_t deadline_ms;
    int err; /* of n->ended */
    nats_on_answer *done;
    void *ctx;
};

static struct nats_request *request_at(struct list *node)
{
    return LIST_ENTRY(node, struct nats_request, in_list);
}

bool nats_request_any(const struct nats *n)
{
    return !list_empty(&n->waiting) || !list_empty(&n->ended) || !list_empty(&n->due);
}

/* --- the end of one --- */

static void free_request(struct nats_request *r)
{
    table_remove(&r->n->by_id, &r->node);
    list_remove(&r->in_list);
    free(r);
}

static void finish(struct nats_request *r, int err, const struct nats_msg *m)
{
    struct nats *n = r->n;
    nats_on_answer *done = r->done;
    void *ctx = r->ctx;
    free_request(r);
    if (done != NULL)
        done(ctx, err, m);
    nats_left(n);
}

/* One that has ended is left where it is: whoever walks those may be about to come to it. */
void nats_cancel(struct nats_request *r)
{
    struct nats *n = r->n;
    r->done = NULL;
    if (r->err == 0)
        finish(r, 0, NULL);
    else
        nats_left(n);
}

static void on_answer(void *ctx, const struct nats_msg *m)
{
    struct nats *n = ctx;
    const char *token = m->subject + strlen(n->inbox);
    uint64_t id = strlen(m->subject) > strlen(n->inbox) ? strtoull(token, NULL, 36) : 0;
    struct table_node *node = id == 0 ? NULL : table_first(&n->by_id, id);
    if (node == NULL)
        return; /* too late, or a second one */
    struct nats_request *r = (struct nats_request *) (void *) node;
    if (r->err != 0)
        return; /* it has ended without */
    bool nobody = m->status == NO_RESPONDERS && m->data.len == 0;
    finish(r, nobody ? -EHOSTUNREACH : 0, nobody ? NULL : m);
}

/* --- deadlines: one timer, for the first --- */

static void on_deadline(uv_timer_t *timer);

static void set_timer(struct nats *n)
{
    if (list_empty(&n->waiting)) {
        (void) uv_timer_stop(&n->deadlines);
        return;
    }
    uint64_t now = nats_now_ms(), first = request_at(n->waiting.next)->deadline_ms;
    uv_update_time(n->loop); /* the loop's time is that of when its turn began */
    (void) uv_timer_start(&n->deadlines, on_deadline, first > now ? first - now : 0,
                          0); /* has a callback, is not closing */
}

static void end_due(struct nats *n)
{
    LIST_FOREACH_SAFE (it, &n->due) {
        finish(request_at(it), request_at(it)->err, NULL);
        if (!nats_is_open(n))
            return; /* all of them were freed */
    }
}

static void on_deadline(uv_timer_t *timer)
{
    struct nats *n = timer->data;
    uint64_t now = nats_now_ms();
    LIST_FOREACH_SAFE (it, &n->waiting) {
        struct nats_request *r = request_at(it);
        if (r->deadline_ms > now)
            break;
        r->err = -ETIMEDOUT;
        list_move(&n->due, it);
    }
    end_due(n);
    if (nats_is_open(n))
        set_timer(n);
}

/* Those that a callback ends anew are for the next turn: whoever asks again at once does not keep
 * the loop. */
void nats_request_turn(struct nats *n)
{
    while (!list_empty(&n->ended))
        list_move(&n->due, n->ended.next);
    end_due(n);
}

/* Nearly always the last, as most wait equally long. */
static void insert(struct nats *n, struct nats_request *r)
{
    struct list *after = n->waiting.prev;
    while (after != &n->waiting && request_at(after)->deadline_ms > r->deadline_ms)
        after = after->prev;
    r->in_list.prev = after;
    r->in_list.next = after->next;
    after->next->prev = &r->in_list;
    after->next = &r->in_list;
    if (n->waiting.next == &r->in_list)
        set_timer(n);
}

/* --- asking --- */

static void id_text(uint64_t id, char ret[16])
{
    static const char LETTERS[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char reversed[16];
    size_t len = 0;
    for (; id > 0; id /= 36)
        reversed[len++] = LETTERS[id % 36];
    for (size_t i = 0; i < len; i++)
        ret[i] = reversed[len - 1 - i];
    ret[len] = '\0';
}

static int send_request(struct nats *n, const struct nats_request *r, const char *subject,
                        struct slice headers, struct slice data)
{
    char reply[NATS_INBOX_SIZE + 16], id[16];
    if (n->answers == NULL) {
        (void) snprintf(reply, sizeof(reply), "%s*", n->inbox);
        n->answers = nats_subscribe(n, reply, on_answer, n);
    }
    id_text(r->node.hash, id);
    (void) snprintf(reply, sizeof(reply), "%s%s", n->inbox, id);
    return nats_publish(n, subject, reply, headers, data);
}

struct nats_request *nats_request(struct nats *n, const char *subject, struct slice headers,
                                  struct slice data, uint64_t timeout_ms, nats_on_answer *done,
                                  void *ctx)
{
    struct nats_request *r = xcalloc(1, sizeof(*r));
    *r = (struct nats_request){.n = n, .done = done, .ctx = ctx};
    r->node.hash = ++n->last_id;
    r->deadline_ms = nats_now_ms() + timeout_ms;
    list_init(&r->in_list);
    table_add(&n->by_id, &r->node);
    r->err = send_request(n, r, subject, headers, data);
    if (r->err == 0) {
        insert(n, r);
    } else {
        list_push(&n->ended, &r->in_list);
        nats_flush_soon(n);
    }
    return r;
}

/* --- the end of all --- */

void nats_request_end_all(struct nats *n, int err)
{
    while (!list_empty(&n->waiting)) {
        request_at(n->waiting.next)->err = err;
        list_move(&n->ended, n->waiting.next);
    }
    set_timer(n);
    nats_flush_soon(n);
}

void nats_request_free_all(struct nats *n)
{
    struct list *const lists[] = {&n->waiting, &n->ended, &n->due};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        LIST_FOREACH_SAFE (it, lists[i])
            free_request(request_at(it));
    table_fini(&n->by_id);
}

/* --- inboxes --- */

void nats_inbox(struct nats *n, char ret[NATS_INBOX_SIZE])
{
    /* Two tokens behind the prefix, so that it is not one of the answers'. */
    (void) snprintf(ret, NATS_INBOX_SIZE, "%ss.%" PRIx64, n->inbox, ++n->last_inbox);
}
