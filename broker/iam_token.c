/* iam_token.c - see iam_token.h. */
#include "iam_token.h"

#include "sealed.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX      "t1."
#define FORMAT      "1 %s %s %s %" PRIu64 " %" PRIu64 /* version, subject, key, its hash, times */
#define HASH_DIGITS (2 * sizeof(((struct iam_token *) NULL)->key_hash))

/* --- the secret --- */

static int open_dir(const char *data_dir)
{
    int fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Whoever else can read it can be anybody. */
static int read_secret(int fd, struct iam_secret *ret)
{
    struct stat st;
    uint8_t bytes[sizeof(ret->bytes) + 1];
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return -EPERM;
    ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n != (ssize_t) sizeof(ret->bytes))
        return n < 0 ? -errno : -EBADMSG;
    memcpy(ret->bytes, bytes, sizeof(ret->bytes));
    ret->there = true;
    return 0;
}

int iam_secret_read(const char *data_dir, struct iam_secret *ret)
{
    *ret = (struct iam_secret){.there = false};
    int dir = open_dir(data_dir);
    if (dir < 0)
        return dir;
    int fd = openat(dir, IAM_SECRET_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int r = fd < 0 ? -errno : read_secret(fd, ret);
    if (fd >= 0)
        (void) close(fd);
    (void) close(dir);
    return r;
}

/* Under another name first, so that a crash leaves no half of one. */
static int write_secret(int dir, const uint8_t *bytes, size_t len)
{
    static const char NEW[] = IAM_SECRET_FILE ".new";
    if (unlinkat(dir, NEW, 0) < 0 && errno != ENOENT)
        return -errno;
    int fd = openat(dir, NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, bytes, len);
    int r = n < 0 ? -errno : n != (ssize_t) len ? -ENOSPC : 0;
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    /* Not rename(): whatever has appeared there meanwhile stays. */
    if (r == 0 && linkat(dir, NEW, dir, IAM_SECRET_FILE, 0) < 0)
        r = -errno;
    (void) unlinkat(dir, NEW, 0);
    return r == 0 && fsync(dir) < 0 ? -errno : r;
}

void iam_secret_derive(const char *text, struct iam_secret *ret)
{
    _Static_assert(sizeof(ret->bytes) == SHA256_SIZE, "the hash is the secret");
    ret->there = true;
    sha256(SLICE_LIT("regcast tokens and sessions\n"), slice_str(text), ret->bytes);
}

int iam_secret_make(const char *data_dir, struct iam_secret *ret)
{
    struct iam_secret made = {.there = true};
    if (ret->there)
        return 0;
    ssize_t n = getrandom(made.bytes, sizeof(made.bytes), 0);
    if (n != (ssize_t) sizeof(made.bytes))
        return n < 0 ? -errno : -EIO;
    if (data_dir != NULL) {
        int dir = open_dir(data_dir);
        int r = dir < 0 ? dir : write_secret(dir, made.bytes, sizeof(made.bytes));
        if (dir >= 0)
            (void) close(dir);
        if (r < 0)
            return r;
    }
    *ret = made;
    return 0;
}

/* --- tokens --- */

void iam_token_hash_key(const char *pem, uint8_t ret[16])
{
    uint8_t hash[SHA256_SIZE];
    sha256(slice_str(pem), (struct slice){0}, hash);
    memcpy(ret, hash, 16);
}

void iam_token_pack(const struct iam_token *t, char ret[IAM_TOKEN_PACKED])
{
    char hash[HASH_DIGITS + 1];
    for (size_t i = 0; i < sizeof(t->key_hash); i++)
        (void) snprintf(hash + 2 * i, 3, "%02x", t->key_hash[i]);
    (void) snprintf(ret, IAM_TOKEN_PACKED, FORMAT, t->subject, t->key_id, hash, t->issued_s,
                    t->expires_s);
}

void iam_token_print(const struct iam_secret *secret, const struct iam_token *t,
                     char ret[IAM_TOKEN_SIZE])
{
    char payload[IAM_TOKEN_PACKED];
    ASSERT(secret->there);
    iam_token_pack(t, payload);
    sealed_print(secret->bytes, PREFIX, payload, ret);
}

/* The next word of a payload, which was ours; false when it is longer than that. */
static bool cut_word(const char **at, char *ret, size_t size)
{
    size_t len = strcspn(*at, " ");
    if (len >= size)
        return false;
    memcpy(ret, *at, len);
    ret[len] = '\0';
    *at += len + ((*at)[len] == ' ');
    return true;
}

int iam_token_unpack(const char *payload, struct iam_token *ret)
{
    struct iam_token t = {.issued_s = 0};
    char version[2], hash[HASH_DIGITS + 1], issued[24], expires[24];
    if (!cut_word(&payload, version, sizeof(version)) || strcmp(version, "1") != 0 ||
        !cut_word(&payload, t.subject, sizeof(t.subject)) ||
        !cut_word(&payload, t.key_id, sizeof(t.key_id)) ||
        !cut_word(&payload, hash, sizeof(hash)) || strlen(hash) != HASH_DIGITS ||
        !cut_word(&payload, issued, sizeof(issued)) ||
        !cut_word(&payload, expires, sizeof(expires)) || *payload != '\0')
        return -EACCES;
    for (size_t i = 0; i < sizeof(t.key_hash); i++) {
        const char byte[3] = {hash[2 * i], hash[2 * i + 1], '\0'};
        t.key_hash[i] = (uint8_t) strtoul(byte, NULL, 16);
    }
    t.issued_s = strtoull(issued, NULL, 10);
    t.expires_s = strtoull(expires, NULL, 10);
    *ret = t;
    return 0;
}

int iam_token_read(const struct iam_secret *secret, struct slice text, struct iam_token *ret)
{
    char payload[IAM_TOKEN_PACKED];
    int r = secret->there && text.len < IAM_TOKEN_SIZE
                ? sealed_read(secret->bytes, PREFIX, text, payload, sizeof(payload))
                : -EACCES;
    return r < 0 ? r : iam_token_unpack(payload, ret);
}
