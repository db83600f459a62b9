/* Tests of broker/kinds.c: what a registry was last known as, through changes of the configuration.
 * What is logged of it is test_ingest_kind.c's. */
#include "kinds.h"

#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static char A[] = "a", B[] = "b", C[] = "c", KIND[] = "distribution";

/* How many changes were logged while this was chosen. */
static unsigned chosen(struct kinds *k, const struct config_registry *r, const char *type)
{
    char text[1024];
    const char *known_by;
    int fd = memfd_create("log", 0);
    assert_true(fd >= 0);
    log_set_fd(fd);
    const struct source_request req = {
        .content_type = slice_str(type), .body = SLICE_LIT("{\"events\":[]}"), .registry = r};
    (void) kinds_choose(k, &req, "peer", &known_by);
    log_set_fd(STDERR_FILENO);
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    (void) close(fd);
    return strstr(text, "another kind") != NULL;
}

static void test_choose(void **state)
{
    struct config_registry registries[] = {{.id = B}, {.id = A, .kind = KIND}, {.id = C}};
    struct config cfg = {.registries = registries, .n_registries = 3};
    struct kinds *k = kinds_new(&cfg);
    const struct source_request req = {.content_type = SLICE_LIT("text/plain"),
                                       .registry = &registries[1]};
    const char *known_by = NULL;
    (void) state;
    assert_ptr_equal(kinds_choose(k, &req, "peer", &known_by), &SOURCE_DISTRIBUTION);
    assert_string_equal(known_by, "configured");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(chosen(k, &registries[i], "application/json"), 0);
    assert_int_equal(chosen(k, &registries[0], "text/plain"), 0); /* nobody's is no guess */
    assert_int_equal(chosen(k, &registries[0], "application/json"), 0);
    kinds_free(k);
    kinds_free(NULL);
}

static void test_configure(void **state)
{
    struct config_registry registries[] = {{.id = A}, {.id = B}};
    struct config_registry others[] = {{.id = C}, {.id = B}, {.id = A, .kind = KIND}};
    struct config cfg = {.registries = registries, .n_registries = 2};
    struct config other = {.registries = others, .n_registries = 3};
    struct config empty = {.n_registries = 0};
    struct kinds *k = kinds_new(&cfg);
    (void) state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(chosen(k, &registries[0], "application/json"), 0);
        kinds_configure(k, &other); /* the ids of the first need not live on */
        for (size_t n = 0; n < 3; n++)
            assert_int_equal(chosen(k, &others[n], "application/json"), 0);
        kinds_configure(k, &empty);
        assert_int_equal(chosen(k, &others[0], "application/json"), 0); /* of a request under way */
        kinds_configure(k, &cfg);
    }
    kinds_free(k);
}

/* A look that was told is not told again. */
static void test_taking_turns(void **state)
{
    static const struct {
        const char *type;
        unsigned want;
    } CASES[] = {
        {"application/vnd.docker.distribution.events.v1+json", 0},
        {"application/cloudevents+json", 1},
        {"application/vnd.docker.distribution.events.v1+json", 0},
        {"application/cloudevents+json", 0},
        {"application/json", 0}, /* by its shape the first again */
    };
    struct config_registry registries[] = {{.id = A}};
    struct config cfg = {.registries = registries, .n_registries = 1};
    struct kinds *k = kinds_new(&cfg);
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(chosen(k, &registries[0], CASES[i].type), CASES[i].want);
    kinds_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choose),
                                       cmocka_unit_test(test_configure),
                                       cmocka_unit_test(test_taking_turns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
