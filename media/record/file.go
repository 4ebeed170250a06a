package record

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"time"

	"fengsui/media"
	"fengsui/media/ps"
)

const (
	heldFrames = 256             // before the first is written: sound may come a little after the pictures
	heldTime   = media.ClockRate // likewise, of the stream
	frameGap   = media.ClockRate / 25
	bufferSize = 256 << 10
	fileMode   = 0o600
)

// preface stands before the first pack where the sound is G.711: recorders of
// Hikvision begin their files so, and ffmpeg looks for these letters before it
// takes stream types 0x90 and 0x91 for G.711. Demuxers pass over what is no start code.
var preface = append([]byte("IMKH"), make([]byte, 36)...)

// ErrShort is reported by [Open] for a file that has lost what a mark says it had.
var ErrShort = errors.New("the file is shorter than it was")

// Mark is how far a file has come: where it is whole and can be continued.
type Mark struct {
	Bytes  int64 // from the start of the file
	Clock  int64 // decoding time of the last frame, 90 kHz
	Frames int64 // pictures
}

// File is a program stream that is being written. One goroutine may use it.
type File struct {
	file  *os.File
	out   *bufio.Writer
	mark  Mark // of what was given to out
	mux   *ps.Muxer
	video media.Codec // that mux knows, "" none
	audio media.Codec
	held  []*media.Frame
	begun bool
	shift int64 // from a frame's time to the file's
	first int64 // decoding time of the first frame since Open
	last  int64 // of the last, as the frame has it
	buf   []byte
}

// Open begins a file, or continues it at a mark, cutting off what stands behind
// it. It reports an error wrapping [ErrShort] when less is there, or that of the
// file system.
func Open(path string, at Mark) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() < at.Bytes {
		err = fmt.Errorf("%w: %d of %d bytes", ErrShort, info.Size(), at.Bytes)
	}
	if err == nil {
		err = f.Truncate(at.Bytes)
	}
	if err == nil {
		_, err = f.Seek(at.Bytes, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("open recording %s: %w", path, errors.Join(err, f.Close()))
	}
	return &File{file: f, out: bufio.NewWriterSize(f, bufferSize), mark: at}, nil
}

// Write adds a frame. Frames of a stream come in the order of decoding, from a key
// frame on; their times begin anywhere.
func (f *File) Write(fr *media.Frame) error {
	if f.mux == nil {
		f.held = append(f.held, fr)
		if !f.settled(fr) {
			return nil
		}
		return f.release()
	}
	if c := fr.Track.Codec; c.Video() && c != f.video || !c.Video() && c != f.audio {
		f.know(fr)
		f.renew()
	}
	return f.put(fr)
}

// settled reports whether the held frames tell all tracks, or it was waited long
// enough.
func (f *File) settled(fr *media.Frame) bool {
	f.know(fr)
	return f.video != "" && f.audio != "" || len(f.held) >= heldFrames || fr.DTS-f.held[0].DTS >= heldTime
}

func (f *File) know(fr *media.Frame) {
	if c := fr.Track.Codec; c.Video() {
		f.video = c
	} else {
		f.audio = c
	}
}

func (f *File) renew() { f.mux = ps.NewMuxer(f.video, f.audio) }

func (f *File) release() error {
	if len(f.held) == 0 {
		return nil
	}
	f.renew()
	if f.mark.Bytes == 0 && (f.audio == media.PCMA || f.audio == media.PCMU) {
		if err := f.emit(preface); err != nil {
			return err
		}
	}
	held := f.held
	f.held = nil
	for _, fr := range held {
		if err := f.put(fr); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) put(fr *media.Frame) error {
	if !f.begun {
		f.begun, f.first, f.last = true, fr.DTS, fr.DTS
		if f.mark.Clock > 0 {
			f.shift = f.mark.Clock + frameGap - fr.DTS
		}
	}
	moved := media.Frame{Track: fr.Track, PTS: fr.PTS + f.shift, DTS: fr.DTS + f.shift, Key: fr.Key, Units: fr.Units}
	f.buf = f.mux.Append(f.buf[:0], &moved)
	if err := f.emit(f.buf); err != nil {
		return err
	}
	f.last = max(f.last, fr.DTS)
	f.mark.Clock = f.last + f.shift
	if fr.Track.Codec.Video() {
		f.mark.Frames++
	}
	return nil
}

func (f *File) emit(b []byte) error {
	if _, err := f.out.Write(b); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	f.mark.Bytes += int64(len(b))
	return nil
}

// Covered is the time from the first frame to the last since Open.
func (f *File) Covered() time.Duration {
	return time.Duration(f.last-f.first) * time.Second / media.ClockRate
}

// Flush gives what was written to whoever reads the file, and returns its mark.
func (f *File) Flush() (Mark, error) {
	if err := f.out.Flush(); err != nil {
		return Mark{}, fmt.Errorf("write recording: %w", err)
	}
	return f.mark, nil
}

// Close writes what is held, sees it on the disk, and returns the last mark.
func (f *File) Close() (Mark, error) {
	err := f.release()
	if err == nil {
		err = f.out.Flush()
	}
	if err == nil {
		err = f.file.Sync()
	}
	if err = errors.Join(err, f.file.Close()); err != nil {
		return f.mark, fmt.Errorf("close recording: %w", err)
	}
	return f.mark, nil
}
