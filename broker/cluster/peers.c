/* peers.c - see peers.h. In the order things happen:
 *   peers_ask > (another node) on_asked > serve > peers_answer > (here) on_answer > reply ... done
 */
#include "cluster/peers.h"

#include "clock.h"
#include "list.h"
#include "mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define VERBS_MAX   8
#define NODES_MAX   256 /* that are waited for; as many as there may be */
#define SERVING_MAX 256 /* at once; more are refused */
#define FROM        "From"
#define REFUSED     "Refused"
#define FROM_SIZE   96
#define REPLY_SIZE  160
#define HEADER_SIZE 160

struct verb {
    const char *name;
    void (*serve)(void *ctx, struct slice request, void *token);
    void *ctx;
};

struct waited {
    char node[64];
    bool answered;
};

struct asking {
    struct list in_askings;
    uint64_t number, end_ms; /* clock_mono_ms() */
    struct engine_question q;
    struct waited *waited;
    size_t n_waited, n_missing, bytes;
};

/* Something that is being answered here. */
struct serving {
    struct list in_servings;
    struct peers *peers; /* NULL: they are gone */
    char reply[REPLY_SIZE];
};

struct peers {
    struct cluster *cluster;
    struct members *members;
    struct verb verbs[VERBS_MAX];
    size_t n_verbs, n_servings;
    struct list askings, servings;
    struct nats_sub *all, *own, *answers;
    char inbox[NATS_INBOX_SIZE];
    char from[FROM_SIZE];    /* <node>.<nonce> */
    size_t all_len, own_len; /* of the subjects, without the verb */
    uint64_t last_number;
    uv_timer_t timer;
    bool closed; /* nobody is asked any more */
    void (*self)(void *ctx, struct engine_peer *ret);
    void *self_ctx;
};

/* --- asking --- */

static void watch_time(struct peers *p);

static void finish(struct asking *a)
{
    list_remove(&a->in_askings);
    a->q.done(a->q.arg, a->n_missing);
    free(a->waited);
    free(a);
}

static struct asking *first_of(const struct peers *p)
{
    struct asking *first = NULL;
    LIST_FOREACH (it, &p->askings) {
        struct asking *a = LIST_ENTRY(it, struct asking, in_askings);
        if (first == NULL || a->end_ms < first->end_ms)
            first = a;
    }
    return first;
}

/* One a turn: whoever is told may ask again. */
static void on_time(uv_timer_t *timer)
{
    struct peers *p = timer->data;
    struct asking *first = first_of(p);
    if (first == NULL || first->end_ms > clock_mono_ms()) {
        watch_time(p); /* what it was set for has been answered */
        return;
    }
    (void) uv_timer_start(timer, on_time, 0, 0); /* always 0, as all of them */
    finish(first);
}

static void watch_time(struct peers *p)
{
    const struct asking *first = first_of(p);
    uint64_t now = clock_mono_ms();
    if (first != NULL)
        (void) uv_timer_start(&p->timer, on_time, first->end_ms > now ? first->end_ms - now : 0, 0);
}

/* Whom to wait for: those that live, or the one that is asked if it does. */
static void wait_for(struct asking *a, const struct peers *p)
{
    struct engine_peer *list = xcalloc(NODES_MAX, sizeof(*list));
    size_t n = members_list(p->members, list, NODES_MAX);
    a->waited = xcalloc(n + 1, sizeof(*a->waited));
    for (size_t i = 0; i < n && i < NODES_MAX; i++)
        if (!list[i].self && (a->q.node == NULL || strcmp(a->q.node, list[i].node) == 0))
            memcpy(a->waited[a->n_waited++].node, list[i].node, sizeof(list[i].node));
    a->n_missing = a->n_waited == 0 && a->q.node != NULL ? 1 : a->n_waited;
    free(list);
}

static int send_question(struct peers *p, const struct asking *a)
{
    char subject[CLUSTER_SUBJECT_SIZE], reply[REPLY_SIZE], headers[HEADER_SIZE];
    if (a->q.request.len > PEERS_ANSWER_MAX)
        return -EMSGSIZE;
    cluster_subject(p->cluster, subject, "rpc.%s.%s", a->q.node == NULL ? "all" : a->q.node,
                    a->q.verb);
    (void) snprintf(reply, sizeof(reply), "%s.%" PRIu64, p->inbox, a->number);
    (void) snprintf(headers, sizeof(headers), FROM ": %s\r\n", p->from);
    return nats_publish(p->cluster->nats, subject, reply, slice_str(headers), a->q.request);
}

void peers_ask(struct peers *p, const struct engine_question *q)
{
    if (p->closed) {
        q->done(q->arg, 1);
        return;
    }
    struct asking *a = xcalloc(1, sizeof(*a));
    a->q = *q;
    a->number = ++p->last_number;
    a->end_ms = clock_mono_ms() + q->timeout_ms;
    wait_for(a, p);
    int r = a->n_waited == 0 ? -ENOENT : send_question(p, a);
    a->q.node = a->q.verb = NULL; /* the caller's */
    a->q.request = (struct slice){0};
    list_push(&p->askings, &a->in_askings);
    if (r < 0)
        finish(a);
    else
        watch_time(p);
}

static struct asking *find_asking(const struct peers *p, const char *subject)
{
    uint64_t number = strtoull(subject + strlen(p->inbox) + 1, NULL, 10);
    LIST_FOREACH (it, &p->askings) {
        struct asking *a = LIST_ENTRY(it, struct asking, in_askings);
        if (a->number == number)
            return a;
    }
    return NULL; /* it comes too late */
}

static struct waited *find_waited(const struct asking *a, const char *node)
{
    for (size_t i = 0; i < a->n_waited; i++)
        if (!a->waited[i].answered && strcmp(a->waited[i].node, node) == 0)
            return &a->waited[i];
    return NULL; /* it has just come, or has answered already */
}

/* "" of what is no node's. */
static void node_of(const struct nats_msg *m, char ret[64])
{
    struct slice from = nats_header(m->headers, FROM);
    size_t len = 0;
    while (len < from.len && from.data[len] != '.')
        len++;
    len = len < 64 ? len : 0;
    if (len > 0)
        memcpy(ret, from.data, len);
    ret[len] = '\0';
}

static void on_answer(void *ctx, const struct nats_msg *m)
{
    struct peers *p = ctx;
    char node[64];
    struct asking *a = find_asking(p, m->subject);
    node_of(m, node);
    struct waited *w = a == NULL ? NULL : find_waited(a, node);
    if (w == NULL || m->data.len > PEERS_ANSWER_MAX || m->data.len > PEERS_SUM_MAX - a->bytes)
        return;
    bool refused = nats_header(m->headers, REFUSED).data != NULL;
    w->answered = true;
    if (!refused) {
        a->n_missing--;
        a->bytes += m->data.len;
        a->q.reply(a->q.arg, node, m->data);
    }
    for (size_t i = 0; i < a->n_waited; i++)
        if (!a->waited[i].answered)
            return;
    finish(a);
}

/* --- answering --- */

static void send_answer(struct peers *p, const char *reply, const char *refused,
                        struct slice answer)
{
    char headers[HEADER_SIZE];
    (void) snprintf(headers, sizeof(headers), FROM ": %s\r\n%s%s%s", p->from,
                    refused == NULL ? "" : REFUSED ": ", refused == NULL ? "" : refused,
                    refused == NULL ? "" : "\r\n");
    int r = nats_publish(p->cluster->nats, reply, NULL, slice_str(headers), answer);
    (void) r; /* then the one that asks waits in vain: it knows how long */
}

void peers_answer(void *token, struct slice answer)
{
    struct serving *s = token;
    struct peers *p = s->peers;
    bool fits = answer.len <= PEERS_ANSWER_MAX;
    if (p != NULL) {
        p->n_servings--;
        send_answer(p, s->reply, fits ? NULL : "too long", fits ? answer : (struct slice){0});
    }
    list_remove(&s->in_servings);
    free(s);
}

static const struct verb *find_verb(const struct peers *p, const char *name)
{
    for (size_t i = 0; i < p->n_verbs; i++)
        if (strcmp(p->verbs[i].name, name) == 0)
            return &p->verbs[i];
    return NULL;
}

static void take_question(struct peers *p, const struct nats_msg *m, const char *name)
{
    struct slice from = nats_header(m->headers, FROM);
    if (from.data == NULL || slice_eq(from, slice_str(p->from)) || m->reply[0] == '\0' ||
        strlen(m->reply) >= REPLY_SIZE)
        return; /* our own, or nobody's */
    const struct verb *v = find_verb(p, name);
    if (v == NULL || p->n_servings == SERVING_MAX || m->data.len > PEERS_ANSWER_MAX) {
        send_answer(p, m->reply, v == NULL ? "unknown verb" : "overload", (struct slice){0});
        return;
    }
    struct serving *s = xcalloc(1, sizeof(*s));
    s->peers = p;
    (void) snprintf(s->reply, sizeof(s->reply), "%s", m->reply);
    list_push(&p->servings, &s->in_servings);
    p->n_servings++;
    v->serve(v->ctx, m->data, s);
}

static void on_asked_all(void *ctx, const struct nats_msg *m)
{
    struct peers *p = ctx;
    take_question(p, m, m->subject + p->all_len);
}

static void on_asked(void *ctx, const struct nats_msg *m)
{
    struct peers *p = ctx;
    take_question(p, m, m->subject + p->own_len);
}

void peers_serve(struct peers *p, const char *verb,
                 void (*serve)(void *ctx, struct slice request, void *token), void *ctx)
{
    ASSERT(p->n_verbs < VERBS_MAX);
    p->verbs[p->n_verbs++] = (struct verb){verb, serve, ctx};
}

/* --- who there is --- */

static void on_self(void *ctx, struct engine_peer *ret)
{
    const struct peers *p = ctx;
    if (p->self != NULL)
        p->self(p->self_ctx, ret);
}

void peers_describe(struct peers *p, void (*self)(void *ctx, struct engine_peer *ret), void *ctx)
{
    p->self = self;
    p->self_ctx = ctx;
}

size_t peers_list(const struct peers *p, struct engine_peer *ret, size_t cap)
{
    return members_list(p->members, ret, cap);
}

/* --- making and ending --- */

static size_t subscribe(struct peers *p, const char *node, nats_on_msg *on_msg,
                        struct nats_sub **ret)
{
    char subject[CLUSTER_SUBJECT_SIZE];
    cluster_subject(p->cluster, subject, "rpc.%s.*", node);
    *ret = nats_subscribe(p->cluster->nats, subject, on_msg, p);
    return strlen(subject) - 1;
}

struct peers *peers_new(struct cluster *c, struct members *m)
{
    struct peers *p = xcalloc(1, sizeof(*p));
    char subject[NATS_INBOX_SIZE + 2];
    p->cluster = c;
    p->members = m;
    list_init(&p->askings);
    list_init(&p->servings);
    (void) snprintf(p->from, sizeof(p->from), "%s.%s", c->node, c->nonce);
    nats_inbox(c->nats, p->inbox);
    (void) snprintf(subject, sizeof(subject), "%s.*", p->inbox);
    p->answers = nats_subscribe(c->nats, subject, on_answer, p);
    p->all_len = subscribe(p, "all", on_asked_all, &p->all);
    p->own_len = subscribe(p, c->node, on_asked, &p->own);
    (void) uv_timer_init(c->loop, &p->timer); /* always 0 */
    p->timer.data = p;
    members_watch(m, &(struct members_port){.ctx = p, .self = on_self});
    return p;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void peers_free(struct peers *p)
{
    if (p == NULL)
        return;
    nats_unsubscribe(p->answers);
    nats_unsubscribe(p->all);
    nats_unsubscribe(p->own);
    p->closed = true;
    LIST_FOREACH_SAFE (it, &p->askings)
        finish(LIST_ENTRY(it, struct asking, in_askings));
    LIST_FOREACH_SAFE (it, &p->servings) {
        LIST_ENTRY(it, struct serving, in_servings)->peers = NULL;
        list_remove(it);
    }
    uv_close((uv_handle_t *) &p->timer, on_closed);
}
