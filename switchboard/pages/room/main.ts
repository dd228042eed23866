/** The page behind an invitation: `/room#room=ROOM&token=TOKEN`. What stands behind `#` is sent to no server's log. */
import './texts'

import { h } from 'vue'

import { start } from '@/shared/start'

import Room from './Room.vue'

const invited = new URLSearchParams(window.location.hash.slice(1))

start({
  render: () =>
    h('main', { class: 'room-page' }, [
      h(Room, { room: invited.get('room') ?? '', token: invited.get('token') ?? '', url: '/video' }),
    ]),
}, 'room.title')
