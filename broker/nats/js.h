/* js.h - JetStream on a nats.h connection: streams, publishing with an acknowledgement, single
 * messages, and key-value buckets, which are streams KV_<bucket> with subjects $KV.<bucket>.<key>.
 * Same loop and thread. (docs.nats.io "JetStream wire API reference"; ADR-8, ADR-31, ADR-50)
 *
 * Errors of every call, by `done`, once, never before the call returns: -ETIMEDOUT and -ENOTCONN
 * (may have been carried out), -EHOSTUNREACH (no leader now, or no JetStream: was not carried out),
 * -ENOENT (no such stream, message or key), -EEXIST (another sequence than expected; nothing was
 * stored), -ENOSPC (a limit of the stream or the account), -EMSGSIZE, -ENOBUFS, -EPROTO (anything
 * else; logged with the server's words). Nothing is tried again here. */
#ifndef BROKER_NATS_JS_H
#define BROKER_NATS_JS_H

#include "nats.h"

struct js;                                             /* one for each connection and domain */
struct js *js_new(struct nats *n, const char *domain); /* "" or NULL: none; never NULL */
/* Calls under way are cancelled. Its consumers are freed before, the connection is closed after. */
void js_free(struct js *js);
struct nats *js_nats(struct js *js);

/* --- publishing --- */

#define JS_ANY UINT64_MAX /* no expectation */
struct js_publish {
    const char *subject;
    const char *msg_id;        /* Nats-Msg-Id; NULL: none */
    uint64_t last_subject_seq; /* Nats-Expected-Last-Subject-Sequence; 0: the first; or JS_ANY */
    uint64_t last_seq;         /* Nats-Expected-Last-Sequence, of the stream; or JS_ANY */
    struct slice headers;      /* more of them */
    struct slice data;
    uint64_t timeout_ms; /* 0: 2500 */
};
struct js_ack {
    uint64_t seq;
    bool duplicate; /* one of that msg_id was stored before: `seq` is that one's */
};
typedef void js_on_ack(void *ctx, int err, const struct js_ack *ack); /* ack NULL with an error */
void js_publish(struct js *js, const struct js_publish *p, js_on_ack *done, void *ctx);
/* All of them or none (ADR-50); the stream must allow it. The acknowledgement is the last one's.
 * -EEXIST also when one of their msg_ids was stored before. */
void js_publish_all(struct js *js, const struct js_publish *p, size_t n, js_on_ack *done,
                    void *ctx);

/* --- streams --- */

struct js_stream {
    uint64_t first_seq, last_seq, messages, bytes;
    uint64_t created_ns, last_ns; /* since 1970 */
    char leader[64];              /* "": none now, or not clustered */
    unsigned replicas;            /* as configured */
};
typedef void js_on_stream(void *ctx, int err, const struct js_stream *s);
void js_stream_info(struct js *js, const char *stream, js_on_stream *done, void *ctx);
/* `config` is JSON with "name". There is none: made. There is one: of what `config` names, what
 * differs is updated; -EPROTO when that cannot be. Asks before it changes anything: a change
 * reserves the store's bytes again. */
void js_stream_ensure(struct js *js, const char *config, js_on_stream *done, void *ctx);
typedef void js_on_done(void *ctx, int err);
/* Messages of `subject` (may have wildcards; NULL: all) below `before`; JS_ANY: all. */
void js_purge(struct js *js, const char *stream, const char *subject, uint64_t before,
              js_on_done *done, void *ctx);
void js_delete_msg(struct js *js, const char *stream, uint64_t seq, js_on_done *done, void *ctx);

/* --- messages --- */

struct js_msg { /* borrowed for the call */
    const char *subject;
    struct slice headers, data; /* headers as in nats_msg */
    uint64_t seq, time_ns;      /* when it was stored, since 1970 */
    uint64_t pending;           /* of a consumer: how many follow as of now */
};
typedef void js_on_msg(void *ctx, int err, const struct js_msg *m); /* m NULL with an error */
/* From the stream's leader, so never older than what was acknowledged (STREAM.MSG.GET). */
void js_get_last(struct js *js, const char *stream, const char *subject, js_on_msg *done,
                 void *ctx);
void js_get(struct js *js, const char *stream, uint64_t seq, js_on_msg *done, void *ctx);

/* --- key-value buckets --- */

/* `config`: the whole of the stream's, by kv_config(). */
struct kv_config {
    const char *bucket;
    uint64_t ttl_ms; /* 0: for ever */
    unsigned replicas, history;
    uint64_t max_bytes; /* 0: any */
};
void kv_ensure(struct js *js, const struct kv_config *config, js_on_stream *done, void *ctx);
/* revision 0: there must be none (or one that was deleted); JS_ANY: whatever is there. The
 * acknowledgement's seq is the new revision. -EEXIST as above. */
void kv_put(struct js *js, const char *bucket, const char *key, struct slice value,
            uint64_t revision, uint64_t timeout_ms, js_on_ack *done, void *ctx);
void kv_delete(struct js *js, const char *bucket, const char *key, uint64_t revision,
               uint64_t timeout_ms, js_on_ack *done, void *ctx);
/* From the leader. -ENOENT also when it was deleted. m->seq is its revision. */
void kv_get(struct js *js, const char *bucket, const char *key, js_on_msg *done, void *ctx);
/* Of a message that a consumer of $KV.<bucket>.> has brought. "": it is not of that bucket. */
const char *kv_key(const struct js_msg *m, const char *bucket); /* points into m->subject */
bool kv_deleted(const struct js_msg *m);

#endif
