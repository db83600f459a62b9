/* spec_url.c - which URLs a specification may send requests to: those whose scheme and authority
 * are fixed text, so that no value of a parameter can choose where they lead. */
#include "spec_private.h"

#include "utf8.h"

bool spec_is_token(const char *s)
{
    return s[0] != '\0' && s[strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

bool spec_is_printed(const char *s)
{
    if (!utf8_valid(slice_str(s)))
        return false;
    for (; *s != '\0'; s++)
        if (((uint8_t) *s < ' ' && *s != '\t') || *s == 0x7f)
            return false;
    return true;
}

static bool is_port(const char *s, size_t len)
{
    unsigned port = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9' || i == 5)
            return false;
        port = port * 10 + (unsigned) (s[i] - '0');
    }
    return len > 0 && port > 0 && port <= 65535;
}

/* host or host:port or [address]:port */
static const char *check_authority(const char *s, size_t len)
{
    size_t host;
    if (memchr(s, '@', len) != NULL)
        return "it has a user: put it into a header Authorization";
    if (len > 0 && s[0] == '[') {
        const char *end = memchr(s, ']', len);
        size_t digits = strspn(s + 1, "0123456789abcdefABCDEF:.");
        host = end == NULL ? 0 : (size_t) (end - s) + 1;
        if (end == NULL || digits + 2 != host || host < 4)
            return "its host is no address";
    } else {
        host = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
        if (host > len)
            host = len;
        if (host == 0 || host > 253)
            return "it has no host, or one with other characters than letters, digits, '.', '-' "
                   "and '_'";
    }
    if (host < len && (s[host] != ':' || !is_port(s + host + 1, len - host - 1)))
        return s[host] == ':' ? "its port is no number from 1 to 65535"
                              : "its host has other characters than letters, digits, '.', '-' and "
                                "'_'";
    return NULL;
}

static const char *check_literal(const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '#')
            return "it has a fragment (#), which is never sent";
        if ((uint8_t) *s <= ' ' || (uint8_t) *s > '~' || *s == '\\' || *s == '"' || *s == '<' ||
            *s == '>')
            return "it has a character that has to be percent-encoded";
    }
    return NULL;
}

const char *spec_url_check(const struct spec_text *url)
{
    const char *first = url->n > 0 ? url->pieces[0].literal : NULL, *why;
    if (first == NULL)
        return "its scheme and host are no fixed text: they have to be, so that no request can "
               "choose where it leads";
    size_t scheme = strncasecmp(first, "https://", 8) == 0  ? 8
                    : strncasecmp(first, "http://", 7) == 0 ? 7
                                                            : 0;
    if (scheme == 0)
        return "it begins with neither http:// nor https://";
    size_t len = strcspn(first + scheme, "/?#");
    if (first[scheme + len] == '\0' && url->n > 1)
        return "a parameter follows its host at once: put a '/' between them, so that no request "
               "can choose where it leads";
    if ((why = check_authority(first + scheme, len)) != NULL)
        return why;
    for (size_t i = 0; i < url->n; i++)
        if (url->pieces[i].literal != NULL && (why = check_literal(url->pieces[i].literal)) != NULL)
            return why;
    return NULL;
}

const char *spec_url_check_plain(const char *url)
{
    struct spec_piece piece = {.literal = (char *) url}; /* which is only read */
    return spec_url_check(&(struct spec_text){.pieces = &piece, .n = 1});
}
