#!/usr/bin/env bash
# Runs every fuzz target of the workspace for a while: fuzz.sh 20s
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-20s} ran=0 failed=0
while IFS=: read -r file target; do
	dir=$(dirname "$file")
	ran=$((ran + 1))
	printf '  %-24s %-32s ' "$dir" "$target"
	if out=$(cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 20x . 2>&1); then
		grep -oE 'execs: [0-9]+' <<<"$out" | tail -n 1 || echo ok
	else
		failed=$((failed + 1))
		printf 'FAILED\n%s\n' "$out"
	fi
done < <(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed 's/:func /:/')
echo "$((ran - failed)) passed, $failed failed, 0 skipped"
((failed == 0))
