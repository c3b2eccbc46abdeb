#!/usr/bin/env bash
# Takes the screenshots of docs/images from the chat page as it is now.
set -euo pipefail
cd "$(dirname "$0")/.."
(cd e2e && npm ci --no-audit --no-fund --loglevel=error >/dev/null)
CHROMIUM=$(tools/install-chromium.sh) node e2e/browser/run.mjs --screenshots
