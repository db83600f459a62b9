/* test_letters.c - letters.c: the table and the JSON lines of the dead letters. */
#include "letters.h"

#include "command_fixture.h"

#include <cjson/cJSON.h>

static void nothing_there(void **state)
{
    struct fixture *f = fixture_new();
    (void) state;
    for (int json = 0; json < 2; json++) { /* no folder yet */
        FIXTURE_RUN(f, 0, letters_list(&f->cfg, json == 1));
        assert_string_equal(f->out, "");
        FIXTURE_SAID(f->err, "there are no dead letters");
    }
    assert_int_equal(access(f->data_dir, F_OK), -1);
    store_close(fixture_open(f));
    FIXTURE_RUN(f, 0, letters_list(&f->cfg, false));
    assert_string_equal(f->out, "");
    (void) snprintf(f->engine, sizeof(f->engine), "memory");
    FIXTURE_RUN(f, EXIT_SETTINGS, letters_list(&f->cfg, false));
    fixture_free(f);
}

static void fill(struct store *s, struct event *e)
{
    static const uint8_t RAW[] = {0xff, 0x00, 0x1b, '[', 'm'};
    fixture_letter(s, "syntax", SLICE_LIT("{\"a\\\n\033[31m\xc3\xa9\""), NULL, 0);
    fixture_letter(s, "charset", slice_of(RAW, sizeof(RAW)), NULL, 0);
    fixture_letter(s, "poison", (struct slice){0}, e, 77);
    fixture_letter(s, "poison", SLICE_LIT("not a record"), NULL, 78);
    fixture_letter(s, "empty", (struct slice){0}, NULL, 0);
}

#define ID "crt00000000000000001"

static void table(void **state)
{
    struct fixture *f = fixture_new();
    (void) state;
    struct store *s = fixture_open(f);
    struct event *e = fixture_event(ID, "v1");
    fill(s, e);
    FIXTURE_RUN(f, 0, letters_list(&f->cfg, false)); /* while it is open elsewhere */
    static const char EXPECTED[] =
        "ID     TIME                     REGISTRY             REASON           KIND           SIZE "
        "BODY\n"
        "1      2023-11-14T22:13:20.123Z crtregistry000000001 syntax           unreadable       13 "
        "{\"a\\\\\\n\\x1b[31m\\xc3\\xa9\"\n"
        "2      2023-11-14T22:13:20.123Z crtregistry000000001 charset          unreadable        5 "
        "\\xff\\x00\\x1b[m\n";
    if (strncmp(f->out, EXPECTED, strlen(EXPECTED)) != 0)
        fail_msg("%s", f->out);
    FIXTURE_SAID(f->out, " event "); /* not the record's bytes */
    FIXTURE_SAID(f->out, " CreateImageTag team/app:v1 sha256:ab\n");
    FIXTURE_SAID(f->out, " not a record\n");
    size_t lines = 0;
    for (const char *at = f->out; *at != '\0'; at++)
        lines += *at == '\n' ? 1 : 0;
    assert_int_equal(lines, 6);
    assert_string_equal(f->err, "");
    store_close(s);
    FIXTURE_RUN(f, 0, letters_list(&f->cfg, false)); /* and while it is not */
    assert_int_equal(strncmp(f->out, EXPECTED, strlen(EXPECTED)), 0);
    event_unref(e);
    fixture_free(f);
}

static void excerpts_are_cut(void **state)
{
    char text[200], shown[80];
    struct fixture *f = fixture_new();
    (void) state;
    struct store *s = fixture_open(f);
    memset(text, 'x', sizeof(text));
    fixture_letter(s, "a", slice_of(text, 60), NULL, 0);
    fixture_letter(s, "b", slice_of(text, 61), NULL, 0);
    text[58] = '\033';
    fixture_letter(s, "c", slice_of(text, 61), NULL, 0); /* an escape is not cut in two */
    text[58] = 'x';
    store_close(s);
    FIXTURE_RUN(f, 0, letters_list(&f->cfg, false));
    (void) snprintf(shown, sizeof(shown), " 60 %.60s\n", text);
    FIXTURE_SAID(f->out, shown);
    (void) snprintf(shown, sizeof(shown), " 61 %.60s...\n", text);
    FIXTURE_SAID(f->out, shown);
    (void) snprintf(shown, sizeof(shown), " 61 %.58s...\n", text);
    FIXTURE_SAID(f->out, shown);
    fixture_free(f);
}

static const char *member(const cJSON *line, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, key));
}

static void json_lines(void **state)
{
    static const struct {
        const char *reason, *kind, *body, *base64;
        double seq;
    } EXPECTED[] = {
        {"syntax", "unreadable", "{\"a\\\n\033[31m\xc3\xa9\"", NULL, 0},
        {"charset", "unreadable", NULL, "/wAbW20=", 0},
        {"poison", "event", "", NULL, 77},
        {"poison", "event", "not a record", NULL, 78},
        {"empty", "unreadable", "", NULL, 0},
    };
    struct fixture *f = fixture_new();
    (void) state;
    struct store *s = fixture_open(f);
    struct event *e = fixture_event(ID, "v1");
    fill(s, e);
    store_close(s);
    FIXTURE_RUN(f, 0, letters_list(&f->cfg, true));
    const char *at = f->out;
    for (size_t i = 0; i < ARRAY_LEN(EXPECTED); i++) {
        const char *end = NULL;
        cJSON *line = cJSON_ParseWithOpts(at, &end, false);
        assert_non_null(line);
        assert_int_equal(*end, '\n');
        assert_int_equal(memchr(at, '\n', (size_t) (end - at)), NULL);
        assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(line, "id")), i + 1);
        assert_true(cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(line, "event_seq")) ==
                    EXPECTED[i].seq);
        assert_string_equal(member(line, "time"), "2023-11-14T22:13:20.123Z");
        assert_string_equal(member(line, "registry"), REGISTRY);
        assert_string_equal(member(line, "reason"), EXPECTED[i].reason);
        assert_string_equal(member(line, "kind"), EXPECTED[i].kind);
        if (EXPECTED[i].base64 != NULL) {
            assert_string_equal(member(line, "body_base64"), EXPECTED[i].base64);
            assert_null(member(line, "body"));
        } else if (i == 2) { /* all of the event's JSON */
            assert_true(slice_eq_str(e->json, member(line, "body")));
        } else {
            assert_string_equal(member(line, "body"), EXPECTED[i].body);
        }
        cJSON_Delete(line);
        at = end + 1;
    }
    assert_int_equal(*at, '\0');
    event_unref(e);
    fixture_free(f);
}

static void headers_of_a_letter(void **state)
{
    static const struct {
        const char *headers, *want;
    } CASES[] = {
        {"content-type: application/json\r\nce-id: \"1\"\r\n",
         ",\"headers\":\"content-type: application/json\\r\\nce-id: \\\"1\\\"\\r\\n\","},
        {"ce-id: \xff\r\n", ",\"headers\":null,"},
        {"", ",\"size\":2,\"body\""},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct fixture *f = fixture_new();
        struct store *s = fixture_open(f);
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(
            store_put_letter(s, &(struct store_letter){.registry_id = REGISTRY,
                                                       .reason = "syntax",
                                                       .body = SLICE_LIT("{}"),
                                                       .headers = slice_str(CASES[i].headers)}),
            0);
        assert_int_equal(store_commit(s), 0);
        store_close(s);
        FIXTURE_RUN(f, 0, letters_list(&f->cfg, true));
        FIXTURE_SAID(f->out, CASES[i].want);
        fixture_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_there),       cmocka_unit_test(table),
        cmocka_unit_test(excerpts_are_cut),    cmocka_unit_test(json_lines),
        cmocka_unit_test(headers_of_a_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
