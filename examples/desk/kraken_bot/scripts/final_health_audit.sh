#!/usr/bin/env bash
# The last audit before the mode is switched, and the first one after it. It reads; it changes nothing.
#   final_health_audit.sh [--dry-run]     IS_LIVE says which mode is meant; --dry-run refuses to look at a live one
set -u
here="$(cd "$(dirname "$0")" && pwd)"
python="${PYTHON:-python3}"
mode=paper
[ "${IS_LIVE:-false}" = true ] && mode=live
if [ "${1:-}" = --dry-run ] && [ "$mode" = live ]; then
  echo "audit refused: --dry-run with IS_LIVE=true" >&2
  exit 2
fi
status=0
echo "mode: $mode"
echo "== reconciliation and credentials"
"$python" "$here/reconcile.py" || status=1
echo "== closed trades"
"$python" "$here/validate_closed_trades.py" || status=1
if [ "$status" -eq 0 ]; then echo "audit complete: healthy"; else echo "audit complete: NOT healthy"; fi
exit "$status"
