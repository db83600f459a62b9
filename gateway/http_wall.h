/* http_wall.h - llhttp as the second wall: it reads what our own checks have accepted and must
 * understand the same. (pure) In a file of its own because llhttp.h takes names like HTTP_HEAD.
 * No lenient flag is ever set. */
#ifndef GATEWAY_HTTP_WALL_H
#define GATEWAY_HTTP_WALL_H

#include "refuse.h"
#include "slice.h"

struct wall; /* of one message */

struct wall *wall_new(void);       /* NULL: there is no memory */
void wall_free(struct wall *wall); /* NULL is fine */

/* A whole head in two pieces: `start` may replace a request line that llhttp does not know. Refused
 * when llhttp refuses, or when it sees another body than (chunked, content_length). */
enum refuse wall_head(struct wall *wall, struct slice start, struct slice rest, bool chunked,
                      uint64_t content_length);

/* Bytes of a chunked body: true when llhttp takes them all and finds `data` body bytes in them. */
bool wall_chunked(struct wall *wall, struct slice in, size_t data);
bool wall_complete(const struct wall *wall); /* llhttp has seen the end of the message */

#endif
