"""Every error the telephony package raises.

    IvrError
    +-- AriError                 Asterisk refused or failed a request (any status not named below)
    |   +-- NotFound             404: the channel, bridge, playback or recording is gone (often normal)
    |   +-- Conflict             409: not in a state for this (often normal: the other side was quicker)
    |   +-- Unreachable          a phone that is to be called is not registered, or there is none
    |   +-- Unprocessable        412, 422: known thing, wrong moment (a channel that has just left)
    |   +-- RequestTimedOut      no answer in time; whether it was done is not known
    |   +-- Disconnected         the event socket is away; whether it was done is not known
    |   |   +-- StoodDown        another process took the application over: this client stays silent
    |   +-- Refused              401, 403: wrong name or password for ARI
    +-- Overflowed               a follower read too slowly and its queue is full
    +-- CallerLeft               the caller hung up; ends the call's coroutine wherever it is
    |   +-- FaxCalled            a fax machine is on the line; the dialplan has told it so
    +-- LegFailed                a volunteer's phone did not come to the talk
    +-- NotReached               a caller who was to be called back was not reached
    +-- NumberRefused            a number that may not be called; `why` says which rule forbids it
    +-- AudioFailed              a call's sound cannot be taken over, or came to an end; `why` says how
    +-- RecordingFailed          nothing is being recorded, or nothing was
    +-- HotlineInvalid           hotline files with mistakes, all of them named
    +-- UnfitName                an agent id or a password that no phone may have
    +-- ServerError
        +-- AsteriskMissing      no Asterisk is installed and none can be fetched here
        +-- FetchFailed          fetching was tried and did not succeed
        +-- PortTaken            something else listens on a port we were told to use
        +-- AsteriskFailed       Asterisk was started and did not become ready

`code` is stable and meant for programs and for looking up words; the text is for the log of an operator. No
text carries personal data: paths are named by their kind, callers never.
"""

from __future__ import annotations


class IvrError(Exception):
    """Root of the tree. `code` names the error for programs."""

    code = "ivr.error"


class AriError(IvrError):
    """Asterisk answered a request with an error.

    `status` is the HTTP status (0 when there was no answer), `reason` Asterisk's own sentence.
    """

    code = "ari.error"

    def __init__(self, reason: str, *, status: int = 0, request: str = "") -> None:
        super().__init__(f"{request or 'ARI'}: {status} {reason}")
        self.status = status
        self.reason = reason
        self.request = request


class NotFound(AriError):
    code = "ari.not_found"


class Conflict(AriError):
    code = "ari.conflict"


class Unprocessable(AriError):
    code = "ari.unprocessable"


class Unreachable(AriError):
    code = "ari.unreachable"


class RequestTimedOut(AriError):
    code = "ari.timed_out"


class Disconnected(AriError):
    code = "ari.disconnected"


class StoodDown(Disconnected):
    code = "ari.stood_down"


class Refused(AriError):
    code = "ari.refused"


class Overflowed(IvrError):
    code = "ari.overflowed"


class UnfitName(IvrError):
    code = "softphone.unfit_name"


class CallerLeft(IvrError):
    """`cause` is Asterisk's hang-up cause (Q.850), 0 when unknown."""

    code = "call.caller_left"

    def __init__(self, cause: int) -> None:
        super().__init__(f"the caller hung up (cause {cause})")
        self.cause = cause


class FaxCalled(CallerLeft):
    code = "call.fax"

    def __init__(self) -> None:
        super().__init__(0)


class NumberRefused(IvrError):
    """`why`: not_digits, not_listed, not_valid, international, premium or no_trunk."""

    code = "dialling.refused"

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


class LegFailed(IvrError):
    """`cause` is Asterisk's hang-up cause (Q.850), 0 when there was none."""

    code = "call.leg_failed"

    def __init__(self, cause: int, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class NotReached(IvrError):
    """`how` is busy, no_answer, not_confirmed or failed; `cause` Asterisk's hang-up cause, 0 when unknown."""

    code = "call.not_reached"

    def __init__(self, how: str, cause: int) -> None:
        super().__init__(f"not reached: {how} (cause {cause})")
        self.how = how
        self.cause = cause


class AudioFailed(IvrError):
    """`why`: refused (Asterisk makes no such connection), silent (it did not answer in time) or lost (it ended)."""

    code = "call.audio_failed"

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


class RecordingFailed(IvrError):
    code = "call.recording_failed"


class HotlineInvalid(IvrError):
    """`problems` has one line for each mistake, with file and field."""

    code = "hotline.invalid"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ServerError(IvrError):
    code = "asterisk.error"


class AsteriskMissing(ServerError):
    code = "asterisk.missing"


class FetchFailed(ServerError):
    code = "asterisk.fetch_failed"


class PortTaken(ServerError):
    code = "asterisk.port_taken"


class AsteriskFailed(ServerError):
    code = "asterisk.failed"


_BY_STATUS: dict[int, type[AriError]] = {
    401: Refused,
    403: Refused,
    404: NotFound,
    409: Conflict,
    412: Unprocessable,
    422: Unprocessable,
}


def from_status(status: int, reason: str, request: str) -> AriError:
    """The error for an HTTP status of 400 or more."""
    return _BY_STATUS.get(status, AriError)(reason, status=status, request=request)
