# scenarios.sh - what scripts/bench measures. Sourced by it.
#
# A line: name, connections, pattern, seconds measured, servers, the trigger's batch size, then for
# the server workers=N (1) and pin=no (over all cores, and the load client too), and more options of
# bench_load, bench_ingest or grpc.mjs. Behind the bar is what it shows, for --list. "max" connections: as many
# as the file limit allows, 15000 at most. With the pattern "restart" the second column is how many
# events are stored; "grpc" ends after so many calls.
# shellcheck shell=bash disable=SC2034,SC2154

readonly FULL=(
    "one-1k       1000    one      4  naked,memory,nchan,ws,uws,regcast 1 | one message at a time: CPU per frame"
    "one-10k      10000   one      5  naked,memory,nchan,ws,uws,regcast 1 | the same"
    "burst-1k     1000    burst    3  naked,nchan,ws,uws,regcast 1 | 1,000 messages outstanding: CPU per frame, frames/s"
    "burst-10k    10000   burst    3  naked,regcast 1 --warmup 0 | the same"
    "rate-10k     10000   rate     10 naked,memory,nchan,ws,uws,regcast 1 --rate 10 | 10 messages/s: latency"
    "idle         max     idle     3  naked,nchan,ws,uws,regcast 1 | memory of a connection, wakeups"
    "accept       64      accept   4  naked,nchan,ws,uws,regcast 1 | handshakes/s, each connection dropped when it stands"
    "grow-100     100     one      3  naked,uws,regcast 1 | as one-*: CPU per frame against connections"
    "grow-1k      1000    one      3  naked,uws,regcast 1 |"
    "grow-5k      5000    one      4  naked,uws,regcast 1 |"
    "grow-10k     10000   one      4  naked,uws,regcast 1 |"
    "grow-19k     19000   one      6  naked,uws,regcast 1 |"
    "paths-1      10000   rate     5  regcast 1 --rate 3 --paths 1 | 10,000 connections over so many paths, each with messages of its own, all at the same pace"
    "paths-10     10000   rate     5  regcast 1 --rate 3 --paths 10 |"
    "paths-100    10000   rate     5  regcast 1 --rate 3 --paths 100 |"
    "paths-1000   10000   rate     5  regcast 1 --rate 3 --paths 1000 |"
    "quiet        10000   rate     10 memory,regcast 1 --rate 10 --quiet 8 | a path with 8 clients while the one with 10,000 is swept"
    "healthy-5k   5000    rate     10 regcast 1 --rate 10 --prefill 2500 --burst 500 | to compare the next one with: nobody is stalled"
    "stalled-5k   5000    rate     10 regcast 1 --rate 10 --prefill 2500 --burst 500 --stalled 5000 | 5,000 clients read, 5,000 have stopped"
    "workers-1    1000    burst    3  regcast 1 workers=1 pin=no --count-futex 1 | one worker, free to use both cores"
    "workers-2    1000    burst    3  regcast 1 workers=2 pin=no --count-futex 1 | two workers on the same cores"
    "plain-4k     5000    one      4  regcast 7 | messages of 4 KB"
    "deflate-4k   5000    one      4  regcast 7 --deflate 1 | the same messages, compressed"
    "rest-none    1000    rate     5  memory,regcast 1 --rate 100 --triggers 100 | to compare the next one with: nobody manages"
    "rest-1k      1000    rate     5  memory,regcast 1 --rate 100 --triggers 100 --lists 1010 | 1,000 clients get 100 messages/s while 100 triggers are listed 1,010 times/s"
    "consoles-0   1000    rate     5  memory,regcast 1 --rate 100 --consoles 0 | to compare the next one with: no console is open"
    "consoles-50  1000    rate     5  memory,regcast 1 --rate 100 --consoles 50 | 1,000 clients get 100 messages/s while 50 consoles have the feed open, of which 10 never read"
    "overload     1000    overload 12 regcast 1 --warmup 3 --quiet 8 --pinged 8 | twice the sustainable rate: do pings, handshakes, webhooks, /healthz answer?"
    "tls-one      1000    one      4  nchan,regcast 1 --tls 1.3 | one message at a time over TLS: CPU per frame"
    "tls-burst    1000    burst    3  nchan,regcast 1 --tls 1.3 | 1,000 messages outstanding: CPU per frame, frames per record"
    "tls-idle     2000    idle     3  nchan,regcast 1 --tls 1.3 | memory of an idle TLS connection"
    "tls12-idle   2000    idle     3  nchan,regcast 1 --tls 1.2 | the same with TLS 1.2"
    "tls-accept   64      accept   4  nchan,regcast 1 --tls 1.3 | handshakes of TLS and WebSocket: CPU of each, all of them full"
    "tls-resume   64      accept   4  nchan,regcast 1 --tls 1.3 --resume 1 | the same with a ticket"
    "tls12-accept 64      accept   4  nchan,regcast 1 --tls 1.2 | as tls-accept with TLS 1.2"
    "tls12-resume 64      accept   4  nchan,regcast 1 --tls 1.2 --resume 1 | the same with a ticket"
    "grpc         10      grpc     0  grpc-js,regcast 1 --calls 100000 --warmup 20000 --streams 10 | Health/Check, 100 calls at a time: CPU per call, memory"
    "ingest-1     1000    ingest   5  durable,regcast 100 --per-request 1 | webhooks of one event, on disk before they are answered"
    "ingest-1-b1  1000    ingest   5  durable,regcast 1 --per-request 1 | the same, each event a message"
    "ingest-1-all 1000    ingest   5  regcast 100 --per-request 1 --audience all | the same, to 1,000 clients"
    "ingest-50    1000    ingest   5  durable,regcast 100 --per-request 50 | webhooks of 50 events"
    "ingest-50-b1 1000    ingest   5  durable,regcast 1 --per-request 50 | the same, each event a message"
    "restart-1m   1000000 restart  0  regcast 1 | from the start to ready, with so many events stored"
)
readonly QUICK=(
    "one-200      200     one      0.5 naked,memory,regcast 1 --warmup 0.2"
    "burst-200    200     burst    0.5 naked,regcast 1 --warmup 0.2 --burst 200"
    "rate-200     200     rate     1   naked,regcast 1 --warmup 0.2 --rate 50"
    "idle-500     500     idle     1   naked,regcast 1 --warmup 0.2"
    "accept-q     16      accept   0.5 naked,regcast 1 --warmup 0.2"
    "paths-q      200     one      0.4 regcast 1 --warmup 0.1 --paths 20"
    "paths-q-all  200     one      0.4 regcast 1 --warmup 0.1 --paths 20 --to all"
    "quiet-q      500     rate     1   regcast 1 --warmup 0.2 --rate 10 --quiet 4"
    "stalled-q    100     rate     1   regcast 1 --warmup 0.2 --rate 20 --prefill 2500 --burst 500 --stalled 100"
    "workers-q    200     burst    0.5 regcast 1 workers=2 pin=no --warmup 0.2 --burst 200"
    "plain-q      200     one      0.4 regcast 7 --warmup 0.2"
    "deflate-q    200     one      0.4 regcast 7 --warmup 0.2 --deflate 1"
    "rest-q0      200     rate     1   memory,regcast 1 --warmup 0.2 --rate 50 --triggers 100"
    "rest-q       200     rate     1   memory,regcast 1 --warmup 0.2 --rate 50 --triggers 100 --lists 200"
    "consoles-q0  200     rate     1   memory,regcast 1 --warmup 0.2 --rate 50 --consoles 0"
    "consoles-q   200     rate     1   memory,regcast 1 --warmup 0.2 --rate 50 --consoles 20"
    "overload-q   100     overload 1.5 regcast 1 --warmup 0.5 --quiet 2 --pinged 2"
    "tls-q        200     burst    0.5 regcast 1 --warmup 0.2 --burst 200 --tls 1.3"
    "tls-q-resume 16      accept   0.5 regcast 1 --warmup 0.2 --tls 1.2 --resume 1"
    "grpc-q       4       grpc     0  grpc-js,regcast 1 --calls 2000 --warmup 500 --streams 10"
    "ingest-q     100     ingest   0.5 durable,regcast 10 --warmup 0.2 --per-request 1"
    "ingest-q-all 100     ingest   0.5 regcast 10 --warmup 0.2 --per-request 5 --audience all"
    "restart-20k  20000   restart  0   regcast 1"
)

scenario_list() {
    local scenario name connections pattern seconds has more
    printf '%-13s%11s  %-9s%7s  %s\n' name connections pattern seconds "what it shows, and servers"
    for scenario in "${FULL[@]}"; do
        read -r name connections pattern seconds has more <<<"${scenario%%|*}"
        printf '%-13s%11s  %-9s%7s  %s\n' "$name" "$connections" "$pattern" "$seconds" \
            "${scenario##*|}" | sed 's/  *$//'
        printf '%44s  %s\n' '' "${has//,/, }"
    done
}

# The value of an option in the rest of a scenario's line; nothing when it is not there.
option_of() { # OPTION [ARGUMENT]...
    local name=$1
    shift
    while [ $# -gt 0 ]; do
        if [ "$1" = "$name" ]; then
            printf '%s\n' "$2"
            return
        fi
        shift
    done
}
