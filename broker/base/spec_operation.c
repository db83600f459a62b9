/* spec_operation.c - what happens on a path when a client connects, sends or leaves. */
#include "spec_private.h"

#include <stdio.h>

#define MAX_LOOKED_AT 64 /* answers of an operation, media types of an answer */

static bool maps_schema(struct spec_reader *r, const struct doc_node *body, unsigned *ret_line)
{
    const struct doc_node *content = spec_get(r, body, "content");
    unsigned n = 0;
    const struct doc_node *at = content == NULL || content->kind != DOC_MAP ? NULL : content->first;
    for (; at != NULL && n < MAX_LOOKED_AT; at = at->next, n++) {
        const struct doc_node *mapping =
            spec_get(r, spec_get(r, spec_deref(r, at), "schema"), "x-yc-schema-mapping");
        if (mapping != NULL) {
            *ret_line = mapping->line;
            return true;
        }
    }
    return false;
}

static void refuse_mapping(struct spec_reader *r, unsigned line, const char *name)
{
    spec_problem(
        r, line, name,
        "expected none on a WebSocket operation: what is mapped would arrive otherwise; do "
        "it in the backend");
}

/* Bodies and codes that the original changes on the way would arrive as they are. */
static void check_mappings(struct spec_reader *r, const struct doc_node *node, bool answered)
{
    unsigned line = 0, n = 0;
    const struct doc_node *answers = answered ? spec_get(r, node, "responses") : NULL;
    if (maps_schema(r, spec_get(r, node, "requestBody"), &line))
        refuse_mapping(r, line, "x-yc-schema-mapping");
    const struct doc_node *at = answers == NULL || answers->kind != DOC_MAP ? NULL : answers->first;
    for (; at != NULL && n < MAX_LOOKED_AT; at = at->next, n++) {
        const struct doc_node *answer = spec_deref(r, at);
        const struct doc_node *status = spec_get(r, answer, "x-yc-status-mapping");
        if (status != NULL)
            refuse_mapping(r, status->line, "x-yc-status-mapping");
        if (maps_schema(r, answer, &line))
            refuse_mapping(r, line, "x-yc-schema-mapping");
    }
}

struct spec_operation *spec_operation_read(struct spec_reader *r, const struct spec_route *route,
                                           const struct doc_node *item, const char *event)
{
    char key[64];
    (void) snprintf(key, sizeof(key), "x-yc-apigateway-websocket-%s", event);
    const struct doc_node *member = doc_member(item, key);
    const struct doc_node *node = member == NULL ? NULL : spec_deref(r, member);
    if (node == NULL)
        return NULL;
    (void) snprintf(r->where, sizeof(r->where), "%s.%s", route->path, event);
    struct spec_operation *op = spec_alloc(r, 1, sizeof(*op));
    op->line = member->line;
    if (!spec_is_map(r, node, key))
        return op;
    const struct doc_node *integration = doc_member(node, "x-yc-apigateway-integration");
    spec_params_read(r, route, item, node, op);
    if (integration == NULL)
        spec_problem(r, member->line, "x-yc-apigateway-integration", "expected one, got none");
    else if ((integration = spec_deref(r, integration)) != NULL)
        spec_integration_read(r, integration, op);
    if (strcmp(event, "disconnect") != 0)
        spec_security_of(r, node, &op->security);
    check_mappings(r, node, strcmp(event, "disconnect") != 0);
    const struct doc_node *validator = spec_get(r, node, "x-yc-apigateway-validator");
    if (validator != NULL)
        spec_note(r, validator->line,
                  "x-yc-apigateway-validator is passed over: what clients send is not validated");
    return op;
}
