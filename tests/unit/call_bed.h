/* call_bed.h - a table of methods of its own for tests of calls: the program's is not linked. Each
 * takes and gives messages with one text. */
#ifndef TESTS_UNIT_CALL_BED_H
#define TESTS_UNIT_CALL_BED_H

#include "grpc_call.h"
#include "grpc_client.h"
#include "manage_fixture.h"

#define M(name) "/test.T/" name

typedef Grpc__Health__V1__HealthCheckRequest text_message;

static struct {
    struct grpc_call *call; /* of Later, Hold and Count: the last one that is under way */
    unsigned runs, gone, drained, ticks, messages;
} bed;

static inline text_message bed_text(const char *text)
{
    text_message m = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    m.service = (char *) (uintptr_t) text;
    return m;
}

static void bed_echo(struct grpc_call *call, const ProtobufCMessage *m)
{
    bed.runs++;
    grpc_reply(call, m);
}

static void bed_later(struct grpc_call *call, const ProtobufCMessage *m)
{
    (void) m;
    bed.runs++;
    bed.call = call;
}

static void bed_fail(struct grpc_call *call, const ProtobufCMessage *m)
{
    struct status error = {0};
    (void) m;
    status_violate(&error, "name", "is 100%% w\xc3\xb6rse");
    grpc_fail(call, &error);
}

/* As many messages as the text says. */
static void bed_many(struct grpc_call *call, const ProtobufCMessage *m)
{
    int n = atoi(((const text_message *) m)->service);
    for (int i = 0; i < n; i++) {
        char text[16];
        (void) snprintf(text, sizeof(text), "%d", i);
        text_message answer = bed_text(text);
        if (!grpc_write(call, &answer.base))
            return;
    }
    grpc_finish(call);
}

static void bed_hold(struct grpc_call *call, const ProtobufCMessage *m)
{
    bed.call = call;
    if (!grpc_write(call, m))
        bed.call = NULL;
}

static void bed_gone(struct grpc_call *call)
{
    (void) call;
    bed.gone++;
    bed.call = NULL;
}

static void bed_drained(struct grpc_call *call)
{
    (void) call;
    bed.drained++;
}

static void bed_tick(struct grpc_call *call)
{
    bed.ticks++;
    if (call->shared->front->draining)
        grpc_finish(call);
}

/* Both ways: each message comes back. */
static void bed_chat(struct grpc_call *call, const ProtobufCMessage *m)
{
    bed.messages += m != NULL;
    if (m == NULL)
        grpc_finish(call);
    else if (strcmp(((const text_message *) m)->service, "fail") == 0)
        bed_fail(call, m);
    else if (!grpc_write(call, m))
        bed.gone++;
}

/* How many came. */
static void bed_count(struct grpc_call *call, const ProtobufCMessage *m)
{
    char text[16];
    bed.messages += m != NULL;
    bed.call = m == NULL ? NULL : call;
    if (m != NULL)
        return;
    (void) snprintf(text, sizeof(text), "%u", bed.messages);
    text_message answer = bed_text(text);
    grpc_reply(call, &answer.base);
}

#define BED_METHOD(n, r)                                                                           \
    .service = "test.T", .name = (n),                                                              \
    .request = &grpc__health__v1__health_check_request__descriptor, .run = (r)
static const struct grpc_method BED_METHODS[] = {
    {BED_METHOD("Echo", bed_echo), .open = true},
    {BED_METHOD("Private", bed_echo)},
    {BED_METHOD("Later", bed_later), .open = true},
    {BED_METHOD("Fail", bed_fail), .open = true},
    {BED_METHOD("Many", bed_many), .open = true, .server_streams = true},
    {BED_METHOD("Hold", bed_hold), .open = true, .server_streams = true, .gone = bed_gone,
     .drained = bed_drained, .tick = bed_tick},
    {BED_METHOD("Chat", bed_chat), .open = true, .client_streams = true, .server_streams = true,
     .gone = bed_gone},
    {BED_METHOD("Count", bed_count), .open = true, .client_streams = true, .gone = bed_gone},
};

/* In the place of grpc_method.c. */
const struct grpc_method *grpc_method_find(struct slice path, bool *ret_service)
{
    *ret_service = path.len > 8 && memcmp(path.data, "/test.T/", 8) == 0;
    for (size_t i = 0; *ret_service && i < ARRAY_LEN(BED_METHODS); i++)
        if (slice_eq_str(slice_from(path, 8), BED_METHODS[i].name))
            return &BED_METHODS[i];
    return NULL;
}

static inline int bed_setup(void **state)
{
    memset(&bed, 0, sizeof(bed));
    return manage_setup(state);
}

static inline void bed_reply(const char *text)
{
    text_message answer = bed_text(text);
    struct grpc_call *call = bed.call;
    bed.call = NULL;
    grpc_reply(call, &answer.base);
}

static inline uint64_t bed_answered(const struct fixture *f, unsigned code)
{
    return f->front->metrics.call[code];
}

static inline struct caps *bed_caps(struct fixture *f)
{
    return &f->shared.caps[LISTENER_GRPC];
}

static inline void expect_text(struct grpc_sent *call, const char *text)
{
    char got[256];
    grpc_client_text(call, got, sizeof(got));
    assert_string_equal(got, text);
}

/* One HEADERS frame with the end: clients find the status there. */
static inline void expect_trailers_only(const struct grpc_sent *call, int status)
{
    assert_int_equal(call->status, status);
    assert_string_equal(call->http, "200");
    assert_int_equal(call->n_heads, 1);
    assert_true(call->end_in_head);
    assert_int_equal(call->error, 0);
    assert_int_equal(call->body.len, 0);
    assert_non_null(strstr(call->fields, "content-type: application/grpc\n"));
    assert_non_null(strstr(call->fields, "x-request-id: "));
    assert_non_null(strstr(call->fields, "x-server-trace-id: "));
    assert_non_null(strstr(call->fields, "grpc-status-details-bin: "));
}

#endif
