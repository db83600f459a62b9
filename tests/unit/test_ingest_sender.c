/* test_ingest_sender.c - who may post: tokens, signatures, certificates, tokens in the path,
 * networks, and a delivery that comes again. */
#include "ingest_bed.h"

#include "network.h"

static void test_check(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *registry, *authorization, *encoding;
        enum refuse want;
    } CASES[] = {
        {"open registry", "crtopen", "", "", REFUSE_NONE},
        {"open registry, a token nobody asked for", "crtopen", "Bearer x", "", REFUSE_NONE},
        {"identity", "crtopen", "", "identity", REFUSE_NONE},
        {"identity in capitals", "crtopen", "", "Identity", REFUSE_NONE},
        {"gzip", "crtopen", "", "gzip", REFUSE_ENCODING},
        {"identity and gzip", "crtopen", "", "identity, gzip", REFUSE_ENCODING},
        {"unknown registry", "crtnone", "Bearer s3cret:x", "", REFUSE_REGISTRY},
        {"start of a registry", "crtope", "", "", REFUSE_REGISTRY},
        {"registry with more behind", "crtopen1", "", "", REFUSE_REGISTRY},
        {"registry in capitals", "CRTOPEN", "", "", REFUSE_REGISTRY},
        {"no registry", "", "", "", REFUSE_REGISTRY},
        {"bearer", "crtlocked", "Bearer s3cret:x", "", REFUSE_NONE},
        {"scheme in another case", "crtlocked", "bEARER  s3cret:x ", "", REFUSE_NONE},
        {"bearer and gzip", "crtlocked", "Bearer s3cret:x", "gzip", REFUSE_ENCODING},
        {"nothing", "crtlocked", "", "", REFUSE_AUTH},
        {"nothing and gzip", "crtlocked", "", "gzip", REFUSE_AUTH},
        {"wrong token", "crtlocked", "Bearer s3cret:y", "", REFUSE_AUTH},
        {"start of the token", "crtlocked", "Bearer s3cret", "", REFUSE_AUTH},
        {"token with more behind", "crtlocked", "Bearer s3cret:xx", "", REFUSE_AUTH},
        {"token in capitals", "crtlocked", "Bearer S3CRET:X", "", REFUSE_AUTH},
        {"no scheme", "crtlocked", "s3cret:x", "", REFUSE_AUTH},
        {"scheme alone", "crtlocked", "Bearer", "", REFUSE_AUTH},
        {"scheme and a space", "crtlocked", "Bearer ", "", REFUSE_AUTH},
        {"scheme with more behind", "crtlocked", "Bearers3cret:x", "", REFUSE_AUTH},
        {"another scheme", "crtlocked", "Digest s3cret:x", "", REFUSE_AUTH},
        {"basic, user:s3cret:x", "crtlocked", "Basic dXNlcjpzM2NyZXQ6eA==", "", REFUSE_NONE},
        {"basic, no user", "crtlocked", "basic OnMzY3JldDp4", "", REFUSE_NONE},
        {"basic, wrong password", "crtlocked", "Basic dXNlcjpzM2NyZXQ6eQ==", "", REFUSE_AUTH},
        {"basic, token as the user", "crtlocked", "Basic czNjcmV0Ong6", "", REFUSE_AUTH},
        {"basic, token without a user", "crtlocked", "Basic czNjcmV0Ong=", "", REFUSE_AUTH},
        {"basic, no colon", "crtlocked", "Basic dXNlcg==", "", REFUSE_AUTH},
        {"basic, not base64", "crtlocked", "Basic s3cret:x", "", REFUSE_AUTH},
        {"basic, empty", "crtlocked", "Basic ", "", REFUSE_AUTH},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct ingest_request req = request(CASES[i].registry, BODY(PULL));
        struct header field;
        authorize(&req, &field, CASES[i].authorization);
        req.content_encoding = slice_str(CASES[i].encoding);
        struct ingest_answer answer = {.status = 0};
        assert_int_equal(ingest_check(w->in, &req, &answer), CASES[i].want);
        assert_int_equal(answer.status,
                         CASES[i].want == REFUSE_NONE ? 0 : refuse_info(CASES[i].want)->answer);

        post(w, &req); /* comes to the same, also for who did not check before */
        assert_int_equal(w->answer.status,
                         CASES[i].want == REFUSE_NONE ? 202 : refuse_info(CASES[i].want)->answer);
        assert_int_equal(w->answer.why, CASES[i].want);
        if (CASES[i].want == REFUSE_AUTH)
            assert_string_equal(w->answer.extra_header, "WWW-Authenticate: Bearer\r\n");
        else
            assert_null(w->answer.extra_header);
        if (CASES[i].want != REFUSE_NONE) {
            char body[64];
            (void) snprintf(body, sizeof(body), "{\"error\":\"%s\"}",
                            refuse_info(CASES[i].want)->name);
            assert_string_equal(w->answer.body, body);
        }
    }
    static char large[70000] = "Bearer ";
    memset(large + 7, 'a', sizeof(large) - 8);
    struct ingest_request req = request("crtlocked", BODY(PULL));
    struct header field;
    authorize(&req, &field, large);
    struct ingest_answer answer;
    assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_AUTH);
    memcpy(large, "Basic  ", 7);
    assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_AUTH);
}

/* A certificate alone, and beside a token. */
static void test_certificates(void **state)
{
    static char rule[] = "dns:registry.example";
    static char *rules[] = {rule};
    struct world *w = *state;
    static const struct {
        const char *registry, *name, *authorization;
        enum refuse want;
    } CASES[] = {
        {"crtopen", NULL, "", REFUSE_AUTH},
        {"crtopen", "other.example", "", REFUSE_AUTH},
        {"crtopen", "registry.example", "", REFUSE_NONE},
        {"crtlocked", "registry.example", "", REFUSE_AUTH},
        {"crtlocked", "other.example", "Bearer s3cret:x", REFUSE_AUTH},
        {"crtlocked", NULL, "Bearer s3cret:x", REFUSE_AUTH},
        {"crtlocked", "registry.example", "Bearer s3cret:x", REFUSE_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(REGISTRIES); i++)
        REGISTRIES[i].client_certificates = (struct config_strings){rules, 1};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct san_list *names = san_list_new(UINT64_MAX);
        struct ingest_request req = request(CASES[i].registry, BODY(PULL));
        struct ingest_answer answer;
        if (CASES[i].name != NULL)
            san_list_add(names, SAN_DNS, slice_str(CASES[i].name));
        req.names = CASES[i].name == NULL ? NULL : names;
        struct header field;
        authorize(&req, &field, CASES[i].authorization);
        assert_int_equal(ingest_check(w->in, &req, &answer), CASES[i].want);
        post(w, &req);
        assert_int_equal(w->answer.why, CASES[i].want);
        names->expires_s = 1; /* since long */
        assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_AUTH);
        req.own = true;
        assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_NONE);
        san_list_free(names);
    }
    for (size_t i = 0; i < ARRAY_LEN(REGISTRIES); i++)
        REGISTRIES[i].client_certificates = (struct config_strings){NULL, 0};
}

#define PATH_A "aaaaaaaaaaaaaaaaaaaaaaaa"
#define PATH_B "bbbbbbbbbbbbbbbbbbbbbbbb"

/* A token in the path stands for the id, and for nothing else that is asked for. */
static void test_path_token(void **state)
{
    static char *tokens[] = {PATH_A, PATH_B};
    struct world *w = *state;
    static const struct {
        const char *registry, *path_token, *authorization;
        enum refuse want;
        const char *named; /* the registry in the log */
    } CASES[] = {
        {"", PATH_A, "", REFUSE_NONE, "crtopen"},
        {"", PATH_B, "", REFUSE_AUTH, "crtlocked"},
        {"", PATH_B, "Bearer s3cret:x", REFUSE_NONE, "crtlocked"},
        {"", "cccccccccccccccccccccccc", "Bearer s3cret:x", REFUSE_NOT_FOUND, ""},
        {"", "aaaaaaaaaaaaaaaaaaaaaaa", "", REFUSE_NOT_FOUND, ""},
        {"", "crtopen", "", REFUSE_NOT_FOUND, ""},
        {"crtopen", "", "", REFUSE_AUTH, "crtopen"}, /* the id is no secret */
        {"crtlocked", "", "Bearer s3cret:x", REFUSE_NONE, "crtlocked"},
        {PATH_A, "", "", REFUSE_REGISTRY, PATH_A},
    };
    for (size_t i = 0; i < 2; i++)
        REGISTRIES[i].path_tokens = (struct config_strings){&tokens[i], 1};
    ingest_configure(w->in, &CONFIG);
    (void) logged(w);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct ingest_request req = request(CASES[i].registry, BODY(PULL));
        struct ingest_answer answer;
        struct header field;
        char named[80];
        req.path_token = slice_str(CASES[i].path_token);
        authorize(&req, &field, CASES[i].authorization);
        assert_int_equal(ingest_check(w->in, &req, &answer), CASES[i].want);
        post(w, &req);
        assert_int_equal(w->answer.why, CASES[i].want);
        const char *log = logged(w);
        (void) snprintf(named, sizeof(named), "\"registry\":\"%s\"", CASES[i].named);
        assert_non_null(strstr(log, named));
        if (CASES[i].path_token[0] != '\0' && strcmp(CASES[i].path_token, "crtopen") != 0)
            assert_null(strstr(log, CASES[i].path_token));
    }
    for (size_t i = 0; i < 2; i++)
        REGISTRIES[i].path_tokens = (struct config_strings){NULL, 0};
}

static void test_networks(void **state)
{
    static char *networks[] = {"192.0.2.0/24", "2001:db8::/32"};
    struct world *w = *state;
    static const struct {
        const char *registry, *address, *authorization;
        enum refuse want;
    } CASES[] = {
        {"crtopen", "192.0.2.255", "", REFUSE_NONE},
        {"crtopen", "2001:db8::1", "", REFUSE_NONE},
        {"crtopen", "192.0.3.0", "", REFUSE_SOURCE},
        {"crtopen", "2001:db9::1", "", REFUSE_SOURCE},
        {"crtopen", NULL, "", REFUSE_SOURCE},
        {"crtlocked", "192.0.2.1", "", REFUSE_AUTH}, /* one does not stand for the other */
        {"crtlocked", "192.0.3.1", "Bearer s3cret:x", REFUSE_SOURCE},
        {"crtlocked", "192.0.2.1", "Bearer s3cret:x", REFUSE_NONE},
    };
    for (size_t i = 0; i < 2; i++)
        REGISTRIES[i].allowed_from = (struct config_strings){networks, ARRAY_LEN(networks)};
    ingest_configure(w->in, &CONFIG);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct ingest_request req = request(CASES[i].registry, BODY(PULL));
        struct ingest_answer answer;
        struct in6_addr address;
        struct header field;
        if (CASES[i].address != NULL)
            assert_true(network_parse_address(slice_str(CASES[i].address), &address));
        req.address = CASES[i].address == NULL ? NULL : &address;
        authorize(&req, &field, CASES[i].authorization);
        assert_int_equal(ingest_check(w->in, &req, &answer), CASES[i].want);
        if (CASES[i].want == REFUSE_SOURCE)
            assert_int_equal(answer.status, 403);
        post(w, &req);
        assert_int_equal(w->answer.why, CASES[i].want);
    }
    for (size_t i = 0; i < 2; i++)
        REGISTRIES[i].allowed_from = (struct config_strings){NULL, 0};
}

static void test_signed(void **state)
{
    struct world *w = *state;
    struct signing s;
    struct ingest_request req = signed_request(&s, "msg_1", BODY(PUSH(DIGEST, "v1")), 0);
    struct ingest_answer answer;
    assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_NONE);
    req.body = SLICE_LIT(BODY(PUSH(DIGEST, "v2")));
    assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_NONE); /* it knows no body */
    post(w, &req);
    assert_int_equal(w->answer.status, 401);
    assert_string_equal(w->answer.body, "{\"error\":\"signature\"}");
    assert_string_equal(w->answer.extra_header, "WWW-Authenticate: Signature\r\n");
    req = signed_request(&s, "msg_1", BODY(PUSH(DIGEST, "v1")), 302);
    assert_int_equal(ingest_check(w->in, &req, &answer), REFUSE_TIMESTAMP);
    assert_string_equal(answer.body, "{\"error\":\"timestamp\"}");
    post(w, &req);
    assert_int_equal(w->answer.status, 401);
    assert_int_equal(w->submissions, 0);
    req.own = true; /* an operator's */
    post(w, &req);
    assert_int_equal(w->answer.status, 202);
}

/* The same delivery again says nothing, whatever its events have for ids; one that was refused
 * does.
 */
static void test_repeated_delivery(void **state)
{
    struct world *w = *state;
    static const char AGAIN[] = "{\"accepted\":0,\"ignored\":0,\"duplicates\":1}";
    static const char FIRST[] = "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}";
    struct signing s;
    struct ingest_request req = signed_request(&s, "msg_1", BODY(PUSH(DIGEST, "v1")), 0);
    w->done_err = -EIO;
    post(w, &req);
    assert_int_equal(w->answer.status, 503);
    w->done_err = 0;
    post(w, &req);
    assert_string_equal(w->answer.body, FIRST);
    assert_int_equal(w->n_ids, 1);
    for (int64_t ago_s = 0; ago_s < 3; ago_s++) { /* sent again, signed anew */
        req = signed_request(&s, "msg_1", BODY(PUSH(OTHER, "v1")), ago_s);
        post(w, &req);
        assert_int_equal(w->answer.status, 202);
        assert_string_equal(w->answer.body, AGAIN);
        assert_int_equal(w->events.len, 0);
    }
    assert_int_equal(counted(w, M_WEBHOOK_DUPLICATE), 3);
    req = signed_request(&s, "msg_2", BODY(PUSH(OTHER, "v1")), 0);
    post(w, &req);
    assert_string_equal(w->answer.body, FIRST);
}

/* What was set aside of one delivery comes back letter by letter, each with the headers of the
 * delivery, which is known. */
static void test_letters_of_one_delivery(void **state)
{
    struct world *w = *state;
    static const char *const EVENTS[] = {BODY(PUSH(DIGEST, "v1")), BODY(PUSH(OTHER, "v2"))};
    struct signing s;
    struct ingest_request req = signed_request(&s, "msg_1", "{\"events\":[{},{}]}", 0);
    post(w, &req);
    assert_string_equal(w->answer.body,
                        "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":2}");
    for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++) {
        req = signed_request(&s, "msg_1", EVENTS[i], 0);
        req.own = true;
        post(w, &req);
        assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certificates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_networks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeated_delivery, setup, teardown),
        cmocka_unit_test_setup_teardown(test_letters_of_one_delivery, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
