/* The adapter of Azure Container Registry: expectations are from "Azure Container Registry webhook
 * reference", "Azure Container Registry as an Event Grid source" and "Endpoint validation with
 * Event Grid events". */
#include "adapter_bed.h"
#include "buf.h"
#include "json.h"
#include "mem.h"

static const struct bed BED = {.source = &SOURCE_ACR};

#define IMAGE  "team/app digest=" DIGEST
#define BY_REQ " request=3cbb6949-7549-4fa1-86cd-a6d5451dffc7"

static void test_samples(void **state)
{
    (void) state;
    static const struct bed_sample SAMPLES[] = {
        {"acr/push-tag.http",
         "push " IMAGE " tag=v1 id=cb8c3971-9adc-488b-bdd8-43cbb4974ff5" BY_REQ
         " at=2024-05-01T09:00:00.343145347Z\n",
         "header User-Agent"},
        {"acr/push-without-tag.http",
         "push " IMAGE " id=cb8c3971-9adc-488b-bdd8-43cbb4974ff6" BY_REQ
         " at=2024-05-01T09:00:00.143145347Z\n",
         "header User-Agent"},
        {"acr/delete-manifest.http",
         "delete-digest " IMAGE " id=afc359ce-df7f-4e32-bdde-1ff8aa80927b" BY_REQ
         " at=2024-05-01T10:00:00.657764628Z certain\n",
         "header User-Agent"},
        {"acr/chart-push.http", "ignored chart\n", "header User-Agent"},
        {"acr/ping-ignore.PARTLY-UNKNOWN.http", "ignored ping\n", "header User-Agent"},
    };
    bed_samples(&BED, SAMPLES, ARRAY_LEN(SAMPLES));
}

#define BODY                                                                                       \
    "{\"id\":\"e1\",\"timestamp\":\"2024-05-01T09:00:00Z\",\"action\":\"push\",\"target\":{"       \
    "\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\",\"size\":524,"         \
    "\"digest\":\"" DIGEST "\",\"length\":524,\"repository\":\"team/app\",\"tag\":\"v1\"},"        \
    "\"request\":{\"id\":\"r1\",\"host\":\"myregistry.azurecr.io\",\"method\":\"PUT\"},"           \
    "\"actor\":{\"name\":\"alice\"}}"
#define REST  " id=e1 request=r1 at=2024-05-01T09:00:00Z by=alice"
#define MEDIA "\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\""

static const struct bed_change CHANGES[] = {
    {"e1", "e1", "push " IMAGE " tag=v1" REST "\n"},
    {",\"tag\":\"v1\"", ",\"tag\":\"\"", "push " IMAGE REST "\n"},
    {"\"push\"", "\"delete\"", "delete-tag " IMAGE " tag=v1" REST " certain\n"},
    {"\"push\"", "\"chart_delete\"", "ignored chart\n"},
    {"\"push\"", "\"quarantine\"", "ignored quarantine\n"},
    {"\"push\"", "\"ping\"", "ignored ping\n"},
    {"\"push\"", "\"pull\"", "ignored unknown_action\n"},
    {MEDIA, "\"mediaType\":\"application/vnd.oci.image.index.v1+json\"",
     "push " IMAGE " tag=v1" REST "\n"},
    {MEDIA ",", "", "push " IMAGE " tag=v1" REST "\n"},
    {MEDIA, "\"mediaType\":\"application/octet-stream\"", "ignored blob\n"},
    {",\"actor\":{\"name\":\"alice\"}", "",
     "push " IMAGE " tag=v1 id=e1 request=r1 at=2024-05-01T09:00:00Z\n"},
    {"\"actor\":{\"name\":\"alice\"}", "\"actor\":[]",
     "push " IMAGE " tag=v1 id=e1 request=r1 at=2024-05-01T09:00:00Z\n"},
    {"\"2024-05-01T09:00:00Z\"", "17", "push " IMAGE " tag=v1 id=e1 request=r1 by=alice\n"},

    {"\"push\"", "1", "aside action\n"},
    {"\"action\":\"push\",", "", "aside action\n"},
    {"\"e1\"", "[]", "aside id\n"},
    {"\"r1\"", "{}", "aside request_id\n"},
    {"\"target\":{", "\"target\":0,\"more\":{", "aside repository\n"},
    {"\"team/app\"", "7", "aside repository\n"},
    {"\"team/app\"", "\"team//app\"", "aside repository\n"},
    {"\"" DIGEST "\"", "false", "aside digest\n"},
    {"\"" DIGEST "\"",
     "\"sha256:"
     "\"",
     "aside digest\n"},
    {"\"v1\"", "1.1", "aside tag\n"},
    {"\"v1\"", "\"-1\"", "aside tag\n"},
    {"\"digest\":\"" DIGEST "\",\"length\":524,\"repository\":\"team/app\",\"tag\":\"v1\"",
     "\"repository\":\"team/app\"", "aside digest\n"},
};

static void test_webhook(void **state)
{
    (void) state;
    bed_changes(&BED, BODY, CHANGES, ARRAY_LEN(CHANGES));
    bed_truncated(&BED, BODY);
    bed_broken(&BED, BODY, "refused ", "", "");
    static const struct bed OTHER = {.source = &SOURCE_ACR,
                                     .content_type = "application/json; charset=latin1"};
    assert_string_equal(bed_run(&OTHER, BODY, strlen(BODY)), "refused charset\n");
    static const struct bed_change ODD[] = {
        {BODY, "7", "aside event_type\n"},
        {BODY, "", "refused syntax\n"},
        {BODY, "[]", ""},
        {BODY, "{}", "aside action\n"},
    };
    bed_changes(&BED, BODY, ODD, ARRAY_LEN(ODD));
}

/* The same as the data of an event of Event Grid, which has an id and a time of its own. */
#define GRID_HEAD                                                                                  \
    "{\"id\":\"g1\",\"topic\":\"/subscriptions/s/registries/myregistry\",\"subject\":\"app:v1\","  \
    "\"eventType\":\"Microsoft.ContainerRegistry.ImagePushed\","                                   \
    "\"eventTime\":\"2024-05-01T09:00:01Z\",\"dataVersion\":\"1.0\",\"metadataVersion\":\"1\","    \
    "\"data\":"
#define GRID      GRID_HEAD BODY "}"
#define GRID_REST " id=g1 request=r1 at=2024-05-01T09:00:00Z by=alice"
#define TYPE      "Microsoft.ContainerRegistry.ImagePushed"

static void test_event_grid(void **state)
{
    (void) state;
    static const struct bed_change GRID_CHANGES[] = {
        {"g1", "g1", "push " IMAGE " tag=v1" GRID_REST "\n"},
        {TYPE, "Microsoft.ContainerRegistry.ChartPushed", "ignored chart\n"},
        {TYPE, "Microsoft.EventGrid.SubscriptionDeletedEvent", "ignored unknown_type\n"},
        {"\"id\":\"g1\",", "", "push " IMAGE " tag=v1" REST "\n"},
        {"\"timestamp\":\"2024-05-01T09:00:00Z\",", "",
         "push " IMAGE " tag=v1 id=g1 request=r1 at=2024-05-01T09:00:01Z by=alice\n"},
        {"\"" TYPE "\"", "7", "aside eventType\n"},
        {"\"" TYPE "\"", "\"\"", "aside eventType\n"},
        {"\"g1\"", "7", "aside id\n"},
        {"\"data\":", "\"datum\":", "aside action\n"},
        {"\"data\":{", "\"data\":\"x\",\"more\":{", "aside action\n"},
    };
    bed_changes(&BED, GRID, GRID_CHANGES, ARRAY_LEN(GRID_CHANGES));
    bed_truncated(&BED, "[" GRID "]");
    bed_broken(&BED, GRID, "aside ", "[", "]");

    static const struct bed_change LISTS[] = {
        {GRID, "[" GRID "]", "push " IMAGE " tag=v1" GRID_REST "\n"},
        {GRID, " [7, " GRID " ,{\"id\":1,\"id\":2}]\n",
         "aside event_type\npush " IMAGE " tag=v1" GRID_REST "\naside duplicate_key\n"},
        {GRID, "[" GRID "] 1", "refused syntax\n"},
        {GRID, "[" GRID ",]", "refused syntax\n"},
    };
    bed_changes(&BED, GRID, LISTS, ARRAY_LEN(LISTS));
    char *deleted = bed_changed(GRID, TYPE, "Microsoft.ContainerRegistry.ImageDeleted");
    static const struct bed_change DELETE[] = {{"\"action\":\"push\"", "\"action\":\"delete\"",
                                                "delete-tag " IMAGE " tag=v1" GRID_REST
                                                " certain\n"}};
    bed_changes(&BED, deleted, DELETE, 1);
    free(deleted);
}

/* JS-08: one bad of many is set aside alone; and there is an end. */
static void test_many(void **state)
{
    (void) state;
    static struct heard h;
    const char *why;
    struct buf body;
    buf_init(&body, 16 << 20);
    assert_int_equal(buf_append_str(&body, "[7"), 0);
    for (unsigned i = 1; i < 10000; i++)
        assert_int_equal(buf_append_str(&body, "," BODY), 0);
    struct source_request req = {.content_type = SLICE_LIT("application/json")};
    assert_int_equal(buf_append_str(&body, "]"), 0);
    req.body = buf_slice(&body);
    assert_int_equal(heard_adapt(&h, &SOURCE_ACR, &req, &why), 0);
    assert_int_equal(h.changes, 9999);
    assert_int_equal(h.set_aside, 1);
    assert_true(slice_eq_str(h.excerpt, "7"));

    body.len--;
    assert_int_equal(buf_append_str(&body, ",7]"), 0);
    req.body = buf_slice(&body);
    assert_int_equal(heard_adapt(&h, &SOURCE_ACR, &req, &why), -EBADMSG);
    assert_string_equal(why, "too_many_events");
    buf_fini(&body);
}

#define CLOUD                                                                                      \
    "{\"specversion\":\"1.0\",\"id\":\"g1\",\"source\":\"/subscriptions/s/registries/r\","         \
    "\"type\":\"" TYPE "\",\"time\":\"2024-05-01T09:00:01Z\",\"data\":" BODY "}"

static void test_cloud_events(void **state)
{
    (void) state;
    static const struct bed CLOUD_BED = {.source = &SOURCE_ACR,
                                         .content_type = "application/cloudevents+json"};
    static const struct bed BATCH_BED = {.source = &SOURCE_ACR,
                                         .content_type = "application/cloudevents-batch+json"};
    static const struct bed_change CLOUD_CHANGES[] = {
        {"g1", "g1", "push " IMAGE " tag=v1" GRID_REST "\n"},
        {TYPE, "Microsoft.ContainerRegistry.ChartDeleted", "ignored chart\n"},
        {TYPE, "Microsoft.Storage.BlobCreated", "ignored unknown_type\n"},
        {"\"data\":", "\"datum\":", "aside action\n"},
    };
    bed_changes(&CLOUD_BED, CLOUD, CLOUD_CHANGES, ARRAY_LEN(CLOUD_CHANGES));
    bed_truncated(&CLOUD_BED, CLOUD);
    assert_string_equal(bed_run(&BATCH_BED, "[" CLOUD "]", strlen("[" CLOUD "]")),
                        "push " IMAGE " tag=v1" GRID_REST "\n");
}

static void test_detect(void **state)
{
    (void) state;
    static const struct {
        const char *content_type, *body, *known_by;
    } CASES[] = {
        {"application/json", BODY, "members action, target and timestamp"},
        {"application/json", "[" GRID "]", "eventType"},
        {"application/json", GRID, "eventType"},
        {"application/json",
         "[{\"eventType\":\"Microsoft.EventGrid.SubscriptionValidationEvent\"}]", "eventType"},
        {"application/cloudevents+json", CLOUD, "CloudEvent type"},
        {"application/json", "{\"action\":\"push\",\"target\":{}}", NULL},
        {"application/json", "{\"action\":\"push\",\"target\":[],\"timestamp\":\"\"}", NULL},
        {"application/json", "{\"action\":\"published\",\"target\":{},\"timestamp\":\"\"}", NULL},
        {"application/json", "[{\"eventType\":\"Microsoft.Storage.BlobCreated\"}]", NULL},
        {"application/json", "[", NULL},
        {"application/json", "", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %.70s\n", CASES[i].body);
        const struct source_request req = {.content_type = slice_str(CASES[i].content_type),
                                           .body = slice_str(CASES[i].body)};
        const char *known_by = SOURCE_ACR.detect(&req);
        assert_true((known_by == NULL) == (CASES[i].known_by == NULL));
        if (known_by != NULL)
            assert_string_equal(known_by, CASES[i].known_by);
    }
}

#define VALIDATION(data)                                                                           \
    "[{\"id\":\"2d1781af-3a4c-4d7c-bd0c-e34b19da4e66\",\"topic\":\"/subscriptions/s\","            \
    "\"subject\":\"\",\"data\":" data ",\"eventType\":"                                            \
    "\"Microsoft.EventGrid.SubscriptionValidationEvent\","                                         \
    "\"eventTime\":\"2018-01-25T22:12:19.4556811Z\",\"metadataVersion\":\"1\"}]"
#define CODE "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
#define TEN  "0123456789"

static void test_handshake(void **state)
{
    (void) state;
    static const struct {
        const char *body, *answer; /* NULL: it is no handshake */
        const char *adapted;
    } CASES[] = {
        {VALIDATION("{\"validationCode\":\"" CODE "\",\"validationUrl\":\"https://x/\"}"),
         "{\"validationResponse\":\"" CODE "\"}", "ignored validation\n"},
        {VALIDATION("{\"validationCode\":\"\"}"), NULL, "aside validationCode\n"},
        {VALIDATION("{\"validationCode\":\"a b\"}"), NULL, "aside validationCode\n"},
        {VALIDATION("{\"validationCode\":\"a\\\",\\\"b\"}"), NULL, "aside validationCode\n"},
        {VALIDATION("{\"validationCode\":\"<b>\"}"), NULL, "aside validationCode\n"},
        {VALIDATION("{\"validationCode\":512}"), NULL, "aside validationCode\n"},
        {VALIDATION("{\"validationCode\":null}"), NULL, "aside validationCode\n"},
        {VALIDATION("{\"validationcode\":\"" CODE "\"}"), NULL, "aside validationCode\n"},
        {VALIDATION("{\"validationCode\":\"" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
                    "012345678\"}"),
         NULL, "aside validationCode\n"},
        {VALIDATION("[]"), NULL, "aside validationCode\n"},
        {VALIDATION("{\"validationCode\":\"a\",\"validationCode\":\"b\"}"), NULL,
         "aside duplicate_key\n"},
        {"[" GRID "]", NULL, "push " IMAGE " tag=v1" GRID_REST "\n"},
        {BODY, NULL, "push " IMAGE " tag=v1" REST "\n"},
        {"", NULL, "refused syntax\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %.90s\n", CASES[i].body);
        struct buf out;
        buf_init(&out, 1024);
        const struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                           .body = slice_str(CASES[i].body)};
        assert_int_equal(SOURCE_ACR.handshake(&req, &out), CASES[i].answer != NULL);
        assert_true(slice_eq_str(buf_slice(&out), CASES[i].answer == NULL ? "" : CASES[i].answer));
        buf_fini(&out);
        assert_string_equal(bed_run(&BED, CASES[i].body, strlen(CASES[i].body)), CASES[i].adapted);
    }
}

static void test_handshake_without_memory(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1024);
    const struct source_request req = {
        .content_type = SLICE_LIT("application/json"),
        .body = SLICE_LIT(VALIDATION("{\"validationCode\":\"" CODE "\"}"))};
    mem_fail_at(1);
    assert_int_equal(SOURCE_ACR.handshake(&req, &out), -ENOMEM);
    mem_fail_at(0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),      cmocka_unit_test(test_webhook),
        cmocka_unit_test(test_event_grid),   cmocka_unit_test(test_many),
        cmocka_unit_test(test_cloud_events), cmocka_unit_test(test_detect),
        cmocka_unit_test(test_handshake),    cmocka_unit_test(test_handshake_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
