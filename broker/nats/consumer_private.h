/* consumer_private.h - what consumer.c and consumer_make.c share. */
#ifndef BROKER_NATS_CONSUMER_PRIVATE_H
#define BROKER_NATS_CONSUMER_PRIVATE_H

#include "consumer.h"
#include "js_private.h"

#define CONSUMER_HEARTBEAT_MS 2000 /* of a server that has nothing to send */

enum consumer_phase {
    CONSUMER_IDLE,   /* no connection, or waits for the next try, or for what is held to go */
    CONSUMER_MAKING, /* asks what is there, then for it to be made: messages may come already */
    CONSUMER_LIVE,
    CONSUMER_FREED
};

struct consumer {
    struct list in_js;
    struct js *js;
    struct consumer_options o; /* without its strings: those are below */
    char *stream, **filters;
    uv_timer_t timer; /* of the next try, of silence, of consumer_resume() */
    enum consumer_phase phase;
    struct js_call *call;             /* under way while it is made */
    size_t n_asked;                   /* filters whose last message is known */
    char name[NATS_INBOX_RANDOM + 1]; /* on the server; "": none */
    struct nats_sub *sub;
    uint64_t created_ns; /* of the stream; 0: not yet known */
    uint64_t seq;        /* of the last message given out */
    uint64_t next;       /* the least that may come; 0: as the options say */
    uint64_t cseq;       /* the server's count of what has come */
    uint64_t target;     /* current when this one was reached */
    bool current, paused;
    struct list held;
    size_t held_bytes;
    char withheld[256]; /* subject of the answer that lets the server go on; "": none */
    uint64_t heard_ms;
    unsigned failures;
    uint64_t restarts;
};

/* --- consumer.c --- */
void consumer_failed(struct consumer *c, int err);
void consumer_made(struct consumer *c);
void consumer_reached(struct consumer *c, uint64_t seq); /* all up to it was given out */
void consumer_on_msg(void *ctx, const struct nats_msg *m);

/* --- consumer_make.c --- */
void consumer_make(struct consumer *c); /* ends in one of the first two, or on_lost() frees it */

/* What the reply subject of a message says of it (ADR-15 and the server's later, longer form). */
struct consumer_place {
    uint64_t seq, cseq, time_ns, pending;
};
bool consumer_place_read(const char *reply, struct consumer_place *ret);

#endif
