/* cmd_tail.c - regcast tail: follow a path of the gateway that the endpoint manages. */
#include "commands.h"

#include "listen_flags.h"

#include <stdio.h>

#define URL_SIZE (WS_URL_PATH_SIZE + 512)

static bool has_path(const cJSON *paths, const char *name)
{
    const cJSON *path;
    cJSON_ArrayForEach(path, paths)
    {
        if (strcmp(call_member(path, "path"), name) == 0)
            return true;
    }
    return false;
}

/* The path that was named, the only one, or "/". NULL: there are several, and that has been said.
 */
static const char *choose_path(const struct call *c, const cJSON *paths)
{
    if (c->args.n_arguments > 0)
        return c->args.arguments[0];
    if (cJSON_GetArraySize(paths) == 1)
        return call_member(paths->child, "path");
    if (has_path(paths, "/"))
        return "/";
    struct buf list;
    buf_init(&list, 1 << 16);
    int r = 0;
    const cJSON *path;
    cJSON_ArrayForEach(path, paths)
    {
        if (r == 0)
            r = buf_printf(&list, " %s", call_member(path, "path"));
    }
    (void) call_usage(c, "expected one of the paths:%.*s", (int) list.len,
                      (const char *) list.data);
    buf_fini(&list);
    return NULL;
}

/* `base` is host:port, or that with the scheme before it. */
static int make_url(const struct call *c, const char *scheme, const char *base, const char *path,
                    char ret[URL_SIZE])
{
    bool url = strstr(base, "://") != NULL;
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    int n = snprintf(ret, URL_SIZE, "%s%.*s%s%s", url ? "" : scheme, (int) len, base,
                     path[0] == '/' ? "" : "/", path);
    return n >= 0 && n < URL_SIZE ? EXIT_FINE : call_usage(c, "the URL is too long");
}

static int find_url(struct call *c, char ret[URL_SIZE])
{
    const char *base = args_text(&c->args, "url");
    if (base != NULL)
        return make_url(c, "ws://", base, c->args.n_arguments > 0 ? c->args.arguments[0] : "/",
                        ret);
    struct buf path;
    cJSON *answer = NULL;
    path_begin(&path, "/gateway/v1/paths");
    int r = call_rest(c, "GET", &path, NULL, &answer);
    buf_fini(&path);
    if (r < 0)
        return EXIT_FAILED;
    const cJSON *addresses = cJSON_GetObjectItemCaseSensitive(answer, "gatewayAddresses");
    const cJSON *paths = cJSON_GetObjectItemCaseSensitive(answer, "paths");
    const cJSON *first = cJSON_GetArrayItem(addresses, 0);
    const char *name = cJSON_IsString(first) ? choose_path(c, paths) : NULL;
    bool tls = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "gatewayTls"));
    int code = EXIT_WRONG_USAGE;
    if (!cJSON_IsString(first))
        code = call_failed("%s does not say where its gateway is: use --url", c->endpoint);
    else if (name != NULL)
        code = make_url(c, tls ? "wss://" : "ws://", first->valuestring, name, ret);
    cJSON_Delete(answer);
    return code;
}

static int run_tail(struct call *c)
{
    char url[URL_SIZE];
    struct listen_options options;
    int code = find_url(c, url);
    if (code == EXIT_FINE)
        code = listen_flags(c, url, true, &options);
    return code == EXIT_FINE ? listen_run(&options) : code;
}

static const struct flag FLAGS[] = {
    {"url", '\0', NULL, FLAG_TEXT, "URL", NULL,
     "Where the gateway is, ws://host:port or wss://host:port; without it the endpoint is asked."},
    LISTEN_FLAGS,
    FLAGS_END,
};

const struct command CMD_TAIL = {
    "tail",
    NULL,
    "[PATH]",
    1,
    "Print the events of a path as they come; without PATH those of the only one, or of /.",
    FLAGS,
    run_tail};
