# What the scripts in this folder share. Sourced, not run.
#
#   start/NAME DIR DURABILITY PORT..
#
# installs what is missing into the cache, by package name and at a pinned version; starts the peer on the
# loopback with its data in DIR; prints `ready PID VERSION`; and waits until its standard input ends. Then, and
# whenever it ends itself, it kills the peer: who started it need not live to do so.
# DURABILITY is `memory`, `cache` (an acknowledged event is in the page cache) or `fsync` (it is on disk).
set -euo pipefail

NAME=$(basename "$0")
CACHE="${TIDINGS_CACHE:-$HOME/.cache/tidings}/peers"
HOST=127.0.0.1
DIR=$(realpath "$1") DURABILITY=$2 PORT=$3
LOG=$DIR/log
PID=

die() { echo "$NAME: $*" >&2; exit 1; }

needs() { for program in "$@"; do command -v "$program" >/dev/null || die "needs $program"; done; }

finish() {
  [ -n "$PID" ] || return 0
  kill -KILL "$PID" 2>/dev/null || true
  wait "$PID" 2>/dev/null || true
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# serve COMMAND..: starts it, waits until the function `ready` says so, and stays.
serve() {
  "$@" >"$LOG" 2>&1 </dev/null &
  PID=$!
  for _ in $(seq 600); do
    [ -n "$(jobs -rp)" ] || { tail -n 20 "$LOG" >&2; PID=; die "ended while it started"; }
    if ready; then
      echo "ready $PID $VERSION"
      cat >/dev/null
      return
    fi
    sleep 0.2
  done
  die "not ready after two minutes: $(tail -n 5 "$LOG")"
}

logged() { grep -q "$1" "$LOG"; }
