/* admin.c - every operation of the management API as a plain function: who may, and what only
 * reads. Changes are in admin_change.c. */
#include "admin_private.h"

#include "list_filter.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "page_token.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_PAGE 100
#define MAX_PAGE     1000

/* --- new and free --- */

/* Ids of our own come after it. */
static bool go_on_behind(struct admin *a, const char *id)
{
    struct id_gen last = {0};
    if (!id_gen_resume_as(&last, OPERATION_ID_PREFIX, slice_str(id)))
        return false;
    if (last.last_ms > a->ids.last_ms ||
        (last.last_ms == a->ids.last_ms && last.sequence > a->ids.sequence))
        a->ids = last;
    return true;
}

static void load_one(void *ctx, const char *id, struct slice packed)
{
    struct admin *a = ctx;
    struct operation o;
    if (operation_unpack(packed, &o) == 0) {
        if (go_on_behind(a, o.id) && operation_log_add(a->operations, &o) != NULL)
            return;
        operation_fini(&o);
    }
    struct log_line l;
    log_open(&l, LOG_ERROR, "management", "a stored operation cannot be read");
    log_str(&l, "operation", id);
    log_close(&l);
}

/* Those that are deleted are older than the log goes back, or will be. */
static void on_other(void *ctx, const char *id, struct slice packed)
{
    const struct admin *a = ctx;
    if (packed.len > 0 && operation_log_find(a->operations, id) == NULL)
        load_one(ctx, id, packed);
}

struct admin *admin_new(const struct admin_options *options)
{
    struct admin *a = xcalloc(1, sizeof(*a));
    *a = (struct admin){.cfg = options->cfg,
                        .pipeline = options->pipeline,
                        .metrics = options->metrics,
                        .iam = options->iam,
                        .operations = operation_log_new(OPERATIONS_MAX)};
    list_init(&a->waiting);
    pipeline_load_operations(a->pipeline, load_one, a);
    pipeline_follow_records(a->pipeline, ENGINE_OPERATION, on_other, a);
    return a;
}

void admin_free(struct admin *a)
{
    if (a == NULL)
        return;
    ASSERT(a->running == NULL && list_empty(&a->waiting));
    operation_log_free(a->operations);
    free(a);
}

void admin_set_config(struct admin *a, const struct config *cfg)
{
    a->cfg = cfg;
}

void admin_set_iam(struct admin *a, const struct iam *iam)
{
    a->iam = iam;
}

/* --- who may --- */

static const char *const KINDS[] = {
    [IAM_CLOUD] = "cloud",       [IAM_FOLDER] = "folder",           [IAM_GATEWAY] = "gateway",
    [IAM_REGISTRY] = "registry", [IAM_ACCOUNT] = "service account",
};

bool admin_may(struct admin *a, const struct admin_caller *caller, enum iam_permission p,
               const struct iam_resource *on, struct status *ret)
{
    if (iam_may(a->iam, caller->subject, p, on))
        return true;
    status_set(ret, STATUS_PERMISSION_DENIED, "Permission denied: %.50s lacks role %s on %s %.50s",
               caller->subject->id, iam_role_of(p), KINDS[on->kind], on->id);
    metrics_add(a->metrics, M_MANAGEMENT_DENIED, 1);
    struct log_line l;
    log_open(&l, LOG_WARN, "management", "permission denied");
    log_str(&l, "subject", caller->subject->id);
    log_str(&l, "role", iam_role_of(p));
    log_str(&l, "resource", KINDS[on->kind]);
    log_str(&l, "resource_id", on->id);
    log_str(&l, "request_id", caller->request_id);
    log_close(&l);
    return false;
}

bool admin_may_folder(struct admin *a, const struct admin_caller *caller, enum iam_permission p,
                      struct status *ret)
{
    const struct iam_resource folder = {IAM_FOLDER, a->cfg->folder_id};
    return admin_may(a, caller, p, &folder, ret);
}

bool admin_may_gateway(struct admin *a, const struct admin_call *call, enum iam_permission p,
                       struct status *ret_error)
{
    const struct admin_caller caller = {&call->subject, call->request_id};
    const struct iam_resource gateway = {IAM_GATEWAY, a->cfg->gateway.id};
    return admin_may(a, &caller, p, &gateway, ret_error);
}

void admin_other_rule(const char *what, struct status *ret)
{
    status_set(ret, STATUS_UNIMPLEMENTED,
               "%.50s is not supported: a trigger's rule is container_registry with the action "
               "gateway_websocket_broadcast",
               what);
}

/* --- one thing --- */

static void refuse(const struct status *error, admin_done *done, void *arg)
{
    const struct admin_answer answer = {.error = error};
    done(arg, &answer);
}

/* The same start of everything that is answered at once. */
bool admin_may_triggers(struct admin *a, const struct admin_call *call, enum iam_permission p,
                        struct status *ret)
{
    const struct admin_caller caller = {&call->subject, call->request_id};
    if (!admin_may_folder(a, &caller, p, ret))
        return false;
    if (call->found != NULL)
        *ret = *call->found;
    return ret->code == STATUS_OK;
}

const struct trigger_spec *admin_find(struct admin *a, const char *trigger_id, struct status *ret)
{
    if (trigger_id[0] == '\0') {
        status_violate(ret, "trigger_id", "is required");
        return NULL;
    }
    size_t n = pipeline_n_triggers(a->pipeline);
    for (size_t i = 0; i < n; i++) {
        const struct trigger_spec *t = pipeline_trigger(a->pipeline, i);
        if (strcmp(t->id, trigger_id) == 0)
            return t;
    }
    status_set(ret, STATUS_NOT_FOUND, "Trigger %.50s not found", trigger_id);
    return NULL;
}

void admin_trigger_get(struct admin *a, const struct admin_call *call, const char *trigger_id,
                       admin_done *done, void *arg)
{
    struct status error = {.code = STATUS_OK};
    struct admin_answer answer = {.error = NULL};
    if (admin_may_triggers(a, call, IAM_TRIGGER_VIEW, &error))
        answer.trigger = admin_find(a, trigger_id, &error);
    if (error.code != STATUS_OK)
        answer.error = &error;
    done(arg, &answer);
}

/* Looks an operation up for whoever may `p` on the folder. */
static void answer_operation(struct admin *a, const struct admin_call *call, enum iam_permission p,
                             const char *operation_id, admin_done *done, void *arg)
{
    struct status error = {.code = STATUS_OK};
    struct admin_answer answer = {.error = NULL};
    if (admin_may_triggers(a, call, p, &error)) {
        answer.operation = operation_log_find(a->operations, operation_id);
        if (operation_id[0] == '\0')
            status_violate(&error, "operation_id", "is required");
        else if (answer.operation == NULL)
            status_set(&error, STATUS_NOT_FOUND, "Operation %.50s not found", operation_id);
    }
    if (error.code != STATUS_OK)
        answer.error = &error;
    done(arg, &answer);
}

void admin_operation_get(struct admin *a, const struct admin_call *call, const char *operation_id,
                         admin_done *done, void *arg)
{
    answer_operation(a, call, IAM_TRIGGER_VIEW, operation_id, done, arg);
}

void admin_operation_cancel(struct admin *a, const struct admin_call *call,
                            const char *operation_id, admin_done *done, void *arg)
{
    answer_operation(a, call, IAM_TRIGGER_EDIT, operation_id, done, arg);
}

/* --- lists --- */

/* Which list, of what: a page token of another one does not fit. */
#define LIST_NAME_SIZE (sizeof("operations of ") + LIST_FILTER_NAME_SIZE + ID_SIZE)

static size_t page_size(const struct admin_page *page, struct status *error)
{
    if (page->page_size < 0 || page->page_size > MAX_PAGE)
        status_violate(error, "page_size", "must be from 0 to %d", MAX_PAGE);
    return page->page_size == 0 ? DEFAULT_PAGE : (size_t) page->page_size;
}

/* False: from the start; or *error is set. */
static bool page_start(const struct admin_page *page, const char *list, struct page_place *ret,
                       struct status *error)
{
    if (page->page_token[0] == '\0')
        return false;
    if (page_token_read(page->page_token, slice_str(list), ret))
        return true;
    status_violate(error, "page_token", "is not a token of this list");
    return false;
}

/* In the order of creation; ids settle what the configuration made at once. */
static int compare(const struct trigger_spec *t, uint64_t created_ns, const char *id)
{
    if (t->created_ns != created_ns)
        return t->created_ns < created_ns ? -1 : 1;
    return strcmp(t->id, id);
}

static struct page_place place_of(const struct trigger_spec *t)
{
    struct page_place place = {.created_ns = t->created_ns};
    memcpy(place.id, t->id, sizeof(place.id));
    return place;
}

static int compare_triggers(const void *a, const void *b)
{
    const struct trigger_spec *x = *(const struct trigger_spec *const *) a;
    const struct trigger_spec *y = *(const struct trigger_spec *const *) b;
    return compare(x, y->created_ns, y->id);
}

/* What the filter names (NULL: all), from behind `start` (NULL: from the first) on, in order. The
 * array is the caller's. */
static const struct trigger_spec **collect(struct admin *a, const char *name,
                                           const struct page_place *start, size_t *ret_n)
{
    size_t all = pipeline_n_triggers(a->pipeline), n = 0;
    const struct trigger_spec **at = xcalloc(all + 1, sizeof(const struct trigger_spec *));
    for (size_t i = 0; i < all; i++) {
        const struct trigger_spec *t = pipeline_trigger(a->pipeline, i);
        if ((name[0] == '\0' || strcmp(t->name, name) == 0) &&
            (start == NULL || compare(t, start->created_ns, start->id) > 0))
            at[n++] = t;
    }
    qsort(at, n, sizeof(const struct trigger_spec *), compare_triggers);
    *ret_n = n;
    return at;
}

static void list_triggers(struct admin *a, const struct admin_page *page, struct status *error,
                          admin_done *done, void *arg)
{
    struct list_filter filter = {.name = ""};
    struct page_place place;
    char list[LIST_NAME_SIZE], token[PAGE_TOKEN_SIZE] = "";
    size_t n, most = page_size(page, error);
    if (!list_filter_parse(page->filter, &filter))
        status_violate(error, "filter", "must be name=\"VALUE\"");
    (void) snprintf(list, sizeof(list), "triggers %s", filter.name);
    bool goes_on = page_start(page, list, &place, error);
    if (error->code != STATUS_OK) {
        refuse(error, done, arg);
        return;
    }
    const struct trigger_spec **at = collect(a, filter.name, goes_on ? &place : NULL, &n);
    if (n > most) {
        n = most;
        place = place_of(at[n - 1]);
        page_token_print(&place, slice_str(list), token);
    }
    const struct admin_answer answer = {.triggers = {.at = at, .n = n, .next_page_token = token}};
    done(arg, &answer);
    free(at);
}

void admin_trigger_list(struct admin *a, const struct admin_call *call, const char *folder_id,
                        const struct admin_page *page, admin_done *done, void *arg)
{
    struct status error = {.code = STATUS_OK};
    if (admin_may_triggers(a, call, IAM_TRIGGER_VIEW, &error)) {
        if (folder_id[0] == '\0')
            status_violate(&error, "folder_id", "is required");
        else
            trigger_check_folder(a->cfg, folder_id, &error);
    }
    if (error.code == STATUS_OK)
        list_triggers(a, page, &error, done, arg);
    else
        refuse(&error, done, arg);
}

/* Newest first, from before index `i` on, at most `most`; one more is only counted. */
static size_t take_operations(const struct admin *a, const char *trigger_id, size_t i, size_t most,
                              const struct operation **ret)
{
    size_t n = 0;
    while (i-- > 0 && n <= most) {
        const struct operation *o = operation_log_at(a->operations, i);
        if (strcmp(o->trigger_id, trigger_id) != 0)
            continue;
        if (n < most)
            ret[n] = o;
        n++;
    }
    return n;
}

static void list_operations(struct admin *a, const char *trigger_id, const struct admin_page *page,
                            struct status *error, admin_done *done, void *arg)
{
    struct page_place place;
    char list[LIST_NAME_SIZE], token[PAGE_TOKEN_SIZE] = "";
    size_t most = page_size(page, error);
    if (page->filter[0] != '\0')
        status_violate(error, "filter", "is not supported for operations");
    (void) snprintf(list, sizeof(list), "operations of %s", trigger_id);
    size_t from = page_start(page, list, &place, error)
                      ? operation_log_before(a->operations, place.id)
                      : operation_log_size(a->operations);
    if (error->code != STATUS_OK) {
        refuse(error, done, arg);
        return;
    }
    const struct operation **at = xcalloc(most, sizeof(const struct operation *));
    size_t n = take_operations(a, trigger_id, from, most, at);
    if (n > most) {
        n = most;
        place = (struct page_place){.created_ns = at[n - 1]->created_ns};
        memcpy(place.id, at[n - 1]->id, sizeof(place.id));
        page_token_print(&place, slice_str(list), token);
    }
    const struct admin_answer answer = {.operations = {.at = at, .n = n, .next_page_token = token}};
    done(arg, &answer);
    free(at);
}

void admin_trigger_operations(struct admin *a, const struct admin_call *call,
                              const char *trigger_id, const struct admin_page *page,
                              admin_done *done, void *arg)
{
    struct status error = {.code = STATUS_OK};
    const struct operation *any;
    /* Those of a trigger that was deleted stay to be read as long as they are kept. */
    if (admin_may_triggers(a, call, IAM_TRIGGER_VIEW, &error) &&
        admin_find(a, trigger_id, &error) == NULL &&
        take_operations(a, trigger_id, operation_log_size(a->operations), 1, &any) > 0)
        error = (struct status){.code = STATUS_OK};
    if (error.code == STATUS_OK)
        list_operations(a, trigger_id, page, &error, done, arg);
    else
        refuse(&error, done, arg);
}
