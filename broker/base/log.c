/* log.c - JSON lines on stderr. */
#include "log.h"

#include "clock.h"
#include "digits.h"
#include "err.h"
#include "utf8.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_END     "}\n"
#define LINE_END_LEN (sizeof(LINE_END) - 1) /* kept free while a line grows */

const char *const LOG_LEVELS[LOG_N_LEVELS] = {"debug", "info", "warn", "error"};

static _Atomic int least_level = LOG_INFO;
static atomic_bool
    torn; /* the last line that was begun has no end: begin the next with a newline */
#define PIPE_BYTES (1 << 20)
static int log_fd = STDERR_FILENO;
static bool is_socket;
static _Atomic uint64_t dropped;

void log_set_level(enum log_level least)
{
    atomic_store_explicit(&least_level, (int) least, memory_order_relaxed);
}

void log_set_level_named(const char *least)
{
    for (int level = 0; level < LOG_N_LEVELS; level++)
        if (strcmp(least, LOG_LEVELS[level]) == 0)
            log_set_level((enum log_level) level);
}

bool log_on(enum log_level level)
{
    return (int) level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void log_set_fd(int fd)
{
    log_fd = fd;
    is_socket = false;
}

static bool fits(const struct log_line *l, size_t len)
{
    return len <= LOG_LINE_MAX - LINE_END_LEN - l->len;
}

static void put(struct log_line *l, const char *text, size_t len)
{
    memcpy(l->text + l->len, text, len);
    l->len += len;
}

/* Length of the UTF-8 sequence at the start of `s`: 0 when there is no valid and whole one. */
static size_t sequence_len(struct slice s)
{
    for (size_t n = 1; n <= 4 && n <= s.len; n++) {
        struct utf8 u;
        utf8_init(&u);
        if (!utf8_feed(&u, slice_sub(s, 0, n)))
            return 0;
        if (utf8_complete(&u))
            return n;
    }
    return 0;
}

/* One that a terminal acts on: JSON asks for no escape of DEL and of C1 (U+0080 to U+009F). */
static bool is_control(struct slice s, size_t n)
{
    return s.data[0] < 0x20 || s.data[0] == 0x7f ||
           (n == 2 && s.data[0] == 0xc2 && s.data[1] < 0xa0);
}

/* The next character as it stands in JSON; returns how many bytes of `s` (not empty) it is. */
static size_t escape(struct slice s, char ret[8], size_t *ret_len)
{
    uint8_t c = s.data[0];
    size_t n = sequence_len(s);
    if (c == '"' || c == '\\') {
        ret[0] = '\\';
        ret[1] = (char) c;
        *ret_len = 2;
    } else if (n == 0 || is_control(s, n)) {
        static const char HEX[] = "0123456789abcdef";
        n = n == 0 ? 1 : n;
        c = s.data[n - 1];
        memcpy(ret, "\\u00", 4);
        ret[4] = HEX[c >> 4];
        ret[5] = HEX[c & 15];
        *ret_len = 6;
    } else {
        memcpy(ret, s.data, n);
        *ret_len = n;
    }
    return n;
}

/* `value` without the bytes over LOG_VALUE_MAX, and without a character that this would cut. */
static struct slice value_cut(struct slice value)
{
    if (value.len <= LOG_VALUE_MAX)
        return value;
    size_t end = LOG_VALUE_MAX;
    for (size_t back = 1; back <= 3; back++) {
        size_t n = sequence_len(slice_from(value, LOG_VALUE_MAX - back));
        if (n > back)
            end = LOG_VALUE_MAX - back;
        if (n > 0)
            break;
    }
    return slice_sub(value, 0, end);
}

static void put_key(struct log_line *l, const char *key)
{
    put(l, ",\"", 2);
    put(l, key, strlen(key));
    put(l, "\":", 2);
}

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < 0x20 || s.data[i] >= 0x7f || s.data[i] == '"' || s.data[i] == '\\')
            return false;
    }
    return true;
}

void log_slice(struct log_line *l, const char *key, struct slice value)
{
    size_t frame = strlen(key) + sizeof(",\"\":\"\"") - 1;
    if (!l->on || !fits(l, frame))
        return;
    put_key(l, key);
    put(l, "\"", 1);
    value = value_cut(value);
    size_t at = 0;
    if (value.len > 0 && is_plain(value) && fits(l, value.len + 1)) { /* nearly always */
        put(l, (const char *) value.data, value.len);
        at = value.len;
    }
    while (at < value.len) {
        char text[8];
        size_t len;
        at += escape(slice_from(value, at), text, &len);
        if (!fits(l, len + 1)) /* 1: the closing quote */
            break;
        put(l, text, len);
    }
    put(l, "\"", 1);
}

void log_str(struct log_line *l, const char *key, const char *value)
{
    if (value != NULL)
        log_slice(l, key, slice_str(value));
}

static void put_number(struct log_line *l, const char *key, const char *digits, int len)
{
    if (!fits(l, strlen(key) + sizeof(",\"\":") - 1 + (size_t) len))
        return;
    put_key(l, key);
    put(l, digits, (size_t) len);
}

void log_u64(struct log_line *l, const char *key, uint64_t value)
{
    char digits[DIGITS_MAX];
    if (l->on)
        put_number(l, key, digits, (int) digits_of(value, digits));
}

void log_i64(struct log_line *l, const char *key, int64_t value)
{
    char digits[24];
    if (l->on)
        put_number(l, key, digits, snprintf(digits, sizeof(digits), "%" PRId64, value));
}

void log_open(struct log_line *l, enum log_level level, const char *component, const char *msg)
{
    l->text[0] = '\n'; /* written only where the line before is torn */
    l->len = 1;
    l->on = log_on(level);
    l->level = level;
    if (!l->on)
        return;
    char time[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(), time);
    log_str(l, "time", time);
    l->text[1] = '{'; /* in place of the comma */
    log_str(l, "level", LOG_LEVELS[level]);
    log_str(l, "component", component);
    log_str(l, "msg", msg);
}

/* Lines of a thread that gathers, behind a line feed as in struct log_line; together at most
 * PIPE_BUF, for the same reason. */
static _Thread_local struct {
    bool on;
    unsigned lines;
    size_t len;
    char text[PIPE_BUF];
} gathered;

/* A line is at most PIPE_BUF, so a pipe takes it whole or not at all. Other sinks (the socket of a
 * log daemon, a full disk) may take a part: the rest is tried at once, and where the sink would
 * block it is dropped, for a log must never hold a loop. */
static ssize_t write_some(const char *text, size_t len)
{
    return is_socket ? send(log_fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                     : write(log_fd, text, len);
}

static void write_lines(const char *text, size_t len, unsigned lines)
{
    size_t at = atomic_exchange_explicit(&torn, false, memory_order_relaxed) ? 0 : 1;
    size_t start = at;
    while (at < len) {
        ssize_t n = write_some(text + at, len - at);
        if (n > 0) {
            at += (size_t) n;
        } else if (n == 0 || errno != EINTR) {
            if (start == 0 || at > start)
                atomic_store_explicit(&torn, true, memory_order_relaxed);
            atomic_fetch_add_explicit(&dropped, lines, memory_order_relaxed);
            return;
        }
    }
}

void log_unblock(void)
{
    struct stat st;
    if (fstat(log_fd, &st) < 0)
        return;
    is_socket = S_ISSOCK(st.st_mode);
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
        return;
    char name[32];
    (void) snprintf(name, sizeof(name), "/proc/self/fd/%d", log_fd);
    int fd = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return; /* no /proc: it blocks, as it would for any program */
    if (S_ISFIFO(st.st_mode))
        (void) fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* only fewer lines are lost with more room */
    log_fd = fd;
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}

void log_close(struct log_line *l)
{
    if (!l->on)
        return;
    memcpy(l->text + l->len, LINE_END, LINE_END_LEN);
    l->len += LINE_END_LEN;
    l->on = false;
    if (!gathered.on) {
        write_lines(l->text, l->len, 1);
        return;
    }
    if (gathered.len + l->len > sizeof(gathered.text))
        log_flush();
    gathered.text[0] = '\n';
    memcpy(gathered.text + 1 + gathered.len, l->text + 1, l->len - 1);
    gathered.len += l->len - 1;
    gathered.lines++;
    if (l->level >= LOG_WARN)
        log_flush();
}

void log_flush(void)
{
    if (gathered.len > 0)
        write_lines(gathered.text, 1 + gathered.len, gathered.lines);
    gathered.len = 0;
    gathered.lines = 0;
}

void log_gather(bool on)
{
    log_flush();
    gathered.on = on;
}

void log_error(const char *component, const char *msg, int err)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, component, msg);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}
