/* grpc_call.h - one gRPC call while it is being served, and the methods that the method table
 * names. Front's thread. */
#ifndef GATEWAY_GRPC_CALL_H
#define GATEWAY_GRPC_CALL_H

#include "caller.h"
#include "pb.h"

#define GRPC_MAX_MESSAGE  (1u << 20) /* of a request */
#define GRPC_OPEN_MESSAGE (1u << 14) /* of one that needs no token */

struct grpc_call;

struct grpc_method {
    const char *service, *name;                /* "grpc.health.v1.Health", "Check" */
    const ProtobufCMessageDescriptor *request; /* what a message is read as */
    /* Unary: once, with the message; grpc_reply() or grpc_fail() follow once, now or later, and the
     * call is gone. Server streams: once as well, then grpc_write() any number of times and
     * grpc_finish() or grpc_fail(). Client streams: with each message, in order, and with NULL at
     * their end. The message and its arena are gone when it returns. */
    void (*run)(struct grpc_call *call, const ProtobufCMessage *request);
    /* Streams only, may be NULL: the peer has gone or its time is up; the call is gone when it
     * returns. (A unary call that nobody waits for is finished as any other.) */
    void (*gone)(struct grpc_call *call);
    /* Streams only, may be NULL: what was written has left. */
    void (*drained)(struct grpc_call *call);
    /* Streams only, may be NULL: about once a second, and when the server drains. */
    void (*tick)(struct grpc_call *call);
    bool open; /* no token is needed */
    bool client_streams, server_streams;
};

struct grpc_call {
    struct shared *shared;
    struct manage *manage;
    const struct grpc_method *method;
    struct caller who;
    char *authority;     /* ":authority", never NULL */
    struct status found; /* what is wrong with the request's contents: admin_call.found */
    void *user;          /* the method's own */
    /* grpc.c's from here on */
    struct grpc_session *session; /* NULL: nobody waits any longer */
    struct h2_stream *stream;
    struct grpc_stream *state;
};

/* The answer, and OK. */
void grpc_reply(struct grpc_call *call, const ProtobufCMessage *answer);
/* Ends the call with an error: a trailers-only response while nothing was written. */
void grpc_fail(struct grpc_call *call, const struct status *error);
/* One message of a stream. False: the peer reads too slowly or memory ended, the call is gone
 * (gone() is not called). */
MUST_CHECK bool grpc_write(struct grpc_call *call, const ProtobufCMessage *message);
void grpc_finish(struct grpc_call *call); /* a stream ends well */

static inline const struct admin_call *grpc_admin_call(struct grpc_call *call)
{
    call->who.admin.found = call->found.code == STATUS_OK ? NULL : &call->found;
    return &call->who.admin;
}

/* All methods, and all services: each file below adds its own table. */
struct grpc_methods {
    const struct grpc_method *at;
    size_t n;
};
extern const struct grpc_methods GRPC_TRIGGER;    /* grpc_trigger.c: TriggerService v1 */
extern const struct grpc_methods GRPC_TRIGGER_V2; /* grpc_trigger_v2.c */
extern const struct grpc_methods GRPC_OPERATION;  /* grpc_operation.c */
extern const struct grpc_methods GRPC_CONNECTION; /* grpc_connection.c */
extern const struct grpc_methods GRPC_ENDPOINT;   /* grpc_endpoint.c */
extern const struct grpc_methods GRPC_IAM;        /* grpc_iam.c */
extern const struct grpc_methods GRPC_HEALTH;     /* grpc_health.c */
extern const struct grpc_methods GRPC_REFLECTION; /* grpc_reflection.c: v1 and v1alpha */

/* grpc_method.c. Of ":path", "/service/Method": NULL when there is none. *ret_service: the service
 * exists. */
const struct grpc_method *grpc_method_find(struct slice path, bool *ret_service);
/* The n-th method, NULL after the last one; in no order. */
const struct grpc_method *grpc_method_at(size_t n);
/* The n-th service's name, NULL after the last one; sorted by name. */
const char *grpc_method_service(size_t n);

#endif
