#!/usr/bin/env bash
# Writes what the commands of docs/cli.md print into it. With --check it changes
# nothing, and fails when the file is not what they print. Needs Go, and Node.js
# with e2e/node_modules for the blocks that talk to the official server.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ ${1-} != --check ]] || set -- -check
go run ./cmd/roomwire/internal/record "$@" docs/cli.md
