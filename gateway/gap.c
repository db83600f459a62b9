/* gap.c - tells a path's clients that something is lost. In the order things happen:
 *   gap_tell > (each worker's thread) on_gap > tell */
#include "gap.h"

#include "mem.h"
#include "session.h"

#include <stdlib.h>

struct gap_mail {
    struct mail mail;
    struct worker *worker;
    const struct path *path;
};

/* What a WebSocket client does next is its choice; who reads events would come back by itself. */
static void tell(struct conn *c)
{
    session_gap(c, "history_lost", NULL, NULL);
    if (c->state == CONN_OPEN && !c->sse)
        session_refuse(c, REFUSE_HISTORY);
}

static void on_gap(struct mail *m)
{
    struct gap_mail *g = LIST_ENTRY(m, struct gap_mail, mail);
    struct group *group = worker_group(g->worker, g->path->index);
    /* From the end: in the place of one that leaves comes the last, which has been told. */
    for (uint32_t i = group->n; i-- > 0;)
        if (i < group->n && group->members[i].conn->state == CONN_OPEN)
            tell(group->members[i].conn);
    free(g);
}

void gap_tell(void *shared, struct path *p)
{
    struct shared *s = shared;
    if (atomic_load(&s->draining)) /* set on this thread before a worker is told to end: so what was
                                      posted before finds its mailbox open */
        return;
    for (size_t i = 0; i < s->n_workers; i++) {
        struct gap_mail *g = xcalloc(1, sizeof(*g));
        *g = (struct gap_mail){.mail.run = on_gap, .worker = &s->workers[i], .path = p};
        mailbox_post(&s->workers[i].mailbox, &g->mail);
    }
}
