/* args.c - the arguments of a command. (pure) */
#include "args.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((format(printf, 2, 3))) int wrong(char ret_error[ARGS_ERROR_SIZE],
                                                       const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    (void) vsnprintf(ret_error, ARGS_ERROR_SIZE, fmt, list);
    va_end(list);
    return -EINVAL;
}

bool args_read_duration(const char *text, uint64_t *ret_ms)
{
    static const struct {
        const char *name;
        double ms;
    } UNITS[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    double total = 0;
    bool any = false;
    while (*text != '\0') {
        size_t digits = strspn(text, "0123456789"), fraction = 0;
        if (text[digits] == '.')
            fraction = 1 + strspn(text + digits + 1, "0123456789");
        const char *end = text + digits + fraction;
        if (digits == 0)
            return false;
        double number = strtod(text, NULL);
        size_t unit = 0;
        size_t n = strspn(end, "msdh");
        if (n == 0 && *end == '\0' && !any) {
            total = number * 1000;
            any = true;
            break;
        }
        while (unit < ARRAY_LEN(UNITS) &&
               (strlen(UNITS[unit].name) != n || strncmp(UNITS[unit].name, end, n) != 0))
            unit++;
        if (unit == ARRAY_LEN(UNITS))
            return false;
        total += number * UNITS[unit].ms;
        text = end + n;
        any = true;
    }
    if (!any || total >= 1e15)
        return false;
    *ret_ms = (uint64_t) (total + 0.5);
    return true;
}

static bool read_count(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *ret = value;
    return errno == 0 && end != text && *end == '\0';
}

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *at = choices; *at != '\0'; at += *at == ' ') {
        size_t n = strcspn(at, " ");
        if (n == len && strncmp(at, value, n) == 0)
            return true;
        at += n;
    }
    return false;
}

static int check(const struct flag *flag, const char *value, char ret_error[ARGS_ERROR_SIZE])
{
    uint64_t ms;
    int64_t count;
    switch (flag->type) {
    case FLAG_REFUSED:
        return wrong(ret_error, "--%s is not supported: %s", flag->name, flag->help);
    case FLAG_COUNT:
        return read_count(value, &count)
                   ? 0
                   : wrong(ret_error, "--%s: expected a number, got \"%s\"", flag->name, value);
    case FLAG_DURATION:
        return args_read_duration(value, &ms)
                   ? 0
                   : wrong(ret_error, "--%s: expected a duration such as 20s or 1m, got \"%s\"",
                           flag->name, value);
    case FLAG_SWITCH:
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0
                   ? 0
                   : wrong(ret_error, "--%s: expected true or false, got \"%s\"", flag->name,
                           value);
    case FLAG_TEXT:
        if (flag->choices != NULL && !is_choice(flag->choices, value))
            return wrong(ret_error, "--%s: expected one of %s, got \"%s\"", flag->name,
                         flag->choices, value);
        return 0;
    case FLAG_TEXTS: /* its parts are the command's to check: they have words of their own */
        return 0;
    }
    return 0;
}

/* The flag at argv[*at]; steps to the last element it uses. */
static int take_flag(struct args *args, int argc, char *const *argv, int *at,
                     char ret_error[ARGS_ERROR_SIZE])
{
    const char *text = argv[*at], *value = NULL;
    const struct flag *flag;
    if (text[1] == '-') {
        size_t len = strcspn(text + 2, "=");
        flag = len == 1 ? NULL : command_flag(args->command, text + 2, len);
        if (flag != NULL && text[2 + len] == '=')
            value = text + 2 + len + 1;
    } else {
        flag = command_flag(args->command, text + 1, 1);
        if (text[2] != '\0')
            value = text + (text[2] == '=' ? 3 : 2); /* -dTEXT, -d=TEXT */
    }
    if (flag == NULL)
        return wrong(ret_error, "unknown flag %s", text);
    if (value == NULL && flag->type == FLAG_SWITCH)
        value = "true";
    if (value == NULL && ++*at < argc)
        value = argv[*at];
    if (value == NULL)
        return wrong(ret_error, "--%s needs a value", flag->name);
    if (args->n_values == ARGS_MAX)
        return wrong(ret_error, "more than %d flags", ARGS_MAX);
    args->values[args->n_values].flag = flag;
    args->values[args->n_values++].value = value;
    return check(flag, value, ret_error);
}

static size_t count_words(const char *words)
{
    size_t n = 1;
    for (; *words != '\0'; words++)
        n += *words == ' ';
    return n;
}

int args_parse(const struct command *command, int argc, char *const *argv, struct args *ret,
               char ret_error[ARGS_ERROR_SIZE])
{
    *ret = (struct args){.command = command};
    size_t own = count_words(command->words); /* words that name the command itself */
    bool flags = true;
    for (int i = 0; i < argc; i++) {
        if (flags && strcmp(argv[i], "--") == 0) {
            flags = false;
        } else if (flags && argv[i][0] == '-' && argv[i][1] != '\0') {
            int r = take_flag(ret, argc, argv, &i, ret_error);
            if (r < 0)
                return r;
        } else if (own > 0) {
            own--;
        } else if (ret->n_arguments == command->max_arguments || ret->n_arguments == ARGS_MAX) {
            return wrong(ret_error, "unexpected argument \"%s\"", argv[i]);
        } else {
            ret->arguments[ret->n_arguments++] = argv[i];
        }
    }
    return 0;
}

const char *args_text(const struct args *args, const char *name)
{
    const struct flag *flag = command_flag(args->command, name, strlen(name));
    ASSERT(flag != NULL);
    for (size_t i = args->n_values; i-- > 0;)
        if (args->values[i].flag == flag)
            return args->values[i].value;
    return NULL;
}

bool args_switch(const struct args *args, const char *name)
{
    const char *value = args_text(args, name);
    return value != NULL && strcmp(value, "true") == 0;
}

bool args_count(const struct args *args, const char *name, int64_t *ret)
{
    const char *value = args_text(args, name);
    return value != NULL && read_count(value, ret);
}

bool args_duration_ms(const struct args *args, const char *name, uint64_t *ret)
{
    const char *value = args_text(args, name);
    return value != NULL && args_read_duration(value, ret);
}

size_t args_each(const struct args *args, const char *name,
                 void (*part)(void *arg, const char *text, size_t len), void *arg)
{
    const struct flag *flag = command_flag(args->command, name, strlen(name));
    ASSERT(flag != NULL && flag->type == FLAG_TEXTS);
    size_t n = SIZE_MAX;
    for (size_t i = 0; i < args->n_values; i++) {
        if (args->values[i].flag != flag)
            continue;
        if (n == SIZE_MAX)
            n = 0;
        for (const char *at = args->values[i].value; *at != '\0'; at += *at == ',') {
            size_t len = strcspn(at, ","), whole = len, skip = 0;
            while (skip < len && at[skip] == ' ')
                skip++;
            while (len > skip && at[len - 1] == ' ')
                len--;
            if (len > skip) {
                part(arg, at + skip, len - skip);
                n++;
            }
            at += whole;
        }
    }
    return n;
}
