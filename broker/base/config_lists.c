/* config_lists.c - where the elements of every list of the configuration are. */
#include "config_table.h"

#define PLACE(list, count, type, text_item, unique, line)                                          \
    {                                                                                              \
#list, offsetof(struct config, list), offsetof(struct config, count), sizeof(type),        \
            text_item, #unique, offsetof(type, unique), line                                       \
    }
#define PLACE_OF_ANY(list, count, type, line)                                                      \
    {                                                                                              \
#list, offsetof(struct config, list), offsetof(struct config, count), sizeof(type), NULL,  \
            NULL, 0, line                                                                          \
    }
#define LINE(type) offsetof(type, line)
#define PLACE_OF_CERTIFICATES(side)                                                                \
    PLACE_OF_ANY(side.tls.certificates, side.tls.n_certificates, struct config_certificate,        \
                 LINE(struct config_certificate))
const struct list_place LISTS[] = {
    PLACE(gateway.paths, gateway.n_paths, struct config_path, "path", path,
          LINE(struct config_path)),
    PLACE(gateway.variables, gateway.n_variables, struct config_variable, NULL, name, 0),
    PLACE(gateway.backends.containers, gateway.backends.n_containers, struct config_backend, NULL,
          id, LINE(struct config_backend)),
    PLACE(gateway.backends.functions, gateway.backends.n_functions, struct config_backend, NULL, id,
          LINE(struct config_backend)),
    PLACE(gateway.auth.tokens, gateway.auth.n_tokens, struct config_secret, NULL, sha256, 0),
    PLACE(gateway.auth.issuers, gateway.auth.n_issuers, struct config_issuer, NULL, issuer,
          LINE(struct config_issuer)),
    PLACE_OF_CERTIFICATES(gateway),
    PLACE_OF_CERTIFICATES(webhooks),
    PLACE_OF_CERTIFICATES(management),
    PLACE(registries, n_registries, struct config_registry, NULL, id, LINE(struct config_registry)),
    PLACE(users, n_users, struct config_user, NULL, id, 0),
    PLACE(service_accounts, n_service_accounts, struct config_account, NULL, id, 0),
    {"service_accounts[].keys", offsetof(struct config_account, keys),
     offsetof(struct config_account, n_keys), sizeof(struct config_key), NULL, "id",
     offsetof(struct config_key, id), 0},
    PLACE_OF_ANY(bindings, n_bindings, struct config_binding, 0),
    PLACE(tokens, n_tokens, struct config_secret, NULL, sha256, 0),
    PLACE(api_keys, n_api_keys, struct config_secret, NULL, sha256, 0),
    PLACE(triggers, n_triggers, struct config_trigger, NULL, name, LINE(struct config_trigger)),
};
const size_t N_LISTS = ARRAY_LEN(LISTS);
