/* registry_url.c - what registry_client.c does with URLs. */
#include "registry_url.h"

#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

void registry_url_printable(char *to, size_t size, struct slice text)
{
    size_t n = 0;
    while (n < text.len && n + 1 < size) {
        to[n] = text.data[n] >= 0x20 && text.data[n] < 0x7f ? (char) text.data[n] : '?';
        n++;
    }
    to[n] = '\0';
}

char *registry_url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *got = NULL;
    if (curl_url_get(url, part, &got, flags) != CURLUE_OK)
        return xstrdup("");
    char *copy = xstrdup(got);
    curl_free(got);
    return copy;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part, unsigned flags)
{
    char *x = registry_url_part(a, part, flags), *y = registry_url_part(b, part, flags);
    bool same = strcasecmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

bool registry_url_same_origin(CURLU *a, CURLU *b)
{
    return same_part(a, b, CURLUPART_SCHEME, 0) && same_part(a, b, CURLUPART_HOST, 0) &&
           same_part(a, b, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

bool registry_url_has_scheme(CURLU *url, const char *scheme)
{
    char *got = registry_url_part(url, CURLUPART_SCHEME, 0);
    bool has = strcasecmp(got, scheme) == 0;
    free(got);
    return has;
}

bool registry_url_text(CURLU *url, char ret[REGISTRY_URL_SIZE])
{
    char *text = registry_url_part(url, CURLUPART_URL, 0);
    size_t n = strlen(text);
    bool fits = n > 0 && n < REGISTRY_URL_SIZE;
    registry_url_printable(ret, REGISTRY_URL_SIZE, slice_of(text, n));
    free(text);
    return fits;
}

CURLU *registry_url_resolve(CURLU *from, const char *target)
{
    CURLU *url = from == NULL ? curl_url() : curl_url_dup(from);
    if (url == NULL)
        return NULL;
    if (curl_url_set(url, CURLUPART_URL, target, CURLU_DISALLOW_USER) != CURLUE_OK ||
        !(registry_url_has_scheme(url, "http") || registry_url_has_scheme(url, "https"))) {
        curl_url_cleanup(url);
        return NULL;
    }
    (void) curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    return url;
}

bool registry_url_has_part(CURLU *url, CURLUPart part)
{
    char *got = registry_url_part(url, part, 0);
    bool has = got[0] != '\0';
    free(got);
    return has;
}

bool registry_url_add_query(CURLU *url, const char *name, struct slice value)
{
    char text[1400];
    int n =
        snprintf(text, sizeof(text), "%s=%.*s", name, (int) value.len, (const char *) value.data);
    return n > 0 && (size_t) n < sizeof(text) &&
           curl_url_set(url, CURLUPART_QUERY, text, CURLU_APPENDQUERY | CURLU_URLENCODE) ==
               CURLUE_OK;
}
