import react from '@vitejs/plugin-react';
import { defineConfig, type ProxyOptions } from 'vite';
import { compressed } from './compress';

const server = process.env.HELICLINE_URL ?? 'http://127.0.0.1:7070';

/** The server refuses foreign origins, so the proxy speaks in its own name. */
const toServer: ProxyOptions = {
  target: server,
  changeOrigin: true,
  configure: (proxy) => {
    proxy.on('proxyReq', (request) => request.removeHeader('origin'));
  },
};
const proxy = { '/api': toServer, '/ajax-api': toServer };

export default defineConfig({
  plugins: [react(), compressed()],
  build: {
    outDir: '../src/helicline/web',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
    manifest: true,
  },
  server: { host: '127.0.0.1', proxy },
  preview: { host: '127.0.0.1', proxy },
});
