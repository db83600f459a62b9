/* status.h - why an operation of the API was refused: google.rpc.Status with the details that its
 * clients read (api: "Error handling"). Transport-independent: REST prints it as JSON, gRPC as
 * trailers. (pure) Any thread. */
#ifndef BROKER_STATUS_H
#define BROKER_STATUS_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum status_code { /* google.rpc.Code */
                   STATUS_OK = 0,
                   STATUS_CANCELLED = 1,
                   STATUS_UNKNOWN = 2,
                   STATUS_INVALID_ARGUMENT = 3,
                   STATUS_DEADLINE_EXCEEDED = 4,
                   STATUS_NOT_FOUND = 5,
                   STATUS_ALREADY_EXISTS = 6,
                   STATUS_PERMISSION_DENIED = 7,
                   STATUS_RESOURCE_EXHAUSTED = 8,
                   STATUS_FAILED_PRECONDITION = 9,
                   STATUS_ABORTED = 10,
                   STATUS_OUT_OF_RANGE = 11,
                   STATUS_UNIMPLEMENTED = 12,
                   STATUS_INTERNAL = 13,
                   STATUS_UNAVAILABLE = 14,
                   STATUS_DATA_LOSS = 15,
                   STATUS_UNAUTHENTICATED = 16
};

#define STATUS_MAX_VIOLATIONS 16 /* more are not kept */
#define STATUS_TEXT           256

struct status_violation { /* google.rpc.BadRequest.FieldViolation */
    char field[80];       /* the API's path: "rule.container_registry.registry_id" */
    char description[STATUS_TEXT];
};

struct status_quota { /* yandex.cloud.quota.QuotaFailure.Violation; name NULL: none */
    const char *name; /* a literal, "serverless.triggers.count" */
    uint64_t limit, usage, required;
};

/* All zero is STATUS_OK. Texts are valid UTF-8 without control characters, whatever went in. */
struct status {
    enum status_code code;
    char message[STATUS_TEXT];
    struct status_violation violations[STATUS_MAX_VIOLATIONS]; /* with INVALID_ARGUMENT */
    size_t n_violations;
    struct status_quota quota; /* with RESOURCE_EXHAUSTED */
};

void status_set(struct status *s, enum status_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a violation; the first one sets code and message ("field: description"). A status that has
 * another code already keeps it, and no violation is added. */
void status_violate(struct status *s, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
unsigned status_http(enum status_code code);      /* 400, 404, ...: the API's mapping */
const char *status_name(enum status_code code);   /* "INVALID_ARGUMENT" */
const char *status_pascal(enum status_code code); /* "InvalidArgument", as clients print it */

#endif
