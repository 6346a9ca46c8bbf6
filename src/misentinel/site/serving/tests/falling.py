"""A child for the supervisor's tests: `falls CODE`, `stays`, `stays-deaf` (it does not heed SIGTERM)."""

from __future__ import annotations

import signal
import sys
import time

from misentinel.site.serving.children import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    if sys.argv[1] == "falls":
        print("the reason why it fell", file=sys.stderr)
        sys.exit(int(sys.argv[2]))
    if sys.argv[1] == "stays-deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
