/* config_value.h - what single values of the configuration look like, read and printed. For
 * config*.c only, but for value_time(), value_count() and value_webhook_secret(). (pure) Any
 * thread. */
#ifndef BASE_CONFIG_VALUE_H
#define BASE_CONFIG_VALUE_H

#include "config.h"

#include <stdbool.h>
#include <stdint.h>

/* False when `s` is not one or does not fit 64 bits; *ret is then untouched. */
bool value_count(const char *s, uint64_t *ret);    /* digits */
bool value_size(const char *s, uint64_t *ret);     /* digits, then nothing, KiB, MiB or GiB */
bool value_duration(const char *s, uint64_t *ret); /* digits, then ms, s, m or h; none: seconds.
                                                    *ret in ms */

bool value_time(const char *s, uint64_t *ret); /* 2027-01-31T12:00:00Z, or 2027-01-31 for its
                                                  first second; *ret in seconds of Unix time */

/* In the largest unit that is exact: "64KiB", "10m". */
#define VALUE_TEXT_SIZE 32
const char *value_print_size(uint64_t bytes, char ret[VALUE_TEXT_SIZE]);
const char *value_print_duration(uint64_t ms, char ret[VALUE_TEXT_SIZE]);

bool value_is_id(const char *s);          /* letters, digits, _ . - */
bool value_is_registry_id(const char *s); /* the same without capitals */
bool value_is_trigger_name(const char *s);
bool value_is_listen(const char *s);  /* 127.0.0.1:80, [::1]:80, localhost:80; port 0 to 65535 */
bool value_is_network(const char *s); /* of network_parse() */
bool value_is_nats_url(const char *s);
bool value_is_nats_name(const char *s);  /* a token of its subjects, and of a bucket's keys */
bool value_is_host(const char *s);       /* a name, no capitals, no port */
bool value_is_origin(const char *s);     /* scheme://host or scheme://host:port, no capitals */
bool value_is_path(const char *s);       /* a template's shape, at most 255 bytes, also of a
                                            specification;       broker/path_template.h knows all rules */
bool value_is_role(const char *s);       /* one of base/role.h */
bool value_is_sha256(const char *s);     /* 64 hexadecimal digits, no capitals */
bool value_is_public_key(const char *s); /* of public_key_check_rsa() */
bool value_is_loopback(const char *s);   /* of value_is_listen(): 127.0.0.0/8, [::1] or localhost */
bool value_is_visible(const char *s);    /* ASCII from '!' to '~' */
bool value_is_token(const char *s);      /* "" or characters of RFC 9110's tokens */
bool value_is_rule(const char *s); /* begins with '/'; at most one "${claims.NAME}" in each segment,
                                      and no other "${" */
bool value_is_algorithm(const char *s); /* a JWT's, of broker/jwt.h */
bool value_is_key_url(const char *s); /* https://, or http:// with a loopback address or localhost;
                                         no user */
bool value_is_registry_url(const char *s); /* https:// or http://, a host, maybe a port and a path;
                                              no user, query or fragment */
bool value_is_backend_url(const char *s);  /* the same; without braces, quotes and the like */
bool value_is_user_name(const char *s);    /* of RFC 7617: visible ASCII without ':' */
/* "whsec_" and the base64 of CONFIG_SECRET_MIN to CONFIG_SECRET_MAX bytes: 0, or -EINVAL. */
int value_webhook_secret(const char *s, uint8_t ret[CONFIG_SECRET_MAX], size_t *ret_len);
bool value_is_webhook_secret(const char *s);
bool value_is_plain_secret(const char *s); /* printable ASCII, not beginning or ending in a space */
bool value_is_path_token(const char *s);   /* letters, digits, - and _ */
bool value_is_file(const char *s);    /* any; a setting with it names a file, as of file_name.h */
bool value_is_pointer(const char *s); /* "" or a JSON pointer (RFC 6901); no backslash */
bool value_is_any(const char *s);

#endif
