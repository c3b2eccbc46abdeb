#!/usr/bin/env bash
# Runs the steps of `make test` (all of them, or those named) and says honestly
# what happened: a line per step, what failed in full, what was skipped and why,
# and a last line with the counts. Logs stay in bin/check.
set -euo pipefail
cd "$(dirname "$0")/.."

steps=(client-dist npm vet format lint unit race stress e2e browser parser types fuzz-seeds)
logs=bin/check
mkdir -p "$logs"
if [[ -t 1 ]]; then bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' dim=$'\e[2m' off=$'\e[0m'; else bold='' red='' green='' yellow='' dim='' off=''; fi

# Each step is a function. It prints its log; a last line "N passed, N failed,
# N skipped" gives its counts; exit 75 is a skip whose reason is the last line.
step_client-dist() { tools/fetch-client-dist.sh; }
step_npm() { npm_ci; } # first, as Go tests that want the official server need it, too
step_vet() { go vet work; }

step_format() {
	local bad
	bad=$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 ls -d 2>/dev/null | xargs gofmt -l)
	[[ -z $bad ]] || { echo "not gofmt-clean, run make fmt:"; echo "$bad"; return 1; }
}

step_lint() { tools/lint.sh; }
step_unit() { with_node node tools/gotest.mjs work; }
step_race() { with_node node tools/gotest.mjs -race ./...; }

# With the official server there, the Go client is tried against it, too.
with_node() {
	if [[ -f e2e/node_modules/.installed ]]; then export ROOMWIRE_NODE=1; fi
	"$@"
}
step_fuzz-seeds() { node tools/gotest.mjs -run '^Fuzz' work; }

# Everything at once for some seconds. The seeds are fixed, so that what fails
# here fails again.
step_stress() {
	go build -race -o bin/stress ./stress || return
	local seed good=0 bad=0
	for seed in 1 2 3; do
		if bin/stress -seed "$seed" -for 8s -q; then good=$((good + 1)); else bad=$((bad + 1)); fi
	done
	echo "$good passed, $bad failed, 0 skipped"
	((bad == 0))
}

# Our parser and that of npm take and refuse the same.
step_parser() {
	npm_ci || return
	node conformance/parser-agreement/agree.mjs --seed 1 --n 20000
}

# A TypeScript client is compiled against the declarations of a Go contract.
step_types() { examples/contract/ts/check.sh; }

step_e2e() {
	npm_ci || return
	E2E_RACE=1 node e2e/run.mjs
}

step_browser() {
	npm_ci || return
	local chromium
	chromium=$(tools/install-chromium.sh) || return
	CHROMIUM=$chromium node e2e/browser/run.mjs
}

# Installs the clients that e2e/package-lock.json pins, when they are not there.
npm_ci() {
	(
		cd e2e
		cmp -s package-lock.json node_modules/.installed && exit 0
		npm ci --no-audit --no-fund --loglevel=error
		cp package-lock.json node_modules/.installed
	)
}

passed=0 failed=0 skipped=0 notes=() began=$SECONDS
((${#} == 0)) || steps=("$@")
echo "${bold}roomwire${off} ${dim}$(go env GOVERSION), node $(node --version), $(nproc) cores${off}"
for name in "${steps[@]}"; do
	declare -F "step_$name" >/dev/null || { echo "no step $name" >&2; exit 2; }
	if [[ -t 1 ]]; then printf '    %-12s %s…%s' "$name" "$dim" "$off"; fi
	log=$logs/$name.log t=$SECONDS rc=0
	# A subshell, so that a step stops at its first error (set -e is off in conditions).
	set +e
	(set -e; "step_$name") >"$log" 2>&1
	rc=$?
	set -e
	p=0 f=0 s=0
	if ((rc == 75)); then
		s=1
		notes+=("${yellow}SKIPPED $name${off}" "$(tail -n 3 "$log" | sed 's/^/    /')")
		said=skipped
	else
		if [[ $(tail -n 1 "$log") =~ ([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped ]]; then
			p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
		fi
		said="${p} passed, ${f} failed, ${s} skipped"
		if ((p + f + s == 0)); then
			p=$((rc == 0)) f=$((rc != 0)) said=ok
		elif ((rc != 0 && f == 0)); then
			f=1
		fi
		if ((f > 0)); then
			[[ $said != ok ]] || said=failed
			notes+=("${red}FAILED $name${off} ${dim}($log)${off}" "$(tail -n 80 "$log" | sed 's/^/    /')")
		elif ((s > 0)); then
			notes+=("${yellow}$s skipped in $name${off}" "$(grep -m 20 -E '^ *SKIP' "$log" | sed 's/^/    /' || true)")
		fi
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	mark="${green}✓${off}"
	((rc != 75)) || mark="${yellow}–${off}"
	((f == 0)) || mark="${red}✗${off}"
	if [[ -t 1 ]]; then printf '\r\e[K'; fi
	printf '  %s %-12s %-42s %5d s\n' "$mark" "$name" "$said" $((SECONDS - t))
done

((${#notes[@]} == 0)) || printf '\n%s\n%s\n' "${notes[@]}"
printf '\n%s%d passed, %d failed, %d skipped%s in %dm%02ds\n' "$bold" "$passed" "$failed" "$skipped" "$off" $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60))
((failed == 0))
