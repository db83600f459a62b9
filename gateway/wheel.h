/* wheel.h - a worker's timer wheel: one entry per connection, one uv_timer_t per worker. An entry
 * holds the connection's next deadline; activity does not touch it (the owner looks again when it
 * fires), so a message costs no timer work. Due times are loop times (uv_now(), milliseconds); an
 * entry fires at most WHEEL_TICK_MS late, one that was far away at most WHEEL_FAR_GRID_MS, so that
 * an idle worker with many connections wakes only a few times a second. Loop's thread. */
#ifndef GATEWAY_WHEEL_H
#define GATEWAY_WHEEL_H

#include "err.h"
#include "list.h"

#include <stdint.h>
#include <uv.h>

#define WHEEL_TICK_MS     20
#define WHEEL_SLOTS       1024 /* one turn: 20 s; later entries stay for more turns */
#define WHEEL_FAR_MS      2000
#define WHEEL_FAR_GRID_MS 640 /* divides a turn: entries of later turns share its slots */

struct wheel_entry {
    struct list node;
    uint64_t due_ms;
};

struct wheel {
    struct list slots[WHEEL_SLOTS];
    uint64_t bits[WHEEL_SLOTS / 64]; /* slots that are not empty */
    uint64_t tick;                   /* all entries due before this tick have fired */
    uint64_t armed_ms;               /* when the timer goes off; UINT64_MAX: stopped */
    uv_timer_t timer;
    void (*fire)(
        struct wheel_entry *entry); /* the entry is out of the wheel and may be set again */
};

MUST_CHECK int wheel_init(struct wheel *w, uv_loop_t *loop,
                          void (*fire)(struct wheel_entry *entry));
void wheel_fini(
    struct wheel *w); /* closes the timer; the loop must turn once more. Entries are forgotten */

void wheel_entry_init(struct wheel_entry *e);
/* Moves it when it is set; UINT64_MAX is never. */
void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t due_ms);
void wheel_cancel(struct wheel *w, struct wheel_entry *e); /* fine when it is not set */
static inline bool wheel_is_set(const struct wheel_entry *e)
{
    return !list_empty(&e->node);
}

#endif
