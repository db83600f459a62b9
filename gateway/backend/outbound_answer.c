/* outbound_answer.c - an answer as curl hands it over: header lines, one by one and also those of
 * 1xx answers and trailers, then the body. What is handed on to clients is checked here, where
 * curl is more lenient. (pure) See outbound_private.h. */
#include "outbound_private.h"

#include <stdlib.h>

void answer_init(struct answer *a)
{
    a->n_fields = 0;
    buf_init(&a->head, OUTBOUND_HEAD_BYTES);
    buf_init(&a->body, 0);
}

void answer_fini(struct answer *a)
{
    buf_fini(&a->head);
    buf_fini(&a->body);
}

void answer_begin(struct answer *a, size_t max_body, bool no_body)
{
    if (a->body.cap > OUTBOUND_KEEP_BYTES)
        buf_fini(&a->body);
    a->max_body = a->body.limit = max_body;
    a->no_body = no_body;
    a->part = HEAD_STATUS;
    a->status = 0;
    a->n_fields = 0;
    a->body_too_long = false;
    a->extra = 0;
    a->err = 0;
    a->why = "";
    buf_clear(&a->head);
    buf_clear(&a->body);
}

int answer_refuse(struct answer *a, int err, const char *why)
{
    if (a->err == 0) {
        a->err = err;
        a->why = why;
    }
    return a->err;
}

static int refuse_append(struct answer *a, int err)
{
    return answer_refuse(a, err,
                         err == -ENOMEM ? "no memory for the answer" : "the answer is too long");
}

/* --- the head --- */

static bool is_tchar(uint8_t c) /* RFC 9110 section 5.6.2 */
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_from(s, 1);
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK", "HTTP/2 200 " */
static int take_status(struct answer *a, struct slice line)
{
    const uint8_t *space = line.len < 5 || memcmp(line.data, "HTTP/", 5) != 0
                               ? NULL
                               : memchr(line.data, ' ', line.len);
    if (space == NULL)
        return answer_refuse(a, -EBADMSG, "no status line");
    struct slice rest = slice_from(line, (size_t) (space + 1 - line.data));
    if (rest.len < 3 || !is_digit(rest.data[0]) || !is_digit(rest.data[1]) ||
        !is_digit(rest.data[2]) || (rest.len > 3 && rest.data[3] != ' '))
        return answer_refuse(a, -EBADMSG, "no status of three digits");
    a->status = (unsigned) (rest.data[0] - '0') * 100 + (unsigned) (rest.data[1] - '0') * 10 +
                (unsigned) (rest.data[2] - '0');
    if (a->status < 100 || a->status > 599)
        return answer_refuse(a, -EBADMSG, "no status of HTTP");
    if (a->status == 101) /* nobody asked for that */
        return answer_refuse(a, -EBADMSG, "another protocol");
    a->n_fields = 0;
    a->body_too_long = false;
    buf_clear(&a->head);
    a->part = HEAD_FIELDS;
    return 0;
}

/* A length that is no number is curl's to refuse. */
static void take_length(struct answer *a, struct slice value)
{
    size_t length = 0;
    for (size_t i = 0; i < value.len && is_digit(value.data[i]); i++) {
        length = length * 10 + (size_t) (value.data[i] - '0');
        if (length > a->max_body) {
            a->body_too_long = true;
            return;
        }
    }
}

static int check_field(struct answer *a, struct slice name, struct slice value)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_tchar(name.data[i]))
            return answer_refuse(a, -EBADMSG, "a header's name is none");
    for (size_t i = 0; i < value.len; i++)
        if ((value.data[i] < ' ' && value.data[i] != '\t') || value.data[i] == 0x7f)
            return answer_refuse(a, -EBADMSG, "a control character in a header");
    if (slice_eq_nocase(name, SLICE_LIT("content-length")))
        take_length(a, value);
    /* Others curl would decode, though none was asked for. */
    if (slice_eq_nocase(name, SLICE_LIT("transfer-encoding")) &&
        !slice_eq_nocase(value, SLICE_LIT("chunked")))
        return answer_refuse(a, -EBADMSG, "a transfer encoding that was not asked for");
    return 0;
}

static int keep_field(struct answer *a, struct slice name, struct slice value)
{
    if (a->n_fields == OUTBOUND_MAX_HEADERS)
        return answer_refuse(a, -EMSGSIZE, "too many headers");
    size_t at = a->head.len;
    int r = buf_append(&a->head, name);
    if (r == 0)
        r = buf_append(&a->head, value);
    if (r < 0)
        return r == -EMSGSIZE ? answer_refuse(a, r, "the headers are too long")
                              : refuse_append(a, r);
    a->fields[a->n_fields++] = (struct answer_field){at, name.len, at + name.len, value.len};
    return 0;
}

static int take_field(struct answer *a, struct slice line)
{
    const uint8_t *colon = memchr(line.data, ':', line.len);
    if (is_blank(line.data[0])) /* RFC 9112 section 5.2: a gateway answers 502 to it */
        return answer_refuse(a, -EBADMSG, "a folded header");
    if (colon == NULL || colon == line.data)
        return answer_refuse(a, -EBADMSG, "a header without a name");
    struct slice name = slice_sub(line, 0, (size_t) (colon - line.data));
    struct slice value = trimmed(slice_from(line, name.len + 1));
    int r = check_field(a, name, value);
    return r < 0 || a->status < 200 ? r : keep_field(a, name, value);
}

static int end_head(struct answer *a)
{
    if (a->status < 200) {
        a->part = HEAD_STATUS;
        return 0;
    }
    a->part = HEAD_OVER;
    if (a->body_too_long && !a->no_body && a->status != 204 && a->status != 304)
        return answer_refuse(a, -EMSGSIZE, "the answer is too long");
    return 0;
}

static struct slice without_end(struct slice line)
{
    if (line.len > 0 && line.data[line.len - 1] == '\n')
        line.len--;
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

int answer_line(struct answer *a, struct slice line)
{
    if (a->err != 0)
        return a->err;
    if (a->part == HEAD_OVER || a->status < 200) {
        a->extra += line.len;
        if (a->extra > OUTBOUND_EXTRA_BYTES)
            return answer_refuse(a, -EMSGSIZE, "too many headers that do not count");
    }
    if (a->part == HEAD_OVER)
        return 0; /* a trailer */
    line = without_end(line);
    if (a->part == HEAD_STATUS)
        return take_status(a, line);
    return line.len == 0 ? end_head(a) : take_field(a, line);
}

/* --- the rest --- */

int answer_body(struct answer *a, struct slice bytes)
{
    if (a->err != 0)
        return a->err;
    if (a->part != HEAD_OVER)
        return answer_refuse(a, -EBADMSG, "a body without a head");
    int r = buf_append(&a->body, bytes);
    return r < 0 ? refuse_append(a, r) : 0;
}

void answer_get(struct answer *a, struct outbound_answer *ret)
{
    for (size_t i = 0; i < a->n_fields; i++) {
        const struct answer_field *f = &a->fields[i];
        struct slice head = buf_slice(&a->head);
        a->headers[i] = (struct header){slice_sub(head, f->name, f->name + f->name_len),
                                        slice_sub(head, f->value, f->value + f->value_len)};
    }
    *ret = (struct outbound_answer){.why = "",
                                    .status = a->status,
                                    .headers = a->headers,
                                    .n_headers = a->n_fields,
                                    .body = buf_slice(&a->body)};
}
