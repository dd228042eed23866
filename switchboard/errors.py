"""What can go wrong in the switchboard itself; the engines have trees of their own.

::

    SwitchboardError
    ├── RecordsError
    │   ├── InvalidEvent        invalid_event       the event lacks the fields of its kind (a bug of ours)
    │   ├── TooManyEvents       too_many_events     one contact has more events than any contact can have
    │   ├── BadCursor           bad_cursor          a page mark that we did not give out
    │   ├── RecordsAway         database_away       the database does not answer; writing goes on by itself
    │   ├── RecordsClosed       records_closed      the switchboard is going down
    │   ├── AuditBroken         audit_broken        the chain of the audit log does not close
    │   ├── NotThere            no_such_version     no version of this kind, name and number
    │   ├── VersionMoved        version_moved       somebody else has published meanwhile; nothing was changed
    │   ├── NothingEarlier      nothing_earlier     nothing to roll back to
    │   ├── TicketMoved         ticket_moved        another page has saved this ticket meanwhile
    │   ├── TicketFiled         ticket_filed        the ticket is closed
    │   ├── TicketTooLong       ticket_too_long     more text than a ticket may hold
    │   ├── NoSuchShift         no_such_shift       no shift or swap of this number, or not theirs, or over
    │   ├── ShiftOverlaps       shift_overlaps      the volunteer has another shift at that time
    │   └── SwapDecided         swap_decided        somebody has decided already, or it was withdrawn
    ├── SourceInvalid                               what somebody wrote for us, every mistake named
    │   ├── RulesInvalid        rules_invalid       a text that cannot be published
    │   ├── ConfigurationError  configuration       fields of the configuration
    │   ├── CalendarInvalid     calendar_invalid    a table of holidays
    │   ├── KnownCallersInvalid known_callers       lines that hold no number or no reason
    │   ├── LawFileInvalid      law_file            a file of articles
    │   └── ShiftsInvalid       shifts_invalid      lines that hold no shift
    ├── LawMoved                law_moved           somebody else changed the law collection meanwhile
    ├── DataInUse               data_in_use         another switchboard runs on this data folder
    ├── PeopleError
    │   ├── NameTaken           name_taken          an account of this name exists
    │   ├── WeakPassword        weak_password       shorter or longer than a password may be
    │   ├── WeakPin             weak_pin            not 6 to 12 digits, or the first that everybody tries
    │   ├── PhoneTaken          phone_taken         another volunteer has this telephone number
    │   ├── PhoneUnfit          phone_unfit         not a telephone number that we can call
    │   └── UnknownAgent        unknown_agent       no such agent
    └── WebError                each with its HTTP status
        ├── BadRequest          bad_request    400  not JSON, or not the JSON we asked for
        ├── NotSignedIn         not_signed_in  401
        ├── NotPaired           not_paired     401  no terminal has this token (any more)
        ├── WrongCode           wrong_code     401  no terminal is paired with this code (any more)
        ├── WrongPassword       wrong_password 401  also said for an account that does not exist
        ├── Forbidden           forbidden      403  the role may not do this
        ├── ForeignOrigin       foreign_origin 403
        ├── NotFound            not_found      404  also said for what this account may not see
        ├── NotAllowed          not_allowed    405
        ├── Conflict            conflict       409  what was asked does not fit what has happened meanwhile
        │   ├── Moved           version_moved
        │   ├── NoEarlier       nothing_earlier
        │   ├── Overlaps        shift_overlaps
        │   ├── Decided         decided             a swap or an appeal
        │   ├── AppealTooLate   appeal_too_late
        │   ├── NoEarlierSound  no_earlier_recording
        │   ├── TicketElsewhere ticket_moved
        │   ├── TicketClosed    ticket_filed
        │   ├── NoSoundFolder   no_overlay
        │   ├── VisitOpen       visit_open          another visit goes on at this terminal
        │   ├── TerminalKnown   terminal_known      a terminal of this id exists
        │   ├── NoConsent       consent_missing     nobody has said whether they agree to be recorded
        │   ├── NotNow          not_now             the visit has gone on meanwhile
        │   └── LinesBusy       lines_busy          as many telephones are called from rooms as may be
        ├── LinkOver            link_over      410
        │   ├── LinkUsed        link_used           somebody has opened this link already
        │   └── LinkExpired     link_expired
        ├── TooLarge            too_large      413
        │   └── TicketIsLong    ticket_too_long
        ├── NotJson             not_json       415
        ├── NotSoundType        not_wav        415
        ├── InvalidInput        invalid_input  422  carries the names of the fields
        │   ├── NotPublishable  rules_invalid       carries the problems of the text
        │   ├── ReasonNeeded    reason_needed       this record is opened with a reason only
        │   ├── SoundUnreadable not_sound
        │   ├── SoundIsLong     sound_too_long
        │   ├── SoundIsQuiet    too_quiet
        │   └── TextInvalid     text_invalid        the same for a list or table that was sent
        ├── TooManyTries        too_many_tries 429
        ├── Unavailable         unavailable    503  a part of the switchboard is away; try again
        │   ├── NoVideo         no_video            video is switched off, or there is no room left
        │   └── NoTelephone     no_telephone        no telephone runs, or no trunk takes calls to the outside
        └── PagesMissing        pages_missing  503

``code`` never changes once published: pages and scripts decide by it. ``zh`` and ``en`` are for people and
may be improved. No message carries personal data.
"""

from __future__ import annotations

from typing import ClassVar


class SwitchboardError(Exception):
    """Root of the tree. ``code`` is stable, ``zh`` and ``en`` are words for a page."""

    code: ClassVar[str] = "switchboard_error"
    zh: ClassVar[str] = "系统出现错误。"
    en: ClassVar[str] = "Something went wrong."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.en)


class SourceInvalid(SwitchboardError):
    """``problems`` has one line for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ConfigurationError(SourceInvalid):
    """``problems`` has one line for each mistake: the field, what is wrong, what to write."""

    code = "configuration"
    zh = "配置有误。"
    en = "The configuration has mistakes."


class CalendarInvalid(SourceInvalid):
    code = "calendar_invalid"
    zh = "节假日表有误。"
    en = "The table of holidays has mistakes."


class KnownCallersInvalid(SourceInvalid):
    """``problems`` has one line for each mistake; none holds a number."""

    code = "known_callers"
    zh = "号码名单有误。"
    en = "The list of numbers has mistakes."


class LawFileInvalid(SourceInvalid):
    code = "law_file"
    zh = "法律条文文件有误。"
    en = "The file of articles has mistakes."


class ShiftsInvalid(SourceInvalid):
    """``problems`` has one line for each mistake, beginning with the number of the row."""

    code = "shifts_invalid"
    zh = "班次表有误。"
    en = "The list of shifts has mistakes."


class LawMoved(SwitchboardError):
    code = "law_moved"
    zh = "其间有人更新了法律库，本次没有改动，请重试。"
    en = "Somebody else changed the law collection meanwhile: nothing was changed; try again."


class DataInUse(SwitchboardError):
    code = "data_in_use"
    zh = "另一个总机正在使用这个数据目录。"
    en = "Another switchboard runs on this data folder; stop it first."


class RecordsError(SwitchboardError):
    code = "records_error"
    zh = "记录出现错误。"
    en = "The records could not be used."


class InvalidEvent(RecordsError):
    code = "invalid_event"
    zh = "事件内容不符合规定。"
    en = "The event does not have the fields of its kind."


class TooManyEvents(RecordsError):
    code = "too_many_events"
    zh = "该来访的事件数量超过上限。"
    en = "The contact has too many events."


class BadCursor(RecordsError):
    code = "bad_cursor"
    zh = "分页标记无效。"
    en = "The page mark is not one of ours."


class RecordsAway(RecordsError):
    code = "database_away"
    zh = "数据库暂时不可用，请稍后再试。"
    en = "The database does not answer at the moment; try again shortly."


class RecordsClosed(RecordsError):
    code = "records_closed"
    zh = "系统正在关闭。"
    en = "The switchboard is going down."


class AuditBroken(RecordsError):
    code = "audit_broken"
    zh = "审计日志链条不完整。"
    en = "The chain of the audit log does not close."


class NotThere(RecordsError):
    code = "no_such_version"
    zh = "没有这个版本。"
    en = "There is no such version."


class VersionMoved(RecordsError):
    """``now`` is the number in force, 0 where nothing was ever published."""

    code = "version_moved"
    zh = "其间已有人发布了另一个版本，请先查看差异，再重新保存草稿。"
    en = "Somebody has published another version meanwhile: look at the difference and save your draft anew."

    def __init__(self, now: int) -> None:
        super().__init__(f"{self.en} ({now})")
        self.now = now


class NothingEarlier(RecordsError):
    code = "nothing_earlier"
    zh = "没有更早的版本可以恢复。"
    en = "There is no earlier version to go back to."


class TicketMoved(RecordsError):
    code = "ticket_moved"
    zh = "这份记录已在另一个页面更新过。"
    en = "This ticket has been saved from another page meanwhile."


class TicketFiled(RecordsError):
    code = "ticket_filed"
    zh = "这份记录已经办结，不能再修改。"
    en = "This ticket is filed and cannot be changed any more."


class TicketTooLong(RecordsError):
    code = "ticket_too_long"
    zh = "记录太长：全部文字最多约三万三千字，请删减后再保存。"
    en = "The ticket is too long: at most about 100,000 letters (33,000 Chinese characters) in all. Shorten it."


class NoSuchShift(RecordsError):
    code = "no_such_shift"
    zh = "没有这个班次。"
    en = "There is no such shift."


class ShiftOverlaps(RecordsError):
    code = "shift_overlaps"
    zh = "这位志愿者在这段时间已有班次。"
    en = "The volunteer has another shift at that time."


class SwapDecided(RecordsError):
    code = "swap_decided"
    zh = "这个换班申请已经处理过了。"
    en = "This request has been decided already."


class RulesInvalid(SourceInvalid):
    """``problems`` has one line for each reason why the text cannot be published."""

    code = "rules_invalid"
    zh = "内容有误，不能发布。"
    en = "The text has mistakes and cannot be published."


class PeopleError(SwitchboardError):
    code = "people_error"
    zh = "人员资料有误。"
    en = "The entry could not be stored."


class NameTaken(PeopleError):
    code = "name_taken"
    zh = "该账号名已存在。"
    en = "An account of this name exists."


class WeakPassword(PeopleError):
    code = "weak_password"
    zh = "密码长度须为 8 至 256 个字符。"
    en = "A password has 8 to 256 characters."


class WeakPin(PeopleError):
    code = "weak_pin"
    zh = "服务密码须为 6 至 12 位数字，且不能是连续或重复的数字。"
    en = "A PIN has 6 to 12 digits, not in a row and not repeated."


class PhoneTaken(PeopleError):
    code = "phone_taken"
    zh = "这个电话号码已由另一位志愿者登记。"
    en = "Another volunteer has registered this number."


class PhoneUnfit(PeopleError):
    code = "phone_unfit"
    zh = "请填写可以拨通的国内手机或固定电话号码。"
    en = "Give a mobile or landline number in this country."


class UnknownAgent(PeopleError):
    code = "unknown_agent"
    zh = "没有这位志愿者。"
    en = "There is no such volunteer."


class WebError(SwitchboardError):
    """An answer other than 2xx. ``fields`` names what was wrong with the input, never its values.

    ``problems`` has one line for each mistake in a text that somebody wrote for us.
    """

    status: ClassVar[int] = 500
    code = "internal"
    zh = "系统内部错误，已记录。"
    en = "An internal error; it has been logged."

    def __init__(
        self,
        detail: str = "",
        *,
        fields: tuple[str, ...] = (),
        problems: tuple[str, ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.fields = fields
        self.problems = problems
        self.retry_after_s = retry_after_s


class BadRequest(WebError):
    status = 400
    code = "bad_request"
    zh = "请求格式不正确。"
    en = "The request could not be read."


class NotSignedIn(WebError):
    status = 401
    code = "not_signed_in"
    zh = "请先登录。"
    en = "Sign in first."


class NotPaired(WebError):
    status = 401
    code = "not_paired"
    zh = "此终端尚未配对或已停用，请联系管理员。"
    en = "This terminal is not paired, or was switched off; ask an administrator."


class WrongCode(WebError):
    status = 401
    code = "wrong_code"
    zh = "配对码不正确或已过期，请向管理员索取新的配对码。"
    en = "This pairing code is wrong or has expired; ask an administrator for a new one."


class WrongPassword(WebError):
    status = 401
    code = "wrong_password"
    zh = "账号或密码不正确。"
    en = "The name or the password is wrong."


class Forbidden(WebError):
    status = 403
    code = "forbidden"
    zh = "您的账号没有这项权限。"
    en = "Your account may not do this."


class ForeignOrigin(WebError):
    status = 403
    code = "foreign_origin"
    zh = "请求来自其他网站，已拒绝。"
    en = "The request came from another site and was refused."


class NotFound(WebError):
    status = 404
    code = "not_found"
    zh = "没有找到。"
    en = "Not found."


class NotAllowed(WebError):
    status = 405
    code = "not_allowed"
    zh = "不支持这种请求方式。"
    en = "This method is not supported here."


class Conflict(WebError):
    status = 409
    code = "conflict"
    zh = "其间情况已有变化，请刷新后再试。"
    en = "Things have changed meanwhile; reload and try again."


class VisitOpen(Conflict):
    code = "visit_open"
    zh = "此终端上的上一次咨询尚未结束。"
    en = "The visit before is still open at this terminal."


class TerminalKnown(Conflict):
    code = "terminal_known"
    zh = "已有同名编号的终端。"
    en = "There is a terminal of this id already."


class NoConsent(Conflict):
    code = "consent_missing"
    zh = "请先选择是否同意录音录像。"
    en = "Say first whether you agree to be recorded."


class NotNow(Conflict):
    code = "not_now"
    zh = "现在不能进行此操作。"
    en = "This cannot be done now."


class LinesBusy(Conflict):
    code = "lines_busy"
    zh = "正在呼叫的电话已达上限，请等一个接通或结束后再拨。"
    en = "As many telephones are being called as may be; wait until one has answered or ended."


class LinkOver(WebError):
    status = 410
    code = "link_over"
    zh = "此链接已失效，请向志愿者索取新的链接。"
    en = "This link cannot be used any more; ask the volunteer for a new one."


class LinkUsed(LinkOver):
    code = "link_used"
    zh = "此链接已被打开过，每个链接只能使用一次。请向志愿者索取新的链接。"
    en = "This link has been opened already, and each serves once; ask the volunteer for a new one."


class LinkExpired(LinkOver):
    code = "link_expired"
    zh = "此链接已过期，请向志愿者索取新的链接。"
    en = "This link has expired; ask the volunteer for a new one."


class Moved(Conflict):
    code = "version_moved"
    zh = VersionMoved.zh
    en = VersionMoved.en


class NoEarlier(Conflict):
    code = "nothing_earlier"
    zh = NothingEarlier.zh
    en = NothingEarlier.en


class Overlaps(Conflict):
    code = "shift_overlaps"
    zh = ShiftOverlaps.zh
    en = ShiftOverlaps.en


class Decided(Conflict):
    code = "decided"
    zh = "已经有人处理过了，请刷新查看结果。"
    en = "Somebody has decided already; reload to see how."


class AppealTooLate(Conflict):
    code = "appeal_too_late"
    zh = "申诉期限（七天）已过。"
    en = "The seven days for an objection are over."


class NoEarlierSound(Conflict):
    code = "no_earlier_recording"
    zh = "没有更早的录音可以恢复。"
    en = "There is no earlier recording to go back to."


class NoSoundFolder(Conflict):
    code = "no_overlay"
    zh = "还没有设置存放录音的文件夹。"
    en = "No folder for recordings is configured (prompt_overlay)."


class TicketElsewhere(Conflict):
    code = "ticket_moved"
    zh = TicketMoved.zh
    en = TicketMoved.en


class TicketClosed(Conflict):
    code = "ticket_filed"
    zh = TicketFiled.zh
    en = TicketFiled.en


class TooLarge(WebError):
    status = 413
    code = "too_large"
    zh = "请求内容过大。"
    en = "The request is too large."


class TicketIsLong(TooLarge):
    code = "ticket_too_long"
    zh = TicketTooLong.zh
    en = TicketTooLong.en


class NotJson(WebError):
    status = 415
    code = "not_json"
    zh = "请求内容须为 application/json。"
    en = "The body must be application/json."


class NotSoundType(WebError):
    status = 415
    code = "not_wav"
    zh = "请上传 WAV 格式的录音文件。"
    en = "Send the recording as a WAV file (Content-Type: audio/wav)."


class InvalidInput(WebError):
    status = 422
    code = "invalid_input"
    zh = "填写的内容有误，请检查。"
    en = "Some fields are not valid."


class NotPublishable(InvalidInput):
    code = "rules_invalid"
    zh = RulesInvalid.zh
    en = RulesInvalid.en


class ReasonNeeded(InvalidInput):
    code = "reason_needed"
    zh = "涉及未成年人的记录需先选择查看理由。"
    en = "A record about a minor is opened with a reason only: choose one."


class SoundUnreadable(InvalidInput):
    """``problems`` says what the file is instead."""

    code = "not_sound"
    zh = "这个文件不能用，请把录音存为 WAV 格式（单声道或双声道，16 或 24 位）。"
    en = "This file cannot be used: save the recording as WAV (one or two channels, 16 or 24 bits)."


class SoundIsLong(InvalidInput):
    code = "sound_too_long"
    zh = "录音太长：最多三分钟，文件不超过 10 MB。"
    en = "The recording is too long: at most three minutes and 10 MB."


class SoundIsQuiet(InvalidInput):
    code = "too_quiet"
    zh = "录音里没有听到说话声，请靠近麦克风再录一次。"
    en = "No speech was heard in the recording: please go nearer to the microphone and try again."


class TextInvalid(InvalidInput):
    code = "text_invalid"
    zh = "内容有误，没有采用。"
    en = "The text has mistakes; nothing was taken from it."


class TooManyTries(WebError):
    status = 429
    code = "too_many_tries"
    zh = "尝试次数过多，请五分钟后再试。"
    en = "Too many tries; wait five minutes."


class Unavailable(WebError):
    status = 503
    code = "unavailable"
    zh = "系统的一部分暂时不可用，请稍后再试。"
    en = "A part of the switchboard is away; try again shortly."


class NoVideo(Unavailable):
    code = "no_video"
    zh = "视频服务暂时不可用，请改用电话 12348。"
    en = "Video is not available now; please call 12348."


class NoTelephone(Unavailable):
    code = "no_telephone"
    zh = "电话系统暂时不可用，请改发链接邀请。"
    en = "The telephone system is away; invite by a link instead."


class PagesMissing(WebError):
    status = 503
    code = "pages_missing"
    zh = "网页尚未构建。"
    en = "The pages have not been built."
