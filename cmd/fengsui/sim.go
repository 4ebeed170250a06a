package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/media"
	"fengsui/sip/note"
)

// simCmd simulates devices until interrupted or, with --for, for a time.
type simCmd struct {
	Server     string        `help:"SIP address of the server." default:"127.0.0.1:5060" placeholder:"HOST:PORT"`
	ServerID   string        `help:"20-digit ID of the server." default:"34020000002000000001"`
	Domain     string        `help:"SIP domain; default the first ten digits of the server's ID."`
	Password   string        `help:"Password of every device." env:"FENGSUI_SIM_PASSWORD"`
	Devices    int           `help:"How many devices." default:"1"`
	Channels   int           `help:"Channels of each; more than one makes recorders (type 118)." default:"1"`
	Transport  string        `help:"SIP transport." enum:"udp,tcp" default:"udp"`
	Video      string        `help:"Codec of the picture." enum:"h264,h265" default:"h264"`
	Audio      string        `help:"Codec of the sound." enum:"pcma,pcmu,aac,none" default:"pcma"`
	Edition    string        `help:"Edition that the devices announce." enum:"2016,2022" default:"2016"`
	Quirk      []string      `help:"Fault of real firmware, by name (see --quirks). Repeatable." placeholder:"NAME"`
	Loss       float64       `help:"Share of RTP packets that is lost, 0 to 1."`
	FirstID    string        `help:"ID of the first device; the others count up."`
	Keepalive  time.Duration `help:"Interval of keepalives." default:"60s"`
	Expires    time.Duration `help:"Time a registration lasts." default:"1h"`
	Rate       int           `help:"First registrations a second." default:"1000"`
	Records    int           `help:"Recordings of each channel and day; -1 is none." default:"96"`
	RecordPart int           `help:"Recordings in one message of a list." default:"2"`
	Note       string        `help:"Sign requests with this hash (MD5, SHA-1, SHA-256, SM3) and refuse unsigned ones." enum:"MD5,SHA-1,SHA-256,SM3," default:""`
	NoteSeed   string        `help:"Secret of the signatures." env:"FENGSUI_SIM_NOTE_SEED"`
	MaxStreams int           `help:"Streams of each device before it answers 486; 0 is no limit."`
	Expect     []string      `help:"What must have happened at the end: registered, keepalive, catalog, subscribe, invite or stream, each with =N. Repeatable." placeholder:"WHAT[=N]"`
	For        time.Duration `help:"End after this time; default at interrupt."`
	Quirks     bool          `help:"List the quirks and end."`
}

func (s simCmd) Run(c *console) error {
	if s.Quirks {
		for _, q := range sim.Quirks() {
			fmt.Fprintf(c.out, "%-14s %s\n", q.Name, q.Description)
		}
		return nil
	}
	devices, err := sim.New(sim.Config{
		Server: s.Server, ServerID: gb28181.ID(s.ServerID), Domain: s.Domain, Password: s.Password,
		Devices: s.Devices, Channels: s.Channels, FirstID: gb28181.ID(s.FirstID),
		Transport: s.Transport, Video: media.Codec(strings.ToUpper(s.Video)), Audio: media.Codec(strings.ToUpper(s.Audio)),
		Edition: gb28181.ParseEdition(s.Edition), Quirks: s.Quirk, Loss: s.Loss,
		Keepalive: s.Keepalive, Expires: s.Expires, Rate: s.Rate, MaxStreams: s.MaxStreams, Records: s.Records, RecordPart: s.RecordPart, Note: note.Algorithm(s.Note), NoteSeed: s.NoteSeed, Expect: s.Expect,
	})
	if err != nil {
		return err
	}
	ctx := context.Context(c)
	if s.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.For)
		defer cancel()
	}
	if err := runShowing(ctx, devices, c.err); err != nil {
		return err
	}
	fmt.Fprintln(c.out, devices.Stats())
	if unmet := devices.Unmet(); len(unmet) > 0 {
		return errors.New("expected and not seen: " + strings.Join(unmet, "; "))
	}
	return nil
}

// runShowing runs the devices and shows their progress once a second while it changes.
func runShowing(ctx context.Context, s *sim.Sim, out io.Writer) error {
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := ""
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			if line := s.Stats().String(); line != last {
				fmt.Fprintln(out, line)
				last = line
			}
		}
	}
}
