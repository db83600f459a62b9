/* Tests of the keys of service accounts in the configuration: lists in a list, and PEM. */
#include "config.h"

#include "signer.h"

#include <unistd.h>

static char file[] = "/tmp/regcast-config-XXXXXX", pem_file[] = "/tmp/regcast-pem-XXXXXX";
static struct signer one, two, weak, ec;

static int setup(void **state)
{
    (void) state;
    int fd = mkstemp(file), pem = mkstemp(pem_file);
    signer_init_rsa(&one, 2048);
    signer_init_rsa(&two, 2048);
    signer_init_rsa(&weak, 1024);
    signer_init_ec(&ec);
    return fd < 0 || pem < 0 || close(fd) != 0 || close(pem) != 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void) state;
    signer_fini(&one);
    signer_fini(&two);
    signer_fini(&weak);
    signer_fini(&ec);
    return unlink(file) == 0 && unlink(pem_file) == 0 ? 0 : -1;
}

static void write_text(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    (void) fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* A text for YAML in double quotes. */
static const char *quoted(const char *pem, char ret[2 * sizeof(one.pem)])
{
    size_t len = 0;
    ret[len++] = '"';
    for (; *pem != '\0'; pem++) {
        if (*pem == '\n')
            ret[len++] = '\\';
        ret[len++] = *pem == '\n' ? 'n' : *pem;
    }
    ret[len++] = '"';
    ret[len] = '\0';
    return ret;
}

static void test_keys(void **state)
{
    char text[32768], first[2 * sizeof(one.pem)];
    struct config *cfg = NULL;
    struct buf error;
    (void) state;
    write_text(pem_file, two.pem);
    (void) snprintf(text, sizeof(text),
                    "service_accounts:\n"
                    "  - id: s1\n"
                    "    keys:\n"
                    "      - { id: k1, public_key: %s }\n"
                    "      - { id: k2, public_key_file: %s }\n"
                    "  - id: s2\n"
                    "    keys: []\n"
                    "  - id: s3\n"
                    "    keys:\n"
                    "      - { public_key_file: %s, id: k1 }\n"
                    "  - id: s4\n",
                    quoted(one.pem, first), pem_file, pem_file);
    write_text(file, text);
    buf_init(&error, 1 << 16);
    if (config_load(file, &cfg, &error) != 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    buf_fini(&error);
    static const size_t N_KEYS[] = {2, 0, 1, 0};
    assert_int_equal(cfg->n_service_accounts, ARRAY_LEN(N_KEYS));
    for (size_t i = 0; i < ARRAY_LEN(N_KEYS); i++)
        assert_int_equal(cfg->service_accounts[i].n_keys, N_KEYS[i]);
    assert_string_equal(cfg->service_accounts[0].keys[0].id, "k1");
    assert_string_equal(cfg->service_accounts[0].keys[0].public_key, one.pem);
    assert_string_equal(cfg->service_accounts[0].keys[1].id, "k2");
    assert_string_equal(cfg->service_accounts[0].keys[1].public_key, two.pem);
    assert_string_equal(cfg->service_accounts[2].keys[0].id, "k1");
    assert_string_equal(cfg->service_accounts[2].keys[0].public_key, two.pem);
    assert_false(config_is_open(cfg));
    cfg->service_accounts[0].n_keys = cfg->service_accounts[2].n_keys = 0;
    assert_true(config_is_open(cfg));
    cfg->service_accounts[0].n_keys = 2;
    cfg->service_accounts[2].n_keys = 1;
    config_free(cfg);
}

/* What the messages are to begin with, behind the file's name. */
static void refuses(const char *keys, const char *want)
{
    char text[32768], line[512];
    struct config *cfg = NULL;
    struct buf error;
    (void) snprintf(text, sizeof(text), "service_accounts:\n  - id: s0\n  - id: s1\n    keys:\n%s",
                    keys);
    write_text(file, text);
    buf_init(&error, 1 << 16);
    assert_int_equal(config_load(file, &cfg, &error), -EINVAL);
    (void) snprintf(line, sizeof(line), "%s:%s", file, want);
    if (error.len < strlen(line) || memcmp(error.data, line, strlen(line)) != 0)
        fail_msg("%s: %.*s", want, (int) error.len, (const char *) error.data);
    buf_fini(&error);
}

static void test_bad_keys(void **state)
{
#define KEYS  "service_accounts[1].keys[0]."
#define A_KEY "an RSA public key of 2048 to 8192 bits in PEM"
    static const struct {
        const char *pem;
        bool in_file;
    } BAD[] = {{weak.pem, false}, {weak.pem, true}, {ec.pem, false},
               {ec.pem, true},    {"none", false},  {"none", true}};
    char text[32768], key[2 * sizeof(one.pem)];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        write_text(pem_file, BAD[i].pem);
        (void) snprintf(text, sizeof(text), "      - { id: k1, %s: %s }\n",
                        BAD[i].in_file ? "public_key_file" : "public_key",
                        BAD[i].in_file ? pem_file : quoted(BAD[i].pem, key));
        refuses(text, BAD[i].in_file
                          ? "5: " KEYS
                            "public_key_file: expected a file with 1 to 16384 characters "
                            "of " A_KEY ", got another one\n"
                          : "5: " KEYS "public_key: expected 1 to 16384 characters of " A_KEY
                            ", got something else\n");
    }
    refuses("      - { id: k1, public_key_file: /nowhere/key.pem }\n",
            "5: " KEYS "public_key_file: expected a file that can be read, got: ");
    refuses("      - { id: k1 }\n",
            "5: " KEYS "id: expected public_key or public_key_file beside it, got neither\n");
    refuses("      - k1\n", "5: service_accounts[1].keys[0]: expected a mapping, got \"k1\"\n");
    write_text(pem_file, one.pem);
    (void) snprintf(text, sizeof(text), "      - { id: k1, public_key: %s, public_key_file: %s }\n",
                    quoted(one.pem, key), pem_file);
    refuses(text, "5: " KEYS "public_key_file: expected either public_key or public_key_file, got "
                  "both\n");
    (void) snprintf(text, sizeof(text),
                    "      - { id: k1, public_key_file: %s }\n"
                    "      - { id: k1, public_key_file: %s }\n",
                    pem_file, pem_file);
    refuses(text, "6: service_accounts[1].keys[1].id: expected each id once, got \"k1\" again\n");
    (void) snprintf(text, sizeof(text), "      - { public_key_file: %s }\n", pem_file);
    refuses(text, "5: " KEYS "id: expected 1 to 50 characters of letters, digits, _ . -, got "
                  "nothing\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_bad_keys),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
