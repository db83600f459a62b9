/* store_clock.c - the store's time: milliseconds that go on only while the machine does, and over a
 * reboot by the wall clock's difference when that is positive. In meta stands how late it was at
 * which boot time and wall time of which boot. */
#include "clock.h"
#include "store_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WRITE_EACH_MS                                                                              \
    1000 /* what a reboot may add to ages at most, when the wall clock is gone                     \
          */

uint64_t store_now_ms(const struct store *s)
{
    uint64_t boot_ms = clock_boot_ms();
    return s->clock_base_ms + (boot_ms > s->clock_boot_ms ? boot_ms - s->clock_boot_ms : 0);
}

/* Says which boot of the machine this is; "-" where the system does not tell. */
static void read_boot_id(char *ret, size_t size)
{
    ssize_t n = -1;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, ret, size - 1);
        (void) close(fd);
    }
    size_t len = n > 0 ? (size_t) n : 0;
    ret[len] = '\0';
    ret[strcspn(ret, "\n ")] = '\0';
    if (ret[0] == '\0')
        (void) snprintf(ret, size, "-");
}

static bool number(const char **at, uint64_t *ret)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *ret = strtoull(*at, &end, 10);
    if (errno != 0 || *end != ' ')
        return false;
    *at = end + 1;
    return true;
}

int store_clock_start(struct store *s)
{
    char text[STORE_META_MAX];
    uint64_t clock_ms, boot_ms, wall_ms, now_boot_ms = clock_boot_ms(),
                                         now_wall_ms = clock_wall_ms();
    read_boot_id(s->boot_id, sizeof(s->boot_id));
    s->clock_boot_ms = now_boot_ms;
    s->clock_base_ms = 0;
    s->clock_written_ms = 0;

    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_META_GET, &r);
    if (st == NULL)
        return r;
    r = store_meta_get(st, "clock", text);
    if (r == -ENOENT)
        return 0; /* a new store: its time begins */
    if (r < 0)
        return r;
    const char *at = text;
    if (!number(&at, &clock_ms) || !number(&at, &boot_ms) || !number(&at, &wall_ms))
        return -EBADMSG;
    /* A container's boot clock may go back though the boot is the same. */
    if (strcmp(at, s->boot_id) == 0 && at[0] != '-' && now_boot_ms >= boot_ms)
        s->clock_base_ms = clock_ms + (now_boot_ms - boot_ms);
    else
        s->clock_base_ms = clock_ms + (now_wall_ms > wall_ms ? now_wall_ms - wall_ms : 0);
    s->clock_written_ms = clock_ms;
    return 0;
}

bool store_clock_due(const struct store *s)
{
    return store_now_ms(s) - s->clock_written_ms >= WRITE_EACH_MS;
}

int store_clock_write(struct store *s)
{
    char text[STORE_META_MAX];
    uint64_t now_ms = store_now_ms(s);
    (void) snprintf(text, sizeof(text), "%llu %llu %llu %s", (unsigned long long) now_ms,
                    (unsigned long long) clock_boot_ms(), (unsigned long long) clock_wall_ms(),
                    s->boot_id);
    int r = store_meta_put(s, "clock", text);
    if (r == 0)
        s->clock_writing_ms = now_ms;
    return r;
}
