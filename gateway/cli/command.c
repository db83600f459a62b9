/* command.c - finding commands and flags in the tables. */
#include "command.h"

#include <stdio.h>
#include <string.h>

const struct flag GLOBAL_FLAGS[] = {
    {"endpoint", '\0', NULL, FLAG_TEXT, "ADDRESS", NULL,
     "Management listener of regcastd, host:port or URL (127.0.0.1:8082)."},
    {"token", '\0', NULL, FLAG_TEXT, "TOKEN", NULL, "Token or API key to call with."},
    {"ca-file", '\0', NULL, FLAG_TEXT, "FILE", NULL,
     "Whose certificates count for https and wss, PEM; without it those of the system."},
    {"cert-file", '\0', NULL, FLAG_TEXT, "FILE", NULL,
     "Certificate to show where one is asked for, PEM."},
    {"key-file", '\0', NULL, FLAG_TEXT, "FILE", NULL,
     "Its key, PEM; without it, it is in --cert-file too."},
    {"folder-id", '\0', NULL, FLAG_TEXT, "ID", NULL,
     "Folder of the triggers; left out, that of regcastd."},
    {"folder-name", '\0', NULL, FLAG_REFUSED, "NAME", NULL,
     "Folders are known by their ids here: use --folder-id."},
    {"cloud-id", '\0', NULL, FLAG_TEXT, "ID", NULL, "Taken for compatibility; there is one cloud."},
    {"profile", '\0', NULL, FLAG_TEXT, "NAME", NULL, "Profile to use instead of the active one."},
    {"format", '\0', NULL, FLAG_TEXT, "FORMAT", "text yaml json json-rest",
     "How to print: text, yaml, json or json-rest."},
    {"retry", '\0', NULL, FLAG_COUNT, "N", NULL,
     "Attempts while regcastd is unavailable (5); 0 is off, a negative number goes on for two "
     "minutes."},
    {"no-user-output", '\0', NULL, FLAG_SWITCH, NULL, NULL, "Print no progress and counts."},
    {"debug", '\0', "debug-grpc", FLAG_SWITCH, NULL, NULL,
     "Print requests and ids of requests on standard error."},
    {"no-browser", '\0', NULL, FLAG_SWITCH, NULL, NULL,
     "Taken for compatibility; no browser is ever opened."},
    {"impersonate-service-account-id", '\0', NULL, FLAG_REFUSED, "ID", NULL,
     "Nobody can act for another here: use that account's token."},
    {"jq", '\0', NULL, FLAG_REFUSED, "QUERY", NULL, "Use --format json and the program jq."},
    {"help", 'h', NULL, FLAG_SWITCH, NULL, NULL, "Print this help."},
    FLAGS_END,
};

/* Of `words`, is the one behind `at` equal to `word`? Steps over it. */
static bool next_is(const char **at, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*at, word, n) != 0 || ((*at)[n] != ' ' && (*at)[n] != '\0'))
        return false;
    *at += (*at)[n] == ' ' ? n + 1 : n;
    return true;
}

static bool is_among(const char *words, const char *word)
{
    for (const char *at = words; at != NULL && *at != '\0';) {
        if (next_is(&at, word))
            return true;
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    return false;
}

/* How many of the words the command begins with; its last one may be an alias. */
static size_t match(const struct command *command, char *const *words, size_t n, bool *ret_whole)
{
    const char *at = command->words;
    size_t i = 0;
    while (i < n && *at != '\0') {
        bool last = strchr(at, ' ') == NULL;
        if (!next_is(&at, words[i])) {
            if (!last || !is_among(command->aliases, words[i]))
                break;
            at = "";
        }
        i++;
    }
    *ret_whole = *at == '\0';
    return i;
}

/* Words up to the first that cannot be of a command; flags before them are global ones. */
#define MAX_WORDS 8
static size_t words_of(int argc, char *const *argv, char *ret[MAX_WORDS])
{
    size_t n = 0;
    for (int i = 0; i < argc && n < MAX_WORDS; i++) {
        if (argv[i][0] != '-') {
            ret[n++] = argv[i];
            continue;
        }
        const struct flag *flag = strncmp(argv[i], "--", 2) == 0
                                      ? command_flag(NULL, argv[i] + 2, strlen(argv[i] + 2))
                                      : NULL;
        if (flag != NULL && flag->type != FLAG_SWITCH)
            i++;
    }
    return n;
}

const struct command *command_find(int argc, char *const *argv, char ret_group[GROUP_SIZE])
{
    char *words[MAX_WORDS];
    size_t n = words_of(argc, argv, words), most = 0, longest = 0;
    const struct command *found = NULL;
    for (size_t i = 0; COMMANDS[i] != NULL; i++) {
        bool whole = false;
        size_t matched = match(COMMANDS[i], words, n, &whole);
        if (matched > most)
            most = matched;
        if (whole && matched > longest) {
            longest = matched;
            found = COMMANDS[i];
        }
    }
    ret_group[0] = '\0';
    for (size_t i = 0, len = 0; i < most && len < GROUP_SIZE; i++)
        len += (size_t) snprintf(ret_group + len, GROUP_SIZE - len, "%s%s", i == 0 ? "" : " ",
                                 words[i]);
    return found;
}

bool command_is_in(const struct command *command, const char *group)
{
    const char *at = command->words;
    return *group == '\0' || next_is(&at, group);
}

static const struct flag *find_flag(const struct flag *flags, const char *name, size_t len)
{
    for (; flags->name != NULL; flags++) {
        const char *names[] = {flags->name, flags->alias};
        for (size_t i = 0; i < ARRAY_LEN(names) && names[i] != NULL; i++)
            if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0)
                return flags;
        if (len == 1 && flags->letter == name[0])
            return flags;
    }
    return NULL;
}

const struct flag *command_flag(const struct command *command, const char *name, size_t len)
{
    const struct flag *own = command == NULL ? NULL : find_flag(command->flags, name, len);
    return own != NULL ? own : find_flag(GLOBAL_FLAGS, name, len);
}
