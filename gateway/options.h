/* options.h - regcastd's command line. Main thread. */
#ifndef GATEWAY_OPTIONS_H
#define GATEWAY_OPTIONS_H

#include <stdbool.h>

#define EXIT_USAGE 64 /* EX_USAGE of sysexits.h */

struct options {
    const char *config, *ready_file;
    const char *rebuild_catalog, *registry_url; /* --rebuild-catalog ID --registry-url URL */
    const char *replay;                         /* --replay-dead-letters ID|all */
    const char *move_from;                      /* --move-from DIR */
    bool check, reference, letters, json, takeover;
};

/* 0: go on with *ret, whose strings are argv's. Else the exit code + 1: --help and --version have
 * been printed, or what is wrong, with the usage, on stderr. */
int options_parse(int argc, char **argv, struct options *ret);

#endif
