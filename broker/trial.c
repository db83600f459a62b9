/* trial.c - what is being worked on right now, in a mapped file that outlives the process. */
#include "trial.h"

#include "page.h"
#include "siphash.h"

#include <stdatomic.h>

#define ENDS      ((size_t) 4096) /* of a long body, what is hashed at its beginning and end */
#define FILE_NAME "trial"
#define MAGIC     0x316c616972746372u /* "rctrial1" */

struct trial { /* the beginning of the page */
    uint64_t magic;
    _Atomic uint64_t webhook, event;
};
_Static_assert(sizeof(struct trial) == 24, "it is a file format");

int trial_open(const char *dir, struct trial **ret, struct trial_found *ret_found)
{
    void *page;
    int r = page_open(dir, FILE_NAME, &page);
    if (r < 0)
        return r;
    struct trial *t = page;
    if (t->magic != MAGIC) {
        memset(t, 0, PAGE_BYTES);
        t->magic = MAGIC;
    }
    *ret_found = (struct trial_found){.webhook = t->webhook, .event = t->event};
    trial_webhook(t, 0);
    trial_event(t, 0);
    *ret = t;
    return 0;
}

void trial_close(struct trial *t)
{
    page_close(t);
}

uint64_t trial_hash(const char *registry_id, struct slice body)
{
    static const struct siphash_seed SEED = {0, 0}; /* the next process has to find the same */
    uint64_t hash = siphash(&SEED, body.len, slice_str(registry_id));
    if (body.len >
        2 * ENDS) { /* enough to tell one webhook from another: it comes again as it was */
        hash = siphash(&SEED, hash, slice_sub(body, 0, ENDS));
        body = slice_from(body, body.len - ENDS);
    }
    hash = siphash(&SEED, hash, body);
    return hash == 0 ? 1 : hash;
}

/* Is there before the work that follows, as far as this process can tell. */
static void store(_Atomic uint64_t *to, uint64_t value)
{
    atomic_store_explicit(to, value, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}

void trial_webhook(struct trial *t, uint64_t hash)
{
    if (t != NULL)
        store(&t->webhook, hash);
}

void trial_event(struct trial *t, uint64_t seq)
{
    if (t != NULL)
        store(&t->event, seq);
}
