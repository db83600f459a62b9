/* envelope.c - see envelope.h. */
#include "source/envelope.h"

#include "json.h"

struct slice envelope_trim(struct slice body)
{
    while (body.len > 0 && memchr(" \t\r\n", body.data[0], 4) != NULL)
        body = slice_from(body, 1);
    while (body.len > 0 && memchr(" \t\r\n", body.data[body.len - 1], 4) != NULL)
        body.len--;
    return body;
}

/* Checks everything but the events: the envelope with its array emptied. */
static int check_around(struct slice body, struct slice events, const char **ret_why)
{
    size_t start = (size_t) (events.data - body.data);
    struct buf rest;
    buf_init(&rest, body.len + 2);
    int r = buf_append(&rest, slice_sub(body, 0, start));
    if (r == 0)
        r = buf_append_str(&rest, "[]");
    if (r == 0)
        r = buf_append(&rest, slice_from(body, start + events.len));
    if (r == 0)
        r = json_check(buf_slice(&rest), ret_why);
    buf_fini(&rest);
    return r;
}

static int find_member(struct slice body, const char *member, struct slice *ret,
                       const char **ret_why)
{
    int r = json_member(body, member, ret);
    if (r == -ENOENT) {
        *ret_why = "no_events";
        return -EBADMSG;
    }
    if (r < 0) {
        /* A member that is there twice, or bytes that are no JSON; the full check knows which. Its
         * limit on tokens is for one event and says nothing here. */
        if (json_check(body, ret_why) == 0 || strcmp(*ret_why, "tokens") == 0)
            *ret_why = "syntax";
        return -EBADMSG;
    }
    return 0;
}

/* Makes sure that the array can be split to its end. */
static int find_events(struct envelope *e)
{
    struct slice event;
    size_t at = 0;
    int r;
    e->n = e->n_found = e->at = e->next = 0;
    while ((r = json_next(e->events, &at, &event)) == 0) {
        e->n++;
        if (e->n_found == ENVELOPE_FOUND_MAX)
            continue;
        e->found[e->n_found++] = event;
        e->next = at;
    }
    return r < 0 ? r : 0;
}

int envelope_open_at(struct slice body, struct slice events, struct envelope *ret,
                     const char **ret_why)
{
    int r = check_around(body, events, ret_why);
    if (r < 0)
        return r;
    ret->events = events;
    if (events.len == 0 || events.data[0] != '[') {
        *ret_why = "events_type";
        return -EBADMSG;
    }
    r = find_events(ret);
    if (r < 0)
        *ret_why = "syntax";
    return r;
}

int envelope_open(struct slice body, const char *member, struct envelope *ret, const char **ret_why)
{
    struct slice events = envelope_trim(body);
    int r = member == NULL ? 0 : find_member(events, member, &events, ret_why);
    return r < 0 ? r : envelope_open_at(envelope_trim(body), events, ret, ret_why);
}

bool envelope_next(struct envelope *e, struct slice *ret)
{
    if (e->at < e->n_found) {
        *ret = e->found[e->at++];
        return true;
    }
    return e->n_found == ENVELOPE_FOUND_MAX && json_next(e->events, &e->next, ret) == 0;
}
