/* spec_private.h - what the files of spec*.c share while a specification is read. For spec*.c only.
 * One thread.
 *
 * Whoever finds something wrong says so and goes on with what there is, so that one reading tells
 * of many mistakes; that something was wrong is seen in the number of problems in the end. */
#ifndef BASE_SPEC_PRIVATE_H
#define BASE_SPEC_PRIVATE_H

#include "config_doc.h"
#include "spec.h"
#include "table.h"

#define SPEC_MAX_MEMORY    ((size_t) 192 << 20) /* what references and aliases may make of a file */
#define SPEC_MAX_NODES     ((size_t) 1 << 19)
#define SPEC_MAX_DEPTH     64
#define SPEC_MAX_TEXT      ((size_t) 256 << 10) /* of one text, its variables put in */
#define SPEC_MAX_VALUE     8192                 /* of a header, a query parameter, an URL */
#define SPEC_MAX_NAME      256
#define SPEC_MAX_PATH      255
#define SPEC_MAX_VALUES    32 /* of one header or query parameter */
#define SPEC_MAX_CONTENTS  32
#define SPEC_MAX_REFS      16 /* one after the other */
#define SPEC_MAX_VARIABLES 256
#define SPEC_MAX_SCHEMES   1024
#define SPEC_MAX_WAYS      16
#define SPEC_MAX_GRANTS    8
#define SPEC_MAX_LIST      64 /* scopes, issuers, origins, ... */
#define SPEC_MAX_NOTES     200

struct spec_note {
    unsigned line;
    char *text;
};

struct spec_reader {
    const struct spec_options *options;
    struct problems *problems;
    const struct doc_node *root, *gateway; /* x-yc-apigateway; NULL: there is none */
    struct spec *spec;
    char where[SPEC_MAX_PATH + 64]; /* "/ws.connect": what problems are said to be in */
    bool over;                      /* SPEC_MAX_MEMORY is used up, which was said */
    struct spec_note notes[SPEC_MAX_NOTES];
    size_t n_notes, n_more_notes;
    struct table memo;
    struct spec_security security; /* the document's; read when it is first needed */
    bool has_security;
};

/* spec_own.c */
void *spec_alloc(struct spec_reader *r, size_t count, size_t size); /* zeroed, of the spec */
char *spec_dup(struct spec_reader *r, struct slice text);
void spec_own_free(struct spec_own *own);
/* What was made of a node; false: nothing yet. `kind` keeps apart what is made of one node. */
bool spec_memo_get(const struct spec_reader *r, char kind, const struct doc_node *node,
                   const void **ret);
void spec_memo_set(struct spec_reader *r, char kind, const struct doc_node *node,
                   const void *value);
void spec_memo_fini(struct spec_reader *r);

/* spec_say.c */
void spec_problem(struct spec_reader *r, unsigned line, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void spec_note(struct spec_reader *r, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Writes the notes into the specification, in the order of the file. */
MUST_CHECK int spec_notes_end(struct spec_reader *r);
void spec_notes_fini(struct spec_reader *r);

/* spec_doc.c */
/* JSON's \uD83D\uDE00, which YAML does not know, as \U0001F600. */
MUST_CHECK int spec_doc_pairs(struct slice text, struct buf *out);
/* What a node or the node that it refers to is; NULL: nowhere, which is said. */
const struct doc_node *spec_deref(struct spec_reader *r, const struct doc_node *node);
/* The member, dereferenced; NULL: it is not there, or null. `map` may be NULL. */
const struct doc_node *spec_get(struct spec_reader *r, const struct doc_node *map, const char *key);
const struct doc_node *spec_get_either(struct spec_reader *r, const struct doc_node *map,
                                       const char *key, const char *other);
bool spec_is_map(struct spec_reader *r, const struct doc_node *node, const char *key);
/* Text, with variables put in; NULL: it is none or too long, which is said. */
char *spec_string(struct spec_reader *r, const struct doc_node *node, const char *key, size_t max);
bool spec_bool(struct spec_reader *r, const struct doc_node *node, const char *key, bool otherwise);
uint64_t spec_count(struct spec_reader *r, const struct doc_node *node, const char *key,
                    uint64_t least, uint64_t most, uint64_t otherwise);
/* A text, or a list of them, each at most SPEC_MAX_VALUE bytes. */
char **spec_strings(struct spec_reader *r, const struct doc_node *node, const char *key,
                    size_t *ret_n);

/* spec_vars.c */
void spec_vars_check(struct spec_reader *r);
/* `text` with its variables; NULL: what is wrong was said. */
char *spec_vars_put(struct spec_reader *r, unsigned line, const char *key, const char *text,
                    size_t max);

/* spec_text.c */
void spec_text_cut(struct spec_reader *r, unsigned line, const char *key, const char *text,
                   const struct spec_operation *op, struct spec_text *ret);

/* spec_url.c */
/* What is wrong with it; NULL: nothing. */
const char *spec_url_check(const struct spec_text *url);
const char *spec_url_check_plain(const char *url);
bool spec_is_token(const char *s);   /* of RFC 9110, not empty */
bool spec_is_printed(const char *s); /* no control characters */

/* spec_param.c */
void spec_params_read(struct spec_reader *r, const struct spec_route *route,
                      const struct doc_node *item, const struct doc_node *operation,
                      struct spec_operation *op);

/* spec_fields.c */
enum spec_fields_kind { SPEC_REQUEST_HEADERS, SPEC_QUERY, SPEC_ANSWER_HEADERS };
void spec_fields_read(struct spec_reader *r, const struct doc_node *map, const char *key,
                      enum spec_fields_kind kind, const struct spec_operation *op,
                      struct spec_fields *ret);

/* spec_integration.c */
void spec_integration_read(struct spec_reader *r, const struct doc_node *node,
                           struct spec_operation *op);
const char *spec_named_value(const struct spec_named *list, size_t n, const char *name);
/* spec_scheme.c */
/* NULL: there is none, or none that can be used, which is said. */
const struct spec_authorizer *spec_scheme_read(struct spec_reader *r, unsigned line,
                                               const char *name);
/* spec_security.c */
void spec_security_read(struct spec_reader *r, const struct doc_node *list,
                        struct spec_security *ret);
void spec_security_of(struct spec_reader *r, const struct doc_node *operation,
                      struct spec_security *ret); /* its own, or the document's */
bool spec_security_equal(const struct spec_security *a, const struct spec_security *b);
/* spec_cors.c */
const struct spec_cors *spec_cors_read(struct spec_reader *r, const struct doc_node *node);
/* spec_rate.c: `holder` is what has the member `key`, which may be a reference. */
const struct spec_rate *spec_rate_read(struct spec_reader *r, const struct doc_node *holder,
                                       const char *key);
/* spec_template.c */
const char *spec_template_check(const char *path); /* what is wrong; NULL: nothing */
/* Whether the path has that parameter. */
bool spec_template_has(const char *path, struct slice name, bool *ret_greedy);
bool spec_template_is_greedy(const char *path);
/* spec_operation.c */
struct spec_operation *spec_operation_read(struct spec_reader *r, const struct spec_route *route,
                                           const struct doc_node *item, const char *event);
/* spec_route.c */
void spec_routes_read(struct spec_reader *r);

#endif
