/* options.c - regcastd's command line. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>

static void usage(FILE *to)
{
    (void) fputs(
        "usage: regcastd [--config FILE] [--check] [--ready-file FILE] [--takeover]\n"
        "       regcastd [--config FILE] --rebuild-catalog REGISTRY_ID --registry-url URL\n"
        "       regcastd [--config FILE] --dead-letters [--json]\n"
        "       regcastd [--config FILE] --replay-dead-letters ID|all\n"
        "       regcastd [--config FILE] --move-from DIR\n"
        "       regcastd --version | --help | --print-reference\n\n"
        "  --config FILE       the configuration (default conf/regcast.yaml)\n"
        "  --check             check it, say what is wrong and where, and exit\n"
        "  --ready-file FILE   written as JSON with the bound addresses once all listeners are up\n"
        "  --takeover          take the place of the regcastd that runs on the same data_dir: "
        "nobody\n"
        "                      is refused meanwhile, and no batch is lost\n"
        "  --rebuild-catalog REGISTRY_ID\n"
        "                      read a registry's images and tags from its API (while regcastd is\n"
        "                      down), so that the next push is told from what is there already\n"
        "  --registry-url URL  where that registry is; credentials in the URL or the environment\n"
        "                      (REGCAST_REGISTRY_USER, REGCAST_REGISTRY_PASSWORD)\n"
        "  --dead-letters      list the events that were set aside\n"
        "  --replay-dead-letters ID|all\n"
        "                      try them again (while regcastd is down)\n"
        "  --move-from DIR     move what a single node has kept in DIR, its data_dir, into the "
        "new\n"
        "                      cluster of the configuration (while neither runs); DIR stays as it "
        "is\n"
        "  --print-reference   print the reference of all settings as Markdown\n"
        "  --version           print the version\n",
        to);
}

int options_parse(int argc, char **argv, struct options *ret)
{
    static const struct option LONG[] = {{"config", required_argument, NULL, 'c'},
                                         {"check", no_argument, NULL, 'k'},
                                         {"ready-file", required_argument, NULL, 'r'},
                                         {"takeover", no_argument, NULL, 't'},
                                         {"print-reference", no_argument, NULL, 'p'},
                                         {"rebuild-catalog", required_argument, NULL, 'b'},
                                         {"registry-url", required_argument, NULL, 'u'},
                                         {"dead-letters", no_argument, NULL, 'd'},
                                         {"json", no_argument, NULL, 'j'},
                                         {"replay-dead-letters", required_argument, NULL, 'y'},
                                         {"move-from", required_argument, NULL, 'm'},
                                         {"version", no_argument, NULL, 'v'},
                                         {"help", no_argument, NULL, 'h'},
                                         {0}};
    *ret = (struct options){.config = "conf/regcast.yaml"};
    for (int o; (o = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
        switch (o) {
        case 'c':
            ret->config = optarg;
            break;
        case 'k':
            ret->check = true;
            break;
        case 'r':
            ret->ready_file = optarg;
            break;
        case 't':
            ret->takeover = true;
            break;
        case 'p':
            ret->reference = true;
            break;
        case 'b':
            ret->rebuild_catalog = optarg;
            break;
        case 'u':
            ret->registry_url = optarg;
            break;
        case 'd':
            ret->letters = true;
            break;
        case 'j':
            ret->json = true;
            break;
        case 'y':
            ret->replay = optarg;
            break;
        case 'm':
            ret->move_from = optarg;
            break;
        case 'v':
            (void) puts("regcastd " REGCAST_VERSION);
            return 1;
        case 'h':
            usage(stdout);
            return 1;
        default:
            usage(stderr);
            return EXIT_USAGE + 1;
        }
    }
    if (optind < argc) {
        (void) fprintf(stderr, "regcastd: unexpected argument '%s'\n", argv[optind]);
        usage(stderr);
        return EXIT_USAGE + 1;
    }
    if ((ret->rebuild_catalog != NULL) != (ret->registry_url != NULL)) {
        (void) fputs("regcastd: --rebuild-catalog and --registry-url go together\n", stderr);
        return EXIT_USAGE + 1;
    }
    return 0;
}
