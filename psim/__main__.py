"""``python -m psim``."""

from psim.cli import main

main()
