/* ws_client.h - one WebSocket connection, client side (RFC 6455). Never blocks but for the name's
 * lookup; whoever has it polls its socket. It answers pings, and pings a server that is silent. One
 * thread. */
#ifndef CLI_WS_CLIENT_H
#define CLI_WS_CLIENT_H

#include "trust.h"
#include "ws_answer.h"
#include "ws_url.h"

#include <poll.h>

#define WS_CLIENT_MAX_MESSAGE (64u << 20)
/* Nothing heard for so long: a ping, and then the end. */
#define WS_CLIENT_PING_MS    30000
#define WS_CLIENT_SILENCE_MS 50000
#define WS_CLIENT_OPEN_MS    15000 /* connecting and the handshake together */

struct ws_client;

struct ws_client_options {
    const struct ws_url *url;
    const struct trust *trust; /* for wss */
    const char *headers;       /* more lines, each with its CRLF; "" */
    const char *protocol;      /* the only subprotocol offered */
    void (*on_open)(void *arg, const struct ws_answer *answer);
    void (*on_message)(void *arg, struct slice text); /* text messages; borrowed */
    void *arg;
};

/* HOPELESS: nothing that trying again could change. */
enum ws_client_how { WS_FAILED, WS_HOPELESS, WS_REFUSED, WS_CLOSED };
struct ws_client_end {
    enum ws_client_how how;
    unsigned status;         /* REFUSED: HTTP's. CLOSED: the close code, 1006 without one */
    uint64_t retry_after_ms; /* REFUSED */
    char text[160];          /* what went wrong, or the close reason; printable */
};

/* Never NULL; url, trust and headers are borrowed for the call only. What cannot be is told by the
 * first step. */
struct ws_client *ws_client_new(const struct ws_client_options *options);
void ws_client_free(struct ws_client *c); /* NULL is fine */

/* What to poll for and for how long at most. `read`: false leaves what comes in the kernel. */
int ws_client_poll(struct ws_client *c, bool read, struct pollfd *ret);
/* After the poll, also one that timed out. 0: goes on. 1: it is over, *ret says how. */
MUST_CHECK int ws_client_step(struct ws_client *c, short revents, struct ws_client_end *ret);
/* Says goodbye with this code, as far as the kernel takes it now. */
void ws_client_close(struct ws_client *c, unsigned code);

#endif
