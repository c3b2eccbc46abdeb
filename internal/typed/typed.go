// Package typed binds the arguments of an event to a Go type, planned once per type.
package typed
