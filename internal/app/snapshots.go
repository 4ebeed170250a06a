package app

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"fengsui/gb28181"
	"fengsui/gb28181/setting"
	"fengsui/gb28181/snapshot"
	"fengsui/internal/api"
)

func (a *App) buildSnapshots() (err error) {
	c := &a.cfg.Snapshots
	a.snapshot, err = snapshot.New(snapshot.Config{
		Dir: filepath.Join(a.cfg.DataDir, "snapshots"), Keep: c.Keep, Bytes: int64(c.Size), Base: a.uploadBase,
	}, a.orderSnapshot, a.journal, a.part("snapshot"), a.registry)
	return err
}

// uploadBase is where a device uploads to: the address by which it reaches SIP, with
// the port of HTTP.
func (a *App) uploadBase(device gb28181.ID) (string, error) {
	if u := a.cfg.Snapshots.UploadURL; u != "" {
		return strings.TrimSuffix(u, "/") + api.UploadPath, nil
	}
	way, err := a.table.Flow(device)
	if err != nil {
		return "", err
	}
	host, _ := a.endpoint.Advertised(way)
	if host == "" {
		host = way.Local.Addr().Unmap().String()
	}
	_, port, err := net.SplitHostPort(a.cfg.HTTP.Listen)
	if err != nil {
		return "", fmt.Errorf("http.listen %q: %w", a.cfg.HTTP.Listen, err)
	}
	scheme := "http://"
	if a.cfg.HTTP.TLS.Cert != "" || a.cfg.HTTP.TLS.Auto {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port) + api.UploadPath, nil
}

// orderSnapshot tells a device to take pictures.
func (a *App) orderSnapshot(ctx context.Context, r snapshot.Request, session, url string) error {
	kind, _ := setting.Find("SnapShotConfig")
	_, err := a.command.Configure(ctx, r.Device, r.Channel, []setting.Setting{{Type: kind, Values: setting.Values{
		"snap_num": r.Count, "interval": int(r.Interval.Seconds()), "upload_url": url, "session_id": session,
	}}}, r.Edition)
	return err
}
