/* outbound.c - see outbound.h. In the order things happen:
 *   outbound_send > begin, or wait > (outbound_pool.c) > outbound_ended > outbound_turn > tell
 *
 * Deadlines: a call's own is not set anew with each byte, a timer looks at all calls when the first
 * may be due by what was known then; that is once in a read_ms or so, not once in a call. */
#include "outbound_private.h"

#include "mem.h"

#include <pthread.h>
#include <stdlib.h>

static void on_timer(uv_timer_t *timer);

/* --- deadlines --- */

static uint64_t later(uint64_t from_ms, uint64_t ms)
{
    return ms > UINT64_MAX - from_ms ? UINT64_MAX : from_ms + ms;
}

static uint64_t due_ms(const struct outbound_call *call)
{
    if (call->state == CALL_WAITING)
        return call->end_ms;
    uint64_t due =
        later(call->since_ms, call->phase == CALL_CONNECTS ? call->connect_ms : call->read_ms);
    return due < call->end_ms ? due : call->end_ms;
}

static void arm(struct outbound *o, uint64_t due)
{
    uint64_t now = uv_now(o->loop);
    if (due >= o->timer_ms)
        return;
    o->timer_ms = due;
    (void) uv_timer_start(&o->timer, on_timer, due > now ? due - now : 0, 0);
}

void outbound_due(const struct outbound_call *call)
{
    arm(call->o, due_ms(call));
}

/* --- the end of a call --- */

static enum breaker_outcome outcome_of(int err, unsigned status)
{
    switch (err) {
    case 0:
        return status == 502 || status == 503 || status == 504 ? BREAKER_FAILURE : BREAKER_SUCCESS;
    case -ECONNREFUSED:
    case -ETIMEDOUT:
    case -EBADMSG:
        return BREAKER_FAILURE;
    default:
        return BREAKER_NEITHER;
    }
}

/* It is in no list of those that wait or are under way any more. */
static void leave(struct outbound_call *call)
{
    struct outbound *o = call->o;
    if (call->state == CALL_WAITING)
        o->counts.waiting--;
    if (call->state == CALL_UNDER_WAY) {
        o->counts.under_way--;
        pool_remove(call->easy->pool, call->easy);
    }
    list_remove(&call->node);
}

static void tell_breaker(struct outbound_call *call, enum breaker_outcome outcome)
{
    struct outbound *o = call->o;
    if (call->passed)
        breaker_tell(o->breakers, call->breaker, call->probe, outcome, uv_now(o->loop));
    breaker_release(o->breakers, call->breaker);
    call->breaker = NULL;
    call->passed = false;
}

static void count_error(struct outbound_counts *n, int err)
{
    if (err == -EACCES)
        n->refused_egress++;
    else if (err == -EBUSY)
        n->refused_busy++;
    else if (err == -EHOSTDOWN)
        n->refused_breaker++;
    else if (err < 0)
        n->failures++;
}

/* It is told in a later turn, or at the end of this one. */
static void end(struct outbound_call *call, int err, const char *why)
{
    struct outbound *o = call->o;
    leave(call);
    call->state = CALL_ENDED;
    call->err = err;
    call->why = why;
    count_error(&o->counts, err);
    tell_breaker(call, outcome_of(err, call->easy == NULL ? 0 : call->easy->answer.status));
    list_push(&o->ended, &call->node);
}

void outbound_ended(struct outbound_call *call, CURLcode code)
{
    const char *why = "";
    int err = easy_result(call->easy, code, &why);
    end(call, err, err == 0 ? "" : why);
}

static void drop(struct outbound_call *call) /* without telling */
{
    leave(call);
    tell_breaker(call, BREAKER_NEITHER);
    if (call->easy != NULL)
        easy_give(call->easy);
    free(call);
}

/* --- the beginning --- */

static int begin_transfer(struct outbound *o, struct outbound_call *call)
{
    if (o->pool == NULL) {
        int r = pool_new(o, &o->pool);
        if (r < 0)
            return r;
    }
    struct easy *e = easy_take(o->pool);
    if (e == NULL)
        return -ENOMEM;
    int r = easy_begin(e, call);
    if (r == 0)
        r = pool_add(o->pool, e);
    if (r < 0) {
        easy_free(e);
        return -ENOMEM;
    }
    call->easy = e;
    return 0;
}

/* It is not under way yet, and in no list that counts. */
static void begin(struct outbound *o, struct outbound_call *call)
{
    if (!breaker_pass(o->breakers, call->breaker, uv_now(o->loop), &call->probe)) {
        end(call, -EHOSTDOWN, "the backend has failed again and again");
        return;
    }
    call->passed = true;
    call->phase = CALL_CONNECTS;
    call->since_ms = uv_now(o->loop);
    if (begin_transfer(o, call) < 0) {
        end(call, -ENOMEM, "no memory for a request");
        return;
    }
    call->state = CALL_UNDER_WAY;
    o->counts.under_way++;
    list_push(&o->under_way, &call->node);
    outbound_due(call);
}

static void begin_waiting(struct outbound *o)
{
    while (!list_empty(&o->waiting) && o->counts.under_way < o->options.max_calls) {
        struct outbound_call *call = LIST_ENTRY(o->waiting.next, struct outbound_call, node);
        list_remove(&call->node);
        o->counts.waiting--;
        call->state = CALL_ENDED; /* until it is under way */
        begin(o, call);
    }
}

static void wait_or_begin(struct outbound *o, struct outbound_call *call)
{
    if (!breaker_would_pass(o->breakers, call->breaker, uv_now(o->loop))) {
        end(call, -EHOSTDOWN, "the backend has failed again and again");
    } else if (o->counts.waiting == 0 && o->counts.under_way < o->options.max_calls) {
        begin(o, call);
    } else if (o->counts.waiting >= o->options.max_waiting) {
        end(call, -EBUSY, "too many requests wait");
    } else {
        call->state = CALL_WAITING;
        o->counts.waiting++;
        list_push(&o->waiting, &call->node);
        outbound_due(call);
    }
}

int outbound_send(struct outbound *o, const struct outbound_request *request, outbound_done *done,
                  void *arg, struct outbound_call **ret)
{
    struct outbound_call *call = NULL;
    const char *why = "";
    int r = call_new(request, &o->origin, &call, &why);
    if (r == -ENOMEM)
        return r;
    call->o = o;
    call->done = done;
    call->arg = arg;
    call->state = CALL_ENDED; /* until it waits or is under way */
    call->end_ms = later(uv_now(o->loop), o->options.max_ms);
    if (call->connect_ms == 0)
        call->connect_ms = o->options.connect_ms;
    if (call->read_ms == 0)
        call->read_ms = o->options.read_ms;
    o->counts.calls++;
    if (r < 0) {
        end(call, r, why);
    } else {
        call->breaker = breaker_hold(o->breakers, buf_slice(&o->origin));
        wait_or_begin(o, call);
    }
    if (!list_empty(&o->ended))
        arm(o, 0);
    *ret = call;
    return 0;
}

void outbound_cancel(struct outbound_call *call)
{
    if (call == NULL)
        return;
    struct outbound *o = call->o;
    struct pool *p = call->easy == NULL ? NULL : call->easy->pool;
    drop(call);
    if (p != NULL)
        pool_settle(p);
    if (!list_empty(&o->waiting))
        arm(o, 0); /* whose turn it may be */
}

/* --- turns --- */

static void tell(struct outbound_call *call)
{
    struct outbound_answer answer = {.err = call->err, .why = call->why};
    struct easy *e = call->easy;
    list_remove(&call->node);
    if (call->err == 0)
        answer_get(&e->answer, &answer);
    call->done(call->arg, &answer); /* may send, cancel others, close all */
    if (e != NULL)
        easy_give(e);
    free(call);
}

/* What ends because of what is told here has its turn later, so that this comes to an end. */
static void tell_all(struct outbound *o)
{
    if (o->in_telling)
        return;
    o->in_telling = true;
    while (!list_empty(&o->ended))
        list_move(&o->telling, o->ended.next);
    while (!list_empty(&o->telling)) /* outbound_close() empties it */
        tell(LIST_ENTRY(o->telling.next, struct outbound_call, node));
    o->in_telling = false;
    if (!list_empty(&o->ended))
        arm(o, 0);
}

void outbound_turn(struct outbound *o)
{
    begin_waiting(o);
    tell_all(o);
}

static void expire(struct outbound_call *call, uint64_t now)
{
    if (call->state == CALL_WAITING) {
        end(call, -ETIMEDOUT, "it waited too long for its turn");
        return;
    }
    struct pool *p = call->easy->pool;
    const char *why = call->phase == CALL_CONNECTS ? "no connection in time"
                      : call->end_ms <= now        ? "the request took too long"
                      : call->phase == CALL_ASKS   ? "no answer in time"
                                                   : "the answer stopped";
    end(call, -ETIMEDOUT, why);
    pool_settle(p);
}

/* Returns when the first of those that are left is due. */
static uint64_t sweep(struct list *calls, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    LIST_FOREACH_SAFE (it, calls) {
        struct outbound_call *call = LIST_ENTRY(it, struct outbound_call, node);
        if (due_ms(call) <= now && call->end_ms > now && call->state == CALL_UNDER_WAY &&
            call->phase == CALL_ASKS && easy_has_sent(call->easy))
            call->since_ms = now;
        uint64_t due = due_ms(call);
        if (due <= now)
            expire(call, now);
        else if (due < next)
            next = due;
    }
    return next;
}

static void on_timer(uv_timer_t *timer)
{
    struct outbound *o = timer->data;
    uint64_t now = uv_now(o->loop);
    o->timer_ms = UINT64_MAX;
    uint64_t next = sweep(&o->under_way, now), waits = sweep(&o->waiting, now);
    if (waits < next)
        next = waits;
    if (next != UINT64_MAX)
        arm(o, next < now + OUTBOUND_TICK_MS ? now + OUTBOUND_TICK_MS : next);
    outbound_turn(o);
}

/* --- making and ending --- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_result;

static void begin_curl(void)
{
    once_result = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    if (once_result == 0 && (info->features & CURL_VERSION_ASYNCHDNS) == 0)
        once_result = -ENOTSUP;
}

static void set_options(struct outbound *o, const struct outbound_options *options)
{
    char *ca_file = xstrdup(options->ca_file);
    free((char *) (uintptr_t) o->options.ca_file);
    o->options = *options;
    o->options.ca_file = ca_file;
    breakers_configure(o->breakers, options->breaker_failures, options->breaker_ms);
}

static void free_all(struct outbound *o)
{
    breakers_free(o->breakers);
    buf_fini(&o->origin);
    free((char *) (uintptr_t) o->options.ca_file);
    free(o);
}

static int begin_all(struct outbound *o, const struct outbound_options *options)
{
    o->breakers = breakers_new(OUTBOUND_ORIGINS);
    if (o->breakers == NULL)
        return -ENOMEM;
    set_options(o, options);
    int r = uv_timer_init(o->loop, &o->timer);
    if (r < 0)
        return r;
    o->timer.data = o;
    o->timer_open = true;
    return pool_new(o, &o->pool);
}

int outbound_new(uv_loop_t *loop, const struct outbound_options *options, struct outbound **ret)
{
    (void) pthread_once(&once, begin_curl);
    if (once_result < 0)
        return once_result;
    struct outbound *o = try_calloc(1, sizeof(*o));
    if (o == NULL)
        return -ENOMEM;
    o->loop = loop;
    o->timer_ms = UINT64_MAX;
    list_init(&o->pools);
    list_init(&o->waiting);
    list_init(&o->under_way);
    list_init(&o->ended);
    list_init(&o->telling);
    buf_init(&o->origin, OUTBOUND_HOST_BYTES + sizeof("https://:65535"));
    int r = begin_all(o, options);
    if (r < 0)
        outbound_close(o);
    else
        *ret = o;
    return r;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_networks(const struct networks *a, const struct networks *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = a->at[i].bits == b->at[i].bits &&
               memcmp(&a->at[i].address, &b->at[i].address, sizeof(a->at[i].address)) == 0;
    return same;
}

/* Kept connections were opened under the old rules: with others they are not used again. */
void outbound_configure(struct outbound *o, const struct outbound_options *options)
{
    struct pool *p = o->pool;
    bool same = p != NULL && same_networks(&p->allowed, &options->allowed) &&
                same_text(p->ca_file, options->ca_file);
    if (p != NULL && !same) {
        o->pool = NULL; /* the next request makes another */
        pool_retire(p);
    }
    set_options(o, options);
    if (o->pool != NULL)
        pool_limit(o->pool);
    arm(o, 0); /* limits and deadlines are others now */
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct outbound *o = handle->data;
    o->timer_open = false;
    outbound_pool_freed(o);
}

void outbound_pool_freed(struct outbound *o)
{
    if (o->closing && list_empty(&o->pools) && !o->timer_open)
        free_all(o);
}

static void drop_all(struct list *calls)
{
    while (!list_empty(calls))
        drop(LIST_ENTRY(calls->next, struct outbound_call, node));
}

void outbound_close(struct outbound *o)
{
    if (o == NULL)
        return;
    o->closing = true;
    drop_all(&o->waiting);
    drop_all(&o->under_way);
    drop_all(&o->ended);
    drop_all(&o->telling);
    LIST_FOREACH_SAFE (it, &o->pools)
        pool_retire(LIST_ENTRY(it, struct pool, node));
    if (o->timer_open)
        uv_close((uv_handle_t *) &o->timer, on_timer_closed);
    else
        outbound_pool_freed(o);
}

/* --- what can be seen --- */

struct outbound_counts outbound_counts(const struct outbound *o)
{
    if (o == NULL)
        return (struct outbound_counts){0};
    struct outbound_counts n = o->counts;
    n.open_breakers = breakers_n_open(o->breakers);
    return n;
}

struct slice outbound_header(const struct outbound_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->n_headers; i++)
        if (slice_eq_nocase(answer->headers[i].name, slice_str(name)))
            return answer->headers[i].value;
    return (struct slice){0};
}
