/* Filters: lines of patterns, each behind the number of its list, then after an empty line what an
 * event has: registry, repository, tag, digest, actor. A filter that was made gives its texts back
 * and is made of them again with the same verdicts, which are those of its patterns one by one; a
 * glob's is the slow reference's. Time is the fuzzer's to watch: a matcher that tries every way
 * would not come back. */
#include "err.h"
#include "filter.h"
#include "mem.h"

#include "../property/glob_reference.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS     5
#define FIELD_SIZE 512

static struct slice next_line(struct slice *rest)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);
    size_t len = end == NULL ? rest->len : (size_t) (end - rest->data);
    struct slice line = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, end == NULL ? len : len + 1);
    return line;
}

static enum filter_list verdict(const struct filter *f, const struct filter_subject *of)
{
    struct filter_subject s = *of;
    return filter_refusal(f, &s);
}

/* With each pattern as a filter of its own, without its "!". */
static bool passes_slowly(const struct filter *f, enum filter_list list,
                          const struct filter_subject *s)
{
    bool any = false, positive = false, refused = false;
    for (size_t i = 0; i < filter_size(f, list); i++) {
        const char *text = filter_at(f, list, i);
        bool negative = text[0] == '!';
        struct filter *one = filter_new();
        ASSERT(filter_add(one, list, slice_str(text + negative)) == NULL);
        bool fits = verdict(one, s) == FILTER_LISTS;
        positive |= !negative;
        any |= !negative && fits;
        refused |= negative && fits;
        filter_free(one);
    }
    return (any || !positive) && !refused;
}

static bool has_empty_part(struct slice text)
{
    bool empty = true, found = false;
    for (size_t i = 0; i < text.len; i++) {
        found |= text.data[i] == '/' && empty;
        empty = text.data[i] == '/';
    }
    return found || empty;
}

static void check_glob(struct slice pattern, struct slice text)
{
    for (int path = 0; path < 2; path++) {
        enum glob_kind kind = path ? GLOB_PATH : GLOB_TEXT;
        if (pattern.len <= FILTER_MAX_BYTES && glob_check(pattern, kind) == NULL &&
            !(path && has_empty_part(text)))
            ASSERT(glob_match(pattern, kind, text) == reference_match(pattern, kind, text));
    }
}

static void check_filter(const struct filter *f, const struct filter_subject *s)
{
    struct filter *again = filter_copy(f);
    ASSERT(filter_equal(f, again));
    enum filter_list refusal = verdict(f, s);
    ASSERT(verdict(again, s) == refusal);
    unsigned list = 0;
    while (list < FILTER_LISTS && passes_slowly(f, list, s))
        list++;
    ASSERT(refusal == list);
    filter_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size), line, first = {0};
    struct filter *f = filter_new();
    char fields[FIELDS][FIELD_SIZE] = {""};
    while ((line = next_line(&rest)).len > 0) {
        struct slice pattern = slice_from(line, 1);
        enum filter_list list = line.data[0] % FILTER_LISTS;
        const char *why = filter_check(list, pattern);
        const char *added = filter_add(f, list, pattern);
        ASSERT(why == added || filter_size(f, list) == FILTER_MAX_PATTERNS);
        if (first.data == NULL)
            first = pattern;
    }
    for (size_t i = 0; i < FIELDS; i++) {
        line = next_line(&rest);
        size_t len = line.len < FIELD_SIZE - 1 ? line.len : FIELD_SIZE - 1;
        if (len > 0)
            memcpy(fields[i], line.data, len);
        check_glob(first, slice_of(fields[i], len));
    }
    const struct filter_subject s = {.registry_id = fields[0],
                                     .repository = fields[1],
                                     .tag = fields[2],
                                     .digest = fields[3],
                                     .actor = fields[4]};
    check_filter(f, &s);
    filter_free(f);
    return 0;
}
