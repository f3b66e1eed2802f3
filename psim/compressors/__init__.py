"""Compressors: one file per family; a file declares its name and its parameters."""
