/* cmd_events.c - regcast events post: a webhook's body, sent as a registry does. */
#include "commands.h"

#include "backoff.h"
#include "call.h"
#include "fetch.h"
#include "json.h"
#include "pause.h"
#include "uuid.h"

/* As in regcastd's own example of a configuration. */
#define DEFAULT_REGISTRY "crtregistry000000001"
#define DEFAULT_ATTEMPTS 5
#define MAX_BODY         (64u << 20)
#define ENVELOPE_TYPE    "application/vnd.docker.distribution.events.v1+json"

/* Distribution's envelope has "events"; anything else is JSON that the registry's adapter knows. */
static const char *guess_type(struct slice body)
{
    struct slice value;
    while (body.len > 0 && strchr(" \t\r\n", body.data[0]) != NULL)
        body = slice_from(body, 1);
    while (body.len > 0 && strchr(" \t\r\n", body.data[body.len - 1]) != NULL)
        body.len--;
    return body.len > 0 && body.data[0] == '{' && json_member(body, "events", &value) == 0
               ? ENVELOPE_TYPE
               : "application/json";
}

/* Sent again, an event is a duplicate, so nothing is said twice. */
static int post(const struct call *c, const struct fetch_request *q, struct fetch_answer *answer)
{
    struct backoff backoff = {0};
    int64_t attempts = DEFAULT_ATTEMPTS;
    (void) args_count(&c->args, "retry", &attempts);
    for (int64_t i = 1;; i++) {
        int r = fetch(q, answer);
        bool later = r < 0 || answer->status == 429 || answer->status == 503;
        if (!later || (attempts >= 0 && i >= attempts))
            return r < 0 ? call_failed("cannot reach %s: %s", q->url, answer->error) : EXIT_FINE;
        uint64_t ms = backoff_next(&backoff, uuid_random(), r < 0 ? 0 : answer->retry_after_ms);
        if (c->progress)
            (void) fprintf(stderr, "%s; again in %.1f s\n",
                           r < 0 ? answer->error : "regcastd takes none now", (double) ms / 1000);
        pause_ms(ms);
    }
}

static int refused(const struct fetch_answer *a)
{
    cJSON *body = cJSON_ParseWithLength((const char *) a->body.data, a->body.len);
    const char *why = call_member(body, "error");
    if (why[0] == '\0')
        why = call_member(body, "message");
    int code = call_failed("the webhook was refused: HTTP status %u%s%s", a->status,
                           why[0] == '\0' ? "" : ", ", why);
    cJSON_Delete(body);
    return code;
}

static int print_answer(const struct call *c, const struct fetch_answer *a)
{
    cJSON *body = cJSON_ParseWithLength((const char *) a->body.data, a->body.len);
    int code = cJSON_IsObject(body)
                   ? call_print_as_is(c, body)
                   : call_failed("the answer is no JSON object: is this regcastd's webhooks port?");
    cJSON_Delete(body);
    return code;
}

static int send_body(const struct call *c, const struct buf *body, const struct buf *url)
{
    struct fetch_answer answer;
    const struct fetch_request q = {.url = (const char *) url->data,
                                    .trust = &c->trust,
                                    .token = args_text(&c->args, "token"),
                                    .content_type = guess_type(buf_slice(body)),
                                    .body = body};
    fetch_answer_init(&answer);
    int code = post(c, &q, &answer);
    if (code == EXIT_FINE)
        code = answer.status >= 200 && answer.status < 300 ? print_answer(c, &answer)
                                                           : refused(&answer);
    fetch_answer_fini(&answer);
    return code;
}

static int run_post(struct call *c)
{
    const char *registry = args_text(&c->args, "registry-id"), *base = args_text(&c->args, "url");
    struct buf url, path, body;
    if (c->args.n_arguments != 1)
        return call_usage(c, "expected <FILE>, or - for standard input");
    path_begin(&path, "/registries/");
    path_segment(&path, registry == NULL ? DEFAULT_REGISTRY : registry);
    path_append(&path, "/events");
    buf_init(&url, 1 << 16);
    buf_init(&body, MAX_BODY);
    int r = buf_append(&path, SLICE_LIT("\0"));
    if (r == 0)
        r = fetch_url(base == NULL ? FETCH_WEBHOOKS : base, (const char *) path.data, &url);
    int code = r == 0 ? call_read_file(c->args.arguments[0], &body)
                      : call_usage(c, "--url: expected host:port or a URL, got \"%s\"", base);
    if (code == EXIT_FINE)
        code = send_body(c, &body, &url);
    buf_fini(&body);
    buf_fini(&url);
    buf_fini(&path);
    return code;
}

static const struct flag FLAGS[] = {
    {"registry-id", '\0', NULL, FLAG_TEXT, "ID", NULL,
     "Registry whose events they are (" DEFAULT_REGISTRY ")."},
    {"url", '\0', NULL, FLAG_TEXT, "ADDRESS", NULL,
     "Webhooks listener of regcastd, host:port or URL (" FETCH_WEBHOOKS ")."},
    {"token", '\0', NULL, FLAG_TEXT, "TOKEN", NULL,
     "The registry's token; that of a profile or the environment is not sent."},
    FLAGS_END,
};

const struct command CMD_EVENTS_POST = {
    "events post",
    NULL,
    "<FILE>|-",
    1,
    "Post a webhook's body as a registry does, and print what was taken of it.",
    FLAGS,
    run_post};
