#!/bin/sh
# The same for a shell: `golive guard` asks, says why not, and ends with 1; with a command it becomes that command.
set -eu

# one question, one answer: good for a batch job, far too slow for an order (a fifth of a second)
if golive guard; then
    echo "real trading is permitted at this moment"
fi

# exit status, signals and process id are those of the command from here on
exec golive guard -- "$@"
