/* cmd_config.c - regcast config: profiles and what is in them. */
#include "commands.h"

#include "call.h"
#include "mem.h"

#include <stdlib.h>

static int save(const struct call *c)
{
    if (c->profiles_file[0] == '\0')
        return call_failed("profiles: neither HOME nor XDG_CONFIG_HOME is set");
    int r = profiles_save(c->profiles_file, &c->profiles);
    return r == 0 ? EXIT_FINE : call_failed("%s: %s", c->profiles_file, err_str(r));
}

static int make_current(struct call *c, const char *name)
{
    char *copy = xstrdup(name);
    free(c->profiles.current);
    c->profiles.current = copy;
    return save(c);
}

/* The profile of --profile, or the active one; made when there is none at all. */
static struct profile *active(struct call *c, bool make)
{
    const char *wanted = args_text(&c->args, "profile");
    const char *name = wanted != NULL ? wanted : c->profiles.current;
    struct profile *profile = profiles_find(&c->profiles, name);
    if (profile == NULL && make && wanted == NULL) {
        profile = profiles_add(&c->profiles, "default");
        if (profile == NULL)
            profile = profiles_find(&c->profiles, "default");
        if (profile != NULL && c->profiles.current == NULL)
            c->profiles.current = xstrdup("default");
    }
    return profile;
}

static int read_key(const struct call *c, enum profile_key *ret)
{
    *ret = profile_key(c->args.arguments[0]);
    return *ret != PROFILE_N
               ? EXIT_FINE
               : call_usage(c, "expected " PROFILE_KEYS_TEXT ", got \"%s\"", c->args.arguments[0]);
}

static int need(const struct call *c, size_t n)
{
    return c->args.n_arguments == n ? EXIT_FINE
                                    : call_usage(c, "expected %s", c->args.command->arguments);
}

static int run_set(struct call *c)
{
    enum profile_key key;
    int code = need(c, 2);
    if (code == EXIT_FINE)
        code = read_key(c, &key);
    if (code != EXIT_FINE)
        return code;
    struct profile *profile = active(c, true);
    if (profile == NULL)
        return call_failed("there is no profile to change");
    profile_set(profile, key, c->args.arguments[1]);
    return save(c);
}

static int run_unset(struct call *c)
{
    enum profile_key key;
    int code = need(c, 1);
    if (code == EXIT_FINE)
        code = read_key(c, &key);
    struct profile *profile = active(c, false);
    if (code != EXIT_FINE || profile == NULL)
        return code;
    profile_set(profile, key, NULL);
    return save(c);
}

static int run_get(struct call *c)
{
    enum profile_key key;
    int code = need(c, 1);
    if (code == EXIT_FINE)
        code = read_key(c, &key);
    if (code != EXIT_FINE)
        return code;
    const struct profile *profile = active(c, false);
    if (profile == NULL || profile->values[key] == NULL)
        return call_failed("%s is not set", PROFILE_KEYS[key]);
    struct buf text;
    buf_init(&text, 1 << 16);
    return call_write(&text, buf_printf(&text, "%s\n", profile->values[key]));
}

static int print_profile(const struct call *c, const struct profile *profile)
{

    cJSON *object = call_object();
    for (size_t i = 0; profile != NULL && i < PROFILE_N; i++)
        if (profile->values[i] != NULL)
            call_put_text(object, PROFILE_KEYS[i], profile->values[i]);
    if (object->child == NULL && c->format == FORMAT_TEXT) {
        cJSON_Delete(object);
        return EXIT_FINE;
    }
    return call_print(c, object, &SHAPE_SECRET);
}

static int run_list(struct call *c)
{
    return print_profile(c, active(c, false));
}

/* --- config profile --- */

static int run_create(struct call *c)
{
    int code = need(c, 1);
    if (code != EXIT_FINE)
        return code;
    const char *name = c->args.arguments[0];
    if (name[0] == '\0' || name[strcspn(name, " \t\r\n")] != '\0')
        return call_usage(c, "a profile's name is one word");
    if (profiles_add(&c->profiles, name) == NULL)
        return call_failed("profile \"%s\" exists already, or there are %d", name, PROFILE_MAX);
    return make_current(c, name);
}

static int find_named(struct call *c, struct profile **ret)
{
    int code = need(c, 1);
    if (code != EXIT_FINE)
        return code;
    *ret = profiles_find(&c->profiles, c->args.arguments[0]);
    return *ret != NULL ? EXIT_FINE
                        : call_failed("there is no profile \"%s\"", c->args.arguments[0]);
}

static int run_activate(struct call *c)
{
    struct profile *profile = NULL;
    int code = find_named(c, &profile);
    return code == EXIT_FINE ? make_current(c, profile->name) : code;
}

static int run_delete(struct call *c)
{
    struct profile *profile = NULL;
    int code = find_named(c, &profile);
    if (code != EXIT_FINE)
        return code;
    profiles_remove(&c->profiles, profile);
    return save(c);
}

static int run_profile_get(struct call *c)
{
    struct profile *profile = NULL;
    int code = find_named(c, &profile);
    return code == EXIT_FINE ? print_profile(c, profile) : code;
}

static int run_profile_list(struct call *c)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->profiles.n; i++) {
        const char *name = c->profiles.at[i].name;
        bool current = c->profiles.current != NULL && strcmp(name, c->profiles.current) == 0;
        r = buf_printf(&text, "%s%s\n", name, current ? " ACTIVE" : "");
    }
    return call_write(&text, r);
}

static const struct flag NONE[] = {FLAGS_END};
#define KEYS "endpoint|token|ca-file|cert-file|key-file|folder-id|format"

const struct command CMD_CONFIG_SET = {
    "config set", NULL, KEYS " VALUE", 2, "Set a value of the active profile.", NONE, run_set};
const struct command CMD_CONFIG_GET = {
    "config get", NULL, KEYS, 1, "Print a value of the active profile.", NONE, run_get};
const struct command CMD_CONFIG_UNSET = {
    "config unset", NULL, KEYS, 1, "Remove a value of the active profile.", NONE, run_unset};
const struct command CMD_CONFIG_LIST = {"config list", NULL,    "", 0, "Print the active profile.",
                                        NONE,          run_list};
const struct command CMD_PROFILE_CREATE = {"config profile create",           NULL, "NAME",    1,
                                           "Make a profile and activate it.", NONE, run_create};
const struct command CMD_PROFILE_ACTIVATE = {"config profile activate",        NULL, "NAME",      1,
                                             "Make a profile the active one.", NONE, run_activate};
const struct command CMD_PROFILE_LIST = {
    "config profile list", NULL, "", 0, "List the profiles.", NONE, run_profile_list};
const struct command CMD_PROFILE_GET = {"config profile get", NULL, "NAME",         1,
                                        "Print a profile.",   NONE, run_profile_get};
const struct command CMD_PROFILE_SET = {"config profile set",      NULL, KEYS " VALUE", 2,
                                        "The same as config set.", NONE, run_set};
const struct command CMD_PROFILE_DELETE = {"config profile delete", NULL, "NAME",    1,
                                           "Delete a profile.",     NONE, run_delete};
