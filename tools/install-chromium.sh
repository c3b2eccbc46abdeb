#!/usr/bin/env bash
# Makes sure that a Chromium is there for the browser tests, from Debian's
# packages, and prints its path. Exit 75, loudly, when it cannot be had.
set -euo pipefail

find_it() {
	local bin
	for bin in "${CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
		if [[ -n $bin && -x $bin ]]; then
			echo "$bin"
			return
		fi
	done
	return 1
}

find_it && exit 0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
as_root=()
if ((EUID != 0)); then as_root=(sudo -n); fi
if command -v apt-get >/dev/null &&
	{ "${as_root[@]}" apt-get update -qq && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >"$log" 2>&1 &&
	find_it; then
	exit 0
fi
echo "install-chromium: NO BROWSER TESTS: there is no Chromium and apt-get could not install it. $(tail -n 1 "$log")" >&2
echo "install-chromium: install one by hand, or name it: CHROMIUM=/path/to/chromium" >&2
exit 75
