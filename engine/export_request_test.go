package engine

// ParseQuery is parseQuery.
func ParseQuery(raw string) (protocol, transport, sid string) {
	q := parseQuery(raw)
	return q.protocol, q.transport, q.sid
}
