/* outbound_private.h - what the files of outbound.h share. Words: a *call* is one request, from
 * outbound_send() until its `done`; a *pool* has the connections that were opened under the same
 * rules (a curl multi handle); an *easy* is what curl needs for one request at a time, and is used
 * again for the next. Which file has what:
 *   outbound.c         calls in their order: who waits, who is under way, who has ended, deadlines
 *   outbound_call.c    a call's copy of a request, and which URLs are refused
 *   outbound_easy.c    curl's options, and what curl says about a transfer
 *   outbound_answer.c  the answer as it comes in, and its limits (pure)
 *   outbound_pool.c    curl's sockets and timer on the loop */
#ifndef BACKEND_OUTBOUND_PRIVATE_H
#define BACKEND_OUTBOUND_PRIVATE_H

#include "breaker.h"
#include "list.h"
#include "outbound.h"
#include "table.h"

#include <curl/curl.h>

#define OUTBOUND_MAX_HEADERS 64
#define OUTBOUND_HEAD_BYTES  ((size_t) 16 << 10) /* of the final answer's names and values */
#define OUTBOUND_EXTRA_BYTES                                                                       \
    ((size_t) 64 << 10) /* of lines that are not kept: 1xx and trailers                            \
                         */
#define OUTBOUND_ORIGINS    1024
#define OUTBOUND_HOST_BYTES 253
#define OUTBOUND_KEEP_BYTES                                                                        \
    ((size_t) 64 << 10)     /* a body's memory that is kept for the next one                       \
                             */
#define OUTBOUND_TICK_MS 10 /* between two looks at deadlines, at least */
/* Servers close connections that idle, Node's after 5 s, and a request that crosses that is lost:
 * what was not used for so long is not used again. */
#define OUTBOUND_IDLE_S 4
#define OUTBOUND_CA_S   300L /* after which a file of authorities is read anew */

/* --- outbound_answer.c --- */

enum head_part { HEAD_STATUS, HEAD_FIELDS, HEAD_OVER };

struct answer {
    /* what is expected */
    size_t max_body;
    bool no_body; /* the answer to HEAD */
    /* what came */
    enum head_part part;
    unsigned status;
    struct buf head; /* names and values, one after the other */
    struct answer_field {
        size_t name, name_len, value, value_len; /* in `head` */
    } fields[OUTBOUND_MAX_HEADERS];
    size_t n_fields;
    bool body_too_long; /* says Content-Length */
    size_t extra;
    struct buf body;
    struct header headers[OUTBOUND_MAX_HEADERS];
    /* why it was ended by us; 0: it was not */
    int err;
    const char *why;
};

void answer_init(struct answer *a);
void answer_fini(struct answer *a);
void answer_begin(struct answer *a, size_t max_body, bool no_body); /* forgets the last one */
/* A line as curl gives it, with its end; part of the body. 0, or a->err. */
MUST_CHECK int answer_line(struct answer *a, struct slice line);
MUST_CHECK int answer_body(struct answer *a, struct slice bytes);
/* It is over, and is all there: fills `ret` with what `a` has. */
void answer_get(struct answer *a, struct outbound_answer *ret);
int answer_refuse(struct answer *a, int err, const char *why); /* the first one counts */

/* --- outbound_call.c --- */

enum call_state { CALL_WAITING, CALL_UNDER_WAY, CALL_ENDED };
enum call_phase { CALL_CONNECTS, CALL_ASKS, CALL_ANSWERED /* the head is there */ };

struct outbound_call {
    struct list node; /* in the list of its state */
    struct outbound *o;
    enum call_state state;
    outbound_done *done;
    void *arg;
    struct breaker *breaker; /* held; NULL: none */
    bool probe, passed;      /* as the breaker said */
    uint64_t end_ms;         /* all of it; loop time, as the others */
    uint64_t since_ms;       /* when it began to connect, or something came of the answer */
    uint64_t connect_ms, read_ms;
    enum call_phase phase;
    bool asked;        /* the request has been sent, or part of it */
    size_t tried;      /* addresses that were connected to */
    bool egress;       /* an address was refused */
    curl_off_t sent;   /* when it was looked at last */
    struct easy *easy; /* from the time that it is under way */
    int err;           /* how it ended, where it has no answer */
    const char *why;
    /* the request */
    bool has_body, head, once /* must not be sent twice */, tls;
    struct slice body;
    size_t max_body;
    const char *method, *url;
    struct curl_slist *headers;
    char text[]; /* what the others point into */
};

/* A copy of it; 0, -EACCES (*ret_why: what is wrong with it) or -ENOMEM. In both cases of 0 and
 * -EACCES *ret is a call for free(); `origin` has its origin in case of 0. */
MUST_CHECK int call_new(const struct outbound_request *request, struct buf *origin,
                        struct outbound_call **ret, const char **ret_why);

/* --- outbound_easy.c --- */

#define OUTBOUND_OPENED 8 /* sockets of one call that are remembered: the last ones */
struct easy {
    struct list node; /* in its pool's list of idle ones */
    CURL *curl;
    struct pool *pool;
    struct outbound_call *call; /* NULL: it idles */
    struct answer answer;
    curl_socket_t opened[OUTBOUND_OPENED]; /* for the call; some may be closed */
    size_t n_opened;
};

struct easy *easy_take(struct pool *p); /* NULL: no memory */
void easy_give(struct easy *e);         /* its transfer is over, and it is in no multi */
void easy_free(struct easy *e);         /* the same; NULL is fine */
MUST_CHECK int easy_begin(struct easy *e, struct outbound_call *call);
/* What its transfer came to: 0, or an error of struct outbound_answer. */
int easy_result(struct easy *e, CURLcode code, const char **ret_why);
/* True: more of the request has gone out since it was asked last. */
bool easy_has_sent(struct easy *e);

/* --- outbound_pool.c --- */

struct pool {
    struct list node; /* in struct outbound's list */
    struct outbound *o;
    CURLM *multi; /* NULL: it is closed */
    uv_timer_t timer;
    struct networks allowed; /* a copy */
    char *ca_file;
    struct table watches; /* by descriptor */
    struct list all_watches;
    struct list idle; /* easies */
    size_t n_calls;   /* that have an easy in `multi` */
    size_t n_open;    /* uv handles */
    bool retired;     /* closes with its last call */
};

/* With the rules of o->options. 0 or a negative error. */
MUST_CHECK int pool_new(struct outbound *o, struct pool **ret);
void pool_retire(struct pool *p); /* no more calls; it frees itself */
MUST_CHECK int pool_add(struct pool *p, struct easy *e);
void pool_remove(struct pool *p, struct easy *e); /* and then, outside of a loop over calls: */
void pool_settle(struct pool *p);                 /* closes a retired one without calls */
void pool_limit(struct pool *p);                  /* o->options.max_calls has changed */
curl_socket_t pool_open_socket(struct pool *p, const struct curl_sockaddr *to, int *ret_err);
/* A connection from that port of ours is there, one of those opened, and curl will close it by
 * pool_close_socket(). */
void pool_keep(struct pool *p, const curl_socket_t *opened, size_t n, unsigned port);
/* The kept connection from that port is of no more use, though curl does not know it yet: whatever
 * is sent on it fails from here on. */
bool pool_has_ended(struct pool *p, unsigned port, bool tls);
int pool_close_socket(void *pool, curl_socket_t fd);

/* --- outbound.c --- */

struct outbound {
    uv_loop_t *loop;
    struct outbound_options options; /* `allowed` and `ca_file` are in the pool */
    struct list pools;
    struct pool *pool; /* for new calls; NULL: there was no memory for it */
    struct breakers *breakers;
    struct list waiting, under_way, ended, telling;
    struct buf origin; /* scratch */
    uv_timer_t timer;
    uint64_t timer_ms; /* when it goes off; UINT64_MAX: never */
    bool timer_open, closing, in_telling;
    struct outbound_counts counts;
};

void outbound_ended(struct outbound_call *call, CURLcode code); /* its transfer is over */
void outbound_due(const struct outbound_call *call);            /* perhaps sooner than was known */
/* After curl has run: next calls, and what has ended is told. */
void outbound_turn(struct outbound *o);
void outbound_pool_freed(struct outbound *o);

#endif
