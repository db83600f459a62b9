/* registry_walk.c - lists every image of a registry with its tags, from the registry's own
 * interface.
 *
 * Repositories first, then one after the other: its tags, what each tag points to, and what the
 * indexes among these point to. Everything is kept, since the catalog must be replaced as a whole
 * or not at all. */
#include "registry_walk.h"

#include "json.h"
#include "mem.h"
#include "registry_manifest.h"
#include "source/field.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE      "n=1000" /* the most that the reference registry gives at once */
#define TEXT_SIZE 640      /* of a path or a note: a name, a digest and some words */

struct image {
    char *digest;
    char **tags;
    size_t n_tags, cap_tags;
    bool index;
};

struct repository {
    char *name;
    struct image **images; /* in the order they were met */
    size_t n, cap;
    void *by_digest; /* tsearch(3) */
};

struct names {
    char **at;
    size_t n, cap;
};

struct registry_walk {
    struct registry_walk_options options;
    struct registry_client *client;
    struct registry_answer answer;
    struct names names; /* of the repositories */
    struct repository *repositories;
    struct registry_walk_counts counts;
    size_t at_repository, at_image; /* of the source */
    char *why;                      /* REGISTRY_WHY_SIZE bytes of the caller's */
};

/* --- messages --- */

static int fail(struct registry_walk *w, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct registry_walk *w, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(w->why, REGISTRY_WHY_SIZE, fmt, args);
    va_end(args);
    return err;
}

static void note(const struct registry_walk *w, const char *what, const char *name,
                 const char *reference)
{
    char text[TEXT_SIZE], shown[TEXT_SIZE];
    if (w->options.note == NULL)
        return;
    (void) snprintf(text, sizeof(text), "%s%s%s: %s", name, reference[0] == '\0' ? "" : " ",
                    reference, what);
    registry_url_printable(shown, sizeof(shown), slice_str(text));
    w->options.note(w->options.ctx, shown);
}

/* --- asking --- */

static int ask(struct registry_walk *w, enum registry_method method, const char *what)
{
    int r = registry_client_ask(w->client, method, what, REGISTRY_ACCEPT, &w->answer);
    return r < 0 ? fail(w, r, "%s", registry_client_why(w->client)) : 0;
}

static int unexpected(struct registry_walk *w, const char *meaning)
{
    return fail(w, -ENODATA, "%s: answers %u%s", w->answer.url, w->answer.status, meaning);
}

static int say_hello(struct registry_walk *w)
{
    int r = ask(w, REGISTRY_GET, "/v2/");
    if (r < 0 || w->answer.status == 200)
        return r;
    return unexpected(w, w->answer.status == 404 ? ": there is no registry with the v2 interface"
                                                 : "");
}

/* --- lists of names --- */

static void names_add(struct names *names, const char *name)
{
    if (names->n == names->cap) {
        names->cap = names->cap == 0 ? 64 : names->cap * 2;
        names->at = xrealloc(names->at, names->cap * sizeof(names->at[0]));
    }
    names->at[names->n++] = xstrdup(name);
}

static void names_fini(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->at[i]);
    free(names->at);
    *names = (struct names){0};
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Sorts, and drops what stands there twice: pages may overlap when something is pushed meanwhile.
 */
static void names_settle(struct names *names)
{
    size_t kept = 0;
    if (names->n > 1)
        qsort(names->at, names->n, sizeof(names->at[0]), compare_names);
    for (size_t i = 0; i < names->n; i++) {
        if (kept > 0 && strcmp(names->at[kept - 1], names->at[i]) == 0)
            free(names->at[i]);
        else
            names->at[kept++] = names->at[i];
    }
    names->n = kept;
}

/* What one list holds, and how much of it is taken. */
struct list {
    const char *member; /* "repositories", "tags" */
    bool (*valid)(const char *name);
    const char *of; /* whose, for notes: the repository, or "" */
    uint64_t max;
    const char *setting;
};

static int add_name(struct registry_walk *w, const struct list *list, struct slice text,
                    struct names *names)
{
    const char *why;
    char shown[FIELD_REPOSITORY_MAX + 1];
    cJSON *value = json_check(text, &why) < 0
                       ? NULL
                       : cJSON_ParseWithLength((const char *) text.data, text.len);
    const char *name = cJSON_GetStringValue(value);
    int r = 0;
    if (name == NULL || !list->valid(name)) {
        registry_url_printable(shown, sizeof(shown), text);
        note(w, "not a name as the specification has them; left out", list->of, shown);
    } else if (names->n >= list->max) {
        r = fail(w, -E2BIG, "%s: more than %" PRIu64 " %s: raise %s", w->answer.url, list->max,
                 list->member, list->setting);
    } else {
        names_add(names, name);
    }
    cJSON_Delete(value);
    return r;
}

static int add_page(struct registry_walk *w, const struct list *list, struct names *names)
{
    struct slice body = buf_slice(&w->answer.body), array, element;
    int r = json_member(body, list->member, &array);
    if (r == 0 && slice_eq_str(array, "null"))
        return 0; /* how Go programs write an empty list */
    size_t at = 0;
    while (r == 0 && (r = json_next(array, &at, &element)) == 0) {
        int added = add_name(w, list, element, names);
        if (added < 0)
            return added;
    }
    if (r == 1)
        return 0;
    return fail(w, -ENODATA, "%s: the answer is not the JSON that was expected (\"%s\")",
                w->answer.url, list->member);
}

/* Reads all pages. -ENOENT: the first one answers 404. */
static int read_list(struct registry_walk *w, const char *first, const struct list *list,
                     struct names *names)
{
    char what[REGISTRY_URL_SIZE];
    (void) snprintf(what, sizeof(what), "%s", first);
    for (unsigned page = 0; what[0] != '\0'; page++) {
        if (page == REGISTRY_WALK_MAX_PAGES)
            return fail(w, -ENODATA, "%s: the list goes on after %d pages", w->answer.url,
                        REGISTRY_WALK_MAX_PAGES);
        int r = ask(w, REGISTRY_GET, what);
        if (r == 0 && w->answer.status != 200)
            r = page == 0 && w->answer.status == 404 ? -ENOENT
                                                     : unexpected(w, ", where a list was expected");
        if (r == 0)
            r = add_page(w, list, names);
        if (r < 0)
            return r;
        if (strcmp(w->answer.next, w->answer.url) == 0)
            return fail(w, -ENODATA, "%s: this page is its own next page", w->answer.url);
        memcpy(what, w->answer.next, sizeof(what));
    }
    names_settle(names);
    return 0;
}

/* --- what a repository holds --- */

static int compare_images(const void *a, const void *b)
{
    return strcmp(((const struct image *) a)->digest, ((const struct image *) b)->digest);
}

/* The image of that digest, new or not. */
static int add_image(struct registry_walk *w, struct repository *repo, const char *digest,
                     bool index, struct image **ret)
{
    struct image key = {.digest = (char *) digest};
    void *found = tfind(&key, &repo->by_digest, compare_images);
    if (found != NULL) {
        *ret = *(struct image **) found;
        (*ret)->index |= index;
        return 0;
    }
    if (w->counts.images >= w->options.max_images)
        return fail(w, -E2BIG,
                    "%s: the registry has more than %" PRIu64 " images: raise catalog.max_images",
                    w->answer.url, w->options.max_images);
    if (repo->n == repo->cap) {
        repo->cap = repo->cap == 0 ? 8 : repo->cap * 2;
        repo->images = xrealloc(repo->images, repo->cap * sizeof(struct image *));
    }
    struct image *image = xcalloc(1, sizeof(*image));
    image->digest = xstrdup(digest);
    image->index = index;
    repo->images[repo->n++] = image;
    found = tsearch(image, &repo->by_digest, compare_images);
    ASSERT(found != NULL);
    w->counts.images++;
    *ret = image;
    return 0;
}

static void add_tag(struct registry_walk *w, struct image *image, const char *tag)
{
    if (image->n_tags == image->cap_tags) {
        image->cap_tags = image->cap_tags == 0 ? 2 : image->cap_tags * 2;
        image->tags = xrealloc(image->tags, image->cap_tags * sizeof(image->tags[0]));
    }
    image->tags[image->n_tags++] = xstrdup(tag);
    w->counts.tags++;
}

/* What the manifest in the answer is: its own "mediaType" where the header says nothing useful. */
static bool body_is_index(const struct registry_answer *a)
{
    struct slice member;
    if (registry_manifest_is_known(a->media_type))
        return registry_manifest_is_index(a->media_type);
    return json_member(buf_slice(&a->body), "manifests", &member) == 0;
}

/* GETs a manifest. -ENOENT: gone. The digest is the header's, or else reckoned. */
static int get_manifest(struct registry_walk *w, const char *what,
                        char ret_digest[REGISTRY_DIGEST_SIZE])
{
    char own[REGISTRY_DIGEST_SIZE];
    struct registry_answer *a = &w->answer;
    int r = ask(w, REGISTRY_GET, what);
    if (r < 0)
        return r;
    if (a->status == 404)
        return -ENOENT;
    if (a->status != 200)
        return unexpected(w, ", where a manifest was expected");
    registry_manifest_digest(buf_slice(&a->body), own);
    bool said = field_digest(a->digest);
    /* Of an old signed manifest the digest is not that of its bytes: only what we know is compared.
     */
    if (said && registry_manifest_is_known(a->media_type) &&
        strncmp(a->digest, "sha256:", 7) == 0 && strcmp(a->digest, own) != 0)
        return fail(w, -ENODATA, "%s: the manifest is another one than its digest says", a->url);
    (void) snprintf(ret_digest, REGISTRY_DIGEST_SIZE, "%s", said ? a->digest : own);
    return 0;
}

/* Finds out what a tag points to. -ENOENT: gone. */
static int resolve(struct registry_walk *w, const char *repository, const char *tag,
                   char ret_digest[REGISTRY_DIGEST_SIZE], bool *ret_index)
{
    char what[TEXT_SIZE];
    struct registry_answer *a = &w->answer;
    (void) snprintf(what, sizeof(what), "/v2/%s/manifests/%s", repository, tag);
    int r = ask(w, REGISTRY_HEAD, what);
    if (r < 0)
        return r;
    if (a->status == 404)
        return -ENOENT;
    if (a->status == 200 && field_digest(a->digest) &&
        strncmp(a->media_type, "application/vnd.", 16) == 0) {
        (void) snprintf(ret_digest, REGISTRY_DIGEST_SIZE, "%s", a->digest);
        *ret_index = registry_manifest_is_index(a->media_type);
        return 0;
    }
    if (a->status != 200 && a->status != 405 && a->status != 501)
        return unexpected(w, ", where a manifest was expected");
    r = get_manifest(w, what, ret_digest);
    if (r == 0)
        *ret_index = body_is_index(a);
    return r;
}

static int read_tag(struct registry_walk *w, struct repository *repo, const char *tag)
{
    char digest[REGISTRY_DIGEST_SIZE];
    bool index = false;
    struct image *image;
    int r = resolve(w, repo->name, tag, digest, &index);
    if (r == -ENOENT) {
        note(w, "the tag is gone meanwhile", repo->name, tag);
        return 0;
    }
    if (r == 0)
        r = add_image(w, repo, digest, index, &image);
    if (r == 0)
        add_tag(w, image, tag);
    return r;
}

/* One entry of an index: its manifest is an image without a tag, as its own push announced it. */
static int add_child(struct registry_walk *w, struct repository *repo, const char *parent,
                     struct slice text)
{
    const char *why;
    struct image *image;
    cJSON *entry = json_check(text, &why) < 0
                       ? NULL
                       : cJSON_ParseWithLength((const char *) text.data, text.len);
    const char *digest = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "digest"));
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "mediaType"));
    int r = 0;
    if (digest == NULL || !field_digest(digest))
        note(w, "the index has an entry without a digest; left out", repo->name, parent);
    else
        r = add_image(w, repo, digest, type != NULL && registry_manifest_is_index(type), &image);
    cJSON_Delete(entry);
    return r;
}

static int read_index(struct registry_walk *w, struct repository *repo, const char *index)
{
    char what[TEXT_SIZE], digest[REGISTRY_DIGEST_SIZE];
    struct slice entries, entry;
    (void) snprintf(what, sizeof(what), "/v2/%s/manifests/%s", repo->name, index);
    int r = get_manifest(w, what, digest);
    if (r == -ENOENT) {
        note(w, "the index is gone meanwhile", repo->name, index);
        return 0;
    }
    if (r == 0)
        r = json_member(buf_slice(&w->answer.body), "manifests", &entries) == 0 ? 0 : -EBADMSG;
    else
        return r;
    for (size_t at = 0; r == 0 && (r = json_next(entries, &at, &entry)) == 0;) {
        int added = add_child(w, repo, index, entry);
        if (added < 0)
            return added;
    }
    if (r == 1)
        return 0;
    return fail(w, -ENODATA, "%s: the answer is not the JSON that was expected (\"manifests\")",
                w->answer.url);
}

static int read_tags(struct registry_walk *w, struct repository *repo)
{
    char what[TEXT_SIZE];
    struct names tags = {0};
    const struct list list = {.member = "tags",
                              .valid = field_tag,
                              .of = repo->name,
                              .max = w->options.max_tags - w->counts.tags,
                              .setting = "catalog.max_tags"};
    (void) snprintf(what, sizeof(what), "/v2/%s/tags/list?" PAGE, repo->name);
    int r = read_list(w, what, &list, &tags);
    for (size_t i = 0; r == 0 && i < tags.n; i++)
        r = read_tag(w, repo, tags.at[i]);
    names_fini(&tags);
    return r;
}

static int read_repository(struct registry_walk *w, struct repository *repo)
{
    int r = read_tags(w, repo);
    if (r == -ENOENT) {
        note(w, "the repository is gone", repo->name, "");
        return 0;
    }
    for (size_t i = 0; r == 0 && i < repo->n; i++) /* grows while indexes lead to indexes */
        if (repo->images[i]->index)
            r = read_index(w, repo, repo->images[i]->digest);
    if (r == 0)
        w->counts.repositories++;
    return r;
}

/* --- the walk --- */

static void keep_node(void *node)
{
    (void) node; /* the array has it */
}

static void repository_fini(struct repository *repo)
{
    tdestroy(repo->by_digest, keep_node);
    for (size_t i = 0; i < repo->n; i++) {
        struct names tags = {repo->images[i]->tags, repo->images[i]->n_tags, 0};
        names_fini(&tags);
        free(repo->images[i]->digest);
        free(repo->images[i]);
    }
    free(repo->images);
}

static int walk(struct registry_walk *w)
{
    const struct list list = {.member = "repositories",
                              .valid = field_repository,
                              .of = "",
                              .max = w->options.max_images,
                              .setting = "catalog.max_images"};
    int r = say_hello(w);
    if (r == 0)
        r = read_list(w, "/v2/_catalog?" PAGE, &list, &w->names);
    if (r == -ENOENT)
        r = unexpected(w, ": the registry does not list its repositories");
    if (r < 0)
        return r;
    w->counts.listed = w->names.n;
    w->repositories = xcalloc(w->names.n + 1, sizeof(*w->repositories));
    for (size_t i = 0; r == 0 && i < w->names.n; i++) {
        w->repositories[i].name = w->names.at[i];
        r = read_repository(w, &w->repositories[i]);
        if (r == 0 && w->options.progress != NULL)
            w->options.progress(w->options.ctx, &w->counts);
    }
    return r;
}

int registry_walk(const struct registry_walk_options *options, struct registry_walk **ret,
                  char why[REGISTRY_WHY_SIZE])
{
    struct registry_walk *w = xcalloc(1, sizeof(*w));
    w->options = *options;
    w->why = why;
    registry_answer_init(&w->answer);
    int r = registry_client_new(&options->client, &w->client, why);
    if (r == 0)
        r = walk(w);
    registry_client_free(w->client);
    w->client = NULL;
    registry_answer_fini(&w->answer);
    if (r < 0) {
        registry_walk_free(w);
        return r;
    }
    *ret = w;
    return 0;
}

void registry_walk_free(struct registry_walk *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; w->repositories != NULL && i < w->names.n; i++)
        repository_fini(&w->repositories[i]);
    free(w->repositories);
    names_fini(&w->names);
    free(w);
}

struct registry_walk_counts registry_walk_counts(const struct registry_walk *w)
{
    return w->counts;
}

static int next_image(void *ctx, const char **ret_repository, const char **ret_digest,
                      const char *const **ret_tags, size_t *ret_n_tags)
{
    struct registry_walk *w = ctx;
    while (w->at_repository < w->names.n && w->at_image == w->repositories[w->at_repository].n) {
        w->at_repository++;
        w->at_image = 0;
    }
    if (w->at_repository == w->names.n)
        return 0;
    const struct repository *repo = &w->repositories[w->at_repository];
    const struct image *image = repo->images[w->at_image++];
    *ret_repository = repo->name;
    *ret_digest = image->digest;
    *ret_tags = (const char *const *) image->tags;
    *ret_n_tags = image->n_tags;
    return 1;
}

void registry_walk_source(struct registry_walk *w, struct store_catalog_source *ret)
{
    w->at_repository = w->at_image = 0;
    *ret = (struct store_catalog_source){.ctx = w, .next = next_image};
}
