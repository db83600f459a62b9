/* dialog_private.h - what the files of a dialog share: dialogs.c (those of a worker, and whose turn
 * it is), dialog_connect.c (until the connection is let in), dialog.c (from then on). */
#ifndef GATEWAY_DIALOG_PRIVATE_H
#define GATEWAY_DIALOG_PRIVATE_H

#include "access_log.h"
#include "authorizer.h"
#include "dialog.h"
#include "list.h"
#include "worker.h"

#define DIALOG_PROTOCOL_MAX 128
#define DIALOG_ANSWER_MAX                                                                          \
    (128u << 10)                        /* of a handshake or an end; of a message as its path says \
                                         */
#define DIALOG_QUEUE_BYTES (256u << 10) /* of one connection; a first message always fits */
#define DIALOGS_MAX_BYTES  (64u << 20)  /* of all connections of a worker */

enum dialog_state {
    DIALOG_ASKING,   /* authorizers, then `connect` */
    DIALOG_ENTERING, /* let in, and history is being asked where to go on */
    DIALOG_OPEN,
    DIALOG_LEFT /* without a connection: its messages are passed on, then `disconnect` */
};

struct message {
    struct message *next;
    char id[ID_SIZE];
    bool binary;
    size_t len;
    uint8_t data[];
};

struct dialog {
    struct list in_all, in_ready;
    struct dialogs *owner;
    struct conn *c;    /* NULL: gone */
    struct spec *spec; /* referenced; what `route` is of */
    const struct spec_route *route;
    struct integration_memory *memory;
    uint8_t state;   /* enum dialog_state */
    bool busy;       /* a request is under way */
    bool authorized; /* by an authorizer */
    bool counted;    /* in worker->n_asked */
    char id[ID_SIZE];
    uint64_t connected_ms;        /* Unix time */
    uint64_t began_ms;            /* of the request under way, or the handshake; loop time */
    struct message *head, **tail; /* the first one is the one under way, if one is */
    size_t n, bytes;
    uint16_t close_code;
    char *reason; /* NULL: none */
    void *wanted;
    struct outbound_call *call;
    struct authorizer_check *check;
    char protocol[DIALOG_PROTOCOL_MAX]; /* "": the backend chose none */
};

/* Those of a worker. */
struct dialogs {
    struct worker *worker;
    struct outbound *out;
    struct authorizers *authorizers;
    struct networks allowed;
    struct list all, ready;
    size_t n_calls, max_calls; /* of messages and disconnects; the rest is left for handshakes */
    size_t bytes;              /* of messages that wait */
    struct id_gen ids;
    bool pumping;
};

/* Makes them with the first. NULL: there is no memory. */
struct dialogs *dialogs_of(struct worker *w);
/* Has something to do when it is its turn; dialog_step() is called then, maybe before this returns.
 */
void dialogs_ready(struct dialog *d);
/* Its request has ended. */
void dialogs_done(struct dialog *d);
struct dialog *dialog_new(struct dialogs *ds, struct conn *c, const struct spec_route *route);
void dialog_free(struct dialog *d);

/* Does the next thing: a message, or the end; may free it. */
void dialog_step(struct dialog *d);

/* The request's headers that are of an event. */
struct dialog_headers {
    struct header at[INTEGRATION_MAX_ADDED];
    size_t n;
    char connected_at[24], code[8];
};
void dialog_headers(const struct dialog *d, const char *event, struct dialog_headers *ret);
void dialog_header(struct dialog_headers *h, const char *name, const char *value);

/* Begins what an operation says. 0: `done` is called later, or, of a dummy, *ret is filled (its
 * `status` is not 0). Else an error of integration.h or outbound.h. */
MUST_CHECK int dialog_call(struct dialog *d, const struct spec_operation *op,
                           const struct integration_request *request, outbound_done *done,
                           struct integration_answer *ret);
/* One line of the access log, and the counters. `err` 0 with a status, or what went wrong. */
void dialog_record(const struct dialog *d, enum access_operation operation, unsigned status,
                   int err, size_t in, size_t out);

#endif
