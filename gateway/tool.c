/* tool.c - see tool.h. */
#include "tool.h"

#include "letters.h"
#include "move_in.h"
#include "privileges.h"
#include "rebuild.h"

bool tool_is_asked_for(const struct options *o)
{
    return o->rebuild_catalog != NULL || o->letters || o->replay != NULL || o->move_from != NULL;
}

int tool_run(const struct config *cfg, const struct options *o)
{
    int r = privileges_drop(cfg); /* what root makes in data_dir the daemon could not open */
    if (r < 0)
        return r;
    if (o->rebuild_catalog != NULL)
        return rebuild_run(cfg, o->rebuild_catalog, o->registry_url);
    if (o->move_from != NULL)
        return move_in(cfg, o->move_from);
    if (o->letters)
        return letters_list(cfg, o->json);
    return letters_replay(cfg, o->replay);
}
