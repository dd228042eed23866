"""Every error the recording package raises.

    RecordingError
    +-- TrackInvalid          a session, participant or track name that no file may have
    +-- PacketMalformed       bytes that are no RTP or RTCP packet, or no payload of the codec they claim
    +-- TapeUnreadable        a tape without any whole block, or without its description
    +-- StillRunning          a tape is being written, or another process works in this folder
    +-- NothingRecorded       a folder without a single packet
    +-- ManifestInvalid       manifest or seal is missing or cannot be read
    +-- ComposeFailed         the film could not be made; the originals are untouched
    +-- Cancelled             the work was called off; what was half made is removed

`code` is stable and meant for programs; the text is for an operator and carries no personal data.
"""

from __future__ import annotations


class RecordingError(Exception):
    """Root of the tree. `code` names the error for programs."""

    code = "recording.error"


class TrackInvalid(RecordingError):
    code = "recording.track_invalid"


class PacketMalformed(RecordingError):
    code = "recording.packet_malformed"


class TapeUnreadable(RecordingError):
    code = "recording.tape_unreadable"


class StillRunning(RecordingError):
    code = "recording.still_running"


class NothingRecorded(RecordingError):
    code = "recording.nothing_recorded"


class ManifestInvalid(RecordingError):
    code = "recording.manifest_invalid"


class ComposeFailed(RecordingError):
    code = "recording.compose_failed"


class Cancelled(RecordingError):
    code = "recording.cancelled"
