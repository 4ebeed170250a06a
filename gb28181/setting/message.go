package setting

import (
	"fmt"
	"strings"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// Setting is a config type with its values.
type Setting struct {
	Type   *Type
	Values Values
}

// Query is Query/ConfigDownload: what is asked for (2022 A.2.4).
type Query struct {
	SN       int
	DeviceID gb28181.ID // the device's or a channel's
	Types    []*Type    // one or more
}

// AsQuery reads m as a query. A type that the schema does not have is left out.
func AsQuery(m *manscdp.Message) (Query, error) {
	if err := is(m, manscdp.Query, manscdp.CmdConfigDownload); err != nil {
		return Query{}, err
	}
	q := Query{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID)}
	for name := range strings.SplitSeq(m.Node.Value("ConfigType"), "/") {
		if t, ok := Find(strings.TrimSpace(name)); ok && len(q.Types) < len(types) {
			q.Types = append(q.Types, t)
		}
	}
	return q, nil
}

// Node gives the message; the error is [manscdp.ErrEdition] when the edition lacks a type.
func (q Query) Node(e gb28181.Edition) (*manscdp.Node, error) {
	names := make([]string, len(q.Types))
	for i, t := range q.Types {
		if e.Effective() < t.Since {
			return nil, manscdp.ErrEdition{What: "config type " + t.Name, Edition: e.Effective(), Since: t.Since}
		}
		names[i] = t.Name
	}
	if len(names) == 0 {
		return nil, manscdp.ErrValue{Field: "ConfigType", Value: "", Want: "one type or more"}
	}
	return manscdp.NewQuery(manscdp.CmdConfigDownload, q.SN, q.DeviceID).Add(manscdp.Leaf("ConfigType", strings.Join(names, "/"))), nil
}

// Set is Control/DeviceConfig (2022 A.2.3.2). Its answer is a [manscdp.Answer].
type Set struct {
	SN       int
	DeviceID gb28181.ID
	Settings []Setting // one or more
}

// AsSet reads m as a command. Its values are not checked.
func AsSet(m *manscdp.Message) (Set, error) {
	if err := is(m, manscdp.Control, manscdp.CmdDeviceConfig); err != nil {
		return Set{}, err
	}
	s := Set{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID)}
	for _, n := range m.Node.Children {
		if t := typeOf(n); t != nil && len(s.Settings) < len(types) {
			s.Settings = append(s.Settings, Setting{t, read(n, t.Fields)})
		}
	}
	return s, nil
}

// Node gives the message; the errors are those of [Type.Check].
func (s Set) Node(e gb28181.Edition) (*manscdp.Node, error) {
	if len(s.Settings) == 0 {
		return nil, manscdp.ErrValue{Field: manscdp.CmdDeviceConfig, Value: "", Want: "one type or more"}
	}
	n := head(manscdp.Control, manscdp.CmdDeviceConfig, s.SN, s.DeviceID)
	return addSettings(n, s.Settings, e, true)
}

// Answer is Response/ConfigDownload, or one of several (2022 A.2.6).
type Answer struct {
	SN       int
	DeviceID gb28181.ID
	OK       bool
	Settings []Setting
}

// Node gives the message. Fields that the edition has not are left out.
func (a Answer) Node(e gb28181.Edition) (*manscdp.Node, error) {
	result := "ERROR"
	if a.OK {
		result = "OK"
	}
	n := head(manscdp.Response, manscdp.CmdConfigDownload, a.SN, a.DeviceID).Add(manscdp.Leaf("Result", result))
	return addSettings(n, a.Settings, e, false)
}

// AsAnswer reads m as an answer to a question for the types of asked; those that
// it has come in that order. An element under another name than its type's is
// known by what it holds (signalling.md section 9 row 28).
func AsAnswer(m *manscdp.Message, asked []*Type) (Answer, error) {
	if err := is(m, manscdp.Response, manscdp.CmdConfigDownload); err != nil {
		return Answer{}, err
	}
	a := Answer{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), OK: m.ResultOK()}
	found := make(map[*Type]*manscdp.Node, len(asked))
	var strange []*manscdp.Node
	for _, n := range m.Node.Children {
		switch t := typeOf(n); {
		case t != nil && found[t] == nil:
			found[t] = n
		case t == nil && len(n.Children) > 0 && len(strange) < len(types):
			strange = append(strange, n)
		}
	}
	for _, t := range asked {
		if found[t] == nil {
			found[t] = t.likest(strange, asked)
		}
		if n := found[t]; n != nil {
			a.Settings = append(a.Settings, Setting{t, read(n, t.Fields)})
		}
	}
	return a, nil
}

// likest is the first element that holds what t has and no other of those asked
// for has more of.
func (t *Type) likest(strange []*manscdp.Node, asked []*Type) *manscdp.Node {
	for _, n := range strange {
		score := t.likeness(n)
		for _, other := range asked {
			if other.likeness(n) > score {
				score = 0
			}
		}
		if score > 0 {
			return n
		}
	}
	return nil
}

// likeness is how many of the type's elements n has.
func (t *Type) likeness(n *manscdp.Node) (score int) {
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Name != "" && n.Child(f.Name) != nil || f.In != "" && n.Child(f.In) != nil {
			score++
		}
		if f.Kind == Items && f.Count[0] != '@' && n.Child(f.Count) != nil {
			score++
		}
		if f.Kind == Items && f.Count[0] == '@' { // Item alone says little
			for item := range n.All(f.Name) {
				score += (&Type{Fields: f.Fields}).likeness(item)
				break
			}
		}
	}
	return score
}

// typeOf is the type whose name an element has, nil if none.
func typeOf(n *manscdp.Node) *Type {
	for _, t := range types {
		if strings.EqualFold(n.Name, t.Name) {
			return t
		}
		for _, name := range t.names {
			if strings.EqualFold(n.Name, name) {
				return t
			}
		}
	}
	return nil
}

func addSettings(n *manscdp.Node, list []Setting, e gb28181.Edition, set bool) (*manscdp.Node, error) {
	for _, s := range list {
		v, err := s.Type.check(s.Values, e, set)
		if err != nil {
			return nil, err
		}
		n.Add(s.Type.write(v, e, set))
	}
	return n, nil
}

func head(root, cmd string, sn int, id gb28181.ID) *manscdp.Node {
	return manscdp.New(root, manscdp.Leaf("CmdType", cmd), manscdp.LeafInt("SN", sn), manscdp.Leaf("DeviceID", string(id)))
}

func is(m *manscdp.Message, root, cmd string) error {
	if m.Root != root || !strings.EqualFold(m.CmdType, cmd) {
		return fmt.Errorf("%s/%.32q is no %s/%s", m.Root, m.CmdType, root, cmd)
	}
	return nil
}
