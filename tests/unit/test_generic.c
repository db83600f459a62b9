/* The adapter of anything else: what conf/reference.md promises of `registries[].generic`, on
 * shapes that no adapter of ours knows. */
#include "adapter_bed.h"
#include "buf.h"
#include "config.h"

#define IMAGE "team/app digest=" DIGEST

static struct config_registry registry_of(struct config_generic generic)
{
    return (struct config_registry){.generic = generic};
}

#define AT(pointer) ((char *) (uintptr_t) (pointer)) /* the configuration owns its texts */

static const char *run(struct config_generic generic, const char *body)
{
    const struct config_registry registry = registry_of(generic);
    const struct bed bed = {.source = &SOURCE_GENERIC, .registry = &registry};
    return bed_run(&bed, body, strlen(body));
}

/* --- one event, all fields --- */

#define BODY                                                                                       \
    "{\"kind\":\"pushed\",\"uuid\":\"e1\",\"when\":\"2024-05-01T11:00:00+02:00\","                 \
    "\"user\":{\"login\":\"alice\"},\"image\":{\"name\":\"team/app\",\"tags\":[\"v1\",\"v2\"],"    \
    "\"sha\":\"" DIGEST "\",\"a/b~c\":\"odd\"}}"
#define REST " id=e1 at=2024-05-01T09:00:00Z by=alice"

static const struct config_generic ALL = {.repository = AT("/image/name"),
                                          .tag = AT("/image/tags/0"),
                                          .digest = AT("/image/sha"),
                                          .action = AT("/kind"),
                                          .id = AT("/uuid"),
                                          .time = AT("/when"),
                                          .actor = AT("/user/login")};

static void test_fields(void **state)
{
    (void) state;
    static const struct bed_change CHANGES[] = {
        {"e1", "e1", "push " IMAGE " tag=v1" REST "\n"},
        {"pushed", "PUSH", "push " IMAGE " tag=v1" REST "\n"},
        {"pushed", "created", "push " IMAGE " tag=v1" REST "\n"},
        {"pushed", "deleted", "delete-tag " IMAGE " tag=v1" REST " certain\n"},
        {"pushed", "Removed", "delete-tag " IMAGE " tag=v1" REST " certain\n"},
        {"pushed", "scanned", "ignored unknown_action\n"},
        {"\"sha\":\"" DIGEST "\"", "\"sha\":null", "push team/app tag=v1" REST "\n"},
        {"\"v1\"", "\"" DIGEST "\"", "push " IMAGE REST "\n"}, /* a digest for want of a tag */
        {"[\"v1\",\"v2\"]", "[]", "push " IMAGE REST "\n"},
        {"\"tags\"", "\"TAGS\"", "push " IMAGE REST "\n"},
        {"\"e1\"", "12345", "push " IMAGE " tag=v1 id=12345 at=2024-05-01T09:00:00Z by=alice\n"},
        {"\"e1\"", "9007199254740991",
         "push " IMAGE " tag=v1 id=9007199254740991 at=2024-05-01T09:00:00Z by=alice\n"},
        {"\"2024-05-01T11:00:00+02:00\"", "1714554000", "push " IMAGE " tag=v1" REST "\n"},
        {"\"2024-05-01T11:00:00+02:00\"", "1714554000000", "push " IMAGE " tag=v1" REST "\n"},
        {"\"2024-05-01T11:00:00+02:00\"", "1.714554e9", "push " IMAGE " tag=v1" REST "\n"},
        {"\"2024-05-01T11:00:00+02:00\"", "1714554000250",
         "push " IMAGE " tag=v1 id=e1 at=2024-05-01T09:00:00.250000Z by=alice\n"},
        {"\"2024-05-01T11:00:00+02:00\"", "-5", "push " IMAGE " tag=v1 id=e1 by=alice\n"},
        {"\"2024-05-01T11:00:00+02:00\"", "1e400", "push " IMAGE " tag=v1 id=e1 by=alice\n"},
        {"\"2024-05-01T11:00:00+02:00\"", "\"soon\"", "push " IMAGE " tag=v1 id=e1 by=alice\n"},
        {"\"2024-05-01T11:00:00+02:00\"", "[]", "push " IMAGE " tag=v1 id=e1 by=alice\n"},
        {"\"alice\"", "7", "push " IMAGE " tag=v1 id=e1 at=2024-05-01T09:00:00Z\n"},

        {"\"pushed\"", "7", "aside action\n"},
        {"\"pushed\"", "\"\"", "aside action\n"},
        {"\"kind\"", "\"sort\"", "aside action\n"},
        {"\"team/app\"", "7", "aside repository\n"},
        {"\"team/app\"", "\"registry.example.com:5000/team/app\"", "aside repository\n"},
        {"\"name\":\"team/app\",", "", "aside repository\n"},
        {"\"v1\"", "1", "aside tag\n"},
        {"\"v1\"", "\"team/app:v1\"", "aside tag\n"},
        {"\"v1\"", "\"sha512:12\"", "aside tag\n"},
        {DIGEST, "sha256:12", "aside digest\n"},
        {"\"" DIGEST "\"", "{}", "aside digest\n"},
        {"\"e1\"", "{}", "aside id\n"},
        {"\"e1\"", "1.5", "aside id\n"},
        {"\"e1\"", "-1", "aside id\n"},
        {"\"e1\"", "9007199254740993", "aside id\n"}, /* which cannot be told from its neighbour */
        {"\"image\":{", "\"image\":\"x\",\"was\":{", "aside repository\n"},
        {BODY, "7", "refused events_type\n"},
        {BODY, "\"x\"", "refused events_type\n"},
        {BODY, "", "refused syntax\n"},
        {BODY, "[]", ""},
    };
    const struct config_registry registry = registry_of(ALL);
    const struct bed bed = {.source = &SOURCE_GENERIC, .registry = &registry};
    bed_changes(&bed, BODY, CHANGES, ARRAY_LEN(CHANGES));
    bed_truncated(&bed, BODY);
    bed_broken(&bed, BODY, "refused ", "", "");
    bed_broken(&bed, BODY, "aside ", "[", "]");
    assert_null(SOURCE_GENERIC.detect(
        &(struct source_request){.registry = &registry, .body = SLICE_LIT(BODY)}));
}

static void test_least(void **state)
{
    (void) state;
    const struct config_generic least = {.repository = AT("/r"), .digest = AT("/d")};
    assert_string_equal(run(least, "{\"r\":\"app\",\"d\":\"" DIGEST "\",\"action\":\"delete\"}"),
                        "push app digest=" DIGEST "\n"); /* without `action` all are pushes */
    assert_string_equal(run(least, "{\"r\":\"app\"}"), "aside digest\n");
    const struct config_generic escaped = {.repository = AT("/image/a~1b~0c"),
                                           .tag = AT("/image/tags/1")};
    assert_string_equal(run(escaped, BODY), "push odd tag=v2\n");
    const struct config_generic none = {.tag = AT("/t")};
    assert_string_equal(run(none, BODY), "refused no_pointers\n");
    const struct bed nobodys = {.source = &SOURCE_GENERIC};
    assert_string_equal(bed_run(&nobodys, BODY, strlen(BODY)), "refused no_pointers\n");
    const struct config_registry registry = registry_of(ALL);
    const struct bed charset = {.source = &SOURCE_GENERIC,
                                .registry = &registry,
                                .content_type = "application/json;charset=utf-16"};
    assert_string_equal(bed_run(&charset, BODY, strlen(BODY)), "refused charset\n");
}

static void test_words(void **state)
{
    (void) state;
    static char *push[] = {AT("UPLOAD"), AT("retag")}, *gone[] = {AT("PURGE")};
    struct config_generic words = ALL;
    words.push = (struct config_strings){push, 2};
    words.remove = (struct config_strings){gone, 1};
    static const struct {
        const char *action, *want;
    } CASES[] = {
        {"upload", "push " IMAGE " tag=v1" REST "\n"},
        {"Retag", "push " IMAGE " tag=v1" REST "\n"},
        {"purge", "delete-tag " IMAGE " tag=v1" REST " certain\n"},
        {"pushed", "ignored unknown_action\n"}, /* one's own words stand for the usual ones */
        {"deleted", "ignored unknown_action\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *body = bed_changed(BODY, "pushed", CASES[i].action);
        assert_string_equal(run(words, body), CASES[i].want);
        free(body);
    }
    words.tag = NULL;
    char *body = bed_changed(BODY, "pushed", "purge");
    assert_string_equal(run(words, body), "delete-digest " IMAGE REST " certain\n");
    free(body);
}

static void test_reference(void **state)
{
    (void) state;
    static const struct {
        const char *value, *want;
    } CASES[] = {
        {"\"registry.example.com:5000/team/app:v1@" DIGEST "\"", "push " IMAGE " tag=v1\n"},
        {"\"registry.example.com/team/app@" DIGEST "\"", "push " IMAGE "\n"},
        {"\"localhost/team/app:v1\"", "push team/app tag=v1\n"},
        {"\"team/app:v1\"", "push team/app tag=v1\n"},
        {"\"app:v1\"", "push app tag=v1\n"},
        {"\"app\"", "aside digest\n"},
        {"\"registry.example.com:5000/app\"", "aside digest\n"},
        {"\"\"", "aside reference\n"},
        {"null", "aside reference\n"},
        {"[]", "aside reference\n"},
        {"\"Team/app:v1\"", "aside repository\n"},
        {"\"team/app:v 1\"", "aside tag\n"},
        {"\"team/app@v1\"", "aside digest\n"},
    };
    const struct config_generic whole = {.reference = AT("/target/url")};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char body[512];
        print_message("  %s\n", CASES[i].value);
        (void) snprintf(body, sizeof(body), "{\"target\":{\"url\":%s}}", CASES[i].value);
        assert_string_equal(run(whole, body), CASES[i].want);
    }
}

/* --- many events --- */

#define ONE "{\"r\":\"a\",\"t\":\"1\"}"
#define TWO "{\"r\":\"b\",\"t\":\"2\"}"

static void test_events(void **state)
{
    (void) state;
    static const struct {
        const char *pointer, *body, *want;
    } CASES[] = {
        {NULL, ONE, "push a tag=1\n"},
        {"", " [" ONE " ," TWO "]\n", "push a tag=1\npush b tag=2\n"},
        {"/list", "{\"list\":[" ONE "," TWO "],\"n\":2}", "push a tag=1\npush b tag=2\n"},
        {"/list", "{\"list\":" TWO "}", "push b tag=2\n"},
        {"/a/b", "{\"a\":{\"x\":[],\"b\":[" ONE "]}}", "push a tag=1\n"},
        {"/a/1", "{\"a\":[[" ONE "],[" TWO "]]}", "push b tag=2\n"},
        {"/a/1/list", "{\"a\":[0,{\"list\":[" TWO "]}]}", "push b tag=2\n"},
        {"/a~1b~0", "{\"a/b~\":[" ONE "]}", "push a tag=1\n"},
        {"/", "{\"\":[" ONE "]}", "push a tag=1\n"},
        {"/list", "{\"list\":[]}", ""},
        {"/list", ONE, "push a tag=1\n"}, /* one that was set aside, alone */
        {"/list", "{\"list\":[7," ONE ",{\"r\":\"A\",\"t\":\"1\"},{\"r\":1,\"r\":2}," TWO "]}",
         "aside event_type\npush a tag=1\naside repository\naside duplicate_key\npush b tag=2\n"},

        {"/list", "{\"list\":7}", "refused events_type\n"},
        {"/list", "{\"list\":null}", "refused events_type\n"},
        {"/list", "{\"list\":[],\"list\":[]}", "refused duplicate_key\n"},
        {"/list", "{\"list\":[" ONE "],\"x\":01}", "refused number\n"},
        {"/list", "{\"list\":" ONE ",\"x\":01}", "refused number\n"},
        {"/list", "{\"list\":[" ONE ",]}", "refused syntax\n"},
        {"/list", "{\"list\":[" ONE, "refused syntax\n"},
        {"/list", "[" ONE "]", "aside event_type\n"},
        {"/a/2", "{\"a\":[[],[]]}", "aside repository\n"},
        {"/a/01", "{\"a\":[[],[]]}", "aside repository\n"},
        {"/a/-", "{\"a\":[[],[]]}", "aside repository\n"},
        {"/a/b", "{\"a\":\"b\"}", "aside repository\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].body);
        const struct config_generic generic = {
            .events = AT(CASES[i].pointer), .repository = AT("/r"), .tag = AT("/t")};
        assert_string_equal(run(generic, CASES[i].body), CASES[i].want);
    }
    const struct config_registry registry = registry_of(
        (struct config_generic){.events = AT("/x/list"), .repository = AT("/r"), .tag = AT("/t")});
    const struct bed bed = {.source = &SOURCE_GENERIC, .registry = &registry};
    bed_truncated(&bed, "{\"x\":{\"list\":[" ONE "," TWO "]},\"y\":[1,{}]}");
}

/* JS-08: one bad of 10,000 is set aside alone; and there is an end. */
static void test_many(void **state)
{
    (void) state;
    static struct heard h;
    const char *why;
    struct buf body;
    buf_init(&body, 1 << 20);
    assert_int_equal(buf_append_str(&body, "{\"list\":[" ONE), 0);
    for (unsigned i = 2; i < 10000; i++)
        assert_int_equal(buf_append_str(&body, "," ONE), 0);
    assert_int_equal(buf_append_str(&body, ",{\"r\":7}]}"), 0);
    const struct config_registry registry = registry_of(
        (struct config_generic){.events = AT("/list"), .repository = AT("/r"), .tag = AT("/t")});
    struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                 .registry = &registry,
                                 .body = buf_slice(&body)};
    assert_int_equal(heard_adapt(&h, &SOURCE_GENERIC, &req, &why), 0);
    assert_int_equal(h.changes, 9999);
    assert_int_equal(h.set_aside, 1);
    assert_true(slice_eq_str(h.excerpt, "{\"r\":7}"));

    body.len -= 2;
    assert_int_equal(buf_append_str(&body, "," ONE "]}"), 0);
    req.body = buf_slice(&body);
    assert_int_equal(heard_adapt(&h, &SOURCE_GENERIC, &req, &why), -EBADMSG);
    assert_string_equal(why, "too_many_events");
    buf_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields), cmocka_unit_test(test_least),
        cmocka_unit_test(test_words),  cmocka_unit_test(test_reference),
        cmocka_unit_test(test_events), cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
