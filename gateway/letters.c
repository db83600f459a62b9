/* letters.c - the command --dead-letters: shows what was set aside. */
#include "letters.h"

#include "clock.h"
#include "json.h"
#include "mem.h"
#include "offline.h"
#include "record.h"
#include "utf8.h"

#include <inttypes.h>
#include <mbedtls/base64.h>
#include <stdio.h>
#include <stdlib.h>

#define EXCERPT    60
#define MAX_OUTPUT ((size_t) 1 << 30) /* of one letter; bodies are far smaller */

/* What a letter is about: the text of the event where it is one, else what was sent. */
struct content {
    struct slice text;
    struct event *event; /* NULL: it is none, or cannot be read any more */
};

static struct content content_of(const struct store_letter *l)
{
    struct slice rest = l->body;
    struct content c = {.text = l->body};
    if (l->event_seq != 0 && record_next_event(&rest, &c.event) == 0)
        c.text = c.event->json;
    return c;
}

static const char *kind_of(const struct store_letter *l)
{
    return l->event_seq == 0 ? "unreadable" : "event";
}

/* --- the table --- */

/* Only printable ASCII reaches the terminal: the rest is escaped, and cut at EXCERPT characters. */
static void excerpt(struct slice text, char ret[EXCERPT + 8])
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char one[8];
        uint8_t c = text.data[i];
        int len = c == '\n'               ? snprintf(one, sizeof(one), "\\n")
                  : c == '\\'             ? snprintf(one, sizeof(one), "\\\\")
                  : c >= 0x20 && c < 0x7f ? snprintf(one, sizeof(one), "%c", c)
                                          : snprintf(one, sizeof(one), "\\x%02x", c);
        if (n + (size_t) len > EXCERPT) {
            memcpy(ret + n, "...", 4);
            return;
        }
        memcpy(ret + n, one, (size_t) len);
        n += (size_t) len;
    }
    ret[n] = '\0';
}

struct listing {
    bool json;
    uint64_t n;
    int err; /* of putting a line together */
};

/* One line of an event: the beginning of its JSON is the same for all. */
static void describe(const struct event *e, char ret[EXCERPT + 8])
{
    char text[EXCERPT * 2];
    (void) snprintf(text, sizeof(text), "%s %s%s%s %s", EVENT_TYPES[e->type], e->repository,
                    e->tag[0] == '\0' ? "" : ":", e->tag, e->digest);
    excerpt(slice_str(text), ret);
}

static void print_row(struct listing *list, const struct store_letter *l)
{
    char time[CLOCK_RFC3339_SIZE], text[EXCERPT + 8], registry[EXCERPT + 8], reason[EXCERPT + 8];
    struct content c = content_of(l);
    clock_rfc3339(l->wall_ms, time);
    if (c.event != NULL)
        describe(c.event, text);
    else
        excerpt(c.text, text);
    excerpt(slice_str(l->registry_id), registry);
    excerpt(slice_str(l->reason), reason);
    if (list->n == 0)
        (void) printf("%-6s %-24s %-20s %-16s %-10s %8s %s\n", "ID", "TIME", "REGISTRY", "REASON",
                      "KIND", "SIZE", "BODY");
    (void) printf("%-6" PRIu64 " %-24s %-20s %-16s %-10s %8zu %s\n", l->id, time, registry, reason,
                  kind_of(l), l->body.len, text);
    event_unref(c.event);
}

/* --- JSON --- */

static int append_text(struct buf *out, const char *key, struct slice text)
{
    int r = buf_printf(out, ",\"%s\":", key);
    if (r == 0 && utf8_valid(text))
        return json_append_string(out, text);
    return r < 0 ? r : buf_append_str(out, "null");
}

static int append_base64(struct buf *out, struct slice body)
{
    uint8_t *room = NULL;
    size_t n = 0, size = body.len / 3 * 4 + 8;
    int r = buf_append_str(out, ",\"body_base64\":\"");
    if (r == 0)
        r = buf_reserve(out, size, &room);
    if (r < 0)
        return r;
    r = mbedtls_base64_encode(room, size, &n, body.data, body.len);
    ASSERT(r == 0);
    buf_grew(out, n);
    return buf_append_str(out, "\"");
}

static int append_letter(struct buf *out, const struct store_letter *l, const struct content *c)
{
    char time[CLOCK_RFC3339_SIZE];
    clock_rfc3339(l->wall_ms, time);
    int r = buf_printf(out, "{\"id\":%" PRIu64 ",\"time\":\"%s\"", l->id, time);
    if (r == 0)
        r = append_text(out, "registry", slice_str(l->registry_id));
    if (r == 0)
        r = append_text(out, "reason", slice_str(l->reason));
    if (r == 0)
        r = buf_printf(out, ",\"kind\":\"%s\",\"event_seq\":%" PRIu64 ",\"size\":%zu", kind_of(l),
                       l->event_seq, l->body.len);
    if (r == 0 && l->headers.len > 0)
        r = append_text(out, "headers", l->headers);
    if (r == 0)
        r = utf8_valid(c->text) ? append_text(out, "body", c->text) : append_base64(out, c->text);
    return r < 0 ? r : buf_append_str(out, "}\n");
}

static int print_json(const struct store_letter *l)
{
    struct buf out;
    struct content c = content_of(l);
    buf_init(&out, MAX_OUTPUT);
    int r = append_letter(&out, l, &c);
    if (r == 0)
        (void) fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    event_unref(c.event);
    return r;
}

/* --- the command --- */

static int on_letter(void *ctx, const struct store_letter *l)
{
    struct listing *list = ctx;
    if (list->json)
        list->err = print_json(l);
    else
        print_row(list, l);
    list->n++;
    return list->err;
}

int letters_list(const struct config *cfg, bool json)
{
    struct listing list = {.json = json};
    int code = offline_check(cfg);
    if (code != 0)
        return code;
    int r = store_read_letters(cfg->data_dir, on_letter, &list);
    if (r == -ENOENT) /* nothing has been stored here yet */
        r = 0;
    if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        r = -EIO;
    if (r < 0)
        return offline_failed(cfg, "the dead letters cannot be shown", r);
    if (list.n == 0)
        offline_say("there are no dead letters");
    return 0;
}
