/* substitution.c - see substitution.h. */
#include "substitution.h"

static const char DIGITS[] = "0123456789ABCDEF";

static bool is_unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static int encode(struct buf *out, struct slice text, bool slashes)
{
    int r = 0;
    for (size_t i = 0; i < text.len && r == 0; i++) {
        uint8_t c = text.data[i];
        const char escape[3] = {'%', DIGITS[c >> 4], DIGITS[c & 15]};
        bool plain = is_unreserved(c) || (slashes && c == '/');
        r = plain ? buf_append(out, slice_of(&c, 1)) : buf_append(out, slice_of(escape, 3));
    }
    return r;
}

int substitution_encode(struct buf *out, struct slice text)
{
    return encode(out, text, false);
}

bool substitution_fits_header(struct slice value)
{
    for (size_t i = 0; value.data != NULL && i < value.len; i++)
        if ((value.data[i] < ' ' && value.data[i] != '\t') || value.data[i] == 0x7f)
            return false;
    return true;
}

/* --- an URL --- */

/* Takes a byte off that is `c`, as it is or percent-encoded. */
static bool take(struct slice *s, uint8_t c)
{
    const char escape[3] = {'%', DIGITS[c >> 4], DIGITS[c & 15]};
    size_t len = 0;
    if (s->len > 0 && s->data[0] == c)
        len = 1;
    else if (s->len > 2 && slice_eq_nocase(slice_sub(*s, 0, 3), slice_of(escape, 3)))
        len = 3;
    *s = slice_from(*s, len);
    return len > 0;
}

/* Whether there is a segment "." or "..", for the most generous reader of slashes and escapes. What
 * stands behind a ';' is no part of a segment's name to servers of Java (RFC 3986 section 3.3). */
static bool has_dots(struct slice s)
{
    for (;;) {
        if (take(&s, '.')) {
            (void) take(&s, '.');
            if (s.len == 0 || take(&s, '/') || take(&s, '\\') || take(&s, ';'))
                return true;
        }
        while (s.len > 0 && !take(&s, '/') && !take(&s, '\\'))
            s = slice_from(s, 1);
        if (s.len == 0)
            return false;
    }
}

/* "https://host/path?query" */
static struct slice path_of(struct slice url)
{
    const uint8_t *mark = url.len == 0 ? NULL : memchr(url.data, '?', url.len);
    size_t len = mark == NULL ? url.len : (size_t) (mark - url.data), at = 0;
    for (size_t slashes = 0; at < len && slashes < 3; at++)
        slashes += url.data[at] == '/';
    return slice_sub(url, at, len);
}

bool substitution_url_fits(struct slice url)
{
    for (size_t i = 0; i < url.len; i++)
        if (url.data[i] <= ' ' || url.data[i] >= 0x7f || url.data[i] == '#')
            return false;
    return !has_dots(path_of(url));
}

/* What stands behind a '#' is nobody's but a browser's. */
static int append_literal(struct buf *out, const char *literal, bool *ret_query, bool *ret_end)
{
    size_t len = strcspn(literal, "#");
    *ret_end = literal[len] == '#';
    *ret_query = *ret_query || memchr(literal, '?', len) != NULL;
    return buf_append(out, slice_of(literal, len));
}

static int put_value(struct buf *out, struct slice value, bool greedy, bool query)
{
    if (!query && has_dots(value))
        return -EINVAL;
    return encode(out, value, greedy && !query);
}

int substitution_url(struct buf *out, const struct spec_text *text, const struct spec_operation *op,
                     const struct parameters *values)
{
    bool query = false, end = false;
    int r = 0;
    for (size_t i = 0; i < text->n && r == 0 && !end; i++) {
        const struct spec_piece *piece = &text->pieces[i];
        if (piece->literal != NULL)
            r = append_literal(out, piece->literal, &query, &end);
        else
            r = put_value(out, values->at[piece->param], op->params[piece->param].greedy, query);
    }
    return r;
}

/* --- the others --- */

int substitution_body(struct buf *out, const struct spec_text *text,
                      const struct parameters *values)
{
    int r = 0;
    for (size_t i = 0; i < text->n && r == 0; i++) {
        const struct spec_piece *piece = &text->pieces[i];
        r = piece->literal != NULL ? buf_append_str(out, piece->literal)
                                   : buf_append(out, values->at[piece->param]);
    }
    return r;
}

int substitution_header(struct buf *out, const struct spec_text *text,
                        const struct parameters *values)
{
    size_t before = out->len;
    int r = substitution_body(out, text, values);
    if (r == 0 && !substitution_fits_header(slice_from(buf_slice(out), before)))
        r = -EINVAL;
    return r;
}

static int append_encoded(struct buf *out, const struct spec_text *text,
                          const struct parameters *values)
{
    int r = 0;
    for (size_t i = 0; i < text->n && r == 0; i++) {
        const struct spec_piece *piece = &text->pieces[i];
        r = encode(out,
                   piece->literal != NULL ? slice_str(piece->literal) : values->at[piece->param],
                   false);
    }
    return r;
}

int substitution_field(struct buf *out, const struct spec_field *field,
                       const struct parameters *values, bool query)
{
    int r = 0;
    for (size_t i = 0; i < field->n && r == 0; i++) {
        if (i > 0)
            r = buf_append_str(out, query ? "%2C" : ",");
        if (r == 0)
            r = query ? append_encoded(out, &field->values[i], values)
                      : substitution_header(out, &field->values[i], values);
    }
    return r;
}
