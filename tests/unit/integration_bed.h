/* integration_bed.h - operations from YAML and requests from text, for the tests of
 * gateway/backend/. Include after cmocka. */
#ifndef TESTS_UNIT_INTEGRATION_BED_H
#define TESTS_UNIT_INTEGRATION_BED_H

#include "integration.h"
#include "spec_bed.h"

/* One path, whose message does that; each a flow of YAML in one line. */
#define OPERATION(path, parameters, integration)                                                   \
    MESSAGE(path, "[" parameters "]", "        " integration "\n")
#define PARAM(in, name) "{name: " name ", in: " in ", schema: {type: string}}"

#define BED_MAX_HEADERS 16

/* What a client has sent. */
struct bed_ask {
    const char *target;                   /* "/path?query" */
    const char *headers[BED_MAX_HEADERS]; /* "Name: value", of the client */
    const char *own[BED_MAX_HEADERS];     /* of the gateway */
    const char *type, *body;
    const char *method; /* NULL: POST */
};

struct bed_request {
    struct header headers[2 * BED_MAX_HEADERS];
    struct integration_request request;
};

static inline void bed_add(struct bed_request *b, const char *line)
{
    const char *colon = strchr(line, ':');
    assert_non_null(colon);
    const char *value = colon[1] == ' ' ? colon + 2 : colon + 1;
    b->headers[b->request.n_headers++] =
        (struct header){slice_of(line, (size_t) (colon - line)), slice_str(value)};
}

static inline const struct integration_request *
bed_request(struct bed_request *b, const struct spec_route *route, const struct bed_ask *ask)
{
    const char *mark = strchr(ask->target, '?');
    struct slice target = slice_str(ask->target);
    *b = (struct bed_request){.request = {.method = ask->method == NULL ? "POST" : ask->method,
                                          .route = route,
                                          .headers = b->headers,
                                          .body = slice_str(ask->body),
                                          .content_type = ask->type}};
    size_t len = mark == NULL ? target.len : (size_t) (mark - ask->target);
    b->request.path = slice_sub(target, 0, len);
    if (mark != NULL)
        b->request.query = slice_from(target, len + 1);
    for (size_t i = 0; i < BED_MAX_HEADERS && ask->headers[i] != NULL; i++)
        bed_add(b, ask->headers[i]);
    for (size_t i = 0; i < BED_MAX_HEADERS && ask->own[i] != NULL; i++) {
        bed_add(b, ask->own[i]);
        b->request.n_own++;
    }
    return &b->request;
}

static inline void bed_put(struct buf *out, const char *before, struct slice s, const char *behind)
{
    assert_int_equal(buf_append_str(out, before), 0);
    assert_int_equal(buf_append(out, s), 0);
    assert_int_equal(buf_append_str(out, behind), 0);
}

/* "POST http://host/path\nName: value\n" */
static inline void bed_tell(const struct integration_call *call, struct buf *out)
{
    bed_put(out, "", slice_str(call->request.method), " ");
    bed_put(out, "", slice_str(call->request.url), "\n");
    for (size_t i = 0; i < call->request.n_headers; i++) {
        bed_put(out, "", call->request.headers[i].name, ": ");
        bed_put(out, "", call->request.headers[i].value, "\n");
    }
}

/* The error, or the request as bed_tell() has it, in `out`. */
static inline int bed_call(const struct spec_operation *op,
                           const struct integration_request *request, struct buf *out)
{
    struct integration_call call;
    buf_init(out, 1 << 20);
    int r = integration_call(op, request, 4711, &call);
    if (r < 0)
        return r;
    assert_int_equal(call.request.max_body, 4711);
    bed_tell(&call, out);
    integration_call_fini(&call);
    return 0;
}

static inline void bed_equal(const char *name, const struct buf *got, const char *expected)
{
    if (!slice_eq(buf_slice(got), slice_str(expected)))
        fail_msg("%s: got\n%.*s\nexpected\n%s", name, (int) got->len, (const char *) got->data,
                 expected);
}

#endif
