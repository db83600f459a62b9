/* engine_embedded.h - what the engine of a single node does for another engine that keeps a copy of
 * histories in it (engine_options.copy_dir), besides engine.h. Broker thread. */
#ifndef BROKER_ENGINE_EMBEDDED_H
#define BROKER_ENGINE_EMBEDDED_H

#include "engine.h"

/* In order with what is broadcast before and after: the path's log and history begin anew. Who asks
 * from then on for what came after an event with an id up to `floor` (packed) is told that it is
 * gone. `done`: 0, or the engine has failed (-EIO) or ends; maybe before this returns. */
void engine_embedded_cut(struct engine *e, struct path *path, const uint8_t floor[ID_PACKED_SIZE],
                         void (*done)(void *arg, int err), void *arg);

/* A letter that others keep, too, under the id that it has there (not 0); `body` NULL in .data: it
 * goes, if it is there. Copied. */
struct store_letter;
void engine_embedded_letter(struct engine *e, const struct store_letter *letter);

#endif
