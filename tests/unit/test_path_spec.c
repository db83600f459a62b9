/* Paths of a specification in the table of paths: what can be opened and what only takes requests
 * away, slashes at the end, and what a reload makes of them. */
#include "path.h"
#include "spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_PATHS 8

struct fixture {
    struct config cfg;
    struct config_path paths[MAX_PATHS];
    struct path_table *table;
};

/* Routes by name, '!' in front of one that does not speak WebSocket; the others are paths. The
 * table is path_table_new()'s. */
static int fixture_init(struct fixture *f, struct spec *spec, struct spec_route *routes,
                        char *const *names, size_t n)
{
    *f = (struct fixture){.cfg.gateway.paths = f->paths, .cfg.spec = spec};
    f->cfg.gateway.spec = (char *) (uintptr_t) "SPEC";
    spec->routes = routes;
    spec->n_routes = n;
    for (size_t i = 0; i < n; i++) {
        bool closed = names[i][0] == '!';
        routes[i] = (struct spec_route){
            .path = names[i] + closed, .line = (unsigned) i + 1, .index = i, .websocket = !closed};
        if (closed)
            continue;
        f->paths[f->cfg.gateway.n_paths++] = (struct config_path){.path = routes[i].path,
                                                                  .route = &routes[i],
                                                                  .line = routes[i].line,
                                                                  .max_message_bytes = 131072,
                                                                  .max_frame_bytes = 32768,
                                                                  .history_count = 1,
                                                                  .history_bytes = 1,
                                                                  .memory_bytes = 1,
                                                                  .history_ms = 1};
    }
    return path_table_new(&f->cfg, &f->table);
}

static void test_spec(void **state)
{
    (void) state;
    static char *const NAMES[] = {"!/api",    "!/{p}",   "/ws/{room-id}",
                                  "/ws/all/", "/{any+}", "!/{x}/{y.z}"};
    static const struct {
        const char *request, *name; /* NULL: nothing that can be opened */
        bool strict;
    } CASES[] = {
        {"/api", NULL, false},
        {"/api/", NULL, false},
        {"/one", NULL, false},
        {"/ws/7", "/ws/{room-id}", false},
        {"/ws/7/", "/ws/{room-id}", false},
        {"/ws/all", "/ws/all/", false},
        {"/ws/all/", "/ws/all/", false},
        {"/a/b", NULL, false},
        {"/a/b/c", "/{any+}", false},
        {"/ws/all", "/ws/{room-id}", true},
        {"/ws/all/", "/ws/all/", true},
        {"/ws/7/", "/{any+}", true},
        {"/api", NULL, true},
        {"/api/", "/{any+}", true},
    };
    for (unsigned strict = 0; strict < 2; strict++) {
        struct fixture f;
        struct spec spec = {.ignore_trailing_slashes = strict == 0};
        struct spec_route routes[ARRAY_LEN(NAMES)];
        assert_int_equal(fixture_init(&f, &spec, routes, NAMES, ARRAY_LEN(NAMES)), 0);
        for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
            struct path untouched, *p = &untouched;
            if (CASES[i].strict != (strict == 1))
                continue;
            int r = path_match(f.table, slice_str(CASES[i].request), &p);
            if (r != (CASES[i].name == NULL ? -EPROTONOSUPPORT : 0))
                fail_msg("%s: %d", CASES[i].request, r);
            if (r < 0)
                assert_ptr_equal(p, &untouched);
            else
                assert_string_equal(p->name, CASES[i].name);
        }
        struct path *none;
        assert_int_equal(path_match(f.table, SLICE_LIT("/"), &none), -ENOENT);
        assert_null(path_by_name(f.table, "/api"));
        assert_ptr_equal(path_by_name(f.table, "/ws/{room-id}")->cfg->route, &routes[2]);
        path_table_free(f.table);
    }
}

/* The order of the document, whatever it is that the paths were first known in. */
static void test_spec_order(void **state)
{
    (void) state;
    static char *const ONE[] = {"/{a}", "/{b}"}, *const OTHER[] = {"!/{c}", "/{b}", "/{a}"},
                       *const THIRD[] = {"/{b}", "/{a}"};
    struct fixture f, g, h;
    struct spec specs[3] = {{.ignore_trailing_slashes = true}};
    struct spec_route routes[3][3];
    struct path_table *other, *third;
    struct path *found = NULL;
    size_t at;
    assert_int_equal(fixture_init(&f, &specs[0], routes[0], ONE, 2), 0);
    assert_int_equal(fixture_init(&g, &specs[1], routes[1], OTHER, 3), 0);
    path_table_free(g.table);
    assert_int_equal(fixture_init(&h, &specs[2], routes[2], THIRD, 2), 0);
    path_table_free(h.table);
    assert_int_equal(path_match(f.table, SLICE_LIT("/1"), &found), 0);
    assert_string_equal(found->name, "/{a}");
    assert_int_equal(path_table_next(f.table, &g.cfg, &other, &at), 0);
    assert_int_equal(path_match(other, SLICE_LIT("/1"), &found), -EPROTONOSUPPORT);
    assert_int_equal(path_table_next(f.table, &h.cfg, &third, &at), 0);
    assert_int_equal(path_match(third, SLICE_LIT("/1"), &found), 0);
    assert_string_equal(found->name, "/{b}");
    path_table_free(other);
    path_table_free(third);
    path_table_free(f.table);
}

/* A path that is configured no more does not lead into a specification that is gone. */
static void test_spec_gone(void **state)
{
    (void) state;
    static char *const NAMES[] = {"/a", "/b"}, *const OTHER[] = {"/a"};
    struct fixture f, g;
    struct spec spec = {.ignore_trailing_slashes = true}, other = spec;
    struct spec_route routes[2], other_routes[1];
    struct path_table *next;
    size_t at;
    assert_int_equal(fixture_init(&f, &spec, routes, NAMES, 2), 0);
    struct path *a = path_table_at(f.table, 0), *b = path_table_at(f.table, 1);
    assert_ptr_equal(a->cfg->route, &routes[0]);
    assert_null(b->last.route);
    assert_int_equal(fixture_init(&g, &other, other_routes, OTHER, 1), 0);
    g.paths[0].route = NULL;
    g.cfg.spec = NULL;
    path_table_free(g.table);
    assert_int_equal(path_table_next(f.table, &g.cfg, &next, &at), 0);
    path_table_enforce(next);
    assert_null(a->cfg->route);
    assert_true(path_is_gone(b) && b->cfg->route == NULL);
    path_table_free(f.table);
    path_table_free(next);
}

static void test_spec_refused(void **state)
{
    (void) state;
    static const struct {
        char *names[2];
        const char *says;
    } CASES[] = {
        {{"/a", "/file.{ext}"},
         "SPEC:2: paths: expected a path template, got \"/file.{ext}\": has "
         "a parameter that is only a part of a segment, which is not "
         "supported\n"},
        {{"/{a+}/{b+}", "/a"},
         "SPEC:1: paths: expected a path template, got \"/{a+}/{b+}\": has "
         "more than one {name+}, which is not supported\n"},
        {{"/a", "!/x{y"}, "SPEC:2: paths: "},
        {{"/a", "/%61"}, "SPEC:2: paths: expected a path that is there once, got /%61\n"},
        {{"/a", "/a/"}, "SPEC:2: paths: expected a path that is there once, got /a/\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct fixture f;
        struct spec spec = {.ignore_trailing_slashes = true};
        struct spec_route routes[2];
        struct buf error;
        buf_init(&error, 1 << 12);
        int r = fixture_init(&f, &spec, routes, CASES[i].names, 2);
        if (CASES[i].names[1][0] != '!')
            assert_int_equal(r, -EINVAL);
        r = path_templates_check("FILE", &f.cfg, &error);
        assert_int_equal(r, -EINVAL);
        assert_non_null(memmem(error.data, error.len, CASES[i].says, strlen(CASES[i].says)));
        buf_fini(&error);
        path_table_free(f.table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec),
        cmocka_unit_test(test_spec_order),
        cmocka_unit_test(test_spec_gone),
        cmocka_unit_test(test_spec_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
