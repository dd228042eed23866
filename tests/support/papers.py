"""One paper of each kind, with names in rare characters."""

from __future__ import annotations

from switchboard.papers.handwriting import Handwriting
from switchboard.papers.model import (
    Check,
    ConsultationSummary,
    JudicialConfirmation,
    MediationAgreement,
    NetworkFault,
    NotaryRecord,
    Paper,
    Person,
    Signer,
    VisitConfirmation,
)

MADE_MS = 1_795_417_312_805
LI = Person(
    "p1", "李𬭚", "甲方", number="110101199003070011", gender="女", born="1990年3月7日", address="青山村3组"
)
WANG = Person("p2", "王㛃䶮", "乙方", number="110101198501010023", gender="男", phone="13800000000")
MEDIATOR = Signer("m1", "张𠮷", "人民调解员")
SIGNERS = (Signer("p1", LI.name, "甲方"), Signer("p2", WANG.name, "乙方"), MEDIATOR)


def agreement(**changes: object) -> MediationAgreement:
    facts: dict[str, object] = {
        "number": "青调〔2026〕17号",
        "place": "青山村公共法律服务工作室",
        "made_ms": MADE_MS,
        "signers": SIGNERS,
        "committee": "青山村人民调解委员会",
        "mediators": ("张𠮷",),
        "parties": (LI, WANG),
        "facts": "2026年3月，乙方家的水管破裂，漏水浸坏甲方的粮仓。",
        "disputed": "损失如何计算，由谁承担修缮。",
        "responsibility": "乙方承担主要责任，甲方未及时搬离粮食，承担次要责任。",
        "terms": ("乙方赔偿甲方人民币 2,400 元。", "乙方在十日内修好水管。"),
        "performance": "银行转账",
        "deadline": "2026年12月10日前",
    }
    return MediationAgreement(**{**facts, **changes})  # pyright: ignore[reportArgumentType]


def one_of_each() -> list[Paper]:
    common = {"number": "2026-0017", "place": "青山村", "made_ms": MADE_MS}
    return [
        agreement(),
        JudicialConfirmation(
            **common,
            signers=SIGNERS[:2],
            court="青山县人民法院",
            applicants=(LI, WANG),
            committee="青山村人民调解委员会",
            agreement_number="青调〔2026〕17号",
            agreed_on="2026年11月23日",
            request="请求确认上述调解协议有效。",
            reasons="协议内容真实、自愿，不违反法律。",
            enclosures=("调解协议一份", "身份证明复印件"),
            agreement_sha256="ab" * 32,
        ),
        NotaryRecord(
            **common,
            signers=(SIGNERS[0], Signer("n1", "赵平", "公证员")),
            office="青山县公证处",
            notary="赵平",
            applicants=(LI,),
            matter="出生",
            purpose="子女就学",
            checks=(Check(what="身份", how="身份证读卡与人脸比对", result="一致", by="赵平", at="10:02"),),
            materials=("身份证", "出生医学证明"),
            told=("如实陈述的义务。", "虚假陈述的后果。"),
            questions=(("您是本人吗？", "是。"),),
            result="受理，三个工作日内出证。",
            began="2026年11月23日 10:00",
            ended="2026年11月23日 10:25",
        ),
        ConsultationSummary(
            **common,
            visitor="李女士",
            matter="劳动报酬",
            adviser="陈律师",
            adviser_role="律师",
            question="单位拖欠工资三个月。",
            advice="先向劳动监察投诉，再申请仲裁。",
            law=("《劳动法》第五十条",),
            next_steps=("收集工资条",),
        ),
        VisitConfirmation(
            **common,
            visitor="李𬭚",
            service="公证咨询",
            when="2026年11月25日 上午 9:30",
            where="青山村法律服务室",
            code="4827",
            bring=("身份证", "户口本"),
        ),
        NetworkFault(
            **common,
            visitor="李𬭚",
            terminal="青山村 1 号终端",
            service="远程调解",
            appointed="2026年11月23日 10:00",
            spells=(("10:05:12", "10:07:40", "画面中断，声音断续"),),
            effect="调解中断两分半钟。",
            remedy="改由电话接入后继续。",
        ),
    ]


def hand(shift: int = 0) -> Handwriting:
    """A name in two strokes."""
    first = tuple((20 + shift + n * 10, 30 + (n * 37) % 60, n * 16) for n in range(20))
    return Handwriting(600, 200, (first, ((300, 40, 400), (420, 120, 460), (500, 60, 520))))
