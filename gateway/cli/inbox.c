/* inbox.c - messages that were received and wait to be handled. (pure) */
#include "inbox.h"

#include "json.h"
#include "mem.h"
#include "position.h"

#include <stdio.h>
#include <stdlib.h>

struct inbox_message {
    struct inbox_message *next;
    struct message_replay replay;
    struct buf lines;
    size_t at; /* before that they are handled */
};

void inbox_init(struct inbox *box)
{
    *box = (struct inbox){.last = &box->first};
}

static void drop_first(struct inbox *box)
{
    struct inbox_message *m = box->first;
    box->first = m->next;
    if (box->first == NULL)
        box->last = &box->first;
    buf_fini(&m->lines);
    free(m);
}

void inbox_fini(struct inbox *box)
{
    while (box->first != NULL)
        drop_first(box);
}

static void push(struct inbox *box, struct buf *lines)
{
    struct inbox_message *m = xcalloc(1, sizeof(*m));
    m->lines = *lines;
    box->bytes += lines->len;
    *box->last = m;
    box->last = &m->next;
    box->newest = m;
}

void inbox_mark(struct inbox *box, const struct message_replay *replay)
{
    if (box->first != NULL) /* else it had no events */
        box->newest->replay = *replay;
}

/* A line break can only stand between tokens: inside strings it would be no JSON. */
static int append_line(struct buf *out, struct slice event)
{
    size_t from = out->len;
    int r = buf_append(out, event);
    for (size_t i = from; r == 0 && i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
    return r == 0 ? buf_append_str(out, "\n") : r;
}

static int add_event(struct buf *lines, struct slice text, char ret_last[ID_SIZE])
{
    struct event_view event;
    int r = event_view_parse(text, &event);
    if (r == 0)
        r = append_line(lines, text);
    if (r == 0)
        (void) snprintf(ret_last, ID_SIZE, "%s", event.id);
    event_view_fini(&event);
    return r;
}

int inbox_add(struct inbox *box, struct slice events, char ret_last[ID_SIZE])
{
    struct buf lines;
    struct slice text;
    char last[ID_SIZE];
    size_t at = 0;
    int r;
    buf_init(&lines, POSITION_MAX_BYTES);
    while ((r = json_next(events, &at, &text)) == 0) {
        r = add_event(&lines, text, last);
        if (r < 0)
            break;
    }
    if (r < 0 || lines.len == 0) {
        buf_fini(&lines);
        return r < 0 ? r : 0;
    }
    memcpy(ret_last, last, sizeof(last));
    push(box, &lines);
    return 0;
}

int inbox_add_lines(struct inbox *box, struct slice lines)
{
    struct buf copy;
    buf_init(&copy, POSITION_MAX_BYTES);
    int r = buf_append(&copy, lines);
    if (r == 0 && lines.len > 0)
        push(box, &copy);
    return r;
}

bool inbox_front(const struct inbox *box, struct slice *ret_lines)
{
    if (box->first == NULL)
        return false;
    *ret_lines = slice_from(buf_slice(&box->first->lines), box->first->at);
    return true;
}

const struct message_replay *inbox_replay(const struct inbox *box)
{
    ASSERT(box->first != NULL);
    return &box->first->replay;
}

void inbox_drop(struct inbox *box, size_t len)
{
    struct inbox_message *m = box->first;
    ASSERT(m != NULL && len <= m->lines.len - m->at);
    m->at += len;
    box->bytes -= len;
    if (m->at == m->lines.len)
        drop_first(box);
}

int inbox_join(struct slice lines, struct buf *out)
{
    struct slice line;
    int r = buf_append_str(out, "{\"messages\":[");
    for (bool first = true; r == 0 && position_next(&lines, &line); first = false) {
        if (!first)
            r = buf_append_str(out, ",");
        if (r == 0)
            r = buf_append(out, line);
    }
    return r == 0 ? buf_append_str(out, "]}") : r;
}
