/* profile.c - named sets of settings in ~/.config/regcast/config.yaml. */
#include "profile.h"

#include "config_doc.h"
#include "files.h"
#include "mem.h"
#include "print.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096

const char *const PROFILE_KEYS[PROFILE_N] = {
    [PROFILE_ENDPOINT] = "endpoint", [PROFILE_TOKEN] = "token",
    [PROFILE_CA_FILE] = "ca-file",   [PROFILE_CERT_FILE] = "cert-file",
    [PROFILE_KEY_FILE] = "key-file", [PROFILE_FOLDER_ID] = "folder-id",
    [PROFILE_FORMAT] = "format",
};

enum profile_key profile_key(const char *name)
{
    unsigned i = 0;
    while (i < PROFILE_N && strcmp(PROFILE_KEYS[i], name) != 0)
        i++;
    return (enum profile_key) i;
}

int profile_file(char *ret, size_t size)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int n = -1;
    if (config != NULL && config[0] == '/')
        n = snprintf(ret, size, "%s/regcast/config.yaml", config);
    else if (home != NULL && home[0] != '\0')
        n = snprintf(ret, size, "%s/.config/regcast/config.yaml", home);
    return n < 0 ? -ENOENT : (size_t) n >= size ? -ENAMETOOLONG : 0;
}

/* --- in memory --- */

struct profile *profiles_find(struct profiles *p, const char *name)
{
    for (size_t i = 0; name != NULL && i < p->n; i++)
        if (strcmp(p->at[i].name, name) == 0)
            return &p->at[i];
    return NULL;
}

struct profile *profiles_add(struct profiles *p, const char *name)
{
    if (p->n == PROFILE_MAX || profiles_find(p, name) != NULL)
        return NULL;
    p->at[p->n] = (struct profile){.name = xstrdup(name)};
    return &p->at[p->n++];
}

void profile_set(struct profile *profile, enum profile_key key, const char *value)
{
    char *copy = xstrdup(value);
    free(profile->values[key]);
    profile->values[key] = copy;
}

static void profile_fini(struct profile *profile)
{
    free(profile->name);
    for (size_t i = 0; i < PROFILE_N; i++)
        free(profile->values[i]);
    *profile = (struct profile){0};
}

void profiles_remove(struct profiles *p, struct profile *profile)
{
    if (p->current != NULL && strcmp(p->current, profile->name) == 0) {
        free(p->current);
        p->current = NULL;
    }
    profile_fini(profile);
    size_t behind = (size_t) (p->at + p->n - (profile + 1));
    memmove(profile, profile + 1, behind * sizeof(*profile));
    p->n--;
}

void profiles_fini(struct profiles *p)
{
    for (size_t i = 0; i < p->n; i++)
        profile_fini(&p->at[i]);
    free(p->current);
    *p = (struct profiles){0};
}

/* --- the file --- */

static void read_profile(struct problems *problems, const struct doc_node *node,
                         struct profiles *ret)
{
    struct profile *profile = node->kind == DOC_MAP ? profiles_add(ret, node->key) : NULL;
    if (profile == NULL && !node->null)
        problems_add(problems, node->line, node->key, "expected a mapping, and at most %d profiles",
                     PROFILE_MAX);
    if (profile == NULL)
        return;
    for (const struct doc_node *item = node->first; item != NULL; item = item->next) {
        enum profile_key key = profile_key(item->key);
        if (key == PROFILE_N || item->kind != DOC_TEXT)
            problems_add(problems, item->line, item->key,
                         "expected " PROFILE_KEYS_TEXT " with a text");
        else
            profile_set(profile, key, item->text);
    }
}

static void read_root(struct problems *problems, const struct doc_node *root, struct profiles *ret)
{
    for (const struct doc_node *node = root->first; node != NULL; node = node->next) {
        if (strcmp(node->key, "current") == 0 && node->kind == DOC_TEXT) {
            ret->current = xstrdup(node->text);
        } else if (strcmp(node->key, "profiles") == 0 && node->kind == DOC_MAP) {
            for (const struct doc_node *item = node->first; item != NULL; item = item->next)
                read_profile(problems, item, ret);
        } else if (!node->null) {
            problems_add(problems, node->line, node->key, "expected current or profiles");
        }
    }
}

int profiles_load(const char *file, struct profiles *ret, struct buf *error)
{
    *ret = (struct profiles){0};
    if (access(file, F_OK) < 0 && errno == ENOENT)
        return 0;
    struct problems problems = {.file = file};
    struct doc_node *root = NULL;
    int r = doc_load(file, &problems, &root);
    if (r == 0) {
        read_root(&problems, root, ret);
        r = problems.n == 0 ? 0 : -EINVAL;
    }
    doc_free(root);
    if (r < 0) {
        problems_print(&problems, error);
        profiles_fini(ret);
    }
    return r;
}

static int append_pair(struct buf *out, const char *indent, const char *key, const char *value)
{
    int r = buf_append_str(out, indent);
    if (r == 0)
        r = print_yaml_text(key, out);
    if (r == 0)
        r = buf_append_str(out, ":");
    if (r == 0 && value != NULL)
        r = buf_append_str(out, " ");
    if (r == 0 && value != NULL)
        r = print_yaml_text(value, out);
    return r == 0 ? buf_append_str(out, "\n") : r;
}

static int print_profiles(const struct profiles *p, struct buf *out)
{
    int r = p->current == NULL ? 0 : append_pair(out, "", "current", p->current);
    if (r == 0)
        r = append_pair(out, "", "profiles", NULL);
    for (size_t i = 0; r == 0 && i < p->n; i++) {
        bool any = false;
        for (size_t k = 0; k < PROFILE_N; k++)
            any |= p->at[i].values[k] != NULL;
        r = append_pair(out, "  ", p->at[i].name, NULL);
        if (r == 0 && !any)
            r = buf_append_str(out, "    {}\n");
        for (size_t k = 0; r == 0 && k < PROFILE_N; k++)
            if (p->at[i].values[k] != NULL)
                r = append_pair(out, "    ", PROFILE_KEYS[k], p->at[i].values[k]);
    }
    return r;
}

static int make_folders(const char *file)
{
    char path[PATH_SIZE];
    (void) snprintf(path, sizeof(path), "%s", file);
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -errno;
        *at = '/';
    }
    return 0;
}

int profiles_save(const char *file, const struct profiles *p)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    int r = print_profiles(p, &text);
    if (r == 0)
        r = make_folders(file);
    if (r == 0)
        r = files_replace(file, buf_slice(&text)); /* 0600: there are tokens in it */
    buf_fini(&text);
    return r;
}
