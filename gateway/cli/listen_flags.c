/* listen_flags.c - what `regcast listen` and `regcast tail` have in common. */
#include "listen_flags.h"

#include "event_view.h"

#include <stdlib.h>
#include <unistd.h>

static bool colors(void)
{
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0') &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

int listen_flags(const struct call *c, const char *url, bool pretty, struct listen_options *ret)
{
    const char *why = "", *format = args_text(&c->args, "format");
    *ret =
        (struct listen_options){.url = url, .trust = &c->trust, .headers = "", .color = colors()};
    if (ws_url_parse(url, &ret->where, &why) < 0)
        return call_usage(c, "\"%s\": %s", url, why);
    if (ws_url_has(&ret->where, "since") || ws_url_has(&ret->where, "strict"))
        return call_usage(c, "since and strict are flags, no part of the URL");
    ret->since = args_text(&c->args, "since");
    if (ret->since != NULL && strcmp(ret->since, LISTEN_EARLIEST) != 0 &&
        !event_view_is_id(slice_str(ret->since)))
        return call_usage(c, "--since: expected an event id or earliest, got \"%s\"", ret->since);
    if (args_count(&c->args, "count", &ret->count) && ret->count < 1)
        return call_usage(c, "--count: expected at least 1");
    ret->strict = args_switch(&c->args, "strict");
    ret->replays = args_switch(&c->args, "replays");
    ret->json = format != NULL ? strcmp(format, "json") == 0 : !pretty;
    ret->talk = c->progress;
    return EXIT_FINE;
}
