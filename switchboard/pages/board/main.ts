import './words'

import { start } from '@/shared/start'

import Board from './Board.vue'

start(Board, 'board.title')
