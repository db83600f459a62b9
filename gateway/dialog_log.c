/* dialog_log.c - what is logged and counted of a dialog. See dialog.h. */
#include "dialog_private.h"
#include "log.h"

void dialog_record(const struct dialog *d, const char *event, unsigned status, int err, size_t in,
                   size_t out)
{
    struct log_line l;
    bool failed = err < 0;
    log_open(&l, failed ? LOG_WARN : LOG_DEBUG, "backend", event);
    log_str(&l, "conn", d->id);
    log_str(&l, "path", d->route->path);
    log_u64(&l, "status", status);
    if (failed)
        log_str(&l, "error", err_str(err));
    log_u64(&l, "in", in);
    log_u64(&l, "out", out);
    log_u64(&l, "ms", uv_now(&d->owner->worker->loop) - d->began_ms);
    log_close(&l);
}
