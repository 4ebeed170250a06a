// Package shadow holds what the server believes of a device: its state, the
// evidence for it and its age. The transition tables are pure functions; time
// is passed in.
package shadow

import "time"

// State is whether a device is there. It is the only such type in the house.
type State uint8

// The three states. Unknown is the zero value: nothing has been proved.
const (
	Unknown State = iota
	Online
	Offline
)

var stateNames = [...]string{"unknown", "online", "offline"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// MarshalText is the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name; any other word is Unknown.
func (s *State) UnmarshalText(b []byte) error {
	*s = Unknown
	for i, n := range stateNames {
		if n == string(b) {
			*s = State(i)
		}
	}
	return nil
}

// Evidence is what a belief rests on.
type Evidence string

// Signs of life and of death.
const (
	ByRegister   Evidence = "register"   // an authenticated REGISTER
	ByUnregister Evidence = "unregister" // an authenticated REGISTER with Expires 0
	ByKeepalive  Evidence = "keepalive"
	ByRTP        Evidence = "rtp"
	ByProbe      Evidence = "probe" // an answer, or none, to DeviceStatus or OPTIONS
	ByNotify     Evidence = "notify"
	ByMessage    Evidence = "message"    // any other request from the bound address
	BySilence    Evidence = "silence"    // nothing heard for too long
	ByConnection Evidence = "connection" // its TCP connection closed
	ByExpiry     Evidence = "expiry"     // the registration ran out
	ByRestart    Evidence = "restart"    // this server restarted; nothing heard yet
	ByOperator   Evidence = "operator"
)

// Presence is a state with its reason, its evidence and the time of that evidence.
type Presence struct {
	State    State
	Reason   string   // plain words: "keepalive 3 s ago", "no sign of life for 3m0s"
	Evidence Evidence // newest evidence for or against
	At       time.Time
	Since    time.Time // when the state last changed
}
