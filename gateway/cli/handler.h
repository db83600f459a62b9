/* handler.h - runs a shell command for one event or batch, which it reads as JSON from its standard
 * input. One at a time; whoever has it polls. One thread. */
#ifndef CLI_HANDLER_H
#define CLI_HANDLER_H

#include "event_view.h"

#include <poll.h>
#include <sys/types.h>

#define HANDLER_POLLS 2

struct handler {
    pid_t pid;     /* 0: none runs */
    int pidfd, in; /* in: its standard input, -1 when it has everything */
    struct buf input;
    size_t written;
};

void handler_init(struct handler *h);
void handler_fini(struct handler *h); /* none runs */

/* Starts `sh -c command` in a process group of its own, so that an interrupt at the terminal does
 * not end it in the middle. `event`: what the REGCAST_* variables say; `batch`: only its id and the
 * replay's. 0 or the negative errno. */
MUST_CHECK int handler_start(struct handler *h, const char *command, const struct event_view *event,
                             bool batch, struct slice input);
void handler_poll(const struct handler *h, struct pollfd ret[HANDLER_POLLS]);
/* After a poll. True: it has ended, *ret_code as a shell says it (128 + N for signal N). */
bool handler_step(struct handler *h, int *ret_code);
void handler_kill(const struct handler *h); /* asks it and its children to end */

#endif
