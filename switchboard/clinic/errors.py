"""What the clinic refuses, each with words for the person who asked.

::

    WebError
    └── ClinicError
        ├── Refused                              409  it does not fit what has happened so far
        │   ├── NotNow            not_now             this step is not possible in this state
        │   ├── CaseOver          case_over           the case is closed
        │   ├── CaseMoved         case_moved          somebody else has changed the case meanwhile
        │   ├── KeyReused         key_reused          the key belongs to another step
        │   ├── StepsMissing      steps_missing       an earlier step was left out; ``problems`` names them
        │   ├── PapersMissing     papers_missing      ``problems`` names the papers
        │   ├── NoConsent         no_consent          the person has not agreed, or has taken it back
        │   ├── NotIdentified     not_identified      nobody has checked who this is
        │   ├── NotPaid           not_paid
        │   ├── NotElectronic     not_electronic      the law keeps this document on paper
        │   ├── NotYourTurn       not_your_turn       others sign first
        │   ├── OtherVersion      other_version       the document signed is not the newest
        │   ├── NotAllSee         not_all_see         a party has not seen the newest version
        │   ├── StillAsked        still_asked         a question or a register query is still open
        │   ├── SamePerson        same_person         who asks cannot approve
    │   ├── PaperRefused      paper_refused       the paper cannot be made or signed so; ``problems`` says why
        │   ├── TooMany           too_many            more of them than one case can have
        │   └── Full              slot_taken          nobody is free at that time (any more)
        │       ├── NotOpen       slot_closed         outside working hours, or too soon, or too far ahead
        │       └── AlreadyBooked already_booked      this person or terminal has a booking then
        ├── NotYours              not_yours      403  the role may not do this step
        ├── Unfit                 unfit          422  ``fields`` names what is wrong
        │   ├── NumberWrong       number_wrong        no identity number
        │   ├── GuardianNeeded    guardian_needed     under 14
        │   └── MayNotApply       may_not_apply
        └── ProviderAway          provider_away  503  another authority does not answer

    SourceInvalid
    └── CatalogueInvalid          catalogue_invalid   ``problems`` has one line for each mistake

What belongs to others is ``switchboard.errors.NotFound``, as everywhere.
"""

from __future__ import annotations

from switchboard.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    SourceInvalid,
    SwitchboardError,
    Unavailable,
)


class CatalogueInvalid(SourceInvalid):
    code = "catalogue_invalid"
    zh = "服务目录有误。"
    en = "The catalogue has mistakes."


class ClinicError(SwitchboardError):
    """Marks what the clinic refuses. ``code`` never changes once published."""


class Refused(ClinicError, Conflict):
    code = "refused"


class NotNow(Refused):
    code = "not_now"
    zh = "现在不能进行这一步，请按顺序办理。"
    en = "This step is not possible now; please follow the order."


class CaseOver(Refused):
    code = "case_over"
    zh = "这件事项已经办结，不能再改动。"
    en = "This case is closed and cannot be changed."


class CaseMoved(Refused):
    code = "case_moved"
    zh = "其间已有人更新，请刷新后再操作。"
    en = "Somebody has changed it meanwhile; reload and try again."


class KeyReused(Refused):
    code = "key_reused"
    zh = "这次操作的编号已用于另一步，请重试。"
    en = "The key of this request belongs to another step; try again."


class StepsMissing(Refused):
    code = "steps_missing"
    zh = "还有步骤没有完成，不能跳过。"
    en = "Some steps are not done yet; none can be left out."


class PapersMissing(Refused):
    code = "papers_missing"
    zh = "材料还不齐，请先补齐。"
    en = "Some papers are still missing; please bring them first."


class NoConsent(Refused):
    code = "no_consent"
    zh = "当事人还没有同意，不能继续。"
    en = "The person has not agreed; it cannot go on."


class NotIdentified(Refused):
    code = "not_identified"
    zh = "还没有核对本人身份，请先由工作人员核对。"
    en = "Nobody has checked the identity yet; this comes first."


class NotPaid(Refused):
    code = "not_paid"
    zh = "费用还没有支付。"
    en = "The fee has not been paid yet."


class NotElectronic(Refused):
    """``problems`` names the article."""

    code = "not_electronic"
    zh = "涉及婚姻、收养、继承等人身关系的文书，依法不能使用电子签名，请到现场签署纸质文书。"
    en = "Documents on marriage, adoption and inheritance may not be signed electronically; please sign on paper."


class NotYourTurn(Refused):
    code = "not_your_turn"
    zh = "请等前面的当事人签完。"
    en = "Please wait until those before you have signed."


class OtherVersion(Refused):
    code = "other_version"
    zh = "文书已有新的版本，请先看新版本再签。"
    en = "There is a newer version of the document; please read it before signing."


class NotAllSee(Refused):
    code = "not_all_see"
    zh = "还有当事人没有看到最新版本。"
    en = "Not every party has seen the newest version."


class StillAsked(Refused):
    code = "still_asked"
    zh = "还有未答复的问题或查询，请等待结果。"
    en = "A question or a query is still open; please wait for its answer."


class SamePerson(Refused):
    code = "same_person"
    zh = "申请人不能审批自己的申请，请由另一人审批。"
    en = "Who asks cannot approve; another person has to."


class PaperRefused(Refused):
    """``problems`` are the words of whoever makes the papers."""

    code = "paper_refused"
    zh = "文书无法制作或签署。"
    en = "The paper cannot be made or signed."


class TooMany(Refused):
    code = "too_many"
    zh = "数量已达上限。"
    en = "There are as many as there can be."


class Full(Refused):
    code = "slot_taken"
    zh = "这个时间已经约满，请另选时间。"
    en = "This time is taken; please choose another."


class NotOpen(Full):
    code = "slot_closed"
    zh = "这个时间不能预约，请选择工作时间内的其他时间。"
    en = "This time cannot be booked; please choose another within working hours."


class AlreadyBooked(Full):
    code = "already_booked"
    zh = "您或这台终端在这个时间已有预约。"
    en = "You or this terminal have a booking at that time already."


class NotYours(ClinicError, Forbidden):
    code = "not_yours"
    zh = "您的角色不能进行这一步。"
    en = "Your role may not do this step."


class Unfit(ClinicError, InvalidInput):
    code = "unfit"


class NumberWrong(Unfit):
    code = "number_wrong"
    zh = "身份证号码有误，请检查后重新输入。"
    en = "This is no identity number; please check it."


class GuardianNeeded(Unfit):
    code = "guardian_needed"
    zh = "未满十四周岁，需要监护人在场并同意。"
    en = "Under 14: a guardian has to be there and to agree."


class MayNotApply(Unfit):
    """``problems`` says who may."""

    code = "may_not_apply"
    zh = "您不能申请这一事项，请看可以申请的人。"
    en = "You cannot apply for this; see who can."


class ProviderAway(ClinicError, Unavailable):
    code = "provider_away"
    zh = "对方单位的系统暂时没有答复，稍后会自动再试。"
    en = "The other authority does not answer just now; it is tried again."
