// What has to be entered in a registry so that it posts its webhooks here, by kind: short, to copy. The long form is in
// docs/registries.md. (pure)

const TOKEN = 'TOKEN'; // a line in token_file
const SECRET = 'SECRET'; // a line in signature_secret_file
const json = (value) => JSON.stringify(value, null, 2);

// Each kind: `where`, a key of the text that says where; `code`, a function of the address that gives the lines; `hook`:
// it can only show an address with a token in it.
const KINDS = {
    distribution: {
        where: 'setup.distribution',
        code: (url) => `notifications:
  endpoints:
    - name: regcast
      url: ${url}
      headers:
        Authorization: [Bearer ${TOKEN}]
      timeout: 3s
      threshold: 3
      backoff: 5s
      ignoredmediatypes: [application/octet-stream]
      ignore:
        actions: [pull]`,
    },
    gitlab: {
        where: 'setup.gitlab',
        code: (url) => `registry['notifications'] = [
  {
    'name' => 'regcast',
    'url' => '${url}',
    'timeout' => '3s',
    'maxretries' => 10,
    'backoff' => '5s',
    'headers' => { 'Authorization' => ['Bearer ${TOKEN}'] }
  }
]`,
    },
    harbor: {
        where: 'setup.harbor',
        code: (url) =>
            `curl -u admin https://HARBOR/api/v2.0/projects/PROJECT/webhook/policies -H 'Content-Type: application/json' -d '${json({
                name: 'regcast',
                enabled: true,
                event_types: ['PUSH_ARTIFACT', 'DELETE_ARTIFACT'],
                targets: [{ type: 'http', payload_format: 'CloudEvents', auth_header: `Bearer ${TOKEN}`, address: url }],
            })}'`,
    },
    dockerhub: { where: 'setup.dockerhub', hook: true, code: (url) => url },
    github: {
        where: 'setup.github',
        code: (url) => `gh api orgs/ORGANISATION/hooks -f name=web -F active=true -f 'events[]=package' \\
    -f 'config[url]=${url}' \\
    -f 'config[content_type]=json' -f 'config[secret]=${SECRET}'`,
    },
    quay: { where: 'setup.quay', hook: true, code: (url) => url },
    zot: {
        where: 'setup.zot',
        code: (url) =>
            json({
                extensions: {
                    events: {
                        enable: true,
                        sinks: [{ type: 'http', address: url, timeout: '5s', headers: { Authorization: `Bearer ${TOKEN}` } }],
                    },
                },
            }),
    },
    ecr: {
        where: 'setup.ecr',
        code: (url) => `connection=$(aws events create-connection --name regcast --authorization-type API_KEY --query ConnectionArn --output text \\
    --auth-parameters "ApiKeyAuthParameters={ApiKeyName=x-api-key,ApiKeyValue=${TOKEN}}")
destination=$(aws events create-api-destination --name regcast --connection-arn "$connection" --http-method POST \\
    --invocation-endpoint ${url} --query ApiDestinationArn --output text)
aws events put-rule --name regcast --event-pattern '{"source":["aws.ecr"],"detail-type":["ECR Image Action"]}'
aws events put-targets --rule regcast --targets "Id=regcast,Arn=$destination,RoleArn=ROLE_THAT_MAY_INVOKE_IT"`,
    },
    acr: {
        where: 'setup.acr',
        code: (url) => `az acr webhook create --registry REGISTRY --name regcast --actions push delete \\
    --uri ${url} --headers "Authorization=Bearer ${TOKEN}"`,
    },
    'google-artifact-registry': {
        where: 'setup.google',
        code: (url) => `gcloud pubsub topics create gcr --project PROJECT
gcloud pubsub subscriptions create regcast --topic gcr --project PROJECT \\
    --push-endpoint ${url} \\
    --push-auth-service-account SERVICE_ACCOUNT \\
    --push-auth-token-audience AUDIENCE \\
    --ack-deadline 30 --message-retention-duration 7d --expiration-period never`,
    },
    artifactory: {
        where: 'setup.artifactory',
        code: (url) =>
            `curl -u admin https://PLATFORM/event/api/v1/subscriptions -H 'Content-Type: application/json' -d '${json({
                key: 'regcast',
                enabled: true,
                event_filter: {
                    domain: 'docker',
                    event_types: ['pushed', 'deleted'],
                    criteria: { anyLocal: true, anyRemote: false, repoKeys: [], includePatterns: [], excludePatterns: [] },
                },
                handlers: [{ handler_type: 'webhook', url, secret: SECRET, use_secret_for_signing: true }],
            })}'`,
    },
    nexus: { where: 'setup.nexus', code: (url) => `Repository:  DOCKER_REPOSITORY\nEvent types: component\nURL:         ${url}\nSecret key:  ${SECRET}` },
    gitea: {
        where: 'setup.gitea',
        code: (url) =>
            `curl https://GITEA/api/v1/orgs/ORGANISATION/hooks -H 'Authorization: token GITEA_TOKEN' -H 'Content-Type: application/json' -d '${json({
                type: 'gitea',
                active: true,
                events: ['package'],
                config: { url, content_type: 'json', secret: SECRET },
            })}'`,
    },
    yandex: { where: 'setup.yandex', code: (url) => `REGCAST_URL=${url}\nREGCAST_TOKEN=${TOKEN}` },
    cloudevents: {
        where: 'setup.cloudevents',
        code: (url) =>
            `curl ${url} -H 'Authorization: Bearer ${TOKEN}' -H 'Content-Type: application/cloudevents+json' -d '${json({
                specversion: '1.0',
                id: 'build-1',
                source: '/ci/app',
                type: 'yandex.cloud.events.containerregistry.CreateImageTag',
                data: { repository_name: 'team/app', tag: 'v1', image_digest: '' },
            })}'`,
    },
    generic: {
        where: 'setup.generic',
        code: (url) => `curl ${url} -H 'Authorization: Bearer ${TOKEN}' -H 'Content-Type: application/json' --data-binary @body.json`,
    },
};

export const kinds = Object.keys(KINDS);

// An address that a registry elsewhere can reach: where we listen on all addresses, the page's own host. (pure)
export function reachable(url, host) {
    return String(url).replace(/^(https?:\/\/)(?:0\.0\.0\.0|\[::\])(?=[:/]|$)/, (_, scheme) => scheme + host);
}

// The set-up of a registry of GET /registries/v1/registries: {where, code}; null: nothing is known of its kind.
export function setup(registry, host) {
    const kind = KINDS[registry.kind || 'distribution'];
    const urls = (registry.eventsUrls ?? []).map((one) => reachable(one, host));
    if (!kind || !Object.hasOwn(KINDS, registry.kind || 'distribution') || urls.length === 0) return null;
    const url = (kind.hook && urls.find((one) => one.includes('/hook/'))) || urls[0];
    return { where: kind.where, code: kind.code(url), url };
}
