/* mailbox.c - any thread to one loop. */
#include "mailbox.h"

/* Takes all there is at one go; mails posted meanwhile come with the wake they caused. */
static void run_all(struct mailbox *box)
{
    uv_mutex_lock(&box->lock);
    struct mail *m = box->head;
    box->head = NULL;
    box->tail = &box->head;
    uv_mutex_unlock(&box->lock); /* a mail may post again */
    for (struct mail *next; m != NULL; m = next) {
        next = m->next; /* run() owns `m` and may free it */
        m->run(m);
    }
}

static void on_wake(uv_async_t *wake)
{
    run_all(wake->data);
}

int mailbox_init(struct mailbox *box, uv_loop_t *loop)
{
    box->head = NULL;
    box->tail = &box->head;
    int r = uv_mutex_init(&box->lock);
    if (r < 0)
        return r;
    r = uv_async_init(loop, &box->wake, on_wake);
    if (r < 0) {
        uv_mutex_destroy(&box->lock);
        return r;
    }
    box->wake.data = box;
    return 0;
}

void mailbox_fini(struct mailbox *box)
{
    while (box->head != NULL) /* again: what ran may have posted */
        run_all(box);
    uv_mutex_destroy(&box->lock);
    uv_close((uv_handle_t *) &box->wake, NULL);
}

void mailbox_post(struct mailbox *box, struct mail *m)
{
    m->next = NULL;
    uv_mutex_lock(&box->lock);
    *box->tail = m;
    box->tail = &m->next;
    /* Under the lock: who has seen the mail knows that the handle is not touched for it any more,
     * and may end the mailbox. */
    int r = uv_async_send(&box->wake);
    uv_mutex_unlock(&box->lock);
    ASSERT(r == 0);
}
