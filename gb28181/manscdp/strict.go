package manscdp

import (
	"errors"
	"fmt"

	"fengsui/gb28181"
)

// ErrNoForm is a message that has no typed form here.
var ErrNoForm = errors.New("message without a typed form")

// Body reads m as the type of its root and CmdType. The error is [ErrNoForm] or
// the view's.
func (m *Message) Body() (Body, error) {
	for _, f := range forms {
		if f.root == m.Root && foldEqual([]byte(f.cmd), m.CmdType) {
			return f.read(m)
		}
	}
	return nil, fmt.Errorf("%w: %s/%s", ErrNoForm, m.Root, clip(m.CmdType))
}

// forms are the requests that a device may get.
var forms = [...]struct {
	root, cmd string
	read      func(m *Message) (Body, error)
}{
	{Control, CmdDeviceControl, func(m *Message) (Body, error) { return m.AsDeviceControl() }},
	{Query, CmdAlarm, func(m *Message) (Body, error) { return m.AsAlarmQuery() }},
	{Query, CmdMobilePosition, func(m *Message) (Body, error) { return m.AsPositionQuery() }},
	{Query, CmdCatalog, inquiry}, {Query, CmdDeviceInfo, inquiry}, {Query, CmdDeviceStatus, inquiry},
	{Query, CmdPresetQuery, inquiry}, {Query, CmdHomePosition, inquiry}, {Query, CmdCruiseTrackList, inquiry},
	{Query, CmdCruiseTrack, inquiry}, {Query, CmdPTZPosition, inquiry}, {Query, CmdSDCardStatus, inquiry},
	{Notify, CmdBroadcast, func(m *Message) (Body, error) { return m.AsBroadcast() }},
}

func inquiry(m *Message) (Body, error) { return m.AsInquiry() }

// Strict reports how a request differs from what edition e prints: a name in
// another case, an element out of its order, too many or missing, a value out of
// range, a command that the edition does not have. It is how strict parsers in the
// field read (signalling.md section 9 row 49). A message without a typed form is
// not judged.
func (m *Message) Strict(e gb28181.Edition) error {
	b, err := m.Body()
	if errors.Is(err, ErrNoForm) {
		return nil
	}
	if err != nil {
		return err
	}
	want, err := b.Node(e)
	if err != nil {
		return err
	}
	return differs(want, m.Node)
}

// differs names the first difference between two trees.
func differs(want, have *Node) error {
	if have.Name != want.Name || have.Text != want.Text {
		return fmt.Errorf("want <%s>%s, have <%s>%s", want.Name, clip(want.Text), clip(have.Name), clip(have.Text))
	}
	for i, w := range want.Children {
		if i == len(have.Children) {
			return fmt.Errorf("<%s> ends where <%s> is wanted", have.Name, w.Name)
		}
		if err := differs(w, have.Children[i]); err != nil {
			return err
		}
	}
	if n := len(want.Children); n < len(have.Children) {
		return fmt.Errorf("<%s> has a <%s> too many", have.Name, clip(have.Children[n].Name))
	}
	for i, a := range want.Attrs {
		if i == len(have.Attrs) || have.Attrs[i] != a {
			return fmt.Errorf("<%s>: want the attribute %s=%q", have.Name, a.Name, a.Value)
		}
	}
	return nil
}
