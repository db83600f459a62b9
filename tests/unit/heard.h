/* heard.h - what an adapter says of a request, one line each:
 *   push REPOSITORY digest=D tag=T id=I request=R at=TIME by=ACTOR certain
 *   delete-digest ..., delete-tag ...   (what is "" is left out)
 *   ignored WHY
 *   aside WHY */
#ifndef UNIT_HEARD_H
#define UNIT_HEARD_H

#include "source.h"
#include "source/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct heard {
    char text[16 << 10]; /* what does not fit is counted only */
    size_t len, changes, ignored, set_aside;
    struct slice excerpt; /* of the last one set aside */
};

static inline void heard_add(struct heard *h, const char *form, ...)
    __attribute__((format(printf, 2, 3)));
static inline void heard_add(struct heard *h, const char *form, ...)
{
    va_list args;
    va_start(args, form);
    int n = vsnprintf(h->text + h->len, sizeof(h->text) - h->len, form, args);
    va_end(args);
    h->len += n > 0 && (size_t) n < sizeof(h->text) - h->len ? (size_t) n : 0;
    h->text[h->len] = '\0';
}

static inline void heard_field(struct heard *h, const char *name, const char *value)
{
    if (value[0] != '\0')
        heard_add(h, " %s=%s", name, value);
}

static inline void heard_change(void *ctx, const struct change *c)
{
    static const char *const KINDS[] = {[CHANGE_PUSH] = "push",
                                        [CHANGE_DELETE_DIGEST] = "delete-digest",
                                        [CHANGE_DELETE_TAG] = "delete-tag"};
    struct heard *h = ctx;
    h->changes++;
    assert_true(field_repository(c->repository));
    assert_true(c->digest[0] == '\0' || field_digest(c->digest));
    assert_true(c->tag[0] == '\0' || field_tag(c->tag));
    assert_true(c->digest[0] != '\0' || c->tag[0] != '\0');
    assert_true(strlen(c->sender_id) <= FIELD_ID_MAX && strlen(c->actor) <= FIELD_ACTOR_MAX);
    heard_add(h, "%s %s", KINDS[c->kind], c->repository);
    heard_field(h, "digest", c->digest);
    heard_field(h, "tag", c->tag);
    heard_field(h, "id", c->sender_id);
    heard_field(h, "request", c->request_id);
    heard_field(h, "at", c->created_at);
    heard_field(h, "by", c->actor);
    heard_add(h, "%s\n", c->certain ? " certain" : "");
}

static inline void heard_ignored(void *ctx, const char *why)
{
    struct heard *h = ctx;
    h->ignored++;
    heard_add(h, "ignored %s\n", why);
}

static inline void heard_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    struct heard *h = ctx;
    h->set_aside++;
    h->excerpt = excerpt;
    heard_add(h, "aside %s\n", why);
}

static inline struct source_sink heard_sink(struct heard *h)
{
    *h = (struct heard){0};
    return (struct source_sink){
        .ctx = h, .change = heard_change, .ignored = heard_ignored, .set_aside = heard_set_aside};
}

/* Runs an adapter, and holds it to its contract: refused as a whole, it has said nothing before. */
static inline int heard_adapt(struct heard *h, const struct source *source,
                              const struct source_request *req, const char **ret_why)
{
    const struct source_sink sink = heard_sink(h);
    *ret_why = NULL;
    int r = source->adapt(req, &sink, ret_why);
    assert_true(r == 0 || r == -EBADMSG);
    if (r < 0) {
        assert_non_null(*ret_why);
        assert_int_equal(h->changes + h->ignored + h->set_aside, 0);
    }
    return r;
}

#endif
