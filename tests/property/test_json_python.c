/* JSON beside Python's parser (FZ-04), over the corpora of the fuzzers: what our wall lets through
 * Python reads as well, and finds events with the same ids in it. */
#include "buf.h"
#include "err.h"
#include "json.h"
#include "mem.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_MAX  (1u << 18)
#define FILES_MAX 1000
#define PATH_SIZE 512

static const char *const FOLDERS[] = {"fuzz_json", "fuzz_envelope"};
static char names[FILES_MAX][PATH_SIZE];
static size_t n_names;

static void find_files(const char *folder)
{
    char path[256];
    const char *source = getenv("REGCAST_SOURCE_DIR");
    assert_non_null(source);
    (void) snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", source, folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.' && n_names < FILES_MAX)
            (void) snprintf(names[n_names++], PATH_SIZE, "%s/%s", path, e->d_name);
    (void) closedir(dir);
}

static struct slice read_file(const char *name)
{
    static uint8_t bytes[FILE_MAX];
    FILE *f = fopen(name, "re");
    assert_non_null(f);
    size_t len = fread(bytes, 1, sizeof(bytes), f);
    (void) fclose(f);
    if (strstr(name, "fuzz_envelope") == NULL)
        return slice_of(bytes, len);
    const uint8_t *end = memchr(bytes, '\n', len);
    return end == NULL ? slice_of(bytes, 0) : slice_of(end + 1, len - (size_t) (end - bytes) - 1);
}

static void add_id(struct buf *out, struct slice event)
{
    struct slice id;
    if (event.data[0] != '{' || json_member(event, "id", &id) < 0 || id.data[0] != '"')
        return;
    char *text = xmalloc(id.len);
    size_t len = json_string_copy(id, text, id.len);
    assert_int_equal(buf_append_str(out, " "), 0);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(buf_printf(out, "%02x", (uint8_t) text[i]), 0);
    assert_int_equal(buf_append_str(out, "."), 0);
    free(text);
}

/* As json_ids.py prints it; NULL when the wall refuses. */
static char *our_line(struct slice text)
{
    struct buf out;
    struct slice events, event;
    const char *why;
    size_t at = 0;
    if (json_check(text, &why) < 0)
        return NULL;
    buf_init(&out, FILE_MAX * 3);
    assert_int_equal(buf_append_str(&out, "yes"), 0);
    const char *bracket = memchr(text.data, '{', text.len);
    bool is_object = bracket != NULL && strspn((const char *) text.data, " \t\r\n") ==
                                            (size_t) (bracket - (const char *) text.data);
    if (is_object && json_member(text, "events", &events) == 0 && events.data[0] == '[')
        while (json_next(events, &at, &event) == 0)
            add_id(&out, event);
    char *line = xslicedup(buf_slice(&out));
    buf_fini(&out);
    return line;
}

static FILE *ask_python(const char *list)
{
    char command[1024];
    (void) snprintf(command, sizeof(command), "python3 '%s/tests/property/json_ids.py' <'%s'",
                    getenv("REGCAST_SOURCE_DIR"), list);
    FILE *python = popen(command, "re"); // NOLINT(cert-env33-c): names of our own
    assert_non_null(python);
    return python;
}

static void write_names(char list[])
{
    int fd = mkstemp(list);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    for (size_t i = 0; i < n_names; i++)
        (void) fprintf(f, "%s\n", names[i]);
    assert_int_equal(fclose(f), 0);
}

static void test_python_agrees(void **state)
{
    static char line[FILE_MAX * 3];
    char list[] = "/tmp/regcast-json-XXXXXX";
    size_t accepted = 0;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(FOLDERS); i++)
        find_files(FOLDERS[i]);
    write_names(list);
    FILE *python = ask_python(list);
    for (size_t i = 0; i < n_names; i++) {
        assert_non_null(fgets(line, sizeof(line), python));
        line[strcspn(line, "\n")] = '\0';
        char *ours = our_line(read_file(names[i]));
        if (ours != NULL && strcmp(ours, line) != 0)
            fail_msg("%s: %s, and to Python %s", names[i], ours, line);
        accepted += ours != NULL;
        free(ours);
    }
    assert_int_equal(pclose(python), 0);
    (void) unlink(list);
    assert_true(accepted >= 20 && accepted < n_names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_python_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
