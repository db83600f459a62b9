/* reference.c - see reference.h. */
#include "source/reference.h"

#include <string.h>

/* Cuts `text` at `at` (NULL: nowhere); what is behind it. */
static const char *cut_at(char *text, char *at)
{
    if (at == NULL)
        return text + strlen(text);
    *at = '\0';
    return at + 1;
}

/* Length of the host and the slash behind it. */
static size_t host_len(const char *text)
{
    size_t len = strcspn(text, "/");
    bool is_host = memchr(text, '.', len) != NULL || memchr(text, ':', len) != NULL ||
                   (len == strlen("localhost") && strncmp(text, "localhost", len) == 0);
    return text[len] == '/' && is_host ? len + 1 : 0;
}

bool reference_split(const char *text, struct reference *ret)
{
    size_t len = strnlen(text, REFERENCE_MAX + 1);
    if (len > REFERENCE_MAX)
        return false;
    memcpy(ret->text, text, len + 1);
    ret->digest = cut_at(ret->text, strchr(ret->text, '@'));
    char *repository = ret->text + host_len(ret->text);
    char *last = strrchr(repository, '/');
    ret->tag = cut_at(repository, strchr(last == NULL ? repository : last, ':'));
    ret->repository = repository;
    return true;
}
