/* handover_wire.h - what a running regcastd (the giver, handover.c) and the one that takes its
 * place (the taker, takeover.c) say to each other over data_dir/takeover.sock:
 *
 *   taker HELLO           giver WELCOME, SOCKET ..., OFFERED
 *   taker PATH ..., GO    giver (stops, makes everything safe, closes data_dir) RELEASED
 *   taker SERVING         giver MOVED, CONNECTION ...
 *   taker BATCH, REVOKED  until the giver's last client has gone
 *
 * Until RELEASED either may end the connection and nothing has happened; the giver says REFUSED and
 * why. Bodies are tagged fields (tagged.h): a later version may add some. */
#ifndef GATEWAY_HANDOVER_WIRE_H
#define GATEWAY_HANDOVER_WIRE_H

#include "courier.h"

#include <sys/socket.h>
#include <sys/un.h>

#define HANDOVER_VERSION  1
#define HANDOVER_SOCKET   "takeover.sock"
#define HANDOVER_MAX_BODY ((size_t) 24 << 20) /* the longest message of a path, and its place */

enum handover_kind {
    WIRE_HELLO = 1, /* number: HANDOVER_VERSION */
    WIRE_WELCOME,   /* the same; text: the service manager's socket, other: its patience in ms */
    WIRE_SOCKET,    /* file; number: enum metrics_listener */
    WIRE_OFFERED,   /* there are no more sockets */
    WIRE_PATH,      /* text: its template; number: pathlog_span_bits() */
    WIRE_GO,
    WIRE_RELEASED,
    WIRE_SERVING,
    WIRE_MOVED,      /* the service manager has been told who is its process now; number: when a
                        reload last began (clock_mono_ms()), 0: never */
    WIRE_CONNECTION, /* file, between two requests; number: enum metrics_listener */
    WIRE_BATCH, /* text: the path; other: its pathlog_span_bits(); number: the position; bytes: the
                   encoded message */
    WIRE_REFUSED, /* text: why */
    WIRE_REVOKED, /* number: enum revocation_kind; text: the name; other: until when, Unix time */
    WIRE_N_KINDS
};

struct handover_message {
    enum handover_kind kind;
    uint64_t number, other;
    struct slice text, bytes; /* of one that was taken: borrowed as the courier's are */
    int file;                 /* -1: none */
};

/* Queues it; errors are courier_put()'s. `file` stays the caller's. */
MUST_CHECK int handover_put(struct courier *c, const struct handover_message *m);
/* As courier_take(); -EBADMSG also for what no kind's fields are. A file is the caller's. */
MUST_CHECK int handover_take(struct courier *c, struct handover_message *ret);

/* Where the giver of `dir` listens. *ret_dir_fd keeps a long name short, by /proc: -1, or to be
 * closed after it was used. 0 or a negative error. */
MUST_CHECK int handover_address(const char *dir, struct sockaddr_un *ret, int *ret_dir_fd);

#endif
