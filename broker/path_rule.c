/* path_rule.c - see path_rule.h. */
#include "path_rule.h"

#include "path.h"

#define OPEN        "${claims."
#define SEGMENT_MAX 8192 /* of a request line */

static bool segment_fits(struct slice rule, struct slice segment, const struct jwt *j)
{
    struct slice open = SLICE_LIT(OPEN);
    size_t before = 0;
    while (before + open.len <= rule.len &&
           !slice_eq(slice_sub(rule, before, before + open.len), open))
        before++;
    if (before + open.len > rule.len)
        return slice_eq(rule, segment);
    struct slice name = slice_from(rule, before + open.len);
    const uint8_t *close = name.len == 0 ? NULL : memchr(name.data, '}', name.len);
    if (close == NULL)
        return false;
    struct slice after = slice_from(name, (size_t) (close - name.data) + 1);
    name.len = (size_t) (close - name.data);
    if (segment.len <= before + after.len ||
        !slice_eq(slice_sub(segment, 0, before), slice_sub(rule, 0, before)) ||
        !slice_eq(slice_from(segment, segment.len - after.len), after))
        return false;
    return jwt_claim_says(j, name, slice_sub(segment, before, segment.len - after.len));
}

static struct slice without_last_slash(struct slice path)
{
    return path.len > 0 && path.data[path.len - 1] == '/' ? slice_sub(path, 0, path.len - 1) : path;
}

bool path_rule_fits(const char *rule, struct slice request, const struct jwt *j)
{
    struct slice rule_rest = without_last_slash(slice_str(rule)),
                 rest = without_last_slash(request), part, segment;
    char decoded[SEGMENT_MAX];
    while (path_take_segment(&rule_rest, &part)) {
        if (!path_take_segment(&rest, &segment) || segment.len > sizeof(decoded))
            return false;
        size_t len = path_decode_segment(segment, decoded);
        if (!segment_fits(part, slice_of(decoded, len), j))
            return false;
    }
    return rest.len == 0;
}
