/* accept.c - see accept.h. */
#include "accept.h"

#define MILLI 1000 /* a weight has three digits behind its point */

static struct slice take_until(struct slice *rest, uint8_t separator)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = at == NULL ? rest->len : (size_t) (at - rest->data);
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, at == NULL ? len : len + 1);
    while (part.len > 0 && (part.data[0] == ' ' || part.data[0] == '\t'))
        part = slice_from(part, 1);
    while (part.len > 0 && (part.data[part.len - 1] == ' ' || part.data[part.len - 1] == '\t'))
        part.len--;
    return part;
}

/* "0.8" is 800; what is no weight is 1. */
static unsigned weight_of(struct slice text)
{
    unsigned weight = 0, digit = MILLI;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '.' && i == 1)
            continue;
        if (text.data[i] < '0' || text.data[i] > '9' || digit == 0)
            return MILLI;
        weight += (unsigned) (text.data[i] - '0') * digit;
        digit /= 10;
    }
    return text.len == 0 || weight > MILLI ? MILLI : weight;
}

/* How closely a range fits: 0 not at all, 1 any type, 2 any subtype, 3 exactly. */
static unsigned fits(struct slice range, struct slice type)
{
    const uint8_t *slash = memchr(type.data, '/', type.len);
    if (slice_eq(range, SLICE_LIT("*/*")) || slice_eq(range, SLICE_LIT("*")))
        return 1;
    size_t main = slash == NULL ? 0 : (size_t) (slash - type.data) + 1;
    if (main > 0 && range.len == main + 1 && range.data[main] == '*' &&
        slice_eq_nocase(slice_sub(range, 0, main), slice_sub(type, 0, main)))
        return 2;
    return slice_eq_nocase(range, type) ? 3 : 0;
}

struct liking {
    unsigned fits, weight;
};

static void look_at(struct slice value, struct slice type, struct liking *best)
{
    while (value.len > 0) {
        struct slice rest = take_until(&value, ',');
        struct slice range = take_until(&rest, ';');
        unsigned weight = MILLI, close = range.len == 0 ? 0 : fits(range, type);
        while (rest.len > 0) {
            struct slice pair = take_until(&rest, ';');
            struct slice name = take_until(&pair, '=');
            if (slice_eq_nocase(name, SLICE_LIT("q")))
                weight = weight_of(pair);
        }
        if (close > best->fits)
            *best = (struct liking){close, weight};
    }
}

size_t accept_choose(const struct header *headers, size_t n, const char *const *types,
                     size_t n_types, bool *ret_asked)
{
    size_t found = ACCEPT_NONE;
    unsigned most = 0;
    *ret_asked = false;
    for (size_t t = 0; t < n_types; t++) {
        struct slice type = slice_str(types[t]);
        struct liking best = {0, 0};
        const uint8_t *end = memchr(type.data, ';', type.len); /* parameters are not compared */
        if (end != NULL)
            type.len = (size_t) (end - type.data);
        for (size_t i = 0; i < n; i++)
            if (slice_eq_nocase(headers[i].name, SLICE_LIT("Accept"))) {
                *ret_asked = true;
                look_at(headers[i].value, type, &best);
            }
        if (best.weight > most && best.fits > 0 && !slice_eq(type, SLICE_LIT("*"))) {
            most = best.weight;
            found = t;
        }
    }
    return found;
}
