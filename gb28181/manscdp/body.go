package manscdp

import (
	"strconv"

	"fengsui/gb28181"
)

// Body is a message that can be written. Node gives it in the schema order of an
// edition; the error is [ErrEdition] or [ErrValue], and then nothing is to be sent.
type Body interface {
	Node(e gb28181.Edition) (*Node, error)
}

// AppendBody appends b, as edition e has it, to dst. On an error, which is
// Node's, it returns dst as it was.
func AppendBody(dst []byte, b Body, e gb28181.Edition, charset string) ([]byte, error) {
	n, err := b.Node(e)
	if err != nil {
		return dst, err
	}
	return AppendEncode(dst, n, charset), nil
}

// message begins a message that has a DeviceID.
func message(root, cmd string, sn int, id gb28181.ID) *Node {
	return New(root, Leaf("CmdType", cmd), LeafInt("SN", sn), Leaf("DeviceID", string(id)))
}

// Answer is a Response that carries only a Result: to DeviceControl (2022
// A.2.6.2), DeviceConfig (A.2.6.8), a Notify/Alarm sent as MESSAGE (A.2.6.3),
// Broadcast (A.2.6.11), and in the 200 to a SUBSCRIBE.
type Answer struct {
	CmdType   string
	SN        int // the request's, which may be 0 when that had none
	DeviceID  gb28181.ID
	OK        bool     // a missing Result counts as OK
	ExtraInfo []string // 2022 only, each up to 1024 characters
}

// AsAnswer reads any Response as a plain one.
func (m *Message) AsAnswer() (Answer, error) {
	if err := m.want(m.CmdType, Response); err != nil {
		return Answer{}, err
	}
	return Answer{CmdType: m.CmdType, SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), OK: m.ResultOK(), ExtraInfo: m.extra()}, nil
}

// Node gives the message.
func (a Answer) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	if a.CmdType == "" {
		c.fail("CmdType", "", "the request's")
	}
	c.atLeast("SN", a.SN, 0)
	c.id("DeviceID", a.DeviceID)
	c.extra(a.ExtraInfo)
	n := message(Response, a.CmdType, a.SN, a.DeviceID).Add(Leaf("Result", result(a.OK)))
	return c.done(addExtra(n, a.ExtraInfo))
}

// extra reads the ExtraInfo elements.
func (m *Message) extra() (list []string) {
	for n := range m.Node.All("ExtraInfo") {
		if n.Text != "" && len(list) < maxList {
			list = append(list, n.Text)
		}
	}
	return list
}

func addExtra(n *Node, list []string) *Node {
	for _, s := range list {
		n.Add(Leaf("ExtraInfo", s))
	}
	return n
}

// list makes a container with its Num attribute.
func list(name string, items []*Node) *Node {
	return &Node{Name: name, Attrs: []Attr{{"Num", strconv.Itoa(len(items))}}, Children: items}
}

// maxList bounds what is kept of a list that holds a few elements by nature.
const maxList = 256
