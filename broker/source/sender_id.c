/* sender_id.c - see sender_id.h. */
#include "source/sender_id.h"

#include "base64url.h"
#include "sha256.h"

const char *sender_id(const char *const *texts, size_t n, char ret[SENDER_ID_SIZE])
{
    static const char PREFIX[] = "sha256:";
    uint8_t hash[SHA256_SIZE] = {0};
    for (size_t i = 0; i < n; i++) {
        uint8_t next[SHA256_SIZE];
        /* Each with its NUL, so that no two lists run together to the same bytes. */
        sha256(slice_of(hash, sizeof(hash)), slice_of(texts[i], strlen(texts[i]) + 1), next);
        memcpy(hash, next, sizeof(hash));
    }
    memcpy(ret, PREFIX, sizeof(PREFIX) - 1);
    base64url_encode(slice_of(hash, sizeof(hash)), ret + sizeof(PREFIX) - 1);
    return ret;
}
