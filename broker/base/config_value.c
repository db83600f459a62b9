/* config_value.c - what single values of the configuration look like. */
#include "config_value.h"

#include "err.h"
#include "jwa.h"
#include "network.h"
#include "public_key.h"
#include "role.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <mbedtls/base64.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first, as value_print_*() try them. */
static const struct unit SIZES[] = {
    {"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"", 1}};
static const struct unit DURATIONS[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit SECONDS = {"", 1000};

#define LOWER   "abcdefghijklmnopqrstuvwxyz"
#define CAPITAL "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT   "0123456789"

#define HOST_MAX 253 /* RFC 1035 section 2.3.4, as text */

bool value_count(const char *s, uint64_t *ret)
{
    uint64_t value = 0;
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9')
            return false;
        uint64_t digit = (uint64_t) (*s - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

/* Splits `s` behind its digits; the rest has to be the unit's name. */
static bool in_unit(const char *s, const struct unit *unit, uint64_t *ret)
{
    size_t n = strspn(s, DIGIT);
    char digits[24];
    uint64_t value;
    if (n >= sizeof(digits) || strcmp(s + n, unit->name) != 0)
        return false;
    memcpy(digits, s, n);
    digits[n] = '\0';
    if (!value_count(digits, &value) || value > UINT64_MAX / unit->factor)
        return false;
    *ret = value * unit->factor;
    return true;
}

bool value_size(const char *s, uint64_t *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++)
        if (in_unit(s, &SIZES[i], ret))
            return true;
    return false;
}

bool value_duration(const char *s, uint64_t *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(DURATIONS); i++)
        if (in_unit(s, &DURATIONS[i], ret))
            return true;
    return in_unit(s, &SECONDS, ret);
}

bool value_time(const char *s, uint64_t *ret)
{
    static const char *const FORMATS[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"};
    for (size_t i = 0; i < ARRAY_LEN(FORMATS); i++) {
        struct tm tm = {0};
        const char *end = strptime(s, FORMATS[i], &tm);
        if (end == NULL || *end != '\0')
            continue;
        time_t seconds =
            timegm(&tm); /* normalises: the 31st of February comes out as another day */
        char again[32];
        if (seconds <= 0 || strftime(again, sizeof(again), FORMATS[i], &tm) == 0 ||
            strcmp(again, s) != 0)
            return false;
        *ret = (uint64_t) seconds;
        return true;
    }
    return false;
}

static const char *print(const struct unit *units, size_t n, uint64_t value,
                         char ret[VALUE_TEXT_SIZE])
{
    size_t i = 0;
    while (i < n - 1 && (value < units[i].factor || value % units[i].factor != 0))
        i++;
    (void) snprintf(ret, VALUE_TEXT_SIZE, "%" PRIu64 "%s", value / units[i].factor, units[i].name);
    return ret;
}

const char *value_print_size(uint64_t bytes, char ret[VALUE_TEXT_SIZE])
{
    return print(SIZES, ARRAY_LEN(SIZES), bytes, ret);
}

const char *value_print_duration(uint64_t ms, char ret[VALUE_TEXT_SIZE])
{
    if (ms == 0) {
        ret[0] = '0';
        ret[1] = '\0';
        return ret;
    }
    return print(DURATIONS, ARRAY_LEN(DURATIONS), ms, ret);
}

static bool only(const char *s, const char *allowed)
{
    return s[strspn(s, allowed)] == '\0';
}

bool value_is_id(const char *s)
{
    return only(s, LOWER CAPITAL DIGIT "_.-");
}

bool value_is_registry_id(const char *s)
{
    return only(s, LOWER DIGIT "_.-");
}

bool value_is_trigger_name(const char *s) /* [a-z][-a-z0-9]{1,61}[a-z0-9] */
{
    size_t len = strlen(s);
    return len >= 3 && len <= 63 && only(s, LOWER DIGIT "-") && s[0] >= 'a' && s[0] <= 'z' &&
           s[len - 1] != '-';
}

static bool is_port(const char *s)
{
    uint64_t port = 0;
    return strlen(s) <= 5 && value_count(s, &port) && port <= 65535;
}

bool value_is_listen(const char *s)
{
    const char *colon = strrchr(s, ':');
    char host[64];
    if (colon == NULL || !is_port(colon + 1) || (size_t) (colon - s) >= sizeof(host))
        return false;
    size_t len = (size_t) (colon - s);
    memcpy(host, s, len);
    host[len] = '\0';
    uint8_t address[sizeof(struct in6_addr)];
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, address) == 1;
    }
    return strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, address) == 1;
}

bool value_is_network(const char *s)
{
    struct network n;
    return network_parse(slice_str(s), &n);
}

bool value_is_host(const char *s)
{
    size_t len = strspn(s, LOWER DIGIT "-._");
    return len > 0 && len <= HOST_MAX && s[len] == '\0';
}

bool value_is_nats_name(const char *s)
{
    return s[0] != '\0' && s[strspn(s, LOWER DIGIT "-_")] == '\0';
}

bool value_is_nats_url(const char *s)
{
    return (strncmp(s, "nats://", 7) == 0 || strncmp(s, "tls://", 6) == 0) && value_is_origin(s);
}

bool value_is_origin(const char *s)
{
    size_t scheme = strspn(s, LOWER DIGIT "+.-");
    if (scheme == 0 || s[0] < 'a' || s[0] > 'z' || strncmp(s + scheme, "://", 3) != 0)
        return false;
    const char *host = s + scheme + 3;
    size_t len;
    if (host[0] == '[') {
        len = strspn(host + 1, DIGIT "abcdef:.") + 1;
        if (len == 1 || host[len] != ']')
            return false;
        len++;
    } else {
        len = strspn(host, LOWER DIGIT "-._");
    }
    return len > 0 && (host[len] == '\0' || (host[len] == ':' && is_port(host + len + 1)));
}

/* Text, or {name}, or {name+}. */
static bool is_path_segment(const char *s, size_t len)
{
    if (len == 0)
        return false;
    if (memchr(s, '{', len) == NULL && memchr(s, '}', len) == NULL)
        return true;
    size_t name = s[0] == '{' ? strspn(s + 1, LOWER CAPITAL DIGIT "_-.") : 0;
    size_t end = s[1 + name] == '+' ? name + 2 : name + 1;
    return name > 0 && end + 1 == len && s[end] == '}';
}

bool value_is_path(const char *s)
{
    size_t len = strlen(s);
    if (s[0] != '/' || len > 255 || s[strcspn(s, "?#")] != '\0')
        return false;
    if (len == 1)
        return true;
    for (const char *at = s; *at != '\0';) {
        size_t n = strcspn(at + 1, "/");
        if (at > s && at[1] == '\0')
            break; /* a slash at the end */
        if (!is_path_segment(at + 1, n))
            return false;
        at += 1 + n;
    }
    return true;
}

bool value_is_role(const char *s)
{
    return role_known(s);
}

bool value_is_sha256(const char *s)
{
    return strlen(s) == 64 && only(s, DIGIT "abcdef");
}

bool value_is_loopback(const char *s)
{
    static const char *const BEGINS[] = {"127.", "localhost:", "[::1]:"};
    for (size_t i = 0; i < ARRAY_LEN(BEGINS); i++)
        if (strncmp(s, BEGINS[i], strlen(BEGINS[i])) == 0)
            return true;
    return false;
}

bool value_is_public_key(const char *s)
{
    return public_key_check_rsa(s) == 0;
}

bool value_is_token(const char *s)
{
    return only(s, LOWER CAPITAL DIGIT "!#$%&'*+-.^_`|~");
}

/* What stands between the placeholders is a path's own business. */
bool value_is_rule(const char *s)
{
    static const char OPEN[] = "${claims.";
    if (s[0] != '/' || !value_is_visible(s))
        return false;
    const char *last = NULL; /* two in one segment could share out its text in several ways */
    while ((s = strstr(s, "${")) != NULL) {
        if (last != NULL && memchr(last, '/', (size_t) (s - last)) == NULL)
            return false;
        if (strncmp(s, OPEN, sizeof(OPEN) - 1) != 0)
            return false;
        s += sizeof(OPEN) - 1;
        size_t name = strspn(s, LOWER CAPITAL DIGIT "_-");
        if (name == 0 || s[name] != '}')
            return false;
        s += name;
        last = s;
    }
    return true;
}

bool value_is_algorithm(const char *s)
{
    enum jwa ignored;
    return jwa_find(s, &ignored);
}

bool value_is_key_url(const char *s)
{
    static const char HTTPS[] = "https://", HTTP[] = "http://";
    bool tls = strncmp(s, HTTPS, sizeof(HTTPS) - 1) == 0;
    if ((!tls && strncmp(s, HTTP, sizeof(HTTP) - 1) != 0) || !value_is_visible(s))
        return false;
    const char *host = s + (tls ? sizeof(HTTPS) : sizeof(HTTP)) - 1;
    size_t len = strcspn(host, "/?#");
    char with_port[300];
    if (len == 0 || len >= 256 || memchr(host, '@', len) != NULL || strpbrk(s, "\\#") != NULL)
        return false;
    if (tls)
        return true;
    /* The form of value_is_listen(), with or without a port: exact, so that 127.evil.example or
     * localhost.example are none. */
    bool has_port = memchr(host, ':', len) != NULL && host[len - 1] != ']';
    (void) snprintf(with_port, sizeof(with_port), "%.*s%s", (int) len, host, has_port ? "" : ":80");
    return value_is_listen(with_port) && value_is_loopback(with_port);
}

bool value_is_registry_url(const char *s)
{
    static const char HTTPS[] = "https://", HTTP[] = "http://";
    bool tls = strncmp(s, HTTPS, sizeof(HTTPS) - 1) == 0;
    if ((!tls && strncmp(s, HTTP, sizeof(HTTP) - 1) != 0) || !value_is_visible(s))
        return false;
    const char *host = s + (tls ? sizeof(HTTPS) : sizeof(HTTP)) - 1;
    size_t len = strcspn(host, "/");
    return len > 0 && len < 256 && host[0] != ':' && strpbrk(s, "@?#\\") == NULL;
}

bool value_is_backend_url(const char *s)
{
    if (!value_is_registry_url(s) || s[strcspn(s, "{}<>\"^`|")] != '\0')
        return false;
    const char *host = strchr(s, '/') + 2;
    size_t len = strcspn(host, "/"), name;
    if (host[0] == '[')
        name = strcspn(host, "]") + 1;
    else
        name = strcspn(host, ":/");
    char port[8] = "";
    if (name > len)
        return false;
    if (name == len)
        return true;
    (void) snprintf(port, sizeof(port), "%.*s", (int) (len - name - 1), host + name + 1);
    return host[name] == ':' && len - name - 1 < sizeof(port) && is_port(port);
}

bool value_is_user_name(const char *s)
{
    return value_is_visible(s) && strchr(s, ':') == NULL;
}

/* RFC 6901 section 3. No key that means something has a backslash, and JSON has two ways to write
 * each. */
bool value_is_pointer(const char *s)
{
    if (*s != '\0' && *s != '/')
        return false;
    for (; *s != '\0'; s++) {
        bool escape = s[0] == '~' && s[1] != '0' && s[1] != '1';
        if (escape || *s == '\\' || (unsigned char) *s < ' ')
            return false;
    }
    return true;
}

bool value_is_visible(const char *s)
{
    for (; *s != '\0'; s++)
        if (*s < '!' || *s > '~')
            return false;
    return true;
}

int value_webhook_secret(const char *s, uint8_t ret[CONFIG_SECRET_MAX], size_t *ret_len)
{
    static const char PREFIX[] = "whsec_";
    if (strncmp(s, PREFIX, sizeof(PREFIX) - 1) != 0)
        return -EINVAL;
    const char *text = s + sizeof(PREFIX) - 1;
    int r = mbedtls_base64_decode(ret, CONFIG_SECRET_MAX, ret_len, (const uint8_t *) text,
                                  strlen(text));
    return r == 0 && *ret_len >= CONFIG_SECRET_MIN ? 0 : -EINVAL;
}

bool value_is_webhook_secret(const char *s)
{
    uint8_t secret[CONFIG_SECRET_MAX];
    size_t len;
    return value_webhook_secret(s, secret, &len) == 0;
}

bool value_is_plain_secret(const char *s)
{
    size_t len = strlen(s);
    for (size_t i = 0; i < len; i++)
        if (s[i] < ' ' || s[i] > '~')
            return false;
    return len > 0 && s[0] != ' ' && s[len - 1] != ' ';
}

bool value_is_path_token(const char *s)
{
    return only(s, LOWER CAPITAL DIGIT "-_");
}

bool value_is_file(const char *s)
{
    return value_is_any(s);
}

bool value_is_any(const char *s)
{
    (void) s;
    return true;
}
