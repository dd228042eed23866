/** Words for every code: those of video/protocol.md, and this page's own (`room.…`). */
import type { Words } from '@/shared/api'

const WORDS: Readonly<Record<string, Words>> = {
  'video.token': { zh: '入场凭证无效，请重新打开链接。', en: 'This invitation is not valid. Please open the link again.' },
  'video.token_expired': { zh: '入场凭证已过期，请索取新的链接。', en: 'This invitation has expired. Please ask for a new link.' },
  'video.token_room': { zh: '此凭证属于另一个房间。', en: 'This invitation is for another room.' },
  'video.room_full': { zh: '房间人数已满。', en: 'The room is full.' },
  'video.viewers_full': { zh: '旁听人数已满。', en: 'There is no more room for viewers.' },
  'video.rooms_full': { zh: '视频服务繁忙，请稍后再试。', en: 'The video service is busy. Please try again in a moment.' },
  'video.room_closed': { zh: '本次会话已结束。', en: 'This session has ended.' },
  'video.sent_back': { zh: '主持人请您先离开房间。', en: 'The host has asked you to leave the room for now.' },
  'video.place_lost': { zh: '离开时间过长，请重新进入房间。', en: 'You were away too long. Please enter the room again.' },
  'video.elsewhere': { zh: '您已在另一个页面进入此房间。', en: 'You have entered this room on another page.' },
  'video.not_allowed': { zh: '您没有进行此操作的权限。', en: 'You may not do this here.' },
  'video.no_participant': { zh: '此人已不在房间内。', en: 'This person is no longer in the room.' },
  'video.message': { zh: '页面与服务不一致，请刷新页面。', en: 'Page and service do not understand each other. Please reload the page.' },
  'video.version': { zh: '页面与服务不一致，请刷新页面。', en: 'Page and service do not understand each other. Please reload the page.' },
  'video.too_fast': { zh: '操作过于频繁，请稍候。', en: 'That was too fast. Please wait a moment.' },
  'video.description': { zh: '此浏览器的音视频设置无法使用，请更换浏览器。', en: 'The sound and picture of this browser cannot be used here. Please try another browser.' },
  'video.codec': { zh: '房间内其他人的设备无法播放此画面或声音的格式。', en: 'The devices of the others in the room cannot play this kind of picture or sound.' },
  'video.data_channel': { zh: '此浏览器的音视频设置无法使用，请更换浏览器。', en: 'The sound and picture of this browser cannot be used here. Please try another browser.' },
  'video.handshake': { zh: '无法建立加密连接，请检查网络。', en: 'The encrypted connection could not be made. Please check the network.' },
  'video.silent': { zh: '与房间的连接中断，正在重新连接。', en: 'The connection to the room was lost. Connecting again.' },
  'video.too_slow': { zh: '网络过慢，正在重新连接。', en: 'The network is too slow. Connecting again.' },
  'room.lost': { zh: '没有收到答复，请检查网络后再试。', en: 'There was no answer. Check the network and try again.' },
  'room.denied': { zh: '浏览器不允许使用摄像头或话筒，请在地址栏左侧允许后再试。', en: 'The browser does not allow camera or microphone. Allow them to the left of the address, then try again.' },
  'room.no_device': { zh: '没有找到摄像头或话筒，请检查是否插好。', en: 'No camera or microphone was found. Check that it is plugged in.' },
  'room.device_busy': { zh: '摄像头或话筒正被其他程序占用，请关闭其他程序后再试。', en: 'Another program is using the camera or microphone. Close it and try again.' },
  'room.unsupported': { zh: '此浏览器无法使用视频，请更换浏览器。', en: 'This browser cannot do video. Please try another one.' },
}

const ODD: Words = { zh: '视频服务出错，请重试。', en: 'Something went wrong with the video. Please try again.' }

/** The words of a code, for the person before the screen; a plain sentence for one that is unknown. */
export function wordsOf(code: string): Words {
  return WORDS[code] ?? ODD
}

export function knownCodes(): readonly string[] {
  return Object.keys(WORDS)
}

/** Something was refused, or had no answer: a stable code, and words. */
export class RoomError extends Error {
  readonly words: Words

  constructor(
    readonly code: string,
    words?: Words,
  ) {
    super(code)
    this.words = words ?? wordsOf(code)
  }
}
