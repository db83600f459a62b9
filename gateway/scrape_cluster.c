/* scrape_cluster.c - see scrape_cluster.h. */
#include "scrape_cluster.h"

#include "pipeline.h"

#include <inttypes.h>

int scrape_cluster_print(struct pipeline *p, struct buf *out)
{
    struct engine_cluster_stats c = {0};
    struct engine_stats stats = {.cluster = &c};
    if (!pipeline_has_nodes(p))
        return 0;
    pipeline_stats(p, &stats);
    const struct {
        const char *family, *type, *help;
        uint64_t value;
    } ROWS[] = {
        {"regcast_nats_connected", "gauge", "1: there is a connection to a nats-server.",
         c.connected},
        {"regcast_nats_reconnects_total", "counter", "Connections to one after the first.",
         c.reconnects},
        {"regcast_cluster_nodes", "gauge", "Nodes that live, as this one sees it.", c.nodes},
        {"regcast_cluster_shards_owned", "gauge", "Shards of registries that this node works on.",
         c.shards},
        {"regcast_intake_waiting", "gauge", "Webhooks that are not in their stream yet.",
         c.waiting},
        {"regcast_intake_waiting_bytes", "gauge", "Bytes of those webhooks.", c.waiting_bytes},
        {"regcast_intake_kept", "gauge",
         "Webhooks in the outbox, those included that are in the stream for a while already.",
         c.kept},
        {"regcast_paths_followed", "gauge", "Paths whose batches this node receives.",
         c.paths_followed},
        {"regcast_path_messages_filled_total", "counter",
         "Messages of paths read from the stream, since they had not come by themselves.",
         c.filled},
        {"regcast_path_messages_dropped_total", "counter",
         "Messages of paths left out, since a node had written them that was not to any more.",
         c.dropped},
        {"regcast_path_gaps_total", "counter",
         "Times that a path's clients may have missed something for good.", c.gaps},
        {"regcast_stream_regress_total", "counter",
         "Times that a stream ended before what it had acknowledged.", c.regresses},
        {"regcast_batches_pending_bytes", "gauge",
         "Bytes of batches that are not in their stream yet.", c.batches_pending_bytes},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(ROWS); i++)
        r = buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", ROWS[i].family,
                       ROWS[i].help, ROWS[i].family, ROWS[i].type, ROWS[i].family, ROWS[i].value);
    return r;
}
