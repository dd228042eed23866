"""What a page with a room in it shows and lets hear of the other one."""

from __future__ import annotations

from playwright.async_api import Page

from tests.support.browser import PATIENCE_S
from tests.support.switchboard import eventually

HEARD = """hertz => {
  const audio = document.querySelector('[data-test=room] audio, [data-test=video-room] audio')
  if (!audio?.srcObject) return 0
  window.__ears ??= {}
  const track = audio.srcObject.getAudioTracks()[0]
  if (window.__ears.track !== track) {
    const context = new AudioContext({ sampleRate: 48000 })
    const analyser = new AnalyserNode(context, { fftSize: 8192 })
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser)
    window.__ears = { track, analyser }
  }
  const samples = new Float32Array(8192)
  window.__ears.analyser.getFloatTimeDomainData(samples)
  let [real, imaginary] = [0, 0]
  samples.forEach((one, n) => {
    real += one * Math.cos(2 * Math.PI * hertz * n / 48000)
    imaginary += one * Math.sin(2 * Math.PI * hertz * n / 48000)
  })
  return 2 * Math.hypot(real, imaginary) / samples.length
}"""
HEARD_IN = """([name, hertz]) => {
  const tile = [...document.querySelectorAll('figure')].find((one) => one.querySelector('strong')?.textContent === name)
  const track = tile?.querySelector('audio')?.srcObject?.getAudioTracks()[0]
  if (!track) return 0
  window.__ears ??= {}
  if (window.__ears[name]?.track !== track) {
    window.__context ??= new AudioContext({ sampleRate: 48000 })
    const analyser = new AnalyserNode(window.__context, { fftSize: 8192 })
    window.__context.createMediaStreamSource(new MediaStream([track])).connect(analyser)
    window.__ears[name] = { track, analyser }
  }
  const samples = new Float32Array(8192)
  window.__ears[name].analyser.getFloatTimeDomainData(samples)
  let [real, imaginary] = [0, 0]
  samples.forEach((one, n) => {
    real += one * Math.cos(2 * Math.PI * hertz * n / 48000)
    imaginary += one * Math.sin(2 * Math.PI * hertz * n / 48000)
  })
  return 2 * Math.hypot(real, imaginary) / samples.length
}"""
"""Of the tile with this name."""
FRAMES = """() => document.querySelector('[data-test=room] figure video, [data-test=video-room] figure video')
  ?.getVideoPlaybackQuality().totalVideoFrames ?? 0"""


async def page_sees_and_hears(page: Page, hertz: int) -> None:
    before = await page.evaluate(FRAMES)

    async def both() -> bool:
        moving = await page.evaluate(FRAMES) >= before + 5
        return moving and await page.evaluate(HEARD, hertz) > 0.02

    await eventually(both, PATIENCE_S, f"picture and {hertz} Hz in the page")
