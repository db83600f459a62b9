/* gitlab.c - the container registry of GitLab, a fork of Distribution 2 that sends the same
 * envelope, with a `user_type` beside the actor's name and an action `rename`. */
#include "json.h"
#include "source.h"
#include "source/distribution.h"
#include "source/envelope.h"

#define USER_TYPE "user_type"

/* Nothing but the actor's type tells it from Distribution, and an event of nobody has none: then it
 * is read as Distribution's, which comes to the same. */
static const char *detect(const struct source_request *req)
{
    struct slice body = envelope_trim(req->body), events, event, actor, type;
    size_t at = 0;
    bool may_be = distribution_known_by(req) != NULL && body.len > 0 &&
                  memmem(body.data, body.len, USER_TYPE, sizeof(USER_TYPE) - 1) != NULL;
    bool fits = may_be && json_member(body, "events", &events) == 0 && events.data[0] == '[' &&
                json_next(events, &at, &event) == 0 && json_member(event, "actor", &actor) == 0 &&
                json_member(actor, USER_TYPE, &type) == 0;
    return fits ? "member actor.user_type" : NULL;
}

const struct source SOURCE_GITLAB = {
    .kind = "gitlab",
    .before = DISTRIBUTION_BEFORE,
    .after = DISTRIBUTION_AFTER,
    .detect = detect,
    .adapt = distribution_adapt,
};
