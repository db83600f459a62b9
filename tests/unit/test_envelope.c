/* The splitter of envelopes. What lies around events is in test_distribution.c, too. */
#include "source/envelope.h"

#include "buf.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_open(void **state)
{
    (void) state;
    static const struct {
        const char *name, *body, *member;
        int r;
        const char *want; /* the events, each in <>, or why */
    } CASES[] = {
        {"an array", " [1, {\"a\":[2]} ,\"]\"] ", NULL, 0, "<1><{\"a\":[2]}><\"]\">"},
        {"an empty array", "[ ]", NULL, 0, ""},
        {"a member", "{\"x\":0,\"e\":[1,2]}\n", "e", 0, "<1><2>"},
        {"an empty member", "{\"e\":[]}", "e", 0, ""},
        {"events are not checked", "{\"e\":[tru,{\"a\" 1}]}", "e", 0, "<tru><{\"a\" 1}>"},
        {"nothing", "", NULL, -EBADMSG, "events_type"},
        {"white space", " \r\n\t", NULL, -EBADMSG, "events_type"},
        {"an object", "{}", NULL, -EBADMSG, "events_type"},
        {"behind the array", "[1]x", NULL, -EBADMSG, "syntax"},
        {"another array behind it", "[1][2]", NULL, -EBADMSG, "syntax"},
        {"cut", "[1,", NULL, -EBADMSG, "syntax"},
        {"a comma too much", "[1,]", NULL, -EBADMSG, "syntax"},
        {"nothing for a member", "", "e", -EBADMSG, "syntax"},
        {"another member", "{\"f\":[]}", "e", -EBADMSG, "no_events"},
        {"in capitals", "{\"E\":[]}", "e", -EBADMSG, "no_events"},
        {"a number", "{\"e\":1}", "e", -EBADMSG, "events_type"},
        {"twice", "{\"e\":[],\"e\":[]}", "e", -EBADMSG, "duplicate_key"},
        {"broken around it", "{\"e\":[],\"f\":01}", "e", -EBADMSG, "number"},
        {"a key twice around it", "{\"f\":1,\"e\":[],\"f\":2}", "e", -EBADMSG, "duplicate_key"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct envelope e;
        struct slice event;
        struct buf got;
        const char *why = NULL;
        buf_init(&got, 1000);
        int r = envelope_open(slice_str(CASES[i].body), CASES[i].member, &e, &why);
        assert_int_equal(r, CASES[i].r);
        while (r == 0 && envelope_next(&e, &event))
            assert_int_equal(buf_printf(&got, "<%.*s>", (int) event.len, (const char *) event.data),
                             0);
        assert_string_equal(why == NULL ? "" : why, r < 0 ? CASES[i].want : "");
        assert_true(slice_eq_str(buf_slice(&got), r < 0 ? "" : CASES[i].want));
        buf_fini(&got);
    }
}

/* The places of the first are kept, the others are looked for again. */
static void test_many(void **state)
{
    (void) state;
    static const size_t COUNTS[] = {1, ENVELOPE_FOUND_MAX - 1, ENVELOPE_FOUND_MAX,
                                    ENVELOPE_FOUND_MAX + 1, 3 * ENVELOPE_FOUND_MAX};
    for (size_t i = 0; i < ARRAY_LEN(COUNTS); i++) {
        struct buf body;
        struct envelope e;
        struct slice event;
        const char *why;
        size_t n = 0;
        buf_init(&body, 1 << 20);
        for (size_t k = 0; k < COUNTS[i]; k++)
            assert_int_equal(buf_printf(&body, "%s%zu", k == 0 ? "[" : ",", k), 0);
        assert_int_equal(buf_append_str(&body, "]"), 0);
        assert_int_equal(envelope_open(buf_slice(&body), NULL, &e, &why), 0);
        for (; envelope_next(&e, &event); n++) {
            char want[24];
            (void) snprintf(want, sizeof(want), "%zu", n);
            assert_true(slice_eq_str(event, want));
        }
        assert_int_equal(n, COUNTS[i]);
        assert_false(envelope_next(&e, &event));
        buf_fini(&body);
    }
}

static void test_no_memory(void **state)
{
    (void) state;
    struct envelope e;
    const char *why;
    mem_fail_at(1);
    assert_int_equal(envelope_open(SLICE_LIT("{\"e\":[1]}"), "e", &e, &why), -ENOMEM);
    mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
