/* integration.c - see integration.h. The request to a backend, and what becomes of its answer. */
#include "integration.h"

#include "hop.h"
#include "mem.h"
#include "substitution.h"

#include <stdlib.h>

#define MAX_HEADERS (SPEC_MAX_FIELDS + INTEGRATION_MAX_HEADERS + 2)
#define MAX_TEXT    (32u << 10) /* of all values that are put in */
#define MAX_ANSWER  (32u << 10) /* of an answer's headers */
#define MAX_BODY    (16u << 20) /* the caller has a limit of his own */
#define NOT_IN_TEXT SIZE_MAX

void integration_answer_init(struct integration_answer *a)
{
    *a = (struct integration_answer){.status = 0};
    buf_init(&a->headers, MAX_ANSWER);
    buf_init(&a->content_type, HOP_LINE_MAX);
    buf_init(&a->body, MAX_BODY);
}

void integration_answer_fini(struct integration_answer *a)
{
    buf_fini(&a->headers);
    buf_fini(&a->content_type);
    buf_fini(&a->body);
}

/* --- the URL --- */

static bool is_named(const struct spec_fields *fields, struct slice name)
{
    for (size_t i = 0; i < fields->n; i++)
        if (slice_eq_nocase(slice_str(fields->at[i].name), name))
            return true;
    return false;
}

/* With the client's there would be two of it, or what a program takes for two. */
static bool is_replaced(const struct spec_fields *fields, struct slice name)
{
    for (size_t i = 0; i < fields->n; i++)
        if (parameters_same_name(slice_str(fields->at[i].name), name))
            return true;
    return false;
}

/* An '&' at the end says nothing where there is no query yet: it is of the path. */
static int put_separator(struct buf *url)
{
    bool query = memchr(url->data, '?', url->len) != NULL;
    uint8_t last = url->data[url->len - 1];
    if (query && (last == '?' || last == '&'))
        return 0;
    return buf_append_str(url, query ? "&" : "?");
}

static int put_query_field(const struct spec_fields *fields, const struct spec_field *field,
                           const struct parameters *values, struct buf *url)
{
    size_t before = url->len;
    int r = put_separator(url);
    if (r == 0)
        r = substitution_encode(url, slice_str(field->name));
    if (r == 0)
        r = buf_append_str(url, "=");
    size_t name_end = url->len;
    if (r == 0)
        r = substitution_field(url, field, values, true);
    if (r == 0 && url->len == name_end && fields->omit_empty)
        url->len = before;
    return r;
}

/* As the client wrote it, which http.h has found fit for a request line. */
static int put_rest_of_query(const struct spec_fields *fields, struct slice query, struct buf *url)
{
    struct slice pair, value;
    int r = 0;
    for (bool same; r == 0 && parameters_query_next(&query, "", &pair, &value, &same);) {
        bool named = pair.len == 0;
        for (size_t i = 0; i < fields->n && !named; i++) {
            struct slice one = pair, whole, rest;
            (void) parameters_query_next(&one, fields->at[i].name, &whole, &rest, &named);
        }
        if (named)
            continue;
        r = put_separator(url);
        if (r == 0)
            r = buf_append(url, pair);
    }
    return r;
}

static int put_url(const struct spec_operation *op, const struct integration_request *request,
                   const struct parameters *values, struct buf *url)
{
    const struct spec_integration *in = &op->integration;
    int r = substitution_url(url, &in->url, op, values);
    if (r == 0 && in->kind == SPEC_CONTAINER) {
        if (url->len > 0 && url->data[url->len - 1] == '/')
            url->len--;
        r = buf_append(url, request->path);
    }
    if (r == 0 && url->len == 0)
        r = -EINVAL;
    for (size_t i = 0; i < in->query.n && r == 0; i++)
        r = put_query_field(&in->query, &in->query.at[i], values, url);
    if (r == 0 && (in->query.rest || in->kind == SPEC_CONTAINER))
        r = put_rest_of_query(&in->query, request->query, url);
    if (r == 0 && !substitution_url_fits(buf_slice(url)))
        r = -EINVAL;
    return r < 0 ? r : buf_append(url, slice_of("", 1));
}

/* --- headers --- */

/* Values that were put together lie in a buffer that may still move. */
struct draft {
    struct header at[MAX_HEADERS];
    size_t from[MAX_HEADERS]; /* in the text; NOT_IN_TEXT: the value is the request's */
    size_t n;
};

static int put(struct draft *d, struct slice name, struct slice value, size_t from)
{
    if (d->n == MAX_HEADERS)
        return -EMSGSIZE;
    d->at[d->n] = (struct header){name, value};
    d->from[d->n++] = from;
    return 0;
}

static int put_field(struct draft *d, const struct spec_fields *fields,
                     const struct spec_field *field, const struct parameters *values,
                     struct buf *text)
{
    size_t from = text->len;
    int r = substitution_field(text, field, values, false);
    if (r < 0 || (text->len == from && fields->omit_empty))
        return r;
    return put(d, slice_str(field->name), slice_of(NULL, text->len - from), from);
}

static bool is_protocol(struct slice name)
{
    return slice_eq_nocase(name, SLICE_LIT("Sec-WebSocket-Protocol"));
}

/* Of the client's headers: with '*' all that are of the request and not of its connection; else
 * only who it says it is, and in a handshake the subprotocols that it speaks. */
static bool goes_along(const struct spec_integration *in, const struct integration_request *request,
                       size_t i)
{
    struct slice name = request->headers[i].name;
    if (is_replaced(&in->headers, name))
        return false;
    if (is_protocol(name)) /* it may be remembered, as a value of a parameter */
        return strcmp(request->method, "GET") == 0;
    bool all = in->headers.rest || in->kind == SPEC_CONTAINER;
    return all ? hop_takes_along(request, i) : slice_eq_nocase(name, SLICE_LIT("User-Agent"));
}

static int put_headers(const struct spec_operation *op, const struct integration_request *request,
                       const struct parameters *values, struct draft *d, struct buf *text)
{
    const struct spec_integration *in = &op->integration;
    size_t n_theirs = request->n_headers - request->n_own;
    int r = 0;
    for (size_t i = 0; i < in->headers.n && r == 0; i++) {
        struct slice name = slice_str(in->headers.at[i].name);
        if (!hop_is_ours(name) || is_protocol(name))
            r = put_field(d, &in->headers, &in->headers.at[i], values, text);
    }
    for (size_t i = 0; i < n_theirs && r == 0; i++)
        if (goes_along(in, request, i))
            r = put(d, request->headers[i].name, request->headers[i].value, NOT_IN_TEXT);
    for (size_t i = n_theirs; i < request->n_headers && r == 0; i++)
        r = put(d, request->headers[i].name, request->headers[i].value, NOT_IN_TEXT);
    if (r == 0 && request->content_type != NULL &&
        !is_named(&in->headers, SLICE_LIT("Content-Type")))
        r = put(d, SLICE_LIT("Content-Type"), slice_str(request->content_type), NOT_IN_TEXT);
    return r;
}

static int keep_headers(const struct draft *d, struct integration_call *ret)
{
    ret->headers = try_calloc(d->n + 1, sizeof(ret->headers[0]));
    if (ret->headers == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < d->n; i++) {
        ret->headers[i] = d->at[i];
        if (d->from[i] != NOT_IN_TEXT)
            ret->headers[i].value =
                slice_sub(buf_slice(&ret->text), d->from[i], d->from[i] + d->at[i].value.len);
        else if (!substitution_fits_header(d->at[i].value))
            return -EINVAL;
    }
    ret->request.headers = ret->headers;
    ret->request.n_headers = d->n;
    return 0;
}

/* --- the request --- */

static int make(const struct spec_operation *op, const struct integration_request *request,
                const struct parameters *values, struct integration_call *ret)
{
    struct draft *d = try_calloc(1, sizeof(*d));
    int r = d == NULL ? -ENOMEM : put_url(op, request, values, &ret->url);
    if (r == 0)
        r = put_headers(op, request, values, d, &ret->text);
    if (r == 0)
        r = keep_headers(d, ret);
    free(d);
    return r;
}

/* One that says what to do with a body has one, if an empty one: there are servers that insist on
 * its length (RFC 9110 section 8.6). */
static bool has_body(const char *method, const struct integration_request *request)
{
    return request->content_type != NULL || strcmp(method, "POST") == 0 ||
           strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

int integration_call(const struct spec_operation *op, const struct integration_request *request,
                     size_t max_body, struct integration_call *ret)
{
    const struct spec_integration *in = &op->integration;
    struct parameters values;
    *ret = (struct integration_call){.headers = NULL};
    int r = parameters_read(op, request, &values);
    if (r < 0)
        return r;
    buf_init(&ret->url, SUBSTITUTION_URL_MAX);
    buf_init(&ret->text, MAX_TEXT);
    ret->request = (struct outbound_request){
        .method = in->method != NULL ? in->method : request->method,
        .body = request->body,
        .connect_ms = in->connect_ms,
        .read_ms = in->read_ms,
        .max_body = max_body,
    };
    ret->request.has_body = has_body(ret->request.method, request);
    r = make(op, request, &values, ret);
    parameters_fini(&values);
    if (r < 0)
        integration_call_fini(ret);
    else
        ret->request.url = (const char *) ret->url.data;
    return r;
}

void integration_call_fini(struct integration_call *c)
{
    buf_fini(&c->url);
    buf_fini(&c->text);
    free(c->headers);
    *c = (struct integration_call){.headers = NULL};
}

/* --- the answer --- */

static bool is_token(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool fine = c > ' ' && c < 0x7f && memchr("()<>@,;:\\\"/[]?={}", c, 17) == NULL;
        if (!fine)
            return false;
    }
    return name.len > 0;
}

static int put_line(const struct header *h, struct buf *lines)
{
    int r = buf_append(lines, h->name);
    if (r == 0)
        r = buf_append_str(lines, ": ");
    if (r == 0)
        r = buf_append(lines, h->value);
    return r < 0 ? r : buf_append_str(lines, "\r\n");
}

int integration_answer(const struct outbound_answer *from, struct integration_answer *ret)
{
    struct slice type = outbound_header(from, "Content-Type");
    int r = type.len == 0 ? 0 : hop_put_type(ret, type);
    for (size_t i = 0; i < from->n_headers && r == 0; i++) {
        const struct header *h = &from->headers[i];
        if (!hop_is_ours(h->name) && is_token(h->name) && substitution_fits_header(h->value) &&
            !hop_is_of_connection(from->headers, from->n_headers, h->name) &&
            !slice_eq_nocase(h->name, SLICE_LIT("Content-Type")))
            r = put_line(h, &ret->headers);
    }
    if (r == 0)
        r = buf_append(&ret->body, from->body);
    ret->status = from->status;
    return r == 0 || r == -ENOMEM ? r : -EBADMSG;
}

bool integration_is_text(const struct integration_answer *a)
{
    struct slice type = buf_slice(&a->content_type);
    return slice_eq(type, SLICE_LIT("application/json")) ||
           (type.len >= 5 && slice_eq(slice_sub(type, 0, 5), SLICE_LIT("text/")));
}
