"""The configuration Asterisk runs with, as templates with few variables.

`@{name}` is replaced when `ivr.server.config` renders a file; everything else is Asterisk's own syntax, so
that the dialplan's `${...}` reads as it does in Asterisk's manual. Every file ending in `.conf` is a
template; `trunk.part` is the part of `pjsip.conf` that is written once for each trunk.
"""
