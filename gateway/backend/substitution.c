/* substitution.c - see substitution.h. */
#include "substitution.h"

static bool is_unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static int encode(struct buf *out, struct slice text, bool slashes)
{
    static const char DIGITS[] = "0123456789ABCDEF";
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
    for (size_t i = 0; i < value.len; i++)
        if ((value.data[i] < ' ' && value.data[i] != '\t') || value.data[i] == 0x7f)
            return false;
    return true;
}

/* --- an URL --- */

/* "." and ".." in any spelling, which would lead elsewhere. */
static bool is_dots(struct slice segment)
{
    size_t dots = 0;
    while (segment.len > 0) {
        bool escaped = segment.len >= 3 && segment.data[0] == '%' && segment.data[1] == '2' &&
                       (segment.data[2] | 0x20) == 'e';
        if (segment.data[0] != '.' && !escaped)
            return false;
        segment = slice_from(segment, escaped ? 3 : 1);
        dots++;
    }
    return dots == 1 || dots == 2;
}

/* The path begins at the third slash, "https://host/...". */
bool substitution_url_fits(struct slice url)
{
    size_t slashes = 0, from = 0;
    bool path = true;
    for (size_t i = 0; i <= url.len; i++) {
        uint8_t c = i < url.len ? url.data[i] : '?';
        if (c <= ' ' || c == 0x7f || c == '#')
            return false;
        if (!path || (c != '/' && c != '?'))
            continue;
        if (slashes >= 3 && is_dots(slice_sub(url, from, i)))
            return false;
        path = c != '?';
        slashes++;
        from = i + 1;
    }
    return true;
}

/* What stands behind a '#' is nobody's but a browser's. */
static int append_literal(struct buf *out, const char *literal, bool *ret_query, bool *ret_end)
{
    size_t len = strcspn(literal, "#");
    *ret_end = literal[len] == '#';
    *ret_query = *ret_query || memchr(literal, '?', len) != NULL;
    return buf_append(out, slice_of(literal, len));
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
            r = encode(out, values->at[piece->param], op->params[piece->param].greedy && !query);
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
