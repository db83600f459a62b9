/* credential.c - see credential.h. */
#include "credential.h"

#include "http_head.h"

/* Notes one more token: the first is kept, and how many there were. */
struct finding {
    struct slice token;
    unsigned n;
};

static void note(struct finding *f, struct slice token)
{
    if (f->n++ == 0)
        f->token = token;
}

static int result(const struct finding *f, struct slice *ret)
{
    if (f->n == 0)
        return -ENOENT;
    if (f->n > 1 || !slice_is_visible(f->token))
        return -EBADMSG;
    *ret = f->token;
    return 0;
}

static bool take_prefix(struct slice *text, struct slice prefix, bool nocase)
{
    if (text->len < prefix.len)
        return false;
    struct slice begin = slice_sub(*text, 0, prefix.len);
    if (nocase ? !slice_eq_nocase(begin, prefix) : !slice_eq(begin, prefix))
        return false;
    *text = slice_from(*text, prefix.len);
    return true;
}

/* --- the places --- */

static void find_header(const struct http_head *head, struct finding *f)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        struct slice value = head->headers[i].value;
        if (slice_eq_nocase(head->headers[i].name, SLICE_LIT("Authorization")) &&
            take_prefix(&value, SLICE_LIT("Bearer"), true) &&
            (value.len == 0 || value.data[0] == ' '))
            note(f, head_trim(value));
    }
}

static void find_protocol(const struct http_head *head, struct finding *f)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        if (!slice_eq_nocase(head->headers[i].name, SLICE_LIT("Sec-WebSocket-Protocol")))
            continue;
        struct slice list = head->headers[i].value, element;
        for (bool more = true; head_next_element(&list, &more, &element);)
            if (take_prefix(&element, SLICE_LIT(CREDENTIAL_PROTOCOL), false))
                note(f, element);
    }
}

static struct slice take_until(struct slice *rest, uint8_t separator)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = at == NULL ? rest->len : (size_t) (at - rest->data);
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, at == NULL ? len : len + 1);
    return part;
}

/* RFC 6265 section 4.2.1; the value may stand in quotes. */
static void find_cookie(const struct http_head *head, const char *name, struct finding *f)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        if (!slice_eq_nocase(head->headers[i].name, SLICE_LIT("Cookie")))
            continue;
        struct slice rest = head->headers[i].value;
        while (rest.len > 0) {
            struct slice value = head_trim(take_until(&rest, ';'));
            if (!slice_eq_str(take_until(&value, '='), name))
                continue;
            if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
                value = slice_sub(value, 1, value.len - 1);
            note(f, value);
        }
    }
}

int credential_find_query(const struct http_head *head, struct credential *ret)
{
    struct finding f = {.n = 0};
    struct slice query = head->query;
    while (query.len > 0) {
        struct slice value = take_until(&query, '&');
        if (!slice_eq(take_until(&value, '='), SLICE_LIT(CREDENTIAL_QUERY)))
            continue;
        int len = http_percent_decode(value, ret->decoded, sizeof(ret->decoded));
        note(&f, slice_of(ret->decoded, len < 0 ? 0 : (size_t) len));
    }
    return result(&f, &ret->token);
}

int credential_find_cookie(const struct http_head *head, const char *name, struct slice *ret)
{
    struct finding f = {.n = 0};
    find_cookie(head, name, &f);
    return result(&f, ret);
}

int credential_find(const struct http_head *head, const char *cookie, bool query,
                    struct credential *ret)
{
    struct finding header = {.n = 0}, protocol = {.n = 0};
    find_header(head, &header);
    int r = result(&header, &ret->token);
    if (r == -ENOENT) {
        find_protocol(head, &protocol);
        r = result(&protocol, &ret->token);
    }
    if (r == -ENOENT && query)
        r = credential_find_query(head, ret);
    if (r == -ENOENT && cookie[0] != '\0')
        r = credential_find_cookie(head, cookie, &ret->token);
    return r;
}
