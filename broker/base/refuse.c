/* refuse.c - the table of reasons as data. */
#include "refuse.h"

#include "err.h"

/* Named by the enumerator, so that the table's stage column can be pasted onto it. */
#define NAME_STAGE_ACCEPT    "accept"
#define NAME_STAGE_TLS       "tls"
#define NAME_STAGE_HEAD      "head"
#define NAME_STAGE_BODY      "body"
#define NAME_STAGE_HANDSHAKE "handshake"
#define NAME_STAGE_WEBHOOK   "webhook"
#define NAME_STAGE_FRAMES    "frames"
#define NAME_STAGE_H2        "h2"

static const struct refuse_info INFO[REFUSE_N] = {[REFUSE_NONE] = {"none", "none", 0},
#define X(id, name, stage, answer) [id] = {name, NAME_##stage, answer},
                                                  REFUSE_TABLE(X)
#undef X
};

const struct refuse_info *refuse_info(enum refuse why)
{
    ASSERT((unsigned) why < REFUSE_N);
    return &INFO[why];
}
