/** The parts of a terminal and how each may be: said on the board and in the administration. */
const zh = {
  terminalPart: { camera: '摄像头', microphone: '话筒', speaker: '喇叭', printer: '打印机', network: '网络' },
  terminalHow: {
    missing: '找不到',
    denied: '未获允许',
    busy: '被占用',
    paper_out: '缺纸',
    offline: '不工作',
    slow: '很慢',
  },
}

const en: typeof zh = {
  terminalPart: { camera: 'camera', microphone: 'microphone', speaker: 'loudspeaker', printer: 'printer', network: 'network' },
  terminalHow: {
    missing: 'missing',
    denied: 'not allowed',
    busy: 'in use elsewhere',
    paper_out: 'out of paper',
    offline: 'not working',
    slow: 'slow',
  },
}

export const terminalWords = { zh, en }
