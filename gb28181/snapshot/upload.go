package snapshot

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// begin and end of every JPEG.
var jpeg = []byte{0xff, 0xd8, 0xff}

// Upload takes one picture to the address of a token. name is the device's. It
// reports ErrToken, ErrPicture and ErrLarge, else what broke it off; a picture that
// failed may be sent again.
func (a *Album) Upload(token, name string, body io.Reader) error {
	s, err := a.begin(token)
	if err == nil {
		err = a.take(s, named(name), body)
	}
	result := "failed"
	switch {
	case err == nil:
		result = "kept"
	case errors.Is(err, ErrToken):
		result = "token"
	case errors.Is(err, ErrPicture):
		result = "picture"
	case errors.Is(err, ErrLarge):
		result = "large"
	}
	a.m.uploads.WithLabelValues(result).Inc()
	return err
}

// begin reserves the place of a picture.
func (a *Album) begin(token string) (*shot, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.open[token]
	if s == nil || token == "" || len(s.Pictures)+s.coming >= s.Count || time.Now().After(s.deadline) {
		return nil, ErrToken
	}
	s.coming++
	return s, nil
}

func (a *Album) take(s *shot, name string, body io.Reader) error {
	temp, size, err := a.spool(s.ID, body)
	a.mu.Lock()
	defer a.mu.Unlock()
	s.coming--
	if err == nil && a.byID[s.ID] != s {
		err = errors.Join(fmt.Errorf("%w: deleted meanwhile", ErrToken), os.Remove(temp))
	}
	if err == nil {
		err = os.Rename(temp, picture(a.cfg.Dir, s.ID, len(s.Pictures)))
	}
	if err != nil {
		return err
	}
	s.Pictures = append(s.Pictures, Picture{Name: name, Bytes: size, At: time.Now()})
	a.bytes += size
	a.settle(s, false)
	return nil
}

// spool writes a picture to a file of its own.
func (a *Album) spool(id string, body io.Reader) (path string, size int64, err error) {
	in := bufio.NewReader(body)
	if head, err := in.Peek(len(jpeg)); !bytes.Equal(head, jpeg) {
		if err != nil && !errors.Is(err, io.EOF) {
			return "", 0, fmt.Errorf("take a picture: %w", err)
		}
		return "", 0, fmt.Errorf("%w: it begins with % x", ErrPicture, head)
	}
	if err := os.MkdirAll(folder(a.cfg.Dir, id), 0o700); err != nil {
		return "", 0, fmt.Errorf("take a picture: %w", err)
	}
	f, err := os.CreateTemp(folder(a.cfg.Dir, id), "upload-*")
	if err != nil {
		return "", 0, fmt.Errorf("take a picture: %w", err)
	}
	size, err = io.Copy(f, io.LimitReader(in, MaxPicture+1))
	if err == nil && size > MaxPicture {
		err = fmt.Errorf("%w: more than %d bytes", ErrLarge, MaxPicture)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", 0, fmt.Errorf("take a picture: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return f.Name(), size, nil
}

// Open opens a picture, the first is 0; else ErrUnknown. The caller closes it.
func (a *Album) Open(id string, n int) (*os.File, Picture, error) {
	s, ok := a.Snapshot(id)
	if !ok || n < 0 || n >= len(s.Pictures) {
		return nil, Picture{}, fmt.Errorf("%w: picture %d of %q", ErrUnknown, n, id)
	}
	f, err := os.Open(picture(a.cfg.Dir, id, n))
	if err != nil {
		return nil, Picture{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return f, s.Pictures[n], nil
}
