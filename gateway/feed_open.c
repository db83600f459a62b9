/* feed_open.c - the consoles that listen to the feed: their handshakes, and whether they still may.
 */
#include "feed_private.h"

#include "fanout.h"
#include "mem.h"
#include "request.h"
#include "session.h"
#include "upgrade.h"
#include "worker.h"

#include <stdlib.h>
#include <sys/socket.h>

#define SEND_BUFFER      (256 << 10) /* the kernel's: what a console that does not read costs */
#define ANSWER_BYTES     2048
#define PARAMETER_LENGTH 32

/* --- the wish --- */

struct wish {
    bool any;
    char boot[FEED_BOOT_SIZE];
    uint64_t after;
};

static struct slice take_until(struct slice *rest, uint8_t separator)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = at == NULL ? rest->len : (size_t) (at - rest->data);
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, at == NULL ? len : len + 1);
    return part;
}

static bool read_number(const char *text, uint64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

/* `?boot=...&after=...`: both or none; what else there is is ignored. */
static enum refuse read_wish(const struct http_head *head, struct wish *ret)
{
    bool boot = false, after = false;
    *ret = (struct wish){0};
    for (struct slice query = head->query; query.len > 0;) {
        struct slice value = take_until(&query, '&'), name = take_until(&value, '=');
        char text[PARAMETER_LENGTH];
        bool is_boot = slice_eq(name, SLICE_LIT("boot"));
        if (!is_boot && !slice_eq(name, SLICE_LIT("after")))
            continue;
        int len = http_percent_decode(value, text, sizeof(text) - 1);
        if (len < 0 || (is_boot ? boot || (size_t) len >= sizeof(ret->boot) : after))
            return REFUSE_SINCE;
        text[len] = '\0';
        if (is_boot)
            memcpy(ret->boot, text, (size_t) len + 1);
        else if (!read_number(text, &ret->after))
            return REFUSE_SINCE;
        boot = boot || is_boot;
        after = after || !is_boot;
    }
    ret->any = boot && after;
    return boot == after ? REFUSE_NONE : REFUSE_SINCE;
}

/* --- who may --- */

static bool may(const struct shared *s, const struct iam_subject *subject)
{
    const struct iam_resource folder = {IAM_FOLDER, s->cfg->folder_id};
    return iam_may(s->manage->iam, subject, IAM_TRIGGER_VIEW, &folder);
}

static enum refuse admit(struct conn *c, const struct http_head *head, struct feed_seat *ret)
{
    const struct shared *s = c->worker->shared;
    struct caller who;
    struct status error = {.code = STATUS_OK};
    enum refuse why = caller_check_origin(head->host, http_header(head, "origin", NULL),
                                          !c->transport->plain, &s->cfg->management.hosts);
    if (why != REFUSE_NONE)
        return why;
    caller_init(&who, c, (struct slice){0});
    why = login_admit(&ret->login, &who, c, head);
    if (why == REFUSE_NONE &&
        !admin_may_triggers(s->manage->admin, &who.admin, IAM_TRIGGER_VIEW, &error))
        why = REFUSE_FORBIDDEN;
    ret->c = c;
    ret->subject.service_account = who.admin.subject.service_account;
    if (why == REFUSE_NONE)
        ret->subject.id = xstrdup(who.admin.subject.id);
    caller_fini(&who);
    return why;
}

static enum refuse check(const struct conn *c, const struct http_head *head, struct upgrade *ret_up,
                         struct wish *ret_wish)
{
    const struct shared *s = c->worker->shared;
    enum refuse why = upgrade_check(head, NULL, NULL, false, ret_up);
    if (why == REFUSE_NONE)
        why = read_wish(head, ret_wish);
    if (why == REFUSE_NONE && shared_is_closed(s))
        why = REFUSE_DRAINING;
    if (why == REFUSE_NONE && shed_level(&s->shed) != MEMORY_FINE)
        why = REFUSE_MEMORY;
    return why;
}

/* --- letting it in --- */

static int put_answer(const struct feed *f, const struct conn *c, const struct upgrade *up,
                      const struct feed_place *place, struct buf *out)
{
    char id[ID_SIZE];
    conn_id(c, id);
    int r = upgrade_response(out, up, id, NULL);
    if (r == 0)
        r = feed_log_say(out, f->boot, place->seq);
    if (r == 0 && place->gap)
        r = feed_log_say(out, NULL, place->seq);
    return r;
}

static void open_session(struct feed *f, struct conn *c, const struct upgrade *up,
                         const struct wish *wish)
{
    bool resumes = wish->any && strcmp(wish->boot, f->boot) == 0;
    struct feed_place place = feed_log_find(&f->log, resumes ? &wish->after : NULL);
    struct buf out;
    int size = SEND_BUFFER;
    (void) setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* more memory without */
    buf_init(&out, ANSWER_BYTES);
    if (put_answer(f, c, up, &place, &out) == 0)
        session_open(c, f->group, buf_slice(&out), place.position);
    else
        request_refuse(c, REFUSE_MEMORY, NULL);
    buf_fini(&out);
}

static void drop_seat(struct feed *f, size_t i)
{
    free((char *) (uintptr_t) f->seats[i].subject.id);
    f->seats[i] = f->seats[--f->n_seats];
}

bool feed_takes(const struct http_head *head)
{
    return slice_eq(head->path, SLICE_LIT(FEED_PATH));
}

void feed_begin(struct conn *c)
{
    const struct http_head *head = http_get_head(c->http);
    struct feed *f = c->worker->shared->feed;
    struct feed_seat seat;
    struct upgrade up;
    struct wish wish;
    enum refuse why = f == NULL ? REFUSE_NOT_FOUND : check(c, head, &up, &wish);
    if (why == REFUSE_NONE)
        why = admit(c, head, &seat);
    if (why != REFUSE_NONE) {
        request_refuse(c, why, why == REFUSE_METHOD ? "GET" : NULL);
        return;
    }
    if (f->n_seats == FEED_MOST) {
        free((char *) (uintptr_t) seat.subject.id);
        request_refuse(c, REFUSE_PATH_CAP, NULL);
        return;
    }
    conn_learn_agent(c, http_header(head, "user-agent", NULL));
    http_free(c->http); /* what is wanted is a copy */
    c->http = NULL;
    feed_listen(f);
    open_session(f, c, &up, &wish);
    if (c->state != CONN_OPEN) {
        free((char *) (uintptr_t) seat.subject.id);
        return;
    }
    f->seats[f->n_seats++] = seat;
    metrics_answer(&c->worker->metrics, c->role, 101);
    fanout_start(f->group);
}

void feed_left(struct conn *c)
{
    struct feed *f = c->worker->shared->feed;
    for (size_t i = 0; i < f->n_seats; i++) {
        if (f->seats[i].c != c)
            continue;
        drop_seat(f, i);
        f->left_ms = uv_now(&c->worker->loop);
        return;
    }
}

/* --- while it is there --- */

void feed_gap(struct conn *c)
{
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    if (feed_log_say(&out, NULL, c->worker->shared->feed->log.flushed_seq) == 0)
        conn_send(c, buf_slice(&out));
    else
        conn_close(c, END_LOST);
    buf_fini(&out);
}

static bool is_ending(const struct shared *s)
{
    return atomic_load(&s->draining) || atomic_load(&s->handed_over);
}

static void look_seat(struct feed *f, const struct feed_seat *seat)
{
    struct conn *c = seat->c;
    uint64_t now = uv_now(&c->worker->loop);
    bool stuck = conn_blocked(c) && now - c->rest->since_ms >= FEED_STUCK_MS;
    if (c->state != CONN_OPEN)
        return;
    if (!login_lasts(&seat->login, c) || !may(f->shared, &seat->subject))
        session_refuse(c, REFUSE_ACCESS_LOST);
    else if (is_ending(f->shared))
        session_close(c, END_DRAIN, 1012, "server is going down");
    else if (stuck)
        session_refuse(c, REFUSE_SLOW);
}

void feed_look_seats(struct feed *f)
{
    for (size_t i = f->n_seats; i > 0; i--) /* who goes is replaced by the last one */
        look_seat(f, &f->seats[i - 1]);
}
