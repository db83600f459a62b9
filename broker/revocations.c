/* revocations.c - see revocations.h. */
#include "revocations.h"

#include "base64url.h"
#include "config_value.h"
#include "mem.h"
#include "sha256.h"
#include "siphash.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char KINDS[] = {[REVOCATION_SUBJECT] = 's', [REVOCATION_ID] = 'j'};

struct revocation {
    struct table_node node;
    enum revocation_kind kind;
    uint64_t until_s;
    size_t index; /* in `all` */
    char *name;
};

struct revocations {
    struct siphash_seed seed; /* the names are outsiders' */
    struct table table;
    struct revocation **all;
    size_t n;
};

struct revocations *revocations_new(void)
{
    struct revocations *r = xcalloc(1, sizeof(*r));
    r->seed = siphash_random_seed();
    r->all = xcalloc(REVOCATIONS_MAX, sizeof(struct revocation *));
    return r;
}

static void drop(struct revocations *r, struct revocation *one)
{
    table_remove(&r->table, &one->node);
    r->all[one->index] = r->all[--r->n];
    r->all[one->index]->index = one->index;
    free(one->name);
    free(one);
}

void revocations_free(struct revocations *r)
{
    if (r == NULL)
        return;
    while (r->n > 0)
        drop(r, r->all[r->n - 1]);
    table_fini(&r->table);
    free(r->all);
    free(r);
}

static struct revocation *of_node(struct table_node *n)
{
    return (struct revocation *) (void *) ((char *) n - offsetof(struct revocation, node));
}

static struct revocation *find(const struct revocations *r, enum revocation_kind kind,
                               const char *name)
{
    uint64_t hash = siphash(&r->seed, kind, slice_str(name));
    for (struct table_node *n = table_first(&r->table, hash); n != NULL; n = table_next(n)) {
        struct revocation *one = of_node(n);
        if (one->kind == kind && strcmp(one->name, name) == 0)
            return one;
    }
    return NULL;
}

/* --- as records --- */

/* 120 bits of a hash: that two names share an id does not happen. */
static void id_of(enum revocation_kind kind, const char *name, char ret[ID_SIZE])
{
    uint8_t hash[SHA256_SIZE];
    char text[BASE64URL_SIZE(SHA256_SIZE) + 1];
    sha256(slice_of(&KINDS[kind], 1), slice_str(name), hash);
    base64url_encode(slice_of(hash, sizeof(hash)), text);
    memcpy(ret, text, ID_SIZE - 1);
    ret[ID_SIZE - 1] = '\0';
}

static void pack(const struct revocation *one, struct revocation_change *ret)
{
    id_of(one->kind, one->name, ret->id);
    (void) snprintf(ret->value, sizeof(ret->value), "%c %" PRIu64 " %s", KINDS[one->kind],
                    one->until_s, one->name);
}

/* A few at a time, each time one is added: so there are never many. */
static void retire(struct revocations *r, uint64_t now_s, struct revocation_change *ret)
{
    ret->n_retired = 0;
    for (size_t i = r->n; i-- > 0 && ret->n_retired < REVOCATIONS_RETIRE;) {
        struct revocation *one = r->all[i];
        if (one->until_s > now_s)
            continue;
        id_of(one->kind, one->name, ret->retired[ret->n_retired++]);
        drop(r, one);
    }
}

/* --- adding --- */

static struct revocation *add(struct revocations *r, enum revocation_kind kind, const char *name,
                              uint64_t until_s)
{
    struct revocation *one = find(r, kind, name);
    if (one != NULL) {
        one->until_s = until_s > one->until_s ? until_s : one->until_s;
        return one;
    }
    if (r->n == REVOCATIONS_MAX)
        return NULL;
    one = xcalloc(1, sizeof(*one));
    one->kind = kind;
    one->until_s = until_s;
    one->name = xstrdup(name);
    one->node.hash = siphash(&r->seed, kind, slice_str(name));
    one->index = r->n;
    r->all[r->n++] = one;
    table_add(&r->table, &one->node);
    return one;
}

int revocations_add(struct revocations *r, enum revocation_kind kind, const char *name,
                    uint64_t until_s, uint64_t now_s, struct revocation_change *ret)
{
    retire(r, now_s, ret);
    const struct revocation *one = add(r, kind, name, until_s);
    if (one == NULL)
        return -ENOSPC;
    pack(one, ret);
    size_t left = 0;
    for (size_t i = 0; i < ret->n_retired; i++) /* its own may be among them: it begins anew */
        if (strcmp(ret->retired[i], ret->id) != 0)
            memmove(ret->retired[left++], ret->retired[i], ID_SIZE);
    ret->n_retired = left;
    return 0;
}

int revocations_load(struct revocations *r, const char *id, struct slice value)
{
    char text[REVOCATION_PACKED + 1], own_id[ID_SIZE];
    size_t kind = 0;
    uint64_t until_s;
    if (value.len < 2 || value.len >= sizeof(text) || value.data[1] != ' ')
        return -EBADMSG;
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    char *name = strchr(text + 2, ' ');
    if (name == NULL || name[1] == '\0' || strlen(text) != value.len)
        return -EBADMSG;
    *name++ = '\0';
    while (kind < ARRAY_LEN(KINDS) && KINDS[kind] != text[0])
        kind++;
    if (kind == ARRAY_LEN(KINDS) || !value_count(text + 2, &until_s))
        return -EBADMSG;
    id_of((enum revocation_kind) kind, name, own_id);
    if (strcmp(id, own_id) != 0)
        return -EBADMSG;
    return add(r, (enum revocation_kind) kind, name, until_s) == NULL ? -ENOSPC : 0;
}

uint64_t revocations_until(const struct revocations *r, enum revocation_kind kind, const char *name,
                           uint64_t now_s)
{
    const struct revocation *one = name[0] == '\0' ? NULL : find(r, kind, name);
    return one != NULL && one->until_s > now_s ? one->until_s : 0;
}

bool revocations_has(const struct revocations *r, const struct access_pass *pass, uint64_t now_s)
{
    const char *const NAMES[] = {[REVOCATION_SUBJECT] = pass->subject, [REVOCATION_ID] = pass->id};
    for (size_t i = 0; r->n > 0 && i < ARRAY_LEN(NAMES); i++)
        if (revocations_until(r, (enum revocation_kind) i, NAMES[i], now_s) > 0)
            return true;
    return false;
}

size_t revocations_n(const struct revocations *r)
{
    return r->n;
}
