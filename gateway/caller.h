/* caller.h - who asks on a management listener, and what the answer is called in the log: the same
 * for REST and gRPC. Front's thread. */
#ifndef GATEWAY_CALLER_H
#define GATEWAY_CALLER_H

#include "conn.h"
#include "manage.h"

struct shared;

#define CALLER_NAME_SIZE 65 /* of request ids and trace ids */

struct caller {
    struct admin_call
        admin; /* for the operation; its subject once caller_authenticate() was fine */
    char request_id[CALLER_NAME_SIZE], trace_id[CALLER_NAME_SIZE]; /* they come with the answer */
    char idempotency_key[OPERATION_KEY_SIZE + 1]; /* one too many, so that a long one is seen */
    char peer[INET6_ADDRSTRLEN + 8];
    struct in6_addr address; /* of the peer; IPv4 as ::ffff:a.b.c.d */
    char *subject;           /* as admin.subject has it: outlives a reload */
    uint64_t start_us;
};
/* Of a request on the connection. Its id is `request_id`, the client's own, if that can be put into
 * a header; else a UUID (RFC 9562, version 4). The caller may not move: admin points into it. */
void caller_init(struct caller *who, struct conn *c, struct slice request_id);
/* Of none: for another node, which has found out who it is. */
void caller_inner(struct caller *who, const char *subject, bool service_account);
void caller_fini(struct caller *who);

/* Takes an idempotency-key; what is wrong with it is added to the error. */
void caller_take_key(struct caller *who, struct slice key, struct status *error);
/* Of an Authorization header, or without one of the connection's certificate. *error is set when it
 * does not do, with *ret_retry_after_s when the peer has tried too often (else 0). */
void caller_authenticate(struct caller *who, const struct conn *c, struct slice authorization,
                         struct status *error, unsigned *ret_retry_after_s);
/* The steps of that, for who proves himself otherwise. Whether the peer may try what counts so
 * often when it fails: false with *error, and *ret_retry_after_s (else 0). */
enum caller_try { CALLER_TRY = 1, CALLER_TRY_LOGIN = 2 };
bool caller_may_try(const struct caller *who, struct shared *s, enum caller_try weight,
                    struct status *error, unsigned *ret_retry_after_s);
/* It has tried, and is the subject; or it has failed, as *error says. */
void caller_succeeded(struct caller *who, struct shared *s, const struct iam_subject *subject);
void caller_failed(const struct caller *who, struct shared *s, enum caller_try weight,
                   const char *message, struct status *error);
/* It is the subject, by what cannot be guessed; or it has shown nothing that counts. */
void caller_known(struct caller *who, const struct iam_subject *subject);
void caller_unknown(struct shared *s, struct status *error);
/* Where nobody has to say who he is, a page in the operator's browser must not be able to ask: not
 * by a name of its own that leads here, and not from its own origin. REFUSE_NONE,
 * REFUSE_MISDIRECTED or REFUSE_ORIGIN. `host` is Host's value or ":authority"; `names` are
 * management.hosts, which lead here as addresses and localhost do; an empty origin is none; `tls`:
 * ours begins with https. Without, it may so too by one of the names: of a proxy that has TLS. */
enum refuse caller_check_browser(struct slice host, struct slice origin, bool tls,
                                 const struct config_strings *names);
enum refuse caller_check_host(struct slice host, const struct config_strings *names);
/* A browser sends its user's certificate for whatever page asks: the second half of that is for who
 * has shown nothing else. */
bool caller_is_by_certificate(const struct iam *iam, const struct conn *c,
                              struct slice authorization);
enum refuse caller_check_origin(struct slice host, struct slice origin, bool tls,
                                const struct config_strings *names);

/* Logs that a call was answered. Lines about whom we do not know are limited. */
struct caller_answer {
    const char *operation;      /* NULL: none was found */
    const char *id;             /* of what it was about; NULL or "": not known */
    unsigned http_status;       /* 0: gRPC */
    const struct status *error; /* NULL: it worked */
    bool routine;               /* a page that is open asks so every second: for debugging only */
};
void caller_log(const struct caller *who, struct shared *s, const struct caller_answer *answer);

#endif
