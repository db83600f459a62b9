/* CloudEvents 1.0: three modes, decoding of header values, what is required, what is set aside. */
#include "source/cloud_event.h"

#include "heard.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
