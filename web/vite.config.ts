import { defineConfig } from 'vitest/config'
import vue from '@vitejs/plugin-vue'

// The server embeds dist; placeholder.html stays there for builds without Node.
export default defineConfig({
  plugins: [vue()],
  resolve: { alias: { '@': new URL('./src', import.meta.url).pathname } },
  build: { outDir: 'dist', emptyOutDir: false, target: 'es2022', chunkSizeWarningLimit: 900 },
  server: {
    proxy: {
      '/api': 'http://127.0.0.1:8080',
      '/live': 'http://127.0.0.1:8080',
      '/whep': 'http://127.0.0.1:8080',
    },
  },
  test: { environment: 'happy-dom', include: ['test/**/*.test.ts'] },
})
