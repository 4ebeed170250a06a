package api

// Routes are the patterns of all routes and whether strangers may use each.
func (s *Server) Routes() map[string]bool {
	open := map[string]bool{}
	for pattern, a := range s.routes {
		open[pattern] = a.role == nobody
	}
	return open
}
