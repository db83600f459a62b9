/* The adapter of Google Artifact Registry: expectations are from "Configuring Pub/Sub
 * notifications" and "Push subscriptions" of Google Cloud. */
#include "adapter_bed.h"

#include <mbedtls/base64.h>

static const struct bed BED = {.source = &SOURCE_GAR};

#define AT       " at=2024-05-01T09:00:00.749Z"
#define IMAGE    "my-project/my-repo/app digest=" DIGEST
#define KNOWN_BY "members message and subscription"

static void test_samples(void **state)
{
    (void) state;
    static const struct bed_sample SAMPLES[] = {
        {"google-artifact-registry/insert-digest.http",
         "push " IMAGE " id=2070443601311540" AT "\n", KNOWN_BY},
        {"google-artifact-registry/insert-digest-and-tag.http",
         "push " IMAGE " tag=1.1 id=2070443601311541" AT "\n", KNOWN_BY},
        {"google-artifact-registry/insert-redelivered-attempt-5.http",
         "push " IMAGE " tag=1.1 id=2070443601311541" AT "\n", KNOWN_BY},
        {"google-artifact-registry/delete-tag.http",
         "delete-tag my-project/my-repo/app tag=1.1 id=2070443601311542" AT " certain\n", KNOWN_BY},
        {"google-artifact-registry/delete-digest.UNCONFIRMED.http",
         "delete-digest " IMAGE " id=2070443601311543" AT " certain\n", KNOWN_BY},
    };
    bed_samples(&BED, SAMPLES, ARRAY_LEN(SAMPLES));
}

#define HOST "us-west1-docker.pkg.dev/"
#define NAME HOST "my-project/my-repo/app"
#define BODY "{\"action\":\"INSERT\",\"digest\":\"" NAME "@" DIGEST "\",\"tag\":\"" NAME ":1.1\"}"
#define D    "\"digest\":\"" NAME "@" DIGEST "\""
#define T    "\"tag\":\"" NAME ":1.1\""

static const struct bed_change CHANGES[] = {
    {"INSERT", "INSERT", "push " IMAGE " tag=1.1"},
    {"," T, "", "push " IMAGE},
    {T, "\"tag\":\"\"", "push " IMAGE},
    {T, "\"tag\":null", "push " IMAGE},
    {D ",", "", "push my-project/my-repo/app tag=1.1"},
    {"INSERT", "DELETE", "delete-tag " IMAGE " tag=1.1"},
    {"\"INSERT\"," D ",", "\"DELETE\",", "delete-tag my-project/my-repo/app tag=1.1"},
    {"\"INSERT\"," D "," T, "\"DELETE\"," D, "delete-digest " IMAGE},
    {"INSERT", "UPDATE", "ignored unknown_action"},
    {"INSERT", "insert", "ignored unknown_action"},
    /* nested images, the older host, an emulator's port */
    {D "," T, "\"tag\":\"" NAME "/server/main:v1\"",
     "push my-project/my-repo/app/server/main tag=v1"},
    {D "," T, "\"tag\":\"gcr.io/my-project/app:v1\"", "push my-project/app tag=v1"},
    {D "," T, "\"tag\":\"localhost:5000/my-project/app:v1\"", "push my-project/app tag=v1"},

    {"\"INSERT\"", "1", "aside action"},
    {"\"INSERT\"", "\"\"", "aside action"},
    {"\"action\":\"INSERT\",", "\"ACTION\":\"INSERT\",", "aside action"},
    {D, "\"digest\":[]", "aside digest"},
    {D, "\"digest\":\"" NAME "\"", "aside digest"},
    {D, "\"digest\":\"" NAME ":1.1@" DIGEST "\"", "aside digest"},
    {D, "\"digest\":\"" NAME "@sha256:12\"", "aside digest"},
    {D,
     "\"digest\":\"@" DIGEST "\","
     "\"x\":0",
     "push my-project/my-repo/app digest=" DIGEST " tag=1.1"},
    {T, "\"tag\":9", "aside tag"},
    {T, "\"tag\":\"" NAME "\"", "aside tag"},
    {T, "\"tag\":\"" NAME ":1.1@" DIGEST "\"", "aside tag"},
    {T, "\"tag\":\"" NAME ":\"", "aside tag"},
    {T, "\"tag\":\"" NAME "2:1.1\"", "aside repository"},
    {D "," T, "\"tag\":\"" HOST ":1.1\"", "aside repository"},
    {D "," T, "\"tag\":\"" HOST "My-Project/app:1.1\"", "aside repository"},
    {"," D "," T, "", "aside repository"},
};

/* `inner` as the data of a message. The caller's. */
static char *wrapped(const char *inner)
{
    static const char BEGIN[] = "{\"message\":{\"data\":\"",
                      END[] = "\",\"messageId\":\"m1\",\"message_id\":\"m1\",\"publishTime\":"
                              "\"2024-05-01T09:00:00.749Z\","
                              "\"publish_time\":\"2024-05-01T09:00:00.749Z\",\"attributes\":{}},"
                              "\"subscription\":\"projects/my-project/subscriptions/regcast\"}";
    size_t len = strlen(inner), cap = len / 3 * 4 + 8 + sizeof(BEGIN) + sizeof(END), n = 0;
    char *body = malloc(cap);
    assert_non_null(body);
    memcpy(body, BEGIN, sizeof(BEGIN));
    assert_int_equal(mbedtls_base64_encode((uint8_t *) body + sizeof(BEGIN) - 1,
                                           cap - sizeof(BEGIN) + 1, &n, (const uint8_t *) inner,
                                           len),
                     0);
    memcpy(body + sizeof(BEGIN) - 1 + n, END, sizeof(END));
    return body;
}

/* What is heard when id and time come with the notification, and then whether it is certain. */
static void check(const char *said, const char *want, const char *with)
{
    char line[1024];
    bool is_change = strncmp(want, "push ", 5) == 0 || strncmp(want, "delete-", 7) == 0;
    (void) snprintf(line, sizeof(line), "%s%s%s\n", want, is_change ? with : "",
                    is_change && want[0] == 'd' ? " certain" : "");
    assert_string_equal(said, line);
}

static void test_notifications(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CHANGES); i++) {
        print_message("  %.70s\n", CHANGES[i].by);
        char *inner = bed_changed(BODY, CHANGES[i].what, CHANGES[i].by), *body = wrapped(inner);
        check(bed_run(&BED, body, strlen(body)), CHANGES[i].want,
              " id=m1 at=2024-05-01T09:00:00.749Z");
        if (strstr(inner, "\"action\"") != NULL)
            check(bed_run(&BED, inner, strlen(inner)), CHANGES[i].want, "");
        free(body);
        free(inner);
    }
    bed_truncated(&BED, BODY);
    bed_broken(&BED, BODY, "refused ", "", "");
}

/* "Write metadata" of unwrapped messages. */
static void test_headers(void **state)
{
    (void) state;
    static const struct header HEADERS[] = {
        {SLICE_INIT("X-Goog-Pubsub-Message-Id"), SLICE_INIT("m7")},
        {SLICE_INIT("x-goog-pubsub-publish-time"), SLICE_INIT("2024-05-01T09:00:00Z")},
    };
    static const struct header ODD[] = {
        {SLICE_INIT("x-goog-pubsub-message-id"), SLICE_INIT("m\xff")},
        {SLICE_INIT("x-goog-pubsub-publish-time"), SLICE_INIT("1714554000")},
    };
    struct bed bed = {.source = &SOURCE_GAR, .headers = {HEADERS, 2}};
    check(bed_run(&bed, BODY, strlen(BODY)), CHANGES[0].want, " id=m7 at=2024-05-01T09:00:00Z");
    bed.headers.at = ODD;
    check(bed_run(&bed, BODY, strlen(BODY)), CHANGES[0].want, "");
    bed.content_type = "application/json; charset=utf-16";
    check(bed_run(&bed, BODY, strlen(BODY)), "refused charset", "");
}

static void test_messages(void **state)
{
    (void) state;
    static const struct bed_change WRONG[] = {
        {"\"messageId\":\"m1\",", "", "push " IMAGE " tag=1.1 id=m1" AT "\n"},
        {"\"messageId\":\"m1\",\"message_id\":\"m1\",", "", "push " IMAGE " tag=1.1" AT "\n"},
        {"\"publishTime\":\"2024-05-01T09:00:00.749Z\",", "",
         "push " IMAGE " tag=1.1 id=m1" AT "\n"},
        {"\"messageId\":\"m1\"", "\"messageId\":1", "aside id\n"},
        {"\"data\":\"", "\"data\":\"*", "aside data\n"},
        {"\"data\":\"", "\"data\":\"\",\"was\":\"", "aside data\n"},
        {"\"data\":\"", "\"data\":7,\"was\":\"", "aside data\n"},
        {"\"data\":\"", "\"was\":\"", "aside data\n"},
        {"\"data\":\"", "\"data\":\"e30=\",\"was\":\"", "aside action\n"},
        {"\"data\":\"", "\"data\":\"W10=\",\"was\":\"", "aside action\n"},
        {"\"data\":\"", "\"data\":\"ew==\",\"was\":\"", "aside syntax\n"},
        {"\"data\":\"", "\"data\":\"/w==\",\"was\":\"", "aside utf8\n"},
        {"{\"message\":{", "{\"message\":[],\"was\":{", "refused no_message\n"},
        {"{\"message\":{", "{\"Message\":{", "refused no_message\n"},
        {"{\"message\":{", "[{\"message\":{", "refused syntax\n"},
    };
    char *body = wrapped(BODY);
    bed_changes(&BED, body, WRONG, ARRAY_LEN(WRONG));
    bed_truncated(&BED, body);
    bed_broken(&BED, body, "refused ", "", "");
    free(body);
    /* and what is broken inside of it */
    for (size_t len = 0; len < strlen(BODY); len++) {
        char inner[sizeof(BODY)];
        (void) snprintf(inner, sizeof(inner), "%.*s", (int) len, BODY);
        body = wrapped(inner);
        assert_string_equal(bed_run(&BED, body, strlen(body)),
                            len == 0 ? "aside data\n" : "aside syntax\n");
        free(body);
    }
}

static void test_detect(void **state)
{
    (void) state;
    static const struct {
        const char *body, *known_by;
    } CASES[] = {
        {BODY, "action INSERT or DELETE"},
        {"{\"action\":\"DELETE\",\"tag\":\"a/b:c\"}", "action INSERT or DELETE"},
        {"{\"message\":{},\"subscription\":\"projects/p/subscriptions/s\"}", KNOWN_BY},
        {"{\"message\":{},\"subscription\":7}", NULL},
        {"{\"message\":\"\",\"subscription\":\"projects/p/subscriptions/s\"}", NULL},
        {"{\"message\":{}}", NULL},
        {"{\"action\":\"INSERT\",\"tag\":7}", NULL},
        {"{\"action\":\"INSERTED\",\"tag\":\"\"}", NULL},
        {"{\"action\":\"INSERT\"}", NULL},
        {"[]", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %.70s\n", CASES[i].body);
        const char *known_by =
            SOURCE_GAR.detect(&(struct source_request){.body = slice_str(CASES[i].body)});
        assert_true((known_by == NULL) == (CASES[i].known_by == NULL));
        if (known_by != NULL)
            assert_string_equal(known_by, CASES[i].known_by);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_notifications),
        cmocka_unit_test(test_headers), cmocka_unit_test(test_messages),
        cmocka_unit_test(test_detect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
