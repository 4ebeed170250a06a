import { describe, expect, it } from 'vitest'
import en from '../src/i18n/en'
import zh from '../src/i18n/zh'

const keys = (o: object, at = ''): string[] =>
  Object.entries(o).flatMap(([k, v]) => (typeof v === 'object' ? keys(v as object, `${at}${k}.`) : [`${at}${k}`]))
const holes = (s: string) => [...s.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort()
const at = (o: object, key: string): string => key.split('.').reduce<unknown>((v, k) => (v as Record<string, unknown>)[k], o) as string

describe('the two languages', () => {
  it('have the same keys', () => expect(keys(zh).sort()).toEqual(keys(en).sort()))
  it.each(keys(en))('name the same values in %s', (k) => expect(holes(at(zh, k))).toEqual(holes(at(en, k))))
})
