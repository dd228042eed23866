"""A day of the hotline in seconds: the policy and the kernel that run live, or Asterisk's app_queue, on one trace.

``day`` holds callers and roster as data, ``generate`` makes such a day, ``files`` reads and writes it as CSV,
``run`` lets it pass on our kernel, ``app_queue`` on a model of ``apps/app_queue.c``, ``figures`` says how it
was for the callers, ``plot`` draws it.
"""
