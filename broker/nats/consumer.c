/* consumer.c - an ordered consumer. */
#include "consumer.h"

#include "consumer_private.h"
#include "mem.h"
#include "nats_random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MISSED_MS      (2 * CONSUMER_HEARTBEAT_MS + 500)
#define FIRST_RETRY_MS 50
#define MAX_RETRY_MS   2000
#define HELD_BYTES     ((size_t) 1 << 20) /* more is left to the server */
#define STATUS_CONTROL 100

/* A message that waits for consumer_resume(). */
struct held {
    struct list in_held;
    struct js_msg m;
    size_t size;
    char bytes[]; /* subject, NUL, headers, data */
};

static void on_timer(uv_timer_t *timer);

static void start_timer(struct consumer *c, uint64_t in_ms)
{
    uv_update_time(c->js->n->loop); /* the loop's time is that of when its turn began */
    (void) uv_timer_start(&c->timer, on_timer, in_ms, 0); /* has a callback, is not closing */
}

/* --- beginning and ending --- */

/* The server's part of it ends by itself, too, when nobody listens. */
static void detach(struct consumer *c)
{
    char subject[JS_SUBJECT_SIZE];
    if (c->call != NULL)
        js_call_free(c->call);
    c->call = NULL;
    nats_unsubscribe(c->sub);
    c->sub = NULL;
    c->withheld[0] = '\0';
    if (c->name[0] == '\0' || !nats_connected(c->js->n))
        return;
    (void) snprintf(subject, sizeof(subject), "%sCONSUMER.DELETE.%s.%s", c->js->prefix, c->stream,
                    c->name);
    c->name[0] = '\0';
    int r = nats_publish(c->js->n, subject, NULL, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    (void) r; /* as above */
}

/* Goes on behind the last message that has come. What is held is given out first, so that a stream
 * that was made anew does not come before it. */
static void start(struct consumer *c)
{
    detach(c);
    c->phase = CONSUMER_IDLE;
    if (!nats_connected(c->js->n) || !list_empty(&c->held))
        return;
    c->phase = CONSUMER_MAKING;
    c->cseq = 0;
    nats_random_name(c->name, NATS_INBOX_RANDOM);
    consumer_make(c);
}

static void restart(struct consumer *c)
{
    c->restarts++;
    start(c);
}

void consumer_failed(struct consumer *c, int err)
{
    uint64_t most = FIRST_RETRY_MS;
    for (unsigned i = 0; i < c->failures && most < MAX_RETRY_MS; i++)
        most *= 2;
    c->failures++;
    detach(c);
    c->phase = CONSUMER_IDLE;
    start_timer(c, most / 2 + nats_random_below(most / 2 + 1));
    if (c->o.on_error != NULL && err != -ENOTCONN)
        c->o.on_error(c->o.ctx, err);
}

void consumer_made(struct consumer *c)
{
    c->phase = CONSUMER_LIVE;
    c->failures = 0;
    c->heard_ms = nats_now_ms();
    start_timer(c, MISSED_MS);
    consumer_reached(c, c->seq); /* messages may come before the answer */
}

void consumer_reached(struct consumer *c, uint64_t seq)
{
    if (c->current || c->phase != CONSUMER_LIVE || seq < c->target || !list_empty(&c->held))
        return;
    c->current = true;
    if (c->o.on_current != NULL)
        c->o.on_current(c->o.ctx);
}

/* --- giving out --- */

static void give(struct consumer *c, const struct js_msg *m)
{
    c->seq = m->seq;
    c->o.on_msg(c->o.ctx, m);
    if (c->phase != CONSUMER_FREED)
        consumer_reached(c, m->seq);
}

static void hold(struct consumer *c, const struct js_msg *m)
{
    size_t n = strlen(m->subject) + 1, size = n + m->headers.len + m->data.len;
    struct held *h = try_malloc(sizeof(*h) + size);
    if (h == NULL) {
        restart(c);
        return;
    }
    *h = (struct held){.m = *m, .size = size};
    memcpy(h->bytes, m->subject, n);
    if (m->headers.len > 0)
        memcpy(h->bytes + n, m->headers.data, m->headers.len);
    if (m->data.len > 0)
        memcpy(h->bytes + n + m->headers.len, m->data.data, m->data.len);
    h->m.subject = h->bytes;
    h->m.headers.data = (const uint8_t *) h->bytes + n;
    h->m.data.data = (const uint8_t *) h->bytes + n + m->headers.len;
    list_push(&c->held, &h->in_held);
    c->held_bytes += size;
    c->next = m->seq + 1;
    if (c->held_bytes <= HELD_BYTES)
        return;
    detach(c); /* the rest when this is given out */
    c->phase = CONSUMER_IDLE;
}

/* The server waits for the answer before it sends more. */
static void answer_flow(struct consumer *c, const char *subject)
{
    int r = nats_publish(c->js->n, subject, NULL, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    if (r < 0)
        restart(c);
}

static void give_held(struct consumer *c)
{
    LIST_FOREACH_SAFE (it, &c->held) {
        struct held *h = LIST_ENTRY(it, struct held, in_held);
        if (c->paused)
            return;
        list_remove(&h->in_held); /* it may be the last, behind which it is current */
        c->held_bytes -= h->size;
        give(c, &h->m);
        free(h);
        if (c->phase == CONSUMER_FREED)
            return;
    }
    if (c->paused)
        return;
    if (c->phase == CONSUMER_IDLE) {
        start(c);
    } else if (c->withheld[0] != '\0') {
        char subject[sizeof(c->withheld)];
        memcpy(subject, c->withheld, sizeof(subject));
        c->withheld[0] = '\0';
        answer_flow(c, subject);
    }
}

/* --- what comes --- */

static void take_flow(struct consumer *c, struct slice subject)
{
    char text[sizeof(c->withheld)];
    if (subject.len == 0 || subject.len >= sizeof(text))
        return;
    memcpy(text, subject.data, subject.len);
    text[subject.len] = '\0';
    if (c->paused || !list_empty(&c->held))
        memcpy(c->withheld, text, sizeof(text));
    else
        answer_flow(c, text);
}

static uint64_t header_number(const struct nats_msg *m, const char *name)
{
    struct slice text = nats_header(m->headers, name);
    uint64_t value = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        value = value * 10 + (uint64_t) (text.data[i] - '0');
    return value;
}

/* A heartbeat says what was sent last: it is here, or is lost. */
static void take_control(struct consumer *c, const struct nats_msg *m)
{
    if (m->reply[0] != '\0') {
        take_flow(c, slice_str(m->reply));
        return;
    }
    if (header_number(m, "Nats-Last-Consumer") != c->cseq) {
        restart(c);
        return;
    }
    take_flow(c, nats_header(m->headers, "Nats-Consumer-Stalled"));
    if (c->phase == CONSUMER_LIVE)
        consumer_reached(c, header_number(m, "Nats-Last-Stream"));
}

void consumer_on_msg(void *ctx, const struct nats_msg *m)
{
    struct consumer *c = ctx;
    struct consumer_place at;
    c->heard_ms = nats_now_ms();
    if (m->status == STATUS_CONTROL) {
        take_control(c, m);
        return;
    }
    if (m->status != 0) {
        restart(c); /* it is told off: deleted, or its server goes */
        return;
    }
    if (!consumer_place_read(m->reply, &at))
        return; /* somebody else's */
    if (at.cseq != c->cseq + 1 || at.seq < c->next) {
        restart(c);
        return;
    }
    c->cseq = at.cseq;
    const struct js_msg given = {m->subject, m->headers, m->data, at.seq, at.time_ns, at.pending};
    if (c->paused || !list_empty(&c->held)) {
        hold(c, &given);
        return;
    }
    c->next = at.seq + 1;
    give(c, &given);
}

static void on_timer(uv_timer_t *timer)
{
    struct consumer *c = timer->data;
    uint64_t silent = nats_now_ms() - c->heard_ms;
    bool waits = !list_empty(&c->held) || c->withheld[0] != '\0';
    if (waits && !c->paused)
        give_held(c);
    else if (c->phase == CONSUMER_IDLE)
        start(c);
    else if (c->phase == CONSUMER_LIVE && silent >= MISSED_MS)
        restart(c);
    if (c->phase == CONSUMER_LIVE)
        start_timer(c, silent < MISSED_MS ? MISSED_MS - silent : MISSED_MS);
}

/* --- the public part --- */

struct consumer *consumer_new(struct js *js, const struct consumer_options *options)
{
    struct consumer *c = xcalloc(1, sizeof(*c));
    c->js = js;
    c->o = *options;
    c->stream = xstrdup(options->stream);
    c->filters = xcalloc(options->n_filters + 1, sizeof(*c->filters));
    for (size_t i = 0; i < options->n_filters; i++)
        c->filters[i] = xstrdup(options->filters[i]);
    list_init(&c->held);
    list_push(&js->consumers, &c->in_js);
    c->timer.data = c;
    (void) uv_timer_init(js->n->loop, &c->timer); /* always 0 */
    start(c);
    return c;
}

static void on_closed(uv_handle_t *handle)
{
    struct consumer *c = handle->data;
    for (size_t i = 0; i < c->o.n_filters; i++)
        free(c->filters[i]);
    free(c->filters);
    free(c->stream);
    free(c);
}

void consumer_free(struct consumer *c)
{
    if (c == NULL)
        return;
    detach(c);
    c->phase = CONSUMER_FREED;
    LIST_FOREACH_SAFE (it, &c->held)
        free(LIST_ENTRY(it, struct held, in_held));
    list_remove(&c->in_js);
    uv_close((uv_handle_t *) &c->timer, on_closed);
}

void consumer_pause(struct consumer *c)
{
    c->paused = true;
}

/* With the loop's next turn, so that who is called does not find itself called again. */
void consumer_resume(struct consumer *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    if (!list_empty(&c->held) || c->withheld[0] != '\0' || c->phase == CONSUMER_IDLE)
        start_timer(c, 0);
}

uint64_t consumer_seq(const struct consumer *c)
{
    return c->seq;
}

void consumer_changed_all(struct js *js, bool up)
{
    LIST_FOREACH_SAFE (it, &js->consumers) {
        struct consumer *c = LIST_ENTRY(it, struct consumer, in_js);
        if (!up || c->phase == CONSUMER_IDLE)
            start(c);
    }
}
