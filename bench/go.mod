module github.com/roomwire/roomwire/bench

go 1.26.0
