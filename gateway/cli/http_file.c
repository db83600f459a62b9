/* http_file.c - see http_file.h. */
#include "http_file.h"

#include "letter_headers.h"

/* What is between two machines, or proves who somebody is: it is not for the one who reads the
 * webhook. */
static const char *const DROPPED[] = {
    "accept",     "accept-encoding",     "authorization", "connection",
    "cookie",     "content-encoding",    "expect",        "host",
    "keep-alive", "proxy-authorization", "range",         "te",
    "trailer",    "transfer-encoding",   "upgrade",       "content-length",
};

/* The next line without its end, which `text` moves past. False: there is no whole line. */
static bool next_line(struct slice *text, struct slice *ret)
{
    const uint8_t *end = text->len == 0 ? NULL : memchr(text->data, '\n', text->len);
    if (end == NULL)
        return false;
    size_t len = (size_t) (end - text->data);
    *ret = slice_sub(*text, 0, len > 0 && end[-1] == '\r' ? len - 1 : len);
    *text = slice_from(*text, len + 1);
    return true;
}

static bool is_request_line(struct slice line)
{
    const uint8_t *version = line.len == 0 ? NULL : memmem(line.data, line.len, " HTTP/1.", 8);
    size_t at = 0;
    while (at < line.len && line.data[at] >= 'A' && line.data[at] <= 'Z')
        at++;
    return version != NULL && at > 0 && at < line.len && line.data[at] == ' ';
}

static bool begins(struct slice s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.data, with, n) == 0;
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool is_dropped(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(DROPPED); i++)
        if (slice_eq_nocase(name, slice_str(DROPPED[i])))
            return true;
    return false;
}

/* The end of the body, where the request says it: an editor likes to add a line feed. */
static void cut_body(struct slice length, struct slice *rest)
{
    uint64_t n = 0;
    for (size_t i = 0; i < length.len; i++) {
        if (length.data[i] < '0' || length.data[i] > '9' || n > SIZE_MAX / 16)
            return;
        n = n * 10 + (uint64_t) (length.data[i] - '0');
    }
    if (length.len > 0 && n < rest->len)
        rest->len = (size_t) n;
}

static int read_headers(struct slice *rest, struct http_file *f, const char **ret_why)
{
    struct slice line, length = {0};
    *ret_why = "its header fields do not end with an empty line";
    while (next_line(rest, &line)) {
        if (line.len == 0) {
            cut_body(length, rest);
            return 0;
        }
        const uint8_t *colon = memchr(line.data, ':', line.len);
        if (colon == NULL || colon == line.data) {
            *ret_why = "it has a header line without a name";
            return -EBADMSG;
        }
        size_t at = (size_t) (colon - line.data);
        struct header h = {slice_sub(line, 0, at), trimmed(slice_from(line, at + 1))};
        if (slice_eq_nocase(h.name, SLICE_LIT("content-length")))
            length = h.value;
        if (slice_eq_nocase(h.name, SLICE_LIT("transfer-encoding"))) {
            *ret_why = "its body is in chunks";
            return -EBADMSG;
        }
        if (is_dropped(h.name))
            continue;
        if (f->n_headers == HTTP_FILE_HEADERS) {
            *ret_why = "it has too many header fields";
            return -EBADMSG;
        }
        if (letter_headers_secret(h.name, NULL))
            h.value = SLICE_LIT(HTTP_FILE_HIDDEN);
        f->headers[f->n_headers++] = h;
    }
    return -EBADMSG;
}

int http_file_read(struct slice text, struct http_file *ret, const char **ret_why)
{
    struct slice rest = text, line;
    *ret = (struct http_file){.body = text};
    if (!next_line(&rest, &line) || !is_request_line(line))
        return 0;
    if (!begins(line, "POST ") && !begins(line, "PUT ")) {
        *ret_why = "it is a request, but no POST";
        return -EBADMSG;
    }
    int r = read_headers(&rest, ret, ret_why);
    ret->body = rest;
    return r;
}
