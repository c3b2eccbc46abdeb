package engine

// KnownAddresses returns how many addresses the server remembers.
func KnownAddresses(s *Server) int {
	s.addresses.mu.Lock()
	defer s.addresses.mu.Unlock()
	return len(s.addresses.known)
}
