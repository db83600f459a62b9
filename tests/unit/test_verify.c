/* What a registry's tokens and secrets ask of a webhook. The signatures were made with
 *   printf '%s' "ID.TIMESTAMP.BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:KEY -binary */
#include "verify.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID     "msg_1"
#define TIME   "1795000000"
#define NOW_S  UINT64_C(1795000000)
#define BODY   "{\"events\": [{\"action\":\"push\"}]}"
#define KEY_A  "whsec_EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8=" /* 10 to 2f */
#define KEY_B  "whsec_gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaX"             /* 80 to 97 */
#define SIGN_A "v1,IOhWpAYagyFt6GObCXaqc064+rdCko0n6ITLht4B3kA="
#define SIGN_B "v1,4wMIQsgMefvR3bfPJouT6r29Iy9myMVBuh6yMyEJsgw="
#define SIGN_C "v1,WFxjQeozhVnEWS9K2HhDmQyUGxnIWh6nRXr2AOFH804=" /* of another key */
#define EMPTY  "v1,0itsQHEO0DaREELKLogMsGQ4XyEP/SLfFewwCu3q11g=" /* of A, without a body */

struct strings {
    const char *at[CONFIG_SECRETS + 1]; /* ended by NULL */
};

static struct config_strings strings_of(const struct strings *s)
{
    struct config_strings ret = {.at = (char **) (uintptr_t) s->at};
    while (ret.n < CONFIG_SECRETS && s->at[ret.n] != NULL)
        ret.n++;
    return ret;
}

/* What a test asks of a request; its texts are borrowed. */
struct wish {
    const char *token, *token_header;
    struct strings tokens, secrets;
    enum config_signature signature;
};

/* The registry lies in `cfg`. */
static struct verifier verifier_of(const struct wish *wish, struct config_registry *cfg)
{
    struct verifier v;
    *cfg = (struct config_registry){
        .token = (char *) (uintptr_t) wish->token,
        .token_header = (char *) (uintptr_t) wish->token_header,
        .tokens = strings_of(&wish->tokens),
        .signature = wish->signature,
        .signature_secrets = strings_of(&wish->secrets),
    };
    verifier_init(&v, cfg);
    return v;
}

/* A request with up to so many header fields. */
struct shown {
    struct header fields[4];
    struct verify_request req;
};

static void show(struct shown *s, const char *name, const char *value)
{
    ASSERT(s->req.headers.n < ARRAY_LEN(s->fields));
    s->fields[s->req.headers.n++] = (struct header){slice_str(name), slice_str(value)};
    s->req.headers.at = s->fields;
}

static enum refuse head_of(const struct verifier *v, const char *authorization)
{
    struct shown s = {.req = {.keys = NULL}};
    if (authorization != NULL)
        show(&s, "authorization", authorization);
    return verify_head(v, &s.req, NOW_S);
}

static void test_token(void **state)
{
    (void) state;
    static const struct {
        const char *authorization;
        bool fits;
    } CASES[] = {
        {"Bearer secret", true},
        {"bearer  secret ", true},
        {"Bearer secre", false},
        {"Bearer secrett", false},
        {"Bearer", false},
        {"Bearer ", false},
        {"secret", false},
        {"", false},
        {"Basic dTpzZWNyZXQ=", true},
        {"Basic OnNlY3JldA==", true},  /* no user */
        {"Basic c2VjcmV0", false},     /* no colon */
        {"Basic dTpzZWNyZXQ", false},  /* padding missing */
        {"Basic dTpzZWNyZXR4", false}, /* u:secretx */
        {"Digest secret", false},
    };
    struct config_registry with, without;
    const struct verifier closed = verifier_of(&(struct wish){.token = "secret"}, &with),
                          open = verifier_of(&(struct wish){.token = NULL}, &without);
    assert_false(verifier_is_open(&closed));
    assert_true(verifier_is_open(&open));
    assert_int_equal(head_of(&closed, NULL), REFUSE_AUTH);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *given = CASES[i].authorization;
        if (head_of(&closed, given) != (CASES[i].fits ? REFUSE_NONE : REFUSE_AUTH))
            fail_msg("'%s'", given);
        assert_int_equal(head_of(&open, given), REFUSE_NONE);
    }
}

/* Each of them will do: the one in use and the next. */
static void test_tokens_at_once(void **state)
{
    (void) state;
    struct config_registry cfg;
    const struct wish wish = {.token = "one", .tokens = {{"two", "three", "four", "five", NULL}}};
    const struct verifier v = verifier_of(&wish, &cfg);
    static const char *const RIGHT[] = {"one", "two", "three", "four", "five"};
    for (size_t i = 0; i < ARRAY_LEN(RIGHT); i++) {
        char text[32];
        (void) snprintf(text, sizeof(text), "Bearer %s", RIGHT[i]);
        assert_int_equal(head_of(&v, text), REFUSE_NONE);
        (void) snprintf(text, sizeof(text), "Bearer %s2", RIGHT[i]);
        assert_int_equal(head_of(&v, text), REFUSE_AUTH);
    }
    assert_int_equal(head_of(&v, "Bearer "), REFUSE_AUTH);
    assert_int_equal(head_of(&v, ""), REFUSE_AUTH);
}

static const struct signed_case {
    const char *name, *id, *timestamp, *signature, *body;
    enum refuse want;
} SIGNED[] = {
    {"as sent", ID, TIME, SIGN_A, BODY, REFUSE_NONE},
    {"with the other secret", ID, TIME, SIGN_B, BODY, REFUSE_NONE},
    {"two, the first fits", ID, TIME, SIGN_A " " SIGN_C, BODY, REFUSE_NONE},
    {"two, the second fits", ID, TIME, SIGN_C " " SIGN_B, BODY, REFUSE_NONE},
    {"more space", ID, TIME, " " SIGN_C "   " SIGN_A " ", BODY, REFUSE_NONE},
    {"beside one of another version", ID, TIME, "v1a,AAAA " SIGN_A, BODY, REFUSE_NONE},
    {"no body", ID, TIME, EMPTY, "", REFUSE_NONE},
    {"another key", ID, TIME, SIGN_C, BODY, REFUSE_SIGNATURE},
    {"no id", "", TIME, SIGN_A, BODY, REFUSE_SIGNATURE},
    {"no timestamp", ID, "", SIGN_A, BODY, REFUSE_SIGNATURE},
    {"no signature", ID, TIME, "", BODY, REFUSE_SIGNATURE},
    {"spaces for a signature", ID, TIME, "   ", BODY, REFUSE_SIGNATURE},
    {"another id", "msg_2", TIME, SIGN_A, BODY, REFUSE_SIGNATURE},
    {"a full stop in the id", "msg_1.1795000000", TIME, SIGN_A, BODY, REFUSE_SIGNATURE},
    {"a space in the id", "msg 1", TIME, SIGN_A, BODY, REFUSE_SIGNATURE},
    {"another time", ID, "1795000001", SIGN_A, BODY, REFUSE_SIGNATURE},
    {"the time with a zero", ID, "01795000000", SIGN_A, BODY, REFUSE_SIGNATURE},
    {"the body written anew", ID, TIME, SIGN_A, "{\"events\":[{\"action\":\"push\"}]}",
     REFUSE_SIGNATURE},
    {"the body with a line feed", ID, TIME, SIGN_A, BODY "\n", REFUSE_SIGNATURE},
    {"the body cut", ID, TIME, SIGN_A, "", REFUSE_SIGNATURE},
    {"hexadecimal", ID, TIME, "v1,20e856a4061a83216de8639b0976aa734eb8fab742928d27e884cb86de01de40",
     BODY, REFUSE_SIGNATURE},
    {"small letters", ID, TIME, "v1,iohwpaYagyft6gobcxaqc064+rdcko0n6itlht4b3ka=", BODY,
     REFUSE_SIGNATURE},
    {"without the version", ID, TIME, "IOhWpAYagyFt6GObCXaqc064+rdCko0n6ITLht4B3kA=", BODY,
     REFUSE_SIGNATURE},
    {"of the next version", ID, TIME, "v2,IOhWpAYagyFt6GObCXaqc064+rdCko0n6ITLht4B3kA=", BODY,
     REFUSE_SIGNATURE},
    {"without padding", ID, TIME, "v1,IOhWpAYagyFt6GObCXaqc064+rdCko0n6ITLht4B3kA", BODY,
     REFUSE_SIGNATURE},
    {"parted by a comma", ID, TIME, SIGN_C "," SIGN_A, BODY, REFUSE_SIGNATURE},
    {"300 s ago", ID, "1794999700", SIGN_A, BODY, REFUSE_SIGNATURE}, /* in time, but not signed */
    {"in 300 s", ID, "1795000300", SIGN_A, BODY, REFUSE_SIGNATURE},
    {"301 s ago", ID, "1794999699", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"in 301 s", ID, "1795000301", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"0", ID, "0", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"negative", ID, "-1795000000", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"with a sign", ID, "+1795000000", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"text", ID, "now", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"RFC 3339", ID, "2026-11-18", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"milliseconds", ID, "1795000000000", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"a fraction", ID, "1795000000.0", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"the year 9999", ID, "253402300799", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"more than 64 bits", ID, "18446744075504551616", SIGN_A, BODY, REFUSE_TIMESTAMP},
};

static struct wish standard(const char *token, struct strings secrets)
{
    return (struct wish){.token = token, .secrets = secrets, .signature = SIGNATURE_STANDARD};
}

/* A header that is there with nothing in it is like none. */
static void show_signed(struct shown *s, const struct signed_case *c)
{
    *s = (struct shown){.req = {.keys = NULL}};
    show(s, "Webhook-Id", c->id);
    show(s, "Webhook-Timestamp", c->timestamp);
    show(s, "Webhook-Signature", c->signature);
}

static void test_signatures(void **state)
{
    (void) state;
    struct config_registry cfg;
    const struct wish wish = standard(NULL, (struct strings){{KEY_A, KEY_B, NULL}});
    const struct verifier v = verifier_of(&wish, &cfg);
    assert_false(verifier_is_open(&v));
    for (size_t i = 0; i < ARRAY_LEN(SIGNED); i++) {
        struct shown s;
        show_signed(&s, &SIGNED[i]);
        enum refuse why = verify_head(&v, &s.req, NOW_S);
        if (why == REFUSE_NONE)
            why = verify_body(&v, &s.req, slice_str(SIGNED[i].body));
        if (why != SIGNED[i].want)
            fail_msg("%s: %s", SIGNED[i].name, refuse_info(why)->name);
    }
}

static void test_secret_that_went(void **state)
{
    (void) state;
    struct config_registry cfg;
    const struct wish wish = standard(NULL, (struct strings){{KEY_B, NULL}});
    const struct verifier v = verifier_of(&wish, &cfg);
    struct shown a, b;
    show_signed(&a, &SIGNED[0]);
    show_signed(&b, &SIGNED[1]);
    assert_int_equal(verify_body(&v, &a.req, SLICE_LIT(BODY)), REFUSE_SIGNATURE);
    assert_int_equal(verify_body(&v, &b.req, SLICE_LIT(BODY)), REFUSE_NONE);
}

/* One does not stand for the other. */
static void test_token_and_signature(void **state)
{
    (void) state;
    struct config_registry cfg;
    const struct wish wish = standard("secret", (struct strings){{KEY_A, NULL}});
    const struct verifier v = verifier_of(&wish, &cfg);
    struct shown s;
    show_signed(&s, &SIGNED[0]);
    assert_int_equal(verify_head(&v, &s.req, NOW_S), REFUSE_AUTH);
    show(&s, "Authorization", "Bearer secret");
    assert_int_equal(verify_head(&v, &s.req, NOW_S), REFUSE_NONE);
    assert_int_equal(verify_body(&v, &s.req, SLICE_LIT(BODY)), REFUSE_NONE);
    s.fields[2].value = (struct slice){0};
    assert_int_equal(verify_head(&v, &s.req, NOW_S), REFUSE_SIGNATURE);
}

/* Of two fields nobody says which one counts. */
static void test_twice(void **state)
{
    (void) state;
    struct config_registry cfg;
    const struct wish wish = standard(NULL, (struct strings){{KEY_A, NULL}});
    const struct verifier v = verifier_of(&wish, &cfg);
    static const char *const NAMES[] = {"webhook-id", "webhook-timestamp", "webhook-signature"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        struct shown s;
        show_signed(&s, &SIGNED[0]);
        show(&s, NAMES[i], "");
        s.fields[3].value = s.fields[i].value;
        assert_int_equal(verify_head(&v, &s.req, NOW_S), REFUSE_SIGNATURE);
    }
}

/* What is not signed names nothing: anybody could have put it there. */
static void test_delivery_id(void **state)
{
    (void) state;
    struct config_registry cfg, other;
    const struct wish wish = standard(NULL, (struct strings){{KEY_A, NULL}});
    const struct verifier with = verifier_of(&wish, &cfg),
                          without = verifier_of(&(struct wish){.token = "secret"}, &other);
    struct shown s;
    show_signed(&s, &SIGNED[0]);
    assert_true(slice_eq_str(verify_delivery_id(&with, &s.req), ID));
    assert_int_equal(verify_delivery_id(&without, &s.req).len, 0);
    char id[VERIFY_ID_MAX + 2];
    memset(id, 'm', sizeof(id));
    s.fields[0].value = slice_of(id, VERIFY_ID_MAX);
    assert_int_equal(verify_head(&with, &s.req, NOW_S), REFUSE_NONE);
    s.fields[0].value.len++;
    assert_int_equal(verify_head(&with, &s.req, NOW_S), REFUSE_SIGNATURE);
    struct shown github = {.req = {.keys = NULL}};
    show(&github, "X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    const struct verifier hub = verifier_of(
        &(struct wish){.signature = SIGNATURE_GITHUB, .secrets = {{"s", NULL}}}, &other);
    assert_int_equal(verify_delivery_id(&hub, &github.req).len, 0);
}

/* --- where a token may be --- */

static void test_places(void **state)
{
    (void) state;
    static const struct {
        const char *token_header;           /* of the configuration */
        const char *name, *value, *another; /* of the request: a header, the same again */
        const char *query;
        bool fits;
    } CASES[] = {
        {NULL, "Authorization", "Bearer secret", NULL, "", true},
        {NULL, "Authorization", "Bearer secret", "Bearer secret", "", false},
        {NULL, "Authorization", "secret", NULL, "", false},
        {NULL, "X-Api-Key", "secret", NULL, "", false},
        {NULL, "Accept", "*/*", NULL, "secret", true},
        {NULL, "Accept", "*/*", NULL, "secre", false},
        {NULL, "Accept", "*/*", NULL, "", false},
        {NULL, "Authorization", "Bearer wrong", NULL, "secret", false}, /* the header counts */
        {NULL, "Authorization", "", NULL, "secret", false},
        {NULL, "Authorization", "Bearer wrong", "Bearer secret", "secret", false},
        {"Authorization", "Authorization", "secret", NULL, "", true}, /* Harbor's auth_header */
        {"Authorization", "Authorization", "Bearer secret", NULL, "", false},
        {"Authorization", "Authorization", "secret2", NULL, "", false},
        {"Authorization", "Accept", "*/*", NULL, "secret", false},
        {"x-api-key", "X-Api-Key", "secret", NULL, "", true},
        {"x-api-key", "X-Api-Key", "secret", "secret", "", false},
        {"x-api-key", "X-Api-Key", "Bearer secret", NULL, "", false},
        {"x-api-key", "X-Api-Key", "Secret", NULL, "", false},
        {"x-api-key", "X-Api-Key", "", NULL, "", false},
        {"x-api-key", "Authorization", "Bearer secret", NULL, "secret", false},
        {"X-JFrog-Event-Auth", "X-JFrog-Event-Auth", "secret", NULL, "", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config_registry cfg;
        const struct wish wish = {.token = "secret", .token_header = CASES[i].token_header};
        const struct verifier v = verifier_of(&wish, &cfg);
        struct shown s = {.req = {.access_token = slice_str(CASES[i].query)}};
        show(&s, CASES[i].name, CASES[i].value);
        if (CASES[i].another != NULL)
            show(&s, CASES[i].name, CASES[i].another);
        if (verify_head(&v, &s.req, NOW_S) != (CASES[i].fits ? REFUSE_NONE : REFUSE_AUTH))
            fail_msg("%zu: %s: %s", i, CASES[i].name, CASES[i].value);
    }
}

/* --- the other signatures --- */

/* GitHub's are those of its page "Validating webhook deliveries", the others were made with
 *   printf '%s' BODY | openssl dgst -HASH -hmac key */
#define HELLO        "Hello, World!"
#define GITHUB_KEY   "It's a Secret to Everybody"
#define HELLO_SHA256 "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
#define FOX          "The quick brown fox jumps over the lazy dog"
#define FOX_SHA1     "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9"
#define FOX_SHA256   "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
#define FOX_SHA512                                                                                 \
    "b42af09057bac1e2d41708e48a902e09b5ff7f12ab428a4fe86653c73dd248fb82f948a549f7b791a5b41915ee4d" \
    "1"                                                                                            \
    "ec3935357e4e2317250d0372afa2ebeeb3a"

static const struct hex_case {
    const char *name;
    enum config_signature signature;
    const char *header, *value, *body;
    enum refuse want;
} HEX[] = {
    {"GitHub's own", SIGNATURE_GITHUB, "X-Hub-Signature-256", "sha256=" HELLO_SHA256, HELLO,
     REFUSE_NONE},
    {"another header", SIGNATURE_GITHUB, "X-Hub-Signature", "sha256=" HELLO_SHA256, HELLO,
     REFUSE_SIGNATURE},
    {"no prefix", SIGNATURE_GITHUB, "X-Hub-Signature-256", HELLO_SHA256, HELLO, REFUSE_SIGNATURE},
    {"its SHA-1", SIGNATURE_GITHUB, "X-Hub-Signature-256", "sha1=" FOX_SHA1, FOX, REFUSE_SIGNATURE},
    {"another body", SIGNATURE_GITHUB, "X-Hub-Signature-256", "sha256=" HELLO_SHA256,
     "Hello, World", REFUSE_SIGNATURE},
    {"more behind", SIGNATURE_GITHUB, "X-Hub-Signature-256", "sha256=" HELLO_SHA256 "00", HELLO,
     REFUSE_SIGNATURE},
    {"half of it", SIGNATURE_GITHUB, "X-Hub-Signature-256",
     "sha256=757107ea0eb2509fc211221cce984b8a", HELLO, REFUSE_SIGNATURE},
    {"capitals", SIGNATURE_GITHUB, "X-Hub-Signature-256",
     "sha256=757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17", HELLO,
     REFUSE_SIGNATURE},
    {"the hash in capitals", SIGNATURE_GITHUB, "X-Hub-Signature-256", "SHA256=" HELLO_SHA256, HELLO,
     REFUSE_SIGNATURE},
    {"no digit", SIGNATURE_GITHUB, "X-Hub-Signature-256",
     "sha256=g57107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", HELLO,
     REFUSE_SIGNATURE},
    {"nothing behind it", SIGNATURE_GITHUB, "X-Hub-Signature-256", "sha256=", HELLO,
     REFUSE_SIGNATURE},
    {"empty", SIGNATURE_GITHUB, "X-Hub-Signature-256", "", HELLO, REFUSE_SIGNATURE},
    {"SHA-256", SIGNATURE_X, "X-Signature", "sha256=" FOX_SHA256, FOX, REFUSE_NONE},
    {"SHA-512", SIGNATURE_X, "X-Signature", "sha512=" FOX_SHA512, FOX, REFUSE_NONE},
    {"SHA-1 is not taken", SIGNATURE_X, "X-Signature", "sha1=" FOX_SHA1, FOX, REFUSE_SIGNATURE},
    {"no hash", SIGNATURE_X, "X-Signature", FOX_SHA256, FOX, REFUSE_SIGNATURE},
    {"named wrongly", SIGNATURE_X, "X-Signature", "sha512=" FOX_SHA256, FOX, REFUSE_SIGNATURE},
    {"MD5", SIGNATURE_X, "X-Signature", "md5=80070713463e7749b90c2dc24911e275", FOX,
     REFUSE_SIGNATURE},
    {"Nexus", SIGNATURE_NEXUS, "X-Nexus-Webhook-Signature", FOX_SHA1, FOX, REFUSE_NONE},
    {"Nexus with a prefix", SIGNATURE_NEXUS, "X-Nexus-Webhook-Signature", "sha1=" FOX_SHA1, FOX,
     REFUSE_SIGNATURE},
    {"Nexus, one digit less", SIGNATURE_NEXUS, "X-Nexus-Webhook-Signature",
     "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d", FOX, REFUSE_SIGNATURE},
    {"Nexus with SHA-256", SIGNATURE_NEXUS, "X-Nexus-Webhook-Signature", FOX_SHA256, FOX,
     REFUSE_SIGNATURE},
    {"Artifactory", SIGNATURE_ARTIFACTORY, "X-JFrog-Event-Auth", FOX_SHA256, FOX, REFUSE_NONE},
    {"Artifactory's secret itself", SIGNATURE_ARTIFACTORY, "X-JFrog-Event-Auth", "key", FOX,
     REFUSE_SIGNATURE},
    {"Artifactory with SHA-1", SIGNATURE_ARTIFACTORY, "X-JFrog-Event-Auth", "sha1=" FOX_SHA1, FOX,
     REFUSE_SIGNATURE},
    {"Gitea", SIGNATURE_GITEA, "X-Gitea-Signature", FOX_SHA256, FOX, REFUSE_NONE},
    {"Forgejo", SIGNATURE_GITEA, "X-Forgejo-Signature", FOX_SHA256, FOX, REFUSE_NONE},
    {"Gitea's as GitHub's", SIGNATURE_GITEA, "X-Hub-Signature-256", "sha256=" FOX_SHA256, FOX,
     REFUSE_SIGNATURE},
    {"another body", SIGNATURE_GITEA, "X-Gitea-Signature", FOX_SHA256, FOX ".", REFUSE_SIGNATURE},
};

static enum refuse check_hex(const struct verifier *v, const struct shown *s, const char *body)
{
    enum refuse why = verify_head(v, &s->req, NOW_S);
    return why == REFUSE_NONE ? verify_body(v, &s->req, slice_str(body)) : why;
}

static void test_hex(void **state)
{
    (void) state;
    static const struct strings PLACES[] = {{{GITHUB_KEY, "key", NULL}},
                                            {{"a", "b", "key", GITHUB_KEY}}};
    for (size_t i = 0; i < ARRAY_LEN(HEX); i++)
        for (size_t k = 0; k < ARRAY_LEN(PLACES); k++) {
            struct config_registry cfg;
            const struct wish wish = {.signature = HEX[i].signature, .secrets = PLACES[k]};
            const struct verifier v = verifier_of(&wish, &cfg);
            struct shown s = {.req = {.keys = NULL}};
            assert_false(verifier_is_open(&v));
            assert_int_equal(verify_head(&v, &s.req, NOW_S), REFUSE_SIGNATURE);
            show(&s, HEX[i].header, HEX[i].value);
            if (check_hex(&v, &s, HEX[i].body) != HEX[i].want)
                fail_msg("%s", HEX[i].name);
            show(&s, HEX[i].header, HEX[i].value); /* twice */
            assert_int_equal(verify_head(&v, &s.req, NOW_S), REFUSE_SIGNATURE);
        }
}

/* With another secret nothing fits; a secret may begin like a whsec_ and is no base64 then. */
static void test_hex_secrets(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(HEX); i++) {
        struct config_registry cfg;
        const struct wish wish = {.signature = HEX[i].signature, .secrets = {{"whsec_x", "kex"}}};
        const struct verifier v = verifier_of(&wish, &cfg);
        struct shown s = {.req = {.keys = NULL}};
        show(&s, HEX[i].header, HEX[i].value);
        assert_int_equal(check_hex(&v, &s, HEX[i].body), REFUSE_SIGNATURE);
    }
}

#define ARTIFACTORY_KEY "jfrog-shared-secret"

static char *read_sample(const char *name)
{
    char path[512], *text = calloc(1, 65536);
    (void) snprintf(path, sizeof(path), "%s/tests/samples/%s", getenv("REGCAST_SOURCE_DIR"), name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, f) > 0);
    assert_int_equal(fclose(f), 0);
    return text;
}

/* The value of the header in a sample. */
static const char *field_of(const char *text, const char *name, char *ret, size_t size)
{
    char wanted[80];
    (void) snprintf(wanted, sizeof(wanted), "\r\n%s: ", name);
    const char *at = strstr(text, wanted);
    assert_non_null(at);
    at += strlen(wanted);
    (void) snprintf(ret, size, "%.*s", (int) strcspn(at, "\r"), at);
    return ret;
}

/* The samples in tests/samples are signed as their senders would, with these secrets. */
static void test_samples(void **state)
{
    (void) state;
    static const struct {
        const char *file;
        enum config_signature signature;
        const char *header, *secret;
    } CASES[] = {
        {"github/signature-test-vector.http", SIGNATURE_GITHUB, "X-Hub-Signature-256", GITHUB_KEY},
        {"github/package-published-tag.http", SIGNATURE_GITHUB, "X-Hub-Signature-256", GITHUB_KEY},
        {"github/ping-ignore.http", SIGNATURE_GITHUB, "X-Hub-Signature-256", GITHUB_KEY},
        {"artifactory/docker-pushed-signed.http", SIGNATURE_ARTIFACTORY, "X-JFrog-Event-Auth",
         ARTIFACTORY_KEY},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config_registry cfg;
        const struct wish wish = {.signature = CASES[i].signature,
                                  .secrets = {{"another", CASES[i].secret}}};
        const struct verifier v = verifier_of(&wish, &cfg);
        struct shown s = {.req = {.keys = NULL}};
        char *text = read_sample(CASES[i].file), value[256];
        show(&s, CASES[i].header, field_of(text, CASES[i].header, value, sizeof(value)));
        const char *body = strstr(text, "\r\n\r\n");
        assert_non_null(body);
        if (check_hex(&v, &s, body + 4) != REFUSE_NONE)
            fail_msg("%s", CASES[i].file);
        assert_int_equal(check_hex(&v, &s, body + 5), REFUSE_SIGNATURE);
        free(text);
    }
}

/* How much is compared depends on how many tokens there are, and on nothing that is secret: neither
 * where the right one stands nor how much of one is right. Counted, since clocks are no test. */
static unsigned compared;

int __real_mbedtls_ct_memcmp(const void *a, const void *b, size_t n);
int __wrap_mbedtls_ct_memcmp(const void *a, const void *b, size_t n);
int __wrap_mbedtls_ct_memcmp(const void *a, const void *b, size_t n)
{
    compared += (unsigned) n;
    return __real_mbedtls_ct_memcmp(a, b, n);
}

static void test_same_steps(void **state)
{
    (void) state;
    static const char *const GIVEN[] = {"Bearer one", "Bearer two", "Bearer on", "Bearer 1",
                                        "Bearer ",    "Digest one", ""};
    struct config_registry cfg;
    const struct wish wish = {.tokens = {{"one", "two", NULL}},
                              .secrets = {{KEY_A, KEY_B, NULL}},
                              .signature = SIGNATURE_STANDARD};
    const struct verifier v = verifier_of(&wish, &cfg);
    for (size_t i = 0; i < ARRAY_LEN(GIVEN); i++) {
        compared = 0;
        (void) head_of(&v, GIVEN[i]);
        assert_int_equal(compared, 2 * SHA256_SIZE);
    }
    static const size_t SIGNATURES[] = {0, 1, 7}; /* of the first secret, the second, neither */
    for (size_t i = 0; i < ARRAY_LEN(SIGNATURES); i++) {
        struct shown s;
        show_signed(&s, &SIGNED[SIGNATURES[i]]);
        compared = 0;
        (void) verify_body(&v, &s.req, SLICE_LIT(BODY));
        assert_int_equal(compared, 2 * SHA256_SIZE);
    }
}

/* The same of a token's header and the query, and of MACs in hexadecimal, however long they are. */
static void test_same_steps_elsewhere(void **state)
{
    (void) state;
    static const char *const TOKENS[] = {"one", "two", "on", "", "somebody else's"};
    for (size_t i = 0; i < 2 * ARRAY_LEN(TOKENS); i++) {
        const char *given = TOKENS[i / 2];
        struct config_registry cfg;
        const struct wish wish = {.tokens = {{"one", "two", "three", "four"}},
                                  .token_header = i % 2 == 0 ? "X-Key" : NULL};
        const struct verifier v = verifier_of(&wish, &cfg);
        struct shown s = {.req = {.access_token = slice_str(i % 2 == 0 ? "" : given)}};
        if (i % 2 == 0)
            show(&s, "X-Key", given);
        compared = 0;
        (void) verify_head(&v, &s.req, NOW_S);
        assert_int_equal(compared, 4 * SHA256_SIZE);
    }
    static const struct {
        enum config_signature signature;
        const char *header, *value;
        unsigned size;
    } MACS[] = {{SIGNATURE_X, "X-Signature", "sha256=" FOX_SHA256, 32},
                {SIGNATURE_X, "X-Signature", "sha256=" HELLO_SHA256, 32},
                {SIGNATURE_X, "X-Signature", "sha512=" FOX_SHA512, 64},
                {SIGNATURE_NEXUS, "X-Nexus-Webhook-Signature", FOX_SHA1, 20}};
    static const struct strings PLACES[] = {
        {{"key", "b", "c", "d"}}, {{"a", "b", "c", "key"}}, {{"a", "b", "c", "d"}}};
    for (size_t i = 0; i < ARRAY_LEN(MACS); i++)
        for (size_t k = 0; k < ARRAY_LEN(PLACES); k++) {
            struct config_registry cfg;
            const struct wish wish = {.signature = MACS[i].signature, .secrets = PLACES[k]};
            const struct verifier v = verifier_of(&wish, &cfg);
            struct shown s = {.req = {.keys = NULL}};
            show(&s, MACS[i].header, MACS[i].value);
            compared = 0;
            (void) verify_body(&v, &s.req, SLICE_LIT(FOX));
            assert_int_equal(compared, CONFIG_SECRETS * MACS[i].size);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_tokens_at_once),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_secret_that_went),
        cmocka_unit_test(test_token_and_signature),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_delivery_id),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_hex_secrets),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_same_steps),
        cmocka_unit_test(test_same_steps_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
