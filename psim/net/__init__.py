"""The emulated network: arithmetic on instants (seconds) and sizes, without clock or socket."""
