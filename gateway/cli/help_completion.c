/* help_completion.c - completion for bash and zsh, from the table of commands. (pure)
 *
 * Both shells run the same two functions: one says, for the words of a command so far, which words
 * and flags may follow; the other, what a flag's value may be. Only how a shell hands over its
 * words and takes the answer differs. */
#include "help.h"

#include <string.h>

/* Whether an earlier command begins with the same `len` bytes of words. */
static bool is_repeated(size_t command, size_t len)
{
    const char *words = COMMANDS[command]->words;
    for (size_t i = 0; i < command; i++)
        if (strncmp(COMMANDS[i]->words, words, len) == 0 &&
            (COMMANDS[i]->words[len] == ' ' || COMMANDS[i]->words[len] == '\0'))
            return true;
    return false;
}

/* The next words behind the first `len` bytes of a command's, each once. */
static int next_words(const char *words, size_t len, struct buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && COMMANDS[i] != NULL; i++) {
        const char *other = COMMANDS[i]->words;
        if (strncmp(other, words, len) != 0 || (len > 0 && other[len] != ' '))
            continue;
        size_t start = len == 0 ? 0 : len + 1, end = start + strcspn(other + start, " ");
        if (!is_repeated(i, end))
            r = buf_printf(out, " %.*s", (int) (end - start), other + start);
    }
    return r;
}

static int flag_words(const struct flag *flags, struct buf *out)
{
    int r = 0;
    for (; r == 0 && flags->name != NULL; flags++)
        if (flags->type != FLAG_REFUSED)
            r = buf_printf(out, " --%s", flags->name);
    return r;
}

static const struct command *exact(const char *words, size_t len)
{
    for (size_t i = 0; COMMANDS[i] != NULL; i++)
        if (strlen(COMMANDS[i]->words) == len && strncmp(COMMANDS[i]->words, words, len) == 0)
            return COMMANDS[i];
    return NULL;
}

/* One line of the shell's case: what follows these words. */
static int follow_case(const char *words, size_t len, struct buf *out)
{
    const struct command *command = exact(words, len);
    int r = buf_printf(out, "        '%.*s') echo \"", (int) len, words);
    if (r == 0)
        r = next_words(words, len, out);
    if (r == 0 && command != NULL)
        r = flag_words(command->flags, out);
    return r == 0 ? buf_append_str(out, "\" ;;\n") : r;
}

static int follow_function(struct buf *out)
{
    int r = buf_append_str(out, "_regcast_follow() {\n    case \"$1\" in\n");
    if (r == 0)
        r = follow_case("", 0, out);
    for (size_t i = 0; r == 0 && COMMANDS[i] != NULL; i++) {
        const char *words = COMMANDS[i]->words;
        for (size_t len = 0; r == 0 && len <= strlen(words); len++)
            if (len > 0 && (words[len] == ' ' || words[len] == '\0') && !is_repeated(i, len))
                r = follow_case(words, len, out);
    }
    return r == 0 ? buf_append_str(out, "        *) return 1 ;;\n    esac\n}\n\n") : r;
}

static int choice_cases(const struct flag *flags, struct buf *out)
{
    int r = 0;
    for (; r == 0 && flags->name != NULL; flags++)
        if (flags->choices != NULL)
            r = buf_printf(out, "        --%s) echo \"%s\" ;;\n", flags->name, flags->choices);
    return r;
}

/* Whether a command before the i-th has a flag of its own of that name. */
static bool was_before(size_t i, const char *name)
{
    const struct flag *global = command_flag(NULL, name, strlen(name));
    while (i-- > 0) {
        const struct flag *flag = command_flag(COMMANDS[i], name, strlen(name));
        if (flag != NULL && flag != global)
            return true;
    }
    return false;
}

/* A global flag that a command has in a form of its own is offered the words of both. */
static int global_choice_cases(struct buf *out)
{
    int r = 0;
    for (const struct flag *f = GLOBAL_FLAGS; r == 0 && f->name != NULL; f++) {
        if (f->choices == NULL)
            continue;
        r = buf_printf(out, "        --%s) echo \"%s", f->name, f->choices);
        for (size_t i = 0; r == 0 && COMMANDS[i] != NULL; i++) {
            const struct flag *own = command_flag(COMMANDS[i], f->name, strlen(f->name));
            if (own != f && own->choices != NULL && !was_before(i, f->name))
                r = buf_printf(out, " %s", own->choices);
        }
        if (r == 0)
            r = buf_append_str(out, "\" ;;\n");
    }
    return r;
}

static int switch_names(const struct flag *flags, size_t i, struct buf *out)
{
    int r = 0;
    for (; r == 0 && flags->name != NULL; flags++)
        if (flags->type == FLAG_SWITCH && !was_before(i, flags->name))
            r = buf_printf(out, "--%s|", flags->name);
    return r;
}

/* What a flag's value may be: words, or nothing where it may be anything; fails for switches. */
static int choices_function(struct buf *out)
{
    int r = buf_append_str(out, "_regcast_choices() {\n    case \"$1\" in\n");
    if (r == 0)
        r = global_choice_cases(out);
    for (size_t i = 0; r == 0 && COMMANDS[i] != NULL; i++)
        r = choice_cases(COMMANDS[i]->flags, out);
    if (r == 0)
        r = buf_append_str(out, "        ");
    for (size_t i = 0; r == 0 && COMMANDS[i] != NULL; i++)
        r = switch_names(COMMANDS[i]->flags, i, out);
    if (r == 0)
        r = switch_names(GLOBAL_FLAGS, 0, out);
    return r == 0 ? buf_append_str(out, "-) return 1 ;;\n        --*) ;;\n        *) return 1 ;;\n"
                                        "    esac\n}\n\n")
                  : r;
}

int help_completion(enum help_shell shell, struct buf *out)
{
    static const char *const HEAD[] = {
        [HELP_BASH] = "# bash completion of regcast: source <(regcast completion bash)\n\n",
        [HELP_ZSH] = "#compdef regcast\n# zsh completion of regcast: regcast completion zsh > "
                     "\"${fpath[1]}/_regcast\"\n\n",
    };
    /* Words that do not lead on are arguments; flags and their values are stepped over. */
    static const char WALK[] =
        "_regcast_words() {\n"
        "    local sofar='' word skip=\n"
        "    for word in \"$@\"; do\n"
        "        if [ -n \"$skip\" ]; then skip=; continue; fi\n"
        "        case \"$word\" in\n"
        "            --*=*) ;;\n"
        "            -*) if _regcast_choices \"$word\" >/dev/null; then skip=1; fi ;;\n"
        "            *) if _regcast_follow \"${sofar:+$sofar }$word\" >/dev/null; then\n"
        "                   sofar=\"${sofar:+$sofar }$word\"\n"
        "               fi ;;\n"
        "        esac\n"
        "    done\n"
        "    echo \"$(_regcast_follow \"$sofar\")";
    static const char *const TAIL[] = {
        [HELP_BASH] = "_regcast() {\n"
                      "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" words\n"
                      "    local prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                      "    if ! words=$(_regcast_choices \"$prev\"); then\n"
                      "        words=$(_regcast_words \"${COMP_WORDS[@]:1:COMP_CWORD-1}\")\n"
                      "    fi\n"
                      "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                      "}\n"
                      "complete -o default -F _regcast regcast\n",
        [HELP_ZSH] = "_regcast() {\n"
                     "    local found prev=\"${words[CURRENT-1]}\"\n"
                     "    if ! found=$(_regcast_choices \"$prev\"); then\n"
                     "        found=$(_regcast_words \"${(@)words[2,CURRENT-1]}\")\n"
                     "    fi\n"
                     "    compadd -- ${=found}\n"
                     "}\n"
                     "if [ \"$funcstack[1]\" = _regcast ]; then _regcast \"$@\"; else compdef "
                     "_regcast regcast; fi\n",
    };
    int r = buf_append_str(out, HEAD[shell]);
    if (r == 0)
        r = follow_function(out);
    if (r == 0)
        r = choices_function(out);
    if (r == 0)
        r = buf_append_str(out, WALK);
    if (r == 0)
        r = flag_words(GLOBAL_FLAGS, out);
    if (r == 0)
        r = buf_append_str(out, "\"\n}\n\n");
    return r == 0 ? buf_append_str(out, TAIL[shell]) : r;
}
