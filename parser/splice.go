package parser

// Splice joins a name to arguments that are encoded already.
func (jsonCodec) Splice(dst []byte, name string, args Payload) Payload {
	start := len(dst)
	dst = append(dst, '[')
	if name != "" {
		dst = appendQuoted(dst, name)
	}
	first := skipSpace(args.Data, skipSpace(args.Data, 0)+1)
	if first < len(args.Data) && args.Data[first] != ']' {
		if name != "" {
			dst = append(dst, ',')
		}
		dst = append(dst, args.Data[first:]...)
	} else {
		dst = append(dst, ']')
	}
	return Payload{Data: dst[start:], Attachments: args.Attachments}
}

// Rest writes the opening bracket over what stands before the first argument.
func (jsonCodec) Rest(p Payload) Payload {
	b := p.Data
	open := skipSpace(b, 0)
	if open >= len(b) || b[open] != '[' {
		return p
	}
	name, err := eventName(b, skipSpace(b, open+1))
	if err != nil {
		return p
	}
	next := skipSpace(b, skipSpace(b, open+1)+len(name))
	if next < len(b) { // a comma, or the closing bracket of an event without arguments
		if b[next] == ']' {
			if name[0] != '"' {
				// There may be no byte between the name, which must
				// stay as it is, and the bracket.
				p.Data = []byte("[]")
				return p
			}
			next--
		}
		b[next] = '['
		p.Data = b[next:]
	}
	return p
}
