import { start } from '@/shared/start'

import Home from './Home.vue'

start(Home, 'home.title')
