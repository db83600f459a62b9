/* Tests of gateway/addresses.c: what is bound, what it is called, and the file that says so. */
#include "addresses.h"

#include "log.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char any[] = "127.0.0.1:0", nowhere[] = "nowhere.invalid:1";
static char *one[] = {any}, *two[] = {any, any}, *wrong[] = {any, nowhere};

static struct config some(void)
{
    struct config cfg = {0};
    log_set_level(LOG_ERROR);
    cfg.gateway.workers = 2;
    cfg.gateway.listen = (struct config_strings){two, 2};
    cfg.webhooks.listen = (struct config_strings){one, 1};
    cfg.management.grpc_listen = (struct config_strings){one, 1};
    return cfg;
}

static void close_all(const struct addresses *at)
{
    for (size_t i = 0; i < LISTENER_N; i++)
        for (size_t k = 0; k < at->per_worker[i] * at->n_workers[i]; k++)
            if (at->fds[i][k] >= 0)
                assert_int_equal(close(at->fds[i][k]), 0);
}

static unsigned port_of_fd(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &at, &len), 0);
    return ntohs(at.sin_port);
}

static void test_bind(void **state)
{
    (void) state;
    struct config cfg = some();
    struct addresses at = {0};
    assert_int_equal(addresses_bind(&cfg, NULL, &at), 0);
    assert_int_equal(at.n[LISTENER_GATEWAY], 2);
    assert_int_equal(at.n[LISTENER_WEBHOOKS], 1);
    assert_int_equal(at.n[LISTENER_MANAGEMENT], 0);
    assert_int_equal(at.n[LISTENER_GRPC], 1);
    for (size_t a = 0; a < 2; a++) { /* every worker has a socket on each address */
        unsigned port = port_of_fd(at.fds[LISTENER_GATEWAY][a]);
        char name[LISTENER_NAME_SIZE];
        (void) snprintf(name, sizeof(name), "127.0.0.1:%u", port);
        assert_string_equal(at.names[LISTENER_GATEWAY][a], name);
        assert_int_equal(port_of_fd(at.fds[LISTENER_GATEWAY][2 + a]), port);
    }
    assert_string_not_equal(at.names[LISTENER_GATEWAY][0], at.names[LISTENER_GATEWAY][1]);
    close_all(&at);
    addresses_free(&at);
}

static void test_cannot_bind(void **state)
{
    (void) state;
    struct config cfg = some();
    struct addresses at = {0};
    cfg.webhooks.listen = (struct config_strings){wrong, 2};
    log_set_level(LOG_N_LEVELS);
    assert_true(addresses_bind(&cfg, NULL, &at) < 0);
    close_all(&at);
    addresses_free(&at);
}

/* Sockets that were there are dealt to the workers: each has one, and none is left out. */
static void test_inherited(void **state)
{
    (void) state;
    static const struct {
        size_t sockets, workers;
    } CASES[] = {{1, 1}, {1, 3}, {2, 2}, {2, 3}, {3, 2}, {5, 2}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config cfg = some();
        struct addresses at = {0};
        struct inherited in = {0};
        char name[LISTENER_NAME_SIZE] = "127.0.0.1:0";
        int served[5] = {0};
        for (size_t k = 0; k < CASES[i].sockets; k++) {
            int fd;
            assert_int_equal(listener_bind(name, false, &fd, name), 0);
            assert_int_equal(listen(fd, 1), 0);
            assert_int_equal(inherited_add(&in, fd, LISTENER_GATEWAY), 0);
        }
        cfg.gateway.workers = CASES[i].workers;
        uint64_t cookies[5];
        for (size_t k = 0; k < in.n; k++)
            cookies[k] = in.at[k].cookie;
        assert_int_equal(addresses_bind(&cfg, &in, &at), 0);
        assert_string_equal(at.names[LISTENER_GATEWAY][0], name);
        assert_string_not_equal(at.names[LISTENER_GATEWAY][1], name); /* bound anew */
        for (size_t w = 0; w < CASES[i].workers; w++) {
            size_t width = at.per_worker[LISTENER_GATEWAY], n = 0;
            for (size_t k = 0; k < width; k += at.n[LISTENER_GATEWAY]) {
                int fd = at.fds[LISTENER_GATEWAY][w * width + k];
                uint64_t cookie = 0;
                socklen_t len = sizeof(cookie);
                if (fd < 0)
                    continue;
                n++;
                assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
                for (size_t c = 0; c < CASES[i].sockets; c++)
                    served[c] += cookies[c] == cookie;
            }
            assert_true(n >= 1);
        }
        for (size_t c = 0; c < CASES[i].sockets; c++)
            assert_true(served[c] >= 1);
        inherited_fini(&in);
        close_all(&at);
        addresses_free(&at);
    }
}

static void test_file(void **state)
{
    (void) state;
    struct config cfg = some();
    struct addresses at = {0};
    char dir[] = "/tmp/addresses-XXXXXX", file[64], text[1024] = "";
    assert_non_null(mkdtemp(dir));
    (void) snprintf(file, sizeof(file), "%s/ready.json", dir);
    assert_int_equal(addresses_bind(&cfg, NULL, &at), 0);
    char victim[128], link[128]; /* what another user may have put there */
    (void) snprintf(victim, sizeof(victim), "%s/victim", dir);
    (void) snprintf(link, sizeof(link), "%s.%d", file, (int) getpid());
    assert_int_equal(symlink(victim, link), 0);
    assert_int_equal(addresses_write(&at, file), 0);
    assert_int_equal(access(victim, F_OK), -1);
    struct stat st;
    assert_int_equal(lstat(file, &st), 0);
    assert_int_equal(st.st_mode & ~(mode_t) 0040, S_IFREG | 0600); /* the umask may take more */
    FILE *from = fopen(file, "r");
    assert_non_null(from);
    assert_true(fread(text, 1, sizeof(text) - 1, from) > 0);
    assert_int_equal(fclose(from), 0);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    static const char *const KEYS[] = {"pid", "gateway", "webhooks", "management", "grpc"};
    const cJSON *item = json->child;
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++, item = item->next)
        assert_string_equal(item->string, KEYS[i]);
    assert_null(item);
    for (size_t i = 0; i < LISTENER_N; i++) {
        const cJSON *names = cJSON_GetObjectItemCaseSensitive(json, LISTENERS[i]);
        assert_int_equal(cJSON_GetArraySize(names), at.n[i]);
        for (size_t k = 0; k < at.n[i]; k++)
            assert_string_equal(cJSON_GetArrayItem(names, (int) k)->valuestring, at.names[i][k]);
    }
    cJSON_Delete(json);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing was left beside it */
    assert_int_equal(addresses_write(&at, file), -ENOENT);
    close_all(&at);
    addresses_free(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bind),
        cmocka_unit_test(test_cannot_bind),
        cmocka_unit_test(test_inherited),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
