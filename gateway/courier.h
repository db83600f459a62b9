/* courier.h - messages and open files between two of our processes, over a connected Unix stream
 * socket: a head (length, kind, whether a file comes along; little endian), then the body. Files
 * travel as SCM_RIGHTS (unix(7)), in the order of the messages that they belong to. One thread;
 * nothing here waits. */
#ifndef GATEWAY_COURIER_H
#define GATEWAY_COURIER_H

#include "buf.h"

#define COURIER_MAX_FILES                                                                          \
    8 /* that have come and were not taken yet; more is no message of ours                         \
       */

struct courier_parcel;

struct courier {
    int fd;          /* ours; -1: closed */
    size_t max_body; /* of a message that comes */
    struct buf in;
    size_t taken; /* of `in`: the message that courier_take() has handed out */
    int files[COURIER_MAX_FILES];
    size_t n_files;
    struct courier_parcel *head, **tail; /* on their way */
    uint64_t waiting;                    /* bytes of them */
};

/* Takes the socket over, and makes it non-blocking. */
void courier_init(struct courier *c, int fd, size_t max_body);
/* Closes it; what has not left is dropped, and files that nobody took are closed. Twice is fine. */
void courier_fini(struct courier *c);

/* Queues a copy of the message. `file`: a copy of the descriptor goes along; -1: none. 0, -ENOMEM,
 * or dup(2)'s errors. */
MUST_CHECK int courier_put(struct courier *c, uint16_t kind, struct slice body, int file);
/* Sends what it can. 0: all of it has left, -EAGAIN: when it is writable again, others: it is
 * over. */
MUST_CHECK int courier_send(struct courier *c);

/* Reads what is there. 0 or -EAGAIN: courier_take(); -EPIPE: the peer has gone; others: it is over.
 */
MUST_CHECK int courier_read(struct courier *c);
struct courier_message {
    uint16_t kind;
    struct slice body; /* borrowed until the next call */
    int file;          /* the taker's; -1: none */
};
/* 1: *ret is the next message, 0: none is whole yet, -EBADMSG: what has come is none of ours. */
MUST_CHECK int courier_take(struct courier *c, struct courier_message *ret);

#endif
