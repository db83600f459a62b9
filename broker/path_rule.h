/* path_rule.h - which paths a token opens: "/teams/${claims.team}". (pure) Any thread.
 *
 * A rule is cut into segments before anything of a token is looked at, and a placeholder stands for
 * text within one segment: a claim cannot bring a '/' of its own along. */
#ifndef BROKER_PATH_RULE_H
#define BROKER_PATH_RULE_H

#include "jwt.h"

/* `request` is a path that path_match() takes. The rule's own text is compared with what the
 * request's segments decode to; a placeholder (one in a segment at most: value_is_rule()) with the
 * claim, a text that is not empty, or one of a list of such texts. */
bool path_rule_fits(const char *rule, struct slice request, const struct jwt *j);

#endif
