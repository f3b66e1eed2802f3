"""Master and worker hosts as state machines: frames in, frames out; no socket, no clock."""
