/* listen.h - follows a path of the gateway: connects, resumes after every loss of the connection,
 * and prints events or gives them to a command, one after the other. One thread; takes over SIGINT,
 * SIGTERM and SIGPIPE of the process. */
#ifndef CLI_LISTEN_H
#define CLI_LISTEN_H

#include "trust.h"
#include "ws_url.h"

#define LISTEN_EARLIEST "earliest"

struct listen_options {
    const char *url;     /* as in messages */
    struct ws_url where; /* without since */
    const struct trust *trust;
    const char *headers;     /* lines with CRLF, or "" */
    const char *since;       /* an event id, "earliest", or NULL: what comes from now on */
    const char *exec;        /* NULL: events are printed */
    const char *resume_file; /* NULL: none */
    int64_t exec_retries;    /* after the first attempt */
    int64_t count;           /* ends after so many events; 0: never */
    bool batches;            /* whole batches instead of events */
    bool strict;             /* a gap ends it */
    bool replays;            /* messages that were sent again are handled, too */
    bool json, color;        /* how events are printed */
    bool talk;               /* says on standard error what happens, not only what goes wrong */
};

/* Until a signal, --count, or what cannot be helped. An exit code; what is wrong has been printed.
 */
int listen_run(const struct listen_options *options);

#endif
