//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fengsui/sip/digest"
	"fengsui/test/bench/report"
)

// Bars beside Kamailio.
const (
	pairsTimes      = 2.0
	keepalivesTimes = 1.5
)

// firstRate of devices that the server has never seen; more at once is a storm,
// in which it makes them wait.
const firstRate = 5000

// rates: REGISTER and keepalive at the maximum, beside Kamailio.
func rates(ctx context.Context, b *bench) (*result, error) {
	m, notes, err := besideKamailio(ctx, b)
	if err != nil {
		return nil, err
	}
	floors, more, err := rateOfFloor(ctx, b)
	if err != nil {
		return nil, err
	}
	notes = append(notes, more...)
	first, more, err := firstRegistrations(ctx, b)
	if err != nil {
		return nil, err
	}
	notes = append(notes, more...)
	notes = append(notes, m.pairs.limited("REGISTER pairs", floors.pairs)...)
	notes = append(notes, m.keepalives.limited("Keepalives", floors.keepalives)...)
	res := &result{notes: notes}
	res.rows = append(res.rows, m.pairs.rows("REGISTER pairs (401, then 200 by Digest)", m.version, pairsTimes, floors.pairs)...)
	res.rows = append(res.rows, report.Plain(fmt.Sprintf("— first registrations of 10,000 devices at %d a second, while their questions are asked", firstRate),
		fmt.Sprintf("%.1f µs CPU, p99 %s, loss %.3f %%, memory %s", first.Micros, millis(first.P99), 100*first.Loss, megabytes(first.RSS))))
	res.rows = append(res.rows, m.keepalives.rows("Keepalives", m.version, keepalivesTimes, floors.keepalives)...)
	res.notes = append(res.notes,
		fmt.Sprintf("A rate is sustained when, offered for %v whether answered or not, at most %.1f %% of the operations have no right answer within %v and 99 %% have it within %v; of a pair, from its first "+
			"request. It is found by halving an interval to within %.0f %% with tries of %v (one that fails is tried again), then proved over the whole window. Both servers take turns in each round on the same core, "+
			"with the same 10,000 devices from 10,000 addresses of 127.0.0.0/8, messages and driver; the ratio is taken within a round, and the round with the median ratio is the one shown.",
			rateWindow, 100*rateLoss, answerTime, rateP99, 100*searchWithin, rateProbe),
		"Every answer is checked: status, Call-ID, CSeq, tags, realm, lifetime, and of Fengsui also a new nonce in every 401 and the right time in Date of every 200; one wrong answer fails the run. "+
			"CPU is utime + stime of all processes of the server; memory is resident, pages that processes share counted once.",
		"Kamailio is Debian's, by `test/bench/testdata/kamailio.cfg`: one receiver process, no log, no TCP, no database, one password for all, locations in memory, MESSAGE answered without state; its receive buffer is asked to be as large as ours. It runs with the allocator that Debian's package takes by itself; one round shows it with its fast one, which whoever tunes it can choose. "+
			"It does less: it does not read the keepalive's body nor whose it is, keeps no state, time or evidence of a device, no trace, no metrics, no guard by source, stores nothing, asks devices nothing, "+
			"tells no Date, and gives the same nonce to all within a second. It does more: it would route calls.",
		"Fengsui's `sip.guard.allow` is emptied, as it names 127.0.0.0/8 by default and the guard would else not count these devices. Nothing else differs from the defaults.",
		"The driver waits at its socket when it has nothing to do. Over loopback an answer that comes alone then wakes it at its sender's cost, which Kamailio pays for most of its answers and Fengsui, which sends "+
			"them in batches, for few. One round is therefore taken with a driver that lets answers gather for some 70 µs and is woken by none.",
		"The floor is the driver itself against an echo in Go (`recvmmsg`, `sendmmsg`, same datagrams and nothing else): where it is above the server's rate, the driver was not what limited it. "+
			"First registrations last two seconds; what is written behind them later is not in their CPU time.")
	return res, nil
}

// beside is what the rounds of one operation showed.
type beside struct {
	rounds   []round[contest]
	gathered []round[contest] // with a driver that no answer wakes
	fast     []round[contest] // Kamailio with its fast allocator
}

func (s beside) rows(what, version string, times float64, floor rate) []report.Row {
	c := middle(s.rounds, contest.ratio).value
	var ratios []string
	for _, r := range s.rounds {
		ratios = append(ratios, fmt.Sprintf("%.2f", r.value.ratio()))
	}
	slices.Sort(ratios)
	cell := func(r rate) string {
		return fmt.Sprintf("%.0f/s; p99 %s, loss %.3f %%, %.1f µs CPU, memory %s", r.PerSec, millis(r.P99), 100*r.Loss, r.Micros, megabytes(r.RSS))
	}
	gathered, fast := s.gathered[0].value, s.fast[0].value
	equal := func(r rate) string { return fmt.Sprintf("%.1f µs CPU, p99 %s", r.Micros, millis(r.P99)) }
	return []report.Row{
		report.Plain(what+", sustained: Fengsui", cell(c.ours)),
		report.Plain("— Kamailio "+version, cell(c.theirs)),
		report.Bar("— times Kamailio's", fmt.Sprintf("%.2f (rounds: %s)", c.ratio(), strings.Join(ratios, ", ")), fmt.Sprintf("≥ %.1f", times), c.ratio() >= times),
		report.Plain(fmt.Sprintf("— both at %.0f/s, %.0f %% of Kamailio's", c.theirsEqual.Asked, 100*equalShare), "Fengsui "+equal(c.oursEqual)+"; Kamailio "+equal(c.theirsEqual)),
		report.Plain("— one round with a driver that no answer wakes: Fengsui; Kamailio; times", fmt.Sprintf("%.0f/s, %.1f µs CPU; %.0f/s, %.1f µs CPU; %.2f",
			gathered.ours.PerSec, gathered.ours.Micros, gathered.theirs.PerSec, gathered.theirs.Micros, gathered.ratio())),
		report.Plain("— one round beside Kamailio with its fast allocator (`-x fm`): Fengsui; Kamailio; times", fmt.Sprintf("%.0f/s, %.1f µs CPU; %.0f/s, %.1f µs CPU; %.2f",
			fast.ours.PerSec, fast.ours.Micros, fast.theirs.PerSec, fast.theirs.Micros, fast.ratio())),
		report.Plain("— floor: an echo", fmt.Sprintf("%.0f/s, %.1f µs CPU; %.2f times Fengsui's rate", floor.PerSec, floor.Micros, floor.PerSec/c.ours.PerSec)),
	}
}

// limited says so when the driver can do hardly more than the server did.
func (s beside) limited(what string, floor rate) []string {
	ours := middle(s.rounds, contest.ratio).value.ours.PerSec
	if floor.PerSec >= 1.05*ours {
		return nil
	}
	return []string{fmt.Sprintf("%s: **the driver was the limit**, it does %.0f/s against an echo; Fengsui can do more than %.0f/s.", what, floor.PerSec, ours)}
}

type kamailioRates struct {
	version           string
	pairs, keepalives beside
}

// besideKamailio lets both servers take turns: with Kamailio as Debian ships it,
// then once with its fast allocator.
func besideKamailio(ctx context.Context, b *bench) (m kamailioRates, notes []string, err error) {
	s, err := startServer(ctx, b, guarded...)
	if err != nil {
		return m, nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ours, err := openFleet(s.sip, deviceCount, checker{zone: b.zone})
	if err != nil {
		return m, nil, err
	}
	defer ours.close()
	if _, err := ours.register(ctx, 2000); err != nil {
		return m, nil, err
	}
	stop := ours.background(ctx)
	err = errors.Join(s.waitComplete(ctx, deviceCount, catalogTime), s.settle(ctx, catalogTime), stop())
	if err != nil {
		return m, nil, err
	}
	if ours.answers.Unanswered > 0 && !b.lax {
		return m, nil, fmt.Errorf("%d answers of devices were never acknowledged", ours.answers.Unanswered)
	}
	we := &contestant{name: "fengsui", process: s.process, fleet: ours, last: map[uint8]float64{}}
	once := *b
	once.rounds = 1
	for _, against := range []struct {
		malloc string
		parts  []part
	}{
		{debianMalloc, []part{
			{"keepalives beside Kamailio", opKeepalive, false, b, &m.keepalives.rounds},
			{"keepalives beside Kamailio, driver never woken", opKeepalive, true, &once, &m.keepalives.gathered},
			{"REGISTER pairs beside Kamailio", opRegister, false, b, &m.pairs.rounds},
			{"REGISTER pairs beside Kamailio, driver never woken", opRegister, true, &once, &m.pairs.gathered},
		}},
		{fastMalloc, []part{
			{"keepalives beside Kamailio with its fast allocator", opKeepalive, false, &once, &m.keepalives.fast},
			{"REGISTER pairs beside Kamailio with its fast allocator", opRegister, false, &once, &m.pairs.fast},
		}},
	} {
		version, more, err := b.contests(ctx, we, against.malloc, against.parts)
		if err != nil {
			return m, nil, err
		}
		m.version, notes = version, append(notes, more...)
	}
	return m, notes, s.waitOnline(ctx, ours, firstRate, time.Minute)
}

// part is one comparison of both servers.
type part struct {
	what   string
	kind   uint8 // of operation
	gather bool
	bench  *bench // with its own number of rounds
	into   *[]round[contest]
}

// contests starts a Kamailio with an allocator and compares it with us, part by
// part.
func (b *bench) contests(ctx context.Context, we *contestant, malloc string, parts []part) (version string, notes []string, err error) {
	k, err := startKamailio(ctx, b, "udp", malloc)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	theirs, err := openFleet(k.sip, deviceCount, checker{})
	if err != nil {
		return "", nil, err
	}
	defer theirs.close()
	if _, err := theirs.register(ctx, 2000); err != nil {
		return "", nil, err
	}
	they := &contestant{name: "kamailio", process: k.process, fleet: theirs, last: map[uint8]float64{}}
	for _, p := range parts {
		we.gather, they.gather = p.gather, p.gather
		turns := 0
		rounds, more, err := repeat(ctx, p.bench, p.what, compared, func(ctx context.Context) (contest, span, error) {
			turns++
			return b.contest(ctx, we, they, p.kind, turns%2 == 1)
		})
		if err != nil {
			return "", nil, err
		}
		*p.into = rounds
		notes = append(notes, more...)
	}
	return k.version, notes, nil
}

// firstRegistrations measures devices that the server has never seen, each round
// with a new server.
func firstRegistrations(ctx context.Context, b *bench) (r rate, notes []string, err error) {
	rounds, notes, err := repeat(ctx, b, "first registrations", share, func(ctx context.Context) (r rate, sp span, err error) {
		s, err := startServer(ctx, b, guarded...)
		if err != nil {
			return r, sp, err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		f, err := openFleet(s.sip, deviceCount, checker{zone: b.zone})
		if err != nil {
			return r, sp, err
		}
		defer f.close()
		return f.measure(ctx, b, s.process, work{kind: opRegister, ops: deviceCount, rate: firstRate})
	})
	if err != nil {
		return r, nil, err
	}
	return middle(rounds, func(r rate) float64 { return r.Micros }).value, notes, nil
}

// floors are the driver's own limits.
type floors struct{ pairs, keepalives rate }

// rateOfFloor searches for the highest rate against an echo.
func rateOfFloor(ctx context.Context, b *bench) (m floors, notes []string, err error) {
	p, err := startFloor(ctx, b, floorEcho)
	if err != nil {
		return m, nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	f, err := openFleet(p.addr, deviceCount, checker{})
	if err != nil {
		return m, nil, err
	}
	defer f.close()
	f.echo = true
	c := &contestant{name: "echo", process: p.process, fleet: f, last: map[uint8]float64{}}
	once := *b // it only shows that the driver can do more
	once.rounds = 1
	rounds, notes, err := repeat(ctx, &once, "echo floor", compared, func(ctx context.Context) (m floors, sp span, err error) {
		before, err := read(p.pid())
		if err != nil {
			return m, sp, err
		}
		if m.keepalives, err = c.maximum(ctx, b, opKeepalive); err != nil {
			return m, sp, err
		}
		if m.pairs, err = c.maximum(ctx, b, opRegister); err != nil {
			return m, sp, err
		}
		after, err := read(p.pid())
		return m, between(before, after, b.cores), err
	})
	if err != nil {
		return m, nil, err
	}
	return rounds[0].value, notes, nil
}

func (m floors) String() string {
	return fmt.Sprintf("\n      keepalives %v\n           pairs %v", m.keepalives, m.pairs)
}

// The driver's own arithmetic must agree with the server's library; bench checks
// it once before it loads anything.
func selfCheck() error {
	c := newCamera(7, fleetNet, 5060, "UDP")
	value := c.appendAuthorization(nil, []byte("a nonce"), registerHA2())
	parsed, err := digest.Parse(value)
	if err != nil {
		return fmt.Errorf("own credentials: %w", err)
	}
	if !parsed.Verify("REGISTER", devicePass) {
		return fmt.Errorf("own credentials %q are wrong", value)
	}
	return nil
}
