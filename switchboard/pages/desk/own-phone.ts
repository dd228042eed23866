/** The volunteer's own telephone, as far as the server tells of it: never its number. */
import { request } from '@/shared/api'

export interface KnownPhone {
  number: boolean
  pin: boolean
  /** What to call to serve without a desk. */
  service_number: string | null
}

const PATH = '/api/own-phone'

export const ownPhone = (): Promise<KnownPhone> => request('GET', PATH)
export const registerPhone = (number: string, pin: string): Promise<KnownPhone> =>
  request('POST', PATH, { number, pin: pin || null })
export const forgetPhone = (): Promise<null> => request('DELETE', PATH)
