package intake

import "sync"

// maxIdle is how many workers without work stay.
const maxIdle = 64

// crew handles the messages of connections that no loop reads, on goroutines of
// its own. A
// goroutine keeps a stack as large as it ever needed, twice that of one that
// only waits for bytes: so it is the workers that have large ones, of which
// there are as many as connections with something to do at the same time.
type crew struct {
	mu   sync.Mutex // guards all below
	idle []*worker  // the last one is taken first: its stack is in the cache
	open int        // listeners
}

// worker is one goroutine. Who has taken it from the crew uses it alone.
type worker struct {
	jobs chan *Conn
	done chan struct{}

	// Of the last job.
	message []byte
	err     error
}

func (w *worker) run() {
	for c := range w.jobs {
		c.claim.labels.Work(func() { w.message, w.err = c.work() })
		w.done <- struct{}{}
	}
}

// cut has the connection's messages handled.
func (cr *crew) cut(c *Conn) ([]byte, error) {
	w := cr.take()
	w.jobs <- c
	<-w.done
	message, err := w.message, w.err
	cr.give(w)
	return message, err
}

func (cr *crew) take() *worker {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	if last := len(cr.idle) - 1; last >= 0 {
		w := cr.idle[last]
		cr.idle = cr.idle[:last]
		return w
	}
	w := &worker{jobs: make(chan *Conn), done: make(chan struct{})}
	go w.run()
	return w
}

func (cr *crew) give(w *worker) {
	w.message, w.err = nil, nil
	cr.mu.Lock()
	defer cr.mu.Unlock()
	if cr.open > 0 && len(cr.idle) < maxIdle {
		cr.idle = append(cr.idle, w)
		return
	}
	close(w.jobs)
}

// hold keeps idle workers until release.
func (cr *crew) hold() {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	cr.open++
}

func (cr *crew) release() {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	if cr.open--; cr.open > 0 {
		return
	}
	for _, w := range cr.idle {
		close(w.jobs)
	}
	cr.idle = nil
}
