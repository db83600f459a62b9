/* config_table.c - every setting in one table, some of its rows in config_table_backends.h.
 * config_reference.c prints it.
 * Where the elements of its lists are: config_lists.c. */
#include "config_table.h"

#include "config_format.h"

// clang-format off
const struct setting SETTINGS[] = {
    /* key and place                  type      least  most       default     format, flags, help */
    {C(folder_id),                    TEXT,     1, 50,         "b1gfolder00000000001", &ID, RESTART,
     "Folder named in every event."},
    {C(cloud_id),                     TEXT,     1, 50,         "b1gcloud000000000001", &ID, RESTART,
     "Cloud named in every event."},
    {C(data_dir),                     TEXT,     1, 4000,       "./data",   &ANY, RESTART,
     "Directory of the journal, made at start; one regcastd at a time may use it."},
    {C(engine),                       WORD,     0, 0,          "embedded", &ENGINE, RESTART,
     "Where events and batches are kept: `embedded` is the journal in `data_dir`; `memory` keeps "
     "nothing over a restart, and no history; `nats` shares the work and all that is kept with other "
     "nodes, by NATS JetStream (docs/cluster.md)."},
    {C(log_level),                    WORD,     0, 0,          "info",     &LOG_LEVEL, 0,
     "Lines below this level are not written."},
    {C(user),                         TEXT,     1, 32,         NULL,       &ID, RESTART,
     "Whom regcastd becomes when root starts it, as soon as the ports are bound. Without it root "
     "stays root, but gives up every capability. Nobody else may start it under another name."},
    {C(group),                        TEXT,     1, 32,         NULL,       &ID, RESTART,
     "Its group; by default the user's own. The user's other groups are kept."},
    {C(max_memory),                   SIZE,     0, GIB * KIB,  "0",        NULL, 0,
     "RAM of the process, without what the kernel keeps for its sockets. From 85 % new clients get "
     "503, from 90 % those that are sent stored history are closed with 1013, from 95 % those that "
     "do not read or are in the middle of a message, and at 100 % webhooks get 503. 0 is any."},
    {C_MS(watchdog_timeout),          DURATION, 1000, HOUR,    "30s",      NULL, RESTART,
     "When a thread that serves connections does not come round for so long, its stack is logged and "
     "regcastd aborts, to be started again."},
    {C(registries),                   LIST,     0, 4096,       NULL,       NULL, SECRET,
     "Who may post: mappings with the keys of `registries[]`."},
    {C(users),                        LIST,     0, 4096,       NULL,       NULL, 0,
     "People who manage: mappings with the keys of `users[]`."},
    {C(service_accounts),             LIST,     0, 4096,       NULL,       NULL, 0,
     "In whose name triggers and programs act: mappings with the keys of `service_accounts[]`."},
    {C(bindings),                     LIST,     0, 4096,       NULL,       NULL, LATE,
     "Who has which role where: mappings with the keys of `bindings[]`."},
    {C(tokens),                       LIST,     0, 4096,       NULL,       NULL, LATE | SECRET,
     "What users and service accounts log in with: mappings with the keys of `tokens[]`. Without "
     "users, tokens, API keys, and keys and `client_certificates` of service accounts, whoever reaches "
     "the management listeners may do everything, and these must be loopback addresses."},
    {C(api_keys),                     LIST,     0, 4096,       NULL,       NULL, LATE | SECRET,
     "What service accounts log in with as well: mappings with the keys of `api_keys[]`."},
    {C(triggers),                     LIST,     0, 4096,       NULL,       NULL, LATE,
     "Which events go to which path: mappings with the keys of `triggers[]`. Made when there is none of "
     "the name. A reload changes those that the file says otherwise than before; one that is left "
     "out stays, and is deleted by the API."},

    {C(gateway.id),                   TEXT,     1, 50,         "d5dgateway0000000001", &ID, RESTART,
     "The id that triggers name as `gateway_id`."},
    {C(gateway.listen),               TEXTS,    1, 16,         "0.0.0.0:8080", &LISTEN, RESTART,
     "Where WebSocket clients connect; port 0 takes any free one."},
    {C(gateway.workers),              SETTING_WORKERS, 1, 256, "auto",     NULL, RESTART,
     "Threads that serve clients; `auto` is one per CPU."},
    {C(gateway.paths),                LIST,     1, 32767,        "/",        NULL, LATE | ORDERED,
     "What clients subscribe to: templates such as `/`, `/teams/{team}` or `/files/{name+}`, each "
     "as text or as a mapping with the keys of `gateway.paths[]`."},
    {"gateway.defaults", NO_PLACE,    SETTING_DEFAULTS, 0, 0,  NULL,       NULL, 0,
     "The keys of `gateway.paths[]` but `path`: what holds for every path that does not say "
     "otherwise."},
    {C(gateway.spec),                 TEXT,     1, 4000,       NULL,       &FILE_NAME, 0,
     "An OpenAPI 3.0 specification, YAML or JSON (docs/specification.md): each of its paths with "
     "`x-yc-apigateway-websocket-message` is one more of `gateway.paths`, by `gateway.defaults` or, "
     "where `gateway.paths` has the same template, by what it says there. With it, and without "
     "`gateway.paths`, these are all paths."},
    {C(gateway.variables),            LIST,     0, 256,        NULL,       NULL, SECRET,
     "What stands for `${var.NAME}` in it: mappings with the keys of `gateway.variables[]`."},
    {C(gateway.allowed_origins),      TEXTS,    0, 1024,       NULL,       &ORIGIN, 0,
     "Pages that may connect, as browsers send them in `Origin`. Empty: any."},
    {C(gateway.proxy_protocol_from),  TEXTS,    0, 256,        NULL,       &NETWORK, 0,
     "Proxies whose connections begin with a PROXY header (version 1 or 2), which says whose they "
     "are. Anybody else must not send one."},
    {C(gateway.trusted_proxies),      TEXTS,    0, 256,        NULL,       &NETWORK, 0,
     "Proxies whose `X-Forwarded-For` is believed: the right-most address in it that is none of "
     "theirs is the client's."},
    {C(gateway.max_connections),      COUNT,    1, 10000000,   "100000",   NULL, 0,
     "Per process; the next one gets 503."},
    {C(gateway.max_address_connections), COUNT, 0, 10000000,   "0",        NULL, 0,
     "From one IPv4 address or IPv6 /64, per process; the next one gets 429, with TLS a reset. 0 is "
     "any. Many clients may share an address (NAT), and behind a proxy all do, unless it is one of "
     "the two lists above."},
    {C(gateway.max_identity_connections), COUNT, 0, 10000000,  "0",        NULL, 0,
     "Of who has proved the same name (a token's `subject`, a JWT's `sub`; those without count as "
     "one), per process; the next one gets 429. 0 is any."},
    {C(gateway.max_address_handshake_rate), COUNT, 0, 1000000, "0",        NULL, 0,
     "New connections a second from one such address, a second's worth at once; the next one gets "
     "429. 0 is any."},
    {C(gateway.max_handshake_rate),   COUNT,    0, 1000000,    "0",        NULL, 0,
     "New connections a second from all of them; the next one gets 503. 0 is any."},
    {C(gateway.max_half_open),        COUNT,    1, 1000000,    "1000",     NULL, 0,
     "Connections without a complete request; one more, and the oldest is closed."},
    {C_MS(gateway.handshake_timeout), DURATION, 1, HOUR,       "10s",      NULL, 0,
     "From accept to the end of the request; of it, half at most for the handshake of TLS."},
    {C_MS(gateway.ping_interval),     DURATION, 0, DAY,        "25s",      NULL, 0,
     "How often a quiet client is pinged; 0 is never."},
    {C_MS(gateway.pong_timeout),      DURATION, 0, HOUR,       "8s",       NULL, 0,
     "How long a ping may stay unanswered; 0 is for ever."},
    {C_MS(gateway.idle_timeout),      DURATION, 0, 7 * DAY,    "10m",      NULL, 0,
     "A connection on which no message went either way is closed; 0 is never."},
    {C_MS(gateway.max_lifetime),      DURATION, 0, 30 * DAY,   "60m",      NULL, 0,
     "A connection that is older is closed; 0 is never."},
    {C_MS(gateway.close_timeout),     DURATION, 1, HOUR,       "5s",       NULL, 0,
     "How long a client may take to answer a close frame."},
    {C_MS(gateway.message_timeout),   DURATION, 1, HOUR,       "30s",      NULL, 0,
     "From the first byte of a client's message to its last."},
    {C_MS(gateway.drain_timeout),     DURATION, 0, HOUR,       "30s",      NULL, 0,
     "After SIGTERM, the time over which clients are sent away."},
    {C(gateway.max_fragments),        COUNT,    1, 1000000,    "64",       NULL, 0,
     "Frames of one message of a client."},
    {C(gateway.max_control_rate),     COUNT,    0, 1000000,    "20",       NULL, 0,
     "Pings and pongs a second from one client; 0 is any."},
    {C(gateway.max_message_rate),     COUNT,    0, 1000000,    "10",       NULL, 0,
     "Messages a second from one client, `echo` paths excepted; 0 is any."},
    {C(gateway.replay_bytes),         SIZE,     MIB, 64 * GIB, "64MiB",    NULL, RESTART,
     "Stored history held in memory for clients that catch up, all of them together."},
    {C(gateway.send_buffer_bytes),    SIZE,     0, GIB,        "0",        NULL, 0,
     "SO_SNDBUF of client sockets; 0 leaves it to the system."},
    {C(gateway.deflate),              CHOICE,   0, 0,          "false",    &SWITCH, 0,
     "Whether clients may have permessage-deflate (RFC 7692), without context takeover. A message is "
     "deflated once for all of them."},
    {C(gateway.deflate_level),        COUNT,    1, 9,          "6",        NULL, 0,
     "1 is fast, 9 is small."},
    {C(gateway.deflate_min_bytes),    SIZE,     0, 16 * MIB,   "256",      NULL, 0,
     "Shorter messages go out as they are."},
    {C(gateway.tls.certificates),     LIST,     1, 256,        NULL,       NULL, REQUIRED,
     "With `gateway.tls`, clients connect with wss: mappings with the keys of "
     "`gateway.tls.certificates[]`. The first one is for clients that name no host, or one that is "
     "in none of the certificates."},
    {C(gateway.tls.client_ca_file),   TEXT,     1, 4000,       NULL,       &FILE_NAME, 0,
     "Authorities (PEM) of the certificates that clients may show: one of anybody else's, or out of "
     "its time, ends the connection. For paths with `auth: mtls`; without it no client is asked. With "
     "it the side gives no session tickets."},

    {"gateway.auth.cookie", offsetof(struct config, gateway.auth.cookie),
                                         TEXT,     0, 64,         "regcast_token", &COOKIE, 0,
     "The cookie that may carry a client's token. Empty: none."},
    {C(gateway.auth.query),           CHOICE,   0, 0,          "false",    &SWITCH, 0,
     "Whether `?access_token=` may carry it as well: proxies and browsers keep addresses."},
    {C_MS(gateway.auth.clock_skew),   DURATION, 0, 300000,     "5s",       NULL, 0,
     "How far an issuer's clock may be ahead of ours: for `nbf` and `iat`, not for `exp`."},
    {C_MS(gateway.auth.expiry_notice),DURATION, 0, HOUR,       "60s",      NULL, 0,
     "How long before its token expires a client with subprotocol regcast.v1 is told. 0: never."},
    {C(gateway.auth.tokens),          LIST,     0, 4096,       NULL,       NULL, SECRET,
     "What opens paths with `auth: token`: mappings with the keys of `gateway.auth.tokens[]`."},
    {C(gateway.auth.issuers),         LIST,     0, 16,         NULL,       NULL, 0,
     "Whose JWTs open paths with `auth: jwt`: mappings with the keys of `gateway.auth.issuers[]`."},

#include "config_table_backends.h"

    {P(path),                         TEXT,     1, 255,        NULL,       &PATH, REQUIRED,
     "The template. `{team}` is one segment, `{name+}` one or more."},
    {P(auth),                         CHOICE,   0, 0,          "none",     &AUTH, 0,
     "Who may connect: anybody, who has one of `gateway.auth.tokens`, who has a JWT of one of "
     "`gateway.auth.issuers`, or who shows a certificate of `gateway.tls.client_ca_file`."},
    {P(client_certificates),          TEXTS,    1, 256,        NULL,       &SAN, 0,
     "With `auth: mtls`, one of the certificate's alternative names has to be one of these. A name is "
     "compared whole; `*` stands for the first label of a host. What fits is the client's subject."},
    {P(allowed_origins),              TEXTS,    1, 1024,       NULL,       &ORIGIN, 0,
     "Pages that may connect, instead of `gateway.allowed_origins`. With neither, and `auth` other "
     "than `none`, no page may: only what sends no `Origin`."},
    {P(inbound),                      CHOICE,   0, 0,          "ignore",   &INBOUND, 0,
     "What becomes of what a client sends: dropped, refused (1008, binary 1003), or sent back."},
    {P(slow_consumer),                CHOICE,   0, 0,          "close",    &SLOW, 0,
     "What happens to a client too far behind: closed with 1013, so that it may resume, or moved "
     "to the newest message."},
    {P(max_connections),              COUNT,    0, 10000000,   "0",        NULL, 0,
     "Clients on the path, per process; the next one gets 503. 0 is any."},
    {P(max_message_bytes),            SIZE,     125, 16 * MIB, "128KiB",   NULL, RESTART,
     "Longest message, both ways. A batch that is larger is split."},
    {P(max_frame_bytes),              SIZE,     125, 16 * MIB, "32KiB",    NULL, RESTART,
     "Longest frame, both ways; by default at most `max_message_bytes`."},
    {P(max_lag_bytes),                SIZE,     1, 4 * GIB,    "16MiB",    NULL, 0,
     "How far behind a client may be; by default at most `memory_bytes`."},
    {P_MS("max_lag_age", max_lag_ms), DURATION, 1, DAY,        "30s",      NULL, 0,
     "How old the next message for a client may be."},
    {P(history_count),                COUNT,    1, 100000000,  "1000",     NULL, 0,
     "Messages kept for clients that come back; those younger than `max_lag_age` are kept anyway."},
    {P(history_bytes),                SIZE,     MIB, 4 * GIB,  "16MiB",    NULL, 0,
     "Bytes kept for clients that come back."},
    {P(memory_bytes),                 SIZE,     MIB, 4 * GIB,  "16MiB",    NULL, RESTART,
     "Of these, what is kept in memory; older messages are read from the journal. By default at "
     "least `max_lag_bytes` and at most `history_bytes`. Deflated forms take up to half as much "
     "again."},
    {P_MS("history_age", history_ms), DURATION, 1, 30 * DAY,   "1h",       NULL, 0,
     "How long messages are kept for clients that come back."},

    {S(gateway.auth.tokens, subject), TEXT,     1, 255,        NULL,       &VISIBLE, REQUIRED,
     "Whom the token stands for: in the log and for revocations."},
    {S(gateway.auth.tokens, sha256),  TEXT,     64, 64,        NULL,       &SHA256, REQUIRED | SECRET,
     "Of the token."},
    {S_TIME(gateway.auth.tokens),     TIME,     1, LAST_SECOND, NULL,      NULL, 0,
     "From then on it is refused, and connections made with it are closed. Left out: never."},

    {ISSUER(issuer),                  TEXT,     1, 1024,       NULL,       &VISIBLE, REQUIRED,
     "`iss` of the tokens, byte for byte. Unique."},
    {ISSUER(audiences),               TEXTS,    1, 64,         NULL,       &AUDIENCE, REQUIRED,
     "One of these has to be among `aud`."},
    {ISSUER(algorithms),              TEXTS,    1, 10,         NULL,       &ALGORITHM, 0,
     "Others are refused. Left out: all that fit the key."},
    {ISSUER(jwks_file),               TEXT,     1, 4000,       NULL,       &FILE_NAME, 0,
     "A file with the issuer's keys, a JWK set (RFC 7517). This, `jwks_url` or `secret_file`."},
    {ISSUER(jwks_url),                TEXT,     1, 2000,       NULL,       &URL, SECRET,
     "Where the JWK set is fetched, at the start, every `jwks_refresh` and when a token names a key "
     "that is not in it. The last good one is kept until there is a new one."},
    {"gateway.auth.issuers[].jwks_refresh", offsetof(struct config_issuer, jwks_refresh_ms),
                                         DURATION, 1000, DAY,     "10m",      NULL, 0,
     "How often `jwks_url` is fetched, or `jwks_file` read."},
    {"gateway.auth.issuers[].secret_file", offsetof(struct config_issuer, secret),
                                         SETTING_TOKEN_FILE, 32, 4096, NULL,  &VISIBLE, 0,
     "A file whose first line is the secret of HS256."},
    {ISSUER(required_claims),         TEXTS,    0, 64,         NULL,       &CLAIM, 0,
     "Claims that have to be there, whatever they say; `exp` always has to."},
    {ISSUER(paths),                   TEXTS,    0, 256,        NULL,       &RULE_PATH, 0,
     "What the token opens: the path of the request has to be one of these, where "
     "`${claims.NAME}` stands for the claim's text, always within one segment. Left out: all paths "
     "with `auth: jwt`."},

    {C(webhooks.listen),              TEXTS,    1, 16,         "127.0.0.1:8081", &LISTEN, RESTART,
     "Where registries post; also /healthz, /readyz and /metrics."},
    {C(webhooks.allowed_from),        TEXTS,    0, 256,        NULL,       &NETWORK, 0,
     "Who may connect, `X-Forwarded-For` of `trusted_proxies` considered; others get 403, with TLS "
     "a reset. Empty: anybody."},
    {C(webhooks.proxy_protocol_from), TEXTS,    0, 256,        NULL,       &NETWORK, 0,
     "As `gateway.proxy_protocol_from`."},
    {C(webhooks.trusted_proxies),     TEXTS,    0, 256,        NULL,       &NETWORK, 0,
     "As `gateway.trusted_proxies`."},
    {C(webhooks.max_body_bytes),      SIZE,     1, GIB,        "1MiB",     NULL, 0,
     "Longest request body."},
    {C(webhooks.max_connections),     COUNT,    1, 1000000,    "1000",     NULL, 0,
     "Per process."},
    {C(webhooks.max_address_connections), COUNT, 0, 1000000,   "0",        NULL, 0,
     "From one IPv4 address or IPv6 /64 that is none of `trusted_proxies`; 0 is any."},
    {C(webhooks.max_inflight_bytes),  SIZE,     1, 64 * GIB,   "64MiB",    NULL, 0,
     "Bodies held at once in all; above it, 503 with Retry-After."},
    {C_MS(webhooks.header_timeout),   DURATION, 1, HOUR,       "10s",      NULL, 0,
     "From the first byte of a request to the end of its head; with TLS, for its handshake half of it."},
    {C_MS(webhooks.body_timeout),     DURATION, 1, HOUR,       "30s",      NULL, 0,
     "For the body."},
    {C_MS(webhooks.keepalive_timeout),DURATION, 1, HOUR,       "15s",      NULL, 0,
     "How long a connection may wait for its next request."},
    {C(webhooks.tls.certificates),    LIST,     1, 256,        NULL,       NULL, REQUIRED,
     "With `webhooks.tls`, registries post with https: as `gateway.tls.certificates`."},
    {C(webhooks.tls.client_ca_file),  TEXT,     1, 4000,       NULL,       &FILE_NAME, 0,
     "As `gateway.tls.client_ca_file`, for `registries[].client_certificates`."},
    {C(webhooks.tls.client_certificates), CHOICE, 0, 0,        "optional", &CLIENTS, 0,
     "`required`: who shows none cannot connect at all, not even for /metrics and the probes."},

    {C(management.listen),            TEXTS,    0, 16,         "127.0.0.1:8082", &LISTEN, RESTART,
     "REST. `[]` switches it off."},
    {C(management.grpc_listen),       TEXTS,    0, 16,         NULL,       &LISTEN, RESTART,
     "gRPC, HTTP/2 with prior knowledge. Empty: not served."},
    {C(management.proxy_protocol_from), TEXTS,  0, 256,        NULL,       &NETWORK, 0,
     "As `gateway.proxy_protocol_from`."},
    {C(management.trusted_proxies),   TEXTS,    0, 256,        NULL,       &NETWORK, 0,
     "As `gateway.trusted_proxies`."},
    {C(management.max_triggers),      COUNT,    0, 10000,      "100",      NULL, 0,
     "Triggers there may be when another is created; the API's quota serverless.triggers.count."},
    {C(management.max_connections),   COUNT,    1, 1000000,    "256",      NULL, 0,
     "Per process, of REST and of gRPC each."},
    {C(management.max_address_connections), COUNT, 0, 1000000, "128",      NULL, 0,
     "From one IPv4 address or IPv6 /64 that is none of `trusted_proxies`, of REST and of gRPC each: "
     "nobody holds all of them without a token. 0 is any."},
    {C(management.max_body_bytes),    SIZE,     1, GIB,        "1MiB",     NULL, 0,
     "Longest request body of REST; sixteen such bodies are held at once in all."},
    {C_MS(management.header_timeout), DURATION, 1, HOUR,       "10s",      NULL, 0,
     "From the first byte of a request to the end of its head, and for the answer; with TLS, for its "
     "handshake half of it."},
    {C_MS(management.body_timeout),   DURATION, 1, HOUR,       "30s",      NULL, 0,
     "For the body."},
    {C_MS(management.keepalive_timeout),DURATION, 1, HOUR,     "15s",      NULL, 0,
     "How long a connection may wait for its next request."},
    {C(management.console),           CHOICE,   0, 0,          "true",     &SWITCH, 0,
     "Whether the console is served, at /console/."},
    {"management.secret_file", offsetof(struct config, management.secret),
                                         SETTING_TOKEN_FILE, 32, 4096, NULL,  &VISIBLE, RESTART,
     "A file whose first line is a secret that sessions of the console and tokens of `/iam/v1/tokens` "
     "are made with. Nodes of `engine: nats` have the same, so that each takes what another one has "
     "made. Left out: one is drawn, and kept in `data_dir`."},
    {C(management.hosts),             TEXTS,    0, 64,         NULL,       &HOST, 0,
     "Names by which browsers reach REST and the console, without a port; addresses and localhost are "
     "in any case. By another name they get 421."},
    {C(management.tls.certificates),  LIST,     1, 256,        NULL,       NULL, REQUIRED,
     "With `management.tls`, REST and gRPC are served with TLS, and may listen on other addresses "
     "than loopback if there are accounts: as `gateway.tls.certificates`."},
    {C(management.tls.client_ca_file), TEXT,    1, 4000,       NULL,       &FILE_NAME, 0,
     "As `gateway.tls.client_ca_file`, for `client_certificates` of users and service accounts."},

    {C_MS(journal.busy_timeout),      DURATION, 1, HOUR,       "2s",       NULL, RESTART,
     "How long another process's lock on the journal is waited for; then webhooks get 503."},
    {C(journal.ballast_bytes),        SIZE,     0, GIB,        "16MiB",    NULL, RESTART,
     "A file that is given up when the disk is full, so that old history can be deleted."},
    {C(journal.max_dead_letters),     COUNT,    1, 1000000,    "10000",    NULL, RESTART,
     "Events set aside and kept for `regcastd --dead-letters`; the oldest go first."},

    {C(nats.url),                     TEXT,     1, 255,        NULL,       &NATS_URL, RESTART,
     "For the engine `nats`: its server, or one of its servers; the others are learned from it."},
    {C(nats.urls),                    TEXTS,    1, 16,         "nats://127.0.0.1:4222", &NATS_URL, RESTART,
     "Instead, several of them: so that a node can start while one is down. All `nats` settings but "
     "`node` are the same on all nodes."},
    {C(nats.user),                    TEXT,     1, 255,        NULL,       &VISIBLE, RESTART,
     "Whom to log in as there."},
    {"nats.password_file", offsetof(struct config, nats.password),
                                         SETTING_TOKEN_FILE, 1, 255, NULL, &PLAIN_SECRET, RESTART,
     "A file whose first line is the password."},
    {"nats.token_file", offsetof(struct config, nats.token),
                                         SETTING_TOKEN_FILE, 1, 4096, NULL, &VISIBLE, RESTART,
     "A file whose first line is a token, for servers that ask for one instead."},
    {C(nats.ca_file),                 TEXT,     1, 4000,       NULL,       &FILE_NAME, RESTART,
     "Authorities (PEM) of the servers' certificates; by default the system's."},
    {C(nats.cert_file),               TEXT,     1, 4000,       NULL,       &FILE_NAME, RESTART,
     "Our certificate (PEM), for servers that ask for one."},
    {C(nats.key_file),                TEXT,     1, 4000,       NULL,       &FILE_NAME, RESTART,
     "Its key, PEM without a password."},
    {C(nats.prefix),                  TEXT,     1, 32,         "regcast",  &NATS_NAME, RESTART,
     "What names of streams, buckets and subjects begin with: another one for each cluster of regcast."},
    {C(nats.domain),                  TEXT,     1, 64,         NULL,       &NATS_NAME, RESTART,
     "The JetStream domain, for a server that is a leaf node of those with the streams."},
    {C(nats.node),                    TEXT,     1, 63,         NULL,       &NATS_NAME, RESTART,
     "What this node is called, unlike all others; by default as the machine."},
    {C(nats.replicas),                COUNT,    1, 5,          "3",        NULL, RESTART,
     "On how many servers each message is kept. With 3, one of them may be lost."},
    {C_MS(nats.lease_ttl),            DURATION, 1000, 300000,  "10s",      NULL, RESTART,
     "After so long without a sign of life a node counts as gone, and others take over its work."},
    {C_MS(nats.sync_interval),        DURATION, 0, 600000,     "2m",       NULL, RESTART,
     "What the servers have as `jetstream.sync_interval`: for so long they may lose what they have "
     "acknowledged when all of them lose their power. The outbox keeps webhooks for twice that. It "
     "cannot be asked for; `2m` is the servers' own default, `1s` is advised."},
    {C(nats.intake_bytes),            SIZE,     MIB, GIB * KIB, "1GiB",    NULL, RESTART,
     "Of the stream with webhooks that are not read yet; when it is full, the outbox fills."},
    {C(nats.events_bytes),            SIZE,     MIB, GIB * KIB, "4GiB",    NULL, RESTART,
     "Of the stream with events, from the last snapshot on."},
    {C(nats.batches_bytes),           SIZE,     MIB, GIB * KIB, "4GiB",    NULL, RESTART,
     "Of the stream with batches, the history of all paths."},
    {C(nats.history_count),           COUNT,    1000, 100000000, "10000",   NULL, RESTART,
     "Messages of that stream kept of a path; under load one may hold several batches. So many must not "
     "come to one path within three sync_intervals."},
    {C_MS(nats.history_age),          DURATION, 120000, 30 * DAY, "1h",    NULL, RESTART,
     "How long batches are kept there, at least four times `nats.sync_interval`."},

    {C(intake.ack),                   CHOICE,   0, 0,          "both",     &ACK, RESTART,
     "When a webhook is answered with the engine `nats`: when it is in this node's outbox (`journal`), "
     "in the stream (`stream`; there is no outbox then), or in both, where the outbox alone is "
     "enough after a second."},
    {C(intake.outbox_bytes),          SIZE,     MIB, GIB * KIB, "256MiB",  NULL, RESTART,
     "Webhooks in the outbox that are not in the stream yet; above it they get 503."},

    {C_MS(dedup.window),              DURATION, HOUR, 30 * DAY, "24h",     NULL, RESTART,
     "How long a sender's event id is remembered; the same id again is a duplicate."},
    {C(dedup.max_ids),                COUNT,    1000, 1000000000, "1000000", NULL, RESTART,
     "Ids remembered at most, 40 bytes each; the oldest go first."},

    {C(catalog.max_images),           COUNT,    1, 100000000,  "100000",   NULL, RESTART,
     "Images remembered, of all registries together."},
    {C(catalog.max_tags),             COUNT,    1, 100000000,  "400000",   NULL, RESTART,
     "Tags remembered, of all registries together."},

    {C_MS(canary.interval),           DURATION, 0, DAY,        "0s",       NULL, 0,
     "How often an event of our own goes the whole way, from a webhook to a WebSocket client, over "
     "connections within the process; `regcast_canary_seconds` is how long that takes. 0 is never. With "
     "it there are a registry, a service account and a trigger `regcast-canary` and a path "
     "`/regcast.canary`, which nobody else can post or connect to."},
    {C_MS(canary.timeout),            DURATION, 100, 60000,    "5s",       NULL, 0,
     "After so long it counts as lost, with a warning."},

    {CERTIFICATE(gateway, certificate_file),
                                         TEXT,     1, 4000,       NULL,       &FILE_NAME, REQUIRED,
     "The certificate and those that lead to its authority, PEM."},
    {CERTIFICATE(gateway, private_key_file),
                                         TEXT,     1, 4000,       NULL,       &FILE_NAME, REQUIRED,
     "Its key, RSA or ECDSA, PEM without a password."},

    {CERTIFICATE(webhooks, certificate_file),
                                         TEXT,     1, 4000,       NULL,       &FILE_NAME, REQUIRED,
     "The certificate and those that lead to its authority, PEM."},
    {CERTIFICATE(webhooks, private_key_file),
                                         TEXT,     1, 4000,       NULL,       &FILE_NAME, REQUIRED,
     "Its key, RSA or ECDSA, PEM without a password."},

    {CERTIFICATE(management, certificate_file),
                                         TEXT,     1, 4000,       NULL,       &FILE_NAME, REQUIRED,
     "The certificate and those that lead to its authority, PEM."},
    {CERTIFICATE(management, private_key_file),
                                         TEXT,     1, 4000,       NULL,       &FILE_NAME, REQUIRED,
     "Its key, RSA or ECDSA, PEM without a password."},

    {R(id),                           TEXT,     1, 50,         NULL,       &REGISTRY_ID, REQUIRED,
     "Posts to /registries/ID/events, and is the registry of its events."},
    {R(kind),                         WORD,     0, 0,          NULL,       &KIND, 0,
     "What the registry is; left out, it is found out from the request."},
    {R(token),                        TEXT,     1, 4096,       NULL,       &VISIBLE, SECRET,
     "Must come as `Authorization: Bearer TOKEN`, as the password of `Basic`, or, without such a "
     "header, as `?access_token=TOKEN`. Who may post has to prove all that is asked for here: by "
     "`token` or `token_file`, `signature`, `oidc`, `path_token_file`, `client_certificates` and "
     "`allowed_from`. With none of them anyone may."},
    {"registries[].token_file", offsetof(struct config_registry, tokens),
                                         SETTING_LINES_FILE, 1, 4096, NULL,   &VISIBLE, 0,
     "A file with one token a line, any of which will do: the next one beside the one in use, while "
     "a sender changes."},
    {R(token_header),                 TEXT,     1, 64,         NULL,       &HEADER_NAME, 0,
     "The header whose whole value the token is, such as `X-Api-Key`, for senders with a fixed header "
     "of their own. `Authorization`, when it is said here, is taken as it is, too, without a scheme: "
     "Harbor sends what it is given."},
    {"registries[].path_token_file", offsetof(struct config_registry, path_tokens),
                                         SETTING_LINES_FILE, 24, 255, NULL,   &PATH_TOKEN, 0,
     "A file with one path token a line: who can send no header posts to /hook/TOKEN. What else is "
     "asked for is asked for there, too. With nothing else but `allowed_from`, /registries/ID/events is "
     "closed, since the id is no secret."},
    {R(signature),                    CHOICE,   0, 0,          "none",     &SIGNATURE, 0,
     "How the sender signs its requests: `standard-webhooks` is HMAC-SHA256 over id, timestamp and "
     "body, with the headers of that specification, not older than five minutes, and each id counts "
     "once. The others sign the body alone, in hexadecimal without capitals: `github` with SHA-256 in "
     "X-Hub-Signature-256, `x-signature` with what X-Signature begins with (`sha256=` or `sha512=`), "
     "`nexus` with SHA-1 in X-Nexus-Webhook-Signature, `artifactory` with SHA-256 in "
     "X-JFrog-Event-Auth, `gitea` with SHA-256 in X-Gitea-Signature or X-Forgejo-Signature. What is "
     "signed so has no time, so who has seen a request can repeat it."},
    {"registries[].signature_secret_file", offsetof(struct config_registry, signature_secrets),
                                         SETTING_LINES_FILE, 1, CONFIG_SECRET_TEXT_MAX, NULL,
                                                                           &PLAIN_SECRET, 0,
     "A file with the secrets, one a line as in `token_file`: of `standard-webhooks`, whsec_ and 24 to "
     "64 bytes in base64; of the others, the text that the sender was given."},
    {R(oidc.audience),                TEXT,     1, 255,        NULL,       &VISIBLE, 0,
     "With `oidc`, `Authorization: Bearer` has to be an ID token (a JWT, RS256) of `oidc.issuer`, for "
     "this audience and of this e-mail address: so does Google's Pub/Sub prove who pushes."},
    {R(oidc.email),                   TEXT,     1, 255,        NULL,       &VISIBLE, 0,
     "Of the service account that the sender uses. Google gives tokens for any audience to anybody, "
     "so it has to be there."},
    {R(oidc.issuer),                  TEXT,     1, 255,        "https://accounts.google.com", &VISIBLE, 0,
     "Who makes the tokens; it may leave out its https:// in them."},
    {R(oidc.jwks_url),                TEXT,     1, 1000,       GOOGLE_KEYS, &URL, 0,
     "Where its keys are, fetched every hour and when a token names one that is not there. Redirects "
     "are not followed."},
    {R(oidc.jwks_file),               TEXT,     1, 4000,       NULL,       &FILE_NAME, 0,
     "A JWK set instead, read every hour, and at a reload."},

    {R(client_certificates),          TEXTS,    1, 256,        NULL,       &SAN, 0,
     "Who may post: as `gateway.paths[].client_certificates`, with a certificate of "
     "`webhooks.tls.client_ca_file`. With tokens or a signature as well, all of it is asked for."},
    {R(registry_url),                 TEXT,     1, 500,        NULL,       &REGISTRY_URL, 0,
     "Where the registry itself is, such as `https://registry.example.com`: when a webhook says "
     "that a tag was pushed and not to what, it is asked for the digest (HEAD /v2/.../manifests/TAG) "
     "after the webhook was answered. Left out: such an event has no digest."},
    {R(registry_user),                TEXT,     1, 255,        NULL,       &USER_NAME, 0,
     "Who asks, with Basic or for a token; left out, nobody in particular."},
    {"registries[].registry_password_file", offsetof(struct config_registry, registry_password),
                                         SETTING_TOKEN_FILE, 1, 4096, NULL,   &VISIBLE, 0,
     "A file whose first line is the password of `registry_user`."},
    {R(registry_ca_file),             TEXT,     1, 4000,       NULL,       &FILE_NAME, 0,
     "Certificates that the registry's leads to, PEM. Left out: the system's."},
    {"registries[].registry_timeout", offsetof(struct config_registry, registry_timeout_ms),
                                         DURATION, 1000, 86400000, "10m",    NULL, 0,
     "So long after a webhook the digest is asked for, over and over; then its event goes without."},
    {R(allowed_from),                 TEXTS,    0, 256,        NULL,       &NETWORK, 0,
     "Networks that it posts from, as `webhooks.allowed_from`, which counts as well; others get 403. "
     "Empty: any."},
    {"registries[].silence_alarm", offsetof(struct config_registry, silence_alarm_ms),
                                         SETTING_ALARM, 1000, 30 * DAY, "auto", NULL, 0,
     "When so long no event has come from it, also since the start, that is logged as a warning and "
     "seen in `regcast_registry_silent`. `auto`: twice as long as is usual for it, at least ten "
     "minutes; what is usual is learnt in the first day and forgotten by halves every two weeks."},

    {G(events),                       TEXT,     0, 255,        NULL,       &POINTER, 0,
     "With `kind: generic`: where the body has its events, an array of at most 10,000 or one object; "
     "left out, the body is that. Like the others a JSON pointer (RFC 6901)."},
    {G(repository),                   TEXT,     1, 255,        NULL,       &POINTER, 0,
     "Where an event has the repository, without the registry's host."},
    {G(tag),                          TEXT,     1, 255,        NULL,       &POINTER, 0,
     "Where it has the tag; a digest found there counts as the digest."},
    {G(digest),                       TEXT,     1, 255,        NULL,       &POINTER, 0,
     "Where it has the digest."},
    {G(reference),                    TEXT,     1, 255,        NULL,       &POINTER, 0,
     "In place of `repository`, `tag` and `digest`: where it has all of them as one, such as "
     "`registry.example.com/team/app:1.0`. The host is left out."},
    {G(action),                       TEXT,     1, 255,        NULL,       &POINTER, 0,
     "Where it says what happened. Left out, every event is a push."},
    {G(push),                         TEXTS,    1, 32,         NULL,       &ACTION, 0,
     "What `action` says of a push, in capitals or not; by default push, pushed, create and "
     "created. What is in neither list is passed over."},
    {"registries[].generic.delete", offsetof(struct config_registry, generic.remove),
                                         TEXTS,    1, 32,         NULL,       &ACTION, 0,
     "The same of a delete; by default delete, deleted, remove and removed."},
    {G(id),                           TEXT,     1, 255,        NULL,       &POINTER, 0,
     "Where it has an id, a text or a whole number, that is the same when it is sent again."},
    {G(time),                         TEXT,     1, 255,        NULL,       &POINTER, 0,
     "Where it says when: RFC 3339, or a number of seconds or milliseconds since 1970."},
    {G(actor),                        TEXT,     1, 255,        NULL,       &POINTER, 0,
     "Where it says who did it."},

    {U(id),                           TEXT,     1, 50,         NULL,       &ID, REQUIRED,
     "Unique, service accounts included."},
    {U(roles),                        TEXTS,    0, 64,         NULL,       &ROLES_EACH, 0,
     "What the user may do in the folder and all that lies in it."},
    {U(client_certificates),          TEXTS,    1, 256,        NULL,       &SAN, 0,
     "A request without Authorization is the user's when one of these is among the alternative names "
     "of the certificate, which is of `management.tls.client_ca_file`."},

    {A(id),                           TEXT,     1, 50,         NULL,       &ID, REQUIRED,
     "The id that triggers name as `service_account_id`. Unique, users included."},
    {A(name),                         TEXT,     0, 63,         NULL,       &ANY, 0,
     "For people."},
    {A(folder_id),                    TEXT,     1, 50,         NULL,       &ID, 0,
     "Where the account lies; left out, in `folder_id`. In another folder, only roles on the cloud "
     "or on the account itself allow using it."},
    {A(roles),                        TEXTS,    0, 64,         NULL,       &ROLES_EACH, 0,
     "What the account may do in the folder `folder_id` of the top level and all that lies in it; "
     "`api-gateway.websocketBroadcaster` lets it broadcast."},
    {A(client_certificates),          TEXTS,    1, 256,        NULL,       &SAN, 0,
     "As `users[].client_certificates`."},
    {A(keys),                         LIST,     0, 64,         NULL,       NULL, 0,
     "Authorized keys: mappings with the keys of `service_accounts[].keys[]`."},

    {K(id),                           TEXT,     1, 50,         NULL,       &ID, REQUIRED,
     "Unique in the account; `kid` of what is signed with it."},
    {K(public_key),                   TEXT,     1, 16384,      NULL,       &PUBLIC_KEY, SECRET,
     "The public half, as `yc iam key create` and `openssl pkey -pubout` print it. This or "
     "`public_key_file`."},
    {"service_accounts[].keys[].public_key_file", offsetof(struct config_key, public_key),
                                         SETTING_TEXT_FILE, 1, 16384, NULL,   &PUBLIC_KEY, 0,
     "A file with the public half."},

    {B("subject", subject),           TEXT,     1, 50,         NULL,       &ID, REQUIRED,
     "One of `users` or `service_accounts`."},
    {B("role", role),                 TEXT,     1, 64,         NULL,       &ROLE, REQUIRED,
     "What the subject gets."},
    {B("resource.kind", kind),        CHOICE,   0, 0,          "folder",   &RESOURCE, 0,
     "Where the role holds: there, and in all that lies in it. The gateway, registries and service "
     "accounts lie in the folder, the folder in the cloud."},
    {B("resource.id", id),            TEXT,     1, 50,         NULL,       &ID, 0,
     "Which registry or service account; of the cloud, the folder and the gateway there is one."},

    {S(tokens, subject),              TEXT,     1, 50,         NULL,       &ID, REQUIRED,
     "One of `users` or `service_accounts`."},
    {S(tokens, sha256),               TEXT,     64, 64,        NULL,       &SHA256, REQUIRED | SECRET,
     "Of the token, which comes as `Authorization: Bearer TOKEN`. `regcast iam create-token` makes "
     "one and prints these lines."},
    {S_TIME(tokens),                  TIME,     1, LAST_SECOND, NULL,      NULL, 0,
     "From then on it is refused. Left out: never."},

    {S(api_keys, subject),            TEXT,     1, 50,         NULL,       &ID, REQUIRED,
     "One of `service_accounts`."},
    {S(api_keys, sha256),             TEXT,     64, 64,        NULL,       &SHA256, REQUIRED | SECRET,
     "Of the key, which comes as `Authorization: Api-Key KEY`. `regcast iam create-api-key` makes "
     "one and prints these lines."},
    {S_TIME(api_keys),                TIME,     1, LAST_SECOND, NULL,      NULL, 0,
     "From then on it is refused. Left out: never."},

    {T(name),                         TEXT,     3, 63,         NULL,       &TRIGGER_NAME, REQUIRED,
     "Unique."},
    {T(description),                  TEXT,     0, 500,        "",         &ANY, 0,
     "For people."},
    {RULE("event_type", event_types), SETTING_EVENTS, 1, 8,    NULL,       NULL, REQUIRED,
     "Which events: CREATE_IMAGE, DELETE_IMAGE, CREATE_IMAGE_TAG, DELETE_IMAGE_TAG, each also with "
     "the prefix CONTAINER_REGISTRY_EVENT_TYPE_."},
    {RULE("registry_id", registry_id),TEXT,     1, 50,         NULL,       &REGISTRY_ID, REQUIRED,
     "One of `registries`."},
    {RULE("image_name", image_name),  TEXT,     0, 512,        "",         &ANY, 0,
     "Only this repository, with or without `REGISTRY_ID/` in front. Empty: any."},
    {RULE("tag", tag),                TEXT,     0, 128,        "",         &ANY, 0,
     "Only this tag. Empty: any."},
    {RULE("filter.image_names", filter[FILTER_IMAGE_NAMES]),
                                         TEXTS,    1, FILTER_MAX_PATTERNS, NULL, &PATTERN, 0,
     "Only repositories that one of these patterns fits, and none that begins with `!`: `*` and `?` "
     "are any characters but `/`, `**` is any number of whole parts, `[a-z]` and `[!a-z]` are one "
     "character. `REGISTRY_ID/` may stand in front."},
    {RULE("filter.tags", filter[FILTER_TAGS]),
                                         TEXTS,    1, FILTER_MAX_PATTERNS, NULL, &PATTERN, 0,
     "Only tags that one of these patterns fits, and none that begins with `!`. `semver:RANGE`, such "
     "as `semver:>=1.2 <2` or `semver:^1.2`, is a range of versions."},
    {RULE("filter.digests", filter[FILTER_DIGESTS]),
                                         TEXTS,    1, FILTER_MAX_PATTERNS, NULL, &PATTERN, 0,
     "Only images with one of these digests: whole ones, or `sha256:BEGINNING*`; none with `!`."},
    {RULE("filter.actors", filter[FILTER_ACTORS]),
                                         TEXTS,    1, FILTER_MAX_PATTERNS, NULL, &PATTERN, 0,
     "Only what somebody did whom one of these patterns fits, and none that begins with `!`, where the "
     "registry says who it was."},
    {RULE("batch_settings.size", batch_size),
                                         COUNT,    1, 1000,       "1",        NULL, 0,
     "A batch of so many events is sent at once."},
    {RULE("batch_settings.cutoff", batch_cutoff_ms),
                                         DURATION, 1000, 60000,   "1s",       NULL, 0,
     "A batch is sent so long after its first event, full or not."},
    {RULE("gateway_websocket_broadcast.gateway_id", gateway_id),
                                         TEXT,     1, 50,         NULL,       &ID, REQUIRED | RESTART,
     "`gateway.id`."},
    {RULE("gateway_websocket_broadcast.path", path),
                                         TEXT,     1, 255,        NULL,       &PATH, REQUIRED,
     "One of `gateway.paths`, as it is written there."},
    {RULE("gateway_websocket_broadcast.service_account_id", service_account_id),
                                         TEXT,     1, 50,         NULL,       &ID, REQUIRED,
     "One of `service_accounts`; without the role nothing is sent."},
};
// clang-format on

const size_t N_SETTINGS = ARRAY_LEN(SETTINGS);
_Static_assert(ARRAY_LEN(SETTINGS) <= SETTINGS_MAX, "raise SETTINGS_MAX");
