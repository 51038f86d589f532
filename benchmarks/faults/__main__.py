"""`python -m benchmarks.faults`: many mutations, kills and stops; ends with one line, and with 1 if any got through."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from benchmarks.faults.kills import kill
from benchmarks.faults.mutations import mutate
from benchmarks.faults.stops import stop


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it, and tell what got through."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description="What marker and guard must survive.")
    parser.add_argument("--mutations", type=int, default=100_000, metavar="N", help="changed markers (default: 100000)")
    parser.add_argument("--kills", type=int, default=1_000, metavar="N", help="killed processes (default: 1000)")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="how long eight processes stop and order (20)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="where chance begins (default: 7)")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    accepted = mutate(options.mutations, options.seed)
    for text in accepted:
        print(f"ACCEPTED {text!r}")
    print(f"{options.mutations} mutations in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    killed = kill(options.kills, options.seed)
    for wrong in killed.wrong:
        print(f"WRONG {wrong}")
    print(f"{killed.kills} kills in {time.monotonic() - began:.0f} s, {len(killed.steps)} different steps")
    stopped = stop(options.seconds, options.seed)
    print(
        f"mutations {options.mutations} accepted {len(accepted)} kills {killed.kills} wrong {len(killed.wrong)} "
        f"stops {stopped.stops} orders {stopped.orders} late {stopped.late}"
    )
    ran = stopped.stops and stopped.orders
    return 0 if ran and not (accepted or killed.wrong or stopped.late) else 1


if __name__ == "__main__":
    sys.exit(main())
