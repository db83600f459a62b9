/* resends.c - messages that an operator has sent again, on their way into P_BAT. */
#include "cluster/resends.h"

#include "clock.h"
#include "cluster/batch_wire.h"
#include "list.h"
#include "log.h"
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

#define MOST       1000
#define GIVE_UP_MS 10000
#define RETRY_MS   100

struct resend {
    struct resends *all;
    struct list in_all;
    char subject[CLUSTER_SUBJECT_SIZE], id[ID_SIZE];
    struct buf headers, data;
    uint64_t since_ms, retry_ms; /* retry_ms 0: it is on its way */
};
struct resends {
    struct cluster *c;
    struct list under_way;
    size_t n;
    uv_timer_t timer;
};

static void drop(struct resend *one)
{
    list_remove(&one->in_all);
    one->all->n--;
    buf_fini(&one->headers);
    buf_fini(&one->data);
    free(one);
}

static void log_lost(const struct resend *one, int err)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "broker", "a message that was to be sent again is not stored");
    log_str(&l, "id", one->id);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

static void on_ack(void *ctx, int err, const struct js_ack *ack)
{
    struct resend *one = ctx;
    (void) ack;
    bool again = err == -ETIMEDOUT || err == -ENOTCONN || err == -EHOSTUNREACH;
    if (err == 0) {
        drop(one);
    } else if (again && clock_mono_ms() - one->since_ms < GIVE_UP_MS) {
        one->retry_ms = clock_mono_ms() + RETRY_MS;
    } else {
        log_lost(one, err);
        drop(one);
    }
}

static void publish(struct resend *one)
{
    one->retry_ms = 0;
    js_publish(one->all->c->js,
               &(struct js_publish){.subject = one->subject,
                                    .msg_id = one->id,
                                    .last_subject_seq = JS_ANY,
                                    .last_seq = JS_ANY,
                                    .headers = buf_slice(&one->headers),
                                    .data = buf_slice(&one->data)},
               on_ack, one);
}

static void on_retry(uv_timer_t *timer)
{
    struct resends *r = timer->data;
    uint64_t now = clock_mono_ms();
    LIST_FOREACH_SAFE (it, &r->under_way) {
        struct resend *one = LIST_ENTRY(it, struct resend, in_all);
        if (one->retry_ms != 0 && one->retry_ms <= now)
            publish(one);
    }
}

static int encode(struct resend *one, const struct engine_broadcast *b)
{
    char writer[96];
    (void) snprintf(writer, sizeof(writer), "%s.%s", one->all->c->node, one->all->c->nonce);
    int r = batch_wire_put_headers(&one->headers, &(struct batch_wire){.writer = writer});
    if (r == 0)
        r = batch_wire_put_item(&one->data,
                                &(struct batch_wire_item){.why = b->message->why,
                                                          .ids = b->message->ids,
                                                          .name = slice_str(b->trigger_name),
                                                          .frames = b->frames});
    return r;
}

int resends_send(struct resends *r, const struct engine_broadcast *b)
{
    if (r->n >= MOST)
        return -ENOBUFS;
    struct resend *one = xcalloc(1, sizeof(*one));
    one->all = r;
    one->since_ms = clock_mono_ms();
    memcpy(one->id, b->message->last_event_id, ID_SIZE);
    cluster_path_subject(r->c, one->subject, "bat", b->path->name);
    buf_init(&one->headers, SIZE_MAX / 2);
    buf_init(&one->data, SIZE_MAX / 2);
    list_push(&r->under_way, &one->in_all);
    r->n++;
    int err = encode(one, b);
    if (err < 0)
        drop(one);
    else
        publish(one);
    return err;
}

struct resends *resends_new(struct cluster *c)
{
    struct resends *r = xcalloc(1, sizeof(*r));
    r->c = c;
    list_init(&r->under_way);
    r->timer.data = r;
    (void) uv_timer_init(c->loop, &r->timer); /* always 0, as the next */
    (void) uv_timer_start(&r->timer, on_retry, RETRY_MS, RETRY_MS);
    return r;
}

size_t resends_pending(const struct resends *r)
{
    return r->n;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void resends_free(struct resends *r)
{
    if (r == NULL)
        return;
    LIST_FOREACH_SAFE (it, &r->under_way)
        drop(LIST_ENTRY(it, struct resend, in_all));
    uv_close((uv_handle_t *) &r->timer, on_closed);
}
