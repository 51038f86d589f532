"""`python -m pytest_golive.cli`: the `golive` command where its script is not on the PATH."""

import sys

from pytest_golive.cli import main

sys.exit(main())
