import { fileURLToPath, URL } from 'node:url'

import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: here('.'),
  base: '/static/',
  plugins: [vue()],
  resolve: { alias: { '@': here('.') } },
  define: {
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
    __INTLIFY_DROP_MESSAGE_COMPILER__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
    __VUE_OPTIONS_API__: true,
    __VUE_PROD_DEVTOOLS__: false,
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: false,
  },
  build: {
    outDir: here('../web/static'),
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    // A script must never be a data: address (the content security policy refuses it); small fonts may.
    assetsInlineLimit: 2048,
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      input: {
        home: here('home/index.html'),
        'sign-in': here('sign-in/index.html'),
        desk: here('desk/index.html'),
        board: here('board/index.html'),
        admin: here('admin/index.html'),
        video: here('video/index.html'),
        room: here('room/index.html'),
        terminal: here('terminal/index.html'),
      },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['**/*.test.ts'],
  },
})
