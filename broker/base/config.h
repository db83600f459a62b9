/* config.h - one table of every setting: load, check, print. config_table.c gives each key
 * its place in these structures, its bounds, default and help; the YAML loader, --check and
 * conf/reference.md all come from it, so they cannot disagree. A loaded configuration never changes
 * and may be read from any thread. */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "buf.h"
#include "event_list.h"
#include "filter.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum config_inbound { INBOUND_IGNORE, INBOUND_REJECT, INBOUND_ECHO };
enum config_slow { SLOW_CLOSE, SLOW_SKIP };
enum config_auth { AUTH_NONE, AUTH_TOKEN, AUTH_JWT, AUTH_MTLS };
enum config_clients { CLIENTS_OPTIONAL, CLIENTS_REQUIRED };
enum config_signature {
    SIGNATURE_NONE,
    SIGNATURE_STANDARD,
    SIGNATURE_GITHUB,
    SIGNATURE_X,
    SIGNATURE_NEXUS,
    SIGNATURE_ARTIFACTORY,
    SIGNATURE_GITEA
};

/* Bits of config_trigger.event_types.mask; the order is enum event_type's (broker/event.h) and the
 * API's. */
#define CONFIG_CREATE_IMAGE     1u
#define CONFIG_DELETE_IMAGE     2u
#define CONFIG_CREATE_IMAGE_TAG 4u
#define CONFIG_DELETE_IMAGE_TAG 8u

struct config_strings {
    char **at;
    size_t n;
};

struct config_path {
    char *path; /* "/", "/teams/{team}", "/files/{name+}" */
    enum config_auth auth;
    struct config_strings allowed_origins;     /* empty: gateway.allowed_origins */
    struct config_strings client_certificates; /* rules of san.h, with AUTH_MTLS */
    enum config_inbound inbound;
    enum config_slow slow_consumer;
    uint64_t max_message_bytes, max_frame_bytes; /* both directions */
    uint64_t max_lag_bytes, max_lag_ms;
    uint64_t history_count, history_bytes, history_ms;
    uint64_t max_connections; /* per process, 0: any */
    uint64_t memory_bytes; /* of the history, in the path log; the rest is read from the journal */
    unsigned line;         /* in config_path_file(), for messages */
    const struct spec_route *route; /* of config.spec; NULL: it is not of the specification */
};

/* What stands for ${var.NAME} in the specification. */
struct config_variable {
    char *name, *value;
};

/* Where a container or function of the specification is. */
struct config_backend {
    char *id, *url;
    unsigned line; /* in the file, for messages */
};

/* A certificate with those that lead to its authority behind it, and its key; both PEM. */
struct config_certificate {
    char *certificate_file, *private_key_file;
    unsigned line; /* in the file, for messages */
};

/* What a side's listeners need for TLS; no certificates: they are plain. */
struct config_tls {
    struct config_certificate *certificates; /* the first is for who names no host that we know */
    size_t n_certificates;
    char *client_ca_file; /* NULL: no client is asked for a certificate */
    enum config_clients client_certificates;
};

#define CONFIG_SECRETS         4  /* in a file at once, so that one can be changed for another */
#define CONFIG_SECRET_MIN      24 /* bytes of a webhook's secret, which the text has in base64 */
#define CONFIG_SECRET_MAX      64
#define CONFIG_SECRET_TEXT_MAX 256 /* bytes of the line with one, whatever is in it */

/* Whose ID tokens prove who posts (OpenID Connect Core section 2). */
struct config_oidc {
    char *audience, *email, *issuer; /* audience NULL: nobody's are asked for */
    char *jwks_url, *jwks_file;      /* one of them */
};

/* Where a body of kind `generic` has what: JSON pointers (RFC 6901), NULL where it has not. */
struct config_generic {
    char *events; /* to an array or an object in the body; NULL or "": all of it */
    /* In an event. Either `reference`, or `repository` with `tag` or `digest` or both. */
    char *repository, *tag, *digest, *reference;
    char *action, *id, *time, *actor;
    struct config_strings push, remove; /* what `action` may say; empty: the usual words */
};

#define CONFIG_ALARM_OFF UINT64_MAX

struct config_registry {
    char *id, *kind;              /* kind NULL: detected from the request */
    char *token;                  /* or NULL; with `tokens` empty as well, none is asked for */
    struct config_strings tokens; /* the lines of `token_file`, any of which will do */
    char *token_header;           /* whose whole value the token is; NULL: Authorization has it as
                                     Bearer or Basic, or the query as access_token */
    struct config_strings path_tokens; /* lines again: each is a path of its own, /hook/TOKEN */
    enum config_signature signature;
    struct config_strings signature_secrets; /* likewise; of SIGNATURE_STANDARD they are
                                                value_webhook_secret()'s, of the others any text */
    struct config_oidc oidc;
    struct config_strings client_certificates; /* rules of san.h; empty: none is asked for */
    char *registry_url;                      /* asked what a webhook leaves out; NULL: nobody is */
    char *registry_user, *registry_password; /* NULL: none; from `registry_password_file` */
    char *registry_ca_file;                  /* NULL: the system's */
    uint64_t registry_timeout_ms;
    struct config_strings allowed_from; /* networks; empty: any */
    uint64_t silence_alarm_ms;          /* 0: learnt from its webhooks; CONFIG_ALARM_OFF: none */
    unsigned line;                      /* in the file, for messages */
    struct config_generic generic;      /* with the kind `generic` only */
};

struct config_user {
    char *id;
    struct config_strings roles;               /* on the folder */
    struct config_strings client_certificates; /* rules of san.h */
};

/* What a service account proves with that it is itself: the private half is its own. */
struct config_key {
    char *id;
    char *public_key; /* PEM; see public_key_check_rsa(). From `public_key` or `public_key_file` */
};

struct config_account {
    char *id, *name;             /* name NULL: none */
    char *folder_id;             /* where it lies; NULL: config.folder_id */
    struct config_strings roles; /* on the folder of the configuration, wherever it lies */
    struct config_key *keys;
    size_t n_keys;
    struct config_strings client_certificates; /* rules of san.h */
};

/* The order is enum iam_kind's (broker/iam.h). */
enum config_resource {
    CONFIG_CLOUD,
    CONFIG_FOLDER,
    CONFIG_GATEWAY,
    CONFIG_REGISTRY,
    CONFIG_ACCOUNT
};

struct config_binding {
    char *subject, *role;
    enum config_resource kind;
    char
        *id; /* never NULL once loaded: left out, it is the one cloud, folder or gateway there is */
};

/* A token of a user or service account, or an API key of a service account. */
struct config_secret {
    char *subject;
    char *sha256;          /* of the secret: 64 hexadecimal digits, no capitals */
    uint64_t expires_at_s; /* Unix time; 0: never */
};

/* Whose JWTs open paths, and which. */
struct config_issuer {
    char *issuer;
    struct config_strings audiences;
    struct config_strings algorithms;    /* empty: all that fit the key */
    char *jwks_file, *jwks_url, *secret; /* one of them; secret is the first line of secret_file */
    uint64_t jwks_refresh_ms;
    struct config_strings required_claims;
    struct config_strings paths; /* "/teams/${claims.team}"; empty: all */
    unsigned line;               /* in the file, for messages */
};

struct config_trigger {
    char *name, *description;
    struct event_list event_types;              /* at least one */
    char *registry_id, *image_name, *tag;       /* image_name, tag: NULL or "" is any */
    struct config_strings filter[FILTER_LISTS]; /* patterns of filter.h */
    uint64_t batch_size, batch_cutoff_ms;
    char *gateway_id, *path, *service_account_id;
    unsigned line; /* in the file, for messages */
};

enum config_ack { ACK_BOTH, ACK_JOURNAL, ACK_STREAM };

struct config {
    char *folder_id, *cloud_id, *data_dir, *engine, *log_level;
    char *user, *group;  /* NULL: whoever starts us, the user's */
    uint64_t max_memory; /* 0: any */
    uint64_t watchdog_timeout_ms;
    struct {
        char *id;
        struct config_strings listen; /* "host:port", "[v6]:port"; port 0: any free one */
        uint64_t workers;             /* 0 in the file is `auto`; here already resolved, >= 1 */
        struct config_path *paths;    /* also those of the specification, behind the others */
        size_t n_paths;
        char *spec; /* NULL: there is none */
        struct config_variable *variables;
        size_t n_variables;
        struct {
            struct config_strings allowed_networks; /* beside public addresses */
            uint64_t connect_timeout_ms, read_timeout_ms, request_timeout_ms;
            uint64_t max_calls, max_waiting;               /* per worker */
            uint64_t breaker_failures, breaker_timeout_ms; /* failures 0: there is no breaker */
            uint64_t max_queue; /* messages of one connection that wait for its backend */
            char *ca_file;      /* NULL: the system's */
            struct config_backend *containers, *functions;
            size_t n_containers, n_functions;
        } backends;
        struct config_strings allowed_origins; /* empty: any; else exact scheme://host[:port] */
        struct config_strings proxy_protocol_from, trusted_proxies; /* networks */
        uint64_t max_connections, max_half_open;                    /* per process */
        uint64_t max_address_connections;  /* of one IPv4 address or IPv6 /64; 0: any, as below */
        uint64_t max_identity_connections; /* of who has proved the same name */
        uint64_t max_handshake_rate, max_address_handshake_rate; /* per second */
        uint64_t handshake_timeout_ms, ping_interval_ms, pong_timeout_ms, idle_timeout_ms;
        uint64_t max_lifetime_ms, close_timeout_ms, message_timeout_ms, drain_timeout_ms;
        uint64_t max_fragments, max_control_rate, max_message_rate; /* rates per second, 0: none */
        uint64_t replay_bytes;      /* stored history held for clients that catch up */
        uint64_t send_buffer_bytes; /* SO_SNDBUF of client sockets; 0: the system's */
        unsigned deflate;           /* 0, or 1: permessage-deflate for who asks */
        uint64_t deflate_level;     /* zlib's, 1 to 9 */
        uint64_t deflate_min_bytes; /* of an encoded message; shorter ones are not deflated */
        struct config_tls tls;
        struct {
            char *cookie;   /* "": none */
            unsigned query; /* 0, or 1: ?access_token= counts */
            uint64_t clock_skew_ms, expiry_notice_ms;
            struct config_secret *tokens; /* of clients: the subject is anybody's name */
            size_t n_tokens;
            struct config_issuer *issuers;
            size_t n_issuers;
        } auth;
    } gateway;
    struct {
        struct config_strings listen;
        struct config_strings proxy_protocol_from, trusted_proxies, allowed_from; /* networks */
        uint64_t max_body_bytes, max_connections, max_address_connections, max_inflight_bytes;
        uint64_t header_timeout_ms, body_timeout_ms, keepalive_timeout_ms;
        struct config_tls tls;
    } webhooks;
    struct {
        struct config_strings listen, grpc_listen;                  /* REST; gRPC */
        struct config_strings proxy_protocol_from, trusted_proxies; /* networks; of both */
        uint64_t max_triggers, max_connections, max_address_connections, max_body_bytes;
        uint64_t header_timeout_ms, body_timeout_ms, keepalive_timeout_ms;
        struct config_tls tls;       /* of both */
        unsigned console;            /* 0, or 1: the console is served */
        char *secret;                /* NULL: drawn, and kept in data_dir; from `secret_file` */
        struct config_strings hosts; /* names, without capitals */
    } management;
    struct {
        uint64_t busy_timeout_ms, ballast_bytes, max_dead_letters;
    } journal;
    struct {                        /* of the engine nats */
        char *url;                  /* as it stands in the file: then it is the only one of urls */
        struct config_strings urls; /* nats://host:port, tls://host:port */
        char *user, *password, *token;        /* NULL: none; the secrets are read from files */
        char *ca_file, *cert_file, *key_file; /* the same */
        char *prefix;                         /* of all names there */
        char *domain;                         /* NULL: none */
        char *node;                           /* NULL: the machine's name */
        uint64_t replicas, lease_ttl_ms, sync_interval_ms;
        uint64_t intake_bytes, events_bytes, batches_bytes; /* of the streams */
        uint64_t history_count;                             /* messages kept of a path */
        uint64_t history_age_ms;
    } nats;
    struct {
        unsigned ack;          /* enum config_ack */
        uint64_t outbox_bytes; /* not yet in the stream; above it webhooks are refused */
    } intake;
    struct {
        uint64_t window_ms, max_ids;
    } dedup;
    struct {
        uint64_t max_images, max_tags; /* of all registries together */
    } catalog;
    struct {
        uint64_t interval_ms, timeout_ms; /* interval 0: there is none; see config_canary.h */
    } canary;
    struct config_registry *registries;
    size_t n_registries;
    struct config_user *users;
    size_t n_users;
    struct config_account *service_accounts;
    size_t n_service_accounts;
    struct config_binding *bindings;
    size_t n_bindings;
    struct config_secret *tokens, *api_keys;
    size_t n_tokens, n_api_keys;
    struct config_trigger *triggers;
    size_t n_triggers;
    struct spec *spec; /* what gateway.spec says; NULL without it */
};

/* Reads and checks the file. 0: *ret is the caller's, for config_free(). -EINVAL or the errno of
 * reading it: *ret is untouched and `error` holds lines "FILE:LINE: KEY: what was expected", one
 * per problem (at most 20, and as many of the specification, whose FILE is its own), each ended by
 * a newline. */
MUST_CHECK int config_load(const char *file, struct config **ret, struct buf *error);
void config_free(struct config *cfg); /* NULL is fine */
/* What is allowed and yet may not be meant, for --check: lines as above, "expected" left out. */
MUST_CHECK int config_warnings(const char *file, const struct config *cfg, struct buf *out);

/* The file that path->line is in: `file`, or the specification. */
const char *config_path_file(const char *file, const struct config *cfg,
                             const struct config_path *path);

/* conf/reference.md, from the table (config_reference.c). */
MUST_CHECK int config_print_reference(struct buf *out);

/* Nobody could log in: there is no user, token, API key, and no key or rule about certificates of a
 * service account. The management
 * listeners then serve whoever reaches them, so they are refused any address but loopback, as they
 * are without TLS. */
bool config_is_open(const struct config *cfg);

/* True when the account exists and has the role. */
bool config_account_has_role(const struct config *cfg, const char *account_id, const char *role);

#endif
