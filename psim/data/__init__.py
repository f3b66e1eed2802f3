"""Data sets: finding, fetching, reading and splitting them, and opening a problem on them."""
