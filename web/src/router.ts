import { createRouter, createWebHistory } from 'vue-router'
import { token } from './api/session'

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/signin', name: 'signin', component: () => import('./views/SignIn.vue'), meta: { open: true } },
    { path: '/', redirect: '/devices' },
    { path: '/devices', name: 'devices', component: () => import('./views/Devices.vue'), meta: { title: 'devices' } },
    { path: '/devices/:device', name: 'device', component: () => import('./views/Device.vue'), props: true, meta: { title: 'devices' } },
    { path: '/devices/:device/channels/:channel', name: 'channel', component: () => import('./views/Channel.vue'), props: true, meta: { title: 'devices' } },
    { path: '/live', redirect: '/wall' }, // /live is the server's, which has play addresses under it: reloading there gives no page
    { path: '/wall', name: 'live', component: () => import('./views/Live.vue'), meta: { title: 'live' } },
    { path: '/alarms', name: 'alarms', component: () => import('./views/Alarms.vue'), meta: { title: 'alarms' } },
    { path: '/positions', name: 'positions', component: () => import('./views/Positions.vue'), meta: { title: 'positions' } },
    { path: '/downloads', name: 'downloads', component: () => import('./views/Downloads.vue'), meta: { title: 'downloads' } },
    { path: '/attempts', name: 'attempts', component: () => import('./views/Attempts.vue'), meta: { title: 'attempts' } },
    {
      path: '/admin', component: () => import('./views/Admin.vue'), redirect: { name: 'users' },
      children: [
        { path: 'users', name: 'users', component: () => import('./views/Users.vue'), meta: { title: 'admin' } },
        { path: 'roles', name: 'roles', component: () => import('./views/Roles.vue'), meta: { title: 'admin' } },
        { path: 'keys', name: 'keys', component: () => import('./views/Keys.vue'), meta: { title: 'admin' } },
        { path: 'audit', name: 'audit', component: () => import('./views/Audit.vue'), meta: { title: 'admin' } },
      ],
    },
    { path: '/:rest(.*)', redirect: '/devices' },
  ],
})

router.beforeEach((to) => {
  if (!to.meta.open && !token()) return { name: 'signin', query: to.fullPath === '/devices' ? {} : { to: to.fullPath } }
})

// After an upgrade of the server the parts of an older page are gone: load the page anew, once.
const RELOADED = 'fengsui.reloaded'
router.onError((error: unknown, to) => {
  if (/dynamically imported module|module script|preload CSS/i.test(String(error)) && sessionStorage.getItem(RELOADED) !== to.fullPath) {
    sessionStorage.setItem(RELOADED, to.fullPath)
    window.location.assign(to.fullPath)
  } else console.error(error)
})
router.afterEach((_, __, failure) => {
  if (!failure) sessionStorage.removeItem(RELOADED)
})
