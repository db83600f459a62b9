/* hop.c - see hop.h. */
#include "hop.h"

#include "parameters.h"
#include "substitution.h"

/* Alt-Svc says where else the backend is, where nobody but us may go. Proxy is no header at all,
 * but to a CGI program it is HTTP_PROXY. */
static const char *const OURS[] = {
    "Alt-Svc", "Connection",     "Content-Length", "Expect", "Host",    "Keep-Alive",
    "Proxy",   "HTTP2-Settings", "Trailer",        "TE",     "Upgrade", "Transfer-Encoding",
};
static const char *const OUR_PREFIXES[] = {"Proxy-", "Sec-WebSocket-", PARAMETERS_OWN_PREFIX};

static bool begins_with(struct slice name, const char *text)
{
    struct slice prefix = slice_str(text);
    return name.len >= prefix.len && parameters_same_name(slice_sub(name, 0, prefix.len), prefix);
}

bool hop_is_ours(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(OURS); i++)
        if (parameters_same_name(name, slice_str(OURS[i])))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(OUR_PREFIXES); i++)
        if (begins_with(name, OUR_PREFIXES[i]))
            return true;
    return false;
}

bool hop_is_of_connection(const struct header *headers, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++) {
        struct slice list = headers[i].value;
        if (!slice_eq_nocase(headers[i].name, SLICE_LIT("Connection")))
            continue;
        for (size_t at = 0, start = 0; at <= list.len; at++) {
            bool ends = at == list.len || memchr(", \t", list.data[at], 3) != NULL;
            if (ends && slice_eq_nocase(slice_sub(list, start, at), name))
                return true;
            start = ends ? at + 1 : start;
        }
    }
    return false;
}

bool hop_takes_along(const struct integration_request *request, size_t i)
{
    struct slice name = request->headers[i].name;
    return !hop_is_ours(name) && !slice_eq_nocase(name, SLICE_LIT("Accept-Encoding")) &&
           !begins_with(name, "Content-") &&
           !hop_is_of_connection(request->headers, request->n_headers - request->n_own, name);
}

int hop_put_type(struct integration_answer *a, struct slice value)
{
    if (!substitution_fits_header(value) || value.len > HOP_LINE_MAX)
        return -EINVAL;
    int r = buf_append_str(&a->headers, "Content-Type: ");
    if (r == 0)
        r = buf_append(&a->headers, value);
    if (r == 0)
        r = buf_append_str(&a->headers, "\r\n");
    for (size_t i = 0; i < value.len && r == 0; i++) {
        uint8_t c = value.data[i];
        if (c == ';' || c == ' ' || c == '\t')
            break;
        c = (uint8_t) (c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        r = buf_append(&a->content_type, slice_of(&c, 1));
    }
    return r;
}
