package intake

import (
	"net"
	"sync"
	"time"

	"fengsui/internal/mmsg"
)

const (
	batchLen   = 64       // datagrams read by one call
	queueBytes = 64 << 10 // of the answers sent by one call
)

// batch reads a UDP socket and answers it in batches. What is answered waits
// for no more than the other datagrams that were read with it.
type batch struct {
	c *packetConn

	mu     sync.Mutex // held by the ReadFrom under way; guards all below
	reader *mmsg.Reader
	in     *mmsg.Batch
	out    *mmsg.Queue
	n      int // datagrams in the batch
	next   int // first of them not yet handled
	back   reply
	failed int // reads in a row
	full   stretch
	take   func(n int) bool

	// Of the ReadFrom under way.
	p     []byte
	given int // bytes copied to p
}

func newBatch(c *packetConn) (*batch, error) {
	b := &batch{c: c, in: mmsg.NewBatch(batchLen, maxDatagram), back: reply{c: c}}
	var err error
	if b.reader, err = mmsg.NewReader(c.udp); err != nil {
		return nil, err
	}
	if b.out, err = mmsg.NewQueue(c.udp, batchLen, queueBytes); err != nil {
		return nil, err
	}
	b.take = func(n int) bool {
		b.c.in.storm.read(&b.full, n == batchLen, time.Now())
		b.n, b.next, b.failed = n, 0, 0
		return !b.handle()
	}
	return b, nil
}

func (b *batch) readFrom(p []byte) (int, net.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.p, b.given = p, 0
	for !b.handle() {
		err := b.reader.Read(b.in, b.take)
		if b.given > 0 {
			break
		}
		if err != nil && b.c.failed(err, &b.failed) {
			return 0, nil, err
		}
	}
	return b.given, b.back.source(), nil
}

// handle goes through the batch until there is something for sipgo or nothing
// left, and sends the answers: sipgo's reader may take its time, and what it
// answers must not overtake them.
func (b *batch) handle() (given bool) {
	if b.next == b.n {
		return false
	}
	w := b.c.in.works.Get()
	defer b.c.in.works.Put(w)
	now := time.Now() // for all: a batch is handled in less than a millisecond
	for b.next < b.n && b.given == 0 {
		b.back.index = b.next
		b.back.from(b.in.From(b.next), nil)
		b.given = b.c.datagram(w, b.in.Datagram(b.next), now, &b.back, b.p)
		b.next++
	}
	b.flush()
	return b.given > 0
}

// send queues an answer.
func (b *batch) send(r *reply, answer []byte) {
	if b.out.Add(b.in, r.index, answer) {
		return
	}
	b.flush()
	if !b.out.Add(b.in, r.index, answer) {
		_, _ = b.c.write(answer, r.to, nil) // counted there
	}
}

func (b *batch) flush() {
	sent, bytes, refused, _ := b.out.Flush()
	if sent > 0 {
		b.c.in.metrics.sent.udp.Add(float64(sent))
		b.c.in.metrics.sentBytes.udp.Add(float64(bytes))
	}
	if refused > 0 {
		b.c.in.metrics.writeErrors.WithLabelValues(writeFailed).Add(float64(refused))
	}
}
