/* hooks.h - what is tested alike of all adapters whose body is one event: samples, the body of one
 * with a member changed, and bytes that are no JSON of ours. What is expected is heard.h's lines,
 * or "refused WHY\n". */
#ifndef UNIT_HOOKS_H
#define UNIT_HOOKS_H

#include "buf.h"
#include "heard.h"
#include "json.h"
#include "sample.h"

#include <cjson/cJSON.h>

/* Runs the adapter on an exact copy of `body` with the headers of `req`. */
static inline void hooks_hear(struct heard *h, const struct source *source,
                              const struct source_request *req, struct slice body)
{
    const char *why;
    struct source_request copy = *req;
    uint8_t *bytes = malloc(body.len > 0 ? body.len : 1);
    assert_non_null(bytes);
    if (body.len > 0)
        memcpy(bytes, body.data, body.len);
    copy.body = slice_of(bytes, body.len);
    if (heard_adapt(h, source, &copy, &why) < 0)
        heard_add(h, "refused %s\n", why);
    if (h->set_aside > 0)
        assert_int_equal(h->excerpt.len, body.len);
    free(bytes);
}

struct hooks_sample {
    const char *name, *want;
    const char *known_by; /* NULL: nobody knows it */
};

static inline void hooks_samples(const struct source *source, const struct hooks_sample *all,
                                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        print_message("  %s\n", all[i].name);
        struct sample s;
        struct heard h;
        const char *known_by;
        sample_open(&s, all[i].name);
        hooks_hear(&h, source, &s.req, s.req.body);
        assert_string_equal(h.text, all[i].want);
        assert_ptr_equal(source_detect(&s.req, &known_by), all[i].known_by == NULL ? NULL : source);
        if (all[i].known_by != NULL)
            assert_string_equal(known_by, all[i].known_by);
        sample_close(&s);
    }
}

/* The sample's body with the member that `at` leads to ("/a/b", the last part may be new) as
 * `json`; NULL takes it away. For free(). */
static inline char *hooks_changed(const struct sample *s, const char *at, const char *json)
{
    cJSON *root = cJSON_ParseWithLength((const char *) s->req.body.data, s->req.body.len);
    cJSON *parent = root;
    const char *key = at + 1;
    for (const char *slash; (slash = strchr(key, '/')) != NULL; key = slash + 1) {
        char name[64];
        assert_true((size_t) (slash - key) < sizeof(name));
        memcpy(name, key, (size_t) (slash - key));
        name[slash - key] = '\0';
        parent = cJSON_GetObjectItemCaseSensitive(parent, name);
        assert_non_null(parent);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(parent, key);
    if (json != NULL)
        assert_true(cJSON_AddItemToObject(parent, key, cJSON_CreateRaw(json)));
    char *text = cJSON_PrintUnformatted(root);
    assert_non_null(text);
    cJSON_Delete(root);
    return text;
}

struct hooks_change {
    const char *at, *json, *want;
};

static inline void hooks_changes(const struct source *source, const char *sample,
                                 const struct hooks_change *all, size_t n)
{
    struct sample s;
    sample_open(&s, sample);
    for (size_t i = 0; i < n; i++) {
        print_message("  %s = %.60s\n", all[i].at, all[i].json == NULL ? "-" : all[i].json);
        struct heard h;
        char *body = hooks_changed(&s, all[i].at, all[i].json);
        hooks_hear(&h, source, &s.req, slice_str(body));
        assert_string_equal(h.text, all[i].want);
        free(body);
    }
    sample_close(&s);
}

/* Cut anywhere, a body is refused: no part of one is a whole. */
static inline void hooks_cut(const struct source *source, const char *sample)
{
    struct sample s;
    sample_open(&s, sample);
    size_t whole = s.req.body.len;
    while (memchr(" \r\n", s.req.body.data[whole - 1], 3) != NULL)
        whole--;
    for (size_t len = 0; len < whole; len++) {
        struct heard h;
        hooks_hear(&h, source, &s.req, slice_sub(s.req.body, 0, len));
        assert_string_equal(h.text, "refused syntax\n");
    }
    sample_close(&s);
}

static inline void hooks_repeat(struct buf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf_append_str(b, text), 0);
}

/* The body with a member `x` in front of the others, whose value is put together of three parts. */
static inline void hooks_with_member(struct buf *b, const struct sample *s, const char *start,
                                     const char *text, size_t times, const char *end)
{
    buf_init(b, 1 << 20);
    hooks_repeat(b, "{\"x\":", 1);
    hooks_repeat(b, start, 1);
    hooks_repeat(b, text, times);
    hooks_repeat(b, end, 1);
    assert_int_equal(s->req.body.data[0], '{');
    assert_int_equal(buf_append(b, slice_from(s->req.body, 1)), 0);
}

/* One member more, of which nobody wants to know anything, and all of it is refused. */
static inline void hooks_broken(const struct source *source, const char *sample)
{
    static const struct {
        const char *name, *start, *text;
        size_t times;
        const char *end, *want;
    } CASES[] = {
        {"two of a name", "1,\"x\":2", "", 0, ",", "refused duplicate_key\n"},
        {"two of a name inside", "{\"y\":1,\"y\":1}", "", 0, ",", "refused duplicate_key\n"},
        {"an escaped NUL", "\"a\\u0000b\"", "", 0, ",", "refused nul\n"},
        {"no UTF-8", "\"\xff\"", "", 0, ",", "refused utf8\n"},
        {"overlong", "\"\xc0\xaf\"", "", 0, ",", "refused utf8\n"},
        {"half a pair", "\"\\ud800\"", "", 0, ",", "refused utf8\n"},
        {"a control character", "\"\x01\"", "", 0, ",", "refused control\n"},
        {"a leading zero", "01", "", 0, ",", "refused number\n"},
        {"no digit behind the point", "1.", "", 0, ",", "refused number\n"},
        {"too deep", "", "[", JSON_MAX_DEPTH, "", "refused depth\n"},
        {"too many values", "[", "1,", JSON_MAX_TOKENS, "1],", "refused tokens\n"},
        {"NaN", "NaN", "", 0, ",", "refused syntax\n"},
        {"a comment", "1/**/", "", 0, ",", "refused syntax\n"},
        {"a comma too many", "[1,]", "", 0, ",", "refused syntax\n"},
    };
    struct sample s;
    sample_open(&s, sample);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct heard h;
        struct buf body;
        hooks_with_member(&body, &s, CASES[i].start, CASES[i].text, CASES[i].times, CASES[i].end);
        hooks_hear(&h, source, &s.req, buf_slice(&body));
        assert_string_equal(h.text, CASES[i].want);
        buf_fini(&body);
    }
    sample_close(&s);
}

/* Bodies that are JSON, but not of this registry, and the ways to send another encoding. */
static inline void hooks_strange(const struct source *source, const char *sample, const char *empty)
{
    struct sample s;
    struct heard h;
    sample_open(&s, sample);
    static const char *const NO_OBJECT[] = {"[]", "1", "\"push\"", "null", " true "};
    for (size_t i = 0; i < ARRAY_LEN(NO_OBJECT); i++) {
        hooks_hear(&h, source, &s.req, slice_str(NO_OBJECT[i]));
        assert_string_equal(h.text, "refused object\n");
    }
    hooks_hear(&h, source, &s.req, SLICE_LIT("{}"));
    assert_string_equal(h.text, empty);

    struct source_request req = s.req;
    req.content_type = SLICE_LIT("application/json; charset=utf-16");
    hooks_hear(&h, source, &req, s.req.body);
    assert_string_equal(h.text, "refused charset\n");
    req.content_type = SLICE_LIT("application/x-www-form-urlencoded");
    hooks_hear(&h, source, &req, SLICE_LIT("payload=%7B%7D"));
    assert_string_equal(h.text, "refused form_encoded\n");
    sample_close(&s);
}

#endif
