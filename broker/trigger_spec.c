/* trigger_spec.c - a trigger as its owner describes it. */
#include "trigger_spec.h"

#include "mem.h"
#include "tagged.h"

#include <mbedtls/md.h>
#include <stdlib.h>

#define KIND    'T'
#define VERSION 1

/* Tags of the stored form: never renumbered, never used again for something else. */
enum tag {
    TAG_ID = 1,
    TAG_FOLDER_ID,
    TAG_CREATED_NS,
    TAG_NAME,
    TAG_DESCRIPTION,
    TAG_LABEL, /* once for each: the key, a NUL, the value */
    TAG_EVENT_TYPES,
    TAG_REGISTRY_ID,
    TAG_IMAGE_NAME,
    TAG_TAG,
    TAG_BATCH_SIZE,
    TAG_BATCH_CUTOFF_MS,
    TAG_GATEWAY_ID,
    TAG_PATH,
    TAG_SERVICE_ACCOUNT_ID,
    TAG_STATUS,
    TAG_PAUSED_SEQ,
    TAG_VERSION,
    TAG_EVENT_ORDER, /* a byte for each type, where it is not the order of their numbers */
    /* Once for each pattern: the number of its list and the pattern; one that is empty for a filter
     * without patterns. */
    TAG_FILTER
};

#define ALL_EVENTS                                                                                 \
    (CONFIG_CREATE_IMAGE | CONFIG_DELETE_IMAGE | CONFIG_CREATE_IMAGE_TAG | CONFIG_DELETE_IMAGE_TAG)

static const struct {
    enum tag tag;
    size_t offset;
} TEXTS[] = {
    {TAG_FOLDER_ID, offsetof(struct trigger_spec, folder_id)},
    {TAG_NAME, offsetof(struct trigger_spec, name)},
    {TAG_DESCRIPTION, offsetof(struct trigger_spec, description)},
    {TAG_REGISTRY_ID, offsetof(struct trigger_spec, registry_id)},
    {TAG_IMAGE_NAME, offsetof(struct trigger_spec, image_name)},
    {TAG_TAG, offsetof(struct trigger_spec, tag)},
    {TAG_GATEWAY_ID, offsetof(struct trigger_spec, gateway_id)},
    {TAG_PATH, offsetof(struct trigger_spec, path)},
    {TAG_SERVICE_ACCOUNT_ID, offsetof(struct trigger_spec, service_account_id)},
};

static char **text_at(struct trigger_spec *t, size_t i)
{
    return (char **) (void *) ((char *) t + TEXTS[i].offset);
}

/* --- the value --- */

void trigger_spec_init(struct trigger_spec *t)
{
    *t = (struct trigger_spec){.status = TRIGGER_ACTIVE,
                               .batch_size = TRIGGER_DEFAULT_SIZE,
                               .batch_cutoff_ms = TRIGGER_DEFAULT_CUTOFF_MS};
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        *text_at(t, i) = xstrdup("");
}

static void clear_labels(struct trigger_spec *t)
{
    for (size_t i = 0; i < t->n_labels; i++) {
        free(t->labels[i].key);
        free(t->labels[i].value);
    }
    free(t->labels);
    t->labels = NULL;
    t->n_labels = 0;
}

void trigger_spec_fini(struct trigger_spec *t)
{
    clear_labels(t);
    filter_free(t->filter);
    t->filter = NULL;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        free(*text_at(t, i));
        *text_at(t, i) = NULL;
    }
}

static void copy_labels(const struct trigger_spec *from, struct trigger_spec *to)
{
    if (from->n_labels > 0)
        to->labels = xcalloc(from->n_labels, sizeof(to->labels[0]));
    to->n_labels = from->n_labels;
    for (size_t i = 0; i < from->n_labels; i++)
        to->labels[i] =
            (struct trigger_label){xstrdup(from->labels[i].key), xstrdup(from->labels[i].value)};
}

void trigger_spec_copy(const struct trigger_spec *from, struct trigger_spec *ret)
{
    *ret = *from;
    ret->labels = NULL;
    copy_labels(from, ret);
    ret->filter = filter_copy(from->filter);
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        *text_at(ret, i) = xstrdup(*text_at(ret, i));
}

void trigger_spec_set(char **member, struct slice value)
{
    char *copy = xslicedup(value); /* first: `value` may lie in what is replaced */
    free(*member);
    *member = copy;
}

void trigger_spec_set_labels(struct trigger_spec *t, const struct trigger_spec *from)
{
    ASSERT(t != from);
    clear_labels(t);
    copy_labels(from, t);
}

void trigger_spec_set_filter(struct trigger_spec *t, const struct filter *filter)
{
    struct filter *copy = filter_is_empty(filter) ? NULL : filter_copy(filter);
    filter_free(t->filter);
    t->filter = copy;
}

static int compare_key(struct slice key, const char *with)
{
    struct slice other = slice_str(with);
    size_t common = key.len < other.len ? key.len : other.len;
    int r = common == 0 ? 0 : memcmp(key.data, other.data, common);
    return r != 0 ? r : (key.len > other.len) - (key.len < other.len);
}

bool trigger_spec_label(struct trigger_spec *t, struct slice key, struct slice value)
{
    size_t at = 0;
    while (at < t->n_labels && compare_key(key, t->labels[at].key) > 0)
        at++;
    if (at < t->n_labels && compare_key(key, t->labels[at].key) == 0) {
        trigger_spec_set(&t->labels[at].value, value);
        return true;
    }
    if (t->n_labels == TRIGGER_MAX_LABELS)
        return false;
    t->labels = xrealloc(t->labels, (t->n_labels + 1) * sizeof(t->labels[0]));
    memmove(&t->labels[at + 1], &t->labels[at], (t->n_labels - at) * sizeof(t->labels[0]));
    t->labels[at] = (struct trigger_label){xslicedup(key), xslicedup(value)};
    t->n_labels++;
    return true;
}

/* --- of the configuration --- */

void trigger_spec_id_of_name(const char *name, char ret[ID_SIZE])
{
    uint8_t hash[32];
    int r = mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), (const uint8_t *) name,
                       strlen(name), hash);
    ASSERT(r == 0);
    uint64_t hi = 0, lo = 0;
    for (size_t i = 0; i < 3; i++)
        hi = hi << 8 | hash[i];
    for (size_t i = 3; i < 11; i++)
        lo = lo << 8 | hash[i];
    id_encode(TRIGGER_ID_PREFIX, hi >> 3, lo, ret); /* 21 + 64 bits */
}

void trigger_spec_id_of_name_again(const char *name, unsigned n, char ret[ID_SIZE])
{
    size_t size = strlen(name) + 16;
    char *text = xmalloc(size);
    (void) snprintf(text, size, "%s\n%u", name, n); /* no name has a line feed */
    trigger_spec_id_of_name(text, ret);
    free(text);
}

static void take_filter(const struct config_trigger *from, struct trigger_spec *ret)
{
    struct filter *filter = filter_new();
    for (unsigned list = 0; list < FILTER_LISTS; list++)
        for (size_t i = 0; i < from->filter[list].n; i++) {
            const char *why = filter_add(filter, list, slice_str(from->filter[list].at[i]));
            ASSERT(why == NULL); /* they were checked when the file was read */
        }
    trigger_spec_set_filter(ret, filter);
    filter_free(filter);
}

void trigger_spec_from_config(const struct config *cfg, const struct config_trigger *from,
                              struct trigger_spec *ret)
{
    trigger_spec_init(ret);
    trigger_spec_id_of_name(from->name, ret->id);
    trigger_spec_set(&ret->folder_id, slice_str(cfg->folder_id));
    trigger_spec_set(&ret->name, slice_str(from->name));
    trigger_spec_set(&ret->description, slice_str(from->description));
    ret->event_types = from->event_types;
    trigger_spec_set(&ret->registry_id, slice_str(from->registry_id));
    trigger_spec_set(&ret->image_name, slice_str(from->image_name));
    trigger_spec_set(&ret->tag, slice_str(from->tag));
    take_filter(from, ret);
    ret->batch_size = from->batch_size;
    ret->batch_cutoff_ms = from->batch_cutoff_ms;
    trigger_spec_set(&ret->gateway_id, slice_str(from->gateway_id));
    trigger_spec_set(&ret->path, slice_str(from->path));
    trigger_spec_set(&ret->service_account_id, slice_str(from->service_account_id));
    ret->version = 1;
}

/* --- the stored form --- */

static int put_label(struct buf *out, const struct trigger_label *l)
{
    /* The NUL behind the key is part of the field, the one behind the value is not. */
    size_t key_size = strlen(l->key) + 1, value_len = strlen(l->value);
    struct buf both;
    buf_init(&both, key_size + value_len);
    int r = buf_append(&both, slice_of(l->key, key_size));
    if (r == 0)
        r = buf_append(&both, slice_of(l->value, value_len));
    if (r == 0)
        r = tagged_put(out, TAG_LABEL, buf_slice(&both));
    buf_fini(&both);
    return r;
}

static int put_labels(struct buf *out, const struct trigger_spec *t)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < t->n_labels; i++)
        r = put_label(out, &t->labels[i]);
    return r;
}

static int put_event_order(struct buf *out, const struct event_list *types)
{
    uint8_t order[EVENT_LIST_MAX];
    unsigned n = event_list_get(types, order);
    return tagged_put(out, TAG_EVENT_ORDER, slice_of(order, n));
}

static int put_pattern(struct buf *out, enum filter_list list, const char *pattern)
{
    uint8_t both[1 + FILTER_MAX_BYTES];
    size_t len = strlen(pattern);
    both[0] = (uint8_t) list;
    memcpy(both + 1, pattern, len);
    return tagged_put(out, TAG_FILTER, slice_of(both, 1 + len));
}

static int put_filter(struct buf *out, const struct filter *filter)
{
    int r = 0;
    if (filter != NULL && filter_is_empty(filter))
        return tagged_put(out, TAG_FILTER, (struct slice){0});
    for (unsigned list = 0; list < FILTER_LISTS; list++)
        for (size_t i = 0; r == 0 && i < filter_size(filter, list); i++)
            r = put_pattern(out, list, filter_at(filter, list, i));
    return r;
}

static int put_all(struct buf *out, const struct trigger_spec *t)
{
    const struct {
        enum tag tag;
        const char *text; /* NULL: it is the number */
        uint64_t number;
    } FIELDS[] = {
        {TAG_ID, t->id, 0},
        {TAG_FOLDER_ID, t->folder_id, 0},
        {TAG_CREATED_NS, NULL, t->created_ns},
        {TAG_NAME, t->name, 0},
        {TAG_DESCRIPTION, t->description, 0},
        {TAG_LABEL, NULL, 0},
        {TAG_EVENT_TYPES, NULL, t->event_types.mask},
        {TAG_REGISTRY_ID, t->registry_id, 0},
        {TAG_IMAGE_NAME, t->image_name, 0},
        {TAG_TAG, t->tag, 0},
        {TAG_BATCH_SIZE, NULL, t->batch_size},
        {TAG_BATCH_CUTOFF_MS, NULL, t->batch_cutoff_ms},
        {TAG_GATEWAY_ID, t->gateway_id, 0},
        {TAG_PATH, t->path, 0},
        {TAG_SERVICE_ACCOUNT_ID, t->service_account_id, 0},
        {TAG_STATUS, NULL, (uint64_t) t->status},
        {TAG_PAUSED_SEQ, NULL, t->paused_seq},
        {TAG_VERSION, NULL, t->version},
    };
    int r = tagged_begin(out, KIND, VERSION);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(FIELDS); i++) {
        uint8_t tag = (uint8_t) FIELDS[i].tag;
        if (FIELDS[i].tag == TAG_LABEL)
            r = put_labels(out, t);
        else if (FIELDS[i].text != NULL)
            r = tagged_put_text(out, tag, FIELDS[i].text);
        else
            r = tagged_put_u64(out, tag, FIELDS[i].number);
    }
    if (r == 0 && t->event_types.order[0] != 0)
        r = put_event_order(out, &t->event_types);
    if (r == 0)
        r = put_filter(out, t->filter);
    return r;
}

int trigger_spec_pack(const struct trigger_spec *t, struct buf *out)
{
    size_t before = out->len;
    int r = put_all(out, t);
    if (r < 0)
        out->len = before; /* all of it or nothing */
    return r;
}

static bool read_label(struct trigger_spec *t, struct slice pair)
{
    const uint8_t *end = pair.len == 0 ? NULL : memchr(pair.data, 0, pair.len);
    if (end == NULL)
        return false;
    size_t key_len = (size_t) (end - pair.data);
    struct slice key = slice_sub(pair, 0, key_len), value = slice_from(pair, key_len + 1);
    if (value.len > 0 && memchr(value.data, 0, value.len) != NULL)
        return false;
    /* In order and no key twice, as they were written. */
    if (t->n_labels > 0 && compare_key(key, t->labels[t->n_labels - 1].key) <= 0)
        return false;
    return trigger_spec_label(t, key, value);
}

static bool read_number(struct trigger_spec *t, const struct tagged_field *f)
{
    uint64_t value;
    if (!tagged_u64(f, &value))
        return false;
    switch (f->tag) {
    case TAG_CREATED_NS:
        t->created_ns = value;
        return true;
    case TAG_EVENT_TYPES:
        t->event_types.mask = (unsigned) (value & ALL_EVENTS);
        return (value & ~(uint64_t) ALL_EVENTS) == 0;
    case TAG_BATCH_SIZE:
        t->batch_size = value;
        return true;
    case TAG_BATCH_CUTOFF_MS:
        t->batch_cutoff_ms = value;
        return true;
    case TAG_STATUS:
        t->status = value == TRIGGER_PAUSED ? TRIGGER_PAUSED : TRIGGER_ACTIVE;
        return value == TRIGGER_PAUSED || value == TRIGGER_ACTIVE;
    case TAG_PAUSED_SEQ:
        t->paused_seq = value;
        return true;
    default:
        t->version = value;
        return true;
    }
}

/* The same types as the field before says, each once. */
static bool read_event_order(struct trigger_spec *t, struct slice order)
{
    struct event_list types = {0};
    for (size_t i = 0; i < order.len; i++) {
        if (order.data[i] < 1 || order.data[i] > EVENT_LIST_MAX)
            return false;
        event_list_add(&types, order.data[i]);
    }
    uint8_t each[EVENT_LIST_MAX];
    if (types.mask != t->event_types.mask || event_list_get(&types, each) != order.len)
        return false;
    t->event_types = types;
    return true;
}

/* A pattern that we do not understand is not skipped: the trigger would be for everything. */
static bool read_filter(struct trigger_spec *t, struct slice pattern)
{
    if (t->filter == NULL)
        t->filter = filter_new();
    if (pattern.len == 0)
        return filter_is_empty(t->filter);
    return pattern.data[0] < FILTER_LISTS &&
           filter_add(t->filter, pattern.data[0], slice_from(pattern, 1)) == NULL;
}

static bool read_text(struct trigger_spec *t, const struct tagged_field *f)
{
    if (!tagged_text(f, SIZE_MAX))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        if (TEXTS[i].tag == (enum tag) f->tag)
            trigger_spec_set(text_at(t, i), f->value);
    return true;
}

static bool read_field(struct trigger_spec *t, const struct tagged_field *f)
{
    switch (f->tag) {
    case TAG_ID:
        return tagged_copy(f, t->id, sizeof(t->id));
    case TAG_LABEL:
        return read_label(t, f->value);
    case TAG_CREATED_NS:
    case TAG_EVENT_TYPES:
    case TAG_BATCH_SIZE:
    case TAG_BATCH_CUTOFF_MS:
    case TAG_STATUS:
    case TAG_PAUSED_SEQ:
    case TAG_VERSION:
        return read_number(t, f);
    case TAG_EVENT_ORDER:
        return read_event_order(t, f->value);
    case TAG_FILTER:
        return read_filter(t, f->value);
    default: /* a text, or a field of a later version */
        return f->tag > TAG_FILTER || read_text(t, f);
    }
}

int trigger_spec_unpack(struct slice packed, struct trigger_spec *ret)
{
    struct tagged in;
    if (!tagged_open(&in, packed, KIND, VERSION))
        return -EBADMSG;
    struct trigger_spec t;
    trigger_spec_init(&t);
    struct tagged_field f = {0, {NULL, 0}};
    int r;
    uint8_t last = 0;
    while ((r = tagged_next(&in, &f)) == 1) {
        bool again = f.tag == last && f.tag != TAG_LABEL && f.tag <= TAG_EVENT_ORDER;
        if (f.tag == 0 || again || !read_field(&t, &f)) {
            r = -EBADMSG;
            break;
        }
        last = f.tag;
    }
    if (r < 0)
        trigger_spec_fini(&t);
    else
        *ret = t;
    return r;
}
