"""``python -m video.native``: compile the C path now rather than at the first use. ``--quiet`` never fails."""

import sys

from video.native.build import NotBuilt, load

try:
    module = load()
except NotBuilt as reason:
    print(f"the video bridge will forward in plain Python: {reason}", file=sys.stderr)
    sys.exit(0 if "--quiet" in sys.argv else 1)
if "--quiet" not in sys.argv:
    print(module.__file__)
