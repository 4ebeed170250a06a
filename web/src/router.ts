import { createRouter, createWebHistory } from 'vue-router'
import { token } from './api/client'

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/signin', name: 'signin', component: () => import('./views/SignIn.vue'), meta: { open: true } },
    { path: '/', redirect: '/devices' },
    { path: '/devices', name: 'devices', component: () => import('./views/Devices.vue') },
    { path: '/devices/:device', name: 'device', component: () => import('./views/Device.vue'), props: true },
    { path: '/live', name: 'live', component: () => import('./views/Live.vue') },
    { path: '/attempts', name: 'attempts', component: () => import('./views/Attempts.vue') },
    { path: '/:rest(.*)', redirect: '/devices' },
  ],
})

router.beforeEach((to) => {
  if (!to.meta.open && !token()) return { name: 'signin', query: { to: to.fullPath } }
})
