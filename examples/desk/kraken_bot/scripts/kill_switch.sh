#!/usr/bin/env bash
# Stop all trading at once: write the stop file, which every order is held against, and with --process also end the desk.
#   kill_switch.sh [--home DIR] [--process]
set -eu
home="$(cd "$(dirname "$0")/../.." && pwd)"
process=no
while [ $# -gt 0 ]; do
  case "$1" in
    --home) home="$2"; shift 2 ;;
    --process) process=yes; shift ;;
    *) echo "usage: kill_switch.sh [--home DIR] [--process]" >&2; exit 2 ;;
  esac
done
stop="$home/EMERGENCY_STOP"
if [ -e "$stop" ]; then
  echo "trading is stopped already: $stop"
else
  printf 'kill_switch.sh, %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$stop"
  echo "trading stopped: $stop"
fi
if [ "$process" = yes ]; then
  pid="$(cat "$home/desk.pid")"
  if ! tr '\0' ' ' < "/proc/$pid/cmdline" | grep -q 'examples\.desk'; then
    echo "process $pid is not the desk; nothing was ended" >&2
    exit 1
  fi
  kill -TERM "$pid"
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
    if [ ! -d "/proc/$pid" ] || grep -q '^State:[[:space:]]*Z' "/proc/$pid/status"; then
      echo "process $pid ended"
      exit 0
    fi
    sleep 0.2
  done
  echo "process $pid does not end" >&2
  exit 1
fi
