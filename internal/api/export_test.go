package api

// Routes are the patterns of all routes and whether strangers may use each.
func (s *Server) Routes() map[string]bool {
	open := map[string]bool{}
	for pattern, a := range s.routes {
		open[pattern] = a.open
	}
	return open
}

// Rights are what the routes ask, by pattern: open, member, an act, or "" where
// nothing is declared.
func (s *Server) Rights() map[string]string {
	out := map[string]string{}
	for pattern, a := range s.routes {
		switch {
		case a.open:
			out[pattern] = "open"
		case a.member:
			out[pattern] = "member"
		default:
			out[pattern] = a.act.String()
		}
	}
	return out
}
