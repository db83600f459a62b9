/* position.h - the file that says how far a listener has come: the id of the last event that was
 * handled, and after it, a line each, the events of the same message that were not. The gateway
 * goes on behind whole messages, so those must be kept here. One thread. */
#ifndef CLI_POSITION_H
#define CLI_POSITION_H

#include "event_view.h"

#define POSITION_MAX_BYTES (64u << 20)

struct position {
    char id[ID_SIZE]; /* "": from the start */
    struct buf rest;  /* lines */
};

void position_init(struct position *p);
void position_fini(struct position *p);

/* A file that is not there, or is empty, is the start. 0, -EBADMSG (it is no such file), or the
 * errno of reading. */
MUST_CHECK int position_load(const char *file, struct position *ret);
/* Replaces the file, see files.h; `rest` are whole lines. */
MUST_CHECK int position_save(const char *file, const char *id, struct slice rest);

/* Takes the first line off `rest`: false when there is none. */
bool position_next(struct slice *rest, struct slice *ret);

#endif
