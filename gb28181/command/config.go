package command

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/gb28181"
	"fengsui/gb28181/quirk"
	"fengsui/internal/reuse"
	"fengsui/shadow"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// ErrBusy is returned when too many questions wait for answers.
var ErrBusy = errors.New("too many questions are open")

// Sender sends a request and waits for its final answer; sip.Endpoint does.
type Sender interface {
	Do(ctx context.Context, p sip.Peer, o sip.Outgoing) (*sip.Response, error)
}

// Devices is what commands need of the device table.
type Devices interface {
	Device(id gb28181.ID) (gb28181.Device, bool)
	Flow(id gb28181.ID) (flow.Flow, error) // gb28181.ErrUnknownDevice, gb28181.ErrOffline
	Heard(id gb28181.ID, by shadow.Evidence, f flow.Flow, at time.Time)
	Update(id gb28181.ID, change func(*gb28181.Device)) error
}

// Config is what the commander can be told. The zero value of a field is its default.
type Config struct {
	// Rate is how many questions of surveys are sent a second, all devices
	// together; default 300. Higher learns of a restarted site sooner and loads
	// its uplinks more.
	Rate int
	// Answer is how long a device that took a question may think; default 10 s.
	Answer time.Duration
	// Attempts is how often a survey asks each question; default 4.
	Attempts int
	// Workers bounds the questions of surveys that are open at a time; default 1024.
	Workers int
	// MaxSurveys bounds the devices that wait to be surveyed; default 200,000.
	MaxSurveys int
	// MaxOpen bounds the open questions; default 20,000.
	MaxOpen int
	// MaxMoving bounds the cameras that move by a command of ours and are to be
	// stopped; default 10,000.
	MaxMoving int
	// Secret is the password for a device that challenges requests; may be nil.
	Secret func(device gb28181.ID) string
	// Busy reports that messages come in faster than they are handled: questions
	// of surveys wait then, 10 s at most, for those who register. nil: never.
	Busy func() bool
	// Reuse sizes the pool of open questions; nil: it stays at its smallest.
	Reuse *reuse.Keeper
	// Quirks are those of a device; nil: none has any.
	Quirks func(device gb28181.ID) quirk.Set
	// Rhythm is told how often a device says that it sends keepalives; may be nil.
	Rhythm func(device gb28181.ID, r shadow.Rhythm)
}

func (c *Config) setDefaults() {
	def(&c.Rate, 300)
	def(&c.Answer, 10*time.Second)
	def(&c.Attempts, 4)
	def(&c.Workers, 1024)
	def(&c.MaxSurveys, 200_000)
	def(&c.MaxOpen, 20_000)
	def(&c.MaxMoving, 10_000)
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

type metrics struct {
	questions *prometheus.CounterVec // cmd, result
	took      *prometheus.HistogramVec
	answers   *prometheus.CounterVec // match
	stops     *prometheus.CounterVec // result
	postponed prometheus.Counter
	dropped   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, open, waiting, moving func() float64) *metrics {
	m := &metrics{
		questions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_command_questions_total", Help: "Questions asked of devices, by command and result."}, []string{"cmd", "result"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fengsui_command_answer_seconds", Help: "Time from a question to its answer.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10}}, []string{"cmd"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_command_answers_total", Help: "Answers received: exact, under a wrong SN but taken, of no open question; surplus ones of an open question are dropped."}, []string{"match"}),
		stops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_command_stops_total", Help: "Moving cameras to be stopped: taken by the device, repeated after a failure, given up."}, []string{"result"}),
		postponed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_command_postponed_total", Help: "Times a question of a survey waited because messages came in faster than they were handled."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_command_surveys_dropped_total", Help: "Surveys not begun because too many devices wait."}),
	}
	if reg != nil {
		reg.MustRegister(m.questions, m.took, m.answers, m.stops, m.postponed, m.dropped,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fengsui_command_open_questions", Help: "Questions that wait for their answer."}, open),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fengsui_command_surveys", Help: "Devices being surveyed or waiting for it."}, waiting),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fengsui_command_moving", Help: "Cameras that move by a command and wait to be stopped."}, moving))
	}
	return m
}
