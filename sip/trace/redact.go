package trace

import "bytes"

// redact overwrites, in place and keeping every length, what must not leave the
// server: response= of Digest credentials (a dictionary attack needs no more)
// and the text of XML elements whose name ends in "password" or "passwd"
// (signalling reference, section 9 row 52: BasicParam holds the SIP password).
func redact(raw []byte) {
	rest := raw
	secret := false // inside an Authorization header, which may be folded
	for len(rest) > 0 {
		line, after := cutLine(rest)
		rest = after
		if len(line) == 0 {
			break
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := cutHeader(line)
			secret = equalFold(name, "authorization") || equalFold(name, "proxy-authorization")
		}
		if secret {
			redactResponse(line)
		}
	}
	redactXML(rest)
}

func redactResponse(line []byte) {
	const word = "response"
	for i := 0; i+len(word) < len(line); i++ {
		if !equalFold(line[i:i+len(word)], word) || i > 0 && isName(line[i-1]) {
			continue
		}
		j := skipBlank(line, i+len(word))
		if j == len(line) || line[j] != '=' {
			continue
		}
		j = skipBlank(line, j+1)
		if j < len(line) && line[j] == '"' {
			for j++; j < len(line) && line[j] != '"'; j++ {
				line[j] = '*'
			}
		} else {
			for ; j < len(line) && line[j] != ',' && line[j] != ' '; j++ {
				line[j] = '*'
			}
		}
		i = j
	}
}

func redactXML(body []byte) {
	for i := 0; i < len(body); {
		open := bytes.IndexByte(body[i:], '<')
		if open < 0 {
			return
		}
		i += open + 1
		start := i
		for i < len(body) && isName(body[i]) {
			i++
		}
		if !isSecret(body[start:i]) {
			continue
		}
		end := bytes.IndexByte(body[i:], '>')
		if end < 0 {
			return
		}
		if end > 0 && body[i+end-1] == '/' {
			continue
		}
		for i += end + 1; i < len(body) && body[i] != '<'; i++ {
			body[i] = '*'
		}
	}
}

func isSecret(name []byte) bool {
	for _, word := range []string{"password", "passwd"} {
		if n := len(name) - len(word); n >= 0 && equalFold(name[n:], word) {
			return true
		}
	}
	return false
}

func skipBlank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	return i
}

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == ':' || c == '.'
}
