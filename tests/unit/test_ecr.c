/* The adapter of AWS ECR: expectations are from the Amazon ECR User Guide, "Amazon ECR events and
 * EventBridge". */
#include "adapter_bed.h"

static const struct bed BED = {.source = &SOURCE_ECR};

#define AT    " at=2024-05-01T09:00:00Z"
#define IMAGE "team/app digest=" DIGEST

static void test_samples(void **state)
{
    (void) state;
    static const struct bed_sample SAMPLES[] = {
        {"ecr/push-tag.http",
         "push " IMAGE " tag=latest id=13cde686-328b-6117-af20-0e5566167482" AT "\n",
         "source aws.ecr"},
        {"ecr/push-tag-with-media-types.http",
         "push " IMAGE " tag=v1 id=4f5ec4d5-4de4-7aad-a046-56d5cfe1df0e" AT "\n", "source aws.ecr"},
        {"ecr/delete-tag.http",
         "delete-tag " IMAGE " tag=latest id=dd3b46cb-2c74-f49e-393b-28286b67279d"
         " at=2024-05-01T10:00:00Z certain\n",
         "source aws.ecr"},
        {"ecr/replicate-other-detail-type.json",
         "push " IMAGE " tag=3.17.2 id=c8b133b1-6029-ee73-e2a1-4f466b8ba999" AT "\n",
         "source aws.ecr"},
        {"ecr/pull-through-cache-other-detail-type.json",
         "push docker-hub/alpine digest=" DIGEST
         " tag=3.17.2 id=85fc3613-e913-7fc4-a80c-a3753e4aa9ae" AT "\n",
         "source aws.ecr"},
        {"ecr/scan-ignore.json", "ignored scan\n", "source aws.ecr"},
        {"ecr/update-storage-class-ignore.json", "ignored unknown_action\n", "source aws.ecr"},
    };
    bed_samples(&BED, SAMPLES, ARRAY_LEN(SAMPLES));
}

#define BODY                                                                                       \
    "{\"version\":\"0\",\"id\":\"e1\",\"detail-type\":\"ECR Image "                                \
    "Action\",\"source\":\"aws.ecr\","                                                             \
    "\"account\":\"123456789012\",\"time\":\"2024-05-01T09:00:00Z\",\"region\":\"us-west-2\","     \
    "\"resources\":[],\"detail\":{\"result\":\"SUCCESS\",\"repository-name\":\"team/app\","        \
    "\"image-digest\":\"" DIGEST "\",\"action-type\":\"PUSH\",\"image-tag\":\"v1\"}}"
#define TAG    "\"image-tag\":\"v1\""
#define ACTION "\"action-type\":\"PUSH\",\"image-tag\":\"v1\""
#define OCI    "application/vnd.oci.image."

static void test_changes(void **state)
{
    (void) state;
    static const struct bed_change CHANGES[] = {
        {"e1", "e1", "push " IMAGE " tag=v1 id=e1" AT "\n"},
        {TAG, "\"image-tag\":\"\"", "push " IMAGE " id=e1" AT "\n"},
        {TAG, "\"image-tag\":null", "push " IMAGE " id=e1" AT "\n"},
        {"," TAG, "", "push " IMAGE " id=e1" AT "\n"},
        {"\"image-digest\":\"" DIGEST "\",", "", "push team/app tag=v1 id=e1" AT "\n"},
        {ACTION, "\"action-type\":\"DELETE\"", "delete-digest " IMAGE " id=e1" AT " certain\n"},
        {ACTION, "\"action-type\":\"DELETE\",\"image-tag\":\"\"",
         "delete-digest " IMAGE " id=e1" AT " certain\n"},
        {"\"PUSH\"", "\"DELETE\"", "delete-tag " IMAGE " tag=v1 id=e1" AT " certain\n"},
        {"SUCCESS", "FAILURE", "ignored no_success\n"},
        {"PUSH", "push", "ignored unknown_action\n"},
        {"ECR Image Action", "ECR Referrer Action", "ignored unknown_type\n"},
        {"ECR Image Action", "AWS API Call via CloudTrail", "ignored unknown_type\n"},
        {"2024-05-01T09:00:00Z", "noon", "push " IMAGE " tag=v1 id=e1\n"},
        /* a chart, a layer, an index */
        {TAG, TAG ",\"artifact-media-type\":\"application/vnd.cncf.helm.config.v1+json\"",
         "ignored no_image\n"},
        {TAG, TAG ",\"manifest-media-type\":\"application/octet-stream\"", "ignored no_image\n"},
        {TAG, TAG ",\"manifest-media-type\":\"" OCI "index.v1+json\",\"artifact-media-type\":\"\"",
         "push " IMAGE " tag=v1 id=e1" AT "\n"},
        {TAG, TAG ",\"artifact-media-type\":\"application/vnd.docker.container.image.v1+json\"",
         "push " IMAGE " tag=v1 id=e1" AT "\n"},
    };
    bed_changes(&BED, BODY, CHANGES, ARRAY_LEN(CHANGES));
}

static void test_wrong(void **state)
{
    (void) state;
    static const struct bed_change CHANGES[] = {
        {"\"e1\"", "1", "aside id\n"},
        {"\"ECR Image Action\"", "[]", "aside detail-type\n"},
        {"\"ECR Image Action\"", "\"\"", "aside detail-type\n"},
        {"\"aws.ecr\"", "\"aws.ec2\"", "refused source\n"},
        {"\"aws.ecr\"", "{}", "refused source\n"},
        {"\"SUCCESS\"", "true", "aside result\n"},
        {"\"SUCCESS\"", "\"\"", "aside result\n"},
        {"\"PUSH\"", "0", "aside action\n"},
        {"\"PUSH\"", "\"\"", "aside action\n"},
        {"\"team/app\"", "\"Team/App\"", "aside repository\n"},
        {"\"team/app\"", "\"\"", "aside repository\n"},
        {"\"team/app\"", "[\"team/app\"]", "aside repository\n"},
        {"\"" DIGEST "\"", "\"sha256:0\"", "aside digest\n"},
        {"\"" DIGEST "\"", "7", "aside digest\n"},
        {"\"v1\"", "\"v 1\"", "aside tag\n"},
        {"\"v1\"", "1", "aside tag\n"},
        {"\"image-digest\":\"" DIGEST "\",\"action-type\":\"PUSH\"," TAG,
         "\"action-type\":\"PUSH\"", "aside digest\n"},
        {"\"detail\":{", "\"detail\":[],\"more\":{", "aside result\n"},
        {"\"detail\":{", "\"more\":{", "aside result\n"},
        {"{\"version\"", "[{\"version\"", "refused syntax\n"},
        {BODY, "[]", "refused source\n"},
        {BODY, "null", "refused source\n"},
        {BODY, "", "refused syntax\n"},
        {BODY, "{}", "refused source\n"},
    };
    bed_changes(&BED, BODY, CHANGES, ARRAY_LEN(CHANGES));
    bed_truncated(&BED, BODY);
    bed_broken(&BED, BODY, "refused ", "", "");
    static const struct bed OTHER = {.source = &SOURCE_ECR,
                                     .content_type = "application/json; charset=utf-16"};
    assert_string_equal(bed_run(&OTHER, BODY, strlen(BODY)), "refused charset\n");
}

/* As Argo CD Image Updater documents it, and a delete in the same manner. */
#define EVENT                                                                                      \
    "{\"specversion\":\"1.0\",\"id\":\"e1\",\"type\":\"com.amazon.ecr.image.push\","               \
    "\"source\":\"urn:aws:ecr:us-east-1:123456789012:repository/team/app\","                       \
    "\"subject\":\"team/app:v1\",\"time\":\"2024-05-01T09:00:00Z\","                               \
    "\"datacontenttype\":\"application/json\",\"data\":{\"repositoryName\":\"team/app\","          \
    "\"imageDigest\":\"" DIGEST "\",\"imageTag\":\"v1\",\"registryId\":\"123456789012\"}}"

static void test_transformed(void **state)
{
    (void) state;
    static const struct bed_change CHANGES[] = {
        {"e1", "e1", "push " IMAGE " tag=v1 id=e1" AT "\n"},
        {"image.push", "image.delete", "delete-tag " IMAGE " tag=v1 id=e1" AT " certain\n"},
        {"image.push", "image.scan", "ignored unknown_type\n"},
        {"\"v1\"", "\"\"", "push " IMAGE " id=e1" AT "\n"},
        {"\"v1\"", "5", "aside tag\n"},
        {"image.push\",\"source", "image.delete\",\"SOURCE", "aside source\n"},
        {"\"data\"", "\"datum\"", "aside repository\n"},
        {"\"data\":{", "\"data\":7,\"more\":{", "aside repository\n"},
        {"\"specversion\":\"1.0\"", "\"specversion\":\"2.0\"", "aside specversion\n"},
    };
    bed_changes(&BED, EVENT, CHANGES, ARRAY_LEN(CHANGES));
    char *untagged = bed_changed(EVENT, "\"imageTag\":\"v1\",", "");
    static const struct bed_change DELETE[] = {
        {"image.push", "image.delete", "delete-digest " IMAGE " id=e1" AT " certain\n"}};
    bed_changes(&BED, untagged, DELETE, 1);
    free(untagged);

    const struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                       .body = SLICE_LIT(EVENT)};
    const char *known_by = NULL;
    assert_ptr_equal(source_detect(&req, &known_by), &SOURCE_ECR);
    assert_string_equal(known_by, "CloudEvent type");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_transformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
