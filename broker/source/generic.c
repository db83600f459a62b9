/* generic.c - anything that posts JSON: `registries[].generic` says with JSON pointers where what
 * is.
 *
 * Events in an array are split by our own scanner, wherever in the body it is, so that a bad one
 * harms no other. An event alone, without what is around the array, is taken, too: that is what is
 * kept of one that was set aside. */
#include "json.h"
#include "source/envelope.h"
#include "source/field.h"
#include "source/payload.h"
#include "source/reference.h"
#include "source/report.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_EVENTS 10000              /* of one request */
#define WHOLE_MAX  9007199254740992.0 /* 2^53: larger numbers are not what was sent */

/* It cannot be known by its look. */
static const char *detect(const struct source_request *req)
{
    (void) req;
    return NULL;
}

/* --- one event --- */

struct context {
    const struct config_generic *at;
    const struct source_sink *sink;
};

static const char *text_at(const struct cJSON *event, const char *pointer)
{
    return pointer == NULL ? "" : payload_text(event, pointer);
}

static bool says_one_of(const char *word, const struct config_strings *words,
                        const char *const usual[4])
{
    for (size_t i = 0; i < words->n; i++)
        if (strcasecmp(words->at[i], word) == 0)
            return true;
    for (size_t i = 0; words->n == 0 && i < 4; i++)
        if (strcasecmp(usual[i], word) == 0)
            return true;
    return false;
}

/* A text, or a whole number as text. NULL: neither. */
static const char *read_id(const struct cJSON *event, const char *pointer,
                           char ret[FIELD_ID_MAX + 1])
{
    const struct cJSON *value = pointer == NULL ? NULL : payload_at(event, pointer);
    if (value == NULL || !cJSON_IsNumber(value))
        return text_at(event, pointer);
    double number = value->valuedouble;
    if (!(number >= 0 && number < WHOLE_MAX) || number != (double) (int64_t) number)
        return NULL;
    (void) snprintf(ret, FIELD_ID_MAX + 1, "%.0f", number);
    return ret;
}

/* Milliseconds are told from seconds by being too many: 1e11 s is the year 5138, 1e11 ms 1973. */
static const char *read_time(const struct cJSON *event, const char *pointer,
                             char ret[FIELD_TIME_SIZE])
{
    const double many = 1e11;
    const struct cJSON *value = pointer == NULL ? NULL : payload_at(event, pointer);
    if (value == NULL || !cJSON_IsNumber(value))
        return text_at(event, pointer);
    double number = value->valuedouble;
    return field_unix_time(number < many ? number : number / 1000, ret) ? ret : "";
}

/* The image's name in its parts, from either form. */
static const char *read_names(const struct cJSON *event, const struct config_generic *at,
                              struct reference *whole, struct report *ret)
{
    if (at->reference != NULL) {
        const char *text = payload_text(event, at->reference);
        if (text == NULL || text[0] == '\0' || !reference_split(text, whole))
            return "reference";
        ret->repository = whole->repository;
        ret->tag = whole->tag;
        ret->digest = whole->digest;
        return NULL;
    }
    ret->repository = text_at(event, at->repository);
    ret->tag = text_at(event, at->tag);
    ret->digest = text_at(event, at->digest);
    /* Some put a digest where there is no tag; no tag has a colon. */
    bool moved = ret->tag != NULL && strchr(ret->tag, ':') != NULL && field_digest(ret->tag) &&
                 ret->digest != NULL &&
                 (ret->digest[0] == '\0' || strcmp(ret->digest, ret->tag) == 0);
    if (moved) {
        ret->digest = ret->tag;
        ret->tag = "";
    }
    return NULL;
}

static void report_event(const struct context *c, const struct cJSON *event, bool is_push,
                         struct slice excerpt)
{
    char id[FIELD_ID_MAX + 1], time[FIELD_TIME_SIZE];
    struct reference whole;
    struct report r = {
        .kind = CHANGE_PUSH,
        .id = read_id(event, c->at->id, id),
        .request_id = "",
        .actor = text_at(event, c->at->actor),
        .time = read_time(event, c->at->time, time),
        .certain = !is_push,
    };
    const char *wrong = read_names(event, c->at, &whole, &r);
    if (wrong != NULL) {
        c->sink->set_aside(c->sink->ctx, wrong, excerpt);
        return;
    }
    if (!is_push)
        r.kind = r.tag != NULL && r.tag[0] != '\0' ? CHANGE_DELETE_TAG : CHANGE_DELETE_DIGEST;
    report(&r, c->sink, excerpt);
}

static void read_event(const struct context *c, const struct cJSON *event, struct slice excerpt)
{
    static const char *const PUSH[] = {"push", "pushed", "create", "created"};
    static const char *const DELETE[] = {"delete", "deleted", "remove", "removed"};
    const char *action = text_at(event, c->at->action);
    bool is_push = c->at->action == NULL;
    if (!cJSON_IsObject(event) || action == NULL || (!is_push && action[0] == '\0')) {
        c->sink->set_aside(c->sink->ctx, cJSON_IsObject(event) ? "action" : "event_type", excerpt);
        return;
    }
    is_push = is_push || says_one_of(action, &c->at->push, PUSH);
    if (is_push || says_one_of(action, &c->at->remove, DELETE))
        report_event(c, event, is_push, excerpt);
    else
        c->sink->ignored(c->sink->ctx, "unknown_action");
}

static int read_text(const struct context *c, struct slice text, struct slice excerpt,
                     const char **ret_why)
{
    struct cJSON *root = NULL;
    int r = payload_open(text, &root, ret_why);
    if (r == 0)
        read_event(c, root, excerpt);
    payload_close(root);
    return r;
}

/* --- where the events are --- */

/* One token of the pointer, with its escapes undone; `pointer` moves behind it. */
static void next_token(const char **pointer, char *ret)
{
    const char *s = *pointer + 1; /* behind the slash */
    for (; *s != '\0' && *s != '/'; s++) {
        bool escape = *s == '~';
        s += escape;
        *ret++ = !escape ? *s : *s == '0' ? '~' : '/';
    }
    *ret = '\0';
    *pointer = s;
}

static int element_at(struct slice array, const char *token, struct slice *ret)
{
    size_t at = 0, len = strlen(token);
    bool is_index =
        len > 0 && len <= 5 && strspn(token, "0123456789") == len && (token[0] != '0' || len == 1);
    long left = is_index ? strtol(token, NULL, 10) : -1;
    int r = left < 0 ? 1 : 0;
    for (; r == 0 && left >= 0; left--)
        r = json_next(array, &at, ret);
    return r == 1 ? -ENOENT : r;
}

/* 0, -ENOENT: the pointer leads nowhere, or -EBADMSG: syntax, or a key that is there twice. */
static int find_events(struct slice body, const char *pointer, struct slice *ret)
{
    char token[256]; /* as long as a pointer may be */
    *ret = envelope_trim(body);
    int r = 0;
    while (r == 0 && pointer != NULL && *pointer != '\0') {
        next_token(&pointer, token);
        if (ret->len > 0 && ret->data[0] == '[')
            r = element_at(*ret, token, ret);
        else
            r = ret->len > 0 && ret->data[0] == '{' ? json_member(*ret, token, ret) : -ENOENT;
    }
    return r;
}

static int read_array(const struct context *c, struct slice body, struct slice events,
                      const char **ret_why)
{
    struct envelope all;
    struct slice event;
    int r = envelope_open_at(body, events, &all, ret_why);
    if (r == 0 && all.n > MAX_EVENTS) {
        *ret_why = "too_many_events";
        r = -EBADMSG;
    }
    while (r == 0 && envelope_next(&all, &event)) {
        const char *why;
        r = read_text(c, event, event, &why);
        if (r == -EBADMSG) {
            c->sink->set_aside(c->sink->ctx, why, event);
            r = 0;
        }
    }
    return r;
}

static int read_body(const struct context *c, struct slice body, const char **ret_why)
{
    struct slice events;
    int r = find_events(body, c->at->events, &events);
    if (r == -EBADMSG) { /* the full check knows why; its limit on tokens is for one event */
        if (json_check(body, ret_why) == 0 || strcmp(*ret_why, "tokens") == 0)
            *ret_why = "syntax";
        return r;
    }
    if (r == -ENOENT)
        return read_text(c, body, body, ret_why);
    if (events.len > 0 && events.data[0] == '[')
        return read_array(c, envelope_trim(body), events, ret_why);
    r = json_check(body, ret_why);
    if (r == 0 && events.data[0] != '{') {
        *ret_why = "events_type";
        r = -EBADMSG;
    }
    return r < 0 ? r : read_text(c, events, body, ret_why);
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    const struct config_generic *at = req->registry == NULL ? NULL : &req->registry->generic;
    if (at == NULL || (at->repository == NULL && at->reference == NULL)) {
        *ret_why = "no_pointers";
        return -EBADMSG;
    }
    if (!field_charset_utf8(req->content_type)) {
        *ret_why = "charset";
        return -EBADMSG;
    }
    return read_body(&(struct context){.at = at, .sink = sink}, req->body, ret_why);
}

const struct source SOURCE_GENERIC = {
    .kind = "generic",
    .before = "",
    .after = "",
    .detect = detect,
    .adapt = adapt,
};
