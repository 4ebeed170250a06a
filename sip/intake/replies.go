package intake

import "fengsui/internal/reuse"

// replies are both tables of answers, which have one size between them: an
// eighth is for strangers.
type replies struct{ devices, strangers *answers }

// repliesSpec sizes them: each answer is wanted for 32 s. Bytes are of one with
// its text, as most to a REGISTER are.
var repliesSpec = reuse.Spec{
	Name: "intake_answers", Level: reuse.Requests, Bytes: 512, Share: 1.0 / 512, Session: answerLife, Floor: 8 * len(answers{}.locks),
}

// Resize is of reuse.Sized.
func (r replies) Resize(size int) {
	r.strangers.resize(size / 8)
	r.devices.resize(size - size/8)
}

// Free is 0: an entry is never taken, it gives way.
func (r replies) Free() int { return 0 }

// Counts are the answers that were kept, and as dropped those that gave way to a
// newer one while they were wanted.
func (r replies) Counts() (c reuse.Counts) {
	for _, a := range []*answers{r.devices, r.strangers} {
		put, early := a.counts()
		c.Taken += put
		c.Returned += put
		c.Dropped += early
	}
	return c
}
