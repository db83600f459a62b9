/* mailbox.h - any thread to one loop. Mails run on the loop's thread in the order they were posted;
 * libuv folds many wakes into one, so each wake takes everything there is. */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include "err.h"

#include <uv.h>

struct mail {
    struct mail *next;
    void (*run)(struct mail *m); /* owns `m` from here on and may free it */
};

struct mailbox {
    uv_async_t wake;
    uv_mutex_t lock;
    struct mail *head, **tail;
};

MUST_CHECK int mailbox_init(struct mailbox *box, uv_loop_t *loop); /* on the loop's thread */
/* Runs what is still there, then closes the wake handle; the loop must turn once more before `box`
 * may go. On the loop's thread, when no other thread posts any more. */
void mailbox_fini(struct mailbox *box);
void mailbox_post(struct mailbox *box, struct mail *m); /* any thread; `m` is the mailbox's now */

#endif
