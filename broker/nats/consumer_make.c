/* consumer_make.c - how an ordered consumer comes to be on the server: what the stream is like,
 * what is the last message in it that will have to come, then the consumer. */
#include "consumer_private.h"

#include "catalog_time.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define BODY_LIMIT  ((size_t) 64 << 10)
#define INACTIVE_MS 30000
#define MS_NS       UINT64_C(1000000)
#define S_NS        UINT64_C(1000000000)
#define TIME_SIZE   48

static void on_info(struct js_call *call, int err, const cJSON *json);
static void ask_last(struct consumer *c);
static void on_last(struct js_call *call, int err, const cJSON *json);
static void ask_made(struct consumer *c);
static void on_made(struct js_call *call, int err, const cJSON *json);

static struct consumer *end_call(struct js_call *call)
{
    struct consumer *c = call->ctx;
    c->call = NULL;
    js_call_free(call);
    return c;
}

/* --- what the stream is like --- */

void consumer_make(struct consumer *c)
{
    c->call = js_call_new(c->js, c);
    js_call_api(c->call, (struct slice){NULL, 0}, JS_TIMEOUT_MS, on_info, "STREAM.INFO.%s",
                c->stream);
}

static bool is_by_sequence(const struct consumer *c)
{
    return c->o.from == FROM_SEQ || c->o.from == FROM_NEW;
}

/* False: on_lost() has freed it. */
static bool tell_lost(struct consumer *c, uint64_t first)
{
    if (c->o.on_lost != NULL)
        c->o.on_lost(c->o.ctx, first);
    return c->phase != CONSUMER_FREED;
}

/* Where to go on in the stream as it is now. It may have been made anew, or have lost its end in a
 * crash: then it is another one. */
static bool find_place(struct consumer *c, uint64_t created_ns, uint64_t first, uint64_t last)
{
    bool anew = c->created_ns != 0 && created_ns != c->created_ns;
    c->created_ns = created_ns;
    if (c->next == 0 && c->o.from == FROM_SEQ)
        c->next = c->o.seq > 0 ? c->o.seq : 1;
    if (c->next == 0 && c->o.from == FROM_NEW)
        c->next = last + 1;
    if (anew || c->next > last + 1) {
        c->next = is_by_sequence(c) ? first : 0;
        c->seq = 0;
        return tell_lost(c, first);
    }
    if (c->o.from == FROM_SEQ && c->next < first) {
        c->next = first;
        return tell_lost(c, first);
    }
    return true;
}

static void on_info(struct js_call *call, int err, const cJSON *json)
{
    struct consumer *c = end_call(call);
    const cJSON *state = js_member(json, "state");
    uint64_t first = js_number(state, "first_seq"), last = js_number(state, "last_seq");
    if (err < 0) {
        consumer_failed(c, err);
        return;
    }
    if (!find_place(c, catalog_time_parse(js_text(json, "created")), first > 0 ? first : 1, last))
        return;
    bool is_older = c->o.from == FROM_TIME && c->next == 0 &&
                    catalog_time_parse(js_text(state, "last_ts")) < c->o.time_ns;
    c->target = c->o.n_filters == 0 && !is_older ? last : 0;
    c->n_asked = 0;
    if (c->current || c->o.on_current == NULL)
        ask_made(c);
    else
        ask_last(c);
}

/* --- the last message that will have to come --- */

/* A consumer may run on a replica that has not yet all that was acknowledged, and would say that
 * nothing is pending: so the stream's leader is asked. */
static void ask_last(struct consumer *c)
{
    if (c->n_asked == c->o.n_filters) {
        ask_made(c);
        return;
    }
    c->call = js_call_new(c->js, c);
    js_get_by(c->call, c->stream, c->filters[c->n_asked], on_last);
}

static void on_last(struct js_call *call, int err, const cJSON *json)
{
    const cJSON *m = js_member(json, "message");
    uint64_t seq = js_number(m, "seq");
    struct consumer *c = end_call(call);
    if (err < 0 && err != -ENOENT) {
        consumer_failed(c, err);
        return;
    }
    bool is_older = c->o.from == FROM_TIME && c->next == 0 &&
                    catalog_time_parse(js_text(m, "time")) < c->o.time_ns;
    if (err == 0 && !is_older && seq > c->target)
        c->target = seq;
    c->n_asked++;
    ask_last(c);
}

/* --- making it --- */

static void time_text(uint64_t ns, char ret[TIME_SIZE])
{
    time_t s = (time_t) (ns / S_NS);
    struct tm tm;
    char date[32];
    (void) gmtime_r(&s, &tm);
    (void) strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    (void) snprintf(ret, TIME_SIZE, "%s.%09uZ", date, (unsigned) (ns % S_NS));
}

static int add_start(struct buf *out, const struct consumer *c)
{
    char time[TIME_SIZE];
    if (c->next > 0)
        return buf_printf(
            out, "\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%" PRIu64, c->next);
    if (c->o.from == FROM_LAST_PER_SUBJECT)
        return buf_append_str(out, "\"deliver_policy\":\"last_per_subject\"");
    if (c->o.from != FROM_TIME)
        return buf_append_str(out, "\"deliver_policy\":\"all\"");
    time_text(c->o.time_ns, time);
    return buf_printf(out, "\"deliver_policy\":\"by_start_time\",\"opt_start_time\":\"%s\"", time);
}

static int add_filters(struct buf *out, const struct consumer *c)
{
    int r = 0;
    if (c->o.n_filters == 0) /* the last of each subject is only given by one */
        return c->o.from == FROM_LAST_PER_SUBJECT ? buf_append_str(out, ",\"filter_subject\":\">\"")
                                                  : 0;
    if (c->o.n_filters == 1) {
        r = buf_append_str(out, ",\"filter_subject\":");
        return r < 0 ? r : json_append_string(out, slice_str(c->filters[0]));
    }
    r = buf_append_str(out, ",\"filter_subjects\":");
    for (size_t i = 0; r == 0 && i < c->o.n_filters; i++) {
        r = buf_append_str(out, i == 0 ? "[" : ",");
        if (r == 0)
            r = json_append_string(out, slice_str(c->filters[i]));
    }
    return r < 0 ? r : buf_append_str(out, "]");
}

static int write_body(struct buf *out, const struct consumer *c, const char *inbox)
{
    int r = buf_printf(out,
                       "{\"stream_name\":\"%s\",\"config\":{\"name\":\"%s\",\"deliver_subject\":"
                       "\"%s\",\"ack_policy\":\"none\",\"max_deliver\":1,\"replay_policy\":"
                       "\"instant\",\"mem_storage\":true,\"num_replicas\":1,\"flow_control\":true,"
                       "\"idle_heartbeat\":%" PRIu64 ",\"inactive_threshold\":%" PRIu64
                       ",\"headers_only\":%s,",
                       c->stream, c->name, inbox, CONSUMER_HEARTBEAT_MS * MS_NS,
                       INACTIVE_MS * MS_NS, c->o.headers_only ? "true" : "false");
    if (r == 0)
        r = add_start(out, c);
    if (r == 0)
        r = add_filters(out, c);
    return r < 0 ? r : buf_append_str(out, "}}");
}

static void ask_made(struct consumer *c)
{
    char inbox[NATS_INBOX_SIZE];
    struct buf body;
    if (c->target > 0 && c->target < c->next)
        c->target = 0; /* it was given out, or is not asked for */
    nats_inbox(c->js->n, inbox);
    buf_init(&body, BODY_LIMIT);
    int r = write_body(&body, c, inbox);
    ASSERT(r == 0); /* filters are few and short */
    c->sub = nats_subscribe(c->js->n, inbox, consumer_on_msg, c);
    c->call = js_call_new(c->js, c);
    js_call_api(c->call, buf_slice(&body), JS_CHANGE_MS, on_made, "CONSUMER.CREATE.%s.%s",
                c->stream, c->name);
    buf_fini(&body);
}

static void on_made(struct js_call *call, int err, const cJSON *json)
{
    struct consumer *c = end_call(call);
    (void) json;
    if (err < 0)
        consumer_failed(c, err);
    else
        consumer_made(c);
}

/* --- where a message is --- */

#define SHORT_FORM 9 /* $JS.ACK.stream.consumer.delivered.seq.cseq.time.pending */
#define LONG_FORM                                                                                  \
    11 /* the same with domain and account's hash in front, and perhaps a token more */

static bool read_number(const char *text, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0;
    for (; text[i] >= '0' && text[i] <= '9' && i < 19; i++)
        value = value * 10 + (uint64_t) (text[i] - '0');
    *ret = value;
    return i > 0 && (text[i] == '.' || text[i] == '\0');
}

bool consumer_place_read(const char *reply, struct consumer_place *ret)
{
    static const char PREFIX[] = "$JS.ACK.";
    const char *tokens[LONG_FORM + 1];
    size_t n = 0;
    if (strncmp(reply, PREFIX, sizeof(PREFIX) - 1) != 0)
        return false;
    for (const char *at = reply, *dot; at != NULL; at = dot == NULL ? NULL : dot + 1) {
        dot = strchr(at, '.');
        if (n < ARRAY_LEN(tokens))
            tokens[n] = at;
        n++;
    }
    if (n != SHORT_FORM && n != LONG_FORM && n != LONG_FORM + 1)
        return false;
    size_t first = n == SHORT_FORM ? 5 : 7;
    return read_number(tokens[first], &ret->seq) && read_number(tokens[first + 1], &ret->cseq) &&
           read_number(tokens[first + 2], &ret->time_ns) &&
           read_number(tokens[first + 3], &ret->pending);
}
