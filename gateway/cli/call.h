/* call.h - one run of a command: its arguments, the settings that hold, and what it prints. One
 * thread. */
#ifndef CLI_CALL_H
#define CLI_CALL_H

#include "args.h"
#include "client.h"
#include "profile.h"
#include "shape.h"

#include <stdio.h>

enum call_format { FORMAT_TEXT, FORMAT_YAML, FORMAT_JSON, FORMAT_JSON_REST };

struct call {
    struct args args;
    struct profiles profiles;
    char profiles_file[4096];
    /* Flag, else environment, else profile, else a default; borrowed. token: NULL is none. `trust`
     * is made the same way. */
    const char *endpoint, *token, *folder_id;
    struct trust trust;
    enum call_format format;
    bool progress; /* a person is looking: standard error is a terminal */
    struct client *client;
};

/* 0, or an exit code: what is wrong has been printed. Only reads the environment and the profiles'
 * file. */
int call_init(struct call *c);
void call_fini(struct call *c);

/* Prints a line on standard error and returns the exit code: wrong usage with a hint, or failure.
 */
int call_usage(const struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int call_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Like client_call(), with the path made from a format. On an error it has been printed. */
MUST_CHECK int call_rest(struct call *c, const char *method, const struct buf *path,
                         const cJSON *body, cJSON **ret);
/* Like client_send(), likewise. */
MUST_CHECK int call_send(struct call *c, const struct buf *path,
                         const struct client_content *content, cJSON **ret);
/* Sends a change, and unless --async waits for it and prints what came of it; takes `body`, which
 * may be NULL. An exit code. */
int call_change(struct call *c, const char *method, const struct buf *path, cJSON *body,
                bool print);

/* A path to be filled; what is appended to it must fit, or the program ends. */
void path_begin(struct buf *path, const char *text);
void path_segment(struct buf *path, const char *text);
void path_query(struct buf *path, bool first, const char *key, const char *value);
void path_append(struct buf *path, const char *text);

/* Appends a file, "-" being standard input. An exit code: what is wrong has been printed. */
int call_read_file(const char *name, struct buf *out);

/* Prints a message, or a list of them, in the format that was asked for; text is YAML. Takes
 * `message`. An exit code. */
int call_print(const struct call *c, cJSON *message, const struct shape *shape);
/* The same of a tree that is not the API's: as it is. Does not take it. */
int call_print_as_is(const struct call *c, const cJSON *tree);
int call_write(struct buf *text, int error); /* to standard output; takes `text`. An exit code */

/* A string member, or "". */
const char *call_member(const cJSON *object, const char *name);
cJSON *call_object(void);                                     /* never NULL */
void call_put(cJSON *object, const char *name, cJSON *value); /* replaces what was there */
void call_put_text(cJSON *object, const char *name, const char *value);

#endif
