/* wheel.c - see wheel.h. A hashed wheel: the slot of an entry is its due tick modulo the number of
 * slots, and an entry that is due in a later turn is passed over. */
#include "wheel.h"

_Static_assert(WHEEL_SLOTS *WHEEL_TICK_MS % WHEEL_FAR_GRID_MS == 0, "else each slot fills up");

static void on_timer(uv_timer_t *timer);

static uint64_t tick_of(uint64_t ms) /* rounded up: never early */
{
    return (ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
}

int wheel_init(struct wheel *w, uv_loop_t *loop, void (*fire)(struct wheel_entry *entry))
{
    for (size_t i = 0; i < WHEEL_SLOTS; i++)
        list_init(&w->slots[i]);
    for (size_t i = 0; i < ARRAY_LEN(w->bits); i++)
        w->bits[i] = 0;
    w->tick = uv_now(loop) / WHEEL_TICK_MS;
    w->armed_ms = UINT64_MAX;
    w->fire = fire;
    w->timer.data = w;
    return uv_timer_init(loop, &w->timer);
}

void wheel_fini(struct wheel *w)
{
    uv_close((uv_handle_t *) &w->timer, NULL);
}

void wheel_entry_init(struct wheel_entry *e)
{
    list_init(&e->node);
    e->due_ms = 0;
}

static void arm(struct wheel *w, uint64_t due_ms)
{
    uint64_t now = uv_now(w->timer.loop);
    w->armed_ms = due_ms;
    /* uv_timer_start() fails only for a closing handle or no callback */
    (void) uv_timer_start(&w->timer, on_timer, due_ms > now ? due_ms - now : 0, 0);
}

void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t due_ms)
{
    wheel_cancel(w, e);
    if (due_ms == UINT64_MAX)
        return;
    uint64_t now = uv_now(w->timer.loop);
    if (due_ms > now + WHEEL_FAR_MS)
        due_ms = (due_ms + WHEEL_FAR_GRID_MS - 1) / WHEEL_FAR_GRID_MS * WHEEL_FAR_GRID_MS;
    uint64_t tick = tick_of(due_ms);
    if (tick <= w->tick)
        tick = w->tick + 1; /* its slot has been passed: the next one */
    e->due_ms = tick * WHEEL_TICK_MS;
    size_t slot = tick % WHEEL_SLOTS;
    list_push(&w->slots[slot], &e->node);
    w->bits[slot / 64] |= 1ull << (slot % 64);
    if (e->due_ms < w->armed_ms)
        arm(w, e->due_ms);
}

void wheel_cancel(struct wheel *w, struct wheel_entry *e)
{
    if (!wheel_is_set(e))
        return;
    size_t slot = e->due_ms / WHEEL_TICK_MS % WHEEL_SLOTS;
    list_remove(&e->node);
    if (list_empty(&w->slots[slot]))
        w->bits[slot / 64] &= ~(1ull << (slot % 64));
}

/* The next tick after w->tick whose slot is not empty (its entries may belong to a later turn). */
static uint64_t next_tick(const struct wheel *w)
{
    for (uint64_t tick = w->tick + 1; tick <= w->tick + WHEEL_SLOTS;) {
        size_t slot = tick % WHEEL_SLOTS;
        uint64_t rest = w->bits[slot / 64] >> (slot % 64);
        if (rest != 0)
            return tick + (uint64_t) __builtin_ctzll(rest);
        tick += 64 - slot % 64;
    }
    return UINT64_MAX;
}

static void fire_slot(struct wheel *w, uint64_t now)
{
    size_t slot = w->tick % WHEEL_SLOTS;
    struct list due;
    list_init(&due);
    LIST_FOREACH_SAFE (it, &w->slots[slot]) {
        if (LIST_ENTRY(it, struct wheel_entry, node)->due_ms <= now)
            list_move(&due, it);
    }
    if (list_empty(&w->slots[slot]))
        w->bits[slot / 64] &= ~(1ull << (slot % 64));
    while (!list_empty(&due)) { /* fire() may cancel others of this list */
        struct wheel_entry *e = LIST_ENTRY(due.next, struct wheel_entry, node);
        list_remove(&e->node);
        w->fire(e);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct wheel *w = timer->data;
    uint64_t now = uv_now(timer->loop), now_tick = now / WHEEL_TICK_MS;
    w->armed_ms = UINT64_MAX;
    for (uint64_t tick = next_tick(w); tick <= now_tick; tick = next_tick(w)) {
        w->tick = tick;
        fire_slot(w, now);
    }
    if (w->tick < now_tick)
        w->tick = now_tick;
    uint64_t next = next_tick(w);
    if (next == UINT64_MAX)
        w->armed_ms = UINT64_MAX;
    else
        arm(w, next * WHEEL_TICK_MS);
}
