/* command.h - what a command of the command line is: its words, flags and function. One row each in
 * commands.c; help, completion and manual page are made from these rows. One thread.
 *
 * A new command is a file cmd_NAME.c with a `const struct command`, declared in commands.h and
 * listed in commands.c. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flag_type {
    FLAG_TEXT,
    FLAG_TEXTS, /* comma-separated, and may stand several times */
    FLAG_COUNT, /* a number, maybe negative */
    FLAG_DURATION,
    FLAG_SWITCH, /* takes no value; --flag=false takes it back */
    FLAG_REFUSED /* takes a value, which is refused: `help` says why */
};

struct flag {
    const char *name;  /* without dashes */
    char letter;       /* '\0': none */
    const char *alias; /* another spelling of the name, or NULL */
    enum flag_type type;
    const char *value;   /* what stands for the value in texts: "ID" */
    const char *choices; /* separated by blanks, for checks and completion, or NULL: any */
    const char *help;
};
#define FLAGS_END                                                                                  \
    {                                                                                              \
        .name = NULL                                                                               \
    }

struct call; /* call.h */

struct command {
    const char *words;     /* "serverless trigger get" */
    const char *aliases;   /* for its last word, separated by blanks, or NULL */
    const char *arguments; /* "<NAME>|<ID>", or "" */
    size_t max_arguments;
    const char *summary;        /* one sentence */
    const struct flag *flags;   /* ended by FLAGS_END; the global ones come on top */
    int (*run)(struct call *c); /* an exit code */
};

enum exit_code { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_WRONG_USAGE = 2 };

extern const struct flag GLOBAL_FLAGS[];
extern const struct command *const COMMANDS[]; /* ended by NULL */

/* The command whose words `argv` begins with, the longest there is; global flags in between are
 * skipped. NULL: none; *ret_group then are as many words as make sense, in a buffer of the call. */
#define GROUP_SIZE 128
const struct command *command_find(int argc, char *const *argv, char ret_group[GROUP_SIZE]);
/* Whether the command's words begin with those of the group (""), as whole words. */
bool command_is_in(const struct command *command, const char *group);
/* The flag of that name or alias, the command's or a global one; NULL: none. command may be NULL.
 */
const struct flag *command_flag(const struct command *command, const char *name, size_t len);

#endif
