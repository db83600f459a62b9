/* config_doc.h - a YAML file as a tree that remembers lines, and the list of what is wrong with it.
 * For config*.c and spec*.c only. One thread. */
#ifndef BASE_CONFIG_DOC_H
#define BASE_CONFIG_DOC_H

#include "buf.h"

#include <stdarg.h>
#include <stdbool.h>

#define DOC_MAX_BYTES    (8u << 20) /* 32,767 long paths, written out */
#define DOC_MAX_DEPTH    16
#define DOC_MAX_KEYS     256 /* in one mapping */
#define DOC_MAX_PROBLEMS 20

struct problems {
    const char *file; /* borrowed */
    unsigned n;
    struct problem {
        unsigned line;
        char text[512]; /* "KEY: expected ..., got ..." */
    } at[DOC_MAX_PROBLEMS];
};

/* Notes a problem unless there are DOC_MAX_PROBLEMS already. */
void problems_add(struct problems *p, unsigned line, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Appends "FILE:LINE: KEY: ..." lines in the order of the file; what does not fit is left out. */
void problems_print(const struct problems *p, struct buf *out);

enum doc_kind { DOC_TEXT, DOC_LIST, DOC_MAP };

struct doc_node {
    enum doc_kind kind;
    bool shared;   /* text, members and index are those of another node: an alias of YAML */
    unsigned line; /* from 1; in a mapping the line of the key */
    char *key;     /* NULL unless in a mapping */
    char *text;    /* of DOC_TEXT, else NULL */
    bool null;     /* DOC_TEXT that YAML reads as null: nothing, ~ or null */
    size_t n;      /* how many are in a list or mapping */
    struct doc_node *first, *last; /* of those */
    struct doc_node *next;         /* beside this one */
    struct doc_node *hidden;       /* of the root: what was merged, and is pointed into */
    struct doc_index *index;       /* of a large mapping, for doc_member() */
};

/* The member of a mapping; NULL: it has none of that name, or is no mapping. */
struct doc_node *doc_member(const struct doc_node *map, const char *key);

#define DOC_DEPTH_CAP 64
/* What a document may be. */
struct doc_limits {
    const char *what;           /* "a mapping of settings": what its root has to be */
    size_t max_keys, max_nodes; /* nodes: with what aliases and merges add, or look at */
    unsigned max_depth;         /* at most DOC_DEPTH_CAP */
    /* Anchors and aliases: an alias is one node more, which shares what is below with the one it
     * names; "<<" merges mappings. Tags are passed over, and an empty key is one. */
    bool aliases;
};

/* Reads one document whose root is a mapping; the file is at most DOC_MAX_BYTES. Anchors, aliases,
 * tags, keys that are no text and duplicate keys are refused: a configuration needs none of them,
 * and aliases can make a small file huge. 0: *ret is the caller's, for doc_free(). -EINVAL or the
 * errno of reading: `problems` says why, *ret is untouched. */
MUST_CHECK int doc_load(const char *file, struct problems *problems, struct doc_node **ret);
MUST_CHECK int doc_parse(struct slice text, struct problems *problems, struct doc_node **ret);
/* The same with other limits. */
MUST_CHECK int doc_parse_within(struct slice text, const struct doc_limits *limits,
                                struct problems *problems, struct doc_node **ret);
/* What a file has. 0: `ret` is for buf_fini(); else there is nothing to free. */
MUST_CHECK int doc_read(const char *file, size_t max_bytes, struct problems *problems,
                        struct buf *ret);
void doc_free(struct doc_node *root); /* NULL is fine */

/* How a message quotes what the file says: in quotes, cut, with nothing unprintable in it. */
#define DOC_QUOTE_SIZE 80
const char *doc_quote(const char *text, char ret[DOC_QUOTE_SIZE]);

#endif
