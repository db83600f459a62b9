/* config_reference.c - conf/reference.md, printed from the table. */
#include "config_table.h"

#include "role.h"

#include <stdio.h>

/* What heads the table of the settings whose key begins so. */
static const struct {
    const char *prefix, *title, *intro;
} SECTIONS[] = {
    {"gateway.paths[].", "`gateway.paths[]`",
     "One path; the same keys without `path` may stand in "
     "`gateway.defaults`."},
    {"gateway.auth.tokens[].", "`gateway.auth.tokens[]`",
     "One token of clients, of which only the hash is known here."},
    {"gateway.auth.issuers[].", "`gateway.auth.issuers[]`",
     "Who makes JWTs for clients, and what they open."},
    {"gateway.variables[].", "`gateway.variables[]`", "One variable of the specification."},
    {"gateway.backends.containers[].", "`gateway.backends.containers[]`", "One container."},
    {"gateway.backends.functions[].", "`gateway.backends.functions[]`", "One function."},
    {"gateway.tls.certificates[].", "`gateway.tls.certificates[]`", "One certificate."},
    {"webhooks.tls.certificates[].", "`webhooks.tls.certificates[]`", "One certificate."},
    {"management.tls.certificates[].", "`management.tls.certificates[]`", "One certificate."},
    {"gateway.", "`gateway`", "The WebSocket side."},
    {"webhooks.", "`webhooks`", "The side that registries post to."},
    {"management.", "`management`", "The side of operators."},
    {"catalog.", "`catalog`", "What is remembered of registries to tell new images from old ones."},
    {"canary.", "`canary`", "An event of regcast's own that looks whether the way is clear."},
    {"registries[].", "`registries[]`", "One registry."},
    {"users[].", "`users[]`", "One user."},
    {"service_accounts[].keys[].", "`service_accounts[].keys[]`",
     "One key, with which the account signs what it gets tokens for (`/iam/v1/tokens`). Only the "
     "public half is known here."},
    {"service_accounts[].", "`service_accounts[]`", "One account."},
    {"bindings[].", "`bindings[]`",
     "One role of one subject in one place. Keys with dots are mappings inside mappings."},
    {"tokens[].", "`tokens[]`", "One token, of which only the hash is known here."},
    {"api_keys[].", "`api_keys[]`", "One API key, of which only the hash is known here."},
    {"triggers[].", "`triggers[]`", "One trigger. Keys with dots are mappings inside mappings."},
    {"", "Top level", "Beside these keys there are the sections below."},
};

static size_t section_of(const struct setting *s)
{
    size_t i = 0;
    while (strncmp(s->key, SECTIONS[i].prefix, strlen(SECTIONS[i].prefix)) != 0)
        i++; /* the last one fits all */
    return i;
}

static int print_setting(const struct setting *s, size_t prefix_len, struct buf *out)
{
    char expected[SETTING_TEXT_SIZE], def[64] = "-";
    bool list = s->type == SETTING_TEXTS || s->type == SETTING_LIST;
    if ((s->flags & SETTING_REQUIRED) != 0)
        (void) snprintf(def, sizeof(def), setting_item_prefix(s->key) == 0 ? "-" : "required");
    else if (s->def != NULL)
        (void) snprintf(def, sizeof(def),
                        list                ? "`[\"%s\"]`"
                        : s->def[0] == '\0' ? "\"%s\""
                                            : "`%s`",
                        s->def);
    return buf_printf(out, "| `%s` | %s | %s | %s%s |\n", s->key + prefix_len,
                      setting_expected(s, expected), def, s->help,
                      (s->flags & SETTING_RESTART) != 0 ? " Takes a restart." : "");
}

static int print_roles(struct buf *out)
{
    int r = buf_append_str(out, "\n## Roles\n\nWhat `roles` and `role` may be. A role gives what "
                                "those give that it includes.\n\n");
    for (size_t i = 0; r == 0 && i < N_ROLES; i++) {
        const char *const *includes = ROLES[i].includes;
        r = buf_printf(out, "- `%s`", ROLES[i].name);
        for (size_t k = 0; r == 0 && k < ROLE_MAX_INCLUDES && includes[k] != NULL; k++)
            r = buf_printf(out, "%s `%s`", k == 0 ? " includes" : ",", includes[k]);
        if (r == 0)
            r = buf_append_str(out, "\n");
    }
    return r;
}

int config_print_reference(struct buf *out)
{
    size_t section = ARRAY_LEN(SECTIONS);
    int r = buf_append_str(
        out,
        "# Configuration reference\n\n"
        "Printed by `regcastd --print-reference`; conf/regcast.yaml is a commented example.\n\n"
        "The file is YAML 1.1 without anchors, aliases and tags, at most 8 MiB. Any key that is "
        "not\n"
        "required may be left out. Sizes are bytes, or with a suffix `KiB`, `MiB` or `GiB`.\n"
        "Durations are `500ms`, `20s`, `10m` or `1h`; a plain number is seconds. Unknown keys and "
        "keys\n"
        "that stand twice are errors, and so is a name that refers to nothing.\n"
        "A changed file counts after a reload (`regcast reload`, SIGHUP), but for the settings "
        "that take\n"
        "a restart.\n");
    for (size_t i = 0; r == 0 && i < N_SETTINGS; i++) {
        size_t here = section_of(&SETTINGS[i]);
        if (here != section)
            r = buf_printf(out,
                           "\n## %s\n\n%s\n\n"
                           "| Key | Value | Default | Meaning |\n|---|---|---|---|\n",
                           SECTIONS[here].title, SECTIONS[here].intro);
        section = here;
        if (r == 0)
            r = print_setting(&SETTINGS[i], strlen(SECTIONS[here].prefix), out);
    }
    return r == 0 ? print_roles(out) : r;
}
