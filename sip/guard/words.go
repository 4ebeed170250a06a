package guard

import "strings"

// words are looked for in a text in one pass, in any case.
type words struct {
	list  []string // lower case
	first [256]bool
}

func newWords(list []string) words {
	w := words{list: make([]string, 0, len(list))}
	for _, word := range list {
		if word = strings.ToLower(word); word != "" {
			w.list = append(w.list, word)
			w.first[word[0]], w.first[upper(word[0])] = true, true
		}
	}
	return w
}

// in reports whether one of the words is in the text.
func (w *words) in(text []byte) bool {
	for i, c := range text {
		if !w.first[c] {
			continue
		}
		for _, word := range w.list {
			if begins(text[i:], word) {
				return true
			}
		}
	}
	return false
}

// begins reports whether the text begins with a word in lower case; only ASCII
// letters have two cases.
func begins(text []byte, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		if c := text[i]; c != word[i] && (c < 'A' || c > 'Z' || c+'a'-'A' != word[i]) {
			return false
		}
	}
	return true
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}
