/* config_format.h - the places, words and formats of config_table.c, the only one to include it: a
 * row names them by one word. */
#ifndef BASE_CONFIG_FORMAT_H
#define BASE_CONFIG_FORMAT_H

#include "config_table.h"
#include "config_value.h"
#include "san.h"

static const char *const LOG_LEVEL_WORDS[] = {"debug", "info", "warn", "error", NULL};
static const char *const INBOUND_WORDS[] = {"ignore", "reject", "echo", NULL};
static const char *const AUTH_WORDS[] = {"none", "token", "jwt", "mtls", NULL};
static const char *const SIGNATURE_WORDS[] = {"none",  "standard-webhooks", "github", "x-signature",
                                              "nexus", "artifactory",       "gitea",  NULL};
static const char *const CLIENTS_WORDS[] = {"optional", "required", NULL};
static const char *const SLOW_WORDS[] = {"close", "skip", NULL};
static const char *const ENGINE_WORDS[] = {"embedded", "memory", "nats", NULL};
static const char *const ACK_WORDS[] = {"both", "journal", "stream", NULL};
static const char *const SWITCH_WORDS[] = {"false", "true", NULL};
static const char *const RESOURCE_WORDS[] = {"cloud",    "folder",          "gateway",
                                             "registry", "service_account", NULL};
static const char *const KIND_WORDS[] = {"acr",
                                         "artifactory",
                                         "cloudevents",
                                         "distribution",
                                         "dockerhub",
                                         "ecr",
                                         "generic",
                                         "gitea",
                                         "github",
                                         "gitlab",
                                         "google-artifact-registry",
                                         "harbor",
                                         "nexus",
                                         "quay",
                                         "yandex",
                                         "zot",
                                         NULL};

static const struct setting_format
    ID = {"of letters, digits, _ . -", value_is_id, NULL},
    REGISTRY_ID = {"of lower-case letters, digits, _ . -", value_is_registry_id, NULL},
    TRIGGER_NAME =
        {"of lower-case letters, digits and -, beginning with a letter, not ending with -",
         value_is_trigger_name, NULL},
    LISTEN = {"address:port with an IPv4 address, an [IPv6] address or localhost", value_is_listen,
              NULL},
    NETWORK = {"an address or a network such as 10.0.0.0/8 or 2001:db8::/32", value_is_network,
               NULL},
    HOST = {"a host's name without capitals", value_is_host, NULL},
    ORIGIN = {"scheme://host or scheme://host:port without capitals", value_is_origin, NULL},
    PATH = {"such as / or /teams/{team} or /files/{name+}", value_is_path, NULL},
    VARIABLE = {"of letters, digits, _ . -", value_is_id, NULL},
    VISIBLE = {"of visible ASCII", value_is_visible, NULL},
    ROLE = {"that are a role, such as functions.viewer", value_is_role, NULL},
    ROLES_EACH = {"a role, such as functions.viewer", value_is_role, NULL},
    SHA256 = {"of a SHA-256 in hexadecimal without capitals", value_is_sha256, NULL},
    PUBLIC_KEY = {"of an RSA public key of 2048 to 8192 bits in PEM", value_is_public_key, NULL},
    PATTERN = {"a pattern of at most 255 bytes", value_is_any, NULL},
    FILE_NAME = {"naming a file", value_is_file, NULL}, ANY = {"", value_is_any, NULL},
    RESOURCE = {"cloud, folder, gateway, registry or service_account", NULL, RESOURCE_WORDS},
    LOG_LEVEL = {"debug, info, warn or error", NULL, LOG_LEVEL_WORDS},
    INBOUND = {"ignore, reject or echo", NULL, INBOUND_WORDS},
    AUTH = {"none, token, jwt or mtls", NULL, AUTH_WORDS},
    CLIENTS = {"optional or required", NULL, CLIENTS_WORDS},
    SAN = {"dns:HOST, dns:*.DOMAIN, uri:URI or email:ADDRESS", san_is_rule, NULL},
    COOKIE = {"of a cookie's name", value_is_token, NULL},
    CLAIM = {"a claim's name of visible ASCII", value_is_visible, NULL},
    AUDIENCE = {"visible ASCII", value_is_visible, NULL},
    RULE_PATH = {"a path such as /teams/${claims.team}", value_is_rule, NULL},
    ALGORITHM = {"RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or HS256 (EdDSA is "
                 "not in the cryptographic library)",
                 value_is_algorithm, NULL},
    URL = {"of https://..., or http://... of a loopback address", value_is_key_url, NULL},
    REGISTRY_URL = {"of https://host, maybe with :port and a path, or http:// likewise; without a "
                    "user",
                    value_is_registry_url, NULL},
    BACKEND_URL = {"of https://host or http://host, maybe with :port and a path; without a user or "
                   "query",
                   value_is_backend_url, NULL},
    USER_NAME = {"of visible ASCII without a colon", value_is_user_name, NULL},
    SIGNATURE = {"none, standard-webhooks, github, x-signature, nexus, artifactory or gitea", NULL,
                 SIGNATURE_WORDS},
    PLAIN_SECRET = {"of ASCII, without a space at either end", value_is_plain_secret, NULL},
    PATH_TOKEN = {"of letters, digits, - and _", value_is_path_token, NULL},
    HEADER_NAME = {"of a header's name", value_is_token, NULL},
    POINTER = {"of a JSON pointer such as /target/tag", value_is_pointer, NULL},
    ACTION = {"a word", value_is_any, NULL}, SLOW = {"close or skip", NULL, SLOW_WORDS},
    ENGINE = {"embedded, memory or nats", NULL, ENGINE_WORDS},
    ACK = {"both, journal or stream", NULL, ACK_WORDS},
    NATS_URL = {"of nats://host or tls://host, maybe with :port; without a user", value_is_nats_url,
                NULL},
    NATS_NAME = {"of lower-case letters, digits, - and _", value_is_nats_name, NULL},
    SWITCH = {"true or false", NULL, SWITCH_WORDS},
    KIND = {"acr, artifactory, cloudevents, distribution, dockerhub, ecr, generic, gitea, github, "
            "gitlab, google-artifact-registry, harbor, nexus, quay, yandex or zot",
            NULL, KIND_WORDS};

/* Key and place at once, where they have one name; _ms is what durations are kept in. */
#define C(member)         #member, offsetof(struct config, member)
#define C_MS(member)      #member, offsetof(struct config, member##_ms)
#define P(member)         "gateway.paths[]." #member, offsetof(struct config_path, member)
#define P_MS(key, member) "gateway.paths[]." key, offsetof(struct config_path, member)
#define ISSUER(member)    "gateway.auth.issuers[]." #member, offsetof(struct config_issuer, member)
#define V(member)         "gateway.variables[]." #member, offsetof(struct config_variable, member)
#define BACKEND(list, member)                                                                      \
    "gateway.backends." #list "[]." #member, offsetof(struct config_backend, member)
#define R(member)       "registries[]." #member, offsetof(struct config_registry, member)
#define G(member)       "registries[].generic." #member, offsetof(struct config_registry, generic.member)
#define U(member)       "users[]." #member, offsetof(struct config_user, member)
#define A(member)       "service_accounts[]." #member, offsetof(struct config_account, member)
#define K(member)       "service_accounts[].keys[]." #member, offsetof(struct config_key, member)
#define B(key, member)  "bindings[]." key, offsetof(struct config_binding, member)
#define S(list, member) #list "[]." #member, offsetof(struct config_secret, member)
#define S_TIME(list)    #list "[].expires_at", offsetof(struct config_secret, expires_at_s)
#define T(member)       "triggers[]." #member, offsetof(struct config_trigger, member)
#define RULE(key, member)                                                                          \
    "triggers[].rule.container_registry." key, offsetof(struct config_trigger, member)
#define CERTIFICATE(side, member)                                                                  \
#side ".tls.certificates[]." #member, offsetof(struct config_certificate, member)
#define NO_PLACE    0
#define GOOGLE_KEYS "https://www.googleapis.com/oauth2/v3/certs"

#define HOUR        ((uint64_t) 3600000)
#define DAY         (24 * HOUR)
#define LAST_SECOND ((uint64_t) 253402300799) /* of the year 9999 */
#define KIB         ((uint64_t) 1 << 10)
#define MIB         ((uint64_t) 1 << 20)
#define GIB         ((uint64_t) 1 << 30)

#define COUNT    SETTING_COUNT
#define SIZE     SETTING_SIZE
#define DURATION SETTING_DURATION
#define TIME     SETTING_TIME
#define TEXT     SETTING_TEXT
#define TEXTS    SETTING_TEXTS
#define CHOICE   SETTING_CHOICE
#define WORD     SETTING_WORD
#define LIST     SETTING_LIST
#define REQUIRED SETTING_REQUIRED
#define SECRET   SETTING_SECRET
#define LATE     SETTING_LATE
#define RESTART  SETTING_RESTART
#define ORDERED  SETTING_ORDERED

#endif
