/** Two ways to catch the eye of somebody who looks elsewhere: a desktop notification and a flashing title. */
import { ref } from 'vue'

const FLASH_MS = 900

export type NotifyState = 'default' | 'granted' | 'denied' | 'missing'

export class Alerts {
  readonly permission = ref<NotifyState>(permission())
  private title = ''
  private flash: ReturnType<typeof setInterval> | null = null
  private note: Notification | null = null

  /** Call from a click. */
  async ask(): Promise<void> {
    if (typeof Notification === 'undefined') return
    await Notification.requestPermission()
    this.permission.value = permission()
  }

  setTitle(title: string): void {
    this.title = title
    if (this.flash === null) document.title = title
  }

  /** `head` flashes in the title; the notification shows when the page is not in front. */
  raise(head: string, body: string): void {
    this.clear()
    let on = true
    document.title = head
    this.flash = setInterval(() => {
      on = !on
      document.title = on ? head : this.title
    }, FLASH_MS)
    if (this.permission.value !== 'granted' || document.hasFocus()) return
    try {
      this.note = new Notification(head, { body, tag: '12348-reservation', requireInteraction: true })
      this.note.onclick = () => {
        window.focus()
        this.note?.close()
      }
    } catch {
      // some browsers allow notifications only from a worker; ringer and title remain
    }
  }

  clear(): void {
    if (this.flash !== null) clearInterval(this.flash)
    this.flash = null
    this.note?.close()
    this.note = null
    document.title = this.title
  }
}

function permission(): NotifyState {
  return typeof Notification === 'undefined' ? 'missing' : Notification.permission
}
