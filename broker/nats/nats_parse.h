/* nats_parse.h - what a NATS server says, one operation at a time, out of a buffer that grows at
 * its end. Nothing is trusted: a line, an INFO and a message have limits, and what breaks them ends
 * the connection. (pure) Any thread. (docs.nats.io, "NATS Client Protocol"; headers: ADR-4) */
#ifndef BROKER_NATS_NATS_PARSE_H
#define BROKER_NATS_NATS_PARSE_H

#include "nats.h"

#define NATS_LINE_MAX ((size_t) 4 << 10)  /* the server's own default for ours */
#define NATS_INFO_MAX ((size_t) 64 << 10) /* connect_urls of a large cluster */
#define NATS_HIGHEST_PAYLOAD                                                                       \
    ((size_t) 64 << 20) /* of max_payload; what servers refuse to be configured with */
#define NATS_ROOM ((size_t) 64 << 10)

/* What a message may be: answers of JetStream's API carry one in base64, and some headers. */
static inline size_t nats_message_limit(uint64_t max_payload)
{
    size_t payload =
        max_payload < NATS_HIGHEST_PAYLOAD ? (size_t) max_payload : NATS_HIGHEST_PAYLOAD;
    return payload + payload / 2 + NATS_ROOM;
}

enum nats_op_kind {
    NATS_OP_INFO,
    NATS_OP_MSG,
    NATS_OP_PING,
    NATS_OP_PONG,
    NATS_OP_OK,
    NATS_OP_ERR
};
struct nats_op { /* borrows the buffer */
    enum nats_op_kind kind;
    struct slice text; /* INFO: its JSON. ERR: the words, without quotes */
    uint64_t sid;      /* MSG, and the next */
    struct nats_msg msg;
};

struct nats_parse {
    size_t limit; /* of a message, headers included: may be changed between two operations */
    /* private: of an operation that is not all there */
    size_t scanned;        /* no line ends in so many bytes */
    size_t line;           /* of the message whose line was read; 0: none */
    size_t headers, total; /* of its block, of block and data */
    size_t subject_at, subject_end, reply_at, reply_end;
    uint64_t sid;
};

/* `in` begins with what is not yet used. 1: an operation, *ret_used bytes long; subject and reply
 * were given a NUL in the buffer. 0: not all is there; the next call comes with the same bytes and
 * more. -EBADMSG, -EMSGSIZE: the connection is to be closed. */
MUST_CHECK int nats_parse(struct nats_parse *p, uint8_t *in, size_t len, size_t *ret_used,
                          struct nats_op *ret);
/* How long the buffer will be, at least, when the operation is all there. */
size_t nats_parse_wants(const struct nats_parse *p);

/* A header block ("NATS/1.0 503\r\nName: value\r\n\r\n"): its status, and its lines behind the
 * first. A block that is none has neither. */
void nats_parse_headers(struct slice block, unsigned *ret_status, struct slice *ret);

#endif
