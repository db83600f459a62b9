/* refuse.h - every reason to refuse what a peer sent, in one table: its name in logs and metrics,
 * the stage it belongs to, and the HTTP status or WebSocket close code that tells the peer. The
 * names are those of the project's security test list (HP-*, WS-*, FR-*, JS-*, LM-*, AP-*). Any
 * thread.
 */
#ifndef BASE_REFUSE_H
#define BASE_REFUSE_H

#include <stdint.h>

enum refuse_stage {
    STAGE_ACCEPT,
    STAGE_TLS,
    STAGE_HEAD,
    STAGE_BODY,
    STAGE_HANDSHAKE,
    STAGE_WEBHOOK,
    STAGE_FRAMES,
    STAGE_H2
};

// clang-format off
/*    id                       name                stage            answer */
#define REFUSE_TABLE(X)                                                   \
    X(REFUSE_TLS_HANDSHAKE,    "tls_handshake",    STAGE_TLS,          0) \
    X(REFUSE_TLS_SLOW,         "tls_slow",         STAGE_TLS,          0) \
    X(REFUSE_TLS_RECORD,       "tls_record",       STAGE_TLS,          0) \
    X(REFUSE_CLIENT_CERTIFICATE, "client_certificate", STAGE_TLS,      0) \
    X(REFUSE_NOT_TLS,          "not_tls",          STAGE_TLS,        400) \
    X(REFUSE_TLS_HELLO,        "tls_hello",        STAGE_HEAD,       400) \
    X(REFUSE_CL_TE,            "cl_te",            STAGE_HEAD,       400) \
    X(REFUSE_BAD_CL,           "bad_cl",           STAGE_HEAD,       400) \
    X(REFUSE_BAD_TE,           "bad_te",           STAGE_HEAD,       400) \
    X(REFUSE_OBS_FOLD,         "obs_fold",         STAGE_HEAD,       400) \
    X(REFUSE_LINE_END,         "line_end",         STAGE_HEAD,       400) \
    X(REFUSE_HOST,             "host",             STAGE_HEAD,       400) \
    X(REFUSE_VERSION,          "version",          STAGE_HEAD,       505) \
    X(REFUSE_TOKEN,            "token",            STAGE_HEAD,       400) \
    X(REFUSE_REQUEST_LINE,     "request_line",     STAGE_HEAD,       400) \
    X(REFUSE_URI_LONG,         "uri_long",         STAGE_HEAD,       414) \
    X(REFUSE_HEADERS,          "headers",          STAGE_HEAD,       431) \
    X(REFUSE_METHOD,           "method",           STAGE_HEAD,       405) \
    X(REFUSE_MISDIRECTED,      "misdirected",      STAGE_HEAD,       421) \
    X(REFUSE_EXPECT,           "expect",           STAGE_HEAD,       417) \
    X(REFUSE_PATH,             "path",             STAGE_HEAD,       400) \
    X(REFUSE_NOT_FOUND,        "not_found",        STAGE_HEAD,       404) \
    X(REFUSE_NO_WEBSOCKET,     "no_websocket",     STAGE_HANDSHAKE,  404) \
    X(REFUSE_SLOW_HEADER,      "slow_header",      STAGE_HEAD,       408) \
    X(REFUSE_CHUNK,            "chunk",            STAGE_BODY,       400) \
    X(REFUSE_CHUNK_EXT,        "chunk_ext",        STAGE_BODY,       400) \
    X(REFUSE_TRAILER,          "trailer",          STAGE_BODY,       400) \
    X(REFUSE_BODY,             "body",             STAGE_BODY,       413) \
    X(REFUSE_SLOW_BODY,        "slow_body",        STAGE_BODY,       408) \
    X(REFUSE_PIPELINE,         "pipeline",         STAGE_BODY,       503) \
    X(REFUSE_WRITE_STALL,      "write_stall",      STAGE_BODY,         0) \
    X(REFUSE_UPGRADE_REQUIRED, "upgrade_required", STAGE_HANDSHAKE,  426) \
    X(REFUSE_UPGRADE_BODY,     "upgrade_body",     STAGE_HANDSHAKE,  400) \
    X(REFUSE_UPGRADE_EARLY,    "upgrade_early",    STAGE_HANDSHAKE,  400) \
    X(REFUSE_UPGRADE,          "upgrade",          STAGE_HANDSHAKE,  400) \
    X(REFUSE_WS_VERSION,       "ws_version",       STAGE_HANDSHAKE,  426) \
    X(REFUSE_WS_KEY,           "ws_key",           STAGE_HANDSHAKE,  400) \
    X(REFUSE_WS_PROTOCOL,      "ws_protocol",      STAGE_HANDSHAKE,  400) \
    X(REFUSE_ORIGIN,           "origin",           STAGE_HANDSHAKE,  403) \
    X(REFUSE_NO_CREDENTIAL,    "no_credential",    STAGE_HANDSHAKE,  401) \
    X(REFUSE_CREDENTIAL,       "credential",       STAGE_HANDSHAKE,  401) \
    X(REFUSE_FORBIDDEN,        "forbidden",        STAGE_HANDSHAKE,  403) \
    X(REFUSE_AUTH_RATE,        "auth_rate",        STAGE_HANDSHAKE,  429) \
    X(REFUSE_ROUTE_RATE,       "route_rate",       STAGE_HANDSHAKE,  429) \
    X(REFUSE_UNKNOWN_KEY,      "unknown_key",      STAGE_HANDSHAKE,  503) \
    X(REFUSE_NO_KEYS,          "no_keys",          STAGE_HANDSHAKE,  503) \
    X(REFUSE_PARAMETER,        "parameter",        STAGE_HANDSHAKE,  400) \
    X(REFUSE_NOT_ACCEPTABLE,   "not_acceptable",   STAGE_HANDSHAKE,  415) \
    X(REFUSE_AUTHORIZER,       "authorizer",       STAGE_HANDSHAKE,  500) \
    X(REFUSE_BACKEND,          "backend",          STAGE_HANDSHAKE,  502) \
    X(REFUSE_EGRESS,           "egress",           STAGE_HANDSHAKE,  502) \
    X(REFUSE_BACKEND_BUSY,     "backend_busy",     STAGE_HANDSHAKE,  503) \
    X(REFUSE_BACKEND_SLOW,     "backend_slow",     STAGE_HANDSHAKE,  504) \
    X(REFUSE_DRAINING,         "draining",         STAGE_HANDSHAKE,  503) \
    X(REFUSE_CONN_CAP,         "conn_cap",         STAGE_ACCEPT,     503) \
    X(REFUSE_HALF_OPEN_CAP,    "half_open_cap",    STAGE_ACCEPT,       0) \
    X(REFUSE_NO_FD,            "no_fd",            STAGE_ACCEPT,       0) \
    X(REFUSE_HANDSHAKE_RATE,   "handshake_rate",   STAGE_ACCEPT,     503) \
    X(REFUSE_ADDRESS_CAP,      "address_cap",      STAGE_ACCEPT,     429) \
    X(REFUSE_ADDRESS_RATE,     "address_rate",     STAGE_ACCEPT,     429) \
    X(REFUSE_SOURCE,           "source",           STAGE_ACCEPT,     403) \
    X(REFUSE_PROXY_HEADER,     "proxy_header",     STAGE_ACCEPT,       0) \
    X(REFUSE_PROXY_SLOW,       "proxy_slow",       STAGE_ACCEPT,       0) \
    X(REFUSE_MEMORY,           "memory",           STAGE_ACCEPT,     503) \
    X(REFUSE_IDENTITY_CAP,     "identity_cap",     STAGE_HANDSHAKE,  429) \
    X(REFUSE_PATH_CAP,         "path_cap",         STAGE_HANDSHAKE,  503) \
    X(REFUSE_SINCE,            "since",            STAGE_HANDSHAKE,  400) \
    X(REFUSE_GONE,             "gone",             STAGE_HANDSHAKE,  410) \
    X(REFUSE_NO_HISTORY,       "no_history",       STAGE_HANDSHAKE,  503) \
    X(REFUSE_AUTH,             "auth",             STAGE_WEBHOOK,    401) \
    X(REFUSE_SIGNATURE,        "signature",        STAGE_WEBHOOK,    401) \
    X(REFUSE_TIMESTAMP,        "timestamp",        STAGE_WEBHOOK,    401) \
    X(REFUSE_REGISTRY,         "registry",         STAGE_WEBHOOK,    404) \
    X(REFUSE_ENCODING,         "encoding",         STAGE_WEBHOOK,    415) \
    X(REFUSE_OVERLOAD,         "overload",         STAGE_WEBHOOK,    503) \
    X(REFUSE_DISK_FULL,        "disk_full",        STAGE_WEBHOOK,    503) \
    X(REFUSE_JOURNAL,          "journal",          STAGE_WEBHOOK,    503) \
    X(REFUSE_FRAME,            "frame",            STAGE_FRAMES,    1002) \
    X(REFUSE_MASK,             "mask",             STAGE_FRAMES,    1002) \
    X(REFUSE_RSV,              "rsv",              STAGE_FRAMES,    1002) \
    X(REFUSE_OPCODE,           "opcode",           STAGE_FRAMES,    1002) \
    X(REFUSE_CONTROL,          "control",          STAGE_FRAMES,    1002) \
    X(REFUSE_CONTINUATION,     "continuation",     STAGE_FRAMES,    1002) \
    X(REFUSE_CLOSE_CODE,       "close_code",       STAGE_FRAMES,    1002) \
    X(REFUSE_UTF8,             "utf8",             STAGE_FRAMES,    1007) \
    X(REFUSE_DEFLATE,          "deflate",          STAGE_FRAMES,    1007) \
    X(REFUSE_FRAME_SIZE,       "frame_size",       STAGE_FRAMES,    1009) \
    X(REFUSE_MESSAGE_SIZE,     "message_size",     STAGE_FRAMES,    1009) \
    X(REFUSE_FRAGMENTS,        "fragments",        STAGE_FRAMES,    1008) \
    X(REFUSE_MSG_TIMEOUT,      "msg_timeout",      STAGE_FRAMES,    1008) \
    X(REFUSE_BACKLOG,          "backlog",          STAGE_FRAMES,    1013) \
    X(REFUSE_CTRL_RATE,        "ctrl_rate",        STAGE_FRAMES,    1008) \
    X(REFUSE_RATE,             "rate",             STAGE_FRAMES,    1008) \
    X(REFUSE_INBOUND,          "inbound",          STAGE_FRAMES,    1003) \
    X(REFUSE_SSE_INPUT,        "sse_input",        STAGE_FRAMES,    1008) \
    X(REFUSE_INFLATERS,        "inflaters",        STAGE_FRAMES,    1013) \
    X(REFUSE_HISTORY,          "history_lost",     STAGE_FRAMES,    4009) \
    X(REFUSE_HISTORY_FAILED,   "history_failed",   STAGE_FRAMES,    1011) \
    X(REFUSE_TOKEN_EXPIRED,    "token_expired",    STAGE_FRAMES,    4001) \
    X(REFUSE_TOKEN_REVOKED,    "token_revoked",    STAGE_FRAMES,    4003) \
    X(REFUSE_ACCESS_LOST,      "access_lost",      STAGE_FRAMES,    4003) \
    X(REFUSE_SLOW,             "slow",             STAGE_FRAMES,    1013) \
    X(REFUSE_SHED,             "shed",             STAGE_FRAMES,    1013) \
    X(REFUSE_H2_PREFACE,       "h2_preface",       STAGE_H2,           0) \
    X(REFUSE_H2_PROTOCOL,      "h2_protocol",      STAGE_H2,           0) \
    X(REFUSE_H2_HEADERS,       "h2_headers",       STAGE_H2,           0) \
    X(REFUSE_H2_EARLY,         "h2_early",         STAGE_H2,           0) \
    X(REFUSE_H2_IDLE,          "h2_idle",          STAGE_H2,           0) \
    X(REFUSE_H2_STALL,         "h2_stall",         STAGE_H2,           0)
// clang-format on

enum refuse {
    REFUSE_NONE,
#define X(id, name, stage, answer) id,
    REFUSE_TABLE(X)
#undef X
        REFUSE_N
};

struct refuse_info {
    const char *name;  /* label `reason` */
    const char *stage; /* label `stage` */
    uint16_t answer;   /* HTTP status, close code (>= 1000), or 0: the connection is just closed
                        * (HTTP/2: after a GOAWAY) */
};

const struct refuse_info *refuse_info(enum refuse why); /* of REFUSE_NONE: name "none", answer 0 */

#endif
