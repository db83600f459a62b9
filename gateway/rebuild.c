/* rebuild.c - the command --rebuild-catalog. */
#include "rebuild.h"

#include "clock.h"
#include "mem.h"
#include "offline.h"
#include "registry_walk.h"

#include <inttypes.h>
#include <stdlib.h>

#define PROGRESS_MS 1000
#define MAX_NOTES   100 /* the rest is only counted */

struct rebuild {
    const struct config *cfg;
    const char *registry_id;
    /* What other registries have in the catalog; it stays, and the limits are for all together. */
    uint64_t *others; /* numbers of their images, ascending */
    size_t n_others, cap_others;
    uint64_t other_tags;
    uint64_t n_notes, told_at_ms;
};

static bool is_configured(const struct config *cfg, const char *registry_id)
{
    for (size_t i = 0; i < cfg->n_registries; i++)
        if (strcmp(cfg->registries[i].id, registry_id) == 0)
            return true;
    return false;
}

/* --- what is there already --- */

static void on_image(void *ctx, const struct store_image *image)
{
    struct rebuild *rb = ctx;
    if (strcmp(image->registry_id, rb->registry_id) == 0)
        return;
    if (rb->n_others == rb->cap_others) {
        rb->cap_others = rb->cap_others == 0 ? 1024 : rb->cap_others * 2;
        rb->others = xrealloc(rb->others, rb->cap_others * sizeof(rb->others[0]));
    }
    rb->others[rb->n_others++] = image->id;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

static void on_tag(void *ctx, const struct store_tag *tag)
{
    struct rebuild *rb = ctx;
    if (rb->n_others > 0 && bsearch(&tag->image_id, rb->others, rb->n_others, sizeof(rb->others[0]),
                                    compare_ids) != NULL)
        rb->other_tags++;
}

static uint64_t left_of(uint64_t limit, uint64_t taken)
{
    return limit > taken ? limit - taken : 0;
}

/* --- what is said meanwhile --- */

static void on_note(void *ctx, const char *text)
{
    struct rebuild *rb = ctx;
    if (++rb->n_notes <= MAX_NOTES)
        offline_say("note: %s", text);
}

static void on_progress(void *ctx, const struct registry_walk_counts *so_far)
{
    struct rebuild *rb = ctx;
    uint64_t now = clock_mono_ms();
    if (now - rb->told_at_ms < PROGRESS_MS && so_far->repositories < so_far->listed)
        return;
    rb->told_at_ms = now;
    offline_say("%" PRIu64 " of %" PRIu64 " repositories read: %" PRIu64 " images, %" PRIu64
                " tags",
                so_far->repositories, so_far->listed, so_far->images, so_far->tags);
}

static int failed(const struct rebuild *rb, int err, const char *why)
{
    offline_say("%s", why);
    if (err == -E2BIG && rb->n_others + rb->other_tags > 0)
        offline_say("(the limits are for all registries: others have %zu images and %" PRIu64
                    " tags)",
                    rb->n_others, rb->other_tags);
    offline_say("the catalog is as it was");
    return err == -EINVAL ? EXIT_ASKED_WRONG : err == -E2BIG ? EXIT_SETTINGS : EXIT_UNAVAILABLE;
}

/* --- the command --- */

static int replace(struct rebuild *rb, struct store *store, struct registry_walk *w)
{
    struct store_catalog_source source;
    registry_walk_source(w, &source);
    int r = store_replace_catalog(store, rb->registry_id, &source);
    if (r < 0)
        return offline_failed(rb->cfg, "the catalog cannot be written and is as it was", r);
    struct registry_walk_counts counts = registry_walk_counts(w);
    if (rb->n_notes > MAX_NOTES)
        offline_say("and %" PRIu64 " notes more", rb->n_notes - MAX_NOTES);
    offline_say("%" PRIu64 " repositories, %" PRIu64 " images, %" PRIu64 " tags",
                counts.repositories, counts.images, counts.tags);
    return 0;
}

static int rebuild(struct rebuild *rb, struct store *store, const char *url)
{
    char why[REGISTRY_WHY_SIZE] = "";
    struct registry_walk *w = NULL;
    int r = store_load_catalog(store, on_image, on_tag, rb);
    if (r < 0)
        return offline_failed(rb->cfg, "the catalog cannot be read", r);
    rb->told_at_ms = clock_mono_ms();
    const struct registry_walk_options options = {
        .client = {.url = url,
                   .user = getenv("REGCAST_REGISTRY_USER"),
                   .password = getenv("REGCAST_REGISTRY_PASSWORD"),
                   .ca_file = getenv("SSL_CERT_FILE")},
        .max_images = left_of(rb->cfg->catalog.max_images, rb->n_others),
        .max_tags = left_of(rb->cfg->catalog.max_tags, rb->other_tags),
        .note = on_note,
        .progress = on_progress,
        .ctx = rb,
    };
    r = registry_walk(&options, &w, why);
    if (r < 0)
        return failed(rb, r, why);
    int code = replace(rb, store, w);
    registry_walk_free(w);
    return code;
}

int rebuild_run(const struct config *cfg, const char *registry_id, const char *url)
{
    struct rebuild rb = {.cfg = cfg, .registry_id = registry_id};
    struct store *store = NULL;
    if (!is_configured(cfg, registry_id)) {
        offline_say("--rebuild-catalog: '%s' is none of the configuration's `registries`",
                    registry_id);
        return EXIT_SETTINGS;
    }
    int code = offline_open(cfg, &store);
    if (code != 0)
        return code;
    code = rebuild(&rb, store, url);
    store_close(store);
    free(rb.others);
    return code;
}
