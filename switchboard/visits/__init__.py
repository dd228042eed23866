"""Visits: villagers at terminals, in the same queue as the callers, talking in video rooms."""
