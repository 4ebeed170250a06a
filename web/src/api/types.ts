// The shapes of the API that the console reads; /openapi.json has them whole.

export type DeviceState = 'online' | 'offline' | 'unknown'

export interface List<T> { items: T[]; total: number }

export interface Completeness { expected: number; received: number; complete: boolean; at?: string; skipped?: number }

export interface Device {
  id: string
  name?: string
  kind: 'gb28181' | 'hiksdk'
  state: DeviceState
  state_reason?: string
  state_evidence?: string
  state_at?: string
  state_since?: string
  transport?: string
  remote?: string
  registered_at?: string
  expires_at?: string
  keepalive_at?: string
  manufacturer?: string
  model?: string
  firmware?: string
  edition?: string
  channels?: number
  online_channels?: number
  catalog?: Completeness
}

export interface Channel {
  device: string
  id: string
  name?: string
  parent?: string
  civil_code?: string
  state: DeviceState
  ptz_type?: number
  invitable?: boolean
  manufacturer?: string
  address?: string
}

export interface TreeNode {
  id: string
  name: string
  kind: string
  device?: string
  state?: DeviceState
  children: boolean
  invitable?: boolean
}

export interface Stage {
  name: string
  at: string
  took_ms: number
  detail?: string
  failed?: boolean
  attempt?: number
}

export interface Stream {
  id: string
  device: string
  channel: string
  profile?: string
  state: string
  codec?: string
  tracks?: { codec: string; width?: number; height?: number }[]
  urls?: Record<string, string>
  stages?: Stage[]
  stats?: StreamStats
}

export interface StreamStats {
  bitrate?: number
  loss_rate?: number
  fps?: number
  readers?: number
  packets?: number
  lost?: number
}

export interface Problem {
  status: number
  code?: string
  title: string
  detail?: string
  remedy?: string
  stages?: Stage[]
  trace?: string
}

export interface Attempt {
  id: string
  user_agent?: string
  remote: string
  transport?: string
  at: string
  check: string
  detail?: string
  count: number
}

export interface Arrow {
  at: string
  from: string
  to: string
  label: string
  dir?: 'in' | 'out'
  call_id?: string
  text?: string
}

export interface ServerEvent { id: number; at: string; type: string; device?: string; channel?: string; data?: Record<string, unknown> }
