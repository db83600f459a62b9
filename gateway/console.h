/* console.h - requests of the management listener for the console's files (static.h). Whoever
 * reaches the listener may have them: there is nothing in them that is not public. Front's thread.
 */
#ifndef GATEWAY_CONSOLE_H
#define GATEWAY_CONSOLE_H

#include "conn.h"

/* The head is there, and the request is for one. */
bool console_takes(const struct conn *c, const struct http_head *head);
/* It may go on to its end, or has been refused: by a name that does not lead here by our will. */
void console_begin(struct conn *c);
void console_received(struct conn *c); /* the request is complete */

#endif
