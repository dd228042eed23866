/** Two soft notes, once per breach. */
let context: AudioContext | null = null

/** Call from a click: browsers keep sound asleep until the first one. */
export function wakeChime(): void {
  context ??= new AudioContext()
  void context.resume()
}

export function chime(): void {
  if (context?.state !== 'running') return
  const begin = context.currentTime + 0.02
  for (const [at, frequency] of [
    [0, 880],
    [0.28, 660],
  ] as const) {
    const oscillator = context.createOscillator()
    const gain = context.createGain()
    oscillator.frequency.value = frequency
    gain.gain.setValueAtTime(0, begin + at)
    gain.gain.linearRampToValueAtTime(0.25, begin + at + 0.02)
    gain.gain.exponentialRampToValueAtTime(0.001, begin + at + 0.7)
    oscillator.connect(gain).connect(context.destination)
    oscillator.start(begin + at)
    oscillator.stop(begin + at + 0.75)
  }
}
