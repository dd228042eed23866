"""Fixtures of the tests that use real servers."""

from tests.support.asterisk import asterisk

__all__ = ["asterisk"]
