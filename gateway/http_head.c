/* http_head.c - our own checks of a request head: first its bytes, then its meaning. */
#include "http_head.h"

#include <arpa/inet.h>
#include <stddef.h>

/* Longest method token that is read on; the longest registered one has 17 characters. Text that
 * never becomes a request line (another protocol, noise) ends here instead of at 8 KB. */
#define TLS_HANDSHAKE 0x16 /* the first byte of a TLS connection (RFC 8446 section 5.1) */
#define MAX_METHOD    32

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool head_is_tchar(uint8_t c)
{
    static const uint64_t BITS[4] = {
        0x03ff6cfa00000000, /* ! # $ % & ' * + - . and digits */
        0x57ffffffc7fffffe, /* letters ^ _ ` | ~ */
    };
    return (BITS[c / 64] >> (c % 64) & 1) != 0;
}

static int hex_value(uint8_t c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- the bytes ---- */

enum scan_state {
    SCAN_START,   /* before the request line */
    SCAN_BLANK,   /* the same, and one CRLF would be skipped */
    SCAN_SKIP_LF, /* its LF */
    SCAN_METHOD,
    SCAN_TARGET_START,
    SCAN_TARGET,
    SCAN_VERSION,
    SCAN_NO_VERSION, /* a CR after the target */
    SCAN_LINE_LF,
    SCAN_FIELD, /* at the start of a header line */
    SCAN_NAME,
    SCAN_NAME_LF, /* a CR in a name */
    SCAN_VALUE,
    SCAN_VALUE_LF,
    SCAN_END_LF,
    SCAN_DONE
};

void head_scan_init(struct head_scan *s, bool blank_ok)
{
    *s = (struct head_scan){.state = blank_ok ? SCAN_BLANK : SCAN_START};
}

bool head_scan_started(const struct head_scan *s)
{
    return s->state > SCAN_SKIP_LF;
}

bool head_scan_done(const struct head_scan *s)
{
    return s->state == SCAN_DONE;
}

static enum refuse scan_version(struct head_scan *s, uint8_t c)
{
    static const char NAME[] = "HTTP/";
    unsigned at = s->version_at++;
    if (at < sizeof(NAME) - 1)
        return c == (uint8_t) NAME[at] ? REFUSE_NONE : REFUSE_REQUEST_LINE;
    switch (at - (sizeof(NAME) - 1)) {
    case 0:
        return c == '1' ? REFUSE_NONE : is_digit(c) ? REFUSE_VERSION : REFUSE_REQUEST_LINE;
    case 1:
        return c == '.' ? REFUSE_NONE : REFUSE_VERSION;
    case 2:
        return c == '0' || c == '1' ? REFUSE_NONE : REFUSE_VERSION;
    default:
        if (c != '\r')
            return is_digit(c) ? REFUSE_VERSION : REFUSE_REQUEST_LINE;
        s->state = SCAN_LINE_LF;
        return REFUSE_NONE;
    }
}

static enum refuse scan_line(struct head_scan *s, uint8_t c)
{
    if (++s->line > HTTP_MAX_REQUEST_LINE && c != '\r')
        return REFUSE_URI_LONG;
    if (c == '\n')
        return REFUSE_LINE_END;
    switch (s->state) {
    case SCAN_METHOD:
        if (c == ' ')
            s->state = SCAN_TARGET_START;
        else if (!head_is_tchar(c) || s->line > MAX_METHOD)
            return s->line == 1 && c == TLS_HANDSHAKE ? REFUSE_TLS_HELLO : REFUSE_REQUEST_LINE;
        return REFUSE_NONE;
    case SCAN_TARGET_START:
        if (c == ' ' || c == '\r')
            return REFUSE_REQUEST_LINE;
        s->state = SCAN_TARGET;
        break;
    case SCAN_TARGET:
        break;
    default:
        return scan_version(s, c);
    }
    if (c == ' ')
        s->state = SCAN_VERSION;
    else if (c == '\r')
        s->state = SCAN_NO_VERSION;
    else if (c < 0x20 || c >= 0x7f || c == '#') /* a fragment is never sent: RFC 9112 section 3.2 */
        return REFUSE_TOKEN;
    return REFUSE_NONE;
}

static enum refuse scan_field(struct head_scan *s, uint8_t c)
{
    if (++s->fields > HTTP_MAX_HEAD)
        return REFUSE_HEADERS;
    switch (s->state) {
    case SCAN_FIELD:
        if (c == ' ' || c == '\t')
            return REFUSE_OBS_FOLD;
        if (c == '\n')
            return REFUSE_LINE_END;
        if (!head_is_tchar(c))
            return REFUSE_TOKEN;
        if (++s->n_fields > HTTP_MAX_HEADERS)
            return REFUSE_HEADERS;
        s->state = SCAN_NAME;
        return REFUSE_NONE;
    case SCAN_NAME:
        if (c == '\n')
            return REFUSE_LINE_END;
        if (c == ':')
            s->state = SCAN_VALUE;
        else if (c == '\r')
            s->state = SCAN_NAME_LF;
        else if (!head_is_tchar(c))
            return REFUSE_TOKEN;
        return REFUSE_NONE;
    case SCAN_NAME_LF: /* a line without a colon, or a hidden line end */
        return c == '\n' ? REFUSE_TOKEN : REFUSE_LINE_END;
    case SCAN_VALUE:
        if (c == '\n')
            return REFUSE_LINE_END;
        if (c == '\r')
            s->state = SCAN_VALUE_LF;
        else if ((c < 0x20 && c != '\t') || c == 0x7f)
            return REFUSE_TOKEN;
        return REFUSE_NONE;
    default: /* SCAN_VALUE_LF */
        s->state = SCAN_FIELD;
        return c == '\n' ? REFUSE_NONE : REFUSE_LINE_END;
    }
}

static enum refuse scan_byte(struct head_scan *s, uint8_t c)
{
    switch (s->state) {
    case SCAN_BLANK:
        if (c == '\r') {
            s->state = SCAN_SKIP_LF;
            s->skipped = 2;
            return REFUSE_NONE;
        } /* fall through */
    case SCAN_START:
        if (c == '\r')
            return REFUSE_LINE_END;
        s->state = SCAN_METHOD;
        return c == ' ' ? REFUSE_REQUEST_LINE : scan_line(s, c);
    case SCAN_SKIP_LF:
        s->state = SCAN_START;
        return c == '\n' ? REFUSE_NONE : REFUSE_LINE_END;
    case SCAN_METHOD:
    case SCAN_TARGET_START:
    case SCAN_TARGET:
    case SCAN_VERSION:
        return scan_line(s, c);
    case SCAN_NO_VERSION: /* "GET /" and no more: HTTP/0.9 */
        return c == '\n' ? REFUSE_VERSION : REFUSE_LINE_END;
    case SCAN_LINE_LF:
        s->state = SCAN_FIELD;
        return c == '\n' ? REFUSE_NONE : REFUSE_LINE_END;
    case SCAN_END_LF:
        s->state = SCAN_DONE;
        return c == '\n' ? REFUSE_NONE : REFUSE_LINE_END;
    case SCAN_FIELD:
        if (c == '\r') {
            s->state = SCAN_END_LF;
            return REFUSE_NONE;
        }
        return scan_field(s, c);
    default:
        return scan_field(s, c);
    }
}

/* How many of the next bytes of a name or a value change nothing but the count: most of a head. */
static size_t plain_run(const struct head_scan *s, const uint8_t *in, size_t len)
{
    size_t n = 0, most = HTTP_MAX_HEAD - s->fields;
    if (most > len)
        most = len;
    if (s->state == SCAN_NAME)
        while (n < most && head_is_tchar(in[n]))
            n++;
    else if (s->state == SCAN_VALUE)
        while (n < most && in[n] >= 0x20 && in[n] != 0x7f)
            n++;
    return n;
}

enum refuse head_scan(struct head_scan *s, struct slice in, size_t *ret_used)
{
    size_t used = 0;
    enum refuse why = REFUSE_NONE;
    while (used < in.len && s->state != SCAN_DONE && why == REFUSE_NONE) {
        size_t run = plain_run(s, in.data + used, in.len - used);
        s->fields = (uint16_t) (s->fields + run);
        used += run;
        if (used < in.len)
            why = scan_byte(s, in.data[used++]);
    }
    *ret_used = used;
    return why;
}

/* ---- the meaning ---- */

bool head_is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!head_is_tchar(s.data[i]))
            return false;
    }
    return s.len > 0;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

struct slice head_trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_from(s, 1);
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

bool head_next_element(struct slice *list, bool *more, struct slice *ret)
{
    if (!*more)
        return false;
    const uint8_t *comma = list->len == 0 ? NULL : memchr(list->data, ',', list->len);
    size_t len = comma == NULL ? list->len : (size_t) (comma - list->data);
    *ret = head_trim(slice_sub(*list, 0, len));
    *more = comma != NULL;
    *list = slice_from(*list, comma == NULL ? len : len + 1);
    return true;
}

struct slice http_header(const struct http_head *head, const char *name, size_t *ret_count)
{
    struct slice wanted = slice_str(name), found = {0};
    size_t count = 0;
    for (size_t i = 0; i < head->n_headers; i++) {
        if (slice_eq_nocase(head->headers[i].name, wanted) && count++ == 0)
            found = head->headers[i].value;
    }
    if (ret_count != NULL)
        *ret_count = count;
    return found;
}

bool http_has_token(const struct http_head *head, const char *name, const char *token)
{
    struct slice wanted = slice_str(name);
    for (size_t i = 0; i < head->n_headers; i++) {
        if (!slice_eq_nocase(head->headers[i].name, wanted))
            continue;
        struct slice list = head->headers[i].value, element;
        for (bool more = true; head_next_element(&list, &more, &element);) {
            if (slice_eq_nocase(element, slice_str(token)))
                return true;
        }
    }
    return false;
}

int http_percent_decode(struct slice in, char *ret, size_t cap)
{
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        int c = in.data[i];
        if (c == '%') {
            int high = i + 2 < in.len ? hex_value(in.data[i + 1]) : -1;
            int low = i + 2 < in.len ? hex_value(in.data[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return -EINVAL;
            c = high << 4 | low;
            i += 2;
        }
        if (len == cap)
            return -EMSGSIZE;
        ret[len++] = (char) c;
    }
    return (int) len;
}

static enum http_method method_of(struct slice s)
{
    static const char *const NAMES[HTTP_M_OTHER] = {
        [HTTP_M_GET] = "GET",        [HTTP_M_HEAD] = "HEAD",   [HTTP_M_POST] = "POST",
        [HTTP_M_PUT] = "PUT",        [HTTP_M_PATCH] = "PATCH", [HTTP_M_DELETE] = "DELETE",
        [HTTP_M_OPTIONS] = "OPTIONS"};
    for (unsigned i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (slice_eq_str(s, NAMES[i]))
            return (enum http_method) i;
    }
    return HTTP_M_OTHER;
}

static bool valid_port(struct slice s)
{
    unsigned port = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.data[i]) || i == 5)
            return false;
        port = port * 10 + (unsigned) (s.data[i] - '0');
    }
    return s.len > 0 && port <= 65535;
}

static bool valid_name(struct slice s) /* reg-name of RFC 3986, which IPv4 addresses fit too */
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '%') {
            if (i + 2 >= s.len || hex_value(s.data[i + 1]) < 0 || hex_value(s.data[i + 2]) < 0)
                return false;
            i += 2;
        } else if (!is_alnum(c) && (c == 0 || strchr("-._~!$&'()*+;=", c) == NULL)) {
            return false;
        }
    }
    return s.len > 0;
}

/* host [":" port] without userinfo; *ret_port (may be NULL): it has a port. A comma is legal in a
 * name and refused: it is how two Host lines look after a proxy has joined them. */
static bool valid_authority(struct slice s, bool *ret_port)
{
    const uint8_t *end;
    size_t host_len;
    if (s.len > 0 && s.data[0] == '[') {
        char text[INET6_ADDRSTRLEN];
        struct in6_addr address;
        end = memchr(s.data, ']', s.len);
        if (end == NULL || (size_t) (end - s.data) > sizeof(text))
            return false;
        size_t len = (size_t) (end - s.data) - 1;
        memcpy(text, s.data + 1, len);
        text[len] = '\0';
        if (inet_pton(AF_INET6, text, &address) != 1)
            return false;
        host_len = len + 2;
    } else {
        end = s.len == 0 ? NULL : memchr(s.data, ':', s.len);
        host_len = end == NULL ? s.len : (size_t) (end - s.data);
        if (!valid_name(slice_sub(s, 0, host_len)))
            return false;
    }
    if (ret_port != NULL)
        *ret_port = host_len < s.len;
    return host_len == s.len ||
           (s.data[host_len] == ':' && valid_port(slice_from(s, host_len + 1)));
}

/* Content-Length and Transfer-Encoding (RFC 9112 section 6.3). Only what cannot be read in two ways
 * passes: no list of equal lengths, no sign, no coding but one `chunked`. */
static enum refuse parse_framing(struct http_head *h)
{
    size_t n_length, n_coding;
    struct slice length = http_header(h, "Content-Length", &n_length);
    struct slice coding = http_header(h, "Transfer-Encoding", &n_coding);
    if (n_length > 0 && n_coding > 0)
        return REFUSE_CL_TE;
    if (n_coding > 0) {
        if (n_coding > 1 || h->minor == 0 || !slice_eq_nocase(coding, SLICE_LIT("chunked")))
            return REFUSE_BAD_TE;
        h->chunked = true;
        h->has_body = true;
    }
    if (n_length > 0) {
        if (n_length > 1 || length.len == 0)
            return REFUSE_BAD_CL;
        for (size_t i = 0; i < length.len; i++) {
            uint64_t digit = (uint64_t) length.data[i] - '0';
            if (!is_digit(length.data[i]) || h->content_length > (UINT64_MAX - digit) / 10)
                return REFUSE_BAD_CL;
            h->content_length = h->content_length * 10 + digit;
        }
        h->has_body = h->content_length > 0;
    }
    return REFUSE_NONE;
}

static enum refuse parse_expect(struct http_head *h)
{
    size_t count;
    struct slice expect = http_header(h, "Expect", &count);
    if (count == 0 || h->minor == 0) /* RFC 9110 section 10.1.1: not for HTTP/1.0 */
        return REFUSE_NONE;
    if (count > 1 || !slice_eq_nocase(expect, SLICE_LIT("100-continue")))
        return REFUSE_EXPECT;
    h->expect_continue = true;
    return REFUSE_NONE;
}

/* Cuts scheme and authority off an absolute-form target; *rest is empty when there is no path. */
static bool cut_authority(struct slice target, struct slice *authority, struct slice *rest)
{
    static const char *const SCHEMES[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(SCHEMES); i++) {
        size_t len = strlen(SCHEMES[i]);
        if (target.len < len || !slice_eq_nocase(slice_sub(target, 0, len), slice_str(SCHEMES[i])))
            continue;
        size_t end = len;
        while (end < target.len && target.data[end] != '/' && target.data[end] != '?')
            end++;
        *authority = slice_sub(target, len, end);
        *rest = slice_from(target, end);
        return true;
    }
    return false;
}

static enum refuse parse_target(struct http_head *h, struct slice method)
{
    struct slice rest = h->target, authority;
    if (slice_eq_str(method, "CONNECT")) { /* authority-form; there is no path to route */
        bool port;
        return valid_authority(h->target, &port) && port ? REFUSE_NONE : REFUSE_REQUEST_LINE;
    }
    if (rest.data[0] != '/') {
        if (!cut_authority(h->target, &authority, &rest))
            return REFUSE_REQUEST_LINE;
        if (!slice_eq_nocase(authority, h->host))
            return REFUSE_HOST;
    }
    const uint8_t *mark = rest.len == 0 ? NULL : memchr(rest.data, '?', rest.len);
    h->path = slice_sub(rest, 0, mark == NULL ? rest.len : (size_t) (mark - rest.data));
    if (mark != NULL)
        h->query = slice_from(rest, h->path.len + 1);
    if (h->path.len == 0) /* "http://host" asks for its root (RFC 9112 section 3.2.1) */
        h->path = SLICE_LIT("/");
    return REFUSE_NONE;
}

/* The bytes up to `stop`, which the scan has made sure is there; *rest goes on after it. */
static struct slice take_until(struct slice *rest, char stop)
{
    const uint8_t *at = memchr(rest->data, stop, rest->len);
    ASSERT(at != NULL);
    struct slice s = slice_sub(*rest, 0, (size_t) (at - rest->data));
    *rest = slice_from(*rest, s.len + 1);
    return s;
}

enum refuse head_parse(struct slice raw, struct http_head *ret)
{
    struct http_head *h = ret;
    memset(h, 0, offsetof(struct http_head, headers)); /* those are 2 KB, and few are used */
    struct slice rest = raw;
    struct slice method = take_until(&rest, ' ');
    h->method = method_of(method);
    h->target = take_until(&rest, ' ');
    struct slice version = take_until(&rest, '\r');
    h->minor = version.data[version.len - 1] == '1' ? 1 : 0;
    rest = slice_from(rest, 1);
    while (rest.data[0] != '\r') {
        struct header *header = &h->headers[h->n_headers++];
        header->name = take_until(&rest, ':');
        header->value = head_trim(take_until(&rest, '\r'));
        rest = slice_from(rest, 1);
    }

    enum refuse why = parse_framing(h);
    if (why != REFUSE_NONE)
        return why;
    size_t n_hosts;
    h->host = http_header(h, "Host", &n_hosts);
    if (n_hosts != 1 || !valid_authority(h->host, NULL))
        return REFUSE_HOST;
    why = parse_target(h, method);
    if (why != REFUSE_NONE)
        return why;
    /* What follows a method we do not know, CONNECT above all, need not be HTTP. */
    if (h->method != HTTP_M_OTHER)
        h->keep_alive = h->minor == 1 ? !http_has_token(h, "Connection", "close")
                                      : http_has_token(h, "Connection", "keep-alive");
    return parse_expect(h);
}
