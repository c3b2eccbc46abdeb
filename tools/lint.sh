#!/usr/bin/env bash
# The pinned linters of tools/go.mod over every module of the workspace:
# gofumpt, staticcheck, and govulncheck where its database can be reached.
#   lint.sh --fix   let gofumpt and go fix rewrite the files
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$PWD/bin/tools
if ! (cd tools && GOWORK=off GOBIN=$bin go install tool) >/dev/null 2>bin/lint-install.log; then
	tail -n 2 bin/lint-install.log
	echo "lint: THE LINTERS ARE NOT INSTALLED and could not be fetched; go vet and gofmt still ran"
	exit 75
fi

mapfile -t modules < <(go list -m -f '{{.Dir}}')
mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.go' | while read -r f; do [[ -f $f ]] && echo "$f"; done)
if [[ ${1:-} == --fix ]]; then
	"$bin/gofumpt" -w "${files[@]}"
	for m in "${modules[@]}"; do (cd "$m" && go fix ./...); done
	exit
fi

bad=0 checks=0 skips=0
unformatted=$("$bin/gofumpt" -l "${files[@]}")
checks=$((checks + 1))
if [[ -n $unformatted ]]; then
	printf 'gofumpt, run make fmt:\n%s\n' "$unformatted"
	bad=$((bad + 1))
fi
for m in "${modules[@]}"; do
	checks=$((checks + 1))
	(cd "$m" && "$bin/staticcheck" ./...) || bad=$((bad + 1))
done
if curl -sfI -m 5 https://vuln.go.dev/index/modules.json >/dev/null; then
	for m in "${modules[@]}"; do
		checks=$((checks + 1))
		(cd "$m" && "$bin/govulncheck" ./...) || bad=$((bad + 1))
	done
else
	skips=1
	echo "SKIP govulncheck: the vulnerability database at vuln.go.dev cannot be reached"
fi
echo "$((checks - bad)) passed, $bad failed, $skips skipped"
((bad == 0))
