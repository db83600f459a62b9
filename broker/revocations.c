/* revocations.c - see revocations.h. */
#include "revocations.h"

#include "mem.h"
#include "siphash.h"
#include "table.h"

#include <stdlib.h>

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

static void drop_ended(struct revocations *r, uint64_t now_s)
{
    for (size_t i = r->n; i-- > 0;)
        if (r->all[i]->until_s <= now_s)
            drop(r, r->all[i]);
}

int revocations_add(struct revocations *r, enum revocation_kind kind, const char *name,
                    uint64_t until_s, uint64_t now_s)
{
    struct revocation *one = find(r, kind, name);
    if (one != NULL) {
        one->until_s = until_s > one->until_s ? until_s : one->until_s;
        return 0;
    }
    if (r->n == REVOCATIONS_MAX)
        drop_ended(r, now_s);
    if (r->n == REVOCATIONS_MAX)
        return -ENOSPC;
    one = xcalloc(1, sizeof(*one));
    one->kind = kind;
    one->until_s = until_s;
    one->name = xstrdup(name);
    one->node.hash = siphash(&r->seed, kind, slice_str(name));
    one->index = r->n;
    r->all[r->n++] = one;
    table_add(&r->table, &one->node);
    return 0;
}

bool revocations_has(const struct revocations *r, const struct access_pass *pass, uint64_t now_s)
{
    const char *const NAMES[] = {[REVOCATION_SUBJECT] = pass->subject, [REVOCATION_ID] = pass->id};
    for (size_t i = 0; r->n > 0 && i < ARRAY_LEN(NAMES); i++) {
        const struct revocation *one =
            NAMES[i][0] == '\0' ? NULL : find(r, (enum revocation_kind) i, NAMES[i]);
        if (one != NULL && one->until_s > now_s)
            return true;
    }
    return false;
}

size_t revocations_n(const struct revocations *r)
{
    return r->n;
}
