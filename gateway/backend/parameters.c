/* parameters.c - see parameters.h. */
#include "parameters.h"

#include "mem.h"
#include "path_template.h"

#include <stdlib.h>

/* --- names --- */

static uint8_t folded(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t) (c + ('a' - 'A')) : c == '_' ? '-' : c;
}

bool parameters_same_name(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (folded(a.data[i]) != folded(b.data[i]))
            return false;
    return true;
}

bool parameters_is_own_name(struct slice name)
{
    static const struct slice PREFIX = SLICE_INIT(PARAMETERS_OWN_PREFIX);
    return name.len >= PREFIX.len && parameters_same_name(slice_sub(name, 0, PREFIX.len), PREFIX);
}

bool parameters_is_forged(const struct integration_request *request, size_t i)
{
    return i + request->n_own < request->n_headers &&
           parameters_is_own_name(request->headers[i].name);
}

/* Memory for the value of parameter number `i`. */
static int own(struct parameters *p, size_t i, size_t len)
{
    p->own[i] = try_calloc(1, len + 1);
    return p->own[i] == NULL ? -ENOMEM : 0;
}

/* --- path --- */

struct slice parameters_path_value(const char *route, struct slice path, const char *name)
{
    struct path_param all[SPEC_MAX_PARAMS];
    size_t n = path_params(route, path, all, ARRAY_LEN(all));
    for (size_t i = 0; i < n; i++)
        if (slice_eq_str(all[i].name, name))
            return all[i].value;
    return (struct slice){0};
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int parameters_decode(struct slice in, bool plus, uint8_t *to, size_t *ret_len)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.data[i];
        if (c == '%') {
            int high = i + 2 < in.len ? hex(in.data[i + 1]) : -1;
            int low = i + 2 < in.len ? hex(in.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -EINVAL;
            c = (uint8_t) (high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        to[n++] = c;
    }
    *ret_len = n;
    return 0;
}

static int take_decoded(struct parameters *p, size_t i, struct slice written, bool plus)
{
    size_t len = 0;
    int r = own(p, i, written.len);
    if (r == 0)
        r = parameters_decode(written, plus, p->own[i], &len);
    if (r == 0)
        p->at[i] = slice_of(p->own[i], len);
    return r;
}

/* --- query --- */

static struct slice take_until(struct slice *rest, uint8_t separator)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = at == NULL ? rest->len : (size_t) (at - rest->data);
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, at == NULL ? len : len + 1);
    return part;
}

/* Byte by byte: written with escapes a name is as long as a client likes. */
static bool stands_for(struct slice written, struct slice name)
{
    size_t n = 0;
    for (size_t i = 0, len; i < written.len; i += len, n++) {
        uint8_t byte;
        size_t one = 0;
        len = written.data[i] == '%' && i + 2 < written.len ? 3 : 1;
        if (n == name.len ||
            parameters_decode(slice_sub(written, i, i + len), true, &byte, &one) < 0 ||
            byte != name.data[n])
            return false;
    }
    return n == name.len;
}

bool parameters_query_next(struct slice *query, const char *name, struct slice *ret_pair,
                           struct slice *ret_value, bool *ret_same)
{
    if (query->len == 0)
        return false;
    struct slice rest = *ret_pair = take_until(query, '&');
    struct slice written = take_until(&rest, '=');
    *ret_value = rest;
    *ret_same = stands_for(written, slice_str(name));
    return true;
}

static bool query_value(struct slice query, const char *name, struct slice *ret)
{
    struct slice pair, value;
    bool same;
    while (parameters_query_next(&query, name, &pair, &value, &same)) {
        if (!same)
            continue;
        *ret = value;
        return true;
    }
    return false;
}

/* --- headers --- */

static bool header_counts(const struct integration_request *request, size_t i, const char *name)
{
    return slice_eq_nocase(request->headers[i].name, slice_str(name)) &&
           !parameters_is_forged(request, i);
}

/* Several of one name are one value (RFC 9110 section 5.3). */
static int take_header(struct parameters *p, size_t i, const struct integration_request *request,
                       const char *name, bool *ret_there)
{
    size_t n = 0, len = 0;
    if (request->content_type != NULL && strcasecmp(name, "Content-Type") == 0) {
        p->at[i] = slice_str(request->content_type);
        *ret_there = true;
        return 0;
    }
    for (size_t k = 0; k < request->n_headers; k++) {
        if (!header_counts(request, k, name))
            continue;
        p->at[i] = request->headers[k].value;
        len += p->at[i].len + 1;
        n++;
    }
    *ret_there = n > 0;
    if (n < 2)
        return 0;
    int r = own(p, i, len);
    if (r < 0)
        return r;
    size_t at = 0;
    for (size_t k = 0; k < request->n_headers; k++) {
        struct slice value = request->headers[k].value;
        if (!header_counts(request, k, name))
            continue;
        if (at > 0)
            p->own[i][at++] = ',';
        if (value.len > 0)
            memcpy(p->own[i] + at, value.data, value.len);
        at += value.len;
    }
    p->at[i] = slice_of(p->own[i], at);
    return 0;
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool cookie_value(const struct integration_request *request, const char *name,
                         struct slice *ret)
{
    for (size_t i = 0; i < request->n_headers; i++) {
        struct slice rest = request->headers[i].value;
        if (!slice_eq_nocase(request->headers[i].name, SLICE_LIT("Cookie")))
            continue;
        while (rest.len > 0) {
            struct slice pair = trimmed(take_until(&rest, ';'));
            struct slice key = trimmed(take_until(&pair, '='));
            if (!slice_eq_str(key, name))
                continue;
            *ret = trimmed(pair);
            return true;
        }
    }
    return false;
}

/* --- all --- */

static int take(struct parameters *p, size_t i, const struct spec_param *param,
                const struct integration_request *request)
{
    struct slice written = {0};
    bool there = false;
    int r = 0;
    switch (param->in) {
    case SPEC_IN_PATH:
        written = parameters_path_value(request->route->path, request->path, param->name);
        there = written.len > 0;
        r = take_decoded(p, i, written, false);
        break;
    case SPEC_IN_QUERY:
        there = query_value(request->query, param->name, &written);
        r = there ? take_decoded(p, i, written, true) : 0;
        break;
    case SPEC_IN_HEADER:
        r = take_header(p, i, request, param->name, &there);
        break;
    case SPEC_IN_COOKIE:
        there = cookie_value(request, param->name, &p->at[i]);
    }
    if (r == 0 && !there && param->fallback != NULL)
        p->at[i] = slice_str(param->fallback);
    else if (r == 0 && !there && param->required)
        r = -EINVAL;
    return r;
}

int parameters_read(const struct spec_operation *op, const struct integration_request *request,
                    struct parameters *ret)
{
    int r = 0;
    *ret = (struct parameters){.n = op->n_params};
    for (size_t i = 0; i < op->n_params && r == 0; i++)
        r = take(ret, i, &op->params[i], request);
    if (r < 0)
        parameters_fini(ret);
    return r;
}

void parameters_fini(struct parameters *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->own[i]);
    *p = (struct parameters){0};
}
