/* departures.h - which clients a worker has lost of late, and which were slow and had to skip: a
 * ring, the oldest go first. Whether a client that is there has got a batch is told by its cursor;
 * of the others somebody may ask, too (outcomes.h). Worker's thread. */
#ifndef GATEWAY_DEPARTURES_H
#define GATEWAY_DEPARTURES_H

#include "conn.h"

#define DEPARTURES_MAX 4096 /* of a worker; 56 bytes each, from the first one on */

struct departures; /* NULL is one without entries */

struct departure {
    char id[ID_SIZE];
    uint8_t end;     /* enum conn_end; END_NONE: it skipped and stayed */
    bool cut;        /* LEFT: it had not got all of the message before `cursor` */
    uint32_t path;   /* its index */
    uint64_t joined; /* the tail when it came: what is before it was not meant for it */
    uint64_t cursor; /* it was sent what is before it */
    uint64_t to;     /* the tail then */
};

/* The client leaves its group, or is about to go on at the log's tail; its cursor still says how
 * far it was. */
void departures_left(struct departures **d, const struct conn *c);
void departures_skipped(struct departures **d, const struct conn *c);
void departures_free(struct departures *d);

/* Those that are remembered, the oldest first; by number, below departures_n(). */
size_t departures_n(const struct departures *d);
const struct departure *departures_at(const struct departures *d, size_t i);

#endif
