# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # real and lib come from the driver
#
# job.sh NAME - runs the job of one case in the current folder. tests/real/run starts it, once without and
# once with the library in LD_PRELOAD, so that bash itself and all that it starts run on the library, too.
#
# Environment: root (the checkout), real (tests/real), lib (the preloaded library, empty if none).
# What a job may use:
#   start PROGRAM ARGS...     a server in the background, its output in server.log; stopped when the job ends
#   server_pid                the process started last
#   loaded PID                ends the job if the library is not mapped into the process
#   wait_until COMMAND...     repeats the command until it succeeds; ends the job if it never does
#   free_port                 prints a port of loopback on which nobody listens
#   not_here WHY              ends the job: this machine does not allow it (the case is skipped)
#   digest                    sha256 of standard input, without a file name

set -eu -o pipefail
server_pids=()
server_pid=

fail() {
    echo "$*"
    exit 1
}

start() {
    "$@" >>server.log 2>&1 &
    server_pid=$!
    server_pids+=("$server_pid")
}

stop_servers() {
    local status=$? pid
    for pid in "${server_pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${server_pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    if [ "$status" -ne 0 ] && [ -s server.log ]; then
        tail -n 20 server.log >&2
    fi
}
trap stop_servers EXIT

# A server's end is part of the job: its status under the library must be that without it.
stop() {
    local status=0
    kill -TERM "$1"
    wait "$1" || status=$?
    echo "server ended with status $status"
}

loaded() {
    [ -z "$lib" ] || grep -qF "$lib" "/proc/$1/maps" ||
        fail "the library is not mapped into process $1 ($(<"/proc/$1/comm"))"
}

wait_until() {
    local try
    for ((try = 0; try < 300; try++)); do
        if "$@" >/dev/null 2>&1; then
            return
        fi
        if [ -n "$server_pid" ] && ! kill -0 "$server_pid" 2>/dev/null; then
            fail "the server ended early"
        fi
        sleep 0.1
    done
    fail "this never succeeded: $*"
}

free_port() {
    local port
    for ((port = 20000 + RANDOM % 10000; port < 32000; port++)); do
        if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    fail "no free port"
}

not_here() {
    echo "$*"
    exit 77
}

digest() {
    sha256sum | cut -d' ' -f1
}

# shellcheck source=/dev/null
. "$real/cases/$1.sh"
job
