/* adapt.c - what a webhook costs from its bytes to the triggers it concerns: parse, adapt, match,
 * on one thread without the catalog, the journal and the network. Beside it, what cJSON needs to
 * parse the same bodies and do nothing with them. Both take turns on the same bodies, round by
 * round. Prints one JSON object. README.md says what the numbers mean.
 *
 *   --per-request N   events of an envelope (50)
 *   --triggers N      of the registry, of which one matches (10)
 *   --rounds N        (15)
 *   --round-ms N      how long each side of a round takes, roughly (200)
 */
#include "message.h"
#include "source.h"
#include "trigger.h"
#include "util.h"

#include <cjson/cJSON.h>

#define REGISTRY   "crtregistry000000001"
#define ENVELOPES  64 /* another one each time: nothing is in a cache that would not be */
#define ROUNDS_MAX 1000

static struct {
    unsigned per_request, triggers, rounds;
    uint64_t round_ns;
} options = {.per_request = 50, .triggers = 10, .rounds = 15, .round_ns = NS_PER_S / 5};

static struct {
    struct bytes bodies[ENVELOPES];
    struct trigger_set *triggers;
    uint64_t changes, others, hits; /* of all that was adapted */
} bench;

static void read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--per-request") == 0)
            options.per_request = (unsigned) number_parse(name, value, 1, 10000);
        else if (strcmp(name, "--triggers") == 0)
            options.triggers = (unsigned) number_parse(name, value, 1, 10000);
        else if (strcmp(name, "--rounds") == 0)
            options.rounds = (unsigned) number_parse(name, value, 1, ROUNDS_MAX);
        else if (strcmp(name, "--round-ms") == 0)
            options.round_ns = number_parse(name, value, 1, 60000) * (NS_PER_S / 1000);
        else
            die("there is no option '%s'", name);
    }
    if (argc % 2 == 0)
        die("the option '%s' needs a value", argv[argc - 1]);
}

/* Each a push of an image of its own, under a tag of its own. */
static void make_bodies(void)
{
    const struct message_options o = {
        .form = FORM_DISTRIBUTION, .registry_id = REGISTRY, .repository = "bench/app", .run = 1};
    uint64_t seq = 0;
    for (unsigned i = 0; i < ENVELOPES; i++) {
        message_begin(&bench.bodies[i], &o);
        for (unsigned k = 0; k < options.per_request; k++)
            message_add(&bench.bodies[i], &o, seq++, now_ns(), k == 0);
        message_end(&bench.bodies[i], &o);
    }
}

/* All but the last want another repository; the last wants all. */
static void make_triggers(void)
{
    bench.triggers = trigger_set_new();
    for (unsigned i = 0; i < options.triggers; i++) {
        struct trigger_spec spec;
        char name[64], image[64];
        bool last = i + 1 == options.triggers;
        trigger_spec_init(&spec);
        (void) snprintf(name, sizeof(name), "trigger-%u", i);
        (void) snprintf(image, sizeof(image), last ? "bench/app" : "bench/app-%u", i);
        trigger_spec_id_of_name(name, spec.id);
        trigger_spec_set(&spec.registry_id, slice_str(REGISTRY));
        trigger_spec_set(&spec.image_name, slice_str(image));
        event_list_add(&spec.event_types, EVENT_CREATE_IMAGE + 1); /* the API's numbers */
        event_list_add(&spec.event_types, EVENT_CREATE_IMAGE_TAG + 1);
        (void) trigger_set_add(bench.triggers, &spec);
        trigger_spec_fini(&spec);
    }
}

static void on_hit(void *ctx, struct trigger *t, struct event *e)
{
    (void) ctx;
    (void) t;
    (void) e;
    bench.hits++;
}

/* The two events that a new image under a new tag leads to. */
static void on_change(void *ctx, const struct change *c)
{
    static const enum event_type TYPES[] = {EVENT_CREATE_IMAGE, EVENT_CREATE_IMAGE_TAG};
    static char registry[] = REGISTRY;
    (void) ctx;
    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++) {
        struct event e = {.type = TYPES[i],
                          .registry_id = registry,
                          .repository = (char *) (uintptr_t) c->repository,
                          .digest = (char *) (uintptr_t) c->digest,
                          .tag = (char *) (uintptr_t) c->tag,
                          .actor = (char *) (uintptr_t) c->actor};
        trigger_set_match(bench.triggers, &e, on_hit, NULL);
    }
    bench.changes++;
}

static void on_ignored(void *ctx, const char *why)
{
    (void) ctx;
    (void) why;
    bench.others++;
}

static void on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    (void) excerpt;
    on_ignored(ctx, why);
}

static void adapt(const struct bytes *body)
{
    static const struct source_sink SINK = {
        .change = on_change, .ignored = on_ignored, .set_aside = on_set_aside};
    const struct source_request req = {
        .content_type = SLICE_LIT("application/vnd.docker.distribution.events.v1+json"),
        .body = slice_of(body->data, body->len)};
    const char *why;
    if (SOURCE_DISTRIBUTION.adapt(&req, &SINK, &why) < 0)
        die("the envelope is refused");
}

static void parse(const struct bytes *body)
{
    cJSON *root = cJSON_ParseWithLength((const char *) body->data, body->len);
    if (root == NULL)
        die("the envelope cannot be parsed");
    cJSON_Delete(root);
}

/* What others take of the core does not count. */
static uint64_t thread_ns(void)
{
    struct timespec t;
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
}

/* ns an event, over whole turns of all envelopes for about options.round_ns. */
static double measure(void (*side)(const struct bytes *body))
{
    uint64_t begin = thread_ns(), end, n = 0;
    do {
        for (unsigned i = 0; i < ENVELOPES; i++)
            side(&bench.bodies[i]);
        n += (uint64_t) ENVELOPES * options.per_request;
        end = thread_ns();
    } while (end - begin < options.round_ns);
    return (double) (end - begin) / (double) n;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof(values[0]), compare);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

int main(int argc, char **argv)
{
    static double ours[ROUNDS_MAX], theirs[ROUNDS_MAX], ratios[ROUNDS_MAX];
    read_options(argc, argv);
    make_bodies();
    make_triggers();
    for (unsigned i = 0; i < ENVELOPES;
         i++) { /* once for the caches, and to see that all is right */
        adapt(&bench.bodies[i]);
        parse(&bench.bodies[i]);
    }
    uint64_t events = (uint64_t) ENVELOPES * options.per_request;
    if (bench.changes != events || bench.hits != 2 * events || bench.others != 0)
        die("of %llu events %llu were understood, with %llu hits", (unsigned long long) events,
            (unsigned long long) bench.changes, (unsigned long long) bench.hits);
    for (unsigned i = 0; i < options.rounds; i++) {
        bool first = i % 2 == 0; /* neither side always comes first */
        if (first)
            ours[i] = measure(adapt);
        theirs[i] = measure(parse);
        if (!first)
            ours[i] = measure(adapt);
        ratios[i] = ours[i] / theirs[i];
    }
    double bytes = 0;
    for (unsigned i = 0; i < ENVELOPES; i++)
        bytes += (double) bench.bodies[i].len;
    double adapt_ns = median(ours, options.rounds), parse_ns = median(theirs, options.rounds);
    double ratio = median(ratios, options.rounds);
    (void) printf("{\"per_request\":%u,\"triggers\":%u,\"rounds\":%u,\"bytes_per_event\":%.0f,"
                  "\"adapt_ns\":%.0f,\"cjson_ns\":%.0f,\"events_per_second\":%.0f,\"ratio\":%.3f,"
                  "\"ratio_least\":%.3f,\"ratio_most\":%.3f}\n",
                  options.per_request, options.triggers, options.rounds, bytes / (double) events,
                  adapt_ns, parse_ns, 1e9 / adapt_ns, ratio, ratios[0], ratios[options.rounds - 1]);
    for (unsigned i = 0; i < ENVELOPES; i++)
        free(bench.bodies[i].data);
    trigger_set_free(bench.triggers);
    return 0;
}
