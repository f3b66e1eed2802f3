"""Starting runs: worker processes on this machine, one run, many runs."""
