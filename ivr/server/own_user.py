"""Asterisk as a user of its own: root never answers the telephone where it can be helped.

Started by root, the child becomes a user without rights (PROMISES: Asterisk runs as its own user). The folders it
writes are given to that user; whether it can reach them and read its modules and sounds is tried before.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import structlog

from ivr.errors import AsteriskFailed
from ivr.server.config import ServerSettings

log = structlog.get_logger(__name__)

CANDIDATES = ("asterisk", "nobody")
_TRY = 'test -w "$1" && test -w "$2" && test -r "$3" && test -r "$4" && test -r "$5"'


def own_user(settings: ServerSettings, program: Path) -> pwd.struct_passwd | None:
    """Who Asterisk is to be, its folders made over to it; None: whoever we are.

    Raises AsteriskFailed when a user was named in the options and cannot be. Without one, the first of ``CANDIDATES``
    that can is taken, and that none can is a warning: a hotline that works as root is better than none.
    """
    wanted = settings.options.run_as
    if os.geteuid() != 0 or wanted == "root":
        return None
    for name in (wanted,) if wanted else CANDIDATES:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0 and _can_work(settings, program, user):
            return user
    if wanted:
        raise AsteriskFailed(
            f"Asterisk cannot run as the user {wanted}: there is none, or it cannot reach the data folder, the "
            "sounds or the program (each folder above them must be searchable by it)."
        )
    log.warning("asterisk.runs_as_root")
    return None


def _can_work(settings: ServerSettings, program: Path, user: pwd.struct_passwd) -> bool:
    folders = (settings.run_dir, settings.recordings_dir)
    before = os.stat(settings.run_dir)
    for folder in folders:
        folder.chmod(0o700)
        _give(folder, user.pw_uid, user.pw_gid)
    places = [*folders, settings.sounds_dir, settings.modules_dir, program]
    done = subprocess.run(
        ["/bin/sh", "-c", _TRY, "sh", *map(str, places)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        env={},
        check=False,
        stderr=subprocess.DEVNULL,
    )
    if done.returncode == 0:
        return True
    for folder in folders:
        _give(folder, before.st_uid, before.st_gid)
    return False


def _give(folder: Path, uid: int, gid: int) -> None:
    os.chown(folder, uid, gid)
    for place, names, files in os.walk(folder):
        for name in (*names, *files):
            os.chown(os.path.join(place, name), uid, gid, follow_symlinks=False)
