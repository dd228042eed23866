/** The terminal in a village: plain Vue and its own style, nothing else. */
import './terminal.css'

import { createApp } from 'vue'

import Terminal from './Terminal.vue'

// A long press of a finger is no right click, and two fingers are no zoom.
document.addEventListener('contextmenu', (event) => event.preventDefault())
createApp(Terminal).mount('#page')
