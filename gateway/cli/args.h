/* args.h - the arguments of a command, checked against its table of flags. (pure) One thread. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "command.h"

#define ARGS_MAX 256 /* values and arguments, each */

struct args {
    const struct command *command;
    struct {
        const struct flag *flag;
        const char *value; /* of argv; a switch has "true" or "false" */
    } values[ARGS_MAX];
    size_t n_values;
    const char *arguments[ARGS_MAX]; /* what is no flag, behind the command's words */
    size_t n_arguments;
};

#define ARGS_ERROR_SIZE 512
/* Everything behind the program's name, of which the command was found. 0, or -EINVAL with what is
 * wrong in a line. The strings are argv's. */
MUST_CHECK int args_parse(const struct command *command, int argc, char *const *argv,
                          struct args *ret, char ret_error[ARGS_ERROR_SIZE]);

/* The last value given; NULL: the flag was not. The name must be one of the tables. */
const char *args_text(const struct args *args, const char *name);
bool args_switch(const struct args *args, const char *name);
/* False: not given. It was checked to be one. */
bool args_count(const struct args *args, const char *name, int64_t *ret);
bool args_duration_ms(const struct args *args, const char *name, uint64_t *ret);
/* Calls with each of the parts, blanks around them cut off; empty ones are left out. Returns how
 * many there were, or SIZE_MAX when the flag was not given. */
size_t args_each(const struct args *args, const char *name,
                 void (*part)(void *arg, const char *text, size_t len), void *arg);

/* "20s", "1m30s", "500ms", "1.5h", "30d"; a plain number is seconds. False: it is none. */
bool args_read_duration(const char *text, uint64_t *ret_ms);

#endif
