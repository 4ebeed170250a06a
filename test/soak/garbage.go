//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	garbageRate = 4000 // datagrams a second
	streamRate  = 20   // connections a second, each with a message
	rogueCount  = 16   // registered devices that send garbage
)

// garbage makes messages of every bad kind we know.
type garbage struct{ torture [][]byte } // messages of RFC 4475

func readGarbage(folder string) (*garbage, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.dat"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no messages of RFC 4475 in %s (%w): run from the folder of go.mod or set -torture", folder, err)
	}
	g := &garbage{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		g.torture = append(g.torture, b)
	}
	return g, nil
}

// bombs are documents that would become large or deep.
var bombs = [...]string{
	"<?xml version=\"1.0\"?>\r\n<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;\">]>\r\n<Response><CmdType>Catalog</CmdType><SN>1</SN><DeviceID>&d;</DeviceID></Response>",
	"<Response><CmdType>Catalog</CmdType>" + strings.Repeat("<a>", 400),
	"<Response " + strings.Repeat("a=\"1\" ", 200) + ">",
	"<Response><CmdType>Catalog</CmdType><SN>1</SN><SumNum>2147483647</SumNum><DeviceList Num=\"2147483647\"></DeviceList></Response>",
}

// append appends one bad message.
func (g *garbage) append(b []byte, s *sender, i int) []byte {
	serial := uint32(i)
	switch i % 6 {
	case 0:
		for range 1 + rand.IntN(600) {
			b = append(b, byte(rand.Uint32()))
		}
		return b
	case 1, 2:
		from := len(b)
		b = append(b, g.torture[rand.IntN(len(g.torture))]...)
		b = b[:min(len(b), from+datagramLen)]
		for range 1 + rand.IntN(4) {
			b[from+rand.IntN(len(b)-from)] = byte(rand.Uint32())
		}
		return b
	case 3: // a catalog that ends anywhere
		body := s.report([]byte("<Query><CmdType>Catalog</CmdType><SN>7</SN></Query>"))
		return s.message(b, serial, body[:rand.IntN(len(body))])
	case 4:
		return s.message(b, serial, bombs[rand.IntN(len(bombs))])
	}
	return s.register(b, serial, fmt.Sprintf("%032x", rand.Uint64()), "wrong")
}

// run sends garbage for a while: half from strangers and half from addresses of
// registered devices, over UDP, and some over connections.
func (g *garbage) run(ctx context.Context, server netip.AddrPort, rogues *fleet, long time.Duration) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		return flood{
			n: int(long.Seconds() * garbageRate), over: long,
			from: func(i int) [4]byte {
				if i%2 == 0 {
					return rogues.devices[i/2%len(rogues.devices)].addr
				}
				return spread(garbageNet, i%20_000)
			},
			text: func(b []byte, s *sender, i int) []byte {
				if i%2 == 0 {
					s.id = rogues.devices[i/2%len(rogues.devices)].id
				}
				return g.append(b, s, i/2)
			},
		}.run(ctx, server)
	})
	all.Go(func() error {
		start := time.Now()
		for i := 0; time.Since(start) < long; i++ {
			from := spread(streamNet, i%20_000)
			c, err := dial(ctx, server, from)
			if err != nil {
				return err
			}
			s := sender{id: stranger(), addr: from}
			_, _ = c.Write(g.append(nil, &s, i)) // which the server may cut off
			time.Sleep(time.Second / streamRate)
			_ = c.Close()
		}
		return nil
	})
	return all.Wait()
}
