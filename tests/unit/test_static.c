/* Tests of gateway/static.c: the addresses that files have and those that lead nowhere, forms,
 * entity tags, and what browsers are told to forbid. */
#include "static.h"

#include "err.h"
#include "http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

/* As a request on the wire; false: it is refused before anybody looks at the path. */
static bool parse(const char *method, const char *target, const char *headers,
                  struct http_head *ret)
{
    static char raw[8192];
    int len = snprintf(raw, sizeof(raw), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method,
                       target, headers);
    return head_parse(slice_of(raw, (size_t) len), ret) == REFUSE_NONE;
}

static struct static_answer ask(const char *method, const char *target, const char *headers)
{
    struct http_head head;
    struct static_answer answer;
    assert_true(parse(method, target, headers, &head));
    assert_true(static_takes(&head));
    static_answer(&head, &answer);
    return answer;
}

static const struct static_file *file_of(const char *name)
{
    for (size_t i = 0; i < STATIC_N_FILES; i++)
        if (strcmp(STATIC_FILES[i].name, name) == 0)
            return &STATIC_FILES[i];
    fail_msg("there is no %s", name);
    return NULL;
}

static void test_takes(void **state)
{
    (void) state;
#define HTML "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"
    static const struct {
        const char *method, *target, *headers;
        bool takes;
    } CASES[] = {
        {"GET", "/", HTML, true},
        {"HEAD", "/", HTML, true},
        {"POST", "/", HTML, false},
        {"GET", "/", "", false},
        {"GET", "/", "Accept: */*\r\n", false},
        {"GET", "/", "Accept: application/json, text/html;q=0\r\n", false},
        {"GET", "/?x", "Accept: application/json, TEXT/HTML\r\n", true},
        {"GET", "/console", "", true},
        {"GET", "/console/", "", true},
        {"PUT", "/console/app.js", "", true},
        {"GET", "/console/none", "", true},
        {"GET", "/consoles", "", false},
        {"GET", "/Console/", "", false},
        {"GET", "//console/", "", false},
        {"GET", "/healthz", HTML, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_head head;
        assert_true(parse(CASES[i].method, CASES[i].target, CASES[i].headers, &head));
        if (static_takes(&head) != CASES[i].takes)
            fail_msg("%zu", i);
    }
}

static void test_every_file(void **state)
{
    (void) state;
    for (size_t i = 0; i < STATIC_N_FILES; i++) {
        const struct static_file *f = &STATIC_FILES[i];
        char target[512];
        (void) snprintf(target, sizeof(target), "/console/%s", f->name);
        struct static_answer a = ask("GET", target, "");
        assert_int_equal(a.status, 200);
        assert_true(slice_eq(a.body, f->plain));
        assert_non_null(strstr(a.headers, f->type));
        assert_null(strstr(a.headers, "Content-Encoding"));
        a = ask("HEAD", target, "Accept-Encoding: br, gzip\r\n");
        assert_true(slice_eq(a.body, f->zipped));
        assert_non_null(strstr(a.headers, "Content-Encoding: gzip\r\n"));
    }
}

static void unzip(struct slice from, uint8_t *ret, size_t size, size_t *ret_len)
{
    z_stream z = {.next_in = (Bytef *) (uintptr_t) from.data, .avail_in = (uInt) from.len};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK); /* a gzip header */
    z.next_out = ret;
    z.avail_out = (uInt) size;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    *ret_len = z.total_out;
    assert_int_equal(inflateEnd(&z), Z_OK);
}

static void test_forms_are_the_same(void **state)
{
    (void) state;
    for (size_t i = 0; i < STATIC_N_FILES; i++) {
        const struct static_file *f = &STATIC_FILES[i];
        uint8_t *text = calloc(1, f->plain.len + 1);
        size_t len;
        assert_non_null(text);
        unzip(f->zipped, text, f->plain.len + 1, &len);
        assert_true(slice_eq(slice_of(text, len), f->plain));
        free(text);
    }
}

/* What the issue allows the whole console to weigh on its way. */
static void test_weight(void **state)
{
    (void) state;
    size_t all = 0;
    for (size_t i = 0; i < STATIC_N_FILES; i++)
        all += STATIC_FILES[i].zipped.len;
    assert_in_range(all, 1, 150 * 1024);
}

static void test_encodings(void **state)
{
    (void) state;
    static const struct {
        const char *headers;
        bool zipped;
    } CASES[] = {
        {"", false},
        {"Accept-Encoding: \r\n", false},
        {"Accept-Encoding: identity\r\n", false},
        {"Accept-Encoding: gzip\r\n", true},
        {"Accept-Encoding: GZIP;q=1.0\r\n", true},
        {"Accept-Encoding: deflate, gzip ; q=0.001\r\n", true},
        {"Accept-Encoding: gzip;q=0\r\n", false},
        {"Accept-Encoding: gzip; Q=0.000, br\r\n", false},
        {"Accept-Encoding: *\r\n", true},
        {"Accept-Encoding: *;q=0\r\n", false},
        {"Accept-Encoding: x-gzipped, gzi\r\n", false},
    };
    const struct static_file *f = file_of("index.html");
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct static_answer a = ask("GET", "/console/", CASES[i].headers);
        if (!slice_eq(a.body, CASES[i].zipped ? f->zipped : f->plain) ||
            (strstr(a.headers, "gzip\r\n") != NULL) != CASES[i].zipped ||
            strstr(a.headers, "Vary: Accept-Encoding\r\n") == NULL)
            fail_msg("%zu", i);
    }
}

static void test_entity_tags(void **state)
{
    (void) state;
    const char *hash = file_of("index.html")->hash;
    static const struct {
        const char *before, *after;
        unsigned status;
    } CASES[] = {
        {"\"", "\"", 304},    {"W/\"", "\"", 304},    {"\"x\", \"", "\", \"y\"", 304},
        {"*, \"", "\"", 304}, {"\"", "-gzip\"", 200}, /* of the other form */
        {"\"x", "\"", 200},   {"", "", 200},          {"W/", "", 200},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char header[256];
        (void) snprintf(header, sizeof(header), "If-None-Match: %s%s%s\r\n", CASES[i].before, hash,
                        CASES[i].after);
        struct static_answer a = ask("GET", "/console/index.html", header);
        if (a.status != CASES[i].status || (a.status == 304) != (a.body.len == 0) ||
            strstr(a.headers, hash) == NULL)
            fail_msg("%zu: %u", i, a.status);
    }
    struct static_answer a = ask("GET", "/console/", "Accept-Encoding: gzip\r\n");
    char header[256], *tag = strstr(a.headers, "ETag: ") + strlen("ETag: ");
    (void) snprintf(header, sizeof(header), "Accept-Encoding: gzip\r\nIf-None-Match: %.*s\r\n",
                    (int) strcspn(tag, "\r"), tag);
    assert_int_equal(ask("GET", "/console/", header).status, 304);
}

static void test_ways(void **state)
{
    (void) state;
    struct static_answer a = ask("GET", "/console?x=y", "");
    assert_int_equal(a.status, 308);
    assert_non_null(strstr(a.headers, "Location: /console/\r\n"));
    a = ask("GET", "/", HTML);
    assert_int_equal(a.status, 302);
    assert_non_null(strstr(a.headers, "Location: /console/\r\n"));
    a = ask("POST", "/console/", "");
    assert_int_equal(a.status, 405);
    assert_non_null(strstr(a.headers, "Allow: GET, HEAD\r\n"));
    assert_int_equal(ask("GET", "/console/?lang=ru", "").status, 200);
}

/* However the way out is spelled: there is no such name in the table. */
static void test_traversal(void **state)
{
    (void) state;
    static const char *const CASES[] = {"..",
                                        "../",
                                        "../main.c",
                                        "../../etc/passwd",
                                        "./index.html",
                                        "%2e%2e/main.c",
                                        "%2e%2e%2fmain.c",
                                        "..%2fmain.c",
                                        "%252e%252e%252fmain.c",
                                        "..%5cmain.c",
                                        "%5c..%5cmain.c",
                                        "..%c0%afmain.c",
                                        "..%c1%9cmain.c",
                                        "%c0%ae%c0%ae/main.c",
                                        "....//main.c",
                                        "..;/main.c",
                                        "/index.html",
                                        "//index.html",
                                        "/etc/passwd",
                                        "index.html/",
                                        "index.html/.",
                                        "index.html/..",
                                        "index.html%00",
                                        "index.html%00.js",
                                        "%69ndex.html",
                                        "INDEX.HTML",
                                        "index.html.",
                                        "index.html%20",
                                        "index.html::$DATA",
                                        "file:///etc/passwd",
                                        "index",
                                        "css",
                                        "~root",
                                        "..%u2215main.c",
                                        "?../main.c/",
                                        "%"};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char target[256];
        struct http_head head;
        struct static_answer a;
        (void) snprintf(target, sizeof(target), "/console/%s", CASES[i]);
        if (!parse("GET", target, "", &head) || !static_takes(&head))
            continue; /* it was refused earlier, or is no address of ours */
        static_answer(&head, &a);
        if (a.status != (CASES[i][0] == '?' ? 200u : 404u))
            fail_msg("%s: %u", target, a.status);
    }
}

/* Names made of the pieces that ways out are made of, thousands of them. */
static void test_traversal_mixed(void **state)
{
    (void) state;
    static const char *const PIECES[] = {"..",    ".",       "/",          "%2e",    "%2f",
                                         "%252e", "%5c",     "index.html", "main.c", "etc",
                                         "%00",   "console", ";",          "%c0%af", "~"};
    uint32_t random = 1;
    for (size_t i = 0; i < 5000; i++) {
        char name[256] = "";
        for (size_t n = 0; n < 1 + i % 6; n++) {
            random = random * 1664525u + 1013904223u;
            size_t len = strlen(name);
            (void) snprintf(name + len, sizeof(name) - len, "%s",
                            PIECES[(random >> 16) % ARRAY_LEN(PIECES)]);
        }
        char target[300];
        struct http_head head;
        struct static_answer a;
        (void) snprintf(target, sizeof(target), "/console/%s", name);
        if (!parse("GET", target, "", &head) || !static_takes(&head))
            continue;
        static_answer(&head, &a);
        bool known = false;
        for (size_t f = 0; f < STATIC_N_FILES; f++)
            known = known || strcmp(name, STATIC_FILES[f].name) == 0;
        if (a.status != (known ? 200u : 404u))
            fail_msg("%s: %u", target, a.status);
    }
}

static void test_headers(void **state)
{
    (void) state;
    static const char *const TARGETS[] = {"/console/", "/console", "/console/none"};
    static const char *const HEADERS[] = {"Content-Security-Policy: default-src 'none';",
                                          "script-src 'self';",
                                          "frame-ancestors 'none';",
                                          "require-trusted-types-for 'script';",
                                          "base-uri 'none';",
                                          "form-action 'self';",
                                          "X-Content-Type-Options: nosniff\r\n",
                                          "Referrer-Policy: no-referrer\r\n",
                                          "Cross-Origin-Opener-Policy: same-origin\r\n",
                                          "Cross-Origin-Resource-Policy: same-origin\r\n",
                                          "Cache-Control: no-cache\r\n"};
    for (size_t t = 0; t < ARRAY_LEN(TARGETS); t++)
        for (size_t i = 0; i < ARRAY_LEN(HEADERS); i++)
            if (strstr(ask("GET", TARGETS[t], "").headers, HEADERS[i]) == NULL)
                fail_msg("%s: %s", TARGETS[t], HEADERS[i]);
    struct static_answer a = ask("GET", "/console/", "");
    assert_null(strstr(a.headers, "unsafe"));
    assert_in_range(strlen(a.headers), 1, STATIC_HEADERS_SIZE - 200); /* nothing was cut off */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_takes),
                                       cmocka_unit_test(test_every_file),
                                       cmocka_unit_test(test_forms_are_the_same),
                                       cmocka_unit_test(test_weight),
                                       cmocka_unit_test(test_encodings),
                                       cmocka_unit_test(test_entity_tags),
                                       cmocka_unit_test(test_ways),
                                       cmocka_unit_test(test_traversal),
                                       cmocka_unit_test(test_traversal_mixed),
                                       cmocka_unit_test(test_headers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
