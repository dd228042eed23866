"""Figures for Prometheus. Labels name routes and outcomes, never people, numbers or contacts."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

REQUESTS = Counter(
    "switchboard_http_requests", "Answered requests.", ("method", "route", "status"), registry=REGISTRY
)
SECONDS = Histogram(
    "switchboard_http_seconds", "Time to answer, sockets left out.", ("route",), registry=REGISTRY
)
SOCKETS = Gauge("switchboard_sockets", "Open sockets.", ("route",), registry=REGISTRY)
SIGN_INS = Counter("switchboard_sign_ins", "Tries to sign in.", ("outcome",), registry=REGISTRY)
BACKLOG = Gauge("switchboard_records_backlog", "Events that wait for their commit.", registry=REGISTRY)
AWAY = Gauge(
    "switchboard_records_away_seconds", "For how long the database has not committed.", registry=REGISTRY
)
PART_OK = Gauge("switchboard_part_ok", "1 while a part works.", ("part",), registry=REGISTRY)

VIDEO = Gauge(
    "switchboard_video",
    "The video bridge: rooms, packets, what was dropped.",
    ("what",),
    registry=REGISTRY,
)

TASKS = Gauge(
    "switchboard_tasks", "Coroutines under way; a number that only grows is a leak.", registry=REGISTRY
)
TASKS.set_function(lambda: len(asyncio.all_tasks()))
