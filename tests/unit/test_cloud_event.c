/* CloudEvents 1.0: three modes, decoding of header values, what is required, what is set aside. */
#include "source/cloud_event.h"

#include "heard.h"
#include "mem.h"
#include "sample.h"

#include <cjson/cJSON.h>

/* What is heard of an event: its attributes, and its data as JSON. */
static void read_event(const struct cloud_event *e, const struct source_sink *sink)
{
    struct heard *h = sink->ctx;
    char *data = e->data == NULL ? NULL : cJSON_PrintUnformatted(e->data);
    heard_add(h, "%s %s %s", e->id, e->source, e->type);
    heard_field(h, "subject", e->subject);
    heard_field(h, "time", e->time);
    heard_field(h, "data", data == NULL ? "" : data);
    heard_add(h, "\n");
    h->excerpt = e->excerpt;
    h->changes++;
    free(data);
}

static int hear(struct heard *h, const struct source_request *req, const char **why)
{
    const struct source_sink sink = heard_sink(h);
    *why = NULL;
    return cloud_event_each(req, read_event, &sink, why);
}

#define DIGEST "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define DATA   "{\"repository\":\"team/app\",\"digest\":\"" DIGEST "\",\"tag\":\"v1\"}"
#define PUSHED(more)                                                                               \
    "A234-1234-1234 https://registry.example.com/ com.example.registry.image.pushed" more          \
    " data=" DATA "\n"
#define WITH_BOTH " subject=team/app:v1 time=2024-05-01T09:00:00Z"

static void test_samples(void **state)
{
    (void) state;
    static const struct {
        const char *name, *want, *known_by;
    } CASES[] = {
        {"cloudevents/structured.http", PUSHED(WITH_BOTH), "content type"},
        {"cloudevents/structured-data-base64.http", PUSHED(WITH_BOTH), "content type"},
        {"cloudevents/structured-null-optional-attributes.http", PUSHED(""), "content type"},
        {"cloudevents/delivery-after-validation.http", PUSHED(WITH_BOTH), "content type"},
        {"cloudevents/bearer-in-query.http", PUSHED(WITH_BOTH), "content type"},
        {"cloudevents/binary.http", PUSHED(WITH_BOTH), "header ce-specversion"},
        {"cloudevents/batch.http",
         PUSHED(WITH_BOTH) "A234-1234-1235 https://registry.example.com/ "
                           "com.example.registry.image.deleted" WITH_BOTH " data=" DATA "\n",
         "content type"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct sample s;
        struct heard h;
        const char *why;
        sample_open(&s, CASES[i].name);
        assert_int_equal(hear(&h, &s.req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
        assert_string_equal(cloud_event_known_by(&s.req), CASES[i].known_by);
        assert_non_null(cloud_event_of_type(&s.req, "com.example.registry."));
        assert_null(cloud_event_of_type(&s.req, "com.example.registryx"));
        sample_close(&s);
    }
}

/* --- binary mode --- */

#define LONG 1100

struct binary {
    char source[3 * LONG];
    struct header headers[8];
    struct source_request req;
};

/* An event whose source is `value`, as it stands in the header. */
static void binary_open(struct binary *b, const char *value)
{
    const struct header headers[] = {
        {SLICE_INIT("Host"), SLICE_INIT("a")},
        {SLICE_INIT("CE-SpecVersion"), SLICE_INIT("1.0")},
        {SLICE_INIT("Ce-Id"), SLICE_INIT("i")},
        {SLICE_INIT("ce-type"), SLICE_INIT("t")},
    };
    memcpy(b->headers, headers, sizeof(headers));
    (void) snprintf(b->source, sizeof(b->source), "%s", value);
    b->headers[4] = (struct header){SLICE_LIT("ce-source"), slice_str(b->source)};
    b->req = (struct source_request){.headers = {b->headers, 5}};
}

static void test_header_values(void **state)
{
    (void) state;
    static const struct {
        const char *value, *want; /* want NULL: it is no value */
    } CASES[] = {
        {"/a", "/a"},
        {"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u20ac \U0001f600"},
        {"%2541", "%41"}, /* one round */
        {"%41%4a%4A", "AJJ"},
        {"100%", "100%"},
        {"%4", "%4"},
        {"%zz%4", "%zz%4"},
        {"\"a b\"", "a b"},
        {"\"a\\\"b\\\\c\"", "a\"b\\c"},
        {"x\"%2541\"y", "x%41y"},
        {"a\\b", "a\\b"},
        {"\u20ac", "\u20ac"},
        {"\"a", NULL},
        {"a\"", NULL},
        {"\"a\\", NULL},
        {"\"a\\\"", NULL},
        {"%C0%A0", NULL},
        {"%ED%A0%80", NULL},
        {"%E2%82", NULL},
        {"\xff", NULL},
        {"a%00b", NULL},
        {"%00", NULL},
        {"", NULL}, /* required */
        {"\"\"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].value);
        struct binary b;
        struct heard h;
        const char *why;
        char want[64];
        binary_open(&b, CASES[i].value);
        (void) snprintf(want, sizeof(want), "i %s t\n", CASES[i].want);
        assert_int_equal(hear(&h, &b.req, &why), 0);
        assert_string_equal(h.text, CASES[i].want == NULL ? "aside source\n" : want);
    }
}

static void test_long_values(void **state)
{
    (void) state;
    for (size_t len = CLOUD_EVENT_ATTRIBUTE_MAX - 1; len < LONG; len++) {
        for (int encoded = 0; encoded < 2; encoded++) {
            static struct binary b;
            struct heard h;
            const char *why;
            char value[3 * LONG] = "";
            for (size_t i = 0; i < len; i++)
                memcpy(value + i * (encoded ? 3 : 1), encoded ? "%61" : "a", encoded ? 3 : 1);
            binary_open(&b, value);
            assert_int_equal(hear(&h, &b.req, &why), 0);
            if (len <= CLOUD_EVENT_ATTRIBUTE_MAX)
                assert_int_equal(h.len, len + strlen("i  t\n"));
            else
                assert_string_equal(h.text, "aside source\n");
        }
    }
}

/* Header fields that are not there, there twice, or of another version. */
static void test_headers(void **state)
{
    (void) state;
    static const struct {
        const char *name, *header, *value, *content_type, *body, *want;
    } CASES[] = {
        {"no more than is needed", "X", "", "", "", "i /s t\n"},
        {"data of no type", "X", "", "", "{\"a\":1}", "i /s t data={\"a\":1}\n"},
        {"data of a JSON type", "X", "", "application/vnd.a+json; charset=UTF-8", "[1]",
         "i /s t data=[1]\n"},
        {"data of another type", "X", "", "application/xml", "<a/>", "i /s t\n"},
        {"data is broken", "X", "", "text/json", "{", "aside syntax\n"},
        {"data with a NUL", "X", "", "", "\"\\u0000\"", "aside nul\n"},
        {"subject", "ce-subject", "a%20b", "", "", "i /s t subject=a b\n"},
        {"time", "CE-TIME", "2024-05-01T09:00:00Z", "", "", "i /s t time=2024-05-01T09:00:00Z\n"},
        {"an extension", "ce-operator", "%ff", "", "", "i /s t\n"},
        {"subject of bad bytes", "ce-subject", "%ff", "", "", "aside subject\n"},
        {"time of bad bytes", "ce-time", "%ff", "", "", "aside time\n"},
        {"id twice", "ce-id", "j", "", "", "aside id\n"},
        {"type twice", "ce-type", "t", "", "", "aside type\n"},
        {"source twice", "ce-source", "/s", "", "", "aside source\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct binary b;
        struct heard h;
        const char *why;
        binary_open(&b, "/s");
        b.headers[b.req.headers.n++] =
            (struct header){slice_str(CASES[i].header), slice_str(CASES[i].value)};
        b.req.content_type = slice_str(CASES[i].content_type);
        b.req.body = slice_str(CASES[i].body);
        assert_int_equal(hear(&h, &b.req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
        assert_true(slice_eq(h.excerpt, b.req.body));
    }
    struct binary b;
    struct heard h;
    const char *why;
    binary_open(&b, "/s");
    b.headers[1].value = SLICE_LIT("0.3");
    assert_int_equal(hear(&h, &b.req, &why), 0);
    assert_string_equal(h.text, "aside specversion\n");
    b.headers[1].name = SLICE_LIT("ce-spec");
    assert_int_equal(hear(&h, &b.req, &why), -EBADMSG);
    assert_string_equal(why, "no_cloud_event");
}

/* --- the JSON format --- */

#define JSON "application/cloudevents+json"
#define EVENT(more)                                                                                \
    "{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"/s\",\"type\":\"t\"" more "}"

static void test_structured(void **state)
{
    (void) state;
    static const struct {
        const char *name, *body, *want;
    } CASES[] = {
        {"no more than is needed", EVENT(""), "i /s t\n"},
        {"white space around it", " " EVENT("") "\n", "i /s t\n"},
        {"data of text stays text", EVENT(",\"data\":\"{}\""), "i /s t data=\"{}\"\n"},
        {"data is null", EVENT(",\"data\":null"), "i /s t\n"},
        {"data of a number", EVENT(",\"data\":1"), "i /s t data=1\n"},
        {"base64", EVENT(",\"data_base64\":\"eyJhIjoxfQ==\""), "i /s t data={\"a\":1}\n"},
        {"base64 of a JSON type",
         EVENT(",\"datacontenttype\":\"a/b+JSON\",\"data_base64\":\"eyJhIjoxfQ==\""),
         "i /s t data={\"a\":1}\n"},
        {"base64 of another type",
         EVENT(",\"datacontenttype\":\"a/b\",\"data_base64\":\"eyJhIjoxfQ==\""), "i /s t\n"},
        {"base64 of nothing", EVENT(",\"data_base64\":\"\""), "i /s t\n"},
        {"base64 is null", EVENT(",\"data_base64\":null"), "i /s t\n"},
        {"both: data counts", EVENT(",\"data\":2,\"data_base64\":\"MQ==\""), "i /s t data=2\n"},
        {"extensions", EVENT(",\"operator\":1,\"a\":{}"), "i /s t\n"},
        {"nulls are absent", EVENT(",\"subject\":null,\"time\":null,\"datacontenttype\":null"),
         "i /s t\n"},

        {"base64 with an odd character", EVENT(",\"data_base64\":\"e$==\""), "aside data_base64\n"},
        {"base64 cut", EVENT(",\"data_base64\":\"eyJ\""), "aside data_base64\n"},
        {"base64 of a number", EVENT(",\"data_base64\":1"), "aside data_base64\n"},
        {"type of the data of a number", EVENT(",\"datacontenttype\":1,\"data_base64\":\"MQ==\""),
         "aside datacontenttype\n"},
        {"base64 of broken JSON", EVENT(",\"data_base64\":\"ew==\""), "aside syntax\n"},
        {"base64 of bad UTF-8", EVENT(",\"data_base64\":\"IsCgIg==\""), "aside utf8\n"},
        {"subject of a number", EVENT(",\"subject\":1"), "aside subject\n"},
        {"time of a number", EVENT(",\"time\":1"), "aside time\n"},
        {"nothing", "{}", "aside specversion\n"},
        {"no version", "{\"id\":\"i\",\"source\":\"/s\",\"type\":\"t\"}", "aside specversion\n"},
        {"version of a number",
         "{\"specversion\":1.0,\"id\":\"i\",\"source\":\"/s\",\"type\":\"t\"}",
         "aside specversion\n"},
        {"another version",
         "{\"specversion\":\"1.1\",\"id\":\"i\",\"source\":\"/s\",\"type\":\"t\"}",
         "aside specversion\n"},
        {"no id", "{\"specversion\":\"1.0\",\"source\":\"/s\",\"type\":\"t\"}", "aside id\n"},
        {"id is null", "{\"specversion\":\"1.0\",\"id\":null,\"source\":\"/s\",\"type\":\"t\"}",
         "aside id\n"},
        {"id of a number", "{\"specversion\":\"1.0\",\"id\":1,\"source\":\"/s\",\"type\":\"t\"}",
         "aside id\n"},
        {"id in capitals",
         "{\"specversion\":\"1.0\",\"ID\":\"i\",\"source\":\"/s\",\"type\":\"t\"}", "aside id\n"},
        {"empty source", "{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"\",\"type\":\"t\"}",
         "aside source\n"},
        {"no type", "{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"/s\"}", "aside type\n"},
        {"a key twice", EVENT(",\"id\":\"j\""), "aside duplicate_key\n"},
        {"a list", "[]", "aside event_type\n"},
        {"empty", "", "aside syntax\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        const struct source_request req = {.content_type = SLICE_LIT(JSON),
                                           .body = slice_str(CASES[i].body)};
        struct heard h;
        const char *why;
        assert_int_equal(hear(&h, &req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
        assert_true(slice_eq(h.excerpt, req.body));
    }
}

static void test_modes(void **state)
{
    (void) state;
#define BATCH "application/cloudevents-batch+json"
    static const struct {
        const char *name, *content_type, *body, *want; /* want NULL: refused, `why` */
        const char *why;
    } CASES[] = {
        {"structured", JSON, EVENT(""), "i /s t\n", NULL},
        {"in capitals", "Application/CloudEvents+JSON; charset=UTF-8", EVENT(""), "i /s t\n", NULL},
        {"without a format", "application/cloudevents", EVENT(""), "i /s t\n", NULL},
        {"plain JSON", "application/json", EVENT(""), "i /s t\n", NULL},
        {"a batch", BATCH, "[" EVENT("") "," EVENT(",\"data\":1") "]", "i /s t\ni /s t data=1\n",
         NULL},
        {"a batch in capitals", "APPLICATION/CLOUDEVENTS-BATCH+json", "[" EVENT("") "]", "i /s t\n",
         NULL},
        {"a batch without a format", "application/cloudevents-batch", " [" EVENT("") "]\n",
         "i /s t\n", NULL},
        {"an empty batch", BATCH, "[]", "", NULL},
        {"one bad event of a batch", BATCH, "[" EVENT("") ",{\"id\":tru}," EVENT("") "]",
         "i /s t\naside syntax\ni /s t\n", NULL},
        {"one event of a batch is none", BATCH, "[1," EVENT("") "]", "aside event_type\ni /s t\n",
         NULL},
        {"a batch that is none", BATCH, EVENT(""), NULL, "events_type"},
        {"a batch cut", BATCH, "[" EVENT("") ",", NULL, "syntax"},
        {"an empty body for a batch", BATCH, "", NULL, "events_type"},
        {"plain JSON of something else", "application/json", "{\"a\":1}", NULL, "no_cloud_event"},
        {"plain text", "text/plain", EVENT(""), NULL, "no_cloud_event"},
        {"nothing", "", "", NULL, "no_cloud_event"},
        {"charset", JSON "; charset=utf-16", EVENT(""), NULL, "charset"},
        {"charset of a batch", BATCH "; charset=utf-16", "[]", NULL, "charset"},
        {"XML", "application/cloudevents+xml", "<a/>", NULL, "format"},
        {"Avro", "application/cloudevents-batch+avro", "", NULL, "format"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        const struct source_request req = {.content_type = slice_str(CASES[i].content_type),
                                           .body = slice_str(CASES[i].body)};
        struct heard h;
        const char *why;
        assert_int_equal(hear(&h, &req, &why), CASES[i].want == NULL ? -EBADMSG : 0);
        assert_string_equal(h.text, CASES[i].want == NULL ? "" : CASES[i].want);
        if (CASES[i].want == NULL)
            assert_string_equal(why, CASES[i].why);
    }
}

/* JS-08 */
static void test_large_batch(void **state)
{
    (void) state;
    enum { N = 10000, BAD = 7321 };
    struct buf body;
    buf_init(&body, 16 << 20);
    for (int i = 0; i < N; i++) {
        assert_int_equal(buf_append_str(&body, i == 0 ? "[" : ","), 0);
        assert_int_equal(buf_append_str(&body, i == BAD ? "{\"specversion\":\"1.0\"}" : EVENT("")),
                         0);
    }
    assert_int_equal(buf_append_str(&body, "]"), 0);
    const struct source_request req = {.content_type = SLICE_LIT(BATCH), .body = buf_slice(&body)};
    static struct heard h;
    const char *why;
    assert_int_equal(hear(&h, &req, &why), 0);
    assert_int_equal(h.set_aside, 1);
    assert_int_equal(h.changes, N - 1);
    buf_fini(&body);
}

static void test_of_type(void **state)
{
    (void) state;
    static const struct {
        const char *name, *content_type, *body;
        bool want;
    } CASES[] = {
        {"structured", JSON, "{\"type\":\"a.b.c\"}", true},
        {"just the prefix", JSON, "{\"type\":\"a.b.\"}", true},
        {"shorter", JSON, "{\"type\":\"a.b\"}", false},
        {"in capitals", JSON, "{\"type\":\"A.B.C\"}", false},
        {"of a number", JSON, "{\"type\":1}", false},
        {"twice", JSON, "{\"type\":\"a.b.c\",\"type\":\"a.b.c\"}", false},
        {"none", JSON, "{}", false},
        {"empty", JSON, "", false},
        {"plain", "application/json", "{\"specversion\":1,\"type\":\"a.b.c\"}", true},
        {"plain, nobody's", "application/json", "{\"type\":\"a.b.c\"}", false},
        {"first of a batch", BATCH, " [{\"type\":\"a.b.c\"},1]", true},
        {"second of a batch", BATCH, "[1,{\"type\":\"a.b.c\"}]", false},
        {"an empty batch", BATCH, "[]", false},
        {"a batch that is none", BATCH, "{\"type\":\"a.b.c\"}", false},
        {"a batch of nothing", BATCH, "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        const struct source_request req = {.content_type = slice_str(CASES[i].content_type),
                                           .body = slice_str(CASES[i].body)};
        assert_int_equal(cloud_event_of_type(&req, "a.b.") != NULL, CASES[i].want);
    }
}

static void test_known_by(void **state)
{
    (void) state;
    struct binary b;
    binary_open(&b, "/s");
    assert_string_equal(cloud_event_known_by(&b.req), "header ce-specversion");
    struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                 .body = SLICE_LIT("{\"specversion\":1}")};
    assert_string_equal(cloud_event_known_by(&req), "member specversion");
    req.body = SLICE_LIT("[{\"specversion\":1}]");
    assert_null(cloud_event_known_by(&req));
    req.content_type = SLICE_LIT(BATCH);
    assert_string_equal(cloud_event_known_by(&req), "content type");
}

static void test_sender_id(void **state)
{
    (void) state;
    char ids[5][FIELD_ID_MAX + 1], text[200] = "";
    memset(text, 'a', 127);
    const struct cloud_event events[] = {
        {.source = "s", .id = "i"},   /* as they are */
        {.source = text, .id = ""},   /* 128 with the space: just so */
        {.source = text, .id = "i"},  /* hashed, and the rest, too */
        {.source = "s i", .id = "j"}, /* which would read as the next */
        {.source = "s", .id = "i j\u20ac x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        assert_ptr_equal(cloud_event_sender_id(&events[i], ids[i]), ids[i]);
        assert_true(strlen(ids[i]) <= FIELD_ID_MAX);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(ids[i], ids[k]);
    }
    assert_string_equal(ids[0], "s i");
    assert_int_equal(strlen(ids[1]), 128);
    assert_int_equal(strncmp(ids[2], "sha256:", 7), 0);
    assert_int_equal(strncmp(ids[3], "sha256:", 7), 0);
    assert_string_equal(ids[4], "s i j\u20ac x");
}

/* What was reported before memory ran out is void, so that it may stop anywhere. */
static void test_no_memory(void **state)
{
    (void) state;
    struct source_request req = {
        .content_type = SLICE_LIT(BATCH),
        .body = SLICE_LIT("[" EVENT("") "," EVENT(",\"data_base64\":\"MQ==\"") "]")};
    struct heard h;
    const char *why;
    unsigned n = 0;
    int r;
    do {
        mem_fail_at(++n);
        r = hear(&h, &req, &why);
        assert_true(r == 0 || r == -ENOMEM);
        assert_true(r == 0 || h.changes < 2);
    } while (r < 0);
    mem_fail_at(0);
    assert_true(n > 1);
    assert_string_equal(h.text, "i /s t\ni /s t data=1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),     cmocka_unit_test(test_header_values),
        cmocka_unit_test(test_long_values), cmocka_unit_test(test_headers),
        cmocka_unit_test(test_structured),  cmocka_unit_test(test_modes),
        cmocka_unit_test(test_large_batch), cmocka_unit_test(test_of_type),
        cmocka_unit_test(test_known_by),    cmocka_unit_test(test_sender_id),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
