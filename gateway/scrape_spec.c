/* scrape_spec.c - see scrape_spec.h. */
#include "scrape_spec.h"

#include "mem.h"
#include "scrape_text.h"

#include <inttypes.h>
#include <stdlib.h>

static int print_routes(const struct shared *s, struct buf *out)
{
    const struct route_metrics **all = xcalloc(s->n_workers, sizeof(struct route_metrics *));
    for (size_t i = 0; i < s->n_workers; i++)
        all[i] = &s->workers[i].routes;
    int r = route_metrics_print(all, s->n_workers, s->cfg->gateway.id, out);
    free(all);
    return r;
}

/* The sum over all workers of the cell `offset` bytes into each one's. */
static uint64_t sum(const struct shared *s, size_t offset)
{
    uint64_t total = 0;
    for (size_t i = 0; i < s->n_workers; i++) {
        const void *cell = (const char *) &s->workers[i].backend + offset;
        total += atomic_load_explicit((const _Atomic uint64_t *) cell, memory_order_relaxed);
    }
    return total;
}

static int print_calls(const struct shared *s, struct buf *out)
{
    int r = scrape_head(out, "regcast_backend_calls_total", "counter",
                        "Requests to backends that have ended, by what became of them.");
    for (size_t i = 0; r == 0 && i < OUTBOUND_N_RESULTS; i++)
        r = buf_printf(
            out, "regcast_backend_calls_total{result=\"%s\"} %" PRIu64 "\n", OUTBOUND_RESULTS[i],
            sum(s, offsetof(struct outbound_cells, calls) + i * sizeof(_Atomic uint64_t)));
    return r;
}

static const struct {
    const char *family, *type, *help;
    size_t offset;
} BACKENDS[] = {
    {"regcast_backend_connections_total", "counter", "Connections opened to backends.",
     offsetof(struct outbound_cells, opened_connections)},
    {"regcast_backend_under_way", "gauge", "Requests that backends have not answered yet.",
     offsetof(struct outbound_cells, under_way)},
    {"regcast_backend_waiting", "gauge", "Requests that wait until another one has ended.",
     offsetof(struct outbound_cells, waiting)},
    {"regcast_backend_breakers_open", "gauge",
     "Backends that are not asked for a while, counted by each worker that has found so.",
     offsetof(struct outbound_cells, open_breakers)},
};

int scrape_spec_print(const struct shared *s, struct buf *out)
{
    if (s->cfg->gateway.spec == NULL)
        return 0;
    int r = print_routes(s, out);
    if (r == 0)
        r = print_calls(s, out);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(BACKENDS); i++)
        r = scrape_number(out, BACKENDS[i].family, BACKENDS[i].type, BACKENDS[i].help,
                          sum(s, BACKENDS[i].offset));
    return r;
}
