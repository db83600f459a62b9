/* connection_peers.h - connections of other nodes: the same questions as of connections.h, by the
 * verb "connection". A question is the kind ('g', 's', 'd'), the opcode ('t' text, 'b' binary), the
 * id and then the data; an answer is a letter for what came of it and, of 'g', JSON of what there
 * is to say. Front's thread. */
#ifndef GATEWAY_CONNECTION_PEERS_H
#define GATEWAY_CONNECTION_PEERS_H

#include "connections.h"

#define CONNECTION_PEERS_MS 1500

/* Asks all other nodes that live for what was not found here (GET, SEND or DISCONNECT). `done`
 * once, maybe before this returns, as soon as one has it: as connections_ask() would have said it,
 * `info` with GET (its path is NULL); -ENOENT: none has it; -EHOSTUNREACH: the same, of those that
 * have answered. */
void connection_peers_ask(struct shared *s, const struct connections_ask *ask,
                          void (*done)(void *arg, int err, const struct connection_info *info),
                          void *arg);
void connection_peers_serve(struct shared *s);

#endif
