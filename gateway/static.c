/* static.c - see static.h. */
#include "static.h"

#include "http_head.h"

#include <stdio.h>

#define ROOT_FILE "index.html"

/* The page runs what comes from here and nothing else, makes no markup of texts (Trusted Types),
 * talks to us alone (a WebSocket of the same origin is 'self' too, CSP level 3 section 6.7.2.8),
 * and is shown in nobody's frame. */
static const char SAFE[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Cache-Control: no-cache\r\n";

/* --- what the request wants --- */

static bool is_read(const struct http_head *head)
{
    return head->method == HTTP_M_GET || head->method == HTTP_M_HEAD;
}

/* An element of a list of preferences: whether it is one of the two names and not weighed 0. */
static bool is_wanted(struct slice element, const char *name, const char *other)
{
    const uint8_t *at = element.len == 0 ? NULL : memchr(element.data, ';', element.len);
    size_t len = at == NULL ? element.len : (size_t) (at - element.data);
    struct slice what = head_trim(slice_sub(element, 0, len));
    if (!slice_eq_nocase(what, slice_str(name)) && !slice_eq_nocase(what, slice_str(other)))
        return false;
    struct slice weight = head_trim(slice_from(element, at == NULL ? len : len + 1));
    if (weight.len < 3 || !slice_eq_nocase(slice_sub(weight, 0, 2), SLICE_LIT("q=")))
        return true;
    for (size_t i = 2; i < weight.len; i++)
        if (weight.data[i] != '0' && weight.data[i] != '.')
            return true;
    return false;
}

static bool accepts(const struct http_head *head, const char *header, const char *name,
                    const char *other)
{
    struct slice list = http_header(head, header, NULL), element;
    for (bool more = list.len > 0; head_next_element(&list, &more, &element);)
        if (is_wanted(element, name, other))
            return true;
    return false;
}

/* The weak comparison: `tag` is without quotes. */
static bool has_already(const struct http_head *head, const char *tag)
{
    struct slice list = http_header(head, "if-none-match", NULL), element;
    for (bool more = list.len > 0; head_next_element(&list, &more, &element);) {
        if (slice_eq(element, SLICE_LIT("*")))
            return true;
        if (element.len > 2 && slice_eq(slice_sub(element, 0, 2), SLICE_LIT("W/")))
            element = slice_from(element, 2);
        if (element.len > 2 && slice_eq_str(slice_sub(element, 1, element.len - 1), tag))
            return true;
    }
    return false;
}

bool static_is_below(struct slice path)
{
    struct slice root = SLICE_LIT(STATIC_ROOT);
    return path.len >= root.len && slice_eq(slice_sub(path, 0, root.len), root);
}

bool static_takes(const struct http_head *head)
{
    struct slice root = SLICE_LIT(STATIC_ROOT), path = head->path;
    if (slice_eq(path, SLICE_LIT("/"))) /* a program gets what it got before there was a console */
        return is_read(head) && accepts(head, "accept", "text/html", "application/xhtml+xml");
    return slice_eq(path, slice_sub(root, 0, root.len - 1)) || static_is_below(path);
}

/* --- answers --- */

static const struct static_file *find(struct slice path)
{
    struct slice root = SLICE_LIT(STATIC_ROOT), name = slice_from(path, root.len);
    if (name.len == 0)
        name = SLICE_LIT(ROOT_FILE);
    for (size_t i = 0; i < STATIC_N_FILES; i++)
        if (slice_eq_str(name, STATIC_FILES[i].name))
            return &STATIC_FILES[i];
    return NULL;
}

static void show_way(unsigned status, struct static_answer *ret)
{
    ret->status = status;
    (void) snprintf(ret->headers, sizeof(ret->headers), "Location: " STATIC_ROOT "\r\n%s", SAFE);
}

static void tell(unsigned status, const char *extra, struct slice body, struct static_answer *ret)
{
    ret->status = status;
    ret->body = body;
    (void) snprintf(ret->headers, sizeof(ret->headers), "%s%s", extra, SAFE);
}

static void give(const struct http_head *head, const struct static_file *file,
                 struct static_answer *ret)
{
    bool zipped = accepts(head, "accept-encoding", "gzip", "*");
    char tag[64];
    (void) snprintf(tag, sizeof(tag), "%s%s", file->hash, zipped ? "-gzip" : "");
    bool same = has_already(head, tag);
    ret->status = same ? 304 : 200;
    if (!same)
        ret->body = zipped ? file->zipped : file->plain;
    (void) snprintf(ret->headers, sizeof(ret->headers),
                    "Content-Type: %s\r\n%s%sETag: \"%s\"\r\nVary: Accept-Encoding\r\n", file->type,
                    SAFE, zipped && !same ? "Content-Encoding: gzip\r\n" : "", tag);
}

void static_answer(const struct http_head *head, struct static_answer *ret)
{
    *ret = (struct static_answer){.status = 404};
    if (!is_read(head)) {
        tell(405, "Allow: GET, HEAD\r\n", SLICE_LIT("Method not allowed\n"), ret);
        return;
    }
    bool above = head->path.len < strlen(STATIC_ROOT);
    const struct static_file *file = above ? NULL : find(head->path);
    if (above)
        show_way(head->path.len == 1 ? 302 : 308, ret);
    else if (file == NULL)
        tell(404, "", SLICE_LIT("Not found\n"), ret);
    else
        give(head, file, ret);
}
