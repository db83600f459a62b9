/* nats_sub.c - what is subscribed, on whatever connection there is. */
#include "nats_private.h"

#include "mem.h"

#include <inttypes.h>
#include <stdlib.h>

struct nats_sub {
    struct table_node node; /* hash: its number, `sid` on the wire */
    struct list in_subs;
    struct nats *n;
    char *subject;
    nats_on_msg *on_msg;
    void *ctx;
};

static bool has_joined(const struct nats *n)
{
    return n->phase == PHASE_JOINING || n->phase == PHASE_UP || n->phase == PHASE_LEAVING;
}

static void tell(const struct nats_sub *sub)
{
    nats_send(sub->n, "SUB %s %" PRIu64 "\r\n", sub->subject, sub->node.hash);
}

struct nats_sub *nats_subscribe(struct nats *n, const char *subject, nats_on_msg *on_msg, void *ctx)
{
    ASSERT(nats_subject_ok(subject, true));
    struct nats_sub *sub = xcalloc(1, sizeof(*sub));
    *sub = (struct nats_sub){.n = n, .subject = xstrdup(subject), .on_msg = on_msg, .ctx = ctx};
    sub->node.hash = ++n->last_sid;
    table_add(&n->by_sid, &sub->node);
    list_push(&n->subs, &sub->in_subs);
    if (has_joined(n))
        tell(sub);
    return sub;
}

static void free_sub(struct nats_sub *sub)
{
    table_remove(&sub->n->by_sid, &sub->node);
    list_remove(&sub->in_subs);
    free(sub->subject);
    free(sub);
}

void nats_unsubscribe(struct nats_sub *sub)
{
    if (sub == NULL)
        return;
    if (has_joined(sub->n))
        nats_send(sub->n, "UNSUB %" PRIu64 "\r\n", sub->node.hash);
    free_sub(sub);
}

void nats_sub_all(struct nats *n)
{
    struct nats_link *link = n->link;
    LIST_FOREACH (it, &n->subs) {
        tell(LIST_ENTRY(it, struct nats_sub, in_subs));
        if (n->link != link)
            return; /* could not be told */
    }
}

/* What the callback frees is not looked at again. */
void nats_sub_give(struct nats *n, uint64_t sid, const struct nats_msg *m)
{
    struct table_node *node = table_first(&n->by_sid, sid);
    if (node == NULL)
        return; /* was on its way when it was unsubscribed */
    const struct nats_sub *sub = (const struct nats_sub *) (void *) node;
    sub->on_msg(sub->ctx, m);
}

void nats_sub_free_all(struct nats *n)
{
    LIST_FOREACH_SAFE (it, &n->subs)
        free_sub(LIST_ENTRY(it, struct nats_sub, in_subs));
    table_fini(&n->by_sid);
}
