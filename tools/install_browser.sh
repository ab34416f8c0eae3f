#!/usr/bin/env bash
# Install what the browser tests need: Chromium, Node.js with npm, and axe-core in .cache/npm.
# Missing system packages are installed only where that is ours to do: Debian or Ubuntu, as root.
set -euo pipefail
cd "$(dirname "$0")/.."

find_chromium() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && command -v "$name"; then return 0; fi
  done
  return 1
}

missing=()
find_chromium >/dev/null || missing+=(chromium)
command -v npm >/dev/null || missing+=(nodejs npm)

if [ "${#missing[@]}" -gt 0 ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  else
    echo "The browser tests need: ${missing[*]}." >&2
    echo "Install them (Debian or Ubuntu: sudo apt-get install ${missing[*]}; macOS: brew install" >&2
    echo "--cask chromium and brew install node), or set CHROMIUM=/path/to/chrome." >&2
    exit 1
  fi
fi

axe=".cache/npm/node_modules/axe-core/package.json"
if ! grep -qs "\"version\": \"$AXE_VERSION\"" "$axe"; then
  mkdir -p .cache/npm
  npm install --prefix .cache/npm --no-save --no-package-lock --no-audit --no-fund --loglevel=error \
    "axe-core@$AXE_VERSION"
fi
grep -q "\"version\": \"$AXE_VERSION\"" "$axe"
echo "Browser tests: $(find_chromium), axe-core $AXE_VERSION"
