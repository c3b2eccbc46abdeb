#!/usr/bin/env bash
# Puts the browser bundles of the npm package socket.io, in the version that
# tools/client-dist/package-lock.json pins, into sio/client-dist, from where
# package sio embeds them. Does nothing when they are there already.
#
#   fetch-client-dist.sh              exit 75, loudly, when npm cannot deliver
#   fetch-client-dist.sh --tolerant   the same, but exit 0: the server is built
#                                     without the bundles
set -euo pipefail
cd "$(dirname "$0")/.."

to=sio/client-dist
files=(socket.io{,.min,.esm.min,.msgpack.min}.js{,.map}) # exactly what Node.js serves
# Go has no Brotli of its own, so it is done here.
brotli='const [from, to] = process.argv.slice(1), fs = require("fs"), zlib = require("zlib");
fs.writeFileSync(to, zlib.brotliCompressSync(fs.readFileSync(from), { params: { [zlib.constants.BROTLI_PARAM_SIZE_HINT]: fs.statSync(from).size } }))'
want=$(sed -n 's/^ *"socket.io": "\([0-9][^"]*\)".*/\1/p' tools/client-dist/package.json)

complete() {
	[[ -f $to/version && $(<"$to/version") == "$want" ]] || return 1
	for f in "${files[@]}"; do [[ -s $to/$f && -s $to/$f.br ]] || return 1; done
}

missing() {
	cat >&2 <<-EOF
		client-dist: $1
		client-dist: THE BROWSER CLIENT IS NOT BUILT IN. The server works; $to stays empty, /socket.io/socket.io.js
		client-dist: answers 404, and the demo page loads the client from the public CDN. Try again: make client-dist
	EOF
	[[ ${2:-} == --tolerant ]] && exit 0
	exit 75
}

complete && exit 0
command -v npm >/dev/null || missing "npm is not installed" "$@"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp tools/client-dist/package{,-lock}.json "$work"
(cd "$work" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error) >"$work/log" 2>&1 ||
	missing "npm could not fetch socket.io $want: $(grep -m1 -v '^npm warn' "$work/log" || echo "no reason given")" "$@"

mkdir -p "$to"
for f in "${files[@]}"; do
	cp "$work/node_modules/socket.io/client-dist/$f" "$to/$f.part"
	node -e "$brotli" "$to/$f.part" "$to/$f.br.part"
	mv "$to/$f.part" "$to/$f"
	mv "$to/$f.br.part" "$to/$f.br"
done
printf '%s\n' "$want" >"$to/version"
if [[ -t 1 ]]; then echo "client-dist: socket.io $want is in $to"; fi
