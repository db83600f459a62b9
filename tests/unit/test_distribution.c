/* The adapter of CNCF Distribution: what becomes of each kind of event, and of broken envelopes. */
#include "buf.h"
#include "json.h"
#include "source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define V1     "application/vnd.docker.distribution.events.v1+json"
#define V2     "application/vnd.docker.distribution.events.v2+json"
#define OCI    "application/vnd.oci.image.manifest.v1+json"
#define DIGEST "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"

/* What the adapter said, one line each. */
struct heard {
    struct buf text;
    size_t changes, ignored, set_aside;
    struct slice excerpt;
};

static void on_change(void *ctx, const struct change *c)
{
    static const char *const KINDS[] = {"push", "delete-digest", "delete-tag"};
    struct heard *h = ctx;
    h->changes++;
    assert_int_equal(buf_printf(&h->text, "%s %s %s '%s' id=%s req=%s at=%s\n", KINDS[c->kind],
                                c->repository, c->digest[0] == '\0' ? "-" : "D", c->tag,
                                c->sender_id, c->request_id, c->created_at),
                     0);
    if (c->digest[0] != '\0')
        assert_string_equal(c->digest, DIGEST);
}

static void on_ignored(void *ctx, const char *why)
{
    struct heard *h = ctx;
    h->ignored++;
    assert_int_equal(buf_printf(&h->text, "ignored %s\n", why), 0);
}

static void on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    struct heard *h = ctx;
    h->set_aside++;
    h->excerpt = excerpt;
    assert_int_equal(buf_printf(&h->text, "aside %s\n", why), 0);
}

static int adapt(struct heard *h, const char *content_type, struct slice body, const char **why)
{
    *h = (struct heard){0};
    buf_init(&h->text, 16 << 20);
    const struct source_sink sink = {
        .ctx = h, .change = on_change, .ignored = on_ignored, .set_aside = on_set_aside};
    /* A copy of exactly its size, so that a sanitizer sees every byte read past the end. */
    uint8_t *copy = malloc(body.len > 0 ? body.len : 1);
    assert_non_null(copy);
    if (body.len > 0)
        memcpy(copy, body.data, body.len);
    const struct source_request req = {.content_type = slice_str(content_type),
                                       .body = slice_of(copy, body.len)};
    int r = SOURCE_DISTRIBUTION.adapt(&req, &sink, why);
    free(copy);
    return r;
}

#define TARGET(fields) "\"target\":{" fields "}"
#define PUSH(fields)                                                                               \
    "{\"id\":\"e1\",\"timestamp\":\"2026-11-22T04:50:41.67Z\",\"action\":\"push\"," TARGET(        \
        fields) ",\"request\":{\"id\":\"r1\",\"method\":\"PUT\"},\"actor\":{},\"source\":{}}"
#define DELETE(fields)                                                                             \
    "{\"id\":\"e2\",\"timestamp\":\"2026-11-22T07:50:41+03:00\",\"action\":\"delete\"," TARGET(    \
        fields) ",\"request\":{\"id\":\"r2\"}}"
#define MEDIA(type) "\"mediaType\":\"" type "\","
#define DIG         "\"digest\":\"" DIGEST "\","
#define REPO        "\"repository\":\"team/app\""
#define TAG(t)      ",\"tag\":\"" t "\""
#define TEN         "1234567890"
#define SAID_PUSH   " id=e1 req=r1 at=2026-11-22T04:50:41.67Z\n"
#define SAID_DELETE " id=e2 req=r2 at=2026-11-22T04:50:41Z\n"

static void test_one_event(void **state)
{
    (void) state;
    static const struct {
        const char *name, *event, *want;
    } CASES[] = {
        {"manifest under a tag",
         PUSH(MEDIA(OCI) "\"size\":418," DIG "\"length\":418," REPO
                         ",\"url\":\"http://127.0.0.1/v2/team/app/manifests/x\"" TAG("v1")),
         "push team/app D 'v1'" SAID_PUSH},
        {"manifest by digest", PUSH(MEDIA(OCI) DIG REPO), "push team/app D ''" SAID_PUSH},
        {"empty tag", PUSH(MEDIA(OCI) DIG REPO TAG("")), "push team/app D ''" SAID_PUSH},
        {"index", PUSH(MEDIA("application/vnd.oci.image.index.v1+json") DIG REPO TAG("v1")),
         "push team/app D 'v1'" SAID_PUSH},
        {"schema 2",
         PUSH(MEDIA("application/vnd.docker.distribution.manifest.v2+json") DIG REPO TAG("v1")),
         "push team/app D 'v1'" SAID_PUSH},
        {"manifest list",
         PUSH(MEDIA("application/vnd.docker.distribution.manifest.list.v2+json")
                  DIG REPO TAG("v1")),
         "push team/app D 'v1'" SAID_PUSH},
        {"schema 1",
         PUSH(MEDIA("application/vnd.docker.distribution.manifest.v1+prettyjws")
                  DIG REPO TAG("v1")),
         "push team/app D 'v1'" SAID_PUSH},
        {"schema 1 unsigned",
         PUSH(MEDIA("application/vnd.docker.distribution.manifest.v1+json") DIG REPO TAG("v1")),
         "push team/app D 'v1'" SAID_PUSH},
        {"with references",
         PUSH(MEDIA(OCI) DIG REPO TAG("v1") ",\"references\":[{\"mediaType\":\"x\",\"size\":1}]"),
         "push team/app D 'v1'" SAID_PUSH},
        {"escapes are resolved",
         "{\"action\":\"p\\u0075sh\",\"target\":{" MEDIA(OCI) DIG
         "\"repository\":\"team\\/app\",\"tag\":\"\\u0076\"}}",
         "push team/app D 'v' id= req= at=\n"},
        {"nothing but what is needed", "{\"action\":\"push\"," TARGET(MEDIA(OCI) DIG REPO) "}",
         "push team/app D '' id= req= at=\n"},
        {"nulls are absent",
         "{\"id\":null,\"timestamp\":null,\"request\":null,\"action\":\"push\"," TARGET(
             MEDIA(OCI) DIG REPO ",\"tag\":null") "}",
         "push team/app D '' id= req= at=\n"},
        {"timestamp malformed",
         "{\"timestamp\":\"yesterday\",\"action\":\"push\"," TARGET(MEDIA(OCI) DIG REPO) "}",
         "push team/app D '' id= req= at=\n"},

        {"blob", PUSH(MEDIA("application/octet-stream") DIG REPO), "ignored blob\n"},
        {"a manifest type nobody knows", PUSH(MEDIA("application/x-new+json") DIG REPO),
         "ignored blob\n"},
        {"pull", "{\"action\":\"pull\"," TARGET(MEDIA(OCI) DIG REPO TAG("v1")) "}",
         "ignored pull\n"},
        {"mount", "{\"action\":\"mount\",\"target\":{\"fromRepository\":\"a\"}}",
         "ignored mount\n"},
        {"an action nobody knows", "{\"action\":\"sign\"}", "ignored unknown_action\n"},
        {"action in capitals", "{\"action\":\"Push\"}", "ignored unknown_action\n"},

        {"delete by digest", DELETE(DIG REPO), "delete-digest team/app D ''" SAID_DELETE},
        {"delete by digest, 3.x", DELETE("\"mediaType\":\"\",\"size\":0," DIG REPO),
         "delete-digest team/app D ''" SAID_DELETE},
        {"delete of a tag", DELETE(REPO TAG("v1")), "delete-tag team/app - 'v1'" SAID_DELETE},
        {"delete of a tag, 3.x",
         DELETE("\"mediaType\":\"\",\"digest\":\"\",\"size\":0," REPO TAG("v1")),
         "delete-tag team/app - 'v1'" SAID_DELETE},
        {"delete of both is the tag's", DELETE(DIG REPO TAG("v1")),
         "delete-tag team/app D 'v1'" SAID_DELETE},
        {"delete of a repository", DELETE(REPO), "ignored repository_delete\n"},

        {"no action", "{\"id\":\"e1\"}", "aside action\n"},
        {"action of a number", "{\"action\":1}", "aside action\n"},
        {"empty action", "{\"action\":\"\"}", "aside action\n"},
        {"key in capitals", "{\"Action\":\"push\"}", "aside action\n"},
        {"no target", "{\"action\":\"push\"}", "aside target\n"},
        {"target is a list", "{\"action\":\"delete\",\"target\":[]}", "aside target\n"},
        {"push without media type", PUSH(DIG REPO), "aside media_type\n"},
        {"media type of a list", PUSH("\"mediaType\":[]," DIG REPO), "aside media_type\n"},
        {"push without digest", PUSH(MEDIA(OCI) REPO TAG("v1")), "aside digest\n"},
        {"push with empty digest", PUSH(MEDIA(OCI) "\"digest\":\"\"," REPO), "aside digest\n"},
        {"digest cut", PUSH(MEDIA(OCI) "\"digest\":\"sha256:31a6\"," REPO), "aside digest\n"},
        {"digest of a number", DELETE("\"digest\":5," REPO), "aside digest\n"},
        {"no repository", PUSH(MEDIA(OCI) "\"digest\":\"" DIGEST "\""), "aside repository\n"},
        {"repository climbs", PUSH(MEDIA(OCI) DIG "\"repository\":\"../x\""), "aside repository\n"},
        {"repository with a line end", DELETE(DIG "\"repository\":\"a\\nb\""),
         "aside repository\n"},
        {"tag with a slash", PUSH(MEDIA(OCI) DIG REPO TAG("a/b")), "aside tag\n"},
        {"tag of an object", DELETE(REPO ",\"tag\":{}"), "aside tag\n"},
        {"id of a number", "{\"id\":1,\"action\":\"push\"," TARGET(MEDIA(OCI) DIG REPO) "}",
         "aside id\n"},
        {"timestamp of a number",
         "{\"timestamp\":1764000000,\"action\":\"push\"," TARGET(MEDIA(OCI) DIG REPO) "}",
         "aside timestamp\n"},
        {"request of a string",
         "{\"request\":\"r\",\"action\":\"push\"," TARGET(MEDIA(OCI) DIG REPO) "}",
         "aside request\n"},
        {"request id of a list",
         "{\"request\":{\"id\":[]},\"action\":\"push\"," TARGET(MEDIA(OCI) DIG REPO) "}",
         "aside request_id\n"},
        {"an array", "[]", "aside event_type\n"},
        {"a number of 80 digits that nobody reads",
         "{\"action\":\"pull\",\"n\":" TEN TEN TEN TEN TEN TEN TEN TEN "}", "ignored pull\n"},
        {"a number", "17", "aside event_type\n"},
        {"a string", "\"push\"", "aside event_type\n"},
        {"null", "null", "aside event_type\n"},

        {"JS-02 duplicate key", "{\"action\":\"pull\",\"action\":\"push\"}",
         "aside duplicate_key\n"},
        {"JS-02 duplicate key, escaped", "{\"action\":\"pull\",\"\\u0061ction\":\"push\"}",
         "aside duplicate_key\n"},
        {"JS-03 escaped NUL", "{\"action\":\"pull\\u0000\"}", "aside nul\n"},
        {"JS-04 not UTF-8", "{\"action\":\"pull\xff\"}", "aside utf8\n"},
        {"JS-04 overlong", "{\"action\":\"\xc0\xaf\"}", "aside utf8\n"},
        {"JS-04 lone surrogate", "{\"action\":\"\\ud800\"}", "aside utf8\n"},
        {"JS-04 control character", "{\"action\":\"pu\nll\"}", "aside control\n"},
        {"JS-05 leading zero", "{\"action\":\"pull\",\"n\":01}", "aside number\n"},
        {"JS-05 no digits after the point", "{\"action\":\"pull\",\"n\":1.}", "aside number\n"},
        {"JS-05 too large", "{\"action\":\"pull\",\"n\":1e400}", "ignored pull\n"},
        {"JS-05 past 2^53", "{\"action\":\"pull\",\"n\":9007199254740993}", "ignored pull\n"},
        {"JS-07 comment", "{\"action\":\"pull\"/*x*/}", "aside syntax\n"},
        {"JS-07 NaN", "{\"action\":\"pull\",\"n\":NaN}", "aside syntax\n"},
        {"JS-07 plus", "{\"action\":\"pull\",\"n\":+1}", "aside syntax\n"},
        {"JS-07 point first", "{\"action\":\"pull\",\"n\":.5}", "aside syntax\n"},
        {"JS-07 trailing comma", "{\"action\":\"pull\",}", "aside syntax\n"},
        {"brackets crossed", "{\"action\":[}]", "aside syntax\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct buf body;
        buf_init(&body, 1 << 20);
        /* between two good ones, which must not notice */
        assert_int_equal(buf_printf(&body,
                                    "{\n \"events\": [ {\"action\":\"pull\"} ,\n%s,"
                                    "{\"action\":\"mount\"}]}",
                                    CASES[i].event),
                         0);
        struct buf want;
        buf_init(&want, 1 << 20);
        assert_int_equal(buf_printf(&want, "ignored pull\n%signored mount\n", CASES[i].want), 0);
        struct heard h;
        const char *why = NULL;
        assert_int_equal(adapt(&h, V1, buf_slice(&body), &why), 0);
        if (!slice_eq(buf_slice(&h.text), buf_slice(&want)))
            fail_msg("got: %.*s", (int) h.text.len, (const char *) h.text.data);
        buf_fini(&h.text);
        buf_fini(&want);
        buf_fini(&body);
    }
}

#define EVENTS "\"events\":[{\"action\":\"pull\"}]"

static void test_envelope(void **state)
{
    (void) state;
    static const struct {
        const char *name, *content_type, *body;
        const char *why; /* NULL: one pull, ignored */
    } CASES[] = {
        {"2.x", V1, "{" EVENTS "}", NULL},
        {"3.x", V2, "{" EVENTS "}", NULL},
        {"charset", V2 "; charset=UTF-8", "{" EVENTS "}", NULL},
        {"no content type", "", "{" EVENTS "}", NULL},
        {"another content type", "text/plain", "{" EVENTS "}", NULL},
        {"white space around", V1, " \r\n\t{" EVENTS "} \r\n\t", NULL},
        {"other members", V1, "{\"a\":{\"events\":[1]}," EVENTS ",\"b\":[[]]}", NULL},
        {"key escaped", V1, "{\"\\u0065vents\":[{\"action\":\"pull\"}]}", NULL},

        {"charset utf-16", V1 "; charset=utf-16", "{" EVENTS "}", "charset"},
        {"empty", V1, "", "syntax"},
        {"white space", V1, " \n", "syntax"},
        {"no object", V1, "[{\"action\":\"pull\"}]", "syntax"},
        {"a string", V1, "\"events\"", "syntax"},
        {"no events", V1, "{}", "no_events"},
        {"events in capitals", V1, "{\"Events\":[]}", "no_events"},
        {"events an object", V1, "{\"events\":{}}", "events_type"},
        {"events null", V1, "{\"events\":null}", "events_type"},
        {"events a number", V1, "{\"events\":1}", "events_type"},
        {"events a word that is none", V1, "{\"events\":nope}", "events_type"},
        {"events twice", V1, "{" EVENTS "," EVENTS "}", "duplicate_key"},
        {"events twice, escaped", V1, "{" EVENTS ",\"\\u0065vents\":[]}", "duplicate_key"},
        {"another key twice", V1, "{\"a\":1," EVENTS ",\"a\":2}", "duplicate_key"},
        {"BOM", V1, "\xef\xbb\xbf{" EVENTS "}", "syntax"},
        {"garbage behind", V1, "{" EVENTS "}x", "syntax"},
        {"a second envelope", V1, "{" EVENTS "}{" EVENTS "}", "syntax"},
        {"trailing comma", V1, "{" EVENTS ",}", "syntax"},
        {"trailing comma in events", V1, "{\"events\":[{\"action\":\"pull\"},]}", "syntax"},
        {"no comma in events", V1, "{\"events\":[{} {}]}", "syntax"},
        {"two commas in events", V1, "{\"events\":[{},,{}]}", "syntax"},
        {"garbage between events", V1, "{\"events\":[{}x,{}]}", "syntax"},
        {"comment", V1, "{/**/" EVENTS "}", "syntax"},
        {"not UTF-8 outside", V1, "{\"\xff\":1," EVENTS "}", "utf8"},
        {"NUL escaped outside", V1, "{\"\\u0000\":1," EVENTS "}", "nul"},
        {"number outside", V1, "{\"n\":01," EVENTS "}", "number"},
        {"cut in an event", V1, "{\"events\":[{\"action\":\"pull\"},{\"action\":\"pu", "syntax"},
        {"cut behind an event", V1, "{\"events\":[{\"action\":\"pull\"}", "syntax"},
        {"a quote lost in an event", V1, "{\"events\":[{\"action\":\"pull},{\"action\":\"pull\"}]}",
         "syntax"},
        {"a bracket lost in an event", V1, "{\"events\":[{\"action\":\"pull\",{\"b\":1}]}",
         "syntax"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct heard h;
        const char *why = NULL;
        int r = adapt(&h, CASES[i].content_type, slice_str(CASES[i].body), &why);
        assert_int_equal(r, CASES[i].why == NULL ? 0 : -EBADMSG);
        if (CASES[i].why != NULL) {
            assert_string_equal(why, CASES[i].why);
            assert_int_equal(h.text.len, 0);
        } else {
            assert_true(slice_eq_str(buf_slice(&h.text), "ignored pull\n"));
        }
        buf_fini(&h.text);
    }
    struct heard h;
    const char *why = NULL;
    assert_int_equal(adapt(&h, V1, SLICE_LIT("{\"events\":[ ]}"), &why), 0);
    assert_int_equal(h.text.len, 0);
    assert_int_equal(adapt(&h, V1, SLICE_LIT("{\"events\":[]}\0"), &why), -EBADMSG);
}

/* Appends "[[[...]]]" with `depth` opening brackets. */
static void append_nested(struct buf *b, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        assert_int_equal(buf_append_str(b, "["), 0);
    for (size_t i = 0; i < depth; i++)
        assert_int_equal(buf_append_str(b, "]"), 0);
}

static void test_depth_and_tokens(void **state)
{
    (void) state;
    /* JS-01, JS-06: inside an event they cost that event, around the events the envelope. One level
     * belongs to the object the nested array is in. */
    static const struct {
        const char *name;
        size_t depth, tokens;
        bool inside;
        const char *want; /* what is said of an inner one, or why */
    } CASES[] = {
        {"32 levels inside", JSON_MAX_DEPTH - 1, 0, true, "ignored pull\n"},
        {"33 levels inside", JSON_MAX_DEPTH, 0, true, "aside depth\n"},
        {"60,000 levels inside", 60000, 0, true, "aside depth\n"},
        {"32 levels outside", JSON_MAX_DEPTH - 1, 0, false, NULL},
        {"33 levels outside", JSON_MAX_DEPTH, 0, false, "depth"},
        {"60,000 levels outside", 60000, 0, false, "depth"},
        {"few tokens inside", 0, 19000, true, "ignored pull\n"},
        {"many tokens inside", 0, 21000, true, "aside tokens\n"},
        {"few tokens outside", 0, 19000, false, NULL},
        {"many tokens outside", 0, 21000, false, "tokens"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct buf extra, body;
        buf_init(&extra, 1 << 20);
        buf_init(&body, 1 << 20);
        append_nested(&extra, CASES[i].depth);
        if (CASES[i].tokens > 0) {
            assert_int_equal(buf_append_str(&extra, "[1"), 0);
            for (size_t k = 1; k < CASES[i].tokens; k++)
                assert_int_equal(buf_append_str(&extra, ",1"), 0);
            assert_int_equal(buf_append_str(&extra, "]"), 0);
        }
        const char *form = CASES[i].inside ? "{\"events\":[{\"action\":\"pull\",\"x\":%.*s}]}"
                                           : "{\"x\":%.*s,\"events\":[{\"action\":\"pull\"}]}";
        assert_int_equal(buf_printf(&body, form, (int) extra.len, (const char *) extra.data), 0);
        struct heard h;
        const char *why = NULL;
        int r = adapt(&h, V1, buf_slice(&body), &why);
        if (CASES[i].inside) {
            assert_int_equal(r, 0);
            assert_true(slice_eq_str(buf_slice(&h.text), CASES[i].want));
        } else {
            assert_int_equal(r, CASES[i].want == NULL ? 0 : -EBADMSG);
            if (CASES[i].want != NULL)
                assert_string_equal(why, CASES[i].want);
        }
        buf_fini(&h.text);
        buf_fini(&extra);
        buf_fini(&body);
    }
}

/* JS-08, and in all more tokens than one text may have. */
static void test_large_envelope(void **state)
{
    (void) state;
    enum { N = 10000, BAD = 7321 };
    struct buf body;
    buf_init(&body, 16 << 20);
    assert_int_equal(buf_append_str(&body, "{\"events\":["), 0);
    for (int i = 0; i < N; i++) {
        if (i > 0)
            assert_int_equal(buf_append_str(&body, ","), 0);
        if (i == BAD)
            assert_int_equal(buf_append_str(&body, "{\"action\":\"push\",\"bad\":tru}"), 0);
        else
            assert_int_equal(buf_printf(&body, PUSH(MEDIA(OCI) DIG REPO ",\"tag\":\"t%d\""), i), 0);
    }
    assert_int_equal(buf_append_str(&body, "]}"), 0);
    struct heard h;
    const char *why = NULL;
    assert_int_equal(adapt(&h, V2, buf_slice(&body), &why), 0);
    assert_int_equal(h.changes, N - 1);
    assert_int_equal(h.set_aside, 1);
    assert_int_equal(h.excerpt.len, strlen("{\"action\":\"push\",\"bad\":tru}"));
    buf_fini(&h.text);
    buf_fini(&body);
}

static void test_lengths(void **state)
{
    (void) state;
    static const struct {
        const char *name, *form;
        size_t len;
        const char *want;
    } CASES[] = {
        {"id of 128", "{\"id\":\"%s\",\"action\":\"delete\",\"target\":{" DIG REPO "}}", 128, NULL},
        {"id of 129", "{\"id\":\"%s\",\"action\":\"delete\",\"target\":{" DIG REPO "}}", 129,
         "aside id\n"},
        {"request id of 129",
         "{\"request\":{\"id\":\"%s\"},\"action\":\"delete\",\"target\":{" DIG REPO "}}", 129,
         "aside request_id\n"},
        {"repository of 255", "{\"action\":\"delete\",\"target\":{" DIG "\"repository\":\"%s\"}}",
         255, NULL},
        {"repository of 256", "{\"action\":\"delete\",\"target\":{" DIG "\"repository\":\"%s\"}}",
         256, "aside repository\n"},
        {"tag of 128", "{\"action\":\"delete\",\"target\":{" DIG REPO ",\"tag\":\"%s\"}}", 128,
         NULL},
        {"tag of 129", "{\"action\":\"delete\",\"target\":{" DIG REPO ",\"tag\":\"%s\"}}", 129,
         "aside tag\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        char value[300] = "", event[1024], body[2048];
        memset(value, 'a', CASES[i].len);
        (void) snprintf(event, sizeof(event), CASES[i].form, value);
        (void) snprintf(body, sizeof(body), "{\"events\":[%s]}", event);
        struct heard h;
        const char *why = NULL;
        assert_int_equal(adapt(&h, V1, slice_str(body), &why), 0);
        if (CASES[i].want == NULL)
            assert_int_equal(h.changes, 1);
        else
            assert_true(slice_eq_str(buf_slice(&h.text), CASES[i].want));
        buf_fini(&h.text);
    }
}

/* One byte too long is wrong and never the same as what is left when it is cut. */
static void test_longest(void **state)
{
    (void) state;
    static const struct {
        const char *before, *after;
        size_t longest;
        const char *wrong;
    } CASES[] = {
        {"\"id\":\"", "\",\"target\":{\"repository\":\"r\",\"tag\":\"t\"}", 128, "aside id\n"},
        {"\"request\":{\"id\":\"", "\"},\"target\":{\"repository\":\"r\",\"tag\":\"t\"}", 128,
         "aside request_id\n"},
        {"\"target\":{\"tag\":\"t\",\"repository\":\"", "\"}", 255, "aside repository\n"},
        {"\"target\":{\"repository\":\"r\",\"tag\":\"", "\"}", 128, "aside tag\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        for (size_t len = CASES[i].longest - 1; len < CASES[i].longest + 600; len++) {
            for (int escaped = 0; escaped < 2; escaped++) {
                char body[2048], text[1024];
                memset(text, 'a', len);
                text[len] = '\0';
                (void) snprintf(body, sizeof(body),
                                "{\"events\":[{\"action\":\"delete\",%s%s%s%s}]}", CASES[i].before,
                                escaped ? "\\u0061" : "a", text + 1, CASES[i].after);
                struct heard h;
                const char *why = NULL;
                assert_int_equal(adapt(&h, V1, slice_str(body), &why), 0);
                if (len <= CASES[i].longest)
                    assert_int_equal(h.changes, 1);
                else
                    assert_true(slice_eq_str(buf_slice(&h.text), CASES[i].wrong));
                buf_fini(&h.text);
            }
        }
    }
    static const char *const NEARLY[] = {"action", "mediaType"};
    for (size_t i = 0; i < ARRAY_LEN(NEARLY); i++) {
        char body[1024], pad[200] = "";
        memset(pad, 'x', sizeof(pad) - 1);
        (void) snprintf(body, sizeof(body),
                        "{\"events\":[{\"action\":\"push%s\",\"target\":{\"mediaType\":\"" OCI
                        "%s\"," DIG REPO "}}]}",
                        i == 0 ? pad : "", i == 1 ? pad : "");
        struct heard h;
        const char *why = NULL;
        assert_int_equal(adapt(&h, V1, slice_str(body), &why), 0);
        assert_int_equal(h.ignored, 1);
        buf_fini(&h.text);
    }
}

/* Where the first few hundred events are is kept; those behind them are looked for again. */
static void test_every_event_once_and_in_order(void **state)
{
    (void) state;
    static const size_t COUNTS[] = {0, 1, 255, 256, 257, 600};
    for (size_t i = 0; i < ARRAY_LEN(COUNTS); i++) {
        struct buf body, want;
        buf_init(&body, 1 << 20);
        buf_init(&want, 1 << 20);
        assert_int_equal(buf_append_str(&body, "{\"events\":["), 0);
        for (size_t k = 0; k < COUNTS[i]; k++) {
            assert_int_equal(
                buf_printf(&body,
                           "%s\n{\"action\":\"delete\",\"target\":{\"repository\":\"r\","
                           "\"tag\":\"t%zu\"}}",
                           k == 0 ? "" : ",", k),
                0);
            assert_int_equal(buf_printf(&want, "delete-tag r - 't%zu' id= req= at=\n", k), 0);
        }
        assert_int_equal(buf_append_str(&body, "]}"), 0);
        struct heard h;
        const char *why = NULL;
        assert_int_equal(adapt(&h, V1, buf_slice(&body), &why), 0);
        assert_true(slice_eq(buf_slice(&h.text), buf_slice(&want)));
        buf_fini(&h.text);
        buf_fini(&want);
        buf_fini(&body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_every_event_once_and_in_order),
        cmocka_unit_test(test_one_event),
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_depth_and_tokens),
        cmocka_unit_test(test_large_envelope),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
