/* access_log.h - one line for each request on a path of the specification: a handshake (CONNECT), a
 * client's message (MESSAGE) or the end of a connection (DISCONNECT) that went to a backend. Any
 * thread.
 *
 * Its members are our own (docs/operations.md, "The access log") and what the original's
 * documentation has of its log events: `release`, which is always "stable" here, and the resource
 * that a LogEntry is of, type "serverless.apigateway" and the gateway's id.
 *
 * What went well is told at log_level info, of messages at debug: there may be thousands a second.
 * What did not is told at info (a client was refused) or warn (our fault, or a backend's), at most
 * ACCESS_FAILED_PER_SECOND lines a second of each operation; those left out are counted. */
#ifndef GATEWAY_ACCESS_LOG_H
#define GATEWAY_ACCESS_LOG_H

#include "metrics.h"
#include "spec.h"

#define ACCESS_FAILED_PER_SECOND 10

enum access_operation { ACCESS_CONNECT, ACCESS_MESSAGE, ACCESS_DISCONNECT, ACCESS_N };
extern const char *const ACCESS_OPERATIONS[ACCESS_N]; /* "CONNECT", "MESSAGE", "DISCONNECT" */

struct access_record {
    const char *gateway_id;
    const char *request_id;    /* NULL: it has none but its connection's */
    const char *connection_id; /* NULL: none */
    const char *route;         /* the path, as the specification has it */
    enum access_operation operation;
    unsigned status;              /* of HTTP; 0: there was no answer */
    uint64_t bytes_in, bytes_out; /* of bodies and messages: from the client, and to it */
    uint64_t duration_ms;         /* from the request's last byte to its answer */
    const char *integration;      /* access_integration(); NULL: nobody was asked */
    const char *peer;             /* "127.0.0.1:5000"; NULL: not known */
    const char *error;            /* a reason of refuse.h or of a backend; NULL: it went well */
    struct metrics *metrics;      /* of this thread: where lines left out are counted; or NULL */
};

/* Everything is borrowed for the call. */
void access_log(const struct access_record *record);
/* Whether one that went well would be logged: with that many messages it is worth asking. */
bool access_log_on(enum access_operation operation);

/* What the specification calls the operation's integration; NULL without an operation. */
const char *access_integration(const struct spec_operation *operation);

#endif
