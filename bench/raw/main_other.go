//go:build !linux

// Command raw measures Linux system calls and exists there only.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "raw: this server needs Linux")
	os.Exit(1)
}
