/** FLV pictures that go at once over HTTP/1.1: of a browser's six connections to one server, events and requests need two. */
export const MOST = 4

/** Slots counts the connections that pictures hold. */
export class Slots {
  private taken = 0

  /** limited tells whether connections are scarce now. */
  constructor(private readonly limited: () => boolean) {}

  /** take returns what gives the connection back; it throws, for the reader, when none is free. */
  take(): () => void {
    if (this.limited() && this.taken >= MOST) {
      throw new Error(`only ${MOST} pictures go by FLV over plain HTTP, as browsers open six connections to one server: use HTTPS, or let WebRTC through`)
    }
    this.taken++
    let given = false
    return () => {
      if (!given) this.taken--
      given = true
    }
  }
}

/** overHttp1 reports whether this page came by HTTP/1: with HTTP/2 and 3 one connection carries all. */
export function overHttp1(): boolean {
  const [page] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
  return /^http\/1/.test(page?.nextHopProtocol ?? '')
}
