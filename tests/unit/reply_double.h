/* reply_double.h - stand-ins for grpc.c's answers: what a method answers is kept. What pulls in
 * grpc_call.c needs stand-ins of its own. */
#ifndef TESTS_UNIT_REPLY_DOUBLE_H
#define TESTS_UNIT_REPLY_DOUBLE_H

#include "grpc_call.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct double_answer {
    unsigned n;              /* answers since double_begin() */
    struct status status;    /* OK: `message` counts */
    uint8_t *bytes;          /* the answer packed */
    ProtobufCMessage *value; /* and unpacked again */
};
static struct double_answer answered;

static inline void double_begin(void)
{
    free(answered.bytes);
    if (answered.value != NULL)
        protobuf_c_message_free_unpacked(answered.value, NULL);
    answered = (struct double_answer){.status.code = STATUS_OK};
}

void grpc_reply(struct grpc_call *call, const ProtobufCMessage *answer)
{
    (void) call;
    size_t len = protobuf_c_message_get_packed_size(answer);
    answered.n++;
    answered.bytes = xmalloc(len + 1);
    assert_int_equal(protobuf_c_message_pack(answer, answered.bytes), len);
    answered.value = protobuf_c_message_unpack(answer->descriptor, NULL, len, answered.bytes);
    assert_non_null(answered.value);
}

void grpc_fail(struct grpc_call *call, const struct status *error)
{
    (void) call;
    answered.n++;
    answered.status = *error;
}

/* Of one service's table. */
static inline const struct grpc_method *double_method(const struct grpc_methods *methods,
                                                      const char *name)
{
    for (size_t i = 0; i < methods->n; i++)
        if (strcmp(methods->at[i].name, name) == 0)
            return &methods->at[i];
    fail_msg("no method %s", name);
    return NULL;
}

#endif
