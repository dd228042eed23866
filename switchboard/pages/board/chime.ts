/** Two soft notes, once per breach; a call for help sounds otherwise. */
let context: AudioContext | null = null

/** Call from a click: browsers keep sound asleep until the first one. */
export function wakeChime(): void {
  context ??= new AudioContext()
  void context.resume()
}

export function chime(): void {
  play([
    [0, 880],
    [0.28, 660],
  ])
}

/** Three rising notes, twice: somebody calls for help. */
export function callOut(): void {
  play([
    [0, 660],
    [0.2, 830],
    [0.4, 1040],
    [0.9, 660],
    [1.1, 830],
    [1.3, 1040],
  ])
}

function play(notes: readonly (readonly [at: number, frequency: number])[]): void {
  if (context?.state !== 'running') return
  const begin = context.currentTime + 0.02
  for (const [at, frequency] of notes) {
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
