// Package model holds types of a contract that is in another package.
package model

// A Color is one of a few.
type Color string

// The colors.
const (
	Red   Color = "red"
	Green Color = "green"
	none  Color = ""
)

// A Car is from elsewhere.
type Car struct {
	Color Color `json:"color"` // of the paint
}
