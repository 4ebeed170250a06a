package gbsdp

import "strings"

// Subject is the Subject header of an INVITE for media (signalling.md section
// 2.5): who sends which stream to whom.
type Subject struct {
	Sender      string // ID of the media sender: the channel
	SenderSeq   string // up to 20 characters, by practice the SSRC
	Receiver    string // ID of the media receiver: the platform
	ReceiverSeq string // unique at the receiver, by practice "0"
}

func (s Subject) String() string {
	return s.Sender + ":" + s.SenderSeq + "," + s.Receiver + ":" + s.ReceiverSeq
}

// ParseSubject reads a Subject and leaves "" what is missing of it.
func ParseSubject(v string) Subject {
	first, second, _ := strings.Cut(v, ",")
	var s Subject
	s.Sender, s.SenderSeq = pair(first)
	s.Receiver, s.ReceiverSeq = pair(second)
	return s
}

// pair splits "id:seq", passing over further fields.
func pair(v string) (id, seq string) {
	id, seq, _ = strings.Cut(v, ":")
	seq, _, _ = strings.Cut(seq, ":")
	return strings.TrimSpace(id), strings.TrimSpace(seq)
}
