/* cmd_completion.c - regcast completion. */
#include "commands.h"

#include "call.h"
#include "help.h"

static int run(struct call *c)
{
    const char *shell = c->args.n_arguments > 0 ? c->args.arguments[0] : "";
    bool zsh = strcmp(shell, "zsh") == 0;
    if (!zsh && strcmp(shell, "bash") != 0)
        return call_usage(c, "expected bash or zsh");
    struct buf text;
    buf_init(&text, 1 << 20);
    return call_write(&text, help_completion(zsh ? HELP_ZSH : HELP_BASH, &text));
}

static const struct flag NONE[] = {FLAGS_END};
const struct command CMD_COMPLETION = {
    "completion", NULL, "bash|zsh", 1, "Print a script that completes commands and flags.",
    NONE,         run};
