/* tls.c - see tls.h. */
#include "tls.h"

#include "mem.h"
#include "tls_cert.h"

#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/ssl_ticket.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef MBEDTLS_THREADING_C
#error "workers are threads: mbedTLS needs MBEDTLS_THREADING_C"
#endif
#ifndef MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
#error "a client's names are read after the handshake: needs MBEDTLS_SSL_KEEP_PEER_CERTIFICATE"
#endif

struct tls_tickets {
    mbedtls_ssl_ticket_context ctx; /* has a lock */
};

struct tls {
    unsigned refs;
    size_t n_certs;
    struct tls_cert *certs;
    bool asks_clients, needs_clients;
    mbedtls_x509_crt client_ca;
    mbedtls_ssl_config config[TLS_N_PROTOCOLS];
};

/* Forward secrecy and authenticated encryption. */
static const int CIPHERS[] = {
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0,
};
static const uint16_t GROUPS[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};
static const char *PROTOCOLS[TLS_N_PROTOCOLS][2] = {
    [TLS_HTTP1] = {"http/1.1", NULL},
    [TLS_HTTP2] = {"h2", NULL},
};

/* --- tickets --- */

struct tls_tickets *tls_tickets_new(void)
{
    struct tls_tickets *t = xcalloc(1, sizeof(*t));
    mbedtls_ssl_ticket_init(&t->ctx);
    psa_status_t started = psa_crypto_init();
    ASSERT(started == PSA_SUCCESS); /* it only draws random numbers */
    int r = mbedtls_ssl_ticket_setup(&t->ctx, tls_random, NULL, MBEDTLS_CIPHER_AES_256_GCM,
                                     TLS_TICKET_S);
    ASSERT(r == 0); /* the same, and a small allocation */
    return t;
}

void tls_tickets_free(struct tls_tickets *tickets)
{
    if (tickets == NULL)
        return;
    mbedtls_ssl_ticket_free(&tickets->ctx);
    free(tickets);
}

/* --- which certificate --- */

/* The client has named a host (RFC 6066 section 3). All certificates for it are offered: there may
 * be an RSA and an ECDSA one. One that is for nobody else gets the first: whether that will do is
 * for the client to say. */
static int on_server_name(void *ctx, mbedtls_ssl_context *ssl, const unsigned char *name,
                          size_t len)
{
    struct tls *tls = ctx;
    int r = 0;
    for (size_t i = 0; r == 0 && i < tls->n_certs; i++) {
        struct tls_cert *cert = &tls->certs[i];
        if (tls_cert_is_for(cert, slice_of(name, len)))
            r = mbedtls_ssl_set_hs_own_cert(ssl, &cert->chain, &cert->key);
    }
    return r;
}

/* The first certificate, and those that are for the same host with a key of another kind. */
static int set_default_certs(struct tls *tls, mbedtls_ssl_config *conf)
{
    struct slice host = tls_cert_name(&tls->certs[0]);
    int r = 0;
    for (size_t i = 0; r == 0 && i < tls->n_certs; i++) {
        struct tls_cert *cert = &tls->certs[i];
        if (i == 0 || tls_cert_is_for(cert, host))
            r = mbedtls_ssl_conf_own_cert(conf, &cert->chain, &cert->key);
    }
    return r;
}

/* --- making --- */

static int configure(struct tls *tls, enum tls_protocol protocol, struct tls_tickets *tickets)
{
    mbedtls_ssl_config *conf = &tls->config[protocol];
    int r = mbedtls_ssl_config_defaults(conf, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                        MBEDTLS_SSL_PRESET_DEFAULT);
    if (r != 0)
        return -ENOMEM;
    mbedtls_ssl_conf_rng(conf, tls_random, NULL);
    mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_ciphersuites(conf, CIPHERS);
    mbedtls_ssl_conf_groups(conf, GROUPS);
    mbedtls_ssl_conf_tls13_key_exchange_modes(conf,
                                              MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL);
    mbedtls_ssl_conf_sni(conf, on_server_name, tls);
    if (tls->asks_clients) {
        mbedtls_ssl_conf_ca_chain(conf, &tls->client_ca, NULL);
        mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_OPTIONAL);
    } else if (tickets != NULL) {
        mbedtls_ssl_conf_session_tickets_cb(conf, mbedtls_ssl_ticket_write,
                                            mbedtls_ssl_ticket_parse, &tickets->ctx);
    }
#ifdef MBEDTLS_SSL_RENEGOTIATION /* our own build has none; a distribution's may */
    mbedtls_ssl_conf_renegotiation(conf, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
    r = mbedtls_ssl_conf_alpn_protocols(conf, PROTOCOLS[protocol]);
    if (r == 0)
        r = set_default_certs(tls, conf);
    return r == 0 ? 0 : -ENOMEM;
}

static int load_certs(struct tls *tls, const struct config_tls *cfg, struct tls_problem *why)
{
    tls->certs = xcalloc(cfg->n_certificates, sizeof(*tls->certs));
    for (size_t i = 0; i < cfg->n_certificates; i++) {
        int r = tls_cert_load(&cfg->certificates[i], &tls->certs[i], why);
        why->index = i;
        why->line = cfg->certificates[i].line; /* of the authorities' file, about */
        if (r < 0)
            return r;
        tls->n_certs++;
    }
    tls->asks_clients = cfg->client_ca_file != NULL;
    tls->needs_clients = tls->asks_clients && cfg->client_certificates == CLIENTS_REQUIRED;
    return tls->asks_clients ? tls_cert_load_ca(cfg->client_ca_file, &tls->client_ca, why) : 0;
}

int tls_new(const struct config_tls *cfg, struct tls_tickets *tickets, struct tls **ret,
            struct tls_problem *why)
{
    if (cfg->n_certificates == 0) {
        *ret = NULL;
        return 0;
    }
    struct tls *tls = xcalloc(1, sizeof(*tls));
    tls->refs = 1;
    mbedtls_x509_crt_init(&tls->client_ca);
    for (int i = 0; i < TLS_N_PROTOCOLS; i++)
        mbedtls_ssl_config_init(&tls->config[i]);
    int r = load_certs(tls, cfg, why);
    for (int i = 0; r == 0 && i < TLS_N_PROTOCOLS; i++) {
        r = configure(tls, (enum tls_protocol) i, tickets);
        ASSERT(r == 0); /* small allocations */
    }
    if (r == 0)
        *ret = tls;
    else
        tls_unref(tls);
    return r;
}

struct tls *tls_ref(struct tls *tls)
{
    tls->refs++;
    return tls;
}

void tls_unref(struct tls *tls)
{
    if (tls == NULL || --tls->refs > 0)
        return;
    for (int i = 0; i < TLS_N_PROTOCOLS; i++)
        mbedtls_ssl_config_free(&tls->config[i]);
    for (size_t i = 0; i < tls->n_certs; i++)
        tls_cert_fini(&tls->certs[i]);
    mbedtls_x509_crt_free(&tls->client_ca);
    free(tls->certs);
    free(tls);
}

bool tls_asks_clients(const struct tls *tls)
{
    return tls->asks_clients;
}

bool tls_needs_clients(const struct tls *tls)
{
    return tls->needs_clients;
}

const mbedtls_ssl_config *tls_config(const struct tls *tls, enum tls_protocol protocol)
{
    return &tls->config[protocol];
}

size_t tls_n_certificates(const struct tls *tls)
{
    return tls->n_certs;
}

struct slice tls_certificate_name(const struct tls *tls, size_t i)
{
    return tls_cert_name(&tls->certs[i]);
}

uint64_t tls_certificate_expires_s(const struct tls *tls, size_t i)
{
    return tls_cert_expires_s(&tls->certs[i].chain);
}

const char *tls_problem_key(const struct tls_problem *why, char ret[TLS_KEY_SIZE])
{
    if (strcmp(why->key, TLS_KEY_OF_CA) == 0)
        (void) snprintf(ret, TLS_KEY_SIZE, "%s.tls.%s", why->side, why->key);
    else
        (void) snprintf(ret, TLS_KEY_SIZE, "%s.tls.certificates[%zu].%s", why->side, why->index,
                        why->key);
    return ret;
}

/* --- the check of a configuration --- */

/* Where the side's settings are in the file, about. */
static unsigned side_line(const struct config_tls *tls)
{
    return tls->n_certificates == 0 ? 1 : tls->certificates[0].line;
}

static int check_client_ca(const char *file, struct tls_problem *why)
{
    mbedtls_x509_crt chain;
    mbedtls_x509_crt_init(&chain);
    int r = tls_cert_load_ca(file, &chain, why);
    mbedtls_x509_crt_free(&chain);
    return r;
}

static void print_problem(const char *file, const struct tls_problem *why)
{
    char key[TLS_KEY_SIZE];
    (void) fprintf(stderr, "%s:%u: %s: %s\n", file, why->line, tls_problem_key(why, key),
                   why->text);
}

static int check_side(const char *file, const char *side, const struct config_tls *tls)
{
    int r = 0;
    for (size_t i = 0; i < tls->n_certificates; i++) {
        struct tls_cert cert;
        struct tls_problem why = {.side = side, .index = i, .line = tls->certificates[i].line};
        if (tls_cert_load(&tls->certificates[i], &cert, &why) == 0) {
            tls_cert_fini(&cert);
            continue;
        }
        print_problem(file, &why);
        r = -EINVAL;
    }
    struct tls_problem why = {.side = side, .line = side_line(tls)};
    if (tls->client_ca_file != NULL && check_client_ca(tls->client_ca_file, &why) < 0) {
        print_problem(file, &why);
        r = -EINVAL;
    }
    return r;
}

int tls_check(const char *file, const struct config *cfg)
{
    int gateway = check_side(file, "gateway", &cfg->gateway.tls);
    int webhooks = check_side(file, "webhooks", &cfg->webhooks.tls);
    int management = check_side(file, "management", &cfg->management.tls);
    return gateway < 0 || webhooks < 0 || management < 0 ? -EINVAL : 0;
}
