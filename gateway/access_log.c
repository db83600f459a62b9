/* access_log.c - see access_log.h. */
#include "access_log.h"

#include "caps.h"
#include "clock.h"
#include "log.h"

const char *const ACCESS_OPERATIONS[ACCESS_N] = {
    [ACCESS_CONNECT] = "CONNECT",
    [ACCESS_MESSAGE] = "MESSAGE",
    [ACCESS_DISCONNECT] = "DISCONNECT",
};

static const enum log_level LEVELS[ACCESS_N] = {
    [ACCESS_CONNECT] = LOG_INFO,
    [ACCESS_MESSAGE] = LOG_DEBUG,
    [ACCESS_DISCONNECT] = LOG_INFO,
};

static struct log_cap failures[ACCESS_N];

static bool failed(const struct access_record *record)
{
    return record->error != NULL || record->status >= 400;
}

static enum log_level level_of(const struct access_record *record)
{
    if (!failed(record))
        return LEVELS[record->operation];
    bool refused =
        record->operation == ACCESS_CONNECT && record->status >= 400 && record->status < 500;
    return refused ? LOG_INFO : LOG_WARN;
}

bool access_log_on(enum access_operation operation)
{
    return log_on(LEVELS[operation]);
}

static void put_resource(struct log_line *l, const struct access_record *record)
{
    log_str(l, "resource_type", "serverless.apigateway");
    log_str(l, "resource_id", record->gateway_id);
    log_str(l, "release", "stable");
}

static void put_request(struct log_line *l, const struct access_record *record)
{
    log_str(l, "request_id", record->request_id);
    log_str(l, "conn", record->connection_id);
    log_str(l, "peer", record->peer);
    log_str(l, "path", record->route);
    log_str(l, "operation", ACCESS_OPERATIONS[record->operation]);
    log_str(l, "integration", record->integration);
    log_u64(l, "status", record->status);
    log_str(l, "error", record->error);
    log_u64(l, "in", record->bytes_in);
    log_u64(l, "out", record->bytes_out);
    log_u64(l, "ms", record->duration_ms);
}

void access_log(const struct access_record *record)
{
    enum log_level level = level_of(record);
    uint64_t suppressed = 0;
    if (!log_on(level))
        return;
    if (failed(record) && !caps_log(&failures[record->operation], clock_mono_ms(),
                                    ACCESS_FAILED_PER_SECOND, &suppressed)) {
        if (record->metrics != NULL)
            metrics_add(record->metrics, M_LOG_DROPPED, 1);
        return;
    }
    struct log_line l;
    log_open(&l, level, "access", "request");
    put_resource(&l, record);
    put_request(&l, record);
    if (suppressed > 0)
        log_u64(&l, "suppressed", suppressed);
    log_close(&l);
}

const char *access_integration(const struct spec_operation *operation)
{
    static const char *const NAMES[] = {
        [SPEC_DUMMY] = "dummy", [SPEC_HTTP] = "http", [SPEC_CONTAINER] = "serverless_containers"};
    return operation == NULL ? NULL : NAMES[operation->integration.kind];
}
