/* api_id.h - ids as requests give them. (pure) Any thread. */
#ifndef GATEWAY_API_ID_H
#define GATEWAY_API_ID_H

#include "slice.h"
#include "status.h"

#define API_ID_MAX 50 /* the API's limit for ids */

/* A violation of `field` unless it is 1 to API_ID_MAX characters of visible ASCII. Whether there is
 * something of that id is another question. */
void api_id_check(const char *field, struct slice id, struct status *found);

#endif
