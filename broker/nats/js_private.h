/* js_private.h - what the files of js.h and consumer.h share: calls, which are one or several
 * requests with one end. */
#ifndef BROKER_NATS_JS_PRIVATE_H
#define BROKER_NATS_JS_PRIVATE_H

#include "buf.h"
#include "js.h"
#include "list.h"
#include "nats_private.h"

#include <cjson/cJSON.h>

#define JS_SUBJECT_SIZE 512
#define JS_TIMEOUT_MS   2500
#define JS_CHANGE_MS    5000 /* of what a cluster has to agree on first */

struct js {
    struct nats *n;
    char prefix[128]; /* "$JS.API." */
    struct nats_watch watch;
    struct list calls;
    struct list consumers; /* consumer.c */
    char batch[NATS_INBOX_RANDOM + 1];
    uint64_t batches; /* js_publish_all() */
};

struct js_call;
/* `json` is the answer's, NULL with an error or when it has none; not to be kept. The call is
 * asked on, or ended with js_call_free(). */
typedef void js_step(struct js_call *call, int err, const cJSON *json);
struct js_call {
    struct list in_calls;
    struct js *js;
    struct nats_request *request; /* NULL: between two */
    js_step *step;
    union {
        js_on_ack *ack;
        js_on_stream *stream;
        js_on_done *done;
        js_on_msg *msg;
    } done;
    void *ctx;
    char *text;      /* freed with it; NULL: none */
    struct buf data; /* the same */
    uint64_t timeout_ms;
    int err;       /* of before the request */
    char what[96]; /* for the log: the beginning of the subject */
};

struct js_call *js_call_new(struct js *js, void *ctx);
void js_call_free(struct js_call *call);
void js_call_ask(struct js_call *call, const char *subject, struct slice headers, struct slice data,
                 uint64_t timeout_ms, js_step *step);
/* Of JetStream's API: `format` is what is behind the prefix. */
void js_call_api(struct js_call *call, struct slice body, uint64_t timeout_ms, js_step *step,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

uint64_t js_number(const cJSON *json, const char *key);  /* 0: none, or none below 2^53 */
const char *js_text(const cJSON *json, const char *key); /* "": none */
const cJSON *js_member(const cJSON *json, const char *key);

/* The acknowledgement of a publish, to call->done.ack; ends the call. */
js_step js_end_with_ack;
/* Those of publishing, in `ret`, which is initialised. Errors: buf_append()'s. */
MUST_CHECK int js_publish_headers(struct buf *ret, const struct js_publish *p);

/* js_msg.c: what STREAM.MSG.GET has answered. `room` holds its bytes. */
MUST_CHECK int js_msg_read(const cJSON *json, struct buf *room, struct js_msg *ret);
void js_get_by(struct js_call *call, const char *stream, const char *subject, js_step *step);

/* consumer.c */
void consumer_changed_all(struct js *js, bool up);

#endif
