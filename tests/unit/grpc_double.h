/* grpc_double.h - stand-ins for grpc.c: methods are called on the admin of admin_double.h with
 * messages written by hand (wire.h), and their answers are kept. */
#ifndef TESTS_UNIT_GRPC_DOUBLE_H
#define TESTS_UNIT_GRPC_DOUBLE_H

#include "admin_double.h"
#include "grpc_call.h"
#include "pb_make.h"
#include "wire.h"

struct grpc_answer {
    unsigned n; /* answers so far */
    struct status error;
    struct buf message; /* of the last one */
};
static struct grpc_answer grpc_answer;

void grpc_reply(struct grpc_call *call, const ProtobufCMessage *answer)
{
    (void) call;
    grpc_answer.n++;
    buf_clear(&grpc_answer.message);
    assert_int_equal(pb_pack(answer, &grpc_answer.message), 0);
}

void grpc_fail(struct grpc_call *call, const struct status *error)
{
    (void) call;
    grpc_answer.n++;
    grpc_answer.error = *error;
}

static inline void grpc_double_fini(void)
{
    buf_fini(&grpc_answer.message);
    grpc_answer = (struct grpc_answer){.n = 0};
}

/* Calls a method; it answers at once. `key` is the idempotency key. */
static inline const struct status *grpc_ask_with_key(struct bed *b,
                                                     const struct grpc_methods *methods,
                                                     const char *name, const char *request,
                                                     const char *key)
{
    struct manage manage = {.admin = b->admin};
    struct grpc_call call = {.manage = &manage, .who.admin = b->call};
    struct pb_arena a;
    size_t i = 0;
    while (i < methods->n && strcmp(methods->at[i].name, name) != 0)
        i++;
    assert_true(i < methods->n);
    call.method = &methods->at[i];
    call.who.admin.idempotency_key = key;
    grpc_double_fini();
    buf_init(&grpc_answer.message, WIRE_MAX);
    pb_arena_init(&a, WIRE_MAX);
    call.method->run(&call, wire_message(call.method->request, request, &a));
    pb_arena_fini(&a);
    assert_int_equal(grpc_answer.n, 1);
    return &grpc_answer.error;
}

static inline const struct status *grpc_ask(struct bed *b, const struct grpc_methods *methods,
                                            const char *name, const char *request)
{
    return grpc_ask_with_key(b, methods, name, request, "");
}

/* The last answer as that type, in the arena. */
static inline const void *grpc_got(const ProtobufCMessageDescriptor *type, struct pb_arena *a)
{
    ProtobufCMessage *message;
    assert_string_equal(grpc_answer.error.message, "");
    assert_int_equal(pb_unpack(type, buf_slice(&grpc_answer.message), a, &message), 0);
    assert_int_equal(message->n_unknown_fields, 0);
    return message;
}

/* What an Any holds, which must be of that type. */
static inline const void *grpc_unwrap(const Google__Protobuf__Any *any,
                                      const ProtobufCMessageDescriptor *type, struct pb_arena *a)
{
    ProtobufCMessage *message;
    assert_non_null(any);
    assert_memory_equal(any->type_url, "type.googleapis.com/", 20);
    assert_string_equal(any->type_url + 20, type->name);
    assert_int_equal(pb_unpack(type, slice_of(any->value.data, any->value.len), a, &message), 0);
    assert_int_equal(message->n_unknown_fields, 0);
    return message;
}

#endif
