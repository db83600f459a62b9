/* report.c - see report.h. */
#include "source/report.h"

#include "source/field.h"

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Absent, or of the right kind. */
static bool fits(const char *text, bool (*check)(const char *text))
{
    return text != NULL && (text[0] == '\0' || check(text));
}

static bool fits_id(const char *text)
{
    return text != NULL && strnlen(text, FIELD_ID_MAX + 1) <= FIELD_ID_MAX;
}

/* NULL, or the field that is wrong. */
static const char *wrong_field(const struct report *r)
{
    if (!is_given(r->repository) || !field_repository(r->repository))
        return "repository";
    if (!fits(r->digest, field_digest))
        return "digest";
    if (!fits(r->tag, field_tag))
        return "tag";
    if (!fits_id(r->id))
        return "id";
    if (!fits_id(r->request_id))
        return "request_id";
    if (r->kind == CHANGE_DELETE_TAG && r->tag[0] == '\0')
        return "tag";
    bool by_tag = r->kind == CHANGE_DELETE_TAG || (r->kind == CHANGE_PUSH && r->tag[0] != '\0');
    return by_tag || r->digest[0] != '\0' ? NULL : "digest";
}

void report(const struct report *r, const struct source_sink *sink, struct slice excerpt)
{
    const char *why = wrong_field(r);
    if (why != NULL) {
        sink->set_aside(sink->ctx, why, excerpt);
        return;
    }
    char created_at[FIELD_TIME_SIZE] = "";
    if (r->time != NULL)
        (void) field_time(r->time, created_at); /* malformed: "" */
    bool somebody = is_given(r->actor) && strnlen(r->actor, FIELD_ACTOR_MAX + 1) <= FIELD_ACTOR_MAX;
    sink->change(sink->ctx, &(struct change){.kind = r->kind,
                                             .repository = r->repository,
                                             .digest = r->digest,
                                             .tag = r->tag,
                                             .sender_id = r->id,
                                             .request_id = r->request_id,
                                             .created_at = created_at,
                                             .actor = somebody ? r->actor : "",
                                             .certain = r->certain});
}
