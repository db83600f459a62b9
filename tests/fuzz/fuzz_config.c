/* The configuration file (FZ-05): any bytes are read whole or refused with a message for each
 * problem; what is accepted keeps what the table promises, and reads the same again. */
#include "config_text.h"
#include "mem.h"
#include "path.h"
#include "problem_line.h"

#include <stdlib.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_NAME "/proc/self/fd/"

/* A file's name in it may be anything, but for what would make reading wait. */
static bool names_a_device(struct slice in)
{
    return (in.len > 0 && (memmem(in.data, in.len, "/dev", 4) != NULL ||
                           memmem(in.data, in.len, "/proc", 5) != NULL ||
                           memmem(in.data, in.len, "\\x", 2) != NULL ||
                           memmem(in.data, in.len, "\\u", 2) != NULL ||
                           memmem(in.data, in.len, "\\U", 2) != NULL));
}

static void check_error(struct slice error)
{
    size_t lines = 0;
    ASSERT(error.len > 0 && error.data[error.len - 1] == '\n');
    while (error.len > 0) {
        const uint8_t *end = memchr(error.data, '\n', error.len);
        struct problem_line p;
        char *line = xslicedup(slice_of(error.data, (size_t) (end - error.data)));
        bool ours = strncmp(line, FILE_NAME, sizeof(FILE_NAME) - 1) == 0;
        ASSERT(ours || problem_line_read(line, &p)); /* else of a specification */
        free(line);
        for (const uint8_t *at = error.data; at < end; at++)
            ASSERT(*at >= 0x20 && *at != 0x7f); /* it goes to a terminal */
        error = slice_from(error, (size_t) (end - error.data) + 1);
        lines++;
    }
    ASSERT(lines <= 40);
}

static void check_paths(const struct config *cfg)
{
    struct path_table *table;
    bool fine = true;
    ASSERT(cfg->gateway.n_paths > 0 && cfg->gateway.workers > 0);
    for (size_t i = 0; i < cfg->gateway.n_paths; i++) {
        const struct config_path *p = &cfg->gateway.paths[i];
        ASSERT(p->max_frame_bytes <= p->max_message_bytes && p->max_lag_bytes <= p->memory_bytes);
        fine = fine && (p->route == NULL ? path_template_check(p->path)
                                         : path_template_check_spec(p->path)) == NULL;
    }
    if (!fine) /* main.c says so */
        return;
    int r = path_table_new(cfg, &table);
    ASSERT(r == 0 || r == -EINVAL); /* one path in two spellings */
    if (r == 0)
        path_table_free(table);
}

static void check_accepted(const struct config *cfg)
{
    check_paths(cfg);
    ASSERT(cfg->n_triggers == 0 || cfg->n_registries > 0);
    for (size_t i = 0; i < cfg->n_triggers; i++) {
        size_t path = 0;
        while (path < cfg->gateway.n_paths &&
               strcmp(cfg->gateway.paths[path].path, cfg->triggers[i].path) != 0)
            path++;
        ASSERT(path < cfg->gateway.n_paths);
        ASSERT(config_account_has_role(cfg, cfg->triggers[i].service_account_id,
                                       "api-gateway.websocketBroadcaster") ||
               cfg->n_bindings > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *cfg = NULL, *again = NULL;
    struct buf error;
    if (names_a_device(slice_of(data, size)))
        return 0;
    buf_init(&error, 1 << 16);
    if (config_text_load(slice_of(data, size), &cfg, &error) == 0) {
        check_accepted(cfg);
        ASSERT(error.len == 0);
        ASSERT(config_text_load(slice_of(data, size), &again, &error) == 0);
        ASSERT(again->n_triggers == cfg->n_triggers &&
               config_is_open(again) == config_is_open(cfg));
        config_free(again);
        config_free(cfg);
    } else {
        check_error(buf_slice(&error));
    }
    buf_fini(&error);
    return 0;
}
