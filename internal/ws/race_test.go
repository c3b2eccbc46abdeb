//go:build race

package ws_test

// raceDetector tells that pools drop things at random.
const raceDetector = true
