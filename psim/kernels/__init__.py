"""Arithmetic on long vectors: `plain` says it in numpy, and the compiled modules beside it say the
same, to the bit.

Compiled modules are imported where they are used: importing one imports numba.
"""
