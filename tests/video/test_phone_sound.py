"""The telephone's sound stays whole: jitter, losses and two clocks are evened out, many voices never clip."""

from __future__ import annotations

import os
import random
import socket
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video.rig import eventually
from tests.video.telephones import Telephone
from video.forward import Address, Forwarder, Lane, Source
from video.participant import Participant, Standing
from video.peer import Layer, Sent
from video.phone.codec import CLOCK, Decoder, Encoder
from video.phone.phones import Ear, Phones
from video.phone.playout import FULL_MS, Playout
from video.phone.sound import (
    CEILING,
    Decimator,
    Limiter,
    Samples,
    from_pcm,
    invented,
    joined,
    longer,
    resampled,
    shorter,
    to_pcm,
)
from video.tokens import Invitation, Role

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
RATE = 8_000
FRAME = RATE // 50
RATES = (8_000, 16_000, 48_000)


def tone(hertz: float, ms: int, rate: int = RATE, at: int = 0, peak: float = 8_000.0) -> Samples:
    count = rate * ms // 1000
    return (peak * np.sin(2 * np.pi * hertz * (np.arange(count) + at) / rate)).astype(np.float32)


def steepest(samples: Samples) -> float:
    return float(np.abs(np.diff(samples)).max())


class Clocks:
    """A telephone's frames arriving by its own clock, and frames taken by ours, in simulated time."""

    def __init__(self, *, faster_ppm: float = 0.0, jitter_ms: float = 0.0, lost: float = 0.0) -> None:
        self.playout = Playout(RATE)
        self.out: list[Samples | None] = []
        self.lost = 0
        self._every_ms = 20 / (1 + faster_ppm / 1e6)
        self._jitter_ms, self._lost = jitter_ms, lost
        self._chance = random.Random(7)

    def run(self, seconds: float) -> None:
        frames = int(seconds * 1000 / self._every_ms)
        arrivals: list[tuple[float, int]] = []
        for number in range(frames):
            if self._chance.random() < self._lost:
                self.lost += 1
                continue
            arrivals.append((number * self._every_ms + self._chance.uniform(0, self._jitter_ms), number))
        arrivals.sort()  # the network keeps what it delays in whatever order; Asterisk hands on what comes
        at = 0
        for tick in range(int(seconds * 50)):
            while at < len(arrivals) and arrivals[at][0] <= tick * 20:
                self.playout.put(tone(300, 20, at=arrivals[at][1] * FRAME))
                at += 1
            self.out.append(self.playout.take())


def test_frames_that_come_on_time_pass_unchanged() -> None:
    clocks = Clocks()
    clocks.run(10)
    assert (clocks.playout.filled, clocks.playout.shortened, clocks.playout.lengthened) == (0, 0, 0)
    whole = np.concatenate([one for one in clocks.out if one is not None])
    assert np.array_equal(whole, tone(300, len(whole) // 8))


def test_jitter_is_met_by_a_deeper_store_and_then_fills_nothing() -> None:
    clocks = Clocks(jitter_ms=60)
    clocks.run(10)
    settled = clocks.playout.filled
    clocks.run(20)
    assert clocks.playout.filled - settled <= 10  # of a thousand
    assert clocks.playout.held_ms < 150
    assert all(one is not None for one in clocks.out[10:])


def test_one_frame_in_twenty_lost_leaves_no_silence_and_no_growing_delay() -> None:
    clocks = Clocks(lost=0.05, jitter_ms=10)
    clocks.run(60)
    heard = clocks.out[10:]
    assert clocks.lost > 100
    assert all(one is not None for one in heard)
    quiet = sum(float(np.abs(one).max()) < 800 for one in heard if one is not None)
    assert quiet <= len(heard) * 0.002
    assert clocks.playout.held_ms < 100


@pytest.mark.parametrize("ppm", [-500.0, 500.0, *((-100.0, 100.0) if LONG else ())])
def test_a_clock_that_is_faster_or_slower_is_followed(ppm: float) -> None:
    clocks = Clocks(faster_ppm=ppm, jitter_ms=5)
    clocks.run(600 if LONG else 120)
    assert clocks.playout.held_ms < 120
    assert clocks.playout.filled <= 25
    assert clocks.playout.dropped == 0
    assert clocks.playout.shortened if ppm > 0 else clocks.playout.lengthened
    whole = np.concatenate([one for one in clocks.out if one is not None])
    assert steepest(whole) < 4 * steepest(tone(300, 1000))  # no click


def test_a_pause_is_no_loss_and_what_comes_after_it_is_stored_for_a_moment_again() -> None:
    clocks = Clocks()
    clocks.run(2)
    gone = [clocks.playout.take() for _ in range(50)]
    assert gone[-1] is None
    filled = clocks.playout.filled
    assert filled <= 10
    clocks.playout.put(tone(300, 20))
    assert clocks.playout.take() is None
    clocks.playout.put(tone(300, 20))
    assert clocks.playout.take() is not None
    assert clocks.playout.filled == filled


def test_a_burst_after_a_standstill_costs_its_oldest_and_leaves_no_delay() -> None:
    playout = Playout(RATE)
    for number in range(200):
        playout.put(tone(300, 20, at=number * FRAME))
    assert playout.held_ms <= FULL_MS
    for number in range(200, 600):
        playout.put(tone(300, 20, at=number * FRAME))
        playout.take()
    assert playout.held_ms < 120


def test_what_is_forgotten_is_not_heard() -> None:
    clocks = Clocks()
    clocks.run(1)
    clocks.playout.put(tone(300, 100))
    clocks.playout.forget()
    assert clocks.playout.take() is None
    clocks.playout.put(tone(1000, 40))
    after = clocks.playout.take()
    assert after is not None
    assert np.array_equal(after, tone(1000, 20))


@pytest.mark.parametrize("rate", RATES)
def test_cutting_and_stretching_make_no_click(rate: int) -> None:
    whole = tone(440, 200, rate)
    before, after = whole[: rate // 10], whole[rate // 10 :]
    cut = shorter(after, rate)
    stretched = longer(before, after, rate)
    assert 2 * rate // 1000 < len(after) - len(cut) <= 15 * rate // 1000 + 1
    assert 2 * rate // 1000 < len(stretched) - len(after) <= 15 * rate // 1000 + 1
    for made in (cut, stretched):
        assert steepest(np.concatenate((before, made))) < 1.5 * steepest(whole)


@pytest.mark.parametrize("rate", RATES)
def test_a_hole_is_filled_with_the_last_voice_which_fades(rate: int) -> None:
    before = tone(200, 60, rate)
    frame = rate // 50
    made = [invented(before, frame, rate, since) for since in range(0, frame * 6, frame)]
    loud = [float(np.abs(one).max()) for one in made]
    assert loud[0] > 7_000
    assert loud == sorted(loud, reverse=True)
    assert loud[5] == 0


@given(st.lists(st.integers(0, 600), max_size=6), st.sampled_from(RATES))
@settings(max_examples=60, deadline=None)
def test_no_length_is_too_short_for_anything(lengths: list[int], rate: int) -> None:
    playout = Playout(rate)
    for length in lengths:
        some = np.full(length, 100.0, np.float32)
        playout.put(some)
        taken = playout.take()
        assert taken is None or len(taken) == rate // 50
        assert len(shorter(some, rate)) <= length
        assert len(longer(some, some, rate)) >= length
        assert len(joined(some, some, 40)) <= 2 * length
        assert len(invented(some, 80, rate, 0)) == 80


def test_seven_loud_voices_stay_below_the_ceiling_and_one_is_left_as_it_is() -> None:
    limiter = Limiter()
    one = tone(300, 20, peak=15_000)
    assert np.array_equal(limiter.take(one), one)
    for _ in range(10):
        assert float(np.abs(limiter.take(one * 7)).max()) <= CEILING * 1.001
    back = [limiter.take(one) for _ in range(100)]
    assert np.allclose(back[-1], one)


def test_what_a_telephone_cannot_carry_is_filtered_out_before() -> None:
    decimator = Decimator(RATE)
    low = np.concatenate([decimator.take(part) for part in np.split(tone(1_000, 400, CLOCK), 20)])
    decimator = Decimator(RATE)
    high = np.concatenate([decimator.take(part) for part in np.split(tone(7_000, 400, CLOCK), 20)])
    assert len(low) == RATE * 400 // 1000
    assert float(np.abs(low[200:]).max()) > 7_000
    assert float(np.abs(high[200:]).max()) < 200


def test_prompts_keep_their_length_and_loudness_at_another_rate() -> None:
    wide = resampled(tone(500, 100), RATE, 16_000)
    assert len(wide) == 1_600
    assert abs(float(np.abs(wide).max()) - 8_000) < 200
    assert to_pcm(from_pcm(b"\x01\x02\x03")) == b"\x01\x02"


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_payload_stops_the_decoder(payload: bytes) -> None:
    decoder = Decoder()
    assert len(decoder.take(payload)) <= CLOCK * 120 // 1000
    assert len(decoder.take(Encoder(RATE).take(tone(300, 20)))) == CLOCK // 50


@pytest.mark.parametrize("ppm", [-300.0, 300.0])
async def test_what_is_sent_follows_the_clock_that_plays_it(ppm: float) -> None:
    """Asterisk plays by its own clock and says how much waits; neither a hole nor a growing delay comes of it."""
    line = Telephone()
    forwarder = _forwarder()
    phones = Phones(forwarder)
    peer = phones.join(line, "p")
    ear = Ear(peer)
    ear.begin()
    sent, queue, holes, worst = 0, 0.0, 0, 0.0
    line.received = 2
    for tick in range(50 * 300):
        ear.hear([tone(300, 20, CLOCK, at=tick * CLOCK // 50)])
        queue += line.received - sent - (1 + ppm / 1e6)
        sent = line.received
        if queue < 0:
            holes, queue = holes + 1, 0.0
        worst = max(worst, queue)
        line.waiting_ms = int(queue) * 20
    await peer.close()
    await phones.close()
    assert holes <= 3
    assert worst < 7
    assert ear.steered > 0


async def test_who_begins_to_listen_hears_nothing_of_what_was_said_before() -> None:
    forwarder = _forwarder()
    phones = Phones(forwarder)
    track = forwarder.publish(None, Source("audio", "OPUS", CLOCK, 111, ssrc=5))
    sent = Sent("0", "audio", "microphone", "OPUS", [Layer(track)])
    insider, newcomer = Telephone(), Telephone()
    inside, outside = phones.join(insider, "in"), phones.join(newcomer, "out")
    for peer in (inside, outside):
        peer.person = None
    encoder = Encoder(16_000)
    at = 0

    def spoken(hertz: float, frames: int) -> None:
        nonlocal at
        for _ in range(frames):
            payload = encoder.take(tone(hertz, 20, 16_000, at=at * 320))
            forwarder.inject(track, payload, at * 960)
            at += 1
            phones.tick()

    inside.show(inside.slots["1"], sent, allowed=True)
    outside.show(outside.slots["1"], sent, allowed=False)
    spoken(900, 50)
    assert insider.loudness(900, 20) > 0.1
    for _ in range(4):  # the secret's last words are in store, played to nobody yet
        forwarder.inject(track, encoder.take(tone(900, 20, 16_000, at=at * 320)), at * 960)
        at += 1
    outside.show(outside.slots["1"], sent, allowed=True)
    before = newcomer.received
    encoder = Encoder(16_000)
    spoken(1_700, 50)
    heard = newcomer.received - before
    assert newcomer.loudness(1_700, heard) > 0.1
    assert newcomer.loudness(900, heard) < 0.003
    for peer in (inside, outside):
        await peer.close()
    await phones.close()
    assert track.heard is None


async def test_a_process_that_stood_still_loses_no_time_in_what_it_sends() -> None:
    forwarder = _forwarder()
    phones = Phones(forwarder)
    peer = phones.join(Telephone(), "p")
    (sent,) = peer.sent.values()
    peer.person = Participant(Invitation("r", "p", "p", Role.PARTY, 0), Standing.HERE, admitted=True)

    async def beats() -> bool:
        return sent.start.packets > 3

    await eventually(beats, "the beat runs")
    before = sent.start.last_timestamp
    time.sleep(0.5)  # noqa: ASYNC251  # the very thing: nothing of this process runs

    async def later() -> bool:
        return sent.start.last_timestamp != before

    await eventually(later, "the beat goes on")
    assert 0.45 < (sent.start.last_timestamp - before) % (1 << 32) / CLOCK < 0.8
    await peer.close()
    await phones.close()


async def test_a_hole_in_the_numbers_is_filled_and_a_late_packet_is_not_heard_twice() -> None:
    forwarder = _forwarder()
    phones = Phones(forwarder)
    track = forwarder.publish(None, Source("audio", "OPUS", CLOCK, 111, ssrc=5))
    line = Telephone()
    peer = phones.join(line, "p")
    peer.show(peer.slots["1"], Sent("0", "audio", "microphone", "OPUS", [Layer(track)]), allowed=True)
    encoder = Encoder(16_000)
    kept: tuple[bytes, int] | None = None
    for number in range(200):
        payload = encoder.take(tone(500, 20, 16_000, at=number * 320))
        if number % 20 == 10:
            kept = payload, number * 960
        else:
            forwarder.inject(track, payload, number * 960)
        if kept is not None and number % 20 == 12:
            forwarder.inject(track, kept[0], kept[1])
        phones.tick()
    voice = phones._voices[track]
    assert voice.playout.filled >= 10
    loud = [np.abs(from_pcm(frame)).max() > 1_000 for frame in list(line.heard)[20:]]
    assert all(loud)
    assert line.loudness(500, 100) > 0.15
    await peer.close()
    await phones.close()


class _Nobody:
    """Whom the forwarder has nothing to hand up to here."""

    def on_stun(self, data: bytes, address: Address) -> None: ...
    def on_dtls(self, lane: Lane, data: bytes) -> None: ...
    def on_rtcp(self, lane: Lane, data: bytes) -> None: ...
    def on_unknown(self, lane: Lane, packet: bytes) -> None: ...
    def on_stray(self, address: Address) -> None: ...


def _forwarder() -> Forwarder:
    return Forwarder(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), _Nobody())
