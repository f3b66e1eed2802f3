"""Real sockets and real time: what moves the nodes' frames between processes."""
