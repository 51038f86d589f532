"""How long the product takes to load the lists of the project in the working folder; prints JSON.

The garbage collector is off meanwhile, as it is in the gate itself.
"""

from __future__ import annotations

import gc
import json
import time
from pathlib import Path

from pytest_golive import checklist, config, probes

settings = config.load(Path("golive.yaml").absolute())
paths = checklist.find(settings.checklists, settings.root, "golive.yaml")
for kind in ("env", "permissions"):
    probes.kind(kind)
gc.disable()
began = time.perf_counter()
loaded = checklist.load(paths, root=settings.root, variables=settings.target.variables)
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "items": sum(len(one.items) for one in loaded), "files": len(paths)}))
