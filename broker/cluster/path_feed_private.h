/* path_feed_private.h - the parts of a path feed, shared by its files:
 *   path_feed.c        who follows, from when on a path is current, when nobody does any more
 *   path_feed_read.c   rounds: where a path ends in the stream, and reading up to there
 *   path_feed_take.c   what has come: in order, held until its turn, given to the port
 *   path_feed_check.c  asking the stream from time to time where paths end
 *
 * A path is brought up to date in rounds: the stream's leader is asked for its last message, then a
 * consumer reads up to that one, if it has not come by itself. Waiters are told when a round that
 * began after they came has ended, and all that it brought is on the log. */
#ifndef BROKER_CLUSTER_PATH_FEED_PRIVATE_H
#define BROKER_CLUSTER_PATH_FEED_PRIVATE_H

#include "cluster/feed_order.h"
#include "cluster/path_feed.h"
#include "list.h"

#define FEED_ROUNDS     64                 /* at once */
#define FEED_HELD_BYTES ((size_t) 1 << 20) /* of a path's messages that wait for others */
#define FEED_UNSETTLED  ((size_t) 1 << 20) /* read, and not yet on the log; of a path */
#define FEED_FOLLOW_MS  3000

enum feed_state {
    FEED_IDLE,   /* not subscribed to */
    FEED_LIVE,   /* nothing is asked; what comes is taken as it comes */
    FEED_QUEUED, /* for a round */
    FEED_FAILED, /* its round could not be carried out: again in a moment */
    FEED_ASKING,
    FEED_READING
};

struct feed_held { /* a message that came before its turn; its headers and data follow */
    struct list in_path;
    uint64_t seq, prev;
    size_t headers_len, data_len;
    uint8_t bytes[];
};

struct feed_path {
    struct path_feed *feed;
    struct path *path;
    enum feed_state state; /* written by feed_path_set_state() */
    struct list in_state;  /* feed->by_state[state], but for IDLE */
    struct feed_order order;
    struct nats_sub *sub;
    struct consumer *consumer;
    struct list held, waiters;
    size_t held_bytes, unsettled;
    unsigned tickets; /* under way */
    bool paused;      /* the consumer */
    bool fresh;       /* what is on its log, if anything, is not what comes before what comes */
    bool moved;       /* the stream was cut since, or made anew */
    bool anchored;    /* what was taken last is still in the stream, or what that means is known */
    bool again;       /* after this round another one */
    bool has_floor;   /* for when it begins anew */
    uint8_t floor[ID_PACKED_SIZE];
    uint64_t round;    /* the last that has begun */
    uint64_t target;   /* READING: up to there */
    uint64_t whole_to; /* the stream's last sequence at some time before this round */
    uint64_t verified; /* the stream's last sequence when nothing was missing */
    uint64_t behind;   /* the stream has, or had just now, a message of that sequence; 0: no */
    uint64_t idle_ms;  /* since when nobody is on it; 0: somebody is */
};

struct path_feed {
    struct cluster *cluster;
    struct path_feed_port port;
    bool started;
    struct feed_path **known; /* by path index; NULL: was never followed */
    size_t n_known;
    struct list by_state[FEED_READING + 1];
    struct list waiters; /* all, the oldest first */
    struct list tickets; /* under way */
    uv_timer_t tick;
    bool ticking;
    char stream[CLUSTER_SUBJECT_SIZE];
    struct path_feed_stats stats;
    /* the stream, when it last answered */
    uint64_t first_seq, last_seq, created_ns;
    uint64_t old_created_ns;  /* of the one that was there when a regress was told */
    struct feed_check *check; /* NULL: none yet */
};

/* --- path_feed.c --- */

void feed_path_set_state(struct feed_path *p, enum feed_state next);
bool feed_path_wanted(const struct feed_path *p); /* somebody is on it, or about to be */
void feed_round_done(struct feed_path *p); /* tells the round's waiters when all of it is settled */
void feed_pause(struct feed_path *p);      /* the consumer, until what it brought is settled */
void feed_unfollow_idle(struct path_feed *f, uint64_t now_ms);

/* --- path_feed_read.c --- */

void feed_want_round(struct feed_path *p);
void feed_start_rounds(struct path_feed *f);
void feed_stop_reading(struct feed_path *p);
void feed_note_info(struct path_feed *f, const struct js_stream *s);
void feed_on_live(void *ctx, const struct nats_msg *m);

/* --- path_feed_take.c --- */

struct feed_message {
    uint64_t seq, prev, time_ns; /* time_ns 0: just now */
    struct slice headers, data;
};
void feed_take(struct feed_path *p, const struct feed_message *m); /* it is its turn */
void feed_hold(struct feed_path *p, const struct feed_message *m);
void feed_join(struct feed_path *p); /* takes what is held, as far as it is its turn */
void feed_drop_held(struct feed_path *p);
/* The lowest id in it, less one: who has seen an event above it has missed nothing before it.
 * False: there is none. */
bool feed_message_floor(const struct feed_message *m, uint8_t ret[ID_PACKED_SIZE]);
/* What it says itself of who has missed nothing before it. False: nothing. */
bool feed_stated_floor(const struct feed_message *m, uint8_t ret[ID_PACKED_SIZE]);
void feed_floor_at(uint64_t wall_ms, uint8_t ret[ID_PACKED_SIZE]); /* of events made by then */
void feed_begin_anew(struct feed_path *p, const uint8_t floor[ID_PACKED_SIZE]);

/* --- path_feed_check.c --- */

void feed_check_tick(struct path_feed *f, uint64_t now_ms);
void feed_check_anew(struct path_feed *f); /* the stream is not what it was */
void feed_check_stop(struct path_feed *f); /* no callback comes any more but js.h's */
void feed_check_free(struct path_feed *f);
/* It is not followed any more, or freed. */
void feed_check_forget(struct path_feed *f, const struct feed_path *p);

#endif
