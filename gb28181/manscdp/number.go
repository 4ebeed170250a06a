package manscdp

import (
	"math"
	"strconv"
	"strings"
)

// decimal writes a number without an exponent, as short as it is exact.
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// hundredths writes a number with the two places that angles and zoom have.
func hundredths(v float64) string {
	s := strconv.FormatFloat(v, 'f', 2, 64)
	if s == "-0.00" {
		return "0.00"
	}
	return s
}

// addNumber appends a leaf unless v is absent.
func (n *Node) addNumber(name string, v *float64, write func(float64) string) {
	if v != nil {
		n.Add(Leaf(name, write(*v)))
	}
}

// addInt appends a leaf unless v is absent.
func (n *Node) addInt(name string, v *int) {
	if v != nil {
		n.Add(LeafInt(name, *v))
	}
}

// optInt is Value as an integer of 31 bits, nil when absent or no number.
func (n *Node) optInt(name string) *int {
	i, err := strconv.Atoi(n.Value(name))
	if err != nil || i < -maxInt || i > maxInt {
		return nil
	}
	return &i
}

// optFloat is Value as a number, nil when absent or none.
func (n *Node) optFloat(name string) *float64 {
	f, err := strconv.ParseFloat(n.Value(name), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > maxInt {
		return nil
	}
	return &f
}

// coordinate is Value as degrees up to limit, with the letters that some devices
// put behind (signalling.md section 3.11); nil when there is no such place.
func (n *Node) coordinate(name string, limit float64) *float64 {
	s := strings.ToUpper(n.Value(name))
	sign := 1.0
	if s != "" {
		switch s[len(s)-1] {
		case 'W', 'S':
			sign, s = -1, s[:len(s)-1]
		case 'E', 'N':
			s = s[:len(s)-1]
		}
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(f >= -limit && f <= limit) {
		return nil
	}
	f *= sign
	return &f
}
