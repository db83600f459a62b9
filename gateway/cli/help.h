/* help.h - the texts made from the table of commands: help, completion, manual page. (pure) One
 * thread. Errors: buf_append()'s. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "buf.h"
#include "command.h"

MUST_CHECK int help_command(const struct command *command, struct buf *out);
MUST_CHECK int help_group(const char *group, struct buf *out); /* the commands in it; "": all */
MUST_CHECK int help_man(struct buf *out);                      /* regcast.1, in roff */
enum help_shell { HELP_BASH, HELP_ZSH };
MUST_CHECK int help_completion(enum help_shell shell, struct buf *out);

#endif
