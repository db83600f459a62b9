/* rule.h - a trigger's rule from flags: the same for create and, with "new-" in front, update. One
 * thread. */
#ifndef CLI_RULE_H
#define CLI_RULE_H

#include "call.h"

/* The flags, each with `new` in front: "" or "new-". `required` is said of those a rule must have:
 * " Required." or "". */
#define RULE_REFUSED(name, why)                                                                    \
    {                                                                                              \
        name, '\0', NULL, FLAG_REFUSED, "VALUE", NULL, why                                         \
    }
#define RULE_BY_ID(new, what)                                                                      \
    RULE_REFUSED(new what "-name", "It is known by its id here: use --" new what "-id.")
#define RULE_NO_FUNCTIONS                                                                          \
    "This gateway runs no functions and containers; a trigger broadcasts to WebSocket clients "    \
    "(--gateway-id and --gateway-websocket-broadcast-*)."
#define RULE_NO_RETRIES "A broadcast has no retries and no dead letter queue."
#define RULE_FILTER(name, help)                                                                    \
    {                                                                                              \
        name, '\0', NULL, FLAG_TEXTS, "PATTERN[,...]", NULL, help                                  \
    }
#define RULE_FLAGS(new, required)                                                                   \
    {new "registry-id",                                                                             \
     '\0',                                                                                          \
     NULL,                                                                                          \
     FLAG_TEXT,                                                                                     \
     "ID",                                                                                          \
     NULL,                                                                                          \
     "Registry whose events it takes." required},                                                   \
        RULE_BY_ID(new, "registry"),                                                                \
        {new "image-name",                                                                          \
         '\0',                                                                                      \
         NULL,                                                                                      \
         FLAG_TEXT,                                                                                 \
         "NAME",                                                                                    \
         NULL,                                                                                      \
         "Only events of this image; the registry's id may stand in front."},                       \
        {new "tag", '\0', NULL, FLAG_TEXT, "TAG", NULL, "Only events of this tag."},                \
        RULE_FILTER(new "filter-image",                                                             \
                    "Only images that one of these fits, such as team/*, team/** or !**/test."),    \
        RULE_FILTER(new "filter-tag",                                                               \
                    "Only tags that one of these fits, such as v1.*, !*-rc* or semver:^1.2."),      \
        RULE_FILTER(new "filter-digest",                                                            \
                    "Only digests that one of these fits: whole, or sha256:ab*."),                  \
        RULE_FILTER(new "filter-actor",                                                             \
                    "Only what somebody did whom one of these fits, such as ci-* or !robot-*."),    \
        {new "events",                                                                              \
         '\0',                                                                                      \
         NULL,                                                                                      \
         FLAG_TEXTS,                                                                                \
         "EVENT[,EVENT...]",                                                                        \
         "create-image delete-image create-image-tag delete-image-tag",                             \
         "Which events it takes: create-image, delete-image, create-image-tag, "                    \
         "delete-image-tag." required},                                                             \
        {new "batch-size",                                                                          \
         '\0',                                                                                      \
         NULL,                                                                                      \
         FLAG_COUNT,                                                                                \
         "N",                                                                                       \
         NULL,                                                                                      \
         "A batch of so many events is sent at once (1 - 1000; 1)."},                               \
        {new "batch-cutoff",                                                                        \
         '\0',                                                                                      \
         NULL,                                                                                      \
         FLAG_DURATION,                                                                             \
         "DURATION",                                                                                \
         NULL,                                                                                      \
         "A batch is sent so long after its first event (1s - 60s; 1s)."},                          \
        {new "gateway-id", '\0', NULL, FLAG_TEXT, "ID", NULL, "Gateway to broadcast by." required}, \
        RULE_BY_ID(new, "gateway"),                                                                 \
        {new "gateway-websocket-broadcast-path",                                                    \
         '\0',                                                                                      \
         NULL,                                                                                      \
         FLAG_TEXT,                                                                                 \
         "PATH",                                                                                    \
         NULL,                                                                                      \
         "Whose clients get the events: one of regcastd's gateway.paths, as it stands "             \
         "there." required},                                                                        \
        {new "gateway-websocket-broadcast-service-account-id",                                      \
         '\0',                                                                                      \
         new "gateway-websocket-broadcast-account-id",                                              \
         FLAG_TEXT,                                                                                 \
         "ID",                                                                                      \
         NULL,                                                                                      \
         "Service account to broadcast as; it needs the role "                                      \
         "api-gateway.websocketBroadcaster." required},                                             \
        RULE_BY_ID(new, "gateway-websocket-broadcast-service-account"),                             \
        RULE_REFUSED(new "invoke-function-id", RULE_NO_FUNCTIONS),                                  \
        RULE_REFUSED(new "invoke-function-name", RULE_NO_FUNCTIONS),                                \
        RULE_REFUSED(new "invoke-function-tag", RULE_NO_FUNCTIONS),                                 \
        RULE_REFUSED(new "invoke-function-service-account-id", RULE_NO_FUNCTIONS),                  \
        RULE_REFUSED(new "invoke-function-service-account-name", RULE_NO_FUNCTIONS),                \
        RULE_REFUSED(new "invoke-container-id", RULE_NO_FUNCTIONS),                                 \
        RULE_REFUSED(new "invoke-container-name", RULE_NO_FUNCTIONS),                               \
        RULE_REFUSED(new "invoke-container-path", RULE_NO_FUNCTIONS),                               \
        RULE_REFUSED(new "invoke-container-service-account-id", RULE_NO_FUNCTIONS),                 \
        RULE_REFUSED(new "invoke-container-service-account-name", RULE_NO_FUNCTIONS)

/* Writes what the flags say into `registry` (rule.containerRegistry of REST), and leaves the rest.
 * `prefix` is "" or "new-". EXIT_FINE, or EXIT_WRONG_USAGE: why has been printed. */
MUST_CHECK int rule_from_flags(const struct call *c, const char *prefix, cJSON *registry);
/* Whether any of the flags was given. */
bool rule_is_given(const struct call *c, const char *prefix);

#endif
