/* Tests of gateway/peer_merge.c: answers of several nodes, made one. */
#include "peer_merge.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *name, *operation, *query, *own, *others[2], *merged; /* NULL: none */
} CASES[] = {
    {"paths",
     "listPaths",
     "",
     "{\"paths\":[{\"path\":\"/\",\"connections\":\"1\",\"sentFrames\":\"2\",\"sentBytes\":\"3\","
     "\"slowConsumers\":\"0\",\"historyMessages\":\"5\"}],\"gatewayTls\":true}",
     {"{\"paths\":[{\"path\":\"/x\",\"connections\":\"9\"},{\"path\":\"/\",\"connections\":"
      "\"18446744073709551614\",\"sentFrames\":\"1\",\"historyMessages\":\"7\"}]}",
      NULL},
     "{\"paths\":[{\"path\":\"/\",\"connections\":\"18446744073709551615\",\"sentFrames\":\"3\","
     "\"sentBytes\":\"3\",\"slowConsumers\":\"0\",\"historyMessages\":\"7\"}],"
     "\"gatewayTls\":true}"},
    {"triggers",
     "listTriggerStatistics",
     "",
     "{\"triggers\":[{\"triggerId\":\"a\",\"batches\":\"1\",\"events\":\"2\",\"waiting\":\"0\","
     "\"lastFiredAt\":\"2026-11-23T08:00:00Z\"},{\"triggerId\":\"b\",\"batches\":\"0\","
     "\"events\":\"0\",\"waiting\":\"0\"}]}",
     {"{\"triggers\":[{\"triggerId\":\"a\",\"batches\":\"3\",\"events\":\"4\",\"waiting\":\"5\","
      "\"lastFiredAt\":\"2026-11-23T08:00:00.001Z\",\"lastError\":\"why\"}]}",
      "{\"triggers\":[{\"triggerId\":\"a\",\"batches\":\"0\",\"events\":\"0\",\"waiting\":\"0\","
      "\"lastFiredAt\":\"2026-11-23T07:59:59.999Z\",\"lastError\":\"old\"}]}"},
     "{\"triggers\":[{\"triggerId\":\"a\",\"lastFiredAt\":\"2026-11-23T08:00:00.001Z\",\"lastErro"
     "r\":\"why\",\"batches\":\"4\",\"events\":\"6\",\"waiting\":\"5\"},{\"triggerId\":\"b\","
     "\"batches\":\"0"
     "\",\"events\":\"0\",\"waiting\":\"0\"}]}"},
    {"registries",
     "listRegistries",
     "",
     "{\"registries\":[{\"id\":\"r\",\"silent\":true,\"silentSince\":\"2026-11-23T08:00:00Z\","
     "\"answers\":[{\"status\":202,\"count\":\"1\"}],\"accepted\":\"1\",\"ignored\":\"0\","
     "\"duplicates\":\"0\",\"setAside\":\"0\"}]}",
     {"{\"registries\":[{\"id\":\"r\",\"lastEventAt\":\"2026-11-23T08:00:00Z\",\"usualInterval\":"
      "\"30s\",\"silent\":false,\"answers\":[{\"status\":202,\"count\":\"2\"},{\"status\":401,"
      "\"count\":\"3\"}],\"accepted\":\"2\",\"ignored\":\"1\",\"duplicates\":\"0\","
      "\"setAside\":\"4\"}]}",
      NULL},
     "{\"registries\":[{\"id\":\"r\",\"answers\":[{\"status\":202,\"count\":\"3\"},{\"status\":401,"
     "\"co"
     "unt\":\"3\"}],\"accepted\":\"3\",\"ignored\":\"1\",\"duplicates\":\"0\",\"setAside\":\"4\","
     "\"lastEve"
     "ntAt\":\"2026-11-23T08:00:00Z\",\"usualInterval\":\"30s\",\"silent\":false}]}"},
    {"events: the newest first, each once, a page",
     "listEvents",
     "pageSize=3",
     "{\"events\":[{\"eventId\":\"crt5\"},{\"eventId\":\"crt2\"}]}",
     {"{\"events\":[{\"eventId\":\"crt4\"},{\"eventId\":\"crt2\"},{\"eventId\":\"crt1\"}]}",
      "{\"events\":[]}"},
     "{\"events\":[{\"eventId\":\"crt5\"},{\"eventId\":\"crt4\"},{\"eventId\":\"crt2\"}]}"},
    {"connections by age",
     "listConnections",
     "orderBy=age&pageSize=2",
     "{\"connections\":[{\"id\":\"a\",\"connectedAt\":\"2026-11-23T08:00:00.5Z\"}]}",
     {"{\"connections\":[{\"id\":\"b\",\"connectedAt\":\"2026-11-23T08:00:00Z\"},{\"id\":\"c\","
      "\"connectedAt\":\"2026-11-23T08:00:01Z\"}]}",
      "{}"},
     "{\"connections\":[{\"id\":\"b\",\"connectedAt\":\"2026-11-23T08:00:00Z\",\"node\":\"n1\"},"
     "{\"id\":\"a\",\"connectedAt\":\"2026-11-23T08:00:00.5Z\",\"node\":\"n0\"}]}"},
    {"connections by lag",
     "listConnections",
     "order_by=lag",
     "{\"connections\":[{\"id\":\"a\",\"lagBytes\":\"9\"}]}",
     {"{\"connections\":[{\"id\":\"b\",\"lagBytes\":\"10\"}]}", NULL},
     "{\"connections\":[{\"id\":\"b\",\"lagBytes\":\"10\",\"node\":\"n1\"},{\"id\":\"a\","
     "\"lagBytes\":\"9\",\"node\":\"n0\"}]}"},
    {"no connections", "listConnections", "orderBy=age", "{}", {"{}", NULL}, "{}"},
    {"an event nobody knows", "getEvent", "", NULL, {NULL, NULL}, NULL},
    {"an event another node knows",
     "getEvent",
     "",
     NULL,
     {"{\"eventId\":\"crt1\",\"batches\":[],\"from\":\"history\"}", NULL},
     "{\"eventId\":\"crt1\",\"batches\":[],\"from\":\"history\"}"},
    {"an event: who has read it tells, who sent it counts",
     "getEvent",
     "",
     "{\"eventId\":\"crt1\",\"batches\":[{\"path\":\"/\",\"firstEventId\":\"crt1\","
     "\"lastEventId\":\"crt1\",\"size\":\"1\",\"delivered\":true,\"position\":\"7\","
     "\"connections\":\"2\",\"written\":\"2\",\"recipients\":[{\"connectionId\":\"d1\"}]}],"
     "\"event\":{},\"from\":\"history\"}",
     {"{\"eventId\":\"crt1\",\"received\":{\"duplicates\":\"0\"},\"batches\":[{\"triggerId\":"
      "\"a\",\"path\":\"/\",\"firstEventId\":\"crt1\",\"lastEventId\":\"crt1\",\"size\":\"1\","
      "\"delivered\":false}],\"from\":\"memory\"}",
      "{\"eventId\":\"crt1\",\"batches\":[{\"path\":\"/\",\"firstEventId\":\"crt1\","
      "\"lastEventId\":\"crt1\",\"delivered\":true,\"connections\":\"1\",\"written\":\"1\","
      "\"recipients\":[{\"connectionId\":\"d2\"}]},{\"path\":\"/more\",\"firstEventId\":\"crt1\","
      "\"lastEventId\":\"crt2\"}],\"from\":\"history\"}"},
     "{\"eventId\":\"crt1\",\"received\":{\"duplicates\":\"0\"},\"batches\":[{\"triggerId\":\"a\","
     "\"pat"
     "h\":\"/"
     "\",\"firstEventId\":\"crt1\",\"lastEventId\":\"crt1\",\"size\":\"1\",\"position\":\"7\",\"rec"
     "ipients\":[{\"connectionId\":\"d1\"},{\"connectionId\":\"d2\"}],\"connections\":\"3\","
     "\"writte"
     "n\":\"3\",\"delivered\":true},{\"path\":\"/"
     "more\",\"firstEventId\":\"crt1\",\"lastEventId\":\"cr"
     "t2\"}],\"from\":\"memory\",\"event\":{}}"},
    {"a dry run where the registry is known",
     "dryRunRegistry",
     "",
     "{\"derived\":1}",
     {NULL, "{\"derived\":0}"},
     "{\"derived\":0}"},
    {"a dry run of a registry nobody knows", "dryRunTriggers", "", "{}", {NULL, NULL}, NULL},
};

static cJSON *parse(const char *text)
{
    cJSON *json = text == NULL ? NULL : cJSON_Parse(text);
    assert_true(text == NULL || json != NULL);
    return json;
}

static void test_merging(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct peer_rule *rule = peer_rule_find(CASES[i].operation);
        struct peer_answer at[3] = {{"n0", parse(CASES[i].own)},
                                    {"n1", parse(CASES[i].others[0])},
                                    {"n2", parse(CASES[i].others[1])}};
        struct peer_answers answers = {at, ARRAY_LEN(at), CASES[i].query};
        assert_non_null(rule);
        cJSON *got = rule->merge(&answers), *wanted = parse(CASES[i].merged);
        char *text = cJSON_PrintUnformatted(got), *wanted_text = cJSON_PrintUnformatted(wanted);
        if (wanted == NULL ? got != NULL : strcmp(text, wanted_text) != 0)
            fail_msg("%s: %s", CASES[i].name, text);
        cJSON_free(text);
        cJSON_free(wanted_text);
        cJSON_Delete(got);
        cJSON_Delete(wanted);
        for (size_t k = 0; k < ARRAY_LEN(at); k++)
            cJSON_Delete(at[k].json);
    }
}

static void test_rules(void **state)
{
    (void) state;
    assert_null(peer_rule_find("listTriggers"));
    assert_null(peer_rule_find(""));
    assert_int_equal(peer_rule_find("getEvent")->when, PEER_ANYWHERE);
    assert_int_equal(peer_rule_find("dryRunTrigger")->when, PEER_ELSEWHERE);
    assert_int_equal(peer_rule_find("listEvents")->when, PEER_ALWAYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merging),
        cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
