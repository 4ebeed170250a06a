package intake

import (
	"bytes"
	"fmt"
	"testing"
)

func numbered(i int) []byte { return fmt.Appendf(nil, "%01000d", i) }

func TestTextsGiveWayInOrder(t *testing.T) {
	s := newTexts(4 * chunkSize)
	var at []uint64
	for i := range 1000 { // a MB into 256 KB
		at = append(at, s.add(numbered(i), 1))
	}
	check := func(s *texts, least, most int) {
		t.Helper()
		gone := 0
		for i, where := range at {
			switch got := s.append(nil, where, 1000); {
			case len(got) == 0 && gone == i:
				gone++
			case !bytes.Equal(got, numbered(i)):
				t.Fatalf("text %d is %.20q after %d were lost", i, got, gone)
			}
		}
		if kept := len(at) - gone; kept < least || kept > most {
			t.Errorf("%d texts kept, want %d to %d", kept, least, most)
		}
	}
	const each = chunkSize / 1000
	check(&s, 3*each, 4*each)
	larger, smaller := newTexts(9*chunkSize), newTexts(2*chunkSize)
	larger.take(&s)
	check(&larger, 3*each, 4*each)
	for i := range 2 * each {
		at = append(at, larger.add(numbered(1000+i), 2))
	}
	check(&larger, 5*each, 6*each)
	smaller.take(&larger)
	check(&smaller, each, 2*each)
	at = append(at, smaller.add(numbered(len(at)), 3))
	check(&smaller, each, 2*each)
}

// A server that is asked little keeps little memory.
func TestMemoryOfExpiredTextsIsUsedAgain(t *testing.T) {
	s := newTexts(512 * chunkSize)
	now := ^uint32(0) - 100_000 // goes through 0
	text := make([]byte, 500)
	var last uint64
	for range 100_000 { // 100 a second: 32 s are 1.6 MB
		now += 10
		last = s.add(text, now)
	}
	held := 0
	for i := range s.chunks {
		held += len(s.chunks[i].bytes)
	}
	if held > 1_600_000+3*chunkSize || held < 1_600_000-chunkSize {
		t.Errorf("%d bytes held", held)
	}
	if got := s.append(nil, last, len(text)); !bytes.Equal(got, text) {
		t.Error("the last text is lost")
	}
}
