/* reload_draft.c - see reload_draft.h. */
#include "reload_draft.h"

#include "certificates.h"
#include "gate.h"
#include "listener_caps.h"
#include "log.h"
#include "manage.h"
#include "mem.h"
#include "route_rate.h"
#include "worker.h"

#include <stdarg.h>
#include <stdio.h>

/* --- reading --- */

/* What is missing for a moment is no fault of the file. */
static int error_of(int err)
{
    return err == -ENOMEM || err == -EMFILE || err == -ENFILE ? err : -EINVAL;
}

__attribute__((format(printf, 2, 3))) static int wrong(struct buf *error, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    int r = buf_printf(error, "%s\n", line);
    return r == -ENOMEM ? r : -EINVAL;
}

static int load(const char *file, struct config **ret, struct buf *error)
{
    int r = config_load(file, ret, error);
    if (r == 0) {
        r = path_templates_check(file, *ret, error);
        if (r < 0) {
            config_free(*ret);
            *ret = NULL;
        }
    }
    if (r < 0 && error->len == 0 && error_of(r) == -EINVAL)
        return wrong(error, "%s: cannot be read: %s", file, err_str(r));
    return r < 0 ? error_of(r) : 0;
}

/* --- the parts --- */

static int make_paths(struct shared *s, const char *file, struct reload_draft *d, struct buf *error)
{
    size_t at = 0;
    int r = path_table_next(s->paths, d->cfg, &d->paths, &at);
    if (r == 0)
        return 0;
    const struct config_path *path = &d->cfg->gateway.paths[at];
    char key[32] = "paths"; /* of the specification */
    if (path->route == NULL)
        (void) snprintf(key, sizeof(key), "gateway.paths[%zu]", at);
    file = config_path_file(file, d->cfg, path);
    if (r == -EOVERFLOW)
        return wrong(error,
                     "%s:%u: %s.max_message_bytes: expected no more than when the path was "
                     "removed, until the next start",
                     file, path->line, key);
    if (r == -EINVAL)
        return wrong(error, "%s:%u: %s: expected a path that is there once, got %s", file,
                     path->line, key, path->path);
    return r;
}

static int make_groups(struct shared *s, const struct reload_draft *d)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->n_workers; i++)
        r = worker_add_groups(&s->workers[i], d->paths);
    for (size_t i = 0; r == 0 && i < path_table_n_known(d->paths); i++)
        group_watch(s, path_table_known(d->paths, i));
    return r;
}

static int make_access(struct shared *s, const char *file, struct reload_draft *d,
                       struct buf *error)
{
    struct gate_problem problem;
    int r = gate_prepare(s->gate, d->cfg, &d->access, &problem);
    if (r != -EINVAL)
        return r;
    return wrong(error, "%s:%u: %s: expected a JWK set, got %s: %s", file, problem.source.line,
                 problem.source.key, problem.source.file, problem.why);
}

static int make_iam(struct shared *s, const char *file, struct reload_draft *d, struct buf *error)
{
    d->iam = iam_new(d->cfg, &s->manage->secret);
    if (iam_is_open(d->iam) && !iam_is_open(s->manage->iam))
        return wrong(
            error,
            "%s:1: users: expected somebody who can log in: without users, tokens and keys "
            "everybody could do everything, which takes a restart",
            file);
    return 0;
}

static int make_certificates(struct shared *s, const char *file, const struct reload_draft *d,
                             struct buf *error)
{
    struct tls_problem why;
    char key[TLS_KEY_SIZE];
    int r = certificates_prepare(s->certificates, d->cfg, &why);
    if (r == 0)
        return 0;
    return wrong(error, "%s:%u: %s: %s", file, why.line, tls_problem_key(&why, key), why.text);
}

int reload_draft_make(struct shared *s, const char *file, struct reload_draft *ret,
                      struct config_changes *changes, struct buf *error)
{
    *ret = (struct reload_draft){0};
    int r = load(file, &ret->cfg, error);
    if (r < 0)
        return r;
    config_diff(s->cfg, ret->cfg, changes);
    config_keep(ret->cfg, s->cfg);
    r = make_access(s, file, ret, error);
    if (r == 0)
        r = make_iam(s, file, ret, error);
    if (r == 0)
        r = make_certificates(s, file, ret, error);
    if (r == 0) /* near the end: a path that is known stays as long as it was to be */
        r = make_paths(s, file, ret, error);
    if (r == 0)
        r = make_groups(s, ret);
    if (r == 0)
        r = route_rates_new(ret->cfg->spec, s->rates, &ret->rates);
    if (r < 0)
        reload_draft_drop(s, ret);
    return r;
}

void reload_draft_drop(struct shared *s, struct reload_draft *d)
{
    certificates_drop(s->certificates);
    iam_free(d->iam);
    access_free(d->access);
    path_table_free(d->paths);
    route_rates_free(d->rates);
    config_free(d->cfg);
    *d = (struct reload_draft){0};
}

/* --- into force --- */

/* The broker first: it flushes what was gathered for paths that go. The table of paths last:
 * whoever finds a path there finds its groups and its rules. */
void reload_draft_commit(struct shared *s, struct reload_draft *d, struct config *in_force,
                         struct reload_former *ret)
{
    *ret = (struct reload_former){.cfg = in_force, .paths = s->paths, .rates = s->rates};
    pipeline_configure(s->pipeline, d->cfg, d->paths);
    manage_configure(s->manage, d->cfg, d->iam);
    ret->access = gate_commit(s->gate, d->cfg, d->access);
    ret->rules = doors_configure(s->doors, d->cfg);
    listener_caps_set(s->caps, d->cfg);
    certificates_commit(s->certificates, d->cfg);
    shed_configure(&s->shed, d->cfg->max_memory);
    log_set_level_named(d->cfg->log_level);
    s->cfg = d->cfg;
    s->paths = d->paths;
    s->rates = d->rates;
    *d = (struct reload_draft){0};
}

void reload_former_free(struct reload_former *f)
{
    door_rules_free(f->rules);
    access_free(f->access);
    path_table_free(f->paths);
    route_rates_free(f->rates);
    config_free(f->cfg);
    *f = (struct reload_former){0};
}
