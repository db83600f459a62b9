/* err.c - texts of errors, and the end of the process when an invariant is broken. */
#include "err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

const char *err_str(int err)
{
    static _Thread_local char text[96];
    switch (err) {
    case 0:
        return "no error";
/* From libuv's list directly: uv_strerror() leaks for a number it does not know. */
#define TEXT(name, message)                                                                        \
    case UV_##name:                                                                                \
        return message;
        UV_ERRNO_MAP(TEXT)
#undef TEXT
    default:
        break;
    }
    if (err < 0 && err > -4096)
        return strerror_r(-err, text, sizeof(text));
    (void) snprintf(text, sizeof(text), "unknown error %d", err);
    return text;
}

_Noreturn void err_assert_failed(const char *expr, const char *file, int line)
{
    (void) fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expr);
    abort();
}
