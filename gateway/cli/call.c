/* call.c - one run of a command. */
#include "call.h"

#include "files.h"
#include "print.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

/* The defaults of regcastd's configuration, so that both work together without any. */
#define DEFAULT_ENDPOINT  "127.0.0.1:8082"
#define DEFAULT_FOLDER_ID "b1gfolder00000000001"
#define DEFAULT_ATTEMPTS  5
#define MAX_OUTPUT        (256u << 20)
#define MAX_PATH_BYTES    16384

static void print_error(const char *fmt, va_list list)
{
    (void) fputs("ERROR: ", stderr);
    (void) vfprintf(stderr, fmt, list);
    (void) fputc('\n', stderr);
}

int call_usage(const struct call *c, const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    print_error(fmt, list);
    va_end(list);
    (void) fprintf(stderr, "Try: regcast %s --help\n", c->args.command->words);
    return EXIT_WRONG_USAGE;
}

int call_failed(const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    print_error(fmt, list);
    va_end(list);
    return EXIT_FAILED;
}

/* --- settings --- */

static const char *setting(const struct call *c, const char *flag, const char *ours,
                           const char *theirs, enum profile_key key, const struct profile *profile)
{
    const char *sources[] = {
        args_text(&c->args, flag),
        ours == NULL ? NULL : getenv(ours),
        theirs == NULL ? NULL : getenv(theirs),
        profile == NULL ? NULL : profile->values[key],
    };
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (sources[i] != NULL && sources[i][0] != '\0')
            return sources[i];
    return NULL;
}

static int load_profiles(struct call *c)
{
    struct buf error;
    buf_init(&error, 1 << 16);
    int r = profile_file(c->profiles_file, sizeof(c->profiles_file));
    if (r < 0) { /* no home: no profiles */
        c->profiles_file[0] = '\0';
        r = 0;
    } else {
        r = profiles_load(c->profiles_file, &c->profiles, &error);
    }
    int code = r == 0 ? EXIT_FINE
                      : call_failed("profiles: %.*s", (int) (error.len > 0 ? error.len - 1 : 0),
                                    (const char *) error.data);
    buf_fini(&error);
    return code;
}

int call_init(struct call *c)
{
    static const char *const FORMATS[] = {"text", "yaml", "json", "json-rest"};
    int code = load_profiles(c);
    if (code != EXIT_FINE)
        return code;
    const char *wanted = setting(c, "profile", "REGCAST_PROFILE", NULL, PROFILE_N, NULL);
    const struct profile *profile =
        profiles_find(&c->profiles, wanted != NULL ? wanted : c->profiles.current);
    if (wanted != NULL && profile == NULL)
        return call_failed("there is no profile \"%s\"", wanted);
    c->endpoint =
        setting(c, "endpoint", "REGCAST_ENDPOINT", "YC_ENDPOINT", PROFILE_ENDPOINT, profile);
    c->token = setting(c, "token", "REGCAST_TOKEN", "YC_TOKEN", PROFILE_TOKEN, profile);
    if (c->token == NULL)
        c->token = getenv("YC_IAM_TOKEN");
    c->folder_id =
        setting(c, "folder-id", "REGCAST_FOLDER_ID", "YC_FOLDER_ID", PROFILE_FOLDER_ID, profile);
    c->trust.ca_file = setting(c, "ca-file", "REGCAST_CA_FILE", NULL, PROFILE_CA_FILE, profile);
    c->trust.certificate_file =
        setting(c, "cert-file", "REGCAST_CERT_FILE", NULL, PROFILE_CERT_FILE, profile);
    c->trust.key_file = setting(c, "key-file", "REGCAST_KEY_FILE", NULL, PROFILE_KEY_FILE, profile);
    const char *format = setting(c, "format", NULL, NULL, PROFILE_FORMAT, profile);
    for (size_t i = 0; format != NULL && i < ARRAY_LEN(FORMATS); i++)
        if (strcmp(FORMATS[i], format) == 0)
            c->format = (enum call_format) i;
    if (c->endpoint == NULL)
        c->endpoint = DEFAULT_ENDPOINT;
    if (c->folder_id == NULL)
        c->folder_id = DEFAULT_FOLDER_ID;
    c->progress = isatty(STDERR_FILENO) && !args_switch(&c->args, "no-user-output");
    return EXIT_FINE;
}

void call_fini(struct call *c)
{
    client_free(c->client);
    profiles_fini(&c->profiles);
}

/* --- calls --- */

static int connect_once(struct call *c)
{
    struct client_options options = {.endpoint = c->endpoint,
                                     .token = c->token,
                                     .trust = &c->trust,
                                     .attempts = DEFAULT_ATTEMPTS,
                                     .debug = args_switch(&c->args, "debug")};
    (void) args_count(&c->args, "retry", &options.attempts);
    if (c->token != NULL)
        for (const char *at = c->token; *at != '\0'; at++)
            if (*at <= ' ' || *at == 0x7f) {
                (void) call_failed("the token has characters that no token has");
                return -EINVAL;
            }
    int r = c->client != NULL ? 0 : client_new(&options, &c->client);
    if (r == -EINVAL)
        (void) call_failed("endpoint \"%s\": expected host:port or a URL", c->endpoint);
    else if (r < 0)
        (void) call_failed("%s", err_str(r));
    return r;
}

static int report(const struct call *c)
{
    (void) call_failed("rpc error: code = %s desc = %s", client_error_code(c->client),
                       client_error(c->client));
    struct buf ids;
    buf_init(&ids, 4096);
    if (args_switch(&c->args, "debug") && client_print_ids(c->client, &ids) == 0)
        (void) fprintf(stderr, "\n\n%.*s", (int) ids.len, (const char *) ids.data);
    buf_fini(&ids);
    return EXIT_FAILED;
}

int call_rest(struct call *c, const char *method, const struct buf *path, const cJSON *body,
              cJSON **ret)
{
    char text[MAX_PATH_BYTES + 1];
    int r = connect_once(c);
    if (r < 0)
        return r;
    (void) snprintf(text, sizeof(text), "%.*s", (int) path->len, (const char *) path->data);
    r = client_call(c->client, method, text, body, ret);
    if (r < 0)
        (void) report(c);
    return r;
}

int call_send(struct call *c, const struct buf *path, const struct client_content *content,
              cJSON **ret)
{
    char text[MAX_PATH_BYTES + 1];
    int r = connect_once(c);
    if (r < 0)
        return r;
    (void) snprintf(text, sizeof(text), "%.*s", (int) path->len, (const char *) path->data);
    r = client_send(c->client, text, content, ret);
    if (r < 0)
        (void) report(c);
    return r;
}

int call_change(struct call *c, const char *method, const struct buf *path, cJSON *body, bool print)
{
    cJSON *operation = NULL;
    int r = call_rest(c, method, path, body, &operation);
    cJSON_Delete(body);
    if (r < 0)
        return EXIT_FAILED;
    if (args_switch(&c->args, "async"))
        return call_print(c, operation, &SHAPE_OPERATION);
    if (client_wait(c->client, &operation) < 0) {
        cJSON_Delete(operation);
        return report(c);
    }
    cJSON *response = cJSON_DetachItemFromObjectCaseSensitive(operation, "response");
    cJSON_Delete(operation);
    cJSON_DeleteItemFromObjectCaseSensitive(response, "@type");
    if (print && cJSON_IsObject(response))
        return call_print(c, response, &SHAPE_TRIGGER);
    cJSON_Delete(response);
    return EXIT_FINE;
}

/* --- paths --- */

static void fits(int r)
{
    if (r == 0)
        return;
    (void) call_failed("an argument is too long");
    exit(EXIT_WRONG_USAGE);
}

void path_begin(struct buf *path, const char *text)
{
    buf_init(path, MAX_PATH_BYTES);
    fits(buf_append_str(path, text));
}

void path_segment(struct buf *path, const char *text)
{
    fits(client_segment(path, text));
}

void path_query(struct buf *path, bool first, const char *key, const char *value)
{
    fits(client_query(path, first, key, value));
}

void path_append(struct buf *path, const char *text)
{
    fits(buf_append_str(path, text));
}

/* --- input and output --- */

int call_read_file(const char *name, struct buf *out)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    if (f == NULL)
        return call_failed("%s: %s", name, err_str(-errno));
    int r = files_read(f, out);
    if (f != stdin)
        (void) fclose(f);
    return r == 0 ? EXIT_FINE : call_failed("%s: %s", name, err_str(r));
}

int call_write(struct buf *text, int error)
{
    int code = EXIT_FINE;
    if (error < 0)
        code = call_failed("%s", err_str(error));
    else if (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) != 0)
        code = call_failed("standard output: %s", err_str(-errno));
    buf_fini(text);
    return code;
}

int call_print_as_is(const struct call *c, const cJSON *tree)
{
    struct buf text;
    buf_init(&text, MAX_OUTPUT);
    bool json = c->format == FORMAT_JSON || c->format == FORMAT_JSON_REST;
    return call_write(&text, json ? print_json(tree, &text) : print_yaml(tree, &text));
}

int call_print(const struct call *c, cJSON *message, const struct shape *shape)
{
    cJSON *shaped = shape_apply(message, shape, c->format != FORMAT_JSON_REST);
    int code = call_print_as_is(c, shaped);
    cJSON_Delete(shaped);
    return code;
}

/* --- JSON --- */

const char *call_member(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

cJSON *call_object(void)
{
    cJSON *object = cJSON_CreateObject();
    ASSERT(object != NULL);
    return object;
}

void call_put(cJSON *object, const char *name, cJSON *value)
{
    ASSERT(value != NULL);
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    cJSON_bool ok = cJSON_AddItemToObject(object, name, value);
    ASSERT(ok);
}

void call_put_text(cJSON *object, const char *name, const char *value)
{
    call_put(object, name, cJSON_CreateString(value));
}
