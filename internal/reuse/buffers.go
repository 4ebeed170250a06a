package reuse

// classes are the sizes of buffers, in bytes: most messages, those with a
// catalog's part in them, and all that a datagram can hold.
var classes = [...]struct {
	size int
	name string
}{{2 << 10, "buffer_2k"}, {8 << 10, "buffer_8k"}, {64 << 10, "buffer_64k"}}

const buffersShare = 1.0 / 256 // of memory.limit, for each class

// Buffer is memory for a message.
type Buffer struct {
	Mark

	// B has the length that its user gives it, at first 0. It must not be
	// appended to beyond its capacity: see [Buffers.Append].
	B []byte `reuse:"own"`

	class int // len(classes): too large to be kept
}

// Buffers is a pool of buffers in three sizes. What needs more than 64 KiB is
// made and left to the collector, counted as missed and dropped by the largest.
type Buffers struct {
	pools [len(classes)]*Pool[Buffer, *Buffer]
}

// NewBuffers makes the three pools, named after prefix.
func NewBuffers(k *Keeper, prefix string) *Buffers {
	b := new(Buffers)
	for i, c := range classes {
		b.pools[i] = NewPool[Buffer](k, Spec{Name: prefix + "_" + c.name, Level: Messages, Bytes: c.size, Share: buffersShare},
			func() *Buffer { return &Buffer{B: make([]byte, 0, c.size), class: i} },
			func(x *Buffer) { x.B = x.B[:0] })
	}
	return b
}

// Get takes an empty buffer with room for n bytes.
func (b *Buffers) Get(n int) *Buffer {
	for i, c := range classes {
		if n <= c.size {
			return b.pools[i].Get()
		}
	}
	b.largest().count(Counts{Taken: 1, Missed: 1})
	x := &Buffer{B: make([]byte, 0, n), class: len(classes)}
	x.begin()
	return x
}

// Put returns a buffer; nil is none.
func (b *Buffers) Put(x *Buffer) {
	switch {
	case x == nil:
	case x.class < len(classes):
		b.pools[x.class].Put(x)
	case x.end():
		b.largest().count(Counts{Returned: 1, Dropped: 1})
	default:
		b.largest().twice.Add(1)
		returnedTwice(b.largest().spec.Name)
	}
}

// Append adds bytes to x, or to a larger buffer that takes its place. A nil x is
// an empty one.
func (b *Buffers) Append(x *Buffer, p []byte) *Buffer {
	x = b.room(x, len(p))
	x.B = append(x.B, p...)
	return x
}

// AppendString is Append of a string.
func (b *Buffers) AppendString(x *Buffer, s string) *Buffer {
	x = b.room(x, len(s))
	x.B = append(x.B, s...)
	return x
}

// room is x if it holds n bytes more, else what takes its place.
func (b *Buffers) room(x *Buffer, n int) *Buffer {
	switch {
	case x == nil:
		return b.Get(n)
	case len(x.B)+n <= cap(x.B):
		return x
	}
	larger := b.Get(max(len(x.B)+n, 2*cap(x.B))) // what has grown is likely to grow again
	larger.B = append(larger.B, x.B...)
	b.Put(x)
	return larger
}

func (b *Buffers) largest() *Pool[Buffer, *Buffer] { return b.pools[len(b.pools)-1] }
