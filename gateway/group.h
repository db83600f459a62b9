/* group.h - a worker's connections on one path: the members with their cursors, and the worker's
 * place in the path log. Loop's thread, but for group_wake() and the counters. */
#ifndef GATEWAY_GROUP_H
#define GATEWAY_GROUP_H

#include "list.h"
#include "path.h"

#include <stdatomic.h>

struct conn;
struct worker;

/* One connection on the path, dense so that a sweep reads memory in order; it holds all that a
 * sweep needs, because looking into each connection would be a cache miss each. */
struct member {
    uint64_t cursor; /* a position between two messages of the path log */
    struct conn *conn;
    int fd;        /* of a plain transport; -1: bytes go through conn->transport */
    bool blocked;  /* out of the sweep: until the socket is writable (conn->rest), or until it has
                      been sent what only the store holds (conn->replay) */
    bool catching; /* has not reached the tail since it joined */
    uint8_t form;  /* enum segment_form: what it is sent where there is one */
};
_Static_assert(sizeof(struct member) == 24, "a sweep reads them all");

struct group {
    struct worker *worker;
    struct path *path;
    struct pathlog_reader *reader;
    struct member *members;
    uint32_t n, cap;
    struct list blocked; /* struct rest.in_group */

    /* the sweep (fanout.c) */
    struct list in_active; /* worker->active while a sweep runs */
    uint32_t at;           /* the next member of this pass */
    bool again;            /* another pass is needed */
    uint64_t pass_us;      /* when this pass began */
    uint64_t pending_us; /* the next one: since when there has been something for it; 0: unknown */
    uint64_t sending_us; /* the same of this one */

    /* any thread */
    _Atomic uint32_t present; /* members; the broker skips workers without any */
    _Atomic bool dirty;       /* is in the worker's list of dirty groups */
    struct group *next_dirty;
    uint64_t dirty_us; /* since when; the broker's until it is in that list, then the worker's */
    _Atomic uint64_t frames, bytes, slow; /* sent; slow consumers. Written by the worker */
};

MUST_CHECK int group_new(struct worker *w, struct path *p, struct group **ret);
void group_free(struct group *g); /* no members; NULL is fine */

#define GROUP_TAIL UINT64_MAX
/* Adds the connection with its cursor at `position`, at most at the tail; its form is known by now:
 * conn->deflate, conn->sse. -ENOMEM, or -EBUSY: the path has all the clients that it may have. Who
 * is behind the tail needs a fanout_start(). */
MUST_CHECK int group_join(struct group *g, struct conn *c, uint64_t position);
void group_leave(struct group *g, struct conn *c);

/* What is appended to the path wakes the groups that `s` has of it by then; front's thread. */
struct shared;
void group_watch(struct shared *s, struct path *p);
/* Tells the worker that the path has something new. The broker's thread; one wake per worker, not
 * per connection. Takes no lock: dirty groups form a lock-free stack on the worker. */
void group_wake(struct group *g);
/* Takes all dirty groups into worker->active. Worker's thread. */
void group_take_dirty(struct worker *w);

#endif
