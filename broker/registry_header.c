/* registry_header.c - the two headers of a registry's answers that need reading. */
#include "registry_header.h"

#include <stddef.h>

#define NAME_MAX_BYTES  64
#define VALUE_MAX_BYTES 1024 /* with the NUL */

/* A reader of header fields; everything moves `s` past what it took. */
static void skip_space(struct slice *s)
{
    while (s->len > 0 && (s->data[0] == ' ' || s->data[0] == '\t'))
        *s = slice_from(*s, 1);
}

static bool take(struct slice *s, char c)
{
    skip_space(s);
    if (s->len == 0 || s->data[0] != (uint8_t) c)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

static bool is_token(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* A token; empty when there is none. */
static struct slice take_token(struct slice *s)
{
    size_t n = 0;
    skip_space(s);
    while (n < s->len && is_token(s->data[n]))
        n++;
    struct slice token = slice_sub(*s, 0, n);
    *s = slice_from(*s, n);
    return token;
}

/* A token or a quoted string, unescaped and NUL-terminated. False: neither, or too long. */
static bool take_value(struct slice *s, char ret[VALUE_MAX_BYTES])
{
    size_t n = 0;
    if (!take(s, '"')) {
        struct slice token = take_token(s);
        if (token.len == 0 || token.len >= VALUE_MAX_BYTES)
            return false;
        memcpy(ret, token.data, token.len);
        ret[token.len] = '\0';
        return true;
    }
    for (size_t i = 0; i < s->len; i++) {
        uint8_t c = s->data[i];
        if (c == '"') {
            ret[n] = '\0';
            *s = slice_from(*s, i + 1);
            return true;
        }
        if (c == '\\' && ++i < s->len)
            c = s->data[i];
        if (i >= s->len || c == '\0' || n + 1 >= VALUE_MAX_BYTES)
            return false;
        ret[n++] = (char) c;
    }
    return false;
}

/* --- Link --- */

/* Is `word` one of the words of a rel value, which are separated by spaces? */
static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; *at != '\0';) {
        size_t n = strcspn(at, " \t");
        if (n == len && strncasecmp(at, word, n) == 0)
            return true;
        at += n;
        at += strspn(at, " \t");
    }
    return false;
}

/* The parameters of one link. False: malformed. */
static bool take_link_params(struct slice *s, bool *ret_next)
{
    char value[VALUE_MAX_BYTES];
    bool seen = false;
    *ret_next = false;
    while (take(s, ';')) {
        struct slice name = take_token(s);
        if (name.len == 0)
            return false;
        if (!take(s, '='))
            continue; /* a parameter may be without a value */
        if (!take_value(s, value))
            return false;
        if (!seen && slice_eq_nocase(name, SLICE_LIT("rel"))) {
            *ret_next = has_word(value, "next");
            seen = true; /* RFC 8288 section 3.3: later ones are ignored */
        }
    }
    return true;
}

bool registry_header_next(struct slice link, struct slice *ret_target)
{
    for (;;) {
        bool next;
        while (take(&link, ','))
            ;
        if (!take(&link, '<'))
            return false;
        const uint8_t *end = link.len == 0 ? NULL : memchr(link.data, '>', link.len);
        if (end == NULL)
            return false;
        struct slice target = slice_sub(link, 0, (size_t) (end - link.data));
        link = slice_from(link, target.len + 1);
        if (!take_link_params(&link, &next))
            return false;
        if (next) {
            *ret_target = target;
            return true;
        }
    }
}

/* --- WWW-Authenticate --- */

/* Copies a text that fits; false when it does not. */
static bool keep(char *to, size_t size, const char *value)
{
    size_t n = strlen(value);
    if (n >= size)
        return false;
    memcpy(to, value, n + 1);
    return true;
}

static void name_scheme(struct registry_challenge *c, struct slice scheme)
{
    size_t n = strlen(c->schemes), comma = n == 0 ? 0 : 2;
    if (n + comma + scheme.len >= sizeof(c->schemes))
        return;
    memcpy(c->schemes + n, ", ", comma);
    memcpy(c->schemes + n + comma, scheme.data, scheme.len);
    c->schemes[n + comma + scheme.len] = '\0';
}

enum reading { OTHER, BASIC, BEARER };

static bool keep_param(struct registry_challenge *c, enum reading scheme, struct slice name,
                       const char *value)
{
    if (scheme == BASIC && slice_eq_nocase(name, SLICE_LIT("realm")))
        (void) keep(c->basic_realm, sizeof(c->basic_realm), value); /* only for messages */
    if (scheme != BEARER)
        return true;
    if (slice_eq_nocase(name, SLICE_LIT("realm")))
        return keep(c->realm, sizeof(c->realm), value);
    if (slice_eq_nocase(name, SLICE_LIT("service")))
        return keep(c->service, sizeof(c->service), value);
    if (slice_eq_nocase(name, SLICE_LIT("scope")))
        return keep(c->scope, sizeof(c->scope), value);
    return true;
}

static enum reading begin_scheme(struct registry_challenge *c, struct slice scheme)
{
    name_scheme(c, scheme);
    if (slice_eq_nocase(scheme, SLICE_LIT("Basic")) && !c->basic) {
        c->basic = true;
        return BASIC;
    }
    if (slice_eq_nocase(scheme, SLICE_LIT("Bearer")) && !c->bearer) {
        c->bearer = true;
        return BEARER;
    }
    return OTHER;
}

void registry_header_challenge(struct slice value, struct registry_challenge *c)
{
    char text[VALUE_MAX_BYTES];
    enum reading scheme = OTHER;
    for (;;) {
        while (take(&value, ','))
            ;
        struct slice name = take_token(&value), rest = value;
        if (name.len == 0 || name.len > NAME_MAX_BYTES)
            break; /* the end, or nothing that begins a scheme or parameter */
        if (!take(&rest, '=')) {
            scheme = begin_scheme(c, name);
            continue;
        }
        value = rest;
        if (!take_value(&value, text) || !keep_param(c, scheme, name, text)) {
            c->bearer = c->bearer && scheme != BEARER;
            return;
        }
    }
}
