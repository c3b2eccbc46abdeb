#!/usr/bin/env bash
# Compiles the TypeScript client against the declarations of the Go contract,
# after a look whether those are up to date. Needs Go and npm.
set -euo pipefail
cd "$(dirname "$0")"
cmp -s package-lock.json node_modules/.installed || {
	npm ci --no-audit --no-fund --loglevel=error
	cp package-lock.json node_modules/.installed
}
go run ../../../cmd/roomwire types ../chat --out chat.ts --check
node_modules/.bin/tsc --project .
# And whatever else a contract can hold is TypeScript.
node_modules/.bin/tsc --ignoreConfig --noEmit --strict --target es2022 ../../../cmd/roomwire/internal/typescript/testdata/everything.ts
echo "the TypeScript client compiles against the contract"
