module github.com/roomwire/roomwire/cmd/roomwire

go 1.26.0

require (
	github.com/alecthomas/kong v1.17.0
	github.com/rogpeppe/go-internal v1.16.0
	github.com/roomwire/roomwire v0.1.0
	github.com/roomwire/roomwire/bench v0.1.0
	github.com/roomwire/roomwire/stores/pebble v0.1.0
	golang.org/x/sys v0.49.0
	golang.org/x/term v0.47.0
	golang.org/x/tools v0.52.0
)

require (
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
)
