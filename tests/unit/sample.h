/* sample.h - a request as a registry sent it, read from tests/samples/: NAME.http is the whole
 * request, NAME.json the body of one with application/json. */
#ifndef UNIT_SAMPLE_H
#define UNIT_SAMPLE_H

#include "source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SAMPLE_MAX_BYTES (64 << 10)

struct sample {
    char head[4096];
    struct header headers[32];
    uint8_t *body; /* of exactly its size, so that a sanitizer sees every byte read past the end */
    struct source_request req;
};

static inline bool sample_ends(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

static inline void sample_body(struct sample *s, const char *bytes, size_t len)
{
    s->body = malloc(len > 0 ? len : 1);
    assert_non_null(s->body);
    memcpy(s->body, bytes, len);
    s->req.body = slice_of(s->body, len);
}

/* The header fields of s->head, which it cuts into strings: the request line is left out. */
static inline void sample_headers(struct sample *s)
{
    char *rest = strstr(s->head, "\r\n");
    assert_non_null(rest);
    for (char *line = strtok_r(rest, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        char *value = strchr(line, ':');
        assert_non_null(value);
        assert_true(s->req.headers.n < ARRAY_LEN(s->headers));
        *value++ = '\0';
        s->headers[s->req.headers.n++] =
            (struct header){slice_str(line), slice_str(value + strspn(value, " "))};
    }
    s->req.headers.at = s->headers;
    s->req.content_type = headers_only(s->req.headers, "Content-Type");
}

/* `name` is under tests/samples/: "harbor/push-artifact-tag.http". For sample_close(). */
static inline void sample_open(struct sample *s, const char *name)
{
    static char bytes[SAMPLE_MAX_BYTES];
    char path[1024];
    const char *dir = getenv("REGCAST_SOURCE_DIR");
    assert_non_null(dir);
    (void) snprintf(path, sizeof(path), "%s/tests/samples/%s", dir, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t len = fread(bytes, 1, sizeof(bytes) - 1, f);
    assert_true(feof(f) && !ferror(f));
    assert_int_equal(fclose(f), 0);
    bytes[len] = '\0';

    *s = (struct sample){.req = {.content_type = SLICE_LIT("application/json")}};
    if (sample_ends(name, ".json")) {
        sample_body(s, bytes, len);
        return;
    }
    const char *end = strstr(bytes, "\r\n\r\n");
    assert_non_null(end);
    size_t head = (size_t) (end - bytes) + 2;
    assert_true(head < sizeof(s->head));
    memcpy(s->head, bytes, head);
    sample_headers(s);
    sample_body(s, end + 4, len - head - 2);
}

static inline void sample_close(struct sample *s)
{
    free(s->body);
}

#endif
