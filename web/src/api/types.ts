// Names for the shapes of the API. schema.d.ts is made from docs/openapi.json by `npm run api`.
import type { components } from './schema'

type Schemas = components['schemas']

export type Device = Schemas['DeviceView']
export type DeviceState = Device['state']
export type Channel = Schemas['ChannelView']
export type TreeNode = Schemas['NodeView']
export type Stage = Schemas['StageView']
export type Stream = Schemas['StreamView']
export type Ban = Schemas['BanView']
export type Attempt = Schemas['AttemptView']
export type Message = Schemas['MessageView']
export type Routine = Schemas['RoutineView']
export type Watch = Schemas['WatchView']
export type Preset = Schemas['PresetView']
export type Records = Schemas['RecordsOutputBody']
export type Recorded = Schemas['RecordView']
export type ConfigType = Schemas['ConfigTypeView']
export type Subscription = Schemas['SubscriptionView']
export type AuditRow = Schemas['AuditView']
export type Chain = Schemas['ChainView']
export type Cruise = Schemas['CruiseView']
export type Download = Schemas['DownloadView']
export type Alarm = Schemas['AlarmView']
export type Position = Schemas['PositionView']
export type Job = Schemas['JobView']
export type System = Schemas['SystemOutputBody']
export type Act = Schemas['LoginOutputBody']['acts'][number]
export type Role = Schemas['RoleView']
export type Grant = Schemas['GrantView']
export type User = Schemas['UserView']
export type ApiKey = Schemas['KeyView']
export type MediaTransport = NonNullable<Schemas['DeviceInputBody']['media_transport']>
export type Profile = NonNullable<Schemas['StreamInputBody']['profile']>

/** An error as the server gives it. status 0 means that no server answered. */
export type Problem = Partial<Schemas['Problem']> & Pick<Schemas['Problem'], 'status' | 'title'>

/** One of the server's events; 'lost' says that some before it are gone. */
export interface ServerEvent {
  id?: number
  at?: string
  type: string
  device?: string
  channel?: string
  data?: Record<string, unknown>
}
