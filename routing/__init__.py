"""Routing: who waits, who is free, who is reserved for whom.

A small kernel of Redis functions moves items and seats between opaque classes; the policy that names the
classes is plain Python. Knows nothing of calls, rooms or people: only ids, class names and times.
"""
