"""Every error the papers package raises.

::

    PaperError                   paper
    ├── PaperUnfit               paper_unfit          fields that a paper of this kind must not lack or have
    ├── LetterMissing            letter_missing       no font of this machine has the character; it is named
    ├── FontsMissing             fonts_missing        the fonts are not installed
    ├── NoSuchPaper              no_such_paper
    ├── PaperMoved               paper_moved          somebody has signed meanwhile: look at it again, then sign
    ├── PaperClosed              paper_closed         signed by all, refused or withdrawn: nothing more happens to it
    ├── NotYourTurn              not_your_turn        somebody else signs first
    ├── ElectronicNotAllowed     electronic_not_allowed   by hand only: Electronic Signature Law, article 3
    ├── HandwritingUnfit         handwriting_unfit    no strokes, too many, or a picture that is none
    ├── ActNotReady              act_not_ready        a recording is still being made; try again shortly
    ├── ActDamaged               act_damaged          what lies in the container's place is not this act, or was altered
    ├── PaperDamaged             paper_damaged        the file is not what its digest says, or is gone
    ├── UploadRefused            upload_refused       not what it says it is, or not one of the kinds taken; quarantined
    │   ├── UploadTooLarge       upload_too_large     bytes, pixels or pages
    │   └── UploadTooHeavy       upload_too_heavy     it took more time or memory than any honest file does
    └── QuotaUsedUp              quota_used_up        this contact has sent as much as one may

``code`` is stable and meant for programs; ``zh`` and ``en`` are shown to people. No personal data in either.
"""

from __future__ import annotations

from collections.abc import Sequence


class PaperError(Exception):
    """Root of the tree."""

    code = "paper"
    zh = "文书出错。"
    en = "Something is wrong with this paper."


class PaperUnfit(PaperError):
    """``problems`` names each field, with what to write."""

    code = "paper_unfit"
    zh = "文书内容不完整或不合规定。"
    en = "The paper lacks something, or has something that it may not."

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class LetterMissing(PaperError):
    """``letters``: the characters that no font has, each as it was written."""

    code = "letter_missing"

    def __init__(self, letters: Sequence[str]) -> None:
        said = "、".join(f"“{one}”（U+{ord(one):04X}）" for one in letters)
        super().__init__(", ".join(f"U+{ord(one):04X}" for one in letters))
        self.letters = tuple(letters)
        self.zh = f"本机字库没有这些字：{said}。请核对，或联系管理员安装字体；不会打印成空格或方框。"
        self.en = f"No font here has these characters: {said}. Check them, or ask for a font that has them."


class FontsMissing(PaperError):
    code = "fonts_missing"
    zh = "没有安装中文字体，请联系管理员。"
    en = "The Chinese fonts are not installed: ask an administrator (fonts-noto-cjk, fonts-hanazono)."


class NoSuchPaper(PaperError):
    code = "no_such_paper"
    zh = "没有这份文书。"
    en = "There is no such paper."


class PaperMoved(PaperError):
    code = "paper_moved"
    zh = "文书刚刚有了变化，请重新查看后再签。"
    en = "The paper has changed meanwhile: look at it again before you sign."


class PaperClosed(PaperError):
    code = "paper_closed"
    zh = "文书已经结束，不能再签。"
    en = "This paper is finished; nothing can be added to it."


class NotYourTurn(PaperError):
    code = "not_your_turn"
    zh = "还没有轮到您签字。"
    en = "Somebody else signs first."


class ElectronicNotAllowed(PaperError):
    """Electronic Signature Law of the PRC (2019), article 3, paragraph 3, item 1."""

    code = "electronic_not_allowed"
    zh = "涉及婚姻、收养、继承等人身关系的文书不适用电子签名（《电子签名法》第三条）。请打印后手写签名。"
    en = (
        "Papers on marriage, adoption, inheritance and other personal relations may not be signed electronically "
        "(Electronic Signature Law, article 3). Print it and sign by hand."
    )


class HandwritingUnfit(PaperError):
    code = "handwriting_unfit"
    zh = "签名无法识别，请重新签一次。"
    en = "The signature cannot be used: please sign again."


class PaperDamaged(PaperError):
    code = "paper_damaged"
    zh = "文书的文件损坏或缺失，请联系管理员。"
    en = "The paper's file is damaged or gone: ask an administrator."


class ActNotReady(PaperError):
    code = "act_not_ready"
    zh = "录音录像还在整理，请稍后再封存。"
    en = "The recording is still being made ready: seal again shortly."


class ActDamaged(PaperError):
    code = "act_damaged"
    zh = "证据包损坏或不是这件事项的，请联系管理员。"
    en = "The container is damaged or belongs to another act: ask an administrator."


class UploadRefused(PaperError):
    code = "upload_refused"
    zh = "这个文件不能接收：请发送 JPEG、PNG、WebP 图片或 PDF。"
    en = "This file cannot be taken: send a JPEG, PNG or WebP picture, or a PDF."


class UploadTooLarge(UploadRefused):
    code = "upload_too_large"
    zh = "文件太大：请缩小，或分几次发送。"
    en = "The file is too large: make it smaller, or send it in parts."


class UploadTooHeavy(UploadRefused):
    code = "upload_too_heavy"
    zh = "这个文件无法处理，请换一种方式，例如拍照。"
    en = "This file cannot be worked on: try another way, such as a photograph."


class QuotaUsedUp(PaperError):
    code = "quota_used_up"
    zh = "这次服务已经收到太多文件，请联系工作人员。"
    en = "Too many files have been sent here: ask a member of staff."
