package parser

// ValidJSON is what the tests compare with encoding/json.
var ValidJSON = validJSON

// Retained returns how many bytes a decoder holds for the next message.
func Retained(d Decoder) int {
	j := d.(*jsonDecoder)
	n := len(j.namespace) + cap(j.waiting.Payload.Data)
	for _, a := range j.waiting.Payload.Attachments {
		n += cap(a)
	}
	return n
}
