/** The description of a config type, or of a part of it, as the API gives it: JSON Schema with x-order and x-unit. */
export interface Schema {
  type: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  title?: string
  properties?: Record<string, Schema>
  'x-order'?: string[]
  required?: string[]
  items?: Schema
  minItems?: number
  maxItems?: number
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  oneOf?: { const: number | string; title: string }[]
  default?: unknown
  readOnly?: boolean
  'x-unit'?: string
}

export type Values = Record<string, unknown>

/** What is wrong with one value: the rule it breaks, with that rule's bounds. */
export interface Fault {
  rule: 'required' | 'whole' | 'range' | 'least' | 'length' | 'pattern' | 'choice' | 'box' | 'count'
  low?: number
  high?: number
}

/** fieldsOf are the fields of an object in the order of a form. */
export function fieldsOf(s: Schema): [key: string, schema: Schema][] {
  const properties = s.properties ?? {}
  return (s['x-order'] ?? Object.keys(properties)).flatMap((key) => (properties[key] ? [[key, properties[key]] as [string, Schema]] : []))
}

/** isBox reports whether a list is a rectangle: left, top, right, bottom. */
export const isBox = (s: Schema) => s.type === 'array' && s.items?.type === 'integer' && s.minItems === 4

const missing = (v: unknown) => v === undefined || v === null || v === ''

/** blank is a new value: what must be given has its default, its first choice, or its least. */
export function blank(s: Schema): unknown {
  if (s.default !== undefined) return s.default
  if (s.oneOf?.length) return s.oneOf[0]!.const
  switch (s.type) {
    case 'object':
      return Object.fromEntries(fieldsOf(s).filter(([key, f]) => !f.readOnly && s.required?.includes(key)).map(([key, f]) => [key, blank(f)]))
    case 'array':
      if (isBox(s)) return [0, 0, 100, 100]
      return s.items ? Array.from({ length: s.minItems ?? 0 }, () => blank(s.items!)) : []
    case 'boolean':
      return false
    case 'string':
      return ''
    default:
      return s.minimum ?? 0
  }
}

/** outgoing is what of values is sent: neither what can only be read nor what was left empty. */
export function outgoing(s: Schema, values: Values): Values {
  const out: Values = {}
  for (const [key, f] of fieldsOf(s)) {
    const v = values[key]
    if (f.readOnly || v === undefined || v === null || (v === '' && !(s.required?.includes(key) && f.type === 'string'))) continue
    if (f.type === 'object') {
      const group = outgoing(f, v as Values)
      if (Object.keys(group).length) out[key] = group
    } else if (f.type === 'array' && f.items?.type === 'object') out[key] = (v as Values[]).map((item) => outgoing(f.items!, item))
    else out[key] = v
  }
  return out
}

/** check says what is wrong with values before they are sent, by the path of each: streams[0].frame_rate. */
export function check(s: Schema, values: Values, at = ''): Map<string, Fault> {
  const wrong = new Map<string, Fault>()
  for (const [key, f] of fieldsOf(s)) {
    if (f.readOnly) continue
    const path = at + key
    const v = values[key]
    if (missing(v) && !(v === '' && f.type === 'string' && f.minLength === 0)) {
      if (s.required?.includes(key)) wrong.set(path, { rule: 'required' })
      continue
    }
    if (f.type === 'object') {
      if (Object.keys(outgoing(f, v as Values)).length) for (const [p, w] of check(f, v as Values, `${path}.`)) wrong.set(p, w)
      continue
    }
    const fault = faultOf(f, v)
    if (fault) wrong.set(path, fault)
    if (f.type === 'array' && f.items?.type === 'object') {
      ;(v as Values[]).forEach((item, i) => {
        for (const [p, w] of check(f.items!, item, `${path}[${i}].`)) wrong.set(p, w)
      })
    }
  }
  return wrong
}

function faultOf(f: Schema, v: unknown): Fault | undefined {
  if (f.oneOf) return f.oneOf.some((c) => c.const === v) ? undefined : { rule: 'choice' }
  switch (f.type) {
    case 'integer':
      if (!Number.isInteger(v)) return { rule: 'whole' }
      return rangeOf(f, v as number)
    case 'number':
      return typeof v === 'number' ? rangeOf(f, v) : { rule: 'whole' }
    case 'string': {
      const length = [...(v as string)].length
      if ((f.minLength !== undefined && length < f.minLength) || (f.maxLength !== undefined && length > f.maxLength)) return { rule: 'length', low: f.minLength ?? 0, high: f.maxLength }
      return f.pattern && !new RegExp(f.pattern, 'u').test(v as string) ? { rule: 'pattern' } : undefined
    }
    case 'array': {
      const list = v as number[]
      if (isBox(f)) return list.length === 4 && list.every((n) => Number.isInteger(n) && n >= 0 && n <= 65535) && list[2]! > list[0]! && list[3]! > list[1]! ? undefined : { rule: 'box' }
      const [low, high] = [f.minItems ?? 0, f.maxItems ?? Infinity]
      return list.length < low || list.length > high ? { rule: 'count', low, high } : undefined
    }
  }
  return undefined
}

function rangeOf(f: Schema, n: number): Fault | undefined {
  if (f.minimum !== undefined && f.maximum !== undefined) return n < f.minimum || n > f.maximum ? { rule: 'range', low: f.minimum, high: f.maximum } : undefined
  return n < 0 ? { rule: 'least', low: 0 } : undefined
}

/** refusedAt are the words of a refusal by the path of the value, as check has it. */
export function refusedAt(errors: readonly { location: string; message: string }[] | null | undefined): Map<string, string> {
  return new Map((errors ?? []).map((e) => [e.location.replace(/^body\.values\.?/, ''), e.message]))
}
