/* log.h - JSON-lines log on stderr: one object a line, written with one write(2), from any thread.
 * A line is built on the stack and never allocates:
 *     struct log_line l;
 *     log_open(&l, LOG_INFO, "webhook", "answered");
 *     log_str(&l, "registry", id);
 *     log_u64(&l, "accepted", n);
 *     log_close(&l);
 * gives {"time":"...","level":"info","component":"webhook","msg":"answered","registry":...}.
 * Values are escaped, controls as well that JSON would take; a value is cut at LOG_VALUE_MAX bytes
 * and a line at LOG_LINE_MAX, still valid JSON (bytes that are not UTF-8 are printed as \u00XX
 * escapes of their value). */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "slice.h"

#define LOG_VALUE_MAX 256
#define LOG_LINE_MAX  4096

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_N_LEVELS };
extern const char *const LOG_LEVELS[LOG_N_LEVELS]; /* "debug", "info", "warn", "error" */

struct log_line {
    size_t len;
    enum log_level level;
    bool on; /* false: the level is switched off and every call is a no-op */
    char text[LOG_LINE_MAX];
};

void log_set_level(enum log_level least);
void log_set_level_named(const char *least);
/* one of LOG_LEVELS */ /* default LOG_INFO; any thread */
bool log_on(enum log_level level);
void log_set_fd(int fd); /* default 2; tests only, before threads start */

/* From here on writing never waits: a pipe, terminal or socket whose reader stands still loses
 * lines, and log_dropped() counts them. A pipe or terminal is opened anew for that, so that whoever
 * shares it is not affected. Before threads start. */
void log_unblock(void);
uint64_t log_dropped(void); /* lines lost since the start; any thread */

/* `component` and `msg` are literals. */
void log_open(struct log_line *l, enum log_level level, const char *component, const char *msg);
void log_str(struct log_line *l, const char *key,
             const char *value); /* NULL: the key is left out */
void log_slice(struct log_line *l, const char *key, struct slice value);
void log_u64(struct log_line *l, const char *key, uint64_t value);
void log_i64(struct log_line *l, const char *key, int64_t value);
void log_close(struct log_line *l);

/* A thread that calls log_flush() once a turn may have its lines written together: one system call
 * for several. Warnings and errors are written at once, with what came before them. */
void log_gather(bool on);
void log_flush(void);

/* Shorthand for a line with one more key, "error": err_str(err). */
void log_error(const char *component, const char *msg, int err);

#endif
