import { readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import vue from '@vitejs/plugin-vue'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

/** packed writes name.gz beside each file that gets smaller by it; the server sends that one where it is taken. */
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    writeBundle({ dir }, bundle) {
      for (const name of Object.keys(bundle)) {
        if (!/\.(js|css|svg)$/.test(name)) continue
        const plain = readFileSync(`${dir}/${name}`)
        const small = gzipSync(plain, { level: 9 })
        if (small.length < plain.length * 0.9) writeFileSync(`${dir}/${name}.gz`, small)
      }
    },
  }
}

// The server embeds dist; placeholder.html stays there for builds without Node.
export default defineConfig({
  plugins: [vue(), packed()],
  define: { __VUE_I18N_LEGACY_API__: 'false', __VUE_I18N_FULL_INSTALL__: 'false', __INTLIFY_PROD_DEVTOOLS__: 'false' },
  build: { outDir: 'dist', emptyOutDir: false, target: 'es2022', chunkSizeWarningLimit: 400 },
  server: {
    proxy: {
      '/api': 'http://127.0.0.1:8080',
      '/live/': 'http://127.0.0.1:8080',
      '/playback/': 'http://127.0.0.1:8080',
      '/whep': 'http://127.0.0.1:8080',
    },
  },
  test: { environment: 'happy-dom', include: ['test/**/*.test.ts'] },
})
