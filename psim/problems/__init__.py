"""Problems: what is optimized, given its data as arrays. Opening files is `psim.data`'s work."""
