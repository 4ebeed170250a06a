//go:build linux

package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// faults are answers that were not as they must be, by kind. None may be left.
type faults map[string]int

func (f faults) add(kind string) { f[kind]++ }

func (f faults) total() (n int) {
	for _, v := range f {
		n += v
	}
	return n
}

func (f faults) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(f)) {
		parts = append(parts, fmt.Sprintf("%d× %s", f[k], k))
	}
	return strings.Join(parts, ", ")
}

const dateFormat = "2006-01-02T15:04:05"

// checker checks answers against what was asked. zone is what the server tells
// the time in; times are read at most once a distinct value. Without a zone the
// server is a registrar of RFC 3261 and no more: it tells no time, says in Contact
// how long a registration lasts, and may give a nonce twice.
type checker struct {
	zone     *time.Location
	lastDate string // good for lastOK
	lastNow  int64
}

// check is what is wrong with the answer to the camera's operation, "" for
// nothing. The caller has matched it by its branch.
func (k *checker) check(c *camera, a *answer, now time.Time) string {
	wantCSeq, method := c.serial, "MESSAGE"
	if c.op != opKeepalive {
		wantCSeq, method = c.cseq, "REGISTER"
	}
	var space [64]byte
	callID := append(space[:0], c.callID...)
	if c.op == opKeepalive {
		callID = c.appendCallID(space[:0])
	}
	switch {
	case a.vias != 1:
		return "Via not as sent"
	case !bytes.Equal(a.callID, callID):
		return "wrong Call-ID"
	case a.cseq != wantCSeq || string(a.method) != method:
		return "wrong CSeq"
	case string(param(a.from, ";tag=")) != c.tag:
		return "wrong From tag"
	case len(param(a.to, ";tag=")) == 0:
		return "no To tag"
	}
	switch c.op {
	case opChallenge:
		nonce := quoted(a.challenge, "nonce")
		switch {
		case a.status != 401:
			return "status " + strconv.Itoa(a.status) + " instead of 401"
		case string(quoted(a.challenge, "realm")) != serverDomain:
			return "wrong realm"
		case len(nonce) == 0:
			return "no nonce"
		case k.zone != nil && string(nonce) == c.nonce:
			return "nonce did not change"
		}
	case opRegister:
		lifetime := a.expiration
		if k.zone == nil {
			lifetime = param(a.contact, ";expires=")
		}
		switch {
		case a.status != 200:
			return "status " + strconv.Itoa(a.status) + " to a right password"
		case string(lifetime) != expires:
			return "wrong Expires"
		case k.zone == nil:
			return ""
		}
		return k.date(a.date, now)
	case opKeepalive:
		if a.status != 200 {
			return "status " + strconv.Itoa(a.status) + " to a keepalive"
		}
	}
	return ""
}

// date checks the Date of GB/T 28181-2022 9.10.1: local time, with milliseconds
// or without, at most 2 s off.
func (k *checker) date(b []byte, now time.Time) string {
	if len(b) < len(dateFormat) {
		return "no Date"
	}
	whole := b[:len(dateFormat)]
	if string(whole) != k.lastDate {
		t, err := time.ParseInLocation(dateFormat, string(whole), k.zone)
		if err != nil {
			return "unreadable Date"
		}
		k.lastDate, k.lastNow = string(whole), t.Unix()
	}
	if d := now.Unix() - k.lastNow; d < -2 || d > 2 {
		return "Date is wrong"
	}
	return ""
}
