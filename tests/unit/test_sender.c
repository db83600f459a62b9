/* Who may post: the registry by its id, with what it asks for. */
#include "sender.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

/* --- tokens in the path --- */

static unsigned compared;

int __real_mbedtls_ct_memcmp(const void *a, const void *b, size_t n);
int __wrap_mbedtls_ct_memcmp(const void *a, const void *b, size_t n);
int __wrap_mbedtls_ct_memcmp(const void *a, const void *b, size_t n)
{
    compared++;
    return __real_mbedtls_ct_memcmp(a, b, n);
}

#define TOKENS 100

static void test_paths(void **state)
{
    (void) state;
    static char texts[TOKENS][32], ids[TOKENS][16];
    static char *at[TOKENS];
    static struct config_registry all[TOKENS];
    for (size_t i = 0; i < TOKENS; i++) {
        (void) snprintf(texts[i], sizeof(texts[i]), "token-number-%011zu", i);
        (void) snprintf(ids[i], sizeof(ids[i]), "crt%zu", i);
        at[i] = texts[i];
    }
    for (size_t n = 0; n <= TOKENS; n += n < 6 ? 1 : 47) { /* two each, and one without */
        struct config cfg = {.registries = all, .n_registries = (n + 1) / 2 + 1};
        for (size_t i = 0; i < cfg.n_registries; i++) {
            all[i] = registry(ids[i], NULL);
            if (2 * i < n)
                all[i].path_tokens = (struct config_strings){at + 2 * i, n - 2 * i > 1 ? 2 : 1};
        }
        struct sender_set *set = sender_set_new(&cfg);
        for (size_t i = 0; i < TOKENS; i++) {
            compared = 0;
            const struct sender *sender = sender_find_path(set, slice_str(texts[i]));
            assert_int_equal(compared, n == 0 ? 0 : 1);
            if (i < n)
                assert_ptr_equal(sender->cfg, &all[i / 2]);
            else
                assert_null(sender);
        }
        assert_null(sender_find_path(set, (struct slice){0}));
        assert_null(sender_find_path(set, slice_of(texts[0], strlen(texts[0]) - 1)));
        assert_null(sender_find_path(set, SLICE_LIT("crt1")));
        sender_set_free(set);
    }
}

static void test_networks(void **state)
{
    (void) state;
    static char *networks[] = {"192.0.2.0/24", "2001:db8::/32"};
    struct config_registry all[] = {registry("crt1", NULL), registry("crt2", NULL)};
    all[0].allowed_from = (struct config_strings){networks, ARRAY_LEN(networks)};
    const struct config cfg = {.registries = all, .n_registries = ARRAY_LEN(all)};
    struct sender_set *set = sender_set_new(&cfg);
    struct in6_addr inside, outside;
    assert_true(network_parse_address(SLICE_LIT("192.0.2.7"), &inside));
    assert_true(network_parse_address(SLICE_LIT("192.0.3.7"), &outside));
    const struct networks *allowed = &sender_find(set, SLICE_LIT("crt1"))->allowed;
    assert_true(networks_have(allowed, &inside));
    assert_false(networks_have(allowed, &outside));
    assert_int_equal(sender_find(set, SLICE_LIT("crt2"))->allowed.n, 0);
    sender_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find), cmocka_unit_test(test_verifier),
                                       cmocka_unit_test(test_paths),
                                       cmocka_unit_test(test_networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
