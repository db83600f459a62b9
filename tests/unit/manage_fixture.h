/* manage_fixture.h - fixture.h with what the management listeners need behind them: a pipeline on
 * the engine in memory, iam and the operations. */
#ifndef TESTS_UNIT_MANAGE_FIXTURE_H
#define TESTS_UNIT_MANAGE_FIXTURE_H

#include "fixture.h"

#include "clock.h"
#include "manage.h"
#include "pipeline.h"
#include "secret.h"

static inline void manage_failed(void *ctx, int err)
{
    (void) ctx;
    fail_msg("the engine has failed: %d", err);
}

static inline void manage_stopped(struct worker *w)
{
    pipeline_close(w->shared->pipeline);
}

static inline struct fixture *manage_fresh(void)
{
    static char gateway[] = "d5d", account[] = "aje", role[] = "api-gateway.websocketBroadcaster";
    static char *roles[] = {role};
    static struct config_account accounts[] = {{.id = account, .roles = {roles, 1}}};
    struct fixture *f = fixture_new();
    f->cfg.gateway.id = gateway;
    f->cfg.service_accounts = accounts;
    f->cfg.n_service_accounts = 1;
    return f;
}

static inline void manage_begin(struct fixture *f)
{
    struct shared *s = &f->shared;
    fixture_start(f);
    assert_int_equal(
        pipeline_new(&f->cfg, s->paths, &f->front->metrics, &f->front->mailbox, &s->pipeline), 0);
    s->manage = manage_new(&f->cfg, s->pipeline, &f->front->metrics);
    s->manage->rest = &f->manage_name;
    s->manage->n_rest = 1;
    assert_int_equal(pipeline_start(s->pipeline, &f->front->loop, manage_failed, NULL), 0);
    f->front->on_stopped = manage_stopped;
    atomic_store(&s->ready, true);
}

static inline int manage_setup(void **state)
{
    struct fixture *f = manage_fresh();
    manage_begin(f);
    *state = f;
    return 0;
}

/* With one user, alice, whose token is t1.alice and who may do nothing. */
static inline int manage_setup_secured(void **state)
{
    static char alice[] = "alice", hash[65];
    static struct config_user users[] = {{.id = alice}};
    static struct config_secret tokens[] = {{.subject = alice, .sha256 = hash}};
    uint8_t bytes[SECRET_HASH_BYTES];
    secret_hash(SLICE_LIT("t1.alice"), bytes);
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void) snprintf(hash + 2 * i, 3, "%02x", bytes[i]);
    struct fixture *f = manage_fresh();
    f->cfg.users = users;
    f->cfg.n_users = 1;
    f->cfg.tokens = tokens;
    f->cfg.n_tokens = 1;
    manage_begin(f);
    *state = f;
    return 0;
}

static inline void manage_drain(struct fixture *f)
{
    pipeline_stop(f->shared.pipeline);
    worker_drain(f->gateway);
    worker_drain(f->front);
}

static inline int manage_teardown(void **state)
{
    struct fixture *f = *state;
    if (!f->front->draining)
        manage_drain(f);
    FIXTURE_UNTIL(f, f->gateway->draining && f->front->draining);
    worker_close_all(f->gateway);
    worker_close_all(f->front);
    FIXTURE_UNTIL(f, !uv_loop_alive(&f->gateway->loop) && !uv_loop_alive(&f->front->loop));
    manage_free(f->shared.manage);
    pipeline_free(f->shared.pipeline);
    fixture_free(f);
    return 0;
}

#endif
