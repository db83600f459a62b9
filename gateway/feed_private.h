/* feed_private.h - the parts of the feed, shared by its files:
 *   feed.c       what is said: items, timers
 *   feed_open.c  who listens: handshakes, and whether they may still */
#ifndef GATEWAY_FEED_PRIVATE_H
#define GATEWAY_FEED_PRIVATE_H

#include "feed.h"
#include "login.h"
#include "pipeline.h"

#define FEED_BOOT_SIZE 17

struct feed_seat {
    struct conn *c;
    struct login login;
    struct iam_subject subject; /* its id is the seat's */
};

struct feed {
    struct shared *shared;
    struct feed_log log;
    struct group *group; /* the front's */
    struct feed_seat seats[FEED_MOST];
    size_t n_seats;
    char boot[FEED_BOOT_SIZE];
    struct pipeline_watch watch;
    uv_timer_t flush, look;
    bool listening;       /* items are made */
    uint64_t left_ms;     /* when the last console left; loop time */
    uint64_t flushed_seq; /* up to which readers were woken */
};

/* --- feed.c --- */

void feed_listen(struct feed *f); /* a console is about to come in */

/* --- feed_open.c --- */

/* Closes those that may not listen any more, that are stuck, or, when we go down, all. */
void feed_look_seats(struct feed *f);

#endif
