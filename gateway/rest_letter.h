/* rest_letter.h - what the operations on dead letters have in common. Front's thread. */
#ifndef GATEWAY_REST_LETTER_H
#define GATEWAY_REST_LETTER_H

#include "history.h"
#include "rest_call.h"

/* False: the call has been answered. */
bool rest_letter_may(struct rest_call *call, enum iam_permission p);
/* The number in the path, which no letter has when it is 0. */
uint64_t rest_letter_id(const struct rest_call *call);
/* The history's answer, or -ENOENT; the call is answered. */
void rest_letter_fail(struct rest_call *call, int err);

#endif
