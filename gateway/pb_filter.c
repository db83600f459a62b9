/* pb_filter.c - a trigger's filter in protobuf. */
#include "pb_filter.h"

#include "pb_unknown.h"

/* A list of a message, whatever it is of. */
struct patterns {
    char **at;
    size_t n;
};

static void read_patterns(struct patterns from, enum filter_list list, struct trigger_spec *t,
                          struct status *found)
{
    for (size_t i = 0; i < from.n && i <= FILTER_MAX_PATTERNS; i++) /* the first too many is told */
        trigger_read_pattern(t, list, slice_str(from.at[i]), found);
}

void pb_filter_read(const pb_filter *in, struct trigger_spec *t, struct status *found)
{
    if (in == NULL)
        return;
    if (t->filter == NULL)
        t->filter = filter_new();
    const struct patterns LISTS[FILTER_LISTS] = {
        [FILTER_IMAGE_NAMES] = {in->image_names, in->n_image_names},
        [FILTER_TAGS] = {in->tags, in->n_tags},
        [FILTER_DIGESTS] = {in->digests, in->n_digests},
        [FILTER_ACTORS] = {in->actors, in->n_actors},
    };
    for (unsigned list = 0; list < FILTER_LISTS; list++)
        read_patterns(LISTS[list], list, t, found);
    pb_unknown_refuse(&in->base, FIELD_FILTER, NULL, 0, NULL, found);
}

static struct patterns make_patterns(struct pb_arena *a, const struct filter *from,
                                     enum filter_list list)
{
    struct patterns made = {pb_make_list(a, filter_size(from, list)), 0};
    for (; made.n < filter_size(from, list); made.n++)
        made.at[made.n] = (char *) (uintptr_t) filter_at(from, list, made.n);
    return made;
}

pb_filter *pb_filter_make(struct pb_arena *a, const struct filter *from)
{
    if (from == NULL)
        return NULL;
    pb_filter *out = pb_make(a, &regcast__triggers__v1__filter__descriptor);
    struct patterns made = make_patterns(a, from, FILTER_IMAGE_NAMES);
    out->image_names = made.at;
    out->n_image_names = made.n;
    made = make_patterns(a, from, FILTER_TAGS);
    out->tags = made.at;
    out->n_tags = made.n;
    made = make_patterns(a, from, FILTER_DIGESTS);
    out->digests = made.at;
    out->n_digests = made.n;
    made = make_patterns(a, from, FILTER_ACTORS);
    out->actors = made.at;
    out->n_actors = made.n;
    return out;
}
