/* TLS as strangers speak it, on a real worker and a real socket. The first byte says how, the
 * second how it is cut, the others are: what a stranger sends, from his first byte on; or what is
 * done with a connection whose handshake a real client makes, with one byte of what it sends
 * changed, or none.
 *
 * Whatever it is, all that comes back is TLS records (or HTTP's refusal for who speaks that), and
 * when the stranger has gone nothing is left of him. A handshake that nobody disturbs is done.
 *
 * Random numbers and the time of day are the same for each input, so that a client's recorded
 * messages stay right up to the last: keys, Finished and what was encrypted. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "../cuts.h"
#include "certificates.h"
#include "log.h"
#include "mem.h"
#include "tls.h"
#include "worker.h"

#include <fcntl.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TURNS      2000 /* of the loop, before something has not happened */
#define CUT_BYTES  2000 /* what is sent after them goes whole */
#define RECORD_MAX (16384 + 256)
#define HEADER     5
#define NOON       ((time_t) 1767268800) /* of the day that all of this happens on */
#define UPGRADE                                                                                    \
    "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"               \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

enum way { WAY_BYTES, WAY_TLS12, WAY_TLS13, N_WAYS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- one random number after another, always the same ones --- */

static uint64_t random_state;

static int fixed_random(void *ctx, unsigned char *ret, size_t len)
{
    (void) ctx;
    for (size_t i = 0; i < len; i++)
        ret[i] = (uint8_t) (cuts_random(&random_state) >> 32);
    return 0;
}

static bool time_stands;

time_t time(time_t *ret) /* TLS 1.2 says it in its random bytes */
{
    struct timespec now = {.tv_sec = NOON};
    if (!time_stands)
        (void) clock_gettime(CLOCK_REALTIME, &now); /* it cannot fail */
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}

static int fixed_entropy(void *ctx, unsigned char *ret, size_t len, size_t *ret_len)
{
    (void) ctx;
    memset(ret, 0x5a, len);
    *ret_len = len;
    return 0;
}

static void entropy_init(mbedtls_entropy_context *ctx)
{
    mbedtls_entropy_init(ctx);
    ctx->source_count = 0; /* not the kernel's */
    int r = mbedtls_entropy_add_source(ctx, fixed_entropy, NULL, MBEDTLS_ENTROPY_BLOCK_SIZE,
                                       MBEDTLS_ENTROPY_SOURCE_STRONG);
    ASSERT(r == 0);
}

/* mbedTLS's own, for its tests: before psa_crypto_init(). */
psa_status_t mbedtls_psa_crypto_configure_entropy_sources(void (*init)(mbedtls_entropy_context *),
                                                          void (*fini)(mbedtls_entropy_context *));

static void restart_random(void)
{
    time_stands = true;
    random_state = 20261122;
    mbedtls_psa_crypto_free();
    psa_status_t r =
        mbedtls_psa_crypto_configure_entropy_sources(entropy_init, mbedtls_entropy_free);
    ASSERT(r == PSA_SUCCESS);
    r = psa_crypto_init();
    ASSERT(r == PSA_SUCCESS);
}

/* --- the server, made once --- */

static struct bed {
    struct config cfg;
    struct config_path paths[2];
    struct config_certificate certificate;
    struct shared shared;
    struct worker worker;
    struct sockaddr_in address;
    mbedtls_ssl_config client[N_WAYS];
} bed;

static void write_file(char path[], const char *text)
{
    int fd = mkstemp(path);
    ASSERT(fd >= 0);
    ssize_t n = write(fd, text, strlen(text));
    ASSERT(n == (ssize_t) strlen(text));
    (void) close(fd);
}

static void make_certificate(char certificate[], char private_key[])
{
    unsigned char text[4096], serial[] = {1};
    mbedtls_pk_context key;
    mbedtls_x509write_cert crt;
    mbedtls_pk_init(&key);
    mbedtls_x509write_crt_init(&crt);
    mbedtls_x509write_crt_set_md_alg(&crt, MBEDTLS_MD_SHA256);
    int r = mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    r |= mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), fixed_random, NULL);
    mbedtls_x509write_crt_set_subject_key(&crt, &key);
    mbedtls_x509write_crt_set_issuer_key(&crt, &key);
    r |= mbedtls_x509write_crt_set_subject_name(&crt, "CN=localhost");
    r |= mbedtls_x509write_crt_set_issuer_name(&crt, "CN=localhost");
    r |= mbedtls_x509write_crt_set_serial_raw(&crt, serial, sizeof(serial));
    r |= mbedtls_x509write_crt_set_validity(&crt, "20200101000000", "20991231235959");
    r |= mbedtls_x509write_crt_pem(&crt, text, sizeof(text), fixed_random, NULL);
    ASSERT(r == 0);
    write_file(certificate, (const char *) text);
    r = mbedtls_pk_write_key_pem(&key, text, sizeof(text));
    ASSERT(r == 0);
    write_file(private_key, (const char *) text);
    mbedtls_x509write_crt_free(&crt);
    mbedtls_pk_free(&key);
}

static void configure(void)
{
    static char root[] = "/", echo[] = "/echo";
    struct config *cfg = &bed.cfg;
    for (size_t i = 0; i < 2; i++)
        bed.paths[i] = (struct config_path){.path = i == 0 ? root : echo,
                                            .inbound = i == 0 ? INBOUND_IGNORE : INBOUND_ECHO,
                                            .max_message_bytes = 131072,
                                            .max_frame_bytes = 32768,
                                            .max_lag_bytes = 1 << 20,
                                            .max_lag_ms = 60000,
                                            .history_count = 1000,
                                            .history_bytes = 1 << 20,
                                            .memory_bytes = 1 << 20,
                                            .history_ms = 60000};
    cfg->gateway.workers = 1;
    cfg->gateway.paths = bed.paths;
    cfg->gateway.n_paths = 2;
    cfg->gateway.max_connections = cfg->gateway.max_half_open = 100;
    cfg->gateway.handshake_timeout_ms = cfg->gateway.ping_interval_ms = 60000;
    cfg->gateway.pong_timeout_ms = cfg->gateway.message_timeout_ms = 60000;
    cfg->gateway.idle_timeout_ms = cfg->gateway.max_lifetime_ms = 600000;
    cfg->gateway.close_timeout_ms = 5000;
    cfg->gateway.max_fragments = 64;
    cfg->gateway.deflate_level = 6;
    cfg->gateway.tls = (struct config_tls){.certificates = &bed.certificate, .n_certificates = 1};
}

static void make_server(void)
{
    static char certificate[] = "/tmp/fuzz-tls-XXXXXX", key[] = "/tmp/fuzz-tls-XXXXXX";
    struct shared *s = &bed.shared;
    char name[LISTENER_NAME_SIZE];
    int fd;
    log_set_level(LOG_ERROR);
    make_certificate(certificate, key);
    bed.certificate =
        (struct config_certificate){.certificate_file = certificate, .private_key_file = key};
    configure();
    s->cfg = &bed.cfg;
    s->caps[LISTENER_GATEWAY] = (struct caps){.max_connections = 100, .max_half_open = 100};
    s->workers = &bed.worker;
    s->n_workers = 1;
    s->front = &bed.worker; /* it has none of its own */
    s->tickets[LISTENER_GATEWAY] = tls_tickets_new();
    doors_init(s->doors, &bed.cfg);
    struct path_table *paths;
    int r = path_table_new(&bed.cfg, &paths);
    ASSERT(r == 0);
    s->paths = paths;
    r = listener_bind("127.0.0.1:0", true, &fd, name);
    ASSERT(r == 0);
    bed.address = (struct sockaddr_in){.sin_family = AF_INET,
                                       .sin_port = htons((uint16_t) atoi(strrchr(name, ':') + 1)),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct worker_sockets sockets = {LISTENER_GATEWAY, &fd, 1};
    r = worker_init(&bed.worker, s, 0, &sockets, 1);
    if (r == 0)
        r = certificates_new(s, &bed.cfg, &s->certificates);
    ASSERT(r == 0);
    for (int i = 0; i < TLS_N_PROTOCOLS; i++) {
        const mbedtls_ssl_config *conf =
            tls_config(bed.worker.tls[LISTENER_GATEWAY], (enum tls_protocol) i);
        mbedtls_ssl_conf_rng((mbedtls_ssl_config *) (uintptr_t) conf, fixed_random, NULL);
    }
    (void) unlink(certificate);
    (void) unlink(key);
}

static void make_clients(void)
{
    for (int way = WAY_TLS12; way < N_WAYS; way++) {
        mbedtls_ssl_config *conf = &bed.client[way];
        mbedtls_ssl_config_init(conf);
        int r = mbedtls_ssl_config_defaults(
            conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
        ASSERT(r == 0);
        mbedtls_ssl_protocol_version version =
            way == WAY_TLS12 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3;
        mbedtls_ssl_conf_min_tls_version(conf, version);
        mbedtls_ssl_conf_max_tls_version(conf, version);
        mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_NONE);
        mbedtls_ssl_conf_rng(conf, fixed_random, NULL);
    }
}

static void turn(void)
{
    uv_update_time(&bed.worker.loop);
    (void) uv_run(&bed.worker.loop, UV_RUN_NOWAIT);
}

/* --- a stranger --- */

struct stranger {
    int fd;
    bool gone;      /* the server has closed, or reset */
    size_t longest; /* bytes of one send(), 0: any */
    uint64_t cut_seed;
    uint64_t change_at; /* of the bytes sent; */
    uint8_t change;     /* is XORed with it */
    uint64_t sent;
    size_t in_record; /* bytes of the record received that are still to come */
    size_t in_header; /* bytes of its header that are there */
    uint8_t header[HEADER];
    bool http; /* the answer is no TLS */
    mbedtls_ssl_context ssl;
};

/* What came is records, one after another. */
static void check_records(struct stranger *s, const uint8_t *p, size_t n)
{
    while (n > 0 && !s->http) {
        if (s->in_record > 0) {
            size_t here = n < s->in_record ? n : s->in_record;
            s->in_record -= here;
            p += here;
            n -= here;
            continue;
        }
        s->header[s->in_header++] = *p++;
        n--;
        if (s->in_header < HEADER)
            continue;
        size_t len = (size_t) s->header[3] << 8 | s->header[4];
        ASSERT(s->header[0] >= 20 && s->header[0] <= 23);
        ASSERT(s->header[1] == 3 && s->header[2] <= 4);
        ASSERT(len > 0 && len <= RECORD_MAX);
        s->in_record = len;
        s->in_header = 0;
    }
}

static ssize_t take(struct stranger *s, uint8_t *room, size_t len)
{
    ssize_t n = recv(s->fd, room, len, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        s->gone = true;
    else if (n > 0)
        check_records(s, room, (size_t) n);
    return n;
}

static void take_all(struct stranger *s)
{
    static uint8_t room[65536];
    while (!s->gone && take(s, room, sizeof(room)) > 0)
        continue;
}

/* Sends what it can of it in one piece, one byte changed if it is the one. How much. */
static size_t give_piece(struct stranger *s, const uint8_t *p, size_t n)
{
    uint8_t changed;
    if (s->longest > 0 && n > s->longest && s->sent < CUT_BYTES)
        n = 1 + cuts_random(&s->cut_seed) % s->longest;
    if (s->change != 0 && s->sent == s->change_at) {
        changed = *p ^ s->change;
        p = &changed;
        n = 1;
    } else if (s->change != 0 && s->sent < s->change_at && n > s->change_at - s->sent) {
        n = (size_t) (s->change_at - s->sent);
    }
    if (s->sent == 0)
        s->http = *p >= 'A' && *p <= 'Z';
    ssize_t sent = send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        s->gone = true;
    s->sent += sent > 0 ? (size_t) sent : 0;
    turn();
    return sent > 0 ? (size_t) sent : 0;
}

static void give(struct stranger *s, const uint8_t *p, size_t n)
{
    for (unsigned turns = 0; n > 0 && !s->gone; turns++) {
        ASSERT(turns < 2 * TURNS + CUT_BYTES); /* a server that does not read */
        size_t sent = give_piece(s, p, n);
        p += sent;
        n -= sent;
        if (s->ssl.conf == NULL)
            take_all(s);
    }
}

static void arrive(struct stranger *s)
{
    int on = 1;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    int r = connect(s->fd, (struct sockaddr *) &bed.address, sizeof(bed.address));
    ASSERT(r == 0);
    r = setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* turns are no time */
    ASSERT(r == 0);
    for (unsigned turns = 0; bed.worker.n_conns == 0; turns++) {
        ASSERT(turns < TURNS);
        turn();
    }
}

/* With a goodbye of TCP or without. Nothing may be left. */
static void leave(struct stranger *s, bool reset)
{
    struct linger now = {.l_onoff = 1};
    if (reset)
        (void) setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    else
        take_all(s);
    (void) close(s->fd);
    for (unsigned turns = 0; bed.worker.n_conns > 0; turns++) {
        ASSERT(turns < TURNS);
        turn();
        struct pollfd p = {uv_backend_fd(&bed.worker.loop), POLLIN, 0};
        (void) poll(&p, 1, turns > 10 ? 1 : 0);
    }
    ASSERT(bed.shared.caps[LISTENER_GATEWAY].half_open == 0);
    ASSERT(bed.shared.caps[LISTENER_GATEWAY].connections == 0);
}

/* --- a client that knows TLS --- */

static int on_send(void *ctx, const unsigned char *p, size_t n)
{
    struct stranger *s = ctx;
    if (s->gone)
        return -1;
    size_t sent = give_piece(s, p, n);
    return sent > 0 ? (int) sent : MBEDTLS_ERR_SSL_WANT_WRITE;
}

static int on_receive(void *ctx, unsigned char *ret, size_t n)
{
    struct stranger *s = ctx;
    ssize_t got = s->gone ? 0 : take(s, ret, n);
    return got > 0 ? (int) got : s->gone ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
}

static bool waits(int r)
{
    return r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE;
}

static bool shake_hands(struct stranger *s, enum way way)
{
    mbedtls_ssl_init(&s->ssl);
    int r = mbedtls_ssl_setup(&s->ssl, &bed.client[way]);
    if (r == 0)
        r = mbedtls_ssl_set_hostname(&s->ssl, NULL);
    ASSERT(r == 0);
    mbedtls_ssl_set_bio(&s->ssl, s, on_send, on_receive, NULL);
    unsigned turns = 0;
    while (waits(r = mbedtls_ssl_handshake(&s->ssl)) && turns++ < TURNS)
        turn();
    ASSERT(r == 0 || s->change != 0);
    return r == 0;
}

static void read_all(struct stranger *s)
{
    static uint8_t room[16384];
    int r;
    turn();
    do
        r = mbedtls_ssl_read(&s->ssl, room, sizeof(room));
    while (r > 0 || r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
}

static void say(struct stranger *s, struct slice bytes)
{
    int r = 1;
    for (unsigned turns = 0; bytes.len > 0 && turns < TURNS && (r > 0 || waits(r)); turns++) {
        r = mbedtls_ssl_write(&s->ssl, bytes.data, bytes.len);
        bytes = slice_from(bytes, r > 0 ? (size_t) r : 0);
        read_all(s);
    }
}

/* Text of `n` bytes to the path that echoes it. */
static void say_frame(struct stranger *s, size_t n, uint8_t first)
{
    uint8_t frame[4 + 4 + 255] = {first, (uint8_t) (0x80 | (n < 126 ? n : 126))};
    size_t head = n < 126 ? 2 : 4;
    frame[3] = n < 126 ? 0 : (uint8_t) n;
    memset(frame + head, 0, 4 + n); /* not masked but for the form */
    say(s, slice_of(frame, head + 4 + n));
}

/* A record that is none of the client's: this type, so long, and 0x17 all through. */
static void give_record(struct stranger *s, uint8_t type, size_t len)
{
    static uint8_t record[HEADER + 65535];
    memset(record, 0x17, sizeof(record));
    record[0] = type;
    record[1] = record[2] = 3;
    record[3] = (uint8_t) (len >> 8);
    record[4] = (uint8_t) len;
    give(s, record, HEADER + len);
}

static uint8_t next(struct slice *in)
{
    uint8_t byte = in->len > 0 ? in->data[0] : 0;
    *in = slice_from(*in, in->len > 0 ? 1 : 0);
    return byte;
}

static void act(struct stranger *s, struct slice *in)
{
    static uint8_t full[16384];
    switch (next(in) & 7) {
    case 0: { /* anything */
        size_t n = next(in);
        struct slice bytes = slice_sub(*in, 0, n < in->len ? n : in->len);
        *in = slice_from(*in, bytes.len);
        say(s, bytes);
        break;
    }
    case 1:
        say(s, SLICE_LIT(UPGRADE));
        break;
    case 2: {
        uint8_t first = next(in);
        say_frame(s, next(in), first);
        break;
    }
    case 3: { /* the limit of a record is 16384, and 256 more encrypted */
        uint8_t type = next(in);
        size_t len = (size_t) next(in) << 8;
        give_record(s, type, len | next(in));
        break;
    }
    case 4: { /* warnings mean nothing, as many as they are */
        uint8_t level = next(in), what = next(in);
        for (unsigned n = next(in); n > 0 && !s->gone; n--)
            (void) mbedtls_ssl_send_alert_message(&s->ssl, level, what);
        break;
    }
    case 5: /* so are records with nothing in them */
        for (unsigned n = next(in); n > 0 && !s->gone; n--)
            (void) mbedtls_ssl_write(&s->ssl, full, 0);
        break;
    case 6:
        say(s, slice_of(full, sizeof(full)));
        break;
    default:
        (void) mbedtls_ssl_close_notify(&s->ssl);
    }
}

static void run_client(struct stranger *s, enum way way, struct slice in)
{
    s->change_at = (uint64_t) next(&in) << 8;
    s->change_at |= next(&in);
    s->change = next(&in);
    if (shake_hands(s, way))
        while (in.len > 0 && !s->gone) {
            act(s, &in);
            read_all(s);
        }
    mbedtls_ssl_free(&s->ssl);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    if (size < 3)
        return 0;
    restart_random();
    if (!made) {
        make_server();
        make_clients();
        restart_random();
    }
    made = true;
    struct stranger s = {.longest = data[1], .cut_seed = data[1] + 1u};
    enum way way = data[0] % N_WAYS;
    struct slice in = slice_of(data + 2, size - 2);
    arrive(&s);
    if (way == WAY_BYTES) {
        give(&s, in.data, in.len);
        turn();
    } else {
        run_client(&s, way, in);
    }
    leave(&s, (data[0] & 0x80) != 0);
    time_stands = false;
    return 0;
}
