/** Sends one file with progress; every failure is an ApiError in words. */
import { ApiError, type Words } from '@/shared/api'

const AWAY: Words = {
  zh: '上传没有完成。请检查网络后再试。',
  en: 'The upload did not finish. Check the network and try again.',
}

/** `progress`: 0 to 1 while the file goes up; after 1 the server works on it. */
export function upload<T>(path: string, body: Blob, type: string, progress: (share: number) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest()
    sending.open('POST', path)
    sending.setRequestHeader('Content-Type', type)
    sending.responseType = 'json'
    sending.timeout = 120_000
    sending.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total)
    sending.upload.onload = () => progress(1)
    sending.onerror = sending.ontimeout = () => reject(new ApiError(0, 'away', AWAY))
    sending.onload = () => {
      const told = sending.response as Partial<Words & { code: string; problems: string[] }> | null
      if (sending.status >= 200 && sending.status < 300) resolve(told as T)
      else {
        const words = told?.zh && told.en ? { zh: told.zh, en: told.en } : AWAY
        reject(new ApiError(sending.status, told?.code ?? String(sending.status), words, told?.problems ?? []))
      }
    }
    sending.send(body)
  })
}
