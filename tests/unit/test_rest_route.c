/* Tests of gateway/rest_route.c: paths and methods, and that docs/openapi.json says the same. */
#include "rest_route.h"

#include "mem.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void finds(enum http_method method, const char *path, const char *name, const char *param)
{
    struct rest_match m;
    rest_route_find(method, slice_str(path), &m);
    if (name == NULL) {
        assert_null(m.route);
        assert_string_equal(m.allow, param);
        return;
    }
    assert_non_null(m.route);
    assert_string_equal(m.route->name, name);
    assert_int_equal(m.param.len, strlen(param));
    assert_true(slice_eq_str(m.param, param));
}

static void test_find(void **state)
{
    (void) state;
#define T "/triggers/v1/triggers"
    finds(HTTP_M_GET, T, "listTriggers", "");
    finds(HTTP_M_HEAD, T, "listTriggers", "");
    finds(HTTP_M_POST, T, "createTrigger", "");
    finds(HTTP_M_POST, T ":dryRun", "dryRunTriggers", "");
    finds(HTTP_M_GET, T "/a1s", "getTrigger", "a1s");
    finds(HTTP_M_GET, T "/a%2Fb", "getTrigger", "a%2Fb");
    finds(HTTP_M_POST, T "/a1s:pause", "pauseTrigger", "a1s");
    finds(HTTP_M_POST, T "/a:b:pause", "pauseTrigger", "a:b");
    finds(HTTP_M_GET, T "/a1s/operations", "listTriggerOperations", "a1s");
    finds(HTTP_M_GET, "/operations/x:cancel", "cancelOperationByGet", "x");
    finds(HTTP_M_POST, "/operations/x:cancel", "cancelOperation", "x");
    finds(HTTP_M_POST, "/admin/v1/reload", "reload", "");
    finds(HTTP_M_GET, "/admin/v1/reload", NULL, "POST");
    finds(HTTP_M_GET, "/endpoints/iam", "getEndpoint", "iam");
    finds(HTTP_M_GET, T "/a1s:explode", NULL, "");
    finds(HTTP_M_GET, T "/", NULL, "");
    finds(HTTP_M_GET, T "/a/b", NULL, "");
    finds(HTTP_M_GET, T "/a/b/operations", NULL, "");
    finds(HTTP_M_GET, T "//operations", NULL, "");
    finds(HTTP_M_POST, T "/:pause", NULL, "");
    finds(HTTP_M_GET, "", NULL, "");
    finds(HTTP_M_GET, "/", NULL, "");
    finds(HTTP_M_GET, "/openapi.json/", NULL, "");
    finds(HTTP_M_PUT, T, NULL, "GET, HEAD, POST");
    finds(HTTP_M_POST, T "/a1s", NULL, "GET, HEAD, PATCH, DELETE");
    finds(HTTP_M_GET, T "/a1s:pause", NULL, "POST");
    finds(HTTP_M_OTHER, "/healthz", NULL, "GET, HEAD");
#undef T
}

static cJSON *load_document(void)
{
    const char *root = getenv("REGCAST_SOURCE_DIR");
    char file[4096];
    (void) snprintf(file, sizeof(file), "%s/docs/openapi.json", root == NULL ? "." : root);
    FILE *from = fopen(file, "r");
    assert_non_null(from);
    char *text = xcalloc(1, 1 << 20);
    assert_in_range(fread(text, 1, (1 << 20) - 1, from), 1000, (1 << 20) - 2);
    (void) fclose(from);
    cJSON *document = cJSON_Parse(text);
    free(text);
    assert_non_null(document);
    return document;
}

/* Every route is described, and nothing else is. */
static void test_document(void **state)
{
    (void) state;
    static const char *const METHODS[] = {[HTTP_M_GET] = "get",
                                          [HTTP_M_POST] = "post",
                                          [HTTP_M_PATCH] = "patch",
                                          [HTTP_M_DELETE] = "delete"};
    cJSON *document = load_document();
    const cJSON *paths = cJSON_GetObjectItemCaseSensitive(document, "paths"), *path;
    size_t described = 0;
    cJSON_ArrayForEach(path, paths) described += (size_t) cJSON_GetArraySize(path);
    assert_int_equal(described, REST_N_ROUTES);
    for (size_t i = 0; i < REST_N_ROUTES; i++) {
        const struct rest_route *r = &REST_ROUTES[i];
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(paths, r->path);
        const cJSON *operation = cJSON_GetObjectItemCaseSensitive(item, METHODS[r->method]);
        if (operation == NULL)
            fail_msg("%s is not in the document", r->name);
        assert_string_equal(cJSON_GetObjectItemCaseSensitive(operation, "operationId")->valuestring,
                            r->name);
        const cJSON *security = cJSON_GetObjectItemCaseSensitive(operation, "security");
        assert_int_equal(cJSON_GetArraySize(security) == 0, r->open);
        assert_int_equal(cJSON_GetObjectItemCaseSensitive(operation, "x-required-role") == NULL,
                         r->open);
    }
    cJSON_Delete(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find),
                                       cmocka_unit_test(test_document)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
