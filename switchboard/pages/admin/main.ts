import './words'

import { start } from '@/shared/start'

import Admin from './Admin.vue'

start(Admin, 'admin.title')
