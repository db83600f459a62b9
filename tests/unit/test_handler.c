/* Tests of gateway/cli/handler.c. */
#include "handler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "event_text.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int run(const char *command, bool batch, struct slice input)
{
    struct handler h;
    struct event_view event;
    int code = -1;
    handler_init(&h);
    assert_int_equal(event_view_parse(slice_str(EVENT("1")), &event), 0);
    assert_int_equal(handler_start(&h, command, &event, batch, input), 0);
    for (bool ended = false; !ended;) {
        struct pollfd fds[HANDLER_POLLS];
        handler_poll(&h, fds);
        assert_true(poll(fds, HANDLER_POLLS, 20000) > 0);
        ended = handler_step(&h, &code);
    }
    assert_false(handler_step(&h, &code));
    event_view_fini(&event);
    handler_fini(&h);
    return code;
}

static void test_codes(void **state)
{
    (void) state;
    static const struct {
        const char *command;
        int code;
    } CASES[] = {{"true", 0},
                 {"exit 7", 7},
                 {"kill -9 $$", 137},
                 {"/not/there", 127},
                 {"kill -s PIPE $$", 141}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(run(CASES[i].command, false, SLICE_LIT("x")), CASES[i].code);
}

static void test_environment(void **state)
{
    (void) state;
    assert_int_equal(setenv("REGCAST_TAG", "old", 1), 0);
    assert_int_equal(setenv("REGCAST_OTHER", "kept", 1), 0);
    assert_int_equal(setenv("REGCAST_REPLAY", "old", 1), 0);
    assert_int_equal(run("[ -z \"$REGCAST_REPLAY\" ]", false, SLICE_LIT("")), 0);
    assert_int_equal(run("[ -z \"$REGCAST_REPLAY\" ]", true, SLICE_LIT("")), 0);
    const char *event =
        "[ \"$REGCAST_EVENT_ID.$REGCAST_EVENT_TYPE.$REGCAST_REPOSITORY.$REGCAST_TAG."
        "$REGCAST_IMAGE_ID.$REGCAST_DIGEST.$REGCAST_OTHER\" = " EVENT_ID(
            "1") ".CreateImage.crtreg/a/b.v1.crtimage.sha256:0123456789abcdef0123."
                 "kept ]";
    assert_int_equal(run(event, false, SLICE_LIT("")), 0);
    assert_int_equal(
        run("[ \"$REGCAST_EVENT_ID.$REGCAST_TAG.$REGCAST_OTHER\" = " EVENT_ID("1") "..kept ]", true,
            SLICE_LIT("")),
        0);
}

/* More than a pipe holds, read whole, in part and not at all. */
static void test_input(void **state)
{
    (void) state;
    size_t size = 1 << 20;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    struct slice input = slice_of(text, size);
    assert_int_equal(run("[ $(wc -c) = 1048576 ]", false, input), 0);
    assert_int_equal(run("[ $(head -c 3) = xxx ]", false, input), 0);
    assert_int_equal(run("exec <&-; exit 3", false, input), 3);
    free(text);
}

static void test_signals(void **state)
{
    (void) state;
    struct handler h;
    struct event_view event;
    int code = -1;
    handler_init(&h);
    assert_int_equal(event_view_parse(slice_str(EVENT("1")), &event), 0);
    assert_int_equal(handler_start(&h, "sleep 60; true", &event, false, SLICE_LIT("")), 0);
    assert_int_equal(getpgid(h.pid), h.pid);
    handler_kill(&h);
    struct pollfd fds[HANDLER_POLLS];
    do {
        handler_poll(&h, fds);
        assert_true(poll(fds, HANDLER_POLLS, 20000) > 0);
    } while (!handler_step(&h, &code));
    assert_int_equal(code, 128 + SIGTERM);
    handler_kill(&h); /* none runs: nobody is hit */
    event_view_fini(&event);
    handler_fini(&h);
}

static int setup(void **state)
{
    (void) state;
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR; /* as listen.c does */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes), cmocka_unit_test(test_environment),
        cmocka_unit_test(test_input), cmocka_unit_test(test_signals)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
