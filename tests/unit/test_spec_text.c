/* Tests of broker/base/spec_text.c: where a text is cut at its parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#define PARAMS     "[{name: room, in: path}, {name: X-Id, in: header}, {name: 'f[x]', in: query}]"
#define TEXT(text) MESSAGE("/{room}", PARAMS, "        type: dummy\n        content: " text "\n")

static const struct {
    const char *text, *cut;
} TEXTS[] = {
    {"a", "a"},
    {"'{room}'", "{0}"},
    {"'{room+}'", "{0}"},
    {"'<{room}{X-Id}>{f[x]}'", "<{0}{1}>{2}"},
    {"'{ \"a\": \"{room}\", \"b\": {}, \"c\": {\"d\": 1} }'",
     "{ \"a\": \"{0}\", \"b\": {}, \"c\": {\"d\": 1} }"},
    {"'{{room}}'", "{{0}}"},
    {"'p { color: red } {1} { room} {'", "p { color: red } {1} { room} {"},
    {"'}{'", "}{"},
};

static void test_cuts(void **state)
{
    (void) state;
    char got[1024], text[1024];
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        (void) snprintf(text, sizeof(text), "%s        content: %s\n",
                        MESSAGE("/{room}", PARAMS, "        type: dummy\n"), TEXTS[i].text);
        struct spec *spec = spec_bed(text);
        assert_string_equal(
            spec_bed_text(&spec->routes[0].message->integration.contents[0].text, got),
            TEXTS[i].cut);
        spec_unref(spec);
    }
}

static void test_unknown(void **state)
{
    (void) state;
    static const struct bad_spec BAD[] = {
        {TEXT("'{rooms}'"), 9,
         "/{room}.message.content: expected a parameter that the operation's \"parameters\" "
         "declare, got \"rooms\""},
        {TEXT("'{room} {x-id}'"), 9, "got \"x-id\""},
        {TEXT("'{other+}'"), 9, "got \"other\""},
    };
    spec_bed_refused(BAD, ARRAY_LEN(BAD), &BED_OPTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
