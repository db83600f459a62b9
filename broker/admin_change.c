/* admin_change.c - changes of triggers: create, update, delete, pause, resume.
 *
 * They are carried out one after another: a change starts when the one before it is durable and has
 * been answered, and sees what it left. So names stay unique, the quota holds, halves of two
 * updates never mix, and a request sent twice finds the operation of the first. A change is a
 * commit of the journal, milliseconds, and triggers are changed by people.
 *
 * A job, in the order things happen:
 *   admin_trigger_*() > submit > pump > start > examine, find_first, make_next > store > on_stored
 * > answer */
#include "admin_private.h"

#include "clock.h"
#include "log.h"
#include "mem.h"

#include <mbedtls/md.h>
#include <stdio.h>
#include <stdlib.h>

struct admin_job {
    struct list in_waiting;
    struct admin *admin;
    enum operation_kind kind;
    enum operation_api api;
    /* who asks */
    struct iam_subject subject; /* its id is owned */
    char *key, *request_id;
    struct status *found; /* owned; NULL: nothing */
    /* for what */
    char *trigger_id;         /* "" for create */
    unsigned mask;            /* of update */
    bool has_rule;            /* of create and update */
    struct trigger_spec spec; /* of create and update */
    admin_done *done;
    void *arg;
    /* what comes of it */
    struct trigger_spec next; /* the trigger as it will be; for delete, as it was */
    struct operation operation;
};

static void job_free(struct admin_job *job)
{
    free((char *) (uintptr_t) job->subject.id);
    free(job->key);
    free(job->request_id);
    free(job->found);
    free(job->trigger_id);
    trigger_spec_fini(&job->spec);
    trigger_spec_fini(&job->next);
    operation_fini(&job->operation);
    free(job);
}

static struct admin_job *job_new(struct admin *a, const struct admin_call *call,
                                 enum operation_kind kind, const char *trigger_id)
{
    struct admin_job *job = xcalloc(1, sizeof(*job));
    job->admin = a;
    job->kind = kind;
    job->api = call->api;
    job->subject = (struct iam_subject){xstrdup(call->subject.id), call->subject.service_account};
    job->key = xstrdup(call->idempotency_key);
    job->request_id = xstrdup(call->request_id);
    if (call->found != NULL) {
        job->found = xmalloc(sizeof(*job->found));
        *job->found = *call->found;
    }
    job->trigger_id = xstrdup(trigger_id);
    trigger_spec_init(&job->spec);
    return job;
}

/* What a request says of a trigger, without what is not a client's to say. */
static void job_take_spec(struct admin_job *job, const struct trigger_spec *spec, bool has_rule)
{
    trigger_spec_fini(&job->spec);
    trigger_spec_copy(spec, &job->spec);
    job->spec.id[0] = '\0';
    job->spec.created_ns = 0;
    job->spec.status = TRIGGER_ACTIVE;
    job->spec.paused_seq = 0;
    job->spec.version = 0;
    job->has_rule = has_rule;
}

/* --- the end: answer, and the next one --- */

static void pump(struct admin *a);
static void tell_ready(struct admin *a);

static void answer(struct admin_job *job, const struct admin_answer *answer)
{
    struct admin *a = job->admin;
    job->done(job->arg, answer); /* what it asks for waits: this job still runs */
    a->running = NULL;
    job_free(job);
    tell_ready(a);
    pump(a);
}

static void answer_error(struct admin_job *job, const struct status *error)
{
    const struct admin_answer a = {.error = error};
    answer(job, &a);
}

static void answer_operation(struct admin_job *job, const struct operation *o)
{
    const struct admin_answer a = {.operation = o};
    answer(job, &a);
}

/* --- the request by itself, and whether it came before --- */

static void not_stored(int err, struct status *ret)
{
    status_set(ret, STATUS_UNAVAILABLE, "The change could not be stored: %s", err_str(err));
}

static bool examine(struct admin_job *job, struct status *error)
{
    const struct admin_caller caller = {&job->subject, job->request_id};
    unsigned fields = job->mask;
    if (!admin_may_folder(job->admin, &caller, IAM_TRIGGER_EDIT, error))
        return false;
    if (job->found != NULL)
        *error = *job->found;
    if (strlen(job->key) >= OPERATION_KEY_SIZE)
        status_violate(error, "idempotency-key", "must be at most %d characters",
                       OPERATION_KEY_SIZE - 1);
    if (job->kind == OPERATION_CREATE_TRIGGER)
        fields = ADMIN_ALL | TRIGGER_FIELD_FOLDER;
    trigger_check_fields(&job->spec, fields, job->has_rule, error);
    return error->code == STATUS_OK;
}

static int hash_request(struct admin_job *job, struct buf *packed)
{
    /* V1's is as it was before there was another, and both are as they were before filters: keys of
     * then still find their operations. */
    unsigned mask =
        job->spec.filter == NULL ? job->mask & ~(unsigned) TRIGGER_FIELD_FILTER : job->mask;
    const uint8_t head[] = {(uint8_t) job->kind, (uint8_t) mask, job->has_rule, (uint8_t) job->api,
                            (uint8_t) (mask >> 8)};
    int r = buf_append(packed, slice_of(head, job->api == OPERATION_V1 ? 3 : sizeof(head)));
    if (r == 0)
        r = buf_append(packed, slice_of(job->trigger_id, strlen(job->trigger_id) + 1));
    if (r == 0)
        r = trigger_spec_pack(&job->spec, packed);
    if (r == 0 && mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), packed->data,
                             packed->len, job->operation.request_hash) != 0)
        r = -ENOMEM;
    return r;
}

/* The operation of the first request with this key, by the same subject. NULL: there is none, or
 * *error says what is wrong. */
static const struct operation *find_first(struct admin_job *job, struct status *error)
{
    struct buf packed;
    buf_init(&packed, SIZE_MAX / 2);
    int r = hash_request(job, &packed);
    buf_fini(&packed);
    if (r < 0) {
        not_stored(r, error);
        return NULL;
    }
    if (job->key[0] == '\0')
        return NULL;
    const struct operation *first =
        operation_log_by_key(job->admin->operations, job->subject.id, job->key);
    if (first == NULL ||
        memcmp(first->request_hash, job->operation.request_hash, sizeof(first->request_hash)) == 0)
        return first;
    status_violate(error, "idempotency-key", "was used for another request");
    return NULL;
}

/* --- what becomes of the trigger --- */

static bool may_use(struct admin_job *job, const struct trigger_spec *t, struct status *error)
{
    const struct admin_caller caller = {&job->subject, job->request_id};
    const struct iam_resource account = {IAM_ACCOUNT, t->service_account_id};
    const struct iam_resource registry = {IAM_REGISTRY, t->registry_id};
    return admin_may(job->admin, &caller, IAM_ACCOUNT_USE, &account, error) &&
           admin_may(job->admin, &caller, IAM_REGISTRY_PULL, &registry, error);
}

/* No other trigger has the name; any number may have none. */
static void check_name(struct admin *a, const char *name, const char *but_id, struct status *error)
{
    size_t n = name[0] == '\0' ? 0 : pipeline_n_triggers(a->pipeline);
    for (size_t i = 0; i < n; i++) {
        const struct trigger_spec *t = pipeline_trigger(a->pipeline, i);
        if (strcmp(t->name, name) == 0 && strcmp(t->id, but_id) != 0)
            status_set(error, STATUS_ALREADY_EXISTS,
                       "Trigger with name %s already exists in folder %s", name, a->cfg->folder_id);
    }
}

static void check_quota(struct admin *a, struct status *error)
{
    size_t n = pipeline_n_triggers(a->pipeline);
    if (n < a->cfg->management.max_triggers)
        return;
    status_set(error, STATUS_RESOURCE_EXHAUSTED, "Quota limit serverless.triggers.count exceeded");
    error->quota = (struct status_quota){.name = "serverless.triggers.count",
                                         .limit = a->cfg->management.max_triggers,
                                         .usage = n,
                                         .required = n + 1};
}

static bool id_is_taken(struct admin *a, const char *id)
{
    struct status ignored = {.code = STATUS_OK};
    return admin_find(a, id, &ignored) != NULL;
}

/* Later than every other's, whatever the clock does: lists are in this order. */
static uint64_t created_ns(struct admin *a, uint64_t now_ms)
{
    uint64_t ns = now_ms * 1000000;
    size_t n = pipeline_n_triggers(a->pipeline);
    for (size_t i = 0; i < n; i++) {
        const struct trigger_spec *t = pipeline_trigger(a->pipeline, i);
        if (t->created_ns >= ns)
            ns = t->created_ns + 1;
    }
    return ns;
}

static void make_created(struct admin_job *job, struct status *error)
{
    struct admin *a = job->admin;
    trigger_check_folder(a->cfg, job->spec.folder_id, error);
    if (error->code == STATUS_OK)
        trigger_check_references(a->cfg, a->iam, &job->spec, error);
    if (error->code != STATUS_OK || !may_use(job, &job->spec, error))
        return;
    check_name(a, job->spec.name, "", error);
    if (error->code == STATUS_OK)
        check_quota(a, error);
    if (error->code != STATUS_OK)
        return;
    trigger_spec_copy(&job->spec, &job->next);
    trigger_spec_set_filter(&job->next, job->spec.filter);
    uint64_t now_ms = clock_wall_ms();
    do { /* a trigger of the configuration may have any id */
        id_next(&a->ids, TRIGGER_ID_PREFIX, now_ms, job->next.id);
    } while (id_is_taken(a, job->next.id));
    job->next.created_ns = created_ns(a, now_ms);
    job->next.version = 1;
}

static void take_rule(struct trigger_spec *to, const struct trigger_spec *from, unsigned parts)
{
    if ((parts & TRIGGER_FIELD_EVENT_TYPES) != 0)
        to->event_types = from->event_types;
    if ((parts & TRIGGER_FIELD_REGISTRY_ID) != 0)
        trigger_spec_set(&to->registry_id, slice_str(from->registry_id));
    if ((parts & TRIGGER_FIELD_IMAGE_NAME) != 0)
        trigger_spec_set(&to->image_name, slice_str(from->image_name));
    if ((parts & TRIGGER_FIELD_TAG) != 0)
        trigger_spec_set(&to->tag, slice_str(from->tag));
    if ((parts & TRIGGER_FIELD_FILTER) != 0 && from->filter != NULL)
        trigger_spec_set_filter(to, from->filter);
    if ((parts & TRIGGER_FIELD_BATCH_SIZE) != 0)
        to->batch_size = from->batch_size;
    if ((parts & TRIGGER_FIELD_BATCH_CUTOFF) != 0)
        to->batch_cutoff_ms = from->batch_cutoff_ms;
    if ((parts & TRIGGER_FIELD_ACTION) != 0) {
        trigger_spec_set(&to->gateway_id, slice_str(from->gateway_id));
        trigger_spec_set(&to->path, slice_str(from->path));
        trigger_spec_set(&to->service_account_id, slice_str(from->service_account_id));
    }
}

/* Whatever part of the rule is new, all that it refers to then must be there and be allowed. */
static void make_updated(struct admin_job *job, struct status *error)
{
    struct admin *a = job->admin;
    struct trigger_spec *next = &job->next;
    unsigned parts = trigger_check_parts(job->mask) & (TRIGGER_FIELD_SOURCE | TRIGGER_FIELD_ACTION);
    if (parts != 0) {
        take_rule(next, &job->spec, parts);
        trigger_check_references(a->cfg, a->iam, next, error);
        if (error->code != STATUS_OK || !may_use(job, next, error))
            return;
    }
    if ((job->mask & ADMIN_NAME) != 0) {
        check_name(a, job->spec.name, next->id, error);
        trigger_spec_set(&next->name, slice_str(job->spec.name));
    }
    if ((job->mask & ADMIN_DESCRIPTION) != 0)
        trigger_spec_set(&next->description, slice_str(job->spec.description));
    if ((job->mask & ADMIN_LABELS) != 0)
        trigger_spec_set_labels(next, &job->spec);
    next->version++;
}

/* Pausing what is paused changes nothing, and is an operation all the same. */
static void make_status(struct trigger_spec *next, enum trigger_status status)
{
    if (next->status != status)
        next->version++;
    next->status = status;
}

static void make_next(struct admin_job *job, struct status *error)
{
    if (job->kind == OPERATION_CREATE_TRIGGER) {
        make_created(job, error);
        return;
    }
    const struct trigger_spec *now = admin_find(job->admin, job->trigger_id, error);
    if (now == NULL)
        return;
    trigger_spec_copy(now, &job->next);
    switch (job->kind) {
    case OPERATION_UPDATE_TRIGGER:
        make_updated(job, error);
        break;
    case OPERATION_PAUSE_TRIGGER:
        make_status(&job->next, TRIGGER_PAUSED);
        break;
    case OPERATION_RESUME_TRIGGER:
        make_status(&job->next, TRIGGER_ACTIVE);
        break;
    case OPERATION_CREATE_TRIGGER:
    case OPERATION_DELETE_TRIGGER:
        break;
    }
}

/* --- making it durable --- */

static void log_change(const struct admin_job *job, const struct operation *o)
{
    struct log_line l;
    log_open(&l, LOG_INFO, "management", operation_description(o->kind));
    log_str(&l, "trigger", o->trigger_id);
    log_str(&l, "name", job->next.name);
    log_str(&l, "subject", o->created_by);
    log_str(&l, "operation", o->id);
    log_str(&l, "request_id", job->request_id);
    log_close(&l);
}

static void on_stored(void *arg, int err)
{
    struct admin_job *job = arg;
    if (err < 0) {
        struct status error;
        if (err != -EAGAIN) /* overload, or we go down: no fault, and the client is told */
            log_error("management", "a change could not be stored", err);
        not_stored(err, &error);
        answer_error(job, &error);
        return;
    }
    const struct operation *o = operation_log_add(job->admin->operations, &job->operation);
    ASSERT(o != NULL); /* no other has its id */
    log_change(job, o);
    answer_operation(job, o);
}

static int make_operation(struct admin_job *job)
{
    struct operation *o = &job->operation;
    uint64_t now_ms = clock_wall_ms();
    id_next(&job->admin->ids, OPERATION_ID_PREFIX, now_ms, o->id);
    o->kind = job->kind;
    o->api = job->api;
    o->created_ns = o->modified_ns = now_ms * 1000000;
    (void) snprintf(o->created_by, sizeof(o->created_by), "%s", job->subject.id);
    memcpy(o->trigger_id, job->next.id, sizeof(o->trigger_id));
    (void) snprintf(o->idempotency_key, sizeof(o->idempotency_key), "%s", job->key);
    buf_init(&o->response, OPERATION_MAX_BYTES);
    return job->kind == OPERATION_DELETE_TRIGGER ? 0 : trigger_spec_pack(&job->next, &o->response);
}

static void store(struct admin_job *job)
{
    struct buf packed;
    buf_init(&packed, OPERATION_MAX_BYTES);
    int r = make_operation(job);
    if (r == 0)
        r = operation_pack(&job->operation, &packed);
    if (r == 0) {
        const struct pipeline_change change = {.spec = &job->next,
                                               .deleted = job->kind == OPERATION_DELETE_TRIGGER,
                                               .operation_id = job->operation.id,
                                               .operation = buf_slice(&packed),
                                               .done = on_stored,
                                               .arg = job};
        pipeline_change(job->admin->pipeline, &change); /* copies; `job` may be gone now */
    } else {
        on_stored(job, r);
    }
    buf_fini(&packed);
}

/* --- one after another --- */

static void start(struct admin_job *job)
{
    struct status error = {.code = STATUS_OK};
    const struct operation *first = NULL;
    if (examine(job, &error))
        first = find_first(job, &error);
    if (first == NULL && error.code == STATUS_OK)
        make_next(job, &error);
    if (error.code != STATUS_OK)
        answer_error(job, &error);
    else if (first != NULL)
        answer_operation(job, first);
    else
        store(job);
}

/* Not from within itself: a change that is answered at once would make the stack grow by each that
 * waits. */
static void pump(struct admin *a)
{
    if (a->pumping)
        return;
    a->pumping = true;
    while (a->running == NULL && !a->held && !list_empty(&a->waiting)) {
        a->running = LIST_ENTRY(a->waiting.next, struct admin_job, in_waiting);
        list_remove(&a->running->in_waiting);
        a->n_waiting--;
        start(a->running);
    }
    a->pumping = false;
}

static void tell_ready(struct admin *a)
{
    void (*ready)(void *arg) = a->ready;
    a->ready = NULL;
    if (ready != NULL)
        ready(a->ready_arg);
}

void admin_hold(struct admin *a, void (*ready)(void *arg), void *arg)
{
    ASSERT(!a->held);
    a->held = true;
    a->ready = ready;
    a->ready_arg = arg;
    if (a->running == NULL)
        tell_ready(a);
}

void admin_release(struct admin *a)
{
    a->held = false;
    pump(a);
}

static void submit(struct admin_job *job, admin_done *done, void *arg)
{
    struct admin *a = job->admin;
    if (a->n_waiting == ADMIN_MAX_WAITING) {
        struct status error;
        status_set(&error, STATUS_UNAVAILABLE, "%d changes are waiting already", ADMIN_MAX_WAITING);
        const struct admin_answer refusal = {.error = &error};
        job_free(job);
        done(arg, &refusal);
        return;
    }
    job->done = done;
    job->arg = arg;
    list_push(&a->waiting, &job->in_waiting);
    a->n_waiting++;
    pump(a);
}

/* --- the operations --- */

void admin_trigger_create(struct admin *a, const struct admin_call *call,
                          const struct trigger_spec *spec, bool has_rule, admin_done *done,
                          void *arg)
{
    struct admin_job *job = job_new(a, call, OPERATION_CREATE_TRIGGER, "");
    job_take_spec(job, spec, has_rule);
    submit(job, done, arg);
}

void admin_trigger_update(struct admin *a, const struct admin_call *call, const char *trigger_id,
                          unsigned mask, const struct trigger_spec *spec, bool has_rule,
                          admin_done *done, void *arg)
{
    struct admin_job *job = job_new(a, call, OPERATION_UPDATE_TRIGGER, trigger_id);
    job_take_spec(job, spec, has_rule);
    job->mask = mask == 0 ? ADMIN_ALL : mask;
    submit(job, done, arg);
}

void admin_trigger_delete(struct admin *a, const struct admin_call *call, const char *trigger_id,
                          admin_done *done, void *arg)
{
    submit(job_new(a, call, OPERATION_DELETE_TRIGGER, trigger_id), done, arg);
}

void admin_trigger_pause(struct admin *a, const struct admin_call *call, const char *trigger_id,
                         admin_done *done, void *arg)
{
    submit(job_new(a, call, OPERATION_PAUSE_TRIGGER, trigger_id), done, arg);
}

void admin_trigger_resume(struct admin *a, const struct admin_call *call, const char *trigger_id,
                          admin_done *done, void *arg)
{
    submit(job_new(a, call, OPERATION_RESUME_TRIGGER, trigger_id), done, arg);
}
