/* status.c - why an operation of the API was refused. */
#include "status.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name, *pascal;
    unsigned http;
} CODES[] = {
    [STATUS_OK] = {"OK", "OK", 200},
    [STATUS_CANCELLED] = {"CANCELLED", "Canceled", 499},
    [STATUS_UNKNOWN] = {"UNKNOWN", "Unknown", 500},
    [STATUS_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", "InvalidArgument", 400},
    [STATUS_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", "DeadlineExceeded", 504},
    [STATUS_NOT_FOUND] = {"NOT_FOUND", "NotFound", 404},
    [STATUS_ALREADY_EXISTS] = {"ALREADY_EXISTS", "AlreadyExists", 409},
    [STATUS_PERMISSION_DENIED] = {"PERMISSION_DENIED", "PermissionDenied", 403},
    [STATUS_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", "ResourceExhausted", 429},
    [STATUS_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", "FailedPrecondition", 400},
    [STATUS_ABORTED] = {"ABORTED", "Aborted", 409},
    [STATUS_OUT_OF_RANGE] = {"OUT_OF_RANGE", "OutOfRange", 400},
    [STATUS_UNIMPLEMENTED] = {"UNIMPLEMENTED", "Unimplemented", 501},
    [STATUS_INTERNAL] = {"INTERNAL", "Internal", 500},
    [STATUS_UNAVAILABLE] = {"UNAVAILABLE", "Unavailable", 503},
    [STATUS_DATA_LOSS] = {"DATA_LOSS", "DataLoss", 500},
    [STATUS_UNAUTHENTICATED] = {"UNAUTHENTICATED", "Unauthenticated", 401},
};

/* A text may quote what a client sent, and may have been cut in the middle of a character. */
static void clean(char *text)
{
    bool ascii = !utf8_valid(slice_str(text));
    for (char *c = text; *c != '\0'; c++)
        if ((uint8_t) *c < 0x20 || *c == 0x7f || (ascii && (uint8_t) *c >= 0x80))
            *c = '?';
}

void status_set(struct status *s, enum status_code code, const char *format, ...)
{
    va_list args;
    *s = (struct status){.code = code};
    va_start(args, format);
    (void) vsnprintf(s->message, sizeof(s->message), format, args);
    va_end(args);
    clean(s->message);
}

void status_violate(struct status *s, const char *field, const char *format, ...)
{
    struct status_violation v;
    if ((s->code != STATUS_OK && s->code != STATUS_INVALID_ARGUMENT) ||
        s->n_violations == STATUS_MAX_VIOLATIONS)
        return; /* so that a request with very many mistakes costs no more than one with some */
    va_list args;
    va_start(args, format);
    (void) vsnprintf(v.description, sizeof(v.description), format, args);
    va_end(args);
    (void) snprintf(v.field, sizeof(v.field), "%s", field);
    clean(v.field);
    clean(v.description);
    if (s->code == STATUS_OK)
        status_set(s, STATUS_INVALID_ARGUMENT, "%s: %s", v.field, v.description);
    s->violations[s->n_violations++] = v;
}

static size_t known(enum status_code code)
{
    return (size_t) code < ARRAY_LEN(CODES) ? (size_t) code : STATUS_UNKNOWN;
}

unsigned status_http(enum status_code code)
{
    return CODES[known(code)].http;
}

const char *status_name(enum status_code code)
{
    return CODES[known(code)].name;
}

const char *status_pascal(enum status_code code)
{
    return CODES[known(code)].pascal;
}
