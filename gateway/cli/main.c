/* main.c - regcast, the command line: finds the command and runs it. */
#include "call.h"
#include "help.h"
#include "mem.h"

#include <signal.h>
#include <stdlib.h>

#define MAX_HELP (1u << 20)

static int print_help(const struct command *command, const char *group, FILE *to)
{
    struct buf text;
    buf_init(&text, MAX_HELP);
    int r = command != NULL ? help_command(command, &text) : help_group(group, &text);
    if (r == 0)
        (void) fwrite(text.data, 1, text.len, to);
    buf_fini(&text);
    return r < 0 ? EXIT_FAILED : EXIT_FINE;
}

static bool is_asked(int argc, char *const *argv, const char *flag, const char *letter)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], flag) == 0 || (letter != NULL && strcmp(argv[i], letter) == 0))
            return true;
    return false;
}

/* What is asked for without a command. */
static int run_alone(int argc, char *const *argv, const char *group)
{
    struct buf text;
    buf_init(&text, MAX_HELP);
    if (is_asked(argc, argv, "--version", NULL))
        return call_write(&text, buf_append_str(&text, "regcast " REGCAST_VERSION "\n"));
    if (is_asked(argc, argv, "--man", NULL))
        return call_write(&text, help_man(&text));
    if (is_asked(argc, argv, "--help", "-h") || (argc == 1 && strcmp(argv[0], "help") == 0))
        return print_help(NULL, group, stdout);
    (void) fprintf(stderr, "ERROR: %s \"regcast",
                   argc == 0 ? "no command behind" : "unknown command");
    for (int i = 0; i < argc; i++)
        (void) fprintf(stderr, " %s", argv[i]);
    (void) fprintf(stderr, "\"\nTry: regcast %s%s--help\n", group, *group == '\0' ? "" : " ");
    return EXIT_WRONG_USAGE;
}

static int run_command(const struct command *command, int argc, char *const *argv)
{
    char error[ARGS_ERROR_SIZE];
    struct call *c = xcalloc(1, sizeof(*c)); /* too large for a small stack */
    int code;
    if (args_parse(command, argc, argv, &c->args, error) < 0) {
        c->args.command = command;
        code = call_usage(c, "%s", error);
    } else {
        code = call_init(c);
        if (code == EXIT_FINE)
            code = command->run(c);
    }
    call_fini(c);
    free(c);
    return code;
}

int main(int argc, char **argv)
{
    char group[GROUP_SIZE];
    (void) signal(SIGPIPE, SIG_DFL); /* `regcast ... | head` ends quietly */
    argc--;
    argv++;
    const struct command *command = command_find(argc, argv, group);
    if (command == NULL)
        return run_alone(argc, argv, group);
    if (is_asked(argc, argv, "--help", "-h"))
        return print_help(command, group, stdout);
    return run_command(command, argc, argv);
}
