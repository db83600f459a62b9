/* cmd_socket.c - regcast serverless api-gateway websocket get, send, disconnect. */
#include "commands.h"

#include "call.h"
#include "mem.h"

#include <mbedtls/base64.h>
#include <stdlib.h>

#define MAX_MESSAGE 131072 /* the API's limit of what is sent */

static int connection_path(const struct call *c, const char *behind, struct buf *ret)
{
    const char *id = args_text(&c->args, "id");
    const char *argument = c->args.n_arguments > 0 ? c->args.arguments[0] : NULL;
    if ((id != NULL) == (argument != NULL))
        return call_usage(c, "expected either <CONNECTION-ID> or --id");
    path_begin(ret, "/apigateways/websocket/v1/connections/");
    path_segment(ret, id != NULL ? id : argument);
    path_append(ret, behind);
    return EXIT_FINE;
}

static int run_get(struct call *c)
{
    struct buf path;
    cJSON *connection = NULL;
    int code = connection_path(c, "", &path);
    if (code != EXIT_FINE)
        return code;
    int r = call_rest(c, "GET", &path, NULL, &connection);
    buf_fini(&path);
    return r < 0 ? EXIT_FAILED : call_print(c, connection, &SHAPE_CONNECTION);
}

static int run_disconnect(struct call *c)
{
    struct buf path;
    cJSON *nothing = NULL;
    int code = connection_path(c, "", &path);
    if (code != EXIT_FINE)
        return code;
    int r = call_rest(c, "DELETE", &path, NULL, &nothing);
    buf_fini(&path);
    cJSON_Delete(nothing);
    return r < 0 ? EXIT_FAILED : EXIT_FINE;
}

/* --- send --- */

static int send_message(struct call *c, const struct buf *path, struct slice message)
{
    if (message.len > MAX_MESSAGE)
        return call_failed("a message of %zu bytes: at most %d can be sent", message.len,
                           MAX_MESSAGE);
    if (message.len == 0)
        return call_failed("an empty message cannot be sent");
    size_t size = message.len / 3 * 4 + 8, n = 0;
    char *text = xcalloc(1, size);
    int r = mbedtls_base64_encode((uint8_t *) text, size, &n, message.data, message.len);
    ASSERT(r == 0);
    const char *type = args_text(&c->args, "type");
    cJSON *body = call_object(), *nothing = NULL;
    call_put_text(body, "data", text);
    call_put_text(body, "type", type == NULL ? "TEXT" : type);
    free(text);
    r = call_rest(c, "POST", path, body, &nothing);
    cJSON_Delete(body);
    cJSON_Delete(nothing);
    return r < 0 ? EXIT_FAILED : EXIT_FINE;
}

static int send_file(struct call *c, const struct buf *path, const char *name)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    if (f == NULL)
        return call_failed("%s: %s", name, err_str(-errno));
    char *data = xmalloc(MAX_MESSAGE + 1); /* one more tells that it is too long */
    size_t n = fread(data, 1, MAX_MESSAGE + 1, f);
    int code = ferror(f) ? call_failed("%s: cannot be read", name)
                         : send_message(c, path, slice_of(data, n));
    if (f != stdin)
        (void) fclose(f);
    free(data);
    return code;
}

static int send_lines(struct call *c, const struct buf *path)
{
    char *line = NULL;
    size_t size = 0, sent = 0;
    int code = EXIT_FINE;
    for (ssize_t n; code == EXIT_FINE && (n = getline(&line, &size, stdin)) >= 0;) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        if (n == 0)
            continue;
        code = send_message(c, path, slice_of(line, (size_t) n));
        sent += code == EXIT_FINE;
    }
    free(line);
    if (c->progress)
        (void) fprintf(stderr, "%zu messages sent\n", sent);
    return code;
}

static int run_send(struct call *c)
{
    const char *data = args_text(&c->args, "data"), *file = args_text(&c->args, "file");
    bool lines = args_switch(&c->args, "stdin");
    if ((data != NULL) + (file != NULL) + lines != 1)
        return call_usage(c, "expected one of --data, --file and --stdin");
    struct buf path;
    int code = connection_path(c, ":send", &path);
    if (code != EXIT_FINE)
        return code;
    code = data != NULL   ? send_message(c, &path, slice_str(data))
           : file != NULL ? send_file(c, &path, file)
                          : send_lines(c, &path);
    buf_fini(&path);
    return code;
}

#define ID_FLAG                                                                                    \
    {                                                                                              \
        "id", '\0', NULL, FLAG_TEXT, "ID", NULL, "Connection by its id."                           \
    }
static const struct flag ID[] = {ID_FLAG, FLAGS_END};
static const struct flag SEND[] = {
    ID_FLAG,
    {"type", 't', NULL, FLAG_TEXT, "TYPE", "TEXT BINARY",
     "Kind of message, TEXT or BINARY (TEXT)."},
    {"data", 'd', NULL, FLAG_TEXT, "TEXT", NULL, "The message."},
    {"file", 'f', NULL, FLAG_TEXT, "FILE", NULL,
     "A file that is the message; - is standard input."},
    {"stdin", 'l', NULL, FLAG_SWITCH, NULL, NULL, "Each line of standard input is a message."},
    FLAGS_END,
};

const struct command CMD_SOCKET_GET = {"serverless api-gateway websocket get",
                                       NULL,
                                       "<CONNECTION-ID>",
                                       1,
                                       "Show a WebSocket connection.",
                                       ID,
                                       run_get};
const struct command CMD_SOCKET_SEND = {
    "serverless api-gateway websocket send",      "push forward", "<CONNECTION-ID>", 1,
    "Send messages to one WebSocket connection.", SEND,           run_send};
const struct command CMD_SOCKET_DISCONNECT = {"serverless api-gateway websocket disconnect",
                                              NULL,
                                              "<CONNECTION-ID>",
                                              1,
                                              "Close a WebSocket connection.",
                                              ID,
                                              run_disconnect};
