/* static.h - the console's files: what a request for one is answered. They are in the program, in a
 * table made when it is built (cmake/console.cmake); an address is looked up there as it was sent,
 * so that no spelling of it leads anywhere else. (pure) Any thread. */
#ifndef GATEWAY_STATIC_H
#define GATEWAY_STATIC_H

#include "http.h"

struct static_file {
    const char *name; /* below /console/ */
    const char *type; /* Content-Type */
    const char *hash; /* of the contents, for the entity tag */
    struct slice plain, zipped;
};
extern const struct static_file STATIC_FILES[];
extern const size_t STATIC_N_FILES;

#define STATIC_ROOT "/console/"

bool static_is_below(struct slice path); /* STATIC_ROOT, or something below it */
/* The request is for a file, whether there is one or not; or for "/" or "/console", from where it
 * is shown the way. */
bool static_takes(const struct http_head *head);

#define STATIC_HEADERS_SIZE 1024
struct static_answer {
    unsigned status;                   /* 200, 302, 304, 308, 404, 405 */
    char headers[STATIC_HEADERS_SIZE]; /* for http_response() */
    struct slice body;                 /* lives for ever */
};
/* Of a request that static_takes(). RFC 9110 sections 12.5.3 (Accept-Encoding) and 13.1.2
 * (If-None-Match). */
void static_answer(const struct http_head *head, struct static_answer *ret);

#endif
