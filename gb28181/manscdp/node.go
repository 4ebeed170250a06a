package manscdp

import (
	"iter"
	"math"
	"strconv"
	"strings"
)

// Node is one element. All methods accept a nil Node, which is an absent element.
type Node struct {
	Name     string // as the peer spelt it, without namespace prefix
	Attrs    []Attr
	Text     string // own character data, decoded and trimmed
	Children []*Node

	cut bool // the body ended before its end tag
}

// Attr is one attribute, or one named value of an Info block.
type Attr struct{ Name, Value string }

// Child is the first child of that name, without case; nil if there is none.
func (n *Node) Child(name string) *Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// All yields the children of that name, without case.
func (n *Node) All(name string) iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if n == nil {
			return
		}
		for _, c := range n.Children {
			if strings.EqualFold(c.Name, name) && !yield(c) {
				return
			}
		}
	}
}

// Value is the text of the first child of that name, else the attribute of that
// name, else "".
func (n *Node) Value(name string) string {
	if c := n.Child(name); c != nil {
		return c.Text
	}
	return n.Attr(name)
}

// Attr is the attribute of that name, without case; "" if there is none.
func (n *Node) Attr(name string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.Attrs {
		if strings.EqualFold(a.Name, name) {
			return a.Value
		}
	}
	return ""
}

// Int is Value as a decimal integer, or def when it is absent or no number.
func (n *Node) Int(name string, def int) int {
	i, err := strconv.Atoi(n.Value(name))
	if err != nil {
		return def
	}
	return i
}

// Float is Value as a number, or 0.
func (n *Node) Float(name string) float64 {
	f, err := strconv.ParseFloat(n.Value(name), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// New makes an element with children.
func New(name string, children ...*Node) *Node { return &Node{Name: name, Children: children} }

// Leaf makes an element with text.
func Leaf(name, text string) *Node { return &Node{Name: name, Text: text} }

// LeafInt makes an element with a number.
func LeafInt(name string, v int) *Node { return Leaf(name, strconv.Itoa(v)) }

// Add appends children and returns n.
func (n *Node) Add(children ...*Node) *Node {
	n.Children = append(n.Children, children...)
	return n
}

// addText appends a leaf unless text is "".
func (n *Node) addText(name, text string) {
	if text != "" {
		n.Children = append(n.Children, Leaf(name, text))
	}
}

// Equal reports whether two trees say the same, with names as they are spelt.
func (n *Node) Equal(o *Node) bool {
	if n == nil || o == nil {
		return n == o
	}
	if n.Name != o.Name || n.Text != o.Text || len(n.Attrs) != len(o.Attrs) || len(n.Children) != len(o.Children) {
		return false
	}
	for i := range n.Attrs {
		if n.Attrs[i] != o.Attrs[i] {
			return false
		}
	}
	for i := range n.Children {
		if !n.Children[i].Equal(o.Children[i]) {
			return false
		}
	}
	return true
}
