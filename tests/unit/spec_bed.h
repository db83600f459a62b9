/* spec_bed.h - specifications from text, for the tests of broker/base/spec*.c. Include after
 * cmocka.
 */
#ifndef TESTS_UNIT_SPEC_BED_H
#define TESTS_UNIT_SPEC_BED_H

#include "config_doc.h"
#include "mem.h"
#include "spec.h"

#include <stdio.h>
#include <stdlib.h>

#define OPENAPI "openapi: 3.0.0\ninfo: {title: t, version: '1'}\n" /* lines 1 and 2 */
/* Lines 3 to 5, and line 6 is the next one: what a path has beside its message. */
#define WS                                                                                         \
    "paths:\n  /ws:\n    x-yc-apigateway-websocket-message: {x-yc-apigateway-integration: "        \
    "{type: dummy, content: {'*': hi}}}\n"
#define MESSAGE(path, parameters, integration)                                                     \
    OPENAPI "paths:\n  " path                                                                      \
            ":\n    x-yc-apigateway-websocket-message:\n      parameters: " parameters             \
            "\n      x-yc-apigateway-integration:\n" integration

static const struct spec_named BED_CONTAINERS[] = {{"bba0", "http://127.0.0.1:8080/box"},
                                                   {"slash", "http://h/"},
                                                   {"bad", "ftp://x"},
                                                   {"asks", "http://x/?a=b"}};
static const struct spec_named BED_FUNCTIONS[] = {{"d4e0", "http://127.0.0.1:8081/f"},
                                                  {"bad", "nowhere"}};
static const struct spec_options BED_OPTIONS = {.containers = BED_CONTAINERS,
                                                .n_containers = ARRAY_LEN(BED_CONTAINERS),
                                                .functions = BED_FUNCTIONS,
                                                .n_functions = ARRAY_LEN(BED_FUNCTIONS)};

static inline struct spec *spec_bed_with(const char *text, const struct spec_options *options)
{
    struct problems problems = {.file = "f"};
    struct spec *spec = NULL;
    int r = spec_parse(slice_str(text), options, &problems, &spec);
    if (r < 0)
        fail_msg("%s\n%u: %s", text, problems.n == 0 ? 0 : problems.at[0].line,
                 problems.n == 0 ? "no problem is told" : problems.at[0].text);
    assert_int_equal(problems.n, 0);
    return spec;
}

static inline struct spec *spec_bed(const char *text)
{
    return spec_bed_with(text, &BED_OPTIONS);
}

struct bad_spec {
    const char *text;
    unsigned line;
    const char *says; /* a part of the first problem */
};

static inline void spec_bed_refused(const struct bad_spec *bad, size_t n,
                                    const struct spec_options *options)
{
    for (size_t i = 0; i < n; i++) {
        struct problems problems = {.file = "f"};
        struct spec *spec = NULL;
        int r = spec_parse(slice_str(bad[i].text), options, &problems, &spec);
        if (r != -EINVAL || spec != NULL || problems.n == 0)
            fail_msg("%zu: got %d without a problem:\n%s", i, r, bad[i].text);
        if (problems.at[0].line != bad[i].line || strstr(problems.at[0].text, bad[i].says) == NULL)
            fail_msg("%zu: got %u: %s\nexpected %u: %s", i, problems.at[0].line,
                     problems.at[0].text, bad[i].line, bad[i].says);
    }
}

/* "a{0}b": literals, and the numbers of parameters. */
static inline const char *spec_bed_text(const struct spec_text *text, char ret[1024])
{
    size_t len = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < text->n; i++) {
        const struct spec_piece *p = &text->pieces[i];
        int n = p->literal != NULL ? snprintf(ret + len, 1024 - len, "%s", p->literal)
                                   : snprintf(ret + len, 1024 - len, "{%zu}", p->param);
        assert_true(n >= 0 && len + (size_t) n < 1024);
        len += (size_t) n;
    }
    return ret;
}

static inline void spec_bed_noted(const struct spec *spec, const char *part)
{
    if (memmem(spec->notes.data, spec->notes.len, part, strlen(part)) == NULL)
        fail_msg("expected a note \"%s\", got:\n%.*s", part, (int) spec->notes.len,
                 (const char *) spec->notes.data);
}

#endif
