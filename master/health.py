"""A master container's health check: is it waiting for workers, or in which round is it?"""

from __future__ import annotations

import sys
from pathlib import Path

from psim.launch.health import check

if __name__ == "__main__":
    check(Path(__file__).with_name("settings.yaml"), sys.argv[1:])
