# config.sh - regcast's configuration for a scenario. Sourced by scripts/bench; needs its $work and
# $data, and scenarios.sh.
# shellcheck shell=bash disable=SC2034,SC2154

# One message per event and one trigger; the path, its history and its policy for slow consumers are
# the defaults. Only envelopes of 1,000 events need a larger body limit than real registries do, and
# webhooks get fewer of the descriptors than they would, so that there are 19,000 for clients.
#
# For ingest there are two triggers: what is posted goes to a path of its own, and the clients get
# other messages; with the audience "all" they get what is posted, and those that cannot follow skip.
# The catalog has room for all of it: an image that is forgotten is work that the reference has not.
# For the restart, history keeps everything.
#
# For --paths: as many paths, and a trigger for each. For --quiet: a second path with a trigger.
# For --prefill (with and without --stalled): as little is kept for those behind as may be, so that it
# is used up at once, and they skip instead of being closed, or nobody would be stalled any more when
# it is measured; sockets are small, or the kernel would hold minutes of messages for each of them.
# For --triggers: as many, of which one fires, and a management listener; for gRPC its own. Nobody has
# to say who he is.
# For --consoles: a management listener, too.
# For --tls: with the certificate that scripts/bench has made.
# For overload: so much that a run reaches the policy, which is to close.
write_config() { # SERVER PATTERN BATCH WORKERS [OPTION]...
    local server=$1 pattern=$2 batch=$3 workers=$4 engine=embedded defaults='' catalog='' more='' manage='' grpc=''
    local store=$data/store i n paths=('"/"')
    shift 4
    [ "$server" != memory ] || engine=memory
    n=$(option_of --paths "$@")
    case "$pattern $*" in
        ingest*"--audience all"*) paths=('{ path: "/", slow_consumer: skip }') ;;
        ingest*) paths=('"/"' '"/ingest"') ;;
        restart*)
            store=$data/kept # the other scenarios begin with an empty one
            defaults='defaults: { history_count: 2000000, history_bytes: 4GiB, memory_bytes: 16MiB }'
            ;;
        *--prefill*)
            defaults='defaults: { slow_consumer: skip, history_bytes: 1MiB, memory_bytes: 1MiB, max_lag_bytes: 1MiB }'
            more='send_buffer_bytes: 32KiB'
            ;;
        overload*) defaults='defaults: { memory_bytes: 8MiB, max_lag_bytes: 8MiB }' ;;
        *--deflate*) more='deflate: true' ;;
    esac
    if [ -n "$n" ]; then
        paths=()
        for ((i = 0; i < n; i++)); do printf -v "paths[$i]" '"/%04d"' "$i"; done
    fi
    [ -z "$(option_of --triggers "$@")$(option_of --consoles "$@")" ] || manage='"127.0.0.1:0"'
    [ -z "$(option_of --tls "$@")" ] || more="tls: { certificates: [{ certificate_file: $work/certificate.pem, private_key_file: $work/key.pem }] }"
    [ "$pattern" != grpc ] || grpc='"127.0.0.1:0"'
    [ -z "$(option_of --quiet "$@")" ] || paths+=('"/quiet"')
    case $pattern$n in
        one | burst | rate | idle | accept | grpc | restart) ;;
        *) catalog='catalog: { max_images: 4000000, max_tags: 4000000 }' ;;
    esac
    cat >"$work/regcast.yaml" <<END
folder_id: b1gfolder00000000001
cloud_id: b1gcloud000000000001
data_dir: $store
engine: $engine
gateway:
  id: d5dgateway0000000001
  listen: ["127.0.0.1:0"]
  workers: $workers
  max_connections: 100000
  paths: [$(IFS=, && printf '%s' "${paths[*]}")]
  $defaults
  $more
management: { listen: [$manage], grpc_listen: [$grpc] }
webhooks:
  listen: ["127.0.0.1:0"]
  max_body_bytes: 16MiB
  max_inflight_bytes: 64MiB
  max_connections: 200
$catalog
registries:
  - { id: crtregistry000000001, kind: distribution }
service_accounts:
  - { id: ajebroadcaster000001, roles: [api-gateway.websocketBroadcaster] }
triggers:
END
    write_triggers "$batch" "$@" >>"$work/regcast.yaml"
}

write_triggers() { # BATCH [OPTION]...; uses write_config's pattern, paths and n
    local batch=$1 i name listed
    shift
    listed=$(option_of --triggers "$@")
    if [[ "${paths[*]}" == *ingest* ]]; then
        write_trigger clients bench/app 1 /
        write_trigger bench bench/ingest "$batch" /ingest
    elif [ -n "$n" ]; then
        for ((i = 0; i < n; i++)); do
            printf -v name '%04d' "$i"
            if [ "$(option_of --to "$@")" = all ]; then
                write_trigger "bench-$name" "" "$batch" "/$name"
            else
                write_trigger "bench-$name" "bench/app-$name" "$batch" "/$name"
            fi
        done
    elif [[ "${paths[*]}" == *quiet* ]]; then
        write_trigger clients bench/app "$batch" /
        write_trigger quiet bench/quiet 1 /quiet
    else
        write_trigger bench "" "$batch" /
    fi
    for ((i = 1; i < ${listed:-1}; i++)); do write_trigger "listed-$i" "bench/listed-$i" 1 /; done
}

write_trigger() { # NAME REPOSITORY BATCH PATH
    cat <<END
  - name: $1
    rule:
      container_registry:
        event_type: [CREATE_IMAGE]
        registry_id: crtregistry000000001
        image_name: "$2"
        batch_settings: { size: $3, cutoff: 1s }
        gateway_websocket_broadcast:
          { gateway_id: d5dgateway0000000001, path: $4, service_account_id: ajebroadcaster000001 }
END
}
