import { createI18n } from 'vue-i18n'
import en from './en'
import zh from './zh'
import { setApiLanguage } from '../api/client'

export type Language = 'zh' | 'en'
const KEY = 'fengsui.language'

function initial(): Language {
  const saved = localStorage.getItem(KEY)
  if (saved === 'zh' || saved === 'en') return saved
  return navigator.language.startsWith('zh') ? 'zh' : 'en'
}

export const i18n = createI18n({ legacy: false, locale: initial(), fallbackLocale: 'en', messages: { en, zh } })
setApiLanguage(initial())

export function setLanguage(l: Language): void {
  i18n.global.locale.value = l
  localStorage.setItem(KEY, l)
  document.documentElement.lang = l === 'zh' ? 'zh-CN' : 'en'
  setApiLanguage(l)
}
