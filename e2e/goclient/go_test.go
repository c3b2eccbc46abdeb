package goclient_test

// goTargets are servers of this process.
var goTargets []target
