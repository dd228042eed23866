import './words'

import { start } from '@/shared/start'

import Video from './Video.vue'

start(Video, 'video.title')
