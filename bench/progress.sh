# progress.sh - tells on the terminal which run is under way, how long the rest may take, and what came
# out. Sourced by scripts/bench; needs its $rounds, $servers and scenarios.

readonly RUN_OVERHEAD_S=4 # to start, connect, warm up, wait for quiet and stop, until it is known better
declare -A run_took=()    # seconds, by "scenario server"; the newest
runs_done=0 runs_all=0

# Those of a scenario's servers that take part.
chosen_of() { # SERVERS
    local server
    for server in ${1//,/ }; do
        [[ ,$servers, != *,$server,* ]] || echo "$server"
    done
}

# Seconds that the rest of round $1 and the rounds after it take, after the runs that are done.
seconds_left() {
    local scenario name seconds has server n=0 left=0 took
    for scenario in "${scenarios[@]}"; do
        read -r name _ _ seconds has _ <<<"$scenario"
        for server in $(chosen_of "$has"); do
            n=$((n + 1))
            took=${run_took["$name $server"]:-$((${seconds%.*} + RUN_OVERHEAD_S))}
            left=$((left + took * (rounds - $1)))
            [ $n -le $((runs_done - runs_all / rounds * ($1 - 1))) ] || left=$((left + took))
        done
    done
    echo $left
}

progress_start() {
    local scenario has
    for scenario in "${scenarios[@]}"; do
        read -r _ _ _ _ has _ <<<"$scenario"
        runs_all=$((runs_all + rounds * $(chosen_of "$has" | wc -l)))
    done
}

progress_run() { # ROUND SCENARIO SERVER
    local left
    left=$(seconds_left "$1")
    printf 'bench: %d/%d, round %d of %d, about %s left: %s, %s ... ' $((runs_done + 1)) $runs_all "$1" \
        "$rounds" "$([ "$left" -ge 90 ] && echo "$(((left + 30) / 60)) min" || echo "$left s")" "$2" "$3" >&2
}

progress_done() { # SCENARIO SERVER SECONDS RESULT
    run_took["$1 $2"]=$3
    runs_done=$((runs_done + 1))
    printf '%s\n' "$4" >&2
}
