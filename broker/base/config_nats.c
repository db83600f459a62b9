/* config_nats.c - see config_nats.h. */
#include "config_nats.h"

#include "config_value.h"
#include "mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the servers have to take with a webhook is more than its body. */
#define MESSAGE_MAX      ((uint64_t) 8 << 20)
#define MESSAGE_ROOM     ((uint64_t) 64 << 10)
#define MESSAGE_MAX_TEXT "8128KiB"
/* How far a trigger's batches are is noted when what it says is twice sync_interval old; until
 * then, and while another node takes over, the batches have to say it themselves. */
#define AGE_SYNCS 4

static unsigned line_of(const struct loader *l, const char *key)
{
    return l->lines[setting_find(key) - SETTINGS];
}

static bool is_nats(const struct config *cfg)
{
    return cfg->engine != NULL && strcmp(cfg->engine, "nats") == 0;
}

static void check_pairs(struct loader *l)
{
    static const struct {
        const char *key, *beside;
    } PAIRS[] = {{"nats.cert_file", "nats.key_file"},
                 {"nats.key_file", "nats.cert_file"},
                 {"nats.user", "nats.password_file"},
                 {"nats.password_file", "nats.user"}};
    for (size_t i = 0; i < ARRAY_LEN(PAIRS); i++)
        if (line_of(l, PAIRS[i].key) != 0 && line_of(l, PAIRS[i].beside) == 0)
            problems_add(&l->problems, line_of(l, PAIRS[i].key), PAIRS[i].key,
                         "expected %s beside it, got none", PAIRS[i].beside);
    if (line_of(l, "nats.user") != 0 && line_of(l, "nats.token_file") != 0)
        problems_add(&l->problems, line_of(l, "nats.token_file"), "nats.token_file",
                     "expected either it or user, got both");
}

static void take_url(struct loader *l)
{
    struct config *cfg = l->cfg;
    if (cfg->nats.url == NULL)
        return;
    if (line_of(l, "nats.urls") != 0) {
        problems_add(&l->problems, line_of(l, "nats.url"), "nats.url",
                     "expected either url or urls, got both");
    } else if (cfg->nats.urls.n == 1) { /* the default */
        free(cfg->nats.urls.at[0]);
        cfg->nats.urls.at[0] = xstrdup(cfg->nats.url);
    }
}

/* Certificates that would be used for nothing, while passwords cross the network as they are. */
static void check_tls(struct loader *l)
{
    static const char *const KEYS[] = {"nats.ca_file", "nats.cert_file"};
    const struct config_strings *urls = &l->cfg->nats.urls;
    for (size_t i = 0; i < urls->n; i++)
        if (strncmp(urls->at[i], "tls:", 4) == 0)
            return;
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++)
        if (line_of(l, KEYS[i]) != 0 && (i == 0 || line_of(l, "nats.key_file") != 0))
            problems_add(&l->problems, line_of(l, KEYS[i]), KEYS[i],
                         "expected a url of tls:// beside it, got none");
}

void config_nats_check(struct loader *l)
{
    const struct config *cfg = l->cfg;
    if (cfg->nats.history_age_ms < AGE_SYNCS * cfg->nats.sync_interval_ms)
        problems_add(&l->problems, line_of(l, "nats.history_age"), "nats.history_age",
                     "expected at least %d times nats.sync_interval, got less", AGE_SYNCS);
    check_pairs(l);
    take_url(l);
    check_tls(l);
    if (cfg->nats.node != NULL && strcmp(cfg->nats.node, "all") == 0)
        problems_add(&l->problems, line_of(l, "nats.node"), "nats.node",
                     "expected another name, since this one means all nodes, got \"all\"");
    if (is_nats(cfg) && cfg->webhooks.max_body_bytes + MESSAGE_ROOM > MESSAGE_MAX) {
        char is[VALUE_TEXT_SIZE];
        problems_add(&l->problems, line_of(l, "webhooks.max_body_bytes"), "webhooks.max_body_bytes",
                     "expected at most " MESSAGE_MAX_TEXT " with engine: nats, got %s",
                     value_print_size(cfg->webhooks.max_body_bytes, is));
    }
}

int config_nats_warnings(const char *file, const struct config *cfg, struct buf *out)
{
    int r = 0;
    if (!is_nats(cfg))
        return 0;
    for (size_t i = 0; r == 0 && i < cfg->gateway.n_paths; i++) {
        const struct config_path *path = &cfg->gateway.paths[i];
        if (path->history_count > cfg->nats.history_count)
            r = buf_printf(out,
                           "%s:%u: gateway.paths[%s].history_count: %" PRIu64
                           " messages, of which nats.history_count keeps %" PRIu64 "\n",
                           config_path_file(file, cfg, path), path->line, path->path,
                           path->history_count, cfg->nats.history_count);
    }
    if (r == 0 && !config_is_open(cfg) && cfg->management.secret == NULL)
        r = buf_printf(out,
                       "%s: management.secret_file: without it, sessions of the console and tokens "
                       "of /iam/v1/tokens count only on the node that made them\n",
                       file);
    return r;
}
