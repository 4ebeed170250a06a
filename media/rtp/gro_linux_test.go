package rtp_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fengsui/media/rtp"
)

// With UDP_SEGMENT at the sender the kernel hands the datagrams over joined.
func TestJoinedDatagramsAreTakenApart(t *testing.T) {
	s := online(t, rtp.Config{})
	n, r := open(t, s, rtp.Want{})
	c := udpTo(t, n.Port())
	var run []byte
	var want []string
	for i := range 20 {
		p := packet(n.SSRC(), 1+i, 1000)
		if i == 19 {
			p = p[:100]
		}
		run = append(run, p...)
		want = append(want, words([]int{1 + i})...)
	}
	segment := make([]byte, unix.SizeofCmsghdr+8)
	binary.NativeEndian.PutUint64(segment, unix.SizeofCmsghdr+2)
	binary.NativeEndian.PutUint32(segment[8:], unix.SOL_UDP)
	binary.NativeEndian.PutUint32(segment[12:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(segment[16:], 1012)
	if _, _, err := c.WriteMsgUDP(run, segment, nil); err != nil {
		t.Logf("no segmentation offload here, sending one by one: %v", err)
		for p := range chunked(run, 1012) {
			send(t, c, p)
		}
	}
	r.wait(t, want...)
}

func chunked(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for r := bytes.NewReader(b); r.Len() > 0; {
			p := make([]byte, min(n, r.Len()))
			_, _ = r.Read(p)
			if !yield(p) {
				return
			}
		}
	}
}

func TestKernelLossIsCounted(t *testing.T) {
	s := online(t, rtp.Config{SharedBuffer: 4096})
	n, _ := open(t, s, rtp.Want{})
	out := udpTo(t, n.Port())
	p := packet(n.SSRC(), 1, 1300)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && s.Totals().KernelDropped == 0; {
		n.Do(func() { // the reader is held up meanwhile
			for range 200 {
				_, _ = out.Write(p)
			}
		})
		time.Sleep(time.Millisecond)
	}
	if s.Totals().KernelDropped == 0 {
		t.Fatal("no loss counted on a buffer of 4 KiB")
	}
}
