/* cmd_replay.c - regcast replay: messages of a path's history sent once more. */
#include "commands.h"

#include "call.h"

#include <stdio.h>

static void put_flag(const struct call *c, cJSON *body, const char *flag, const char *name)
{
    const char *value = args_text(&c->args, flag);
    if (value != NULL)
        call_put_text(body, name, value);
}

static int print_answer(const cJSON *answer)
{
    struct buf text;
    buf_init(&text, 4096);
    return call_write(
        &text, buf_printf(&text, "%s: %s messages with %s events to %s connections\n",
                          call_member(answer, "replayId"), call_member(answer, "messages"),
                          call_member(answer, "events"), call_member(answer, "connections")));
}

static int run_replay(struct call *c)
{
    static const struct {
        const char *flag, *name;
    } FLAGS[] = {{"path", "path"},
                 {"event", "eventId"},
                 {"since", "since"},
                 {"until", "until"},
                 {"connection", "connectionId"}};
    struct buf path;
    cJSON *answer = NULL;
    if (args_text(&c->args, "path") == NULL)
        return call_usage(c, "expected --path");
    if ((args_text(&c->args, "event") == NULL) == (args_text(&c->args, "since") == NULL))
        return call_usage(c, "expected --event or --since, and not both");
    cJSON *body = call_object();
    for (size_t i = 0; i < ARRAY_LEN(FLAGS); i++)
        put_flag(c, body, FLAGS[i].flag, FLAGS[i].name);
    path_begin(&path, "/gateway/v1/replay");
    int r = call_rest(c, "POST", &path, body, &answer);
    buf_fini(&path);
    cJSON_Delete(body);
    if (r < 0)
        return EXIT_FAILED;
    if (c->format != FORMAT_TEXT)
        return call_print(c, answer, &SHAPE_SECRET);
    int code = print_answer(answer);
    cJSON_Delete(answer);
    return code;
}

static const struct flag FLAGS[] = {
    {"path", '\0', NULL, FLAG_TEXT, "PATH", NULL, "The path, as it is configured."},
    {"event", '\0', NULL, FLAG_TEXT, "ID", NULL, "Send this event."},
    {"since", '\0', NULL, FLAG_TEXT, "ID|TIME", NULL,
     "Send what came after this event, or has events received since this time "
     "(2027-01-31T12:00:00Z)."},
    {"until", '\0', NULL, FLAG_TEXT, "ID|TIME", NULL,
     "With --since: up to this event, or with events received until this time."},
    {"connection", '\0', NULL, FLAG_TEXT, "ID", NULL,
     "To this connection alone; without it to all that are on the path."},
    FLAGS_END,
};

const struct command CMD_REPLAY = {
    "replay", NULL,      "", 0, "Send messages of a path's history once more, marked as a replay.",
    FLAGS,    run_replay};
