/* metrics_json.c - see metrics_json.h. The format: Prometheus' exposition formats, text format
 * 0.0.4. */
#include "metrics_json.h"

struct printing {
    struct rest_json *j;
    const char *wanted;
    struct slice family; /* of the lines that come; empty before the first */
    bool open;           /* it is wanted, and is being printed */
    bool samples;        /* its list has begun */
    struct buf word;     /* what is being unescaped */
};

/* --- pieces of a line --- */

static struct slice cut(struct slice *rest, char end)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, end, rest->len);
    size_t len = at == NULL ? rest->len : (size_t) (at - rest->data);
    struct slice piece = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, at == NULL ? len : len + 1);
    return piece;
}

static bool cut_prefix(struct slice *rest, const char *prefix)
{
    size_t len = strlen(prefix);
    if (rest->len < len || memcmp(rest->data, prefix, len) != 0)
        return false;
    *rest = slice_from(*rest, len);
    return true;
}

/* As a string; NULL without memory. Of the three escapes one is for what cannot stand in a line. */
static const char *unescape(struct printing *p, struct slice text)
{
    int r = 0;
    buf_clear(&p->word);
    for (size_t i = 0; i < text.len && r == 0; i++) {
        bool escaped = text.data[i] == '\\' && i + 1 < text.len;
        i += escaped;
        r = escaped && text.data[i] == 'n' ? buf_append_str(&p->word, "\n")
                                           : buf_append(&p->word, slice_sub(text, i, i + 1));
    }
    if (r == 0)
        r = buf_append(&p->word, SLICE_LIT("\0"));
    if (r == 0)
        return (const char *) p->word.data;
    p->j->err = p->j->err < 0 ? p->j->err : r;
    return NULL;
}

static void put_text(struct printing *p, const char *key, struct slice text)
{
    const char *value = unescape(p, text);
    if (value != NULL)
        rest_json_string(p->j, key, value);
}

/* --- families --- */

static bool is_wanted(const struct printing *p, struct slice family)
{
    struct slice list = slice_str(p->wanted);
    if (list.len == 0)
        return true;
    while (list.len > 0)
        if (slice_eq(cut(&list, ','), family))
            return true;
    return false;
}

static void end_family(struct printing *p)
{
    if (p->open && !p->samples)
        rest_json_open(p->j, "samples", '[');
    if (p->open) {
        rest_json_close(p->j, ']');
        rest_json_close(p->j, '}');
    }
    p->open = p->samples = false;
}

static void begin_family(struct printing *p, struct slice name)
{
    if (slice_eq(p->family, name))
        return;
    end_family(p);
    p->family = name;
    p->open = is_wanted(p, name);
    if (!p->open)
        return;
    rest_json_open(p->j, NULL, '{');
    put_text(p, "name", name);
}

static void put_comment(struct printing *p, const char *key, struct slice rest)
{
    begin_family(p, cut(&rest, ' '));
    if (p->open)
        put_text(p, key, rest);
}

/* --- samples --- */

static size_t digits(struct slice s, size_t at)
{
    size_t n = 0;
    while (at + n < s.len && s.data[at + n] >= '0' && s.data[at + n] <= '9')
        n++;
    return n;
}

/* RFC 8259 section 6. */
static bool is_number(struct slice s)
{
    size_t at = s.len > 0 && s.data[0] == '-';
    size_t whole = digits(s, at);
    if (whole == 0 || (whole > 1 && s.data[at] == '0'))
        return false;
    at += whole;
    if (at < s.len && s.data[at] == '.') {
        size_t n = digits(s, at + 1);
        if (n == 0)
            return false;
        at += 1 + n;
    }
    if (at < s.len && (s.data[at] == 'e' || s.data[at] == 'E')) {
        at++;
        at += at < s.len && (s.data[at] == '+' || s.data[at] == '-');
        size_t n = digits(s, at);
        if (n == 0)
            return false;
        at += n;
    }
    return at == s.len;
}

/* Up to the quote that ends it. */
static struct slice cut_quoted(struct slice *rest)
{
    size_t len = 0;
    while (len < rest->len && rest->data[len] != '"')
        len += rest->data[len] == '\\' ? 2 : 1;
    if (len > rest->len)
        len = rest->len;
    struct slice value = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, len < rest->len ? len + 1 : len);
    return value;
}

static void put_labels(struct printing *p, struct slice *rest)
{
    char name[128];
    bool some = cut_prefix(rest, "{");
    rest_json_open(p->j, "labels", '{');
    while (some && rest->len > 0 && !cut_prefix(rest, "}")) {
        struct slice label = cut(rest, '=');
        size_t len = label.len < sizeof(name) ? label.len : sizeof(name) - 1;
        memcpy(name, label.data, len);
        name[len] = '\0';
        (void) cut_prefix(rest, "\"");
        put_text(p, name, cut_quoted(rest));
        (void) cut_prefix(rest, ",");
    }
    rest_json_close(p->j, '}');
}

static void put_sample(struct printing *p, struct slice line)
{
    size_t len = 0;
    while (len < line.len && line.data[len] != '{' && line.data[len] != ' ')
        len++;
    struct slice name = slice_sub(line, 0, len), rest = slice_from(line, len);
    if (!p->samples)
        rest_json_open(p->j, "samples", '[');
    p->samples = true;
    rest_json_open(p->j, NULL, '{');
    put_text(p, "name", name);
    put_labels(p, &rest);
    (void) cut_prefix(&rest, " ");
    struct slice value = cut(&rest, ' ');
    if (is_number(value))
        rest_json_raw(p->j, "value", value);
    else
        put_text(p, "value", value);
    rest_json_close(p->j, '}');
}

void metrics_json_print(struct slice text, const char *wanted, struct rest_json *j)
{
    struct printing p = {.j = j, .wanted = wanted};
    buf_init(&p.word, SIZE_MAX / 2);
    rest_json_open(j, "families", '[');
    while (text.len > 0 && j->err == 0) {
        struct slice line = cut(&text, '\n');
        if (cut_prefix(&line, "# HELP "))
            put_comment(&p, "help", line);
        else if (cut_prefix(&line, "# TYPE "))
            put_comment(&p, "type", line);
        else if (p.open && line.len > 0 && line.data[0] != '#')
            put_sample(&p, line);
    }
    end_family(&p);
    rest_json_close(j, ']');
    buf_fini(&p.word);
}
