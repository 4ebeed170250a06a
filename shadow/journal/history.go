package journal

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"
)

// between reads up to limit events with IDs greater than id and less than
// first. gap says that some between id, unless it is 0, and the last one read
// are not in the file.
func (d *disk) between(id, first uint64, limit int) (events []Event, gap bool) {
	err := d.db.View(func(tx *bbolt.Tx) error {
		byKey, c := tx.Bucket(eventsBucket), tx.Bucket(orderBucket).Cursor()
		for k, key := c.Seek(bytes8(id + 1)); k != nil && number(k) < first && len(events) < limit; k, key = c.Next() {
			e, err := decode(byKey.Get(key))
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		d.log.Error().Err(err).Msg("journal cannot be read")
		return nil, true
	}
	prev := id
	for i := range events {
		if next := events[i].ID; prev != 0 && next != prev+1 && !d.joins(prev, next) {
			gap = true
		}
		prev = events[i].ID
	}
	return events, gap
}

// History returns up to limit events of a device with times from <= t < to, the
// newest first. It reads the file, so the last tenth of a second may be missing;
// without a file it returns nothing.
func (j *Journal) History(device string, from, to time.Time, limit int) (events []Event, err error) {
	if j.disk == nil {
		return nil, nil
	}
	lower, upper := timeKey(device, from), timeKey(device, to)
	err = j.disk.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(eventsBucket).Cursor()
		for k, v := seekBefore(c, upper); k != nil && bytes.Compare(k, lower) >= 0 && len(events) < limit; k, v = c.Prev() {
			e, err := decode(v)
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		return nil
	})
	return events, err
}

// seekBefore goes to the last key before one.
func seekBefore(c *bbolt.Cursor, key []byte) (k, v []byte) {
	if k, _ = c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// prune deletes what is older than Keep, and the oldest of what is over Bytes.
func (d *disk) prune(ctx context.Context, now time.Time) error {
	d.flushing.Lock()
	defer d.flushing.Unlock()
	for oldest := now.Add(-d.cfg.Keep); ctx.Err() == nil; {
		var deleted int
		var first uint64
		err := d.db.Update(func(tx *bbolt.Tx) (err error) {
			deleted, first, err = pruneBatch(tx, oldest, uint64(d.cfg.Bytes))
			return err
		})
		if err != nil {
			return err
		}
		d.m.pruned.Add(float64(deleted))
		d.mu.Lock()
		for start := range d.starts {
			if start < first {
				delete(d.starts, start)
			}
		}
		d.mu.Unlock()
		if deleted < pruneEvents {
			return nil
		}
	}
	return nil
}

// pruneBatch deletes up to pruneEvents of the oldest events, and the starts of
// processes before the oldest that is left, whose ID it returns, 0 if none is left.
func pruneBatch(tx *bbolt.Tx, oldest time.Time, most uint64) (deleted int, first uint64, err error) {
	events, meta := tx.Bucket(eventsBucket), tx.Bucket(metaBucket)
	size := number(meta.Get(bytesKey))
	c := tx.Bucket(orderBucket).Cursor()
	k, key := c.First()
	for ; k != nil && deleted < pruneEvents && (keyTime(key).Before(oldest) || size > most); k, key = c.First() {
		size -= min(size, rowBytes(key, events.Get(key)))
		if err := events.Delete(key); err != nil {
			return 0, 0, err
		}
		if err := c.Delete(); err != nil {
			return 0, 0, err
		}
		deleted++
	}
	if deleted == 0 {
		return 0, 0, nil
	}
	first = number(k)
	for s, _ := tx.Bucket(startsBucket).Cursor().First(); s != nil && number(s) < first; s, _ = tx.Bucket(startsBucket).Cursor().First() {
		if err := tx.Bucket(startsBucket).Delete(s); err != nil {
			return 0, 0, err
		}
	}
	return deleted, first, meta.Put(bytesKey, bytes8(size))
}
