/* The adapter of GitHub Container Registry: every sample, each field of a wrong type, the headers,
 * and bodies that are none. */
#include "hooks.h"

#define D1              "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define D2              "sha256:ba6494bde0000e63d4e1aa5e7c43bfb6c00b161de0a0314774b124842a793ba8"
#define PUBLISHED       "github/package-published-tag.http"
#define KNOWN_BY        "header X-GitHub-Event"
#define ID              " id=72d3162e-cc78-11e3-81ab-4c9367dc0958"
#define BOT             " by=github-actions[bot]\n"
#define SAID(name, tag) "push " name " digest=" D1 tag ID BOT

static void test_samples(void **state)
{
    (void) state;
    static const struct hooks_sample ALL[] = {
        {PUBLISHED, SAID("octo-org/app", " tag=v1"), KNOWN_BY},
        {"github/registry-package-published-tag.http",
         "push octo-org/app digest=" D1 " tag=v1 id=8f1f0a00-cc78-11e3-81ab-4c9367dc0959" BOT,
         KNOWN_BY},
        {"github/registry-package-updated.http",
         "push octo-org/app digest=" D1 " tag=latest id=8f1f0a03-cc78-11e3-81ab-4c9367dc0962" BOT,
         KNOWN_BY},
        {"github/package-published-npm-ignore.http", "ignored not_a_container\n", KNOWN_BY},
        {"github/ping-ignore.http", "ignored ping\n", KNOWN_BY},
        {"github/signature-test-vector.http", "refused syntax\n", KNOWN_BY},
    };
    hooks_samples(&SOURCE_GITHUB, ALL, ARRAY_LEN(ALL));
}

#define VERSION  "/package/package_version"
#define URL      VERSION "/package_url"
#define METADATA VERSION "/container_metadata"

static void test_fields(void **state)
{
    (void) state;
    static const struct hooks_change CASES[] = {
        {"/action", "\"updated\"", SAID("octo-org/app", " tag=v1")},
        {"/action", "\"deleted\"", "ignored unknown_action\n"},
        {"/action", "\"Published\"", "ignored unknown_action\n"},
        {"/action", "\"\"", "aside action\n"},
        {"/action", "1", "aside action\n"},
        {"/action", NULL, "aside action\n"},
        {"/package", NULL, "refused no_package\n"},
        {"/package", "\"app\"", "refused no_package\n"},
        {"/package", "{}", "ignored not_a_container\n"},
        {"/package/package_type", "\"docker\"", SAID("octo-org/app", " tag=v1")},
        {"/package/package_type", "\"container\"", SAID("octo-org/app", " tag=v1")},
        {"/package/package_type", "\"\"", SAID("octo-org/app", " tag=v1")},
        {"/package/package_type", "\"nuget\"", "ignored not_a_container\n"},
        {"/package/package_type", "3", SAID("octo-org/app", " tag=v1")},

        /* several tags at once, or none: nothing behind the colon */
        {METADATA "/tag/name", "\"\"", SAID("octo-org/app", "")},
        {METADATA "/tag/name", "null", SAID("octo-org/app", "")},
        {METADATA "/tag", NULL, SAID("octo-org/app", "")},
        {METADATA "/tag/name", "5", "aside tag\n"},
        {METADATA "/tag/name", "\"a b\"", "aside tag\n"},
        {METADATA, NULL, SAID("octo-org/app", "")},

        {METADATA "/manifest/digest", "\"" D2 "\"",
         "push octo-org/app digest=" D2 " tag=v1" ID BOT},
        {METADATA "/manifest/digest", NULL, SAID("octo-org/app", " tag=v1")},
        {METADATA "/manifest/digest", "\"\"", SAID("octo-org/app", " tag=v1")},
        {METADATA "/manifest/digest", "9", "aside digest\n"},
        {METADATA "/manifest/digest", "\"sha256:1\"", "aside digest\n"},

        {URL, "\"ghcr.io/octo-org/app:\"", SAID("octo-org/app", " tag=v1")},
        {URL, "\"ghcr.io/Octo-Org/App:v1\"", SAID("octo-org/app", " tag=v1")},
        {URL, "\"ghcr.io/octo-org/app\"", SAID("octo-org/app", " tag=v1")},
        {URL, "\"ghcr.io/octo-org/app@" D1 "\"", SAID("octo-org/app", " tag=v1")},
        {URL, "\"ghcr.io/octo-org/team/web/app:v1\"", SAID("octo-org/team/web/app", " tag=v1")},
        {URL, "\"ghcr.example.com:8443/octo-org/app:v1\"", SAID("octo-org/app", " tag=v1")},
        {URL, "\"https://ghcr.io/octo-org/app2:v1\"", SAID("octo-org/app", " tag=v1")},
        {URL, "\"app\"", SAID("octo-org/app", " tag=v1")},
        {URL, "\"\"", SAID("octo-org/app", " tag=v1")},
        {URL, "1", SAID("octo-org/app", " tag=v1")},
        {URL, NULL, SAID("octo-org/app", " tag=v1")},

        /* times of the version are not those of the event */
        {VERSION "/created_at", "\"2024-05-01T09:00:00Z\"", SAID("octo-org/app", " tag=v1")},
        {VERSION "/created_at", "7", SAID("octo-org/app", " tag=v1")},

        {"/sender", NULL, "push octo-org/app digest=" D1 " tag=v1" ID "\n"},
        {"/sender/login", "1", "push octo-org/app digest=" D1 " tag=v1" ID "\n"},
    };
    hooks_changes(&SOURCE_GITHUB, PUBLISHED, CASES, ARRAY_LEN(CASES));
}

/* Without a url the name is made of its parts. */
static void test_parts(void **state)
{
    (void) state;
#define BODY(parts)                                                                                \
    "{\"action\":\"published\",\"package\":{\"ecosystem\":\"CONTAINER\"," parts                    \
    "\"package_version\":{\"name\":\"" D1 "\"}}}"
    static const struct {
        const char *body, *want;
    } CASES[] = {
        {BODY("\"namespace\":\"Octo-Org\",\"name\":\"App\","), "push octo-org/app digest=" D1 "\n"},
        {BODY("\"namespace\":\"octo-org\","), "aside repository\n"},
        {BODY("\"name\":\"app\","), "aside repository\n"},
        {BODY("\"namespace\":7,\"name\":\"app\","), "aside repository\n"},
        {BODY("\"namespace\":\"octo-org\",\"name\":{},"), "aside repository\n"},
        {BODY("\"namespace\":\"octo org\",\"name\":\"app\","), "aside repository\n"},
        {"{\"action\":\"published\",\"package\":{\"package_type\":\"CONTAINER\",\"namespace\":"
         "\"o\",\"name\":\"app\",\"package_version\":{\"name\":\"1.0\"}}}",
         "aside digest\n"},
    };
    static const struct source_request NO_HEADERS = {.body = {0}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct heard h;
        hooks_hear(&h, &SOURCE_GITHUB, &NO_HEADERS, slice_str(CASES[i].body));
        assert_string_equal(h.text, CASES[i].want);
    }
}

/* A name of any length is set aside or taken, never cut to another. */
static void test_long_names(void **state)
{
    (void) state;
    struct sample s;
    sample_open(&s, PUBLISHED);
    for (size_t len = 240; len < 300; len++) {
        char json[400] = "\"ghcr.io/o/", want[700];
        size_t start = strlen(json), name = len - strlen("o/");
        memset(json + start, 'a', name);
        (void) snprintf(json + start + name, sizeof(json) - start - name, ":v1\"");
        (void) snprintf(want, sizeof(want), "push %.*s digest=" D1 " tag=v1" ID BOT, (int) len,
                        json + strlen("\"ghcr.io/"));
        struct heard h;
        char *body = hooks_changed(&s, URL, json);
        hooks_hear(&h, &SOURCE_GITHUB, &s.req, slice_str(body));
        assert_string_equal(h.text, len <= 255 ? want : SAID("octo-org/app", " tag=v1"));
        free(body);
    }
    sample_close(&s);
}

static void test_headers(void **state)
{
    (void) state;
#define EVENT(text)    SLICE_INIT("x-github-event"), SLICE_INIT(text)
#define DELIVERY(text) SLICE_INIT("X-GitHub-Delivery"), SLICE_INIT(text)
    static const struct {
        const char *name;
        struct header headers[2];
        const char *want;
    } CASES[] = {
        {"another event", {{EVENT("push")}, {DELIVERY("1")}}, "ignored other_event\n"},
        {"nearly", {{EVENT("packages")}, {DELIVERY("1")}}, "ignored other_event\n"},
        {"no word", {{EVENT("pack age")}, {DELIVERY("1")}}, "ignored other_event\n"},
        {"the other of the two",
         {{EVENT("registry_package")}, {DELIVERY("1")}},
         "push octo-org/app digest=" D1 " tag=v1 id=1" BOT},
        {"no event", {{DELIVERY("1")}}, "push octo-org/app digest=" D1 " tag=v1 id=1" BOT},
        {"two events",
         {{EVENT("push")}, {EVENT("package")}},
         "push octo-org/app digest=" D1 " tag=v1" BOT},
        {"no id", {{EVENT("package")}}, "push octo-org/app digest=" D1 " tag=v1" BOT},
        {"an id of nothing",
         {{EVENT("package")}, {DELIVERY("")}},
         "push octo-org/app digest=" D1 " tag=v1" BOT},
        {"an id of bytes", {{EVENT("package")}, {DELIVERY("\xff\xfe")}}, "aside id\n"},
        {"an id with a space", {{EVENT("package")}, {DELIVERY("1 2")}}, "aside id\n"},
    };
    struct sample s;
    sample_open(&s, PUBLISHED);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct heard h;
        size_t n = CASES[i].headers[1].name.len > 0 ? 2 : 1;
        const struct source_request req = {.headers = {CASES[i].headers, n}};
        hooks_hear(&h, &SOURCE_GITHUB, &req, s.req.body);
        assert_string_equal(h.text, CASES[i].want);
    }
    sample_close(&s);
}

static void test_no_json(void **state)
{
    (void) state;
    hooks_cut(&SOURCE_GITHUB, PUBLISHED);
    hooks_broken(&SOURCE_GITHUB, PUBLISHED);
    hooks_strange(&SOURCE_GITHUB, PUBLISHED, "refused no_package\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_parts),   cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_headers), cmocka_unit_test(test_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
