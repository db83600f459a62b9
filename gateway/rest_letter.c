/* rest_letter.c - beyond the original: what was set aside and is kept, a page of it or one letter.
 * The history thread reads and prints it, since bodies may be many and long; they may be anything,
 * too, and stay text here: escaped, or base64 where they are none. */
#include "rest_letter.h"

#include "digits.h"
#include "letter_headers.h"
#include "mem.h"
#include "record.h"
#include "rest_query.h"
#include "utf8.h"
#include "worker.h"

#include <inttypes.h>
#include <mbedtls/base64.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_MS    ((uint64_t) 1000000)
#define DEFAULT_PAGE 50
#define MAX_PAGE     200 /* bodies of 64 KiB: clients that come back wait for them */
#define EXCERPT_MAX  200
#define ID_DIGITS    18 /* more than letters get */

/* --- what they have in common --- */

bool rest_letter_may(struct rest_call *call, enum iam_permission p)
{
    struct status error = {.code = STATUS_OK};
    rest_query_read(call->query, NULL, 0, &call->found);
    if (admin_may_triggers(call->manage->admin, rest_admin_call(call), p, &error))
        return true;
    rest_fail(call, &error);
    return false;
}

static bool read_id(const char *text, uint64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > ID_DIGITS || text[digits] != '\0' || text[0] == '0')
        return false;
    *ret = strtoull(text, NULL, 10);
    return true;
}

uint64_t rest_letter_id(const struct rest_call *call)
{
    uint64_t id = 0;
    return read_id(call->id, &id) ? id : 0;
}

void rest_letter_fail(struct rest_call *call, int err)
{
    struct status error = {.code = STATUS_OK};
    if (err == -ENOENT)
        status_set(&error, STATUS_NOT_FOUND, "Dead letter %.50s not found", call->id);
    else
        status_set(&error, STATUS_UNAVAILABLE, "The dead letters cannot be read: %s", err_str(err));
    rest_fail(call, &error);
}

/* --- printing, on the history thread --- */

struct page {
    struct history_request request;
    struct rest_call *call;
    char registry_id[REST_QUERY_VALUE];
    uint64_t id, before; /* of one letter; of a page */
    size_t n, most;
    uint64_t last;
    bool more;
    struct buf json;
    struct rest_json j;
};

/* As much of the beginning as is text. */
static struct slice excerpt_of(struct slice text)
{
    size_t len = text.len < EXCERPT_MAX ? text.len : EXCERPT_MAX;
    while (len > 0 && !utf8_valid(slice_sub(text, 0, len)))
        len--;
    return slice_sub(text, 0, len);
}

/* Header values are bytes (RFC 9110 section 5.5): those that are no text lose what is none. */
static void put_value(struct rest_json *j, struct slice value)
{
    char plain[LETTER_HEADERS_MAX];
    size_t n = 0;
    if (utf8_valid(value)) {
        rest_json_slice(j, "value", value);
        return;
    }
    for (size_t i = 0; i < value.len && n < sizeof(plain); i++)
        plain[n++] = (char) (value.data[i] < 0x80 ? value.data[i] : '?');
    rest_json_slice(j, "value", slice_of(plain, n));
}

static void put_headers(struct rest_json *j, struct slice text)
{
    struct header at[LETTER_HEADERS_N];
    const struct headers headers = letter_headers_read(text, at);
    rest_json_open(j, "headers", '[');
    for (size_t i = 0; i < headers.n; i++) {
        rest_json_open(j, NULL, '{');
        rest_json_slice(j, "name", excerpt_of(headers.at[i].name));
        put_value(j, headers.at[i].value);
        rest_json_close(j, '}');
    }
    rest_json_close(j, ']');
}

static void put_base64(struct rest_json *j, struct slice body)
{
    size_t n = 0, size = body.len / 3 * 4 + 8;
    unsigned char *text = xmalloc(size);
    int r = mbedtls_base64_encode(text, size, &n, body.data, body.len);
    ASSERT(r == 0);
    rest_json_slice(j, "bodyBase64", slice_of(text, n));
    free(text);
}

static void put_letter(struct rest_json *j, const struct store_letter *l, bool whole)
{
    struct event *event = NULL;
    struct slice rest = l->body, text = l->body;
    if (l->event_seq != 0 && record_next_event(&rest, &event) == 0)
        text = event->json;
    rest_json_open(j, NULL, '{');
    rest_json_int64(j, "id", l->id);
    rest_json_time(j, "at", l->wall_ms * NS_PER_MS);
    rest_json_text(j, "registryId", l->registry_id);
    rest_json_text(j, "reason", l->reason);
    rest_json_text(j, "kind", l->event_seq == 0 ? "unreadable" : "event");
    rest_json_number(j, "size", text.len);
    rest_json_slice(j, "excerpt", excerpt_of(text));
    if (whole) {
        put_headers(j, l->headers);
        if (utf8_valid(text))
            rest_json_slice(j, "body", text);
        else
            put_base64(j, text);
    }
    rest_json_close(j, '}');
    event_unref(event);
}

static int on_row(void *ctx, const struct store_letter *l)
{
    struct page *p = ctx;
    p->more = p->n == p->most;
    if (p->more)
        return 1;
    put_letter(&p->j, l, false);
    p->last = l->id;
    p->n++;
    return 0;
}

static int read_page(void *ctx, struct store_reader *reader)
{
    struct page *p = ctx;
    return store_reader_letters(reader, p->before, p->registry_id, on_row, p);
}

static int on_one(void *ctx, const struct store_letter *l)
{
    struct page *p = ctx;
    put_letter(&p->j, l, true);
    return 0;
}

static int read_one(void *ctx, struct store_reader *reader)
{
    struct page *p = ctx;
    return store_reader_letter(reader, p->id, on_one, p);
}

/* --- the answer, on the front's --- */

static void page_free(struct page *p)
{
    buf_fini(&p->json);
    free(p);
}

static void end_page(struct page *p)
{
    char token[DIGITS_MAX + 1] = "";
    if (p->more)
        (void) snprintf(token, sizeof(token), "%" PRIu64, p->last);
    rest_json_close(&p->j, ']');
    rest_json_text(&p->j, "nextPageToken", token);
    rest_json_close(&p->j, '}');
    rest_reply_json(p->call, &p->j);
    page_free(p);
}

static void on_page(struct mail *m)
{
    struct page *p = LIST_ENTRY(m, struct page, request.mail);
    struct worker *front = p->call->shared->front;
    if (p->request.err == 0) {
        end_page(p);
    } else {
        rest_letter_fail(p->call, p->request.err);
        page_free(p);
    }
    worker_answered(front);
}

static void on_letter(struct mail *m)
{
    struct page *p = LIST_ENTRY(m, struct page, request.mail);
    struct worker *front = p->call->shared->front;
    if (p->request.err == 0)
        rest_reply_json(p->call, &p->j);
    else
        rest_letter_fail(p->call, p->request.err);
    page_free(p);
    worker_answered(front);
}

static struct page *page_new(struct rest_call *call, int (*read)(void *, struct store_reader *),
                             void (*answered)(struct mail *m))
{
    struct page *p = xcalloc(1, sizeof(*p));
    p->call = call;
    p->request.kind = HISTORY_READ;
    p->request.read = read;
    p->request.ctx = p;
    p->request.mail.run = answered;
    buf_init(&p->json, REST_MAX_ANSWER);
    p->j = rest_json_begin(&p->json);
    return p;
}

static void ask_page(struct page *p)
{
    struct shared *s = p->call->shared;
    rest_json_open(&p->j, NULL, '{');
    rest_json_open(&p->j, "letters", '[');
    if (s->history == NULL) /* an engine that keeps none */
        end_page(p);
    else
        worker_ask(s->front, &p->request);
}

void rest_letter_list(struct rest_call *call)
{
    struct rest_parameter q[] = {{.camel = "registryId", .snake = "registry_id"},
                                 {.camel = "pageSize", .snake = "page_size"},
                                 {.camel = "pageToken", .snake = "page_token"}};
    struct status error = {.code = STATUS_OK};
    uint64_t before = 0;
    rest_query_read(call->query, q, ARRAY_LEN(q), &call->found);
    int64_t size = rest_query_number(&q[1], &call->found);
    if (size < 0 || size > MAX_PAGE)
        status_violate(&call->found, "page_size", "must be from 0 to %d", MAX_PAGE);
    if (q[2].value[0] != '\0' && !read_id(q[2].value, &before))
        status_violate(&call->found, "page_token", "is not a token of this list");
    if (!admin_may_triggers(call->manage->admin, rest_admin_call(call), IAM_TRIGGER_VIEW, &error)) {
        rest_fail(call, &error);
        return;
    }
    struct page *p = page_new(call, read_page, on_page);
    memcpy(p->registry_id, q[0].value, sizeof(p->registry_id));
    p->before = before;
    p->most = size == 0 ? DEFAULT_PAGE : (size_t) size;
    ask_page(p);
}

void rest_letter_get(struct rest_call *call)
{
    struct shared *s = call->shared;
    if (!rest_letter_may(call, IAM_TRIGGER_VIEW))
        return;
    uint64_t id = rest_letter_id(call);
    if (id == 0 || s->history == NULL) {
        rest_letter_fail(call, -ENOENT);
        return;
    }
    struct page *p = page_new(call, read_one, on_letter);
    p->id = id;
    worker_ask(s->front, &p->request);
}
