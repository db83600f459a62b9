/* hop.c - see hop.h. */
#include "hop.h"

#include "parameters.h"
#include "substitution.h"

static const char *const OURS[] = {
    "Connection",
    "Content-Length",
    "Expect",
    "Host",
    "HTTP2-Settings",
    "Keep-Alive",
    "Proxy-Authorization",
    "TE",
    "Proxy-Authenticate",
    "Proxy-Connection",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
};
static const char *const OUR_PREFIXES[] = {"Sec-WebSocket-", PARAMETERS_OWN_PREFIX};

bool hop_is_ours(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(OURS); i++)
        if (slice_eq_nocase(name, slice_str(OURS[i])))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(OUR_PREFIXES); i++) {
        struct slice prefix = slice_str(OUR_PREFIXES[i]);
        if (name.len >= prefix.len && slice_eq_nocase(slice_sub(name, 0, prefix.len), prefix))
            return true;
    }
    return false;
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
