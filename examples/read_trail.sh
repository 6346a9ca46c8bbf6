#!/usr/bin/env bash
# Reads the trail with an API token that holds the permission `trail`, page by page.
#   API_TOKEN=mst_… CURL_CA_BUNDLE=var/tls/authority.pem examples/read_trail.sh
set -euo pipefail
base=${MISENTINEL_URL:-https://localhost:8443} after=""
while :; do
  page=$(curl -fsS -H "Authorization: Bearer $API_TOKEN" "$base/api/trail?limit=100${after:+&after=$after}")
  echo "$page" | python3 -c 'import json,sys; [print(e["at"], e["actor_kind"], e["tag"], e["outcome"]) for e in json.load(sys.stdin)["entries"]]'
  after=$(echo "$page" | python3 -c 'import json,sys; print(json.load(sys.stdin)["next"] or "")')
  [ -n "$after" ] || break
done
