// Package conformance holds conversations between a client and the fixture
// server, as they are on the wire, and plays them over every transport.
//
// The files in testdata are read by the test: a line "C> " is sent by the
// client, a line "S> " must be what the server sends next, <hex> is a binary
// message, {name} in a server's line matches an ID, which later lines may use
// as ${name}. "closed" waits for the end of the connection, "quiet" checks
// that nothing else comes before the answer to a last echo.
package conformance
