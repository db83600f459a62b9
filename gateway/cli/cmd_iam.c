/* cmd_iam.c - regcast iam create-token, create-api-key: make a secret and the lines of the
 * configuration that let it in, calling nobody; or ask for a token with a service account's key. */
#include "commands.h"

#include "account_key.h"
#include "call.h"
#include "clock.h"
#include "config_value.h"
#include "files.h"
#include "secret.h"

#include <stdlib.h>

#define TIME_SIZE    32
#define MAX_KEY_FILE (1u << 20)

/* Whole seconds, as the configuration has them. */
static bool expiry(const struct call *c, char ret[TIME_SIZE])
{
    uint64_t ms = 0;
    char text[CLOCK_RFC3339_SIZE];
    if (!args_duration_ms(&c->args, "expires-in", &ms))
        return false;
    clock_rfc3339(clock_wall_ms() + ms, text);
    (void) snprintf(ret, TIME_SIZE, "%.19sZ", text);
    return true;
}

static int print_lines(const char *list, const char *subject, const char *secret, const char *hash,
                       const char *expires)
{
    struct buf text;
    buf_init(&text, 4096);
    int r = buf_printf(&text,
                       "%s\n\n"
                       "# Keep it: it is shown this once. For regcastd's configuration, its hash:\n"
                       "%s:\n  - { subject: %s, sha256: %s%s%s }\n",
                       secret, list, subject, hash,
                       expires[0] == '\0' ? "" : ", expires_at: ", expires);
    return call_write(&text, r);
}

static int print_object(const struct call *c, const char *subject, const char *secret,
                        const char *hash, const char *expires)
{
    cJSON *object = call_object();
    call_put_text(object, "secret", secret);
    call_put_text(object, "subject", subject);
    call_put_text(object, "sha256", hash);
    call_put_text(object, "expiresAt", expires); /* left out when empty */
    return call_print(c, object, &SHAPE_SECRET);
}

static int create(struct call *c, enum secret_kind kind, const char *list)
{
    char secret[SECRET_SIZE], hash[SECRET_HASH_SIZE], expires[TIME_SIZE] = "";
    const char *subject = args_text(&c->args, "subject");
    if (subject == NULL)
        return call_usage(c, "--subject is missing");
    if (subject[0] == '\0' || strlen(subject) > 50 || !value_is_id(subject))
        return call_usage(c, "--subject: expected the id of a user or service account, got \"%s\"",
                          subject);
    (void) expiry(c, expires);
    int r = secret_make(kind, secret, hash);
    if (r < 0)
        return call_failed("random numbers: %s", err_str(r));
    return c->format == FORMAT_TEXT ? print_lines(list, subject, secret, hash, expires)
                                    : print_object(c, subject, secret, hash, expires);
}

/* --- with a key --- */

/* 0: *ret_jwt is for free(). An exit code: what is wrong was printed. */
static int sign_jwt(const char *file, char **ret_jwt)
{
    struct buf text;
    const char *why = NULL;
    FILE *f = fopen(file, "re");
    if (f == NULL)
        return call_failed("%s: %s", file, err_str(-errno));
    buf_init(&text, MAX_KEY_FILE);
    int r = files_read(f, &text);
    (void) fclose(f);
    if (r == 0)
        r = account_key_jwt(buf_slice(&text), clock_wall_ms() / 1000, ret_jwt, &why);
    buf_fini(&text);
    return r == 0 ? EXIT_FINE : call_failed("%s: %s", file, why == NULL ? err_str(r) : why);
}

static int print_token(const struct call *c, cJSON *answer)
{
    struct buf text;
    if (c->format != FORMAT_TEXT)
        return call_print(c, answer, &SHAPE_IAM_TOKEN);
    buf_init(&text, 1 << 20);
    int r = buf_printf(&text, "%s\n", call_member(answer, "iamToken"));
    cJSON_Delete(answer);
    return call_write(&text, r);
}

static int ask(struct call *c, const char *file)
{
    char *jwt = NULL;
    struct buf path;
    cJSON *answer = NULL, *body;
    if (args_text(&c->args, "subject") != NULL || args_text(&c->args, "expires-in") != NULL)
        return call_usage(c, "--service-account-key: the server says for whom and how long");
    int code = sign_jwt(file, &jwt);
    if (code != EXIT_FINE)
        return code;
    body = call_object();
    call_put_text(body, "jwt", jwt);
    free(jwt);
    path_begin(&path, "/iam/v1/tokens");
    int r = call_rest(c, "POST", &path, body, &answer);
    cJSON_Delete(body);
    buf_fini(&path);
    return r < 0 ? EXIT_FAILED : print_token(c, answer);
}

static int run_token(struct call *c)
{
    const char *file = args_text(&c->args, "service-account-key");
    if (file != NULL)
        return ask(c, file);
    return create(c, SECRET_TOKEN, "tokens");
}

static int run_api_key(struct call *c)
{
    return create(c, SECRET_API_KEY, "api_keys");
}

#define COMMON_FLAGS                                                                               \
    {"subject",                                                                                    \
     '\0',                                                                                         \
     "service-account-id",                                                                         \
     FLAG_TEXT,                                                                                    \
     "ID",                                                                                         \
     NULL,                                                                                         \
     "Id of the user or service account it is for."},                                              \
    {                                                                                              \
        "expires-in", '\0', NULL, FLAG_DURATION, "DURATION", NULL,                                 \
            "How long it is good for, such as 12h or 90d; left out, for ever."                     \
    }
static const struct flag TOKEN_FLAGS[] = {
    COMMON_FLAGS,
    {"service-account-key", '\0', NULL, FLAG_TEXT, "FILE", NULL,
     "Ask the server for a token with an authorized key, as `yc iam key create` writes it."},
    FLAGS_END,
};
static const struct flag FLAGS[] = {COMMON_FLAGS, FLAGS_END};
const struct command CMD_IAM_TOKEN = {
    "iam create-token", NULL,     "", 0, "Make a token for a user or service account.",
    TOKEN_FLAGS,        run_token};
const struct command CMD_IAM_API_KEY = {
    "iam create-api-key", NULL, "", 0, "Make an API key for a service account.", FLAGS,
    run_api_key};
