# Several nodes on this machine: three nats-servers, three regcastd and HAProxy before them, as conf/cluster
# has them. Sourced by scripts/run --cluster.

readonly CLUSTER=run/cluster
readonly NATS_SERVER=.deps/nats-server/usr/sbin/nats-server
declare -A cluster_pids=() # name -> process

# Runs a program under a name: its output goes to a log of its own, and Ctrl-C to this script alone.
cluster_start() { # NAME COMMAND...
    local name=$1
    shift
    setsid "$@" </dev/null >>"$CLUSTER/$name.log" 2>&1 &
    cluster_pids[$name]=$!
}

# Whether a GET on this machine is answered with 200.
cluster_answers() { # PORT PATH
    (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3 &&
        read -r -t 2 answer <&3 && [[ $answer == *" 200 "* ]]) 2>/dev/null
}

cluster_wait() { # NAME PORT PATH
    local i
    for ((i = 0; i < READY_WITHIN_S * 10; i++)); do
        ! cluster_answers "$2" "$3" || return 0
        kill -0 "${cluster_pids[$1]}" 2>/dev/null || break
        ! $interrupted || exit 1
        sleep 0.1
    done
    tail -n 20 "$CLUSTER/$1.log" >&2
    die "$1 is not ready (log: $CLUSTER/$1.log)"
}

# Those that take first, so that nothing comes that nobody would take any more; servers last.
cluster_stop() {
    local name group
    for group in haproxy node nats; do
        for name in "${!cluster_pids[@]}"; do
            [[ $name != "$group"* ]] || kill -TERM "${cluster_pids[$name]}" 2>/dev/null || true
        done
        for name in "${!cluster_pids[@]}"; do
            [[ $name != "$group"* ]] || wait_until_gone "${cluster_pids[$name]}" ||
                kill -KILL "${cluster_pids[$name]}" 2>/dev/null || true
        done
    done
}

# Secrets are made once; none may begin with a digit.
cluster_secrets() {
    local file
    for file in nats route system; do
        [ -s $CLUSTER/$file.password ] ||
            (umask 077 && printf 'p%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >$CLUSTER/$file.password)
    done
    REGCAST_NATS_PASSWORD=$(cat $CLUSTER/nats.password)
    NATS_SYSTEM_PASSWORD=$(cat $CLUSTER/system.password)
    NATS_ROUTE_PASSWORD=$(cat $CLUSTER/route.password)
    NATS_ROUTE_1=nats://route:$NATS_ROUTE_PASSWORD@127.0.0.1:6222
    NATS_ROUTE_2=nats://route:$NATS_ROUTE_PASSWORD@127.0.0.1:6223
    NATS_ROUTE_3=nats://route:$NATS_ROUTE_PASSWORD@127.0.0.1:6224
    export REGCAST_NATS_PASSWORD NATS_SYSTEM_PASSWORD NATS_ROUTE_PASSWORD NATS_ROUTE_{1,2,3}
}

cluster_print_use() {
    local post=http://localhost:8081/registries/crtregistry000000001/events
    cat <<END

Three nats-servers, three regcastd and HAProxy are running; their logs and data are in $CLUSTER.

            clients                registries             management             process
  HAProxy   ws://localhost:8080    http://localhost:8081  http://localhost:8082  ${cluster_pids[haproxy]}
  node-1    ws://localhost:8180    http://localhost:8181  http://localhost:8182  ${cluster_pids[node-1]}
  node-2    ws://localhost:8280    http://localhost:8281  http://localhost:8282  ${cluster_pids[node-2]}
  node-3    ws://localhost:8380    http://localhost:8381  http://localhost:8382  ${cluster_pids[node-3]}
  nats-servers at 127.0.0.1:4222, :4223 and :4224        processes ${cluster_pids[nats-1]}, ${cluster_pids[nats-2]}, ${cluster_pids[nats-3]}

To see an event go through HAProxy, and from one node to a client of another, in another terminal:

  $PWD/scripts/try ws://localhost:8080/ $post
  $PWD/scripts/try ws://localhost:8380/ ${post/8081/8181}

To see who is there, and what happens when one is not:

  $PWD/build/release/regcast nodes
  kill -9 ${cluster_pids[node-2]}

Ctrl-C stops all of them.
END
}

run_cluster() {
    local n name
    interrupted=false
    PATH=$PATH:/usr/sbin
    [ -x $NATS_SERVER ] || die "there is no $NATS_SERVER"
    ulimit -Sn "$(ulimit -Hn)" 2>/dev/null || true
    mkdir -p $CLUSTER
    cluster_secrets
    trap 'interrupted=true' INT TERM HUP
    trap cluster_stop EXIT

    for n in 1 2 3; do
        NATS_STORE=$PWD/$CLUSTER/nats-$n cluster_start nats-$n $NATS_SERVER -c conf/cluster/nats-$n.conf
    done
    for n in 1 2 3; do cluster_wait nats-$n $((8221 + n)) /healthz; done
    for n in 1 2 3; do cluster_start node-$n "$DAEMON" --config conf/cluster/regcast-$n.yaml; done
    for n in 1 2 3; do cluster_wait node-$n $((8081 + 100 * n)) /readyz; done
    cluster_start haproxy haproxy -db -f conf/cluster/haproxy.cfg
    cluster_wait haproxy 8081 /readyz

    cluster_print_use
    while ! $interrupted && [ ${#cluster_pids[@]} -gt 0 ]; do
        for name in "${!cluster_pids[@]}"; do
            kill -0 "${cluster_pids[$name]}" 2>/dev/null && continue
            echo "run: $name (process ${cluster_pids[$name]}) has ended; its log is $CLUSTER/$name.log"
            unset "cluster_pids[$name]"
        done
        sleep 0.5
    done
    echo "run: stopping"
}
