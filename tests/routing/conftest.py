"""Makes the routing fixtures known to the tests of this folder."""

from tests.support.routing import engine, routing_binary, routing_dir, routing_server

__all__ = ["engine", "routing_binary", "routing_dir", "routing_server"]
