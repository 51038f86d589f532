#!/bin/sh
# Smoke test after a deployment: is everything that users touch there? Exit status 0 only if every check passed.
# Usage: smoke_test.sh [HOME_FOLDER]     (default: the folder above this one)
here=$(cd "$(dirname "$0")" && pwd) || exit 1
exec "${PYTHON:-python3}" -I "$here/smoke_test.py" "${1:-$here/..}"
