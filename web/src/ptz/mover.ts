/** A movement as the API takes it: shares of the highest speed, -1 to 1; what is absent rests. */
export interface Motion {
  pan?: number
  tilt?: number
  zoom?: number
  focus?: number
  iris?: number
}

/** LEASE is how long one request moves a camera, in ms: it stops by itself when the page is gone. */
export const LEASE = 4000

/** RENEW is after how many ms a movement that is still held is sent again. */
export const RENEW = 2500

/**
 * Mover moves a camera while something is held, and stops it at the release. Its requests never overtake each other: one
 * waits for the answer to the one before, and only what is wanted last is sent.
 */
export class Mover {
  private wanted: Motion | undefined
  private moving = false // the camera may be moving
  private changed = false // wanted is not what was sent last
  private working = false
  private timer = 0

  constructor(
    private readonly send: (motion: Motion & { duration_ms?: number }) => Promise<unknown>,
    private readonly failed: (e: unknown) => void,
  ) {}

  /** hold moves until release, or until another movement is held. */
  hold(motion: Motion): void {
    this.wanted = motion
    this.changed = true
    void this.work()
  }

  /** release stops what is held. */
  release(): void {
    if (this.wanted) this.stop()
  }

  /** stop stops the camera whatever moves it, cruises and scans included. */
  stop(): void {
    this.wanted = undefined
    this.changed = this.moving = true
    void this.work()
  }

  private async work(): Promise<void> {
    if (this.working) return
    this.working = true
    window.clearTimeout(this.timer)
    try {
      while (this.changed) {
        this.changed = false
        const motion = this.wanted
        if (!motion && !this.moving) break
        this.moving = !!motion
        await this.send(motion ? { ...motion, duration_ms: LEASE } : {})
      }
    } catch (e) {
      this.wanted = undefined
      this.changed = this.moving = false
      this.failed(e)
    } finally {
      this.working = false
    }
    if (this.wanted) this.timer = window.setTimeout(() => this.wanted && this.hold(this.wanted), RENEW)
  }
}
