/* dummy.c - the integration that answers by itself. See integration.h. */
#include "accept.h"
#include "hop.h"
#include "integration.h"
#include "mem.h"
#include "substitution.h"

#include <stdio.h>

#define MAX_CONTENTS 64

/* 0, *ret NULL where there is no content at all. -ENOTSUP: none is acceptable. */
static int choose(const struct spec_integration *in, const struct integration_request *request,
                  const struct spec_content **ret)
{
    const char *types[MAX_CONTENTS];
    size_t n = in->n_contents < MAX_CONTENTS ? in->n_contents : MAX_CONTENTS;
    bool asked;
    *ret = NULL;
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        types[i] = in->contents[i].media_type;
    size_t found = accept_choose(request->headers, request->n_headers, types, n, &asked);
    if (!asked)
        found = 0;
    for (size_t i = 0; i < n && found == ACCEPT_NONE; i++)
        if (strcmp(types[i], "*") == 0)
            found = i;
    if (found == ACCEPT_NONE)
        return -ENOTSUP;
    *ret = &in->contents[found];
    return 0;
}

static int put_line(const char *name, const struct spec_field *field,
                    const struct parameters *values, struct buf *headers)
{
    int r = buf_printf(headers, "%s: ", name);
    if (r == 0)
        r = substitution_field(headers, field, values, false);
    return r < 0 ? r : buf_append_str(headers, "\r\n");
}

/* Of all headers only Set-Cookie cannot be a list in one line (RFC 9110 section 5.3). */
static int put_header(const struct spec_field *field, const struct parameters *values,
                      struct buf *headers)
{
    int r = 0;
    if (strcasecmp(field->name, "Set-Cookie") != 0)
        return put_line(field->name, field, values, headers);
    for (size_t i = 0; i < field->n && r == 0; i++) {
        struct spec_field one = {field->name, &field->values[i], 1};
        r = put_line(field->name, &one, values, headers);
    }
    return r;
}

/* A dummy may choose among the client's subprotocols, as backends do. */
static bool is_sent(struct slice name)
{
    return slice_eq_nocase(name, SLICE_LIT("Sec-WebSocket-Protocol")) ||
           (!hop_is_ours(name) && !slice_eq_nocase(name, SLICE_LIT("Content-Type")));
}

static const struct spec_field *content_type_field(const struct spec_fields *fields)
{
    for (size_t i = 0; i < fields->n; i++)
        if (slice_eq_nocase(slice_str(fields->at[i].name), SLICE_LIT("Content-Type")))
            return &fields->at[i];
    return NULL;
}

static int put_content_type(const struct spec_integration *in, const struct spec_content *content,
                            const struct parameters *values, struct integration_answer *ret)
{
    const struct spec_field *field = content_type_field(&in->http_headers);
    int r = 0;
    struct buf type;
    buf_init(&type, HOP_LINE_MAX);
    if (content != NULL && strcmp(content->media_type, "*") != 0)
        r = buf_append_str(&type, content->media_type);
    else if (field != NULL)
        r = substitution_field(&type, field, values, false);
    if (r == 0 && type.len > 0)
        r = hop_put_type(ret, buf_slice(&type));
    buf_fini(&type);
    return r;
}

/* What http_response() would say of it, which a message's type is found by as well. */
static const char *type_of(struct slice body)
{
    return body.data[0] == '{' ? "application/json" : "text/plain; charset=utf-8";
}

static int fill(const struct spec_integration *in, const struct spec_content *content,
                const struct parameters *values, struct integration_answer *ret)
{
    int r = content == NULL ? 0 : substitution_body(&ret->body, &content->text, values);
    if (r == 0)
        r = put_content_type(in, content, values, ret);
    if (r == 0 && ret->content_type.len == 0 && ret->body.len > 0)
        r = hop_put_type(ret, slice_str(type_of(buf_slice(&ret->body))));
    for (size_t i = 0; i < in->http_headers.n && r == 0; i++)
        if (is_sent(slice_str(in->http_headers.at[i].name)))
            r = put_header(&in->http_headers.at[i], values, &ret->headers);
    ret->status = in->http_code;
    return r;
}

int integration_dummy(const struct spec_operation *op, const struct integration_request *request,
                      struct integration_answer *ret)
{
    struct parameters values;
    const struct spec_content *content;
    int r = choose(&op->integration, request, &content);
    if (r == 0)
        r = parameters_read(op, request, &values);
    if (r < 0)
        return r;
    r = fill(&op->integration, content, &values, ret);
    parameters_fini(&values);
    return r == -EMSGSIZE ? -EINVAL : r;
}
