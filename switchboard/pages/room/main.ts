/**
 * `/room`: the rooms of whoever is signed in; `/room#ROOM` is one of them. `/room#room=ROOM&token=TOKEN` is the way in of
 * somebody who holds an invitation. What stands behind `#` is sent to no server's log.
 */
import './texts'

import { h } from 'vue'

import { start } from '@/shared/start'

import Room from './Room.vue'
import Rooms from './Rooms.vue'

const invited = new URLSearchParams(window.location.hash.slice(1))
const token = invited.get('token')

start(
  token === null
    ? Rooms
    : {
        render: () =>
          h('main', { style: 'height: 100vh' }, [h(Room, { room: invited.get('room') ?? '', token, url: '/video' })]),
      },
  'room.title',
)
