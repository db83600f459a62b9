/* registry_url.h - what registry_client.c does with URLs: resolve, compare origins, show. Over
 * libcurl's URL parser, so that what is compared is what is asked. (pure) Any thread. */
#ifndef BROKER_REGISTRY_URL_H
#define BROKER_REGISTRY_URL_H

#include "slice.h"

#include <curl/curl.h>

#define REGISTRY_URL_SIZE 2048

/* What `target`, absolute or relative to `from` (may be NULL), stands for, without its fragment.
 * NULL: no URL of http or https, or one with a user in it. For curl_url_cleanup(). */
CURLU *registry_url_resolve(CURLU *from, const char *target);
bool registry_url_same_origin(CURLU *a, CURLU *b); /* scheme, host and port */
bool registry_url_has_scheme(CURLU *url, const char *scheme);

/* A part of a URL, "" when it is not there; for free(). */
char *registry_url_part(CURLU *url, CURLUPart part, unsigned flags);
bool registry_url_has_part(CURLU *url, CURLUPart part);
/* Adds "name=value" to the query, encoded; false when that cannot be. */
bool registry_url_add_query(CURLU *url, const char *name, struct slice value);

/* The whole URL, printable; false when it is too long. */
bool registry_url_text(CURLU *url, char ret[REGISTRY_URL_SIZE]);
/* Copies `text` for a message: what is not printable ASCII becomes '?', what does not fit is cut.
 */
void registry_url_printable(char *to, size_t size, struct slice text);

#endif
