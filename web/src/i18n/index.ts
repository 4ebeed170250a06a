import { createI18n } from 'vue-i18n'
import { setApiLanguage } from '../api/client'
import en from './en'
import zh from './zh'

export type Language = 'zh' | 'en'
const KEY = 'fengsui.language'

function initial(): Language {
  const saved = localStorage.getItem(KEY)
  if (saved === 'zh' || saved === 'en') return saved
  return navigator.language.startsWith('zh') ? 'zh' : 'en'
}

export const i18n = createI18n({ legacy: false, locale: initial(), fallbackLocale: 'en', messages: { en, zh } })
apply(initial())

export function setLanguage(l: Language): void {
  i18n.global.locale.value = l
  localStorage.setItem(KEY, l)
  apply(l)
}

function apply(l: Language): void {
  document.documentElement.lang = l === 'zh' ? 'zh-CN' : 'en'
  document.title = l === 'zh' ? '烽燧 Fengsui' : 'Fengsui'
  setApiLanguage(l)
}
