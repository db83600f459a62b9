/* cors.c - see cors.h. */
#include "cors.h"

#include "http_head.h"

bool cors_is_on(const struct spec_cors *cors)
{
    return cors != NULL && (cors->any_origin || cors->n_origins > 0);
}

static struct slice request_method(const struct http_head *head)
{
    size_t n;
    struct slice method = http_header(head, "Access-Control-Request-Method", &n);
    return n == 1 && head_is_token(method) ? method : (struct slice){0};
}

/* Empty: none, or more than one, which no browser sends. */
static struct slice origin_of(const struct http_head *head)
{
    size_t n;
    struct slice origin = http_header(head, "Origin", &n);
    return n == 1 ? origin : (struct slice){0};
}

bool cors_is_preflight(const struct http_head *head)
{
    return head->method == HTTP_M_OPTIONS && !head->has_body && origin_of(head).len > 0 &&
           request_method(head).len > 0;
}

/* Whose pages may read the answer, as it is told; empty: nobody's. */
static struct slice allowed_origin(const struct spec_cors *cors, const struct http_head *head)
{
    struct slice origin = origin_of(head), any = {0};
    if (cors->any_origin)
        return origin;
    if (cors->n_origins == 1)
        return slice_str(cors->origins[0]);
    for (size_t i = 0; i < cors->n_origins; i++) {
        if (origin.len > 0 && slice_eq_str(origin, cors->origins[i]))
            return origin;
        if (strcmp(cors->origins[i], "*") == 0)
            any = SLICE_LIT("*");
    }
    return any;
}

static int put_line(struct buf *out, const char *name, struct slice value)
{
    int r = buf_append_str(out, name);
    if (r == 0)
        r = buf_append_str(out, ": ");
    if (r == 0)
        r = buf_append(out, value);
    return r < 0 ? r : buf_append_str(out, "\r\n");
}

static int put_text(struct buf *out, const char *name, const char *value)
{
    return value == NULL ? 0 : put_line(out, name, slice_str(value));
}

/* What preflights and other answers have in common. *ret: some origin is allowed. */
static int put_origin(const struct spec_cors *cors, const struct http_head *head, struct buf *out,
                      bool *ret)
{
    struct slice origin = allowed_origin(cors, head);
    /* One that is not allowed makes another answer too: a cache must not give it to the others. */
    int r = cors->any_origin || cors->n_origins > 1 ? buf_append_str(out, "Vary: Origin\r\n") : 0;
    *ret = origin.len > 0;
    if (r == 0 && *ret)
        r = put_line(out, "Access-Control-Allow-Origin", origin);
    if (r == 0 && *ret && cors->credentials)
        r = buf_append_str(out, "Access-Control-Allow-Credentials: true\r\n");
    return r;
}

/* Where the rule has no methods the documentation sends the request's list of headers there, which
 * no browser would take for methods: it gets the method that it asks for. */
static int put_preflight(const struct spec_cors *cors, const struct http_head *head,
                         struct buf *out)
{
    bool allowed;
    int r = put_origin(cors, head, out, &allowed);
    if (r < 0 || !allowed)
        return r;
    struct slice asked = request_method(head);
    if (cors->methods != NULL || asked.len > 0)
        r = put_line(out, "Access-Control-Allow-Methods",
                     cors->methods != NULL ? slice_str(cors->methods) : asked);
    if (r == 0)
        r = put_text(out, "Access-Control-Allow-Headers", cors->allowed_headers);
    if (r == 0 && cors->max_age_s >= 0)
        r = buf_printf(out, "Access-Control-Max-Age: %lld\r\n", (long long) cors->max_age_s);
    return r;
}

int cors_preflight(const struct spec_cors *cors, const struct http_head *head, struct buf *out)
{
    size_t before = out->len;
    int r = cors_is_on(cors) ? put_preflight(cors, head, out) : 0;
    if (r < 0)
        out->len = before;
    return r;
}

int cors_headers(const struct spec_cors *cors, const struct http_head *head, struct buf *out)
{
    size_t before = out->len;
    bool allowed = false;
    int r = cors_is_on(cors) ? put_origin(cors, head, out, &allowed) : 0;
    if (r == 0 && allowed)
        r = put_text(out, "Access-Control-Expose-Headers", cors->exposed_headers);
    if (r < 0)
        out->len = before;
    return r;
}
