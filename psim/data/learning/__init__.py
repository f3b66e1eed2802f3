"""Data sets for networks: one file per source, each gives `psim.problems.examples.Learning`."""
