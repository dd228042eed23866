/** Phrases that spare typing, by matter and field. `____` is a gap to be filled in; the first one is selected. */

export type PhraseField = 'facts' | 'advice' | 'follow_up'
export interface Phrase {
  label: string
  text: string
}
type Said = [zhLabel: string, zh: string, enLabel: string, en: string]
type Book = Record<PhraseField, Said[]>

export const GAP = '____'

const GENERAL: Book = {
  facts: [
    ['来电人', '来电人：____（本人/亲属）。', 'Caller', 'Caller: ____ (in person / a relative). '],
    ['时间地点', '时间：____；地点：____。', 'When, where', 'When: ____; where: ____. '],
    ['证据', '现有证据：____。', 'Evidence', 'Evidence at hand: ____. '],
    ['诉求', '诉求：____。', 'Wish', 'The caller wants: ____. '],
  ],
  advice: [
    ['先协商', '建议先与对方协商，协商过程保留书面或录音证据。', 'Negotiate', 'Negotiate first, and keep written or recorded evidence of it. '],
    ['人民调解', '可向当地人民调解委员会申请调解，不收费。', 'Mediation', "The people's mediation committee may be asked, free of charge. "],
    ['起诉', '协商、调解不成的，可向____人民法院起诉。', 'Court', 'If that fails, an action may be brought before the court of ____. '],
    ['法律援助', '经济困难的，可向____法律援助中心申请法律援助。', 'Legal aid', 'In need, apply to the legal aid centre of ____. '],
    ['注意时效', '注意诉讼时效：____前主张权利。', 'Time limit', 'Mind the limitation period: claim before ____. '],
  ],
  follow_up: [
    ['无需跟进', '无需跟进。', 'None', 'No follow-up. '],
    ['来电人补材料', '来电人准备材料后再次来电：____。', 'Papers', 'The caller calls again once the papers are ready: ____. '],
    ['转交', '已告知向____办理。', 'Referred', 'Told to turn to ____. '],
  ],
}

const BY_MATTER: Record<string, Partial<Book>> = {
  labour: {
    facts: [
      ['欠薪要素', '入职时间：____；书面合同：有/无；月工资：____；拖欠月数和金额：____。', 'Wages owed', 'Joined: ____; written contract: yes/no; monthly wage: ____; months and amount owed: ____. '],
      ['解除要素', '解除时间：____；单位理由：____；工作年限：____；是否支付补偿：____。', 'Dismissal', 'Dismissed on: ____; reason given: ____; years worked: ____; compensation paid: ____. '],
      ['工伤要素', '受伤时间：____；工作原因：____；是否认定工伤：____；是否参保：____。', 'Injury at work', 'Injured on: ____; cause at work: ____; recognised as work injury: ____; insured: ____. '],
    ],
    advice: [
      ['投诉或仲裁', '可向劳动保障监察投诉，或向劳动争议仲裁委员会申请仲裁（不收费，时效一年）。', 'Arbitration', 'Complain to the labour inspectorate, or apply for labour arbitration (free, within one year). '],
      ['收集证据', '收集劳动合同、工资流水、考勤、工作群聊天记录、工友证言。', 'Evidence', 'Collect contract, bank statements of wages, attendance, chats and statements of colleagues. '],
    ],
  },
  marriage_family: {
    facts: [
      ['婚姻要素', '结婚时间：____；子女：____；分居：____；主要财产和债务：____。', 'Marriage', 'Married: ____; children: ____; separated since: ____; main assets and debts: ____. '],
      ['家暴要素', '施暴时间和次数：____；伤情：____；是否报警：____；目前是否安全：____。', 'Violence', 'When and how often: ____; injuries: ____; police called: ____; safe now: ____. '],
    ],
    advice: [
      ['协议离婚', '双方自愿的，可到婚姻登记机关办理协议离婚，有三十日冷静期。', 'By agreement', 'Where both agree: at the registry, with a cooling-off period of thirty days. '],
      ['保护令', '遭受家庭暴力应先报警、就医、留证，可向人民法院申请人身安全保护令。', 'Protection', 'After violence: police, doctor, evidence first; the court may order protection. '],
    ],
  },
  debt: {
    facts: [['借款要素', '借款时间：____；金额：____；借据：有/无；约定利息：____；还款期限：____；已还：____。', 'Loan', 'Lent on: ____; amount: ____; note of debt: yes/no; interest agreed: ____; due: ____; repaid: ____. ']],
    advice: [
      ['催告留证', '以书面、短信或微信催告，保留记录；诉讼时效三年，催告后重新计算。', 'Demand', 'Demand payment in writing or by message and keep it; three years, counted anew from the demand. '],
      ['支付令', '债务明确的，可向人民法院申请支付令。', 'Payment order', 'Where the debt is clear, the court may issue a payment order. '],
    ],
  },
  traffic_accident: {
    facts: [['事故要素', '时间地点：____；双方车辆或行人：____；责任认定：____；伤情：____；保险：____。', 'Accident', 'When and where: ____; vehicles or persons: ____; responsibility found: ____; injuries: ____; insurance: ____. ']],
    advice: [
      ['赔偿顺序', '先由交强险赔偿，不足部分由商业三者险和责任人承担；保留票据和病历。', 'Who pays', 'The compulsory insurance pays first, then the commercial one and whoever is liable; keep bills and medical records. '],
      ['复核', '对事故认定书不服的，可在送达之日起三日内向上一级交管部门申请复核。', 'Review', 'Against the finding of responsibility: apply for review within three days of service. '],
    ],
  },
  housing_land: {
    facts: [['房屋土地要素', '房屋或土地：____；权属证书：____；合同：____；争议：____。', 'Property', 'House or land: ____; title: ____; contract: ____; dispute: ____. ']],
    advice: [['土地纠纷', '可请村委会、乡镇政府调解，或申请农村土地承包仲裁，也可直接起诉。', 'Land', 'The village or township may mediate; arbitration of rural land contracts or court are open too. ']],
  },
  inheritance: {
    facts: [['继承要素', '被继承人去世时间：____；遗嘱：有/无；继承人：____；遗产：____。', 'Inheritance', 'Died on: ____; will: yes/no; heirs: ____; estate: ____. ']],
    advice: [['继承顺序', '无遗嘱的按法定继承：配偶、子女、父母为第一顺序。', 'Order', 'Without a will the law decides: spouse, children and parents come first. ']],
  },
  consumer: {
    facts: [['消费要素', '商家：____；商品或服务：____；金额：____；付款凭证：____；问题：____。', 'Purchase', 'Seller: ____; goods or service: ____; price: ____; receipt: ____; problem: ____. ']],
    advice: [['投诉 12315', '可拨打 12315 向市场监管部门投诉；有欺诈的可要求三倍赔偿。', '12315', 'Complain to 12315; in case of fraud three times the price may be claimed. ']],
  },
  legal_aid: {
    facts: [['申请要素', '申请事项：____；家庭人口和收入：____；住所地：____。', 'Application', 'About: ____; household and income: ____; place of residence: ____. ']],
    advice: [['所需材料', '携带身份证、申请表、经济困难说明或免予核查的证明、与案件有关的材料。', 'Papers', 'Bring identity card, form, statement of need (or proof that none is needed) and the papers of the case. ']],
  },
}

/** Those of the matter first; at most nine, one for each figure key. */
export function phrasesFor(matter: string, field: PhraseField, language: 'zh' | 'en'): Phrase[] {
  const said = [...(BY_MATTER[matter]?.[field] ?? []), ...GENERAL[field]].slice(0, 9)
  return said.map(([zhLabel, zh, enLabel, en]) => (language === 'zh' ? { label: zhLabel, text: zh } : { label: enLabel, text: en }))
}
