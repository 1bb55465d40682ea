#!/bin/bash
# run.sh [PORT] - start the smallest example agent and send it a first request; Ctrl-C ends it.
#
# Takes the next free port when PORT (8080) is in use.
set -euo pipefail
. "$(dirname "$0")/common.sh"

AGENT=build/examples/minimal_agent
PORT_FIRST=${1:-8080}
PORTS_TRIED=50
START_SECONDS=10

case $PORT_FIRST in
*[!0-9]* | '') die "not a port: $PORT_FIRST" ;;
esac
[ -x "$AGENT" ] || die "$AGENT is not built; run make build"

port_in_use() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
    local port
    for ((port = PORT_FIRST; port < PORT_FIRST + PORTS_TRIED && port < 65536; port++)); do
        if ! port_in_use "$port"; then
            say "$port"
            return
        fi
    done
    die "no free port from $PORT_FIRST on"
}

child=''
stop() {
    trap '' INT TERM HUP
    if [ -n "$child" ] && kill -TERM "$child" 2>/dev/null; then
        wait "$child" || true
    fi
    say ''
    say 'The agent has stopped.'
    exit 0
}
trap stop INT TERM HUP

port=$(free_port)
[ "$port" = "$PORT_FIRST" ] || say "Port $PORT_FIRST is in use; taking $port."

# In a process group of its own: a Ctrl-C must reach the agent once, from here, and not twice.
set -m
"$AGENT" "$port" </dev/null &
child=$!
set +m

deadline=$((SECONDS + START_SECONDS))
until curl -fs -o /dev/null --max-time 2 "http://127.0.0.1:$port/ping"; do
    if ! kill -0 "$child" 2>/dev/null; then
        wait "$child" || die "$AGENT ended with status $?"
        die "$AGENT ended at once"
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
        kill -TERM "$child"
        die "no answer from http://127.0.0.1:$port/ping within $START_SECONDS seconds"
    fi
    sleep 0.05
done

request='{"prompt": "Hello!"}'
say ''
say "$AGENT answers on http://127.0.0.1:$port.  A first request:"
say ''
say "    curl http://127.0.0.1:$port/invocations -H 'Content-Type: application/json' -d '$request'"
say ''
if ! answer=$(curl -fsS --max-time 10 "http://127.0.0.1:$port/invocations" -H 'Content-Type: application/json' \
    -d "$request"); then
    kill -TERM "$child"
    die 'the first request failed'
fi
say "    $answer"
say ''
say 'It goes on serving; Ctrl-C stops it.'

status=0
wait "$child" || status=$?
child=''
say "The agent has ended with status $status."
exit "$status"
