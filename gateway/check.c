/* check.c - see check.h. */
#include "check.h"

#include "egress_check.h"
#include "spec.h"

#include <stdio.h>

#define WARNINGS_MAX ((size_t) 1 << 20)
#define EXPLAIN_MAX  ((size_t) 256 << 20) /* 32,767 paths, each with three operations */

static void warn(const char *file, const struct config *cfg)
{
    struct buf lines;
    buf_init(&lines, WARNINGS_MAX);
    int r = config_warnings(file, cfg, &lines);
    if (r == 0)
        r = egress_warnings(file, cfg, &lines);
    if (lines.len > 0)
        (void) fwrite(lines.data, 1, lines.len, stderr);
    if (r < 0)
        (void) fprintf(stderr, "%s: more of the same: %s\n", file, err_str(r));
    buf_fini(&lines);
}

static void explain(const struct config *cfg)
{
    struct buf text;
    buf_init(&text, EXPLAIN_MAX);
    int r = spec_explain(cfg->spec, &text);
    if (text.len > 0)
        (void) fwrite(text.data, 1, text.len, stdout);
    if (r < 0)
        (void) fprintf(stderr, "%s: cannot be told: %s\n", cfg->gateway.spec, err_str(r));
    buf_fini(&text);
}

void check_print(const char *file, const struct config *cfg)
{
    warn(file, cfg);
    (void) printf("%s: fine\n", file);
    if (cfg->spec != NULL)
        explain(cfg);
}
