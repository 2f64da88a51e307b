#!/usr/bin/env bash
# Runs the compatibility suite with every Node that is supported: the one of the lock file, and those given here.
# `scripts/compat.sh` or `scripts/compat.sh 22 26`.
set -euo pipefail
cd "$(dirname "$0")/.."

versions=("$@")
if [ ${#versions[@]} -eq 0 ]; then
  versions=(22 24 26)
fi
for version in "${versions[@]}"; do
  npm exec --yes --package="node@${version}" -c 'node --no-warnings test/compat/suite.ts'
done
