/* Tests of gateway/cli/http_file.c: a captured request, and a body alone. */
#include "http_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_read(const char *text, const char *body, const char *headers)
{
    struct http_file f;
    const char *why = NULL;
    char got[1024] = "";
    size_t len = 0;
    if (http_file_read(slice_str(text), &f, &why) < 0)
        fail_msg("%s: %s", text, why);
    for (size_t i = 0; i < f.n_headers; i++)
        len +=
            (size_t) snprintf(got + len, sizeof(got) - len, "%.*s=%.*s;",
                              (int) f.headers[i].name.len, (const char *) f.headers[i].name.data,
                              (int) f.headers[i].value.len, (const char *) f.headers[i].value.data);
    assert_string_equal(got, headers);
    if (!slice_eq_str(f.body, body))
        fail_msg("%s: %.*s", text, (int) f.body.len, (const char *) f.body.data);
}

static void test_bodies(void **state)
{
    static const char *const BODIES[] = {
        "{}",
        "",
        "{\n}\n",
        "{\"a\":\"POST / HTTP/1.1\"}\n",
        "POST / HTTP/1.1", /* no line */
        "HTTP/1.1 200 OK\r\n\r\n{}",
        "post / HTTP/1.1\r\n\r\n{}",
    };
    (void) state;
    for (size_t i = 0; i < sizeof(BODIES) / sizeof(BODIES[0]); i++)
        assert_read(BODIES[i], BODIES[i], "");
}

static void test_requests(void **state)
{
    (void) state;
    assert_read("POST /hook HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                "X-GitHub-Event:package\r\nContent-Length: 2\r\n\r\n{}",
                "{}", "Content-Type=application/json;X-GitHub-Event=package;");
    assert_read("PUT /hook?access_token=s3cret HTTP/1.0\nCE-ID: \t a b \nEmpty:\n\n{}\n", "{}\n",
                "CE-ID=a b;Empty=;"); /* saved by an editor */
    assert_read("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}\n", "{}", "");
    assert_read("POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\n{}\n", "{}\n", ""); /* edited */
    assert_read("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n{}", "{}", "");
    assert_read("POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n{}", "{}", "");
    assert_read("POST / HTTP/1.1\r\n\r\n", "", "");
}

static void test_no_secrets(void **state)
{
    (void) state;
    assert_read("POST / HTTP/1.1\r\nAuthorization: Bearer s3cret\r\nCookie: s3cret\r\n"
                "Proxy-Authorization: s3cret\r\nX-JFrog-Event-Auth: s3cret\r\n"
                "X-Hub-Signature-256: sha256=s3cret\r\nX-Api-Key: s3cret\r\nce-id: 1\r\n"
                "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n{}",
                "{}",
                "X-JFrog-Event-Auth=removed;X-Hub-Signature-256=removed;X-Api-Key=removed;"
                "ce-id=1;");
}

static void test_refused(void **state)
{
    static const char *const TEXTS[] = {
        "OPTIONS / HTTP/1.1\r\nWebHook-Request-Origin: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\nce-id: 1\r\n",
        "POST / HTTP/1.1\r\nno field\r\n\r\n{}",
        "POST / HTTP/1.1\r\n: nameless\r\n\r\n{}",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    };
    (void) state;
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        struct http_file f;
        const char *why = NULL;
        if (http_file_read(slice_str(TEXTS[i]), &f, &why) != -EBADMSG)
            fail_msg("%s", TEXTS[i]);
        assert_non_null(why);
    }
}

static void test_many(void **state)
{
    static char text[8192];
    struct http_file f;
    const char *why;
    (void) state;
    for (unsigned extra = 0; extra < 2; extra++) {
        int len = snprintf(text, sizeof(text), "POST / HTTP/1.1\n");
        for (unsigned i = 0; i < HTTP_FILE_HEADERS + extra; i++)
            len += snprintf(text + len, sizeof(text) - (size_t) len, "ce-%u: x\n", i);
        (void) snprintf(text + len, sizeof(text) - (size_t) len, "\n");
        assert_int_equal(http_file_read(slice_str(text), &f, &why), extra == 0 ? 0 : -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),     cmocka_unit_test(test_requests),
        cmocka_unit_test(test_no_secrets), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
