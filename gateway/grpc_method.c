/* grpc_method.c - all gRPC methods that there are: see grpc_call.h. */
#include "grpc_call.h"

static const struct grpc_methods *const ALL[] = {
    &GRPC_CONNECTION, &GRPC_ENDPOINT,   &GRPC_HEALTH,  &GRPC_IAM,
    &GRPC_OPERATION,  &GRPC_REFLECTION, &GRPC_TRIGGER, &GRPC_TRIGGER_V2,
};

const struct grpc_method *grpc_method_find(struct slice path, bool *ret_service)
{
    const uint8_t *slash = path.len < 2 ? NULL : memrchr(path.data, '/', path.len);
    *ret_service = false;
    if (slash == NULL || path.data[0] != '/' || slash == path.data)
        return NULL;
    size_t at = (size_t) (slash - path.data);
    struct slice service = slice_sub(path, 1, at), name = slice_from(path, at + 1);
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++)
        for (size_t k = 0; k < ALL[i]->n; k++) {
            const struct grpc_method *method = &ALL[i]->at[k];
            if (!slice_eq_str(service, method->service))
                continue;
            *ret_service = true;
            if (slice_eq_str(name, method->name))
                return method;
        }
    return NULL;
}

const struct grpc_method *grpc_method_at(size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(ALL); n -= ALL[i++]->n)
        if (n < ALL[i]->n)
            return &ALL[i]->at[n];
    return NULL;
}

/* The first service after that one by name; NULL: the very first. */
static const char *service_after(const char *last)
{
    const char *next = NULL;
    const struct grpc_method *method;
    for (size_t n = 0; (method = grpc_method_at(n)) != NULL; n++)
        if ((last == NULL || strcmp(method->service, last) > 0) &&
            (next == NULL || strcmp(method->service, next) < 0))
            next = method->service;
    return next;
}

const char *grpc_method_service(size_t n)
{
    const char *service = service_after(NULL);
    while (service != NULL && n-- > 0)
        service = service_after(service);
    return service;
}
