/* say.h - connections that speak themselves meanwhile (--say): each in its turn sends a text with
 * the time, and what its path's backend echoes is timed. For backends.mjs; thread 0 only. */
#ifndef BENCH_SAY_H
#define BENCH_SAY_H

#include "receive.h"

#define SAY_AT_ONCE 64 /* of a turn: receiving goes on between */

struct say {
    struct receiver *receiver;
    uint64_t due_ns;
    unsigned next; /* connection */
    uint64_t said;
    bool on; /* else nobody speaks */
};

static inline void say_one(struct say *s, struct conn *c)
{
    uint8_t frame[WS_HEAD_MAX + SAID_MAX];
    int n =
        snprintf((char *) frame + 6, SAID_MAX, SAID_PREFIX "%llu", (unsigned long long) now_ns());
    frame[0] = 0x80 | WS_TEXT;
    frame[1] = (uint8_t) (0x80 | n);
    memset(frame + 2, 0, 4);
    if (c->state != CONN_OPEN || c->stalled)
        return;
    if (!conn_send(c, frame, (size_t) n + 6))
        conn_bad(s->receiver, c); /* the server does not read */
    else
        s->said++;
}

/* Says what is due; the nanoseconds until something is again. */
static inline uint64_t say_turn(struct say *s)
{
    const struct run *run = s->receiver->run;
    if (run->say == 0 || !s->on)
        return NS_PER_S;
    uint64_t now = now_ns(), step = NS_PER_S / run->say;
    if (s->due_ns == 0)
        s->due_ns = now;
    for (unsigned n = 0; n < SAY_AT_ONCE && s->due_ns <= now; n++) {
        say_one(s, &s->receiver->conns[s->next]);
        s->next = (s->next + 1) % s->receiver->n;
        s->due_ns += step;
    }
    return s->due_ns <= now ? 0 : s->due_ns - now;
}

/* All that was said has come back, or cannot any more. */
static inline bool say_answered(const struct say *s)
{
    return s->receiver->run->lossy || s->receiver->said.answers >= s->said;
}

#endif
