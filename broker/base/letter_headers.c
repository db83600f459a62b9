/* letter_headers.c - see letter_headers.h. */
#include "letter_headers.h"

static const struct slice WHOLE[] = {SLICE_INIT("content-type"), SLICE_INIT("user-agent"),
                                     SLICE_INIT("webhook-id"), SLICE_INIT("traceparent")};
static const struct slice BEGINNINGS[] = {
    SLICE_INIT("ce-"),        SLICE_INIT("x-github-"), SLICE_INIT("x-gitea-"),
    SLICE_INIT("x-forgejo-"), SLICE_INIT("x-gogs-"),   SLICE_INIT("x-jfrog-"),
    SLICE_INIT("x-nexus-"),   SLICE_INIT("x-goog-"),   SLICE_INIT("aeg-"),
};
/* In the name of a field anywhere: better one too many than a secret in the store. X-JFrog-Art-Api
 * has Artifactory's API key, X-Goog-IAP-JWT-Assertion what a proxy of Google's signed. */
static const struct slice WORDS[] = {
    SLICE_INIT("-api"),   SLICE_INIT("assertion"), SLICE_INIT("jwt"),        SLICE_INIT("-otp"),
    SLICE_INIT("auth"),   SLICE_INIT("cookie"),    SLICE_INIT("credential"), SLICE_INIT("key"),
    SLICE_INIT("passwo"), SLICE_INIT("signature"), SLICE_INIT("secret"),     SLICE_INIT("token"),
};

static bool has(struct slice text, struct slice word)
{
    for (size_t at = 0; at + word.len <= text.len; at++)
        if (slice_eq_nocase(slice_sub(text, at, at + word.len), word))
            return true;
    return false;
}

bool letter_headers_secret(struct slice name, const struct config_registry *registry)
{
    if (registry != NULL && registry->token_header != NULL &&
        slice_eq_nocase(name, slice_str(registry->token_header)))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        if (has(name, WORDS[i]))
            return true;
    return false;
}

static bool is_whole(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(WHOLE); i++)
        if (slice_eq_nocase(name, WHOLE[i]))
            return true;
    return false;
}

static bool begins(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(BEGINNINGS); i++)
        if (name.len > BEGINNINGS[i].len &&
            slice_eq_nocase(slice_sub(name, 0, BEGINNINGS[i].len), BEGINNINGS[i]))
            return true;
    return false;
}

static int put_some(struct headers all, const struct config_registry *registry, bool whole,
                    size_t *left, struct buf *out)
{
    for (size_t i = 0; i < all.n; i++) {
        struct slice name = all.at[i].name, value = all.at[i].value;
        size_t len = name.len + value.len + sizeof(": \r\n") - 1;
        bool kept = whole ? is_whole(name) : begins(name);
        if (!kept || len > *left || letter_headers_secret(name, registry))
            continue;
        int r = buf_append(out, name);
        if (r == 0)
            r = buf_append_str(out, ": ");
        if (r == 0)
            r = buf_append(out, value);
        if (r == 0)
            r = buf_append_str(out, "\r\n");
        if (r < 0)
            return r;
        *left -= len;
    }
    return 0;
}

int letter_headers_put(struct headers all, const struct config_registry *registry, struct buf *out)
{
    size_t left = LETTER_HEADERS_MAX;
    int r = put_some(all, registry, true, &left, out);
    return r == 0 ? put_some(all, registry, false, &left, out) : r;
}

/* --- reading --- */

static bool read_line(struct slice line, struct header *ret)
{
    const uint8_t *colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
    if (colon == NULL || colon == line.data)
        return false;
    size_t at = (size_t) (colon - line.data);
    struct slice value = slice_from(line, at + 1);
    while (value.len > 0 && value.data[0] == ' ')
        value = slice_from(value, 1);
    *ret = (struct header){.name = slice_sub(line, 0, at), .value = value};
    return true;
}

struct headers letter_headers_read(struct slice text, struct header ret[LETTER_HEADERS_N])
{
    struct headers all = {.at = ret};
    while (text.len > 0 && all.n < LETTER_HEADERS_N) {
        const uint8_t *end = memmem(text.data, text.len, "\r\n", 2);
        size_t len = end == NULL ? text.len : (size_t) (end - text.data);
        if (read_line(slice_sub(text, 0, len), &ret[all.n]))
            all.n++;
        text = slice_from(text, end == NULL ? len : len + 2);
    }
    return all;
}
