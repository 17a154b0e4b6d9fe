#!/bin/sh
# The served OpenAPI document against the running server, with schemathesis (from PyPI).
# Usage: sh openapi.sh http://127.0.0.1:8428 [SCHEMATHESIS [EXAMPLES]]
set -eu
url=${1:-http://127.0.0.1:8428}
schemathesis=${2:-schemathesis}
examples=${3:-40}
if ! "$schemathesis" --version >/dev/null 2>&1; then
  echo "skipped: schemathesis is not here (pip install schemathesis)"
  exit 0
fi
# It keeps notes where it runs.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# Left out: the streams, which never end; whether every text is accepted, as most texts are no SQL,
# no line protocol and no pattern; and whether each wrong header is refused, which HTTP leaves open.
"$schemathesis" run "$url/api/v1/openapi.json" --url "$url" \
  --exclude-path-regex '/api/v1/live' \
  --exclude-checks positive_data_acceptance,missing_required_header \
  --max-examples "$examples" --phases examples,coverage,fuzzing --request-timeout 20 \
  --generation-database none --no-color
