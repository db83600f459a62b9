/* Who may post: the registry by its id, the token in either spelling. */
#include "sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct config_registry registry(const char *id, const char *token)
{
    return (struct config_registry){.id = (char *) (uintptr_t) id,
                                    .token = (char *) (uintptr_t) token};
}

static void test_find(void **state)
{
    (void) state;
    struct config_registry all[] = {registry("crt2", NULL), registry("crt10", NULL),
                                    registry("crt1", NULL), registry("crt", NULL)};
    const struct config cfg = {.registries = all, .n_registries = ARRAY_LEN(all)};
    struct sender_set *set = sender_set_new(&cfg);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_ptr_equal(sender_find(set, slice_str(all[i].id))->cfg, &all[i]);
    static const char *const NOBODY[] = {"", "cr", "crt0", "crt11", "crt3", "CRT1"};
    for (size_t i = 0; i < ARRAY_LEN(NOBODY); i++)
        assert_null(sender_find(set, slice_str(NOBODY[i])));
    sender_set_free(set);
    const struct config none = {.n_registries = 0};
    set = sender_set_new(&none);
    assert_null(sender_find(set, slice_str("crt1")));
    sender_set_free(set);
    sender_set_free(NULL);
}

static void test_token(void **state)
{
    (void) state;
    static const struct {
        const char *authorization;
        bool fits;
    } CASES[] = {
        {"Bearer secret", true},
        {"bearer  secret ", true},
        {"Bearer secre", false},
        {"Bearer secrett", false},
        {"Bearer", false},
        {"Bearer ", false},
        {"secret", false},
        {"", false},
        {"Basic dTpzZWNyZXQ=", true},
        {"Basic OnNlY3JldA==", true},  /* no user */
        {"Basic c2VjcmV0", false},     /* no colon */
        {"Basic dTpzZWNyZXQ", false},  /* padding missing */
        {"Basic dTpzZWNyZXR4", false}, /* u:secretx */
        {"Digest secret", false},
    };
    struct config_registry all[] = {registry("crt1", "secret"), registry("crt2", NULL)};
    const struct config cfg = {.registries = all, .n_registries = ARRAY_LEN(all)};
    struct sender_set *set = sender_set_new(&cfg);
    const struct sender *closed = sender_find(set, SLICE_LIT("crt1"));
    const struct sender *open = sender_find(set, SLICE_LIT("crt2"));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct slice authorization = slice_str(CASES[i].authorization);
        if (sender_may_post(closed, authorization) != CASES[i].fits)
            fail_msg("'%s'", CASES[i].authorization);
        assert_true(sender_may_post(open, authorization));
    }
    sender_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find), cmocka_unit_test(test_token)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
