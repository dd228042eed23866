"""Why a contact met the volunteer it met, and why it still waits, in words for people.

The facts come from the events kept with the contact and, while it waits, from the routing engine
(``routing.explain``); here they become sentences in Chinese and English. A pure function: nothing is asked for here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from routing.explain import (
    Candidate,
    Decision,
    RingKind,
    Why,
    WhyWaiting,
    count_of,
    decision_from,
    ring_kind,
    why_waiting,
)
from routing.model import Standing
from switchboard.records.events import ContactEvent
from switchboard.records.fold import ContactRecord

MOST_NAMED = 5
"""Candidates named one by one; of more, only how many there are."""


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence. ``at_ms`` is when it happened; None for what is so now."""

    zh: str
    en: str
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened to a contact in the queue, in order, and how it stands."""

    contact: str
    stage: str
    lines: tuple[Line, ...]


RINGS: dict[RingKind, tuple[str, str]] = {
    "wished": ("指名的志愿者", "the volunteer wished for"),
    "district": ("同区县、同事项、同语言", "same district, matter and language"),
    "matter": ("同事项、同语言", "same matter and language"),
    "family": ("同类事项、同语言", "same family of matters, same language"),
    "role": ("同一角色、同语言", "same role and language"),
}
WHY: dict[Why, tuple[str, str]] = {
    "free": ("空闲，即将分配", "free, about to be offered"),
    "not_yet": ("空闲，但搜索范围尚未扩大到此", "free, but the search has not widened that far yet"),
    "ringing": ("正在接听另一提示", "being offered somebody else"),
    "wrapping_up": ("正在填写上一来电的记录", "wrapping up an earlier contact"),
    "talking": ("正在服务另一位", "serving somebody else"),
    "kept_apart": ("刚刚退回过此来电，暂不再分配", "gave this contact back a moment ago"),
    "paused": ("暂停接听", "paused"),
    "offline": ("不在线", "offline"),
}
ENDINGS: dict[str, tuple[str, str]] = {
    "rejected": ("拒接", "declined it"),
    "timed_out": ("未及时接听", "did not answer in time"),
    "cancelled": ("来电者离开，提示撤回", "lost it, because the caller left"),
    "leg_failed": ("电话未能接通", "could not be reached by phone"),
}
REASONS: dict[str, tuple[str, str]] = {
    "desk_gone": ("工作台已断开", "the desk was gone"),
    "no_answer": ("无人应答", "no answer"),
    "meal": ("用餐", "meal"),
    "break": ("休息", "break"),
    "meeting": ("会议", "meeting"),
    "training": ("培训", "training"),
    "signed_in": ("已登录，尚未开始", "signed in, not begun"),
    "restart": ("系统重启", "restart"),
}


def explain(
    record: ContactRecord,
    events: Iterable[ContactEvent],
    standing: Standing | None,
    names: Mapping[str, str],
) -> Explanation:
    """``standing``: how it stands in the queue now, None when it does not wait there. ``names``: agent -> name."""
    told = _Telling(names)
    for event in events:
        told.take(event)
    if standing is not None and standing.entry.state == "waiting":
        told.waiting(why_waiting(standing))
    elif record.end_reason:
        ended = (f"已结束：{record.end_reason}", f"ended: {record.end_reason}")
        told.lines.append(Line(*ended, record.ended_ms))
    return Explanation(record.id, record.board_stage, tuple(told.lines))


class _Telling:
    """The lines in the making."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._gave_back: dict[str, tuple[str, str]] = {}
        self.lines: list[Line] = []

    def name(self, agent: object) -> str:
        return f"{self._names[str(agent)]} ({agent})" if str(agent) in self._names else str(agent)

    def take(self, event: ContactEvent) -> None:
        data, at = event.data, event.at_ms
        match event.kind:
            case "arrived":
                self.lines.append(Line("来到", "arrived", at))
            case "intake":
                matter, language = data.get("matter"), data.get("language")
                credit = data.get("priority")
                self.lines.append(
                    Line(
                        f"事项 {matter}，语言 {language}" + (f"，优先级 {credit}" if credit else ""),
                        f"matter {matter}, language {language}" + (f", priority {credit}" if credit else ""),
                        at,
                    )
                )
            case "queued":
                self.lines.append(Line("进入排队", "entered the queue", at))
            case "reserved":
                self._reserved(data, at)
            case "reservation_ended":
                zh, en = ENDINGS.get(str(data.get("how")), (str(data.get("how")), str(data.get("how"))))
                self._gave_back[str(data.get("agent"))] = (zh, en)
                agent = self.name(data.get("agent"))
                self.lines.append(
                    Line(f"{agent}{zh}；来电者的位置不变", f"{agent} {en}; the caller keeps the place", at)
                )
            case "connected":
                agent = self.name(data.get("agent"))
                self.lines.append(Line(f"与{agent}接通", f"in contact with {agent}", at))
            case _:
                pass

    def _reserved(self, data: Mapping[str, object], at: int) -> None:
        decision = decision_from(data)
        if decision is None:
            agent = self.name(data.get("agent"))
            self.lines.append(
                Line(f"分配给{agent}（未留下原因）", f"offered to {agent} (no reasons kept)", at)
            )
            return
        self.lines.append(self._chosen(decision, at))
        for agent in decision.passed_over:
            zh, en = self._gave_back.get(agent, ("先前退回过", "gave it back before"))
            self.lines.append(Line(f"　未选{self.name(agent)}：{zh}", f"  not {self.name(agent)}: {en}", at))

    def _chosen(self, decision: Decision, at: int) -> Line:
        agent, (ring_zh, ring_en) = self.name(decision.agent), RINGS[ring_kind(decision.klass)]
        zh = f"等候 {_long_zh(decision.waited)} 后分配给{agent}：第 {decision.ring} 圈（{ring_zh}）"
        en = f"after {_long_en(decision.waited)} offered to {agent}: ring {decision.ring} ({ring_en})"
        if decision.chosen_by == "entry":
            zh += f"，在 {decision.free} 位空闲志愿者中次序最前（空闲时长，按能力、评价和专长加减）"
            en += f"; first of {decision.free} free volunteers (longest idle, corrected by level, rating and breadth)"
            zh, en = self._runners_up(decision, zh, en)
        elif decision.chosen_by == "seat":
            zh += f"；该志愿者空出来时，在可服务的等候者中此人次序最前，同圈共有 {decision.waiting} 位等候"
            en += f"; the volunteer came free and took the first of all it serves, {decision.waiting} in this ring"
        else:
            zh += "；上次退回后的间隔已满"
            en += "; the time apart after an earlier return was over"
        return Line(zh, en, at)

    def _runners_up(self, decision: Decision, zh: str, en: str) -> tuple[str, str]:
        if not decision.others:
            return zh, en
        behind = [
            (self.name(agent), _long_zh(order - decision.order), _long_en(order - decision.order))
            for agent, order in decision.others
            if agent not in decision.passed_over
        ]
        zh += "".join(f"；其次{name}（落后 {by}）" for name, by, _ in behind)
        en += "".join(f"; then {name} ({by} behind)" for name, _, by in behind)
        return zh, en

    def waiting(self, why: WhyWaiting) -> None:
        """Who could serve it, and what keeps each of them."""
        waited = why.now_ms - why.entry.arrived_ms
        zh = f"仍在等候（{_long_zh(waited)}）：前面还有 {why.before} 位"
        en = f"still waiting ({_long_en(waited)}): {why.before} before it"
        if why.next_ring_ms is not None:
            later = max(0, why.next_ring_ms - why.now_ms)
            zh += f"；{_long_zh(later)}后扩大搜索范围"
            en += f"; the search widens in {_long_en(later)}"
        self.lines.append(Line(zh, en))
        if not why.candidates:
            self.lines.append(
                Line("当前没有任何在岗志愿者可以服务此事项", "nobody on duty could serve this matter")
            )
            return
        for reason, count in count_of(why.candidates).items():
            zh, en = WHY[reason]
            self.lines.append(Line(f"{count} 位可以服务：{zh}", f"{count} could serve it: {en}"))
        for candidate in why.candidates[:MOST_NAMED]:
            self.lines.append(self._candidate(candidate, why.now_ms))

    def _candidate(self, candidate: Candidate, now_ms: int) -> Line:
        zh, en = WHY[candidate.why]
        if candidate.reason:
            why_zh, why_en = REASONS.get(candidate.reason, (candidate.reason, candidate.reason))
            zh, en = f"{zh}（{why_zh}）", f"{en} ({why_en})"
        if candidate.until_ms is not None:
            left = max(0, candidate.until_ms - now_ms)
            zh, en = f"{zh}，还有 {_long_zh(left)}", f"{en}, for another {_long_en(left)}"
        elif candidate.since_ms is not None:
            zh = f"{zh}，已 {_long_zh(now_ms - candidate.since_ms)}"
            en = f"{en}, for {_long_en(now_ms - candidate.since_ms)}"
        ring_zh, ring_en = RINGS[candidate.ring]
        agent = self.name(candidate.agent)
        return Line(f"　{agent}（{ring_zh}）：{zh}", f"  {agent} ({ring_en}): {en}")


def _long_zh(ms: int) -> str:
    minutes, seconds = divmod(max(0, ms) // 1000, 60)
    return f"{minutes} 分 {seconds} 秒" if minutes else f"{seconds} 秒"


def _long_en(ms: int) -> str:
    minutes, seconds = divmod(max(0, ms) // 1000, 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
