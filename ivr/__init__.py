"""Telephony: Asterisk over ARI, and every spoken piece of a call.

Knows nothing of SQL, browsers, video or Redis. Takes a ``Hotline`` and a ``Channel``, returns an ``Intake``.
"""
