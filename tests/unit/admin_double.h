/* admin_double.h - stand-ins for pipeline.c and iam.c, a configuration, and a record of answers:
 * what the tests of admin.c and admin_change.c need. The pipeline keeps specs and operations in
 * arrays and can be told to wait or to fail; iam gives what it is told, to everybody. With
 * ADMIN_REAL_IAM iam.c is the real one, and the test sets it. */
#ifndef TESTS_UNIT_ADMIN_DOUBLE_H
#define TESTS_UNIT_ADMIN_DOUBLE_H

#include "admin.h"
#include "clock.h"
#include "mem.h"
#include "metrics.h"
#include "path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DOUBLE_MAX 1200
#define DOUBLE_NOW 1700000000000ull
#define FOLDER     "b1gfolder00000000001"
#define GATEWAY    "d5dgateway0000000001"
#define REGISTRY   "crtregistry000000001"
#define ACCOUNT    "ajebroadcaster000001"
#define EVERYTHING ((1u << IAM_N) - 1)
#define ALL_EVENTS 15u

/* --- the pipeline --- */

struct pipeline {
    struct trigger_spec at[DOUBLE_MAX];
    size_t n;
    struct buf operations[DOUBLE_MAX]; /* packed */
    char operation_ids[DOUBLE_MAX][ID_SIZE];
    size_t n_operations;
    bool hold; /* changes wait for double_let_go() */
    int err;   /* changes fail with it */
    size_t n_changes;
    struct pipeline_change waiting; /* with hold: its spec is `waiting_spec` */
    struct trigger_spec waiting_spec;
    struct buf waiting_operation;
    bool waits;
    pipeline_on_record *on_operation;
    void *on_operation_ctx;
};

static inline void double_take(struct pipeline *p, const struct pipeline_change *c)
{
    size_t i = 0;
    while (i < p->n && strcmp(p->at[i].id, c->spec->id) != 0)
        i++;
    if (i < p->n)
        trigger_spec_fini(&p->at[i]);
    if (c->deleted) {
        assert_true(i < p->n);
        memmove(&p->at[i], &p->at[i + 1], (--p->n - i) * sizeof(p->at[0]));
    } else {
        assert_true(i < DOUBLE_MAX);
        trigger_spec_copy(c->spec, &p->at[i]);
        p->n += i == p->n;
    }
    assert_true(p->n_operations < DOUBLE_MAX);
    struct buf *packed = &p->operations[p->n_operations];
    buf_init(packed, OPERATION_MAX_BYTES);
    assert_int_equal(buf_append(packed, c->operation), 0);
    (void) snprintf(p->operation_ids[p->n_operations++], ID_SIZE, "%s", c->operation_id);
}

void pipeline_change(struct pipeline *p, const struct pipeline_change *c)
{
    mem_fail_at(0);         /* memory is short for what is tested, not here */
    assert_false(p->waits); /* one at a time */
    p->n_changes++;
    if (p->hold) {
        p->waiting = *c;
        trigger_spec_copy(c->spec, &p->waiting_spec);
        buf_init(&p->waiting_operation, OPERATION_MAX_BYTES);
        assert_int_equal(buf_append(&p->waiting_operation, c->operation), 0);
        p->waits = true;
        return;
    }
    if (p->err == 0)
        double_take(p, c);
    c->done(c->arg, p->err);
}

/* The change that waits becomes durable, or fails. */
static inline void double_let_go(struct pipeline *p)
{
    assert_true(p->waits);
    struct pipeline_change c = p->waiting;
    struct trigger_spec spec = p->waiting_spec;
    struct buf operation = p->waiting_operation;
    char id[ID_SIZE] = "";
    struct slice value = buf_slice(&operation);
    struct operation o;
    assert_int_equal(operation_unpack(value, &o), 0);
    memcpy(id, o.id, sizeof(id)); /* c.operation_id was borrowed */
    operation_fini(&o);
    c.spec = &spec;
    c.operation = value;
    c.operation_id = id;
    p->waits = false;
    if (p->err == 0)
        double_take(p, &c);
    c.done(c.arg, p->err);
    trigger_spec_fini(&spec);
    buf_fini(&operation);
}

size_t pipeline_n_triggers(const struct pipeline *p)
{
    return p->n;
}

const struct trigger_spec *pipeline_trigger(const struct pipeline *p, size_t i)
{
    assert_true(i < p->n);
    return &p->at[i];
}

void pipeline_load_operations(struct pipeline *p, void (*one)(void *, const char *id, struct slice),
                              void *ctx)
{
    for (size_t i = 0; i < p->n_operations; i++)
        one(ctx, p->operation_ids[i], buf_slice(&p->operations[i]));
}

/* What another node changes comes to whoever follows. */
void pipeline_follow_records(struct pipeline *p, enum engine_record_kind kind,
                             pipeline_on_record *one, void *ctx)
{
    assert_int_equal(kind, ENGINE_OPERATION);
    p->on_operation = one;
    p->on_operation_ctx = ctx;
}

/* --- iam --- */

static inline const char *double_id_of(enum iam_kind kind)
{
    static const char *const IDS[] = {[IAM_CLOUD] = "b1gcloud000000000001",
                                      [IAM_FOLDER] = FOLDER,
                                      [IAM_GATEWAY] = GATEWAY,
                                      [IAM_REGISTRY] = REGISTRY,
                                      [IAM_ACCOUNT] = ACCOUNT};
    return IDS[kind];
}

#ifndef ADMIN_REAL_IAM
struct iam {
    unsigned granted[IAM_ACCOUNT + 1]; /* bits of enum iam_permission by kind of resource */
};

bool iam_may(const struct iam *iam, const struct iam_subject *subject, enum iam_permission p,
             const struct iam_resource *on)
{
    assert_non_null(subject->id);
    assert_string_equal(on->id, double_id_of(on->kind));
    return (iam->granted[on->kind] & 1u << p) != 0;
}

bool iam_account_exists(const struct iam *iam, const char *account_id)
{
    assert_non_null(iam);
    return strcmp(account_id, ACCOUNT) == 0;
}

const char *iam_role_of(enum iam_permission p)
{
    static const char *const ROLES[] = {
        [IAM_TRIGGER_VIEW] = "functions.viewer",
        [IAM_TRIGGER_EDIT] = "functions.editor",
        [IAM_ACCOUNT_USE] = "iam.serviceAccounts.user",
        [IAM_REGISTRY_PULL] = "container-registry.images.puller",
        [IAM_BROADCAST] = "api-gateway.websocketBroadcaster",
        [IAM_CONNECTION_VIEW] = "api-gateway.viewer",
        [IAM_CONNECTION_WRITE] = "api-gateway.websocketWriter",
        [IAM_RELOAD] = "api-gateway.admin",
    };
    return ROLES[p];
}

#endif

/* --- all together --- */

struct answer { /* the last one, copied */
    unsigned n; /* answers so far */
    struct status error;
    char operation_id[ID_SIZE], trigger_id[ID_SIZE];
    enum operation_kind kind;
    struct trigger_spec trigger; /* of get, or the operation's response */
    char names[8192];            /* of a list: "a b c", or the kinds of operations */
    char next[101];
};

struct bed {
    struct config cfg;
    char folder[21], cloud[21], gateway[21], registry[21], root[2], teams[14];
    struct config_registry registries[1];
    struct config_path paths[2];
    struct pipeline pipeline;
#ifndef ADMIN_REAL_IAM
    struct iam iam;
#endif
    struct metrics metrics;
    struct admin *admin;
    struct admin_call call;
    struct trigger_spec spec; /* a good one, to vary */
    struct answer answers[4];
};

/* What an answer has depends on the call: operations by default. */
static inline void double_note_error(struct answer *r, const struct admin_answer *a)
{
    r->n++;
    r->error = a->error == NULL ? (struct status){.code = STATUS_OK} : *a->error;
    trigger_spec_fini(&r->trigger);
    trigger_spec_init(&r->trigger);
    r->operation_id[0] = r->trigger_id[0] = r->names[0] = r->next[0] = '\0';
}

static inline void on_operation(void *arg, const struct admin_answer *a)
{
    struct answer *r = arg;
    double_note_error(r, a);
    if (a->error != NULL)
        return;
    const struct operation *o = a->operation;
    memcpy(r->operation_id, o->id, ID_SIZE);
    memcpy(r->trigger_id, o->trigger_id, ID_SIZE);
    r->kind = o->kind;
    if (o->response.len > 0) {
        trigger_spec_fini(&r->trigger);
        assert_int_equal(trigger_spec_unpack(buf_slice(&o->response), &r->trigger), 0);
    }
}

static inline void on_trigger(void *arg, const struct admin_answer *a)
{
    struct answer *r = arg;
    double_note_error(r, a);
    if (a->error != NULL)
        return;
    trigger_spec_fini(&r->trigger);
    trigger_spec_copy(a->trigger, &r->trigger);
}

static inline void double_add_name(struct answer *r, const char *name)
{
    size_t len = strlen(r->names);
    (void) snprintf(r->names + len, sizeof(r->names) - len, "%s%s", len > 0 ? " " : "", name);
}

static inline void on_triggers(void *arg, const struct admin_answer *a)
{
    struct answer *r = arg;
    double_note_error(r, a);
    for (size_t i = 0; a->error == NULL && i < a->triggers.n; i++)
        double_add_name(r, a->triggers.at[i]->name);
    if (a->error == NULL)
        (void) snprintf(r->next, sizeof(r->next), "%s", a->triggers.next_page_token);
}

static inline void on_operations(void *arg, const struct admin_answer *a)
{
    struct answer *r = arg;
    double_note_error(r, a);
    for (size_t i = 0; a->error == NULL && i < a->operations.n; i++)
        double_add_name(r, operation_description(a->operations.at[i]->kind));
    if (a->error == NULL)
        (void) snprintf(r->next, sizeof(r->next), "%s", a->operations.next_page_token);
}

static inline void double_set(char **member, const char *value)
{
    trigger_spec_set(member, slice_str(value));
}

static inline void double_start(struct bed *b)
{
    b->admin = admin_new(
        &(struct admin_options){.cfg = &b->cfg, .pipeline = &b->pipeline, .metrics = &b->metrics});
#ifndef ADMIN_REAL_IAM
    admin_set_iam(b->admin, &b->iam);
#endif
}

static inline int bed_setup(void **state)
{
    struct bed *b = xcalloc(1, sizeof(*b));
    (void) snprintf(b->folder, sizeof(b->folder), "%s", FOLDER);
    (void) snprintf(b->cloud, sizeof(b->cloud), "%s", double_id_of(IAM_CLOUD));
    (void) snprintf(b->gateway, sizeof(b->gateway), "%s", GATEWAY);
    (void) snprintf(b->registry, sizeof(b->registry), "%s", REGISTRY);
    (void) snprintf(b->root, sizeof(b->root), "%s", "/");
    (void) snprintf(b->teams, sizeof(b->teams), "%s", "/teams/{team}");
    b->registries[0].id = b->registry;
    b->paths[0].path = b->root;
    b->paths[1].path = b->teams;
    b->cfg.folder_id = b->folder;
    b->cfg.cloud_id = b->cloud;
    b->cfg.gateway.id = b->gateway;
    b->cfg.gateway.paths = b->paths;
    b->cfg.gateway.n_paths = ARRAY_LEN(b->paths);
    b->cfg.registries = b->registries;
    b->cfg.n_registries = 1;
    b->cfg.management.max_triggers = 100;
#ifndef ADMIN_REAL_IAM
    for (size_t i = 0; i < ARRAY_LEN(b->iam.granted); i++)
        b->iam.granted[i] = EVERYTHING;
#endif
    b->call = (struct admin_call){
        .subject = {"ajeuser0000000000001", true}, .idempotency_key = "", .request_id = "r1"};
    trigger_spec_init(&b->spec);
    double_set(&b->spec.folder_id, FOLDER);
    double_set(&b->spec.name, "trigger-1");
    b->spec.event_types.mask = ALL_EVENTS;
    double_set(&b->spec.registry_id, REGISTRY);
    double_set(&b->spec.gateway_id, GATEWAY);
    double_set(&b->spec.path, "/");
    double_set(&b->spec.service_account_id, ACCOUNT);
    for (size_t i = 0; i < ARRAY_LEN(b->answers); i++)
        trigger_spec_init(&b->answers[i].trigger);
    clock_freeze(0, DOUBLE_NOW);
    double_start(b);
    *state = b;
    return 0;
}

static inline int bed_teardown(void **state)
{
    struct bed *b = *state;
    admin_free(b->admin);
    for (size_t i = 0; i < b->pipeline.n; i++)
        trigger_spec_fini(&b->pipeline.at[i]);
    for (size_t i = 0; i < b->pipeline.n_operations; i++)
        buf_fini(&b->pipeline.operations[i]);
    for (size_t i = 0; i < ARRAY_LEN(b->answers); i++)
        trigger_spec_fini(&b->answers[i].trigger);
    trigger_spec_fini(&b->spec);
    clock_unfreeze();
    free(b);
    return 0;
}

/* Another run of the program on what the pipeline keeps. */
static inline void double_restart(struct bed *b)
{
    admin_free(b->admin);
    double_start(b);
}

/* Creates one of that name from b->spec; it works. Its id is in the answer. */
static inline struct answer *double_create(struct bed *b, const char *name)
{
    struct answer *r = &b->answers[0];
    double_set(&b->spec.name, name);
    admin_trigger_create(b->admin, &b->call, &b->spec, true, on_operation, r);
    assert_string_equal(r->error.message, "");
    assert_int_equal(r->error.code, STATUS_OK);
    return r;
}

/* The refusal names the field, among others maybe. */
static inline bool double_names(const struct status *s, const char *field)
{
    for (size_t i = 0; i < s->n_violations; i++)
        if (strcmp(s->violations[i].field, field) == 0)
            return true;
    return false;
}

static inline uint64_t double_denied(const struct bed *b)
{
    const struct metrics *all[] = {&b->metrics};
    return metrics_get(all, 1, M_MANAGEMENT_DENIED);
}

/* --- every operation, by number --- */

#define BIT(p) (1u << (p))

enum op {
    CREATE,
    UPDATE,
    RENAME,
    DELETE,
    PAUSE,
    RESUME,
    GET,
    LIST,
    LIST_OPS,
    OP_GET,
    OP_CANCEL,
    N
};

static inline void double_ask(struct bed *b, enum op op, const char *trigger_id,
                              const char *operation_id, struct answer *r)
{
    static const struct admin_page FIRST = {.page_token = "", .filter = ""};
    switch (op) {
    case CREATE:
        double_set(&b->spec.name, "another");
        admin_trigger_create(b->admin, &b->call, &b->spec, true, on_operation, r);
        break;
    case UPDATE:
        double_set(&b->spec.name, "renamed");
        admin_trigger_update(b->admin, &b->call, trigger_id, 0, &b->spec, true, on_operation, r);
        break;
    case RENAME:
        admin_trigger_update(b->admin, &b->call, trigger_id, ADMIN_NAME, &b->spec, false,
                             on_operation, r);
        break;
    case DELETE:
        admin_trigger_delete(b->admin, &b->call, trigger_id, on_operation, r);
        break;
    case PAUSE:
        admin_trigger_pause(b->admin, &b->call, trigger_id, on_operation, r);
        break;
    case RESUME:
        admin_trigger_resume(b->admin, &b->call, trigger_id, on_operation, r);
        break;
    case GET:
        admin_trigger_get(b->admin, &b->call, trigger_id, on_trigger, r);
        break;
    case LIST:
        admin_trigger_list(b->admin, &b->call, FOLDER, &FIRST, on_triggers, r);
        break;
    case LIST_OPS:
        admin_trigger_operations(b->admin, &b->call, trigger_id, &FIRST, on_operations, r);
        break;
    case OP_GET:
        admin_operation_get(b->admin, &b->call, operation_id, on_operation, r);
        break;
    case OP_CANCEL:
        admin_operation_cancel(b->admin, &b->call, operation_id, on_operation, r);
        break;
    case N:
        break;
    }
}

#endif
