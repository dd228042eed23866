/**
 * What the terminal says aloud: the house's own prompts, fetched once and kept as sound; a browser's own voice only for
 * what could not be fetched. One thing at a time, the newest counts.
 */
import { ref } from 'vue'

import type { House } from './house'

/** Needed when there is no line to fetch them by: first. */
const FIRST = [
  'terminal_home', 'terminal_about', 'terminal_record', 'terminal_test', 'terminal_waiting', 'terminal_your_turn',
  'terminal_network_lost', 'terminal_network_back', 'terminal_resumed', 'terminal_volunteer_lost', 'terminal_anything_else',
  'terminal_paper', 'terminal_paper_sent', 'terminal_paper_blurred', 'terminal_survey', 'terminal_thanks', 'terminal_help',
  'terminal_help_coming', 'terminal_camera_missing', 'terminal_microphone_missing', 'terminal_printer', 'terminal_closed',
] as const

export class Voice {
  /** Something is being said. */
  readonly speaking = ref(false)
  /** The language that is spoken; `local` is the village's dialect. */
  spoken = 'zh'
  private context: AudioContext | null = null
  private readonly sounds = new Map<string, AudioBuffer>()
  private playing: AudioBufferSourceNode | null = null
  private turn = 0
  private last: readonly string[] = []
  private fetching = false

  constructor(private readonly house: () => House | null) {}

  /** One context for all sound. A browser that holds it back until a touch gets it going with that touch. */
  sound(): AudioContext {
    this.context ??= new AudioContext()
    if (this.context.state === 'suspended') void this.context.resume().catch(() => undefined)
    return this.context
  }

  /** Says these one after another; what was being said before ends. */
  async say(...keys: string[]): Promise<void> {
    if (keys.length === 0) return
    this.hush()
    const turn = this.turn
    this.last = keys
    this.speaking.value = true
    try {
      for (const key of keys) {
        if (turn !== this.turn) return
        const sound = await this.fetch(key).catch(() => null)
        if (turn !== this.turn) return
        if (sound) await this.play(sound)
      }
    } finally {
      if (turn === this.turn) this.speaking.value = false
    }
  }

  /** Words that nobody has recorded, such as a day and an hour: the browser's own voice, where it has one. */
  read(text: string, language: string): void {
    this.hush()
    const voices = window.speechSynthesis?.getVoices() ?? []
    if (!voices.some((one) => one.lang.startsWith(language))) return
    const turn = this.turn
    const spoken = new SpeechSynthesisUtterance(text)
    spoken.lang = language === 'zh' ? 'zh-CN' : 'en'
    spoken.rate = 0.9
    spoken.onend = spoken.onerror = () => {
      if (turn === this.turn) this.speaking.value = false
    }
    this.speaking.value = true
    window.speechSynthesis.speak(spoken)
  }

  /** What was said last, for whoever did not understand it; `otherwise` where nothing was said yet. */
  again(...otherwise: string[]): void {
    void this.say(...(this.last.length > 0 ? this.last : otherwise))
  }

  hush(): void {
    this.turn += 1
    this.speaking.value = false
    const playing = this.playing
    this.playing = null
    window.speechSynthesis?.cancel()
    try {
      playing?.stop()
    } catch {
      // it has ended by itself
    }
  }

  /** Two tones, three times: somebody may sit at the other end of the room. */
  ring(): void {
    this.tones([880, 660, 880, 660, 880, 660], 0.32)
  }

  chime(): void {
    this.tones([660, 880], 0.2)
  }

  /** Fetches what may be wanted, one by one while the line is idle; `busy` stops it. */
  async prepare(busy: () => boolean): Promise<void> {
    if (this.fetching) return
    this.fetching = true
    try {
      for (const key of FIRST) {
        if (busy()) return
        await this.fetch(key).catch(() => null)
      }
    } finally {
      this.fetching = false
    }
  }

  private tones(hertz: readonly number[], seconds: number): void {
    const context = this.sound()
    hertz.forEach((one, at) => {
      const tone = new OscillatorNode(context, { frequency: one })
      const loud = new GainNode(context, { gain: 0 })
      const from = context.currentTime + at * seconds
      loud.gain.setValueAtTime(0, from)
      loud.gain.linearRampToValueAtTime(0.5, from + 0.02)
      loud.gain.linearRampToValueAtTime(0, from + seconds * 0.95)
      tone.connect(loud).connect(context.destination)
      tone.start(from)
      tone.stop(from + seconds)
    })
  }

  private async fetch(key: string): Promise<AudioBuffer | null> {
    const name = `${this.spoken}/${key}`
    const known = this.sounds.get(name)
    if (known) return known
    const house = this.house()
    if (!house) return null
    const made = await this.sound().decodeAudioData(await house.prompt(this.spoken, key))
    this.sounds.set(name, made)
    return made
  }

  private play(sound: AudioBuffer): Promise<void> {
    const context = this.sound()
    // Held back by the browser until somebody touches the screen: nobody waits for the end of what nobody hears.
    if (context.state !== 'running') return Promise.resolve()
    return new Promise((done) => {
      const source = new AudioBufferSourceNode(context, { buffer: sound })
      source.connect(context.destination)
      source.onended = () => done()
      this.playing = source
      source.start()
    })
  }
}
