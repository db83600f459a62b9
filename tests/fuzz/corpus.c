/* corpus.c - runs a fuzz target once on each file of its corpus, in builds without a fuzzer:
 *   corpus TARGET FOLDER
 * Fails when there is no file. */
#include "err.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1u << 20)

#define X(name) int name(const uint8_t *data, size_t size);
FUZZ_TARGETS
#undef X

/* Of the target that has one. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const struct {
    const char *name;
    int (*run)(const uint8_t *data, size_t size);
} TARGETS[] = {
#define X(name) {#name, name},
    FUZZ_TARGETS
#undef X
};

static void run_file(const char *folder, const char *name,
                     int (*run)(const uint8_t *data, size_t size))
{
    static char path[4096];
    (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    uint8_t *bytes = malloc(INPUT_MAX);
    ASSERT(f != NULL && bytes != NULL);
    size_t len = fread(bytes, 1, INPUT_MAX, f);
    (void) fclose(f);
    /* A copy of exactly its size, so that a read beyond it is noticed. */
    uint8_t *copy = malloc(len);
    ASSERT(copy != NULL || len == 0);
    if (len > 0)
        memcpy(copy, bytes, len);
    free(bytes);
    (void) run(copy, len);
    free(copy);
}

static unsigned run_all(const char *folder, int (*run)(const uint8_t *data, size_t size))
{
    struct dirent **files;
    unsigned n = 0;
    int found = scandir(folder, &files, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        if (files[i]->d_name[0] != '.') {
            run_file(folder, files[i]->d_name, run);
            n++;
        }
        free(files[i]);
    }
    if (found >= 0)
        free(files);
    return n;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < ARRAY_LEN(TARGETS); i++) {
        if (strcmp(TARGETS[i].name, argv[1]) != 0)
            continue;
        (void) LLVMFuzzerInitialize(&argc, &argv);
        unsigned n = run_all(argv[2], TARGETS[i].run);
        (void) printf("%s: %u inputs\n", argv[1], n);
        return n > 0 ? 0 : 1;
    }
    (void) fprintf(stderr, "usage: corpus TARGET FOLDER\n");
    return 2;
}
