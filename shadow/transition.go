package shadow

import "time"

// Meaning is which way a sign points.
type Meaning uint8

// The meanings.
const (
	Life    Meaning = iota // the device was heard
	Doubt                  // it may be gone: silence, a closed connection
	Death                  // it is gone: unregistered, expired, silent for too long
	Restart                // we know nothing any more; nothing about the device changed
)

// Sign is one observation. Reason is in plain words and may be empty where
// [Presence.Describe] can say it from the evidence and its age.
type Sign struct {
	Meaning Meaning
	By      Evidence
	At      time.Time
	Reason  string
}

// Action is what a transition asks of the owner of the state.
type Action uint8

// The actions.
const (
	Nothing Action = iota
	Probe          // ask the device whether it lives
)

// Step is the only transition function of presence. It is pure: the owner of
// the state stores the result, probes and tells others.
//
//	         Life     Doubt            Death     Restart
//	Unknown  Online   Unknown, probe   Offline   Unknown
//	Online   Online   Unknown, probe   Offline   Unknown
//	Offline  Online   Offline          Offline   Offline
//
// Signs may arrive out of order. Doubt and death older than the newest evidence
// are passed over, and so is life older than a final word (unregistered, closed
// connection, operator); life that crosses a verdict of mere silence counts.
func Step(p Presence, s Sign) (Presence, Action) {
	if s.At.Before(p.At) && (s.Meaning != Life || p.Evidence.Final()) {
		return p, Nothing
	}
	switch {
	case s.Meaning == Life:
		return p.become(Online, s), Nothing
	case p.State == Offline:
		if s.Meaning == Death && s.By.Final() {
			return p.become(Offline, s), Nothing // says more than silence did
		}
		return p, Nothing
	case s.Meaning == Doubt:
		return p.become(Unknown, s), Probe
	case s.Meaning == Death:
		return p.become(Offline, s), Nothing
	default:
		return p.become(Unknown, s), Nothing
	}
}

func (p Presence) become(to State, s Sign) Presence {
	if p.State != to || p.Since.IsZero() {
		p.State, p.Since = to, s.At
	}
	p.Evidence, p.Reason = s.By, s.Reason
	if s.At.After(p.At) {
		p.At = s.At
	}
	return p
}

// Final reports whether the evidence is an event and no inference: what was
// heard before it says nothing about afterwards.
func (e Evidence) Final() bool {
	return e == ByUnregister || e == ByConnection || e == ByOperator
}

// Describe is the reason for the state as of now, in plain words with its age:
// "keepalive 3 s ago", "no sign of life for 3m10s". heard is when the device
// was last heard, zero for never.
func (p Presence) Describe(heard, now time.Time) string {
	switch {
	case p.State == Online:
		words := p.Evidence.words()
		if p.Reason != "" {
			words = p.Reason
		}
		return words + " " + Age(now.Sub(p.At)) + " ago"
	case p.Evidence == BySilence && !heard.IsZero():
		words := "no sign of life for " + Age(now.Sub(heard))
		if p.Reason != "" {
			words += ", " + p.Reason
		}
		return words
	}
	return p.Reason
}

func (e Evidence) words() string {
	switch e {
	case ByRegister:
		return "registered"
	case ByKeepalive:
		return "keepalive"
	case ByRTP:
		return "media"
	case ByProbe:
		return "answered a probe"
	case ByNotify:
		return "NOTIFY"
	case ByMessage:
		return "message"
	}
	return "heard"
}

// Age prints a duration in seconds, "3 s", or from a minute on as "3m10s". A
// negative one is "0 s".
func Age(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	if d >= time.Minute {
		return d.String()
	}
	var b [8]byte
	n := len(b)
	for s := int(d / time.Second); ; s /= 10 {
		n--
		if b[n] = byte('0' + s%10); s < 10 {
			break
		}
	}
	return string(b[n:]) + " s"
}
