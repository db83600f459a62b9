/* cmd_listen.c - regcast listen: follow a path, by its URL. */
#include "commands.h"

#include "listen_flags.h"

#include <ctype.h>
#include <unistd.h>

#define DEFAULT_RETRIES 3
#define MAX_HEADERS     32768

/* Those that make the handshake are ours. */
static bool is_ours(struct slice name)
{
    static const char *const NAMES[] = {"host",          "upgrade",        "connection",
                                        "last-event-id", "content-length", "transfer-encoding"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (slice_eq_nocase(name, slice_str(NAMES[i])))
            return true;
    return name.len >= 14 && strncasecmp((const char *) name.data, "sec-websocket-", 14) == 0;
}

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum(name.data[i]) && strchr("!#$%&'*+-.^_`|~", name.data[i]) == NULL)
            return false;
    return name.len > 0;
}

static int add_header(const struct call *c, const char *text, struct buf *out)
{
    size_t len = strcspn(text, ":");
    if (text[len] != ':' || !is_name(slice_of(text, len)))
        return call_usage(c, "--header: expected 'Name: value', got \"%s\"", text);
    if (is_ours(slice_of(text, len)))
        return call_usage(c, "--header: %.*s is made by regcast", (int) len, text);
    for (const char *at = text + len; *at != '\0'; at++)
        if (((unsigned char) *at < ' ' && *at != '\t') || *at == 0x7f)
            return call_usage(c, "--header: a value is one line of text");
    return buf_printf(out, "%s\r\n", text) == 0
               ? EXIT_FINE
               : call_usage(c, "--header: more than %d bytes", MAX_HEADERS);
}

static int read_headers(const struct call *c, struct buf *out)
{
    int code = EXIT_FINE;
    for (size_t i = 0; code == EXIT_FINE && i < c->args.n_values; i++)
        if (strcmp(c->args.values[i].flag->name, "header") == 0)
            code = add_header(c, c->args.values[i].value, out);
    return code == EXIT_FINE && buf_append(out, SLICE_LIT("\0")) < 0
               ? call_usage(c, "--header: more than %d bytes", MAX_HEADERS)
               : code;
}

static int read_own(const struct call *c, struct listen_options *ret)
{
    const char *per = args_text(&c->args, "per");
    ret->batches = per != NULL && strcmp(per, "batch") == 0;
    ret->exec = args_text(&c->args, "exec");
    ret->exec_retries = DEFAULT_RETRIES;
    if (args_count(&c->args, "exec-retries", &ret->exec_retries) && ret->exec_retries < 0)
        return call_usage(c, "--exec-retries: expected at least 0");
    ret->resume_file = args_text(&c->args, "resume-file");
    if (ret->resume_file != NULL && ret->resume_file[0] == '\0')
        return call_usage(c, "--resume-file: expected a file");
    return EXIT_FINE;
}

static int run_listen(struct call *c)
{
    struct listen_options options;
    struct buf headers;
    if (c->args.n_arguments != 1)
        return call_usage(c, "expected <URL>, such as ws://127.0.0.1:8080/ or wss://example.com/");
    int code = listen_flags(c, c->args.arguments[0], isatty(STDOUT_FILENO), &options);
    if (code == EXIT_FINE)
        code = read_own(c, &options);
    if (code != EXIT_FINE)
        return code;
    buf_init(&headers, MAX_HEADERS);
    code = read_headers(c, &headers);
    options.headers = (const char *) headers.data;
    if (code == EXIT_FINE)
        code = listen_run(&options);
    buf_fini(&headers);
    return code;
}

static const struct flag FLAGS[] = {
    LISTEN_FLAGS,
    {"exec", '\0', NULL, FLAG_TEXT, "COMMAND", NULL,
     "Run `sh -c COMMAND` for each event instead of printing it, one at a time and in order: the "
     "event "
     "as JSON on standard input, and REGCAST_EVENT_ID, REGCAST_EVENT_TYPE, REGCAST_REPOSITORY, "
     "REGCAST_TAG, REGCAST_IMAGE_ID and REGCAST_DIGEST in the environment; REGCAST_REPLAY is "
     "empty, "
     "or with --replays the id of the replay that the event came with."},
    {"exec-retries", '\0', NULL, FLAG_COUNT, "N", NULL,
     "So often a COMMAND that failed is run again (3), after a growing pause; then regcast ends "
     "with "
     "its exit code."},
    {"per", '\0', NULL, FLAG_TEXT, "UNIT", "event batch",
     "Handle each event, or each batch whole: {\"messages\":[...]}, of the environment only "
     "REGCAST_EVENT_ID, that of its last event, and REGCAST_REPLAY (event)."},
    {"resume-file", '\0', NULL, FLAG_TEXT, "FILE", NULL,
     "Keeps how far it has come, and goes on from there when it is started again; it then says "
     "more "
     "than --since. It is written after an event was handled: with --since earliest for the first "
     "run no event is missed, and one is handled twice only when regcast dies between the end of "
     "COMMAND "
     "and that. What COMMAND does should bear that."},
    {"header", '\0', NULL, FLAG_TEXT, "'NAME: VALUE'", NULL,
     "A header of the handshake; may stand several times."},
    FLAGS_END,
};

const struct command CMD_LISTEN = {
    "listen",
    NULL,
    "<URL>",
    1,
    "Follow a path: print its events, or run a command for each; reconnects and resumes.",
    FLAGS,
    run_listen};
