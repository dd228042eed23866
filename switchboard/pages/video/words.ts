/** What the page behind a link says; imported before anything asks for it. */
import { addWords } from '@/shared/i18n'

const zh = {
  title: '视频通话',
  lead: '12348 志愿者邀请您视频通话。电话请先不要挂断。',
  steps: '先看看自己的画面和声音，再进入。',
  allow: '允许摄像头和话筒',
  allowText: '浏览器会询问一次，请选择“允许”。',
  looking: '正在打开摄像头…',
  picture: '我的画面',
  noPicture: '没有摄像头也可以进入，对方能听到您。',
  voice: '请说一句话，绿条应随声音移动。',
  enter: '进入视频',
  entering: '正在进入…',
  without: '不用摄像头，直接进入',
  loading: '正在检查链接…',
  ended: '视频已结束。电话仍在通话中，可继续用电话交谈。',
  privacy: '只有您和志愿者能看到画面。',
  session: {
    mediation: '请您视频参加人民调解：{title}',
    notarization: '请您视频参加公证谈话：{title}',
    meeting: '请您视频参加会谈：{title}',
  },
  sessionSteps: '先看看自己的画面和声音，再进入等候室，主持人会请您进入。',
  you: '{name}，您好。',
  consent: '本次会话可能录音录像，作为案卷留存。',
  agree: '我同意录音录像',
  disagree: '不同意，请不要录我',
  sessionEnded: '本次会话已结束。可以关闭此页面。',
}

const en: typeof zh = {
  title: 'Video call',
  lead: 'A 12348 volunteer invites you to a video call. Please do not hang up the telephone.',
  steps: 'Look at your own picture first, then enter.',
  allow: 'Allow camera and microphone',
  allowText: 'The browser asks once. Please choose “Allow”.',
  looking: 'Opening the camera…',
  picture: 'My picture',
  noPicture: 'You can enter without a camera: you will be heard.',
  voice: 'Say something: the green bar should move.',
  enter: 'Enter',
  entering: 'Entering…',
  without: 'Enter without the camera test',
  loading: 'Checking the link…',
  ended: 'The video has ended. Your telephone call goes on.',
  privacy: 'Only you and the volunteer see the picture.',
  session: {
    mediation: 'You are invited to a mediation by video: {title}',
    notarization: 'You are invited to a notary’s session by video: {title}',
    meeting: 'You are invited to a meeting by video: {title}',
  },
  sessionSteps: 'Look at your own picture first, then enter the waiting room; the host will ask you in.',
  you: 'Hello, {name}.',
  consent: 'This session may be recorded and kept in the file.',
  agree: 'I agree to be recorded',
  disagree: 'I do not; do not record me',
  sessionEnded: 'The session has ended. You may close this page.',
}

addWords({ zh: { video: zh }, en: { video: en } })
