package ws_test

import (
	"testing"

	"github.com/roomwire/roomwire/internal/poller"
)

// TestPolled repeats what can depend on how a connection is read, read by a
// poller.
func TestPolled(t *testing.T) {
	readBy = new(poller.Poller)
	defer func() {
		readBy.Wait()
		readBy = nil
	}()
	readAgain(t)
}

// TestOnShift repeats it for goroutines that may have jobs.
func TestOnShift(t *testing.T) {
	onShift = true
	defer func() { onShift = false }()
	readAgain(t)
}

func readAgain(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"Framing":           TestFraming,
		"PingsAndPongs":     TestPingsAndPongs,
		"ReservedBits":      TestReservedBitsAreRefused,
		"UnknownOpcodes":    TestUnknownOpcodesAreRefused,
		"Fragmentation":     TestFragmentation,
		"UTF8":              TestTextIsCheckedToBeUTF8,
		"CloseHandling":     TestCloseHandling,
		"Limits":            TestLimits,
		"Compression":       TestCompression,
		"CloseByHandler":    TestCloseFromWithinAHandlerEndsServe,
		"CloseWakes":        TestCloseWakesAReaderThatWaits,
		"PeerLearnsOfClose": TestPeerLearnsOfACloseWhileAHandlerIsStillBusy,
		"EndWithLastBytes":  TestEndThatArrivesTogetherWithTheLastBytesIsNoticed,
		"ErrorOfHandler":    TestErrorOfAHandlerEndsServe,
		"Idle":              TestIdleFollowsTheMessagesOfABatch,
		"TryWrite":          TestTryWriteStopsWhereTheKernelWouldBlock,
		"AllAtOnce":         TestCloseServeAndWriteAtTheSameTime,
		"NoAllocation":      TestSmallMessagesAreReadAndAnsweredWithoutAllocating,
		"NoBuffer":          TestWaitingConnectionHoldsNoReadBuffer,
		"AnnouncedLength":   TestAnnouncedLengthAllocatesNothing,
		"HugeMessage":       TestHugeMessageLeavesNoBufferBehind,
		"WithTheRequest":    TestFramesSentTogetherWithTheRequestAreNotLost,
		"UnixSockets":       TestAcceptOverUnixSocketsReadsTheDescriptor,
		"AllSizes":          TestClientAndServerExchangeMessagesOfAllSizes,
	} {
		t.Run(name, test)
	}
}
