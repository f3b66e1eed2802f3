"""One process and no sockets: the same nodes, codec and timeline."""
