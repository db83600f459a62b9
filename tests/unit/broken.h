/* broken.h - a sample, broken in every way that one can think of: an adapter may refuse it or set
 * it aside, but it never reads past the end, and what it reports can be printed and sent. */
#ifndef UNIT_BROKEN_H
#define UNIT_BROKEN_H

#include "heard.h"
#include "sample.h"

#include <cjson/cJSON.h>

struct broken {
    const struct source *source;
    struct sample sample;
    struct slice whole; /* its body without white space around it */
    size_t tried;
};

/* The same request with another body. `refused`: no JSON, so that at least one event is lost. */
static inline void broken_try(struct broken *b, struct slice body, bool refused)
{
    static struct heard h;
    struct source_request req = b->sample.req;
    const char *why;
    uint8_t *copy = malloc(body.len > 0 ? body.len : 1);
    assert_non_null(copy);
    if (body.len > 0)
        memcpy(copy, body.data, body.len);
    req.body = slice_of(copy, body.len);
    int r = heard_adapt(&h, b->source, &req, &why);
    if (refused && r == 0 && h.set_aside == 0)
        fail_msg("taken: %.*s\n%s", (int) body.len, (const char *) body.data, h.text);
    if (body.len == b->whole.len) /* it may be detected, or not, but not read past its end */
        (void) b->source->detect(&req);
    b->tried++;
    free(copy);
}

static inline void broken_cut(struct broken *b)
{
    for (size_t len = 1; len < b->whole.len; len++)
        broken_try(b, slice_sub(b->whole, 0, len), true);
}

/* Each byte as one that no JSON has, and as those that change what JSON says. */
static inline void broken_bytes(struct broken *b)
{
    static const char BYTES[] = {'\0', '\xff', '\x1f', '"', '}', ':', '0'};
    char *copy = malloc(b->whole.len);
    assert_non_null(copy);
    for (size_t i = 0; i < b->whole.len; i++) {
        for (size_t k = 0; k < sizeof(BYTES); k++) {
            memcpy(copy, b->whole.data, b->whole.len);
            copy[i] = BYTES[k];
            broken_try(b, slice_of(copy, b->whole.len), k < 3);
        }
    }
    free(copy);
}

static inline void broken_print(struct broken *b, const cJSON *root, bool refused)
{
    char *text = cJSON_PrintUnformatted(root);
    assert_non_null(text);
    broken_try(b, slice_str(text), refused);
    cJSON_free(text);
}

/* `node` as each of these, and back again. */
static inline void broken_value(struct broken *b, const cJSON *root, cJSON *node)
{
    static char huge[70000], nested[81];
    static const struct {
        const char *text;
        bool refused;
    } VALUES[] = {
        {"null", false},
        {"true", false},
        {"0", false},
        {"-1e300", false},
        {"9007199254740993", false},
        {"\"\"", false},
        {"\"..\"", false},
        {"\"\\u0001\\n\\\"\"", false},
        {"[]", false},
        {"{}", false},
        {"[{\"a\":1}]", false},
        {huge, false},
        {nested, true},              /* JS-01 */
        {"01", true},                /* JS-05 */
        {"\"a\\u0000b\"", true},     /* JS-03 */
        {"\"\\ud800\"", true},       /* JS-04 */
        {"\"\xc0\xa0\"", true},      /* JS-04 */
        {"\"line\nend\"", true},     /* JS-04 */
        {"{\"a\":1,\"a\":2}", true}, /* JS-02 */
        {"tru", true},
    };
    memset(huge, 'a', sizeof(huge) - 1);
    huge[0] = huge[sizeof(huge) - 2] = '"';
    memset(nested, '[', 40);
    memset(nested + 40, ']', 40);
    for (size_t i = 0; i < ARRAY_LEN(VALUES); i++) {
        const cJSON saved = *node;
        char text[70000];
        (void) snprintf(text, sizeof(text), "%s", VALUES[i].text);
        node->type = cJSON_Raw;
        node->valuestring = text;
        node->child = NULL;
        broken_print(b, root, VALUES[i].refused);
        *node = saved;
    }
}

static inline void broken_twice(struct broken *b, const cJSON *root, cJSON *parent,
                                const cJSON *member)
{
    cJSON *again = cJSON_AddRawToObject(parent, member->string, "1");
    assert_non_null(again);
    broken_print(b, root, true); /* JS-02 */
    cJSON_Delete(cJSON_DetachItemViaPointer(parent, again));
}

static inline void broken_tree(struct broken *b, const cJSON *root, cJSON *parent)
{
    for (cJSON *child = parent->child; child != NULL; child = child->next) {
        broken_tree(b, root, child);
        broken_value(b, root, child);
        if (cJSON_IsObject(parent))
            broken_twice(b, root, parent, child);
    }
}

/* All of that for one sample, which has to be JSON. */
static inline void broken_check(const struct source *source, const char *name)
{
    struct broken b = {.source = source};
    sample_open(&b.sample, name);
    b.whole = b.sample.req.body;
    while (b.whole.len > 0 && b.whole.data[b.whole.len - 1] <= ' ')
        b.whole.len--;
    broken_cut(&b);
    broken_bytes(&b);
    cJSON *root = cJSON_ParseWithLength((const char *) b.whole.data, b.whole.len);
    assert_non_null(root);
    broken_tree(&b, root, root);
    cJSON_Delete(root);
    assert_true(b.tried > 8 * b.whole.len);

    struct heard h;
    const char *why;
    b.sample.req.content_type = SLICE_LIT("application/json; charset=utf-16"); /* WH-09 */
    int r = heard_adapt(&h, source, &b.sample.req, &why);
    assert_int_equal(r, -EBADMSG);
    assert_string_equal(why, "charset");
    sample_close(&b.sample);
}

#endif
