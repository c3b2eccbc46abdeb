// Package probe finds out what a Socket.IO server speaks.
package probe

import "time"

// A Report is what was found out. Its JSON form is that of roomwire probe --json.
type Report struct {
	URL         string            `json:"url"`
	EngineIO    map[string]bool   `json:"engine_io"` // by version, "3" and "4"
	Polling     Transport         `json:"polling"`
	WebSocket   Transport         `json:"websocket"`
	Upgrade     Upgrade           `json:"upgrade"`
	Heartbeat   Heartbeat         `json:"heartbeat"`
	MaxPayload  int               `json:"max_payload"` // bytes; 0: the server does not say
	Compression bool              `json:"permessage_deflate"`
	Cookie      *Cookie           `json:"cookie"` // that the handshake sets
	CORS        CORS              `json:"cors"`
	Namespaces  []Namespace       `json:"namespaces"`
	Headers     map[string]string `json:"headers,omitempty"` // that name the server's software
	Advice      []Advice          `json:"advice"`
}

// A Transport tells whether a transport works.
type Transport struct {
	OK    bool   `json:"ok"`
	Took  Millis `json:"took_ms,omitempty"` // to open
	Error string `json:"error,omitempty"`
}

// An Upgrade is the change from polling to WebSocket.
type Upgrade struct {
	Offered []string `json:"offered"`
	OK      bool     `json:"ok"`
	Took    Millis   `json:"took_ms,omitempty"` // since polling was open
	Error   string   `json:"error,omitempty"`
}

// A Heartbeat is how the server checks that the client is there.
type Heartbeat struct {
	Interval Millis `json:"interval_ms"`
	Timeout  Millis `json:"timeout_ms"`
}

// A Cookie is one that the first response sets.
type Cookie struct {
	Name     string `json:"name"`
	HTTPOnly bool   `json:"http_only"`
	Secure   bool   `json:"secure"`
	SameSite string `json:"same_site,omitempty"`
}

// CORS is how the server treats a page of another origin.
type CORS struct {
	Origin      string `json:"origin"`                 // that was tried
	AllowOrigin string `json:"allow_origin,omitempty"` // what the server answered on polling
	Credentials bool   `json:"credentials"`            // so may a page send cookies
	Polling     bool   `json:"polling"`                // so can a page use it
	WebSocket   bool   `json:"websocket"`
}

// A Namespace is one that was tried.
type Namespace struct {
	Name     string `json:"name"`
	Joined   bool   `json:"joined"`
	Took     Millis `json:"took_ms,omitempty"`
	Recovery bool   `json:"recovery"` // the server gave a session that can be recovered
	Error    string `json:"error,omitempty"`
	Data     any    `json:"data,omitempty"` // of the refusal
}

// An Advice is something to know, or to do something about.
type Advice struct {
	Warning bool   `json:"warning"`
	Text    string `json:"text"`
}

// Millis is a duration that is written as milliseconds in JSON.
type Millis time.Duration

// MarshalJSON writes milliseconds.
func (m Millis) MarshalJSON() ([]byte, error) {
	return fmtMillis(time.Duration(m)), nil
}
