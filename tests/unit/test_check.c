/* Tests of gateway/check.c: what goes to which of the two. */
#include "check.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void write_file(char *name, const char *text)
{
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

/* Runs it with `stream` going to a file, and reads that. */
static void check_to(FILE *stream, const char *file, const struct config *cfg, char *ret,
                     size_t size)
{
    FILE *to = tmpfile();
    assert_non_null(to);
    assert_int_equal(fflush(stream), 0);
    int before = dup(fileno(stream));
    assert_true(before >= 0 && dup2(fileno(to), fileno(stream)) >= 0);
    check_print(file, cfg);
    assert_int_equal(fflush(stream), 0);
    assert_true(dup2(before, fileno(stream)) >= 0);
    assert_int_equal(close(before), 0);
    rewind(to);
    ret[fread(ret, 1, size - 1, to)] = '\0';
    assert_int_equal(fclose(to), 0);
}

static void test_check(void **state)
{
    (void) state;
    char spec[] = "/tmp/regcast-check-spec-XXXXXX", file[] = "/tmp/regcast-check-XXXXXX";
    char text[256], out[4096], want[128];
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    write_file(spec, "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:\n  /ws:\n"
                     "    x-yc-apigateway-websocket-message:\n      x-yc-apigateway-integration: "
                     "{type: http, url: 'http://127.0.0.1/x', method: POST}\n");
    (void) snprintf(text, sizeof(text), "gateway: {spec: %s}\n", spec);
    write_file(file, text);
    if (config_load(file, &cfg, &error) < 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    check_to(stdout, file, cfg, out, sizeof(out));
    (void) snprintf(want, sizeof(want), "%s: fine\n", file);
    assert_memory_equal(out, want, strlen(want));
    assert_non_null(strstr(out, "/ws (line 4)"));
    assert_non_null(strstr(out, "http://127.0.0.1/x"));
    assert_null(strstr(out, "not a public address"));
    check_to(stderr, file, cfg, out, sizeof(out));
    (void) snprintf(want, sizeof(want), "%s:5: paths[/ws]: 127.0.0.1 is not a public", spec);
    assert_memory_equal(out, want, strlen(want));
    config_free(cfg);
    buf_fini(&error);
    assert_int_equal(unlink(spec), 0);
    assert_int_equal(unlink(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_check)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
