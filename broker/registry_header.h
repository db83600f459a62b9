/* registry_header.h - the two headers of a registry's answers that need reading: Link (where a list
 * goes on) and WWW-Authenticate (who may ask). (pure) Any thread. */
#ifndef BROKER_REGISTRY_HEADER_H
#define BROKER_REGISTRY_HEADER_H

#include "slice.h"

/* The target of the first link with rel="next" (RFC 8288) in the value of a Link header; it points
 * into `link`. False: there is none, or it is malformed up to there. */
bool registry_header_next(struct slice link, struct slice *ret_target);

/* What an answer 401 asks for (RFC 9110 section 11.6.1); all texts NUL-terminated. */
struct registry_challenge {
    bool basic, bearer;
    char schemes[128]; /* the names of all schemes offered, "Basic, Negotiate", for messages */
    char basic_realm[128];
    char realm[1024], service[256], scope[1024]; /* of Bearer; "" when it says nothing */
};
/* Adds what one WWW-Authenticate header offers to *c, which starts zeroed: there may be several
 * such headers. Of two challenges of one scheme the first counts; what is malformed or too long
 * ends the reading, and a scheme that was cut there is not offered. */
void registry_header_challenge(struct slice value, struct registry_challenge *c);

#endif
