"""The switchboard: one contact from arrival to record, whatever the medium.

Puts the three engines together (``ivr``: telephony, ``video``: rooms, ``routing``: who serves whom)
and owns what they do not know: SQL, browsers, volunteers and supervisors.
"""
