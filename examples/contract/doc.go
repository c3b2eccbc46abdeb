// Package contract shows one package of event constants, chat, that a server,
// a Go client and a TypeScript client share.
package contract
