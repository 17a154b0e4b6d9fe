#!/bin/sh
# HTTP with curl: write, ask, page through tags, correct, follow.
# Usage: sh curl.sh http://127.0.0.1:8428
set -eu
url=${1:-http://127.0.0.1:8428}
fetch() { curl --silent --show-error --fail-with-body --max-time 20 "$@"; }

echo "-- write: line protocol, then JSON; both are on disk when curl returns"
fetch "$url/write?precision=s" --data-binary 'example,line=1 temperature=21.5,open=false 1767225600
example,line=1 temperature=22.25,open=true 1767225660'
fetch "$url/api/v1/samples" --header 'content-type: application/json' --data \
  '[{"tag": "example/note", "ts": "2026-01-01T00:00:00Z", "value": "first fill", "quality": "good"}]'

echo "-- ask: CSV, and JSON with parameters"
fetch "$url/api/v1/sql" --header 'accept: text/csv' --data \
  "SELECT tag, ts, value, text FROM samples WHERE tag LIKE 'example/%' ORDER BY tag, ts"
fetch "$url/api/v1/sql" --header 'content-type: application/json' --data \
  '{"query": "SELECT max(value) AS peak FROM samples WHERE tag LIKE $1", "params": ["example/%/temperature"]}'

echo "-- tags: by pattern and label; then say what one measures"
fetch --get "$url/api/v1/tags" --data-urlencode 'glob=example/**' --data-urlencode 'label=line=1' \
  --data limit=10
echo
tag=$(fetch "$url/api/v1/sql" --header 'accept: text/csv' --data \
  "SELECT name FROM tags WHERE name LIKE 'example/%temperature'" | tail -n 1 | tr -d '\r')
fetch --request PATCH "$url/api/v1/tags" --url-query "tag=$tag" --data \
  '{"unit": "°C", "description": "chamber, top", "alias": "example/temperature"}'
echo

echo "-- correct, on the record"
fetch "$url/api/v1/samples/edit" --data '{"user": "anna", "reason": "sensor was upside down",
  "samples": [{"tag": "example/temperature", "ts": "2026-01-01T00:01:00Z", "value": 22.0}]}'
echo
fetch "$url/api/v1/audit"
echo

echo "-- follow: the latest values now, then every change (stopped here after a second)"
curl --silent --no-buffer --max-time 1 --get "$url/api/v1/live/events" \
  --data-urlencode 'tag=example/temperature' || test $? -eq 28
