/* nats_private.h - what the files of nats.h share. */
#ifndef BROKER_NATS_NATS_PRIVATE_H
#define BROKER_NATS_NATS_PRIVATE_H

#include "list.h"
#include "nats.h"
#include "nats_link.h"
#include "nats_parse.h"
#include "table.h"

#define NATS_INBOX_RANDOM 20 /* characters, 103 bits: nobody guesses another's */
#define NATS_WHY_SIZE     NATS_TLS_WHY_SIZE

enum nats_phase {
    PHASE_WAITING,  /* for the next attempt */
    PHASE_OPENING,  /* of TCP */
    PHASE_GREETING, /* waits for INFO */
    PHASE_SECURING, /* TLS */
    PHASE_JOINING,  /* CONNECT, subscriptions and PING are sent */
    PHASE_UP,
    PHASE_LEAVING,  /* a lame duck: nothing new, what is under way ends */
    PHASE_FLUSHING, /* nats_close() */
    PHASE_CLOSED
};

/* Whoever is above, beside the user. */
struct nats_watch {
    struct list in_list;
    void (*changed)(void *ctx, bool up); /* may do anything but close the connection */
    void *ctx;
};

struct nats {
    uv_loop_t *loop;
    char *user, *password, *token, *name;
    char *ca_file, *cert_file, *key_file;
    uint64_t connect_timeout_ms, ping_ms, max_backoff_ms;
    size_t max_pending;
    void (*on_state)(void *ctx, enum nats_state state, const char *why);
    void *ctx;

    enum nats_phase phase;
    struct nats_servers servers;
    struct nats_trust *trust; /* NULL: TLS was not needed yet */
    struct nats_link *link;   /* NULL: none */
    struct nats_parse parse;
    struct nats_server server;
    bool secure, lame_duck;
    unsigned unanswered, failed_rounds;
    uint64_t connections;
    uint64_t logged_ms;      /* the last complaint of the server's */
    char why[NATS_WHY_SIZE]; /* the last failure */
    struct list watches;

    struct list subs;
    struct table by_sid;
    uint64_t last_sid;

    char inbox[sizeof("_INBOX..") + NATS_INBOX_RANDOM]; /* "_INBOX.<random>." */
    uint64_t last_inbox;
    struct nats_sub *answers; /* of the inbox: subscribed with the first request */
    struct list waiting;      /* requests, by deadline */
    struct list ended;        /* those whose `done` comes with a later turn */
    struct list due;          /* and those whose it is this turn's */
    struct table by_id;
    uint64_t last_id;

    uv_timer_t timer, pinging, deadlines;
    uv_prepare_t prepare;
    uv_idle_t idle;
    unsigned handles; /* open ones */
};

/* --- nats.c --- */
void nats_watch(struct nats *n, struct nats_watch *watch); /* list_remove() ends it */
bool nats_is_open(const struct nats *n);                   /* nats_close() was not called */
void nats_break(struct nats *n, const char *why);          /* ends the connection */
void nats_flush_soon(struct nats *n);                      /* a turn of the loop, before it waits */
uint64_t nats_now_ms(void);

/* --- nats_publish.c --- */
void nats_send(struct nats *n, const char *format,
               ...) /* a line; breaks the connection if it can't */
    __attribute__((format(printf, 2, 3)));
bool nats_subject_ok(const char *subject, bool wildcards);

/* --- nats_sub.c --- */
void nats_sub_all(struct nats *n); /* tells a new connection what is subscribed */
void nats_sub_give(struct nats *n, uint64_t sid, const struct nats_msg *m);
void nats_sub_free_all(struct nats *n);

/* --- nats_request.c --- */
void nats_request_end_all(struct nats *n, int err); /* `done` comes with a later turn */
void nats_request_turn(struct nats *n);             /* that is it */
void nats_request_free_all(struct nats *n);         /* it does not */
bool nats_request_any(const struct nats *n);
void nats_left(struct nats *n); /* nats.c: perhaps nothing is under way any more */

#endif
