package command

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"fengsui/gb28181"
	"fengsui/gb28181/agenda"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/quirk"
	"fengsui/internal/reuse"
	"fengsui/shadow"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// A question waits so often, and each time so long, while the server is busy.
const (
	busyRest  = 500 * time.Millisecond
	busyRests = 20
)

// ContentType is that of every MANSCDP body.
const ContentType = "Application/MANSCDP+xml"

// Commander asks devices. Its methods may be called from any goroutine.
type Commander struct {
	// Set by New, never changed after.
	cfg   Config
	send  Sender
	dev   Devices
	log   zerolog.Logger
	m     *metrics
	pace  *rate.Limiter
	calls *reuse.Pool[call, *call]

	sn     atomic.Uint32
	agenda *agenda.Agenda[gb28181.ID] // devices whose survey goes on
	moves  *moves

	mu      sync.Mutex // guards all below
	open    map[question][]*call
	opened  int
	surveys map[gb28181.ID]*survey
	steps   []step
}

// question is what an answer is matched by, besides the SN.
type question struct {
	device gb28181.ID
	cmd    string // upper case
}

// call is one open question. Commander.mu guards it while it is in open; it is
// used again once it has left.
type call struct {
	reuse.Mark

	sn     int
	answer chan *manscdp.Message // has room for answerParts
	got    context.CancelFunc    // stops repeats of the request when its answer came first
}

const (
	callBytes   = 384 // with its channel
	answerParts = 16  // of one answer that wait to be read
)

func newCall() *call { return &call{answer: make(chan *manscdp.Message, answerParts)} }

// clear lets go of answers that nobody waited for any more.
func (k *call) clear() {
	k.got = nil
	for {
		select {
		case <-k.answer:
		default:
			return
		}
	}
}

// New builds a commander that starts nothing. reg may be nil.
func New(cfg Config, send Sender, dev Devices, log zerolog.Logger, reg prometheus.Registerer) *Commander {
	cfg.setDefaults()
	c := &Commander{
		cfg: cfg, send: send, dev: dev, log: log,
		pace:    rate.NewLimiter(rate.Limit(cfg.Rate), max(cfg.Rate/10, 1)),
		agenda:  agenda.New[gb28181.ID](),
		open:    make(map[question][]*call),
		surveys: make(map[gb28181.ID]*survey),
		moves:   newMoves(cfg.MaxMoving),
	}
	c.calls = reuse.NewPool(cfg.Reuse, reuse.Spec{Name: "command_question", Level: reuse.Requests, Bytes: callBytes, Share: 1.0 / 512}, newCall, (*call).clear)
	c.sn.Store(rand.Uint32N(1 << 20)) // answers to a former process are not taken for ours
	c.steps = []step{{"DeviceInfo", true, c.askInfo}, {"DeviceStatus", true, c.askStatus}}
	c.m = newMetrics(reg, c.countOpen, c.countSurveys, c.moves.count)
	return c
}

// Pace waits for a question's turn among all questions of surveys.
func (c *Commander) Pace(ctx context.Context) error {
	for rests := 0; ; rests++ {
		if err := c.pace.Wait(ctx); err != nil {
			return fmt.Errorf("wait for a question's turn: %w", err)
		}
		if rests == busyRests || c.cfg.Busy == nil || !c.cfg.Busy() {
			return nil
		}
		c.m.postponed.Inc()
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a question's turn: %w", ctx.Err())
		case <-time.After(busyRest):
		}
	}
}

// Query asks a device about target, which is its own ID or that of a channel,
// and returns the matched Response. It reports gb28181.ErrUnknownDevice,
// gb28181.ErrOffline, gb28181.ErrTimeout when the request or the answer is
// overdue, or gb28181.ErrRefused, with the Response if there is one.
func (c *Commander) Query(ctx context.Context, id gb28181.ID, cmd, target string) (*manscdp.Message, error) {
	c.pace.Allow() // operators do not wait, but count
	return c.query(ctx, id, cmd, target)
}

func (c *Commander) query(ctx context.Context, id gb28181.ID, cmd, target string) (m *manscdp.Message, err error) {
	start := time.Now()
	defer func() { c.count(cmd, start, err) }()
	err = c.converse(ctx, id, cmd, c.cfg.Answer, func(sn int) (*manscdp.Node, error) {
		return manscdp.NewQuery(cmd, sn, gb28181.ID(target)), nil
	}, func(got *manscdp.Message) (bool, error) {
		m = got
		return true, nil
	})
	if err != nil {
		return m, fmt.Errorf("ask %s for %s: %w", id, cmd, err)
	}
	return m, nil
}

func (c *Commander) count(cmd string, start time.Time, err error) {
	c.m.questions.WithLabelValues(label(cmd), resultOf(err)).Inc()
	if err == nil {
		c.m.took.WithLabelValues(label(cmd)).Observe(time.Since(start).Seconds())
	}
}

// errNoAnswer is of a device that took the request and then was silent.
var errNoAnswer = fmt.Errorf("%w: took the question, no answer", gb28181.ErrTimeout)

// converse sends what write makes and gives each part of the answer to take,
// until that says that it was the last. wait is for each part. The errors are
// write's, which come before anything is sent, those of [Commander.Query] and take's.
func (c *Commander) converse(ctx context.Context, id gb28181.ID, cmd string, wait time.Duration,
	write func(sn int) (*manscdp.Node, error), take func(*manscdp.Message) (last bool, err error),
) error {
	f, err := c.dev.Flow(id)
	if err != nil {
		return err
	}
	sn := c.nextSN()
	body, err := write(sn)
	if err != nil {
		return err
	}
	sending, got := context.WithCancel(ctx)
	defer got()
	k, err := c.enter(id, cmd, sn, got)
	if err != nil {
		return err
	}
	defer c.leave(id, cmd, k)

	err = c.message(sending, id, f, body)
	if err != nil && sending.Err() == nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		select {
		case m := <-k.answer:
			last, err := take(m)
			if !m.ResultOK() {
				return fmt.Errorf("%w: %s", gb28181.ErrRefused, words(m))
			}
			if last || err != nil {
				return err
			}
			late.Reset(wait)
		case <-late.C:
			return fmt.Errorf("%w within %v", errNoAnswer, wait)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// words are what a device says of its refusal.
func words(m *manscdp.Message) string {
	said := "Result " + m.Node.Value("Result")
	for _, name := range [...]string{"Reason", "ErrorReason", "ExtraInfo", "Info"} {
		if text := m.Node.Value(name); text != "" {
			said += ", " + name + " " + text
		}
	}
	return said
}

// message sends a body as MESSAGE and maps how it was received. A device that
// answers anything at all is alive.
func (c *Commander) message(ctx context.Context, id gb28181.ID, f flow.Flow, body *manscdp.Node) error {
	d, _ := c.dev.Device(id)
	charset := manscdp.ReplyCharset(d.Edition, d.Charset, body)
	asked := time.Now()
	res, err := c.send.Do(ctx, c.peer(id, f), sip.Outgoing{
		Method: "MESSAGE", ContentType: ContentType, Body: manscdp.Encode(body, charset),
	})
	switch {
	case errors.Is(err, sip.ErrTimeout):
		return fmt.Errorf("%w: %w", gb28181.ErrTimeout, err)
	case err != nil:
		return err
	}
	// It lived when it was asked. By now the end of its connection may have been
	// seen, which is the newer word.
	c.dev.Heard(id, shadow.ByProbe, f, asked)
	if !res.Success() {
		return fmt.Errorf("%w: %d %s", gb28181.ErrRefused, res.Status, res.Reason)
	}
	return nil
}

func (c *Commander) peer(id gb28181.ID, f flow.Flow) sip.Peer {
	p := sip.Peer{User: string(id), Flow: f}
	if c.cfg.Secret != nil {
		p.Secret = func() string { return c.cfg.Secret(id) }
	}
	return p
}

// Ask sends a Catalog query in its turn and returns when the device has taken
// it. The answers go to package catalog.
func (c *Commander) Ask(ctx context.Context, id gb28181.ID, target string, sn int) (err error) {
	defer func() {
		c.m.questions.WithLabelValues(manscdp.CmdCatalog, resultOf(err)).Inc()
		if err != nil {
			err = fmt.Errorf("ask %s for its catalog: %w", id, err)
		}
	}()
	if err := c.Pace(ctx); err != nil {
		return err
	}
	f, err := c.dev.Flow(id)
	if err != nil {
		return err
	}
	return c.message(ctx, id, f, manscdp.NewQuery(manscdp.CmdCatalog, sn, gb28181.ID(target)))
}

// Response gives an answer that came to the question it answers, and reports
// whether there is one. An answer under a wrong SN counts when exactly one
// question of its command is open at the device.
func (c *Commander) Response(id gb28181.ID, m *manscdp.Message) bool {
	c.Learn(id, m)
	got, matched := c.give(id, m)
	if !matched {
		c.m.answers.WithLabelValues("none").Inc()
		return false
	}
	if got != nil {
		got()
	}
	return true
}

// give hands an answer to whoever waits for it. It returns what stops repeats of
// the question, nil if it was answered before.
func (c *Commander) give(id gb28181.ID, m *manscdp.Message) (got context.CancelFunc, matched bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.match(id, m)
	if k == nil {
		return nil, false
	}
	select {
	case k.answer <- m:
		return k.got, true
	default: // answered over and over
		c.m.answers.WithLabelValues("surplus").Inc()
		return nil, true
	}
}

// match finds the question that an answer is to; mu is held.
func (c *Commander) match(id gb28181.ID, m *manscdp.Message) *call {
	open := c.open[question{id, strings.ToUpper(m.CmdType)}]
	for _, k := range open {
		if k.sn == m.SN {
			c.m.answers.WithLabelValues("exact").Inc()
			return k
		}
	}
	if len(open) == 1 && !earlierControl(m, open[0].sn) {
		c.m.answers.WithLabelValues("wrong_sn").Inc()
		c.log.Debug().Str("device", string(id)).Str("cmd", label(m.CmdType)).Int("sn", m.SN).Int("asked", open[0].sn).
			Str("quirk", "sn-echo").Msg("answer under another SN taken")
		return open[0]
	}
	return nil
}

// earlierControl reports an answer to a control before the one of sn: some devices
// answer those too that have no answer.
func earlierControl(m *manscdp.Message, sn int) bool {
	return strings.EqualFold(m.CmdType, manscdp.CmdDeviceControl) && m.SN < sn && m.SN > sn-1000
}

// Learn notes the charset in which a device writes, and is written to.
func (c *Commander) Learn(id gb28181.ID, m *manscdp.Message) {
	charset := m.Charset
	if c.cfg.Quirks != nil {
		switch q := c.cfg.Quirks(id); {
		case q.Has(quirk.WriteUTF8):
			charset = manscdp.UTF8
		case q.Has(quirk.WriteGB18030):
			charset = manscdp.GB18030
		}
	}
	if charset == "" {
		return
	}
	if d, ok := c.dev.Device(id); !ok || d.Charset == charset {
		return
	}
	if err := c.dev.Update(id, func(d *gb28181.Device) { d.Charset = charset }); err != nil {
		c.log.Debug().Err(err).Str("device", string(id)).Msg("charset not noted")
	}
}

func (c *Commander) enter(id gb28181.ID, cmd string, sn int, got context.CancelFunc) (*call, error) {
	q := question{id, strings.ToUpper(cmd)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened >= c.cfg.MaxOpen {
		return nil, fmt.Errorf("%w: %d", ErrBusy, c.opened)
	}
	c.opened++
	k := c.calls.Get()
	k.sn, k.got = sn, got
	c.open[q] = append(c.open[q], k)
	return k, nil
}

func (c *Commander) leave(id gb28181.ID, cmd string, k *call) {
	q := question{id, strings.ToUpper(cmd)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened--
	open := c.open[q]
	for i := range open {
		if open[i] == k {
			open[i] = open[len(open)-1]
			open[len(open)-1] = nil
			open = open[:len(open)-1]
			break
		}
	}
	c.calls.Put(k)
	if len(open) == 0 {
		delete(c.open, q)
	} else {
		c.open[q] = open
	}
}

func (c *Commander) nextSN() int {
	for {
		if sn := int(c.sn.Add(1) & 0x7FFFFFFF); sn > 0 {
			return sn
		}
	}
}

func (c *Commander) countOpen() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(c.opened)
}

func (c *Commander) countSurveys() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(len(c.surveys))
}

// label keeps the metrics' commands a closed set.
func label(cmd string) string {
	switch cmd {
	case manscdp.CmdCatalog, manscdp.CmdDeviceInfo, manscdp.CmdRecordInfo, manscdp.CmdBroadcast:
		return cmd
	}
	if _, ok := specOf(cmd); ok {
		return cmd
	}
	return "other"
}

func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, gb28181.ErrTimeout):
		return "timeout"
	case errors.Is(err, ErrBusy), errors.Is(err, ErrMoving):
		return "busy"
	case errors.Is(err, gb28181.ErrRefused):
		return "refused"
	case errors.Is(err, gb28181.ErrOffline), errors.Is(err, gb28181.ErrUnknownDevice), errors.Is(err, sip.ErrUnreachable):
		return "offline"
	}
	return "error"
}
