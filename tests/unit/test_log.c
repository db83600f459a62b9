/* Tests of broker/base/log.c: what one line looks like, and what a sink that is full gets. */
#include "log.h"

#include "clock.h"
#include "err.h"
#include "json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#define HEAD                                                                                       \
    "{\"time\":\"1970-01-01T00:00:00.007Z\",\"level\":\"info\",\"component\":\"c\",\"msg\":\"m\""

static int ends[2]; /* a pipe: [1] is the log */

static int setup(void **state)
{
    (void) state;
    (void) signal(SIGPIPE, SIG_IGN);
    (void) signal(SIGXFSZ, SIG_IGN);
    if (pipe2(ends, O_NONBLOCK) < 0)
        return -1;
    log_set_fd(ends[1]);
    log_set_level(LOG_INFO);
    clock_freeze(0, 7);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    clock_unfreeze();
    log_set_fd(2);
    (void) close(ends[0]);
    (void) close(ends[1]);
    return 0;
}

static const char *written(int fd)
{
    static char text[1 << 17];
    size_t len = 0;
    ssize_t n;
    while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t) n;
    text[len] = '\0';
    return text;
}

#define S(text)                                                                                    \
    {                                                                                              \
        (const uint8_t *) (text), sizeof(text) - 1                                                 \
    }

static const struct {
    const char *name;
    struct slice value;
    const char *want; /* between the quotes */
} VALUES[] = {
    {"plain", S("text"), "text"},
    {"empty", {NULL, 0}, ""},
    {"quote and backslash", S("a\"b\\c"), "a\\\"b\\\\c"},
    {"line ends and NUL", S("a\r\nb\0\x1f"), "a\\u000d\\u000ab\\u0000\\u001f"},
    {"DEL", S("a\x7f"), "a\\u007f"},
    {"C1, as UTF-8",
     S("\xc2\x9b"
       "2J\xc2\x80\xc2\x9f\xc2\xa0"),
     "\\u009b2J\\u0080\\u009f\xc2\xa0"},
    {"UTF-8 stays", S("\xd0\xb6\xe2\x82\xac\xf0\x9f\x90\xb3"),
     "\xd0\xb6\xe2\x82\xac\xf0\x9f\x90\xb3"},
    {"lone bytes", S("\xff\x80z"), "\\u00ff\\u0080z"},
    {"overlong", S("\xc0\xaf"), "\\u00c0\\u00af"},
    {"surrogate", S("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080"},
    {"cut sequence", S("a\xe2\x82"), "a\\u00e2\\u0082"},
};

static void test_values(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(VALUES); i++) {
        struct log_line l;
        log_open(&l, LOG_INFO, "c", "m");
        log_slice(&l, "k", VALUES[i].value);
        log_close(&l);
        char want[512];
        (void) snprintf(want, sizeof(want), HEAD ",\"k\":\"%s\"}\n", VALUES[i].want);
        const char *got = written(ends[0]);
        if (strcmp(got, want) != 0)
            fail_msg("%s: %s", VALUES[i].name, got);
    }
}

static void test_numbers_and_absent_strings(void **state)
{
    (void) state;
    struct log_line l;
    log_open(&l, LOG_INFO, "c", "m");
    log_u64(&l, "u", UINT64_MAX);
    log_i64(&l, "i", INT64_MIN);
    log_str(&l, "absent", NULL);
    log_str(&l, "s", "x");
    log_close(&l);
    assert_string_equal(written(ends[0]), HEAD ",\"u\":18446744073709551615,"
                                               "\"i\":-9223372036854775808,\"s\":\"x\"}\n");
    log_error("store", "commit", -ENOSPC);
    assert_string_equal(written(ends[0]),
                        "{\"time\":\"1970-01-01T00:00:00.007Z\",\"level\":\"error\",\"component\":"
                        "\"store\",\"msg\":\"commit\",\"error\":\"no space left on device\"}\n");
}

static void test_levels(void **state)
{
    (void) state;
    for (int least = 0; least < LOG_N_LEVELS; least++) {
        log_set_level((enum log_level) least);
        for (int level = 0; level < LOG_N_LEVELS; level++) {
            struct log_line l;
            log_open(&l, (enum log_level) level, "c", "m");
            log_str(&l, "k", "v");
            log_slice(&l, "k", slice_str("v"));
            log_u64(&l, "k", 1);
            log_i64(&l, "k", 1);
            log_close(&l);
            const char *got = written(ends[0]);
            assert_int_equal(log_on((enum log_level) level), level >= least);
            assert_int_equal(got[0] != '\0', level >= least);
            assert_true(got[0] == '\0' || strstr(got, LOG_LEVELS[level]) != NULL);
        }
    }
}

/* A value of `unit` over and over, so long that it is cut: the line stays JSON with whole
 * characters and at most LOG_VALUE_MAX bytes of the value. */
static void test_long_values_are_cut(void **state)
{
    (void) state;
    static const struct {
        const char *unit;
        size_t want_units;
    } CASES[] = {
        {"x", 256},  {"\xd0\xb6", 128}, {"\xe2\x82\xac", 85}, {"\xf0\x9f\x90\xb3", 64},
        {"\"", 256}, {"\xff", 256},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        for (size_t shift = 0; shift < 4; shift++) { /* lets the cut fall anywhere in a character */
            char value[2000];
            memset(value, 'a', sizeof(value));
            size_t len = shift, unit = strlen(CASES[i].unit), units = 0;
            for (; len + unit <= 1000; len += unit)
                memcpy(value + len, CASES[i].unit, unit);
            struct log_line l;
            log_open(&l, LOG_INFO, "c", "m");
            log_slice(&l, "k", slice_of(value, len));
            log_close(&l);
            const char *got = written(ends[0]), *why = "";
            if (json_check(slice_str(got), &why) < 0)
                fail_msg("case %zu: %s: %s", i, why, got);
            const char *written_unit = unit == 1 && CASES[i].unit[0] == '\xff' ? "\\u00ff"
                                       : CASES[i].unit[0] == '"'               ? "\\\""
                                                                               : CASES[i].unit;
            const char *at = strstr(got, "\"k\":\"") + 5 + shift;
            for (; strncmp(at, written_unit, strlen(written_unit)) == 0; units++)
                at += strlen(written_unit);
            assert_string_equal(at, "\"}\n"); /* and no half character */
            assert_int_equal(units, (256 - shift) / unit);
            assert_true(shift > 0 || units == CASES[i].want_units);
        }
}

/* Keys are added until the line is full; then cut values and left out keys keep it valid. */
static void test_long_lines_are_cut(void **state)
{
    (void) state;
    for (size_t size = 1; size <= 256; size++) {
        char value[256];
        for (size_t i = 0; i < size; i++)
            value[i] = "a\"\xe2\x82\xac\x01\xff"[i % 7];
        struct log_line l;
        log_open(&l, LOG_INFO, "c", "m");
        for (uint64_t i = 0; i < 700; i++) {
            char key[16];
            (void) snprintf(key, sizeof(key), "k%u", (unsigned) i);
            log_slice(&l, key, slice_of(value, size));
            (void) snprintf(key, sizeof(key), "n%u", (unsigned) i);
            log_u64(&l, key, i * 1000003);
        }
        log_close(&l);
        const char *got = written(ends[0]), *why = "";
        size_t len = strlen(got);
        assert_in_range(len, LOG_LINE_MAX - 40, LOG_LINE_MAX);
        if (got[len - 1] != '\n' || json_check(slice_str(got), &why) < 0)
            fail_msg("size %zu: %s: %s", size, why, got);
    }
}

/* A pipe that nobody reads: lines are dropped whole, never torn, and the caller is not held. */
static void test_full_pipe_drops_lines(void **state)
{
    (void) state;
    for (uint64_t i = 0; i < 5000; i++) {
        struct log_line l;
        log_open(&l, LOG_INFO, "c", "m");
        log_u64(&l, "i", i);
        log_str(&l, "filler", "0123456789012345678901234567890123456789");
        log_close(&l);
    }
    char *text = (char *) (uintptr_t) written(ends[0]);
    unsigned lines = 0;
    uint64_t last = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        unsigned long long i = 0;
        const char *why = "";
        assert_int_equal(json_check(slice_str(line), &why), 0);
        assert_int_equal(sscanf(strstr(line, "\"i\":"), "\"i\":%llu", &i), 1);
        assert_true(lines == 0 || i > last);
        last = i;
    }
    assert_in_range(lines, 100, 4999);

    log_error("c", "after", -EIO); /* there is room again */
    assert_non_null(strstr(written(ends[0]), "\"after\""));
}

/* The same for a pipe that blocks, as the daemon's stderr may: what others share stays as it is. */
static void test_unblock(void **state)
{
    (void) state;
    int shared[2];
    assert_int_equal(pipe2(shared, 0), 0);
    log_set_fd(shared[1]);
    log_unblock();
    assert_false(fcntl(shared[1], F_GETFL) & O_NONBLOCK);
    uint64_t before = log_dropped();
    for (unsigned i = 0; i < 40000; i++) /* 3 MB that nobody reads; would hang for ever */
        log_error("c", "m", -EIO);
    assert_in_range(log_dropped() - before, 1000, 39999);
    assert_int_equal(close(shared[0]), 0);
    assert_int_equal(close(shared[1]), 0);
}

/* A socket is written to without waiting as it is. */
static void test_unblock_socket(void **state)
{
    (void) state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    log_set_fd(pair[1]);
    log_unblock();
    uint64_t before = log_dropped();
    for (unsigned i = 0; i < 40000; i++)
        log_error("c", "m", -EIO);
    assert_in_range(log_dropped() - before, 1000, 39999);
    assert_int_equal(close(pair[0]), 0);
    assert_int_equal(close(pair[1]), 0);
}

/* A file size limit makes the kernel take a part of a line, as a full disk does. The next line that
 * gets through begins on a line of its own. */
static void test_torn_line_does_not_swallow_the_next(void **state)
{
    (void) state;
    FILE *file = tmpfile();
    assert_non_null(file);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit tight = {.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    log_set_fd(fileno(file));
    log_error("c", "torn", -EIO);
    log_error("c", "dropped", -EIO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    log_error("c", "after", -EIO);
    log_error("c", "then", -EIO);
    assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
    const char *text = written(fileno(file));
    assert_int_equal(text[100], '\n');
    assert_null(strstr(text, "dropped"));
    assert_null(strstr(text, "\n\n"));
    const char *after = strstr(text, "\n{"), *then = strstr(after + 1, "\n{"), *why = "";
    assert_int_equal(json_check(slice_of(after, (size_t) (then - after)), &why), 0);
    assert_int_equal(json_check(slice_str(then), &why), 0);
    assert_non_null(strstr(then, "\"then\""));
    (void) fclose(file);
}

static void log_many(void *name)
{
    for (unsigned i = 0; i < 200; i++) {
        struct log_line l;
        log_open(&l, LOG_INFO, "c", "m");
        log_str(&l, "thread", name);
        log_close(&l);
    }
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    (void) state;
    uv_thread_t a, b;
    assert_int_equal(uv_thread_create(&a, log_many, (void *) (uintptr_t) "aaaaaaaaaa"), 0);
    assert_int_equal(uv_thread_create(&b, log_many, (void *) (uintptr_t) "bbbbbbbbbb"), 0);
    assert_int_equal(uv_thread_join(&a), 0);
    assert_int_equal(uv_thread_join(&b), 0);
    char *text = (char *) (uintptr_t) written(ends[0]);
    unsigned lines = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++)
        assert_true(strcmp(line, HEAD ",\"thread\":\"aaaaaaaaaa\"}") == 0 ||
                    strcmp(line, HEAD ",\"thread\":\"bbbbbbbbbb\"}") == 0);
    assert_int_equal(lines, 400);
}

/* A thread that gathers: nothing until it flushes, whole lines in order then; a warning at once,
 * with what came before; never more together than a pipe takes whole. */
static void test_gathered(void **state)
{
    (void) state;
    struct log_line l;
    log_gather(true);
    for (uint64_t n = 1; n <= 2; n++) {
        log_open(&l, LOG_INFO, "c", "m");
        log_u64(&l, "n", n);
        log_close(&l);
    }
    assert_string_equal(written(ends[0]), "");
    log_flush();
    assert_string_equal(written(ends[0]), HEAD ",\"n\":1}\n" HEAD ",\"n\":2}\n");
    log_flush(); /* nothing left */
    assert_string_equal(written(ends[0]), "");

    log_open(&l, LOG_INFO, "c", "m");
    log_close(&l);
    log_error("c", "bad", -ENOENT);
    const char *text = written(ends[0]);
    assert_ptr_equal(strstr(text, HEAD "}\n{"), text);
    assert_non_null(strstr(text, "\"level\":\"error\""));

    unsigned lines = 0;
    for (; written(ends[0])[0] == '\0'; lines++) { /* until it has to write by itself */
        log_open(&l, LOG_INFO, "c", "m");
        log_close(&l);
        assert_true(lines < 200);
    }
    assert_in_range(lines, 20, 60);
    log_gather(false); /* the last one was not written yet */
    assert_string_equal(written(ends[0]), HEAD "}\n");
    log_open(&l, LOG_INFO, "c", "m");
    log_close(&l);
    assert_string_equal(written(ends[0]), HEAD "}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_and_absent_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_values_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_lines_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_pipe_drops_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unblock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unblock_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_line_does_not_swallow_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines_of_threads_do_not_mix, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gathered, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
