#!/usr/bin/env bash
# Start the desk again if it died; never over a stop that somebody made, and never a second one beside the first.
#   self_heal.sh [--home DIR] -- COMMAND …
set -eu
home="$(cd "$(dirname "$0")/../.." && pwd)"
while [ $# -gt 0 ]; do
  case "$1" in
    --home) home="$2"; shift 2 ;;
    --) shift; break ;;
    *) echo "usage: self_heal.sh [--home DIR] -- COMMAND …" >&2; exit 2 ;;
  esac
done
if [ -e "$home/EMERGENCY_STOP" ]; then
  echo "stopped on purpose, not started: $home/EMERGENCY_STOP"
  exit 1
fi
if [ -e "$home/desk.pid" ] && pid="$(cat "$home/desk.pid")" && [ -d "/proc/$pid" ]; then
  echo "process $pid is alive"
  exit 0
fi
[ $# -gt 0 ] || { echo "dead, and no command was given to start it" >&2; exit 1; }
echo "starting: $*"
exec "$@"
