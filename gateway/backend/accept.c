/* accept.c - see accept.h. */
#include "accept.h"

#define MILLI 1000 /* a weight has three digits behind its point */

/* How closely a range fits a type; with parameters as much more as it has of them. One with others
 * than the type has fits as well, if nothing else does: many clients name a charset with what has
 * none. */
enum { FITS_NOT, FITS_ANY, FITS_ANY_SUBTYPE, FITS_BUT_FOR_PARAMETERS, FITS_TYPE };

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* What is in a quoted string separates nothing. */
static struct slice take_until(struct slice *rest, uint8_t separator)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->len && (quoted || rest->data[i] != separator); i++) {
        if (quoted && rest->data[i] == '\\')
            i++;
        else if (rest->data[i] == '"')
            quoted = !quoted;
    }
    size_t len = i < rest->len ? i : rest->len; /* a backslash may have been the last byte */
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, len < rest->len ? len + 1 : len);
    return trimmed(part);
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

static bool is_pair(struct slice parameter, struct slice name, struct slice value)
{
    struct slice its_name = take_until(&parameter, '=');
    return slice_eq_nocase(its_name, name) && slice_eq_nocase(trimmed(parameter), value);
}

static bool has_parameter(struct slice parameters, struct slice name, struct slice value)
{
    while (parameters.len > 0)
        if (is_pair(take_until(&parameters, ';'), name, value))
            return true;
    return false;
}

/* `range` and `type` are without their parameters. */
static unsigned fits(struct slice range, struct slice type)
{
    const uint8_t *slash = type.len == 0 ? NULL : memchr(type.data, '/', type.len);
    if (slice_eq(range, SLICE_LIT("*/*")) || slice_eq(range, SLICE_LIT("*")))
        return FITS_ANY;
    size_t main = slash == NULL ? 0 : (size_t) (slash - type.data) + 1;
    if (main > 0 && range.len == main + 1 && range.data[main] == '*' &&
        slice_eq_nocase(slice_sub(range, 0, main), slice_sub(type, 0, main)))
        return FITS_ANY_SUBTYPE;
    return range.len > 0 && slice_eq_nocase(range, type) ? FITS_TYPE : FITS_NOT;
}

struct liking {
    unsigned fits, weight;
};

static struct liking liking_of(struct slice element, struct slice type, struct slice parameters)
{
    struct slice range = take_until(&element, ';');
    struct liking l = {fits(range, type), MILLI};
    while (element.len > 0 && l.fits != FITS_NOT) {
        struct slice value = take_until(&element, ';');
        struct slice name = take_until(&value, '=');
        if (name.len == 0)
            continue;
        if (slice_eq_nocase(name, SLICE_LIT("q"))) { /* what is behind it is not of the type */
            l.weight = weight_of(trimmed(value));
            return l;
        }
        if (!has_parameter(parameters, name, trimmed(value)))
            l.fits = l.fits < FITS_BUT_FOR_PARAMETERS ? l.fits : FITS_BUT_FOR_PARAMETERS;
        else if (l.fits >= FITS_TYPE)
            l.fits++;
    }
    return l;
}

/* Of all Accept headers, which are one list. */
static struct liking liking_by(const struct header *headers, size_t n, const char *text)
{
    struct slice parameters = slice_str(text), type = take_until(&parameters, ';');
    struct liking best = {FITS_NOT, 0};
    for (size_t i = 0; i < n; i++) {
        struct slice list = headers[i].value;
        if (!slice_eq_nocase(headers[i].name, SLICE_LIT("Accept")))
            continue;
        while (list.len > 0) {
            struct liking l = liking_of(take_until(&list, ','), type, parameters);
            if (l.fits > best.fits)
                best = l;
        }
    }
    return best;
}

static bool is_asked(const struct header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct slice list = headers[i].value;
        if (!slice_eq_nocase(headers[i].name, SLICE_LIT("Accept")))
            continue;
        while (list.len > 0)
            if (take_until(&list, ',').len > 0)
                return true;
    }
    return false;
}

size_t accept_choose(const struct header *headers, size_t n, const char *const *types,
                     size_t n_types, bool *ret_asked)
{
    size_t found = ACCEPT_NONE;
    unsigned most = 0;
    *ret_asked = is_asked(headers, n);
    for (size_t t = 0; t < n_types && *ret_asked; t++) {
        struct liking l = liking_by(headers, n, types[t]);
        if (l.fits == FITS_NOT || l.weight <= most || strcmp(types[t], "*") == 0)
            continue;
        most = l.weight;
        found = t;
    }
    return found;
}
