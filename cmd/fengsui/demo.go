package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/app"
	"fengsui/internal/sim"
	"fengsui/media"
)

// demoCmd is serve on embedded defaults plus simulated cameras.
type demoCmd struct {
	Set []string `help:"Set one configuration key. Repeatable." sep:"none" placeholder:"KEY=VALUE"`
}

// Run serves from a data folder of its own, so that it never touches a real one.
func (d demoCmd) Run(c *console) error {
	set := append([]string{"data_dir=" + filepath.Join(os.TempDir(), "fengsui-demo"), "log.level=warn"}, d.Set...)
	cfg, err := configs.Load(configs.Source{Env: os.Environ(), Set: set})
	if err != nil {
		return err
	}
	server, err := app.New(c, cfg, c.err)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, banner(cfg, server))
	cameras, err := demoCameras(cfg, server)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	g, ctx := errgroup.WithContext(c)
	g.Go(func() error { return server.Run(ctx) })
	for _, s := range cameras {
		g.Go(func() error { return runAfter(ctx, server.Listening(), s) })
	}
	return g.Wait()
}

// demoCameras are four H.264 cameras, two H.265 ones and a recorder of four channels.
func demoCameras(cfg configs.Config, server *app.App) ([]*sim.Sim, error) {
	kinds := []sim.Config{
		{FirstID: "34020000001320000001", Devices: 4, Video: media.H264},
		{FirstID: "34020000001320000101", Devices: 2, Video: media.H265, Edition: gb28181.Edition2022},
		{FirstID: "34020000001180000001", Devices: 1, Channels: 4, Video: media.H264, Transport: sim.TCP},
	}
	var out []*sim.Sim
	for _, k := range kinds {
		k.Server, k.ServerID, k.Domain = loopback(cfg.SIP.Listen), gb28181.ID(cfg.SIP.ID), cfg.SIP.SIPDomain()
		k.Password = server.SIPPassword()
		s, err := sim.New(k)
		if err != nil {
			return nil, fmt.Errorf("simulated cameras: %w", err)
		}
		out = append(out, s)
	}
	return out, nil
}

func runAfter(ctx context.Context, ready <-chan struct{}, s *sim.Sim) error {
	select {
	case <-ready:
		return s.Run(ctx)
	case <-ctx.Done():
		return nil
	}
}

// banner is what a newcomer needs: where, and with which password.
func banner(cfg configs.Config, server *app.App) string {
	scheme := "http"
	if cfg.HTTP.TLS.Cert != "" || cfg.HTTP.TLS.Auto {
		scheme = "https"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(io.Writer(&b), format+"\n", args...) }
	line("")
	line("console   %s://%s/   user admin   password %s", scheme, loopback(cfg.HTTP.Listen), server.AdminPassword())
	line("cameras   7 simulated devices register at %s; real ones: server ID %s, domain %s, password %s",
		loopback(cfg.SIP.Listen), cfg.SIP.ID, cfg.SIP.SIPDomain(), server.SIPPassword())
	line("控制台    %s://%s/   用户 admin   密码 %s", scheme, loopback(cfg.HTTP.Listen), server.AdminPassword())
	line("")
	return b.String()
}

// loopback is a listen address as this machine reaches it.
func loopback(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
