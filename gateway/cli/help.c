/* help.c - help, from the table of commands. (pure) */
#include "help.h"

#include <stdio.h>

#define FLAG_COLUMN 34

static int print_flag(const struct flag *flag, struct buf *out)
{
    char text[160];
    int n = snprintf(text, sizeof(text), "  %c%c%s --%s%s%s", flag->letter == '\0' ? ' ' : '-',
                     flag->letter == '\0' ? ' ' : flag->letter, flag->letter == '\0' ? " " : ",",
                     flag->name, flag->value == NULL ? "" : " ",
                     flag->value == NULL ? "" : flag->value);
    bool wide = n > FLAG_COLUMN - 2;
    return buf_printf(out, "%-*s%s%*s%s\n", wide ? 0 : FLAG_COLUMN, text, wide ? "\n" : "",
                      wide ? FLAG_COLUMN : 0, "", flag->help);
}

/* Flags that are only there to be refused are not advertised. */
static int print_flags(const char *title, const struct flag *flags, struct buf *out)
{
    bool any = false;
    int r = 0;
    for (; r == 0 && flags->name != NULL; flags++) {
        if (flags->type == FLAG_REFUSED)
            continue;
        if (!any)
            r = buf_printf(out, "\n%s:\n", title);
        any = true;
        if (r == 0)
            r = print_flag(flags, out);
    }
    return r;
}

int help_command(const struct command *command, struct buf *out)
{
    int r =
        buf_printf(out, "%s\n\nUsage:\n  regcast %s%s%s [flags]\n", command->summary,
                   command->words, command->arguments[0] == '\0' ? "" : " ", command->arguments);
    if (r == 0 && command->aliases != NULL)
        r = buf_printf(out, "\nAliases of the last word:\n  %s\n", command->aliases);
    if (r == 0)
        r = print_flags("Flags", command->flags, out);
    return r == 0 ? print_flags("Global flags", GLOBAL_FLAGS, out) : r;
}

int help_group(const char *group, struct buf *out)
{
    int r = buf_printf(out, "%sUsage:\n  regcast %s%scommand [flags]\n\nCommands:\n",
                       *group == '\0' ? "Manages regcastd, the WebSocket broadcast gateway for "
                                        "container registries.\n\n"
                                      : "",
                       group, *group == '\0' ? "" : " ");
    for (size_t i = 0; r == 0 && COMMANDS[i] != NULL; i++)
        if (command_is_in(COMMANDS[i], group))
            r = buf_printf(out, "  %-45s %s\n", COMMANDS[i]->words, COMMANDS[i]->summary);
    if (r == 0)
        r = print_flags("Global flags", GLOBAL_FLAGS, out);
    return r == 0 ? buf_append_str(out, "\nregcast --version prints the version, regcast --man the "
                                        "manual page.\n")
                  : r;
}
