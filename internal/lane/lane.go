// Package lane runs work one piece at a time, in order, on a goroutine that
// exists only while there is work.
package lane
