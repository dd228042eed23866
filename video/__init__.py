"""Video: rooms, participants and forwarding over aiortc. Knows nothing of SQL, queues or Asterisk."""
