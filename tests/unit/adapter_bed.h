/* adapter_bed.h - what tests of adapters share: a request from its parts, a sample with the list of
 * what it has to lead to, a body with one place changed, and bodies that are broken in ways that
 * every adapter has to withstand. What is heard is in heard.h's lines, or "refused WHY\n". */
#ifndef UNIT_ADAPTER_BED_H
#define UNIT_ADAPTER_BED_H

#include "heard.h"
#include "sample.h"

#define DIGEST "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"

struct bed {
    const struct source *source;
    const struct config_registry *registry;
    const char *content_type;
    struct headers headers;
};

/* Valid until the next call. */
static inline const char *bed_adapt(const struct source *source, const struct source_request *req)
{
    static struct heard h;
    const char *why;
    if (heard_adapt(&h, source, req, &why) < 0)
        heard_add(&h, "refused %s\n", why);
    return h.text;
}

static inline const char *bed_run(const struct bed *bed, const char *body, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1); /* of exactly its size, as in sample.h */
    assert_non_null(copy);
    memcpy(copy, body, len);
    const char *said = bed_adapt(
        bed->source, &(struct source_request){.content_type = slice_str(bed->content_type != NULL
                                                                            ? bed->content_type
                                                                            : "application/json"),
                                              .headers = bed->headers,
                                              .body = slice_of(copy, len),
                                              .registry = bed->registry});
    free(copy);
    return said;
}

struct bed_sample {
    const char *name, *want;
    const char *known_by; /* NULL: by nothing, its kind has to be declared */
};

static inline void bed_samples(const struct bed *bed, const struct bed_sample *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sample s;
        print_message("  %s\n", samples[i].name);
        sample_open(&s, samples[i].name);
        assert_string_equal(bed_adapt(bed->source, &s.req), samples[i].want);
        const char *known_by = NULL;
        const struct source *found = source_detect(&s.req, &known_by);
        assert_ptr_equal(found, samples[i].known_by == NULL ? NULL : bed->source);
        if (samples[i].known_by != NULL)
            assert_string_equal(known_by, samples[i].known_by);
        sample_close(&s);
    }
}

/* `body` with `by` in place of `what`, which it has. The caller's. */
static inline char *bed_changed(const char *body, const char *what, const char *by)
{
    const char *at = strstr(body, what);
    assert_non_null(at);
    size_t cap = strlen(body) + strlen(by) + 1;
    char *changed = malloc(cap);
    assert_non_null(changed);
    (void) snprintf(changed, cap, "%.*s%s%s", (int) (at - body), body, by, at + strlen(what));
    return changed;
}

struct bed_change {
    const char *what, *by, *want;
};

static inline void bed_changes(const struct bed *bed, const char *body,
                               const struct bed_change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        print_message("  %.70s\n", changes[i].by);
        char *changed = bed_changed(body, changes[i].what, changes[i].by);
        assert_string_equal(bed_run(bed, changed, strlen(changed)), changes[i].want);
        free(changed);
    }
}

/* Cut off anywhere, it leads to nothing, and is not passed over in silence. */
static inline void bed_truncated(const struct bed *bed, const char *body)
{
    for (size_t len = 0; len < strlen(body); len++) {
        const char *said = bed_run(bed, body, len);
        if (strncmp(said, "refused ", 8) != 0 && strncmp(said, "aside ", 6) != 0)
            fail_msg("cut to %zu bytes it says: %s", len, said);
    }
}

/* JSON that is none, or nothing that we read: `body` is an object, `begins` what the reason stands
 * behind ("refused " or "aside "), `before` and `after` stand around the object. */
static inline void bed_broken(const struct bed *bed, const char *body, const char *begins,
                              const char *before, const char *after)
{
#define FIVE(s) s s s s s
    static const struct {
        const char *member; /* in front of the others */
        const char *why;
    } CASES[] = {
        {"\"x\":" FIVE(FIVE("[")) FIVE("[") "[[" FIVE(FIVE("]")) FIVE("]") "]],", "depth"},
        {"\"x\":1,\"\\u0078\":2,", "duplicate_key"},
        {"\"x\":\"a\\u0000b\",", "nul"},
        {"\"x\":\"\x01\",", "control"},
        {"\"x\":\"\xff\",", "utf8"},
        {"\"x\":\"\xc0\xaf\",", "utf8"},
        {"\"x\":\"\xed\xa0\x80\",", "utf8"},
        {"\"x\":\"\\ud800\",", "utf8"},
        {"\"x\":01,", "number"},
        {"\"x\":1.,", "number"},
        {"\"x\":+1,", "syntax"},
        {"\"x\":.5,", "syntax"},
        {"\"x\":NaN,", "syntax"},
        {"/* note */", "syntax"},
        {",", "syntax"},
    };
#undef FIVE
    static char broken[64 << 10], want[64];
    assert_int_equal(body[0], '{');
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %.40s\n", CASES[i].member);
        (void) snprintf(broken, sizeof(broken), "%s{%s%s%s", before, CASES[i].member, body + 1,
                        after);
        (void) snprintf(want, sizeof(want), "%s%s\n", begins, CASES[i].why);
        assert_string_equal(bed_run(bed, broken, strlen(broken)), want);
    }
    /* more tokens than an event may have */
    size_t n = (size_t) snprintf(broken, sizeof(broken), "%s{\"x\":[0", before);
    for (unsigned i = 0; i < 20000; i++, n += 2)
        memcpy(broken + n, ",0", 2);
    (void) snprintf(broken + n, sizeof(broken) - n, "],%s%s", body + 1, after);
    (void) snprintf(want, sizeof(want), "%stokens\n", begins);
    assert_string_equal(bed_run(bed, broken, strlen(broken)), want);
}

#endif
