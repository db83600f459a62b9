/* jwa.c - see jwa.h. */
#include "jwa.h"

#include <string.h>

const struct jwa_info JWA[JWA_N] = {
    [JWA_RS256] = {"RS256", JWA_RSA, 256},  [JWA_RS384] = {"RS384", JWA_RSA, 384},
    [JWA_RS512] = {"RS512", JWA_RSA, 512},  [JWA_PS256] = {"PS256", JWA_RSA, 256},
    [JWA_PS384] = {"PS384", JWA_RSA, 384},  [JWA_PS512] = {"PS512", JWA_RSA, 512},
    [JWA_ES256] = {"ES256", JWA_P256, 256}, [JWA_ES384] = {"ES384", JWA_P384, 384},
    [JWA_ES512] = {"ES512", JWA_P521, 512}, [JWA_HS256] = {"HS256", JWA_SECRET, 256},
};

bool jwa_find(const char *name, enum jwa *ret)
{
    for (size_t i = 0; i < JWA_N; i++)
        if (strcmp(JWA[i].name, name) == 0) {
            *ret = (enum jwa) i;
            return true;
        }
    return false;
}
