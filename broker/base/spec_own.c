/* spec_own.c - the memory of a specification: one list, freed as a whole, and bounded, since a
 * small file can refer to one large part many times. */
#include "mem.h"
#include "spec_private.h"

#include <stdlib.h>

struct spec_own {
    struct spec_block {
        struct spec_block *next;
        max_align_t bytes[];
    } * first;
    size_t bytes;
};

void *spec_alloc(struct spec_reader *r, size_t count, size_t size)
{
    struct spec_own *own = r->spec->own;
    if (own == NULL)
        own = r->spec->own = xcalloc(1, sizeof(*own));
    ASSERT(size > 0 && count <= SPEC_MAX_MEMORY / size);
    struct spec_block *block = xcalloc(1, sizeof(*block) + count * size);
    block->next = own->first;
    own->first = block;
    own->bytes += sizeof(*block) + count * size;
    if (own->bytes > SPEC_MAX_MEMORY && !r->over) {
        r->over = true;
        spec_problem(r, r->root->line, "document",
                     "expected at most 192 MiB once references are followed, got more");
    }
    return block->bytes;
}

char *spec_dup(struct spec_reader *r, struct slice text)
{
    char *copy = spec_alloc(r, text.len + 1, 1);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    return copy;
}

void spec_own_free(struct spec_own *own)
{
    if (own == NULL)
        return;
    for (struct spec_block *at = own->first, *next; at != NULL; at = next) {
        next = at->next;
        free(at);
    }
    free(own);
}

struct memo {
    struct table_node in_table; /* first, so that one is the other */
    char kind;
    const struct doc_node *node;
    const void *value;
};

static uint64_t memo_hash(char kind, const struct doc_node *node)
{
    uint64_t h = ((uint64_t) (uintptr_t) node >> 4) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 32) ^ (uint64_t) (uint8_t) kind;
}

bool spec_memo_get(const struct spec_reader *r, char kind, const struct doc_node *node,
                   const void **ret)
{
    struct table_node *at = table_first(&r->memo, memo_hash(kind, node));
    for (; at != NULL; at = table_next(at)) {
        const struct memo *memo = (const struct memo *) at;
        if (memo->kind == kind && memo->node == node) {
            *ret = memo->value;
            return true;
        }
    }
    return false;
}

void spec_memo_set(struct spec_reader *r, char kind, const struct doc_node *node, const void *value)
{
    struct memo *memo = spec_alloc(r, 1, sizeof(*memo));
    *memo = (struct memo){
        .in_table.hash = memo_hash(kind, node), .kind = kind, .node = node, .value = value};
    table_add(&r->memo, &memo->in_table);
}

void spec_memo_fini(struct spec_reader *r)
{
    table_fini(&r->memo);
}
