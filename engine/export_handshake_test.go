package engine

// ParseHandshake is parseHandshake.
var ParseHandshake = parseHandshake
