/* nats_parse.c - what a NATS server says. */
#include "nats_parse.h"

#include <stdlib.h>

#define MAX_WORDS 5
#define CRLF      2

/* --- lines --- */

struct words {
    size_t n;
    size_t at[MAX_WORDS], end[MAX_WORDS];
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool split(const uint8_t *line, size_t from, size_t len, struct words *ret)
{
    ret->n = 0;
    for (size_t i = from; i < len;) {
        if (is_blank(line[i])) {
            i++;
            continue;
        }
        if (ret->n == MAX_WORDS)
            return false;
        ret->at[ret->n] = i;
        for (; i < len && !is_blank(line[i]); i++)
            if (line[i] == '\0')
                return false; /* words are given out as strings */
        ret->end[ret->n++] = i;
    }
    return true;
}

static bool read_number(const uint8_t *line, size_t at, size_t end, uint64_t *ret)
{
    uint64_t value = 0;
    if (at == end || end - at > 18)
        return false;
    for (; at < end; at++) {
        if (line[at] < '0' || line[at] > '9')
            return false;
        value = value * 10 + (uint64_t) (line[at] - '0');
    }
    *ret = value;
    return true;
}

/* The name of an operation is at the start, and a blank or the end of the line behind it. */
static bool is_named(const uint8_t *line, size_t len, const char *name)
{
    size_t n = strlen(name);
    return len >= n && strncasecmp((const char *) line, name, n) == 0 &&
           (len == n || is_blank(line[n]));
}

static struct slice rest_of(const uint8_t *line, size_t from, size_t len)
{
    while (from < len && is_blank(line[from]))
        from++;
    while (len > from && is_blank(line[len - 1]))
        len--;
    return slice_of(line + from, len - from);
}

/* --- messages --- */

static int begin_message(struct nats_parse *p, const uint8_t *line, size_t len, size_t used)
{
    bool has_headers = line[0] == 'H' || line[0] == 'h';
    size_t numbers = has_headers ? 2 : 1;
    struct words w;
    uint64_t headers = 0, total;
    if (!split(line, has_headers ? 4 : 3, len, &w) || w.n < 2 + numbers || w.n > 3 + numbers ||
        !read_number(line, w.at[1], w.end[1], &p->sid) ||
        !read_number(line, w.at[w.n - 1], w.end[w.n - 1], &total) ||
        (has_headers && !read_number(line, w.at[w.n - 2], w.end[w.n - 2], &headers)) ||
        headers > total)
        return -EBADMSG;
    if (total > p->limit)
        return -EMSGSIZE;
    bool has_reply = w.n == 3 + numbers;
    p->headers = (size_t) headers;
    p->total = (size_t) total;
    p->subject_at = w.at[0];
    p->subject_end = w.end[0];
    p->reply_at = has_reply ? w.at[2] : w.end[0];
    p->reply_end = has_reply ? w.end[2] : w.end[0];
    p->line = used;
    return 0;
}

static int end_message(struct nats_parse *p, uint8_t *in, size_t len, size_t *ret_used,
                       struct nats_op *ret)
{
    size_t end = p->line + p->total;
    if (len < end + CRLF)
        return 0;
    if (in[end] != '\r' || in[end + 1] != '\n')
        return -EBADMSG;
    in[p->subject_end] = '\0'; /* a blank, or the end of the line */
    in[p->reply_end] = '\0';
    *ret = (struct nats_op){
        .kind = NATS_OP_MSG,
        .sid = p->sid,
        .msg = {.subject = (const char *) in + p->subject_at,
                .reply = p->reply_at == p->reply_end ? "" : (const char *) in + p->reply_at,
                .data = slice_of(in + p->line + p->headers, p->total - p->headers)},
    };
    nats_parse_headers(slice_of(in + p->line, p->headers), &ret->msg.status, &ret->msg.headers);
    *ret_used = end + CRLF;
    *p = (struct nats_parse){.limit = p->limit};
    return 1;
}

/* --- operations --- */

static const struct {
    const char *name;
    enum nats_op_kind kind;
} OPERATIONS[] = {
    {"INFO", NATS_OP_INFO}, {"PING", NATS_OP_PING}, {"PONG", NATS_OP_PONG},
    {"+OK", NATS_OP_OK},    {"-ERR", NATS_OP_ERR},
};

static int read_operation(const uint8_t *line, size_t len, struct nats_op *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATIONS); i++) {
        if (!is_named(line, len, OPERATIONS[i].name))
            continue;
        struct slice text = rest_of(line, strlen(OPERATIONS[i].name), len);
        if (OPERATIONS[i].kind == NATS_OP_ERR && text.len >= 2 && text.data[0] == '\'' &&
            text.data[text.len - 1] == '\'')
            text = slice_sub(text, 1, text.len - 1);
        *ret = (struct nats_op){.kind = OPERATIONS[i].kind, .text = text};
        return 1;
    }
    return -EBADMSG;
}

static size_t line_limit(const uint8_t *in, size_t len)
{
    return len > 0 && (in[0] == 'I' || in[0] == 'i') ? NATS_INFO_MAX : NATS_LINE_MAX;
}

int nats_parse(struct nats_parse *p, uint8_t *in, size_t len, size_t *ret_used, struct nats_op *ret)
{
    if (p->line > 0)
        return end_message(p, in, len, ret_used, ret);
    size_t limit = line_limit(in, len);
    size_t seen = len < limit ? len : limit;
    const uint8_t *end =
        p->scanned < seen ? memchr(in + p->scanned, '\n', seen - p->scanned) : NULL;
    if (end == NULL) {
        p->scanned = seen;
        return len < limit ? 0 : -EMSGSIZE;
    }
    p->scanned = 0;
    size_t line = (size_t) (end - in), used = line + 1;
    if (line > 0 && in[line - 1] == '\r')
        line--;
    if (!is_named(in, line, "MSG") && !is_named(in, line, "HMSG")) {
        *ret_used = used;
        return read_operation(in, line, ret);
    }
    int r = begin_message(p, in, line, used);
    return r < 0 ? r : end_message(p, in, len, ret_used, ret);
}

size_t nats_parse_wants(const struct nats_parse *p)
{
    return p->line > 0 ? p->line + p->total + CRLF : p->scanned + 1;
}

/* --- headers --- */

/* The length of the first line with its end; 0: there is none. */
static size_t first_line(struct slice s)
{
    const uint8_t *end = s.len > 0 ? memchr(s.data, '\n', s.len) : NULL;
    return end == NULL ? 0 : (size_t) (end - s.data) + 1;
}

void nats_parse_headers(struct slice block, unsigned *ret_status, struct slice *ret)
{
    static const char VERSION[] = "NATS/1.0";
    size_t n = sizeof(VERSION) - 1, line = first_line(block);
    unsigned status = 0;
    *ret_status = 0;
    *ret = (struct slice){NULL, 0};
    if (line < n || memcmp(block.data, VERSION, n) != 0)
        return;
    struct slice words = rest_of(block.data, n, line);
    for (size_t i = 0; i < 3 && i < words.len && words.data[i] >= '0' && words.data[i] <= '9'; i++)
        status = status * 10 + (unsigned) (words.data[i] - '0');
    *ret_status = status;
    *ret = slice_from(block, line);
    if (ret->len >= CRLF && memcmp(ret->data + ret->len - CRLF, "\r\n", CRLF) == 0)
        ret->len -= CRLF; /* the empty line at the end */
}

struct slice nats_header(struct slice headers, const char *name)
{
    size_t n = strlen(name);
    for (size_t line; (line = first_line(headers)) > 0; headers = slice_from(headers, line)) {
        if (line <= n || headers.data[n] != ':' || memcmp(headers.data, name, n) != 0)
            continue;
        size_t end = line - 1;
        if (end > n + 1 && headers.data[end - 1] == '\r')
            end--;
        return rest_of(headers.data, n + 1, end);
    }
    return (struct slice){NULL, 0};
}
