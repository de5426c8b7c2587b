#!/usr/bin/env bash
# What a mobile build runs: upload a log, train, wait, download the model, check every byte. Needs curl, sha256sum, python3.
#
#   POCKETREC_URL=http://127.0.0.1:8000 build_pipeline.sh ratings.csv films assets/
#
# Run it again with the same log and it trains nothing: the Idempotency-Key makes the service give the same job again.
set -euo pipefail

log=$1 model=$2 out=$3
url=${POCKETREC_URL:-http://127.0.0.1:8000}
preset=${PRESET:-rnn}
api=(curl --silent --show-error --fail-with-body --retry 5 --retry-all-errors)
[[ -z ${POCKETREC_API_KEY:-} ]] || api+=(--header "Authorization: Bearer $POCKETREC_API_KEY")
field() { python3 -c 'import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1].split("."):
    value = value[name] if isinstance(value, dict) else None
print("" if value is None else value)' "$1"; }

content=$(sha256sum "$log" | cut -d" " -f1)
dataset=$("${api[@]}" --header "Idempotency-Key: upload-$content" --form "file=@$log" "$url/v1/datasets" | field id)
echo "dataset $dataset"
while status=$("${api[@]}" "$url/v1/datasets/$dataset?wait=20" | field status) && [[ $status == validating ]]; do :; done
if [[ $status != ready ]]; then
    "${api[@]}" "$url/v1/datasets/$dataset" | field error.detail >&2
    exit 2
fi

job=$("${api[@]}" --header "Idempotency-Key: train-$content-$preset-$model" --json "{
    \"dataset_id\": \"$dataset\", \"preset\": \"$preset\", \"model\": \"$model\",
    \"metadata\": {\"commit\": \"${COMMIT:-none}\"}}" "$url/v1/jobs" | field id)
echo "job $job"
seen=0
while true; do
    view=$("${api[@]}" "$url/v1/jobs/$job?wait=20&after=$seen")
    status=$(field status <<<"$view") seen=$(field last_seq <<<"$view")
    echo "  $status $(field phase <<<"$view")"
    case $status in
        succeeded) break ;;
        failed | cancelled) field error.detail <<<"$view" >&2; exit 1 ;;
    esac
done

version=$(field result.version <<<"$view")
files=$url/v1/models/$model/versions/$version/files
# Downloaded beside the old files, which are replaced only by verified ones.
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
for name in model.tflite items.json manifest.json; do
    "${api[@]}" --output "$new/$name" "$files/$name"
done
"${api[@]}" "$files/SHA256SUMS" | (cd "$new" && sha256sum --check --ignore-missing --strict)
mkdir -p "$out"
mv "$new"/* "$out"
echo "$model version $version is in $out"
