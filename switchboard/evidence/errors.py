"""Every error the evidence package raises.

::

    EvidenceError            evidence
    ├── AuthorityUnusable    authority_unusable   keys or certificates of the data directory cannot be used
    ├── StampUnavailable     stamp_unavailable    the time stamping authority does not answer; try again later
    ├── StampRefused         stamp_refused        it answered that it will not
    ├── StampInvalid         stamp_invalid        what it sent is no stamp of what was asked, or of nobody trusted
    ├── MemberUnfit          member_unfit         a name or number of files that no container may have
    ├── MemberChanged        member_changed       a file grew or shrank while it was being sealed
    ├── ContainerExists      container_exists     there is something of this name already; it is left alone
    ├── ContainerUnreadable  container_unreadable not a container that this program made
    └── PdfUnreadable        pdf_unreadable       not a PDF, or one without signatures

``code`` is stable and meant for programs; the text is for an operator and carries no personal data.
"""

from __future__ import annotations


class EvidenceError(Exception):
    """Root of the tree. ``zh`` and ``en`` are shown to people."""

    code = "evidence"
    zh = "存证出错。"
    en = "The evidence could not be made."


class AuthorityUnusable(EvidenceError):
    code = "authority_unusable"
    zh = "本机的封存密钥无法使用，请联系管理员。"
    en = "The keys for sealing cannot be used: ask an administrator."


class StampUnavailable(EvidenceError):
    code = "stamp_unavailable"
    zh = "时间戳机构没有应答，请稍后再试。"
    en = "The time stamping authority does not answer: try again shortly."


class StampRefused(EvidenceError):
    code = "stamp_refused"
    zh = "时间戳机构拒绝了请求。"
    en = "The time stamping authority refused the request."


class StampInvalid(EvidenceError):
    code = "stamp_invalid"
    zh = "时间戳无效。"
    en = "The time stamp is not valid."


class MemberUnfit(EvidenceError):
    code = "member_unfit"
    zh = "文件名不合规定，或文件过多。"
    en = "A name that no file in a container may have, or too many files."


class MemberChanged(EvidenceError):
    code = "member_changed"
    zh = "封存过程中有文件发生变化，请重新封存。"
    en = "A file changed while it was being sealed: seal again."


class ContainerExists(EvidenceError):
    code = "container_exists"
    zh = "同名的证据包已经存在。"
    en = "There is a container of this name already."


class ContainerUnreadable(EvidenceError):
    code = "container_unreadable"
    zh = "这不是本系统封存的证据包，或已损坏。"
    en = "Not a container made by this switchboard, or it is damaged."


class PdfUnreadable(EvidenceError):
    code = "pdf_unreadable"
    zh = "这不是带签名的 PDF 文件，或已损坏。"
    en = "Not a PDF with signatures, or it is damaged."
