/** The volunteer's own lists, in the order of their buttons. */
export const PANEL_NAMES = ['shifts', 'figures', 'ratings'] as const
export type PanelName = (typeof PANEL_NAMES)[number]
