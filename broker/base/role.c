/* role.c - the names of roles and which include which. */
#include "role.h"

#include "err.h"

#include <string.h>

/* Roles that give nothing here (functions.functionInvoker) are known all the same, so that bindings
 * copied from the original load. docs/compatibility.md says where its reference left a choice. */
const struct role ROLES[] = {
    {"auditor", {"functions.auditor", "api-gateway.auditor"}},
    {"viewer", {"auditor", "functions.viewer", "api-gateway.viewer", "container-registry.viewer"}},
    {"editor",
     {"viewer", "functions.editor", "api-gateway.websocketBroadcaster", "container-registry.editor",
      "iam.serviceAccounts.user"}},
    {"admin",
     {"editor", "functions.admin", "api-gateway.admin", "container-registry.admin",
      "iam.serviceAccounts.admin"}},
    {"resource-manager.clouds.owner", {"admin"}},

    {"functions.auditor", {NULL}},
    {"functions.viewer", {"functions.auditor"}},
    {"functions.functionInvoker", {NULL}},
    {"functions.editor", {"functions.viewer", "functions.functionInvoker"}},
    {"functions.admin", {"functions.editor"}},

    {"api-gateway.auditor", {NULL}},
    {"api-gateway.viewer", {"api-gateway.auditor"}},
    {"api-gateway.websocketWriter", {"api-gateway.viewer"}},
    {"api-gateway.websocketBroadcaster", {"api-gateway.websocketWriter"}},
    {"api-gateway.editor", {"api-gateway.viewer"}},
    {"api-gateway.admin", {"api-gateway.editor"}},

    {"container-registry.viewer", {NULL}},
    {"container-registry.images.puller", {"container-registry.viewer"}},
    {"container-registry.images.pusher", {"container-registry.images.puller"}},
    {"container-registry.images.scanner", {"container-registry.images.puller"}},
    {"container-registry.editor",
     {"container-registry.images.pusher", "container-registry.images.scanner"}},
    {"container-registry.admin", {"container-registry.editor"}},

    {"iam.serviceAccounts.user", {NULL}},
    {"iam.serviceAccounts.admin", {"iam.serviceAccounts.user"}},
};
const size_t N_ROLES = ARRAY_LEN(ROLES);

static const struct role *find(const char *name)
{
    for (size_t i = 0; i < N_ROLES; i++)
        if (strcmp(ROLES[i].name, name) == 0)
            return &ROLES[i];
    return NULL;
}

bool role_known(const char *name)
{
    return find(name) != NULL;
}

bool role_includes(const char *has, const char *wanted)
{
    const struct role *role = find(has);
    if (role == NULL)
        return false;
    if (strcmp(has, wanted) == 0)
        return true;
    for (size_t i = 0; i < ROLE_MAX_INCLUDES && role->includes[i] != NULL; i++)
        if (role_includes(role->includes[i], wanted)) /* as deep as the table: five */
            return true;
    return false;
}
