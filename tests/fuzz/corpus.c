/* corpus.c - runs a fuzz target once on each file of a folder, in builds without a fuzzer. Fails
 * when there is no file. */
#include "err.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static void run_file(const char *folder, const char *name)
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
    (void) LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

int main(int argc, char **argv)
{
    struct dirent **files;
    unsigned n = 0;
    if (argc != 2) {
        (void) fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    if (LLVMFuzzerInitialize != NULL)
        (void) LLVMFuzzerInitialize(&argc, &argv);
    int found = scandir(argv[1], &files, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        if (files[i]->d_name[0] != '.') {
            run_file(argv[1], files[i]->d_name);
            n++;
        }
        free(files[i]);
    }
    if (found >= 0)
        free(files);
    (void) printf("%u inputs\n", n);
    return n > 0 ? 0 : 1;
}
