/* Who may post: the registry by its id, with what it asks for. */
#include "sender.h"

#include "err.h"

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

/* Each registry asks for what is its own. */
static void test_verifier(void **state)
{
    (void) state;
    struct config_registry all[] = {registry("crt2", "two"), registry("crt1", "one"),
                                    registry("crt3", NULL)};
    const struct config cfg = {.registries = all, .n_registries = ARRAY_LEN(all)};
    const struct header field = {SLICE_LIT("Authorization"), SLICE_LIT("Bearer one")};
    const struct verify_request req = {.headers = {&field, 1}};
    static const enum refuse WANT[] = {REFUSE_AUTH, REFUSE_NONE, REFUSE_NONE};
    struct sender_set *set = sender_set_new(&cfg);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const struct sender *sender = sender_find(set, slice_str(all[i].id));
        assert_int_equal(verify_head(&sender->verifier, &req, 0), WANT[i]);
    }
    sender_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find),
                                       cmocka_unit_test(test_verifier)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
