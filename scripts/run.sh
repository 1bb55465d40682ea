#!/bin/bash
# run.sh [PORT] - start agentcored, deploy a sample agent on it, and send that a first request; Ctrl-C ends it.
#
# The state is kept in build/state or where RUN_STATE says, so a second run finds the agent of the first.  Takes the next
# free port when PORT (8484) is in use.  Where no network can be made for sandboxes (a container without /dev/net/tun),
# agents get none, which the sample does not need.
set -euo pipefail
. "$(dirname "$0")/common.sh"

DAEMON=build/agentcored
STATE=${RUN_STATE:-build/state}
AGENT=minimal_agent
NAME=sample_agent
PORT_FIRST=${1:-8484}
PORTS_TRIED=50
START_SECONDS=20

case $PORT_FIRST in
0* | *[!0-9]* | ??????* | '') die "not a port: $PORT_FIRST" ;;
esac
[ "$PORT_FIRST" -lt 65536 ] || die "not a port: $PORT_FIRST"
for program in "$DAEMON" build/examples/{$AGENT,deploy_agent,invoke_agent}; do
    [ -x "$program" ] || die "$program is not built; run make build"
done

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
    say 'agentcored has stopped.'
    exit 0
}
fail() {
    [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
    die "$@"
}
trap stop INT TERM HUP

port=$(free_port)
[ "$port" = "$PORT_FIRST" ] || say "Port $PORT_FIRST is in use; taking $port."

network=()
if "$DAEMON" check --data-dir "$STATE" | grep -E '^missing +(slirp4netns|tun-device) '; then
    network=(--session-network off)
    say 'So agents get no network here: they reach agentcored and nothing else (--session-network off).'
    say ''
fi

(umask 077 && mkdir -p "$STATE") # agentcored takes no directory that is open to others
scripts/make-image "build/examples/$AGENT" "$STATE/images/$NAME" >/dev/null

# In a process group of its own: a Ctrl-C must reach the daemon once, from here, and not twice.
set -m
"$DAEMON" --data-dir "$STATE" --listen "127.0.0.1:$port" --log-level warning "${network[@]}" </dev/null >/dev/null &
child=$!
set +m

deadline=$((SECONDS + START_SECONDS))
until curl -fs -o /dev/null --max-time 2 "http://127.0.0.1:$port/health"; do
    if ! kill -0 "$child" 2>/dev/null; then
        wait "$child" || die "$DAEMON ended with status $?"
        die "$DAEMON ended at once"
    fi
    [ "$SECONDS" -lt "$deadline" ] || fail "no answer from http://127.0.0.1:$port/health within $START_SECONDS seconds"
    sleep 0.05
done

exports=$("$DAEMON" env --data-dir "$STATE") || fail 'agentcored env failed'
eval "$exports"

say "agentcored serves on http://127.0.0.1:$port, its state is in $STATE."
say ''
say "Deploying build/examples/$AGENT as a container image:"
say ''
say "    scripts/make-image build/examples/$AGENT $STATE/images/$NAME"
say "    build/examples/deploy_agent $NAME $NAME"
say ''
arn=$(build/examples/deploy_agent "$NAME" "$NAME") || fail 'the sample agent could not be deployed'
say "    $arn"
say ''
say 'A first request; it starts a session in a sandbox of its own:'
say ''
say "    build/examples/invoke_agent $arn 'Hello!'"
say ''
answer=$(build/examples/invoke_agent "$arn" 'Hello!') || fail 'the first request failed'
printf '%s\n' "$answer" | sed 's/^/    /'
say ''
say 'To try next, in another terminal:'
say ''
say "    eval \"\$($DAEMON env --data-dir $STATE)\"     # points every AWS client here"
say "    build/examples/invoke_agent $arn 'Who are you?'"
say "    $DAEMON logs --data-dir $STATE ${arn##*/}     # what the agent wrote"
say '    python3 -c '"'"'import boto3; print(boto3.client("bedrock-agentcore-control").list_agent_runtimes())'"'"
say ''
say 'It goes on serving; Ctrl-C stops it.'

status=0
wait "$child" || status=$?
exit "$status"
