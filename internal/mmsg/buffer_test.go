package mmsg_test

import (
	"testing"

	"fengsui/internal/mmsg"
)

func TestTheReadBufferGrows(t *testing.T) {
	c := listen(t, "udp4", "127.0.0.1:0")
	if got := mmsg.GrowReadBuffer(c, 128<<10); got < 128<<10 {
		t.Errorf("%d bytes", got)
	}
	_ = c.Close()
	if got := mmsg.GrowReadBuffer(c, 128<<10); got != 0 {
		t.Errorf("%d bytes of a closed socket", got)
	}
}
