/* test_letters_round.c - letters_round.c: which letters are taken, in rounds of bounded size. */
#include "letters_round.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static int add(struct letters_round *round, uint64_t id, uint64_t seq, size_t len)
{
    uint8_t *body = xcalloc(1, len + 1);
    memset(body, (int) ('a' + id % 26), len);
    const struct store_letter l = {.id = id,
                                   .registry_id = "registry",
                                   .reason = "r",
                                   .event_seq = seq,
                                   .body = slice_of(body, len),
                                   .headers = SLICE_LIT("ce-id: 1\r\n")};
    int r = letters_round_add(round, &l);
    free(body); /* the round has a copy */
    return r;
}

static void kinds_and_bounds(void **state)
{
    struct letters_round round;
    (void) state;
    for (int events = 0; events < 2; events++) {
        letters_round_init(&round, events == 1, 0, 7);
        for (uint64_t id = 1; id <= 9; id++)
            assert_int_equal(add(&round, id, id % 2 == 1 ? 70 + id : 0, id), 0);
        assert_int_equal(round.n, events == 1 ? 4 : 3); /* 1 3 5 7, or 2 4 6 */
        for (size_t i = 0; i < round.n; i++) {
            assert_int_equal(round.letters[i].id, events == 1 ? 2 * i + 1 : 2 * i + 2);
            assert_int_equal(round.letters[i].len, round.letters[i].id);
            assert_int_equal(round.letters[i].body[0], 'a' + round.letters[i].id);
            assert_string_equal(round.letters[i].registry_id, "registry");
            assert_true(slice_eq_str(
                slice_of(round.letters[i].headers, round.letters[i].headers_len), "ce-id: 1\r\n"));
        }
        letters_round_next(&round);
        assert_int_equal(round.n, 0);
        assert_int_equal(round.after, events == 1 ? 7 : 6);
        for (uint64_t id = 1; id <= 9; id++)
            assert_int_equal(add(&round, id, id % 2 == 1 ? 70 + id : 0, id), 0);
        assert_int_equal(round.n, 0); /* all of them were there before */
        letters_round_fini(&round);
    }
}

static void only_one(void **state)
{
    struct letters_round round;
    (void) state;
    letters_round_init(&round, false, 3, UINT64_MAX);
    for (uint64_t id = 1; id <= 5; id++)
        assert_int_equal(add(&round, id, 0, 10), 0);
    assert_int_equal(round.n, 1);
    assert_int_equal(round.letters[0].id, 3);
    letters_round_fini(&round);
}

static void rounds_end(void **state)
{
    struct letters_round round;
    (void) state;
    letters_round_init(&round, false, 0, UINT64_MAX);
    for (uint64_t id = 1; id <= LETTERS_ROUND_MAX; id++)
        assert_int_equal(add(&round, id, 0, 1), 0);
    assert_int_equal(add(&round, LETTERS_ROUND_MAX + 1, 0, 1), -ECANCELED);
    assert_int_equal(round.n, LETTERS_ROUND_MAX);
    letters_round_next(&round);

    uint64_t id = LETTERS_ROUND_MAX + 1;
    assert_int_equal(add(&round, id, 0, LETTERS_ROUND_BYTES + 1), 0); /* one, however large */
    assert_int_equal(add(&round, id + 1, 0, 1), -ECANCELED);
    letters_round_next(&round);
    assert_int_equal(add(&round, id + 1, 0, LETTERS_ROUND_BYTES), 0);
    assert_int_equal(add(&round, id + 2, 0, 0), 0);
    assert_int_equal(add(&round, id + 3, 0, 1), -ECANCELED);
    assert_int_equal(round.n, 2);
    letters_round_fini(&round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_and_bounds),
        cmocka_unit_test(only_one),
        cmocka_unit_test(rounds_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
