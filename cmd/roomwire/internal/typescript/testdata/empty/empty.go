// Package empty has no events.
package empty

// Name is a constant of another type.
const Name = "name"
