/* help_man.c - the manual page, from the table of commands. (pure) */
#include "help.h"

/* Backslashes, and dashes that must stay dashes; no line of ours begins with a dot. */
static int roff(const char *text, struct buf *out)
{
    int r = 0;
    for (; r == 0 && *text != '\0'; text++)
        r = *text == '\\'  ? buf_append_str(out, "\\e")
            : *text == '-' ? buf_append_str(out, "\\-")
                           : buf_append(out, slice_of(text, 1));
    return r;
}

static int roff_line(const char *macro, const char *text, struct buf *out)
{
    int r = buf_append_str(out, macro);
    if (r == 0)
        r = roff(text, out);
    return r == 0 ? buf_append_str(out, "\n") : r;
}

static int man_flags(const struct flag *flags, struct buf *out)
{
    int r = 0;
    for (; r == 0 && flags->name != NULL; flags++) {
        if (flags->type == FLAG_REFUSED)
            continue;
        r = buf_append_str(out, ".TP\n\\fB");
        if (r == 0 && flags->letter != '\0')
            r = buf_printf(out, "\\-%c\\fR, \\fB", flags->letter);
        if (r == 0)
            r = roff("--", out);
        if (r == 0)
            r = roff(flags->name, out);
        if (r == 0)
            r = buf_append_str(out, "\\fR");
        if (r == 0 && flags->value != NULL)
            r = buf_printf(out, " \\fI%s\\fR", flags->value);
        if (r == 0)
            r = roff_line("\n", flags->help, out);
    }
    return r;
}

static int man_command(const struct command *command, struct buf *out)
{
    int r = roff_line(".SS regcast ", command->words, out);
    if (r == 0 && command->arguments[0] != '\0')
        r = roff_line("Arguments: ", command->arguments, out);
    if (r == 0 && command->arguments[0] != '\0')
        r = buf_append_str(out, ".PP\n");
    if (r == 0)
        r = roff_line("", command->summary, out);
    if (r == 0 && command->aliases != NULL)
        r = roff_line(".PP\nAliases of the last word: ", command->aliases, out);
    return r == 0 ? man_flags(command->flags, out) : r;
}

static const char EXAMPLE[] =
    "regcast serverless trigger create container-registry release-tags \\\n"
    "    --registry-id crtregistry000000001 --events create-image-tag \\\n"
    "    --gateway-id d5dgateway0000000001 \\\n"
    "    --gateway-websocket-broadcast-path /builds \\\n"
    "    --gateway-websocket-broadcast-service-account-id ajebroadcaster000001";

int help_man(struct buf *out)
{
    int r =
        buf_append_str(out, ".TH REGCAST 1 \"\" \"regcast " REGCAST_VERSION "\" \"User Commands\"\n"
                            ".SH NAME\n"
                            "regcast \\- manages the WebSocket broadcast gateway regcastd\n"
                            ".SH SYNOPSIS\n"
                            ".B regcast\n"
                            "\\fIcommand\\fR [\\fIarguments\\fR] [\\fIflags\\fR]\n"
                            ".SH DESCRIPTION\n"
                            "Creates, shows and changes triggers, and talks to WebSocket "
                            "connections, over regcastd's management port.\n"
                            "These commands and flags are those of the cloud service's command "
                            "line, so scripts only change the program's name.\n"
                            ".PP\n"
                            "For operators it also follows paths and runs commands for their "
                            "events (listen, tail), posts events, and says how the gateway is and "
                            "what became of an event.\n"
                            ".SH COMMANDS\n");
    for (size_t i = 0; r == 0 && COMMANDS[i] != NULL; i++)
        r = man_command(COMMANDS[i], out);
    if (r == 0)
        r = buf_append_str(out, ".SH GLOBAL FLAGS\n");
    if (r == 0)
        r = man_flags(GLOBAL_FLAGS, out);
    if (r < 0)
        return r;
    r = roff_line(".SH EXAMPLE\n.nf\n", EXAMPLE, out);
    if (r < 0)
        return r;
    return buf_append_str(
        out, ".fi\n"
             ".SH ENVIRONMENT\n"
             ".TP\n\\fBREGCAST_ENDPOINT\\fR, \\fBREGCAST_TOKEN\\fR, \\fBREGCAST_FOLDER_ID\\fR, "
             "\\fBREGCAST_CA_FILE\\fR, \\fBREGCAST_CERT_FILE\\fR, \\fBREGCAST_KEY_FILE\\fR, "
             "\\fBREGCAST_PROFILE\\fR\n"
             "Used when the flag is not given, and before the profile. YC_ENDPOINT, YC_TOKEN, "
             "YC_IAM_TOKEN and YC_FOLDER_ID are read after them.\n"
             ".SH FILES\n"
             ".TP\n\\fI~/.config/regcast/config.yaml\\fR\n"
             "Profiles; written by \\fBregcast config\\fR.\n"
             ".SH EXIT STATUS\n"
             "0: it worked. 1: it was refused or failed; one line on standard error says why. "
             "2: wrong usage.\n"
             ".SH SEE ALSO\n"
             "regcastd \\-\\-help\n");
}
