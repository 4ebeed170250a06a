package sim

import (
	"context"
	"io"
	"net/http"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

const (
	maker        = "Fengsui"
	firstVersion = "V1.0.0"
	fetchTime    = 20 * time.Second
	installTime  = 500 * time.Millisecond
	maxFetched   = 64 << 20 // bytes
)

// Reasons of DeviceUpgradeResult (signalling.md section 3.14).
const (
	notFetched = 1
	corrupt    = 2
)

// install begins an upgrade (2022 9.13). It reports false for software of another
// maker, and while another upgrade is under way.
func (d *device) install(u manscdp.DeviceUpgrade) bool {
	if d.installing || u.Manufacturer != maker {
		return false
	}
	d.installing = d.sim.work(func() {
		reason := fetch(d.sim.ctx, u.FileURL)
		d.shard.do(d, func(now instant) { d.fetched(now, u, reason) })
	})
	return d.installing
}

// fetch gets the file and returns why it cannot be installed, 0 when it can.
func fetch(ctx context.Context, url string) (reason int) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return notFetched
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return notFetched
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxFetched+1))
	switch {
	case err != nil || res.StatusCode != http.StatusOK:
		return notFetched
	case n == 0 || n > maxFetched:
		return corrupt
	}
	return 0
}

// fetched installs the file and restarts, or tells why not.
func (d *device) fetched(now instant, u manscdp.DeviceUpgrade, reason int) {
	if d.closed || d.leaving {
		return
	}
	d.result = &manscdp.DeviceUpgradeResult{DeviceID: gb28181.ID(d.id), SessionID: u.SessionID, OK: reason == 0, Reason: reason}
	if reason != 0 {
		d.tellResult(now)
		return
	}
	d.firmware = u.Firmware
	d.rebootAt = now + installTime
}

// tellResult tells how an upgrade went, once the device is registered.
func (d *device) tellResult(now instant) {
	if d.result == nil || !d.registered {
		return
	}
	r := *d.result
	d.result, d.installing = nil, false
	d.sn++
	r.SN, r.Firmware = int(d.sn), d.firmware
	d.enqueue(now, job{next: once(d.say(r))})
}
